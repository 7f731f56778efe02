/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The entry point of a program without a C runtime (linker: /entry:program_entry).
 */
#include "user.h"

#define MOST_ARGUMENTS 16

void __cdecl program_entry(void);

void __cdecl program_entry(void)
{
    const WCHAR *given = GetCommandLineW();
    WCHAR *argv[MOST_ARGUMENTS];
    DWORD argc, bytes = (text_length(given) + 1) * sizeof(WCHAR);
    WCHAR *line = (WCHAR *)HeapAlloc(GetProcessHeap(), 0, bytes);

    if (line == NULL)
        ExitProcess(EXIT_NO_MEMORY);
    memcpy(line, given, bytes);
    argc = args_split(line, argv, MOST_ARGUMENTS);
    if (argc > MOST_ARGUMENTS)
        argc = MOST_ARGUMENTS;
    ExitProcess(program_main(argc, argv));
}

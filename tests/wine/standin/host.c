/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The toolstack's hand: `host PATH VALUE ...` writes nodes of the stand-in's store, `host PATH` prints one. The exit code
 * is a Windows error code.
 */
#include <windows.h>
#include "xenpci_ioctl.h"

#define WORDS 32
#define WORD 128

static char words[WORDS][WORD];

static int split(const char *line)
{
    int count = 0;

    while (*line && count < WORDS) {
        char end = *line == '"' ? '"' : ' ';
        char *out = words[count];

        line += end == '"';
        while (*line && *line != end)
            *out++ = *line++;
        line += *line != 0;
        while (*line == ' ')
            line++;
        count++;
    }
    return count;
}

static DWORD call(HANDLE device, DWORD code, const char *path, const char *value, char *out, DWORD room)
{
    static char in[2 * WORD];
    DWORD length = (DWORD)lstrlenA(path) + 1;
    DWORD done = 0;

    lstrcpyA(in, path);
    lstrcpyA(in + length, value);
    length += (DWORD)lstrlenA(value) + 1;
    return DeviceIoControl(device, code, in, length, out, room, &done, NULL) ? 0 : GetLastError();
}

void program_entry(void);

void program_entry(void)
{
    static char value[WORD];
    DWORD written, error = 0;
    int count = split(GetCommandLineA());
    int i;
    HANDLE device = CreateFileA("\\\\.\\XenHost", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                OPEN_EXISTING, 0, NULL);

    if (device == INVALID_HANDLE_VALUE)
        ExitProcess(GetLastError());
    if (count == 2) {
        error = call(device, IOCTL_XENPCI_READ, words[1], "", value, sizeof(value));
        WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), value, (DWORD)lstrlenA(value), &written, NULL);
    }
    for (i = 1; i + 1 < count && !error; i += 2)
        error = call(device, IOCTL_XENPCI_WRITE, words[i], words[i + 1], NULL, 0);
    ExitProcess(error);
}

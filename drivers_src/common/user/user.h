/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a Windows program needs when it links no C runtime: text, command line, log, entry point.
 * Lengths and sizes are in characters (WCHAR) unless a name says bytes. Nothing here allocates memory.
 * The log keeps static buffers: one thread at a time may use it.
 */
#ifndef GPLPV_USER_H
#define GPLPV_USER_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>
#include <stdarg.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Exit code of a program that cannot even hold its own command line. */
#define EXIT_NO_MEMORY 255

/* Supplied by each program; what it returns becomes the exit code of the process. */
DWORD program_main(DWORD argc, WCHAR **argv);

/* text.c */
DWORD text_length(const WCHAR *text);
BOOL text_equal(const WCHAR *a, const WCHAR *b);
BOOL text_starts(const WCHAR *text, const WCHAR *prefix);
const WCHAR *text_after_last(const WCHAR *text, WCHAR separator);
BOOL text_copy(WCHAR *out, DWORD room, const WCHAR *text);
BOOL text_format(WCHAR *out, DWORD room, const WCHAR *format, ...);
BOOL text_format_list(WCHAR *out, DWORD room, const WCHAR *format, va_list list);

/* args.c */
DWORD args_split(WCHAR *line, WCHAR **argv, DWORD room);

/* log.c */
DWORD log_open(const WCHAR *path);
void log_close(void);
void log_line(const WCHAR *format, ...);
void error_text(DWORD code, WCHAR *out, DWORD room);

#endif

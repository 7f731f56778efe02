/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lines to the console and, when one is open, to a log file (UTF-8, appended). A log that cannot be written never
 * stops the work it reports on.
 */
#include "user.h"

#define LINE_ROOM 1024

static HANDLE file = INVALID_HANDLE_VALUE;
static WCHAR line[LINE_ROOM];
static char bytes[LINE_ROOM * 3];

/* Opens path for appending. Returns a Windows error code. */
DWORD log_open(const WCHAR *path)
{
    log_close();
    file = CreateFileW(path, FILE_APPEND_DATA | SYNCHRONIZE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_ALWAYS,
                       FILE_ATTRIBUTE_NORMAL, NULL);
    return file == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
}

void log_close(void)
{
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
    file = INVALID_HANDLE_VALUE;
}

static void write_bytes(HANDLE to, UINT code_page, DWORD length)
{
    DWORD done;
    int n = WideCharToMultiByte(code_page, 0, line, (int)length, bytes, sizeof(bytes), NULL, NULL);

    if (n > 0)
        WriteFile(to, bytes, (DWORD)n, &done, NULL);
}

/* A console takes UTF-16; a pipe or file takes the code page that programs reading a console's output expect. */
static void write_console(DWORD length)
{
    HANDLE console = GetStdHandle(STD_OUTPUT_HANDLE);
    DWORD mode, done;

    if (console == NULL || console == INVALID_HANDLE_VALUE)
        return;
    if (GetConsoleMode(console, &mode))
        WriteConsoleW(console, line, length, &done, NULL);
    else
        write_bytes(console, CP_OEMCP, length);
}

/* Formats as text_format does; adds the end of the line. */
void log_line(const WCHAR *format, ...)
{
    va_list list;
    DWORD length;

    va_start(list, format);
    text_format_list(line, LINE_ROOM - 2, format, list);
    va_end(list);
    length = text_length(line);
    line[length++] = L'\r';
    line[length++] = L'\n';
    write_console(length);
    if (file != INVALID_HANDLE_VALUE)
        write_bytes(file, CP_UTF8, length);
}

/* SetupAPI's own codes (0xE0000200 and up) have their texts under the HRESULT that belongs to them (setupapi.h). */
static DWORD message_id(DWORD code)
{
    if ((code & 0xFFFFF000UL) == 0xE0000000UL)
        return 0x800F0000UL | (code & 0xFFFF);
    return code;
}

/* The system's words for a Windows error code, on one line, without the final full stop. */
void error_text(DWORD code, WCHAR *out, DWORD room)
{
    DWORD i;
    DWORD n = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, message_id(code), 0, out,
                             room, NULL);

    if (n == 0) {
        text_copy(out, room, L"(Windows has no text for this)");
        return;
    }
    while (n && (out[n - 1] <= L' ' || out[n - 1] == L'.'))
        out[--n] = 0;
    for (i = 0; i < n; i++)
        if (out[i] < L' ')
            out[i] = L' ';
}

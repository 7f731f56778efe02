/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command line as a list, as CommandLineToArgvW makes it (shell32, not linked here):
 *   - blanks and tabs separate, except inside quotes;
 *   - 2n backslashes before a quote are n backslashes and the quote begins or ends a quoted part;
 *   - 2n+1 backslashes before a quote are n backslashes and the quote itself;
 *   - "" inside a quoted part is one quote and ends the part;
 *   - backslashes anywhere else are themselves;
 *   - the program's own name ends at its closing quote or at a blank, and has no escapes: it may end in a backslash.
 */
#include "user.h"

static WCHAR *skip_blanks(WCHAR *in)
{
    while (*in == L' ' || *in == L'\t')
        in++;
    return in;
}

static WCHAR *take_program(WCHAR *in, WCHAR *out)
{
    BOOL quoted = *in == L'"';

    if (quoted)
        in++;
    while (*in && (quoted ? *in != L'"' : *in != L' ' && *in != L'\t'))
        *out++ = *in++;
    if (*in)
        in++;
    *out = 0;
    return in;
}

static WCHAR *take_argument(WCHAR *in, WCHAR *out)
{
    BOOL quoted = FALSE;
    DWORD slashes;

    while (*in && (quoted || (*in != L' ' && *in != L'\t'))) {
        for (slashes = 0; *in == L'\\'; in++)
            slashes++;
        if (*in != L'"') {
            while (slashes--)
                *out++ = L'\\';
            if (*in && (quoted || (*in != L' ' && *in != L'\t')))
                *out++ = *in++;
            continue;
        }
        in++;
        while (slashes >= 2) {
            *out++ = L'\\';
            slashes -= 2;
        }
        if (slashes)
            *out++ = L'"';
        else if (quoted && *in == L'"') {
            *out++ = *in++;
            quoted = FALSE;
        } else
            quoted = !quoted;
    }
    if (*in)
        in++;
    *out = 0;
    return in;
}

/*
 * Splits line in place (a part never grows) and points argv at the parts. Returns how many there are, which may be more
 * than room: the rest is not stored, and the caller refuses the line.
 */
DWORD args_split(WCHAR *line, WCHAR **argv, DWORD room)
{
    DWORD count = 0;
    WCHAR *next;

    for (; count == 0 || *line; count++) {
        next = count ? take_argument(line, line) : take_program(line, line);
        if (count < room)
            argv[count] = line;
        line = skip_blanks(next);
    }
    return count;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text without a C runtime. Comparisons ignore the case of ASCII letters only: what is compared are names of
 * services, files and registry values of ours, and no user's locale may change the answer.
 */
#include "user.h"

static WCHAR upper(WCHAR c)
{
    return (WCHAR)(c >= L'a' && c <= L'z' ? c - (L'a' - L'A') : c);
}

DWORD text_length(const WCHAR *text)
{
    DWORD n = 0;

    while (text[n])
        n++;
    return n;
}

BOOL text_equal(const WCHAR *a, const WCHAR *b)
{
    while (*a && upper(*a) == upper(*b)) {
        a++;
        b++;
    }
    return upper(*a) == upper(*b);
}

BOOL text_starts(const WCHAR *text, const WCHAR *prefix)
{
    while (*prefix && upper(*text) == upper(*prefix)) {
        text++;
        prefix++;
    }
    return !*prefix;
}

/* The part behind the last separator, or all of the text when it has none. */
const WCHAR *text_after_last(const WCHAR *text, WCHAR separator)
{
    const WCHAR *rest = text;

    for (; *text; text++)
        if (*text == separator)
            rest = text + 1;
    return rest;
}

/* FALSE, and an empty result, when the text does not fit: half a path is worse than none. */
BOOL text_copy(WCHAR *out, DWORD room, const WCHAR *text)
{
    DWORD n = text_length(text);

    if (n >= room) {
        if (room)
            out[0] = 0;
        return FALSE;
    }
    memcpy(out, text, (n + 1) * sizeof(WCHAR));
    return TRUE;
}

struct sink {
    WCHAR *out;
    DWORD room;
    DWORD used;
    BOOL fits;
};

static void put(struct sink *sink, WCHAR c)
{
    if (sink->used + 1 < sink->room)
        sink->out[sink->used++] = c;
    else
        sink->fits = FALSE;
}

static void put_text(struct sink *sink, const WCHAR *text, DWORD width)
{
    DWORD n = 0;

    for (; text[n]; n++)
        put(sink, text[n]);
    for (; n < width; n++)
        put(sink, L' ');
}

static void put_number(struct sink *sink, DWORD value, DWORD base, DWORD digits)
{
    WCHAR reversed[12];
    DWORD n = 0;

    do {
        reversed[n++] = L"0123456789abcdef"[value % base];
        value /= base;
    } while (value || n < digits);
    while (n)
        put(sink, reversed[--n]);
}

/*
 * Writes format with %s (WCHAR string; %20s pads on the right), %u (DWORD), %2u (two digits, zeros in front), %x
 * (DWORD as 0x and eight digits) and %% replaced. Always terminates; FALSE when it had to cut.
 */
BOOL text_format_list(WCHAR *out, DWORD room, const WCHAR *format, va_list list)
{
    struct sink sink;
    DWORD width;

    sink.out = out;
    sink.room = room;
    sink.used = 0;
    sink.fits = TRUE;
    for (; *format; format++) {
        if (*format != L'%') {
            put(&sink, *format);
            continue;
        }
        width = 0;
        for (format++; *format >= L'0' && *format <= L'9'; format++)
            width = width * 10 + (DWORD)(*format - L'0');
        if (*format == L's')
            put_text(&sink, va_arg(list, const WCHAR *), width);
        else if (*format == L'u')
            put_number(&sink, va_arg(list, DWORD), 10, width);
        else if (*format == L'x') {
            put_text(&sink, L"0x", 0);
            put_number(&sink, va_arg(list, DWORD), 16, 8);
        } else if (*format)
            put(&sink, *format);
        else
            break;
    }
    if (room)
        out[sink.used] = 0;
    return sink.fits;
}

BOOL text_format(WCHAR *out, DWORD room, const WCHAR *format, ...)
{
    va_list list;
    BOOL fits;

    va_start(list, format);
    fits = text_format_list(out, room, format, list);
    va_end(list);
    return fits;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The memory functions that compilers call on their own account (structure copies, cleared arrays). They belong to the
 * C runtime, and these programs link none.
 */
#include <stddef.h>

#ifdef _MSC_VER
#pragma function(memcpy, memset)
#endif

void *__cdecl memcpy(void *to, const void *from, size_t bytes);
void *__cdecl memmove(void *to, const void *from, size_t bytes);
void *__cdecl memset(void *to, int value, size_t bytes);

void *__cdecl memcpy(void *to, const void *from, size_t bytes)
{
    unsigned char *out = (unsigned char *)to;
    const unsigned char *in = (const unsigned char *)from;

    while (bytes--)
        *out++ = *in++;
    return to;
}

void *__cdecl memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *out = (unsigned char *)to;
    const unsigned char *in = (const unsigned char *)from;

    if (out <= in)
        while (bytes--)
            *out++ = *in++;
    else
        while (bytes--)
            out[bytes] = in[bytes];
    return to;
}

void *__cdecl memset(void *to, int value, size_t bytes)
{
    unsigned char *out = (unsigned char *)to;

    while (bytes--)
        *out++ = (unsigned char)value;
    return to;
}

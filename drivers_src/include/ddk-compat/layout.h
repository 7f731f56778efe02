/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compile-time checks that a structure has the layout Windows gives it: LAYOUT_SIZE(type, bytes on x64, bytes on x86)
 * and LAYOUT_OFFSET(type, field, x64, x86). A failed check is a negative array size in the line that names the type.
 */
#ifndef DDK_COMPAT_LAYOUT_H
#define DDK_COMPAT_LAYOUT_H

#ifdef _WIN64
#define LAYOUT_CHOOSE(x64, x86) (x64)
#else
#define LAYOUT_CHOOSE(x64, x86) (x86)
#endif

#define LAYOUT_CHECK(condition) extern char layout_check[(condition) ? 1 : -1]
#define LAYOUT_SIZE(type, x64, x86) LAYOUT_CHECK(sizeof(type) == LAYOUT_CHOOSE(x64, x86))
#define LAYOUT_OFFSET(type, field, x64, x86) \
    LAYOUT_CHECK(__builtin_offsetof(type, field) == LAYOUT_CHOOSE(x64, x86))

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Debug print of kernel code: GPLPV_DEBUG(("state %d\n", state)) with double parentheses, one line to the kernel
 * debugger and, where there is one, to Xen's log.  A file defines GPLPV_MODULE, the word before the colon, before it includes this.  In release builds the
 * arguments are still checked by the compiler and nothing of them is left in the image.  Any IRQL; formats of wide
 * characters (%S, %ws) at PASSIVE_LEVEL only.
 */
#ifndef GPLPV_DEBUG_H
#define GPLPV_DEBUG_H

#include <stdarg.h>
#include <stdio.h>
#include "xenlog.h"

#ifndef GPLPV_MODULE
#error define GPLPV_MODULE before debug.h is included
#endif

#if DBG
#define GPLPV_DEBUG_ENABLED 1
#else
#define GPLPV_DEBUG_ENABLED 0
#endif

/* In one call, for two would let another processor's line in between; what does not fit is cut. */
static __inline void __cdecl gplpv_debug_print(const char *format, ...)
{
    char line[200] = GPLPV_MODULE ": ";
    va_list arguments;

    va_start(arguments, format);
    _vsnprintf(line + sizeof(GPLPV_MODULE ": ") - 1, sizeof(line) - sizeof(GPLPV_MODULE ": "), format, arguments);
    va_end(arguments);
    line[sizeof(line) - 1] = 0;
    DbgPrint("%s", line);
    xen_log(line);
}

#define GPLPV_DEBUG(arguments) \
    do { \
        if (GPLPV_DEBUG_ENABLED) \
            gplpv_debug_print arguments; \
    } while (0)

/* First line of a DriverEntry; its file includes gplpv_version.h. */
#define GPLPV_DEBUG_BANNER() \
    GPLPV_DEBUG(("version %s for Windows %s %s\n", GPLPV_VERSION_STRING, GPLPV_PLATFORM, GPLPV_ARCH))

#endif

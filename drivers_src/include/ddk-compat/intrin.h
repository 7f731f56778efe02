/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Compiler intrinsics, mingw-w64 repaired: names that its header only declares, because a C runtime is expected to
 * hold them, become code here.  __cpuid and the _Interlocked family come from the header itself.
 */
#ifndef DDK_COMPAT_INTRIN_H
#define DDK_COMPAT_INTRIN_H

#include_next <intrin.h>

#define _byteswap_ushort(value) __builtin_bswap16(value)
#define _byteswap_ulong(value) __builtin_bswap32(value)
#define _byteswap_uint64(value) __builtin_bswap64(value)

#define _disable() __asm__ __volatile__("cli" : : : "memory")
#define _enable() __asm__ __volatile__("sti" : : : "memory")

#endif

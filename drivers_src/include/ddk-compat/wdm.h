/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * <wdm.h> of mingw-w64, repaired.  Only clang sees this folder: with the vendor's DDK it is not on the include path.
 * After the repairs wdm_layout.h holds every layout that the drivers depend on to its size and offset in Windows.
 */
#ifndef DDK_COMPAT_WDM_H
#define DDK_COMPAT_WDM_H

/* Tested by the header, defined nowhere: undefined it reads as 0 and every target would get Vista's structures. */
#ifndef NTDDI_WINVISTA
#define NTDDI_WINVISTA 0x06000000
#endif

/* Absent on x64; on x86 the compiler may move memory accesses across it, and it reads a variable never written. */
#define KeMemoryBarrier ddk_compat_unordered_barrier
#include_next <wdm.h>
#undef KeMemoryBarrier

#define KeMemoryBarrier() __sync_synchronize()
#ifndef KeMemoryBarrierWithoutFence
#define KeMemoryBarrierWithoutFence() __asm__ __volatile__("" : : : "memory")
#endif
#ifndef MemoryBarrier
#define MemoryBarrier() __sync_synchronize()
#endif

/* The header's macro loses its argument's parentheses and ends in a semicolon. */
#undef KeInitializeCallbackRecord
#define KeInitializeCallbackRecord(record) ((VOID)((record)->State = BufferEmpty))

#ifndef InterlockedCompareExchange16
#define InterlockedCompareExchange16 _InterlockedCompareExchange16
#endif

#ifdef _X86_
/* The header names these on x64 only; clang makes cmpxchg8b of them on i586. */
#undef InterlockedCompareExchange64
#define InterlockedCompareExchange64(target, value, expected) \
    ((LONGLONG)__sync_val_compare_and_swap((volatile LONGLONG *)(target), (LONGLONG)(expected), (LONGLONG)(value)))
#define InterlockedExchangeAdd64(target, value) \
    ((LONGLONG)__sync_fetch_and_add((volatile LONGLONG *)(target), (LONGLONG)(value)))
#define InterlockedIncrement64(target) ((LONGLONG)__sync_add_and_fetch((volatile LONGLONG *)(target), (LONGLONG)1))
#define InterlockedDecrement64(target) ((LONGLONG)__sync_sub_and_fetch((volatile LONGLONG *)(target), (LONGLONG)1))
#define InterlockedAnd64(target, value) \
    ((LONGLONG)__sync_fetch_and_and((volatile LONGLONG *)(target), (LONGLONG)(value)))
#define InterlockedOr64(target, value) \
    ((LONGLONG)__sync_fetch_and_or((volatile LONGLONG *)(target), (LONGLONG)(value)))
#define InterlockedXor64(target, value) \
    ((LONGLONG)__sync_fetch_and_xor((volatile LONGLONG *)(target), (LONGLONG)(value)))

/* CR8 exists in long mode only, and the header's x86 version assembles to something else: a use must not compile. */
#define __readcr8 ddk_compat_no_cr8_on_x86
#define __writecr8 ddk_compat_no_cr8_on_x86
#endif

#include "wdm_layout.h"

#endif

# SPDX-License-Identifier: GPL-2.0-or-later
"""Interlocked routines. On x64 most are instructions; on x86 ntoskrnl exports them, in registers (__fastcall).

Each happens between two instructions of the one processor, so that no lock is needed; the lock that a caller names
must be one nevertheless. Source: Windows Driver Kit, the page of each routine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.ex import pop_entry, push_entry
from xenlab.nt.routine import HIGH_LEVEL, LONG, LONGLONG, PVOID, ULONG, ULONGLONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"


@routine(_NTOS, irql_max=HIGH_LEVEL)
def InterlockedIncrement(kernel: Kernel, addend: PVOID) -> LONG:
    kernel.put_u32(addend, kernel.u32(addend) + 1)
    return kernel.i32(addend)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def InterlockedDecrement(kernel: Kernel, addend: PVOID) -> LONG:
    kernel.put_u32(addend, kernel.u32(addend) - 1)
    return kernel.i32(addend)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def InterlockedExchange(kernel: Kernel, target: PVOID, value: LONG) -> LONG:
    before = kernel.i32(target)
    kernel.put_u32(target, value)
    return before


@routine(_NTOS, irql_max=HIGH_LEVEL)
def InterlockedExchangeAdd(kernel: Kernel, addend: PVOID, value: LONG) -> LONG:
    before = kernel.i32(addend)
    kernel.put_u32(addend, before + value)
    return before


@routine(_NTOS, irql_max=HIGH_LEVEL)
def InterlockedCompareExchange(kernel: Kernel, target: PVOID, exchange: LONG, comparand: LONG) -> LONG:
    before = kernel.i32(target)
    if before == comparand:
        kernel.put_u32(target, exchange)
    return before


@routine(_NTOS, irql_max=HIGH_LEVEL)
def ExfInterlockedCompareExchange64(kernel: Kernel, target: PVOID, exchange: PVOID, comparand: PVOID) -> ULONGLONG:
    before = kernel.u64(target)
    if before == kernel.u64(comparand):
        kernel.put_u64(target, kernel.u64(exchange))
    return before


@routine(_NTOS, irql_max=HIGH_LEVEL)
def ExInterlockedCompareExchange64(
    kernel: Kernel, target: PVOID, exchange: PVOID, comparand: PVOID, lock: PVOID
) -> ULONGLONG:
    _check_lock(kernel, lock)
    return ExfInterlockedCompareExchange64(kernel, target, exchange, comparand)


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="ExfInterlockedAddUlong")
def ExInterlockedAddUlong(kernel: Kernel, addend: PVOID, increment: ULONG, lock: PVOID) -> ULONG:
    _check_lock(kernel, lock)
    before = kernel.u32(addend)
    kernel.put_u32(addend, before + increment)
    return before


@routine(_NTOS, irql_max=HIGH_LEVEL)
def ExInterlockedAddLargeInteger(kernel: Kernel, addend: PVOID, increment: LONGLONG, lock: PVOID) -> ULONGLONG:
    _check_lock(kernel, lock)
    before = kernel.u64(addend)
    kernel.put_u64(addend, before + increment)
    return before


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="ExfInterlockedInsertHeadList")
def ExInterlockedInsertHeadList(kernel: Kernel, head: PVOID, entry: PVOID, lock: PVOID) -> PVOID:
    _check_lock(kernel, lock)
    first = kernel.ptr(head)
    kernel.list_insert_head(head, entry)
    return 0 if first == head else first


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="ExfInterlockedInsertTailList")
def ExInterlockedInsertTailList(kernel: Kernel, head: PVOID, entry: PVOID, lock: PVOID) -> PVOID:
    _check_lock(kernel, lock)
    last = kernel.ptr(head + kernel.pointer_size)
    kernel.list_insert_tail(head, entry)
    return 0 if last == head else last


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="ExfInterlockedRemoveHeadList")
def ExInterlockedRemoveHeadList(kernel: Kernel, head: PVOID, lock: PVOID) -> PVOID:
    _check_lock(kernel, lock)
    first = kernel.ptr(head)
    if first == head:
        return 0
    kernel.list_remove(first)
    return first


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="ExfInterlockedPushEntryList")
def ExInterlockedPushEntryList(kernel: Kernel, head: PVOID, entry: PVOID, lock: PVOID) -> PVOID:
    _check_lock(kernel, lock)
    first = kernel.ptr(head)
    kernel.put_ptr(entry, first)
    kernel.put_ptr(head, entry)
    return first


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="ExfInterlockedPopEntryList")
def ExInterlockedPopEntryList(kernel: Kernel, head: PVOID, lock: PVOID) -> PVOID:
    _check_lock(kernel, lock)
    first = kernel.ptr(head)
    if first:
        kernel.put_ptr(head, kernel.ptr(first))
    return first


@routine(_NTOS, irql_max=HIGH_LEVEL)
def ExInterlockedPushEntrySList(kernel: Kernel, head: PVOID, entry: PVOID, lock: PVOID) -> PVOID:
    _check_lock(kernel, lock)
    return push_entry(kernel, head, entry)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def ExInterlockedPopEntrySList(kernel: Kernel, head: PVOID, lock: PVOID) -> PVOID:
    _check_lock(kernel, lock)
    return pop_entry(kernel, head)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def InterlockedPushEntrySList(kernel: Kernel, head: PVOID, entry: PVOID) -> PVOID:
    return push_entry(kernel, head, entry)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def InterlockedPopEntrySList(kernel: Kernel, head: PVOID) -> PVOID:
    return pop_entry(kernel, head)


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="ExInterlockedFlushSList")
def ExpInterlockedFlushSList(kernel: Kernel, head: PVOID) -> PVOID:
    first = pop_entry(kernel, head)
    while pop_entry(kernel, head):
        pass
    return first


def _check_lock(kernel: Kernel, lock: int) -> None:
    """A spin lock of the caller's: held by the processor itself, the routine would spin for ever."""
    kernel.locks.acquire(lock, "an interlocked routine's spin lock")
    kernel.locks.release(lock)

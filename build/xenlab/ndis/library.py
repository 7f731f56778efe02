# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""What NDIS has beside networking: strings, interlocked operations, time, processors, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis import configuration
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.memory import NDIS, Blocks
from xenlab.nt.objects import view
from xenlab.nt.routine import BOOLEAN, DISPATCH_LEVEL, HIGH_LEVEL, LONG, PASSIVE_LEVEL, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_CACHE_LINE = 64
_STRING_TAG = int.from_bytes(b"NdSt", "little")
_100NS_PER_MS = 10_000


# Strings


def _point(kernel: Kernel, at: int, source: int, length: int, unit: int) -> None:
    fields = view(kernel, "UNICODE_STRING", at)
    fields["Length"], fields["MaximumLength"] = length, length + unit if source else 0
    fields["Buffer"] = source


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisInitAnsiString(kernel: Kernel, string: PVOID, source: PVOID) -> None:
    _point(kernel, string, source, len(kernel.ansi_string(source)) if source else 0, 1)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisInitUnicodeString(kernel: Kernel, string: PVOID, source: PVOID) -> None:
    _point(kernel, string, source, 2 * len(kernel.wide_string(source)) if source else 0, 2)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisInitializeString(kernel: Kernel, string: PVOID, source: PVOID) -> None:
    """A Unicode copy of text, in memory that the driver frees (NdisFreeString)."""
    data = kernel.ansi_string(source).encode("utf-16-le")
    buffer = kernel.part(Blocks).allocate(len(data) + 2, _STRING_TAG)
    if buffer:
        kernel.write(buffer, data + b"\0\0")
    _point(kernel, string, buffer, len(data) if buffer else 0, 2)


def _bytes(kernel: Kernel, string: int) -> bytes:
    fields = view(kernel, "UNICODE_STRING", string)
    return kernel.read(fields["Buffer"], fields["Length"]) if fields["Length"] else b""


def _store(kernel: Kernel, string: int, data: bytes, terminator: bytes) -> int:
    fields = view(kernel, "UNICODE_STRING", string)
    if len(data) > fields["MaximumLength"]:
        return NdisStatus.FAILURE
    room = fields["MaximumLength"] - len(data)
    kernel.write(fields["Buffer"], data + (terminator if room >= len(terminator) else b""))
    fields["Length"] = len(data)
    return NdisStatus.SUCCESS


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisAnsiStringToUnicodeString(kernel: Kernel, to: PVOID, source: PVOID) -> ULONG:
    return _store(kernel, to, _bytes(kernel, source).decode("cp1252", "replace").encode("utf-16-le"), b"\0\0")


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisUnicodeStringToAnsiString(kernel: Kernel, to: PVOID, source: PVOID) -> ULONG:
    return _store(kernel, to, _bytes(kernel, source).decode("utf-16-le", "replace").encode("cp1252", "replace"), b"\0")


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisUpcaseUnicodeString(kernel: Kernel, to: PVOID, source: PVOID) -> ULONG:
    return _store(kernel, to, _bytes(kernel, source).decode("utf-16-le", "replace").upper().encode("utf-16-le"), b"")


def _compare(first: str, second: str, ignore_case: int) -> int:
    if ignore_case:
        first, second = first.upper(), second.upper()
    return (first > second) - (first < second)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisCompareAnsiString(kernel: Kernel, first: PVOID, second: PVOID, ignore_case: BOOLEAN) -> LONG:
    texts = [_bytes(kernel, each).decode("cp1252", "replace") for each in (first, second)]
    return _compare(texts[0], texts[1], ignore_case)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisCompareUnicodeString(kernel: Kernel, first: PVOID, second: PVOID, ignore_case: BOOLEAN) -> LONG:
    texts = [_bytes(kernel, each).decode("utf-16-le", "replace") for each in (first, second)]
    return _compare(texts[0], texts[1], ignore_case)


# Interlocked operations: nothing comes between two instructions of the kernel's own


def _add(kernel: Kernel, va: int, value: int) -> int:
    kernel.put_u32(va, kernel.u32(va) + value)
    return kernel.u32(va)


@routine(NDIS, irql_max=HIGH_LEVEL)
def NdisInterlockedIncrement(kernel: Kernel, addend: PVOID) -> LONG:
    return _add(kernel, addend, 1)


@routine(NDIS, irql_max=HIGH_LEVEL)
def NdisInterlockedDecrement(kernel: Kernel, addend: PVOID) -> LONG:
    return _add(kernel, addend, -1)


def _refuse_held(kernel: Kernel, lock: int) -> None:
    if lock in kernel.locks.held:
        kernel.violation("An interlocked operation of NDIS under the spin lock that it takes: it spins for ever.")
    kernel.read(lock, 1)


@routine(NDIS, irql_max=HIGH_LEVEL)
def NdisInterlockedAddUlong(kernel: Kernel, addend: PVOID, increment: ULONG, lock: PVOID) -> ULONG:
    """Returns the value before."""
    _refuse_held(kernel, lock)
    return (_add(kernel, addend, increment) - increment) & 0xFFFFFFFF


@routine(NDIS, irql_max=HIGH_LEVEL)
def NdisInterlockedInsertHeadList(kernel: Kernel, head: PVOID, entry: PVOID, lock: PVOID) -> PVOID:
    _refuse_held(kernel, lock)
    first = kernel.ptr(head)
    kernel.list_insert_head(head, entry)
    return 0 if first == head else first


@routine(NDIS, irql_max=HIGH_LEVEL)
def NdisInterlockedInsertTailList(kernel: Kernel, head: PVOID, entry: PVOID, lock: PVOID) -> PVOID:
    _refuse_held(kernel, lock)
    last = kernel.ptr(head + kernel.pointer_size)
    kernel.list_insert_tail(head, entry)
    return 0 if last == head else last


@routine(NDIS, irql_max=HIGH_LEVEL)
def NdisInterlockedRemoveHeadList(kernel: Kernel, head: PVOID, lock: PVOID) -> PVOID:
    _refuse_held(kernel, lock)
    first = kernel.ptr(head)
    if first == head:
        return 0
    kernel.list_remove(first)
    return first


# Time, processors, versions


@routine(NDIS, irql_max=HIGH_LEVEL)
def NdisGetCurrentSystemTime(kernel: Kernel, time: PVOID) -> None:
    kernel.put_u64(time, kernel.system_time)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetSystemUpTime(kernel: Kernel, milliseconds: PVOID) -> None:
    kernel.put_u32(milliseconds, kernel.clock.interrupt_time // _100NS_PER_MS)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetSystemUpTimeEx(kernel: Kernel, milliseconds: PVOID) -> None:
    kernel.put_u64(milliseconds, kernel.clock.interrupt_time // _100NS_PER_MS)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisSystemProcessorCount(kernel: Kernel) -> ULONG:
    return 1


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisSystemActiveProcessorCount(kernel: Kernel, mask: PVOID) -> ULONG:
    if mask:
        kernel.put_ptr(mask, 1)
    return 1


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetCurrentProcessorCpuUsage(kernel: Kernel, percent: PVOID) -> None:
    kernel.put_u32(percent, 0)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetCurrentProcessorCounts(kernel: Kernel, idle: PVOID, busy: PVOID, index: PVOID) -> None:
    kernel.put_u32(idle, kernel.clock.ticks)
    kernel.put_u32(busy, 0)
    kernel.put_u32(index, 0)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetSharedDataAlignment(kernel: Kernel) -> ULONG:
    return _CACHE_LINE


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetVersion(kernel: Kernel) -> ULONG:
    return configuration.version(kernel)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisGetRoutineAddress(kernel: Kernel, name: PVOID) -> PVOID:
    """The address of a routine of ndis.sys; 0: this Windows has none, or the lab lacks it."""
    return kernel.exported_address(NDIS, kernel.unicode_string(name))

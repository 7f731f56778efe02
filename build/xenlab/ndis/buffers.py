# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Buffer descriptors: an NDIS_BUFFER is an MDL, and many of these routines are macros over the kernel's.

A buffer pool hands out buffers of nonpaged memory; it is not freed before them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.cpu.memory import pages
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.memory import NDIS
from xenlab.nt import mdl as mdls
from xenlab.nt.objects import view
from xenlab.nt.routine import DISPATCH_LEVEL, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_MAPPED_OR_NONPAGED = mdls.MAPPED | mdls.NONPAGED
_CACHED, _KERNEL_MODE = 1, 0


@dataclass(eq=False)
class BufferPool:
    """Where a pool was allocated, and the MDLs that have come from it."""

    where: int
    buffers: set[int] = field(default_factory=set)


class BufferPools:
    """The pools that drivers have allocated, by handle."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._pools: dict[int, BufferPool] = {}

    def allocate(self) -> int:
        handle = self._kernel.alloc(16, "NdBP")
        self._pools[handle] = BufferPool(self._kernel.caller())
        return handle

    def at(self, handle: int, what: str) -> BufferPool:
        if handle not in self._pools:
            self._kernel.violation(f"{what} is given {handle:#x}, which is no buffer pool, or is freed.")
        return self._pools[handle]

    def free(self, handle: int) -> None:
        pool = self.at(handle, "NdisFreeBufferPool")
        left = pool.buffers & self._kernel.part(mdls.Mdls).allocated.keys()
        if left:
            self._kernel.violation(f"NdisFreeBufferPool of a pool with {len(left)} buffers that are not freed.")
        del self._pools[handle]
        self._kernel.free(handle)

    def outstanding(self) -> list[str]:
        describe = self._kernel.symbols.describe
        return [f"The buffer pool of {describe(pool.where, True)} is never freed." for pool in self._pools.values()]


def address(kernel: Kernel, buffer: int, may_fail: bool) -> int:
    """MmGetSystemAddressForMdlSafe: where the kernel sees a buffer; 0 if it cannot be mapped."""
    fields = view(kernel, "MDL", buffer)
    if fields["MdlFlags"] & _MAPPED_OR_NONPAGED:
        return fields["MappedSystemVa"]
    return mdls.MmMapLockedPagesSpecifyCache(kernel, buffer, _KERNEL_MODE, _CACHED, 0, int(not may_fail), 0)


def chain(kernel: Kernel, first: int) -> list[int]:
    """The buffers from one on, by the links between them."""
    found: list[int] = []
    while first:
        found.append(first)
        first = view(kernel, "MDL", first)["Next"]
        if first in found:
            kernel.violation(f"The chain of buffers at {found[0]:#x} leads back into itself.")
    return found


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateBufferPool(kernel: Kernel, status: PVOID, result: PVOID, count: ULONG) -> None:
    refused = kernel.pool.refuses("NdBP", count)
    kernel.put_ptr(result, 0 if refused else kernel.part(BufferPools).allocate())
    kernel.put_u32(status, NdisStatus.RESOURCES if refused else NdisStatus.SUCCESS)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeBufferPool(kernel: Kernel, handle: PVOID) -> None:
    kernel.part(BufferPools).free(handle)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateBuffer(kernel: Kernel, status: PVOID, result: PVOID, handle: PVOID, va: PVOID, length: ULONG) -> None:
    pool = kernel.part(BufferPools).at(handle, "NdisAllocateBuffer")
    buffer = mdls.IoAllocateMdl(kernel, va, length, 0, 0, 0)
    if buffer:
        mdls.MmBuildMdlForNonPagedPool(kernel, buffer)
        pool.buffers.add(buffer)
    kernel.put_ptr(result, buffer)
    kernel.put_u32(status, NdisStatus.SUCCESS if buffer else NdisStatus.RESOURCES)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisCopyBuffer(
    kernel: Kernel, status: PVOID, result: PVOID, handle: PVOID, source: PVOID, offset: ULONG, length: ULONG
) -> None:
    """A buffer for a part of what another describes."""
    pool = kernel.part(BufferPools).at(handle, "NdisCopyBuffer")
    va = mdls.start(kernel, source) + offset
    buffer = mdls.IoAllocateMdl(kernel, va, length, 0, 0, 0)
    if buffer:
        mdls.IoBuildPartialMdl(kernel, source, buffer, va, length)
        pool.buffers.add(buffer)
    kernel.put_ptr(result, buffer)
    kernel.put_u32(status, NdisStatus.SUCCESS if buffer else NdisStatus.RESOURCES)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeBuffer(kernel: Kernel, buffer: PVOID) -> None:
    mdls.IoFreeMdl(kernel, buffer)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisQueryBuffer(kernel: Kernel, buffer: PVOID, va: PVOID, length: PVOID) -> None:
    if va:
        kernel.put_ptr(va, address(kernel, buffer, may_fail=False))
    kernel.put_u32(length, view(kernel, "MDL", buffer)["ByteCount"])


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisQueryBufferSafe(kernel: Kernel, buffer: PVOID, va: PVOID, length: PVOID, priority: ULONG) -> None:
    if va:
        kernel.put_ptr(va, address(kernel, buffer, may_fail=True))
    kernel.put_u32(length, view(kernel, "MDL", buffer)["ByteCount"])


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisQueryBufferOffset(kernel: Kernel, buffer: PVOID, offset: PVOID, length: PVOID) -> None:
    fields = view(kernel, "MDL", buffer)
    kernel.put_u32(offset, fields["ByteOffset"])
    kernel.put_u32(length, fields["ByteCount"])


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisBufferLength(kernel: Kernel, buffer: PVOID) -> ULONG:
    return view(kernel, "MDL", buffer)["ByteCount"]


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisBufferVirtualAddress(kernel: Kernel, buffer: PVOID) -> PVOID:
    return address(kernel, buffer, may_fail=False)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAdjustBufferLength(kernel: Kernel, buffer: PVOID, length: ULONG) -> None:
    view(kernel, "MDL", buffer)["ByteCount"] = length


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NDIS_BUFFER_TO_SPAN_PAGES(kernel: Kernel, buffer: PVOID) -> ULONG:
    return _span(kernel, buffer)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetBufferPhysicalArraySize(kernel: Kernel, buffer: PVOID, size: PVOID) -> None:
    kernel.put_u32(size, _span(kernel, buffer))


def _span(kernel: Kernel, buffer: int) -> int:
    fields = view(kernel, "MDL", buffer)
    return len(pages(mdls.start(kernel, buffer), max(fields["ByteCount"], 1)))

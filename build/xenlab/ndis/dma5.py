# SPDX-License-Identifier: GPL-2.0-or-later
"""NDIS 5: memory that a bus master shares with its driver. Source also: "Allocating Shared Memory"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.cpu.memory import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from xenlab.ndis.adapter5 import Adapter5, adapter5
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.memory import NDIS
from xenlab.nt.mapping import Mappings
from xenlab.nt.routine import BOOLEAN, PASSIVE_LEVEL, PHYSICAL_ADDRESS, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_BUS_MASTER = 8
_4_GIB = 1 << 32


def _bus_master(kernel: Kernel, handle: int, what: str) -> Adapter5:
    adapter = adapter5(kernel, handle, what)
    if not adapter.attributes & _BUS_MASTER:
        adapter.violation(f"{what} is called for an adapter that is no bus master (NdisMSetAttributesEx)")
    return adapter


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMInitializeScatterGatherDma(kernel: Kernel, handle: PVOID, wide: BOOLEAN, maximum: ULONG) -> ULONG:
    what = "NdisMInitializeScatterGatherDma"
    adapter = _bus_master(kernel, handle, what)
    adapter.within(what, "MiniportInitialize")
    if not maximum:
        adapter.violation(f"{what} with a MaximumPhysicalMapping of 0")
    if kernel.pool.refuses("NdSG", maximum):
        return NdisStatus.RESOURCES
    adapter.wide_dma = bool(wide)
    return NdisStatus.SUCCESS


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMAllocateSharedMemory(
    kernel: Kernel, handle: PVOID, length: ULONG, cached: BOOLEAN, va: PVOID, physical: PVOID
) -> None:
    """Pages that follow one another; no address: there are none."""
    adapter = _bus_master(kernel, handle, "NdisMAllocateSharedMemory")
    if adapter.wide_dma is None:
        adapter.violation("NdisMAllocateSharedMemory is called before NdisMInitializeScatterGatherDma")
    highest = (1 << 64) - 1 if adapter.wide_dma else _4_GIB - 1
    count = -(-max(length, 1) // PAGE_SIZE)
    refused = kernel.pool.refuses("NdSM", length)
    frames = [] if refused else kernel.physical.allocate_contiguous(count, 0, highest)
    at = kernel.part(Mappings).map(frames, "Shared memory of NDIS", owned=True) if frames else 0
    if at:
        adapter.shared[at] = length, bool(cached), frames[0] << PAGE_SHIFT
    kernel.put_ptr(va, at)
    kernel.put_u64(physical, frames[0] << PAGE_SHIFT if frames else 0)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMFreeSharedMemory(
    kernel: Kernel, handle: PVOID, length: ULONG, cached: BOOLEAN, va: PVOID, physical: PHYSICAL_ADDRESS
) -> None:
    adapter = adapter5(kernel, handle, "NdisMFreeSharedMemory")
    given = adapter.shared.pop(va & ~PAGE_MASK, None)
    if given != (length, bool(cached), physical):
        adapter.violation(f"NdisMFreeSharedMemory of {length} bytes at {va:#x} and {physical:#x}; allocated is {given}")
    kernel.part(Mappings).unmap(va, "NdisMFreeSharedMemory")

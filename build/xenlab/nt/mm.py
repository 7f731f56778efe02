# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Mm routines: physical addresses, contiguous memory, device memory, pageable sections, routine look-up.

Source: Windows Driver Kit, the page of each routine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.cpu import memory
from xenlab.cpu.memory import PAGE_MASK, PAGE_SHIFT
from xenlab.nt.mapping import Mappings
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    PASSIVE_LEVEL,
    PHYSICAL_ADDRESS,
    PVOID,
    SIZE_T,
    ULONG,
    routine,
)

if TYPE_CHECKING:
    from xenlab.cpu.loader import Section
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_MODULES = ("ntoskrnl.exe", "hal.dll")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def MmGetPhysicalAddress(kernel: Kernel, va: PVOID) -> PHYSICAL_ADDRESS:
    if kernel.pager.is_pageable(va) and not kernel.pager.is_locked(va):
        kernel.violation(f"The physical address of pageable memory that is not locked is asked for ({va:#x}).")
    page = kernel.memory.page(va)
    return page[0] | (va & PAGE_MASK) if page else 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def MmIsAddressValid(kernel: Kernel, va: PVOID) -> BOOLEAN:
    return int(kernel.memory.is_mapped(va))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmAllocateContiguousMemory(kernel: Kernel, size: SIZE_T, highest: PHYSICAL_ADDRESS) -> PVOID:
    return _contiguous(kernel, size, 0, highest, 0)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmAllocateContiguousMemorySpecifyCache(
    kernel: Kernel,
    size: SIZE_T,
    lowest: PHYSICAL_ADDRESS,
    highest: PHYSICAL_ADDRESS,
    boundary: PHYSICAL_ADDRESS,
    cache: ULONG,
) -> PVOID:
    return _contiguous(kernel, size, lowest, highest, boundary)


def _contiguous(kernel: Kernel, size: int, lowest: int, highest: int, boundary: int) -> int:
    if kernel.pool.refuses("Cont", size):
        return 0
    count = len(memory.pages(0, size))
    frames = kernel.physical.allocate_contiguous(count, lowest, highest)
    if boundary and frames and (frames[0] << PAGE_SHIFT) // boundary != (frames[-1] << PAGE_SHIFT) // boundary:
        kernel.physical.free_frames(frames)
        return 0
    return kernel.part(Mappings).map(frames, f"Contiguous memory of {size} bytes", owned=True) if frames else 0


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmAllocateContiguousMemorySpecifyCacheNode(
    kernel: Kernel,
    size: SIZE_T,
    lowest: PHYSICAL_ADDRESS,
    highest: PHYSICAL_ADDRESS,
    boundary: PHYSICAL_ADDRESS,
    cache: ULONG,
    node: ULONG,
) -> PVOID:
    return _contiguous(kernel, size, lowest, highest, boundary)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def MmGetPhysicalMemoryRanges(kernel: Kernel) -> PVOID:
    """Base and length of each range of RAM, zeros behind the last; the caller frees it."""
    buffer = kernel.pool.allocate((len(kernel.physical.ram) + 1) * 16, "hPmM", False)
    if buffer:
        words = [word << PAGE_SHIFT for each in kernel.physical.ram for word in (each.start, len(each))]
        kernel.write(buffer, b"".join(word.to_bytes(8, "little") for word in (*words, 0, 0)))
    return buffer


@routine(_NTOS, irql_max=HIGH_LEVEL, name="MmIsNonPagedSystemAddressValid")
def is_nonpaged_and_valid(kernel: Kernel, va: PVOID) -> BOOLEAN:
    return int(kernel.memory.is_mapped(va) and not kernel.pager.is_pageable(va))


@routine(_NTOS, irql_max=APC_LEVEL)
def MmIsDriverVerifyingByAddress(kernel: Kernel, address: PVOID) -> ULONG:
    """The lab checks every driver, and Driver Verifier is not there."""
    return 0


@routine(_NTOS, irql_max=APC_LEVEL)
def MmFreeContiguousMemory(kernel: Kernel, va: PVOID) -> None:
    kernel.part(Mappings).unmap(va, "MmFreeContiguousMemory")


@routine(_NTOS, irql_max=APC_LEVEL)
def MmFreeContiguousMemorySpecifyCache(kernel: Kernel, va: PVOID, size: SIZE_T, cache: ULONG) -> None:
    kernel.part(Mappings).unmap(va, "MmFreeContiguousMemorySpecifyCache", len(memory.pages(va, size)))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def MmAllocateNonCachedMemory(kernel: Kernel, size: SIZE_T) -> PVOID:
    if kernel.pool.refuses("NonC", size):
        return 0
    frames = [kernel.physical.allocate_frame() for _ in memory.pages(0, size)]
    return kernel.part(Mappings).map(frames, f"Noncached memory of {size} bytes", owned=True)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def MmFreeNonCachedMemory(kernel: Kernel, va: PVOID, size: SIZE_T) -> None:
    kernel.part(Mappings).unmap(va, "MmFreeNonCachedMemory", len(memory.pages(va, size)))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmMapIoSpace(kernel: Kernel, address: PHYSICAL_ADDRESS, size: SIZE_T, cache: ULONG) -> PVOID:
    if size == 0:
        kernel.violation("MmMapIoSpace of 0 bytes.")
    pages = memory.pages(address, size)
    for page in pages:
        if not kernel.physical.exists(page):
            kernel.violation(f"MmMapIoSpace of {address:#x}: there is neither a device nor memory.")
    if kernel.pool.refuses("IoSp", size):
        return 0
    va = kernel.part(Mappings).map([page >> PAGE_SHIFT for page in pages], f"I/O space {address:#x}")
    return va + (address & PAGE_MASK)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmUnmapIoSpace(kernel: Kernel, va: PVOID, size: SIZE_T) -> None:
    kernel.part(Mappings).unmap(va, "MmUnmapIoSpace", len(memory.pages(va, size)))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def MmGetSystemRoutineAddress(kernel: Kernel, name: PVOID) -> PVOID:
    wanted = kernel.unicode_string(name)
    return next((found for module in _MODULES if (found := kernel.exported_address(module, wanted))), 0)


@routine(_NTOS, irql_max=APC_LEVEL)
@routine(_NTOS, irql_max=APC_LEVEL, name="MmLockPagableImageSection")
def MmLockPagableDataSection(kernel: Kernel, va: PVOID) -> PVOID:
    section = _section(kernel, va)
    kernel.pager.lock(section.address, section.size)
    return section.address


@routine(_NTOS, irql_max=APC_LEVEL)
def MmLockPagableSectionByHandle(kernel: Kernel, handle: PVOID) -> None:
    MmLockPagableDataSection(kernel, handle)


@routine(_NTOS, irql_max=APC_LEVEL)
def MmUnlockPagableImageSection(kernel: Kernel, handle: PVOID) -> None:
    section = _section(kernel, handle)
    kernel.pager.unlock(section.address, section.size)


def _section(kernel: Kernel, va: int) -> Section:
    image = kernel.symbols.image_of(va)
    for section in image.sections if image else []:
        if section.address <= va < section.address + section.size:
            return section
    return kernel.violation(f"{va:#x} is in no section of a driver.")

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Memory descriptor lists. Source: Windows Driver Kit, "Using MDLs", and the pages of the Io and Mm routines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.cpu import memory
from xenlab.cpu.memory import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from xenlab.nt.mapping import Mappings
from xenlab.nt.objects import Struct, view
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    CCHAR,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    PHYSICAL_ADDRESS,
    PVOID,
    SIZE_T,
    ULONG,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_DO_NOT_ZERO = 1
MAPPED, LOCKED, NONPAGED, PARTIAL, CAN_FAIL = 0x1, 0x2, 0x4, 0x10, 0x2000
_USER_MODE = 1


class Mdls:
    """The MDLs that drivers have allocated, by address: where from."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.allocated: dict[int, int] = {}
        self.locked: dict[int, list[int]] = {}

    def outstanding(self) -> list[str]:
        describe = self._kernel.symbols.describe
        return [f"The MDL {va:#x} of {describe(where, True)} is never freed." for va, where in self.allocated.items()]


def start(kernel: Kernel, mdl: int) -> int:
    """The virtual address that an MDL describes."""
    fields = view(kernel, "MDL", mdl)
    return fields["StartVa"] + fields["ByteOffset"]


def frames(kernel: Kernel, mdl: int) -> list[int]:
    """The frame numbers of an MDL whose pages are locked or nonpaged."""
    fields = view(kernel, "MDL", mdl)
    if not fields["MdlFlags"] & (LOCKED | NONPAGED | PARTIAL):
        kernel.violation(f"The pages of MDL {mdl:#x} are used, which are neither locked nor of nonpaged pool.")
    array = mdl + fields.layout.size
    size = kernel.pointer_size
    return [kernel.ptr(array + index * size) for index in range(_page_count(fields))]


def _page_count(fields: Struct) -> int:
    return -(-(fields["ByteOffset"] + fields["ByteCount"]) // PAGE_SIZE)


def _size(kernel: Kernel, va: int, length: int) -> int:
    return view(kernel, "MDL", 0).layout.size + kernel.pointer_size * len(memory.pages(va, max(length, 1)))


def _initialise(kernel: Kernel, mdl: int, va: int, length: int) -> None:
    fields = view(kernel, "MDL", mdl)
    fields.clear()
    fields["Size"], fields["StartVa"] = _size(kernel, va, length), va & ~PAGE_MASK
    fields["ByteOffset"], fields["ByteCount"] = va & PAGE_MASK, length


def _put_frames(kernel: Kernel, mdl: int, numbers: list[int]) -> None:
    fields = view(kernel, "MDL", mdl)
    if fields.layout.size + kernel.pointer_size * len(numbers) > fields["Size"]:
        kernel.violation(f"MDL {mdl:#x} of {fields['Size']} bytes is too small for {len(numbers)} pages.")
    array = mdl + fields.layout.size
    kernel.write(array, b"".join(number.to_bytes(kernel.pointer_size, "little") for number in numbers))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoAllocateMdl(
    kernel: Kernel,
    va: PVOID,
    length: ULONG,
    secondary: BOOLEAN,
    charge: BOOLEAN,
    irp: PVOID,
) -> PVOID:
    if kernel.pool.refuses("Mdl ", length):
        return 0
    mdl = kernel.alloc(_size(kernel, va, length), "Mdl ")
    _initialise(kernel, mdl, va, length)
    kernel.part(Mdls).allocated[mdl] = kernel.caller()
    if irp:
        _attach(kernel, irp, mdl, bool(secondary))
    return mdl


def _attach(kernel: Kernel, irp: int, mdl: int, secondary: bool) -> None:
    request = view(kernel, "IRP", irp)
    if not secondary:
        request["MdlAddress"] = mdl
        return
    last = request["MdlAddress"]
    while view(kernel, "MDL", last)["Next"]:
        last = view(kernel, "MDL", last)["Next"]
    view(kernel, "MDL", last)["Next"] = mdl


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoFreeMdl(kernel: Kernel, mdl: PVOID) -> None:
    mdls = kernel.part(Mdls)
    if mdl not in mdls.allocated:
        kernel.violation(f"IoFreeMdl of {mdl:#x}, which is no MDL of IoAllocateMdl's, or is freed already.")
    if mdl in mdls.locked:
        kernel.violation(f"MDL {mdl:#x} is freed with its pages still locked.")
    fields = view(kernel, "MDL", mdl)
    if fields["MdlFlags"] & PARTIAL and fields["MdlFlags"] & MAPPED and not fields["MdlFlags"] & NONPAGED:
        kernel.part(Mappings).unmap(fields["MappedSystemVa"], "IoFreeMdl")
    del mdls.allocated[mdl]
    kernel.free(mdl)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoBuildPartialMdl(kernel: Kernel, source: PVOID, target: PVOID, va: PVOID, length: ULONG) -> None:
    whole, part = view(kernel, "MDL", source), view(kernel, "MDL", target)
    offset = va - start(kernel, source)
    length = length or whole["ByteCount"] - offset
    if offset < 0 or offset + length > whole["ByteCount"]:
        kernel.violation(f"A partial MDL of {length} bytes at offset {offset} of an MDL of {whole['ByteCount']} bytes.")
    size = part["Size"]
    _initialise(kernel, target, va, length)
    part["Size"], part["Process"] = size, whole["Process"]
    numbers = frames(kernel, source)[(va - whole["StartVa"]) >> PAGE_SHIFT :][: _page_count(part)]
    part["MdlFlags"] = PARTIAL | (whole["MdlFlags"] & (NONPAGED | MAPPED))
    if whole["MdlFlags"] & (NONPAGED | MAPPED):
        part["MappedSystemVa"] = whole["MappedSystemVa"] + offset
        part["MdlFlags"] = PARTIAL | NONPAGED
    _put_frames(kernel, target, numbers)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def MmSizeOfMdl(kernel: Kernel, va: PVOID, length: SIZE_T) -> SIZE_T:
    return _size(kernel, va, length)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmBuildMdlForNonPagedPool(kernel: Kernel, mdl: PVOID) -> None:
    fields = view(kernel, "MDL", mdl)
    va = start(kernel, mdl)
    if fields["MdlFlags"] & (LOCKED | NONPAGED | PARTIAL | MAPPED):
        kernel.violation(
            f"MmBuildMdlForNonPagedPool of an MDL with the flags {fields['MdlFlags']:#x}: it is built already."
        )
    numbers = []
    for page in memory.pages(va, fields["ByteCount"]):
        if kernel.pager.is_pageable(page):
            kernel.violation("MmBuildMdlForNonPagedPool of pageable memory.")
        numbers.append(kernel.memory.translate(page) >> PAGE_SHIFT)
    _put_frames(kernel, mdl, numbers)
    fields["MappedSystemVa"], fields["MdlFlags"] = va, NONPAGED | fields["MdlFlags"]


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmProbeAndLockPages(kernel: Kernel, mdl: PVOID, mode: CCHAR, operation: ULONG) -> None:
    fields = view(kernel, "MDL", mdl)
    va, length = start(kernel, mdl), fields["ByteCount"]
    if fields["MdlFlags"] & (LOCKED | NONPAGED | PARTIAL | MAPPED):
        kernel.violation(f"MmProbeAndLockPages of an MDL with the flags {fields['MdlFlags']:#x}.")
    if any(kernel.pager.is_pageable(page) for page in memory.pages(va, length)):
        kernel.require_irql(APC_LEVEL, "Pageable memory is locked")
    access = memory.WRITE if operation else memory.READ
    numbers = [kernel.memory.translate(page, access) >> PAGE_SHIFT for page in memory.pages(va, length)]
    kernel.pager.lock(va, length)
    _put_frames(kernel, mdl, numbers)
    fields["MdlFlags"] = fields["MdlFlags"] | LOCKED
    kernel.part(Mdls).locked[mdl] = numbers


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmUnlockPages(kernel: Kernel, mdl: PVOID) -> None:
    fields = view(kernel, "MDL", mdl)
    if not fields["MdlFlags"] & LOCKED or mdl not in kernel.part(Mdls).locked:
        kernel.violation(f"MmUnlockPages of MDL {mdl:#x}, whose pages are not locked.")
    if fields["MdlFlags"] & MAPPED:
        kernel.part(Mappings).unmap(fields["MappedSystemVa"], "MmUnlockPages")
    kernel.pager.unlock(start(kernel, mdl), fields["ByteCount"])
    del kernel.part(Mdls).locked[mdl]
    fields["MdlFlags"] = fields["MdlFlags"] & ~(LOCKED | MAPPED)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmMapLockedPagesSpecifyCache(
    kernel: Kernel,
    mdl: PVOID,
    mode: CCHAR,
    cache: ULONG,
    base: PVOID,
    stop: ULONG,
    priority: ULONG,
) -> PVOID:
    if mode == _USER_MODE:
        kernel.violation("Pages are mapped for user mode; the lab has none.")
    fields = view(kernel, "MDL", mdl)
    if fields["MdlFlags"] & (MAPPED | NONPAGED):
        kernel.violation(f"MDL {mdl:#x} is mapped, which is mapped already or of nonpaged pool.")
    if not stop and kernel.pool.refuses("Map ", fields["ByteCount"]):
        return 0
    va = kernel.part(Mappings).map(frames(kernel, mdl), f"MDL {mdl:#x}") + fields["ByteOffset"]
    fields["MappedSystemVa"], fields["MdlFlags"] = va, fields["MdlFlags"] | MAPPED
    return va


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmMapLockedPages(kernel: Kernel, mdl: PVOID, mode: CCHAR) -> PVOID:
    return MmMapLockedPagesSpecifyCache(kernel, mdl, mode, 1, 0, 1, 0)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def MmUnmapLockedPages(kernel: Kernel, base: PVOID, mdl: PVOID) -> None:
    fields = view(kernel, "MDL", mdl)
    if not fields["MdlFlags"] & MAPPED or fields["MappedSystemVa"] != base:
        kernel.violation(f"{base:#x} is unmapped, which is not where MDL {mdl:#x} is mapped.")
    kernel.part(Mappings).unmap(base, "MmUnmapLockedPages")
    fields["MdlFlags"] = fields["MdlFlags"] & ~MAPPED


@routine(_NTOS, irql_max=APC_LEVEL)
def MmAllocatePagesForMdl(
    kernel: Kernel,
    low: PHYSICAL_ADDRESS,
    high: PHYSICAL_ADDRESS,
    skip: PHYSICAL_ADDRESS,
    length: SIZE_T,
) -> PVOID:
    """The frames are below `high` one by one where that is low; they are not in a row."""
    return _allocate_pages(kernel, low, high, length)


@routine(_NTOS, irql_max=APC_LEVEL)
def MmAllocatePagesForMdlEx(
    kernel: Kernel,
    low: PHYSICAL_ADDRESS,
    high: PHYSICAL_ADDRESS,
    skip: PHYSICAL_ADDRESS,
    length: SIZE_T,
    cache: ULONG,
    flags: ULONG,
) -> PVOID:
    """MM_DONT_ZERO_ALLOCATION leaves in the pages what was there."""
    return _allocate_pages(kernel, low, high, length, zero=not flags & _DO_NOT_ZERO)


def _allocate_pages(kernel: Kernel, low: int, high: int, length: int, *, zero: bool = True) -> int:
    count = -(-length // PAGE_SIZE)
    mdl = kernel.pool.allocate(_size(kernel, 0, length), "Mm  ", False)
    if not mdl:
        return 0
    numbers = [kernel.physical.allocate_contiguous(1, low, high)[0] for _ in range(count)]
    for number in numbers if zero else []:
        kernel.physical.write(number << PAGE_SHIFT, bytes(PAGE_SIZE))
    _initialise(kernel, mdl, 0, count * PAGE_SIZE)
    _put_frames(kernel, mdl, numbers)
    view(kernel, "MDL", mdl)["MdlFlags"] = LOCKED
    kernel.part(Mdls).locked[mdl] = numbers
    return mdl


@routine(_NTOS, irql_max=APC_LEVEL)
def MmFreePagesFromMdl(kernel: Kernel, mdl: PVOID) -> None:
    fields = view(kernel, "MDL", mdl)
    numbers = kernel.part(Mdls).locked.pop(mdl, None)
    if not numbers:
        kernel.violation(f"MmFreePagesFromMdl of {mdl:#x}, whose pages are not those of MmAllocatePagesForMdl.")
    if fields["MdlFlags"] & MAPPED:
        kernel.violation(f"The pages of MDL {mdl:#x} are freed while they are mapped.")
    kernel.physical.free_frames(numbers)
    fields["MdlFlags"] = fields["MdlFlags"] & ~LOCKED

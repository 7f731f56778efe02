# SPDX-License-Identifier: GPL-2.0-or-later
"""DMA adapters of bus masters: common buffers, map registers, scatter/gather lists.

An adapter that does no scatter/gather gets each transfer in one physical run: through map registers, which are pages of
their own, so what is not flushed does not arrive. So does an adapter of 32 address bits whose buffer lies above 4 GiB.
Source: Windows Driver Kit, "Adapter Objects and DMA", IoGetDmaAdapter, DMA_OPERATIONS and the page of each operation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.cpu import memory
from xenlab.cpu.memory import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from xenlab.nt import mdl as mdls
from xenlab.nt.mapping import Mappings
from xenlab.nt.objects import Struct, layout, view

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_4_GIB = 1 << 32
_MOST_MAP_REGISTERS = 256


@dataclass(eq=False)
class MapRegisters:
    """Pages that stand between a device and a driver's buffer.

    Attributes:
        used: bytes that the present transfer has taken.
        transfers: what was mapped: offset here, guest address, length, and whether it goes to the device.
    """

    frames: list[int]
    used: int = 0
    transfers: list[tuple[int, int, int, bool]] = field(default_factory=list)


@dataclass(eq=False)
class ScatterList:
    """A scatter/gather list; `bounce`: the low pages that stand for the driver's `pages`, which lie too high."""

    pages: list[int]
    offset: int
    length: int
    bounce: list[int]


@dataclass(eq=False)
class Adapter:
    """A DMA adapter: what its device can do, and what is taken from it.

    Attributes:
        buffers: the common buffers by address: their length.
        lists: the scatter/gather lists that are not put back.
        registers: map registers by the base that the driver knows them by.
    """

    address: int
    scatter_gather: bool
    highest: int
    map_registers: int
    made_by: int
    buffers: dict[int, int] = field(default_factory=dict)
    lists: dict[int, ScatterList] = field(default_factory=dict)
    registers: dict[int, MapRegisters] = field(default_factory=dict)

    def reaches(self, physical: int) -> bool:
        return physical < self.highest


class Adapters:
    """The DMA adapters that drivers have got."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._adapters: dict[int, Adapter] = {}
        self.operations = 0

    def make(self, description: Struct) -> Adapter:
        address = self.kernel.alloc(layout("DMA_ADAPTER", self.kernel.arch).size, "DmaA")
        highest = 1 << 64 if description["Dma64BitAddresses"] else _4_GIB
        pages = -(-description["MaximumLength"] // PAGE_SIZE) + 1
        made = Adapter(
            address, bool(description["ScatterGather"]), highest, min(pages, _MOST_MAP_REGISTERS), self.kernel.caller()
        )
        self._adapters[address] = made
        return made

    def at(self, address: int, what: str) -> Adapter:
        found = self._adapters.get(address)
        if not found:
            self.kernel.violation(f"{what} is given {address:#x}, which is no DMA adapter, or one that was put back.")
        return found

    def put(self, address: int) -> None:
        """PutDmaAdapter: nothing may be taken from it any more."""
        adapter = self.at(address, "PutDmaAdapter")
        for line in self._left(adapter):
            self.kernel.violation(f"A DMA adapter is put back. {line}")
        del self._adapters[address]
        self.kernel.free(address)

    def outstanding(self) -> list[str]:
        describe = self.kernel.symbols.describe
        left = [line for each in self._adapters.values() for line in self._left(each)]
        return left + [
            f"The DMA adapter that {describe(each.made_by, True)} got is never put back."
            for each in self._adapters.values()
        ]

    def _left(self, adapter: Adapter) -> list[str]:
        return [
            *(f"Its common buffer of {size} bytes at {va:#x} is not freed." for va, size in adapter.buffers.items()),
            *(f"Its scatter/gather list {each:#x} is not put back." for each in adapter.lists),
            *(f"Its {len(each.frames)} map registers are not freed." for each in adapter.registers.values()),
        ]

    # Common buffers

    def allocate_common(self, adapter: Adapter, length: int, logical: int) -> int:
        kernel = self.kernel
        if kernel.pool.refuses("DmaC", length):
            return 0
        frames = kernel.physical.allocate_contiguous(len(memory.pages(0, length)), 0, adapter.highest - 1)
        if not frames:
            return 0
        va = kernel.part(Mappings).map(frames, f"A common buffer of {length} bytes", owned=True)
        adapter.buffers[va] = length
        kernel.put_u64(logical, frames[0] << PAGE_SHIFT)
        return va

    def free_common(self, adapter: Adapter, length: int, logical: int, va: int) -> None:
        kernel = self.kernel
        if adapter.buffers.pop(va, None) != length:
            kernel.violation(f"FreeCommonBuffer of {length} bytes at {va:#x}, which is no common buffer of this size.")
        page = kernel.memory.page(va)
        if not page or page[0] != logical:
            kernel.violation(f"FreeCommonBuffer of {va:#x} with the wrong logical address {logical:#x}.")
        kernel.part(Mappings).unmap(va, "FreeCommonBuffer")

    # Map registers

    def allocate_registers(self, adapter: Adapter, count: int) -> int:
        """Take map registers; returns their base, 0 where the adapter does not need any."""
        if count > adapter.map_registers:
            return -1
        frames = self.kernel.physical.allocate_contiguous(max(count, 1), 0, adapter.highest - 1)
        base = self.kernel.alloc(8, "DmaM")
        adapter.registers[base] = MapRegisters(frames)
        return base

    def free_registers(self, adapter: Adapter, base: int, count: int) -> None:
        taken = adapter.registers.pop(base, None)
        if not taken:
            self.kernel.violation(f"FreeMapRegisters of {base:#x}, which are no map registers of this adapter.")
        if count not in (len(taken.frames), 0):
            self.kernel.violation(f"FreeMapRegisters of {count} map registers, where {len(taken.frames)} were taken.")
        if taken.transfers:
            self.kernel.violation("Map registers are freed with a transfer in them that was not flushed.")
        self.kernel.physical.free_frames(taken.frames)
        self.kernel.free(base)

    def map_transfer(
        self, adapter: Adapter, mdl: int, base: int, va: int, length: int, to_device: bool
    ) -> tuple[int, int]:
        """Map a piece of an MDL; returns its logical address and how many bytes of it are in one run."""
        kernel = self.kernel
        frames = self._piece(mdl, va, length)
        if adapter.scatter_gather:
            run = _run(frames)
            physical = (frames[0] << PAGE_SHIFT) | (va & PAGE_MASK)
            if adapter.reaches(physical + length):
                return physical, min(length, run * PAGE_SIZE - (va & PAGE_MASK))
        taken = adapter.registers.get(base)
        if not taken:
            kernel.violation(f"MapTransfer with {base:#x}, which are no map registers of this adapter.")
        at = taken.used + ((va & PAGE_MASK) if not taken.used else 0)
        room = len(taken.frames) * PAGE_SIZE - at
        if length > room:
            kernel.violation(f"MapTransfer of {length} bytes; the map registers have room for {room}.")
        physical = (taken.frames[0] << PAGE_SHIFT) + at
        if to_device:
            kernel.physical.write(physical, self._read(frames, va & PAGE_MASK, length))
        taken.transfers.append((at, va, length, to_device))
        taken.used = at + length
        return physical, length

    def flush(self, adapter: Adapter, mdl: int, base: int, to_device: bool) -> None:
        """FlushAdapterBuffers: what the device has written comes into the driver's buffer now."""
        taken = adapter.registers.get(base)
        if not taken:
            return
        for at, va, length, outwards in taken.transfers:
            if outwards != to_device:
                self.kernel.violation("FlushAdapterBuffers names another direction than MapTransfer did.")
            if not to_device:
                data = self.kernel.physical.read((taken.frames[0] << PAGE_SHIFT) + at, length)
                self._write(self._piece(mdl, va, length), va & PAGE_MASK, data)
        taken.transfers.clear()
        taken.used = 0

    # Scatter/gather lists

    def list_size(self, va: int, length: int) -> int:
        header = 8 if self.kernel.arch == "x32" else 16
        return header + len(memory.pages(va, length)) * layout("SCATTER_GATHER_ELEMENT", self.kernel.arch).size

    def fill_list(self, adapter: Adapter, at: int, mdl: int, va: int, length: int, to_device: bool) -> None:
        """Write a SCATTER_GATHER_LIST: an element for each run of pages, low ones in place of too high ones."""
        kernel = self.kernel
        pages, offset = self._piece(mdl, va, length), va & PAGE_MASK
        made = ScatterList(pages, offset, length, [])
        if not all(adapter.reaches((page + 1) << PAGE_SHIFT) for page in pages):
            made.bounce = kernel.physical.allocate_contiguous(len(pages), 0, adapter.highest - 1)
            if to_device:
                self._write(made.bounce, offset, self._read(pages, offset, length))
        adapter.lists[at] = made
        frames = made.bounce or pages
        header = 8 if kernel.arch == "x32" else 16
        size = layout("SCATTER_GATHER_ELEMENT", kernel.arch).size
        count = 0
        while length:
            run = _run(frames)
            piece = min(length, run * PAGE_SIZE - offset)
            element = view(kernel, "SCATTER_GATHER_ELEMENT", at + header + count * size)
            element["Address"] = (frames[0] << PAGE_SHIFT) + offset
            element["Length"], element["Reserved"] = piece, 0
            length -= piece
            frames, offset, count = frames[run:], 0, count + 1
        kernel.put_u32(at, count)
        kernel.put_ptr(at + (4 if kernel.arch == "x32" else 8), 0)

    def put_list(self, adapter: Adapter, at: int, to_device: bool) -> None:
        """PutScatterGatherList: what the device has written comes into the driver's buffer now."""
        made = adapter.lists.pop(at, None)
        if not made:
            self.kernel.violation(
                f"PutScatterGatherList of {at:#x}, which is no list of this adapter, or was put back."
            )
        if made.bounce:
            if not to_device:
                self._write(made.pages, made.offset, self._read(made.bounce, made.offset, made.length))
            self.kernel.physical.free_frames(made.bounce)

    def _piece(self, mdl: int, va: int, length: int) -> list[int]:
        """The frames of a part of an MDL, which must lie in it."""
        kernel = self.kernel
        fields = view(kernel, "MDL", mdl)
        first = mdls.start(kernel, mdl)
        if not first <= va or va + length > first + fields["ByteCount"] or not length:
            kernel.violation(
                f"DMA of {length} bytes at {va:#x}, outside of the MDL's {fields['ByteCount']} at {first:#x}."
            )
        index = (va - fields["StartVa"]) >> PAGE_SHIFT
        return mdls.frames(kernel, mdl)[index : index + len(memory.pages(va, length))]

    def _read(self, frames: list[int], offset: int, length: int) -> bytes:
        whole = b"".join(self.kernel.physical.read(frame << PAGE_SHIFT, PAGE_SIZE) for frame in frames)
        return whole[offset : offset + length]

    def _write(self, frames: list[int], offset: int, data: bytes) -> None:
        for frame in frames:
            part = data[: PAGE_SIZE - offset]
            self.kernel.physical.write((frame << PAGE_SHIFT) + offset, part)
            data, offset = data[len(part) :], 0


def _run(frames: list[int]) -> int:
    """How many of the frames, from the first, are in a row."""
    return next((index for index in range(1, len(frames)) if frames[index] != frames[0] + index), len(frames))

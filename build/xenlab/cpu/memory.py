# SPDX-License-Identifier: GPL-2.0-or-later
"""Physical memory in frames, and the kernel's virtual address space over it.

Frames are handed out in random order, so that an address which is virtual on one side and physical on the other, or
pages taken for neighbours, never agree by luck. A frame's first contents are garbage.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from gplpv.matrix import ArchName
from xenlab.errors import Violation
from xenlab.world import World

PAGE_SIZE = 4096
PAGE_SHIFT = 12
PAGE_MASK = PAGE_SIZE - 1

READ, WRITE, EXECUTE = 1, 2, 4
Place = tuple[mmap.mmap, int]

_GARBAGE = bytes.fromhex("a5") * PAGE_SIZE
_MEGABYTE = 1 << 20
_LOW_RAM = (16 * _MEGABYTE, 64 * _MEGABYTE)
_CHOICES = 8
_CONTIGUOUS = 24 * _MEGABYTE
_HIGH_RAM = (4608 * _MEGABYTE, 64 * _MEGABYTE)


@dataclass(frozen=True)
class Region:
    """A range of guest physical addresses with memory behind it."""

    base: int
    store: mmap.mmap
    view: memoryview

    @property
    def end(self) -> int:
        return self.base + len(self.view)


class PhysicalMemory:
    """What guest physical addresses lead to.

    On x64 half of it lies above 4 GiB; x86 clients have none there. A part of the low half is kept for those who need
    frames in a row, which single frames at random would soon leave none of.

    Attributes:
        on_free: told of each frame that is given back, before it is.
    """

    def __init__(self, world: World, arch: ArchName) -> None:
        self._random = world.random
        self.regions: list[Region] = []
        self._spans: list[tuple[int, int, mmap.mmap]] = []
        self.on_region: Callable[[Region], None] = lambda _: None
        self.on_free: Callable[[int], None] = lambda _: None
        for base, size in (_LOW_RAM, _HIGH_RAM) if arch == "x64" else (_LOW_RAM,):
            self.add_region(base, size)
        self._ram = [range(each.base >> PAGE_SHIFT, each.end >> PAGE_SHIFT) for each in self.regions]
        self._zone = range(_LOW_RAM[0] >> PAGE_SHIFT, (_LOW_RAM[0] + _CONTIGUOUS) >> PAGE_SHIFT)
        self._free = [gfn for frames in self._ram for gfn in frames if gfn not in self._zone]
        self._allocated: set[int] = set()

    def add_region(self, base: int, size: int) -> None:
        """Put memory behind a range, such as a device's memory resource: frames of it are not handed out."""
        store = mmap.mmap(-1, size)
        region = Region(base, store, memoryview(store))
        self.regions.append(region)
        self._spans.append((base, region.end, store))
        self.on_region(region)

    def allocate_frame(self) -> int:
        """Return the number of a frame of RAM, full of garbage.

        Raises:
            MemoryError: all RAM is in use.
        """
        while self._free:
            chosen = int(self._random.random() * len(self._free))
            self._free[-1], self._free[chosen] = self._free[chosen], self._free[-1]
            gfn = self._free.pop()
            if gfn not in self._allocated:
                self._take([gfn])
                return gfn
        raise MemoryError("The guest's RAM is used up.")

    def allocate_contiguous(self, count: int, lowest: int = 0, highest: int = (1 << 64) - 1) -> list[int]:
        """Return `count` frames in a row whose addresses lie in `lowest` to `highest`; none if there are no such."""
        first, last = -(-lowest // PAGE_SIZE), ((highest + 1) >> PAGE_SHIFT) - 1
        free = (gfn for frames in self._ram for gfn in frames if gfn not in self._allocated)
        candidates = [gfn for gfn in free if first <= gfn <= last]
        starts = [
            first for first, last in zip(candidates, candidates[count - 1 :], strict=False) if last - first == count - 1
        ]
        if not starts:
            return []
        first = self._random.choice(starts[:_CHOICES])
        frames = list(range(first, first + count))
        self._take(frames)
        return frames

    def _take(self, frames: list[int]) -> None:
        self._allocated.update(frames)
        for gfn in frames:
            self.write(gfn << PAGE_SHIFT, _GARBAGE)

    def free_frames(self, frames: Iterable[int]) -> None:
        """Take frames back. They may be handed out again at once or much later."""
        for gfn in frames:
            self.on_free(gfn)
            self._allocated.remove(gfn)
            if gfn not in self._zone:
                self._free.append(gfn)

    @property
    def ram(self) -> list[range]:
        """The frame numbers of the guest's RAM, a range each."""
        return self._ram

    @property
    def allocated(self) -> int:
        """How many frames are in use."""
        return len(self._allocated)

    def is_allocated(self, gfn: int) -> bool:
        return gfn in self._allocated

    def exists(self, gpa: int) -> bool:
        """Whether there is memory behind an address."""
        return any(region.base <= gpa < region.end for region in self.regions)

    def read(self, gpa: int, size: int) -> bytes:
        store, offset = self.place(gpa, size)
        return store[offset : offset + size]

    def write(self, gpa: int, data: bytes) -> None:
        size = len(data)
        store, offset = self.place(gpa, size)
        store[offset : offset + size] = data

    def place(self, gpa: int, size: int) -> Place:
        """Return what the `size` bytes at `gpa` are stored in, and where in it they begin."""
        end = gpa + size
        for base, last, store in self._spans:
            if base <= gpa and end <= last:
                return store, gpa - base
        raise Violation(f"There is no memory at physical addresses {gpa:#x} to {gpa + size - 1:#x}.")


class AddressSpace:
    """The kernel's page tables: which virtual page leads to which physical page, and what may be done there.

    The machine's TLB is filled from here; a page that is taken away or protected is flushed from it before the guest
    goes on.

    Attributes:
        cached: the numbers of the pages that the TLB may hold; whoever empties it clears this too.
        fault: asked when an access finds no page that allows it, with address and kind (READ, WRITE or EXECUTE); makes
            the page present and returns, or raises what the access leads to.
        flush: has the TLB emptied before the guest goes on.
        holes: the addresses of physical pages that Xen has taken back: to touch one ends the run.
    """

    def __init__(self, physical: PhysicalMemory) -> None:
        self.physical = physical
        self._pages: dict[int, tuple[int, int]] = {}
        self._readable: dict[int, Place] = {}
        self._writable: dict[int, Place] = {}
        self.cached: set[int] = set()
        self.holes: set[int] = set()
        self.fault: Callable[[int, int], None] = self._refuse
        self.flush: Callable[[], None] = lambda: None

    def map(self, va: int, gpa: int, access: int) -> None:
        """Let the page at `va` lead to the physical page at `gpa`."""
        number = va >> PAGE_SHIFT
        if number in self._pages:
            raise ValueError(f"the page at {va:#x} is mapped already")
        self._pages[number] = (gpa & ~PAGE_MASK, access)

    def map_new(self, va: int, size: int, access: int) -> None:
        """Map fresh frames at `va`, enough for `size` bytes."""
        for page in pages(va, size):
            self.map(page, self.physical.allocate_frame() << PAGE_SHIFT, access)

    def unmap(self, va: int) -> int:
        """Take a page away; returns the physical page it led to."""
        gpa, _ = self._pages.pop(va >> PAGE_SHIFT)
        self._forget(va >> PAGE_SHIFT)
        return gpa

    def unmap_free(self, va: int, size: int) -> None:
        """Take pages away and free their frames."""
        numbers = [page >> PAGE_SHIFT for page in pages(va, size)]
        gpas = [self._pages.pop(number)[0] for number in numbers]
        self._forget(*numbers)
        self.physical.free_frames(gpa >> PAGE_SHIFT for gpa in gpas)

    def protect(self, va: int, size: int, access: int) -> None:
        """Change what may be done with mapped pages; 0 leaves nothing."""
        for page in pages(va, size):
            number = page >> PAGE_SHIFT
            self._pages[number] = (self._pages[number][0], access)
            self._forget(number)

    def _forget(self, *numbers: int) -> None:
        """What is known of these pages beside the page tables is no longer so."""
        for number in numbers:
            self._readable.pop(number, None)
            self._writable.pop(number, None)
            if number in self.cached:
                self.flush()

    def is_mapped(self, va: int) -> bool:
        return va >> PAGE_SHIFT in self._pages

    def page(self, va: int) -> tuple[int, int] | None:
        """Return physical page and allowed access of the page round `va`, or None."""
        return self._pages.get(va >> PAGE_SHIFT)

    def translate(self, va: int, access: int = READ) -> int:
        """Return the physical address that an access to `va` reaches, after the fault that it may cause."""
        page = self._pages.get(va >> PAGE_SHIFT)
        if page is None or not page[1] & access:
            self.fault(va, access)
            page = self._pages[va >> PAGE_SHIFT]
        if page[0] in self.holes:
            self.refuse_hole(va, page[0])
        return page[0] | (va & PAGE_MASK)

    def set_hole(self, gpa: int, hole: bool) -> None:
        """Xen takes the memory of a physical page away, or puts memory there again."""
        if not hole:
            self.holes.discard(gpa)
            return
        self.holes.add(gpa)
        self._readable.clear()
        self._writable.clear()
        self.flush()

    def refuse_hole(self, va: int, gpa: int) -> NoReturn:
        raise Violation(f"{va:#x} is touched, whose page (frame {gpa >> PAGE_SHIFT:#x}) has been given back to Xen.")

    def read(self, va: int, size: int) -> bytes:
        offset = va & PAGE_MASK
        if size and offset + size <= PAGE_SIZE:
            place = self._readable.get(va >> PAGE_SHIFT) or self._find(va, READ, self._readable)
            start = place[1] + offset
            return place[0][start : start + size]
        return b"".join(self.physical.read(self.translate(at), length) for at, length in pieces(va, size))

    def write(self, va: int, data: bytes) -> None:
        size = len(data)
        if not size:
            return
        offset = va & PAGE_MASK
        if offset + size <= PAGE_SIZE:
            place = self._writable.get(va >> PAGE_SHIFT) or self._find(va, WRITE, self._writable)
            start = place[1] + offset
            place[0][start : start + size] = data
            return
        done = 0
        for at, length in pieces(va, len(data)):
            self.physical.write(self.translate(at, WRITE), data[done : done + length])
            done += length

    def _find(self, va: int, access: int, known: dict[int, Place]) -> Place:
        """Return where the page round `va` is stored, after the fault that the access may cause."""
        place = self.physical.place(self.translate(va, access) & ~PAGE_MASK, PAGE_SIZE)
        known[va >> PAGE_SHIFT] = place
        return place

    def put(self, va: int, data: bytes) -> None:
        """Write where the guest may not: what a loader does."""
        done = 0
        for at, length in pieces(va, len(data)):
            gpa = self._pages[at >> PAGE_SHIFT][0] | (at & PAGE_MASK)
            self.physical.write(gpa, data[done : done + length])
            done += length

    def _refuse(self, va: int, access: int) -> None:
        word = {READ: "read", WRITE: "written", EXECUTE: "executed"}[access]
        raise Violation(f"{va:#x} is {word}, where there is no memory for that.")


def pages(va: int, size: int) -> range:
    """The addresses of the pages that `size` bytes from `va` lie in."""
    return range(va & ~PAGE_MASK, va + size, PAGE_SIZE)


def pieces(va: int, size: int) -> Iterable[tuple[int, int]]:
    """Cut a range at page boundaries: address and length of each piece."""
    end = va + size
    while va < end:
        length = min(PAGE_SIZE - (va & PAGE_MASK), end - va)
        yield va, length
        va += length

# SPDX-License-Identifier: GPL-2.0-or-later
"""System address space that shows physical pages once more: mapped MDLs, device memory, contiguous memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.cpu import memory
from xenlab.cpu.memory import PAGE_SHIFT, PAGE_SIZE

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_RANGE = {"x64": (0xFFFFFA60_00000000, 0xFFFFFA70_00000000), "x32": (0xC1000000, 0xE0000000)}


@dataclass(frozen=True)
class Mapping:
    """Pages at `va`; `where`: the guest address that asked for them; `owned`: their frames go with it."""

    va: int
    count: int
    what: str
    where: int
    owned: tuple[int, ...] = ()


class Mappings:
    """What drivers have mapped."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._mapped: dict[int, Mapping] = {}
        self._next = _RANGE[kernel.arch][0]

    def map(self, frames: list[int], what: str, owned: bool = False) -> int:
        """Map frames at new addresses, an absent page after them; returns the first address."""
        space = self._kernel.memory
        va = self._reserve(len(frames) + 1)
        for index, frame in enumerate(frames):
            space.map(va + index * PAGE_SIZE, frame << PAGE_SHIFT, memory.READ | memory.WRITE)
        kept = tuple(frames) if owned else ()
        self._mapped[va] = Mapping(va, len(frames), what, self._kernel.caller(), kept)
        return va

    def unmap(self, va: int, by: str, count: int | None = None) -> None:
        """Undo a mapping, `count` pages where the caller says how many it takes it for."""
        found = self._mapped.pop(va & ~memory.PAGE_MASK, None)
        if not found:
            self._kernel.violation(f"{by} of {va:#x}, where nothing is mapped, or no longer.")
        if count is not None and count != found.count:
            self._kernel.violation(f"{by} of {count} pages; {found.count} are mapped there.")
        for index in range(found.count):
            self._kernel.memory.unmap(found.va + index * PAGE_SIZE)
        if found.owned:
            self._kernel.physical.free_frames(found.owned)

    def outstanding(self) -> list[str]:
        describe = self._kernel.symbols.describe
        return [
            f"{each.what}, mapped by {describe(each.where, True)}, is never unmapped." for each in self._mapped.values()
        ]

    def _reserve(self, count: int) -> int:
        low, high = _RANGE[self._kernel.arch]
        at = self._next if self._next + count * PAGE_SIZE < high else low
        while taken := [page for page in memory.pages(at, count * PAGE_SIZE) if self._kernel.memory.is_mapped(page)]:
            at = taken[-1] + 2 * PAGE_SIZE
        self._next = at + count * PAGE_SIZE
        return at

# SPDX-License-Identifier: GPL-2.0-or-later
"""Pool memory with guard pages, as Driver Verifier's special pool has it.

Each block ends where a page ends (one of a page or more begins where a page begins, as callers may rely on); the pages
beside it are absent, what else is in its own pages is filled with a pattern and checked when it is freed, and its
pages are gone from then on. Blocks of the kernel's own are not listed as outstanding. Nonpaged pool is executable, as
it is before Windows 8.
Sources: Windows Driver Kit, ExAllocatePoolWithTag, ExFreePoolWithTag, "Special Pool", "NX and Execute Pool Types".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gplpv.errors import GplpvError
from xenlab.cpu import memory
from xenlab.cpu.memory import PAGE_SIZE

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_SLACK = 0x5C
_FRESH = 0xCD
_REMEMBERED = 20_000
_RANGES = {
    ("x64", False): (0xFFFFFA80_00000000, 0xFFFFFA90_00000000),
    ("x64", True): (0xFFFFF8A0_00000000, 0xFFFFF8B0_00000000),
    ("x32", False): (0x88000000, 0xC0000000),
    ("x32", True): (0xE1000000, 0xF0000000),
}


@dataclass(frozen=True)
class Block:
    """One allocation: `number` counts the driver's allocations from 1, 0 is the kernel's own."""

    va: int
    size: int
    tag: str
    paged: bool
    number: int
    where: int

    @property
    def pages(self) -> tuple[int, int]:
        """Address and size of all its pages."""
        first = self.va & ~memory.PAGE_MASK
        return first, -(-(self.va + max(self.size, 1) - first) // PAGE_SIZE) * PAGE_SIZE


class Pool:
    """Paged and nonpaged pool.

    Attributes:
        fails: asked for every allocation of a driver, with its number, tag and size: True makes it fail.
        count: how many allocations drivers have asked for.
        sites: if it is a list, each of them adds the chain of calls that led to it, innermost first.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._blocks: dict[int, Block] = {}
        self._freed: dict[int, Block] = {}
        self._next = {paged: _RANGES[kernel.arch, paged][0] for paged in (False, True)}
        self._alignment = 16 if kernel.arch == "x64" else 8
        self.checks: list[Callable[[int, int], None]] = []
        self.fails: Callable[[int, str, int], bool] = lambda *_: False
        self.count = 0
        self.sites: list[tuple[int, ...]] | None = None

    def fail_at(self, number: int) -> None:
        """Let the `number`-th allocation of drivers fail, and no other."""
        self.fails = lambda each, _tag, _size: each == number

    def allocate(self, size: int, tag: str | int, paged: bool) -> int:
        """Allocate for a driver; 0 when it is to fail. The memory holds a pattern."""
        text = tag if isinstance(tag, str) else tag.to_bytes(4, "little").decode("latin-1")
        return 0 if self.refuses(text, size) else self._make(size, text, paged, self.count)

    def refuses(self, tag: str, size: int) -> bool:
        """Count a resource that a driver asks for, of pool or not; True when it is to be refused."""
        self.count += 1
        if self.sites is not None:
            self.sites.append(self._kernel.call_chain())
        refused = self.fails(self.count, tag, size)
        if refused:
            self._kernel.world.trace("pool", f"allocation {self.count} of {size} bytes {tag!r} fails")
        return refused

    def is_paged(self, va: int) -> bool:
        """Whether there is a paged block at `va`."""
        return va in self._blocks and self._blocks[va].paged

    def is_allocated(self, va: int) -> bool:
        """Whether `va` is the beginning of a block."""
        return va in self._blocks

    def is_driver_block(self, va: int) -> bool:
        """Whether a driver has allocated the block at `va`."""
        return va in self._blocks and self._blocks[va].number > 0

    def allocate_own(self, size: int, tag: str, paged: bool = False) -> int:
        """Allocate for the kernel itself, zeroed."""
        va = self._make(size, tag, paged, 0)
        self._kernel.memory.write(va, bytes(size))
        return va

    def free(self, va: int, tag: int | str | None = None) -> None:
        """Free a block.

        Raises:
            Violation: it is no block, is freed twice, was written beyond, has another tag, or something lives in it.
        """
        kernel = self._kernel
        block = self._blocks.get(va)
        if not block:
            if before := self._freed.get(va):
                kernel.violation(f"{_name(before)} is freed twice.")
            kernel.violation(f"{va:#x} is freed, which is no pool block ({self.describe(va) or 'nothing is there'}).")
        text = tag.to_bytes(4, "little").decode("latin-1") if isinstance(tag, int) else tag
        if text and text.strip("\0") and text != block.tag:
            kernel.violation(f"{_name(block)} is freed with the tag {text!r}.")
        self._check_slack(block)
        self.release(va, block.size)
        self._remove(block)

    def release(self, va: int, size: int) -> None:
        """Have it checked that nothing lives in memory that goes, of pool or not."""
        for check in self.checks:
            check(va, size)

    def outstanding(self) -> list[Block]:
        """The drivers' blocks that are not freed, in the order of their allocation."""
        return sorted((block for block in self._blocks.values() if block.number), key=lambda block: block.number)

    def describe_block(self, block: Block) -> str:
        return f"{_name(block)}, allocated by {self._kernel.symbols.describe(block.where, called=True)}"

    def require_none_outstanding(self) -> None:
        """Raises:
        Violation: drivers have not freed everything; each block is named with the place that allocated it.
        """
        left = self.outstanding()
        if left:
            lines = "".join(f"\n  {self.describe_block(block)}" for block in left)
            self._kernel.violation(f"{len(left)} pool blocks are never freed:{lines}")

    def describe(self, va: int) -> str:
        """Say what pool block an address is in, or beside; nothing where there is none near."""
        for blocks, gone in ((self._blocks, ""), (self._freed, "freed ")):
            for block in blocks.values():
                start, size = block.pages
                if start - PAGE_SIZE <= va < start + size + PAGE_SIZE:
                    return f"{_place(va, block)} {gone}{self.describe_block(block)}"
        return ""

    def _make(self, size: int, tag: str, paged: bool, number: int) -> int:
        space = self._kernel.memory
        length = -(-max(size, 1) // PAGE_SIZE) * PAGE_SIZE
        start = self._reserve(length, paged)
        space.map_new(start, length, memory.READ | memory.WRITE | (0 if paged else memory.EXECUTE))
        room = -(-max(size, 1) // self._alignment) * self._alignment
        va = start if size >= PAGE_SIZE else start + length - room
        space.write(start, bytes([_SLACK]) * (va - start))
        space.write(va, bytes([_FRESH]) * size)
        space.write(va + size, bytes([_SLACK]) * (start + length - va - size))
        if paged:
            self._kernel.pager.add(start, length)
        self._blocks[va] = Block(va, size, tag, paged, number, self._kernel.caller() if number else 0)
        return va

    def _reserve(self, length: int, paged: bool) -> int:
        """Find addresses for a block and its guard page; freed ones come round again only after all others."""
        low, high = _RANGES[self._kernel.arch, paged]
        at = self._next[paged]
        for _ in range(2):
            while at + length + PAGE_SIZE < high:
                taken = [page for page in memory.pages(at, length + PAGE_SIZE) if self._is_taken(page)]
                if not taken:
                    self._next[paged] = at + length + PAGE_SIZE
                    return at
                at = taken[-1] + PAGE_SIZE
            at = low
        raise GplpvError(
            "The lab's pool addresses are used up.", "The drivers under test leak, or need more than 256 MiB."
        )

    def _is_taken(self, page: int) -> bool:
        return self._kernel.memory.is_mapped(page) or self._kernel.pager.is_out(page)

    def _check_slack(self, block: Block) -> None:
        start, size = block.pages
        pager = self._kernel.pager
        if block.paged:
            pager.page_in(start)
        data = self._kernel.memory.read(start, size)
        before, after = data[: block.va - start], data[block.va + block.size - start :]
        if before.strip(bytes([_SLACK])):
            self._kernel.violation(f"Memory before {self.describe_block(block)} was overwritten.")
        if after.strip(bytes([_SLACK])):
            self._kernel.violation(f"Memory behind {self.describe_block(block)} was overwritten.")

    def _remove(self, block: Block) -> None:
        start, size = block.pages
        if block.paged:
            self._kernel.pager.remove(start, size)
        if any(self._kernel.pager.is_locked(page) for page in memory.pages(start, size)):
            self._kernel.violation(f"{self.describe_block(block)} is freed while an MDL has its pages locked.")
        del self._blocks[block.va]
        self._freed.pop(block.va, None)
        self._freed[block.va] = block
        if len(self._freed) > _REMEMBERED:
            del self._freed[next(iter(self._freed))]
        self._kernel.memory.unmap_free(start, size)


def _name(block: Block) -> str:
    return (
        f"the {'paged' if block.paged else 'nonpaged'} pool block of {block.size} bytes {block.tag!r} at {block.va:#x}"
    )


def _place(va: int, block: Block) -> str:
    if va < block.va:
        return f"{block.va - va} bytes before"
    if va >= block.va + block.size:
        return f"{va - block.va - block.size} bytes behind the end of"
    return f"{va - block.va} bytes into"

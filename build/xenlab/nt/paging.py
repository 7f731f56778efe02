# SPDX-License-Identifier: GPL-2.0-or-later
"""Pageable memory: absent until it is touched, and trimmed whenever the IRQL rises to DISPATCH_LEVEL.

So every touch at DISPATCH_LEVEL or above faults, as on a machine that is short of memory (what Driver Verifier calls
"Force IRQL Checking").
"""

from __future__ import annotations

from collections import Counter

from xenlab.cpu import memory
from xenlab.cpu.memory import AddressSpace


class Pager:
    """Which pages may be paged out, and which of them are in."""

    def __init__(self, space: AddressSpace) -> None:
        self._space = space
        self._out: dict[int, tuple[int, int]] = {}
        self._in: set[int] = set()
        self._locked: Counter[int] = Counter()

    def add(self, va: int, size: int) -> None:
        """Make mapped pages pageable."""
        for page in memory.pages(va, size):
            if page not in self._out:
                self._in.add(page)
        self.trim()

    def remove(self, va: int, size: int) -> None:
        """Make them resident for good."""
        for page in memory.pages(va, size):
            self.page_in(page)
            self._in.discard(page)

    def lock(self, va: int, size: int) -> None:
        """Keep pages in memory until they are unlocked as often; those that are not pageable stay anyway."""
        for page in memory.pages(va, size):
            self.page_in(page)
            self._locked[page] += 1

    def unlock(self, va: int, size: int) -> None:
        for page in memory.pages(va, size):
            self._locked[page] -= 1

    def is_locked(self, va: int) -> bool:
        return self._locked[va & ~memory.PAGE_MASK] > 0

    def is_out(self, va: int) -> bool:
        return va & ~memory.PAGE_MASK in self._out

    def is_pageable(self, va: int) -> bool:
        page = va & ~memory.PAGE_MASK
        return page in self._out or page in self._in

    def page_in(self, va: int) -> None:
        page = va & ~memory.PAGE_MASK
        if page in self._out:
            gpa, access = self._out.pop(page)
            self._space.map(page, gpa, access)
            self._in.add(page)

    def trim(self) -> None:
        """Page out what is not locked."""
        for page in [each for each in self._in if not self._locked[each]]:
            self._in.remove(page)
            access = self._space.page(page)
            if access:
                self._out[page] = (self._space.unmap(page), access[1])

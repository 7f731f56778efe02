# SPDX-License-Identifier: GPL-2.0-or-later
"""Spin locks: who holds which, and in what order they were ever taken.

On one processor a held lock cannot be waited for: to take it again is the deadlock that it would be on any. Two locks
taken in one order here and in the other there are the deadlock of two processors, and are reported though one
processor would never meet it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel


class SpinLocks:
    """The locks that the processor holds, in the order of their taking."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.held: list[int] = []
        self._after: dict[int, set[int]] = {}
        kernel.at_free(self._check_freed)

    def acquire(self, va: int, what: str = "a spin lock") -> None:
        kernel = self._kernel
        value = kernel.ptr(va)
        if va in self.held:
            kernel.violation(f"{what} at {va:#x} is acquired by its own holder: the processor spins for ever.")
        if value:
            kernel.violation(f"{what} at {va:#x} is not initialised, or overwritten: it holds {value:#x}.")
        for other in self.held:
            if self._leads_to(va, other):
                kernel.violation(
                    f"Spin lock {va:#x} is acquired under {other:#x}, and elsewhere {other:#x} under {va:#x}."
                )
            self._after.setdefault(other, set()).add(va)
        kernel.put_ptr(va, 1)
        self.held.append(va)

    def release(self, va: int, what: str = "a spin lock") -> None:
        kernel = self._kernel
        if va not in self.held:
            kernel.violation(f"{what} at {va:#x} is released, which is not held.")
        if kernel.ptr(va) != 1:
            kernel.violation(f"{what} at {va:#x} was overwritten while it was held.")
        kernel.put_ptr(va, 0)
        self.held.remove(va)

    def _leads_to(self, start: int, end: int) -> bool:
        seen, todo = {start}, [start]
        while todo:
            for each in self._after.get(todo.pop(), ()):
                if each == end:
                    return True
                if each not in seen:
                    seen.add(each)
                    todo.append(each)
        return False

    def _check_freed(self, va: int, size: int) -> None:
        for each in self.held:
            if va <= each < va + size:
                self._kernel.violation("Memory is freed that holds an acquired spin lock.")
        for gone in [each for each in self._after if va <= each < va + size]:
            del self._after[gone]
        for followers in self._after.values():
            followers.difference_update([each for each in followers if va <= each < va + size])

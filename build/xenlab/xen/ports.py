# SPDX-License-Identifier: GPL-2.0-or-later
"""What the simulated Xen needs of the rest of the lab, and nothing else: time and chance, and the guest's memory."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NoReturn, Protocol

PAGE = 4096


class GuestFault(Exception):
    """A linear address that the guest's page tables do not map as wanted; a hypercall answers it with -EFAULT."""


class Event(Protocol):
    def cancel(self) -> None: ...


class World(Protocol):
    """Time (virtual ns), chance, and what happens to what is noticed; :class:`xenlab.world.World` is one."""

    random: Random
    now: int

    def at(self, delay_ns: int, action: Callable[[], None], what: str, /) -> Event:
        """Have `action` called `delay_ns` from now."""

    def trace(self, kind: str, text: str, /, **fields: object) -> None:
        """Tell the listener, if there is one, what happened."""

    def violation(self, text: str, /) -> NoReturn:
        """End the run: a rule was broken."""


class Frames(Protocol):
    """The guest's physical memory, :class:`xenlab.cpu.memory.PhysicalMemory`; addresses in bytes."""

    def read(self, gpa: int, size: int, /) -> bytes: ...

    def write(self, gpa: int, data: bytes, /) -> None: ...

    def exists(self, gpa: int, /) -> bool:
        """Whether something can be stored at the address."""

    def add_region(self, base: int, size: int, /) -> None:
        """Put memory behind a range that has none."""


class Linear(Protocol):
    """The guest's memory through its current page tables; both raise :class:`GuestFault`."""

    def read(self, address: int, length: int, /) -> bytes: ...

    def write(self, address: int, data: bytes, /) -> None: ...

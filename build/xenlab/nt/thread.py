# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads: each a stack in the guest, and the frames of kernel routines and interrupts that are under way on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from xenlab.cpu.machine import Saved
from xenlab.nt.routine import Routine, Steps


class State(Enum):
    READY = auto()
    RUNNING = auto()
    WAITING = auto()
    FINISHED = auto()


class ThreadExit(Exception):
    """Raised by a routine to end the current thread with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Mode:
    """What a thread does next: run guest code, or (guest False) send `value` to the topmost frame's generator."""

    guest: bool
    value: int | None = None


@dataclass
class GuestCall:
    """A guest function that a frame has called: what must be as it was when it returns; IRQL and locks not if `locks`
    is None."""

    address: int
    sp: int
    sp_after: int
    preserved: Saved
    irql: int
    locks: tuple[int, ...] | None


@dataclass
class Frame:
    """A generator under way.

    Attributes:
        routine: the kernel routine that the guest called; None for an interrupt, a DPC or a thread's own start.
        registers: the guest's context to go back to; None at the bottom of a thread.
        mode: what the thread was about to do when an interrupt came.
        address: the trap through which `routine` was called.
    """

    steps: Steps
    name: str
    routine: Routine | None = None
    registers: Saved | None = None
    mode: Mode | None = None
    address: int = 0
    call: GuestCall | None = None


@dataclass(eq=False)
class Thread:
    """A thread.

    Attributes:
        object: guest address of its ETHREAD: an opaque dispatcher object.
        stack, stack_top: the guest addresses between which its stack lies; it grows down from `stack_top`.
        result: what its generator returned, once `finished`.
        exception_list: x86: its exception registration records, while it does not run.
        at_end: called when it has ended; its ETHREAD is then the callee's to free. Without, it goes with the thread.
    """

    name: str
    object: int
    stack: int
    stack_top: int
    priority: int
    irql: int = 0
    state: State = State.READY
    mode: Mode = field(default_factory=lambda: Mode(False))
    frames: list[Frame] = field(default_factory=list)
    registers: Saved = ()
    result: int | None = None
    waits_for: str = ""
    at_end: Callable[[], int | None] | None = None
    exception_list: int = 0xFFFFFFFF

    @property
    def finished(self) -> bool:
        return self.state is State.FINISHED

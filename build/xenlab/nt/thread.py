# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads: each a stack in the guest, and the frames of kernel routines and interrupts that are under way on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from xenlab.cpu.machine import Saved
from xenlab.nt.routine import Routine, Steps, Wait
from xenlab.world import Event


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


@dataclass(eq=False)
class Waiter:
    """A thread that is blocked, on what, and until when (virtual ns) at most."""

    thread: Thread
    wait: Wait
    ends: int | None = None
    timeout: Event | None = None


@dataclass
class Mode:
    """What a thread does next: run guest code, or (guest False) send `value` to the topmost frame's generator.

    `waiter`: a wait that a kernel APC has interrupted, and that goes on before that.
    """

    guest: bool
    value: int | None = None
    waiter: Waiter | None = None


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
        waiter: what it waits for, while it is blocked.
        kernel_apcs, user_apcs: the KAPCs that are queued to it, special ones first.
        in_apc: it runs a normal kernel APC.
        critical, guarded, mutexes: how many critical and guarded regions it is in, and mutexes it holds, each of which
            keeps APCs away.
        alerted: its next alertable wait ends at once.
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
    waiter: Waiter | None = None
    kernel_apcs: deque[int] = field(default_factory=deque)
    user_apcs: deque[int] = field(default_factory=deque)
    in_apc: bool = False
    critical: int = 0
    guarded: int = 0
    mutexes: int = 0
    alerted: bool = False

    @property
    def finished(self) -> bool:
        return self.state is State.FINISHED

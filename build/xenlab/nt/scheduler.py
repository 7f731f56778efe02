# SPDX-License-Identifier: GPL-2.0-or-later
"""Which thread runs: of the ready ones with the highest priority one at random, now and then another in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.cpu import memory
from xenlab.cpu.memory import PAGE_SIZE
from xenlab.nt.dispatcher import THREAD
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL
from xenlab.nt.thread import Mode, State, Thread

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_STACK_SIZE = {"x64": 24 << 10, "x32": 12 << 10}
_STACKS = {"x64": 0xFFFFF880_80000000, "x32": 0xF8000000}
_HEADROOM = 0x80
_KEEPS_RUNNING = 0.9
_KERNEL_APC_PENDING_DURING_EXIT = 0x20


class Scheduler:
    """The threads of one kernel.

    Attributes:
        current: the thread that has the processor, or None.
        idle: the thread on whose stack interrupts run when no other has the processor.
        dpc_stack: top of the stack that DPCs run on.
        threads: all that have not ended.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._ready: list[Thread] = []
        self._free_stacks: list[int] = []
        self._next_stack = _STACKS[kernel.arch]
        self._stack_size = _STACK_SIZE[kernel.arch]
        self._blank = kernel.machine.save()
        self.threads: list[Thread] = []
        self.current: Thread | None = None
        self.idle = self.create("idle", 0)
        self.dpc_stack = self._make_stack()

    def create(self, name: str, priority: int) -> Thread:
        """Make a thread with a stack and an ETHREAD; it is not ready yet."""
        kernel = self._kernel
        top = self._make_stack()
        va = kernel.alloc(0x400, "Thre")
        kernel.dispatcher.init(va, THREAD, 0)
        thread = Thread(name, va, top - self._stack_size, top, priority)
        thread.registers = (self._blank[0], top - _HEADROOM, *self._blank[2:])
        self.threads.append(thread)
        return thread

    def make_ready(self, thread: Thread, status: int | None) -> None:
        """Let a thread go on, with the status of the wait that is over."""
        thread.mode = Mode(False, status)
        thread.state = State.READY
        self._ready.append(thread)
        self._kernel.attention = True

    def end(self, thread: Thread, status: int | None) -> None:
        """The current thread ends; its object is signalled and its stack goes."""
        kernel = self._kernel
        if kernel.irql != PASSIVE_LEVEL or kernel.locks.held:
            kernel.violation(
                f"Thread {thread.name} ends at IRQL {kernel.irql} with {len(kernel.locks.held)} spin locks held."
            )
        if thread.critical or thread.guarded or thread.kernel_apcs:
            first = thread.kernel_apcs[0] if thread.kernel_apcs else 0
            kernel.bug_check(_KERNEL_APC_PENDING_DURING_EXIT, first, thread.critical + thread.guarded, kernel.irql)
        thread.frames.clear()
        thread.state, thread.result = State.FINISHED, status
        self.current = None
        self.threads.remove(thread)
        kernel.dispatcher.set_event(thread.object)
        kernel.pool.release(thread.stack, self._stack_size)
        kernel.memory.unmap_free(thread.stack, self._stack_size)
        self._free_stacks.append(thread.stack)
        if thread.at_end:
            thread.at_end()
        else:
            kernel.free(thread.object)

    def choose(self) -> None:
        """Give the processor to the thread that should have it."""
        kernel, current = self._kernel, self.current
        if not self._ready or (current and (kernel.irql >= DISPATCH_LEVEL or current is self.idle)):
            return
        best = max(thread.priority for thread in self._ready)
        if current:
            if best < current.priority:
                return
            if best == current.priority and kernel.world.random.random() < _KEEPS_RUNNING:
                return
            self._ready.append(self.leave(State.READY))
        thread = kernel.world.random.choice([each for each in self._ready if each.priority == best])
        self._ready.remove(thread)
        self.switch_to(thread)

    def switch_to(self, thread: Thread) -> None:
        thread.state = State.RUNNING
        self.current = thread
        self._kernel.machine.restore(thread.registers)
        self._kernel.set_irql(thread.irql)
        self._kernel.processor.tell_thread(thread.object)
        if self._kernel.arch == "x32":
            self._kernel.processor.exception_list = thread.exception_list

    def leave(self, state: State) -> Thread:
        """Take the processor away from the current thread."""
        kernel = self._kernel
        thread = self.current or self.idle
        thread.registers, thread.irql, thread.state = kernel.machine.save(vectors=True), kernel.irql, state
        if kernel.arch == "x32":
            thread.exception_list = kernel.processor.exception_list
        self.current = None
        kernel.set_irql(PASSIVE_LEVEL)
        return thread

    def stack_top(self, sp: int) -> int:
        """The end of the stack that `sp` lies in, or `sp`."""
        tops = [self.dpc_stack, *(each.stack_top for each in self.threads)]
        return next((top for top in tops if 0 <= top - sp <= self._stack_size), sp)

    def describe(self, va: int) -> str:
        """Say which thread's stack an address belongs to, or its guard page; nothing where it is none."""
        for thread in self.threads:
            if thread.stack - PAGE_SIZE <= va < thread.stack:
                return f"the stack of thread {thread.name} overflows"
            if thread.stack <= va < thread.stack_top:
                return f"the stack of thread {thread.name}"
        bottom = self.dpc_stack - self._stack_size
        if bottom - PAGE_SIZE <= va < self.dpc_stack:
            return f"the DPC stack{' overflows' if va < bottom else ''}"
        return ""

    def blocked(self) -> str:
        """Who waits for what, a line a thread."""
        waiting = [each for each in self.threads if each.state is State.WAITING]
        return "".join(f"\n  thread {each.name} waits for {each.waits_for}" for each in waiting)

    def _make_stack(self) -> int:
        """Map a stack between guard pages; returns its top."""
        if self._free_stacks:
            base = self._free_stacks.pop(0)
        else:
            base = self._next_stack + PAGE_SIZE
            self._next_stack = base + self._stack_size
        self._kernel.memory.map_new(base, self._stack_size, memory.READ | memory.WRITE)
        return base + self._stack_size

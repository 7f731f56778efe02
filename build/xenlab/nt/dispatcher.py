# SPDX-License-Identifier: GPL-2.0-or-later
"""Dispatcher objects and waits. Their state lies in the guest, as drivers have it; who waits for them is kept here.

Source: Windows Driver Kit, "Kernel Dispatcher Objects", and the pages of the Ke routines.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from xenlab.nt import objects
from xenlab.nt.routine import APC_LEVEL, DISPATCH_LEVEL, Wait
from xenlab.nt.thread import Mode, Thread, Waiter

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

STATUS_SUCCESS, STATUS_USER_APC, STATUS_ALERTED, STATUS_TIMEOUT = 0, 0xC0, 0x101, 0x102
NOTIFICATION_EVENT, SYNCHRONIZATION_EVENT, MUTANT, PROCESS, QUEUE, SEMAPHORE, THREAD = range(7)
NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER = 8, 9
_RESETS = (SYNCHRONIZATION_EVENT, SYNCHRONIZATION_TIMER)
_LAYOUTS = {
    NOTIFICATION_EVENT: "KEVENT",
    SYNCHRONIZATION_EVENT: "KEVENT",
    MUTANT: "KMUTANT",
    SEMAPHORE: "KSEMAPHORE",
    QUEUE: "KQUEUE",
    THREAD: "DISPATCHER_HEADER",
    PROCESS: "DISPATCHER_HEADER",
    NOTIFICATION_TIMER: "KTIMER",
    SYNCHRONIZATION_TIMER: "KTIMER",
}
_MOST_OBJECTS = 64
_NS_PER_UNIT = 100


class Dispatcher:
    """Signals objects, blocks and wakes threads."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._waiters: dict[int, deque[Waiter]] = {}
        kernel.at_free(self._check_freed)

    def init(self, va: int, kind: int, state: int) -> objects.Struct:
        """Fill in an object's header; `kind` is one of this module's constants."""
        view = objects.view(self._kernel, _LAYOUTS[kind], va)
        view.clear()
        header = objects.view(self._kernel, "DISPATCHER_HEADER", va)
        header["Type"], header["Size"], header["SignalState"] = kind, view.layout.size // 4, state
        self._kernel.list_init(header.at("WaitListHead"))
        return view

    def init_event(self, va: int, synchronization: bool, state: bool) -> None:
        self.init(va, SYNCHRONIZATION_EVENT if synchronization else NOTIFICATION_EVENT, int(state))

    def kind(self, va: int) -> int:
        """Return what the object at `va` is.

        Raises:
            Violation: it was never initialised, or is overwritten.
        """
        kind, size = self._kernel.u8(va), self._kernel.u8(va + 2)
        if kind not in _LAYOUTS or size != objects.layout(_LAYOUTS[kind], self._kernel.arch).size // 4:
            self._kernel.violation(f"There is no initialised dispatcher object at {va:#x}.")
        return kind

    def state(self, va: int) -> int:
        self.kind(va)
        return self._kernel.i32(va + 4)

    def set_state(self, va: int, state: int) -> None:
        self._kernel.put_u32(va + 4, state)

    def set_event(self, va: int) -> int:
        """Signal an event (or a timer that has expired); returns its state before."""
        before = self.state(va)
        self.set_state(va, 1)
        self.wake(va)
        return before

    signal = set_event

    def reset_event(self, va: int) -> int:
        before = self.state(va)
        self.set_state(va, 0)
        return before

    def pulse_event(self, va: int) -> int:
        before = self.set_event(va)
        self.set_state(va, 0)
        return before

    def release_semaphore(self, va: int, adjustment: int) -> int:
        before = self.state(va)
        limit = objects.view(self._kernel, "KSEMAPHORE", va)["Limit"]
        if adjustment <= 0 or before + adjustment > limit:
            self._kernel.violation(f"A semaphore is released to {before + adjustment} over its limit {limit}.")
        self.set_state(va, before + adjustment)
        self.wake(va)
        return before

    def release_mutant(self, va: int) -> int:
        """One release by the owner; returns the state before (0: it becomes free only if it is 1 afterwards)."""
        before = self.state(va)
        mutant = objects.view(self._kernel, "KMUTANT", va)
        thread = self._kernel.current_thread
        if mutant["OwnerThread"] != thread.object:
            self._kernel.violation("A mutex is released by a thread that does not own it (STATUS_MUTANT_NOT_OWNED).")
        self.set_state(va, before + 1)
        if before + 1 == 1:
            mutant["OwnerThread"] = 0
            self._count_mutex(thread, -mutant["ApcDisable"])
            self.wake(va)
        return before

    def wait(self, thread: Thread, wait: Wait) -> int | None:
        """Begin a wait of the current thread: its status where it is over at once, None where the thread blocks."""
        kernel = self._kernel
        if not 0 <= len(wait.objects) <= _MOST_OBJECTS or (not wait.objects and wait.timeout_100ns is None):
            kernel.violation(f"A wait for {len(wait.objects)} objects.")
        for va in wait.objects:
            self.kind(va)
        blocks = wait.timeout_100ns != 0
        if kernel.irql > (APC_LEVEL if blocks else DISPATCH_LEVEL):
            kernel.violation(f"A wait at IRQL {kernel.irql}: a thread may block at APC_LEVEL at most.")
        if kernel.locks.held:
            kernel.violation("A wait while a spin lock is held.")
        status = self._try(thread, wait)
        if status is None:
            status = self._interruption(thread, wait)
        if status is not None or not blocks:
            return STATUS_TIMEOUT if status is None else status
        self._block(thread, wait)
        return None

    def break_off(self, thread: Thread) -> None:
        """Take a blocked thread out of its wait, so that it can run a kernel APC; then the wait goes on.

        A signal that is gone again until then (KePulseEvent) is missed, as it is in Windows.
        """
        waiter = self._unqueue(thread)
        self._kernel.make_ready(thread, STATUS_SUCCESS)
        thread.mode = Mode(False, None, waiter)

    def go_on(self, waiter: Waiter) -> int | None:
        """Take up a wait that was broken off: its status where it is over, None where the thread blocks again."""
        status = self._try(waiter.thread, waiter.wait)
        if status is None and waiter.ends is not None and waiter.ends <= self._kernel.world.now:
            status = STATUS_TIMEOUT
        if status is None:
            status = self._interruption(waiter.thread, waiter.wait)
        if status is None:
            self._queue(waiter)
        return status

    def interrupt(self, thread: Thread) -> None:
        """End a thread's wait if an alert or an APC of user mode that has just come does that."""
        if thread.waiter:
            status = self._interruption(thread, thread.waiter.wait)
            if status is not None:
                self._release(thread.waiter, status)

    @staticmethod
    def _interruption(thread: Thread, wait: Wait) -> int | None:
        """What else than its objects ends a wait ("Waits and APCs")."""
        if not wait.alertable:
            return None
        if thread.alerted:
            thread.alerted = False
            return STATUS_ALERTED
        return STATUS_USER_APC if wait.user and thread.user_apcs else None

    def wake(self, va: int) -> None:
        """Let go whom the object's state satisfies now."""
        for waiter in list(self._waiters.get(va, ())):
            status = self._try(waiter.thread, waiter.wait)
            if status is not None:
                self._release(waiter, status)

    def has_waiters(self, va: int) -> bool:
        return va in self._waiters

    def blocked(self) -> list[Thread]:
        """The threads that wait, each once."""
        return list(dict.fromkeys(waiter.thread for queue in self._waiters.values() for waiter in queue))

    def _block(self, thread: Thread, wait: Wait) -> None:
        waiter = Waiter(thread, wait)
        if wait.timeout_100ns is not None:
            waiter.ends = self._kernel.world.now + self._kernel.clock.delay_ns(wait.timeout_100ns)
        self._queue(waiter)

    def _queue(self, waiter: Waiter) -> None:
        thread = waiter.thread
        for va in waiter.wait.objects:
            self._waiters.setdefault(va, deque()).append(waiter)
        if waiter.ends is not None:
            waiter.timeout = self._kernel.world.at(
                waiter.ends - self._kernel.world.now,
                lambda: self._release(waiter, STATUS_TIMEOUT),
                f"{thread.name} waits no longer",
            )
        thread.waiter = waiter
        thread.waits_for = ", ".join(f"{va:#x}" for va in waiter.wait.objects) or "a delay"

    def _unqueue(self, thread: Thread) -> Waiter:
        waiter = thread.waiter
        assert waiter is not None
        if waiter.timeout:
            waiter.timeout.cancel()
        for va in waiter.wait.objects:
            queue = self._waiters[va]
            if waiter in queue:
                queue.remove(waiter)
            if not queue:
                self._waiters.pop(va)
        thread.waiter, thread.waits_for = None, ""
        return waiter

    def _release(self, waiter: Waiter, status: int) -> None:
        self._unqueue(waiter.thread)
        self._kernel.make_ready(waiter.thread, status)

    def _try(self, thread: Thread, wait: Wait) -> int | None:
        signalled = [va for va in wait.objects if self._is_signalled(va, thread)]
        if wait.all and wait.objects:
            if len(signalled) < len(wait.objects):
                return None
            for va in wait.objects:
                self._take(va, thread)
            return STATUS_SUCCESS
        if not signalled:
            return None
        self._take(signalled[0], thread)
        return wait.objects.index(signalled[0])

    def _is_signalled(self, va: int, thread: Thread) -> bool:
        if self.kind(va) == MUTANT and objects.view(self._kernel, "KMUTANT", va)["OwnerThread"] == thread.object:
            return True
        return self._kernel.i32(va + 4) > 0

    def _take(self, va: int, thread: Thread) -> None:
        kind = self.kind(va)
        if kind in _RESETS:
            self.set_state(va, 0)
        elif kind in (SEMAPHORE, MUTANT, QUEUE):
            self.set_state(va, self._kernel.i32(va + 4) - 1)
        if kind == MUTANT:
            mutant = objects.view(self._kernel, "KMUTANT", va)
            if mutant["OwnerThread"] != thread.object:
                self._count_mutex(thread, mutant["ApcDisable"])
            mutant["OwnerThread"] = thread.object

    def _count_mutex(self, thread: Thread, change: int) -> None:
        """A mutex keeps normal kernel APCs from its owner ("Mutex Objects")."""
        thread.mutexes += change
        self._kernel.apcs.let_in(thread)

    def _check_freed(self, va: int, size: int) -> None:
        for each, queue in self._waiters.items():
            if va <= each < va + size:
                self._kernel.violation(f"Memory is freed in which thread {queue[0].thread.name} waits for an object.")

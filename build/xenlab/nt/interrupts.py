# SPDX-License-Identifier: GPL-2.0-or-later
"""What interrupts a thread: service routines of the level-triggered line and of latched vectors, and DPCs.

Sources: Windows Driver Kit, IoConnectInterrupt, KeInsertQueueDpc, "Introduction to DPC Objects".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.nt import objects
from xenlab.nt.routine import DISPATCH_LEVEL, Call, Steps

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

DPC_OBJECT = 0x13
_HIGH_IMPORTANCE = 2
_STORM = 1000
_UNCLAIMED = 100


@dataclass(frozen=True)
class Interrupt:
    """A connected service routine. `object`: its KINTERRUPT; `lock`: the spin lock it runs under.

    `latched`: it is a vector's own, called once for each request; else it is one of the line's. `message`: the number
    that a message service routine gets as well.
    """

    object: int
    service_routine: int
    context: int
    vector: int
    irql: int
    synchronize_irql: int
    lock: int
    latched: bool
    message: int | None = None


class Interrupts:
    """The connected service routines: those of the platform's line, and those of vectors."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._connected: dict[int, Interrupt] = {}
        self._in_a_row = self._unclaimed = 0
        kernel.at_free(self._check_freed)

    def connect(
        self,
        service_routine: int,
        context: int,
        irql: int,
        vector: int,
        spin_lock: int,
        synchronize_irql: int | None,
        latched: bool = False,
        message: int | None = None,
    ) -> int:
        kernel = self._kernel
        va = kernel.alloc(0x100, "Intr")
        kernel.zero(va, 0x100)
        lock = spin_lock or va + 0x80
        made = Interrupt(va, service_routine, context, vector, irql, synchronize_irql or irql, lock, latched, message)
        if made.synchronize_irql < irql:
            kernel.violation(
                f"An interrupt of IRQL {irql} is connected with the lower SynchronizeIrql {synchronize_irql}."
            )
        self._connected[va] = made
        kernel.attention = True
        return va

    def disconnect(self, va: int) -> None:
        self.get(va)
        del self._connected[va]
        self._kernel.free(va)

    def get(self, va: int) -> Interrupt:
        if va not in self._connected:
            self._kernel.violation(f"There is no connected interrupt object at {va:#x}.")
        return self._connected[va]

    @property
    def connected(self) -> list[Interrupt]:
        return list(self._connected.values())

    def due(self) -> Callable[[], Steps] | None:
        """Return what serves the interrupt that is to be taken now: the one of the higher IRQL, if the IRQL lets it."""
        vector = self._vector_due()
        line = self._line_due()
        if vector and vector.irql >= line:
            return lambda: self._serve_vector(vector)
        return self._serve_line if line else None

    def _line_due(self) -> int:
        """Return the IRQL of the line if it is up and may interrupt, else 0."""
        lines = [each.synchronize_irql for each in self._connected.values() if not each.latched]
        if not lines or not self._kernel.machine.platform.interrupt_asserted:
            self._in_a_row = 0
            return 0
        return max(lines) if max(lines) > self._kernel.irql else 0

    def _vector_due(self) -> Interrupt | None:
        """Return the service routine of the highest vector requested, unless the IRQL holds it off.

        Windows has nothing to do with a vector that nobody has connected to, and stops.
        """
        requested = self._kernel.machine.platform.requested
        if not requested:
            return None
        vector = max(requested)
        found = next((each for each in self._connected.values() if each.latched and each.vector == vector), None)
        if found:
            return found if found.irql > self._kernel.irql else None
        if self._kernel.irql <= DISPATCH_LEVEL:
            self._kernel.violation(f"An interrupt comes at vector {vector:#x}, where no service routine is connected.")
        return None

    def _call(self, each: Interrupt) -> Steps:
        kernel = self._kernel
        kernel.set_irql(each.synchronize_irql)
        kernel.locks.acquire(each.lock, "the interrupt's spin lock")
        number = () if each.message is None else (each.message,)
        claimed = (yield Call(each.service_routine, each.object, each.context, *number)) & 0xFF
        kernel.locks.release(each.lock, "the interrupt's spin lock")
        image = kernel.symbols.image_of(each.service_routine)
        kernel.world.trace("interrupt", f"{image.name if image else '?'} {'claims it' if claimed else 'refuses it'}")
        return claimed

    def _serve_vector(self, each: Interrupt) -> Steps:
        """Take the request and call the service routine, whose answer means nothing; an edge meanwhile is a new one."""
        before = self._kernel.irql
        self._kernel.machine.platform.requested.discard(each.vector)
        yield from self._call(each)
        self._kernel.set_irql(before)
        return 0

    def _serve_line(self) -> Steps:
        """Call the service routines of the line in turn until one claims the interrupt."""
        kernel = self._kernel
        before = kernel.irql
        claimed: int | None = 0
        self._in_a_row += 1
        for each in [one for one in self._connected.values() if not one.latched and one.synchronize_irql > before]:
            claimed = yield from self._call(each)
            if claimed:
                break
        kernel.set_irql(before)
        self._unclaimed = 0 if claimed else self._unclaimed + 1
        if self._unclaimed > _UNCLAIMED:
            kernel.violation("An interrupt stays asserted and no service routine claims it.")
        if self._in_a_row > _STORM:
            kernel.violation("An interrupt stays asserted though its service routine claims it every time.")
        return 0

    def _check_freed(self, va: int, size: int) -> None:
        for each in self._connected.values():
            if va <= each.context < va + size or va <= each.lock < va + size:
                self._kernel.violation("Memory is freed that a connected interrupt uses.")


class Dpcs:
    """The queue of deferred procedure calls: the guest's KDPCs, and the lab's own functions among them."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._queue: deque[int | Callable[[], Steps]] = deque()
        kernel.at_free(self._check_freed)

    def __bool__(self) -> bool:
        return bool(self._queue)

    def init(self, va: int, routine: int, context: int) -> None:
        if va in self._queue:
            self._kernel.violation("A DPC is initialised while it is queued.")
        dpc = objects.view(self._kernel, "KDPC", va)
        dpc.clear()
        dpc["Type"], dpc["Importance"] = DPC_OBJECT, 1
        dpc["DeferredRoutine"], dpc["DeferredContext"] = routine, context

    def insert(self, va: int, argument1: int, argument2: int) -> bool:
        """Queue a KDPC; False if it is queued already."""
        dpc = objects.view(self._kernel, "KDPC", va)
        if dpc["Type"] != DPC_OBJECT:
            self._kernel.violation(f"There is no initialised DPC at {va:#x}.")
        if va in self._queue:
            return False
        dpc["SystemArgument1"], dpc["SystemArgument2"] = argument1, argument2
        if dpc["Importance"] == _HIGH_IMPORTANCE:
            self._queue.appendleft(va)
        else:
            self._queue.append(va)
        self._kernel.attention = True
        return True

    def insert_call(self, make: Callable[[], Steps]) -> None:
        """Queue a function of the lab's own."""
        self._queue.append(make)
        self._kernel.attention = True

    def remove(self, va: int) -> bool:
        if va not in self._queue:
            return False
        self._queue.remove(va)
        return True

    @property
    def queued(self) -> list[int]:
        """The KDPCs that are queued."""
        return [each for each in self._queue if isinstance(each, int)]

    def run(self) -> Steps:
        """Run what is queued, at DISPATCH_LEVEL on the processor's DPC stack."""
        kernel = self._kernel
        before = kernel.irql
        kernel.set_irql(DISPATCH_LEVEL)
        kernel.in_dpc = True
        while self._queue:
            next_one = self._queue.popleft()
            if isinstance(next_one, int):
                dpc = objects.view(kernel, "KDPC", next_one)
                arguments = [dpc[name] for name in ("DeferredContext", "SystemArgument1", "SystemArgument2")]
                yield Call(dpc["DeferredRoutine"], next_one, *arguments)
            else:
                yield from next_one()
        kernel.in_dpc = False
        kernel.set_irql(before)
        return 0

    def _check_freed(self, va: int, size: int) -> None:
        for each in self.queued:
            if va <= each < va + size:
                self._kernel.violation("Memory is freed that holds a queued DPC.")

# SPDX-License-Identifier: GPL-2.0-or-later
"""Timer objects and I/O work items of NDIS 6.0.

A timer object is a KTIMER with a KDPC, so that the kernel's own rules hold for it too; one that is set, or whose
function is about to run, must not be freed. Source also: "NDIS Timer Services", "NDIS I/O Work Items".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.memory import NDIS
from xenlab.ndis.objects6 import checked
from xenlab.ndis.structures import layout
from xenlab.nt.pydriver import guest_function
from xenlab.nt.routine import DISPATCH_LEVEL, LONG, LONGLONG, PASSIVE_LEVEL, PVOID, ULONG, Call, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel


@dataclass(eq=False)
class Timer:
    """A timer object; `period`: milliseconds of the last setting, 0 for once."""

    handle: int
    owner: int
    function: int
    context: int
    where: int
    period: int = 0
    argument: int = 0

    def dpc(self, kernel: Kernel) -> int:
        return self.handle + layout("NDIS_TIMER", kernel.arch).offset("Dpc")


@dataclass(eq=False)
class Item:
    """An I/O work item; `queued`: its routine and context while it waits."""

    owner: int
    where: int
    queued: tuple[int, int] | None = None


class Timers:
    """The timer objects and I/O work items that drivers have, by handle."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.timers: dict[int, Timer] = {}
        self.items: dict[int, Item] = {}
        self._procedure = 0
        kernel.at_free(self._check_freed)

    @property
    def procedure(self) -> int:
        """The DPC routine behind every timer object."""
        if not self._procedure:
            self._procedure = guest_function(self.kernel, "NDIS timer", self._expire, (0, 0, 0, 0))
        return self._procedure

    def _expire(self, _kernel: Kernel, _dpc: int, handle: int, first: int, second: int) -> Steps:
        timer = self.timers[handle]
        yield Call(timer.function, 0, timer.argument or timer.context, first, second)
        return None

    def timer(self, handle: int, what: str) -> Timer:
        if handle not in self.timers:
            self.kernel.violation(f"{what} is given {handle:#x}, which is no timer object, or one that is freed.")
        return self.timers[handle]

    def item(self, handle: int, what: str) -> Item:
        if handle not in self.items:
            self.kernel.violation(f"{what} is given {handle:#x}, which is no I/O work item, or one that is freed.")
        return self.items[handle]

    def is_live(self, timer: Timer) -> bool:
        """Whether a timer is set, or its function is about to run."""
        kernel = self.kernel
        return timer.handle in kernel.clock.timers or timer.dpc(kernel) in kernel.dpcs.queued

    def of_owner(self, owner: int) -> list[str]:
        """What the owner of an NDIS handle has left, a line each."""
        named = self.kernel.symbols.describe
        left = [("timer object", each.where) for each in self.timers.values() if each.owner == owner]
        left += [("I/O work item", each.where) for each in self.items.values() if each.owner == owner]
        return [f"The {kind} of {named(where, True)} is never freed." for kind, where in left]

    def outstanding(self) -> list[str]:
        owners = {each.owner for each in self.timers.values()} | {each.owner for each in self.items.values()}
        return [line for owner in sorted(owners) for line in self.of_owner(owner)]

    def run(self, handle: int) -> Steps:
        """The item can be queued or freed again as soon as its routine begins."""
        item = self.items[handle]
        assert item.queued
        function, context = item.queued
        item.queued = None
        yield Call(function, context, handle)
        return None

    def _check_freed(self, va: int, size: int) -> None:
        for timer in self.timers.values():
            if va <= timer.function < va + size and self.is_live(timer):
                self.kernel.violation("A driver is unloaded while a timer object of its is set.")
        for item in self.items.values():
            if item.queued and va <= item.queued[0] < va + size:
                self.kernel.violation("A driver is unloaded while an I/O work item of its is queued.")


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateTimerObject(kernel: Kernel, owner: PVOID, characteristics: PVOID, result: PVOID) -> ULONG:
    given = checked(kernel, "NDIS_TIMER_CHARACTERISTICS", characteristics, "NdisAllocateTimerObject")
    if not given["TimerFunction"]:
        kernel.violation("NdisAllocateTimerObject is given no TimerFunction.")
    size = layout("NDIS_TIMER", kernel.arch).size
    if kernel.pool.refuses("NdTo", size):
        return NdisStatus.RESOURCES
    handle = kernel.alloc(size, "NdTo")
    timers = kernel.part(Timers)
    made = Timer(handle, owner, given["TimerFunction"], given["FunctionContext"], kernel.caller())
    kernel.clock.init_timer(handle)
    kernel.dpcs.init(made.dpc(kernel), timers.procedure, handle)
    timers.timers[handle] = made
    kernel.put_ptr(result, handle)
    return NdisStatus.SUCCESS


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisSetTimerObject(kernel: Kernel, handle: PVOID, due: LONGLONG, period: LONG, context: PVOID) -> ULONG:
    """Tells whether it was set already; a context overrides that of its allocation, for this setting."""
    timer = kernel.part(Timers).timer(handle, "NdisSetTimerObject")
    if due > 0:
        kernel.world.trace("ndis", f"a timer object is set to the absolute time {due}")
    timer.period, timer.argument = period, context
    return int(kernel.clock.set_timer(handle, due, period, timer.dpc(kernel)))


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisCancelTimerObject(kernel: Kernel, handle: PVOID) -> ULONG:
    """Of a periodic timer at PASSIVE_LEVEL alone: its function has run when this returns."""
    timers = kernel.part(Timers)
    timer = timers.timer(handle, "NdisCancelTimerObject")
    if timer.period:
        kernel.require_irql(PASSIVE_LEVEL, "NdisCancelTimerObject of a periodic timer")
    return int(kernel.clock.cancel_timer(handle))


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeTimerObject(kernel: Kernel, handle: PVOID) -> None:
    timers = kernel.part(Timers)
    timer = timers.timer(handle, "NdisFreeTimerObject")
    if timers.is_live(timer):
        kernel.violation("NdisFreeTimerObject of a timer object that is set, or whose function is about to run.")
    del timers.timers[handle]
    kernel.free(handle)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateIoWorkItem(kernel: Kernel, owner: PVOID) -> PVOID:
    if kernel.pool.refuses("NdWi", kernel.pointer_size):
        return 0
    handle = kernel.alloc(kernel.pointer_size, "NdWi")
    kernel.part(Timers).items[handle] = Item(owner, kernel.caller())
    return handle


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisQueueIoWorkItem(kernel: Kernel, handle: PVOID, function: PVOID, context: PVOID) -> None:
    timers = kernel.part(Timers)
    item = timers.item(handle, "NdisQueueIoWorkItem")
    if item.queued:
        kernel.violation("NdisQueueIoWorkItem of a work item that is queued already.")
    item.queued = function, context
    kernel.queue_work(lambda: timers.run(handle), "an NDIS I/O work item")


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeIoWorkItem(kernel: Kernel, handle: PVOID) -> None:
    timers = kernel.part(Timers)
    if timers.item(handle, "NdisFreeIoWorkItem").queued:
        kernel.violation("NdisFreeIoWorkItem of a work item that is queued.")
    del timers.items[handle]
    kernel.free(handle)

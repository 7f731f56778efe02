# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""NDIS's timers, events and work items, and waiting.

A timer belongs to an adapter once NdisMInitializeTimer has named it; it must not be set, nor its function be about to
run, when MiniportHalt has returned. A timer is a KTIMER with its KDPC, and an event a KEVENT, so that the kernel's own
rules hold for them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis import Ndis
from xenlab.ndis.memory import NDIS
from xenlab.ndis.structures import layout, view
from xenlab.nt.routine import APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL, PVOID, ULONG, Call, Steps, Wait, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_MS, _US = 10_000, 10
_STATUS_SUCCESS = 0


def timer_is_live(kernel: Kernel, timer: int) -> bool:
    """Whether a timer is set, or its function is queued."""
    return timer in kernel.clock.timers or _dpc(kernel, timer) in kernel.dpcs.queued


def _dpc(kernel: Kernel, timer: int) -> int:
    return timer + layout("NDIS_TIMER", kernel.arch).offset("Dpc")


def _initialize(kernel: Kernel, timer: int, function: int, context: int) -> None:
    kernel.clock.init_timer(timer)
    kernel.dpcs.init(_dpc(kernel, timer), function, context)


def _set(kernel: Kernel, timer: int, milliseconds: int, period: int = 0) -> None:
    kernel.clock.set_timer(timer, -milliseconds * _MS, period, _dpc(kernel, timer))


def _cancel(kernel: Kernel, timer: int, result: int) -> None:
    kernel.dispatcher.kind(timer)
    kernel.write(result, bytes([kernel.clock.cancel_timer(timer)]))


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisInitializeTimer(kernel: Kernel, timer: PVOID, function: PVOID, context: PVOID) -> None:
    _initialize(kernel, timer, function, context)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
@routine(NDIS, irql_max=DISPATCH_LEVEL, name="NdisMSetTimer")
def NdisSetTimer(kernel: Kernel, timer: PVOID, milliseconds: ULONG) -> None:
    _set(kernel, timer, milliseconds)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisSetTimerEx(kernel: Kernel, timer: PVOID, milliseconds: ULONG, context: PVOID) -> None:
    view(kernel, "KDPC", _dpc(kernel, timer))["DeferredContext"] = context
    _set(kernel, timer, milliseconds)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
@routine(NDIS, irql_max=DISPATCH_LEVEL, name="NdisMCancelTimer")
def NdisCancelTimer(kernel: Kernel, timer: PVOID, cancelled: PVOID) -> None:
    _cancel(kernel, timer, cancelled)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMInitializeTimer(kernel: Kernel, timer: PVOID, handle: PVOID, function: PVOID, context: PVOID) -> None:
    adapter = kernel.part(Ndis).adapter(handle, "NdisMInitializeTimer")
    _initialize(kernel, timer, function, context)
    fields = view(kernel, "NDIS_MINIPORT_TIMER", timer)
    fields["MiniportTimerFunction"], fields["MiniportTimerContext"] = function, context
    fields["Miniport"], fields["NextDeferredTimer"] = handle, 0
    adapter.timers.append(timer)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMSetPeriodicTimer(kernel: Kernel, timer: PVOID, milliseconds: ULONG) -> None:
    _set(kernel, timer, milliseconds, milliseconds)


# Events


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisInitializeEvent(kernel: Kernel, event: PVOID) -> None:
    kernel.init_event(event, False, False)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisSetEvent(kernel: Kernel, event: PVOID) -> None:
    kernel.set_event(event)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisResetEvent(kernel: Kernel, event: PVOID) -> None:
    kernel.reset_event(event)


@routine(NDIS, irql_max=APC_LEVEL)
def NdisWaitEvent(kernel: Kernel, event: PVOID, milliseconds: ULONG) -> Steps:
    """Wait for an event, with 0 for as long as it takes; tells whether it came."""
    timeout = -milliseconds * _MS if milliseconds else None
    return int((yield Wait([event], timeout_100ns=timeout)) == _STATUS_SUCCESS)


@routine(NDIS, irql_max=APC_LEVEL)
def NdisMSleep(kernel: Kernel, microseconds: ULONG) -> Steps:
    yield Wait(timeout_100ns=-max(1, microseconds * _US))
    return None


# Work items


class WorkItems:
    """The NDIS_WORK_ITEMs that are queued, by address: their routines."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.queued: dict[int, int] = {}
        kernel.at_free(self._check_freed)

    def schedule(self, item: int) -> None:
        kernel = self._kernel
        if item in self.queued:
            kernel.violation(f"The work item {item:#x} is scheduled while it is queued, which breaks the queue.")
        self.queued[item] = view(kernel, "NDIS_WORK_ITEM", item)["Routine"]
        kernel.queue_work(lambda: self._run(item), "an NDIS work item")

    def _run(self, item: int) -> Steps:
        """The item is its driver's again as soon as the routine begins."""
        fields = view(self._kernel, "NDIS_WORK_ITEM", item)
        routine_address, context = fields["Routine"], fields["Context"]
        if routine_address != self.queued.pop(item):
            self._kernel.violation(f"The work item {item:#x} was changed while it was queued.")
        yield Call(routine_address, item, context)
        return None

    def _check_freed(self, va: int, size: int) -> None:
        for item, function in self.queued.items():
            if va <= item < va + size:
                self._kernel.violation("Memory is freed that holds a queued NDIS work item.")
            if va <= function < va + size:
                self._kernel.violation("A driver is unloaded while an NDIS work item of its is queued.")


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisScheduleWorkItem(kernel: Kernel, item: PVOID) -> ULONG:
    kernel.part(WorkItems).schedule(item)
    return _STATUS_SUCCESS

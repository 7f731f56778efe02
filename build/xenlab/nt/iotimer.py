# SPDX-License-Identifier: GPL-2.0-or-later
"""The timer of a device object: its routine is called once a second, as a DPC, while it is started.

Source: Windows Driver Kit, "Using an IoTimer Routine", IoInitializeTimer, IoStartTimer, IoStopTimer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.io import Devices
from xenlab.nt.routine import DISPATCH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PVOID, Call, Steps, routine
from xenlab.world import Event

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_PERIOD_NS = 10**9


@dataclass(eq=False)
class IoTimer:
    """A device's timer; `event` is its next expiry while it is started."""

    device: int
    function: int
    context: int
    event: Event | None = None


class IoTimers:
    """The timers by the address of their device."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._timers: dict[int, IoTimer] = {}
        kernel.at_free(self._check_free)

    def add(self, device: int, function: int, context: int) -> None:
        known = self._timers.get(device)
        if known:
            known.function, known.context = function, context
        else:
            self._timers[device] = IoTimer(device, function, context)

    def get(self, device: int, what: str) -> IoTimer:
        found = self._timers.get(device)
        if not found:
            self.kernel.violation(f"{what} for a device without a timer: IoInitializeTimer comes first.")
        return found

    def start(self, timer: IoTimer) -> None:
        if not timer.event:
            self._arm(timer)

    def stop(self, timer: IoTimer) -> None:
        if timer.event:
            timer.event.cancel()
            timer.event = None

    def _arm(self, timer: IoTimer) -> None:
        timer.event = self.kernel.world.at(_PERIOD_NS, lambda: self._expire(timer), f"timer of {timer.device:#x}")

    def _expire(self, timer: IoTimer) -> None:
        self._arm(timer)

        def call() -> Steps:
            if timer.event:
                yield Call(timer.function, timer.device, timer.context)
            return None

        self.kernel.queue_call(call, "an IoTimer routine")

    def _check_free(self, address: int, size: int) -> None:
        for timer in [each for each in self._timers.values() if address <= each.device < address + size]:
            if timer.event:
                self.kernel.violation("A device object goes whose timer is still started: IoStopTimer comes first.")
            del self._timers[timer.device]


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoInitializeTimer(kernel: Kernel, device: PVOID, function: PVOID, context: PVOID) -> NTSTATUS:
    kernel.part(Devices).at(device, "IoInitializeTimer")
    kernel.part(IoTimers).add(device, function, context)
    return Status.SUCCESS


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoStartTimer(kernel: Kernel, device: PVOID) -> None:
    timers = kernel.part(IoTimers)
    timers.start(timers.get(device, "IoStartTimer"))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoStopTimer(kernel: Kernel, device: PVOID) -> None:
    timers = kernel.part(IoTimers)
    timers.stop(timers.get(device, "IoStopTimer"))

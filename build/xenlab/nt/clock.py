# SPDX-License-Identifier: GPL-2.0-or-later
"""Time as Windows tells it, and kernel timers. The clock ticks every 15.625 ms; nothing expires between two ticks.

Sources: Windows Driver Kit, KeSetTimerEx, KeQuerySystemTime, KeQueryInterruptTime; KUSER_SHARED_DATA in ntddk.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.cpu import memory
from xenlab.nt import objects
from xenlab.nt.dispatcher import NOTIFICATION_TIMER
from xenlab.world import Event

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

TICK_NS = 15_625_000
TIME_INCREMENT = TICK_NS // 100
_BOOT_TIME = 128_000_000_000_000_000
_SHARED = {"x64": 0xFFFFF780_00000000, "x32": 0xFFDF0000}
_TICK_COUNT_LOW, _TICK_MULTIPLIER, _INTERRUPT_TIME, _SYSTEM_TIME = 0x0, 0x4, 0x8, 0x14
_NT_MAJOR, _NT_MINOR, _TICK_COUNT = 0x26C, 0x270, 0x320


class Clock:
    """The clock and the timers that are set."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._timers: dict[int, Event] = {}
        self._shared = _SHARED[kernel.arch]
        self._told = -1
        kernel.memory.map_new(self._shared, memory.PAGE_SIZE, memory.READ)
        kernel.memory.put(self._shared, bytes(memory.PAGE_SIZE))
        for offset, value in ((_TICK_MULTIPLIER, 0xFA00000), (_NT_MAJOR, kernel.nt[0]), (_NT_MINOR, kernel.nt[1])):
            kernel.memory.put(self._shared + offset, value.to_bytes(4, "little"))
        self.tick_cell = 0
        self.tell()
        kernel.at_free(self._check_freed)

    @property
    def ticks(self) -> int:
        return self._kernel.world.now // TICK_NS

    @property
    def interrupt_time(self) -> int:
        """Units of 100 ns since power on, as of the last tick."""
        return self.ticks * TIME_INCREMENT

    @property
    def system_time(self) -> int:
        """Units of 100 ns since 1601, as of the last tick."""
        return _BOOT_TIME + self.interrupt_time

    def tell(self) -> None:
        """Bring KUSER_SHARED_DATA up to the last tick."""
        if self.ticks == self._told:
            return
        self._told = self.ticks
        put = self._kernel.memory.put
        for offset, value in ((_INTERRUPT_TIME, self.interrupt_time), (_SYSTEM_TIME, self.system_time)):
            put(self._shared + offset, value.to_bytes(8, "little") + (value >> 32).to_bytes(4, "little"))
        ticks = self.ticks.to_bytes(8, "little")
        put(self._shared + _TICK_COUNT_LOW, ticks[:4])
        put(self._shared + _TICK_COUNT, ticks)
        if self.tick_cell:
            put(self.tick_cell, ticks + ticks[4:])

    def retell(self) -> None:
        """Fill in what there was not at the last tick."""
        self._told = -1
        self.tell()

    def delay_ns(self, due_100ns: int) -> int:
        """Return how long from now until a due time (negative: relative) has passed, rounded up to a tick."""
        relative = -due_100ns if due_100ns < 0 else max(0, due_100ns - self.system_time)
        due = self._kernel.world.now + relative * 100
        return -(-due // TICK_NS) * TICK_NS - self._kernel.world.now

    def set_timer(self, va: int, due_100ns: int, period_ms: int, dpc: int) -> bool:
        """Start a timer anew; returns whether it was set before."""
        was_set = self.cancel_timer(va)
        self._kernel.dispatcher.kind(va)
        self._kernel.dispatcher.set_state(va, 0)
        timer = objects.view(self._kernel, "KTIMER", va)
        timer["Dpc"], timer["Period"], timer["Header.Inserted"] = dpc, period_ms, 1
        self._arm(va, self.delay_ns(due_100ns))
        return was_set

    def cancel_timer(self, va: int) -> bool:
        """Stop a timer; returns whether it was set. A DPC that it has queued stays queued."""
        event = self._timers.pop(va, None)
        if not event:
            return False
        event.cancel()
        objects.view(self._kernel, "KTIMER", va)["Header.Inserted"] = 0
        return True

    @property
    def timers(self) -> list[int]:
        """The addresses of the timers that are set."""
        return sorted(self._timers)

    @property
    def dpcs(self) -> list[int]:
        """The KDPCs of the timers that are set."""
        found = (objects.view(self._kernel, "KTIMER", va)["Dpc"] for va in self._timers)
        return [dpc for dpc in found if dpc]

    def init_timer(self, va: int, kind: int = NOTIFICATION_TIMER) -> None:
        if va in self._timers:
            self._kernel.violation("A timer is initialised while it is set.")
        self._kernel.dispatcher.init(va, kind, 0)

    def _arm(self, va: int, delay_ns: int) -> None:
        self._timers[va] = self._kernel.world.at(delay_ns, lambda: self._expire(va), f"timer {va:#x} expires")

    def _expire(self, va: int) -> None:
        with self._kernel.as_interrupt():
            timer = objects.view(self._kernel, "KTIMER", va)
            del self._timers[va]
            if timer["Period"]:
                self._arm(va, self.delay_ns(-timer["Period"] * 10_000))
            else:
                timer["Header.Inserted"] = 0
            self._kernel.dispatcher.set_event(va)
            if timer["Dpc"]:
                self._kernel.dpcs.insert(timer["Dpc"], 0, 0)

    def _check_freed(self, va: int, size: int) -> None:
        for each in self._timers:
            if va <= each < va + size:
                self._kernel.violation("Memory is freed that holds a timer which is still set.")

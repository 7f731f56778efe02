# SPDX-License-Identifier: GPL-2.0-or-later
"""Drivers that want to be called once more when others have started.

Source: Windows Driver Kit, IoRegisterDriverReinitialization, IoRegisterBootDriverReinitialization, DRIVER_REINITIALIZE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.nt.io import Devices
from xenlab.nt.routine import PASSIVE_LEVEL, PVOID, Call, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel


@dataclass(frozen=True)
class Registration:
    """One call to come; `boot`: as soon as the boot drivers' devices have started."""

    driver: int
    function: int
    context: int
    boot: bool


class Reinitializations:
    """The calls that drivers have asked for, and how often each driver was called."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._waiting: list[Registration] = []
        self._counts: dict[int, int] = {}

    def add(self, registration: Registration) -> None:
        self.kernel.part(Devices).driver_at(registration.driver, "IoRegisterDriverReinitialization")
        self._waiting.append(registration)

    def run(self, boot: bool) -> Steps:
        """Make the calls that are waiting; those asked for meanwhile are the next round's."""
        due = [each for each in self._waiting if each.boot == boot]
        self._waiting = [each for each in self._waiting if each.boot != boot]
        for each in due:
            if any(driver.address == each.driver for driver in self.kernel.part(Devices).drivers.values()):
                count = self._counts[each.driver] = self._counts.get(each.driver, 0) + 1
                yield Call(each.function, each.driver, each.context, count)
        return None


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoRegisterDriverReinitialization(kernel: Kernel, driver: PVOID, function: PVOID, context: PVOID) -> None:
    kernel.part(Reinitializations).add(Registration(driver, function, context, boot=False))


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoRegisterBootDriverReinitialization(kernel: Kernel, driver: PVOID, function: PVOID, context: PVOID) -> None:
    kernel.part(Reinitializations).add(Registration(driver, function, context, boot=True))

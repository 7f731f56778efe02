# SPDX-License-Identifier: GPL-2.0-or-later
"""What is printed about a run that failed."""

from __future__ import annotations

from collections.abc import Callable

from xenlab import report, scenario
from xenlab.folder import DriverFolder
from xenlab.lab import Options
from xenlab.scenario import NewLab, Scenario
from xenlab.trace import Trace


def fails_without_xen(new: NewLab) -> None:
    new(xen="").expect(False, "Xen is there")


def test_the_command_repeats_what_the_person_chose(drivers: Callable[..., DriverFolder]) -> None:
    which = Scenario("fails", "without Xen, whatever was chosen", fails_without_xen)
    folder, options = drivers("XP", "x64"), Options(xen="4.0", device_model="traditional", seed=3)
    outcome = scenario.run(which, folder, options, Trace())
    words = f"xenlab run fails --drivers {folder.path} --seed 3 --xen 4.0 --device-model traditional"
    assert report.text(outcome).splitlines()[-1] == f"To repeat it: {words}"
    assert "This is not so: Xen is there." in report.text(outcome)

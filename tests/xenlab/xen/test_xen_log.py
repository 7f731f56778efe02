# SPDX-License-Identifier: GPL-2.0-or-later
"""What release builds tell Xen's log: nothing, but that Windows has crashed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xenlab import report, scenario
from xenlab.folder import DriverFolder
from xenlab.lab import Options
from xenlab.trace import Trace


@pytest.mark.parametrize("arch", ["x32", "x64"])
@pytest.mark.parametrize("name", ["xen-log", "crash"])
def test_a_release_build(drivers: Callable[..., DriverFolder], name: str, arch: str) -> None:
    outcome = scenario.run(scenario.find(name), drivers("XP", arch, False), Options(), Trace())
    assert outcome.violation is None, report.text(outcome)

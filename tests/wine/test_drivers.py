# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped xenpci.sys in Wine's NT kernel: it loads where there is no Xen, stays out of the way, and unloads."""

from __future__ import annotations

import pytest

from .package import Package
from .prefix import PROJECT
from .windows import Windows

DRIVERS = "C:\\windows\\system32\\drivers"


@pytest.mark.parametrize("package", ["XPx64 debug.msi", "XPx32.msi"], indirect=True)
def test_xenpci_loads_and_unloads(machine: Windows, package: Package) -> None:
    image = PROJECT / "target" / package.variant.tree / "xenpci.sys"
    machine.run("sc", "create", "xenpci", "type=", "kernel", "binPath=", machine.put(image, DRIVERS))
    assert machine.service("xenpci") == "stopped"

    started = machine.run("net", "start", "xenpci")
    assert machine.service("xenpci") == "running", started
    assert ("xenpci:" in machine.console) == package.variant.debug

    stopped = machine.run("net", "stop", "xenpci")
    assert machine.service("xenpci") == "stopped", stopped

# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped drivers in Wine's NT kernel: each loads where there is no Xen, stays out of the way, and unloads.

Wine has none of the port drivers and no NDIS, and so xenvbd and xennet are left out.
"""

from __future__ import annotations

import pytest

from .package import Package
from .prefix import PROJECT
from .windows import Windows

DRIVERS = "C:\\windows\\system32\\drivers"


@pytest.mark.parametrize("package", ["XPx64 debug.msi", "XPx32.msi"], indirect=True)
def test_drivers_load_and_unload(machine: Windows, package: Package) -> None:
    for name in ("xenpci", "xenhide", "xenstub"):
        image = PROJECT / "target" / package.variant.tree / f"{name}.sys"
        machine.run("sc", "create", name, "type=", "kernel", "binPath=", machine.put(image, DRIVERS))
        assert machine.service(name) == "stopped"

        started = machine.run("net", "start", name)
        assert machine.service(name) == "running", started

        stopped = machine.run("net", "stop", name)
        assert machine.service(name) == "stopped", stopped
    assert ("xenpci:" in machine.console) == package.variant.debug

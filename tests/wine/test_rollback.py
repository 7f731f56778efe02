# SPDX-License-Identifier: GPL-2.0-or-later
"""An installation that fails half-way puts everything back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .package import (
    BOOT_DEVICES,
    DONE,
    RESTART_NEEDED,
    Package,
    boot_devices,
    entries,
    kept_catalogs,
    pvinstall,
    upper_filters,
)
from .windows import SERVICES, Windows

# Windows Installer reports a failing program as 1603, Wine's as 1627.
MSI_FAILED = (1603, 1627)
NSIS_FAILED = (2,)
HELPER_LOG = "c:\\windows\\gplpv.log"


def block_file(machine: Windows, driver: str) -> Path:
    obstacle = machine.path(f"C:\\windows\\system32\\drivers\\{driver}.sys")
    obstacle.mkdir()
    return obstacle


def block_xenhide(machine: Windows) -> Path:
    """A folder stands where xenhide.sys has to go: the first driver fails."""
    return block_file(machine, "xenhide")


def block_xenvbd(machine: Windows) -> Path:
    """Likewise the second."""
    return block_file(machine, "xenvbd")


def block_xenpci(machine: Windows) -> Path:
    """Likewise the third: xenvbd is a boot driver already, and Windows knows for which device."""
    return block_file(machine, "xenpci")


def block_infs(machine: Windows) -> Path:
    """A file stands where the folder of INFs was: all that a boot takes is in, what is for devices fails."""
    obstacle = machine.path("C:\\windows\\inf")
    obstacle.rename(obstacle.with_name("inf.away"))
    obstacle.touch()
    return obstacle


@pytest.mark.parametrize("block", [block_xenhide, block_xenvbd, block_xenpci, block_infs])
def test_a_driver_that_cannot_be_installed_leaves_the_machine_as_it_was(
    machine: Windows, package: Package, block: Callable[[Windows], Path]
) -> None:
    block(machine)
    files, services = machine.files(), set(machine.registry(SERVICES))

    outcome = package.install(machine)

    assert outcome.exit_code in (MSI_FAILED if package.is_msi else NSIS_FAILED), outcome.log
    assert not upper_filters(machine)
    assert boot_devices(machine) == {}
    assert entries(machine) == []
    assert machine.service("shutdownmon") is None
    assert machine.service("xenhide") is None
    assert set(machine.registry(SERVICES)) == services
    assert machine.files() - files <= {HELPER_LOG, *kept_catalogs(package)}
    assert files - machine.files() == set()


def test_after_a_failure_the_same_package_can_be_installed(machine: Windows, package: Package) -> None:
    obstacle = block_xenhide(machine)
    assert package.install(machine).exit_code not in (DONE, RESTART_NEEDED)
    obstacle.rmdir()
    assert package.install(machine).exit_code in (DONE, RESTART_NEEDED)
    assert len(entries(machine)) == 1
    assert machine.service("shutdownmon") is not None
    assert upper_filters(machine) == ["xenhide"]


def test_a_finished_installation_can_be_rolled_back(machine: Windows, package: Package) -> None:
    """As when an installer fails at what it does after the drivers."""
    drivers = machine.files("C:\\windows\\system32\\drivers")
    assert package.install(machine).exit_code in (DONE, RESTART_NEEDED)
    assert boot_devices(machine)

    undone = pvinstall(machine, package, "rollback")

    assert undone.exit_code in (DONE, RESTART_NEEDED), undone.log
    assert not upper_filters(machine)
    assert boot_devices(machine) == {}
    assert [name for name, _ in package.variant.drivers() if machine.service(name)] == []
    assert machine.files("C:\\windows\\system32\\drivers") == drivers


def test_an_upgrade_that_fails_makes_no_boot_device(machine: Windows, package: Package) -> None:
    """What was installed before stays, and so do emulated disks where Windows used those."""
    assert package.install(machine).exit_code in (DONE, RESTART_NEEDED)
    for device in boot_devices(machine):
        machine.cmd(f'reg delete "{BOOT_DEVICES}\\{device}" /f')
    assert boot_devices(machine) == {}
    block_infs(machine)

    failed = pvinstall(machine, package, "install")

    assert failed.exit_code not in (DONE, RESTART_NEEDED), failed.log
    assert "setup xenvbd      0x00000000 done" in failed.log
    assert boot_devices(machine) == {}
    assert upper_filters(machine) == ["xenhide"]
    assert machine.service("xenhide") is not None
    assert machine.service("xenvbd") is not None

# SPDX-License-Identifier: GPL-2.0-or-later
"""An installation that fails half-way puts everything back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .package import DONE, RESTART_NEEDED, Package, entries, upper_filters
from .windows import SERVICES, Windows

# Windows Installer reports a failing program as 1603, Wine's as 1627.
MSI_FAILED = (1603, 1627)
NSIS_FAILED = (2,)
HELPER_LOG = "c:\\windows\\gplpv.log"


def block_xenhide(machine: Windows) -> Path:
    """A folder stands where xenhide.sys has to go: the first driver fails."""
    obstacle = machine.path("C:\\windows\\system32\\drivers\\xenhide.sys")
    obstacle.mkdir()
    return obstacle


def block_infs(machine: Windows) -> Path:
    """A file stands where the folder of INFs was: xenhide is in, the drivers after it fail."""
    obstacle = machine.path("C:\\windows\\inf")
    obstacle.rename(obstacle.with_name("inf.away"))
    obstacle.touch()
    return obstacle


@pytest.mark.parametrize("block", [block_xenhide, block_infs])
def test_a_driver_that_cannot_be_installed_leaves_the_machine_as_it_was(
    machine: Windows, package: Package, block: Callable[[Windows], Path]
) -> None:
    block(machine)
    files, services = machine.files(), set(machine.registry(SERVICES))

    outcome = package.install(machine)

    assert outcome.exit_code in (MSI_FAILED if package.is_msi else NSIS_FAILED), outcome.log
    assert not upper_filters(machine)
    assert entries(machine) == []
    assert machine.service("shutdownmon") is None
    assert machine.service("xenhide") is None
    assert set(machine.registry(SERVICES)) == services
    assert machine.files() - files <= {HELPER_LOG}
    assert files - machine.files() == set()


def test_after_a_failure_the_same_package_can_be_installed(machine: Windows, package: Package) -> None:
    obstacle = block_xenhide(machine)
    assert package.install(machine).exit_code not in (DONE, RESTART_NEEDED)
    obstacle.rmdir()
    assert package.install(machine).exit_code in (DONE, RESTART_NEEDED)
    assert len(entries(machine)) == 1
    assert machine.service("shutdownmon") is not None
    assert upper_filters(machine) == ["xenhide"]

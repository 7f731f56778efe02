# SPDX-License-Identifier: GPL-2.0-or-later
"""A package on a Windows that it is not for: one sentence names the right package, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from .package import SYSTEM_CLASS, UNINSTALL_KEY, Package, upper_filters
from .prefix import hardware
from .windows import SERVICES, Windows

INSTALLER_KEY = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Installer"
INSTALL_FAILURE = 1603
INSTALL_PLATFORM_UNSUPPORTED = 1633
NSIS_REFUSED = 3


@dataclass(frozen=True)
class Elsewhere:
    """A Windows, and the variant that is for it."""

    machine: str
    version: str
    right: str

    def __str__(self) -> str:
        return f"{self.machine}-{self.version}"


SERVER_X64 = Elsewhere("x64", "win2003", "2003x64")
VISTA_X64 = Elsewhere("x64", "vista", "Vista2008x64")
SEVEN_X64 = Elsewhere("x64", "win7", "Vista2008x64")
XP_X64 = Elsewhere("wow64", "winxp64", "XPx64")
W2000 = Elsewhere("x32", "win2k", "2000x32")
SERVER_X32 = Elsewhere("x32", "win2003", "2003x32")
VISTA_X32 = Elsewhere("x32", "vista", "Vista2008x32")
CASES = [
    *((there, "XPx64 debug") for there in (SERVER_X64, VISTA_X64, SEVEN_X64)),
    *((there, "XPx32") for there in (W2000, SERVER_X32, VISTA_X32, XP_X64)),
]


@pytest.fixture(scope="module")
def there(request: pytest.FixtureRequest) -> Iterator[Windows]:
    """The machine; a refused package leaves it as it was, so both formats are tried on one."""
    place: Elsewhere = request.param
    windows = Windows(place.machine)
    try:
        if place.version != hardware(place.machine).version:
            windows.set_version(place.version)
        yield windows
    finally:
        windows.close()


@pytest.mark.parametrize("suffix", ["msi", "exe"])
@pytest.mark.parametrize(("there", "name", "right"), [(e, n, e.right) for e, n in CASES], indirect=["there"], ids=str)
def test_the_right_package_is_named_and_nothing_installed(
    there: Windows, name: str, right: str, suffix: str, packages: Mapping[str, Package]
) -> None:
    package = packages[f"{name}.{suffix}"]
    files, software = there.files(), _keys(there)
    outcome = package.install(there)
    matrix = package.variant.matrix
    [variant] = [one for one in matrix.variants() if one.name == right + (" debug" if package.variant.debug else "")]
    assert outcome.exit_code == (INSTALL_FAILURE if package.is_msi else NSIS_REFUSED), outcome.log
    assert f"The package for this computer is '{variant.package(suffix)}'." in outcome.log
    assert there.files() == files
    assert _keys(there) == software


@pytest.mark.parametrize("suffix", ["msi", "exe"])
def test_a_windows_that_no_package_is_for_is_told_so(
    suffix: str, windows: Callable[[str], Windows], packages: Mapping[str, Package]
) -> None:
    machine = windows("x64")
    machine.set_version("win10")
    files, keys = machine.files(), _keys(machine)
    outcome = packages[f"XPx64 debug.{suffix}"].install(machine)
    assert outcome.exit_code in (INSTALL_FAILURE, NSIS_REFUSED), outcome.log
    assert "No GPLPV package is made for the Windows on this computer." in outcome.log
    assert machine.files() == files
    assert _keys(machine) == keys


def test_windows_installer_itself_refuses_64_bit_packages_on_32_bit_windows(
    windows: Callable[[str], Windows], packages: Mapping[str, Package]
) -> None:
    machine = windows("x32")
    files = machine.files()
    outcome = packages["XPx64 debug.msi"].install(machine)
    assert outcome.exit_code == INSTALL_PLATFORM_UNSUPPORTED, outcome.log
    assert machine.files() == files


def _keys(machine: Windows) -> set[str]:
    """The registry keys that an installation adds to."""
    return {
        f"{top}\\{key}"
        for top in (SERVICES, SYSTEM_CLASS, UNINSTALL_KEY, INSTALLER_KEY)
        for key in machine.registry(top)
    } | {repr(upper_filters(machine))}

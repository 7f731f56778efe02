# SPDX-License-Identifier: GPL-2.0-or-later
"""A package on a Windows that it is not for: one sentence names the right package, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from .package import Package
from .windows import SERVICES, Windows

SOFTWARE = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion"
INSTALL_FAILURE = 1603
INSTALL_PLATFORM_UNSUPPORTED = 1633
NSIS_REFUSED = 3


@dataclass(frozen=True)
class Elsewhere:
    """A Windows, a package brought to it, and the variant that is for it."""

    hardware: str
    version: str
    package: str
    right: str = ""

    def __str__(self) -> str:
        return f"{self.package} on {self.hardware} {self.version}"


WRONG = [
    Elsewhere("x64", "win2003", "XPx64 debug", "2003x64 debug"),
    Elsewhere("x64", "vista", "XPx64 debug", "Vista2008x64 debug"),
    Elsewhere("x64", "win7", "XPx64 debug", "Vista2008x64 debug"),
    Elsewhere("x32", "win2k", "XPx32", "2000x32"),
    Elsewhere("x32", "win2003", "XPx32", "2003x32"),
    Elsewhere("x32", "vista", "XPx32", "Vista2008x32"),
    Elsewhere("wow64", "winxp64", "XPx32", "XPx64"),
]
TOO_NEW = [Elsewhere("x64", "win10", "XPx64 debug")]
TOO_NARROW = [Elsewhere("x32", "winxp", "XPx64 debug")]


@dataclass(frozen=True)
class Untouched:
    """A machine and what was on it; a refused package leaves it so, and both formats are tried on one."""

    place: Elsewhere
    machine: Windows
    files: set[str]
    keys: set[str]

    @classmethod
    def begin(cls, place: Elsewhere) -> Untouched:
        machine = Windows(place.hardware)
        try:
            if place.version != machine.hardware.version:
                machine.set_version(place.version)
            return cls(place, machine, machine.files(), registry_keys(machine))
        except BaseException:
            machine.close()
            raise

    def check(self) -> None:
        assert self.machine.files() == self.files
        assert registry_keys(self.machine) == self.keys


def registry_keys(machine: Windows) -> set[str]:
    """All keys below those that an installation adds to."""
    return {f"{top}\\{key}" for top in (SERVICES, SOFTWARE) for key in machine.registry(top)}


@pytest.fixture(scope="module")
def there(request: pytest.FixtureRequest) -> Iterator[Untouched]:
    untouched = Untouched.begin(request.param)
    yield untouched
    untouched.machine.close()


@pytest.mark.parametrize("suffix", ["msi", "exe"])
@pytest.mark.parametrize("there", WRONG, indirect=True, ids=str)
def test_the_right_package_is_named_and_nothing_installed(
    there: Untouched, suffix: str, packages: Mapping[str, Package]
) -> None:
    package = packages[f"{there.place.package}.{suffix}"]
    outcome = package.install(there.machine)
    assert outcome.exit_code == (INSTALL_FAILURE if package.is_msi else NSIS_REFUSED), outcome.log
    [right] = [variant for variant in package.variant.matrix.variants() if variant.name == there.place.right]
    assert f"The package for this computer is '{right.package(suffix)}'." in outcome.log
    there.check()


@pytest.mark.parametrize("suffix", ["msi", "exe"])
@pytest.mark.parametrize("there", TOO_NEW, indirect=True, ids=str)
def test_a_windows_that_no_package_is_for_is_told_so(
    there: Untouched, suffix: str, packages: Mapping[str, Package]
) -> None:
    package = packages[f"{there.place.package}.{suffix}"]
    outcome = package.install(there.machine)
    assert outcome.exit_code == (INSTALL_FAILURE if package.is_msi else NSIS_REFUSED), outcome.log
    assert "No GPLPV package is made for the Windows on this computer." in outcome.log
    there.check()


@pytest.mark.parametrize("there", TOO_NARROW, indirect=True, ids=str)
def test_windows_installer_itself_refuses_64_bit_packages_on_32_bit_windows(
    there: Untouched, packages: Mapping[str, Package]
) -> None:
    outcome = packages[f"{there.place.package}.msi"].install(there.machine)
    assert outcome.exit_code == INSTALL_PLATFORM_UNSUPPORTED, outcome.log
    there.check()

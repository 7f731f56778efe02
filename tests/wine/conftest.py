# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages under test, built by the real command, and machines to try them on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from .package import Package, build
from .windows import Windows

PACKAGES = ("XPx64 debug.msi", "XPx64 debug.exe", "XPx32.msi", "XPx32.exe")


@pytest.fixture(scope="session")
def packages() -> Mapping[str, Package]:
    """By short name: ``XPx64 debug.msi``, ``XPx64 debug.exe``, ``XPx32.msi``, ``XPx32.exe``."""
    return {**build("XP", "x64", debug=True), **build("XP", "x32", debug=False)}


@pytest.fixture(scope="module", params=PACKAGES)
def package(request: pytest.FixtureRequest, packages: Mapping[str, Package]) -> Package:
    """Each of the packages in turn."""
    return packages[request.param]


@pytest.fixture
def machine(package: Package) -> Iterator[Windows]:
    """A new machine of the kind that the package is for."""
    windows = Windows(package.hardware)
    yield windows
    windows.close()


@pytest.fixture
def windows() -> Iterator[Callable[[str], Windows]]:
    """Makes new machines by name: ``windows("x64")``."""
    made: list[Windows] = []

    def make(name: str) -> Windows:
        made.append(Windows(name))
        return made[-1]

    yield make
    for one in made:
        one.close()

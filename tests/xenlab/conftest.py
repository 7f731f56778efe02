# SPDX-License-Identifier: GPL-2.0-or-later
"""The drivers that the lab's tests run: built from the sources as they are, with the bytes that the build ships."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xenlab import folder
from xenlab.folder import DriverFolder
from xenlab.workshop import Workshop

PROJECT = Path(__file__).parents[2]
KEPT = PROJECT / "target" / "xenlab" / "kept"
Drivers = Callable[..., DriverFolder]


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    """Return drivers(platform, arch, debug=True): a folder with a platform's drivers."""
    workshop = Workshop(PROJECT, tmp_path_factory.mktemp("drivers"), KEPT)
    built: dict[tuple[str, str, bool], DriverFolder] = {}

    def build(platform: str, arch: str, debug: bool = True) -> DriverFolder:
        key = platform, arch, debug
        if key not in built:
            built[key] = folder.read(workshop.build(workshop.variant(*key)))
        return built[key]

    return build

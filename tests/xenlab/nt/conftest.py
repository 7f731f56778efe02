# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from xenlab.workshop import Workshop

from .windows import DRIVERS, PROJECT, BuildFolder, Windows


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Objects that all builds of a run share."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, kept: Path) -> BuildFolder:
    """Return a function from an arch to the folder of the drivers, debug build for Windows XP."""
    folders: dict[str, Path] = {}

    def build(arch: str) -> Path:
        if arch not in folders:
            workshop = Workshop(PROJECT, tmp_path_factory.mktemp("tree") / arch, kept)
            folders[arch] = workshop.build(workshop.variant("XP", arch), DRIVERS)
        return folders[arch]

    return build


@pytest.fixture(params=["x64", "x32"])
def windows(request: pytest.FixtureRequest, build: BuildFolder) -> Windows:
    """A booted machine."""
    made = Windows(build(request.param), request.param)
    made.run(made.pnp.boot())
    return made

# SPDX-License-Identifier: GPL-2.0-or-later
"""`gplpv verify` on what a build made, whole and damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gplpv import cli, plan
from gplpv.config import Config

from .tree import Tree


def test_everything_that_was_built_passes(built: Tree, settings: Config, capsys: pytest.CaptureFixture[str]) -> None:
    places = [plan.Places(variant) for variant in settings.matrix.variants()]
    paths = [built.root / path for place in places for path in (place.images, place.dist("msi"))]
    assert cli.main(["verify", "--json", *map(str, paths)]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert len(findings) == 14 * (7 + 1)
    assert all(finding["ok"] for finding in findings)


def test_an_image_with_anothers_symbols_fails(built: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(built.root / "target/winxp", tmp_path / "target/winxp")
    for folder in ("drivers_src", "installer"):
        shutil.copytree(built.root / folder, tmp_path / folder)
    shutil.copy(built.root / "platforms.yaml", tmp_path)
    folder = tmp_path / "target/winxp/amd64/debug"
    shutil.copy(folder.with_name("release") / "xenpci.pdb", folder)
    assert cli.main(["verify", str(folder)]) == 1
    assert "FAIL  xenpci.sys" in capsys.readouterr().out


def test_a_damaged_package_fails(built: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = next((built.root / "dist").glob("*.msi"))
    damaged = tmp_path / "damaged.msi"
    damaged.write_bytes(package.read_bytes()[:-4096])
    assert cli.main(["verify", str(damaged)]) == 1
    assert "FAIL  damaged.msi" in capsys.readouterr().out


def test_what_is_neither_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(tmp_path / "nothing.msi")]) == 2
    assert "neither" in capsys.readouterr().err

# SPDX-License-Identifier: GPL-2.0-or-later
"""The workshop builds the images that the build itself ships, and builds again only what has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gplpv.errors import GplpvError
from xenlab.workshop import Workshop

PROJECT = Path(__file__).parents[2]
DRIVER = "xenhide"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(PROJECT, tmp_path / "tree", tmp_path / "kept")


def scons(root: Path, *words: str) -> None:
    """Build with SCons in a copy of the project."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "build")}
    environment.pop("SOURCE_DATE_EPOCH", None)
    command = [sys.executable, "-m", "SCons", "-Q", *words]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_images_have_the_bytes_of_the_shipped_ones(workshop: Workshop, tmp_path: Path) -> None:
    variant = workshop.variant("XP", "x32")
    made = workshop.build(variant, [DRIVER])
    shipped = Workshop(PROJECT, tmp_path / "shipped", tmp_path / "unused")
    for name in ("SConstruct", "build", "installer"):
        (shipped.root / name).symlink_to(PROJECT / name)
    target = Path("target") / variant.tree
    files = [f"{DRIVER}.{kind}" for kind in ("sys", "pdb", "inf")]
    scons(shipped.root, "platform=XP", "arch=x32", "debug=1", *(str(target / name) for name in files))
    for name in files:
        assert (made / name).read_bytes() == (shipped.root / target / name).read_bytes(), name


def test_a_changed_source_changes_the_image_and_nothing_else_is_compiled_again(workshop: Workshop) -> None:
    variant = workshop.variant("XP", "x64")
    image = workshop.build(variant, [DRIVER]) / f"{DRIVER}.sys"
    before, kept = image.read_bytes(), set(workshop.kept.iterdir())
    source = workshop.root / "drivers_src" / DRIVER / "driver.c"
    source.write_text(source.read_text().replace("return STATUS_SUCCESS;", "return STATUS_UNSUCCESSFUL;"))
    workshop.build(variant, [DRIVER])
    assert image.read_bytes() != before
    assert len(set(workshop.kept.iterdir()) - kept) == 1


def test_what_is_kept_serves_another_workshop_when_the_first_is_gone(workshop: Workshop, tmp_path: Path) -> None:
    variant = workshop.variant("XP", "x64")
    workshop.build(variant, [DRIVER])
    shutil.rmtree(workshop.root)
    other = Workshop(PROJECT, tmp_path / "other", workshop.kept)
    source = other.root / "drivers_src" / DRIVER / "driver.c"
    source.write_text(source.read_text().replace("return STATUS_SUCCESS;", "return STATUS_UNSUCCESSFUL;"))
    other.build(variant, [DRIVER])


def test_a_source_that_does_not_compile_is_refused_and_nothing_is_kept_of_it(workshop: Workshop) -> None:
    variant = workshop.variant("XP", "x64")
    source = workshop.root / "drivers_src" / DRIVER / "driver.c"
    source.write_text(source.read_text() + "\nint unfinished(\n")
    with pytest.raises(GplpvError, match=r"driver\.c"):
        workshop.build(variant, [DRIVER])
    assert not (workshop.root / "target" / variant.tree / f"{DRIVER}.sys").exists()

# SPDX-License-Identifier: GPL-2.0-or-later
"""The sources are clean: style, types, layers, line ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CHECKS = {
    "ruff": [sys.executable, "-m", "ruff", "check", "--no-cache"],
    "mypy": [sys.executable, "-m", "mypy"],
    "import-linter": [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
}


@pytest.mark.parametrize("command", CHECKS.values(), ids=CHECKS.keys())
def test_the_checker_is_content(command: list[str | Path]):
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def sources() -> list[Path]:
    """The files that are, or are about to be, in the repository; all but the ignored ones where there is no git."""
    folders = ("build", "ci", "drivers_src", "installer", "tests")
    return [path for folder in folders for path in (PROJECT / folder).rglob("*")] + list(PROJECT.glob("*.bat"))


def test_what_windows_reads_has_windows_line_ends():
    wrong = [
        path.relative_to(PROJECT)
        for path in sources()
        if path.suffix in {".bat", ".inx"} and path.read_bytes().count(b"\n") != path.read_bytes().count(b"\r\n")
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ["scons", "runtests", ".ci/run", "ci/lock"])
def test_launchers_can_be_run(name: str):
    assert (PROJECT / name).stat().st_mode & 0o111 == 0o111

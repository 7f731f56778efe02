# SPDX-License-Identifier: GPL-2.0-or-later
"""The locks pin every package by hash, follow pyproject.toml, and know nothing of the machine that wrote them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bootstrap

from .conftest import PROJECT

LOCKS = {kind: PROJECT / name for kind, name in bootstrap.LOCKS.items()}
REQUIREMENT = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; .+)? \\$")


def entries(path: Path) -> dict[tuple[str, str], list[str]]:
    """(name, version) to the hashes under it."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := REQUIREMENT.match(line):
            hashes = found.setdefault((match["name"], match["version"]), [])
        elif match := re.match(r"^    --hash=(sha256:[0-9a-f]{64})(?: \\)?$", line):
            hashes.append(match[1])
        else:
            assert line.startswith("    #"), line
    return found


def wanted(table: str) -> set[str]:
    """The names in one array of pyproject.toml (Python 3.10 has no TOML reader)."""
    array = re.search(rf"(?ms)^{table} = \[(.*?)\]$", (PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert array
    return {name.lower() for name in re.findall(r'"([A-Za-z0-9-]+)', array[1])}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_every_package_has_hashes(lock: Path):
    assert all(entries(lock).values())


def test_the_build_lock_covers_the_dependencies():
    names = {name for name, _ in entries(LOCKS["build"])}
    assert wanted("dependencies") | wanted("build") <= names


def test_the_test_lock_covers_the_test_tools():
    assert wanted("test") <= {name for name, _ in entries(LOCKS["test"])}


def test_the_tests_run_on_what_the_build_runs_on():
    test = entries(LOCKS["test"])
    assert {name: test.get(name) for name in entries(LOCKS["build"])} == entries(LOCKS["build"])


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_every_platform_has_its_compiler(lock: Path):
    """The ziglang wheel is one a platform: Linux, macOS and Windows, several machines each."""
    (hashes,) = [hashes for (name, _), hashes in entries(lock).items() if name == "ziglang"]
    assert len(hashes) >= 10

# SPDX-License-Identifier: GPL-2.0-or-later
"""./scons and ./runtests: straight on when everything is there, through the bootstrap when anything is not."""

from __future__ import annotations

import statistics
import subprocess
import time
from pathlib import Path

import pytest

import bootstrap

from .conftest import program

SET_UP_AGAIN = 7


@pytest.fixture
def ready(folder: Path) -> Path:
    """A checkout that is set up: its scons and python tell their arguments, and its bootstrap only that it ran."""
    (folder / "ci" / "bootstrap.py").write_text(
        f"import sys\nprint('set up', *sys.argv[1:])\nsys.exit({SET_UP_AGAIN})\n"
    )
    for name in ("scons", "python"):
        program(folder / ".venv" / "bin" / name, f'printf "<%s>" {name} "$@"', 'exit "${CODE:-0}"')
    checkout = bootstrap.Checkout(folder)
    for kind in bootstrap.LOCKS:
        checkout.write(folder / ".venv", kind, "stamp", b"".join(checkout.ingredients(kind)))
        checkout.write(folder / ".venv", kind, "tools", b"sh\n/etc/passwd\n")
    return folder


def launch(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_scons_gets_the_arguments_as_they_were_typed(ready: Path):
    assert launch(ready / "scons", "platform=XP", "a b", "").stdout == "<scons><-Q><platform=XP><a b><>"


def test_runtests_is_one_pytest_run(ready: Path):
    assert launch(ready / "runtests", "-k", "a or b").stdout == "<python><-m><pytest><-k><a or b>"


def test_launchers_work_from_another_folder(ready: Path):
    program(ready / ".venv" / "bin" / "scons", "pwd")
    assert launch("../a checkout/scons", cwd=ready / "ci" / "..").stdout.strip() == str(ready)
    assert launch("sh", "scons", cwd=ready).stdout.strip() == str(ready)


def test_the_exit_code_is_the_one_of_what_ran(ready: Path):
    assert launch(ready / "scons", env={"CODE": "3", "PATH": "/usr/bin:/bin"}).returncode == 3


@pytest.mark.parametrize(
    "name", ["ci/requirements.txt", "ci/tools.json", "pyproject.toml", ".venv/build.stamp", ".venv/build.tools"]
)
def test_a_changed_ingredient_sets_up_again(ready: Path, name: str):
    with (ready / name).open("a") as file:
        file.write("no such tool\n")
    done = launch(ready / "scons")
    assert (done.stdout, done.returncode) == ("set up build\n", SET_UP_AGAIN)


@pytest.mark.parametrize("name", [".venv/bin/python", ".venv/build.stamp", ".venv/build.tools"])
def test_a_missing_part_sets_up_again(ready: Path, name: str):
    (ready / name).unlink()
    assert launch(ready / "scons").returncode == SET_UP_AGAIN


def test_a_moved_checkout_sets_up_again(ready: Path):
    moved = ready.rename(ready.with_name("moved"))
    assert launch(moved / "scons").returncode == SET_UP_AGAIN


def test_runtests_does_not_take_what_suffices_for_scons(ready: Path):
    (ready / ".venv" / "test.stamp").unlink()
    assert launch(ready / "scons").returncode == 0
    assert launch(ready / "runtests").stdout == "set up test\n"


def test_without_any_python_the_launcher_says_what_to_install(ready: Path, tmp_path: Path):
    (ready / ".venv" / "build.stamp").unlink()
    done = launch("/bin/sh", ready / "scons", env={"PATH": str(tmp_path)})
    assert done.returncode == 12
    assert "Python 3.10 or newer is needed" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_launchers_add_less_than_a_tenth_of_a_second(ready: Path):
    program(ready / ".venv" / "bin" / "scons", "exit 0")

    def seconds(command: Path) -> float:
        start = time.perf_counter()
        subprocess.run([command], check=True)
        return time.perf_counter() - start

    straight, launched = ready / ".venv" / "bin" / "scons", ready / "scons"
    added = statistics.median(seconds(launched) - seconds(straight) for _ in range(15))
    assert added < 0.1

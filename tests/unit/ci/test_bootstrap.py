# SPDX-License-Identifier: GPL-2.0-or-later
"""The private environment: complete or not there, whatever happens on the way."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bootstrap
from bootstrap import Checkout
from progress import NO_PYTHON, NOT_ALLOWED, Failure, Steps

from .conftest import PROJECT, make_checkout


def demo(checkout: Checkout) -> str:
    return subprocess.run([checkout.venv / "bin" / "demo"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout with the environment of the tests, to look at only."""
    with pytest.MonkeyPatch.context() as monkeypatch, Steps(tmp_path_factory.mktemp("log") / "log") as steps:
        checkout = Checkout(make_checkout(tmp_path_factory.mktemp("made"), monkeypatch))
        checkout.make_environment(steps, "test")
        yield checkout


@pytest.mark.parametrize("path", sorted((PROJECT / "ci").glob("*.py")), ids=lambda path: path.name)
def test_python_3_8_can_read_what_runs_first(path: Path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_an_old_python_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Failure, match=r"Python 3\.10 or newer is needed; this is 3\.9") as failure:
        bootstrap.choose_python()
    assert failure.value.code == NO_PYTHON


def test_an_old_python_starts_over_in_a_newer_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    newer = tmp_path / "python3.12"
    newer.touch(0o755)
    started: list[object] = []
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr("os.execv", lambda *call: started.extend(call) or sys.exit())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit):
        bootstrap.choose_python()
    assert started == [str(newer), [str(newer), *sys.argv]]


def test_the_environment_holds_the_locked_packages_and_its_scripts_run(made: Checkout):
    assert demo(made) == "demo runs\n"
    assert sorted(path.name for path in made.root.glob(".venv*")) == [".venv"]


def test_no_script_names_the_folder_it_was_made_in(made: Checkout):
    files = [path for path in (made.venv / "bin").iterdir() if not path.is_symlink()]
    assert [path.name for path in files if b".venv.new" in path.read_bytes()] == []


def test_an_environment_without_the_project_in_it_is_not_ready(made: Checkout):
    assert made.stamp("test") == made.ingredients("test")[0]
    assert not made.ready("test")


def test_the_environment_of_the_tests_serves_the_build_too(made: Checkout):
    assert made.stamp("build") == made.ingredients("build")[0]


def test_an_environment_whose_python_is_gone_counts_as_none(checkout: Checkout):
    checkout.venv.mkdir()
    checkout.write(checkout.venv, "build", "stamp", b"".join(checkout.ingredients("build")))
    assert checkout.stamp("build") == b""


def test_a_package_with_another_hash_is_refused(checkout: Checkout, steps: Steps):
    (checkout.root / "ci/requirements.txt").write_text(f"demo==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(Failure, match=r"(?s)pip install.*DO NOT MATCH THE HASHES"):
        checkout.make_environment(steps, "build")
    assert list(checkout.root.glob(".venv*")) == []


def test_a_package_without_a_hash_is_refused(checkout: Checkout, steps: Steps):
    (checkout.root / "ci/requirements.txt").write_text("demo==1\n")
    with pytest.raises(Failure, match="Hashes are required"):
        checkout.make_environment(steps, "build")


def test_a_failed_change_leaves_the_old_environment_in_use(checkout: Checkout, steps: Steps):
    checkout.make_environment(steps, "build")
    (checkout.root / "ci/requirements.txt").write_text("absent==1 --hash=sha256:{}\n".format("0" * 64))
    with pytest.raises(Failure, match="absent"):
        checkout.make_environment(steps, "build")
    assert demo(checkout) == "demo runs\n"


def test_what_a_killed_run_left_behind_is_no_hindrance(checkout: Checkout, steps: Steps):
    for name in (".venv.new", ".venv.old"):
        (checkout.root / name / "bin").mkdir(parents=True)
    checkout.make_environment(steps, "build")
    assert demo(checkout) == "demo runs\n"
    assert sorted(path.name for path in checkout.root.glob(".venv*")) == [".venv"]


def test_nothing_is_installed_where_nothing_is_missing(machine, steps: Steps):
    for name in ("gadget", "widget"):
        machine.answer(name)
    bootstrap.bring_tools(steps, machine.host(steps), ["gadget", "widget"], with_wine32=False)
    assert machine.called() == []


def test_a_missing_tool_is_installed_from_fresh_package_lists(machine, steps: Steps):
    machine.answer("gadget")
    bootstrap.bring_tools(steps, machine.host(steps), ["gadget", "widget"], with_wine32=False)
    update, install = machine.called()
    assert update == "apt-get update"
    assert install.startswith("apt-get install --yes --no-install-recommends --no-remove")
    assert install.endswith(" widget")


def test_where_installing_is_forbidden_one_command_is_printed(machine, steps: Steps, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPLPV_NO_INSTALL", "1")
    with pytest.raises(Failure, match="gadget, widget") as failure:
        bootstrap.bring_tools(steps, machine.host(steps), ["gadget", "widget"], with_wine32=False)
    commands = [line.strip() for line in failure.value.hint.splitlines() if line.startswith("    ")]
    assert commands == [
        "apt-get update && apt-get install --yes --no-install-recommends --no-remove gadget widget",
    ]
    assert failure.value.code == NOT_ALLOWED
    assert machine.called() == []


def test_a_failing_package_manager_is_quoted_and_the_command_given(machine, steps: Steps):
    machine.apt_get("echo 'Could not resolve mirror'", "exit 100")
    with pytest.raises(Failure, match=r"(?s)code 100.*Could not resolve mirror") as failure:
        bootstrap.bring_tools(steps, machine.host(steps), ["gadget"], with_wine32=False)
    assert "apt-get update && apt-get install" in failure.value.hint


def test_a_package_that_does_not_bring_its_tool_is_noticed(machine, steps: Steps):
    machine.apt_get("exit 0")
    with pytest.raises(Failure, match="gadget is still missing"):
        bootstrap.bring_tools(steps, machine.host(steps), ["gadget"], with_wine32=False)


def test_an_unknown_word_is_refused():
    command = [sys.executable, PROJECT / "ci" / "bootstrap.py", "biuld"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "build or test" in done.stderr
    assert "Traceback" not in done.stderr

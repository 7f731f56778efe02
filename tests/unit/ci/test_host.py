# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine has, how its package manager is asked, and whether we may."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import host
from progress import NOT_ALLOWED, Failure, Steps

from .conftest import PROJECT, program

TABLES = host.load()
MANAGERS = {"apt", "dnf", "pacman", "brew", "winget", "choco"}


@pytest.mark.parametrize("name", TABLES["tools"])
def test_every_tool_says_what_it_is_for_and_how_debian_calls_it(name: str):
    tool = TABLES["tools"][name]
    assert tool.keys() <= {"purpose", "home", "for", "only", "commands", "module", "file", "registry", "packages"}
    assert tool["purpose"]
    assert tool["home"].startswith("https://")
    assert set(tool["for"]) <= {"build", "test", "environment", "wine32"}
    assert len(tool.keys() & {"commands", "module", "file"}) == 1
    assert "apt" in tool["packages"]
    assert tool["packages"].keys() <= MANAGERS


def test_every_manager_says_how_it_installs():
    assert TABLES["managers"].keys() == MANAGERS
    assert all(row["install"][0] == row["program"] for row in TABLES["managers"].values())


def test_a_tool_that_only_an_administrator_has_on_path_is_found_by_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    gadget = program(tmp_path / "sbin" / "gadget")
    monkeypatch.setattr(host, "ADMINISTRATORS_PATH", str(gadget.parent))
    assert host.find({"commands": ["absent", "gadget"]}) == str(gadget)


def test_a_tool_may_be_a_file(tmp_path: Path):
    header = tmp_path / "xen.h"
    tool = {"file": str(header)}
    assert host.find(tool) is None
    header.touch()
    assert host.find(tool) == str(header)


def test_the_first_known_alternative_is_the_package(machine, steps: Steps):
    machine.answer("apt-cache", '[ "$3" = llvm ]')
    machine.tables["tools"]["gadget"]["packages"]["apt"] = ["llvm-99 | llvm | last"]
    assert machine.host(steps).packages(["gadget"]) == ["llvm"]


def test_the_last_alternative_is_the_package_when_none_is_known(machine, steps: Steps):
    machine.answer("apt-cache", "exit 100")
    machine.tables["tools"]["gadget"]["packages"]["apt"] = ["python{version}-venv | python3-venv"]
    assert machine.host(steps).packages(["gadget"]) == ["python3-venv"]


def test_a_package_may_be_named_after_the_running_python(machine, steps: Steps):
    machine.tables["tools"]["gadget"]["packages"]["apt"] = ["python{version}-venv | python3-venv"]
    assert machine.host(steps).packages(["gadget"]) == ["python{}.{}-venv".format(*sys.version_info)]


def test_a_package_that_brings_two_tools_is_asked_for_once(machine, steps: Steps):
    machine.tables["tools"]["widget"]["packages"]["apt"] = ["gadget"]
    assert machine.host(steps).packages(["gadget", "widget"]) == ["gadget"]


def test_a_tool_without_a_package_names_its_home(machine, steps: Steps):
    machine.tables["tools"]["gadget"]["packages"] = {}
    with pytest.raises(Failure, match="gadget is missing: it is tested") as failure:
        machine.host(steps).packages(["gadget"])
    assert "https://example.org" in failure.value.hint
    assert failure.value.code == NOT_ALLOWED


def test_root_needs_no_words_before_a_command(machine, steps: Steps):
    assert machine.host(steps).elevated(["true"]) == ["env", "DEBIAN_FRONTEND=noninteractive", "true"]


def test_sudo_is_used_where_it_asks_no_password_and_keeps_the_proxy(
    machine, steps: Steps, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    machine.answer("sudo", 'shift; exec "$@"')
    words = machine.host(steps).elevated(["true"])
    assert words[:3] == ["sudo", "-n", "env"]
    assert "https_proxy=http://proxy:3128" in words


def test_sudo_that_asks_for_a_password_is_printed_for_the_person_to_type(
    machine, steps: Steps, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    machine.answer("sudo", "exit 1")
    here = machine.host(steps)
    assert not here.may_install
    assert here.one_line([["apt-get", "update"], ["apt-get", "install", "a"]]) == (
        "sudo sh -c 'apt-get update && apt-get install a'"
    )


def test_without_sudo_the_command_goes_through_su(machine, steps: Steps, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    here = machine.host(steps)
    assert not here.may_install
    assert here.one_line([["apt-get", "update"]]) == "su -c 'apt-get update'"


def test_a_manager_that_is_not_tried_out_only_has_its_command_printed(machine, steps: Steps):
    machine.answer("dnf")
    machine.tables["managers"] = {"dnf": TABLES["managers"]["dnf"]}
    here = machine.host(steps)
    assert not here.may_install
    assert here.one_line(here.commands(["nsis"])) == "dnf install --assumeyes nsis"


def test_os_release_is_read_as_its_manual_says(tmp_path: Path):
    path = tmp_path / "os-release"
    path.write_text("# comment\nID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nEMPTY=\nQUOTED='a b'\n")
    assert host.os_release(path) == {
        "ID": "debian",
        "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)",
        "EMPTY": "",
        "QUOTED": "a b",
    }


def test_a_second_run_waits_for_the_first_and_says_so(tmp_path: Path):
    path = tmp_path / "lock"
    script = f"import host\nhost.lock({str(path)!r}, 'the first run')\nprint('held')"
    with host.lock(path, "nobody"):
        second = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=PROJECT / "ci",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr
        assert second.stderr.readline() == "waiting for the first run\n"
        time.sleep(0.2)
        assert second.poll() is None
    assert second.communicate(timeout=10)[0] == "held\n"

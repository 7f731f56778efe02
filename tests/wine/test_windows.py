# SPDX-License-Identifier: GPL-2.0-or-later
"""What the other tests may rely on: a prefix behaves as a Windows machine, and alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .prefix import Hardware
from .windows import MachineError, Windows, wait_until


@pytest.fixture(scope="module", params=["x64", "x32"])
def shared(request: pytest.FixtureRequest) -> Iterator[Windows]:
    windows = Windows(request.param)
    yield windows
    windows.close()


@pytest.mark.parametrize("code", [0, 1, 3010, 0xC0000005])
def test_exit_codes_keep_all_32_bits(shared: Windows, code: int) -> None:
    signed = code - (1 << 32) if code >> 31 else code
    assert shared.run("cmd", "/c", f"exit {signed}").exit_code == code


def test_a_program_that_is_not_there_does_not_succeed(shared: Windows) -> None:
    assert shared.run("C:\\missing.exe").exit_code != 0


def test_output_is_captured(shared: Windows) -> None:
    assert shared.cmd("echo 50%% of it").stdout == "50% of it\n"
    assert shared.run("cmd", "/c", "echo 100%").stdout == "100%\n"


@pytest.mark.parametrize(("machine", "version"), [("x64", "5.2.3790"), ("x32", "5.1.2600"), ("wow64", "5.2.3790")])
def test_each_machine_starts_as_its_own_windows_xp(machine: str, version: str) -> None:
    windows = Windows(machine)
    try:
        assert version in windows.cmd("ver").stdout
    finally:
        windows.close()


def test_programs_of_both_widths_run_on_wow64() -> None:
    windows = Windows("wow64")
    try:
        show = "%PROCESSOR_ARCHITECTURE% %PROCESSOR_ARCHITEW6432%"
        windows.path("C:\\show.bat").write_text(f"@echo {show}\n")
        assert windows.run("C:\\windows\\system32\\cmd.exe", "/c", "C:\\show.bat").stdout.split() == ["AMD64"]
        assert windows.run("C:\\windows\\syswow64\\cmd.exe", "/c", "C:\\show.bat").stdout.split() == ["x86", "AMD64"]
    finally:
        windows.close()


def test_registry_values_come_back_as_they_were_put(shared: Windows) -> None:
    key = "HKLM\\Software\\Trial"
    shared.run("reg", "add", key, "/v", "many", "/t", "REG_MULTI_SZ", "/d", "first\\0second one\\0third", "/f")
    shared.run("reg", "add", key, "/v", "number", "/t", "REG_DWORD", "/d", "0xfedcba98", "/f")
    shared.run("reg", "add", f"{key}\\Below", "/v", "text", "/d", "C:\\a b", "/f")
    assert shared.registry(key) == {
        "": {"many": ["first", "second one", "third"], "number": 0xFEDCBA98},
        "Below": {"text": "C:\\a b"},
    }


def test_an_absent_key_is_empty(shared: Windows) -> None:
    assert shared.registry("HKLM\\Software\\Absent") == {}


def test_wow64_has_two_views_of_the_registry() -> None:
    windows = Windows("wow64")
    try:
        windows.run("reg", "add", "HKLM\\Software\\Narrow", "/v", "a", "/d", "b", "/f", "/reg:32")
        assert windows.registry("HKLM\\Software\\Narrow", view=32) == {"": {"a": "b"}}
        assert windows.registry("HKLM\\Software\\Narrow") == {}
    finally:
        windows.close()


def test_states_of_services(shared: Windows) -> None:
    assert shared.service("PlugPlay") == "running"
    assert shared.service("absent") is None


def test_names_match_in_any_case(shared: Windows) -> None:
    assert shared.exists("c:\\WINDOWS\\System32\\KERNEL32.dll")
    assert not shared.exists("C:\\windows\\system32\\absent.dll")


def test_msiexec_says_when_there_is_no_package(shared: Windows) -> None:
    code, _ = shared.msiexec("C:\\absent.msi")
    assert code != 0


def test_a_reboot_keeps_the_registry_and_starts_services(shared: Windows) -> None:
    shared.run("reg", "add", "HKLM\\Software\\Kept", "/v", "a", "/d", "b", "/f")
    shared.reboot()
    assert shared.registry("HKLM\\Software\\Kept") == {"": {"a": "b"}}
    assert wait_until(lambda: shared.service("PlugPlay") == "running")


def test_the_version_can_be_another(shared: Windows) -> None:
    shared.set_version("vista")
    assert "6.0." in shared.cmd("ver").stdout


def test_the_host_is_out_of_reach(shared: Windows) -> None:
    assert shared.run("cmd", "/c", "dir Z:\\").exit_code != 0


def test_what_takes_too_long_is_ended_with_all_it_started() -> None:
    windows = Windows("x64")
    try:
        began = time.monotonic()
        with pytest.raises(MachineError, match="still ran after 1 s"):
            windows.cmd("start /b ping -n 60 127.0.0.1 & ping -n 60 127.0.0.1", timeout=1)
        assert time.monotonic() - began < 5
        folder = windows.path("C:\\")
    finally:
        windows.close()
    assert not folder.exists()


def test_no_process_outlives_its_machine() -> None:
    windows = Windows("x64")
    assert _processes(windows)
    windows.close()
    assert not _processes(windows)


def test_machines_do_not_see_each_other() -> None:
    one, other = Windows("x64"), Windows("x64")
    try:
        one.run("reg", "add", "HKLM\\Software\\Private", "/v", "a", "/d", "b", "/f")
        one.path("C:\\private.txt").write_text("private")
        assert other.registry("HKLM\\Software\\Private") == {}
        assert not other.exists("C:\\private.txt")
    finally:
        one.close()
        other.close()


def test_a_missing_wine_is_refused_with_the_command_that_installs_it(tmp_path: Path) -> None:
    kind = Hardware("x64", 64, "winxp64", tmp_path, ("/usr/lib/wine/wine64",), (), "apt-get install wine64")
    with pytest.raises(MachineError, match=r"wine64.*\n.*\./runtests.*apt-get install wine64"):
        _ = kind.loader


def _processes(windows: Windows) -> list[str]:
    """The host's processes that have the machine's folder mounted."""
    folder = windows.path("C:\\").parent.parent.name
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if folder in (process / "mountinfo").read_text():
                found.append(process.name)
        except OSError:
            continue
    return found

# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong: one clear message, a non-zero exit code, nothing half-made in dist/; the next run carries on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .tree import Tree

ONE = ("platform=XP", "arch=x64", "debug=1")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("platfrom=XP", "Did you mean 'platform'?"),
        ("platform=Vista", "Did you mean 'Vista2008'?"),
        ("arch=x46", "Did you mean 'x64'?"),
        ("sign=1", "Known: off, test, release, detached."),
        ("drvers", "Did you mean 'drivers'?"),
        ("--slient", "Did you mean '--silent'?"),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest_name(tree: Tree, word: str, says: str) -> None:
    outcome = tree.scons(word)
    assert outcome.exit_code == 2
    assert outcome.output.startswith("error: ")
    assert says in outcome.output
    assert "Traceback" not in outcome.output


def test_help_is_a_page_of_its_own(tree: Tree) -> None:
    outcome = tree.scons("-h")
    assert outcome.exit_code == 0
    assert "platform=" in outcome.output
    assert "Examples:" in outcome.output


def test_a_wrong_matrix_is_refused_with_its_line(tree: Tree) -> None:
    path = tree.root / "platforms.yaml"
    path.write_text(path.read_text().replace("winver: winxp", "winvre: winxp"))
    outcome = tree.scons(*ONE)
    assert outcome.exit_code == 1
    assert "platforms.yaml:" in outcome.output
    assert "Did you mean 'winver'?" in outcome.output
    assert "Traceback" not in outcome.output


def test_a_compiler_error_is_shown_and_mending_it_goes_on(tree: Tree) -> None:
    source = tree.root / "drivers_src/xenpci/driver.c"
    good = source.read_text()
    source.write_text(good + "\nint unused_and_wrong(void) { }\n")
    outcome = tree.scons(*ONE)
    assert outcome.exit_code == 2
    assert "driver.c:" in outcome.output
    assert "error:" in outcome.output
    assert tree.dist() == []
    source.write_text(good)
    assert tree.scons(*ONE).exit_code == 0
    assert len(tree.dist()) == 3


def test_an_import_that_the_windows_lacks_fails_the_build(tree: Tree) -> None:
    source = tree.root / "drivers_src/xenpci/driver.c"
    end = "    return STATUS_SUCCESS;"
    text = source.read_text().replace(end, f"    KeFlushQueuedDpcs();\n{end}", 1)
    source.write_text(text.replace("\n\n", "\n\nVOID NTAPI KeFlushQueuedDpcs(VOID);\n", 1))
    outcome = tree.scons("platform=2000", "drivers")
    assert outcome.exit_code == 2
    assert "KeFlushQueuedDpcs is exported by ntoskrnl.exe since" in outcome.output
    assert "Windows 2000 (5.0)" in outcome.output
    assert not (tree.root / "target/win2k/i386/release/xenpci.sys").exists()


def test_an_inf_that_cannot_install_fails_the_build(tree: Tree) -> None:
    template = tree.root / "drivers_src/xenstub/xenstub.inx"
    template.write_bytes(template.read_bytes().replace(b"StartType=3", b"StartType=7"))
    outcome = tree.scons("platform=XP", "arch=x64", "target/winxp/amd64/release/xenstub.inf")
    assert outcome.exit_code == 2
    assert re.search(r"xenstub\.inf:\d+:11: error INF505: 7 is no StartType", outcome.output)
    assert not (tree.root / "target/winxp/amd64/release/xenstub.inf").exists()


def test_a_missing_tool_is_named_with_the_command_that_installs_it(tree: Tree, tmp_path: Path) -> None:
    outcome = tree.scons(*ONE, path=str(tmp_path))
    assert outcome.exit_code == 2
    assert "makensis is not installed" in outcome.output
    assert "apt-get install nsis" in outcome.output
    assert not any(name.endswith(".exe") for name in tree.dist())


def test_a_full_disk_leaves_no_half_package(tree: Tree) -> None:
    folder = tree.root / "dist"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    try:
        outcome = tree.scons(*ONE)
        assert outcome.exit_code == 2
        assert "No space left on device" in outcome.output
        assert "Traceback" not in outcome.output
        assert [path for path in folder.rglob("*") if path.is_file() and path.suffix in {".msi", ".exe"}] == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert tree.scons(*ONE).exit_code == 0
    assert len(tree.dist()) == 3


def test_ctrl_c_in_the_middle_leaves_no_half_package_and_the_next_run_carries_on(tree: Tree) -> None:
    work = tree.root / "target/work/winxp/amd64/debug"
    outcome = tree.scons(*ONE, until=(work / "kernel.lib").exists)
    assert outcome.exit_code == 2
    assert "interrupted" in outcome.output
    assert "Traceback" not in outcome.output
    assert [name for name in tree.dist() if name.endswith((".msi", ".exe"))] == []
    finished = {path: path.stat().st_mtime_ns for path in work.rglob("*.obj")}
    assert tree.scons(*ONE).exit_code == 0
    assert len(tree.dist()) == 3
    kept = [path for path, time in finished.items() if path.stat().st_mtime_ns == time]
    assert kept, "what was finished before is not made again"

# SPDX-License-Identifier: GPL-2.0-or-later
"""What connects a debugger to a domain: each line names the port, the speed and the folder that the others name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gplpv import matrix
from gplpv.cli import main
from gplpv.debugsetup import Connection, find_variant, steps, symbol_path
from gplpv.errors import UsageError

PROJECT = Path(__file__).parents[2]
MATRIX = matrix.load(PROJECT / "platforms.yaml")
VARIANTS = {variant.name: variant for variant in MATRIX.variants()}
CONNECTION = Connection("win1", host="xen.example.net", port=4441, com="COM9")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_package_tells_its_variant(name: str) -> None:
    for extension in ("msi", "exe", "symbols.zip"):
        file = VARIANTS[name].package(extension, "1.2.3.4")
        assert find_variant(MATRIX, file) == find_variant(MATRIX, f"d:\\x y\\{file}") == VARIANTS[name]


@pytest.mark.parametrize("name", VARIANTS)
def test_windows_is_told_in_its_own_way(name: str) -> None:
    lines = [line for step in steps(VARIANTS[name], CONNECTION) for line in step.lines]
    assert any(line.startswith("bcdedit") for line in lines) == (VARIANTS[name].nt >= (6, 0))
    assert any(line.startswith("/debug ") for line in lines) == (VARIANTS[name].nt < (6, 0))
    assert {speed for line in lines for speed in re.findall(r"baud\w*[=:](\d+)", line)} == {"115200"}


def test_the_symbols_are_where_the_build_puts_them() -> None:
    path = symbol_path(VARIANTS["XPx32 debug"], Connection("win1", sources="d:\\gplpv"))
    assert path == r"SRV*c:\websymbols*http://msdl.microsoft.com/download/symbols;d:\gplpv\target\winxp\i386\debug"


def test_every_place_names_the_same_port() -> None:
    text = "\n".join(line for step in steps(VARIANTS["XPx32"], CONNECTION) for line in step.lines)
    assert text.count("4441") == 3
    assert "4440" not in text
    assert ("Port Name: COM9" in text) == ("port=com9," in text) is True


@pytest.mark.parametrize(("toolstack", "console"), [("xl", "xl console -t serial win1"), ("xm", "xm console win1")])
def test_each_toolstack_has_its_console(toolstack: str, console: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["debug-setup", "win1", "--toolstack", toolstack, "--json"]) == 0
    lines = [line for step in json.loads(capsys.readouterr().out) for line in step["lines"]]
    assert any(line.endswith(console) for line in lines)
    assert any(f"$({toolstack} domid win1)" in line for line in lines)


REFUSED = {
    "a domain with a space": (["a b"], "not a domain's name"),
    "a shell's words for a domain": (["x;reboot"], "not a domain's name"),
    "an option for a host": (["win1", "--host", "a b"], "no host name"),
    "a port that is none": (["win1", "--port", "65536"], "no TCP port 65536"),
    "a serial port that is none": (["win1", "--com", "lpt1"], "not a serial port"),
    "a folder of Unix": (["win1", "--sources", "/usr/src"], "not a folder of Windows"),
    "a file that is no package": (["win1", "--package", "drivers.msi"], "not the name of a package"),
    "a package that does not exist": (["win1", "--package", "gplpv 2000x64 1.0.0.0.msi"], "no package for '2000x64'"),
    "a package and a platform": (["win1", "--package", "gplpv XPx32 1.0.0.0.msi", "--platform", "XP"], "already"),
    "an arch that the platform lacks": (["win1", "--platform", "2000", "--arch", "x64"], "Nothing is built"),
}


@pytest.mark.parametrize(("words", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["debug-setup", *words]) == UsageError.exit_code
    assert sentence in capsys.readouterr().err


def test_the_manual_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Every line that docs/debugging.md has from it, with its example's words."""
    manual = (PROJECT / "docs/debugging.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^    \.venv/bin/gplpv (debug-setup .*)$", manual, re.MULTILINE)
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)]
    assert main(words) == 0
    printed = {line[7:] for line in capsys.readouterr().out.splitlines() if line.startswith(" " * 7)}
    shown = set(re.findall(r"^        (.*)$", manual, re.MULTILINE))
    assert printed <= shown

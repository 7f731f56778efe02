# SPDX-License-Identifier: MIT
"""What makes wixpy fast, counted: the modules a command loads, and the calls of Python a file or a row costs.

Seconds depend on the machine and are in benchmarks/wixpy.txt; counts do not, so they can fail a test.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wixpy import cli
from wixpy.database import Database

SLOW = {
    "concurrent.futures", "importlib.resources", "json", "logging", "pefile", "pkgutil", "queue", "random", "shutil",
    "subprocess", "tempfile", "unicodedata",
}  # fmt: skip
DATACLASSES = {"dataclasses", "inspect"}
LOADED = """\
import argparse, contextlib, datetime, hashlib, pathlib, sys, uuid, xml.parsers.expat, zlib
argparse.ArgumentParser().add_argument("word")  # some versions of Python load what it needs now
before = set(sys.modules)
from wixpy.cli import main
main(sys.argv[1:])
print(*sys.modules.keys() - before, file=sys.stderr)
"""
SOURCE = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A47" Name="Sample" Manufacturer="Maker" Version="1.2.3" Language="1033"
 UpgradeCode="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48">
<Package Compressed="yes"/><Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder" Name="PFiles">{files}</Directory>
</Directory><Feature Id="All" Level="1">{references}</Feature></Product></Wix>
"""
FILE = "<Component Id='c{0}' Guid='*'><File Id='f{0}' Name='f{0}.txt' Source='file.txt'/></Component>"
QUERY = "SELECT `File`, `FileSize` FROM `File` WHERE `FileSize` = 77"


def source(folder: Path, count: int) -> Path:
    """A source with so many components of a file each."""
    path = folder / f"{count}.wxs"
    (folder / "file.txt").write_text("content\n")
    references = "".join(f"<ComponentRef Id='c{number}'/>" for number in range(count))
    path.write_text(SOURCE.format(files="".join(map(FILE.format, range(count))), references=references))
    return path


def rows(folder: Path, count: int) -> Path:
    """A package with so many rows of File."""
    database, path = Database(), folder / f"{count}.msi"
    for n in range(count):
        database.insert("File", f"file{n}", f"component{n // 5}", f"F{n}.TXT", n % 1000, None, None, 512, n % 32767)
    database.commit(path)
    return path


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python are called."""
    count = 0

    def see(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    ("command", "spared"),
    [
        (
            ["build", "2.wxs"],
            SLOW | DATACLASSES | {"wixpy.sql", "wixpy.wxs.merge", "wixpy.wxs.modern", "wixpy.wxs.module"},
        ),
        (["tables", "x.msi"], SLOW | DATACLASSES | {"wixpy.wxs", "wixpy.checks", "wixpy.cab", "wixpy.msilib"}),
        (["query", "x.msi", QUERY], SLOW | {"wixpy.wxs"}),
    ],
    ids=["build", "tables", "query"],
)
def test_a_command_loads_only_what_it_needs(command: list[str], spared: set[str], tmp_path: Path) -> None:
    """`spared` is what it must not load, beyond what the modules in LOADED load themselves."""
    source(tmp_path, 2)
    rows(tmp_path, 2).rename(tmp_path / "x.msi")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *command], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stderr.split())
    assert "wixpy.database" in loaded
    assert loaded & spared == set()


def test_a_file_costs_a_build_so_many_calls_whatever_their_number(tmp_path: Path) -> None:
    def build(count: int) -> int:
        path = source(tmp_path, count)
        return calls(lambda: cli.main(["build", str(path), "-o", str(tmp_path / "x.msi"), "--ignore", "ICE30"]))

    build(1)
    few, some, many = map(build, (20, 40, 80))
    assert many - some < 2.2 * (some - few)
    assert many - some < 40 * 900


def test_a_build_does_not_unpack_what_it_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def inflate(*_: object) -> None:
        raise AssertionError("unpacked")

    monkeypatch.setattr("wixpy.cabdata._inflate", inflate)
    package = tmp_path / "x.msi"
    assert cli.main(["build", str(source(tmp_path, 1)), "-o", str(package), "-q"]) == 0
    with pytest.raises(AssertionError, match="unpacked"):
        cli.main(["check", str(package)])


def test_a_row_costs_a_query_a_few_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def query(count: int) -> int:
        path = rows(tmp_path, count)
        return calls(lambda: cli.main(["query", str(path), QUERY]))

    query(10)
    few, many = query(1000), query(3000)
    found = sorted(capsys.readouterr().out.splitlines()[-3:])
    assert found == ["file1077\t77", "file2077\t77", "file77\t77"]
    assert many - few < 2000 * 9

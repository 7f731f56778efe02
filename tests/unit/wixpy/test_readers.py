# SPDX-License-Identifier: MIT
"""Packages that wixpy makes, as independent programs read them: msitools (msiinfo, msiextract) and python-msi."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pymsi
import pytest

import wixpy
from wixpy.cab import Compression
from wixpy.database import Database
from wixpy.summary import Pid

FILES = {
    "empty.txt": b"",
    "text.txt": b"".join(b"line %d\n" % number for number in range(30_000)),
    "noise.bin": random.Random(1).randbytes(150_000),
    "a long name.dat": b"x" * 70_000,
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with several kinds of files, rows and streams."""
    folder = tmp_path_factory.mktemp("package")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "sample.wxs").write_text(
        """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
        <Product Id="*" Name="Sämple" Manufacturer="Maker" Version="1.2.3" Language="1033" Codepage="1252"
                 UpgradeCode="6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48">
        <Package InstallerVersion="200" Platform="x64" Comments="for readers"/>
        <Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>
        <Media Id="2" Cabinet="two.cab" EmbedCab="yes" CompressionLevel="none"/>
        <Property Id="LONG" Value="%s"/>
        <Binary Id="data" SourceFile="noise.bin"/>
        <Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="INSTALLDIR" Name="Sample folder">
        <Component Id="A"><File Source="empty.txt"/><File Source="text.txt"/>
        <RegistryValue Root="HKLM" Key="Software\\Sample" Name="n" Type="integer" Value="7"/></Component>
        <Component Id="B" DiskId="2"><File Source="noise.bin"/><File Source="a long name.dat"/></Component>
        </Directory></Directory>
        <Feature Id="All"><ComponentRef Id="A"/><ComponentRef Id="B"/></Feature>
        </Product></Wix>"""
        % ("ü" * 70_000),
        "utf-8",
    )
    wixpy.build(folder / "sample.wxs", folder / "sample.msi", epoch=1_200_000_000)
    return folder / "sample.msi"


def test_msiextract_unpacks_every_file(built: Path, run: Callable[..., str], tmp_path: Path) -> None:
    run("msiextract", "-C", tmp_path, built)
    found = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == FILES


def test_msiinfo_lists_the_tables(built: Path, run: Callable[..., str]) -> None:
    listed = set(run("msiinfo", "tables", built).split())
    assert listed >= set(wixpy.open(built).tables)


def test_msiinfo_prints_the_summary(built: Path, run: Callable[..., str]) -> None:
    printed = run("msiinfo", "suminfo", built)
    assert "Template: x64;1033" in printed
    assert "Comments: for readers" in printed
    assert f"Revision number (UUID): {wixpy.open(built).summary[Pid.REVISION]}" in printed
    assert "Created: Thu Jan 10 21:20:00 2008" in printed


def exported(text: str) -> tuple[list[str], list[str], list[list[str]]]:
    """Column names, types and rows of an IDT file."""
    names, types, _, *rows = text.split("\n")
    return names.split("\t"), types.split("\t"), [row.rstrip("\r").split("\t") for row in rows if row.strip()]


def test_msiinfo_exports_every_table_with_equal_content(built: Path, run: Callable[..., str]) -> None:
    database = wixpy.open(built)
    for name, table in database.tables.items():
        columns, types, rows = exported(run("msiinfo", "export", built, name).replace("\r\n", "\n"))
        assert columns == list(table.index)
        assert types == [column.type for column in table.columns]
        expected = [["" if cell is None else str(cell) for cell in row.cells] for row in database.rows(name)]
        assert sorted(rows) == sorted(expected), name


def test_msiinfo_extracts_a_binary_stream(built: Path, run: Callable[..., str]) -> None:
    listed = run("msiinfo", "streams", built).split("\n")
    assert "Binary.data" in listed
    assert "one.cab" in listed


def test_python_msi_reads_every_table_with_equal_content(built: Path) -> None:
    database = wixpy.open(built)
    with pymsi.Package(built) as package:
        for name, table in database.tables.items():
            strings = [column.name for column in table.columns if not column.is_binary]
            found = [[row[column] for column in strings] for row in package.get(name).iter()]
            expected = [[row[column] for column in strings] for row in database.rows(name)]
            assert sorted(map(repr, found)) == sorted(map(repr, expected)), name


@pytest.mark.parametrize("sector", [512, 4096])
def test_long_references_are_read_by_others(sector: int, run: Callable[..., str], tmp_path: Path) -> None:
    database = Database(1252)
    for number in range(66_000):
        database.insert("Property", f"P{number}", f"value {number}")
    path = tmp_path / "many.msi"
    database.commit(path, sector)
    *_, rows = exported(run("msiinfo", "export", path, "Property"))
    assert sorted(rows) == sorted([f"P{number}", f"value {number}"] for number in range(66_000))


def test_media_two_is_stored_and_media_one_compressed(built: Path) -> None:
    streams = wixpy.open(built).streams
    assert len(streams["one.cab"]) < len(FILES["text.txt"]) / 2
    assert len(streams["two.cab"]) > 220_000
    assert streams["two.cab"][44 - 2 + 0] == Compression.NONE


def test_msiextract_unpacks_a_package_of_empty_files_only(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "sample.wxs").write_text(
        """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
        <Product Name="Empty" Manufacturer="Maker" Version="1" Language="1033"
                 UpgradeCode="6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48">
        <Package/><MediaTemplate EmbedCab="yes"/>
        <Feature Id="All"><Component Id="A" Directory="TARGETDIR"><File Source="empty.txt"/></Component></Feature>
        </Product></Wix>"""
    )
    wixpy.build(tmp_path / "sample.wxs", tmp_path / "sample.msi", epoch=0)
    run("msiextract", "-C", tmp_path / "out", tmp_path / "sample.msi")
    assert [path.read_bytes() for path in (tmp_path / "out").rglob("empty.txt")] == [b""]

# SPDX-License-Identifier: MIT
"""Two rows with one key: a file may hold them, nothing makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy import cli, idt
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.msi_errors import MsiError
from wixpy.store import Store

from .conftest import EPOCH

Run = Callable[..., str]
ROWS = [("A", "1"), ("A", "2"), ("B", "3"), ("A", "2")]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A file whose table Property has three rows A."""
    database = Database(1252)
    database.insert("Property", "B", "3")
    for place, row in enumerate(ROWS):
        database.cells("Property")[(row[0], place)] = row
    del database.cells("Property")["B", 2]
    path = tmp_path / "damaged.msi"
    database.commit(path)
    return path


def test_another_reader_sees_the_rows(damaged: Path, run: Run) -> None:
    *_, rows = run("msiinfo", "export", damaged, "Property").partition("\tProperty\r\n")
    assert sorted(line.split("\t") for line in rows.split("\r\n") if line) == sorted(map(list, ROWS))


def test_all_are_read_and_none_is_lost_by_writing(damaged: Path, tmp_path: Path) -> None:
    database = Database.open(damaged)
    assert sorted(row.cells for row in database.rows("Property")) == sorted(ROWS)
    assert [row.key for row in database.repeated("Property")] == [("A",), ("A",)]
    assert database.property("A") == "1"
    database.commit(tmp_path / "again.msi")
    assert (tmp_path / "again.msi").read_bytes() == damaged.read_bytes()
    assert database.digest() == Database.open(tmp_path / "again.msi").digest()


def test_each_is_a_finding(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(damaged), "--ice", "ICE03"]) == 1
    assert capsys.readouterr().out == 2 * "ICE03 error: another row has this key too [Property A]\n"


def test_rows_of_the_validation_table_count_too() -> None:
    database = Database()
    database.insert("Property", "A", "1")
    database.add_validation()
    assert [str(finding) for finding in wixpy.checks.run(database, ["ICE03"])] == []
    row = database.rows("_Validation")[0]
    database.cells("_Validation")[(*row.key, 1)] = row.cells
    [finding] = wixpy.checks.run(database, ["ICE03"])
    assert (finding.table, finding.key) == ("_Validation", row.key)


def test_a_dump_shows_them_and_a_query_says_what_is_wrong(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for sql in ("SELECT `Value` FROM `Property`", "DELETE FROM `Property`"):
        assert cli.main(["query", str(damaged), sql]) == 1
        assert "error: table Property has rows with one key: check lists them" in capsys.readouterr().err
    assert cli.main(["dump", str(damaged), "Property"]) == 0
    assert capsys.readouterr().out.count("A\t") == 3
    assert cli.main(["diff", str(damaged), str(damaged)]) == 0


def test_an_archive_has_them_and_is_not_read_before_it_is_mended(
    damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "out" / "Property.idt"
    assert cli.main(["export", str(damaged), "Property", "-o", str(archive.parent)]) == 0
    capsys.readouterr()
    assert cli.main(["import", str(damaged), str(archive)]) == 1
    printed = capsys.readouterr().err
    assert f"error: {archive}:5: the key “A” is that of {archive}:4 too; remove one of the two rows" in printed
    assert Database.open(damaged).repeated("Property"), "nothing has changed"
    lines = dict.fromkeys(archive.read_bytes().replace(b"A\t2", b"C\t2").splitlines(keepends=True))
    archive.write_bytes(b"".join(lines))
    assert cli.main(["import", str(damaged), str(archive)]) == 0
    assert sorted(row.cells for row in Database.open(damaged).rows("Property")) == [("A", "1"), ("B", "3"), ("C", "2")]


def test_a_key_of_several_columns_in_an_archive(tmp_path: Path) -> None:
    text = b"A\tN\tV\r\ns9\ti2\tS9\r\nT\tA\tN\r\nx\t1\tv\r\nx\t2\tv\r\nx\t1\tw\r\n"
    with pytest.raises(MsiError) as caught:
        idt.import_text(Store(Database()), text, Path("T.idt"))
    assert caught.value.number == 2216
    assert caught.value.hint == "T.idt:6: the key “x 1” is that of T.idt:4 too; remove one of the two rows"


def test_two_columns_of_one_number_are_no_table() -> None:
    database = Database()
    database.insert("Property", "A", "1")
    data = database.to_bytes()
    assert Database.parse(data).tables["Property"].index == {"Property": 0, "Value": 1}
    with pytest.raises(WixpyError, match="table Property has two columns 1"):
        Database()._define([("Property",)], [("Property", 1, "A", 0x2D48), ("Property", 1, "B", 0x0D48)])


# What is in the main source and in a second one, and what the error says.
SOURCES = {
    "property": ("<Property Id='P' Value='1'/>", "table Property already has a row P"),
    "directory": ("<DirectoryRef Id='TARGETDIR'><Directory Id='D' Name='d'/></DirectoryRef>", "row D"),
    "registry value": (
        "<DirectoryRef Id='TARGETDIR'><Component Id='C' Guid=''><RegistryValue Id='r' Root='HKCU' Key='k' Type='string'"
        " Value=''/></Component></DirectoryRef>", "table Component already has a row C"),
    "action": ("<CustomAction Id='A' Error='e'/>", "row A"),
    "dialog": ("<UI><Error Id='1'>e</Error></UI>", "table Error already has a row 1"),
    "component group": ("<ComponentGroup Id='G'/>", "the component group G is defined twice"),
    "feature group": ("<FeatureGroup Id='G'/>", "the feature group G is defined twice"),
    "place of an action": ("<InstallExecuteSequence><DisableRollback Sequence='9'/></InstallExecuteSequence>",
                           "DisableRollback is scheduled twice"),
    "variable": ("<WixVariable Id='V' Value='v'/>", "the variable V is in"),
    "own table": ("<CustomTable Id='Property'><Row><Data Column='Property'>P</Data><Data Column='Value'>v</Data></Row>"
                  "</CustomTable>", "table Property already has a row P"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "message"), SOURCES.values(), ids=SOURCES)
def test_a_source_that_defines_something_twice_is_told_both_places(
    body: str, message: str, source: Callable[..., Path], tmp_path: Path
) -> None:
    first, second = source(f"<!-- -->\n{body}"), tmp_path / "second.wxs"
    second.write_text(f"<Wix xmlns='http://schemas.microsoft.com/wix/2006/wi'>\n\n<Fragment>\n{body}</Fragment></Wix>")
    with pytest.raises(WixpyError) as caught:
        wixpy.build([first, second], tmp_path / "x.msi", epoch=EPOCH)
    assert message in str(caught.value)
    assert (caught.value.file, caught.value.line) == (second, 4)
    [line] = [number for number, text in enumerate(first.read_text().splitlines(), 1) if text == body]
    assert f"{first}:{line}" in f"{caught.value} {caught.value.hint}"

# SPDX-License-Identifier: MIT
"""Text archives of tables: what is written, what is read, and what msitools writes and reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wixpy import cli, idt
from wixpy.database import Database
from wixpy.msi_errors import MsiError
from wixpy.store import Store
from wixpy.summary import Pid
from wixpy.tables import Column, Table

ITEM = Table("Item", (Column("Key", "s72", key=True), Column("N", "I2"), Column("Text", "L0"), Column("Data", "V0")))


def sample(text: str = "plain") -> Database:
    database = Database(1252)
    database.summary = {Pid.TITLE: "A title", Pid.CREATED: datetime(2008, 1, 10, 21, 20, tzinfo=timezone.utc)}
    database.summary[Pid.PAGE_COUNT] = 200
    database.add_table(ITEM)
    database.insert("Item", "a", -3, text, b"\0data")
    database.insert("Item", "b", None, None, None)
    return database


def test_an_archive_has_three_lines_and_a_line_a_row() -> None:
    archive = idt.export(Store(sample()), "Item")
    assert archive.text == (b"Key\tN\tText\tData\r\ns72\tI2\tL0\tV0\r\nItem\tKey\r\na\t-3\tplain\ta.ibd\r\nb\t\t\t\r\n")
    assert archive.streams == {"a.ibd": b"\0data"}


def test_control_characters_are_replaced_and_the_code_page_is_named() -> None:
    archive = idt.export(Store(sample("ü\t1\r\n2\0\b\f")), "Item")
    assert b"\r\n1252\tItem\tKey\r\n" in archive.text
    assert b"a\t-3\t\xfc\x101\x11\x192\x15\x1b\x18\ta.ibd\r\n" in archive.text


def test_the_special_archives() -> None:
    store = Store(sample())
    assert idt.export(store, "_ForceCodepage").text == b"\r\n\r\n1252\t_ForceCodepage\r\n"
    assert idt.export(store, "_SummaryInformation").text == (
        b"PropertyId\tValue\r\ni2\tl255\r\n_SummaryInformation\tPropertyId\r\n"
        b"2\tA title\r\n12\t2008/01/10 21:20:00\r\n14\t200\r\n"
    )


def test_everything_comes_back_through_files(tmp_path: Path) -> None:
    database = sample("ü\t1\r\n2")
    database.commit(tmp_path / "x.msi")
    assert cli.main(["export", str(tmp_path / "x.msi"), "-o", str(tmp_path / "out")]) == 0
    archives = [str(path) for path in sorted((tmp_path / "out").glob("*.idt"), reverse=True)]
    assert cli.main(["import", str(tmp_path / "y.msi"), *archives]) == 0
    assert (tmp_path / "y.msi").read_bytes() == (tmp_path / "x.msi").read_bytes()


CELL = st.text(st.characters(codec="cp1252"), max_size=12).map(lambda text: text.translate(idt._RESTORED))
ROWS = st.lists(
    st.tuples(CELL.filter(bool), st.none() | st.integers(-32767, 32767), CELL.map(lambda text: text or None)),
    unique_by=lambda row: row[0],
    max_size=8,
)


@given(ROWS)
@settings(max_examples=25, deadline=None)
def test_any_row_comes_back(rows: list[tuple]) -> None:
    database = Database(1252)
    database.add_table(ITEM)
    for row in rows:
        database.insert("Item", *row, None)
    back = Store(Database())
    idt.import_text(back, idt.export(Store(database), "Item").text, Path("Item.idt"))
    assert back.database.cells("Item") == database.cells("Item")


def test_msibuild_reads_what_is_written_and_msiinfo_writes_what_is_read(
    run: Callable[..., str], tmp_path: Path
) -> None:
    database = sample()
    database.insert("Property", "ProductName", "Name")
    database.insert("Media", 1, 2, None, "#a.cab", None, None)
    store = Store(database)
    for name in ("Item", "Property", "Media", "_SummaryInformation"):
        idt.export_file(store, name, tmp_path / f"{name}.idt")
    # msibuild looks for the folder of streams where it runs, and takes some summary properties from nowhere else.
    tables = [part for name in ("Item", "Property", "Media") for part in ("-i", f"{name}.idt")]
    run("msibuild", "x.msi", *tables, "-i", "_SummaryInformation.idt", cwd=tmp_path)
    theirs = Database.open(tmp_path / "x.msi")
    assert {pid: theirs.summary[pid] for pid in database.summary} == database.summary
    assert theirs.cells("Item") == database.cells("Item")
    assert theirs.streams["Item.a"] == database.streams["Item.a"]
    for name in ("Property", "Media"):
        assert theirs.cells(name) == database.cells(name)
        exported = run("msiinfo", "export", tmp_path / "x.msi", name).encode()
        assert exported == idt.export(store, name).text
        assert idt.import_text(Store(Database()), exported, Path("x.idt")) == name


# Code pages with a text of theirs, and with one that UTF-8 alone has.
TEXTS = {1250: "Žluťoučký kůň", 1251: "Привет, мир", 1252: "Täst € ß", 932: "表ソ能力", 65001: "Täst Ω 表"}


@pytest.mark.parametrize(("codepage", "text"), TEXTS.items())
def test_text_goes_to_msibuild_and_comes_back_from_msiinfo(
    run: Callable[..., str], tmp_path: Path, codepage: int, text: str
) -> None:
    database = Database(codepage)
    database.insert("Property", "ProductName", text)
    database.insert("Binary", "b", b"\0data")
    database.commit(tmp_path / "ours.msi")
    # msibuild looks for the folder of streams where it runs.
    assert cli.main(["export", str(tmp_path / "ours.msi"), "--msitools", "-o", str(tmp_path)]) == 0
    names = ["_ForceCodepage", "Property", "Binary"]
    run("msibuild", "theirs.msi", *(part for name in names for part in ("-i", f"{name}.idt")), cwd=tmp_path)
    theirs = Database.open(tmp_path / "theirs.msi")
    assert theirs.codepage == codepage
    assert theirs.tables.keys() == database.tables.keys()
    assert {name: theirs.cells(name) for name in theirs.tables} == {n: database.cells(n) for n in database.tables}
    assert theirs.streams["Binary.b"] == b"\0data"

    back = Store(Database())
    for name in names[:2]:
        exported = run("msiinfo", "export", tmp_path / "theirs.msi", name).encode()
        assert idt.import_text(back, exported, tmp_path / f"{name}.idt") == name
    assert (back.database.codepage, back.database.cells("Property")) == (codepage, database.cells("Property"))


def test_msibuild_takes_the_code_page_of_an_archive_for_its_table(run: Callable[..., str], tmp_path: Path) -> None:
    """Why there is --msitools: what Windows Installer reads, a code page before the name, is a name to msibuild."""
    database = Database(1252)
    database.insert("Property", "ProductName", "Täst")
    idt.export_file(Store(database), "Property", tmp_path / "Property.idt")
    run("msibuild", "x.msi", "-i", "Property.idt", cwd=tmp_path)
    assert "1252" in run("msiinfo", "tables", tmp_path / "x.msi").split()


def test_line_breaks_reach_msibuild(run: Callable[..., str], tmp_path: Path) -> None:
    """Tabs do not: it leaves the character that stands for one.  And msiinfo writes both as they are."""
    database = Database(65001)
    database.insert("Property", "A", "ü\r\n\tü")
    idt.export_file(Store(database), "Property", tmp_path / "Property.idt", for_msitools=True)
    run("msibuild", "x.msi", "-i", "Property.idt", cwd=tmp_path)
    assert Database.open(tmp_path / "x.msi").property("A") == "ü\r\n\x10ü"
    exported = run("msiinfo", "export", tmp_path / "x.msi", "Property").encode()
    with pytest.raises(MsiError, match=r"2216 2:  3: Property\.idt 4: 5"):
        idt.import_text(Store(Database()), exported, Path("Property.idt"))


def test_plain_text_is_written_alike_for_both() -> None:
    for name in ("Item", idt.CODEPAGE, idt.SUMMARY):
        assert idt.export(Store(sample()), name) == idt.export(Store(sample()), name, for_msitools=True)


HEAD = b"Key\tN\tText\tData\r\ns72\tI2\tL0\tV0\r\n"
FAULTS = {
    b"": 2216,
    b"Key\r\ns72\r\n": 2216,
    b"Key\tKey\r\ns72\ts72\r\nItem\tKey\r\n": 2216,
    b"Key\tN\r\ns72\r\nItem\tKey\r\n": 2216,
    b"Key\r\nx72\r\nItem\tKey\r\n": 2216,
    b"Key\r\ns999\r\nItem\tKey\r\n": 2216,
    HEAD + b"Item\r\n": 2216,
    HEAD + b"Item\tN\r\n": 2216,
    HEAD + b"_Streams\tKey\r\n": 2216,
    HEAD + b"I" * 32 + b"\tKey\r\n": 2211,
    HEAD.replace(b"Text", b"T" * 65) + b"Item\tKey\r\n": 2211,
    HEAD + b"../Item\tKey\r\na\t1\tx\tx.ibd\r\n": 2216,
    HEAD + b"99999\tItem\tKey\r\na\r\n": 2216,
    HEAD + b"932\tItem\tKey\r\n": 2221,
    HEAD + b"Item\tKey\r\na\t\t\x81\r\n": 2221,
    HEAD + b"Item\tKey\r\na\tx\r\n": 2216,
    HEAD + b"Item\tKey\r\na\t1\r\na\t2\r\n": 2216,
    HEAD + b"Item\tKey\r\n\t1\r\n": 2216,
    HEAD + b"Item\tKey\r\na\t1\t\t\t\r\n": 2216,
    HEAD + b"Item\tKey\r\na\t1\tx\tnone.ibd\r\n": 2216,
    HEAD + b"Item\tKey\r\na\t1\tx\t../x\r\n": 2216,
    b"PropertyId\tValue\r\ni2\tl255\r\n_SummaryInformation\tPropertyId\r\n14\tmany\r\n": 2216,
    b"PropertyId\tValue\r\ni2\tl255\r\n_SummaryInformation\tPropertyId\r\n99\tx\r\n": 2216,
    b"\r\n\r\n99999\t_ForceCodepage\r\n": 2216,
}


@pytest.mark.parametrize(("text", "number"), FAULTS.items(), ids=range(len(FAULTS)))
def test_a_damaged_archive_is_refused_and_changes_nothing(text: bytes, number: int, tmp_path: Path) -> None:
    store = Store(sample())
    before = store.database.digest()
    with pytest.raises(MsiError) as caught:
        idt.import_text(store, text, tmp_path / "Item.idt")
    assert caught.value.number == number
    assert store.database.digest() == before


@given(st.binary(max_size=60) | st.lists(st.sampled_from(
    [b"Key", b"s72", b"I2", b"V0", b"Item", b"N", b"1252", b"\t", b"\r\n", b"\xff", b"7", b"_SummaryInformation",
     b"_ForceCodepage", b"..", b"\x10"]), max_size=25).map(b"".join))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_an_archive_or_an_error_with_a_reason(text: bytes) -> None:
    try:
        idt.import_text(Store(sample()), text, Path("/nowhere/Item.idt"))
    except MsiError as error:
        assert str(error)


def test_text_without_a_code_page_is_exported_with_the_one_that_would_be_saved() -> None:
    database = sample("Ω")
    database.codepage = 0
    assert b"\r\n65001\tItem\tKey\r\na\t-3\t\xce\xa9\t" in idt.export(Store(database), "Item").text


def test_no_archive_is_written_outside_the_folder(tmp_path: Path) -> None:
    database = sample()
    database.add_table(Table("../evil", ITEM.columns))
    database.commit(tmp_path / "x.msi")
    assert cli.main(["export", str(tmp_path / "x.msi"), "../evil", "-o", str(tmp_path / "out" / "inner")]) == 1
    assert {path.name for path in tmp_path.rglob("*")} == {"x.msi", "out", "inner"}


def test_files_of_streams_do_not_overwrite_each_other() -> None:
    database = sample()
    database.insert("Item", "a:b", None, None, b"1")
    database.insert("Item", "a|b", None, None, b"2")
    assert idt.export(Store(database), "Item").streams == {"a.ibd": b"\0data", "a_b.ibd": b"1", "a_b_.ibd": b"2"}


def test_what_cannot_be_exported_is_an_error(tmp_path: Path) -> None:
    store = Store(sample())
    with pytest.raises(MsiError, match="2205"):
        idt.export(store, "Nothing")
    with pytest.raises(MsiError, match="2214"):
        idt.export_file(store, "Item", tmp_path / "none" / "Item.idt")
    with pytest.raises(MsiError, match="2215"):
        idt.import_file(store, tmp_path / "none.idt")

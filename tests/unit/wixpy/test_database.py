# SPDX-License-Identifier: MIT
"""Databases: rows, streams, the file as a whole."""

from __future__ import annotations

from pathlib import Path

import olefile
import pytest

from wixpy import names
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.tables import Column, Table


def sample() -> Database:
    database = Database(65001)
    database.insert("Property", "ProductName", "Täst")
    database.insert("Property", "ProductCode", "{12345678-1234-1234-1234-123456789012}")
    database.insert("Binary", "tool", b"\0\1\2" * 3000)
    database.insert("MsiFileHash", "file", 0, -1, 2**31 - 1, 1 - 2**31, 0)
    database.insert("Directory", "TARGETDIR", None, "SourceDir")
    return database


def test_a_committed_database_is_opened_with_equal_content(tmp_path: Path) -> None:
    database = sample()
    database.add_validation()
    database.commit(tmp_path / "x.msi")
    back = Database.open(tmp_path / "x.msi")
    assert back.codepage == 65001
    assert back.tables == database.tables
    assert back.streams == database.streams == {"Binary.tool": b"\0\1\2" * 3000}
    for name in database.tables:
        assert sorted(back.rows(name), key=repr) == sorted(database.rows(name), key=repr)


@pytest.mark.parametrize("sector", [512, 4096])
def test_reading_and_writing_again_gives_the_same_bytes(sector: int) -> None:
    data = sample().to_bytes(sector)
    assert Database.parse(data).to_bytes(sector) == data


def test_the_order_of_insertion_does_not_matter() -> None:
    one, two = Database(), Database()
    for database, order in ((one, "abc"), (two, "cab")):
        for key in order:
            database.insert("Property", key, key.upper())
    assert one.to_bytes() == two.to_bytes()
    assert one.digest() == two.digest()


def test_any_change_changes_the_digest() -> None:
    digests = {sample().digest()}
    for change in (
        lambda d: d.insert("Property", "A", "B"),
        lambda d: d.streams.update({"Binary.tool": b"x"}),
        lambda d: d.replace(d.rows("Property")[0], Value="other"),
        lambda d: setattr(d, "codepage", 1252),
    ):
        database = sample()
        change(database)
        digests.add(database.digest())
    assert len(digests) == 5


def test_70000_strings_need_long_references_and_come_back() -> None:
    database = Database()
    for number in range(70_000):
        database.insert("Property", f"P{number}", f"value {number}")
    back = Database.parse(database.to_bytes())
    assert back.property("P69999") == "value 69999"
    assert len(back.rows("Property")) == 70_000


def test_the_root_has_the_class_identifier_of_a_database() -> None:
    with olefile.OleFileIO(sample().to_bytes()) as ole:
        assert ole.root.clsid == "000C1084-0000-0000-C000-000000000046"
        assert ole.exists(names.encode("_StringPool", table=True))


def test_an_empty_table_is_defined_without_a_stream() -> None:
    database = Database()
    database.add_table(Table("Own", (Column("Key", "s72", key=True), Column("Data", "I4"))))
    back = Database.parse(database.to_bytes())
    assert back.rows("Own") == []
    assert [column.type for column in back.tables["Own"].columns] == ["s72", "I4"]


def test_a_stream_whose_name_is_half_a_character_is_kept() -> None:
    database = sample()
    database.streams["a\udc31"] = b"data"
    back = Database.parse(database.to_bytes())
    assert back.streams == database.streams
    assert back.digest() == database.digest()


def test_replacing_cells_keeps_what_was_replaced_before() -> None:
    database = sample()
    row = database.rows("MsiFileHash")[0]
    database.replace(row, HashPart1=1)
    database.replace(row, HashPart2=2)
    assert database.rows("MsiFileHash")[0].cells == ("file", 0, 1, 2, 1 - 2**31, 0)


def test_cells_are_read_by_column_name() -> None:
    row = sample().get("Property", "ProductName")
    assert row is not None
    assert dict(row) == {"Property": "ProductName", "Value": "Täst"}


def test_validation_of_a_file_describes_its_columns() -> None:
    database = sample()
    own = Column("Key", "s72", key=True, category="Identifier")
    database.add_table(Table("Own", (own, Column("Size", "I4", minimum=1, maximum=9))))
    database.add_validation()
    column = Database.parse(database.to_bytes()).tables["Own"].columns[1]
    assert (column.minimum, column.maximum) == (1, 9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Nothing", "x"), "not defined"),
        (("Property", "x"), "2 columns"),
        (("Property", "ProductName", "again"), "already has"),
        (("Property", "x", None), "may not be null"),
        (("Property", "x", b"bytes"), "binary"),
        (("Media", 99999, 1, None, None, None, None), "not an integer of 2 bytes"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(WixpyError, match=message):
        sample().insert(*arguments)


def test_a_table_needs_its_key_first() -> None:
    with pytest.raises(WixpyError, match="key"):
        Database().add_table(Table("Own", (Column("A", "s72"), Column("B", "s72", key=True))))


def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    path.write_bytes(b"no package" * 100)
    with pytest.raises(WixpyError, match="not a compound file") as caught:
        Database.open(path)
    assert caught.value.file == path


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WixpyError, match="cannot read"):
        Database.open(tmp_path / "none.msi")


def test_a_failed_commit_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    sample().commit(path)
    before = path.read_bytes()
    broken = Database(1252)
    broken.insert("Property", "A", "Ω")
    with pytest.raises(WixpyError, match="code page"):
        broken.commit(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WixpyError, match="cannot write"):
        sample().commit(tmp_path / "none" / "x.msi")

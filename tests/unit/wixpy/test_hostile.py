# SPDX-License-Identifier: MIT
"""Files made to harm a reader: what random damage seldom hits."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import pytest

from wixpy import cfb, checks, cli, names
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.tables import Column, Table


def test_streams_that_share_their_sectors_are_refused_before_they_are_read() -> None:
    out = BytesIO()
    cfb.write(cfb.Storage({"a": bytes(100_000), **{f"b{number}": bytes(5000) for number in range(8)}}), out)
    data = bytearray(out.getvalue())
    start = next(at for at in range(0, len(data), 128) if data[at : at + 4] == b"a\0\0\0")
    whole = data[start + 116 : start + 124]
    assert struct.unpack("<II", whole)[1] == 100_000
    for number in range(8):
        entry = data.index(f"b{number}".encode("utf-16-le"))
        data[entry + 116 : entry + 124] = whole
    with pytest.raises(WixpyError, match="together larger"):
        cfb.CompoundFile(bytes(data))


def test_a_table_with_two_columns_of_one_name_is_refused() -> None:
    database = Database()
    database.add_table(Table("T", (Column("A", "i2", key=True), Column("B", "i2"))))
    columns = database.tables["T"].columns
    object.__setattr__(database.tables["T"], "columns", (columns[0], Column("A", "i2")))
    with pytest.raises(WixpyError, match="two columns of one name"):
        Database.parse(database.to_bytes())


def test_a_validation_table_of_another_form_says_nothing() -> None:
    database = Database()
    database.add_table(Table("_Validation", (Column("Table", "s32", key=True), Column("Column", "s32", key=True))))
    database.insert("Property", "A", "1")
    database.insert("_Validation", "Property", "Value")
    read = Database.parse(database.to_bytes())
    assert read.tables["Property"].column("Property").category == "Identifier"
    assert [finding.rule for finding in checks.run(read)] == ["ICE06"]


@pytest.mark.parametrize("table", ["Directory", "Feature"])
def test_parents_in_a_circle_do_not_hang(table: str) -> None:
    database = Database()
    database.insert("Component", "C", None, "A", 0, None, None)
    database.insert("FeatureComponents", "A", "C")
    database.insert("IsolatedComponent", "C", "C")
    for one, other in (("A", "B"), ("B", "A")):
        if table == "Directory":
            database.insert(table, one, other, one)
        else:
            database.insert(table, one, other, None, None, None, 1, None, 0)
    assert checks.run(database)


def test_names_that_no_encoding_can_print_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (tmp_path / name for name in ("1.msi", "2.msi"))
    database = Database()
    database.insert("Property", "A", "1")
    database.commit(one)
    database.streams[names.decode("\ud800x")[0]] = b"x"
    database.commit(two)
    assert cli.main(["diff", str(one), str(two)]) == 1
    assert "stream" in capsys.readouterr().out

# SPDX-License-Identifier: MIT
"""Columns, the stored form of rows, and the standard schema."""

from __future__ import annotations

import pytest

from wixpy import schema
from wixpy.actions import SEQUENCE_TABLES, standard, standard_names
from wixpy.errors import WixpyError
from wixpy.tables import Column, Table


# As in the _Columns tables of packages made by Microsoft's tools.
@pytest.mark.parametrize(
    ("kind", "key", "bits"),
    [
        ("s72", True, 0x2D48), ("s72", False, 0x0D48), ("S255", False, 0x1DFF), ("l255", False, 0x0FFF),
        ("L0", False, 0x1F00), ("i2", False, 0x0502), ("I2", False, 0x1502), ("i2", True, 0x2502),
        ("i4", False, 0x0104), ("I4", False, 0x1104), ("v0", False, 0x0900), ("V0", False, 0x1900),
    ],
)  # fmt: skip
def test_types_are_the_bits_of_the_columns_table(kind: str, key: bool, bits: int) -> None:
    column = Column("X", kind, key)
    assert column.bits == bits
    assert Column.from_bits("X", bits) == column


def test_cells_are_column_by_column_with_biased_integers() -> None:
    table = Table("T", (Column("K", "s72", key=True), Column("A", "I2"), Column("B", "i4")))
    numbers = {"b": 2, "a": 3}
    data = table.encode([("a", None, 1), ("b", -1, -2)], numbers.__getitem__, 2)
    # Rows in the order of stored keys 2, 3; A is -1 then null; B is -2 then 1.
    assert data.hex(" ", 2) == "0200 0300 ff7f 0000 feff ff7f 0100 0080"
    texts = {2: "b", 3: "a"}
    assert table.decode(data, texts.get, 2) == [("b", -1, -2), ("a", None, 1)]


def test_references_of_three_bytes() -> None:
    table = Table("T", (Column("K", "s72", key=True),))
    assert table.encode([("x",)], lambda _: 0x012345, 3).hex() == "452301"
    assert table.decode(bytes.fromhex("452301"), {0x012345: "x"}.get, 3) == [("x",)]


def test_rows_are_ordered_by_the_whole_key() -> None:
    table = Table("T", (Column("K", "s72", key=True), Column("N", "i2", key=True), Column("V", "I2")))
    data = table.encode([("b", 2, 0), ("a", 9, 0), ("b", 1, 0)], {"a": 1, "b": 2}.__getitem__, 2)
    assert table.decode(data, {1: "a", 2: "b"}.get, 2) == [("a", 9, 0), ("b", 1, 0), ("b", 2, 0)]


def test_a_binary_cell_is_the_name_of_its_stream() -> None:
    table = Table("Binary", (Column("Name", "s72", key=True), Column("Data", "V0")))
    data = table.encode([("a", "Binary.a"), ("b", None)], {"a": 1, "b": 2}.__getitem__, 2)
    assert data.hex(" ", 2) == "0100 0200 0100 0000"
    assert table.decode(data, {1: "a", 2: "b"}.get, 2) == [("a", "Binary.a"), ("b", None)]


def test_a_part_of_a_row_is_refused() -> None:
    with pytest.raises(WixpyError, match="whole number of rows"):
        Table("T", (Column("K", "s72", key=True),)).decode(b"\1", {}.get, 2)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("s72", None), ("s72", ""), ("s72", 5), ("i2", None), ("i2", "5"), ("i2", 32768), ("i2", -32768), ("i4", 2**31)],
)
def test_a_value_that_does_not_fit_is_refused(kind: str, value: str | int | None) -> None:
    with pytest.raises(ValueError, match=r"null|integer|text"):
        Column("X", kind).accept(value)


def test_empty_text_is_null() -> None:
    assert Column("X", "S72").accept("") is None


def test_every_foreign_key_of_the_standard_schema_has_its_table() -> None:
    for table in schema.standard().values():
        for column in table.columns:
            for target in (column.key_table or "").split(";"):
                if target:
                    columns = schema.standard()[target].columns
                    assert len(columns) >= (column.key_column or 0), f"{table.name}.{column.name}"


def test_keys_of_the_standard_schema_come_first() -> None:
    for table in schema.standard().values():
        assert [column.key for column in table.columns] == sorted([c.key for c in table.columns], reverse=True), (
            table.name
        )
        assert table.key_count > 0


def test_the_tables_that_issue_names_are_there() -> None:
    wanted = [
        "Property",
        "Directory",
        "Component",
        "Feature",
        "FeatureComponents",
        "File",
        "Media",
        "Registry",
        "RemoveRegistry",
        "RemoveFile",
        "CreateFolder",
        "ServiceInstall",
        "ServiceControl",
        "CustomAction",
        "Binary",
        "Icon",
        "LaunchCondition",
        "Upgrade",
        "Shortcut",
        "IniFile",
        "Environment",
        "AppSearch",
        "RegLocator",
        "Signature",
        "DrLocator",
        "CompLocator",
        "Condition",
        "Dialog",
        "Control",
        "ControlEvent",
        "ControlCondition",
        "EventMapping",
        "TextStyle",
        "UIText",
        "ActionText",
        "Error",
        "RadioButton",
        "ListBox",
        "ComboBox",
        "CheckBox",
        "MsiFileHash",
        "LockPermissions",
        "_Validation",
    ]
    assert set(wanted) | set(SEQUENCE_TABLES) <= schema.standard().keys()


def test_a_line_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="not a column"):
        schema.parse("T\n    Column ???\n")["T"]


def test_validation_rows_say_what_the_schema_says() -> None:
    rows = {row[1]: row for row in schema.validation_rows(schema.standard()["File"])}
    assert rows["Sequence"] == ("File", "Sequence", "N", 1, 32767, None, None, None, None, None)
    assert rows["Component_"][5:8] == ("Component", 1, "Identifier")


def test_standard_actions_refer_to_tables_of_the_schema() -> None:
    for actions in standard().values():
        for action in actions.values():
            assert set(action.tables or ()) <= schema.standard().keys(), action.name
    assert {"InstallFiles", "ScheduleReboot", "ExecuteAction"} <= standard_names()

# SPDX-License-Identifier: MIT
"""Transforms: the file, what is generated, and what is applied.

That Windows Installer as Wine has it applies them too is in tests/wine/test_transform.py; libmsi of msitools cannot: it
looks the tables of a transform up by names with a part of their prefix.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wixpy import cfb, names, strings
from wixpy.database import COLUMNS, TABLES, TRANSFORM_CLSID, Database
from wixpy.errors import WixpyError
from wixpy.msi_errors import MsiError
from wixpy.tables import Column, Table
from wixpy.transform import Condition, Transform, apply, generate
from wixpy.transform.generate import left_out

FRUIT = Table("Fruit", (Column("Id", "i2", key=True), Column("Name", "S64"), Column("Price", "I4")))
KEYLESS = (Column("Id", "i2", key=True), Column("Data", "V0"))


def content(database: Database) -> tuple[object, ...]:
    """What a transform is about: code page, columns, rows, and the data of rows."""
    tables = {
        name: ([(column.name, column.bits) for column in table.columns], database.cells(name))
        for name, table in database.tables.items()
    }
    return database.codepage, tables, dict(database.streams)


def orchard() -> Database:
    database = Database(1252)
    database.add_table(FRUIT)
    database.add_table(Table("Picture", KEYLESS))
    for row in ((1, "apple", 30), (2, "pear", None), (3, "plum", -5)):
        database.insert("Fruit", *row)
    database.insert("Picture", 1, b"old")
    database.insert("Picture", 2, b"gone")
    database.insert("Property", "Owner", "Smith")
    database.summary = {}
    return database


def later() -> Database:
    """What is in the form below, done to an orchard."""
    database = orchard()
    columns = (*FRUIT.columns, Column("Colour", "L32"))
    rows = database.cells("Fruit")
    database.tables["Fruit"] = Table("Fruit", columns)
    rows.update({key: (*row, None) for key, row in rows.items()})
    database.replace(database.get("Fruit", 1), Price=None, Colour="red")  # type: ignore[arg-type]
    database.replace(database.get("Fruit", 3), Name="prune")  # type: ignore[arg-type]
    database.delete("Fruit", 2)
    database.insert("Fruit", 4, "fig", 70_000, None)
    database.streams["Picture.1"] = b"new"
    database.delete("Picture", 2)
    database.insert("Picture", 3, b"more")
    database.remove_table("Property")
    database.add_table(Table("Tree", (Column("Tree", "s32", key=True), Column("Height", "I2"))))
    database.insert("Tree", "oak", 20)
    return database


# The form, as Windows Installer takes it: the same kinds of operation are in a transform that Wine's tests of
# MsiDatabaseApplyTransform (dlls/msi/tests/db.c), which are run on Windows too, put together by hand.
POOL = ["Property", "Tree", "Fruit", "Colour", "Height", "red", "prune", "fig", "oak"]
NUMBER = {text: number for number, text in enumerate(POOL, 1)}


def words(*values: int | str) -> bytes:
    return b"".join(struct.pack("<H", NUMBER[value] if isinstance(value, str) else value) for value in values)


FORM = {
    "_Tables": words(0, "Property", 0x0101, "Tree"),
    "_Columns": words(0x0401, "Fruit", 0x8004, "Colour", 0x8000 | 0x1F20)
    + words(0x0401, "Tree", 0, "Tree", 0x8000 | 0x2D20) + words(0x0401, "Tree", 0, "Height", 0x8000 | 0x1502),
    "Fruit": words(0, 0x8002) + words(0b1100, 0x8001, 0, 0, "red") + words(0b0010, 0x8003, "prune")
    + words(0x0401, 0x8004, "fig") + struct.pack("<I", 0x80000000 + 70_000) + words(0),
    "Picture": words(0, 0x8002, 0b10, 0x8001, 1, 0x0201, 0x8003, 1),
    "Tree": words(0x0201, "oak", 0x8014),
}  # fmt: skip
DATA = {"Picture.1": b"new", "Picture.3": b"more"}


def file_of(tables: dict[str, bytes], data: dict[str, bytes]) -> bytes:
    pool = struct.pack("<I", 1252) + b"".join(struct.pack("<HH", len(text), 1) for text in POOL)
    root = cfb.Storage(clsid=TRANSFORM_CLSID)
    stored = {**tables, "_StringPool": pool, "_StringData": "".join(POOL).encode()}
    root.children.update({names.encode(name, table=True): each for name, each in stored.items()})
    root.children.update({names.encode(name): each for name, each in data.items()})
    out = BytesIO()
    cfb.write(root, out)
    return out.getvalue()


def test_the_form_is_applied() -> None:
    database = orchard()
    database.apply_transform(file_of(FORM, DATA))
    assert content(database) == content(later())


def test_the_form_is_generated() -> None:
    made = later().generate_transform(orchard())
    assert made is not None
    parsed = Transform.parse(made)
    # The strings are in another order: each operation as the form has it, by another pool.
    numbers = {text: number for number, text in enumerate(parsed.pool.strings) if text}
    assert numbers.keys() == NUMBER.keys()
    known = Transform.parse(file_of(FORM, DATA))
    for table in (TABLES, COLUMNS, *later().tables.values()):
        assert list(parsed.operations(table)) == list(known.operations(table)), table.name
    assert parsed.tables.keys() == FORM.keys()
    assert dict(parsed.streams) == DATA
    assert {name: len(data) for name, data in parsed.tables.items()} == {name: len(data) for name, data in FORM.items()}
    assert (parsed.codepage, parsed.summary) == (1252, {})


def test_equal_databases_have_no_transform() -> None:
    assert orchard().generate_transform(orchard()) is None


def test_a_transform_is_no_database() -> None:
    with pytest.raises(WixpyError, match="this is a transform"):
        Database.parse(file_of(FORM, DATA))
    with pytest.raises(WixpyError, match="is no transform"):
        Transform.parse(orchard().to_bytes())


def test_references_of_three_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strings, "_MAX_SHORT", 3)
    made = later().generate_transform(orchard())
    assert made is not None
    assert Transform.parse(made).pool.reference_width == 3
    database = orchard()
    database.apply_transform(made)
    assert content(database) == content(later())


cell = st.one_of(st.none(), st.integers(-0x7FFF, 0x7FFF))
text = st.one_of(st.none(), st.text("abü", min_size=1, max_size=3))
data = st.one_of(st.none(), st.binary(max_size=9))
SHAPES = {
    "One": (Column("A", "i2", key=True), Column("B", "S9"), Column("C", "V0")),
    "Two": (Column("A", "S9", key=True), Column("B", "I4", key=True), Column("C", "I2"), Column("D", "L0")),
    "Six": (Column("A", "s9", key=True), *(Column(f"B{n}", "S9") for n in range(15))),
}
VALUES = {"i2": st.integers(0, 5), "I4": cell, "I2": cell, "s9": st.sampled_from("abc"), "S9": text, "L0": text,
          "V0": data}  # fmt: skip
ROWS = {
    name: st.lists(st.tuples(*(VALUES[column.type] for column in columns)), max_size=6)
    for name, columns in SHAPES.items()
}
tables = st.dictionaries(st.sampled_from(sorted(SHAPES)), st.just(None)).flatmap(
    lambda chosen: st.fixed_dictionaries({name: st.tuples(st.integers(0, 2), ROWS[name]) for name in chosen})
)


def made_of(drawn: dict[str, tuple[int, list[tuple[object, ...]]]], most: dict[str, int]) -> Database:
    """A database with these rows of tables, and that many columns more than the key for each at least."""
    database = Database(1252)
    for name, (further, rows) in drawn.items():
        columns = SHAPES[name]
        keys = sum(column.key for column in columns)
        count = max(most.get(name, 0), min(keys + 1 + further, len(columns)))
        database.add_table(Table(name, columns[:count]))
        for row in rows:
            if row[:keys] not in database.cells(name):
                database.insert(name, *row[:count])  # type: ignore[arg-type]
    return database


@settings(max_examples=80, deadline=None)
@given(tables, tables)
def test_any_differences_are_applied(one: dict, other: dict) -> None:  # type: ignore[type-arg]
    reference = made_of(one, {})
    changed = made_of(other, {name: len(table.columns) for name, table in reference.tables.items()})
    before = content(reference)
    made = generate(reference, changed)
    result = reference if made is None else apply(Transform.parse(made.to_bytes()), reference)
    assert content(result) == content(changed)
    assert content(reference) == before


def _column(number: int, **to: object) -> Callable[[Database], object]:
    """Changes a column of Fruit."""

    def change(database: Database) -> None:
        columns = [*FRUIT.columns]
        given = {name: getattr(columns[number], name) for name in ("name", "type", "key")}
        columns[number] = Column(**{**given, **to})  # type: ignore[arg-type]
        database.tables["Fruit"] = Table("Fruit", tuple(columns))

    return change


def _two_keys(database: Database) -> None:
    _column(1, key=True)(database)


def _two_columns(database: Database) -> None:
    database.tables["Fruit"] = Table("Fruit", FRUIT.columns[:2])


@pytest.mark.parametrize(
    ("change", "number"),
    [(_two_columns, 2249), (_two_keys, 2256), (_column(1, name="Other"), 2268), (_column(2, type="I2"), 2248)],
)
def test_columns_that_a_transform_cannot_change(change: Callable[[Database], object], number: int) -> None:
    changed = orchard()
    change(changed)
    with pytest.raises(MsiError) as failure:
        changed.generate_transform(orchard())
    assert failure.value.number == number


def test_a_column_beyond_the_mask_is_not_changed() -> None:
    one, two = Database(), Database()
    for database, value in ((one, "a"), (two, "b")):
        columns = (Column("K", "i2", key=True), *(Column(f"C{n}", "S9") for n in range(20)))
        database.add_table(Table("Wide", columns))
        database.insert("Wide", 1, *["x"] * 15, value, *["x"] * 4)
        database.insert("Wide", 2 + (value == "b"), *["x"] * 20)
    with pytest.raises(WixpyError, match="column 17 of table Wide differs"):
        two.generate_transform(one)
    one.delete("Wide", 1)
    transform = two.generate_transform(one)
    assert transform is not None
    one.apply_transform(transform)
    assert content(one) == content(two)


# What is changed in the orchard before the form is applied: what occurs, its number, and what is then otherwise.
CONDITIONS: dict[Condition, tuple[int, Callable[[Database], object], Callable[[Database], object]]] = {
    Condition.ADD_EXISTING_ROW: (2250, lambda db: db.insert("Fruit", 4, "date", 1), lambda _: None),
    Condition.DELETE_MISSING_ROW: (2251, lambda db: db.delete("Fruit", 2), lambda _: None),
    Condition.CHANGE_MISSING_ROW: (2254, lambda db: db.delete("Fruit", 3), lambda db: db.delete("Fruit", 3)),
    Condition.DELETE_MISSING_TABLE: (2253, lambda db: db.remove_table("Property"), lambda _: None),
    Condition.ADD_EXISTING_TABLE: (
        2252, lambda db: db.add_table(Table("Tree", (Column("Tree", "s32", key=True), Column("Height", "I2")))),
        lambda _: None,
    ),
    Condition.CHANGE_CODEPAGE: (2222, lambda db: setattr(db, "codepage", 1250), lambda _: None),
}  # fmt: skip


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_condition_is_an_error_unless_it_is_suppressed(condition: Condition) -> None:
    number, before, after = CONDITIONS[condition]
    database, wanted = orchard(), later()
    before(database)
    known = content(database)
    with pytest.raises(MsiError) as failure:
        database.apply_transform(file_of(FORM, DATA), ~condition & Condition(0x3F))
    assert (failure.value.number, failure.value.status) == (number, 1624)
    assert content(database) == known
    database.apply_transform(file_of(FORM, DATA), condition)
    after(wanted)
    assert content(database) == content(wanted)


def test_a_neutral_code_page_becomes_that_of_the_transform() -> None:
    database = orchard()
    database.codepage = 0
    database.apply_transform(file_of(FORM, DATA))
    assert database.codepage == 1252


@pytest.mark.parametrize(
    ("tables", "data", "message"),
    [
        ({"Fruit": words(0)[:1]}, {}, "does not fit its columns"),
        ({"Fruit": words(0x0201, 0x8001)}, {}, "does not fit its columns"),
        ({"Fruit": words(0x0501, 1, 1, 1, 1, 1)}, {}, "does not fit its columns"),
        ({"Fruit": words(0x0001)}, {}, "does not fit its columns"),
        ({"Fruit": words(0x0201, 0x8009, 77)}, {}, "string 77, which is not there"),
        ({"Nothing": words(0, 1)}, {}, "2205"),
        ({"Picture": words(0x0201, 0x8009, 1)}, {}, "2247"),
        ({"_Tables": words(0x0101, "Tree")}, {}, "2226"),
        ({"_Columns": words(0x0401, "Tree", 0, "Tree", 0xAD20)}, {}, "2205"),
        ({"_Columns": words(0x0401, "Fruit", 0x8004, "Height", 0xAD20)}, {}, "2256"),
        ({"_Columns": words(0, "Fruit", 0x8002)}, {}, "2226"),
        ({"_Columns": words(0b1000, "Fruit", 0x8002, 0x9502)}, {}, "2226"),
        ({"_Tables": words(0x0101, "Tree"), "_Columns": words(*(0x0401, "Tree", 0, "Tree", 0xAD20) * 2)}, {}, "2226"),
        ({"_Tables": words(0x0101, "Tree"), "_Columns": words(0x0401, "Tree", 0, "Tree", 0x8D20)}, {}, "no key"),
    ],
)
def test_a_transform_that_does_not_fit_is_refused(
    tables: dict[str, bytes], data: dict[str, bytes], message: str
) -> None:
    database = orchard()
    known = content(database)
    with pytest.raises(WixpyError, match=message) as failure:
        database.apply_transform(file_of(tables, data))
    assert failure.value.hint
    assert content(database) == known


def test_what_no_row_names_is_left_out_and_told() -> None:
    one, two = orchard(), later()
    one.streams["one.cab"], two.streams["one.cab"] = b"1", b"2"
    two.streams["two.cab"] = b"3"
    two.storages["inner"] = orchard().to_bytes()
    assert left_out(one, two) == ["inner", "one.cab", "two.cab"]
    made = two.generate_transform(one)
    assert made is not None
    one.apply_transform(made)
    assert dict(one.streams) == {**dict(later().streams), "one.cab": b"1"}

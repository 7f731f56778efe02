# SPDX-License-Identifier: MIT
"""Statements of Windows Installer's SQL: what they find, what they change, what is refused."""

from __future__ import annotations

import time

import pytest

from wixpy import cfb
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.msi_errors import MsiError, Status
from wixpy.store import Store, Value
from wixpy.tables import Column, Table
from wixpy.view import ModifyMode, View

from .sqlkit import record, run, shop

FOUND = [
    ("SELECT `Item` FROM `Item`", ["apple", "bread", "cake", "dill"]),
    ("select Item from Item where Price > 3", ["bread"]),
    ("SELECT `Item`.`Item` FROM `Item` WHERE `Item`.`Price` >= 3 AND `Price` <> 4", ["apple"]),
    ("SELECT `Item` FROM `Item` WHERE `Price` IS NULL", ["cake"]),
    ("SELECT `Item` FROM `Item` WHERE `Price` IS NOT NULL AND `Price` < 0", ["dill"]),
    ("SELECT `Item` FROM `Item` WHERE `Item` = 'apple' OR `Price` = 4 AND `Shelf_` = 's1'", ["apple"]),
    ("SELECT `Item` FROM `Item` WHERE (`Item` = 'apple' OR `Price` = 4) AND `Shelf_` = 's2'", ["bread"]),
    ("SELECT `Item` FROM `Item` WHERE `Shelf_` = ''", ["cake"]),
    ("SELECT `Item` FROM `Item` WHERE `Shelf_` <> 's1'", ["bread", "cake"]),
    ("SELECT `Price` FROM `Item` ORDER BY `Price`", [None, -1, 3, 4]),
    ("SELECT `Item` FROM `Item` WHERE `Price`>-2 ORDER BY `Shelf_`, `Item`", ["apple", "dill", "bread"]),
    ("SELECT DISTINCT `Shelf_` FROM `Item`", ["s1", "s2", None]),
    ("SELECT `Item` FROM `Item`, `Shelf` WHERE `Shelf_` = `Shelf` AND `Floor` = 1", ["apple", "dill"]),
    ("SELECT `Note` FROM `Shelf`, `Item` WHERE `Item`.`Shelf_` = `Shelf`.`Shelf` AND `Price` = 4", ["top"]),
    ("SELECT `Item` FROM `Item`, `Shelf` WHERE `Shelf_` = `Shelf` AND `Price` = `Floor`", []),
    ("SELECT `Floor` FROM `Shelf` WHERE `Shelf` = 's2'", [70_000]),
    ("SELECT 'ß-розпад' FROM `Shelf`", ["ß-розпад"] * 3),
    ("SELECT DISTINCT -7, `Item` FROM `Item` WHERE `Price` > 3", [-7]),
    ("SELECT `Name` FROM `_Tables`", ["Item", "Shelf"]),
    ("SELECT `Name` FROM `_Columns` WHERE `Table` = 'Shelf' AND `Number` > 1", ["Floor", "Note"]),
]


@pytest.mark.parametrize(("sql", "expected"), FOUND, ids=[sql for sql, _ in FOUND])
def test_a_select_finds(sql: str, expected: list[Value]) -> None:
    assert [row[0] for row in run(shop(), sql)] == expected


def test_an_asterisk_is_every_column_of_every_table() -> None:
    assert run(shop(), "SELECT * FROM `Item`, `Shelf` WHERE `Shelf_` = `Shelf` AND `Item` = 'bread'") == [
        ("bread", 4, "s2", "s2", 70_000, "top")
    ]


def test_tables_without_a_link_are_multiplied() -> None:
    assert len(run(shop(), "SELECT `Item`, `Shelf` FROM `Item`, `Shelf`")) == 12


def test_constants_stand_in_the_place_of_columns() -> None:
    view = View(shop(), "SELECT `Item`, NULL, 'x', 5, `Price` FROM `Item` WHERE `Price` = 4")
    assert view.GetColumnInfo(0).values == ["Item", None, None, None, "Price"]
    assert view.GetColumnInfo(1).values == ["s72", "f0", "f0", "f0", "I2"]
    view.Execute()
    found = view.Fetch()
    assert found
    assert found.values == ["bread", None, "x", 5, 4]
    found.SetString(3, "y")
    found.SetInteger(5, 6)
    view.Modify(ModifyMode.UPDATE, found)
    view.Modify(ModifyMode.REFRESH, found)
    assert found.values == ["bread", None, "x", 5, 6]
    with pytest.raises(MsiError, match="2227"):
        View(shop(), "SELECT ? FROM `Item`")


def test_markers_take_the_fields_of_the_record_in_order() -> None:
    sql = "SELECT `Item` FROM `Item` WHERE `Price` = ? OR `Shelf_` = ?"
    assert run(shop(), sql, 4, "s1") == [("apple",), ("bread",), ("dill",)]
    assert run(shop(), sql, None, "nowhere") == [("cake",)]


def test_update_changes_the_rows_that_match() -> None:
    store = shop()
    run(store, "UPDATE `Item` SET `Price` = 9, `Shelf_` = '' WHERE `Shelf_` = ?", "s1")
    assert run(store, "SELECT * FROM `Item` WHERE `Price` = 9") == [("apple", 9, None), ("dill", 9, None)]


def test_update_over_a_join_changes_the_table_of_the_column() -> None:
    store = shop()
    run(store, "UPDATE `Item`, `Shelf` SET `Note` = 'x' WHERE `Shelf_` = `Shelf` AND `Price` = 3")
    assert run(store, "SELECT `Shelf`, `Note` FROM `Shelf`") == [("s1", "x"), ("s2", "top"), ("s3", "empty")]


def test_update_of_two_tables_finds_its_rows_once() -> None:
    store = shop()
    run(store, "UPDATE `Item`, `Shelf` SET `Price` = 0, `Floor` = 5 WHERE `Shelf_` = `Shelf` AND `Price` = 3")
    assert run(store, "SELECT `Item`, `Price` FROM `Item` WHERE `Price` = 0") == [("apple", 0)]
    assert run(store, "SELECT `Shelf` FROM `Shelf` WHERE `Floor` = 5") == [("s1",)]


def test_delete_removes_the_rows_that_match() -> None:
    store = shop()
    run(store, "DELETE FROM `Item` WHERE `Price` IS NULL OR `Price` < 0")
    assert run(store, "SELECT `Item` FROM `Item`") == [("apple",), ("bread",)]
    run(store, "DELETE FROM `Item`")
    assert run(store, "SELECT `Item` FROM `Item`") == []


def test_numbers_become_text_and_text_numbers_where_the_column_asks() -> None:
    store = shop()
    run(store, "INSERT INTO `Item` (`Item`, `Price`) VALUES (?, ?)", 12, "-7")
    assert run(store, "SELECT `Item`, `Price` FROM `Item` WHERE `Item` = '12'") == [("12", -7)]


TYPES = {
    "CHAR": "S0", "CHAR(20) NOT NULL": "s20", "CHARACTER(255)": "S255", "LONGCHAR": "S0", "SHORT": "I2", "INT": "I2",
    "INTEGER NOT NULL": "i2", "LONG": "I4", "OBJECT": "V0", "CHAR(3) NOT NULL LOCALIZABLE": "l3",
    "LONGCHAR LOCALIZABLE": "L0", "CHAR(5) TEMPORARY": "G5", "LONG NOT NULL TEMPORARY": "j4",
    "CHAR(5) NOT NULL TEMPORARY LOCALIZABLE": "g5", "OBJECT TEMPORARY": "O0", "SHORT LOCALIZABLE": "I2",
}  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), TYPES.items(), ids=TYPES.keys())
def test_column_types(words: str, expected: str) -> None:
    store = Store(Database())
    run(store, f"CREATE TABLE `T` (`K` SHORT NOT NULL, `C` {words} PRIMARY KEY `K`) HOLD")
    view = View(store, "SELECT `C` FROM `T`")
    assert view.GetColumnInfo(0).values == ["C"]
    assert view.GetColumnInfo(1).values == [expected]


def test_a_column_is_added_and_null_in_old_rows() -> None:
    store = shop()
    run(store, "ALTER TABLE `Item` ADD `Colour` CHAR(9)")
    run(store, "INSERT INTO `Item` (`Item`, `Colour`) VALUES ('egg', 'white')")
    assert run(store, "SELECT `Item`, `Colour` FROM `Item` WHERE `Item` = 'egg' OR `Item` = 'apple'") == [
        ("apple", None),
        ("egg", "white"),
    ]
    back = Database.parse(store.persistent().to_bytes())
    assert [column.type for column in back.tables["Item"].columns] == ["s72", "I2", "S72", "S9"]


def test_a_dropped_table_is_gone_with_its_streams() -> None:
    store = Store(Database())
    run(store, "CREATE TABLE `B` (`N` CHAR(9) NOT NULL, `D` OBJECT NOT NULL PRIMARY KEY `N`)")
    run(store, "INSERT INTO `B` (`N`, `D`) VALUES ('x', ?)", b"data")
    assert run(store, "SELECT * FROM `_Streams`") == [("B.x", b"data")]
    run(store, "DROP TABLE `B`")
    assert store.database.streams == {}
    assert run(store, "SELECT * FROM `_Tables`") == []


def test_streams_are_added_replaced_and_removed() -> None:
    store = shop()
    run(store, "INSERT INTO _Streams (Name, Data) VALUES ('a.cab', ?)", b"one")
    run(store, "UPDATE `_Streams` SET `Data` = ? WHERE `Name` = 'a.cab'", b"two")
    assert run(store, "SELECT `Data` FROM `_Streams` WHERE `Name` = 'a.cab'") == [(b"two",)]
    run(store, "DELETE FROM `_Streams` WHERE `Name` = 'a.cab'")
    assert store.database.streams == {}


def test_a_storage_comes_back_from_the_file() -> None:
    store = shop()
    inner = shop().database.to_bytes()
    run(store, "INSERT INTO `_Storages` (`Name`, `Data`) VALUES ('nested', ?)", inner)
    back = Store(Database.parse(store.database.to_bytes()))
    assert run(back, "SELECT * FROM `_Storages`") == [("nested", inner)]
    # Unlike those of streams, as Windows Installer and IStorage::OpenStorage have them.
    assert "nested" in cfb.CompoundFile(store.database.to_bytes()).root.children
    for name, data in (("bad", b"no compound file"), ("a/b", inner), ("x" * 32, inner)):
        with pytest.raises(MsiError, match="2259"):
            run(store, "INSERT INTO `_Storages` (`Name`, `Data`) VALUES (?, ?)", name, data)


def test_a_file_that_defines_a_system_table_does_not_confuse() -> None:
    database = Database()
    database.add_table(Table("_Streams", (Column("A", "i2", key=True), Column("B", "I2"), Column("C", "I2"))))
    database.insert("_Streams", 1, 2, 3)
    store = Store(Database.parse(database.to_bytes()))
    assert run(store, "SELECT * FROM `_Streams`") == []


def test_temporary_rows_are_not_saved() -> None:
    store = shop()
    run(store, "INSERT INTO `Item` (`Item`, `Price`) VALUES ('gone', 1) TEMPORARY")
    assert len(run(store, "SELECT * FROM `Item`")) == 5
    assert Database.parse(store.persistent().to_bytes()).get("Item", "gone") is None
    assert len(run(store, "SELECT * FROM `Item`")) == 5


def test_temporary_columns_live_while_they_are_held() -> None:
    store = shop()
    run(store, "ALTER TABLE `Item` ADD `Seen` SHORT TEMPORARY HOLD")
    run(store, "ALTER TABLE `Item` ADD `Kept` SHORT")
    run(store, "UPDATE `Item` SET `Seen` = 1, `Kept` = 2 WHERE `Item` = 'cake'")
    saved = Database.parse(store.persistent().to_bytes())
    assert list(saved.tables["Item"].index) == ["Item", "Price", "Shelf_", "Kept"]
    assert saved.rows("Item")[2]["Kept"] == 2
    run(store, "ALTER TABLE `Item` HOLD")
    run(store, "ALTER TABLE `Item` FREE")
    assert run(store, "SELECT `Seen` FROM `Item` WHERE `Kept` = 2") == [(1,)]
    run(store, "ALTER TABLE `Item` FREE")
    assert run(store, "SELECT * FROM `Item` WHERE `Item` = 'cake'") == [("cake", None, None, 2)]


def test_a_temporary_table_needs_a_hold_to_outlive_its_view() -> None:
    store = Store(Database())
    columns = "(`A` SHORT NOT NULL TEMPORARY, `B` CHAR(9) TEMPORARY PRIMARY KEY `A`)"
    view = View(store, f"CREATE TABLE `T` {columns}")
    view.Execute()
    run(store, "INSERT INTO `T` (`A`) VALUES (1)")
    assert run(store, "SELECT `A` FROM `T`") == [(1,)]
    view.Close()
    with pytest.raises(MsiError, match="2228"):
        run(store, "SELECT `A` FROM `T`")
    run(store, f"CREATE TABLE `T` {columns} HOLD")
    run(store, "INSERT INTO `T` (`A`) VALUES (1)")
    assert Database.parse(store.persistent().to_bytes()).tables == {}


REFUSED = {
    "": 2237,
    "FETCH x": 2237,
    "SELECT FROM `Item`": 2233,
    "SELECT `Item`": 2238,
    "SELECT `Item` FROM `Nothing`": 2228,
    "SELECT `Item` FROM `item`": 2228,
    "SELECT `Item` FROM `Item`, `Item`": 2230,
    "SELECT `Nothing` FROM `Item`": 2235,
    "SELECT `Shelf`.`Floor` FROM `Item`": 2235,
    "SELECT `A` FROM `Item` x": 2232,
    "SELECT `Item` FROM `Item` ORDER BY": 2234,
    "SELECT `Item` FROM `Item` WHERE (`Price` = 1": 2231,
    "SELECT `Item` FROM `Item` WHERE `Price` LIKE 1": 2236,
    "SELECT `Item` FROM `Item` WHERE `Item` > 'a'": 2236,
    "SELECT `Item` FROM `Item` WHERE `Price` = 'a'": 2258,
    "SELECT `Item` FROM `Item` WHERE `Item` = 1": 2258,
    "SELECT `Item` FROM `Item`, `Shelf` WHERE `Item` = `Floor`": 2258,
    "SELECT `Item FROM `Item`": 2238,
    "SELECT `Item`, FROM `Item`": 2227,
    "SELECT `Item` FROM `Item` WHERE `Item` = 'it's'": 2232,
    "SELECT `Item` FROM `Item` WHERE `Price` = 99999999999": 2232,
    "SELECT `Item` FROM `Item` WHERE `Item` = ?": 2208,
    "SELECT `Item` FROM `Item`, `Shelf` WHERE `Price` < `Floor`": 2236,
    "SELECT `Item` FROM `Item`, `Shelf` WHERE `Item` <> `Shelf`": 2236,
    f"SELECT `Item` FROM `Item` WHERE `Price` = 1{' OR `Price` = 2' * 32}": 2237,
    f"DELETE FROM `Item` WHERE {'(`Price` = 1 AND ' * 32}`Price` = 1{')' * 32}": 2237,
    "SELECT * FROM `Item`, `Shelf`, `_Streams` WHERE `Item` = `Shelf` AND `Shelf` = `Name` AND `Name` = `Item`": 2237,
    "SELECT `Item` FROM `Item` WHERE 1 = `Price`": 2227,
    "SELECT `Data` FROM `_Streams` WHERE `Data` = 'a'": 2236,
    "INSERT INTO `Item` (`Item`, `Price`) VALUES ('a')": 2239,
    "INSERT INTO `Item` (*) VALUES ('a')": 2241,
    "INSERT INTO `_Streams` (`Name`, `Data`) VALUES ('a', 'b')": 2210,
    "INSERT INTO `Item` (`Item`) VALUES ('a') TEMPORARY HOLD": 2232,
    "INSERT INTO `Item` () VALUES ('a')": 2241,
    "INSERT INTO `Item` (`Item`, `Item`) VALUES ('a', 'b')": 2242,
    "INSERT INTO `Item` (`Item`) VALUES ('apple')": 2259,
    "INSERT INTO `Item` (`Price`) VALUES (1)": 2220,
    "INSERT INTO `Item` (`Item`, `Price`) VALUES ('a', 32768)": 2220,
    "INSERT INTO `Item` (`Item`, `Price`) VALUES ('a', 'b')": 2210,
    "INSERT INTO `_Tables` (`Name`) VALUES ('a')": 2257,
    "UPDATE `Item` SET `Item` = 'b'": 2259,
    "UPDATE `Item` SET": 2240,
    "DELETE `Item`": 2238,
    "DELETE FROM `_Columns`": 2257,
    "CREATE TABLE `Item` (`A` SHORT NOT NULL PRIMARY KEY `A`)": 2204,
    "CREATE TABLE `_Tables` (`A` SHORT NOT NULL PRIMARY KEY `A`)": 2204,
    "CREATE TABLE `T` (`A` SHORT NOT NULL)": 2243,
    "CREATE TABLE `T` (`A` SHORT, `A` SHORT PRIMARY KEY `A`)": 2242,
    "CREATE TABLE `T` (`A` TEXT PRIMARY KEY `A`)": 2244,
    "CREATE TABLE `T` (`A` CHAR(256) PRIMARY KEY `A`)": 2244,
    "CREATE TABLE `T` (`A` SHORT PRIMARY KEY `B`)": 2235,
    "CREATE TABLE `T` (`A` SHORT, `B` SHORT PRIMARY KEY `B`)": 2211,
    "CREATE TABLE `T` (`A` SHORT, `B` OBJECT, `C` OBJECT PRIMARY KEY `A`)": 2211,
    "CREATE TABLE `T` (`A` SHORT TEMPORARY, `B` SHORT PRIMARY KEY `A`)": 2211,
    f"CREATE TABLE `{'T' * 32}` (`A` SHORT PRIMARY KEY `A`)": 2227,
    f"CREATE TABLE `T` (`{'A' * 65}` SHORT PRIMARY KEY `{'A' * 65}`)": 2227,
    f"CREATE TABLE `T` (`C` SHORT, {', '.join(f'`C{n}` SHORT' for n in range(32))} PRIMARY KEY `C`)": 2211,
    "CREATE TABLE `T` (`A` CHAR LOCALIZABLE NOT NULL PRIMARY KEY `A`)": 2232,
    "ALTER TABLE `Item` ADD `Nothing`": 2244,
    "ALTER TABLE `Item` ADD `Price` SHORT": 2242,
    "ALTER TABLE `Nothing` HOLD": 2228,
    "DROP TABLE `Nothing`": 2228,
    "DROP TABLE `_Streams`": 2206,
}


@pytest.mark.parametrize(("sql", "number"), REFUSED.items(), ids=REFUSED.keys())
def test_what_is_wrong_is_refused_by_number_and_changes_nothing(sql: str, number: int) -> None:
    store = shop()
    before = store.database.digest()
    with pytest.raises(MsiError) as caught:
        run(store, sql)
    assert caught.value.number == number
    assert store.database.digest() == before


def test_32_comparisons_are_not_too_many() -> None:
    assert run(shop(), f"SELECT `Item` FROM `Item` WHERE `Price` = 3{' AND `Price` <> 2' * 31}") == [("apple",)]


def test_two_tables_may_be_linked_twice() -> None:
    joined = "SELECT `Item` FROM `Item`, `Shelf`, `_Streams` WHERE `Item` = `Shelf` AND `Shelf_` = `Shelf`"
    assert run(shop(), joined) == []


def test_an_error_reads_as_the_record_and_has_the_sentence_as_its_hint() -> None:
    with pytest.raises(MsiError) as caught:
        run(shop(), "SELECT * FROM `Itme`")
    assert str(caught.value) == "1: 2228 2:  3: Itme 4: SELECT * FROM `Itme` "
    assert caught.value.hint == "Unknown table 'Itme' in SQL query: SELECT * FROM `Itme`."
    assert caught.value.status is Status.BAD_QUERY_SYNTAX
    assert isinstance(caught.value, WixpyError)


def test_a_read_only_store_refuses_every_change() -> None:
    store = Store(shop().database, writable=False)
    before = store.database.digest()
    for sql in (
        "INSERT INTO `Item` (`Item`) VALUES ('x')", "UPDATE `Item` SET `Price` = 1", "DELETE FROM `Item`",
        "CREATE TABLE `T` (`A` SHORT PRIMARY KEY `A`)", "ALTER TABLE `Item` ADD `X` SHORT", "DROP TABLE `Item`",
    ):  # fmt: skip
        with pytest.raises(MsiError, match="2212") as caught:
            run(store, sql)
        assert caught.value.status is Status.ACCESS_DENIED
    assert store.database.digest() == before


@pytest.fixture(scope="module")
def large() -> Database:
    """A database of 50,000 files in 500 components."""
    database = Database(1252)
    for number in range(500):
        database.insert("Component", f"c{number}", None, f"d{number % 7}", 0, None, f"f{number}")
    for number in range(50_000):
        database.insert(
            "File", f"f{number}", f"c{number % 500}", f"name{number}.txt", number, None, None, 512, number % 9
        )
    database.insert("Media", 1, 1, None, None, None, None)
    return database


def test_50000_rows_are_opened_and_queried_in_a_moment(large: Database) -> None:
    data = large.to_bytes()
    start = time.perf_counter()
    store = Store(Database.parse(data))
    assert run(store, "SELECT `FileSize` FROM `File` WHERE `File` = 'f49999'") == [(49_999,)]
    sql = "SELECT `File` FROM `File`, `Component` WHERE `Component_` = `Component` AND `Directory_` = 'd3'"
    assert len(run(store, sql)) == 7_100
    assert time.perf_counter() - start < 5  # half a second on a machine with nothing else to do


@pytest.mark.parametrize(
    ("sql", "most"),
    [
        ("SELECT `FileSize` FROM `File` WHERE `File` = ?", 1),
        ("SELECT `FileSize` FROM `File` WHERE `Sequence` IS NULL AND (`File` = ?)", 1),
        ("SELECT `File` FROM `Component`, `File` WHERE `Component_` = `Component` AND `Component` = ?", 51_000),
        ("SELECT `File` FROM `File`, `Component` WHERE `Component_` = `Component` AND `File` = ?", 2),
        ("SELECT `File` FROM `File`, `Media`, `Component` WHERE `Component_` = `Component` AND `File` = ?", 4),
    ],
)
def test_a_query_looks_at_no_more_rows_than_it_must(large: Database, sql: str, most: int) -> None:
    view = View(Store(large), sql)
    view.Execute(record("c7" if "`Component` = ?" in sql else "f7"))
    assert 0 < view.examined <= most

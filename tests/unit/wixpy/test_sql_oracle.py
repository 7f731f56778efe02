# SPDX-License-Identifier: MIT
"""Random statements against another database engine, SQLite, where the two dialects mean the same: no comparisons with
null, and text that is only compared for equality."""

from __future__ import annotations

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from wixpy.database import Database
from wixpy.store import Store

from .sqlkit import run

SCHEMA = {
    "Left": "CREATE TABLE `Left` (`K` SHORT NOT NULL, `A` SHORT, `S` CHAR(9), `N` SHORT PRIMARY KEY `K`)",
    "Pair": "CREATE TABLE `Pair` (`L` SHORT NOT NULL, `R` CHAR(9) NOT NULL, `B` LONG PRIMARY KEY `L`, `R`)",
    "Right": "CREATE TABLE `Right` (`R` CHAR(9) NOT NULL, `C` SHORT PRIMARY KEY `R`)",
}
COLUMNS = {"Left": ("K", "A", "S", "N"), "Pair": ("L", "R", "B"), "Right": ("R", "C")}
CHANGED = {"Left": "A", "Pair": "B", "Right": "C"}
NUMBERS = {"Left": ("K", "A"), "Pair": ("L", "B"), "Right": ("C",)}
TEXTS = {"Left": ("S",), "Pair": ("R",), "Right": ("R",)}
SMALL, WORD = st.integers(-2, 4), st.sampled_from("abc")
ROWS = {
    "Left": st.lists(st.tuples(SMALL, SMALL, WORD, st.none() | SMALL), unique_by=lambda row: row[0], max_size=6),
    "Pair": st.lists(st.tuples(SMALL, WORD, SMALL), unique_by=lambda row: row[:2], max_size=9),
    "Right": st.lists(st.tuples(WORD, SMALL), unique_by=lambda row: row[0], max_size=3),
}


@st.composite
def condition(draw: st.DrawFn, tables: tuple[str, ...]) -> str:
    """A condition on columns of the tables."""

    def column(kind: dict[str, tuple[str, ...]], among: tuple[str, ...] = tables) -> str:
        table = draw(st.sampled_from(among))
        return f"`{table}`.`{draw(st.sampled_from(kind[table]))}`"

    def one(depth: int) -> str:
        form = draw(st.sampled_from(["number", "text", "columns", "words", "null", "group"]))
        if form == "group" and depth < 3:
            joined = draw(st.sampled_from([" AND ", " OR "])).join(
                one(depth + 1) for _ in range(draw(st.integers(2, 3)))
            )
            return f"({joined})" if draw(st.booleans()) else joined
        if form == "text":
            return f"{column(TEXTS)} {draw(st.sampled_from(['=', '<>']))} '{draw(WORD)}'"
        if form in ("columns", "words"):
            # Tables side by side: a circle of joins is refused.
            start = draw(st.integers(0, max(0, len(tables) - 2)))
            kind = NUMBERS if form == "columns" else TEXTS
            return f"{column(kind, tables[start : start + 2])} = {column(kind, tables[start : start + 2])}"
        if form == "null" and "Left" in tables:
            return f"`N` IS {draw(st.sampled_from(['', 'NOT ']))}NULL"
        return f"{column(NUMBERS)} {draw(st.sampled_from(['=', '<>', '<', '>', '<=', '>=']))} {draw(SMALL)}"

    return one(0)


@st.composite
def statement(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["select", "select", "select", "update", "delete"]))
    count = draw(st.integers(1, 3)) if kind == "select" else 1
    tables = tuple(draw(st.permutations(list(COLUMNS)))[:count])
    where = f" WHERE {draw(condition(tables))}" if draw(st.booleans()) or count > 1 else ""
    if kind == "delete":
        return f"DELETE FROM `{tables[0]}`{where}"
    if kind == "update":
        return f"UPDATE `{tables[0]}` SET `{CHANGED[tables[0]]}` = {draw(SMALL)}{where}"
    names = [f"`{table}`.`{column}`" for table in tables for column in COLUMNS[table]]
    columns = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    distinct = draw(st.sampled_from(["", "DISTINCT "]))
    return f"SELECT {distinct}{', '.join(columns)} FROM {', '.join(f'`{table}`' for table in tables)}{where}"


@given(st.fixed_dictionaries(ROWS), st.lists(statement(), min_size=1, max_size=4))
@settings(max_examples=120, deadline=None)
def test_sqlite_finds_and_changes_the_same(rows: dict[str, list[tuple]], statements: list[str]) -> None:
    store, judge = Store(Database(65001)), sqlite3.connect(":memory:")
    for table, sql in SCHEMA.items():
        run(store, sql)
        columns, _, key = sql[:-1].partition(" PRIMARY KEY ")
        judge.execute(f"{columns}, PRIMARY KEY ({key}))")
        names = ", ".join(f"`{name}`" for name in COLUMNS[table])
        insert = f"INSERT INTO `{table}` ({names}) VALUES ({', '.join('?' * len(COLUMNS[table]))})"
        for row in rows[table]:
            run(store, insert, *row)
            judge.execute(insert, row)
    for sql in [*statements, *(f"SELECT * FROM `{table}`" for table in COLUMNS)]:
        assert sorted(run(store, sql), key=repr) == sorted(judge.execute(sql).fetchall(), key=repr), sql
    judge.close()

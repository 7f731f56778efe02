# SPDX-License-Identifier: MIT
"""Short forms for tests of SQL."""

from __future__ import annotations

from wixpy.database import Database
from wixpy.record import Record
from wixpy.store import Store, Value
from wixpy.view import View


def record(*values: Value) -> Record:
    made = Record(len(values))
    made.set_values(list(values))
    return made


def run(store: Store, sql: str, *values: Value) -> list[tuple[Value, ...]]:
    """Carry a statement out and fetch all of its result, if it has one."""
    view = View(store, sql)
    view.Execute(record(*values) if values else None)
    rows = []
    if view.has_result:
        while row := view.Fetch():
            rows.append(tuple(row.values))
    view.Close()
    return rows


def shop() -> Store:
    """Two small tables that belong together."""
    store = Store(Database(65001))
    run(store, "CREATE TABLE `Item` (`Item` CHAR(72) NOT NULL, `Price` SHORT, `Shelf_` CHAR(72) PRIMARY KEY `Item`)")
    run(store, "CREATE TABLE `Shelf` (`Shelf` CHAR(72) NOT NULL, `Floor` LONG, `Note` LONGCHAR PRIMARY KEY `Shelf`)")
    for row in (("apple", 3, "s1"), ("bread", 4, "s2"), ("cake", None, None), ("dill", -1, "s1")):
        run(store, "INSERT INTO `Item` (`Item`, `Price`, `Shelf_`) VALUES (?, ?, ?)", *row)
    for row in (("s1", 1, None), ("s2", 70_000, "top"), ("s3", 1, "empty")):
        run(store, "INSERT INTO `Shelf` (`Shelf`, `Floor`, `Note`) VALUES (?, ?, ?)", *row)
    return store

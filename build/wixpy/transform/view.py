# SPDX-License-Identifier: MIT
"""What a transform does, as rows of the table ``_TransformView`` (Windows Installer SDK, “_TransformView Table”).

A row names a table and a column, the key of a row with tabs between its parts, the data and what was there before.  In
place of a column is INSERT or DELETE for a row, CREATE or DROP for a table; a new column has its type and number for
data and what was before.
"""

from __future__ import annotations

from collections.abc import Iterator

from wixpy.database import COLUMNS, TABLES, Database
from wixpy.store import Store
from wixpy.tables import Cell, Column, Table, Values
from wixpy.transform.apply import apply
from wixpy.transform.format import Action, Transform
from wixpy.transform.validity import EVERY_CONDITION

VIEW = Table(
    "_TransformView",
    (
        Column("Table", "s64", key=True), Column("Column", "s64", key=True), Column("Row", "S0", key=True),
        Column("Data", "S0"), Column("Current", "S0"),
    ),
)  # fmt: skip


def view(transform: Transform, database: Database) -> Iterator[Values]:
    """The rows for a transform and the database that it is to be applied to; WixpyError when it is damaged."""
    changed = apply(transform, database, EVERY_CONDITION)
    for operation in transform.operations(TABLES):
        verb = "DROP" if operation.action is Action.DELETE else "CREATE"
        yield str(operation.cells[0]), verb, None, None, None
    for operation in transform.operations(COLUMNS):
        name, column = str(operation.cells[0]), operation.cells.get(2)
        if operation.action is Action.ADD and isinstance(column, str):
            index = changed.tables[name].index[column]
            yield name, column, None, _text(operation.cells[3]), str(index + 1)
    for name in sorted(transform.tables.keys() - {TABLES.name, COLUMNS.name}):
        table = changed.tables[name]
        for operation in transform.operations(table):
            key = operation.key(table)
            row = "\t".join(" " if cell is None else str(cell) for cell in key)
            if operation.action is not Action.CHANGE:
                yield name, "INSERT" if operation.action is Action.ADD else "DELETE", row, None, None
            before = database.get(name, *key) if name in database.tables else None
            for at, cell in operation.cells.items():
                column = table.columns[at].name
                if at >= table.key_count and (operation.action is Action.CHANGE or cell is not None):
                    current = before.get(column) if before and operation.action is Action.CHANGE else None
                    yield name, column, row, _text(cell), _text(current)


def show(transform: Transform, store: Store) -> None:
    """Put the rows into the table ``_TransformView`` of an open database, beside those that are there already.

    It is temporary and held: ``ALTER TABLE _TransformView FREE`` removes it.
    """
    rows = list(view(transform, store.database))
    if store.table(VIEW.name) is None:
        store.create(VIEW, {column.name for column in VIEW.columns})
        store.hold(VIEW.name, 1)
    store.database.cells(VIEW.name).update((row[: VIEW.key_count], row) for row in rows)


def _text(cell: Cell) -> str | None:
    return None if cell is None else str(cell)

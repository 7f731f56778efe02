# SPDX-License-Identifier: MIT
"""Transforms carried out on a database (MsiDatabaseApplyTransform)."""

from __future__ import annotations

from collections.abc import Mapping

from wixpy.database import COLUMNS, TABLES, Database
from wixpy.msi_errors import MsiError, Status
from wixpy.strings import NEUTRAL
from wixpy.tables import Cell, Column, Table, Values
from wixpy.transform.format import Action, Operation, Transform
from wixpy.transform.validity import Condition


def apply(transform: Transform, database: Database, suppressed: Condition = Condition.NONE) -> Database:
    """The database that a transform makes of ``database``, which stays as it is.

    ``suppressed`` are the conditions that are no errors: a row that is there already gets the transform's values then,
    and what changes or deletes something that is not there does nothing.  MsiError says which condition occurred,
    WixpyError what is wrong with a damaged transform.
    """
    return _Application(transform, database.copy(), suppressed).run()


class _Application:
    """One transform on its way into a database."""

    def __init__(self, transform: Transform, database: Database, suppressed: Condition) -> None:
        self._transform = transform
        self._database = database
        self._suppressed = suppressed

    def run(self) -> Database:
        self._adopt_codepage()
        self._tables()
        self._columns()
        for name in self._transform.tables:
            if name not in (TABLES.name, COLUMNS.name):
                self._rows(name)
        self._database.describe()
        return self._database

    def _meets(self, condition: Condition, number: int, said: str, *fields: object) -> None:
        """MsiError unless the condition is suppressed."""
        if condition not in self._suppressed:
            raise MsiError(
                Status.TRANSFORM_FAILURE, number, "", *fields,
                hint=f"{said}: the transform was made for another package",
            )  # fmt: skip

    def _adopt_codepage(self) -> None:
        own, other = self._database.codepage, self._transform.codepage
        if other in (NEUTRAL, own):
            return
        if own != NEUTRAL:
            said = f"the transform is in code page {other}, the package in {own}"
            self._meets(Condition.CHANGE_CODEPAGE, 2222, said, other, own)
        self._database.codepage = other

    def _tables(self) -> None:
        """Drop tables, and find which are new: their columns come with ``_Columns``."""
        self._new: set[str] = set()
        for operation in self._transform.operations(TABLES):
            name = str(operation.cells[0])
            is_there = name in self._database.tables
            if operation.action is Action.DELETE:
                if not is_there:
                    said = f"there is no table {name} to drop"
                    self._meets(Condition.DELETE_MISSING_TABLE, 2253, said, name)
                    continue
                for key in list(self._database.cells(name)):
                    self._database.delete(name, *key)
                self._database.remove_table(name)
            else:
                if is_there:
                    said = f"there is a table {name} already"
                    self._meets(Condition.ADD_EXISTING_TABLE, 2252, said, name)
                self._new.add(name)

    def _columns(self) -> None:
        added: dict[str, list[Column]] = {}
        for operation in self._transform.operations(COLUMNS):
            table, name, bits = (operation.cells.get(at) for at in (0, 2, 3))
            if operation.action is Action.ADD and isinstance(name, str) and isinstance(bits, int):
                added.setdefault(str(table), []).append(Column.from_bits(name, bits))
            elif operation.action is not Action.DELETE or table in self._database.tables:
                raise self._fails(2226, f"the transform changes columns of {table} that are there")
        for name in {**added, **dict.fromkeys(sorted(self._new))}:
            columns = added.get(name, [])
            if name in self._database.tables:
                self._extend(self._database.tables[name], columns)
            elif name not in self._new:
                raise self._fails(2205, f"the transform adds columns to {name}, a table that is not there", name)
            elif not columns or len({column.name for column in columns}) < len(columns):
                raise self._fails(2226, f"the transform adds {name}, a table without columns or with equal ones")
            else:
                self._database.add_table(Table(name, tuple(columns)))

    @staticmethod
    def _fails(number: int, said: str, *fields: object) -> MsiError:
        return MsiError(
            Status.TRANSFORM_FAILURE, number, "", *fields,
            hint=f"{said}: the transform was made for another package, or is damaged",
        )  # fmt: skip

    def _extend(self, table: Table, columns: list[Column]) -> None:
        """Add columns to a table, null in every row; those of a table that was added too may be there already."""
        for column in columns:
            known = table.index.get(column.name)
            if known is None:
                if column.key:
                    raise self._fails(2256, f"the transform adds the key {column.name} to {table.name}", table.name)
                table = Table(table.name, (*table.columns, column))
            elif table.name not in self._new:
                said = f"table {table.name} has a column {column.name} already"
                raise self._fails(2255, said, table.name, column.name)
            elif table.columns[known].bits != column.bits:
                raise self._fails(
                    2248, f"column {column.name} of {table.name} is of another type", table.name, known + 1
                )
        rows = self._database.cells(table.name)
        nulls = (None,) * (len(table.columns) - len(self._database.tables[table.name].columns))
        self._database.tables[table.name] = table
        if nulls:
            rows.update({key: row + nulls for key, row in rows.items()})

    def _rows(self, name: str) -> None:
        if name not in self._database.tables:
            raise self._fails(2205, f"the transform changes {name}, a table that is not there", name)
        table = self._database.tables[name]
        for operation in self._transform.operations(table):
            self._row(table, operation)

    def _row(self, table: Table, operation: Operation) -> None:
        rows, key = self._database.cells(table.name), operation.key(table)
        words = " ".join(map(str, key))
        if operation.action is Action.ADD:
            if key in rows:
                self._meets(
                    Condition.ADD_EXISTING_ROW, 2250, f"table {table.name} has a row {words} already", table.name
                )
            self._put(table, key, {**dict.fromkeys(range(len(table.columns))), **operation.cells})
        elif key not in rows:
            is_deleted = operation.action is Action.DELETE
            condition = Condition.DELETE_MISSING_ROW if is_deleted else Condition.CHANGE_MISSING_ROW
            verb = "delete" if is_deleted else "change"
            said = f"table {table.name} has no row {words} to {verb}"
            self._meets(condition, 2251 if is_deleted else 2254, said, table.name)
        elif operation.action is Action.DELETE:
            self._database.delete(table.name, *key)
        else:
            self._put(table, key, operation.cells)

    def _put(self, table: Table, key: Values, cells: Mapping[int, Cell]) -> None:
        """Give a row these cells, and its streams with them."""
        rows, streams = self._database.cells(table.name), self._database.streams
        before = rows.get(key, (None,) * len(table.columns))
        row = tuple(cells.get(at, cell) for at, cell in enumerate(before))
        for at in cells:
            if not table.columns[at].is_binary:
                continue
            if before[at] is not None:
                streams.pop(str(before[at]), None)
            if row[at] is not None:
                if str(row[at]) not in self._transform.streams:
                    raise self._fails(2247, f"the transform lacks the data of {row[at]}")
                streams[str(row[at])] = self._transform.streams.blob(str(row[at]))
        rows[key] = row

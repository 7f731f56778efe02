# SPDX-License-Identifier: MIT
"""What SQL statements work on: a database, its system tables, and what is in it only while it is open.

System tables are ``_Tables`` and ``_Columns``, which may be read, and ``_Streams`` and ``_Storages``, which may be
changed too.  Temporary tables, columns and rows are never saved; the first two exist as long as they are held
(Windows Installer SDK, “SQL Syntax”, HOLD and FREE).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from copy import copy

from wixpy import cfb, names, summary
from wixpy.blob import Streams
from wixpy.database import COLUMNS, TABLES, Database
from wixpy.errors import WixpyError
from wixpy.msi_errors import MsiError, Status
from wixpy.sql.syntax import MAX_COLUMN_NAME, MAX_TABLE_NAME
from wixpy.strings import NEUTRAL, UTF8, codec
from wixpy.summary import Pid, Summary
from wixpy.tables import Cell, Column, Table, Values

Value = int | str | bytes | None

STREAMS = Table("_Streams", (Column("Name", "s62", key=True), Column("Data", "V0")))
STORAGES = Table("_Storages", (Column("Name", "s62", key=True), Column("Data", "V0")))
SYSTEM = {table.name: table for table in (TABLES, COLUMNS, STREAMS, STORAGES)}
MAX_COLUMNS = 32
WESTERN = 1252


class Store:
    """A database that is worked on; ``name`` is what error records call it."""

    def __init__(self, database: Database, *, writable: bool = True, name: str = "") -> None:
        self.database = database
        self.writable = writable
        self.closed = False
        self.name = name
        # Grows whenever a table is made, altered or dropped, so that prepared statements know.
        self.generation = 0
        self.holds: dict[str, int] = {}
        self.temporary_columns: dict[str, set[str]] = {}
        self.temporary_rows: dict[str, set[Values]] = {}

    def fail(self, number: int, *fields: object, status: Status = Status.FUNCTION_FAILED) -> MsiError:
        """An error of this database, to be raised."""
        return MsiError(status, number, self.name, *fields)

    def check_open(self) -> None:
        """MsiError when the database was closed."""
        if self.closed:
            raise MsiError(Status.INVALID_HANDLE)

    # What there is.

    def table(self, name: str) -> Table | None:
        """A table or system table."""
        return SYSTEM.get(name) or self.database.tables.get(name)

    def rows(self, name: str) -> Mapping[Values, Values]:
        """The rows of a table by key."""
        if name not in SYSTEM:
            if name not in self.database.tables:
                raise self.fail(2205, name)
            return self.database.cells(name)
        if name == TABLES.name:
            return {(table,): (table,) for table in self.database.tables}
        if name == COLUMNS.name:
            listed = ((t.name, n, c.name, c.bits) for t in self.database.tables.values() for n, c in _numbered(t))
            return {row[:2]: row for row in listed}
        found = [*self._content(name)]
        if name == STREAMS.name and self.database.summary:
            found.insert(0, names.SUMMARY_INFORMATION)
        return {(stream,): (stream, stream) for stream in found}

    def _content(self, name: str) -> MutableMapping[str, bytes]:
        return self.database.storages if name == STORAGES.name else self.database.streams

    def stream(self, table: Table, cell: Cell) -> bytes:
        """The data behind a cell of a binary column; empty when it is lost.  MsiError when it cannot be made."""
        if cell == names.SUMMARY_INFORMATION:
            try:
                return summary.encode(_summary_with_codepage(self.database.summary))
            except WixpyError as error:
                raise self.fail(2262, cell) from error
        return self._content(table.name).get(str(cell), b"")

    def is_temporary(self, table: Table, column: Column) -> bool:
        return column.name in self.temporary_columns.get(table.name, ())

    # Rows.

    def insert(self, table: Table, values: Sequence[Value], *, temporary: bool = False) -> Values:
        """Add a row; MsiError when its key is taken or a value does not fit."""
        self.allow_change(table)
        row, streams = self._row(table, values)
        key = row[: table.key_count]
        if key in self.rows(table.name):
            raise self.fail(2259)
        self._put(table, row, streams)
        if temporary and table.name not in SYSTEM:
            self.temporary_rows.setdefault(table.name, set()).add(key)
        return row

    def update(self, table: Table, key: Values, values: Sequence[Value]) -> Values:
        """Give the row with that key these values, whose key is the same; MsiError when there is no such row."""
        self.allow_change(table)
        if key not in self.rows(table.name):
            raise self.fail(2259)
        old = self.rows(table.name)[key]
        row, streams = self._row(table, values, old)
        if row[: table.key_count] != key:
            raise self.fail(2259)
        for column, before, after in zip(table.columns, old, row, strict=True):
            if column.is_binary and before is not None and after is None:
                self._content(table.name).pop(str(before), None)
        self._put(table, row, streams)
        return row

    def delete(self, table: Table, key: Values) -> None:
        """Remove the row with that key and its stream; MsiError when there is none."""
        self.allow_change(table)
        row = self.rows(table.name).get(key)
        if row is None:
            raise self.fail(2259)
        for column, cell in zip(table.columns, row, strict=True):
            if column.is_binary and cell is not None:
                self._content(table.name).pop(str(cell), None)
        if row[0] == names.SUMMARY_INFORMATION:
            self.database.summary = {}
        if table.name not in SYSTEM:
            del self.database.cells(table.name)[key]
            self.temporary_rows.get(table.name, set()).discard(key)

    def allow_change(self, table: Table) -> None:
        """MsiError when the rows of a table may not be changed."""
        if table in (TABLES, COLUMNS):
            raise self.fail(2257, table.name)
        if not self.writable:
            raise self.fail(2212, status=Status.ACCESS_DENIED)

    def _put(self, table: Table, row: Values, streams: dict[str, bytes]) -> None:
        if names.SUMMARY_INFORMATION in streams:
            self.database.summary = summary.decode(streams.pop(names.SUMMARY_INFORMATION))
        self._content(table.name).update(streams)
        if table.name not in SYSTEM:
            self.database.cells(table.name)[row[: table.key_count]] = row

    def _row(self, table: Table, values: Sequence[Value], old: Values | None = None) -> tuple[Values, dict[str, bytes]]:
        """The cells for these values, and the streams that they bring; what is as in ``old`` is not examined."""
        cells: list[Cell] = []
        streams: dict[str, bytes] = {}
        for position, (column, value) in enumerate(zip(table.columns, values, strict=True)):
            if old is not None and value == old[position] and not isinstance(value, bytes):
                cells.append(value)
            elif column.is_binary and isinstance(value, bytes):
                name = str(cells[0]) if table.name in SYSTEM else table.stream_name(cells)
                self._check_stream(table, name, value)
                streams[name] = value
                cells.append(name)
            else:
                cells.append(self.cell(column, value))
        if table.name in SYSTEM and cells[-1] is None:
            raise self.fail(2259)
        return tuple(cells), streams

    def cell(self, column: Column, value: Value) -> Cell:
        """``value`` as a cell of the column, text and numbers converted; MsiError when it does not fit."""
        if isinstance(value, bytes) or (column.is_binary and isinstance(value, int)):
            raise self.fail(2210, column.name, status=Status.INVALID_DATA)
        if column.is_string and isinstance(value, int):
            value = str(value)
        if column.is_integer and isinstance(value, str) and value:
            digits = value.removeprefix("-")
            if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
                raise self.fail(2210, column.name, status=Status.INVALID_DATA)
            value = int(value)
        try:
            accepted = column.accept(value)
        except ValueError:
            raise self.fail(2220, status=Status.INVALID_DATA) from None
        if column.is_binary and accepted is not None:
            raise self.fail(2210, column.name, status=Status.INVALID_DATA)
        return accepted

    def _check_stream(self, table: Table, name: str, content: bytes) -> None:
        try:
            if table is STORAGES:
                names.check_storage(name)
                cfb.CompoundFile(content)
            else:
                names.encode(name)
            if name == names.SUMMARY_INFORMATION:
                summary.decode(content)
        except WixpyError as error:
            raise self.fail(2259) from error

    # Tables.

    def create(self, table: Table, temporary: set[str]) -> None:
        """Define a table whose columns named in ``temporary`` are not saved."""
        if not self.writable:
            raise self.fail(2212, status=Status.ACCESS_DENIED)
        if self.table(table.name):
            raise self.fail(2204, table.name, status=Status.BAD_QUERY_SYNTAX)
        self._check_columns(table, temporary)
        try:
            names.encode(table.name, table=True)
            self.database.add_table(table)
        except WixpyError as error:
            raise self.fail(2211, table.name) from error
        self.temporary_columns[table.name] = temporary
        self.generation += 1

    def _check_columns(self, table: Table, temporary: set[str]) -> None:
        order = [column.name in temporary for column in table.columns]
        binary = sum(column.is_binary for column in table.columns)
        long = len(table.name) > MAX_TABLE_NAME or any(len(column.name) > MAX_COLUMN_NAME for column in table.columns)
        if long or order != sorted(order) or binary > 1 or len(order) > MAX_COLUMNS:
            raise self.fail(2211, table.name)

    def add_column(self, table: Table, column: Column, *, temporary: bool) -> None:
        """Add a column, null in every row; persistent ones go before temporary ones."""
        if not self.writable or table.name in SYSTEM:
            raise self.fail(2212, status=Status.ACCESS_DENIED)
        known = self.temporary_columns.setdefault(table.name, set())
        place = len(table.columns) if temporary else len(table.columns) - len(known)
        changed = Table(table.name, (*table.columns[:place], column, *table.columns[place:]))
        self._check_columns(changed, known | ({column.name} if temporary else set()))
        rows = self.database.cells(table.name)
        for key, row in rows.items():
            rows[key] = (*row[:place], None, *row[place:])
        self.database.tables[table.name] = changed
        self.generation += 1
        if temporary:
            known.add(column.name)

    def drop(self, table: Table) -> None:
        """Remove a table with all that is in it."""
        if table.name in SYSTEM:
            raise self.fail(2206, table.name)
        if not self.writable:
            raise self.fail(2212, status=Status.ACCESS_DENIED)
        for key in list(self.rows(table.name)):
            self.delete(table, key)
        self._forget(table.name)

    def _forget(self, name: str) -> None:
        self.database.remove_table(name)
        self.generation += 1
        self.holds.pop(name, None)
        self.temporary_columns.pop(name, None)
        self.temporary_rows.pop(name, None)

    def hold(self, name: str, step: int) -> None:
        """Change the count of holds; at zero the temporary columns go, and a table that has no others."""
        count = self.holds[name] = max(0, self.holds.get(name, 0) + step)
        known = self.temporary_columns.get(name, set())
        if count or not known or name not in self.database.tables:
            return
        table = self.database.tables[name]
        kept = len(table.columns) - len(known)
        if not kept:
            self._forget(name)
            return
        self.database.tables[name] = _first_columns(table, kept)
        self.generation += 1
        rows = self.database.cells(name)
        for key, row in rows.items():
            rows[key] = row[:kept]
        known.clear()

    def adopt(self, database: Database) -> None:
        """Go on with another database's content in place of the own."""
        if not self.writable:
            raise self.fail(2212, status=Status.ACCESS_DENIED)
        self.database = database
        self.generation += 1

    # Saving.

    def persistent(self) -> Database:
        """The database without what is temporary; the database itself when nothing is."""
        if not any(self.temporary_columns.values()) and not any(self.temporary_rows.values()):
            return self.database
        saved = Database(self.database.codepage)
        saved.summary = self.database.summary
        saved.clsid = self.database.clsid
        saved.sector = self.database.sector
        saved.storages = self.database.storages
        saved.streams = Streams(self.database.streams.blobs())
        for name, table in self.database.tables.items():
            kept = len(table.columns) - len(self.temporary_columns.get(name, ()))
            gone = self.temporary_rows.get(name, set()) if kept else self.rows(name)
            for key in gone:
                self._drop_streams(saved, table, self.rows(name)[key])
            if kept:
                saved.add_table(_first_columns(table, kept))
                saved.cells(name).update((k, row[:kept]) for k, row in self.rows(name).items() if k not in gone)
        return saved

    def to_save(self) -> Database:
        """What is saved: what is persistent, with code pages for text where none are given.

        They are western Windows', or UTF-8 where that lacks a character.
        """
        saved = copy(self.persistent())
        saved.summary = _summary_with_codepage(saved.summary)
        if saved.codepage == NEUTRAL:
            cells = (cell for name in saved.tables for row in saved.cells(name).values() for cell in row)
            saved.codepage = _codepage(cell for cell in cells if isinstance(cell, str))
        return saved

    @staticmethod
    def _drop_streams(saved: Database, table: Table, row: Values) -> None:
        for column, cell in zip(table.columns, row, strict=True):
            if column.is_binary and cell is not None:
                saved.streams.pop(str(cell), None)


def _summary_with_codepage(given: Summary) -> Summary:
    if given.get(Pid.CODEPAGE, NEUTRAL) != NEUTRAL:
        return dict(given)
    codepage = _codepage(value for value in given.values() if isinstance(value, str))
    return {**given, Pid.CODEPAGE: codepage} if codepage != NEUTRAL else dict(given)


def _codepage(texts: Iterable[str]) -> int:
    """The code page for texts: none for ASCII, else the western one, else UTF-8."""
    text = "".join(text for text in texts if not text.isascii())
    try:
        text.encode(codec(WESTERN))
    except UnicodeEncodeError:
        return UTF8
    return WESTERN if text else NEUTRAL


def _numbered(table: Table) -> list[tuple[int, Column]]:
    return list(enumerate(table.columns, 1))


def _first_columns(table: Table, count: int) -> Table:
    return Table(table.name, table.columns[:count])

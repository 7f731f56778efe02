# SPDX-License-Identifier: MIT
"""Views: a statement that is carried out, its result fetched, its rows modified (Windows Installer SDK, “Working with
Queries”, MsiViewExecute, MsiViewFetch, MsiViewModify, MsiViewGetColumnInfo).

A view shows the rows that were there when it was executed, with the values that they have when they are fetched;
rows deleted meanwhile are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from wixpy import validate
from wixpy.msi_errors import MsiError, Status
from wixpy.record import Record, as_integer
from wixpy.sql.plan import Joined
from wixpy.sql.statements import Output, Result, prepare
from wixpy.store import SYSTEM, Store, Value
from wixpy.tables import Column, Table, Values


class ColumnInfo(IntEnum):
    """What GetColumnInfo is asked for."""

    NAMES = 0
    TYPES = 1


class ModifyMode(IntEnum):
    """What Modify does with a record.

    >>> from wixpy.database import Database
    >>> store = Store(Database())
    >>> _ = store.database.insert("Property", "A", "1")
    >>> view = View(store, "SELECT * FROM `Property`")
    >>> view.Execute()
    >>> record = view.Fetch()
    >>> record.SetString(2, "2")
    >>> view.Modify(ModifyMode.UPDATE, record)
    >>> store.database.property("A")
    '2'
    """

    SEEK = -1
    REFRESH = 0
    INSERT = 1
    UPDATE = 2
    ASSIGN = 3
    REPLACE = 4
    MERGE = 5
    DELETE = 6
    INSERT_TEMPORARY = 7
    VALIDATE = 8
    VALIDATE_NEW = 9
    VALIDATE_FIELD = 10
    VALIDATE_DELETE = 11


@dataclass(frozen=True)
class _Origin:
    """Where a fetched record comes from: a result, and the keys of its rows."""

    result: Result
    keys: Joined


class View:
    """A statement on a store; MsiError when it cannot be.

    >>> from wixpy.database import Database
    >>> store = Store(Database())
    >>> view = View(store, "CREATE TABLE `Fruit` (`Name` CHAR(72) NOT NULL, `Count` SHORT PRIMARY KEY `Name`)")
    >>> view.Execute()
    >>> view = View(store, "INSERT INTO `Fruit` (`Name`, `Count`) VALUES ('apple', ?)")
    >>> count = Record(1)
    >>> count.SetInteger(1, 3)
    >>> view.Execute(count)
    >>> view = View(store, "SELECT * FROM `Fruit` WHERE `Count` > 2")
    >>> view.Execute()
    >>> list(view)
    [<Record 'apple', 3>]

    >>> view.GetColumnInfo(ColumnInfo.NAMES), view.GetColumnInfo(ColumnInfo.TYPES)
    (<Record 'Name', 'Count'>, <Record 's72', 'I2'>)
    >>> view.Execute()
    >>> record = view.Fetch()
    >>> record.SetInteger(2, 4)
    >>> view.Modify(ModifyMode.UPDATE, record)
    >>> view.GetError()
    (0, '')
    >>> view.Close()
    """

    def __init__(self, store: Store, sql: str) -> None:
        self._store = store
        self._prepared = prepare(store, sql)
        self._result: Result | None = None
        self._rows: Iterator[Joined] | None = None
        self._holding = False
        self._faults: list[tuple[int, str]] = []

    def __del__(self) -> None:
        if getattr(self, "_holding", False):
            self.Close()

    @property
    def has_result(self) -> bool:
        """Whether the statement is one that finds rows."""
        return bool(self._prepared.outputs)

    @property
    def examined(self) -> int:
        """How many rows the conditions were tested on so far: the work that was done."""
        return self._prepared.plan.examined if self._prepared.plan else 0

    def Execute(self, params: Record | None = None) -> None:
        """Carry the statement out; the fields of ``params`` take the places of the question marks."""
        if params is not None and not isinstance(params, Record):
            raise TypeError("Execute argument must be a record")
        self._store.check_open()
        self.Close()
        if not self._prepared.is_current:
            self._prepared = prepare(self._store, self._prepared.query.text)
        self._result = self._prepared.run(params.values if params else ())
        self._rows = iter(self._result.found) if self._result else None
        self._holding = self._prepared.held is not None

    def Close(self) -> None:
        """End the execution; the view may be executed again."""
        self._result = self._rows = None
        if self._holding and self._prepared.held:
            self._holding = False
            self._store.hold(self._prepared.held, -1)

    def GetColumnInfo(self, kind: int) -> Record:
        """Names (``ColumnInfo.NAMES``) or types, such as ``s72`` or ``I4``, of the result's columns as a record.

        A type is a letter and a width: ``s`` text, ``l`` localizable text, ``i`` number, ``v`` data, ``g``, ``j``
        and ``o`` text, number and data of a temporary column; a capital letter allows null.
        """
        self._store.check_open()
        if kind not in set(ColumnInfo):
            raise MsiError(Status.INVALID_PARAMETER)
        outputs = self._prepared.outputs
        if not outputs:
            raise MsiError(Status.FUNCTION_FAILED)
        record = Record(len(outputs))
        for number, output in enumerate(outputs, 1):
            record.SetString(number, self._type(output) if kind == ColumnInfo.TYPES else output.column.name)
        return record

    def _type(self, output: Output) -> str:
        if output.table is None or not self._store.is_temporary(output.table, output.column):
            return output.column.type
        return output.column.type.translate(str.maketrans("slSLiIvV", "ggGGjJoO"))

    def Fetch(self) -> Record | None:
        """The next row as a record, None after the last."""
        self._store.check_open()
        if self._rows is None:
            raise self._store.fail(2209)
        assert self._result
        self._check_tables(self._result)
        for rows in self._rows:
            keys = self._keys(rows)
            current = self._current(keys, rows)
            if current is not None:
                record = Record(len(self._result.outputs))
                self._fill(record, self._result, keys, current)
                return record
        return None

    def _check_tables(self, result: Result) -> None:
        """MsiError when a table of the result was altered or dropped: its rows have another form now."""
        if any(self._store.table(table.name) is not table for table in result.scope.tables):
            raise self._store.fail(2209)

    def __iter__(self) -> Iterator[Record]:
        """The rows that are still to be fetched.  Beyond msilib."""
        while (record := self.Fetch()) is not None:
            yield record

    def _keys(self, rows: Joined) -> Joined:
        assert self._result
        return tuple(row[: table.key_count] for table, row in zip(self._result.scope.tables, rows, strict=True))

    def _current(self, keys: Joined, found: Joined | None = None) -> Joined | None:
        """The rows of the tables with these keys as they are now; None when one is gone."""
        assert self._result
        rows: list[Values] = []
        for position, (table, key) in enumerate(zip(self._result.scope.tables, keys, strict=True)):
            if table.name in SYSTEM and found is not None:
                rows.append(found[position])
                continue
            row = self._store.rows(table.name).get(key)
            if row is None:
                return None
            rows.append(row)
        return tuple(rows)

    def _fill(self, record: Record, result: Result, keys: Joined, rows: Joined) -> None:
        values: list[Value] = []
        for output, cell in zip(result.outputs, result.values(rows), strict=True):
            if output.table and output.column.is_binary and cell is not None:
                values.append(self._store.stream(output.table, cell))
            else:
                values.append(cell)
        record.set_values(values)
        record.origin = _Origin(result, keys)

    def GetError(self) -> tuple[int, str]:
        """The next fault that a VALIDATE mode of Modify found: its number (:class:`wixpy.validate.Fault`) and column;
        ``(0, "")`` after the last.  Beyond msilib."""
        return self._faults.pop(0) if self._faults else (0, "")

    def Modify(self, mode: int, record: Record) -> None:
        """Change the table behind the view; see :class:`ModifyMode` for the modes.  MsiError when it cannot be done."""
        if not isinstance(record, Record):
            raise TypeError("Modify expects a record object")
        self._store.check_open()
        if mode not in set(ModifyMode):
            raise MsiError(Status.INVALID_DATA)
        if self._result is None:
            raise self._store.fail(2209)
        self._check_tables(self._result)
        mode = ModifyMode(mode)
        if record.GetFieldCount() < len(self._result.outputs):
            raise MsiError(Status.INVALID_PARAMETER)
        if mode is ModifyMode.REFRESH:
            keys, current = self._fetched(record)
            return self._fill(record, self._result, keys, current)
        if mode is ModifyMode.UPDATE:
            return self._update(record)
        if len(self._result.scope.tables) > 1:
            raise self._store.fail(2207)
        if mode >= ModifyMode.VALIDATE:
            return self._validate(mode, record)
        modes: dict[ModifyMode, Callable[[Record], None]] = {
            ModifyMode.SEEK: self._seek, ModifyMode.INSERT: self._insert, ModifyMode.ASSIGN: self._assign,
            ModifyMode.REPLACE: self._replace, ModifyMode.MERGE: self._merge, ModifyMode.DELETE: self._delete,
            ModifyMode.INSERT_TEMPORARY: self._insert_temporary,
        }  # fmt: skip
        return modes[mode](record)

    def _fetched(self, record: Record) -> tuple[Joined, Joined]:
        """The keys and rows that a record was fetched from; MsiError when it was not, or they are gone."""
        origin = record.origin
        if not isinstance(origin, _Origin) or origin.result is not self._result:
            raise self._store.fail(2209)
        current = self._current(origin.keys)
        if current is None:
            raise self._store.fail(2209)
        return origin.keys, current

    def _table(self) -> Table:
        """The view's only table."""
        assert self._result
        return self._result.scope.tables[0]

    def _values(self, table: Table, record: Record, base: Values | None = None) -> list[Value]:
        """A row of the table: the record's fields, the rest null or as in ``base``.

        Text that is no number is null in a column of numbers: Windows Installer asks the record for a number.
        """
        assert self._result
        values: list[Value] = list(base) if base else [None] * len(table.columns)
        for output, value in zip(self._result.outputs, record.values, strict=False):
            if output.table is table and output.place:
                is_text = output.column.is_integer and isinstance(value, str)
                values[output.place.column] = as_integer(value) if is_text else value
        return values

    def _key(self, table: Table, record: Record) -> Values:
        """The key that a record holds; MsiError when the view lacks a key column or a field does not fit."""
        assert self._result
        shown = {output.column.name for output in self._result.outputs}
        columns = table.columns[: table.key_count]
        if any(column.name not in shown for column in columns):
            raise self._store.fail(2207)
        values = self._values(table, record)
        return tuple(self._store.cell(column, value) for column, value in zip(columns, values, strict=False))

    def _insert(self, record: Record, *, temporary: bool = False) -> None:
        table = self._table()
        row = self._store.insert(table, self._values(table, record), temporary=temporary)
        assert self._result
        record.origin = _Origin(self._result, (row[: table.key_count],))

    def _insert_temporary(self, record: Record) -> None:
        self._insert(record, temporary=True)

    def _update(self, record: Record) -> None:
        keys, current = self._fetched(record)
        assert self._result
        for table, key, row in zip(self._result.scope.tables, keys, current, strict=True):
            if any(output.table is table for output in self._result.outputs):
                self._store.update(table, key, self._values(table, record, row))

    def _assign(self, record: Record) -> None:
        table = self._table()
        key = self._key(table, record)
        row = self._store.rows(table.name).get(key)
        if row is None:
            self._insert(record)
        else:
            self._store.update(table, key, self._values(table, record, row))

    def _replace(self, record: Record) -> None:
        [old_key], [row] = self._fetched(record)
        table = self._table()
        values = self._values(table, record, row)
        key = tuple(self._store.cell(c, v) for c, v in zip(table.columns[: table.key_count], values, strict=False))
        if key == old_key:
            self._store.update(table, key, values)
            return
        values = [
            self._store.stream(table, value) if column.is_binary and isinstance(value, str) else value
            for column, value in zip(table.columns, values, strict=True)
        ]
        self._store.insert(table, values)
        self._store.delete(table, old_key)
        assert self._result
        record.origin = _Origin(self._result, (key,))

    def _merge(self, record: Record) -> None:
        table = self._table()
        self._store.allow_change(table)
        key = self._key(table, record)
        row = self._store.rows(table.name).get(key)
        if row is None:
            self._insert(record)
            return
        assert self._result
        current = Record(len(self._result.outputs))
        self._fill(current, self._result, (key,), (row,))
        if current.values != record.values[: len(current.values)]:
            raise self._store.fail(2259)

    def _delete(self, record: Record) -> None:
        [key], _ = self._fetched(record)
        self._store.delete(self._table(), key)

    def _seek(self, record: Record) -> None:
        table = self._table()
        key = self._key(table, record)
        row = self._store.rows(table.name).get(key)
        if row is None:
            raise self._store.fail(2209)
        assert self._result
        self._fill(record, self._result, (key,), (row,))

    def _validate(self, mode: ModifyMode, record: Record) -> None:
        """Check a record; MsiError (invalid data) when :meth:`GetError` has something to tell."""
        assert self._result
        table = self._table()
        if self._store.table(validate.VALIDATION) is None:
            raise self._store.fail(2205, validate.VALIDATION)
        self._faults = []
        if mode in (ModifyMode.VALIDATE, ModifyMode.VALIDATE_DELETE):
            _, [row] = self._fetched(record)
            if mode is ModifyMode.VALIDATE_DELETE:
                for _, column in validate.referring(self._store, table, row):
                    self._faults.append((validate.Fault.BAD_LINK, column))
        if mode is not ModifyMode.VALIDATE_DELETE:
            for output, value in zip(self._result.outputs, record.values, strict=False):
                if output.table is None:
                    continue
                if mode is ModifyMode.VALIDATE_FIELD and value is None:
                    continue
                self._check_field(table, output.column, value)
        if mode is ModifyMode.VALIDATE_NEW and not self._faults and self._is_taken(table, record):
            self._faults.append((validate.Fault.DUPLICATE_KEY, table.columns[0].name))
        if self._faults:
            raise MsiError(Status.INVALID_DATA)

    def _check_field(self, table: Table, column: Column, value: Value) -> None:
        fault = validate.field_fault(self._store, table, column, value)
        if fault is not None:
            self._faults.append((fault, column.name))

    def _is_taken(self, table: Table, record: Record) -> bool:
        return self._key(table, record) in self._store.rows(table.name)

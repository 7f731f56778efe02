# SPDX-License-Identifier: MIT
"""Transforms from the differences of two databases (MsiDatabaseGenerateTransform).

Tables may come and go, rows may come, go and change, and columns may be added at the end of a table; nothing else of a
table that both databases have may differ.  Streams that no row of a table names, such as cabinets, storages and the
summary information are no part of a transform.
"""

from __future__ import annotations

from collections.abc import Iterator

from wixpy.blob import Blob, Streams, chunks
from wixpy.database import COLUMNS, TABLES, Database
from wixpy.msi_errors import MsiError, Status
from wixpy.tables import Cell, Table, Values
from wixpy.transform.format import Action, Operation, Transform


def generate(reference: Database, changed: Database) -> Transform | None:
    """The transform that makes ``changed`` of ``reference``; None when their tables are equal.

    MsiError when the tables differ in what a transform cannot change, WixpyError for text that the code page of
    ``changed`` lacks.
    """
    streams = Streams()
    catalog: tuple[list[Operation], list[Operation]] = ([], [])
    changes = [(TABLES, catalog[0]), (COLUMNS, catalog[1])]
    for name in sorted(reference.tables.keys() | changed.tables.keys()):
        before, after = reference.tables.get(name), changed.tables.get(name)
        if after is None:
            catalog[0].append(Operation(Action.DELETE, {0: name}))
            continue
        if before is None:
            catalog[0].append(Operation(Action.ADD, {0: name}))
        else:
            _check_columns(before, after)
        catalog[1].extend(_new_columns(before, after))
        changes.append((after, list(_rows(reference, changed, after, streams))))
    if reference.codepage == changed.codepage and not any(operations for _, operations in changes):
        return None
    return Transform.build(changed.codepage, changes, streams)


def left_out(reference: Database, changed: Database) -> list[str]:
    """The streams and storages in which the databases differ and which a transform does not hold."""
    pairs = [(reference.streams, changed.streams), (reference.storages, changed.storages)]
    own = {*_row_streams(reference), *_row_streams(changed)}
    return sorted(
        name
        for one, other in pairs
        for name in {*one, *other} - own
        if name not in one or name not in other or one[name] != other[name]
    )


def _row_streams(database: Database) -> Iterator[str]:
    for table in database.tables.values():
        for position, column in enumerate(table.columns):
            if column.is_binary:
                yield from (str(row[position]) for row in database.cells(table.name).values() if row[position])


def _check_columns(before: Table, after: Table) -> None:
    """MsiError when a table has other columns than before, new ones at its end left out."""
    if len(after.columns) < len(before.columns):
        raise _refused(2249, f"table {after.name} has fewer columns than before", after.name)
    if before.key_count != after.key_count:
        raise _refused(2256, f"table {after.name} has another key than before", after.name)
    for number, (old, new) in enumerate(zip(before.columns, after.columns, strict=False), 1):
        if old.name != new.name:
            raise _refused(
                2268, f"column {number} of {after.name} was {old.name} and is {new.name}", after.name, number
            )
        if old.bits != new.bits:
            said = f"column {new.name} of {after.name} was of type {old.type} and is of {new.type}"
            raise _refused(2248, said, after.name, number)


def _refused(number: int, said: str, *fields: object) -> MsiError:
    hint = f"{said}: a transform adds columns at the end of a table and changes no others"
    return MsiError(Status.TRANSFORM_FAILURE, number, "", *fields, hint=hint)


def _new_columns(before: Table | None, after: Table) -> Iterator[Operation]:
    for number, column in enumerate(after.columns, 1):
        if before is None or number > len(before.columns):
            cells = {0: after.name, 1: number if before else None, 2: column.name, 3: column.bits}
            yield Operation(Action.ADD, cells)


def _rows(reference: Database, changed: Database, table: Table, streams: Streams) -> Iterator[Operation]:
    """The operations on the rows of a table; ``streams`` gets their data."""
    old = reference.cells(table.name) if table.name in reference.tables else {}
    new = changed.cells(table.name)
    for key in sorted(old.keys() - new.keys(), key=repr):
        yield Operation(Action.DELETE, dict(enumerate(key)))
    for key in sorted(new, key=repr):
        row = new[key]
        if key not in old:
            cells = dict(enumerate(row))
            yield Operation(Action.ADD, cells)
        else:
            before = old[key] + (None,) * (len(row) - len(old[key]))
            cells = {at: row[at] for at in _different(reference, changed, table, before, row)}
            if not cells:
                continue
            yield Operation(Action.CHANGE, {**dict(enumerate(key)), **cells})
        for at, cell in cells.items():
            if table.columns[at].is_binary and cell is not None:
                streams[str(cell)] = _stream(changed, cell)


def _different(one: Database, other: Database, table: Table, before: Values, after: Values) -> Iterator[int]:
    for at, (old, new) in enumerate(zip(before, after, strict=True)):
        if table.columns[at].is_binary and old is not None and new is not None:
            if not _are_equal(_stream(one, old), _stream(other, new)):
                yield at
        elif old != new:
            yield at


def _stream(database: Database, cell: Cell) -> Blob:
    """The data of a binary cell; empty when it is lost."""
    return database.streams.blob(str(cell)) if str(cell) in database.streams else b""


def _are_equal(one: Blob, other: Blob) -> bool:
    return len(one) == len(other) and all(map(bytes.__eq__, map(bytes, chunks(one)), map(bytes, chunks(other))))

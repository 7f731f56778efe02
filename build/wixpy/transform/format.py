# SPDX-License-Identifier: MIT
"""The file of a transform: a compound file of a class of its own with a stream for each table that changes.

A stream holds operations on rows, one after the other, each as a mask of 16 bits and cells as a table has them (see
``tables``), except that strings are numbers of the transform's own string pool:

- bit 0 is set: add a row, whose first cells follow, as many as the high byte of the mask says;
- another bit is set: change the row whose key follows; each bit from 0 on stands for a column, and the cells of the
  columns whose bits are set follow, in the order of columns together with those of the key;
- the mask is 0: delete the row whose key follows.

Tables and columns that are added or dropped are operations on ``_Tables`` and ``_Columns``; the columns of a new table
have null for their numbers there.  The data of a binary cell, which is 1, is in a stream named as in a database.
Windows Installer's documentation does not describe the form; that it is so is known from transforms of its making.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from io import BytesIO
from typing import BinaryIO

from wixpy import cfb, names, summary
from wixpy.blob import Blob, Streams
from wixpy.database import TRANSFORM_CLSID
from wixpy.errors import WixpyError
from wixpy.strings import StringPool
from wixpy.tables import BIAS, Cell, Column, Table, Values

MASKED_COLUMNS = 16
_POOL, _DATA = "_StringPool", "_StringData"
_MASK = struct.Struct("<H")
_ADD = 1


class Action(Enum):
    """What happens to a row."""

    ADD = auto()
    CHANGE = auto()
    DELETE = auto()


@dataclass(frozen=True)
class Operation:
    """What happens to one row; ``cells`` by the positions of their columns, those of the key among them."""

    action: Action
    cells: Mapping[int, Cell]

    def key(self, table: Table) -> Values:
        """The key of the row."""
        return tuple(self.cells[position] for position in range(table.key_count))


@dataclass
class Transform:
    """The operations by table, encoded as they are in the file, and what they refer to.

    ``streams`` are the data of binary cells by name.
    """

    pool: StringPool = field(default_factory=StringPool)
    tables: dict[str, bytes] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)
    summary: summary.Summary = field(default_factory=dict)

    @property
    def codepage(self) -> int:
        """The code page of its text."""
        return self.pool.codepage

    def operations(self, table: Table) -> Iterator[Operation]:
        """The operations on a table, decoded by its definition; WixpyError when they do not fit it."""
        data = self.tables.get(table.name, b"")
        widths = [column.width(self.pool.reference_width) for column in table.columns]
        at = 0
        while at < len(data):
            if at + _MASK.size > len(data):
                raise _misfit(table)
            (mask,) = _MASK.unpack_from(data, at)
            at += _MASK.size
            positions = _positions(table, mask)
            cells: dict[int, Cell] = {}
            for position in positions:
                width = widths[position]
                if at + width > len(data):
                    raise _misfit(table)
                number = int.from_bytes(data[at : at + width], "little")
                at += width
                cells[position] = self._cell(table, position, number, cells)
            yield Operation(Action.ADD if mask & _ADD else Action.CHANGE if mask else Action.DELETE, cells)

    def _cell(self, table: Table, position: int, number: int, before: Mapping[int, Cell]) -> Cell:
        column = table.columns[position]
        if not number:
            return None
        if column.is_string:
            return self.pool.cell(number)
        if column.is_integer:
            return number - BIAS[column.size]
        return table.stream_name([before.get(position) for position in range(table.key_count)])

    def write(self, out: BinaryIO) -> None:
        """Write the file."""
        root = cfb.Storage(clsid=TRANSFORM_CLSID)
        for name, data in self.tables.items():
            root.children[names.encode(name, table=True)] = data
        pool, data = self.pool.serialize()
        root.children[names.encode(_POOL, table=True)] = pool
        root.children[names.encode(_DATA, table=True)] = data
        if self.summary:
            root.children[names.SUMMARY_INFORMATION] = summary.encode(self.summary)
        for name, content in self.streams.blobs():
            root.children[names.encode(name)] = content
        cfb.write(root, out)

    def to_bytes(self) -> bytes:
        """The file as bytes."""
        out = BytesIO()
        self.write(out)
        return out.getvalue()

    @classmethod
    def parse(cls, data: Blob) -> Transform:
        """Read a transform; WixpyError when it is none."""
        file = cfb.CompoundFile(data)
        if file.root.clsid != TRANSFORM_CLSID:
            raise WixpyError("the compound file is no transform", "give an .mst file")
        self = cls()
        for stored, entry in file.root.children.items():
            name, is_table = names.decode(stored)
            if not entry.is_stream:
                continue
            content = file.read(entry)
            if is_table:
                self.tables[name] = content
            elif stored == names.SUMMARY_INFORMATION:
                self.summary = summary.decode(content)
            else:
                self.streams[name] = content
        if _POOL not in self.tables or _DATA not in self.tables:
            raise WixpyError("the transform has no strings", "the file is damaged: get it again")
        self.pool = StringPool.parse(self.tables.pop(_POOL), self.tables.pop(_DATA))
        return self

    @classmethod
    def build(cls, codepage: int, changes: Iterable[tuple[Table, list[Operation]]], streams: Streams) -> Transform:
        """A transform of these operations; WixpyError for one that the form cannot hold."""
        self = cls(StringPool(codepage), streams=streams)
        kept = [(table, operations) for table, operations in changes if operations]
        for table, operations in kept:
            for operation in operations:
                for position, cell in operation.cells.items():
                    if isinstance(cell, str) and table.columns[position].is_string:
                        self.pool.intern(cell)
        for table, operations in kept:
            self.tables[table.name] = b"".join(self._encode(table, operation) for operation in operations)
        return self

    def _encode(self, table: Table, operation: Operation) -> bytes:
        positions = sorted(operation.cells)
        mask = 0
        if operation.action is Action.ADD:
            mask = len(positions) << 8 | _ADD
        elif operation.action is Action.CHANGE:
            if positions[-1] >= MASKED_COLUMNS:
                raise WixpyError(
                    f"column {positions[-1] + 1} of table {table.name} differs",
                    f"a transform changes the first {MASKED_COLUMNS} columns of a table at most",
                )
            mask = sum(1 << position for position in positions if position >= table.key_count)
        cells = (self._stored(table.columns[position], operation.cells[position]) for position in positions)
        return _MASK.pack(mask) + b"".join(cells)

    def _stored(self, column: Column, cell: Cell) -> bytes:
        number = 0
        if isinstance(cell, int):
            number = cell + BIAS[column.size]
        elif cell is not None:
            number = 1 if column.is_binary else self.pool.number(cell)
        return number.to_bytes(column.width(self.pool.reference_width), "little")


def _positions(table: Table, mask: int) -> Iterable[int]:
    """Which columns an operation has cells of."""
    if not mask & _ADD:
        return [at for at, column in enumerate(table.columns) if column.key or mask >> at & 1]
    count = mask >> 8
    if not table.key_count <= count <= len(table.columns):
        raise _misfit(table)
    return range(count)


def _misfit(table: Table) -> WixpyError:
    return WixpyError(
        f"what the transform has for table {table.name} does not fit its columns",
        "the transform is damaged, or made for a package with other columns",
    )

# SPDX-License-Identifier: MIT
"""Columns, tables and how a table's rows lie in its stream.

The stream of a table holds its columns one after the other, each as the cells of all rows (column-major).  A cell of a
string column is a reference to the string pool, of an integer column the number plus 0x8000 or 0x80000000, of a binary
column 1 when there is a stream; 0 is null everywhere.  Rows are in ascending order of the stored cells of their key
columns, because msi.dll searches them by bisection.  Types follow the Windows Installer SDK, “Column Definition
Format”.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Sequence

from wixpy.errors import WixpyError
from wixpy.names import MAX_NAME

Cell = int | str | None
Values = tuple[Cell, ...]

VALID = 0x0100
LOCALIZABLE = 0x0200
SHORT_OR_TEXT = 0x0400
STRING = 0x0800
NULLABLE = 0x1000
KEY = 0x2000

_BASE_BITS = {"i2": 0x0502, "i4": 0x0104}
_LETTER_BITS = {
    "s": VALID | SHORT_OR_TEXT | STRING,
    "l": VALID | LOCALIZABLE | SHORT_OR_TEXT | STRING,
    "v": VALID | STRING,
}
BIAS = {2: 0x8000, 4: 0x80000000}


class Column:
    """A column: its type and what ``_Validation`` says of its values.

    ``type`` is a letter and a size: ``s`` text, ``l`` localizable text, ``i`` integer of 2 or 4 bytes, ``v`` binary; a
    capital letter allows null.  ``size`` is the bytes of an integer, the greatest length of a text (0 for any).
    ``minimum`` to ``maximum`` bounds integers; ``key_table`` (several joined by ``;``) and ``key_column`` (from 1) name
    a foreign key; ``category`` is a data category of the SDK; ``choices`` the permitted values joined by ``;``.

    >>> column = Column("FileSize", "i4", minimum=0)
    >>> column.is_integer, column.nullable, column.size, column.accept(5), column.width(2)
    (True, False, 4, 5, 4)
    >>> column.store([5, None], int) == [0x80000005, 0]
    True
    >>> column.accept(None)
    Traceback (most recent call last):
    ValueError: may not be null
    """

    def __init__(
        self,
        name: str,
        type: str,
        key: bool = False,
        minimum: int | None = None,
        maximum: int | None = None,
        key_table: str | None = None,
        key_column: int | None = None,
        category: str | None = None,
        choices: str | None = None,
    ) -> None:
        self.name, self.type, self.key = name, type, key
        self.minimum, self.maximum = minimum, maximum
        self.key_table, self.key_column = key_table, key_column
        self.category, self.choices = category, choices
        self.nullable = type[0].isupper()
        self.is_integer, self.is_binary, self.is_string = (type[0].lower() in kind for kind in ("i", "v", "sl"))
        self.size = int(type[1:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Column) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.name, self.type))

    def __repr__(self) -> str:
        return f"<Column {self.name}{'*' if self.key else ''} {self.type}>"

    @property
    def bits(self) -> int:
        """The number that ``_Columns`` keeps for the type."""
        letter = self.type[0].lower()
        base = _BASE_BITS[f"i{self.size}"] if letter == "i" else _LETTER_BITS[letter] | self.size
        return base | (NULLABLE if self.nullable else 0) | (KEY if self.key else 0)

    @classmethod
    def from_bits(cls, name: str, bits: int) -> Column:
        """The column behind a number of ``_Columns``.

        >>> column = Column.from_bits("File", 0x2D48)
        >>> column.type, column.key
        ('s72', True)
        """
        if bits & STRING:
            letter = "v" if not bits & SHORT_OR_TEXT and not bits & 0xFF else "l" if bits & LOCALIZABLE else "s"
            size = bits & 0xFF
        else:
            letter, size = "i", 4 if bits & 0xFF == 4 else 2
        return cls(name, f"{letter.upper() if bits & NULLABLE else letter}{size}", bool(bits & KEY))

    def accept(self, value: Cell) -> Cell:
        """``value`` as it is kept (empty text is null); ValueError when the column cannot hold it."""
        if value is None or value == "":
            if not self.nullable:
                raise ValueError("may not be null")
            return None
        if self.is_integer:
            bias = BIAS[self.size]
            if not isinstance(value, int) or not -bias < value < bias:
                raise ValueError(f"{value!r} is not an integer of {self.size} bytes")
            return int(value)
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not text")
        return value

    def store(self, cells: Sequence[Cell], number: Callable[[str], int]) -> list[int]:
        """``cells`` as they are stored; ``number`` gives the reference to a pooled string."""
        if self.is_integer:
            bias = BIAS[self.size]
            return [cell + bias if isinstance(cell, int) else 0 for cell in cells]
        if self.is_binary:
            return [int(cell is not None) for cell in cells]
        return [number(cell) if isinstance(cell, str) else 0 for cell in cells]

    def width(self, reference_width: int) -> int:
        """Bytes of a stored cell."""
        return reference_width if self.is_string else self.size if self.is_integer else 2


class Table:
    """A table's name and columns; the key columns, ``key_count`` of them, come first.

    ``index`` are the positions of columns by name.

    >>> table = Table("Pair", (Column("Key", "s72", key=True), Column("Number", "I2")))
    >>> table.index, table.column("Number").type, table.stream_name(["a", 1])
    ({'Key': 0, 'Number': 1}, 'I2', 'Pair.a')
    >>> stored = table.encode([("a", 7)], {"a": 1}.__getitem__, 2)
    >>> stored.hex(), table.decode(stored, {1: "a"}.get, 2)
    ('01000780', [('a', 7)])
    """

    def __init__(self, name: str, columns: tuple[Column, ...]) -> None:
        self.name = name
        self.columns = columns
        self.index = {column.name: position for position, column in enumerate(columns)}
        self.key_count = sum(column.key for column in columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and (self.name, self.columns) == (other.name, other.columns)

    def __hash__(self) -> int:
        return hash((self.name, self.columns))

    def __repr__(self) -> str:
        return f"<Table {self.name}: {', '.join(self.index)}>"

    def column(self, name: str) -> Column:
        """A column by name; WixpyError when there is none."""
        try:
            return self.columns[self.index[name]]
        except KeyError:
            raise WixpyError(f"table {self.name} has no column {name}", f"it has {', '.join(self.index)}") from None

    def stream_name(self, values: Sequence[Cell]) -> str:
        """Where the binary data of a row is: the table's name and its key, joined by dots."""
        return ".".join([self.name, *(str(value) for value in values[: self.key_count])])

    def encode(self, rows: Sequence[Values], number: Callable[[str], int], reference_width: int) -> bytes:
        """The stream of ``rows``; ``number`` gives the reference to a pooled string, of ``reference_width`` bytes."""
        stored = [column.store([row[i] for row in rows], number) for i, column in enumerate(self.columns)]
        keys = list(zip(*stored[: self.key_count], strict=True))
        order = sorted(range(len(rows)), key=keys.__getitem__)
        widths = (column.width(reference_width) for column in self.columns)
        return b"".join(_pack([cells[i] for i in order], width) for cells, width in zip(stored, widths, strict=True))

    def decode(self, data: bytes, text: Callable[[int], str | None], reference_width: int) -> list[Values]:
        """Read the rows of a stream; ``text`` gives a pooled string."""
        widths = [column.width(reference_width) for column in self.columns]
        count, rest = divmod(len(data), sum(widths))
        if rest:
            raise WixpyError(f"table {self.name} is not a whole number of rows", "the file is damaged: get it again")
        cells: list[list[Cell]] = []
        start = 0
        for column, width in zip(self.columns, widths, strict=True):
            stored = _unpack(data[start : start + width * count], width)
            start += width * count
            if column.is_string:
                cells.append([text(number) if number else None for number in stored])
            elif column.is_integer:
                bias = BIAS[column.size]
                cells.append([number - bias if number else None for number in stored])
            else:
                cells.append(["" if number else None for number in stored])
        rows: list[Values] = list(zip(*cells, strict=True))
        if any(column.is_binary for column in self.columns):
            rows = [self._named_streams(row) for row in rows]
        return rows

    def _named_streams(self, row: Values) -> Values:
        if not any(column.is_binary and cell is not None for column, cell in zip(self.columns, row, strict=True)):
            return row
        name = self.stream_name(row)
        if len(name) > MAX_NAME:
            raise WixpyError(
                f"table {self.name} has a key that is too long for the name of a stream",
                "the file is damaged: get it again",
            )
        pairs = zip(self.columns, row, strict=True)
        return tuple(name if column.is_binary and cell is not None else cell for column, cell in pairs)


def _pack(cells: list[int], width: int) -> bytes:
    if width == 3:
        return b"".join(cell.to_bytes(3, "little") for cell in cells)
    packed = array("H" if width == 2 else "I", cells)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _unpack(data: bytes, width: int) -> Sequence[int]:
    if width == 3:
        return [int.from_bytes(data[i : i + 3], "little") for i in range(0, len(data), 3)]
    packed = array("H" if width == 2 else "I", data)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed

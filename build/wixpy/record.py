# SPDX-License-Identifier: MIT
"""Records: the rows that views give and take (Windows Installer SDK, “Record Processing Functions”)."""

from __future__ import annotations

import builtins
from pathlib import Path

from wixpy.msi_errors import MsiError, Status
from wixpy.store import Value

NULL_INTEGER = -0x80000000
MAX_FIELDS = 65535


def as_integer(value: Value) -> int | None:
    """What MsiRecordGetInteger makes of a field: a number, which text may hold too; None for anything else.

    >>> as_integer(7), as_integer("-7"), as_integer("seven"), as_integer(b"7")
    (7, -7, None, None)
    """
    if isinstance(value, str):
        digits = value.removeprefix("-")
        value = int(value) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else None
    return value if isinstance(value, int) and NULL_INTEGER < value < -NULL_INTEGER else None


class Record:
    """Fields 1 to :meth:`GetFieldCount`, and a field 0 beside; each null, a number, text, or data of a stream.

    >>> record = Record(2)
    >>> record.SetInteger(1, 7)
    >>> record.SetString(2, "seven")
    >>> record.GetString(1), record.GetString(2), record
    ('7', 'seven', <Record 7, 'seven'>)

    >>> record.GetFieldCount(), record.IsNull(0), record.GetInteger(1)
    (2, True, 7)
    >>> _ = Path("picture").write_bytes(b"data")
    >>> record.SetStream(2, "picture")
    >>> record.GetStream(2), record.values
    (b'data', [7, b'data'])
    >>> record.ClearData()
    >>> record.set_values(["a"])
    >>> record
    <Record 'a', None>
    """

    def __init__(self, count: int) -> None:
        if not 0 <= count <= MAX_FIELDS:
            raise MsiError(Status.INVALID_PARAMETER)
        self._fields: list[Value] = [None] * (count + 1)
        # The view's row that the record was fetched from; its form is the view's own.
        self.origin: object = None

    def __repr__(self) -> str:
        shown = (f"{len(value)} bytes" if isinstance(value, bytes) else repr(value) for value in self._fields[1:])
        return f"<Record {', '.join(shown)}>"

    def _position(self, field: int) -> int:
        if not isinstance(field, int):
            raise TypeError("a field is named by its number")
        if not 0 <= field < len(self._fields):
            raise MsiError(Status.INVALID_PARAMETER)
        return field

    @property
    def values(self) -> list[Value]:
        """Fields from 1 on."""
        return self._fields[1:]

    def set_values(self, values: list[Value]) -> None:
        """Replace the fields from 1 on, as far as given."""
        self._fields[1 : 1 + len(values)] = values

    def GetFieldCount(self) -> int:
        """The number of fields, not counting field 0."""
        return len(self._fields) - 1

    def IsNull(self, field: int) -> bool:
        """Whether a field is null; one that is not there is."""
        return not 0 <= field < len(self._fields) or self._fields[field] is None

    def GetInteger(self, field: int) -> int:
        """A field as a number; MsiError when it is none."""
        number = as_integer(self._fields[field] if 0 <= field < len(self._fields) else None)
        if number is None:
            raise MsiError(Status.INVALID_FIELD, text="could not convert record field to integer")
        return number

    def GetString(self, field: int) -> str:
        """A field as text, empty for null and for a field that is not there."""
        value = self._fields[field] if 0 <= field < len(self._fields) else None
        if isinstance(value, bytes):
            raise MsiError(Status.DATATYPE_MISMATCH)
        return "" if value is None else str(value)

    def GetStream(self, field: int) -> bytes:
        """The data of a field; MsiError when it holds none.  Beyond msilib, which cannot read streams."""
        value = self._fields[self._position(field)]
        if not isinstance(value, bytes):
            raise MsiError(Status.DATATYPE_MISMATCH)
        return value

    def SetString(self, field: int, str: str | None) -> None:
        """Set a field to text; empty text and None are null."""
        if str is not None and not isinstance(str, builtins.str):
            raise TypeError(f"SetString() takes text, not {type(str).__name__}")
        self._fields[self._position(field)] = str or None

    def SetInteger(self, field: int, int: int) -> None:
        """Set a field to a number of 32 bits; the least one is null."""
        if not isinstance(int, builtins.int):
            raise TypeError(f"SetInteger() takes a number, not {type(int).__name__}")
        if not NULL_INTEGER <= int < -NULL_INTEGER:
            raise OverflowError("signed integer is out of 32 bits")
        self._fields[self._position(field)] = None if int == NULL_INTEGER else builtins.int(int)

    def SetStream(self, field: int, stream: str | Path) -> None:
        """Set a field to the content of the file of that name."""
        position = self._position(field)
        try:
            self._fields[position] = Path(stream).read_bytes()
        except (OSError, ValueError) as error:
            raise MsiError(Status.FUNCTION_FAILED, 1101, stream, getattr(error, "errno", "")) from error

    def ClearData(self) -> None:
        """Set every field to null."""
        self._fields = [None] * len(self._fields)

# SPDX-License-Identifier: MIT
r"""The stream ``\005SummaryInformation`` ([MS-OLEPS] 2.21 PropertySetStream; Windows Installer SDK, “Summary
Information Stream Property Set”).

A summary is a mapping of :class:`Pid` to int, str or aware datetime.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from enum import IntEnum
from uuid import UUID

from wixpy.errors import WixpyError
from wixpy.strings import NEUTRAL, codec, errors

FORMAT_ID = UUID("f29f85e0-4ff9-1068-ab91-08002b27b3d9")
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
_HEADER = struct.Struct("<HHI16sI16sI")
_SYSTEM_IDENTIFIER = 0x00020006
_DAMAGED = "the file is damaged: get it again"

Value = int | str | datetime
Summary = dict["Pid", Value]


class Pid(IntEnum):
    """Property identifiers and what a database keeps under them."""

    CODEPAGE = 1
    TITLE = 2
    SUBJECT = 3
    AUTHOR = 4
    KEYWORDS = 5
    COMMENTS = 6
    TEMPLATE = 7
    LAST_AUTHOR = 8
    REVISION = 9
    LAST_PRINTED = 11
    CREATED = 12
    LAST_SAVED = 13
    PAGE_COUNT = 14
    WORD_COUNT = 15
    CHARACTER_COUNT = 16
    APPLICATION = 18
    SECURITY = 19


DATES = frozenset((Pid.LAST_PRINTED, Pid.CREATED, Pid.LAST_SAVED))
NUMBERS = frozenset((Pid.CODEPAGE, Pid.PAGE_COUNT, Pid.WORD_COUNT, Pid.CHARACTER_COUNT, Pid.SECURITY))


class _Vt(IntEnum):
    EMPTY = 0
    NULL = 1
    I2 = 2
    I4 = 3
    UI4 = 19
    LPSTR = 30
    LPWSTR = 31
    FILETIME = 64


def _typed(pid: Pid, value: Value, codepage: int) -> bytes:
    """A TypedPropertyValue ([MS-OLEPS] 2.15), padded to four bytes."""
    if isinstance(value, datetime):
        ticks = (value - _FILETIME_EPOCH) // timedelta(microseconds=1) * 10
        return struct.pack("<IQ", _Vt.FILETIME, ticks)
    if isinstance(value, int):
        return (
            struct.pack("<Ihxx", _Vt.I2, _signed(value)) if pid is Pid.CODEPAGE else struct.pack("<Ii", _Vt.I4, value)
        )
    try:
        text = value.encode(codec(codepage), errors(codepage)) + b"\0"
    except UnicodeEncodeError as error:
        raise WixpyError(
            f"“{value}” of the summary has a character that its code page lacks", "give Package/@SummaryCodepage"
        ) from error
    return struct.pack("<II", _Vt.LPSTR, len(text)) + text + bytes(-len(text) % 4)


def _signed(codepage: int) -> int:
    return codepage - 0x10000 if codepage > 0x7FFF else codepage


def encode(summary: Mapping[Pid, Value]) -> bytes:
    """The bytes of the stream; text is stored in the code page under ``Pid.CODEPAGE``.

    >>> decode(encode({Pid.CODEPAGE: 1252, Pid.AUTHOR: "Mäker", Pid.PAGE_COUNT: 200}))[Pid.AUTHOR]
    'Mäker'
    """
    given = summary.get(Pid.CODEPAGE, NEUTRAL)
    codepage = given if isinstance(given, int) else NEUTRAL
    values = [_typed(pid, summary[pid], codepage) for pid in sorted(summary)]
    offset = 8 + 8 * len(values)
    index = b""
    for pid, value in zip(sorted(summary), values, strict=True):
        index += struct.pack("<II", pid, offset)
        offset += len(value)
    header = _HEADER.pack(0xFFFE, 0, _SYSTEM_IDENTIFIER, bytes(16), 1, FORMAT_ID.bytes_le, _HEADER.size)
    return b"".join([header, struct.pack("<II", offset, len(values)), index, *values])


def decode(data: bytes) -> Summary:
    """Read the stream; properties with identifiers that Windows Installer does not use are left out.

    >>> when = datetime(2008, 1, 10, tzinfo=timezone.utc)
    >>> decode(encode({Pid.CREATED: when})) == {Pid.CREATED: when}
    True
    """
    try:
        order, _, _, _, count, format_id, start = _HEADER.unpack_from(data)
        if order != 0xFFFE or not count or UUID(bytes_le=format_id) != FORMAT_ID:
            raise WixpyError("the summary information is no property set of that format", _DAMAGED)
        _, properties = struct.unpack_from("<II", data, start)
        index = [struct.unpack_from("<II", data, start + 8 + 8 * i) for i in range(min(properties, len(data) // 8))]
        offsets = {Pid(pid): start + offset for pid, offset in index if pid in set(Pid)}
        codepage = NEUTRAL
        if Pid.CODEPAGE in offsets:
            codepage = struct.unpack_from("<H", data, offsets[Pid.CODEPAGE] + 4)[0]
        values = {pid: _value(data, offset, codepage) for pid, offset in offsets.items()}
        summary: Summary = {pid: value for pid, value in values.items() if value is not None}
        if Pid.CODEPAGE in summary:
            summary[Pid.CODEPAGE] = codepage
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise WixpyError("the summary information is damaged", _DAMAGED) from error
    return summary


def _value(data: bytes, offset: int, codepage: int) -> Value | None:
    """A TypedPropertyValue; None for one that says that there is none."""
    kind = struct.unpack_from("<I", data, offset)[0]
    if kind in (_Vt.EMPTY, _Vt.NULL):
        return None
    if kind == _Vt.I2:
        return int(struct.unpack_from("<h", data, offset + 4)[0])
    if kind in (_Vt.I4, _Vt.UI4):
        return int(struct.unpack_from("<i", data, offset + 4)[0])
    if kind == _Vt.LPSTR:
        length = struct.unpack_from("<I", data, offset + 4)[0]
        text = data[offset + 8 : offset + 8 + length]
        encoding = "latin-1" if codepage == NEUTRAL else codec(codepage)
        return text.split(b"\0", 1)[0].decode(encoding, errors(codepage))
    if kind == _Vt.LPWSTR:
        length = struct.unpack_from("<I", data, offset + 4)[0]
        return data[offset + 8 : offset + 8 + 2 * length].decode("utf-16-le").split("\0", 1)[0]
    if kind == _Vt.FILETIME:
        ticks = struct.unpack_from("<Q", data, offset + 4)[0]
        return _FILETIME_EPOCH + timedelta(microseconds=ticks // 10)
    raise WixpyError(f"a property of the summary information has type {kind}", _DAMAGED)

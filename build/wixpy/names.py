# SPDX-License-Identifier: MIT
"""Names of the streams in a Windows Installer compound file.

A compound file allows 31 UTF-16 units in a name ([MS-CFB] 2.6.1).  Windows Installer fits up to 62 characters into that
by packing two characters of a 64-character alphabet (digits, letters, ``.`` and ``_``) into one unit U+3800..U+47FF, a
lone one into U+4800..U+483F, and marks the streams that hold tables with a leading U+4840.  Other characters, and names
of property sets (leading U+0005) and of storages, are stored as they are.
"""

from __future__ import annotations

from wixpy.errors import WixpyError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._"
TABLE_PREFIX = "\u4840"
SUMMARY_INFORMATION = "\x05SummaryInformation"
MAX_UNITS = 31
MAX_NAME = 2 * MAX_UNITS

_PAIRS = 0x3800
_SINGLES = 0x4800
_DIGIT = {character: value for value, character in enumerate(ALPHABET)}


def encode(name: str, *, table: bool = False) -> str:
    """The stored form of a stream's name; ``table`` marks the stream of a table.

    >>> [hex(ord(unit)) for unit in encode("_Tables", table=True)]
    ['0x4840', '0x3f7f', '0x4164', '0x422f', '0x4836']
    """
    if name.startswith("\x05"):
        return name
    units = [TABLE_PREFIX] if table else []
    position = 0
    while position < len(name):
        first = _DIGIT.get(name[position])
        second = _DIGIT.get(name[position + 1]) if position + 1 < len(name) else None
        if first is None:
            units.append(name[position])
        elif second is None:
            units.append(chr(_SINGLES + first))
        else:
            units.append(chr(_PAIRS + first + (second << 6)))
            position += 1
        position += 1
    stored = "".join(units)
    if not 0 < len(stored.encode("utf-16-le", "surrogatepass")) <= 2 * MAX_UNITS:
        raise WixpyError(
            f"the stream name “{name}” does not fit into a compound file", "use 1 to 62 letters, digits, “.” and “_”"
        )
    return stored


def check_storage(name: str) -> None:
    """WixpyError for what is no name of a storage; such names are stored as they are.

    >>> check_storage("Second")
    >>> check_storage("a/b")
    Traceback (most recent call last):
    wixpy.errors.WixpyError: “a/b” is no name for a storage in a package
    """
    if not 0 < len(name.encode("utf-16-le", "surrogatepass")) <= 2 * MAX_UNITS or set(name) & set("/\\:!"):
        raise WixpyError(
            f"“{name}” is no name for a storage in a package",
            f"use 1 to {MAX_UNITS} characters without “/”, “\\”, “:”, “!”",
        )


def decode(stored: str) -> tuple[str, bool]:
    """The name behind a stored one, and whether it is a table's.

    >>> decode(encode("Binary.helper.exe"))
    ('Binary.helper.exe', False)
    """
    table = stored.startswith(TABLE_PREFIX)
    characters = []
    for unit in stored[1:] if table else stored:
        value = ord(unit)
        if _PAIRS <= value < _SINGLES:
            characters.append(ALPHABET[value & 0x3F] + ALPHABET[value - _PAIRS >> 6])
        elif _SINGLES <= value < _SINGLES + len(ALPHABET):
            characters.append(ALPHABET[value - _SINGLES])
        else:
            characters.append(unit)
    return "".join(characters), table

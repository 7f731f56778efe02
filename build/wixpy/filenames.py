# SPDX-License-Identifier: MIT
"""File names: which are in 8.3 form, and 8.3 names for those that are not (Windows Installer SDK, “Filename”)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection

_CHARACTER = r"[A-Za-z0-9$%'\-_@~`!(){}^#&]"
SHORT_NAME = re.compile(rf"{_CHARACTER}{{1,8}}(\.{_CHARACTER}{{1,3}})?")
LONG_NAME = re.compile(r'[^\\/:*?"<>|\x00-\x1f]{1,255}')
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_HASH_DIGITS = 3


def is_short(name: str) -> bool:
    """Whether a name is in 8.3 form.

    >>> is_short("readme.txt"), is_short("shutdownmon.exe")
    (True, False)
    """
    return SHORT_NAME.fullmatch(name) is not None


def is_long(name: str) -> bool:
    """Whether a name is one that Windows allows.

    >>> is_long("shutdownmon.exe"), is_long("a:b"), is_long("..")
    (True, False, False)
    """
    return LONG_NAME.fullmatch(name) is not None and name.strip(".") != "" and name[-1] not in ". "


def shorten(long: str, taken: Collection[str]) -> str:
    """An 8.3 name for a long one that is not in ``taken`` (lower case): four letters, ``~``, three digits of a hash.

    >>> shorten("a long name.text", set())
    'alon~6ez.tex'
    """
    stem, _, extension = long.rpartition(".") if "." in long.lstrip(".") else (long, "", "")
    stem = "".join(re.findall(_CHARACTER, stem))[:4]
    extension = "".join(re.findall(_CHARACTER, extension))[:3]
    value = zlib.crc32(long.lower().encode())
    while True:
        digits = "".join(_DIGITS[value // len(_DIGITS) ** place % len(_DIGITS)] for place in range(_HASH_DIGITS))
        name = f"{stem}~{digits}{'.' if extension else ''}{extension}"
        if name.lower() not in taken:
            return name
        value += 1

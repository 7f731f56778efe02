# SPDX-License-Identifier: MIT
"""What the File and MsiFileHash tables say of a file's content: its version and languages, or its hash."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import NamedTuple

from wixpy.blob import Blob, Buffer, PathBlob, chunks

NULL_INTEGER = -0x80000000

Hash = tuple[int, int, int, int] | None


class FileVersion(NamedTuple):
    """``version`` as a.b.c.d and ``languages`` as decimal identifiers joined by commas, from a VERSIONINFO resource."""

    version: str
    languages: str


def file_version(content: Blob) -> FileVersion | None:
    """The version resource of a PE image, as MsiGetFileVersion reports it; None for a file that has none."""
    if content[:2] != b"MZ":
        return None
    # Only images need it, and it takes longer to load than a small package takes to build.
    import pefile  # noqa: PLC0415

    try:
        if isinstance(content, PathBlob):
            image = pefile.PE(name=str(content.path), fast_load=True)
        else:
            image = pefile.PE(data=content[:], fast_load=True)
        image.parse_data_directories([pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_RESOURCE"]])
        fixed = getattr(image, "VS_FIXEDFILEINFO", None)
        if not fixed:
            return None
        most, least = fixed[0].FileVersionMS, fixed[0].FileVersionLS
        languages = [int(entry[:4], 16) for entry in _translations(image)]
    except pefile.PEFormatError:
        return None
    parts = (most >> 16, most & 0xFFFF, least >> 16, least & 0xFFFF)
    return FileVersion(".".join(map(str, parts)), ",".join(map(str, dict.fromkeys(languages))) or "0")


def _translations(image: object) -> list[str]:
    """The words of ``VarFileInfo\\Translation`` as hexadecimal “language codepage”."""
    return [
        " ".join(part.removeprefix("0x") for part in str(value).split())
        for group in getattr(image, "FileInfo", [])
        for info in group
        if info.Key == b"VarFileInfo"
        for variable in info.Var
        for value in variable.entry.values()
    ]


def file_hash(content: Blob) -> Hash:
    """The four parts of MsiGetFileHash (MD5 as signed little-endian words, zeros for an empty file).

    None in the rare case that a part is the number that stands for null in a table; the row is then left out, which
    Windows Installer takes as a file without a hash.

    >>> file_hash(b"")
    (0, 0, 0, 0)
    """
    return hash_of(chunks(content))


def hash_of(parts: Iterable[Buffer]) -> Hash:
    """The same of content in pieces."""
    hasher = Hasher()
    for part in parts:
        hasher.update(part)
    return hasher.value


class Hasher:
    """The same of content that passes by in pieces."""

    def __init__(self) -> None:
        self._state = hashlib.md5(usedforsecurity=False)
        self._is_empty = True

    def update(self, part: Buffer) -> None:
        """The next piece, which is not empty."""
        self._state.update(part)
        self._is_empty = False

    @property
    def value(self) -> Hash:
        if self._is_empty:
            return 0, 0, 0, 0
        a, b, c, d = struct.unpack("<4i", self._state.digest())
        return None if NULL_INTEGER in (a, b, c, d) else (a, b, c, d)

# SPDX-License-Identifier: MIT
"""The identity of a .NET assembly, from its metadata (ECMA-335, partition II, sections 22, 24 and 25).

The metadata is a set of tables without a directory: where one is follows from how many rows the tables before it have
and how wide those are, which in turn follows from how large the tables and heaps are that they refer to.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from wixpy.blob import Blob, PathBlob

_CLI_HEADER = 14
_ASSEMBLY = 0x20
_ROOT = b"BSJB"
_TOKEN = 8

# The columns of the tables before Assembly, by number (section 22): bytes, heaps (s, g, b), a table (#), or the tables
# that a coded index may mean (section 24.2.6), whose number takes the index's low bits.
_CODED = {
    "TypeDefOrRef": (2, 1, 27), "HasConstant": (4, 8, 23), "HasFieldMarshal": (4, 8), "HasDeclSecurity": (2, 6, 32),
    "MemberRefParent": (2, 1, 26, 6, 27), "HasSemantics": (20, 23), "MethodDefOrRef": (6, 10),
    "MemberForwarded": (4, 6), "ResolutionScope": (0, 26, 35, 1), "CustomAttributeType": (6, 6, 6, 10, 10),
    "HasCustomAttribute": (6, 4, 1, 2, 8, 9, 10, 0, 14, 23, 20, 17, 26, 27, 32, 35, 38, 39, 40, 42, 44, 43),
}  # fmt: skip
_COLUMNS = (
    "2 s g g g", "ResolutionScope s s", "4 s s TypeDefOrRef #4 #6", "#4", "2 s b", "#6", "4 2 2 s b #8", "#8", "2 2 s",
    "#2 TypeDefOrRef", "MemberRefParent s b", "2 HasConstant b", "HasCustomAttribute CustomAttributeType b",
    "HasFieldMarshal b", "2 HasDeclSecurity b", "2 4 #2", "4 #4", "b", "#2 #20", "#20", "2 s TypeDefOrRef", "#2 #23",
    "#23", "2 s b", "2 #6 HasSemantics", "#2 MethodDefOrRef MethodDefOrRef", "s", "b", "2 MemberForwarded s #26",
    "4 #4", "4 4", "4",
)  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """What an assembly is known by; ``culture`` is empty for a neutral one, ``token`` (16 hexadecimal digits of the
    public key) for one that is not signed."""

    name: str
    version: str
    culture: str
    token: str


def identity(content: Blob) -> Identity | None:
    """The identity of an assembly; None for a file that is none, or is damaged."""
    if content[:2] != b"MZ":
        return None
    # As in payload.py.
    import pefile  # noqa: PLC0415

    try:
        if isinstance(content, PathBlob):
            image = pefile.PE(name=str(content.path), fast_load=True)
        else:
            image = pefile.PE(data=content[:], fast_load=True)
        header = image.OPTIONAL_HEADER.DATA_DIRECTORY[_CLI_HEADER]
        if not header.VirtualAddress:
            return None
        place, size = struct.unpack_from("<II", image.get_data(header.VirtualAddress, header.Size), 8)
        return _Metadata(image.get_data(place, size)).identity()
    except (pefile.PEFormatError, struct.error, IndexError, KeyError, ValueError):
        return None


class _Metadata:
    """The metadata of an image (section 24.2): a root that lists streams, the tables in one of them."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != _ROOT:
            raise ValueError("no metadata")
        (length,) = struct.unpack_from("<I", data, 12)
        self.streams = dict(_streams(data, 16 + length))
        self.tables = self.streams.get("#~") or self.streams["#-"]
        self.heaps, valid = self.tables[6], struct.unpack_from("<Q", self.tables, 8)[0]
        present = [number for number in range(64) if valid >> number & 1]
        counts = struct.unpack_from(f"<{len(present)}I", self.tables, 24)
        self.counts = dict(zip(present, counts, strict=True))
        self.start = 24 + 4 * len(present)

    def identity(self) -> Identity | None:
        """What the row of the table Assembly says; a module that belongs to another file's assembly has none."""
        if not self.counts.get(_ASSEMBLY):
            return None
        at = self.start + sum(
            self.counts.get(number, 0) * sum(map(self.width, columns.split()))
            for number, columns in enumerate(_COLUMNS)
        )
        *version, _flags = struct.unpack_from("<4HI", self.tables, at + 4)
        key, at = self.index("b", at + 16)
        name, at = self.index("s", at)
        culture, at = self.index("s", at)
        public = self.blob(key)
        token = hashlib.sha1(public, usedforsecurity=False).digest()[: -_TOKEN - 1 : -1].hex().upper() if public else ""
        return Identity(self.string(name), ".".join(map(str, version)), self.string(culture), token)

    def width(self, column: str) -> int:
        """Bytes of a column."""
        if column.isdigit():
            return int(column)
        if column in ("s", "g", "b"):
            return 4 if self.heaps >> "sgb".index(column) & 1 else 2
        if column.startswith("#"):
            return 2 if self.counts.get(int(column[1:]), 0) < 1 << 16 else 4
        tables = _CODED[column]
        tag = (len(tables) - 1).bit_length()
        return 2 if max(self.counts.get(table, 0) for table in tables) < 1 << (16 - tag) else 4

    def index(self, column: str, at: int) -> tuple[int, int]:
        """An index into a heap, and where the next column is."""
        end = at + self.width(column)
        return int.from_bytes(self.tables[at:end], "little"), end

    def string(self, index: int) -> str:
        heap = self.streams["#Strings"]
        return heap[index : heap.index(b"\0", index)].decode("utf-8")

    def blob(self, index: int) -> bytes:
        """A blob, whose length of one to four bytes is before it (section 24.2.4)."""
        heap = self.streams["#Blob"]
        first = heap[index]
        size = 1 if first < 0x80 else 2 if first < 0xC0 else 4
        length = int.from_bytes(heap[index : index + size], "big") & (1 << (7, 14, 29)[size.bit_length() - 1]) - 1
        return heap[index + size : index + size + length]


def _streams(data: bytes, at: int) -> Iterator[tuple[str, bytes]]:
    """The streams by name, from the list that begins with flags and a count."""
    (count,) = struct.unpack_from("<H", data, at + 2)
    at += 4
    for _ in range(count):
        offset, size = struct.unpack_from("<II", data, at)
        end = data.index(b"\0", at + 8)
        yield data[at + 8 : end].decode("ascii"), data[offset : offset + size]
        at += 8 + (end - at - 8 + 4) // 4 * 4

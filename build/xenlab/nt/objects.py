# SPDX-License-Identifier: GPL-2.0-or-later
"""The structures that the kernel shares with drivers: where each field lies on each arch, and views of them in memory.

The declarations are data (``data/objects.layout``, which explains its few words). Source: the Windows Driver Kit's
headers; the tests compare every offset with mingw-w64's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from gplpv.errors import GplpvError, nearest
from gplpv.matrix import ArchName

Arch = ArchName
DECLARATIONS = Path(__file__).parent / "data" / "objects.layout"
POINTER: dict[Arch, int] = {"x32": 4, "x64": 8}

_FIELD = re.compile(r"(?P<name>\w+)(\?(?P<only>x32|x64))?:(?P<aligned>\^?)(?P<type>[\w.]+?)(\*(?P<count>\d+))?")
_HEADER = re.compile(r"(?P<kind>struct|union) (?P<name>[\w.]+)(?P<options>( \w+=[\d/-]+)*)")


class Memory(Protocol):
    """What a view reads and writes: virtual memory of the guest."""

    def read(self, address: int, size: int, /) -> bytes: ...

    def write(self, address: int, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class Field:
    """One scalar, array or structure inside a layout.

    Attributes:
        offset: bytes from the start of the layout.
        size: bytes of one element.
        count: elements; 1 for what is no array.
        signed: the number is two's complement.
        scalar: the field is a number, not a structure.
    """

    offset: int
    size: int
    count: int = 1
    signed: bool = False
    scalar: bool = True


@dataclass(frozen=True)
class Layout:
    """One structure on one arch: its size and alignment in bytes, and its fields by dotted path."""

    name: str
    arch: Arch
    size: int
    alignment: int
    fields: dict[str, Field]

    def field(self, path: str) -> Field:
        """Return the field at a dotted path such as ``IoStatus.Status``.

        Raises:
            GplpvError: there is none; the hint names the nearest.
        """
        try:
            return self.fields[path]
        except KeyError:
            raise GplpvError(f"{self.name} has no field {path}.", nearest(path, self.fields)) from None

    def offset(self, path: str) -> int:
        return self.field(path).offset


class Struct:
    """A structure in guest memory. Subscripts take dotted paths and read or write the number there."""

    __slots__ = ("address", "layout", "memory")

    def __init__(self, memory: Memory, layout: Layout, address: int) -> None:
        self.memory = memory
        self.layout = layout
        self.address = address

    def __getitem__(self, path: str) -> int:
        field = self._scalar(path)
        data = self.memory.read(self.address + field.offset, field.size)
        return int.from_bytes(data, "little", signed=field.signed)

    def __setitem__(self, path: str, value: int) -> None:
        field = self._scalar(path)
        data = (value & ((1 << 8 * field.size) - 1)).to_bytes(field.size, "little")
        self.memory.write(self.address + field.offset, data)

    def at(self, path: str, index: int = 0) -> int:
        """Return the address of a field, or of one element of an array."""
        field = self.layout.field(path)
        return self.address + field.offset + index * field.size

    def element(self, path: str, index: int) -> int:
        """Return one element of an array of numbers."""
        field = self.layout.field(path)
        return int.from_bytes(self.memory.read(self.at(path, index), field.size), "little", signed=field.signed)

    def set_element(self, path: str, index: int, value: int) -> None:
        size = self.layout.field(path).size
        self.memory.write(self.at(path, index), (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))

    def clear(self) -> None:
        """Fill the structure with zeros."""
        self.memory.write(self.address, bytes(self.layout.size))

    def _scalar(self, path: str) -> Field:
        field = self.layout.field(path)
        if not field.scalar:
            raise GplpvError(f"{self.layout.name}.{path} is a structure, not a number.", "Name one of its fields.")
        return field


@cache
def layout(name: str, arch: Arch) -> Layout:
    """Return the layout of a structure such as ``IRP``.

    Raises:
        GplpvError: it is not declared; the hint names the nearest.
    """
    known = layouts(arch)
    if name not in known:
        raise GplpvError(f"There is no layout of {name}.", nearest(name, known))
    return known[name]


@cache
def layouts(arch: Arch) -> dict[str, Layout]:
    """Return every declared layout by name.

    Raises:
        GplpvError: a declaration is wrong; the message names file and line.
    """
    return parse(DECLARATIONS.read_text(encoding="utf-8"), arch, str(DECLARATIONS))


def parse(text: str, arch: Arch, source: str) -> dict[str, Layout]:
    """Lay out the declarations in `text`.

    Raises:
        GplpvError: a declaration is wrong; the message names `source` and the line.
    """
    known: dict[str, Layout] = {}
    for number, header, words in _blocks(text):
        try:
            match = _HEADER.fullmatch(header)
            if not match:
                raise ValueError(f"{header!r} does not begin a structure")
            known[match["name"]] = _lay_out(match, words, arch, known)
        except ValueError as error:
            raise GplpvError(f"{source}:{number}: {error}.", "Its first lines say what a declaration is.") from error
    return known


def _blocks(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line number, header and fields of each declaration."""
    block: tuple[int, str, list[str]] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line[0] != " ":
            if block:
                yield block
            block = (number, line, [])
        elif block:
            block[2].extend(line.split())
    if block:
        yield block


def _lay_out(header: re.Match[str], words: list[str], arch: Arch, known: dict[str, Layout]) -> Layout:
    options = dict(option.split("=") for option in header["options"].split())
    pack = _option(options.get("pack", "-"), arch) or 16
    end, alignment = 0, 1
    fields: dict[str, Field] = {}
    for word in words:
        match = _FIELD.fullmatch(word)
        if not match:
            raise ValueError(f"{word!r} is not field:type")
        if match["only"] not in (None, arch):
            continue
        kind = _type(match["type"], arch, known)
        own = min(max(kind.alignment, POINTER[arch] if match["aligned"] else 1), pack)
        start = 0 if header["kind"] == "union" else -(-end // own) * own
        count = int(match["count"]) if match["count"] else None
        fields |= _place(match["name"], kind, start, count)
        end = max(end, start + (count or 1) * kind.size)
        alignment = max(alignment, own)
    alignment = max(alignment, _option(options.get("align", "-"), arch))
    return Layout(header["name"], arch, -(-end // alignment) * alignment, alignment, fields)


def _place(name: str, kind: Layout, start: int, count: int | None) -> dict[str, Field]:
    """Return the fields that a member adds: itself, and if it is a structure all that is in it, or in element 0."""
    inner = {path: field for path, field in kind.fields.items() if path}
    if name == "_":
        return {path: _moved(field, start) for path, field in inner.items()}
    whole = kind.fields.get("", Field(0, kind.size, scalar=False))
    own = Field(start, kind.size, count or 1, whole.signed, whole.scalar)
    first = name if count is None else f"{name}[0]"
    return {name: own} | {f"{first}.{path}": _moved(field, start) for path, field in inner.items()}


def _moved(field: Field, by: int) -> Field:
    return Field(field.offset + by, field.size, field.count, field.signed, field.scalar)


def _type(name: str, arch: Arch, known: dict[str, Layout]) -> Layout:
    number = re.fullmatch(r"([ui])(8|16|32|64)", name)
    if number or name == "ptr":
        size = int(number[2]) // 8 if number else POINTER[arch]
        return Layout(name, arch, size, size, {"": Field(0, size, signed=name[0] == "i")})
    if name not in known:
        raise ValueError(f"{name} is not declared before its use; {nearest(name, known)}")
    return known[name]


def _option(text: str, arch: Arch) -> int:
    """Return the number of ``N`` or ``X64/X86``; 0 for ``-``."""
    x64, _, x32 = text.partition("/")
    chosen = x64 if arch == "x64" or not x32 else x32
    return 0 if chosen == "-" else int(chosen)


class Owner(Protocol):
    """What a view needs of the kernel."""

    @property
    def memory(self) -> Memory: ...

    @property
    def arch(self) -> Arch: ...


def view(kernel: Owner, name: str, address: int) -> Struct:
    """Return a view of the structure `name` at a guest address."""
    return Struct(kernel.memory, layout(name, kernel.arch), address)

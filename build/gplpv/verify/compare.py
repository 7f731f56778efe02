# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether two files or folders are equal up to their signatures, and where they are not.

A signature is left out wherever it is, in files inside packages too, and with it what follows from it: checksum and
directory entry of an image; size and hash of a file in the tables of an .msi, where the file itself is equal; times and
the place of data in an .exe. A package is compared by what is in it, as compression hides where a difference is.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import wixpy
from gplpv import authenticode, nsisread, pkcs7
from gplpv import catalog as catalogs
from gplpv.errors import GplpvError, UsageError
from gplpv.verify import compound
from gplpv.verify.subject import archive_members, kind_of, read
from wixpy.errors import WixpyError
from wixpy.package import installed_files

_SECTION = struct.Struct("<8s6I2HI")
_SIZES = {("File", "FileSize"), *(("MsiFileHash", f"HashPart{part}") for part in range(1, 5))}


@dataclass(frozen=True)
class Difference:
    """A place in which two things differ.

    Attributes:
        place: the file, and inside it the section, table, stream or member, joined by `/`.
        offset: of the first byte that differs, in that place; None when a whole thing is missing or is no bytes.
        one, other: these bytes, None where one ends before.
        count: how many bytes of the place differ.
        text: what differs, where that is not bytes.
    """

    place: str
    offset: int | None = None
    one: int | None = None
    other: int | None = None
    count: int = 0
    text: str = ""

    def __str__(self) -> str:
        if self.offset is None:
            return f"{self.place}: {self.text}"
        one, other = ("end" if byte is None else f"{byte:02x}" for byte in (self.one, self.other))
        more = f" ({self.count} bytes differ)" if self.count > 1 else ""
        return f"{self.place}: at {self.offset:#x} {one} and {other}{more}"


def paths(one: Path, other: Path) -> list[Difference]:
    """Compare two files or two folders.

    Raises:
        UsageError: one is not there, or they are a file and a folder.
    """
    for path in (one, other):
        if not path.exists():
            raise UsageError(f"{path} does not exist.", "Name two files or two folders.")
    if one.is_dir() != other.is_dir():
        raise UsageError(f"{one} and {other} are a file and a folder.", "Name two files or two folders.")
    if not one.is_dir():
        return list(_files(other.name, one, other))
    names = [
        {path.relative_to(top).as_posix(): path for path in top.rglob("*") if path.is_file()} for top in (one, other)
    ]
    return list(_named(names[0], names[1], _files))


def _files(name: str, one: Path, other: Path) -> Iterator[Difference]:
    data = []
    for path in (one, other):
        try:
            data.append(read(path))
        except GplpvError as error:
            raise GplpvError(f"{path}: {error.message}", error.hint) from error
    yield from contents(name, data[0], data[1])


def _named(
    ones: dict[str, Path], others: dict[str, Path], compare: Callable[[str, Path, Path], Iterator[Difference]]
) -> Iterator[Difference]:
    for name in sorted(ones.keys() | others.keys()):
        if name not in ones or name not in others:
            yield Difference(name, text=f"only in the {'first' if name in ones else 'second'}")
        else:
            yield from compare(name, ones[name], others[name])


def contents(name: str, one: bytes, other: bytes) -> Iterator[Difference]:
    """Compare two files' bytes; what cannot be understood is compared as it is."""
    if one == other:
        return
    kind = kind_of(name, one)
    compare = _COMPARERS.get(kind, _bytes)
    try:
        found = list(compare(name, one, other))
    except (GplpvError, WixpyError, ValueError, TypeError, LookupError, struct.error, zlib.error, lzma.LZMAError):
        found = list(_bytes(name, one, other))
    yield from found


def _bytes(place: str, one: bytes, other: bytes) -> Iterator[Difference]:
    if one == other:
        return
    shorter = min(len(one), len(other))
    differing = [i for i in range(shorter) if one[i] != other[i]] if one[:shorter] != other[:shorter] else []
    offset = differing[0] if differing else shorter
    yield Difference(
        place,
        offset,
        one[offset] if offset < len(one) else None,
        other[offset] if offset < len(other) else None,
        len(differing) + abs(len(one) - len(other)),
    )


def _bare_image(data: bytes) -> bytes:
    """An image without its signature and what changes with it, padded as signing pads it."""
    places = authenticode.layout(data)
    bare = bytearray(data[: places.table])
    bare[places.checksum : places.checksum + 4] = bytes(4)
    if places.security is not None:
        bare[places.security : places.security + 8] = bytes(8)
    return bytes(bare + bytes(-len(bare) % 8))


def _regions(data: bytes) -> list[tuple[str, int, int]]:
    """Headers, sections by name, and what lies behind them."""
    (header,) = struct.unpack_from("<I", data, 60)
    count, optional = struct.unpack_from("<H", data, header + 6)[0], struct.unpack_from("<H", data, header + 20)[0]
    found = []
    for index in range(count):
        name, _, _, size, start, *_ = _SECTION.unpack_from(data, header + 24 + optional + _SECTION.size * index)
        if size:
            found.append((name.rstrip(b"\0").decode("latin-1"), start, start + size))
    found.sort(key=lambda region: region[1])
    first = found[0][1] if found else len(data)
    last = max((end for _, _, end in found), default=first)
    return [("headers", 0, first), *found, ("overlay", last, len(data))]


def _image(place: str, one: bytes, other: bytes) -> Iterator[Difference]:
    one, other = _bare_image(one), _bare_image(other)
    if one == other:
        return
    regions = _regions(one)
    if regions[:-1] != _regions(other)[:-1]:
        yield from _bytes(f"{place}/headers", one[: regions[0][2]], other[: regions[0][2]])
    for name, start, end in regions:
        stop = len(other) if name == "overlay" else end
        for found in _bytes(f"{place}/{name}", one[start:end], other[start:stop]):
            # Offsets of an image count from the file's beginning, where a hex editor shows them.
            yield Difference(found.place, start + (found.offset or 0), found.one, found.other, found.count)


def _catalog(place: str, one: bytes, other: bytes) -> Iterator[Difference]:
    if pkcs7.content_of(one) == pkcs7.content_of(other):
        return
    read = (catalogs.read(one), catalogs.read(other))
    facts = [
        {
            "version": catalog.version,
            "list identifier": catalog.identifier.hex(),
            "time": f"{catalog.this_update:%Y-%m-%d %H:%M:%S}",
            **{f"attribute {name}": value for name, value in catalog.attributes.items()},
            **{f"member {member.file} {len(member.digest)}": member.digest.hex() for member in catalog.members},
        }
        for catalog in read
    ]
    found = [
        Difference(f"{place}/{name}", text=f"{facts[0].get(name)!r} and {facts[1].get(name)!r}")
        for name in sorted(facts[0].keys() | facts[1].keys())
        if facts[0].get(name) != facts[1].get(name)
    ]
    # What these do not tell is told by its place in the list.
    yield from found or _bytes(f"{place}/trust list", pkcs7.content_of(one), pkcs7.content_of(other))


def _archive(place: str, one: bytes, other: bytes) -> Iterator[Difference]:
    yield from _members(place, dict(archive_members(one)), dict(archive_members(other)))


def _members(place: str, ones: dict[str, bytes], others: dict[str, bytes]) -> Iterator[Difference]:
    for name in sorted(ones.keys() | others.keys()):
        inner = f"{place}/{name}"
        if name not in ones or name not in others:
            yield Difference(inner, text=f"only in the {'first' if name in ones else 'second'}")
        else:
            yield from contents(inner, ones[name], others[name])


def _msi(place: str, one: bytes, other: bytes) -> Iterator[Difference]:
    databases = [wixpy.Database.parse(data) for data in (one, other)]
    files = [dict(installed_files(database)) for database in databases]
    members = list(_members(f"{place}/cabinet", files[0], files[1]))
    yield from members
    yield from _tables(place, databases[0], databases[1], skip_sizes=not members)
    if databases[0].summary != databases[1].summary:
        for pid in sorted(databases[0].summary.keys() | databases[1].summary.keys()):
            pair = [database.summary.get(pid) for database in databases]
            if pair[0] != pair[1]:
                yield Difference(f"{place}/summary/{pid.name}", text=f"{pair[0]!r} and {pair[1]!r}")
    cabinets = {row.text("Cabinet")[1:] for database in databases for row in database.rows("Media")}
    signatures = {compound.SIGNATURE_STREAM, compound.EXTENDED_STREAM}
    streams = [
        {name: data for name, data in database.streams.items() if name not in cabinets | signatures}
        for database in databases
    ]
    yield from _members(f"{place}/streams", streams[0], streams[1])


def _tables(place: str, one: wixpy.Database, other: wixpy.Database, skip_sizes: bool) -> Iterator[Difference]:
    for name in sorted(one.tables.keys() | other.tables.keys()):
        rows = [{row.key: row for row in database.rows(name)} for database in (one, other)]
        for key in sorted(rows[0].keys() | rows[1].keys(), key=repr):
            where = f"{place}/{name}/{' '.join(map(str, key))}"
            if key not in rows[0] or key not in rows[1]:
                yield Difference(where, text=f"only in the {'first' if key in rows[0] else 'second'}")
                continue
            left, right = rows[0][key], rows[1][key]
            for column in sorted(left.keys() | right.keys()):
                pair = (left.get(column), right.get(column))
                if pair[0] != pair[1] and not (skip_sizes and (name, column) in _SIZES):
                    yield Difference(f"{where}/{column}", text=f"{pair[0]!r} and {pair[1]!r}")


def _installer(place: str, one: bytes, other: bytes) -> Iterator[Difference]:
    bare = [_bare_image(data) for data in (one, other)]
    if bare[0] == bare[1]:
        return
    installers = [nsisread.Installer(data, _is_wide(data)) for data in bare]
    files = [{file.path: installer.read(file) for file in installer.files} for installer in installers]
    yield from _members(f"{place}/payload", files[0], files[1])
    scripts = [installer.script for installer in installers]
    yield from _bytes(f"{place}/script", scripts[0], scripts[1])
    yield from _members(f"{place}/uninstaller", *({"data": installer.uninstaller} for installer in installers))
    stubs = [data[: installer.frame.start] for data, installer in zip(bare, installers, strict=True)]
    yield from _image(f"{place}/stub", stubs[0], stubs[1])


def _is_wide(data: bytes) -> bool:
    (header,) = struct.unpack_from("<I", data, 60)
    return data[header + 4 : header + 6] == b"\x64\x86"


_COMPARERS: dict[str, Callable[[str, bytes, bytes], Iterator[Difference]]] = {
    "image": _image,
    "catalog": _catalog,
    "archive": _archive,
    "msi": _msi,
    "installer": _installer,
}

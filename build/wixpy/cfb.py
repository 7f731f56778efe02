# SPDX-License-Identifier: MIT
"""Compound files, the container of Windows Installer databases ([MS-CFB] Compound File Binary File Format).

A compound file is a small file system: storages (folders) and streams (files), kept in sectors of 512 or 4096 bytes
that a file allocation table (FAT) chains, with streams under 4096 bytes in a stream of their own, the mini stream, cut
into 64-byte sectors.  :func:`write` lays a :class:`Storage` out without gaps, time stamps or unused sectors, so equal
content gives equal bytes; :class:`CompoundFile` reads any valid file and refuses a damaged one with a reason.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple
from uuid import UUID

from wixpy.blob import Blob, Content, Pieces, chunks
from wixpy.errors import WixpyError

SIGNATURE = bytes.fromhex("d0cf11e0a1b11ae1")
NO_CLSID = UUID(int=0)
MAX_REGULAR_SECTOR = 0xFFFFFFFA
DIFAT_SECTOR = 0xFFFFFFFC
FAT_SECTOR = 0xFFFFFFFD
END_OF_CHAIN = 0xFFFFFFFE
FREE = 0xFFFFFFFF
NO_STREAM = 0xFFFFFFFF

MINI_CUTOFF = 4096
MINI_SECTOR = 64
HEADER_FAT_SLOTS = 109
MAX_FILE = 0x7FFFFFFF

UNUSED, STORAGE, STREAM, ROOT = 0, 1, 2, 5
RED, BLACK = 0, 1

_HEADER = struct.Struct("<8s16s5H6s9I")
_ENTRY = struct.Struct("<64sHBB3I16sI16sIQ")
_VERSIONS = {512: 3, 4096: 4}
_DAMAGED = "the file is damaged or no compound file: get it again"

MAX_DEPTH = 16


class Storage:
    """A folder of a compound file: streams (content) and storages by name (at most 31 UTF-16 units)."""

    def __init__(self, children: Mapping[str, Content | Storage] | None = None, clsid: UUID = NO_CLSID) -> None:
        self.children = dict(children or {})
        self.clsid = clsid


def sort_key(name: str) -> tuple[int, bytes]:
    """The order of siblings: by length, then by upper-cased UTF-16 unit ([MS-CFB] 2.6.4).

    >>> sorted(["bb", "C", "AA", "a"], key=sort_key)
    ['a', 'C', 'AA', 'bb']
    """
    upper = "".join(c.upper() if len(c.upper()) == 1 and c < "\U00010000" else c for c in name)
    return len(name.encode("utf-16-le", "surrogatepass")), upper.encode("utf-16-be", "surrogatepass")


class _Node:
    """A directory entry that is being laid out."""

    def __init__(self, name: str, kind: int, content: Content = b"", clsid: UUID = NO_CLSID) -> None:
        self.name, self.kind, self.content, self.clsid = name, kind, content, clsid
        self.color = BLACK
        self.left = self.right = self.child = NO_STREAM
        self.start = 0 if kind in (UNUSED, STORAGE) else END_OF_CHAIN
        self.size = len(content)

    def pack(self) -> bytes:
        name = self.name.encode("utf-16-le", "surrogatepass")
        return _ENTRY.pack(
            name, len(name) + 2, self.kind, self.color, self.left, self.right, self.child,
            self.clsid.bytes_le, 0, bytes(16), self.start, self.size,
        )  # fmt: skip


def _directory(root: Storage) -> list[_Node]:
    """Directory entries in the order they are numbered, siblings linked as balanced red-black trees."""
    nodes = [_Node("Root Entry", ROOT, clsid=root.clsid)]
    pending = [(nodes[0], root)]
    while pending:
        parent, storage = pending.pop(0)
        first = len(nodes)
        for name in sorted(storage.children, key=sort_key):
            if not 0 < len(name.encode("utf-16-le", "surrogatepass")) <= 62:
                raise WixpyError(f"“{name}” is no name for a stream", "use 1 to 31 characters")
            child = storage.children[name]
            if isinstance(child, Storage):
                nodes.append(_Node(name, STORAGE, clsid=child.clsid))
                pending.append((nodes[-1], child))
            else:
                nodes.append(_Node(name, STREAM, child))
        count = len(nodes) - first
        levels = count.bit_length()
        parent.child = _balance(nodes, first, len(nodes), 0 if count == (1 << levels) - 1 else levels)
    return nodes


def _balance(nodes: list[_Node], low: int, high: int, red_level: int) -> int:
    """Link nodes[low:high] as a tree of minimal height and return its root.

    All levels but the last are full; when the last, ``red_level`` down from here, is not, its nodes are red: then every
    path has the same number of black nodes and no red node has a red child.
    """
    if low >= high:
        return NO_STREAM
    middle = (low + high) // 2
    node = nodes[middle]
    node.color = RED if red_level == 1 else BLACK
    node.left = _balance(nodes, low, middle, red_level - 1)
    node.right = _balance(nodes, middle + 1, high, red_level - 1)
    return middle


def _sectors(size: int, sector: int) -> int:
    return -(-size // sector)


def _chain(count: int, start: int) -> array[int]:
    """FAT entries of ``count`` consecutive sectors from number ``start``."""
    entries = array("I", range(start + 1, start + count + 1))
    if count:
        entries[-1] = END_OF_CHAIN
    return entries


def _little_endian(entries: array[int]) -> bytes:
    if sys.byteorder == "big":
        entries = entries[:]
        entries.byteswap()
    return entries.tobytes()


def _table_sectors(used: int, sector: int) -> tuple[int, int]:
    """How many FAT and DIFAT sectors describe ``used`` other sectors and themselves."""
    per_sector = sector // 4
    fat = difat = 0
    while True:
        needed = _sectors(used + fat + difat, per_sector)
        chained = _sectors(max(0, needed - HEADER_FAT_SLOTS), per_sector - 1)
        if (needed, chained) == (fat, difat):
            return fat, difat
        fat, difat = needed, chained


def write(root: Storage, out: BinaryIO, sector: int = 512) -> None:
    """Write ``root`` as a compound file with sectors of 512 (version 3) or 4096 bytes (version 4).

    The order is header, streams, mini stream, mini FAT, directory, FAT, DIFAT.  WixpyError when the file would pass
    2 GiB, which Windows Installer does not open.

    >>> from io import BytesIO
    >>> out = BytesIO()
    >>> write(Storage({"stream": b"data", "folder": Storage({"inner": b"more"})}), out)
    >>> list(CompoundFile(out.getvalue()).root.children)
    ['stream', 'folder']
    """
    nodes = _directory(root)
    streams = [node for node in nodes if node.kind == STREAM and node.size]
    large = [node for node in streams if node.size >= MINI_CUTOFF]
    small = [node for node in streams if node.size < MINI_CUTOFF]

    fat = array("I")
    if sum(node.size for node in streams) > MAX_FILE:
        raise _too_large()
    for node in large:
        node.start = len(fat)
        fat += _chain(_sectors(node.size, sector), len(fat))
    mini_fat = array("I")
    for node in small:
        node.start = len(mini_fat)
        mini_fat += _chain(_sectors(node.size, MINI_SECTOR), len(mini_fat))
    nodes[0].size = len(mini_fat) * MINI_SECTOR
    nodes[0].start = len(fat) if small else END_OF_CHAIN
    fat += _chain(_sectors(nodes[0].size, sector), len(fat))
    mini_fat_start, mini_fat_count = len(fat), _sectors(4 * len(mini_fat), sector)
    fat += _chain(mini_fat_count, len(fat))
    directory_start, directory_count = len(fat), _sectors(128 * len(nodes), sector)
    fat += _chain(directory_count, len(fat))

    fat_start = len(fat)
    fat_count, difat_count = _table_sectors(fat_start, sector)
    fat.extend([FAT_SECTOR] * fat_count + [DIFAT_SECTOR] * difat_count)
    if (len(fat) + 1) * sector > MAX_FILE:
        raise _too_large()
    fat.extend([FREE] * (-len(fat) % (sector // 4)))
    fat_sectors = list(range(fat_start, fat_start + fat_count))

    header = _HEADER.pack(
        SIGNATURE, bytes(16), 0x3E, _VERSIONS[sector], 0xFFFE, sector.bit_length() - 1, 6, bytes(6),
        directory_count if sector == 4096 else 0, fat_count, directory_start, 0, MINI_CUTOFF,
        mini_fat_start if mini_fat_count else END_OF_CHAIN, mini_fat_count,
        fat_start + fat_count if difat_count else END_OF_CHAIN, difat_count,
    )  # fmt: skip
    slots = [*fat_sectors[:HEADER_FAT_SLOTS], *[FREE] * (HEADER_FAT_SLOTS - fat_count)]
    _padded(out, [header, _little_endian(array("I", slots))], sector, b"\0")
    for node in large:
        _padded(out, [node.content], sector, b"\0")
    for node in small:
        _padded(out, [node.content], MINI_SECTOR, b"\0")
    out.write(bytes(-nodes[0].size % sector))
    _padded(out, [_little_endian(mini_fat)], sector, b"\xff")
    unused = _Node("", UNUSED)
    entries = [node.pack() for node in nodes]
    entries += [unused.pack()[:64] + bytes(4) + unused.pack()[68:]] * (-len(nodes) % (sector // 128))
    out.write(b"".join(entries))
    out.write(_little_endian(fat))
    _write_difat(out, fat_sectors[HEADER_FAT_SLOTS:], fat_start + fat_count, sector)


def _too_large() -> WixpyError:
    return WixpyError("the package would be larger than 2 GiB", "put large files into cabinets beside the package")


def _padded(out: BinaryIO, parts: Sequence[Content], unit: int, filler: bytes) -> None:
    for part in parts:
        for chunk in chunks(part):
            out.write(chunk)
    out.write(filler * (-sum(map(len, parts)) % unit))


def _write_difat(out: BinaryIO, fat_sectors: list[int], start: int, sector: int) -> None:
    per_sector = sector // 4 - 1
    for index in range(0, len(fat_sectors), per_sector):
        part = fat_sectors[index : index + per_sector]
        last = index + per_sector >= len(fat_sectors)
        part += [FREE] * (per_sector - len(part))
        start += 1
        out.write(_little_endian(array("I", [*part, END_OF_CHAIN if last else start])))


class Entry(NamedTuple):
    """A storage (with ``children``) or a stream (with ``size`` bytes) of a compound file that was read."""

    name: str
    kind: int
    clsid: UUID
    start: int
    size: int
    children: dict[str, Entry]

    @property
    def is_stream(self) -> bool:
        return self.kind == STREAM


def _short(entry: Entry) -> WixpyError:
    return WixpyError(f"the stream “{entry.name}” is shorter than its entry says", _DAMAGED)


class CompoundFile:
    """A compound file that is read: ``root`` is its tree, :meth:`read` gives a stream's bytes, :meth:`blob` a stream
    that stays where it is.

    ``data`` is the whole file, as bytes or as a blob.  WixpyError says why a file cannot be read.

    >>> from io import BytesIO
    >>> out = BytesIO()
    >>> write(Storage({"stream": b"data", "folder": Storage({"inner": b"more"})}), out)
    >>> file = CompoundFile(out.getvalue())
    >>> entries = file.root.children
    >>> entries["stream"].is_stream, file.read(entries["stream"]), file.blob(entries["stream"])[1:]
    (True, b'data', b'ata')
    >>> file.storage(entries["folder"]).children
    {'inner': b'more'}
    """

    def __init__(self, data: Blob) -> None:
        self._data = data
        if len(data) < _HEADER.size + 4 * HEADER_FAT_SLOTS or data[:8] != SIGNATURE:
            raise WixpyError("this is not a compound file", "give an .msi file")
        (_, _, _, version, order, shift, mini_shift, _, _, fat_count, directory, _, cutoff, mini_fat, _, difat, _) = (
            _HEADER.unpack(data[: _HEADER.size])
        )
        if (version, shift) not in ((3, 9), (4, 12)) or (order, mini_shift, cutoff) != (0xFFFE, 6, MINI_CUTOFF):
            raise WixpyError("the header of the compound file has values that no version defines", _DAMAGED)
        self.sector = 1 << shift
        self.version = version
        self._fat = self._read_fat(fat_count, difat)
        self.root = self._read_directory(self._read_chain(directory))
        self._mini_stream = self._read_chain(self.root.start)[: self.root.size] if self.root.size else b""
        self._mini_fat = self._entries(self._read_chain(mini_fat)) if mini_fat != END_OF_CHAIN else array("I")

    def read(self, entry: Entry) -> bytes:
        """The bytes of a stream."""
        if not entry.size:
            return b""
        if entry.size >= MINI_CUTOFF:
            content = self._read_chain(entry.start, entry.size)
        else:
            runs = self._runs(entry.start, self._mini_fat, _sectors(entry.size, MINI_SECTOR))
            content = b"".join(self._mini_stream[a * MINI_SECTOR : b * MINI_SECTOR] for a, b in runs)[: entry.size]
        if len(content) < entry.size:
            raise _short(entry)
        return content

    def blob(self, entry: Entry) -> Blob:
        """A stream, whose bytes are read from the file when they are asked for; small ones are read now."""
        if entry.size < MINI_CUTOFF:
            return self.read(entry)
        left = entry.size
        regions = []
        for first, last in self._runs(entry.start, self._fat, _sectors(entry.size, self.sector)):
            start = (first + 1) * self.sector
            end = min((last + 1) * self.sector, len(self._data), start + left)
            if end > start:
                regions.append((start, end))
                left -= end - start
        if left:
            raise _short(entry)
        return Pieces(self._data, regions)

    def storage(self, entry: Entry, depth: int = 0) -> Storage:
        """A storage with all that is in it, to be written elsewhere."""
        if depth > MAX_DEPTH:
            raise WixpyError(f"the compound file has storages more than {MAX_DEPTH} deep", _DAMAGED)
        copy = Storage(clsid=entry.clsid)
        for name, child in entry.children.items():
            copy.children[name] = self.read(child) if child.is_stream else self.storage(child, depth + 1)
        return copy

    @staticmethod
    def _entries(data: bytes) -> array[int]:
        entries = array("I", data[: len(data) & ~3])
        if sys.byteorder == "big":
            entries.byteswap()
        return entries

    def _sector(self, number: int) -> bytes:
        start = (number + 1) * self.sector
        content = self._data[start : start + self.sector]
        if len(content) < self.sector:
            raise WixpyError(f"the compound file ends before its sector {number}", _DAMAGED)
        return content

    def _read_fat(self, count: int, difat: int) -> array[int]:
        first = self._entries(self._data[_HEADER.size : _HEADER.size + 4 * HEADER_FAT_SLOTS])
        numbers = [number for number in first if number <= MAX_REGULAR_SECTOR]
        seen = set()
        while difat <= MAX_REGULAR_SECTOR:
            if difat in seen:
                raise WixpyError("the list of FAT sectors runs in a circle", _DAMAGED)
            seen.add(difat)
            *part, difat = self._entries(self._sector(difat))
            numbers += [number for number in part if number <= MAX_REGULAR_SECTOR]
        if len(numbers) < count or len(numbers) * self.sector > len(self._data):
            raise WixpyError("the compound file lacks FAT sectors", _DAMAGED)
        return self._entries(b"".join(map(self._sector, numbers[:count])))

    @staticmethod
    def _runs(start: int, fat: array[int], most: int | None = None) -> Iterator[tuple[int, int]]:
        """The sectors of a chain as half-open runs of consecutive numbers; no more than ``most`` when that is given,
        so that what a stream costs is what it holds."""
        left = len(fat) if most is None else most
        seen = set()
        while start != END_OF_CHAIN and (left or most is None):
            seen.add(start)
            end = start
            while True:
                if end >= len(fat) or not left:
                    raise WixpyError("a chain of sectors leaves the file or runs in a circle", _DAMAGED)
                left -= 1
                following = fat[end]
                end += 1
                if following != end or (most is not None and not left):
                    break
            if following in seen:
                raise WixpyError("a chain of sectors leaves the file or runs in a circle", _DAMAGED)
            yield start, end
            start = following

    def _read_chain(self, start: int, size: int | None = None) -> bytes:
        parts = []
        for first, last in self._runs(start, self._fat, None if size is None else _sectors(size, self.sector)):
            parts.append(self._data[(first + 1) * self.sector : (last + 1) * self.sector])
        content = b"".join(parts)
        return content if size is None else content[:size]

    def _read_directory(self, data: bytes) -> Entry:
        count = len(data) // 128
        seen: set[int] = set()

        def entry_at(number: int) -> tuple[Entry, int, int, int]:
            if number >= count or number in seen:
                raise WixpyError("the directory of the compound file is no tree", _DAMAGED)
            seen.add(number)
            (name, length, kind, _, left, right, child, clsid, _, _, start, size) = _ENTRY.unpack_from(
                data, 128 * number
            )
            if (
                not 2 <= length <= 64
                or length % 2
                or kind not in (STORAGE, STREAM, ROOT)
                or (kind == ROOT) != (number == 0)
            ):
                raise WixpyError(f"directory entry {number} of the compound file is not valid", _DAMAGED)
            if self.version == 3:
                size &= 0xFFFFFFFF
            if size > len(self._data):
                raise WixpyError(f"directory entry {number} is larger than the compound file", _DAMAGED)
            text = name[: length - 2].decode("utf-16-le", "surrogatepass")
            return Entry(text, kind, UUID(bytes_le=clsid), start, size, {}), left, right, child

        root, _, _, child = entry_at(0)
        pending = [(root, child)]
        total = 0
        while pending:
            parent, number = pending.pop()
            if number == NO_STREAM:
                continue
            entry, left, right, child = entry_at(number)
            parent.children[entry.name] = entry
            total += entry.size if entry.is_stream else 0
            # Streams that share sectors would grow without bound when they are read.
            if total > len(self._data):
                raise WixpyError("the streams of the compound file are together larger than it", _DAMAGED)
            pending += [(parent, left), (parent, right)]
            if entry.kind == STORAGE:
                pending.append((entry, child))
        return root

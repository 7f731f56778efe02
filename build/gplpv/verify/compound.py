# SPDX-License-Identifier: GPL-2.0-or-later
"""Compound files down to the last byte: the Authenticode digest of an .msi, and everything that no digest covers.

The digest covers the content of the streams and the class of the root, no names, no sizes, nothing of the container.
So :class:`Container` accounts for each sector ([MS-CFB]): it belongs to one chain or is free and zero, what a stream
leaves of its last sector is zero, reserved fields have their one value, siblings form an ordered tree.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from wixpy.cfb import (
    BLACK,
    DIFAT_SECTOR,
    END_OF_CHAIN,
    FAT_SECTOR,
    FREE,
    HEADER_FAT_SLOTS,
    MAX_REGULAR_SECTOR,
    MINI_CUTOFF,
    MINI_SECTOR,
    NO_STREAM,
    RED,
    ROOT,
    SIGNATURE,
    STORAGE,
    STREAM,
    sort_key,
)

KIND = "1.3.6.1.4.1.311.2.1.30"
"""SPC_SIPINFO."""
SIGNATURE_STREAM = "\x05DigitalSignature"
EXTENDED_STREAM = "\x05MsiDigitalSignatureEx"
_HEADER = struct.Struct("<8s16s5H6s9I")
_ENTRY = struct.Struct("<64sHBB3I16sI16sIQ")
_ROOT_NAME = "Root Entry".encode("utf-16-le")
_UNUSED = bytes(68) + b"\xff" * 12 + bytes(48)


class Damaged(ValueError):
    """A sentence about what is wrong with the container."""


@dataclass(frozen=True)
class Entry:
    """A directory entry."""

    number: int
    raw_name: bytes
    """UTF-16LE without its end."""
    kind: int
    color: int
    left: int
    right: int
    child: int
    clsid: bytes
    state: int
    times: bytes
    start: int
    size: int

    @property
    def name(self) -> str:
        return self.raw_name.decode("utf-16-le", "surrogatepass")


class Container:
    """A compound file that is laid out as it must be.

    Raises:
        Damaged: at the first fault.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._read_header()
        self._count = len(data) // self.sector - 1
        if self._mini_fat_count > self._count or self._difat_count > self._count:
            raise Damaged("the header of the compound file tells more sectors than there are")
        self._owned = bytearray(self._count)
        self._read_fat()
        self.entries = self._read_directory()
        self._root = self.entries[0]
        self._mini_fat = self._entries_of(
            self._chain(self._mini_fat_start, self._mini_fat_count * self.sector, "mini FAT")
        )
        self._mini_owned = bytearray(self._root.size // MINI_SECTOR)
        self._mini_stream = self._chain(self._root.start, self._root.size, "mini stream")
        self.tree = self._read_tree()
        self.streams = {path: self._read(entry) for path, entry in self.tree.items() if entry.kind == STREAM}
        self._account()

    def _read_header(self) -> None:
        data = self._data
        if len(data) < 3 * 512 or data[:8] != SIGNATURE:
            raise Damaged("it is not a compound file")
        (_, clsid, minor, major, order, shift, mini_shift, zero, directories, fats, directory, transaction, cutoff,
         mini_start, mini_count, difat, difat_count) = _HEADER.unpack_from(data)  # fmt: skip
        if (major, shift) not in ((3, 9), (4, 12)) or minor != 0x3E:
            raise Damaged("the header of the compound file tells no known version")
        if (clsid, order, mini_shift, zero, transaction, cutoff) != (bytes(16), 0xFFFE, 6, bytes(6), 0, MINI_CUTOFF):
            raise Damaged("the header of the compound file has a value that no version defines")
        self.sector = 1 << shift
        self._major = major
        if len(data) % self.sector or any(data[512 : self.sector]):
            raise Damaged("the file is no whole number of sectors, or its header's is not empty")
        self._directory_start, self._directory_count = directory, directories
        self._fat_count, self._difat, self._difat_count = fats, difat, difat_count
        self._mini_fat_start, self._mini_fat_count = mini_start, mini_count

    def _sector(self, number: int) -> bytes:
        if number >= self._count:
            raise Damaged(f"it refers to sector {number}, which the file does not have")
        return self._data[(number + 1) * self.sector : (number + 2) * self.sector]

    def _own(self, number: int, what: str) -> bytes:
        content = self._sector(number)
        if self._owned[number]:
            raise Damaged(f"sector {number} of the {what} is in use twice")
        self._owned[number] = 1
        return content

    @staticmethod
    def _entries_of(data: bytes) -> array[int]:
        entries = array("I", data)
        if sys.byteorder == "big":
            entries.byteswap()
        return entries

    def _read_fat(self) -> None:
        slots = list(self._entries_of(self._data[_HEADER.size : _HEADER.size + 4 * HEADER_FAT_SLOTS]))
        difat, chained = self._difat, []
        for _ in range(self._difat_count):
            *part, following = self._entries_of(self._own(difat, "list of FAT sectors"))
            chained.append(difat)
            slots += part
            difat = following
        if difat != END_OF_CHAIN:
            raise Damaged("the list of FAT sectors does not end")
        numbers, rest = slots[: self._fat_count], slots[self._fat_count :]
        if any(slot != FREE for slot in rest):
            raise Damaged("the list of FAT sectors has more entries than the header says")
        self._fat = self._entries_of(b"".join(self._own(number, "FAT") for number in numbers))
        if len(self._fat) < self._count or any(entry != FREE for entry in self._fat[self._count :]):
            raise Damaged("the FAT does not fit the file's length")
        if any(self._fat[number] != FAT_SECTOR for number in numbers):
            raise Damaged("the FAT does not mark its own sectors")
        if any(self._fat[number] != DIFAT_SECTOR for number in chained):
            raise Damaged("the FAT does not mark the sectors of its list")

    def _chain(self, start: int, size: int | None, what: str) -> bytes:
        """The content of a chain, which must have as many sectors as `size` bytes need, and zeros after them."""
        parts: list[bytes] = []
        number = start
        while number <= MAX_REGULAR_SECTOR and (size is None or len(parts) * self.sector < size):
            parts.append(self._own(number, what))
            number = self._fat[number]
        if size == 0 and start in (0, END_OF_CHAIN):
            return b""
        content = b"".join(parts)
        if number != END_OF_CHAIN or (size is not None and len(content) < size):
            raise Damaged(f"the chain of the {what} has another length than it should")
        if size is not None and any(content[size:]):
            raise Damaged(f"there are bytes behind the {what}, in its last sector")
        return content if size is None else content[:size]

    def _read_directory(self) -> list[Entry]:
        content = self._chain(self._directory_start, None, "directory")
        if self._directory_count != (len(content) // self.sector if self._major == 4 else 0):
            raise Damaged("the header tells another number of directory sectors")
        return [self._entry(content[at : at + 128], at // 128) for at in range(0, len(content), 128)]

    def _entry(self, raw: bytes, number: int) -> Entry:
        name, length, kind, color, left, right, child, clsid, state, times, start, size = _ENTRY.unpack(raw)
        if kind == 0:
            if raw not in (_UNUSED, bytes(128)):
                raise Damaged(f"the unused directory entry {number} is not empty")
            return Entry(number, b"", 0, 0, left, right, child, clsid, 0, times, 0, 0)
        if kind not in (STORAGE, STREAM, ROOT) or color not in (RED, BLACK) or (kind == ROOT) != (number == 0):
            raise Damaged(f"directory entry {number} has no valid kind or colour")
        if not 2 < length <= 64 or length % 2 or any(name[length - 2 :]):
            raise Damaged(f"the name of directory entry {number} is not ended as it should be")
        is_root = name[: length - 2] == _ROOT_NAME and left == right == NO_STREAM and color == BLACK
        if kind == ROOT and not is_root:
            raise Damaged("the root entry is not as it should be")
        if (
            state
            or (kind == ROOT and any(times))
            or (kind == STREAM and (any(clsid) or any(times) or child != NO_STREAM))
        ):
            raise Damaged(f"directory entry {number} has a field set that must be zero")
        if size > len(self._data):
            raise Damaged(f"directory entry {number} is larger than the file")
        if kind == STORAGE and (start or size):
            raise Damaged(f"directory entry {number} is a folder with content")
        return Entry(number, name[: length - 2], kind, color, left, right, child, clsid, state, times, start, size)

    def _read_tree(self) -> dict[tuple[str, ...], Entry]:
        """Every entry below the root by its path; siblings must be an ordered tree, and each entry be in it."""
        found: dict[tuple[str, ...], Entry] = {}
        seen = {0}
        pending: list[tuple[tuple[str, ...], Entry]] = [((), self._root)]
        while pending:
            path, storage = pending.pop()
            siblings = list(self._in_order(storage.child, seen))
            keys = [sort_key(entry.name) for entry in siblings]
            if any(one >= other for one, other in pairwise(keys)):
                raise Damaged("the directory is not in order")
            self._check_colors(siblings, storage.child)
            for entry in siblings:
                inside = (*path, entry.name)
                found[inside] = entry
                if entry.kind == STORAGE:
                    pending.append((inside, entry))
        if len(seen) != sum(entry.kind != 0 for entry in self.entries):
            raise Damaged("the directory has entries that no folder lists")
        return found

    def _in_order(self, top: int, seen: set[int]) -> Iterator[Entry]:
        path: list[Entry] = []
        number = top
        while path or number != NO_STREAM:
            while number != NO_STREAM:
                if number >= len(self.entries) or number in seen or self.entries[number].kind not in (STORAGE, STREAM):
                    raise Damaged("the directory is no tree")
                seen.add(number)
                path.append(self.entries[number])
                number = self.entries[number].left
            entry = path.pop()
            yield entry
            number = entry.right

    def _check_colors(self, siblings: list[Entry], top: int) -> None:
        """Red-black as the format asks, or all black as many programs write."""
        if all(entry.color == BLACK for entry in siblings):
            return
        heights: dict[int, int] = {NO_STREAM: 0}
        pending = [top]
        while pending:
            entry = self.entries[pending[-1]]
            below = [number for number in (entry.left, entry.right) if number not in heights]
            if below:
                pending += below
                continue
            children = [self.entries[number] for number in (entry.left, entry.right) if number != NO_STREAM]
            red_pair = entry.color == RED and any(child.color == RED for child in children)
            if heights[entry.left] != heights[entry.right] or red_pair:
                raise Damaged("the colours of the directory's tree are wrong")
            heights[entry.number] = heights[entry.left] + entry.color
            pending.pop()
        if self.entries[top].color == RED:
            raise Damaged("the colours of the directory's tree are wrong")

    def _read(self, entry: Entry) -> bytes:
        what = f"stream {entry.number}"
        if not entry.size or entry.size >= MINI_CUTOFF:
            return self._chain(entry.start, entry.size, what)
        parts: list[bytes] = []
        number = entry.start
        while number <= MAX_REGULAR_SECTOR and len(parts) * MINI_SECTOR < entry.size:
            if number >= len(self._mini_owned) or self._mini_owned[number]:
                raise Damaged(f"mini sector {number} of {what} is not there or in use twice")
            self._mini_owned[number] = 1
            parts.append(self._mini_stream[number * MINI_SECTOR : (number + 1) * MINI_SECTOR])
            number = self._mini_fat[number]
        content = b"".join(parts)
        if number != END_OF_CHAIN or len(content) < entry.size or any(content[entry.size :]):
            raise Damaged(f"the chain of {what} has another length than it should, or bytes behind it")
        return content[: entry.size]

    def _account(self) -> None:
        """What no chain owns must be free and zero."""
        for number in _unset(self._owned):
            if self._fat[number] != FREE or any(self._sector(number)):
                raise Damaged(f"sector {number} belongs to nothing and is not free and empty")
        for number in _unset(self._mini_owned):
            content = self._mini_stream[number * MINI_SECTOR : (number + 1) * MINI_SECTOR]
            if self._mini_fat[number] != FREE or any(content):
                raise Damaged(f"mini sector {number} belongs to nothing and is not free and empty")
        rest = list(self._mini_fat[len(self._mini_owned) :])
        if self._is_list and rest[:1] == [END_OF_CHAIN]:
            rest = rest[1:]
        elif self._is_list and rest:
            raise Damaged("the mini FAT does not end as osslsigncode ends it")
        if any(entry != FREE for entry in rest):
            raise Damaged("the mini FAT is longer than the mini stream")
        if self._root.size % MINI_SECTOR:
            raise Damaged("the mini stream is no whole number of mini sectors")

    @property
    def _is_list(self) -> bool:
        """Whether osslsigncode laid it out: it links siblings as a list and puts an end mark behind the mini FAT."""
        entries = [entry for entry in self.entries[1:] if entry.kind]
        return len(entries) > 2 and all(entry.left == NO_STREAM and entry.color == BLACK for entry in entries)

    @property
    def signature(self) -> bytes | None:
        """The PKCS #7 of a signed package."""
        return self.streams.get((SIGNATURE_STREAM,))

    def digest(self, name: str) -> bytes:
        """The Authenticode digest: content of the streams in the order of their names, then the class of their folder.

        With an extended signature, the digest of names, sizes and times goes first.
        """
        state = hashlib.new(name, usedforsecurity=False)
        if (EXTENDED_STREAM,) in self.streams:
            state.update(self.metadata_digest(name))
        for entry, content in self._hashed():
            state.update(entry.clsid if content is None else content)
        return state.digest()

    def metadata_digest(self, name: str) -> bytes:
        """What the stream MsiDigitalSignatureEx holds: a digest of the directory."""
        state = hashlib.new(name, usedforsecurity=False)
        for part in self._metadata(()):
            state.update(part)
        return state.digest()

    def _hashed(self, path: tuple[str, ...] = ()) -> Iterator[tuple[Entry, bytes | None]]:
        for entry in self._children(path):
            inside = (*path, entry.name)
            if entry.kind == STREAM:
                yield entry, self.streams[inside]
            else:
                yield from self._hashed(inside)
        yield (self.tree[path] if path else self._root), None

    def _metadata(self, path: tuple[str, ...]) -> Iterator[bytes]:
        storage = self.tree[path] if path else self._root
        yield from self._metadata_of(storage)
        for entry in self._children(path):
            if entry.kind == STREAM:
                yield from self._metadata_of(entry)
            else:
                yield from self._metadata((*path, entry.name))

    def _metadata_of(self, entry: Entry) -> Iterable[bytes]:
        if entry is not self._root:
            yield entry.raw_name
        yield entry.clsid if entry.kind != STREAM else struct.pack("<I", entry.size)
        yield struct.pack("<I", entry.state)
        if entry is not self._root:
            yield entry.times

    def _children(self, path: tuple[str, ...]) -> list[Entry]:
        """Entries of a folder in the order in which they are hashed, signatures of the root left out."""
        inside = [entry for _, entry in self._by_folder.get(path, ())]
        skipped = (SIGNATURE_STREAM, EXTENDED_STREAM) if not path else ()
        kept = [entry for entry in inside if entry.name not in skipped]
        return sorted(kept, key=lambda entry: entry.raw_name + bytes(2))

    @cached_property
    def _by_folder(self) -> dict[tuple[str, ...], list[tuple[tuple[str, ...], Entry]]]:
        folders: dict[tuple[str, ...], list[tuple[tuple[str, ...], Entry]]] = {}
        for path, entry in self.tree.items():
            folders.setdefault(path[:-1], []).append((path, entry))
        return folders


def _unset(owned: bytearray) -> Iterator[int]:
    at = owned.find(0)
    while at >= 0:
        yield at
        at = owned.find(0, at + 1)

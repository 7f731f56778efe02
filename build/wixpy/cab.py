# SPDX-License-Identifier: MIT
"""Cabinet files ([MS-CAB] Cabinet File Format) with stored or MSZIP data ([MS-MCI] MSZIP compression).

A cabinet is a list of files in folders.  A folder is the concatenation of its files, cut into blocks of 32 KiB; an
MSZIP block is ``CK`` and a deflate stream of its own, whose history starts with the block before it in the folder.
That block is the preset dictionary of zlib, so blocks compress independently, on all processors, at full ratio.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import IntEnum, IntFlag
from functools import partial

from wixpy.errors import WixpyError

BLOCK = 32768
MAX_MSZIP_BLOCK = BLOCK + 12
MAX_FOLDER_BLOCKS = 0xFFFF
MAX_COUNT = 0xFFFF
MAX_CABINET = 0x7FFFFFFF
SIGNATURE = b"MSCF"
MSZIP_SIGNATURE = b"CK"

_HEADER = struct.Struct("<4s5I2B5H")
_FOLDER = struct.Struct("<IHH")
_FILE = struct.Struct("<IIHHHH")
_DATA = struct.Struct("<IHH")
_PREVIOUS, _NEXT, _RESERVE = 1, 2, 4
_DAMAGED = "the cabinet is damaged: get it again"


class Compression(IntEnum):
    """How a folder's data is kept (CFFOLDER.typeCompress)."""

    NONE = 0
    MSZIP = 1


class Attributes(IntFlag):
    """CFFILE.attribs."""

    NONE = 0
    READ_ONLY = 0x01
    HIDDEN = 0x02
    SYSTEM = 0x04
    ARCHIVE = 0x20
    EXECUTE = 0x40
    NAME_IS_UTF8 = 0x80


@dataclass(frozen=True)
class CabinetFile:
    """A file to put into a cabinet; ``modified`` is UTC and kept to two seconds from 1980 to 2107."""

    name: str
    content: bytes | memoryview
    modified: datetime
    attributes: Attributes = Attributes.ARCHIVE


@dataclass(frozen=True)
class CabinetEntry:
    """A file in a cabinet that was read: ``offset`` counts in the uncompressed folder number ``folder``."""

    name: str
    size: int
    modified: datetime
    attributes: Attributes
    folder: int
    offset: int


def checksum(data: bytes, seed: int = 0) -> int:
    """The checksum of a data block ([MS-CAB] 3.1): the exclusive or of its little-endian 32-bit words.

    One to three bytes at the end count as a big-endian number.  The words are folded as one large integer, half onto
    half, which takes a dozen operations a block.

    >>> hex(checksum(bytes([1, 0, 0, 0, 2, 0, 0, 0, 0xaa, 0xbb])))
    '0xaab8'
    """
    whole = len(data) & ~3
    value = int.from_bytes(data[:whole], "little")
    width = 32
    while width < whole * 8:
        width *= 2
    while width > 32:
        width //= 2
        value = (value >> width) ^ (value & ((1 << width) - 1))
    return value ^ int.from_bytes(data[whole:], "big") ^ seed


def dos_time(moment: datetime) -> tuple[int, int]:
    """A UTC time as the DOS date and time of a cabinet entry; WixpyError outside 1980 to 2107.

    >>> [hex(part) for part in dos_time(datetime(2008, 3, 4, 5, 6, 8, tzinfo=timezone.utc))]
    ['0x3864', '0x28c4']
    """
    moment = moment.astimezone(timezone.utc)
    if not 1980 <= moment.year <= 2107:
        raise WixpyError(f"{moment:%Y-%m-%d} is no date of a cabinet", "give a time from 1980 to 2107")
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return date, moment.hour << 11 | moment.minute << 5 | moment.second // 2


def from_dos_time(date: int, time: int) -> datetime:
    """The UTC time behind a DOS date and time; 1980-01-01 for a value that is no date."""
    try:
        return datetime(
            1980 + (date >> 9),
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            (time & 31) * 2,
            tzinfo=timezone.utc,
        )
    except ValueError:
        return datetime(1980, 1, 1, tzinfo=timezone.utc)


def _blocks(files: Iterable[CabinetFile]) -> Iterator[bytes]:
    """The concatenated content of ``files`` in blocks of 32 KiB, the last one shorter."""
    pending = bytearray()
    for file in files:
        content = memoryview(file.content)
        position = 0
        if pending:
            position = BLOCK - len(pending)
            pending += content[:position]
            if len(pending) < BLOCK:
                continue
            yield bytes(pending)
            pending.clear()
        while len(content) - position >= BLOCK:
            yield bytes(content[position : position + BLOCK])
            position += BLOCK
        pending += content[position:]
    if pending:
        yield bytes(pending)


def _deflate(level: int, block: bytes, history: bytes) -> bytes:
    """One MSZIP block; incompressible data goes into a deflate block of type “stored”."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, history)
    packed = compressor.compress(block) + compressor.flush()
    if len(packed) >= len(block) + 5:
        packed = struct.pack("<BHH", 1, len(block), len(block) ^ 0xFFFF) + block
    return MSZIP_SIGNATURE + packed


def _data_record(packed: bytes, size: int) -> bytes:
    lengths = struct.pack("<HH", len(packed), size)
    return struct.pack("<I", checksum(lengths, checksum(packed))) + lengths + packed


def _folder_data(files: Sequence[CabinetFile], compression: Compression, level: int) -> list[bytes]:
    """The CFDATA records of one folder."""
    blocks = list(_blocks(files))
    if len(blocks) > MAX_FOLDER_BLOCKS:
        raise WixpyError("a folder of the cabinet is larger than 2 GiB", "spread the files over several folders")
    if compression is Compression.NONE:
        return [_data_record(block, len(block)) for block in blocks]
    with ThreadPoolExecutor() as pool:
        packed = pool.map(partial(_deflate, level), blocks, [b"", *blocks[:-1]])
        return [_data_record(part, len(block)) for part, block in zip(packed, blocks, strict=True)]


def write(
    folders: Sequence[Sequence[CabinetFile]], compression: Compression = Compression.MSZIP, level: int = 9
) -> bytes:
    """A cabinet of ``folders``, each a sequence of files in the order given.

    ``level`` is zlib's, 1 (fast) to 9 (small).  WixpyError for what the format cannot hold.
    """
    data = [_folder_data(files, compression, level) for files in folders]
    count = sum(map(len, folders))
    if count > MAX_COUNT or len(folders) > MAX_COUNT:
        raise WixpyError(f"{count} files do not fit into one cabinet", "use several cabinets of at most 65,535 files")
    entries = [record for index, files in enumerate(folders) for record in _file_records(index, files)]
    files_at = _HEADER.size + _FOLDER.size * len(folders)
    position = files_at + sum(map(len, entries))
    records = []
    for folder in data:
        records.append(_FOLDER.pack(position, len(folder), compression))
        position += sum(map(len, folder))
    if position > MAX_CABINET:
        raise WixpyError("the cabinet would be larger than 2 GiB", "use several cabinets")
    header = _HEADER.pack(SIGNATURE, 0, position, 0, files_at, 0, 3, 1, len(folders), count, 0, 0, 0)
    return b"".join([header, *records, *entries, *(part for folder in data for part in folder)])


def _file_records(folder: int, files: Sequence[CabinetFile]) -> Iterator[bytes]:
    offset = 0
    for file in files:
        attributes = file.attributes if file.name.isascii() else file.attributes | Attributes.NAME_IS_UTF8
        name = file.name.encode()
        if not 0 < len(name) <= 255 or b"\0" in name:
            raise WixpyError(f"“{file.name}” is no name of a cabinet's file", "use 1 to 255 bytes")
        date, time = dos_time(file.modified)
        yield _FILE.pack(len(file.content), offset, folder, date, time, attributes) + name + b"\0"
        offset += len(file.content)


@dataclass
class Cabinet:
    """A cabinet that is read: ``files`` in order, :meth:`read` for their content.

    WixpyError for a damaged cabinet, for one of a set of several, and for compressions other than MSZIP.
    """

    data: bytes
    files: list[CabinetEntry] = field(default_factory=list)
    _folders: list[tuple[int, int, int]] = field(default_factory=list)
    _reserve: int = 0
    _unpacked: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._parse()
        except (struct.error, ValueError) as error:
            raise WixpyError("the cabinet ends within its list of files", _DAMAGED) from error

    def _parse(self) -> None:
        data = self.data
        if data[:4] != SIGNATURE:
            raise WixpyError("this is not a cabinet", "give a .cab file")
        (_, _, size, _, files_at, _, _, major, folders, files, flags, _, _) = _HEADER.unpack_from(data)
        if major != 1 or size > len(data):
            raise WixpyError("the cabinet is cut short or of an unknown version", _DAMAGED)
        if flags & (_PREVIOUS | _NEXT):
            raise WixpyError("the cabinet is one of a set", "only cabinets that are complete in one file are read")
        position = _HEADER.size
        folder_reserve = 0
        if flags & _RESERVE:
            header_reserve, folder_reserve, self._reserve = struct.unpack_from("<HBB", data, position)
            position += 4 + header_reserve
        for _ in range(folders):
            self._folders.append(_FOLDER.unpack_from(data, position))
            position += _FOLDER.size + folder_reserve
        position = files_at
        for _ in range(files):
            length, offset, folder, date, time, attributes = _FILE.unpack_from(data, position)
            position += _FILE.size
            end = data.index(b"\0", position)
            encoding = "utf-8" if attributes & Attributes.NAME_IS_UTF8 else "latin-1"
            name = data[position:end].decode(encoding)
            position = end + 1
            if folder >= folders:
                raise WixpyError(f"“{name}” is in a folder that the cabinet lacks", _DAMAGED)
            self.files.append(
                CabinetEntry(name, length, from_dos_time(date, time), Attributes(attributes & 0xFF), folder, offset)
            )

    def read(self, entry: CabinetEntry) -> bytes:
        """The content of a file; checksums are verified."""
        if entry.folder not in self._unpacked:
            self._unpacked[entry.folder] = self._unpack(*self._folders[entry.folder])
        content = self._unpacked[entry.folder][entry.offset : entry.offset + entry.size]
        if len(content) < entry.size:
            raise WixpyError(f"“{entry.name}” is longer than the cabinet's data", _DAMAGED)
        return content

    def _unpack(self, position: int, blocks: int, kind: int) -> bytes:
        if kind & 0xF not in (Compression.NONE, Compression.MSZIP):
            raise WixpyError("the cabinet uses LZX or Quantum compression", "only stored and MSZIP data is read")
        parts = []
        history = b""
        for _ in range(blocks):
            try:
                expected, packed_size, size = _DATA.unpack_from(self.data, position)
            except struct.error as error:
                raise WixpyError("the cabinet ends within its data", _DAMAGED) from error
            start = position + _DATA.size + self._reserve
            position = start + packed_size
            packed = self.data[start:position]
            covered = self.data[start - self._reserve - 4 : start]
            if len(packed) < packed_size or (expected and checksum(covered, checksum(packed)) != expected):
                raise WixpyError("a data block of the cabinet has a wrong checksum", _DAMAGED)
            block = packed if kind & 0xF == Compression.NONE else _inflate(packed, history)
            if len(block) != size:
                raise WixpyError("a data block of the cabinet has a wrong size", _DAMAGED)
            parts.append(block)
            history = (history + block)[-BLOCK:]
        return b"".join(parts)


def _inflate(packed: bytes, history: bytes) -> bytes:
    if packed[:2] != MSZIP_SIGNATURE:
        raise WixpyError("a data block of the cabinet is not MSZIP", _DAMAGED)
    try:
        decompressor = zlib.decompressobj(-15, history)
        return decompressor.decompress(packed[2:], BLOCK) + decompressor.decompress(decompressor.unconsumed_tail, 1)
    except zlib.error as error:
        raise WixpyError("a data block of the cabinet does not decompress", _DAMAGED) from error

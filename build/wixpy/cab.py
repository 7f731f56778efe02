# SPDX-License-Identifier: MIT
"""Cabinet files ([MS-CAB] Cabinet File Format) with stored or MSZIP data; with LZX or Quantum data they are read.

A cabinet is a list of files in folders.  A folder is the concatenation of its files, cut into blocks of 32 KiB; an
MSZIP block is ``CK`` and a deflate stream of its own, whose history starts with the block before it in the folder.
That block is the preset dictionary of zlib at the start of each batch of blocks, so batches compress independently, on
all processors, at full ratio.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from enum import IntFlag
from functools import partial
from io import BytesIO
from itertools import accumulate, pairwise
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from wixpy.blob import Blob, Buffer, Content
from wixpy.cabdata import BLOCK, MSZIP_SIGNATURE, Compression, Folder, Place, data_record
from wixpy.errors import WixpyError
from wixpy.parallel import in_order, processors

if TYPE_CHECKING:
    from typing import BinaryIO

BATCH = 4 * BLOCK
OPEN_FOLDERS = 16
MAX_REPEATED = 4 << 30
MAX_REPEATED_SLOW = 16 << 20
MAX_MSZIP_BLOCK = BLOCK + 12
MAX_FOLDER_BLOCKS = 0xFFFF
MAX_COUNT = 0xFFFF
MAX_NAME = 255
MAX_CABINET = 0x7FFFFFFF
SIGNATURE = b"MSCF"
_EMPTY_LAST = b"\3\0"

_HEADER = struct.Struct("<4s5I2B5H")
_FOLDER = struct.Struct("<IHH")
_RESERVES = struct.Struct("<HBB")
_FILE = struct.Struct("<IIHHHH")
_PREVIOUS, _NEXT, _RESERVE = 1, 2, 4
_DAMAGED = "the cabinet is damaged: get it again"


class Attributes(IntFlag):
    """CFFILE.attribs."""

    NONE = 0
    READ_ONLY = 0x01
    HIDDEN = 0x02
    SYSTEM = 0x04
    ARCHIVE = 0x20
    EXECUTE = 0x40
    NAME_IS_UTF8 = 0x80


class CabinetFile(NamedTuple):
    """A file to put into a cabinet; ``modified`` is UTC and kept to two seconds from 1980 to 2107.

    ``seen`` is given the content, in order, as it is read.
    """

    name: str
    content: Content
    modified: datetime
    attributes: Attributes = Attributes.ARCHIVE
    seen: Callable[[Buffer], None] | None = None


class CabinetEntry(NamedTuple):
    """A file in a cabinet that was read: ``offset`` counts in the uncompressed folder number ``folder``."""

    name: str
    size: int
    modified: datetime
    attributes: Attributes
    folder: int
    offset: int

    @property
    def place(self) -> tuple[int, int]:
        """A key to sort by: files that are read in this order have each folder unpacked once."""
        return self.folder, self.offset


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
    """The UTC time behind a DOS date and time; 1980-01-01 for a value that is no date.

    >>> str(from_dos_time(0x3864, 0x28C4)), str(from_dos_time(0, 0))
    ('2008-03-04 05:06:08+00:00', '1980-01-01 00:00:00+00:00')
    """
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


def _batches(files: Iterable[CabinetFile]) -> Iterator[bytes]:
    """The concatenated content of ``files`` in pieces of BATCH bytes, the last one shorter."""
    pending: list[Buffer] = []
    size = 0
    for file in files:
        start = 0
        while start < len(file.content):
            piece = file.content[start : start + BATCH - size]
            if file.seen:
                file.seen(piece)
            pending.append(piece)
            size += len(piece)
            start += len(piece)
            if size == BATCH:
                yield b"".join(pending)
                pending.clear()
                size = 0
    if pending:
        yield b"".join(pending)


def _records(compression: Compression, level: int, history: bytes, batch: bytes) -> bytes:
    """The CFDATA records of a batch; ``history`` is the block before it in its folder."""
    blocks = [batch[start : start + BLOCK] for start in range(0, len(batch), BLOCK)]
    packed = blocks if compression is Compression.NONE else _mszip(level, history, blocks)
    return b"".join(map(data_record, packed, map(len, blocks)))


def _mszip(level: int, history: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """MSZIP blocks.

    One compressor goes on from block to block, which is faster than one a block with the history as dictionary.  A
    flush ends each block at a whole byte, and an empty deflate block marked as the last one follows.  Incompressible
    data goes into a deflate block of type “stored”.
    """
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, history)
    for block in blocks:
        packed = compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH) + _EMPTY_LAST
        if len(packed) >= len(block) + 5:
            packed = struct.pack("<BHH", 1, len(block), len(block) ^ 0xFFFF) + block
        yield MSZIP_SIGNATURE + packed


def _parts(
    folders: Sequence[Sequence[CabinetFile]], compression: Compression, level: int
) -> Iterator[tuple[int, Callable[[], bytes]]]:
    """The batches of all folders: a folder's number, and what makes the CFDATA records of a batch.

    Where a batch is cut and what its history is do not depend on threads, and so neither does the result.
    """
    for number, files in enumerate(folders):
        history = b""
        for batch in _batches(files):
            yield number, partial(_records, compression, level, history, batch)
            history = batch[-BLOCK:]


def write(
    folders: Sequence[Sequence[CabinetFile]], compression: Compression = Compression.MSZIP, level: int = 9
) -> bytes:
    """A cabinet of ``folders`` as bytes; :func:`write_to` says the rest.

    >>> moment = datetime(2008, 1, 10, tzinfo=timezone.utc)
    >>> cabinet = Cabinet(write([[CabinetFile("a.txt", b"text", moment)], [CabinetFile("b.txt", b"more", moment)]]))
    >>> [(entry.name, entry.folder, cabinet.read(entry)) for entry in cabinet.files]
    [('a.txt', 0, b'text'), ('b.txt', 1, b'more')]
    """
    out = BytesIO()
    write_to(out, folders, compression, level)
    return out.getvalue()


def write_to(
    out: BinaryIO, folders: Sequence[Sequence[CabinetFile]], compression: Compression = Compression.MSZIP,
    level: int = 9, threads: int | None = None,
) -> None:  # fmt: skip
    """Write a cabinet of ``folders``, each a sequence of files in the order given, into a file that can seek.

    ``level`` is zlib's, 1 (fast) to 9 (small); ``threads`` is how many compress, by default one a processor.  At any
    time only some MiB of the content are in memory.  WixpyError for what the format cannot hold.

    >>> out = BytesIO()
    >>> write_to(out, [[CabinetFile("a.txt", bytes(100_000), datetime(2008, 1, 10, tzinfo=timezone.utc))]])
    >>> len(out.getvalue()) < 1000
    True
    """
    count = sum(map(len, folders))
    if count > MAX_COUNT or len(folders) > MAX_COUNT:
        raise WixpyError(f"{count} files do not fit into one cabinet", "use several cabinets of at most 65,535 files")
    blocks = [-(-sum(len(file.content) for file in files) // BLOCK) for files in folders]
    if any(number > MAX_FOLDER_BLOCKS for number in blocks):
        raise WixpyError("a folder of the cabinet is larger than 2 GiB", "spread the files over several folders")
    entries = b"".join(record for index, files in enumerate(folders) for record in _file_records(index, files))
    start = out.tell()
    files_at = _HEADER.size + _FOLDER.size * len(folders)
    out.write(bytes(files_at) + entries)
    position = files_at + len(entries)
    sizes = [0] * len(folders)
    numbers: deque[int] = deque()

    def calls() -> Iterator[Callable[[], bytes]]:
        for number, call in _parts(folders, compression, level):
            numbers.append(number)
            yield call

    for part in in_order(calls(), threads or processors()):
        sizes[numbers.popleft()] += len(part)
        position += len(part)
        if position > MAX_CABINET:
            raise WixpyError("the cabinet would be larger than 2 GiB", "use several cabinets")
        out.write(part)
    starts = accumulate([files_at + len(entries), *sizes])
    records = [_FOLDER.pack(at, number, compression) for at, number in zip(starts, blocks, strict=False)]
    out.seek(start)
    out.write(_HEADER.pack(SIGNATURE, 0, position, 0, files_at, 0, 3, 1, len(folders), count, 0, 0, 0))
    out.write(b"".join(records))
    out.seek(start + position)


def _file_records(folder: int, files: Sequence[CabinetFile]) -> Iterator[bytes]:
    offset = 0
    for file in files:
        attributes = file.attributes if file.name.isascii() else file.attributes | Attributes.NAME_IS_UTF8
        name = file.name.encode()
        if not 0 < len(name) <= MAX_NAME or b"\0" in name:
            raise WixpyError(f"“{file.name}” is no name of a cabinet's file", "use 1 to 255 bytes")
        date, time = dos_time(file.modified)
        yield _FILE.pack(len(file.content), offset, folder, date, time, attributes) + name + b"\0"
        offset += len(file.content)


class Cabinet:
    """A cabinet that is read: ``files`` in order, :meth:`chunks` or :meth:`read` for their content.

    ``data`` may be a blob, and what is in memory at a time is little: OPEN_FOLDERS folders are kept as far as they are
    unpacked.  WixpyError for a damaged cabinet, for one of a set of several, and for one whose content is larger only
    because folders or files share their data.

    >>> file = CabinetFile("a.txt", bytes(40_000), datetime(2008, 1, 10, tzinfo=timezone.utc))
    >>> cabinet = Cabinet(write([[file]]))
    >>> [entry] = cabinet.files
    >>> cabinet.read(entry) == bytes(40_000), [len(part) for part in cabinet.chunks(entry)]
    (True, [32768, 7232])
    """

    def __init__(self, data: Blob) -> None:
        self.data = data
        self.files: list[CabinetEntry] = []
        self._folders: list[Place] = []
        self._open: dict[int, Folder] = {}
        self._lock = Lock()
        try:
            self._parse()
        except (struct.error, ValueError) as error:
            raise WixpyError("the cabinet ends within its list of files", _DAMAGED) from error
        is_slow = any(place.is_slow for place in self._folders)
        content = sum(place.blocks for place in self._folders) * BLOCK
        _refuse_shared_data(self.files, max(MAX_REPEATED_SLOW if is_slow else MAX_REPEATED, 16 * content))

    def _parse(self) -> None:
        header = self.data[: _HEADER.size + _RESERVES.size]
        if header[:4] != SIGNATURE:
            raise WixpyError("this is not a cabinet", "give a .cab file")
        (_, _, size, _, files_at, _, _, major, folders, files, flags, _, _) = _HEADER.unpack_from(header)
        if major != 1 or size > len(self.data):
            raise WixpyError("the cabinet is cut short or of an unknown version", _DAMAGED)
        if flags & (_PREVIOUS | _NEXT):
            raise WixpyError("the cabinet is one of a set", "only cabinets that are complete in one file are read")
        position, reserve, data_reserve = _HEADER.size, 0, 0
        if flags & _RESERVE:
            header_reserve, reserve, data_reserve = _RESERVES.unpack_from(header, position)
            position += _RESERVES.size + header_reserve
        listed = self.data[position : position + folders * (_FOLDER.size + reserve)]
        for at in range(0, folders * (_FOLDER.size + reserve), _FOLDER.size + reserve):
            start, blocks, kind = _FOLDER.unpack_from(listed, at)
            self._folders.append(Place(start, len(self.data), blocks, kind, data_reserve))
        self._limit_folders()
        self._parse_files(self.data[files_at : files_at + files * (_FILE.size + MAX_NAME + 1)], files)

    def _parse_files(self, listed: bytes, count: int) -> None:
        position = 0
        for _ in range(count):
            length, offset, folder, date, time, attributes = _FILE.unpack_from(listed, position)
            position += _FILE.size
            end = listed.index(b"\0", position)
            encoding = "utf-8" if attributes & Attributes.NAME_IS_UTF8 else "latin-1"
            name = listed[position:end].decode(encoding)
            position = end + 1
            if folder >= len(self._folders):
                raise WixpyError(f"“{name}” is in a folder that the cabinet lacks", _DAMAGED)
            self.files.append(
                CabinetEntry(name, length, from_dos_time(date, time), Attributes(attributes & 0xFF), folder, offset)
            )

    def _limit_folders(self) -> None:
        """End each folder's data where that of the next begins."""
        used = sorted((place.start, number) for number, place in enumerate(self._folders) if place.blocks)
        for (start, number), (following, _) in pairwise(used):
            if start == following:
                raise WixpyError("folders of the cabinet share their data", _DAMAGED)
            self._folders[number] = self._folders[number]._replace(end=following)

    def _folder(self, number: int) -> Folder:
        """A folder as far as it is unpacked, or from its start when it was let go of."""
        with self._lock:
            folder = self._open.pop(number, None) or Folder(self.data, self._folders[number])
            self._open[number] = folder
            if len(self._open) > OPEN_FOLDERS:
                del self._open[next(iter(self._open))]
        return folder

    def read(self, entry: CabinetEntry) -> bytes:
        """The content of a file; checksums are verified."""
        return b"".join(self.chunks(entry))

    def chunks(self, entry: CabinetEntry) -> Iterator[bytes]:
        """The content of a file, at most BLOCK bytes at a time; checksums are verified."""
        folder = self._folder(entry.folder)
        position, end = entry.offset, entry.offset + entry.size
        while position < end:
            if not folder.go_to(position, begins=position == entry.offset):
                raise WixpyError(f"“{entry.name}” is longer than the cabinet's data", _DAMAGED)
            part = folder.block[position - folder.start : end - folder.start]
            position += len(part)
            yield part


def _refuse_shared_data(files: Sequence[CabinetEntry], most: int) -> None:
    """WixpyError for files that share a part of their data, or that have together more than ``most`` bytes.

    Some writers keep equal files once.
    """
    used = sorted((file.folder, file.offset, file.offset + file.size) for file in files if file.size)
    for (folder, start, end), (other, following, other_end) in pairwise(used):
        if folder == other and following < end and (start, end) != (following, other_end):
            raise WixpyError("files of the cabinet share a part of their data", _DAMAGED)
    if sum(end - start for _, start, end in used) > most:
        raise WixpyError("files of the cabinet share their data too often", _DAMAGED)

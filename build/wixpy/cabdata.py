# SPDX-License-Identifier: MIT
"""The data of a cabinet's folders ([MS-CAB] 2.3 CFDATA): blocks of up to 32 KiB of content, and what unpacks them.

A block is stored as it is, or MSZIP ([MS-MCI]), whose history is the block before it, or a block of LZX or Quantum.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import NamedTuple, Protocol

from wixpy.blob import Blob
from wixpy.errors import WixpyError

BLOCK = 32768
MARK = 128
MARKED = 16 << 20
MSZIP_SIGNATURE = b"CK"
DATA_HEADER = struct.Struct("<IHH")

_QUANTUM, _LZX = 2, 3
_METHOD, _WINDOW, _WINDOW_SHIFT = 0xF, 0x1F, 8
_DAMAGED = "the cabinet is damaged: get it again"


class Compression(IntEnum):
    """How a folder's data is kept (CFFOLDER.typeCompress)."""

    NONE = 0
    MSZIP = 1


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


def data_record(packed: bytes, size: int) -> bytes:
    """A block as the cabinet has it: its header, with checksum and sizes, and ``packed``, which unpacks to ``size``
    bytes."""
    lengths = struct.pack("<HH", len(packed), size)
    return struct.pack("<I", checksum(lengths, checksum(packed))) + lengths + packed


class Place(NamedTuple):
    """Where the data of a folder is in the cabinet, in how many blocks, and how it is kept (CFFOLDER.typeCompress).

    The header of each block has ``reserve`` further bytes.
    """

    start: int
    end: int
    blocks: int
    kind: int
    reserve: int

    @property
    def is_slow(self) -> bool:
        """Whether it is unpacked at megabytes a second, not at hundreds of them."""
        return self.kind & _METHOD not in (Compression.NONE, Compression.MSZIP)


class _Decoder(Protocol):
    """What unpacks the blocks of a folder in order; it keeps up to ``window`` bytes of them."""

    window: int

    def unpack(self, packed: bytes, size: int) -> bytes:
        """The next block, of ``size`` bytes.  After a WixpyError the decoder is of no use."""

    def copy(self) -> _Decoder:
        """Another one that goes on from here."""


class _Stored:
    """What is not compressed."""

    window = BLOCK

    def unpack(self, packed: bytes, size: int) -> bytes:
        return _sized(packed, size)

    def copy(self) -> _Stored:
        return self


class _Mszip:
    """MSZIP, whose history is the block before."""

    window = BLOCK

    def __init__(self, history: bytes = b"") -> None:
        self._history = history

    def unpack(self, packed: bytes, size: int) -> bytes:
        block = _sized(_inflate(packed, self._history), size)
        self._history = block if len(block) == BLOCK else (self._history + block)[-BLOCK:]
        return block

    def copy(self) -> _Mszip:
        return _Mszip(self._history)


def _decoder(kind: int) -> _Decoder:
    """The decoder for a folder's compression (CFFOLDER.typeCompress)."""
    method, window = kind & _METHOD, kind >> _WINDOW_SHIFT & _WINDOW
    # What wixpy writes needs neither.
    if method == _LZX:
        from wixpy.lzx import Lzx  # noqa: PLC0415

        return Lzx(window)
    if method == _QUANTUM:
        from wixpy.quantum import Quantum  # noqa: PLC0415

        return Quantum(window)
    if method not in (Compression.NONE, Compression.MSZIP):
        raise WixpyError(f"the cabinet uses a compression of an unknown kind, {method}", _DAMAGED)
    return _Mszip() if method == Compression.MSZIP else _Stored()


class _Mark(NamedTuple):
    """Where unpacking can start: a block by its number, its place in the cabinet and in the folder, what unpacks it."""

    number: int
    position: int
    start: int
    decoder: _Decoder


class Folder:
    """A folder that is being unpacked: ``block`` is the current block, which begins at ``start`` in the folder.

    It keeps what it takes to start again where the last file began, and every so many blocks, so that going back costs
    little: every MARK blocks, or fewer when that would keep more than MARKED bytes.
    """

    def __init__(self, data: Blob, place: Place) -> None:
        self._data = data
        self._place = place
        self._marks = [_Mark(0, place.start, 0, _decoder(place.kind))]
        self._every = MARK
        self._go_back(self._marks[0])
        self._begun = self._marks[0]

    def _nearest(self, position: int) -> _Mark:
        """The last mark that is not behind a position of the folder."""
        marks = [mark for mark in (*self._marks, self._begun) if mark.start <= position]
        return max(marks, key=lambda mark: mark.start)

    def _go_back(self, mark: _Mark) -> None:
        self._number, self._position, self.start = mark.number, mark.position, mark.start
        self._decoder = mark.decoder.copy()
        self.block = b""

    def go_to(self, position: int, *, begins: bool = False) -> bool:
        """Make ``block`` the one that holds ``position``; False when the folder ends before it.

        ``begins`` says that a file begins there, which may be read again.
        """
        if position < self.start:
            self._go_back(self._nearest(position))
        while self.start + len(self.block) <= position:
            if self._number >= self._place.blocks:
                return False
            if begins and self.start + len(self.block) + BLOCK > position:
                self._begun = self._mark()
            if self._number % self._every == 0 and self._number > self._marks[-1].number:
                self._add_mark()
            self._unpack()
        return True

    def _mark(self) -> _Mark:
        return _Mark(self._number, self._position, self.start + len(self.block), self._decoder.copy())

    def _add_mark(self) -> None:
        self._marks.append(self._mark())
        if len(self._marks) * self._decoder.window > MARKED:
            del self._marks[1::2]
            self._every *= 2

    def _unpack(self) -> None:
        """Unpack the next block."""
        length = DATA_HEADER.size + self._place.reserve
        header = self._data[self._position : self._position + length]
        if len(header) < length:
            raise WixpyError("the cabinet ends within its data", _DAMAGED)
        expected, packed_size, size = DATA_HEADER.unpack_from(header)
        start = self._position + len(header)
        if start + packed_size > self._place.end:
            raise WixpyError("a folder of the cabinet runs into the next one or ends within its data", _DAMAGED)
        packed = self._data[start : start + packed_size]
        covered = header[DATA_HEADER.size - 4 :]
        if len(packed) < packed_size or (expected and checksum(covered, checksum(packed)) != expected):
            raise WixpyError("a data block of the cabinet has a wrong checksum", _DAMAGED)
        try:
            block = self._decoder.unpack(packed, size)
        except WixpyError:
            self._go_back(self._nearest(self.start + len(self.block)))
            raise
        self.start, self.block = self.start + len(self.block), block
        self._number += 1
        self._position = start + packed_size


def _sized(block: bytes, size: int) -> bytes:
    if len(block) != size:
        raise WixpyError("a data block of the cabinet has a wrong size", _DAMAGED)
    return block


def _inflate(packed: bytes, history: bytes) -> bytes:
    if packed[:2] != MSZIP_SIGNATURE:
        raise WixpyError("a data block of the cabinet is not MSZIP", _DAMAGED)
    try:
        decompressor = zlib.decompressobj(-15, history)
        return decompressor.decompress(packed[2:], BLOCK) + decompressor.decompress(decompressor.unconsumed_tail, 1)
    except zlib.error as error:
        raise WixpyError("a data block of the cabinet does not decompress", _DAMAGED) from error

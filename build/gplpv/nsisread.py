# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading NSIS 3 installers: the files that an .exe carries, where it puts them, and whether it is whole.

An installer is a program (the stub) and, at a multiple of 512 bytes, a first header, the compressed header (pages,
sections, instructions, strings), the files' data, and a CRC-32 of all from byte 512 on. *Solid* installers compress
header and data as one. Source: NSIS, Source/exehead/fileform.h and fileform.c (nsis.sourceforge.io).
"""

from __future__ import annotations

import lzma
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gplpv import bzip2
from gplpv.errors import GplpvError

Method = Literal["lzma", "bzip2", "zlib", "stored"]

_SIGNATURE = struct.pack("<I12s", 0xDEADBEEF, b"NullsoftInst")
_FIRST = struct.Struct("<i16sii")
_STEP = 512
_KNOWN_FLAGS, _NO_CRC = 0xF, 4
_COMPRESSED = 0x80000000
_BLOCKS, _ENTRIES, _STRINGS, _LANGTABLES = 8, 2, 3, 4
_ENTRY = struct.Struct("<7i")
_SET_PATH, _EXTRACT, _UNINSTALLER = 11, 20, 62
_LIMIT = 256 << 20
_MAX_DICTIONARY = 64 << 20
_HINT = "It is damaged or no NSIS installer: get it again."
_VARIABLES = (
    *(f"${i}" for i in range(10)), *(f"$R{i}" for i in range(10)), "$CMDLINE", "$INSTDIR", "$OUTDIR", "$EXEDIR",
    "$LANGUAGE", "$TEMP", "$PLUGINSDIR", "$EXEPATH", "$EXEFILE", "$HWNDPARENT", "$_CLICK", "$_OUTDIR",
)  # fmt: skip


@dataclass(frozen=True)
class InstalledFile:
    """A ``File`` instruction: the whole path (``$INSTDIR\\drivers\\xenpci\\xenpci.sys``) and where its data begins."""

    path: str
    offset: int
    filetime: int
    """Last modification, 100 ns since 1601; 0 when the script stores none."""


@dataclass(frozen=True)
class Frame:
    """Where an installer's own data lies in the file."""

    start: int
    end: int
    header_size: int
    flags: int
    crc: int | None
    """As stored; None for an installer that has none."""


def find(data: bytes) -> Frame | None:
    """Locate the installer data; None when `data` is no NSIS installer.

    Raises:
        GplpvError: it is one, and cut short.
    """
    at = data.find(_SIGNATURE)
    while at >= 4:
        start = at - 4
        if start % _STEP == 0:
            flags, _, header_size, length = _FIRST.unpack_from(data, start)
            if flags & ~_KNOWN_FLAGS == 0 and header_size > 0 and length > _FIRST.size:
                return _frame(data, start, header_size, length, flags)
        at = data.find(_SIGNATURE, at + 1)
    return None


def _frame(data: bytes, start: int, header_size: int, length: int, flags: int) -> Frame:
    end = start + length
    if end > len(data):
        raise GplpvError(f"The installer says it has {length} bytes from {start:#x} on, and ends before.", _HINT)
    if flags & _NO_CRC:
        return Frame(start, end, header_size, flags, None)
    return Frame(start, end - 4, header_size, flags, int.from_bytes(data[end - 4 : end], "little"))


class Installer:
    """An installer that is read.

    Args:
        data: the whole .exe.
        wide: whether its stub is 64-bit (:attr:`pefile.PE.FILE_HEADER`.Machine 8664h): offsets are then wider.

    Raises:
        GplpvError: it is no NSIS installer, or damaged.
    """

    def __init__(self, data: bytes, wide: bool) -> None:
        frame = find(data)
        if not frame:
            raise GplpvError("It has no NSIS data.", _HINT)
        self.frame = frame
        self.crc = zlib.crc32(memoryview(data)[_STEP : frame.end])
        self._body = memoryview(data)[frame.start + _FIRST.size : frame.end]
        try:
            self._unpack_header()
            self._parse_header(wide)
        except (struct.error, ValueError, IndexError, lzma.LZMAError, zlib.error, MemoryError) as error:
            raise GplpvError(f"The installer's data is damaged: {error}.", _HINT) from error

    @property
    def whole(self) -> bool:
        """Whether the checksum is that of the file; an installer without one is as whole as it says."""
        return self.frame.crc is None or self.crc == self.frame.crc

    def _unpack_header(self) -> None:
        """Tell compression and solidity as NSIS leaves them to be told: by what the data begins with."""
        body, size = self._body, self.frame.header_size
        first = int.from_bytes(body[:4], "little")
        self.solid = False
        self.method: Method
        if _is_lzma(body):
            self.solid, self.method = True, "lzma"
        elif first & _COMPRESSED and first & 0x7F000000 == 0:
            inner = body[4:]
            self.method = "lzma" if _is_lzma(inner) else "bzip2" if _is_bzip2(inner) else "zlib"
        elif first == size:
            self.method = "stored"
        else:
            self.solid, self.method = True, "bzip2" if _is_bzip2(body) else "zlib"
        if self.solid:
            stream = _decompress(self.method, body)
            if int.from_bytes(stream[:4], "little") != size:
                raise ValueError("the header has another size than the first header says")
            self.header, self._data = stream[4 : 4 + size], memoryview(stream)[4 + size :]
        else:
            packed = 4 + (first & ~_COMPRESSED)
            self.header, self._data = self._item(body, 0), body[packed:]
        if len(self.header) != size:
            raise ValueError("the header is shorter than the first header says")

    def _item(self, block: memoryview, offset: int) -> bytes:
        """One length-prefixed item of a data block, decompressed when it is compressed by itself."""
        word = int.from_bytes(block[offset : offset + 4], "little")
        size = word & ~_COMPRESSED if not self.solid else word
        content = block[offset + 4 : offset + 4 + size]
        if offset < 0 or offset + 4 > len(block) or len(content) < size:
            raise ValueError(f"an item at {offset:#x} passes the end of the data")
        if not self.solid and word & _COMPRESSED:
            return _decompress(self.method, content)
        return bytes(content)

    def _parse_header(self, wide: bool) -> None:
        width = 12 if wide else 8
        # The upper half of a wide offset is zero in a file: the stub makes it an address after loading.
        places = [struct.unpack_from("<I", self.header, 4 + width * i)[0] for i in range(_BLOCKS)]
        counts = [struct.unpack_from("<I", self.header, width * (i + 1))[0] for i in range(_BLOCKS)]
        self._strings = self.header[places[_STRINGS] : places[_LANGTABLES]]
        self._wide_text = self._strings[:2] == b"\0\0"
        if not self._strings or counts[_ENTRIES] * _ENTRY.size > len(self.header):
            raise ValueError("the header has no strings or too many instructions")
        self._entries_at = places[_ENTRIES]
        self.entries: list[tuple[int, ...]] = [
            _ENTRY.unpack_from(self.header, places[_ENTRIES] + _ENTRY.size * i) for i in range(counts[_ENTRIES])
        ]

    @cached_property
    def files(self) -> list[InstalledFile]:
        """Every ``File`` instruction in the script's order, paths made whole with the last ``SetOutPath``."""
        found = []
        folder = "$OUTDIR"
        for entry in self.entries:
            if entry[0] == _SET_PATH and entry[2]:
                folder = self.text(entry[1])
            elif entry[0] == _EXTRACT:
                name = self.text(entry[2])
                path = name if name.startswith("$") or name[1:2] == ":" else f"{folder}\\{name}"
                low, high = entry[4] & 0xFFFFFFFF, entry[5] & 0xFFFFFFFF
                filetime = 0 if low == high == 0xFFFFFFFF else high << 32 | low
                found.append(InstalledFile(path, entry[3], filetime))
        return found

    def read(self, file: InstalledFile) -> bytes:
        """The content of a file.

        Raises:
            GplpvError: the data is damaged.
        """
        try:
            return self._item(self._data, file.offset)
        except (ValueError, lzma.LZMAError, zlib.error, MemoryError) as error:
            raise GplpvError(f"{file.path} cannot be unpacked: {error}.", _HINT) from error

    @property
    def script(self) -> bytes:
        """The header without places of data and times of files: equal for equal scripts, whatever they carry."""
        blank = bytearray(self.header)
        for index, entry in enumerate(self.entries):
            at = self._entries_at + _ENTRY.size * index
            fields = {_EXTRACT: (3, 4, 5), _UNINSTALLER: (2,)}.get(entry[0], ())
            for number in fields:
                blank[at + 4 * number : at + 4 * number + 4] = bytes(4)
        return bytes(blank)

    @property
    def uninstaller(self) -> bytes:
        """The data of which the installed uninstaller is made; empty without one."""
        offsets = [entry[2] for entry in self.entries if entry[0] == _UNINSTALLER]
        return b"".join(self._item(self._data, offset) for offset in offsets)

    def text(self, offset: int) -> str:
        """A string of the string table, variables and constants written as the script does."""
        unit = 2 if self._wide_text else 1
        out: list[str] = []
        at = offset * unit
        while True:
            code = int.from_bytes(self._strings[at : at + unit], "little")
            if at < 0 or at + unit > len(self._strings):
                raise GplpvError(f"A text at {offset} passes the end of the strings.", _HINT)
            at += unit
            if code == 0:
                return "".join(out)
            if code > 4:
                out.append(chr(code) if unit == 2 else bytes([code]).decode("cp1252", "replace"))
                continue
            operand = int.from_bytes(self._strings[at : at + 2], "little")
            at += 2
            out.append(_special(code, operand))


def _special(code: int, operand: int) -> str:
    """What NSIS 3 writes for variables, folders, languages and quoted characters (fileform.h, NS_*_CODE)."""
    number = (operand & 0x7F00) >> 1 | operand & 0x7F
    if code == 3:
        return _VARIABLES[number] if number < len(_VARIABLES) else f"$var{number}"
    if code == 2:
        return f"$folder{operand:04x}"
    if code == 1:
        return f"$(lang{number})"
    return chr(operand)


def _is_lzma(data: memoryview) -> bool:
    """Properties as every NSIS writes them (lc 3, lp 0, pb 2), a dictionary of whole 64 KiB, the range coder's 0."""
    return len(data) > 6 and data[0] == 0x5D and data[1] == data[2] == data[5] == 0 and data[6] < 0x80


def _is_bzip2(data: memoryview) -> bool:
    """A block's mark, and a first byte of an origin below 900,000."""
    return len(data) > 1 and data[0] == 0x31 and data[1] < 14


def _decompress(method: Method, data: memoryview) -> bytes:
    if method == "stored":
        return bytes(data)
    if method == "bzip2":
        return bzip2.decompress(bytes(data), _LIMIT)
    if method == "zlib":
        inflater = zlib.decompressobj(-15)
        out = inflater.decompress(data, _LIMIT)
        complete = inflater.eof
    else:
        if len(data) < 5:
            raise ValueError("the LZMA data ends early")
        dictionary = int.from_bytes(data[1:5], "little")
        if dictionary > _MAX_DICTIONARY:
            raise ValueError("the LZMA data asks for more memory than is credible")
        chain = [{"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": max(dictionary, 4096)}]
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
        out = unpacker.decompress(data[5:], _LIMIT)
        complete = unpacker.eof
    if not complete:
        raise ValueError("the compressed data ends early or is longer than is credible")
    return out

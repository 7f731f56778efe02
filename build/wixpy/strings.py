# SPDX-License-Identifier: MIT
"""The string pool of a database: streams ``_StringPool`` and ``_StringData``.

Cells of string columns hold the number of a string in the pool; number 0 is null.  ``_StringPool`` starts with the code
page (32 bits little-endian, bit 31: references in cells are three bytes wide instead of two) and continues with one
entry a string: 16 bits of length in bytes, 16 bits of reference count.  A string of 64 KiB or more has the length 0,
its reference count, and the length in the 32 bits after that.  An entry of zeros is an unused number.  ``_StringData``
is the bytes of the strings, one after the other, in the code page.
"""

from __future__ import annotations

import codecs
import struct
from functools import cache

from wixpy.errors import WixpyError

NEUTRAL = 0
UTF8 = 65001
LONG_REFERENCES = 0x80000000

# As much text as tables may show, in characters, however often they repeat a string.
MAX_SHOWN = 256 << 20
MAX_REPEATED = 64

_MAX_SHORT = 0xFFFF
_MAX_REFERENCES = 0xFFFF
_SPECIAL_CODECS = {
    NEUTRAL: "ascii",
    UTF8: "utf-8",
    1200: "utf-16-le",
    1201: "utf-16-be",
    10000: "mac-roman",
    20127: "ascii",
    20866: "koi8-r",
    20932: "euc_jp",
    21866: "koi8-u",
    28591: "latin-1",
    **{28590 + part: f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 13, 15)},
    51932: "euc_jp",
    51949: "euc_kr",
    54936: "gb18030",
}


def codec(codepage: int) -> str:
    """Python's codec for a Windows code page number; WixpyError for one that is not known.

    >>> codec(1252), codec(65001)
    ('cp1252', 'utf-8')
    """
    name = _SPECIAL_CODECS.get(codepage, f"cp{codepage}")
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise WixpyError(
            f"code page {codepage} is not known", "use 65001 (UTF-8), 1252 or another Windows code page"
        ) from error
    return name


@cache
def errors(codepage: int) -> str:
    r"""The error handler for the codec of a code page.

    What a code page of one byte a character leaves undefined is the control character of that number, as in Windows;
    everything else is an error.

    >>> b"\x81".decode(codec(1252), errors(1252)), "\x81".encode(codec(1252), errors(1252))
    ('\x81', b'\x81')
    """
    undefined = {byte for byte in range(0x80, 0xA0) if not _is_defined(byte, codec(codepage))}

    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if isinstance(error, UnicodeDecodeError):
            part = error.object[error.start : error.end]
            if undefined.issuperset(part):
                return part.decode("latin-1"), error.end
        elif isinstance(error, UnicodeEncodeError):
            text = error.object[error.start : error.end]
            if undefined.issuperset(map(ord, text)):
                return text.encode("latin-1"), error.end
        raise error

    name = f"wixpy.{codepage}"
    codecs.register_error(name, handle)
    return name


def _is_defined(byte: int, name: str) -> bool:
    """Whether a code page has a character for a byte, or has characters of several bytes."""
    try:
        return bool(bytes([byte]).decode(name))
    except UnicodeDecodeError as error:
        return error.encoding != "charmap"


class StringPool:
    """Strings by number, numbers by string, and how often each is used.

    Built by :meth:`intern` and :meth:`serialize`, or read by :meth:`parse`.

    >>> pool = StringPool(1252)
    >>> pool.intern("Wört"), pool.intern("Wört"), pool.number("Wört"), pool.reference_width
    (1, 1, 1, 2)
    >>> read = StringPool.parse(*pool.serialize())
    >>> read.cell(1), read.codepage, read.counts
    ('Wört', 1252, [0, 2])
    """

    def __init__(self, codepage: int = NEUTRAL) -> None:
        self.codepage = codepage
        self.codec = codec(codepage)
        self.strings: list[str | None] = [None]
        self.counts: list[int] = [0]
        self.reference_width = 2
        self._shown = 0
        self._most = MAX_SHOWN
        self._numbers: dict[str, int] = {}

    def intern(self, text: str) -> int:
        """The number of ``text``, counted as used once more."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.strings)
            self.strings.append(text)
            self.counts.append(0)
            if number > _MAX_SHORT:
                self.reference_width = 3
        self.counts[number] += 1
        return number

    def number(self, text: str) -> int:
        """The number of a string that was interned."""
        return self._numbers[text]

    def serialize(self) -> tuple[bytes, bytes]:
        """The streams ``_StringPool`` and ``_StringData``; WixpyError for text the code page lacks."""
        flags = LONG_REFERENCES if self.reference_width == 3 else 0
        pool = bytearray(struct.pack("<I", self.codepage | flags))
        data = bytearray()
        for text, count in zip(self.strings[1:], self.counts[1:], strict=True):
            encoded = self._encode(text or "")
            references = min(count, _MAX_REFERENCES)
            if len(encoded) > _MAX_SHORT:
                pool += struct.pack("<HHI", 0, references, len(encoded))
            else:
                pool += struct.pack("<HH", len(encoded), references)
            data += encoded
        return bytes(pool), bytes(data)

    def _encode(self, text: str) -> bytes:
        try:
            return text.encode(self.codec, errors(self.codepage))
        except UnicodeEncodeError as error:
            raise WixpyError(
                f"“{text[:60]}” has a character that code page {self.codepage} lacks",
                "give Product/@Codepage: 65001 for UTF-8, or the Windows code page of the language",
            ) from error

    @classmethod
    def parse(cls, pool: bytes, data: bytes) -> StringPool:
        """Read the two streams; WixpyError when they contradict each other or the code page."""
        if len(pool) < 4 or len(pool) % 4:
            raise WixpyError("the string pool is cut short", "the file is damaged: get it again")
        words = struct.unpack(f"<{len(pool) // 2}H", pool)
        first = words[0] | words[1] << 16
        self = cls(first & ~LONG_REFERENCES)
        self.reference_width = 3 if first & LONG_REFERENCES else 2
        self._most = max(MAX_SHOWN, MAX_REPEATED * len(data))
        decoder = "latin-1" if self.codepage == NEUTRAL else self.codec
        position, offset = 2, 0
        while position < len(words):
            length, count = words[position], words[position + 1]
            position += 2
            if not length and count:
                if position >= len(words):
                    raise WixpyError("the string pool ends within a long string", "the file is damaged: get it again")
                length = words[position] | words[position + 1] << 16
                position += 2
            self._append(data[offset : offset + length], length, count, decoder)
            offset += length
        return self

    def _append(self, encoded: bytes, length: int, count: int, decoder: str) -> None:
        if len(encoded) < length:
            raise WixpyError("the string pool names more text than there is", "the file is damaged: get it again")
        try:
            text = encoded.decode(decoder, errors(self.codepage))
        except UnicodeDecodeError as error:
            raise WixpyError(
                f"string {len(self.strings)} is not text in code page {self.codepage}",
                "the file is damaged: get it again",
            ) from error
        if text:
            self._numbers.setdefault(text, len(self.strings))
        self.strings.append(text or None)
        self.counts.append(count)

    def cell(self, number: int) -> str | None:
        """The text of a cell that refers to a string; WixpyError when there is none, and when cells repeat long strings
        so often that what works on rows would never end."""
        try:
            text = self.strings[number]
        except IndexError:
            raise WixpyError(
                f"a cell refers to string {number}, which is not there", "the file is damaged: get it again"
            ) from None
        if text is not None:
            self._shown += len(text)
            if self._shown > self._most:
                raise WixpyError("the tables repeat long text too often", "the file is made to harm: do not use it")
        return text

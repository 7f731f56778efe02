# SPDX-License-Identifier: GPL-2.0-or-later
"""The bytes of an INF as text and back, losing none: ANSI, UTF-8 and UTF-16 with their byte order marks.

Source: Windows driver documentation, "Creating International INF Files": an INF is ANSI text, or Unicode with a mark.
"""

from __future__ import annotations

import bisect
import codecs
import re
from dataclasses import dataclass, field

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "surrogateescape"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "surrogatepass"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "surrogatepass"),
)
# Windows-1252 with the five bytes that it leaves open standing for themselves, as Windows itself reads them.
_ANSI = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}
_TO_ANSI = {ord(character): byte for byte, character in _ANSI.items()}
_LINE_END = re.compile(r"\r\n|\r|\n")
_LONE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Position:
    """A place in a file, for a person: line and column from 1, and the byte's offset from 0."""

    line: int
    column: int
    byte: int


@dataclass(frozen=True)
class Text:
    """A decoded file.

    Attributes:
        encoding: "ansi", "utf-8", "utf-16-le" or "utf-16-be".
        mark: the byte order mark; empty for ANSI.
        text: everything after the mark, one character a byte in ANSI; bytes that are no UTF-8, and halves of UTF-16
            pairs, are lone surrogates.
        tail: the last byte of a UTF-16 file with an odd number of them.
    """

    encoding: str
    mark: bytes
    text: str
    tail: bytes = b""
    _starts: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    def encode(self, text: str | None = None) -> bytes:
        """Return `text`, by default all of this file's, as bytes of this file: mark, characters and tail."""
        return self.mark + self._characters(self.text if text is None else text) + self.tail

    def position(self, offset: int) -> Position:
        """Return where the character with this offset is; the end of the text is a place too."""
        if not self._starts:
            self._starts.extend([0, *(match.end() for match in _LINE_END.finditer(self.text))])
        line = bisect.bisect_right(self._starts, offset)
        column = offset - self._starts[line - 1] + 1
        before = offset if self.encoding == "ansi" else len(self._characters(self.text[:offset]))
        return Position(line, column, len(self.mark) + before)

    def misread(self) -> int | None:
        """Return the offset of the first character that the encoding does not allow, None if all is well."""
        lone = _LONE.search(self.text)
        return lone.start() if lone else len(self.text) if self.tail else None

    def _characters(self, text: str) -> bytes:
        if self.encoding == "ansi":
            return text.translate(_TO_ANSI).encode("latin-1")
        errors = next(errors for _, name, errors in _MARKS if name == self.encoding)
        return text.encode(self.encoding, errors)


def decode(data: bytes) -> Text:
    """Return any bytes as text; nothing is refused and nothing lost: ``decode(data).encode() == data``."""
    for mark, encoding, errors in _MARKS:
        if data.startswith(mark):
            body = data[len(mark) :]
            odd = len(body) % 2 if encoding.startswith("utf-16") else 0
            tail = body[len(body) - odd :]
            return Text(encoding, mark, body[: len(body) - odd].decode(encoding, errors), tail)
    return Text("ansi", b"", data.decode("latin-1").translate(_ANSI))

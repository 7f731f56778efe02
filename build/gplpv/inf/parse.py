# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes -> document: sections, entries, words and comments with their places; faults are noted, never raised.

    document = parse(Path("driver.inf").read_bytes())
    for entry in document.section("Manufacturer"):
        print(document.position(entry.start).line, document.expand(entry.key), entry.texts)

Specification: Windows driver documentation, "General Syntax Rules for INF Files" (sections "Section Names", "Using
String Tokens", "Line Format, Continuation, and Comments", "INF Size Limits") and "INF Strings Section". In short:

- ``[name]`` opens a section; sections of one name are one section; names and keys have no case.
- An entry is ``key=word,word,...`` or ``word,word,...``: an equals sign makes a key only before the first comma.
- Double quotes keep blanks, commas, semicolons and equals signs; two of them inside quotes are one.
- ``;`` starts a comment except in quotes and in a ``%token%``.
- A backslash at the end of a line, blanks and a comment behind it left aside, goes on with the next line; blanks
  before it and at that line's start do not count. A quoted string has to close on its own line.
- A line ends with CR LF, LF or CR. ^Z ends the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from gplpv.inf.text import Position, Text, decode

LONGEST_FIELD = 4095
"""Characters of a field; with the NUL behind it Windows takes 4096."""
LONGEST_SECTION_NAME = 255

FaultKind = Literal[
    "encoding",
    "nul",
    "control-z",
    "unterminated-string",
    "unterminated-header",
    "nameless-section",
    "text-after-header",
    "text-before-section",
    "continued-past-the-end",
    "long-field",
    "long-section-name",
]
PieceKind = Literal["blank", "comment", "header", "entry", "after-end"]

_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK = " \t\v\f"
# A token that closes on its line: a semicolon in it starts no comment.
_TOKEN = re.compile(r'%[^%"=,\r\n]*%')
_CONTINUED = re.compile(r"\\+[ \t\v\f]*(;[^\r\n]*)?(\r\n|\r|\n|\Z)")


@dataclass(frozen=True)
class Fault:
    """Something that is no INF: what, where, and a sentence about it."""

    kind: FaultKind
    start: int
    message: str


@dataclass(frozen=True)
class Piece:
    """A stretch of the text; all of them in order are the whole text."""

    kind: PieceKind
    start: int
    end: int


@dataclass(frozen=True)
class Word:
    """A key or a value.

    Attributes:
        text: without quotes and outer blanks, doubled quotes made one; ``%tokens%`` stand as they are.
        start, end: offsets in the document's text, quotes included, outer blanks not.
        quoted: whether any of it stands in quotes.
    """

    text: str
    start: int
    end: int
    quoted: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Entry:
    """One logical line of a section.

    Attributes:
        key: what stands before the equals sign; None without one.
        words: the values; never empty: ``key=`` has one empty word, and every comma starts another.
        start, end: offsets from the first character to behind the last that counts, comments not.
        section: name of its section, as its header writes it.
    """

    key: Word | None
    words: tuple[Word, ...]
    start: int
    end: int
    section: str

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words)

    def text(self, index: int) -> str:
        """Return a value's text, empty where the entry ends before it."""
        return self.words[index].text if index < len(self.words) else ""

    def place(self, index: int) -> int:
        """Return the offset of a value, the entry's own where it ends before it."""
        return self.words[index].start if index < len(self.words) else self.start

    def named(self, *keys: str) -> bool:
        """Whether its key is one of these, in any case."""
        return self.key is not None and self.key.text.lower() in {key.lower() for key in keys}


@dataclass
class Section:
    """All entries under one name, in the order of the file.

    Attributes:
        name: as the first header writes it.
        headers: the name in each header, for sections may occur more than once.
    """

    name: str
    headers: list[Word] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def values(self, key: str) -> list[Entry]:
        """Return the entries with this key."""
        return [entry for entry in self.entries if entry.named(key)]


class Document:
    """A parsed INF.

    Attributes:
        source: encoding, byte order mark and text.
        sections: by name in lower case, in the order of their first headers.
        pieces: header, entries, comments and blank stretches that tile the text.
        comments: the comments, semicolon included, line end not.
        faults: what is wrong with the syntax, in the order of the text.
        strings: [Strings] by key in lower case.
    """

    def __init__(self, source: Text) -> None:
        self.source = source
        self.sections: dict[str, Section] = {}
        self.pieces: list[Piece] = []
        self.comments: list[Word] = []
        self.faults: list[Fault] = []
        _Reader(self).read()
        self.faults.sort(key=lambda fault: fault.start)
        self.strings = self.strings_of()

    @property
    def text(self) -> str:
        return self.source.text

    def to_bytes(self) -> bytes:
        """Return the file's bytes, put together from the pieces."""
        return self.source.encode("".join(self.text[piece.start : piece.end] for piece in self.pieces))

    def position(self, offset: int) -> Position:
        """Return line, column and byte of a character of the text."""
        return self.source.position(offset)

    def has_section(self, name: str) -> bool:
        return name.lower() in self.sections

    def section(self, name: str) -> list[Entry]:
        """Return the entries of all sections of this name; none if there is no such section."""
        found = self.sections.get(name.lower())
        return found.entries if found else []

    def first(self, section: str, key: str) -> Entry | None:
        """Return the first entry of a section with this key."""
        return next((entry for entry in self.section(section) if entry.named(key)), None)

    def value(self, section: str, key: str) -> str:
        """Return the first word of that entry with its strings put in; empty without one."""
        entry = self.first(section, key)
        return self.expand(entry.text(0)) if entry else ""

    def strings_of(self, language: int | None = None) -> dict[str, Word]:
        """Return the strings by key in lower case: [Strings], or the section for a Windows language ID such as 0x0407.

        Windows takes one section: that of the language, of its primary language with no sublanguage, with any, or
        [Strings].
        """
        found: dict[str, Word] = {}
        for entry in self.section(self._strings_section(language)):
            if entry.key:
                found.setdefault(entry.key.text.lower(), entry.words[0])
        return found

    def _strings_section(self, language: int | None) -> str:
        known = {}
        for name in self.sections:
            match = re.fullmatch(r"strings\.([0-9a-f]{1,4})", name)
            if match:
                known[int(match[1], 16)] = name
        if language is None or not known:
            return "strings"
        primary = language & 0x3FF
        relatives = [name for number, name in known.items() if number & 0x3FF == primary]
        return known.get(language) or known.get(primary) or next(iter(relatives), "strings")

    def expand(self, text: str | Word | None, strings: dict[str, Word] | None = None) -> str:
        """Put in the strings of ``%tokens%``; ``%%`` is a percent sign, an unknown token and a ``%dirid%`` stay."""
        known = self.strings if strings is None else strings

        def value(match: re.Match[str]) -> str:
            if not match[1]:
                return "%"
            word = known.get(match[1].lower())
            return word.text if word else match[0]

        return re.sub(r"%([^%\r\n]*)%", value, str(text or ""))


def parse(data: bytes) -> Document:
    """Read an INF; any bytes make a document, and ``parse(data).to_bytes() == data``."""
    return Document(decode(data))


def tokens(word: Word) -> Iterator[tuple[str, int]]:
    """Yield the names between percent signs in a word and the offset of the word; ``%%`` is none."""
    for match in re.finditer(r"%([^%\r\n]*)%", word.text):
        if match[1]:
            yield match[1], word.start


class _Reader:
    """One pass over the text, a logical line a step."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text
        self.section: Section | None = None
        self.end = self._end_of_file()

    def read(self) -> None:
        at = 0
        while at < self.end:
            start = self._skip_blank(at)
            kind: PieceKind
            if start < self.end and self.text[start] == "[":
                kind, stop = "header", self._header(start)
            elif start < self.end and self.text[start] not in "\r\n;":
                kind, stop = "entry", self._entry(start)
            else:
                kind = "comment" if self.text[start : start + 1] == ";" and start < self.end else "blank"
                stop = self._rest(start)
            self.document.pieces.append(Piece(kind, at, stop))
            at = stop
        if self.end < len(self.text):
            self.document.pieces.append(Piece("after-end", self.end, len(self.text)))

    def _fault(self, kind: FaultKind, start: int, message: str) -> None:
        self.document.faults.append(Fault(kind, start, message))

    def _end_of_file(self) -> int:
        misread = self.document.source.misread()
        if misread is not None:
            self._fault("encoding", misread, f"Here the file is not {self.document.source.encoding.upper()}.")
        end = self.text.find("\x1a")
        end = len(self.text) if end < 0 else end
        if self.text[end:].strip("\x1a\0\r\n" + _BLANK):
            self._fault("control-z", end, "A ^Z ends the file here, and text follows.")
        nul = self.text.find("\0", 0, end)
        if nul >= 0:
            utf16 = self.document.source.encoding == "ansi" and self.text.count("\0") * 3 > len(self.text)
            hint = " (UTF-16 without its byte order mark?)" if utf16 else ""
            self._fault("nul", nul, f"There is a NUL character in the text{hint}.")
        return end

    def _skip_blank(self, at: int) -> int:
        while at < self.end and self.text[at] in _BLANK:
            at += 1
        return at

    def _line_end(self, at: int) -> tuple[int, int]:
        """The offsets of the end of the line and of the next line."""
        match = _LINE_END.search(self.text, at, self.end)
        return match.span() if match else (self.end, self.end)

    def _rest(self, at: int) -> int:
        """Pass over what nobody reads, a comment perhaps; return where the next line starts."""
        stop, following = self._line_end(at)
        if self.text[at : at + 1] == ";" and at < stop:
            self.document.comments.append(Word(self.text[at:stop], at, stop))
        return following

    def _header(self, start: int) -> int:
        stop, _ = self._line_end(start)
        close = self.text.find("]", start, stop)
        if close < 0:
            self._fault(
                "unterminated-header",
                start,
                f"{self.text[start:stop].rstrip()} is no section: it lacks the closing bracket.",
            )
            close = stop
        raw = self.text[start + 1 : close]
        name = raw.strip()
        if not name:
            self._fault("nameless-section", start, "[] is no section: it lacks a name.")
        if len(name) > LONGEST_SECTION_NAME:
            self._fault(
                "long-section-name", start, f"The section's name has more than {LONGEST_SECTION_NAME} characters."
            )
        self.section = self.document.sections.setdefault(name.lower(), Section(name))
        at = start + 1 + len(raw) - len(raw.lstrip())
        self.section.headers.append(Word(name, at, at + len(name)))
        rest = self._skip_blank(min(close + 1, stop))
        if rest < stop and self.text[rest] != ";":
            self._fault(
                "text-after-header", rest, f"{self.text[rest:stop].rstrip()} behind the section's name is not read."
            )
        return self._rest(rest)

    def _entry(self, start: int) -> int:
        scan = _Scan(self, start)
        scan.run()
        if self.section is None:
            shown = self.text[start : self._line_end(start)[0]].rstrip()
            self._fault("text-before-section", start, f"{shown} stands before the first section.")
        else:
            self.section.entries.append(Entry(scan.key, tuple(scan.words), start, scan.last, self.section.name))
        return scan.at


class _Scan:
    """One entry: characters into key and words."""

    def __init__(self, reader: _Reader, start: int) -> None:
        self.reader = reader
        self.text = reader.text
        self.at = self.last = start
        self.key: Word | None = None
        self.words: list[Word] = []
        self._begin(start)

    def _begin(self, at: int) -> None:
        self.parts: list[str] = []
        self.kept = 0  # how many parts count: blanks behind the last other character do not
        self.start = self.stop = at
        self.quoted = False

    def run(self) -> None:
        while self.at < self.reader.end:
            character = self.text[self.at]
            if character in "\r\n":
                self.at = self.reader._line_end(self.at)[1]
                break
            if character == ";":
                self.at = self.reader._rest(self.at)
                break
            self._step(character)
        self._close()

    def _step(self, character: str) -> None:
        continued = character == "\\" and _CONTINUED.match(self.text, self.at, self.reader.end)
        if continued:
            self._continue(continued)
        elif character == "\\":
            stop = self.at + 1
            while self.text.startswith("\\", stop) and stop < self.reader.end:
                stop += 1
            self._take(self.text[self.at : stop], stop)
        elif character == '"':
            self._quoted()
        elif character == ",":
            self._separate()
        elif character == "=" and self.key is None and not self.words:
            self.key = self._word()
            self._separate(keep=False)
        elif character in _BLANK:
            if self.kept:
                self.parts.append(character)
            else:
                self.start = self.stop = self.at + 1
            self.at += 1
        else:
            token = _TOKEN.match(self.text, self.at, self.reader.end) if character == "%" else None
            self._take(token[0] if token else character, token.end() if token else self.at + 1)

    def _take(self, text: str, end: int) -> None:
        self.parts.append(text)
        self.kept = len(self.parts)
        self.at = self.stop = self.last = end

    def _quoted(self) -> None:
        opened = self.at
        limit = self.reader._line_end(opened)[0]
        match = re.compile(r'"((?:[^"]|"")*)"').match(self.text, opened, limit)
        self.quoted = True
        if match:
            self._take(match[1].replace('""', '"'), match.end())
            return
        shown = self.text[opened:limit].rstrip()
        self.reader._fault("unterminated-string", opened, f"{shown} lacks a closing quotation mark.")
        self._take(self.text[opened + 1 : limit].replace('""', '"'), limit)

    def _continue(self, match: re.Match[str]) -> None:
        if match[1]:
            self.reader.document.comments.append(Word(match[1], match.start(1), match.end(1)))
        if not match[2]:
            self.reader._fault("continued-past-the-end", match.start(), "A backslash continues the last line.")
        del self.parts[self.kept :]
        self.at = self.reader._skip_blank(match.end())
        self.last = max(self.last, match.start() + 1)

    def _separate(self, keep: bool = True) -> None:
        if keep:
            self.words.append(self._word())
        self.at += 1
        self.last = self.at
        self._begin(self.at)

    def _word(self) -> Word:
        text = "".join(self.parts[: self.kept])
        if len(text) > LONGEST_FIELD:
            message = f"The field has {len(text)} characters; Windows takes {LONGEST_FIELD}."
            self.reader._fault("long-field", self.start, message)
        return Word(text, self.start, self.stop, self.quoted)

    def _close(self) -> None:
        self.words.append(self._word())

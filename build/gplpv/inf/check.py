# SPDX-License-Identifier: GPL-2.0-or-later
"""Finding what stops or weakens an installation: the rules' registry, and their run over a file.

A rule is one function in a module of :mod:`gplpv.inf.rules`, with a code, a severity and a sentence:

    @rule("INF210", "warning", "[Version] names a CatalogFile.")
    def catalog_file(subject: Subject) -> Iterator[Found]:
        ...
        yield offset, "what is wrong here"

An error keeps the INF, or a part of it, from being installed as it says; a warning weakens it. A comment
``; infcheck: allow INF113`` keeps a rule silent on its own line and, where it has a line to itself, on the next.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal

from gplpv.errors import GplpvError
from gplpv.files import write_bytes
from gplpv.inf.parse import Document, Entry, Word, parse
from gplpv.inf.target import Target
from gplpv.inf.view import Copy, Inf

Severity = Literal["error", "warning"]
Found = tuple[int, str]
"""Where, as an offset in the text, and what."""

_ALLOWED = re.compile(r"infcheck:\s*allow\s+(INF\d{3}(?:\s*,\s*INF\d{3})*)", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """What one rule says of one place; line and column count from 1."""

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity} {self.code}: {self.message}"


class Subject:
    """What a rule looks at.

    Attributes:
        name: the file's, without its folder.
        document, inf: the file, and what it means.
        targets: the Windows that it has to install on; what the INF itself says where nobody asked.
        is_asked: whether somebody did.
        files: names in the INF's folder and below, lower case, with backslashes; None for a text without a folder.
        is_complete: whether the files that it copies have to be there.
        today: a DriverVer later than this is in the future; None knows no future.
    """

    def __init__(
        self,
        name: str,
        document: Document,
        targets: Iterable[Target] = (),
        files: frozenset[str] | None = None,
        is_complete: bool = False,
        today: datetime.date | None = None,
    ) -> None:
        self.name = name
        self.document = document
        self.inf = Inf(document)
        asked = tuple(targets)
        self.is_asked = bool(asked)
        self.targets = asked or tuple(self.inf.targets())
        self.files = files
        self.is_complete = is_complete
        self.today = today

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries of all sections but [Strings]."""
        sections = self.document.sections.items()
        return tuple(entry for name, one in sections if not is_strings(name) for entry in one.entries)

    @cached_property
    def copies(self) -> tuple[Copy, ...]:
        """All files that any CopyFiles of the INF names, each place once."""
        found: dict[tuple[str, int], Copy] = {}
        for section in self.document.sections:
            for copy in self.inf.copies(section):
                found[(copy.source, copy.place)] = copy
        return tuple(found.values())

    @cached_property
    def installs(self) -> tuple[str, ...]:
        """The install sections, decoration included, that any of the targets takes."""
        return tuple(dict.fromkeys(each for target in self.targets for each in self.inf.install_sections(target)))

    @cached_property
    def device_installs(self) -> tuple[str, ...]:
        """Those of them that a device takes."""
        found: dict[str, None] = {}
        for target in self.targets:
            for model in self.inf.models(target):
                section = self.inf.install_section(model.install, target)
                if section:
                    found[section] = None
        return tuple(found)

    def header(self, section: str) -> int:
        """Return where a section starts, the start of the text where there is none."""
        found = self.document.sections.get(section.lower())
        return found.headers[0].start if found else 0

    def version_place(self, key: str) -> int:
        """Return where a key of [Version] stands, else that section's start."""
        entry = self.document.first("Version", key)
        return entry.start if entry else self.header("Version")

    def takes_from_others(self, section: str) -> bool:
        """Whether a section has files or services from another INF, by Include or Needs."""
        return any(entry.named("Include", "Needs") for entry in self.document.section(section))


Look = Callable[[Subject], Iterator[Found]]


@dataclass(frozen=True)
class Rule:
    """A rule: its code, its severity, what holds where it is kept, and the function that finds where it is not."""

    code: str
    severity: Severity
    sentence: str
    look: Look


_RULES: dict[str, Rule] = {}


def rule(code: str, severity: Severity, sentence: str) -> Callable[[Look], Look]:
    """Enter a function into the registry."""

    def enter(look: Look) -> Look:
        assert code not in _RULES, code
        _RULES[code] = Rule(code, severity, sentence, look)
        return look

    return enter


def rules() -> list[Rule]:
    """Return all rules by their codes."""
    package = import_module("gplpv.inf.rules")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return [_RULES[code] for code in sorted(_RULES)]


def is_strings(section: str) -> bool:
    """Whether a section of this name holds strings."""
    return section.lower() == "strings" or section.lower().startswith("strings.")


def check(shown: str, subject: Subject) -> list[Finding]:
    """Return what the rules find, in the order of the text; the findings show the file as `shown`."""
    allowed = _allowed(subject.document)
    found: dict[Finding, int] = {}
    for one in rules():
        for offset, message in one.look(subject):
            place = subject.document.position(offset)
            if one.code not in allowed.get(place.line, ()):
                found.setdefault(Finding(shown, place.line, place.column, one.severity, one.code, message), offset)
    return sorted(found, key=lambda finding: (found[finding], finding.code, finding.message))


def check_file(
    path: Path,
    targets: Iterable[Target] = (),
    is_complete: bool = False,
    today: datetime.date | None = None,
) -> list[Finding]:
    """Return what the rules find in a file and its folder.

    Raises:
        GplpvError: it cannot be read.
    """
    try:
        data = path.read_bytes()
        files = frozenset(_below(path.parent))
    except OSError as error:
        raise GplpvError(f"{path} cannot be read: {error.strerror}.", "Name an INF file.") from error
    return check(str(path), Subject(path.name, parse(data), targets, files, is_complete, today))


def pass_on(
    stamped: Path, target: Path, beside: Iterable[str], targets: Iterable[Target], today: datetime.date
) -> None:
    """Check a stamped INF as if the files named `beside` lay there, and write it to `target` if it has no error.

    Raises:
        GplpvError: naming each error.
    """
    data = stamped.read_bytes()
    files = frozenset(name.lower() for name in beside)
    subject = Subject(stamped.name, parse(data), targets, files, is_complete=True, today=today)
    require(check(str(stamped), subject))
    write_bytes(target, data)


def require(findings: Iterable[Finding]) -> None:
    """Raise for the errors among findings.

    Raises:
        GplpvError: naming each.
    """
    errors = [str(finding) for finding in findings if finding.severity == "error"]
    if errors:
        raise GplpvError("\n".join(errors), "Correct the INF; `gplpv infcheck --rules` tells what each rule wants.")


def _below(folder: Path, depth: int = 3) -> Iterator[str]:
    for path in folder.iterdir():
        yield path.name.lower()
        if depth > 1 and path.is_dir() and not path.is_symlink():
            for name in _below(path, depth - 1):
                yield f"{path.name.lower()}\\{name}"


def _allowed(document: Document) -> dict[int, set[str]]:
    """The codes that comments keep silent, by line."""
    found: dict[int, set[str]] = {}
    for comment in document.comments:
        match = _ALLOWED.search(comment.text)
        if match:
            codes = {code.strip().upper() for code in match[1].split(",")}
            line = document.position(comment.start).line
            alone = not _before(document, comment).strip()
            for each in (line, line + 1) if alone else (line,):
                found.setdefault(each, set()).update(codes)
    return found


def _before(document: Document, word: Word) -> str:
    """What stands on a word's line before it."""
    return document.text[word.start - document.position(word.start).column + 1 : word.start]

# SPDX-License-Identifier: GPL-2.0-or-later
"""Strings: each token is defined, in every language, and no string is longer than Windows takes.

Source: "INF Strings Section".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gplpv.inf.check import Found, Subject, is_strings, rule
from gplpv.inf.parse import LONGEST_FIELD, Word, tokens

_LONGEST_BEFORE_VISTA = 511
_VISTA = (6, 0)
_DIRID = re.compile(r"-?\d+")


@rule("INF150", "error", "A %token% is defined in [Strings].")
def tokens_defined(subject: Subject) -> Iterator[Found]:
    for token, place in _used(subject):
        if token.lower() not in subject.inf.strings and not _DIRID.fullmatch(token):
            yield place, f"%{token}% is not in [Strings]."


@rule("INF151", "warning", "A string is used.")
def strings_used(subject: Subject) -> Iterator[Found]:
    used = {token.lower() for token, _ in _used(subject)}
    for entry in subject.document.section("Strings"):
        if entry.key and entry.key.text.lower() not in used:
            yield entry.start, f"The string {entry.key} is not used."


@rule("INF152", "warning", "A string is defined once in a section.")
def strings_once(subject: Subject) -> Iterator[Found]:
    for name, section in subject.document.sections.items():
        seen: set[str] = set()
        for entry in section.entries if is_strings(name) else ():
            key = entry.key.text.lower() if entry.key else ""
            if key and key in seen:
                yield entry.start, f"The string {entry.key} is there already, perhaps with another text."
            seen.add(key)


@rule("INF153", "error", f"A string has at most {_LONGEST_BEFORE_VISTA} characters before Vista, 4095 from then on.")
def strings_fit(subject: Subject) -> Iterator[Found]:
    oldest = min((target.nt for target in subject.targets), default=_VISTA)
    limit = _LONGEST_BEFORE_VISTA if oldest < _VISTA else LONGEST_FIELD
    for name, section in subject.document.sections.items():
        for entry in section.entries if is_strings(name) else ():
            if len(entry.text(0)) > limit:
                yield (
                    entry.place(0),
                    f"The string {entry.key} has {len(entry.text(0))} characters; {limit} are allowed.",
                )


@rule("INF154", "warning", "[Strings.language] has every string that is used: Windows reads that section alone.")
def languages_whole(subject: Subject) -> Iterator[Found]:
    used = {token.lower(): token for token, _ in _used(subject)}
    for name, section in subject.document.sections.items():
        if name.startswith("strings."):
            known = {entry.key.text.lower() for entry in section.entries if entry.key}
            for key, token in used.items():
                if key in subject.inf.strings and key not in known:
                    yield section.headers[0].start, f"[{section.name}] lacks the string {token}."


@rule("INF155", "error", "A line of [Strings] is a name, an equals sign and a string.")
def strings_have_names(subject: Subject) -> Iterator[Found]:
    for name, section in subject.document.sections.items():
        for entry in section.entries if is_strings(name) else ():
            if entry.key is None or not entry.key.text:
                yield entry.start, "The line defines no string: it has no name before an equals sign."


def _used(subject: Subject) -> Iterator[tuple[str, int]]:
    for entry in subject.entries:
        words: list[Word] = [*([entry.key] if entry.key else []), *entry.words]
        for word in words:
            yield from tokens(word)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Syntax: what "General Syntax Rules for INF Files" asks of the text itself."""

from __future__ import annotations

from collections.abc import Iterator

from gplpv.inf.check import Found, Subject, rule
from gplpv.inf.parse import LONGEST_FIELD, FaultKind


def _faults(subject: Subject, *kinds: FaultKind) -> Iterator[Found]:
    for fault in subject.document.faults:
        if fault.kind in kinds:
            yield fault.start, fault.message


@rule("INF101", "error", "A quoted string ends on its own line.")
def strings_end(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "unterminated-string")


@rule("INF102", "error", "A section's header has a name and a closing bracket.")
def headers_end(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "unterminated-header", "nameless-section")


@rule("INF103", "error", "Nothing but comments stands before the first section.")
def sections_first(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "text-before-section")


@rule("INF104", "warning", "Nothing but a comment stands behind a section's header.")
def headers_stand_alone(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "text-after-header")


@rule("INF105", "error", "The bytes are of the encoding that the byte order mark declares.")
def encoding(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "encoding")


@rule("INF106", "error", "There is no NUL character; UTF-16 has its byte order mark.")
def no_nul(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "nul")


@rule("INF107", "warning", "Nothing follows a ^Z, which ends the file.")
def control_z(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "control-z")


@rule("INF108", "error", f"A field has at most {LONGEST_FIELD} characters, as it stands and with its strings put in.")
def fields_fit(subject: Subject) -> Iterator[Found]:
    yield from _faults(subject, "long-field")
    for entry in subject.entries:
        for word in entry.words:
            length = len(subject.inf.expand(word)) if "%" in word.text else 0
            if length > LONGEST_FIELD >= len(word.text):
                yield word.start, f"With its strings put in, the field has {length} characters."


@rule("INF109", "error", "A section's name has at most 255 characters.")
def section_names_fit(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "long-section-name")


@rule("INF110", "warning", "The last line is not continued by a backslash.")
def last_line_ends(subject: Subject) -> Iterator[Found]:
    return _faults(subject, "continued-past-the-end")


@rule("INF111", "warning", "Text beyond ASCII has a byte order mark: ANSI is read in each machine's own code page.")
def declared_encoding(subject: Subject) -> Iterator[Found]:
    document = subject.document
    comments = {at for comment in document.comments for at in range(comment.start, comment.end)}
    if document.source.encoding == "ansi" and not document.text.isascii():
        for at, character in enumerate(document.text):
            if not character.isascii() and at not in comments:
                yield at, f"{character!r} is read in the code page of the machine: save the file as UTF-16 with a mark."
                return


@rule("INF112", "warning", "A line has at most 4096 characters.")
def lines_fit(subject: Subject) -> Iterator[Found]:
    at = 0
    for line in subject.document.text.splitlines(keepends=True):
        if len(line.rstrip("\r\n")) > LONGEST_FIELD + 1:
            yield at, f"The line has {len(line.rstrip())} characters."
        at += len(line)

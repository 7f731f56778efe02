# SPDX-License-Identifier: GPL-2.0-or-later
"""Files: where they come from, where they go, and that they are there.

Source: "INF CopyFiles Directive", "INF SourceDisksFiles Section", "INF SourceDisksNames Section", "INF DestinationDirs
Section", "Using Dirids", "INF Version Section" (LayoutFile).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gplpv.inf.check import Found, Subject, rule
from gplpv.inf.parse import tokens
from gplpv.inf.target import ARCHES
from gplpv.inf.view import Copy, SourceFile, number

_DIRIDS = Path(__file__).parents[2] / "data" / "inf" / "dirids.tsv"
_SHELL_FOLDERS = range(16384, 32768)
_OWN_DIRIDS = 32768
_LONGEST_NAME = 255
_FORBIDDEN = re.compile(r'[<>:"/|?*\x00-\x1f]')
_WARN_IF_SKIP, _NOSKIP, _NOVERSIONCHECK, _IN_USE, _NO_OVERWRITE, _NO_VERSION = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20
_EXCLUSIVE = (_WARN_IF_SKIP | _NOSKIP, _NOVERSIONCHECK | _IN_USE, _NOVERSIONCHECK | _NO_OVERWRITE)


@cache
def dirids() -> dict[int, str]:
    """Return the folders that Windows numbers."""
    lines = (line.split("\t") for line in _DIRIDS.read_text(encoding="ascii").splitlines() if line[0] != "#")
    return {int(text): folder for text, folder in lines}


@rule("INF401", "error", "A file that is copied is listed in [SourceDisksFiles].")
def copied_is_listed(subject: Subject) -> Iterator[Found]:
    if subject.inf.version("LayoutFile"):
        return
    for copy in _copied(subject):
        arches = [target.arch for target in subject.targets]
        lacking = [arch for arch in dict.fromkeys(arches) if copy.source.lower() not in subject.inf.source_files(arch)]
        if lacking:
            yield copy.place, f"{copy.source} is copied, but [SourceDisksFiles] does not list it for {lacking[0]}."


@rule("INF402", "warning", "A file that is listed is copied: what is not, no catalog covers.")
def listed_is_copied(subject: Subject) -> Iterator[Found]:
    copied = {copy.source.lower() for copy in subject.copies}
    for file in _listed(subject):
        if file.name.lower() not in copied:
            yield file.entry.start, f"{file.name} is listed, and no CopyFiles copies it."


@rule("INF403", "error", "A file that is listed and copied lies in the INF's folder, where others of its files do.")
def sources_exist(subject: Subject) -> Iterator[Found]:
    files = dict.fromkeys(_sources(subject))
    absent = [(path, place) for path, place in files if path.lower() not in (subject.files or ())]
    if subject.files is not None and (subject.is_complete or len(absent) < len(files)):
        for path, place in absent:
            yield place, f"{path} is not beside the INF."


@rule("INF404", "warning", "The INF lies beside its files.")
def stands_alone(subject: Subject) -> Iterator[Found]:
    files = dict.fromkeys(_sources(subject))
    absent = [place for path, place in files if path.lower() not in (subject.files or ())]
    if subject.files is not None and not subject.is_complete and absent and len(absent) == len(files):
        yield absent[0], "None of the INF's files is beside it."


@rule("INF405", "error", "A listed file's disk is in [SourceDisksNames].")
def disks_named(subject: Subject) -> Iterator[Found]:
    disks = {key for arch in ARCHES for key in subject.inf.disks(arch)}
    for file in _listed(subject):
        if file.disk not in disks:
            yield file.entry.start, f"The disk {file.disk or 'of ' + file.name} is not in [SourceDisksNames]."


@rule("INF406", "error", "[DestinationDirs] says where a copied file goes.")
def destinations_known(subject: Subject) -> Iterator[Found]:
    for copy in subject.copies:
        if subject.inf.destination(copy.section) is None:
            what = f"[{copy.section}]" if copy.section else copy.target
            yield copy.place, f"[DestinationDirs] has neither {what} nor DefaultDestDir."


@rule("INF407", "error", "A folder in [DestinationDirs] is a number.")
def destinations_numbered(subject: Subject) -> Iterator[Found]:
    for entry in subject.document.section("DestinationDirs"):
        text = subject.inf.expand(entry.text(0))
        if number(text) is None:
            yield entry.place(0), f"{text or 'Nothing'} is no directory number."


@rule("INF408", "warning", "A directory number is one that Windows knows.")
def dirids_known(subject: Subject) -> Iterator[Found]:
    for entry in subject.document.section("DestinationDirs"):
        found = number(subject.inf.expand(entry.text(0)))
        if found is not None and not _is_dirid(found):
            yield entry.place(0), f"Windows knows no directory number {found}."
    for entry in subject.entries:
        for word in entry.words:
            for name, place in tokens(word):
                digits = number(name)
                if digits is not None and name.lower() not in subject.inf.strings and not _is_dirid(digits):
                    yield place, f"Windows knows no directory number {name}."


@rule("INF409", "warning", "An entry of [DestinationDirs] is for a file list of the INF.")
def destinations_used(subject: Subject) -> Iterator[Found]:
    for entry in subject.document.section("DestinationDirs"):
        name = subject.inf.expand(entry.key)
        if name.lower() != "defaultdestdir" and not subject.document.has_section(name):
            yield entry.start, f"There is no file list [{name}]."


@rule("INF410", "error", "A file's name has at most 255 characters, and none that a file cannot have.")
def names_valid(subject: Subject) -> Iterator[Found]:
    named = [(copy.target, copy.place) for copy in subject.copies] + [
        (copy.source, copy.place) for copy in subject.copies
    ]
    for name, place in [*named, *((file.name, file.entry.start) for file in _listed(subject))]:
        if len(name) > _LONGEST_NAME:
            yield place, f"The file's name has {len(name)} characters."
        elif _FORBIDDEN.search(name):
            yield place, f"{name} is no file's name."


@rule("INF411", "error", "The flags of a copied file are a number, and do not exclude each other.")
def flags_valid(subject: Subject) -> Iterator[Found]:
    for copy in subject.copies:
        flags = number(copy.flags or "0")
        if flags is None:
            yield copy.place, f"{copy.flags} are no flags."
        elif any(flags & pair == pair for pair in _EXCLUSIVE) or (flags & _NO_OVERWRITE and flags != _NO_OVERWRITE):
            yield copy.place, f"The flags {copy.flags} exclude each other."


@rule("INF412", "warning", "No catalog and no INF is listed or copied: Windows takes care of both.")
def own_files_only(subject: Subject) -> Iterator[Found]:
    named = [(copy.source, copy.place) for copy in subject.copies]
    for name, place in [*named, *((file.name, file.entry.start) for file in _listed(subject))]:
        if name.lower().endswith((".cat", ".inf")):
            yield place, f"{name} is copied by Windows itself."


@rule("INF413", "error", "A file's name in a list is no %token%.")
def names_literal(subject: Subject) -> Iterator[Found]:
    for copy in subject.copies:
        for word in copy.entry.words[:2] if copy.section else ():
            if any(True for _ in tokens(word)):
                yield word.start, f"{word} is a token; files are named as they are."


def _copied(subject: Subject) -> list[Copy]:
    found: dict[Copy, None] = {}
    for target in subject.targets:
        found.update(dict.fromkeys(subject.inf.copied(target)))
    return list(found)


def _listed(subject: Subject) -> list[SourceFile]:
    found: dict[int, SourceFile] = {}
    for arch in ARCHES:
        for file in subject.inf.source_files(arch).values():
            found[file.entry.start] = file
    return list(found.values())


def _sources(subject: Subject) -> Iterator[tuple[str, int]]:
    """The files that have to be beside the INF for its targets, with their places."""
    copied = {copy.source.lower() for copy in _copied(subject)}
    for target in subject.targets:
        for name, file in subject.inf.source_files(target.arch).items():
            if name in copied:
                yield subject.inf.source_path(file, target.arch), file.entry.start


def _is_dirid(text: int) -> bool:
    return text in dirids() or text in _SHELL_FOLDERS or text >= _OWN_DIRIDS

# SPDX-License-Identifier: GPL-2.0-or-later
"""Sections: each that is named is there, each that is there is named, and none calls itself.

Source: the pages of the directives in the tables below, and "INF DDInstall Section" for Include and Needs.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from gplpv.inf.check import Found, Subject, is_strings, rule
from gplpv.inf.parse import Entry
from gplpv.inf.target import decoration

ALL = -1
# The directives that name sections: which of their values do.
REFERENCES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        (
            "AddReg", "DelReg", "BitReg", "CopyFiles", "DelFiles", "RenFiles", "LogConfig", "UpdateInis",
            "UpdateIniFields", "Ini2Reg", "RegisterDlls", "UnregisterDlls", "ProfileItems", "AddProperty",
            "DelProperty", "AddTrigger",
        ),
        (ALL,),
    ),
    "AddService": (2, 3),
    "DelService": (2,),
    "AddInterface": (2,),
    "AddComponent": (2,),
    "AddSoftware": (2,),
    "AddFilter": (2,),
    "AddEventProvider": (1,),
    "AddChannel": (2,),
    "FailureActions": (0,),
    "KmdfService": (1,),
    "UmdfService": (1,),
}  # fmt: skip
# What Windows looks for by itself.
_ROOTS = re.compile(
    r"(version|manufacturer|strings(\.[0-9a-f]+)?|sourcedisks(names|files)(\.\w+)?|destinationdirs|controlflags"
    r"|default(install|uninstall)|(class|interface)install32|signatureattributes\b.*|winsocketcatalog.*)(\..*)?"
)
_SUFFIXES = (
    "services", "hw", "coinstallers", "interfaces", "wdf", "factdef", "logconfigoverride", "components", "software",
    "events", "filters", "security", "wmi",
)  # fmt: skip


@rule("INF120", "warning", "A section occurs once: Windows makes one of several, but readers may not.")
def sections_once(subject: Subject) -> Iterator[Found]:
    for section in subject.document.sections.values():
        for header in section.headers[1:]:
            first = subject.document.position(section.headers[0].start).line
            yield header.start, f"[{header.text}] is already in line {first}; Windows reads both as one section."


@rule("INF121", "error", "A section that a directive names is there.")
def sections_exist(subject: Subject) -> Iterator[Found]:
    for entry, index, name in references(subject):
        if not subject.document.has_section(name) and not subject.document.has_section(f"{name}.security"):
            yield entry.place(index), f"{entry.key} names the section [{name}], which is not there."


@rule("INF122", "warning", "Every section is one that Windows looks for, or is named somewhere.")
def sections_used(subject: Subject) -> Iterator[Found]:
    named = {subject.inf.expand(word).lower() for entry in subject.entries for word in entry.words}
    named |= {subject.inf.expand(entry.key).lower() for entry in subject.entries if entry.key}
    for name, section in subject.document.sections.items():
        if name and not _is_used(name, named, subject.document.sections):
            yield section.headers[0].start, f"Nothing in the INF names the section [{section.name}]."


@rule("INF123", "error", "An INF does not include itself, and no section needs itself, be it through others.")
def no_circles(subject: Subject) -> Iterator[Found]:
    for entry in subject.entries:
        for index, text in enumerate(subject.inf.texts(entry) if entry.named("Include") else ()):
            if text and text.lower() == subject.name.lower():
                yield entry.place(index), f"{text} includes itself."
    needs: dict[str, list[tuple[str, int]]] = {}
    for name in subject.document.sections:
        listed = subject.inf.listed(name, "Needs")
        needs[name] = [(needed.lower(), place) for needed, _, place in listed]
    for name, direct in needs.items():
        for needed, place in direct:
            if name in _closure(needed, needs):
                yield place, f"[{subject.document.sections[name].name}] needs itself through [{needed}]."


@rule("INF124", "warning", "A section that is needed needs none: Needs entries cannot be nested.")
def needs_are_flat(subject: Subject) -> Iterator[Found]:
    for name in subject.document.sections:
        for needed, _, place in subject.inf.listed(name, "Needs"):
            if any(entry.named("Needs") for entry in subject.document.section(needed)):
                yield place, f"[{needed}], needed here, has a Needs of its own, which Windows does not follow."


@rule("INF125", "error", "A needed section is in this INF or in one that the same section includes.")
def needs_are_included(subject: Subject) -> Iterator[Found]:
    for name in subject.document.sections:
        includes = any(entry.named("Include") for entry in subject.document.section(name))
        for needed, _, place in subject.inf.listed(name, "Needs"):
            if not includes and not subject.document.has_section(needed):
                yield place, f"[{needed}] is neither here nor in an INF that an Include names."


def references(subject: Subject) -> Iterator[tuple[Entry, int, str]]:
    """Every section that a directive names: its entry, the value's index, the name."""
    directives = {name.lower(): places for name, places in REFERENCES.items()}
    for entry in subject.entries:
        places = directives.get(entry.key.text.lower(), ()) if entry.key else ()
        for index in range(len(entry.words)) if ALL in places else places:
            name = subject.inf.expand(entry.text(index))
            if name and not name.startswith("@"):
                yield entry, index, name


def _is_used(name: str, named: set[str], sections: Container[str]) -> bool:
    if name in named or _ROOTS.fullmatch(name) or is_strings(name):
        return True
    stem, dot, suffix = name.rpartition(".")
    if dot and suffix in _SUFFIXES:
        return stem in sections or _is_used(stem, named, sections)
    place = name.find(".nt")
    return place > 0 and decoration(name[place + 1 :]) is not None and name[:place] in named


def _closure(name: str, needs: dict[str, list[tuple[str, int]]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [needed for needed, _ in needs.get(one, ())]
    return found

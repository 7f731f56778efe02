# SPDX-License-Identifier: GPL-2.0-or-later
"""[Version]: what Windows has to know before it installs anything.

Source: "INF Version Section", "INF DriverVer Directive", "System-Defined Device Setup Classes Available to Vendors",
"System-Defined Device Setup Classes Reserved for System Use".
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gplpv.inf.check import Found, Subject, rule
from gplpv.inf.view import number

_CLASSES = Path(__file__).parents[2] / "data" / "inf" / "classes.tsv"
_SIGNATURES = ("$windows nt$", "$chicago$")
_GUID = re.compile(r"\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}", re.IGNORECASE)
_DATE = re.compile(r"(\d{2})[/-](\d{2})[/-](\d{4})", re.ASCII)
_LARGEST_NUMBER = 65534
_NUMBERS = range(_LARGEST_NUMBER + 1)
_LONGEST_CLASS = 32
_VISTA = (6, 0)


@cache
def classes() -> dict[str, tuple[str, str, bool]]:
    """Return the system's setup classes by lower-case name: name, GUID in lower case, whether vendors may use it."""
    lines = (line.split("\t") for line in _CLASSES.read_text(encoding="ascii").splitlines() if line[0] != "#")
    return {name.lower(): (name, f"{{{guid}}}", who == "vendors") for name, guid, who in lines}


@rule("INF201", "error", "[Version] is there and its Signature is $Windows NT$ or $Chicago$, in any case.")
def signature(subject: Subject) -> Iterator[Found]:
    if not subject.document.has_section("Version"):
        yield 0, "The INF has no [Version] section."
        return
    found = subject.inf.version("Signature")
    if found.lower() not in _SIGNATURES:
        what = f"{found} is no Signature" if found else "[Version] has no Signature"
        yield subject.version_place("Signature"), f'{what}: "$Windows NT$" is one.'


@rule("INF202", "error", "Class and ClassGUID are there and belong together.")
def class_pair(subject: Subject) -> Iterator[Found]:
    if not subject.document.has_section("Version"):
        return
    name, guid = subject.inf.version("Class"), subject.inf.version("ClassGUID").lower()
    for key, value in (("Class", name), ("ClassGUID", guid)):
        if not value and subject.document.has_section("Manufacturer"):
            yield subject.header("Version"), f"[Version] has no {key}, and the INF installs devices."
    if guid and not _GUID.fullmatch(guid):
        yield subject.version_place("ClassGUID"), f"{guid} is no GUID."
    known = classes().get(name.lower())
    if known and _GUID.fullmatch(guid) and guid != known[1]:
        yield subject.version_place("ClassGUID"), f"The ClassGUID of {known[0]} is {known[1]}, not {guid}."
    owner = next((each for each, its, _ in classes().values() if its == guid), "")
    if name and not known and owner:
        yield subject.version_place("Class"), f"{guid} is the ClassGUID of {owner}, not of {name}."


@rule("INF203", "warning", "A class that Windows does not know is installed by the INF's own [ClassInstall32].")
def class_known(subject: Subject) -> Iterator[Found]:
    name = subject.inf.version("Class")
    own = any(section.startswith("classinstall32") for section in subject.document.sections)
    if name and name.lower() not in classes() and not own:
        yield subject.version_place("Class"), f"Windows knows no class {name}, and the INF has no [ClassInstall32]."


@rule("INF204", "warning", "The class is one that vendors may use.")
def class_free(subject: Subject) -> Iterator[Found]:
    known = classes().get(subject.inf.version("Class").lower())
    if known and not known[2]:
        yield subject.version_place("Class"), f"The class {known[0]} is kept for Windows itself."


@rule("INF205", "error", "A class's name has at most 32 characters.")
def class_name_fits(subject: Subject) -> Iterator[Found]:
    if len(subject.inf.version("Class")) > _LONGEST_CLASS:
        yield subject.version_place("Class"), f"The class's name has more than {_LONGEST_CLASS} characters."


@rule("INF206", "error", "[Version] names a Provider where the INF installs devices.")
def provider(subject: Subject) -> Iterator[Found]:
    is_due = subject.document.has_section("Version") and subject.document.has_section("Manufacturer")
    if is_due and not subject.inf.version("Provider"):
        yield subject.version_place("Provider"), "[Version] has no Provider."


@rule("INF207", "error", "[Version] has a DriverVer: mm/dd/yyyy and w.x.y.z, each number at most 65534.")
def driver_version(subject: Subject) -> Iterator[Found]:
    if not subject.document.has_section("Version"):
        return
    if not subject.document.first("Version", "DriverVer"):
        yield subject.header("Version"), "[Version] has no DriverVer."
    for entry in subject.entries:
        if not entry.named("DriverVer"):
            continue
        date, version, *_ = (*subject.inf.texts(entry), "")
        if _date(date) is None:
            yield entry.place(0), f"{date or 'Nothing'} is no date mm/dd/yyyy."
        parts = version.split(".")
        numbers = all((number(part) if part.isdigit() else None) in _NUMBERS for part in parts)
        if version and (not numbers or len(parts) > 4):
            yield entry.place(1), f"{version} is no version w.x.y.z of numbers up to {_LARGEST_NUMBER}."


@rule("INF208", "warning", "A DriverVer has all four numbers of its version.")
def driver_version_whole(subject: Subject) -> Iterator[Found]:
    for entry in subject.entries:
        if entry.named("DriverVer"):
            version = subject.inf.expand(entry.text(1))
            if version.count(".") < 3:
                yield entry.place(1), f"{version or 'Nothing'} is not a version of four numbers."


@rule("INF209", "error", "A DriverVer is not in the future: the catalog would be refused.")
def driver_version_past(subject: Subject) -> Iterator[Found]:
    for entry in subject.entries:
        date = _date(subject.inf.expand(entry.text(0))) if entry.named("DriverVer") else None
        if date and subject.today and date > subject.today:
            yield entry.place(0), f"{date:%m/%d/%Y} is after {subject.today:%m/%d/%Y}."


@rule("INF210", "warning", "[Version] names a CatalogFile: without it the driver counts as unsigned.")
def catalog_named(subject: Subject) -> Iterator[Found]:
    if subject.document.has_section("Version"):
        for target in subject.targets:
            if not subject.inf.catalog_file(target):
                yield subject.header("Version"), "[Version] has no CatalogFile: Windows takes the driver for unsigned."
                return


@rule("INF211", "error", "A CatalogFile is a .cat beside the INF.")
def catalog_beside(subject: Subject) -> Iterator[Found]:
    for entry in subject.document.section("Version"):
        if entry.key and entry.key.text.lower().startswith("catalogfile"):
            name = subject.inf.expand(entry.text(0))
            if not name.lower().endswith(".cat") or re.search(r"[\\/:]", name):
                yield entry.place(0), f"{name or 'Nothing'} is not the name of a .cat beside the INF."


@rule(
    "INF212", "warning", "For Vista and later, [Version] says PnpLockdown: 1, or 0 where a program removes the files."
)
def lockdown(subject: Subject) -> Iterator[Found]:
    newest = max((target.nt for target in subject.targets), default=_VISTA)
    is_due = newest >= _VISTA and subject.document.has_section("Version")
    if is_due and subject.inf.version("PnpLockdown") not in ("0", "1"):
        yield subject.version_place("PnpLockdown"), "[Version] has no PnpLockdown=1 to protect the driver's files."


@rule("INF213", "warning", "An INF with files of its own has no LayoutFile, which is for those of Windows.")
def layout_file(subject: Subject) -> Iterator[Found]:
    own = any(name.startswith("sourcedisksfiles") for name in subject.document.sections)
    if own and subject.inf.version("LayoutFile"):
        yield subject.version_place("LayoutFile"), "LayoutFile is for Windows's own INFs, and this one lists its files."


@rule("INF214", "warning", "[Version] has no DontReflectOffline, which is for Windows's own INFs.")
def reflect_offline(subject: Subject) -> Iterator[Found]:
    if subject.document.first("Version", "DontReflectOffline"):
        yield subject.version_place("DontReflectOffline"), "DontReflectOffline is for Windows's own INFs."


def _date(text: str) -> datetime.date | None:
    match = _DATE.fullmatch(text)
    try:
        return datetime.date(int(match[3]), int(match[1]), int(match[2])) if match else None
    except ValueError:
        return None

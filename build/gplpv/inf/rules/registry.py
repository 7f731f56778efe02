# SPDX-License-Identifier: GPL-2.0-or-later
"""The registry: lines of add-registry and delete-registry sections.

Source: "INF AddReg Directive", "INF DelReg Directive"; for the length of names "Registry Element Size Limits".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gplpv.inf.check import Found, Subject, rule
from gplpv.inf.view import RegistryLine, number

_ROOTS = ("HKCR", "HKCU", "HKLM", "HKU", "HKR")
_BINARY, _DELETE, _APPEND, _KEY_ONLY = 0x1, 0x4, 0x8, 0x10 | 0x2000
_KNOWN_LOW = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x1000 | 0x2000 | 0x4000 | 0x8000
_TYPE = 0xFFFF0001
_MULTI_SZ, _DWORD = 0x00010000, 0x00010001
_TEXTS = (0x00000000, _MULTI_SZ, 0x00020000)
_LONGEST_KEY, _LONGEST_VALUE = 255, 16383
_BYTE = re.compile(r"(0x)?[0-9a-f]{1,2}", re.IGNORECASE)
_FILTERS = ("upperfilters", "lowerfilters")
_CLASS_KEY = re.compile(r"\\control\\class\\", re.IGNORECASE)


@rule("INF601", "error", "A registry line starts with HKCR, HKCU, HKLM, HKU or HKR.")
def roots(subject: Subject) -> Iterator[Found]:
    for line in _lines(subject, "AddReg", "DelReg", "BitReg"):
        if line.root.upper() not in _ROOTS:
            yield line.entry.start, f"{line.root or 'Nothing'} is no root; known: {', '.join(_ROOTS)}."


@rule("INF602", "error", "The flags of an AddReg line are a number, of flags that Windows knows.")
def flags_known(subject: Subject) -> Iterator[Found]:
    for line in _lines(subject, "AddReg"):
        flags = number(line.flags or "0")
        if flags is None:
            yield line.entry.place(3), f"{line.flags} are no flags."
        elif flags & 0xFFFE & ~_KNOWN_LOW or (flags & _TYPE not in _TEXTS and not flags & _BINARY):
            yield line.entry.place(3), f"{line.flags} are no flags of an AddReg line."


@rule("INF603", "error", "A value is written as its type wants: a number for a DWORD, bytes in hexadecimal for binary.")
def values_valid(subject: Subject) -> Iterator[Found]:
    for line in _lines(subject, "AddReg"):
        flags = number(line.flags or "0")
        if flags is None or flags & (_DELETE | _KEY_ONLY) or not flags & _BINARY:
            continue
        if flags & _TYPE == _DWORD:
            yield from _dword(line)
        else:
            for index, text in enumerate(line.data, 4):
                if text and not _BYTE.fullmatch(text):
                    yield line.entry.place(index), f"{text} is no byte in hexadecimal."


@rule("INF604", "warning", "A string value is one string; a comma in it stands in quotes.")
def texts_whole(subject: Subject) -> Iterator[Found]:
    for line in _lines(subject, "AddReg"):
        flags = number(line.flags or "0")
        if flags is not None and flags & _TYPE in _TEXTS and flags & _TYPE != _MULTI_SZ and len(line.data) > 1:
            yield line.entry.place(5), f"{line.data[1]} is a second value, which Windows leaves out."


@rule("INF605", "error", "A class filter is appended to the others: flag 0x00010008.")
def filters_appended(subject: Subject) -> Iterator[Found]:
    for line in _class_filters(subject):
        flags = number(line.flags or "0")
        if flags is not None and flags & (_TYPE | _APPEND | _DELETE) not in (_MULTI_SZ | _APPEND, _DELETE):
            yield line.entry.start, f"{line.value} of the whole class is replaced, and others' filters with it."


@rule("INF606", "warning", "A class filter that AddReg enters is removed by a DelReg.")
def filters_removed(subject: Subject) -> Iterator[Found]:
    removed = {(line.key.lower(), line.value.lower()) for line in _lines(subject, "DelReg")}
    for line in _class_filters(subject):
        if (line.key.lower(), line.value.lower()) not in removed and not (number(line.flags) or 0) & _DELETE:
            what = f"The filter {', '.join(line.data)} of the whole class"
            yield line.entry.start, f"{what} is never removed: without its driver, the class's devices do not start."


@rule("INF607", "error", "A key's name has at most 255 characters, a value's at most 16383.")
def names_fit(subject: Subject) -> Iterator[Found]:
    for line in _lines(subject, "AddReg", "DelReg"):
        if any(len(part) > _LONGEST_KEY for part in line.key.split("\\")):
            yield line.entry.place(1), f"A key's name has more than {_LONGEST_KEY} characters."
        if len(line.value) > _LONGEST_VALUE:
            yield line.entry.place(2), f"A value's name has more than {_LONGEST_VALUE} characters."


@rule("INF608", "error", "[DefaultInstall] has no HKR in its registry lines: there is no device.")
def no_relative_root(subject: Subject) -> Iterator[Found]:
    for install in subject.document.sections:
        if re.fullmatch(r"defaultinstall(\.nt\w*)?", install):
            for name, _, _ in subject.inf.listed(install, "AddReg"):
                for line in subject.inf.registry_lines(name):
                    if line.root.upper() == "HKR":
                        yield line.entry.start, f"HKR means nothing in [{install}], which names [{name}]."


@rule("INF609", "error", "Only a MULTI_SZ is appended to.")
def appended_lists(subject: Subject) -> Iterator[Found]:
    for line in _lines(subject, "AddReg"):
        flags = number(line.flags or "0") or 0
        if flags & _APPEND and flags & _TYPE != _MULTI_SZ:
            yield line.entry.place(3), f"{line.flags} appends to what is no MULTI_SZ (0x00010000)."


def _dword(line: RegistryLine) -> Iterator[Found]:
    found = number(line.data[0]) if line.data else None
    bytes_of_four = len(line.data) == 4 and all(_BYTE.fullmatch(text) for text in line.data)
    if not bytes_of_four and (len(line.data) > 1 or found is None or not -(2**31) <= found < 2**32):
        text = ",".join(line.data)
        yield line.entry.place(4), f"{text or 'Nothing'} is no DWORD."


def _class_filters(subject: Subject) -> Iterator[RegistryLine]:
    """Lines that change a whole class's filters; a device's own go with the device."""
    relative = {
        name.lower()
        for install in subject.document.sections
        if install.startswith("classinstall32")
        for name, _, _ in subject.inf.listed(install, "AddReg")
    }
    for line in _lines(subject, "AddReg"):
        whole_class = _CLASS_KEY.search(f"\\{line.key}\\") or line.entry.section.lower() in relative
        if line.value.lower() in _FILTERS and whole_class:
            yield line


def _lines(subject: Subject, *directives: str) -> list[RegistryLine]:
    found: dict[int, RegistryLine] = {}
    for section in subject.document.sections:
        for directive in directives:
            for name, _, _ in subject.inf.listed(section, directive):
                for line in subject.inf.registry_lines(name):
                    found[line.entry.start] = line
    return [found[start] for start in sorted(found)]

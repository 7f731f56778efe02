# SPDX-License-Identifier: GPL-2.0-or-later
"""Manufacturers, models and install sections: what is installed on which Windows.

Source: "INF Manufacturer Section", "INF Models Section", "Combining Platform Extensions with Operating System
Versions", "INF DDInstall Section", "Hardware ID", "IRP_MN_QUERY_ID" (which characters an ID has).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gplpv.inf.check import Found, Subject, rule
from gplpv.inf.target import ARCHES, decoration
from gplpv.inf.view import INSTALL_ROOTS

_LONGEST_ID = 199
_LONGEST_LINE = 255
_ILLEGAL = re.compile(r"[^\x21-\x7f]")
# Enumerators whose IDs have more than one backslash.
_DEEP = ("root", "sw", "swd", "swc", "umb", "mmdevapi")


@rule("INF301", "error", "There is something to install: [Manufacturer], [DefaultInstall] or [ClassInstall32].")
def something_to_install(subject: Subject) -> Iterator[Found]:
    names = ("manufacturer", *(name.lower() for name in INSTALL_ROOTS), "interfaceinstall32")
    if not any(name.split(".")[0] in names for name in subject.document.sections):
        yield 0, "The INF installs nothing: it has neither [Manufacturer] nor [DefaultInstall]."


@rule("INF302", "error", "A decoration in [Manufacturer] is a TargetOSVersion, such as NTamd64.6.1.")
def decorations(subject: Subject) -> Iterator[Found]:
    for entry in subject.document.section("Manufacturer"):
        for index, text in enumerate(subject.inf.texts(entry)[1:], 1):
            if text and decoration(text) is None:
                yield entry.place(index), f"{text} is no TargetOSVersion; {', '.join(ARCHES)} are the architectures."


@rule("INF303", "error", "The models section of each manufacturer and decoration is there.")
def models_exist(subject: Subject) -> Iterator[Found]:
    for line in subject.inf.manufacturers():
        if not line.decorations and not subject.document.has_section(line.models):
            yield line.entry.place(0), f"The models section [{line.models}] is not there."
        for index, text in enumerate(subject.inf.texts(line.entry)[1:], 1):
            name = f"{line.models}.{text}"
            if text and not subject.document.has_section(name):
                yield line.entry.place(index), f"The models section [{name}] is not there."


@rule("INF304", "error", "Each Windows that was asked for is served.")
def targets_served(subject: Subject) -> Iterator[Found]:
    for target in subject.targets if subject.is_asked else ():
        if any(subject.inf.install_section(name, target) for name in INSTALL_ROOTS) or subject.inf.models(target):
            continue
        plain = any(subject.inf.models_in(line.models) for line in subject.inf.manufacturers())
        why = ": from Server 2003 SP1 on it reads no undecorated models" if plain and target.arch != "x86" else ""
        yield subject.header("Manufacturer"), f"No device is served on {target}{why}."


@rule("INF305", "error", "A model names an install section and an ID.")
def models_whole(subject: Subject) -> Iterator[Found]:
    for model in subject.inf.all_models():
        if not model.install:
            yield model.entry.start, "The model names no install section."
        if not model.ids:
            yield model.entry.start, "The model has no hardware ID."
        if model.entry.key is None:
            yield model.entry.start, "The model has no description before an equals sign."


@rule("INF306", "error", "An ID has at most 199 characters, all visible ASCII, no comma, and ends in no backslash.")
def ids_valid(subject: Subject) -> Iterator[Found]:
    for model in subject.inf.all_models():
        for index, each in enumerate(subject.inf.texts(model.entry)[1:], 1):
            place = model.entry.place(index)
            if len(each) > _LONGEST_ID:
                yield place, f"The ID has {len(each)} characters; a device has at most {_LONGEST_ID}."
            if "," in each or _ILLEGAL.search(each):
                yield place, f"{each!r} has a character that no device's ID can have."
            if each.startswith("\\") or each.endswith("\\"):
                yield place, f"{each} lacks what stands before or behind its backslash."


@rule("INF307", "warning", "An ID has one backslash, between enumerator and device.")
def ids_shallow(subject: Subject) -> Iterator[Found]:
    for model in subject.inf.all_models():
        for index, each in enumerate(subject.inf.texts(model.entry)[1:], 1):
            if each.count("\\") > 1 and each.split("\\")[0].lower() not in _DEEP:
                yield model.entry.place(index), f"{each} has more than one backslash."


@rule("INF308", "warning", "A models section has a hardware ID once.")
def ids_once(subject: Subject) -> Iterator[Found]:
    for section in {model.entry.section.lower() for model in subject.inf.all_models()}:
        seen: set[str] = set()
        for model in subject.inf.models_in(section):
            if model.hardware_id and model.hardware_id.lower() in seen:
                yield model.entry.start, f"{model.hardware_id} is in [{model.entry.section}] already."
            seen.add(model.hardware_id.lower())


@rule("INF309", "error", "The install section that a model names is there for each Windows served.")
def installs_exist(subject: Subject) -> Iterator[Found]:
    for target in subject.targets:
        for model in subject.inf.models(target):
            if not model.install or subject.inf.install_section(model.install, target):
                continue
            others = subject.inf.decorated(model.install)
            message = f"The install section [{model.install}] is not there"
            only = f": for {target} there is only {', '.join(f'[{name}]' for name in others)}" if others else ""
            yield model.entry.place(0), f"{message}{only}."


@rule("INF310", "warning", "Descriptions and names that Windows shows have at most 255 characters.")
def names_fit(subject: Subject) -> Iterator[Found]:
    lines = [(line.name, line.entry) for line in subject.inf.manufacturers()]
    lines += [(model.description, model.entry) for model in subject.inf.all_models()]
    for name, entry in lines:
        if len(name) > _LONGEST_LINE:
            yield entry.start, f"The name has {len(name)} characters; Windows keeps {_LONGEST_LINE}."

# SPDX-License-Identifier: GPL-2.0-or-later
"""What an INF installs: manufacturers, models, install sections, files, services and registry lines.

    inf = Inf(parse(data))
    target = Target("amd64", (5, 2))
    for model in inf.models(target):
        section = inf.install_section(model.install, target)

Texts have their strings put in, ``%12%`` and other directory numbers stay; every object names the entry it comes from.
Whatever is not there gives an empty list: finding fault is the business of :mod:`gplpv.inf.check`.

Source: Windows driver documentation, "INF Manufacturer Section", "INF Models Section", "INF DDInstall Section", "INF
CopyFiles Directive", "INF SourceDisksFiles Section", "INF SourceDisksNames Section", "INF DestinationDirs Section",
"INF AddService Directive", "INF AddReg Directive", "INF Version Section".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gplpv.inf.parse import Document, Entry, Word
from gplpv.inf.target import Target, decoration, install_suffixes, models_section, targets_of

INSTALL_ROOTS = ("DefaultInstall", "ClassInstall32")
"""Install sections that no models section has to name."""
FUNCTION_DRIVER = 0x2
"""SPSVCINST_ASSOCSERVICE of AddService."""

_NUMBER = re.compile(r"([+-]?)(?:0x([0-9a-f]{1,16})|([0-9]{1,20}))", re.IGNORECASE)


@dataclass(frozen=True)
class Manufacturer:
    """A line of [Manufacturer]: the name shown, the models section's name and its decorations."""

    name: str
    models: str
    decorations: tuple[str, ...]
    entry: Entry


@dataclass(frozen=True)
class Model:
    """A line of a models section: a device that the INF serves."""

    description: str
    install: str
    hardware_id: str
    compatible_ids: tuple[str, ...]
    entry: Entry

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(each for each in (self.hardware_id, *self.compatible_ids) if each)


@dataclass(frozen=True)
class Copy:
    """A file that CopyFiles, DelFiles or RenFiles names.

    Attributes:
        target: its name where it goes.
        source: its name where it comes from.
        flags: as they are written; empty for none.
        section: the list it stands in; empty for ``@file``.
        entry, place: where it stands.
    """

    target: str
    source: str
    flags: str
    section: str
    entry: Entry
    place: int


@dataclass(frozen=True)
class SourceFile:
    """A line of [SourceDisksFiles]: the file, its disk's number and the folder on it."""

    name: str
    disk: str
    folder: str
    entry: Entry


@dataclass(frozen=True)
class Disk:
    """A line of [SourceDisksNames]; `folder` is the disk's."""

    number: str
    description: str
    folder: str
    entry: Entry


@dataclass(frozen=True)
class Service:
    """An AddService; `section` is its service-install section and `event_log` the section for its event log."""

    name: str
    flags: str
    section: str
    event_log: str
    entry: Entry

    @property
    def is_function_driver(self) -> bool:
        """Whether it is the driver of the device itself; flags that are no number are none."""
        return bool((number(self.flags) or 0) & FUNCTION_DRIVER)


@dataclass(frozen=True)
class RegistryLine:
    """A line of an add-registry or delete-registry section; `flags` as they are written."""

    root: str
    key: str
    value: str
    flags: str
    data: tuple[str, ...]
    entry: Entry


class Inf:
    """A document with its meaning; `language` picks the strings."""

    def __init__(self, document: Document, language: int | None = None) -> None:
        self.document = document
        self.strings = document.strings_of(language)

    def expand(self, text: str | Word | None) -> str:
        """Put in the strings."""
        return self.document.expand(text, self.strings)

    def texts(self, entry: Entry) -> list[str]:
        """Return an entry's values with their strings put in."""
        return [self.expand(word) for word in entry.words]

    def version(self, key: str) -> str:
        """Return a value of [Version], empty without one."""
        entry = self.document.first("Version", key)
        return self.expand(entry.text(0)) if entry else ""

    def catalog_file(self, target: Target) -> str:
        """Return the catalog for a Windows: that of ``CatalogFile.NT...`` before ``CatalogFile``; empty without one."""
        found = (self.version(f"CatalogFile{suffix}") for suffix in install_suffixes(target))
        return next((name for name in found if name), "")

    def manufacturers(self) -> list[Manufacturer]:
        """Return the lines of [Manufacturer]; one without an equals sign is the section's name too."""
        found = []
        for entry in self.document.section("Manufacturer"):
            models, *decorations = self.texts(entry)
            name = self.expand(entry.key) if entry.key else models
            found.append(Manufacturer(name, models, tuple(each for each in decorations if each), entry))
        return found

    def targets(self) -> list[Target]:
        """Return what the INF says it is for, the oldest Windows of each decoration in [Manufacturer]."""
        return targets_of(each for line in self.manufacturers() for each in line.decorations)

    def models_in(self, section: str) -> list[Model]:
        """Return the devices of a models section."""
        found = []
        for entry in self.document.section(section):
            install, hardware_id, *compatible = (*self.texts(entry), "")
            ids = tuple(each for each in compatible if each)
            found.append(Model(self.expand(entry.key), install, hardware_id, ids, entry))
        return found

    def models(self, target: Target) -> list[Model]:
        """Return the devices that the INF serves on a Windows."""
        sections = (models_section(line.models, line.decorations, target) for line in self.manufacturers())
        return [model for section in sections if section for model in self.models_in(section)]

    def all_models(self) -> list[Model]:
        """Return all devices: by manufacturer first the undecorated models section, then each decoration as listed.

        It is the order in which a catalog lists their IDs.
        """
        found = []
        for line in self.manufacturers():
            for section in (line.models, *(f"{line.models}.{each}" for each in line.decorations)):
                found += self.models_in(section)
        return found

    def hardware_ids(self) -> list[str]:
        """Return every hardware and compatible ID in lower case, each once, in that order."""
        return list(dict.fromkeys(each.lower() for model in self.all_models() for each in model.ids))

    def install_section(self, name: str, target: Target) -> str | None:
        """Return the install section that Windows takes for a name: decorated for the arch, with NT, or not at all."""
        for suffix in install_suffixes(target):
            if self.document.has_section(name + suffix):
                return name + suffix
        return None

    def decorated(self, name: str) -> list[str]:
        """Return the sections that are `name` with a TargetOSVersion, such as ``Install.NTx86``; no ``.Services``."""
        stem = f"{name}.".lower()
        sections = (one.name for key, one in self.document.sections.items() if key.startswith(stem))
        return [each for each in sections if decoration(each[len(stem) :])]

    def install_sections(self, target: Target) -> list[str]:
        """Return the install sections that Windows can take, of its devices, [DefaultInstall] and [ClassInstall32]."""
        names = [*(model.install for model in self.models(target)), *INSTALL_ROOTS]
        found = (self.install_section(name, target) for name in dict.fromkeys(names) if name)
        return list(dict.fromkeys(each for each in found if each))

    def listed(self, section: str, directive: str) -> Iterator[tuple[str, Entry, int]]:
        """Yield the names that a directive of a section lists, with entry and place."""
        for entry in self.document.section(section):
            if entry.named(directive):
                for index, word in enumerate(entry.words):
                    name = self.expand(word)
                    if name:
                        yield name, entry, entry.place(index)

    def copies(self, section: str, directive: str = "CopyFiles") -> list[Copy]:
        """Return the files that a directive of a section names, be it by a list or by ``@file``."""
        found = []
        for name, entry, place in self.listed(section, directive):
            if name.startswith("@"):
                found.append(Copy(name[1:], name[1:], "", "", entry, place))
            else:
                found += self.file_list(name)
        return found

    def file_list(self, section: str) -> list[Copy]:
        """Return the files of one list: destination, source where it has another name, nothing, flags."""
        found = []
        for entry in self.document.section(section):
            name, source, _, flags, *_ = (*self.texts(entry), "", "", "")
            if entry.key is None and name:
                found.append(Copy(name, source or name, flags, section, entry, entry.start))
        return found

    def copied(self, target: Target) -> list[Copy]:
        """Return all that is copied on a Windows: by install sections, their co-installers, interfaces and services."""
        found = []
        for section in self._reached(target):
            found += self.copies(section)
        return found

    def _reached(self, target: Target) -> list[str]:
        """Sections that may have a CopyFiles on a Windows."""
        found: list[str] = []
        for install in self.install_sections(target):
            found += [install, f"{install}.CoInstallers", f"{install}.Interfaces"]
            for entry in self.document.section(f"{install}.Interfaces"):
                if entry.named("AddInterface"):
                    found.append(self.expand(entry.text(2)))
        interfaces = self.install_section("InterfaceInstall32", target)
        found += [self.expand(entry.text(0)) for entry in self.document.section(interfaces or "") if entry.key]
        return [each for each in dict.fromkeys(found) if each]

    def source_files(self, arch: str) -> dict[str, SourceFile]:
        """Return the listed source files by lower-case name: [SourceDisksFiles.arch] before [SourceDisksFiles]."""
        found: dict[str, SourceFile] = {}
        for section in (f"SourceDisksFiles.{arch}", "SourceDisksFiles"):
            for entry in self.document.section(section):
                disk, folder, *_ = (*self.texts(entry), "")
                name = self.expand(entry.key) if entry.key else disk
                found.setdefault(name.lower(), SourceFile(name, disk if entry.key else "", folder.strip("\\"), entry))
        return found

    def disks(self, arch: str) -> dict[str, Disk]:
        """Return the source disks by number: [SourceDisksNames.arch] before [SourceDisksNames]."""
        found: dict[str, Disk] = {}
        for section in (f"SourceDisksNames.{arch}", "SourceDisksNames"):
            for entry in self.document.section(section):
                description, _, _, folder, *_ = (*self.texts(entry), "", "", "")
                key = self.expand(entry.key)
                found.setdefault(key, Disk(key, description, folder.strip("\\"), entry))
        return found

    def source_path(self, file: SourceFile, arch: str) -> str:
        """Return where a source file lies below the INF's folder, with backslashes."""
        disk = self.disks(arch).get(file.disk)
        parts = (disk.folder if disk else "", file.folder, file.name)
        return "\\".join(part for part in parts if part)

    def members(self, target: Target) -> list[tuple[str, str]]:
        """Return what a catalog covers besides the INF: destination name and path below the INF's folder, each once.

        That is everything copied that [SourceDisksFiles] lists; a file of another INF's layout is not ours.
        """
        sources = self.source_files(target.arch)
        found: dict[tuple[str, str], None] = {}
        for copy in self.copied(target):
            file = sources.get(copy.source.lower())
            if file:
                found[(copy.target.lower(), self.source_path(file, target.arch))] = None
        return list(found)

    def destination(self, section: str) -> tuple[str, str] | None:
        """Return directory number and subfolder of a file list, of ``@file`` for an empty name; None without any."""
        for name in (section, "DefaultDestDir"):
            entry = self.document.first("DestinationDirs", name) if name else None
            if entry:
                directory, folder, *_ = (*self.texts(entry), "")
                return directory, folder.strip("\\")
        return None

    def services(self, install: str) -> list[Service]:
        """Return the services that an install section, decoration included, adds; one without a name is none."""
        return [service for service in self.add_services(install) if service.name]

    def add_services(self, install: str) -> list[Service]:
        """Return its AddService entries, ``AddService=,2`` among them."""
        found = []
        for entry in self.document.section(f"{install}.Services"):
            if entry.named("AddService"):
                name, flags, section, log, *_ = (*self.texts(entry), "", "", "")
                found.append(Service(name, flags, section, log, entry))
        return found

    def registry_lines(self, section: str) -> list[RegistryLine]:
        """Return the lines of an add-registry or delete-registry section."""
        found = []
        for entry in self.document.section(section):
            root, key, value, flags, *data = (*self.texts(entry), "", "", "")[: max(4, len(entry.words))]
            found.append(RegistryLine(root, key, value, flags, tuple(data), entry))
        return found


def number(text: str) -> int | None:
    """Return a number as INFs write it, decimal or with 0x, with or without a sign; None for anything else."""
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        return None
    size = int(match[2], 16) if match[2] else int(match[3])
    return -size if match[1] == "-" else size

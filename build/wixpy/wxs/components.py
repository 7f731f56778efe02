# SPDX-License-Identifier: MIT
"""Directories, components and what they install."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple

from wixpy.payload import file_version
from wixpy.tables import Cell
from wixpy.wxs import com, folders, registry, rows, services
from wixpy.wxs.compilation import (
    ROOT_DIRECTORY,
    STANDARD_DIRECTORIES,
    Assembly,
    AutomaticGuid,
    Compilation,
    Membership,
    Merge,
    Payload,
    guid,
    identifier,
)
from wixpy.wxs.rows import parts
from wixpy.wxs.source import Node

_LOCATIONS = {"local": 0, "source": 1, "either": 2}
_KEY_PATHS = {"File": 0, "Registry": 4, "ODBCDataSource": 32}
_64BIT = 256
_COMPONENT_FLAGS = {
    "SharedDllRefCount": 8,
    "Permanent": 16,
    "Transitive": 64,
    "NeverOverwrite": 128,
    "DisableRegistryReflection": 512,
    "UninstallWhenSuperseded": 1024,
    "Shared": 2048,
}
_FILE_FLAGS = {"ReadOnly": 1, "Hidden": 2, "System": 4, "Checksum": 1024}
_FILE_VITAL = 512


class KeyPath(NamedTuple):
    """What a component is known by: a row of File or Registry, and what its GUID is derived from."""

    table: str
    key: str


class Place(NamedTuple):
    """What a component takes from the directories or group around it: the folder of sources and the media."""

    folder: str = ""
    disk: int | None = None

    def within(self, node: Node, attribute: str) -> Place:
        """That of an element inside, which may name a folder of its own."""
        folder = (node.get(attribute) or "").replace("\\", "/").rstrip("/")
        disk = node.number("DiskId") if attribute == "FileSource" else None
        return Place(f"{folder}/" if folder else self.folder, disk or self.disk)


class Component:
    """The component that is being compiled."""

    def __init__(self, node: Node, name: str, directory: str, win64: bool, disk: int, folder: str) -> None:
        self.node, self.name, self.directory = node, name, directory
        self.win64, self.disk, self.folder = win64, disk, folder
        self.candidates: list[KeyPath] = []
        self.chosen: list[KeyPath] = []

    def offer(self, node: Node, table: str, key: str) -> None:
        """A row that may be the key path; it is when its element says so."""
        self.candidates.append(KeyPath(table, key))
        if node.yes("KeyPath"):
            self.chosen.append(KeyPath(table, key))


def directory(compilation: Compilation, node: Node, parent: str | None = None, place: Place | None = None) -> None:
    """Directory: a row below ``parent``, and what is in it."""
    name = node.need("Id")
    label, short = node.get("Name"), node.get("ShortName")
    if name == ROOT_DIRECTORY and (parent or label not in (None, "SourceDir")):
        raise node.error(
            "the directory TARGETDIR is the root and named SourceDir",
            "write <Directory Id='TARGETDIR' Name='SourceDir'>",
        )
    if parent is None and name != ROOT_DIRECTORY:
        if name not in STANDARD_DIRECTORIES:
            raise node.error(f"the directory {name} has no parent", "put it into TARGETDIR or a <DirectoryRef>")
        compilation.refer(node, "Directory", ROOT_DIRECTORY)
        parent = ROOT_DIRECTORY
    if name == ROOT_DIRECTORY:
        label = "SourceDir"
    row = compilation.insert(node, "Directory", name, parent, label or ".")
    source, short_source = node.get("SourceName"), node.get("ShortSourceName")
    suffix = "" if source is None else f":{short_source}|{source}" if short_source else f":{source}"

    def store(value: str) -> None:
        compilation.database.replace(row, DefaultDir=value + suffix)

    if label not in (None, ".", "SourceDir"):
        compilation.name(node, f"directory {parent}", str(label), short, store)
    elif short or (short_source and not source):
        raise node.error(f"the directory {name} has a short name but no long one", "give Name or SourceName")
    else:
        store(label or ".")
    _content(compilation, node, name, place)


def directory_ref(compilation: Compilation, node: Node) -> None:
    """DirectoryRef: more content for a directory that is defined elsewhere."""
    compilation.refer(node, "Directory", node.need("Id"))
    _content(compilation, node, node.need("Id"), None)


def _content(compilation: Compilation, node: Node, name: str, outer: Place | None) -> None:
    place = (outer or Place()).within(node, "FileSource")
    compilation.dispatch(node, DIRECTORY_CHILDREN, name, place)


def component_group(compilation: Compilation, node: Node) -> None:
    """ComponentGroup: components under one name, each installed when a feature refers to the group."""
    name = node.need("Id")
    compilation.define(node, f"the component group {name}")
    members = compilation.groups[name] = []
    default = node.get("Directory")
    if default is not None:
        compilation.refer(node, "Directory", default)
    place = Place().within(node, "Source")
    for child in node.children:
        if child.name == "Component":
            component(compilation, child, default, place)
        identifier = component_id(child) if child.name == "Component" else child.need("Id")
        members.append(Membership(child.name.removesuffix("Ref"), identifier, child, child.yes("Primary")))


def component_id(node: Node) -> str:
    """The Id of a component, by default that of its key path or only file."""
    given = node.get("Id")
    if given:
        return given
    files = [child for child in node.children if child.name == "File"]
    files = [file for file in files if file.yes("KeyPath")] or files
    if len(files) != 1:
        raise node.error("the component has no Id and not one file whose Id it could have", "add Id='…'")
    return file_id(files[0])


def file_id(node: Node) -> str:
    """The Id of a file, by default made of its name."""
    return node.get("Id") or identifier(file_name(node))


def file_name(node: Node) -> str:
    """The name that a file is installed with."""
    name = node.get("Name") or (node.get("Source") or "").replace("\\", "/").rpartition("/")[2]
    if not name:
        raise node.error("the file has no name", "give Source, or Name and the folder around it with FileSource")
    return name


def component(
    compilation: Compilation, node: Node, directory_name: str | None = None, place: Place | None = None
) -> None:
    """Component: its row and the rows of what it installs."""
    given = node.get("Directory")
    if given is not None:
        compilation.refer(node, "Directory", given)
    target = given or directory_name
    if target is None:
        raise node.error("the component has no directory", "add Directory='…' or put it into a <Directory>")
    win64 = node.yes("Win64", compilation.is_64bit)
    place = place or Place()
    disk = node.number("DiskId") or place.disk or 1
    this = Component(node, component_id(node), target, win64, disk, place.folder)
    attributes = _LOCATIONS[node.get("Location") or "local"] | (_64BIT if win64 else 0)
    attributes |= sum(bit for name, bit in _COMPONENT_FLAGS.items() if node.yes(name))
    conditions = [child for child in node.children if child.name == "Condition"]
    if len(conditions) > 1:
        raise conditions[1].error("the component has two conditions", "join them with AND or OR")
    condition = _condition(conditions[0]) if conditions else None
    row = compilation.insert(node, "Component", this.name, None, target, attributes, condition, None)
    feature = node.get("Feature")
    if feature is not None:
        compilation.refer(node, "Feature", feature)
        compilation.features.setdefault(feature, []).append(Membership("Component", this.name, node))
    rows.rows(compilation, node, this, {})
    for child in node.children:
        handler = COMPONENT_CHILDREN.get(child.name, rows.element)
        handler(compilation, child, this)

    if node.yes("KeyPath"):
        if this.chosen:
            raise node.error("the component and one of its elements both have KeyPath='yes'", "keep one")
    elif len(this.chosen) > 1:
        raise node.error("several elements of the component have KeyPath='yes'", "keep one")
    elif this.chosen or this.candidates:
        key_path = (this.chosen or this.candidates)[0]
        attributes |= _KEY_PATHS[key_path.table]
        compilation.database.replace(row, KeyPath=key_path.key, Attributes=attributes)
    code = node.get("Guid")
    if code in (None, "*"):
        compilation.automatic_guids.append(AutomaticGuid(this.name, node))
    elif code:
        compilation.database.replace(row, ComponentId=guid(uuid.UUID(code)))


def _condition(node: Node) -> str:
    if not node.text:
        raise node.error("the condition is empty", "write it as the element's text")
    return node.text


def _file(compilation: Compilation, node: Node, this: Component) -> None:
    key, name = file_id(node), file_name(node)
    source = node.get("Source")
    content = compilation.source_file(node, "Source", this.folder + (source or name))
    attributes = sum(bit for flag, bit in _FILE_FLAGS.items() if node.yes(flag))
    attributes |= _FILE_VITAL if node.yes("Vital", True) else 0
    found = file_version(content)
    companion = node.get("CompanionFile")
    if companion:
        compilation.refer(node, "File", companion)
    version = companion or (found.version if found else node.get("DefaultVersion"))
    language = found.languages if found else node.get("DefaultLanguage")
    values: dict[str, Cell] = {
        "File": key, "Component_": this.name, "FileName": name, "FileSize": len(content), "Version": version,
        "Language": None if companion else language, "Attributes": attributes,
    }  # fmt: skip
    compressed = {"yes": True, "no": False}.get(node.get("Compressed") or "default")
    payload = Payload(key, node, this.directory, content, values, node.number("DiskId") or this.disk, compressed)
    compilation.payloads.append(payload)
    compilation.name(
        node, this.directory, name, node.get("ShortName"), lambda value: payload.values.update(FileName=value)
    )
    this.offer(node, "File", key)
    rows.rows(compilation, node, this, {"File": key})
    kind = node.get("Assembly")
    if kind in (".net", "win32"):
        compilation.assemblies.append(Assembly(kind, node, this.name, key, content))
    compilation.dispatch(node, {"Shortcut": folders.shortcut}, this, f"[#{key}]")
    compilation.dispatch(node, dict.fromkeys(com.FAMILY, com.register), this, key)
    parts(compilation, node, this, "File", key, {"File": key})


def _done(_: Compilation, __: Node, ___: Component) -> None:
    """Condition went into the component's row."""


def _merge(compilation: Compilation, node: Node, directory_name: str, place: Place) -> None:
    """Merge: a module and the directory that takes the place of its root."""
    name, compressed = node.need("Id"), node.get("FileCompression")
    compilation.define(node, f"the merge {name}")
    disk = node.number("DiskId") or place.disk or 1
    packed = None if compressed is None else compressed == "yes"
    compilation.merges[name] = Merge(node, directory_name, disk, packed, [])


DIRECTORY_CHILDREN: Mapping[str, Callable[..., None]] = {
    "Directory": directory,
    "Component": component,
    "Merge": _merge,
}
COMPONENT_CHILDREN: Mapping[str, Callable[..., None]] = {
    "Condition": _done,
    "File": _file,
    "CreateFolder": folders.create_folder,
    "RemoveFile": folders.remove_file,
    "RemoveFolder": folders.remove_folder,
    **registry.REGISTRY_CHILDREN,
    "util:EventSource": registry.event_source,
    "ServiceInstall": services.service_install,
    "ServiceControl": services.service_control,
    "Shortcut": folders.shortcut,
    **dict.fromkeys(com.FAMILY, com.register),
}

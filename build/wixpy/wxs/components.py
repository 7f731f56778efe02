# SPDX-License-Identifier: MIT
"""Directories, components and what they install."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from wixpy.payload import file_version
from wixpy.tables import Cell
from wixpy.wxs import com, grammar, rows
from wixpy.wxs.compilation import (
    ROOT_DIRECTORY,
    STANDARD_DIRECTORIES,
    AutomaticGuid,
    Compilation,
    Membership,
    Payload,
    guid,
)
from wixpy.wxs.source import Node

ROOTS = {"HKMU": -1, "HKCR": 0, "HKCU": 1, "HKLM": 2, "HKU": 3}
INSTALL_MODES = {"install": 1, "uninstall": 2, "both": 3}

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
_SERVICE_TYPES = {"ownProcess": 0x10, "shareProcess": 0x20}
_SERVICE_INTERACTIVE = 0x100
_SERVICE_STARTS = {"boot": 0, "system": 1, "auto": 2, "demand": 3, "disabled": 4}
_SERVICE_ERRORS = {"ignore": 0, "normal": 1, "critical": 3}
_SERVICE_VITAL = 0x8000
_SERVICE_EVENTS = {"Start": (0x01, 0x10), "Stop": (0x02, 0x20), "Remove": (0x08, 0x80)}
_NOTHING: Mapping[str, Cell] = {}
_SHOW_COMMANDS = {"normal": 1, "maximized": 3, "minimized": 7}


class KeyPath(NamedTuple):
    """What a component is known by: a row of File or Registry, and what its GUID is derived from."""

    table: str
    key: str


@dataclass(frozen=True)
class Place:
    """What a component takes from the directories or group around it: the folder of sources and the media."""

    folder: str = ""
    disk: int | None = None

    def within(self, node: Node, attribute: str) -> Place:
        """That of an element inside, which may name a folder of its own."""
        folder = (node.get(attribute) or "").replace("\\", "/").rstrip("/")
        disk = node.number("DiskId") if attribute == "FileSource" else None
        return Place(f"{folder}/" if folder else self.folder, disk or self.disk)


@dataclass
class Component:
    """The component that is being compiled."""

    node: Node
    name: str
    directory: str
    win64: bool
    disk: int
    folder: str = ""
    candidates: list[KeyPath] = field(default_factory=list)
    chosen: list[KeyPath] = field(default_factory=list)

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
    if name in compilation.groups:
        raise node.error(f"the component group {name} is defined twice", "give one another Id")
    members = compilation.groups[name] = []
    default = node.get("Directory")
    if default is not None:
        compilation.refer(node, "Directory", default)
    place = Place().within(node, "Source")
    for child in node.children:
        child.get("Primary")
        if child.name == "Component":
            component(compilation, child, default, place)
        identifier = component_id(child) if child.name == "Component" else child.need("Id")
        members.append(Membership(child.name.removesuffix("Ref"), identifier, child))


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
    return node.get("Id") or _identifier(file_name(node))


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
    if node.get("Assembly") in (".net", "win32") and not any(child.name == "AssemblyName" for child in node.children):
        raise node.error("the assembly has no name", "add <AssemblyName Id='Name' Value='…'/> and its other parts")
    compilation.dispatch(node, {"Shortcut": _shortcut}, this, f"[#{key}]")
    compilation.dispatch(node, dict.fromkeys(com.FAMILY, com.register), this, key)
    _parts(compilation, node, this, "File", key, {"File": key})


def _parts(
    compilation: Compilation, node: Node, this: Component, table: str, key: str, around: Mapping[str, Cell] = _NOTHING
) -> None:
    """The children that the grammar describes; permissions among them are for the row ``key`` of ``table``."""
    for child in node.children:
        if grammar.entry(child).rows:
            rows.element(compilation, child, this, {"object": key, "table": table, **around})


def _identifier(name: str) -> str:
    text = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in name)[-71:]
    return text if text[0].isalpha() or text[0] == "_" else f"_{text}"


def _create_folder(compilation: Compilation, node: Node, this: Component) -> None:
    target = node.get("Directory") or this.directory
    compilation.refer(node, "Directory", target)
    compilation.insert(node, "CreateFolder", target, this.name)
    _parts(compilation, node, this, "CreateFolder", target)


def _removal_target(compilation: Compilation, node: Node, this: Component) -> str:
    target, prop = node.get("Directory"), node.get("Property")
    if target and prop:
        raise node.error(f"{node.name} has both Directory and Property", "keep one")
    if prop:
        return prop
    compilation.refer(node, "Directory", target or this.directory)
    return target or this.directory


def _remove_file(compilation: Compilation, node: Node, this: Component) -> None:
    target = _removal_target(compilation, node, this)
    name, short, mode = node.need("Name"), node.get("ShortName"), INSTALL_MODES[node.need("On")]
    pair = f"{short}|{name}" if short else name
    identifier = node.get("Id") or compilation.make_id("rmf", this.name, target, name, mode)
    row = compilation.insert(node, "RemoveFile", identifier, this.name, pair, target, mode)
    if "*" not in name and "?" not in name:
        compilation.name(node, f"removal {row.key} {target}", name, short, compilation.into(row, "FileName"))


def _remove_folder(compilation: Compilation, node: Node, this: Component) -> None:
    target = _removal_target(compilation, node, this)
    mode = INSTALL_MODES[node.need("On")]
    identifier = node.get("Id") or compilation.make_id("rmd", this.name, target, mode)
    compilation.insert(node, "RemoveFile", identifier, this.name, None, target, mode)


def _registry_key(
    compilation: Compilation, node: Node, this: Component, root: str | None = None, above: str = ""
) -> None:
    given = node.get("Root")
    if given and root:
        raise node.error("a RegistryKey within another takes its Root", "remove Root")
    root = given or root
    if root is None:
        raise node.error("the RegistryKey needs the attribute Root", "add Root='HKLM'")
    key = above + node.need("Key").strip("\\")
    action = node.get("Action") or "none"  # what older sources say in the place of the two others
    create = node.yes("ForceCreateOnInstall") or action != "none"
    delete = node.yes("ForceDeleteOnUninstall") or action == "createAndRemoveOnUninstall"
    permissions = any(child.name in ("Permission", "PermissionEx") for child in node.children)
    if create or delete or permissions:
        name = "*" if create and delete else "-" if delete else "+"
        identifier = node.get("Id") or compilation.make_id("reg", this.name, root, key, name)
        compilation.insert(node, "Registry", identifier, ROOTS[root], key, name, None, this.name)
        _parts(compilation, node, this, "Registry", identifier)
    elif node.get("Id"):
        raise node.error(
            "the RegistryKey makes no row that its Id would name", "remove Id, or add ForceCreateOnInstall"
        )
    compilation.dispatch(node, REGISTRY_CHILDREN, this, root, key + "\\")


def _registry_value(
    compilation: Compilation, node: Node, this: Component, root: str | None = None, above: str = ""
) -> None:
    given, sub_key = node.get("Root"), node.get("Key")
    if given and root:
        raise node.error("a RegistryValue within a RegistryKey takes its Root", "remove Root")
    root = given or root
    key = above + (sub_key or "").strip("\\")
    if root is None or not key:
        raise node.error("the RegistryValue needs Root and Key", "add them or put it into a <RegistryKey>")
    key = key.rstrip("\\")
    name = node.get("Name")
    identifier = node.get("Id") or compilation.make_id("reg", this.name, root, key, name)
    compilation.insert(node, "Registry", identifier, ROOTS[root], key, name, _registry_data(node), this.name)
    this.offer(node, "Registry", identifier)
    _parts(compilation, node, this, "Registry", identifier)


def _registry_data(node: Node) -> str | None:
    """The value with the prefix that gives its type (Windows Installer SDK, “Registry Table”)."""
    kind, value, action = node.need("Type"), node.get("Value"), node.get("Action") or "write"
    strings = [child.text for child in node.children if child.name == "MultiStringValue"]
    if kind == "multiString":
        text = "[~]".join(strings if value is None else [value, *strings])
        return {"write": f"[~]{text}[~]", "append": f"[~]{text}", "prepend": f"{text}[~]"}[action]
    if strings or action != "write":
        raise node.error(f"a value of type {kind} has no strings to append", "use Type='multiString'")
    if value is None:
        raise node.error("the RegistryValue needs the attribute Value", "add Value='…'")
    if kind == "integer":
        if not value.startswith("[") and not value.lstrip("-").isdecimal():
            raise node.error(f"“{value}” is not an integer", "give decimal digits or a [Property]")
        return f"#{value}"
    if kind == "binary":
        if not value.startswith("[") and (len(value) % 2 or any(c not in "0123456789abcdefABCDEF" for c in value)):
            raise node.error(f"“{value}” is not hexadecimal", "give two digits a byte")
        return f"#x{value}"
    if kind == "expandable":
        return f"#%{value}"
    return f"#{value}" if value.startswith("#") else value


def _registry_place(node: Node, root: str | None, above: str) -> tuple[str, str]:
    """The root and key of an element, which may be those of the RegistryKey around it."""
    key = f"{above}{(node.get('Key') or '').strip(chr(92))}".strip("\\")
    given = node.get("Root")
    if (given is None) is (root is None) or not key:
        raise node.error(f"{node.name} needs one Root and a Key", "give them here, or in the <RegistryKey> around it")
    return given or root or "", key


def _remove_registry_key(
    compilation: Compilation, node: Node, this: Component, root: str | None = None, above: str = ""
) -> None:
    (root, key), action = _registry_place(node, root, above), node.need("Action")
    identifier = node.get("Id") or compilation.make_id("reg", this.name, root, key, action)
    if action == "removeOnInstall":
        compilation.insert(node, "RemoveRegistry", identifier, ROOTS[root], key, "-", this.name)
    else:
        compilation.insert(node, "Registry", identifier, ROOTS[root], key, "-", None, this.name)


def _remove_registry_value(
    compilation: Compilation, node: Node, this: Component, root: str | None = None, above: str = ""
) -> None:
    (root, key), name = _registry_place(node, root, above), node.get("Name")
    identifier = node.get("Id") or compilation.make_id("reg", this.name, root, key, name, "remove")
    compilation.insert(node, "RemoveRegistry", identifier, ROOTS[root], key, name, this.name)


def _service_install(compilation: Compilation, node: Node, this: Component) -> None:
    dependencies = []
    for child in (child for child in node.children if child.name == "ServiceDependency"):
        dependencies.append(("+" if child.yes("Group") else "") + child.need("Id"))
    kind = _SERVICE_TYPES[node.need("Type")] | (_SERVICE_INTERACTIVE if node.yes("Interactive") else 0)
    severity = _SERVICE_ERRORS[node.need("ErrorControl")] | (_SERVICE_VITAL if node.yes("Vital") else 0)
    description = node.get("Description")
    if node.yes("EraseDescription"):
        if description:
            raise node.error("the service has a Description and EraseDescription", "keep one")
        description = "[~]"
    name = node.need("Name")
    identifier = node.get("Id") or _identifier(name)
    compilation.insert(
        node, "ServiceInstall", identifier, name, node.get("DisplayName"), kind,
        _SERVICE_STARTS[node.need("Start")], severity, node.get("LoadOrderGroup"),
        "[~]".join([*dependencies, "", ""]) if dependencies else None,
        node.get("Account"), node.get("Password"), node.get("Arguments"), this.name, description,
    )  # fmt: skip
    _parts(compilation, node, this, "ServiceInstall", identifier, {"ServiceInstall.Name": name})


def _service_control(compilation: Compilation, node: Node, this: Component) -> None:
    events = 0
    for attribute, (install, uninstall) in _SERVICE_EVENTS.items():
        mode = INSTALL_MODES.get(node.get(attribute) or "", 0)
        events |= (install if mode & 1 else 0) | (uninstall if mode & 2 else 0)
    if not events:
        raise node.error("the ServiceControl does nothing", "add Start, Stop or Remove")
    arguments = "[~]".join(child.text for child in node.children) or None
    wait = int(node.yes("Wait", True))
    compilation.insert(node, "ServiceControl", node.need("Id"), node.need("Name"), events, arguments, wait, this.name)


def _shortcut(compilation: Compilation, node: Node, this: Component, within: str | None = None) -> None:
    icons = [child for child in node.children if child.name == "Icon"]
    for child in icons:
        icon(compilation, child)
    nested = [child.need("Id") for child in icons]
    icon_name = node.get("Icon") or (nested[0] if nested else None)
    if icon_name:
        compilation.refer(node, "Icon", icon_name)
    place = node.get("Directory") or this.directory
    compilation.refer(node, "Directory", place)
    target = node.get("Target")
    advertise = node.yes("Advertise")
    if target and (within or advertise):
        raise node.error("the target of the shortcut is given twice", "remove Target")
    working = node.get("WorkingDirectory")
    if working:
        compilation.refer(node, "Directory", working)
    show = node.get("Show")
    row = compilation.insert(
        node, "Shortcut", node.need("Id"), place, node.need("Name"), this.name,
        target or within or f"[{this.directory}]",
        node.get("Arguments"), node.get("Description"), node.number("Hotkey"), icon_name, node.number("IconIndex"),
        _SHOW_COMMANDS[show] if show else None, working,
    )  # fmt: skip
    if advertise:
        compilation.advertised.append(("Shortcut", row.key, "Target", this.name))
    _parts(compilation, node, this, "Shortcut", node.need("Id"), {"Shortcut": node.need("Id")})
    store = compilation.into(row, "Name")
    compilation.name(node, f"shortcuts {place}", node.need("Name"), node.get("ShortName"), store)


def icon(compilation: Compilation, node: Node) -> None:
    """Icon: an icon for shortcuts and the list of installed programs."""
    compilation.insert(node, "Icon", node.need("Id"), compilation.source_bytes(node, "SourceFile"))


def _done(_: Compilation, __: Node, ___: Component) -> None:
    """Condition went into the component's row."""


REGISTRY_CHILDREN: Mapping[str, Callable[..., None]] = {
    "RegistryKey": _registry_key,
    "RegistryValue": _registry_value,
    "RemoveRegistryKey": _remove_registry_key,
    "RemoveRegistryValue": _remove_registry_value,
}
DIRECTORY_CHILDREN: Mapping[str, Callable[..., None]] = {"Directory": directory, "Component": component}
COMPONENT_CHILDREN: Mapping[str, Callable[..., None]] = {
    "Condition": _done,
    "File": _file,
    "CreateFolder": _create_folder,
    "RemoveFile": _remove_file,
    "RemoveFolder": _remove_folder,
    **REGISTRY_CHILDREN,
    "ServiceInstall": _service_install,
    "ServiceControl": _service_control,
    "Shortcut": _shortcut,
    **dict.fromkeys(com.FAMILY, com.register),
}

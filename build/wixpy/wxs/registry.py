# SPDX-License-Identifier: MIT
"""Registry keys and values, written and removed (Windows Installer SDK, “Registry Table”, “RemoveRegistry Table”)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from wixpy.wxs.compilation import Compilation
from wixpy.wxs.grammar import entry
from wixpy.wxs.rows import parts
from wixpy.wxs.source import Node

if TYPE_CHECKING:
    from wixpy.wxs.components import Component

ROOTS = {"HKMU": -1, "HKCR": 0, "HKCU": 1, "HKLM": 2, "HKU": 3}
_MESSAGE_FILES = ("EventMessageFile", "CategoryMessageFile", "ParameterMessageFile")


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
        parts(compilation, node, this, "Registry", identifier)
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
    parts(compilation, node, this, "Registry", identifier)


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


def event_source(compilation: Compilation, node: Node, this: Component) -> None:
    """util:EventSource: where the event log finds the texts of a program's messages."""
    key = f"SYSTEM\\CurrentControlSet\\Services\\EventLog\\{node.need('Log')}\\{node.need('Name')}"
    flags = {name: int(kind[6:]) for name, kind in entry(node).attributes.items() if kind.startswith("yesno=")}
    kinds = sum(bit for name, bit in flags.items() if node.yes(name))
    values = {name: f"#%{node.get(name)}" for name in _MESSAGE_FILES if node.get(name) is not None}
    if node.get("CategoryCount") is not None:
        values["CategoryCount"] = f"#{node.number('CategoryCount')}"
    if kinds:
        values["TypesSupported"] = f"#{kinds}"
    for name, value in values.items():
        identifier = compilation.make_id("reg", this.name, "HKLM", key, name)
        compilation.insert(node, "Registry", identifier, ROOTS["HKLM"], key, name, value, this.name)
        if name == _MESSAGE_FILES[0]:
            this.offer(node, "Registry", identifier)


REGISTRY_CHILDREN: Mapping[str, Callable[..., None]] = {
    "RegistryKey": _registry_key,
    "RegistryValue": _registry_value,
    "RemoveRegistryKey": _remove_registry_key,
    "RemoveRegistryValue": _remove_registry_value,
}

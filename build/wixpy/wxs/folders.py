# SPDX-License-Identifier: MIT
"""Folders that a component makes, what it removes, and its shortcuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wixpy.wxs.compilation import INSTALL_MODES, Compilation
from wixpy.wxs.rows import parts
from wixpy.wxs.source import Node

if TYPE_CHECKING:
    from wixpy.wxs.components import Component

_SHOW_COMMANDS = {"normal": 1, "maximized": 3, "minimized": 7}


def create_folder(compilation: Compilation, node: Node, this: Component) -> None:
    target = node.get("Directory") or this.directory
    compilation.refer(node, "Directory", target)
    compilation.insert(node, "CreateFolder", target, this.name)
    parts(compilation, node, this, "CreateFolder", target)


def _removal_target(compilation: Compilation, node: Node, this: Component) -> str:
    target, prop = node.get("Directory"), node.get("Property")
    if target and prop:
        raise node.error(f"{node.name} has both Directory and Property", "keep one")
    if prop:
        return prop
    compilation.refer(node, "Directory", target or this.directory)
    return target or this.directory


def remove_file(compilation: Compilation, node: Node, this: Component) -> None:
    target = _removal_target(compilation, node, this)
    name, short, mode = node.need("Name"), node.get("ShortName"), INSTALL_MODES[node.need("On")]
    pair = f"{short}|{name}" if short else name
    identifier = node.get("Id") or compilation.make_id("rmf", this.name, target, name, mode)
    row = compilation.insert(node, "RemoveFile", identifier, this.name, pair, target, mode)
    if "*" not in name and "?" not in name:
        compilation.name(node, f"removal {row.key} {target}", name, short, compilation.into(row, "FileName"))


def remove_folder(compilation: Compilation, node: Node, this: Component) -> None:
    target = _removal_target(compilation, node, this)
    mode = INSTALL_MODES[node.need("On")]
    identifier = node.get("Id") or compilation.make_id("rmd", this.name, target, mode)
    compilation.insert(node, "RemoveFile", identifier, this.name, None, target, mode)


def shortcut(compilation: Compilation, node: Node, this: Component, within: str | None = None) -> None:
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
    parts(compilation, node, this, "Shortcut", node.need("Id"), {"Shortcut": node.need("Id")})
    store = compilation.into(row, "Name")
    compilation.name(node, f"shortcuts {place}", node.need("Name"), node.get("ShortName"), store)


def icon(compilation: Compilation, node: Node) -> None:
    """Icon: an icon for shortcuts and the list of installed programs."""
    compilation.insert(node, "Icon", node.need("Id"), compilation.source_bytes(node, "SourceFile"))

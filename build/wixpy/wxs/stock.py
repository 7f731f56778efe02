# SPDX-License-Identifier: MIT
"""The stock user interface and properties in ``data/ui``: what a source refers to and does not define itself is added.

A fragment there is added as a whole when something in it is needed, as from a library of WiX.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from wixpy.texts import FOLDER
from wixpy.wxs import source
from wixpy.wxs.controls import DIALOG_EVENTS
from wixpy.wxs.grammar import nearest
from wixpy.wxs.source import Node

LIBRARY = (
    "WixUI_Common.wxs",
    "WixUI_Dialogs.wxs",
    "WixUI_Minimal.wxs",
    "WixUI_FeatureTree.wxs",
    "WixUI_InstallDir.wxs",
    "WixUI_Mondo.wxs",
    "NetFx.wxs",
)
ERROR_PROGRESS_TEXT = "WixUI_ErrorProgressText"

_LABEL = r"([A-Z][A-Za-z ]*): "

Symbol = tuple[str, str]


def include(root: Node) -> bool:
    """Add the stock fragments that ``root`` needs, return whether there are any; an error for an unknown UIRef."""
    defined = set(_definitions(root))
    wanted = list(_references(root))
    if not wanted:
        return False
    library = _fragments()
    used = False
    while wanted:
        symbol, node = wanted.pop()
        if symbol in defined:
            continue
        if symbol not in library:
            if symbol[0] == "UI":
                known = {name for kind, name in {*defined, *library} if kind == "UI"}
                raise node.error(f"UIRef refers to UI “{symbol[1]}”, which is not there", nearest(symbol[1], known))
            continue
        name, position = library[symbol]
        fragment = _parse(name).children[position]
        if symbol == ("UI", ERROR_PROGRESS_TEXT):
            _add_texts(fragment.children[0])
        root.children.append(fragment)
        defined |= set(_definitions(fragment))
        wanted += _references(fragment)
        used = True
    return used


def _definitions(node: Node) -> Iterator[Symbol]:
    for each in node.walk():
        if each.name in ("UI", "Dialog") and "Id" in each.attributes:
            yield each.name, each.attributes["Id"]
        if each.name in ("Product", "Module", "Fragment"):
            named = (child for child in each.children if child.name == "Property")
            yield from (("Property", child.attributes.get("Id", "")) for child in named)


def _references(node: Node) -> Iterator[tuple[Symbol, Node]]:
    """The interfaces and dialogs that the elements name."""
    for each in node.walk():
        values = each.attributes
        if each.name in ("UIRef", "DialogRef", "PropertyRef") and "Id" in values:
            yield (each.name.removesuffix("Ref"), values["Id"]), each
        elif each.name in ("Publish", "Show") and "Dialog" in values:
            yield ("Dialog", values["Dialog"]), each
        if each.name == "Publish" and values.get("Event") in DIALOG_EVENTS and "Value" in values:
            yield ("Dialog", values["Value"]), each


def _parse(name: str) -> Node:
    root = source.parse(FOLDER / "ui" / name, {})
    for node in root.walk():
        node.file = Path("wixpy", "data", "ui", name)
        node.base = None  # the author's licence.rtf is beside the author's source
    return root


@cache
def _fragments() -> dict[Symbol, tuple[str, int]]:
    """Where each symbol of the library is: file and position of the fragment.  The elements themselves are read anew
    for each package, because reading an attribute marks it."""
    return {
        symbol: (name, position)
        for name in LIBRARY
        for position, fragment in enumerate(_parse(name).children)
        for symbol in _definitions(fragment)
    }


def _label(match: re.Match[str]) -> str:
    """A word before a colon in what an action reports, to be had in other languages."""
    return f"!(loc.Label.{match[1].replace(' ', '')}={match[1]}): "


def _add_texts(ui: Node) -> None:
    """The texts for standard actions and controls, which wixpy.msilib has too, or a culture's own."""
    from wixpy.msilib import text  # noqa: PLC0415

    def add(name: str, attributes: dict[str, str], content: str | None) -> None:
        ui.children.append(Node(name, attributes, ui.file, ui.line, text=content or ""))

    for action, description, template in text.ActionText:
        details = re.sub(_LABEL, _label, template or "")
        own = f"!(loc.ActionText.{action}={description})"
        add("ProgressText", {"Action": str(action)} | ({"Template": details} if details else {}), own)
    for key, content in text.UIText:
        add("UIText", {"Id": str(key)}, f"!(loc.UIText.{key}={content})" if content else None)

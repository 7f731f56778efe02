# SPDX-License-Identifier: MIT
"""What is filled in when all sources are read: ``!(bind.…)`` (WiX Toolset manual, “Binder variables”).

``!(bind.FileVersion.ID)`` and ``!(bind.FileLanguage.ID)`` are of the file of a File element, ``!(bind.Property.NAME)``
is the value of a property.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wixpy.payload import file_version
from wixpy.wxs.grammar import nearest
from wixpy.wxs.source import Node

_REFERENCE = r"!\(bind\.([^()]*)\)"
_PRODUCT_PROPERTIES = {
    "ProductName": "Name",
    "ProductVersion": "Version",
    "ProductLanguage": "Language",
    "Manufacturer": "Manufacturer",
    "UpgradeCode": "UpgradeCode",
}
_MAX_DEPTH = 8


def resolve(roots: Sequence[Node]) -> None:
    """Fill in the references of all elements; WixpyError for one that stands for nothing."""
    nodes = [node for root in roots for node in root.walk()]
    binder = _Binder(nodes)
    for node in nodes:
        node.attributes = {name: binder.expand(node, value) for name, value in node.attributes.items()}
        node.text = binder.expand(node, node.text)


class _Binder:
    """The elements that references speak of."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        def named(*names: str) -> dict[str, Node]:
            return {node.attributes.get("Id", ""): node for node in nodes if node.name in names}

        self.files, self.properties = named("File"), named("Property")
        self.product = next((node for node in nodes if node.name == "Product"), None)

    def expand(self, node: Node, text: str, depth: int = 0) -> str:
        def replacement(match: re.Match[str]) -> str:
            if depth == _MAX_DEPTH:
                raise node.error(f"{match[0]} stands for itself", "write the value")
            return self.expand(node, self.value(node, match[1]), depth + 1)

        return re.sub(_REFERENCE, replacement, text) if "!(" in text else text

    def value(self, node: Node, name: str) -> str:
        what, _, identifier = name.partition(".")
        if what in ("FileVersion", "FileLanguage"):
            return self.version(node, what, self.known(node, "File", identifier, self.files))
        if what == "Property" and identifier in _PRODUCT_PROPERTIES and self.product is not None:
            return self.product.attributes.get(_PRODUCT_PROPERTIES[identifier], "")
        if what == "Property":
            found = self.known(node, "Property", identifier, self.properties)
            return found.attributes.get("Value", found.text)
        hint = "use !(bind.FileVersion.ID), !(bind.FileLanguage.ID) or !(bind.Property.NAME)"
        raise node.error(f"!(bind.{name}) is not supported", hint)

    def version(self, node: Node, what: str, file: Node) -> str:
        path = (file.base or file.file.parent) / file.attributes.get("Source", "").replace("\\", "/")
        try:
            found = file_version(path.read_bytes())
        except OSError as error:
            raise file.error(f"cannot read “{path.name}”: {error.strerror}", "build the file first") from error
        if found is None:
            raise node.error(f"the file {path.name} has no version", "write the version, or name another file")
        return found.version if what == "FileVersion" else found.languages

    def known(self, node: Node, what: str, name: str, nodes: dict[str, Node]) -> Node:
        if name not in nodes:
            raise node.error(f"there is no {what} “{name}”", nearest(name, nodes))
        return nodes[name]

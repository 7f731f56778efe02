# SPDX-License-Identifier: MIT
"""A user interface in a library of the package's own (Windows Installer SDK, “MsiEmbeddedUI Table”)."""

from __future__ import annotations

from wixpy.wxs.compilation import Compilation, identifier
from wixpy.wxs.grammar import entry
from wixpy.wxs.source import Node

_INTERFACE, _HANDLES_BASIC = 1, 2
_MIN_INSTALLER = 405


def embedded_ui(compilation: Compilation, node: Node) -> None:
    """EmbeddedUI: the library, the messages that it is given, and files beside it."""
    if compilation.database.rows("MsiEmbeddedUI"):
        raise node.error("there is another EmbeddedUI already", "keep one: a package has one user interface of its own")
    if compilation.installer < _MIN_INSTALLER:
        raise node.error(
            f"Windows Installer {compilation.installer / 100} has no EmbeddedUI",
            f"write InstallerVersion='{_MIN_INSTALLER}' in the Package",
        )
    bits = {name: int(kind[6:], 0) for name, kind in entry(node).attributes.items() if kind.startswith("yesno=")}
    messages = sum(bit for name, bit in bits.items() if not node.yes(name))
    if not messages:
        raise node.error("the EmbeddedUI is given no message at all", "leave out one of the Ignore attributes")
    attributes = _INTERFACE | (_HANDLES_BASIC if node.yes("SupportBasicUI") else 0)
    _file(compilation, node, attributes, messages)
    for child in node.children:
        _file(compilation, child, 0, None)


def _file(compilation: Compilation, node: Node, attributes: int, messages: int | None) -> None:
    name = node.get("Name") or node.need("SourceFile").replace("\\", "/").rpartition("/")[2]
    content = compilation.source_bytes(node, "SourceFile")
    compilation.insert(node, "MsiEmbeddedUI", node.get("Id") or identifier(name), name, attributes, messages, content)

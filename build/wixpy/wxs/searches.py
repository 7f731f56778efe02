# SPDX-License-Identifier: MIT
"""Searches of the system for files, directories and settings (Windows Installer SDK, “AppSearch Table”).

A search is a row of a locator table under a signature.  A search within another one looks below what the outer one
found; a FileSearch gives its own signature to the search around it, whose result is then the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from wixpy.wxs.compilation import Compilation
from wixpy.wxs.registry import ROOTS
from wixpy.wxs.source import Node

_LOCATOR_TYPES = {"directory": 0, "file": 1, "raw": 2}
_LOCATOR_64BIT = 16
_FIRST_YEAR = 1980


def property_searches(compilation: Compilation, node: Node, name: str) -> None:
    """The searches in a Property."""
    if node.children and name != name.upper():
        raise node.children[0].error(
            f"the property {name} of a search is private", "write its name without small letters"
        )
    for child in node.children:
        if child.name in _SEARCHES:
            compilation.insert(child, "AppSearch", name, _search(compilation, child, None))


def compliance_check(compilation: Compilation, node: Node) -> None:
    """ComplianceCheck: searches of which one must find something."""
    for child in node.children:
        compilation.insert(child, "CCPSearch", _search(compilation, child, None))


def _search(compilation: Compilation, node: Node, parent: str | None) -> str:
    """Add a search and those in it; the signature that stands for its result."""
    return _SEARCHES[node.name](compilation, node, parent)


def _identifier(compilation: Compilation, node: Node, parent: str | None) -> str:
    return node.get("Id") or compilation.make_id("sig", node.name, parent, *sorted(node.attributes.items()))


def _inner(compilation: Compilation, node: Node, own: str) -> tuple[str, str]:
    """The signature of the search's own row, and that of the result, when searches may stand within."""
    if len(node.children) > 1:
        raise node.children[1].error(f"{node.name} has two searches in it", "keep one")
    if not node.children:
        return own, own
    child = node.children[0]
    result = _search(compilation, child, own)
    return (result if child.name.startswith("File") else own), result


def _registry_search(compilation: Compilation, node: Node, _: str | None) -> str:
    kind = _LOCATOR_TYPES[node.need("Type")] | (_LOCATOR_64BIT if node.yes("Win64", compilation.is_64bit) else 0)
    root, key, name = ROOTS[node.need("Root")], node.need("Key"), node.get("Name")
    signature, result = _inner(compilation, node, node.need("Id"))
    compilation.insert(node, "RegLocator", signature, root, key, name, kind)
    return result


def _ini_file_search(compilation: Compilation, node: Node, _: str | None) -> str:
    kind = _LOCATOR_TYPES[node.get("Type") or "raw"]
    signature, result = _inner(compilation, node, node.need("Id"))
    name, short = node.need("Name"), node.get("ShortName")
    row = compilation.insert(
        node, "IniLocator", signature, name, node.need("Section"), node.need("Key"), node.number("Field"), kind
    )
    compilation.name(node, f"search {signature}", name, short, compilation.into(row, "FileName"))
    return result


def _component_search(compilation: Compilation, node: Node, _: str | None) -> str:
    kind = _LOCATOR_TYPES[node.get("Type") or "file"]
    signature, result = _inner(compilation, node, node.need("Id"))
    compilation.insert(node, "CompLocator", signature, compilation.guid(node, "Guid"), kind)
    return result


def _directory_search(compilation: Compilation, node: Node, parent: str | None) -> str:
    own = _identifier(compilation, node, parent)
    signature, result = _inner(compilation, node, own)
    if node.yes("AssignToProperty"):
        if signature != own:
            raise node.error("the result of a DirectorySearch with a FileSearch is the file", "remove AssignToProperty")
        result = own
    compilation.insert(node, "DrLocator", signature, parent, node.get("Path"), node.number("Depth"))
    return result


def _directory_search_ref(compilation: Compilation, node: Node, _: str | None) -> str:
    compilation.refer(node, "DrLocator", node.need("Id"), node.get("Parent"), node.get("Path"))
    return _inner(compilation, node, node.need("Id"))[1]


def _file_search(compilation: Compilation, node: Node, parent: str | None) -> str:
    signature, name = _identifier(compilation, node, parent), node.need("Name")
    row = compilation.insert(
        node, "Signature", signature, name, node.get("MinVersion"), node.get("MaxVersion"), node.number("MinSize"),
        node.number("MaxSize"), _date(node, "MinDate"), _date(node, "MaxDate"), node.get("Languages"),
    )  # fmt: skip
    compilation.name(node, f"search {signature}", name, node.get("ShortName"), compilation.into(row, "FileName"))
    return signature


def _reference(compilation: Compilation, node: Node, _: str | None) -> str:
    compilation.refer(
        node, {"FileSearchRef": "Signature", "RegistrySearchRef": "RegLocator"}[node.name], node.need("Id")
    )
    return node.need("Id")


def _date(node: Node, name: str) -> int | None:
    """A date and time as MS-DOS writes them: the date in the high word, the time in the low one."""
    text = node.get(name)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        raise node.error(f"{node.name}/@{name} is “{text}”", "give a date such as 2009-12-31T23:59:58") from None
    if not _FIRST_YEAR <= time.year < _FIRST_YEAR + 64:
        raise node.error(f"the year {time.year} does not fit into the table", "give one from 1980 to 2043")
    date = (time.year - _FIRST_YEAR) << 9 | time.month << 5 | time.day
    return date << 16 | time.hour << 11 | time.minute << 5 | time.second // 2


_SEARCHES: Mapping[str, Callable[[Compilation, Node, str | None], str]] = {
    "RegistrySearch": _registry_search,
    "IniFileSearch": _ini_file_search,
    "ComponentSearch": _component_search,
    "DirectorySearch": _directory_search,
    "DirectorySearchRef": _directory_search_ref,
    "FileSearch": _file_search,
    "FileSearchRef": _reference,
    "RegistrySearchRef": _reference,
}

# SPDX-License-Identifier: MIT
"""Localisation: ``!(loc.NAME)`` from .wxl files of WiX v3 and v4, and ``!(wix.NAME)`` from WixVariable elements.

A string of a file wins over one that is Overridable='yes'; two that are not are an error.  With files of several
cultures the build names those that it wants: what the first of them lacks comes from the next.  A file without Culture
belongs to all.  ``!!(loc.NAME)`` stands for a literal ``!(loc.NAME)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.parsers import expat

from wixpy.errors import WixpyError
from wixpy.files import read_bytes
from wixpy.texts import data
from wixpy.wxs.grammar import nearest
from wixpy.wxs.source import Node

NAMESPACES = ("http://schemas.microsoft.com/wix/2006/localization", "http://wixtoolset.org/schemas/v4/wxl")
_ROOT = frozenset(["Culture", "Codepage", "Language", "LCID", "SummaryInformationCodepage"])
_STRING = frozenset(["Id", "Value", "Overridable", "Localizable"])
_PLACE = frozenset(
    ["Dialog", "Control", "X", "Y", "Width", "Height", "RightToLeft", "RightAligned", "LeftScroll", "Text"]
)
_REFERENCE = r"(!!?)\((loc|wix)\.([\w.]+)(?:=([^()]*))?\)"
_MAX_DEPTH = 16
STOCK_CULTURE = "en-us"
STOCK_CULTURES = (STOCK_CULTURE, "de-de", "es-es", "fr-fr")


class Strings:
    """The strings of all files, and what the files say of cultures, code pages and controls."""

    def __init__(self) -> None:
        self.texts: dict[str, Node] = {}
        self.values: dict[str, str] = {}
        self.roots: list[Node] = []
        self.places: list[Node] = []

    def add(self, node: Node, *, fallback: bool = False) -> None:
        """Take a string; one that is a ``fallback`` or overridable gives way to one that is there."""
        name, earlier = node.need("Id"), self.texts.get(node.need("Id"))
        if "Value" in node.attributes and node.text:
            raise node.error(f"the string {name} has both a Value and a text", "keep one")
        value = node.attributes.get("Value", node.text)
        if earlier is not None:
            place = earlier.place
            fixed = "no" in (node.attributes.get("Localizable"), earlier.attributes.get("Localizable"))
            if fixed and value != self.values[name]:
                raise node.error(f"the string {name} is Localizable='no' and differs from {place}", "make them equal")
            if fallback or node.yes("Overridable"):
                return
            if not earlier.yes("Overridable"):
                raise node.error(
                    f"the string {name} is in {place} already", "remove one, or write Overridable='yes' there"
                )
        self.texts[name], self.values[name] = node, value


def load(paths: Sequence[Path], cultures: Sequence[str] = (), *, stock: bool = False) -> Strings:
    """The strings of .wxl files for some cultures, the first preferred; with ``stock`` those of wixpy's own dialogs."""
    wanted = [culture.lower() for culture in cultures]
    roots = [_parse(read_bytes(path), path) for path in paths]
    found = {_culture(root): root for root in roots if _culture(root)}
    if len(found) > 1 and not wanted:
        last = roots[-1]
        raise last.error(f"the files are of the cultures {', '.join(found)}", "name what you want with --culture")
    known = [culture for culture in wanted if culture in found or _stock(culture)]
    if wanted and not known:
        raise WixpyError(f"there is no file of the culture {wanted[0]}", "give one with -loc, or correct --culture")
    strings = Strings()
    for root in (root for root in roots if not _culture(root)):
        _read(strings, root)
    for position, culture in enumerate(wanted or found):
        for root in (root for root in roots if _culture(root) == culture):
            _read(strings, root, fallback=position > 0)
    if stock:
        chosen = next((name for name in map(_stock, wanted or found) if name), STOCK_CULTURE)
        for name in dict.fromkeys((chosen, STOCK_CULTURE)):
            root = _stock_file(name)
            strings.roots += [root] if name == chosen else []
            for node in root.children:
                strings.add(node, fallback=True)
    return strings


def _culture(root: Node) -> str:
    return root.attributes.get("Culture", "").lower()


def _stock(culture: str) -> str | None:
    """The culture that wixpy has strings for: that one, or another of the same language."""
    language = culture.partition("-")[0]
    return next((name for name in STOCK_CULTURES if name == culture), None) or next(
        (name for name in STOCK_CULTURES if name.partition("-")[0] == language), None
    )


def _stock_file(culture: str) -> Node:
    name = f"{culture}.wxl"
    return _parse(data(f"ui/{name}").encode(), Path("wixpy", "data", "ui", name))


def _read(strings: Strings, root: Node, *, fallback: bool = False) -> None:
    """Take what a file says; of a ``fallback`` only the strings that are missing."""
    if not fallback:
        strings.roots.append(root)
    for node in root.children:
        if node.name == "String":
            strings.add(node, fallback=fallback)
        elif not fallback:
            strings.places.append(node)


def _parse(content: bytes, path: Path) -> Node:
    """A .wxl file as elements, checked."""
    stack: list[Node] = [Node("", {}, path, 1)]
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        node = Node(local, attributes, path, parser.CurrentLineNumber)
        if namespace not in NAMESPACES:
            raise node.error(
                f"the element {local} is in the namespace “{namespace}”", f"the root needs xmlns='{NAMESPACES[0]}'"
            )
        stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        node = stack.pop()
        if node.name != "String":
            node.text = node.text.strip()

    def characters(text: str) -> None:
        stack[-1].text += text

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise WixpyError(f"the file is not well-formed XML: {reason}", "correct it", path, error.lineno) from error
    (root,) = stack[0].children
    _check(root)
    return root


def _check(root: Node) -> None:
    allowed = {"WixLocalization": _ROOT, "String": _STRING, "UI": _PLACE}
    if root.name != "WixLocalization":
        raise root.error(f"the root element is {root.name}", "write <WixLocalization Culture='…' xmlns='…'>")
    for node in root.walk():
        if node is not root and node.name not in ("String", "UI"):
            raise node.error(f"WixLocalization has no element {node.name}", nearest(node.name, ["String", "UI"]))
        for name, value in node.attributes.items():
            if name not in allowed[node.name]:
                raise node.error(f"{node.name} has no attribute {name}", nearest(name, allowed[node.name]))
            if name in ("Overridable", "Localizable", "RightToLeft", "RightAligned", "LeftScroll"):
                if value not in ("yes", "no"):
                    raise node.error(f"{node.name}/@{name} is “{value}”", "give yes or no")
            elif (
                name in ("Codepage", "SummaryInformationCodepage", "Language", "LCID", "X", "Y", "Width", "Height")
                and not value.isdecimal()
            ):
                raise node.error(f"{node.name}/@{name} is “{value}”", "give a number")
        if node.children and node is not root:
            raise node.children[0].error(f"{node.name} has no element {node.children[0].name}", "close the other first")


def apply(root: Node, strings: Strings, defines: Mapping[str, str]) -> None:
    """Fill in all references below ``root``, an element Wix; what the files say of the package and of controls too."""
    elements = _variables(root)
    variables = {name: node.need("Value") for name, node in elements.items()} | dict(defines)
    used: set[str] = set()

    def expand(node: Node, text: str, depth: int = 0) -> str:
        def replacement(match: re.Match[str]) -> str:
            mark, kind, name, default = match.groups()
            if mark == "!!":
                return match[0][1:]
            known = strings.values if kind == "loc" else variables
            value = known.get(name, default)
            if value is None:
                raise _missing(node, kind, name, known)
            used.add(name)
            if depth == _MAX_DEPTH:
                raise node.error(f"{match[0]} refers to itself", "write the text out")
            return expand(node, value, depth + 1)

        return re.sub(_REFERENCE, replacement, text) if "!(" in text else text

    for node in root.walk():
        node.attributes = {name: expand(node, value) for name, value in node.attributes.items()}
        node.text = expand(node, node.text)
    for name, element in elements.items():
        if name not in used and not element.yes("Overridable"):
            raise element.error(f"nothing uses the variable {name}", f"remove it, or write !(wix.{name}) somewhere")
    _package(root, strings)
    for place in strings.places:
        _move(root, place, expand(place, place.text or place.attributes.get("Text", "")))


def _missing(node: Node, kind: str, name: str, known: Mapping[str, str]) -> WixpyError:
    if kind == "loc":
        hint = nearest(name, known) if known else "give -loc FILE.wxl with that string"
        return node.error(f"the string {name} is in no .wxl file", hint)
    return node.error(
        f"the variable {name} is not there", f"add <WixVariable Id='{name}' Value='…'/> or give -d {name}=…"
    )


def _variables(root: Node) -> dict[str, Node]:
    """The WixVariable elements by name; one that is overridable gives way."""
    found: dict[str, Node] = {}
    for node in root.walk():
        if node.name != "WixVariable":
            continue
        name, _ = node.need("Id"), node.need("Value")
        earlier, overridable = found.get(name), node.yes("Overridable")
        if earlier is not None and not earlier.yes("Overridable"):
            if not overridable:
                raise node.error(f"the variable {name} is in {earlier.place} already", "remove one")
            continue
        found[name] = node
    return found


def _package(root: Node, strings: Strings) -> None:
    """The code pages and language of the files: the former become the product's, the latter must be."""
    for product in (node for node in root.children if node.name in ("Product", "Module")):
        for each in strings.roots:
            codepage, language = each.get("Codepage"), each.get("Language") or each.get("LCID")
            if codepage not in (None, "", "0"):
                product.attributes.setdefault("Codepage", str(codepage))
            summary = each.get("SummaryInformationCodepage")
            if summary is not None:
                for package in (child for child in product.children if child.name == "Package"):
                    package.attributes.setdefault("SummaryCodepage", summary)
            own = product.attributes.get("Language")
            if language and own not in (None, "0", language):
                raise each.error(
                    f"the strings are in the language {language}, the product in {own}",
                    f"write Language='{language}' there, or leave it out here",
                )


def _controls(root: Node) -> Iterator[tuple[str, Node]]:
    for dialog in root.walk():
        if dialog.name == "Dialog":
            yield from ((dialog.attributes.get("Id", ""), each) for each in dialog.children if each.name == "Control")


def _move(root: Node, place: Node, text: str) -> None:
    """UI of a .wxl file: another place, size, direction or text of a dialog or a control."""
    dialog, control = place.attributes.get("Dialog"), place.attributes.get("Control")
    if control is None:
        targets = [each for each in root.walk() if each.name == "Dialog" and each.attributes.get("Id") == dialog]
        if text:
            raise place.error("a dialog has no text", "name a Control, or remove the text")
    else:
        targets = [each for name, each in _controls(root) if (name, each.attributes.get("Id")) == (dialog, control)]
    if not targets:
        what = f"{dialog}/{control}" if control else str(dialog)
        raise place.error(f"UI is about {what}, which is not there", "correct Dialog and Control")
    changes = {name: value for name, value in place.attributes.items() if name not in ("Dialog", "Control", "Text")}
    for target in targets:
        target.attributes.update(changes)
        if text:
            target.attributes["Text"] = text
            target.children = [child for child in target.children if child.name != "Text"]

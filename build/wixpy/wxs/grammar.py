# SPDX-License-Identifier: MIT
"""What a source may contain, read from ``data/elements.grammar``, and the check of a source against it.

Kinds of values: ``text`` (anything), ``identifier``, ``name`` (of what is in no table, where wixl has ``-`` too),
``public`` (an identifier without small letters), ``integer``, ``version``, ``guid``, ``auto-guid`` (or ``*``),
``component-guid`` (or ``*`` or empty), ``yesno``, ``-> Table`` (the key of a row), or the words that are allowed with
``|`` between them.  ``yesno=N`` and ``word=N`` give the number that stands for it in a table; ``text`` among the words
allows any other text, such as a property in brackets.

The entry ACTION stands for every standard action of a sequence.  ``Parent/Name`` is how an element is within Parent,
where that differs from elsewhere; ``+Name`` after a name takes over the attributes and rows of an entry above, in front
it adds to that entry.  Lines with ``=`` are rows (``rows.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from wixpy.actions import standard_names
from wixpy.texts import OnDemand, data, lines, sections
from wixpy.wxs.source import Node

ACTION = "ACTION"
_ROW = re.compile(r"=\s*(?:\[(.*?)\])?\s*(\w+)\s+(.*)")
_GUID = r"\{?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?"
_KINDS = {
    "text": (r"[\s\S]*", "text"),
    "identifier": (
        r"[A-Za-z_][A-Za-z0-9_.]{0,71}",
        "an identifier: up to 72 letters, digits, “_” and “.”, no digit first",
    ),
    "name": (r"[A-Za-z_][A-Za-z0-9_.+-]*", "a name: letters, digits, “_”, “.”, “+” and “-”, no digit first"),
    "public": (r"[A-Z_][A-Z0-9_.]{0,71}", "an identifier without small letters"),
    "integer": (r"-?\d{1,9}", "an integer"),
    "version": (r"\d{1,5}(\.\d{1,5}){0,3}", "a version such as 1.2.3"),
    "guid": (_GUID, "a GUID"),
    "auto-guid": (rf"{_GUID}|\*", "a GUID, or * to derive one"),
    "component-guid": (rf"({_GUID}|\*)?", "a GUID, * to derive one, or nothing for an unmanaged component"),
    "yesno": (r"yes|no", "yes or no"),
}


class RowLine(NamedTuple):
    """A row that an element makes: when, in which table, and its cells."""

    guard: tuple[str, ...]
    table: str
    cells: tuple[str, ...]


class Element:
    """An element's attributes (kind by name, required ones), children, whether it has text, and the rows it makes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = False
        self.children: tuple[str, ...] = ()
        self.attributes: dict[str, str] = {}
        self.required: list[str] = []
        self.rows: list[RowLine] = []


@cache
def elements() -> Mapping[str, Element]:
    """All elements by name."""
    parts: dict[str, list[tuple[str, str]]] = {}
    for head, below in sections(data("elements.grammar")):
        parts.setdefault(head.split(None, 1)[0].removeprefix("+"), []).append((head, below))
    return OnDemand(parts, lambda name: _element(name, parts[name]))


def _element(name: str, parts: Sequence[tuple[str, str]]) -> Element:
    """An element of its section and of those that add to it."""
    made = Element(name)
    for head, below in parts:
        before, _, children = head.partition(">")
        words = before.split()[1:]
        made.text = made.text or "text" in words
        made.children += tuple(children.split())
        for base in (elements()[word[1:]] for word in words if word.startswith("+")):
            made.children += base.children
            made.attributes |= base.attributes
            made.required += base.required
            made.rows += base.rows
        for line in lines(below):
            if line.startswith("="):
                made.rows.append(_row(line))
                continue
            attribute, kind = line.split(None, 1)
            made.attributes[attribute.rstrip("*")] = kind
            made.required += [attribute[:-1]] if attribute.endswith("*") else []
    return made


def _row(line: str) -> RowLine:
    match = _ROW.fullmatch(line)
    assert match is not None, line
    return RowLine(tuple((match[1] or "").split()), match[2], tuple(match[3].split()))


def entry(node: Node) -> Element:
    """The entry that says what an element is where it stands."""
    return _entry(node.within, node.name)


@cache
def _entry(within: str, name: str) -> Element:
    known = elements()
    return known[next((each for each in (f"{within}/{name}", name) if each in known), ACTION)]


@cache
def refused() -> Mapping[str, tuple[str, str]]:
    """Elements (``Name``, ``extension:``) and attributes (``Element/@name``, ``@name``) that are known and not
    supported: why, and what to do instead."""
    lines = (line.split(" | ") for line in data("elements.refused").splitlines() if line and line[0] != "#")
    return {name: (reason, instead) for name, reason, instead in lines}


@cache
def numbers(kind: str) -> Mapping[str, int]:
    """The numbers that stand for the words of a kind."""
    pairs = (word.partition("=") for word in kind.split("|"))
    return {word.strip(): int(number, 0) for word, equals, number in pairs if equals}


@cache
def _words(kind: str) -> tuple[str, ...]:
    """The words of a kind."""
    return tuple(word.partition("=")[0].strip() for word in kind.split("|"))


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint that names the word meant, or those there are."""
    # Only errors need it.
    from difflib import get_close_matches  # noqa: PLC0415

    known = sorted(words)
    close = get_close_matches(word, known, 1, 0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"there is {', '.join(known)}" if known else "remove it"


def validate(node: Node) -> None:
    """Check an element and all below it; WixpyError with file and line for the first fault."""
    element = entry(node)
    for name, value in node.attributes.items():
        if name not in element.attributes:
            why = refused().get(f"{node.name}/@{name}") or refused().get(f"@{name}")
            if why:
                raise node.error(f"{node.name}/@{name} is not supported: {why[0]}", why[1])
            raise node.error(f"{node.name} has no attribute {name}", nearest(name, element.attributes))
        _validate_value(node, name, value, element.attributes[name])
    for name in element.required:
        if name not in node.attributes:
            raise node.error(f"{node.name} needs the attribute {name}", f"add {name}='…'")
    if node.text and not element.text:
        raise node.error(f"{node.name} has no text, but here is “{node.text[:40]}”", "remove the text")
    for child in node.children:
        known = child.name in element.children or (ACTION in element.children and child.name in standard_names())
        why = None if known else refused().get(child.name) or refused().get(child.name.partition(":")[0] + ":")
        if why:
            raise child.error(f"{child.name} is not supported: {why[0]}", why[1])
        if not known and ":" in child.name:
            hint = "of extensions there is what needs no custom action of WiX's: see docs/wixpy/elements.md"
            raise child.error(f"{node.name} has no element {child.name}", hint)
        if not known:
            raise child.error(f"{node.name} has no element {child.name}", nearest(child.name, element.children))
        child.within = node.name
        validate(child)


def _validate_value(node: Node, name: str, value: str, kind: str) -> None:
    words = _words(kind)
    kind = "yesno" if kind.startswith("yesno=") else "identifier" if kind.startswith("-> ") else kind
    if kind in _KINDS:
        pattern, meaning = _KINDS[kind]
        if re.fullmatch(pattern, value) is None:
            raise node.error(f"{node.name}/@{name} is “{value}”", f"give {meaning}")
    elif value not in words and "text" not in words:
        raise node.error(f"{node.name}/@{name} is “{value}”", f"give {' or '.join(words)}")

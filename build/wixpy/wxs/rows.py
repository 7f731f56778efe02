# SPDX-License-Identifier: MIT
"""Elements that the grammar turns into rows by itself: its lines “= Table cell cell …” below an element.

A line may begin with a guard: ``[Name]`` when the attribute is given, ``[!Name]`` when not, ``[Name one two]`` when it
is one of the words, ``[<Child]`` when there is such a child.  A cell is

    ``-``             null
    ``Name``          the attribute: a number where its kind gives one, a GUID in braces and capital letters
    ``7``, ``'text'`` a constant
    ``@component``    the component, ``@directory`` its directory, ``@feature`` the feature it is in
    ``@File``         the key of the element around, ``@File.Name`` an attribute of it
    ``flags``         all attributes of the kind ``yesno=N`` that are yes, joined; ``flags!`` at least one
    ``auto``          the attribute Id, or an identifier derived from the whole element
    ``name(N,S)``     a file name of the attributes N and, for its short form, S; ``join(Child.N)`` of all such children
    ``text``          the text of the element; ``bytes(Name)`` the content of the file
    ``value:hook``    what a function of ``HOOKS`` makes of the element

and ``one|other`` the first of them that is not null.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from wixpy import schema
from wixpy.tables import Cell
from wixpy.wxs import grammar
from wixpy.wxs.compilation import Compilation, guid
from wixpy.wxs.grammar import RowLine
from wixpy.wxs.source import Node

if TYPE_CHECKING:
    from wixpy.wxs.components import Component

HOOKS: dict[str, Callable[[Node], Cell]] = {}
_CALL = re.compile(r"(\w+)\((.*)\)")
_NOTHING: Mapping[str, Cell] = {}
_PENDING = "-"
_SIGN, _WORD = 1 << 31, 1 << 32


def hook(function: Callable[[Node], Cell]) -> Callable[[Node], Cell]:
    """Make a function known to the grammar as ``value:NAME``."""
    HOOKS[function.__name__.strip("_")] = function
    return function


def element(
    compilation: Compilation, node: Node, this: Component | None = None, around: Mapping[str, Cell] | None = None
) -> None:
    """The rows of an element and of all in it; ``around`` are keys and attributes of the elements around it."""
    around = dict(around or {})
    key = rows(compilation, node, this, around)
    if key is not None:
        around[node.name] = key
    around.update({f"{node.name}.{name}": value for name, value in node.attributes.items()})
    for child in node.children:
        if grammar.entry(child).rows:
            element(compilation, child, this, around)


def rows(compilation: Compilation, node: Node, this: Component | None, around: Mapping[str, Cell]) -> str | None:
    """Add the rows that the grammar has for an element; the key of the first."""
    first: str | None = None
    for line in grammar.entry(node).rows:
        if not _applies(node, line.guard):
            continue
        key = _Line(compilation, node, this, around, line).insert()
        first = key if first is None else first
    return first


def parts(
    compilation: Compilation, node: Node, this: Component, table: str, key: str, around: Mapping[str, Cell] = _NOTHING
) -> None:
    """The children that the grammar describes; permissions among them are for the row ``key`` of ``table``."""
    for child in node.children:
        if grammar.entry(child).rows:
            element(compilation, child, this, {"object": key, "table": table, **around})


def _applies(node: Node, guard: tuple[str, ...]) -> bool:
    if not guard:
        return True
    name, *words = guard
    if name.startswith("<"):
        return any(child.name == name[1:] for child in node.children)
    if name.startswith("!"):
        return node.attributes.get(name[1:]) is None
    value = node.get(name)
    return value is not None and (not words or value in words)


class _Line:
    """One row in the making."""

    def __init__(
        self,
        compilation: Compilation,
        node: Node,
        this: Component | None,
        around: Mapping[str, Cell],
        line: RowLine,
    ) -> None:
        self.compilation, self.node, self.this, self.around, self.line = compilation, node, this, around, line
        self.entry = grammar.entry(node)
        self.names: list[tuple[str, str, str | None]] = []
        self.pending: list[str] = []

    def insert(self) -> str:
        table = schema.standard()[self.line.table]
        values: list[Cell | bytes] = []
        for column, cell in zip(table.columns, self.line.cells, strict=True):
            value = self.value(cell, column.name)
            values.append(str(value) if column.is_string and isinstance(value, int) else value)
        row = self.compilation.insert(self.node, self.line.table, *values)
        for column_name, long, short in self.names:
            place = f"{self.line.table} {row.key}"
            if not set("*?[") & set(long):
                self.compilation.name(self.node, place, long, short, self.compilation.into(row, column_name))
        for column_name in self.pending:
            assert self.this is not None
            self.compilation.advertised.append((self.line.table, row.key, column_name, self.this.name))
        if "KeyPath" in self.entry.attributes and self.this is not None and self.line.table == self.node.name:
            self.this.offer(self.node, self.line.table, str(row.key[0]))
        return str(row.key[0])

    def value(self, cell: str, column: str) -> Cell | bytes:
        for alternative in cell.split("|"):
            value = self.single(alternative, column)
            if value is not None:
                return value
        return None

    def single(self, cell: str, column: str) -> Cell | bytes:
        if cell == "-" or cell.isdecimal():
            return None if cell == "-" else int(cell)
        if cell.startswith("'"):
            return cell.strip("'")
        if cell.startswith("@"):
            return self.surrounding(cell[1:], column)
        if cell.startswith("value:"):
            return HOOKS[cell[6:]](self.node)
        call = _CALL.fullmatch(cell)
        return self.call(call[1], call[2], column) if call else self.word(cell, column)

    def word(self, cell: str, column: str) -> Cell:
        if cell in ("flags", "flags!"):
            return self.flags(needed=cell.endswith("!"))
        if cell == "text":
            return self.node.text or None
        if cell == "auto":
            return self.node.get("Id") or self.compilation.make_id(
                self.line.table[:3].lower(), self.this.name if self.this else "", column, *self.line.cells,
                *sorted(self.node.attributes.items()), *sorted(map(str, self.around.items())),
            )  # fmt: skip
        return self.attribute(self.node, cell)

    def surrounding(self, name: str, column: str) -> Cell:
        if name not in ("component", "directory", "feature"):
            return self.around.get(name)
        if self.this is None:
            return None
        if name == "feature":
            self.pending.append(column)
            return _PENDING
        if name == "directory":
            self.compilation.refer(self.node, "Directory", self.this.directory)
            return self.this.directory
        return self.this.name

    def call(self, function: str, argument: str, column: str) -> Cell | bytes:
        if function == "bytes":
            return self.compilation.source_bytes(self.node, argument) if self.node.get(argument) else None
        if function == "join":
            child_name, _, attribute = argument.partition(".")
            children = [child for child in self.node.children if child.name == child_name]
            parts = [self.attribute(child, attribute) if attribute else child.text for child in children]
            return "[~]".join("" if part is None else str(part) for part in parts) or None
        assert function == "name", function
        long, short = (self.node.get(name) for name in argument.split(","))
        if long is None:
            if short is not None:
                raise self.node.error(f"{self.node.name} has a short name but no long one", "give both")
            return None
        self.names.append((column, long, short))
        return f"{short}|{long}" if short else long

    def flags(self, *, needed: bool) -> int:
        total = 0
        for name, kind in self.entry.attributes.items():
            if kind.startswith("yesno=") and self.node.yes(name):
                total |= int(kind[6:], 0)
        if needed and not total:
            names = [name for name, kind in self.entry.attributes.items() if kind.startswith("yesno=")]
            raise self.node.error(f"{self.node.name} does nothing", f"give one of {', '.join(names)}")
        if total == _SIGN:
            raise self.node.error("the table cannot hold GenericRead alone", "add another right, such as Read")
        return total - _WORD if total >= _SIGN else total

    def attribute(self, node: Node, name: str) -> Cell:
        value, kind = node.get(name), grammar.entry(node).attributes[name]
        if value is None:
            return None
        if kind == "integer":
            return int(value)
        if kind == "guid":
            return guid(uuid.UUID(value))
        if kind.startswith("yesno="):
            return int(kind[6:], 0) if value == "yes" else 0
        if kind.startswith("-> "):
            self.compilation.refer(node, kind[3:], value)
        return grammar.numbers(kind).get(value, value)


@hook
def _environment_name(node: Node) -> Cell:
    """The name of an environment variable with what is done to it (Windows Installer SDK, “Environment Table”)."""
    action = {"create": "+", "remove": "!", "set": "="}[node.get("Action") or "set"]
    keep = "" if node.yes("Permanent") else "-"
    if keep and action == "!":
        keep = ""
    return f"{action}{keep}{'*' if node.yes('System') else ''}{node.need('Name')}"


@hook
def _environment_value(node: Node) -> Cell:
    """The value, with ``[~]`` where the rest of the variable stays."""
    value, part, separator = node.get("Value"), node.get("Part") or "all", node.get("Separator") or ";"
    if part != "all" and value is None:
        raise node.error("a part of a variable needs a value", "give Value")
    return {"all": value, "first": f"{value}{separator}[~]", "last": f"[~]{separator}{value}"}[part]

# SPDX-License-Identifier: MIT
"""A merge module as output: Module in the place of Product (Windows Installer SDK, “Authoring Merge Modules”).

All identifiers of the module get its GUID as a suffix (“Naming Primary Keys in Merge Module Databases”), wherever they
stand: as keys, in columns that refer to them, in formatted text and in conditions.  Names that are left alone are those
of standard actions, of properties and actions with SuppressModularization, and what IgnoreModularization names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from wixpy.actions import standard, standard_names
from wixpy.cabdata import Compression
from wixpy.database import Row
from wixpy.schema import standard as standard_tables
from wixpy.summary import Pid, Value
from wixpy.tables import Cell, Column, Table
from wixpy.wxs import media, rows, shortnames
from wixpy.wxs.compilation import ADMIN, HIDDEN, ROOT_DIRECTORY, SECURE, Compilation, Media
from wixpy.wxs.grammar import nearest
from wixpy.wxs.information import describe
from wixpy.wxs.merge import CABINET, NO_FEATURE
from wixpy.wxs.product import PRODUCT_CHILDREN
from wixpy.wxs.source import Node

_LEVEL = 6
_REFERENCE = re.compile(r"\[([#!$]?)([A-Za-z_][\w.]*)\]")
_WORD = re.compile(r'"[^"]*"|([$?]?)(?<![%\w.])\b([A-Za-z_][\w.]*)')
_IDENTIFIERS = ("Identifier", "CustomSource", "Property", "UpperCase", "KeyFormatted", "Shortcut")
_TEXTS = ("Formatted", "Template", "FormattedSDDLText", "KeyFormatted", "RegPath", "Shortcut", "AnyPath", "Text")
# Keys that are names of the whole system or of Windows Installer, and tables about the module itself.
_LEFT_ALONE = frozenset(
    ["ActionText", "AppId", "Class", "Error", "Extension", "Feature", "Font", "MIME", "MsiAssemblyName", "ProgId",
     "TypeLib", "UIText", "Upgrade", "Verb", "_Validation", "LaunchCondition", "Property"]
)  # fmt: skip
_MARKS = {"#": ("File",), "!": ("File",), "$": ("Component",), "?": ("Component",), "": ("Property", "Directory")}


def module(compilation: Compilation, node: Node) -> None:
    """Module: its signature, and all that is in it."""
    packages = [child for child in node.children if child.name == "Package"]
    if len(packages) != 1:
        raise node.error(f"the module has {len(packages)} Package elements", "write exactly one <Package …/>")
    package, language = packages[0], node.number("Language")
    compilation.database.codepage = node.number("Codepage") or 0
    code = compilation.guid(package, "Id")
    facts: dict[Pid, Value] = {
        Pid.TITLE: "Merge Module",
        Pid.SUBJECT: package.get("Description") or node.need("Id"),
        Pid.AUTHOR: package.need("Manufacturer"),
        Pid.KEYWORDS: package.get("Keywords") or "MergeModule",
        Pid.REVISION: code,
        Pid.WORD_COUNT: 0,
    }
    describe(compilation, package, package.get("Languages") or str(language), facts)
    compilation.module = code.strip("{}").replace("-", "_")
    signature = f"{node.need('Id')}.{compilation.module}"
    compilation.insert(node, "ModuleSignature", signature, language, node.need("Version"))
    around: Mapping[str, Cell] = {"Module": signature, "Language": language}
    compilation.dispatch(node, PRODUCT_CHILDREN)
    compilation.dispatch(node, _CHILDREN, around)


def _from_grammar(compilation: Compilation, node: Node, around: Mapping[str, Cell]) -> None:
    rows.element(compilation, node, None, around)


def _exclusion(compilation: Compilation, node: Node, around: Mapping[str, Cell]) -> None:
    """Exclusion: modules that this one cannot be together with; a negative language stands for all others."""
    one, but = node.number("ExcludeLanguage"), node.number("ExcludeExceptLanguage")
    if one is not None and but is not None:
        raise node.error("the exclusion is of a language and of all but one", "keep one of the two")
    language = -but if but is not None else one or 0
    compilation.insert(
        node, "ModuleExclusion", around["Module"], around["Language"], node.need("ExcludedId"), language,
        node.get("ExcludedMinVersion"), node.get("ExcludedMaxVersion"),
    )  # fmt: skip


def _ignore_modularization(compilation: Compilation, node: Node, *_: object) -> None:
    compilation.unsuffixed.add(node.need("Name"))


def _component_ref(compilation: Compilation, node: Node, *_: object) -> None:
    compilation.refer(node, "Component", node.need("Id"))


def gather(compilation: Compilation, node: Node) -> None:
    """What must be there before GUIDs are derived: names, files, and what elements refer to."""
    if compilation.media:
        first = next(iter(compilation.media.values()))
        raise first.node.error("a merge module has no media: its files are in one cabinet", f"remove {first.node.name}")
    shortnames.assign(compilation.names)
    for number, payload in enumerate(compilation.payloads, 1):
        if payload.compressed is False:
            raise payload.node.error("the files of a merge module are in its cabinet", "remove Compressed")
        compilation.insert(payload.node, "File", *payload.values.values(), number)
    compilation.settle_references()
    for child in node.children:
        if child.name == "ComponentGroupRef" and child.need("Id") not in compilation.groups:
            hint = nearest(child.need("Id"), compilation.groups)
            raise child.error(f"the component group {child.need('Id')} is not there", hint)


def finish(compilation: Compilation, node: Node, outputs: media.Outputs) -> None:
    """The tables about the module, the suffix of its identifiers, and its cabinet."""
    database = compilation.database
    for table, key, column, _ in compilation.advertised:
        row = database.get(table, *key)
        assert row is not None
        database.replace(row, **{column: NO_FEATURE})
    for kind, names in sorted(compilation.properties.items()):
        compilation.insert(node, "Property", kind, ";".join(sorted(names)))
    signature = database.rows("ModuleSignature")[0]
    for row in database.rows("Component"):
        place = compilation.places["Component", row.key]
        compilation.insert(place, "ModuleComponents", row.key[0], signature["ModuleID"], signature["Language"])
    for name in ("Component", "Directory", "FeatureComponents", "File", "ModuleComponents"):
        if name not in database.tables:
            database.add_table(standard_tables()[name])
    for table in standard():
        _sequence(compilation, table)
    _Suffix(compilation).apply()
    if compilation.payloads:
        cabinet = Media(node, CABINET, True, Compression.MSZIP, _LEVEL)
        media.pack(compilation, cabinet, compilation.payloads, outputs)


def _sequence(compilation: Compilation, table: str) -> None:
    """The rows of a ModuleSequence table: standard actions with their numbers, others next to one of the table."""
    steps, known = compilation.steps.get(table, {}), standard()[table]
    if not steps:
        return
    compilation.database.add_table(standard_tables()[table])
    name = f"Module{table}"
    bases = {base for step in steps.values() if (base := step.after or step.before) is not None and base in known}
    for base in sorted(bases - set(steps)):
        compilation.database.insert(name, base, known[base].number, None, None, None)
    for action, step in steps.items():
        assert step.node is not None
        base = step.after or step.before
        if step.before and step.after:
            raise step.node.error("an action of a merge module has one neighbour", "give Before or After")
        if base is not None and action in standard_names():
            raise step.node.error(f"{action} has a number in a merge module", "give Sequence")
        after = None if base is None else int(step.after is not None)
        compilation.insert(step.node, name, action, step.number, base, after, step.condition)


class _Suffix:
    """Gives the identifiers of a module their suffix."""

    def __init__(self, compilation: Compilation) -> None:
        self.compilation, self.database = compilation, compilation.database
        self.suffix = f".{compilation.module}"
        alone = compilation.unsuffixed | standard_names() | {ROOT_DIRECTORY}
        self.names = {
            name: {str(row.key[0]) for row in self.database.rows(name)} - alone
            for name, table in self.database.tables.items()
            if name in standard_tables() and name not in _LEFT_ALONE and not name.startswith("Module")
            and table.columns[0].category == "Identifier" and not table.columns[0].key_table
        }  # fmt: skip
        self.names["Property"] = compilation.declared - alone
        self.all = frozenset[str]().union(*self.names.values())

    def apply(self) -> None:
        """Replace every row by the one with the suffixed names, and files and streams with them."""
        places = dict(self.compilation.places)
        for name, table in list(self.database.tables.items()):
            if name == "ModuleSignature":
                continue
            for row in self.database.rows(name):
                cells = self._row(table, row)
                if cells != list(row.cells):
                    self._replace(table, row, cells)
                    place = places.get((name, row.key))
                    if place is not None:
                        self.compilation.places[name, tuple(cells[: table.key_count])] = place
        for payload in self.compilation.payloads:
            payload.key = self._name(payload.key, ("File",))

    def _replace(self, table: Table, row: Row, cells: list[Cell]) -> None:
        values: list[Cell | bytes] = [
            self.database.streams[str(old)] if column.is_binary and old is not None else new
            for column, old, new in zip(table.columns, row.cells, cells, strict=True)
        ]
        self.database.delete(table.name, *row.key)
        self.database.insert(table.name, *values)

    def _row(self, table: Table, row: Row) -> list[Cell]:
        known = standard_tables().get(table.name, table)
        if table.name == "ModuleSubstitution":
            keys = ";".join(self._name(key, (row.text("Table"),)) for key in row.text("Row").split(";"))
            return [row["Table"], keys, *row.cells[2:]]
        if table.name == "Property" and row["Property"] in (SECURE, HIDDEN, ADMIN):
            listed = (self._name(name, ("Property",)) for name in row.text("Value").split(";"))
            return [row["Property"], ";".join(listed)]
        return [
            self._cell(table.name, column, position, cell) if isinstance(cell, str) and not column.is_binary else cell
            for position, (column, cell) in enumerate(zip(known.columns, row.cells, strict=True))
        ]

    def _cell(self, table: str, column: Column, position: int, cell: str) -> Cell:
        if column.key_table:
            return self._name(cell, tuple(column.key_table.split(";")))
        if column.key:
            return self._key(table, column, position, cell)
        if column.category == "Condition":
            return _WORD.sub(self._word, cell)
        if column.category in _IDENTIFIERS and cell in self.all:
            return self._suffixed(cell)
        return self._text(cell) if column.category in _TEXTS else cell

    def _key(self, table: str, column: Column, position: int, cell: str) -> Cell:
        """A name in a key: the element's own, or of what it belongs to."""
        if position == 0 and table in self.names:
            return self._name(cell, (table,))
        if column.name in ("Property", "Action", "Dialog_"):
            return self._name(cell, ("Property", "CustomAction", "Dialog"))
        return cell

    def _suffixed(self, name: str) -> str:
        return name + self.suffix

    def _name(self, name: str, tables: tuple[str, ...]) -> str:
        return self._suffixed(name) if any(name in self.names.get(table, ()) for table in tables) else name

    def _text(self, text: str) -> str:
        return _REFERENCE.sub(lambda match: f"[{match[1]}{self._name(match[2], _MARKS[match[1]])}]", text)

    def _word(self, match: re.Match[str]) -> str:
        """A word of a condition; a text in quotes stays as it is."""
        return match[0] if match[2] is None else match[1] + self._name(match[2], _MARKS[match[1]])


_CHILDREN: Mapping[str, Callable[..., None]] = {
    "Dependency": _from_grammar,
    "Exclusion": _exclusion,
    "IgnoreTable": _from_grammar,
    "IgnoreModularization": _ignore_modularization,
    "Configuration": _from_grammar,
    "ComponentRef": _component_ref,
    "Substitution": _from_grammar,
}

# SPDX-License-Identifier: MIT
"""Merge modules that a package takes in (Windows Installer SDK, “Merge Modules”).

The rows of the module's tables become the package's, the directory around the Merge takes the place of its root
directory, its files go into the package's own cabinets, and its actions into the sequences.  Merge says where, MergeRef
in a feature says with what the components are installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wixpy import cab
from wixpy.actions import standard
from wixpy.checks.data import columns
from wixpy.database import Database, Row
from wixpy.errors import WixpyError
from wixpy.media import COMPRESSED, NONCOMPRESSED
from wixpy.schema import standard as standard_tables
from wixpy.tables import Cell, Table
from wixpy.wxs.compilation import (
    ADMIN,
    HIDDEN,
    ROOT_DIRECTORY,
    SECURE,
    STANDARD_DIRECTORIES,
    Compilation,
    Merge,
    Payload,
)
from wixpy.wxs.grammar import nearest
from wixpy.wxs.sequence import Step

CABINET = "MergeModule.CABinet"
NO_FEATURE = "{00000000-0000-0000-0000-000000000000}"
_SEQUENCE = re.compile(r"Module(\w+Sequence)")
_ITEM = re.compile(r"\[=([^\];]+)(?:;(\d+))?\]")
_LEFT_OUT = frozenset(
    ["_Validation", "File", "Media", "MsiFileHash", "Feature", "FeatureComponents", "ModuleConfiguration",
     "ModuleSubstitution", "ModuleIgnoreTable", *standard(), *(f"Module{name}" for name in standard())]
)  # fmt: skip
_LISTS = (SECURE, HIDDEN, ADMIN)
_TEXT, _KEY, _INTEGER = 0, 1, 2
_NOT_NULL = 2
_SET_PROPERTY = 51


def merge_all(compilation: Compilation) -> None:
    """Take in the modules that features refer to, and settle what they ask of each other."""
    wanted = {
        member.name: member.node
        for members in (*compilation.features.values(), *compilation.feature_groups.values())
        for member in members
        if member.kind == "Merge"
    }
    for name, node in wanted.items():
        if name not in compilation.merges:
            raise node.error(f"the merge {name} is not there", nearest(name, compilation.merges))
    for name, each in compilation.merges.items():
        if name not in wanted:
            raise each.node.error(f"the merge {name} belongs to no feature", f"add <MergeRef Id='{name}'/> to one")
        module = _Module(compilation, each)
        module.take_in()
        each.components.extend(row.text("Component") for row in module.database.rows("ModuleComponents"))
    _settle(compilation)


def _settle(compilation: Compilation) -> None:
    """Every module that another one needs is there, and none that another one excludes."""
    database = compilation.database
    present = {
        row.text("ModuleID"): (row.number("Language"), row.text("Version")) for row in database.rows("ModuleSignature")
    }
    for row in database.rows("ModuleDependency"):
        needed, least = row.text("RequiredID"), row["RequiredVersion"]
        node = compilation.places["ModuleDependency", row.key]
        if needed not in present or (least and _version(present[needed][1]) < _version(str(least))):
            raise node.error(f"the module needs {needed} {least or ''}".rstrip(), "add a Merge with that module")
    for row in database.rows("ModuleExclusion"):
        excluded, language = row.text("ExcludedID"), row.number("ExcludedLanguage")
        if excluded in present and _is_excluded(row, language, *present[excluded]):
            node = compilation.places["ModuleExclusion", row.key]
            raise node.error(f"the module cannot be together with {excluded}", "remove one of the two Merge elements")


def _is_excluded(row: Row, language: int, other: int, version: str) -> bool:
    """A negative language excludes all others, 0 any."""
    if language and (other == -language if language < 0 else other != language):
        return False
    least, most = row["ExcludedMinVersion"], row["ExcludedMaxVersion"]
    own = _version(version)
    return (least is None or own >= _version(str(least))) and (most is None or own <= _version(str(most)))


def _version(text: str) -> tuple[int, ...]:
    """A version to compare: what it lacks is 0."""
    parts = [int(part) for part in text.split(".") if part.isdecimal()]
    return (*parts, *[0] * (4 - len(parts)))


class _Module:
    """One module and where it goes."""

    def __init__(self, compilation: Compilation, merge: Merge) -> None:
        self.compilation, self.merge, self.node = compilation, merge, merge.node
        self.changes: dict[tuple[str, tuple[Cell, ...]], dict[str, Cell]] = {}
        try:
            self.database = Database.parse(self.compilation.source_file(self.node, "SourceFile"))
        except WixpyError as error:
            raise self.node.error(f"{self.node.get('SourceFile')}: {error.message}", error.hint) from error
        for finding in columns(self.database):
            raise self.node.error(f"{self.node.get('SourceFile')}: {finding}", "the file is damaged: get it again")
        signatures = self.database.rows("ModuleSignature")
        if len(signatures) != 1:
            raise self.node.error(f"{self.node.get('SourceFile')} is no merge module", "name an .msm file")
        own, asked = signatures[0].number("Language"), self.node.number("Language")
        if own not in (0, asked):
            raise self.node.error(
                f"the module is in the language {own}, not in {asked}",
                f"write Language='{own}'; others are not applied",
            )

    def take_in(self) -> None:
        self._configure()
        ignored = {row.text("Table") for row in self.database.rows("ModuleIgnoreTable")}
        for name, table in self.database.tables.items():
            if name not in _LEFT_OUT and name not in ignored:
                for row in self.database.rows(name):
                    self._row(table, self._changed(name, row))
        self.compilation.refer(self.node, "Directory", self.merge.directory)
        self._files()
        self._standard_directories()
        for name in self.database.tables:
            match = _SEQUENCE.fullmatch(name)
            if match and name not in ignored:
                self._sequence(match[1], self.database.rows(name))

    def _configure(self) -> None:
        """Carry out ModuleSubstitution with what ConfigurationData says, or else the defaults."""
        items = {row.text("Name"): row for row in self.database.rows("ModuleConfiguration")}
        values: dict[str, str] = {name: row.text("DefaultValue") for name, row in items.items()}
        for child in self.node.children:
            name, value = child.need("Name"), child.need("Value")
            if name not in items:
                raise child.error(f"the module has nothing to configure that is called {name}", nearest(name, items))
            values[name] = value
        for name, row in items.items():
            if row.number("Format") not in (_TEXT, _KEY, _INTEGER):
                raise self.node.error(
                    f"{name} of the module is a bit field", "modules with bit fields are not supported"
                )
            if not values[name] and (row["Attributes"] or 0) == _NOT_NULL:
                raise self.node.error(
                    f"{name} of the module needs a value", "add <ConfigurationData Name='…' Value='…'/>"
                )
        for row in self.database.rows("ModuleSubstitution"):
            self._substitute(row, values)

    def _substitute(self, row: Row, values: dict[str, str]) -> None:
        table = self.database.tables.get(row.text("Table"))
        keys = row.text("Row").split(";")
        described = table.columns[: table.key_count] if table else ()
        key = tuple(
            int(text) if column.is_integer and text.isdecimal() else text
            for column, text in zip(described, keys, strict=False)
        )
        if table is None or self.database.get(table.name, *key) is None or row.text("Column") not in table.index:
            raise self.node.error(
                f"the module changes {row['Table']} “{row['Row']}”, which it lacks", "get another module"
            )

        def item(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise self.node.error(f"the module has no {match[1]} to configure", "get another module")
            parts = values[match[1]].split(";")
            return parts[int(match[2]) - 1] if match[2] and int(match[2]) <= len(parts) else values[match[1]]

        text = _ITEM.sub(item, row.text("Value"))
        value: Cell = text
        if table.columns[table.index[row.text("Column")]].is_integer:
            if not text.lstrip("-").isdecimal():
                raise self.node.error(
                    f"“{text}” is not an integer, which {row['Table']}.{row['Column']} is", "correct Value"
                )
            value = int(text)
        self.changes.setdefault((table.name, key), {})[row.text("Column")] = value

    def _changed(self, table: str, row: Row) -> dict[str, Cell]:
        return {**row, **self.changes.get((table, row.key), {})}

    def _row(self, source: Table, cells: dict[str, Cell]) -> None:
        """One row, unless it is there already."""
        name, database = source.name, self.compilation.database
        if name == "Directory" and cells["Directory"] == ROOT_DIRECTORY:
            return
        if name == "Property" and cells["Property"] in _LISTS:
            for each in str(cells["Value"]).split(";"):
                self.compilation.collect(str(cells["Property"]), each)
            return
        table = database.tables.get(name) or standard_tables().get(name) or source
        if name not in database.tables:
            database.add_table(table)
        values: dict[str, Cell | bytes] = {column.name: None for column in table.columns}
        for column in source.columns:
            value = cells[column.name]
            if column.name in table.index:
                values[column.name] = self.database.streams[str(value)] if column.is_binary and value else value
                if table.column(column.name).key_table == "Directory" and value == ROOT_DIRECTORY:
                    values[column.name] = self.merge.directory
            elif value is not None:
                raise self.node.error(f"the module has {name}.{column.name}, which packages lack", "get another module")
        self._insert(table, values)

    def _insert(self, table: Table, values: dict[str, Cell | bytes]) -> None:
        keys = tuple(values[column.name] for column in table.columns[: table.key_count])
        there = self.compilation.database.get(table.name, *keys)  # type: ignore[arg-type]
        features = [name for name, value in values.items() if value == NO_FEATURE and table.name != "Component"]
        if there is not None:
            binary = [column.name for column in table.columns if column.is_binary]
            if any(there[name] != value for name, value in values.items() if name not in [*features, *binary]):
                known = "/".join(map(str, keys))
                raise self.node.error(
                    f"the module and the package differ in {table.name} “{known}”", "rename the package's"
                )
            return
        if features and "Component_" not in values:
            raise self.node.error(f"a row of {table.name} belongs to a feature and no component", "get another module")
        row = self.compilation.insert(self.node, table.name, *({**values, **dict.fromkeys(features, "-")}.values()))
        for column in features:
            self.compilation.advertised.append((table.name, row.key, column, str(values["Component_"])))

    def _files(self) -> None:
        rows = self.database.rows("File")
        contents = dict(self._contents()) if rows else {}
        for row in sorted(rows, key=lambda row: row.number("Sequence")):
            key, cells = row.text("File"), self._changed("File", row)
            if key not in contents:
                raise self.node.error(f"the cabinet of the module lacks {key}", "the file is damaged: get it again")
            names = ("File", "Component_", "FileName", "FileSize", "Version", "Language", "Attributes")
            values = {name: cells[name] for name in names}
            attributes = values["Attributes"]
            values["Attributes"] = (attributes if isinstance(attributes, int) else 0) & ~(COMPRESSED | NONCOMPRESSED)
            component = self.compilation.database.get("Component", row.text("Component_"))
            directory = component.text("Directory_") if component else ""
            self.compilation.payloads.append(
                Payload(key, self.node, directory, contents[key], values, self.merge.disk, self.merge.compressed)
            )

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        """The files of the module's cabinet."""
        try:
            cabinet = cab.Cabinet(self.database.streams[CABINET])
            for entry in sorted(cabinet.files, key=lambda entry: entry.place):
                yield entry.name, cabinet.read(entry)
        except KeyError:
            raise self.node.error("the module has no cabinet", "the file is damaged: get it again") from None
        except WixpyError as error:
            raise self.node.error(f"the cabinet of the module: {error.message}", error.hint) from error

    def _standard_directories(self) -> None:
        """An action that sets each directory whose name is that of a standard one and the module's suffix."""
        for row in self.database.rows("Directory"):
            name = row.text("Directory")
            folder, dot, _ = name.partition(".")
            if not dot or folder not in STANDARD_DIRECTORIES or self.compilation.database.get("CustomAction", name):
                continue
            self.compilation.insert(self.node, "CustomAction", name, _SET_PROPERTY, name, f"[{folder}]")
            for table in ("InstallExecuteSequence", "InstallUISequence", "AdminExecuteSequence", "AdminUISequence"):
                steps = self.compilation.steps.setdefault(table, {})
                steps[name] = Step(name, self.node, before="CostInitialize")

    def _sequence(self, table: str, rows: list[Row]) -> None:
        """The actions of a sequence; those that the package has keep their places."""
        if table not in standard():
            raise self.node.error(f"the module has actions of {table}, which packages lack", "get another module")
        known, steps = standard()[table], self.compilation.steps.setdefault(table, {})
        for row in rows:
            action, condition = row.text("Action"), row.text("Condition") or None
            if action in steps:
                continue
            base, number = row["BaseAction"], row["Sequence"]
            if action in known:
                steps[action] = Step(action, self.node, known[action].number, condition=condition)
            elif base is not None:
                where = {"after" if row["After"] else "before": str(base)}
                steps[action] = Step(action, self.node, condition=condition, **where)  # type: ignore[arg-type]
            elif isinstance(number, int):
                steps[action] = Step(action, self.node, number, condition=condition)
            else:
                raise self.node.error(f"the module does not say where {action} comes in {table}", "get another module")

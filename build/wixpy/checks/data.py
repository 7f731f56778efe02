# SPDX-License-Identifier: MIT
"""Checks of values by themselves: every cell against its column (type, range, permitted values, category, foreign
key), columns against the schema, references in text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from wixpy import schema
from wixpy.actions import KIND_MASK
from wixpy.checks.categories import CATEGORIES, FORMATTED, KNOWN, is_formatted
from wixpy.checks.finding import Finding, Findings, Level, error, rule, warning
from wixpy.checks.relations import conditions, features
from wixpy.database import Database, Row
from wixpy.tables import Cell, Column, Table

_REFERENCE = re.compile(r"\[([#!$])([^\[\]\\]+)\]")


def columns(database: Database) -> Iterator[Finding]:
    """A standard table has its columns in the standard order; others may follow."""
    for name, table in database.tables.items():
        expected = schema.standard().get(name)
        if expected is None:
            continue
        for position, like in enumerate(expected.columns):
            column = table.columns[position] if position < len(table.columns) else None
            if column is None or (column.name, column.is_integer, column.key) != (like.name, like.is_integer, like.key):
                yield Finding("ICE06", f"column {position + 1} of {name} is not {like.name}", name)
                break


@rule()
def ice06(database: Database) -> Findings:
    """Standard tables have their columns in the standard order, and every column that _Validation describes is
    there."""
    faults = list(columns(database))
    yield from faults
    for row in database.rows("_Validation") if not faults else []:
        table = database.tables.get(row.text("Table"))
        if table is not None and row["Column"] not in table.index:
            yield error(row, f"_Validation describes {row['Table']}.{row['Column']}, which is not there")


def _keys(database: Database, column: Column) -> set[Cell]:
    """The values that a foreign key may have."""
    values: set[Cell] = set()
    for table in (column.key_table or "").split(";"):
        position = (column.key_column or 1) - 1
        values.update(row.cells[position] for row in database.rows(table) if 0 <= position < len(row.cells))
    return values


def _cell_fault(column: Column, value: Cell, keys: set[Cell] | None) -> str | None:
    """What is wrong with a value, None when nothing is."""
    try:
        column.accept("x" if column.is_binary and value == "" else value)
    except ValueError as fault:
        return str(fault)
    if value is None or (keys is not None and value in keys):
        return None
    if keys is not None and column.category != "Version":
        return f"“{value}” is not in {(column.key_table or '').replace(';', ' or ')}"
    return _number_fault(column, value) if isinstance(value, int) else _text_fault(column, value)


def _number_fault(column: Column, value: int) -> str | None:
    low, high = column.minimum, column.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        return f"{value} is not from {low} to {high}"
    if column.choices and str(value) not in column.choices.split(";"):
        return f"{value} is not one of {column.choices}"
    return None


def _text_fault(column: Column, value: str) -> str | None:
    if column.choices and value in column.choices.split(";"):
        return None
    known = CATEGORIES.get(column.category or "")
    if known and not known(value):
        return f"“{value}” is not of the category {column.category}"
    return f"“{value}” is not one of {column.choices}" if column.choices and not known else None


# Columns that are formatted in the schema and hold something else in some rows: scripts (types 37 and 38), RTF.
_SCRIPTS = (37, 38)
_UNFORMATTED: dict[tuple[str, str], Callable[[Row], bool]] = {
    ("CustomAction", "Target"): lambda row: row.number("Type") & KIND_MASK in _SCRIPTS,
    ("Control", "Text"): lambda row: row["Type"] == "ScrollableText",
}


@rule(Level.ERROR, Level.WARNING)
def ice03(database: Database) -> Findings:
    """Each row has a key of its own. Each value fits its column as _Validation (else the standard schema) describes it:
    null, range, permitted values, data category, and a row for each foreign key; and what _Validation says makes sense.
    A text longer than its column is a warning, and so are a bracket without its pair in formatted text, a name in
    brackets that is none, and a column that _Validation leaves out."""
    described = {row.cells[:2] for row in database.rows("_Validation")}
    for row in database.rows("_Validation"):
        yield from _description(database, row)
    for name, table in database.tables.items():
        for row in database.repeated(name):
            yield error(row, "another row has this key too")
        if name == "_Validation":
            continue
        rows = database.rows(name)
        for position, column in enumerate(table.columns):
            if described and (name, column.name) not in described:
                yield Finding("", f"_Validation does not describe {name}.{column.name}", name, (), Level.WARNING)
            keys = _keys(database, column) if column.key_table else None
            for row in rows:
                value = row.cells[position]
                fault = _cell_fault(column, value, keys)
                if fault:
                    yield error(row, f"{column.name}: {fault}")
                elif column.is_string and isinstance(value, str):
                    yield from _questionable(column, row, value)


def _description(database: Database, row: Row) -> Findings:
    """Faults of a row of _Validation whose table is there."""
    if row["Table"] not in database.tables:
        return
    place = f"_Validation describes {row['Table']}.{row['Column']}"
    if row["Category"] is not None and row["Category"] not in KNOWN:
        yield error(row, f"{place} by the category {row['Category']}, which is none")
    for table in row.text("KeyTable").split(";") if row["KeyTable"] else []:
        if table not in database.tables and table not in schema.standard():
            yield error(row, f"{place} as key of {table}, which is not there")
    low, high = row["MinValue"], row["MaxValue"]
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield error(row, f"{place} as from {low} to {high}")


def _questionable(column: Column, row: Row, value: str) -> Findings:
    """What works in a text and may not be meant."""
    if column.size and len(value) > column.size:
        yield warning(row, f"{column.name} has {len(value)} characters, more than {column.size}")
    if column.category in FORMATTED and not is_formatted(value):
        unformatted = _UNFORMATTED.get((row.table.name, column.name))
        if unformatted is None or not unformatted(row):
            message = "has a bracket without its pair, or a name in brackets that is none"
            yield warning(row, f"{column.name}: “{value}” {message}")


_STREAM_NAME = 62


@rule()
def ice29(database: Database) -> Findings:
    """Names of streams (table and key, joined by dots) differ within their first 62 characters."""
    for name, table in database.tables.items():
        seen: dict[str, Row] = {}
        for row in database.rows(name) if any(column.is_binary for column in table.columns) else []:
            stream = table.stream_name(row.cells)[:_STREAM_NAME]
            if stream in seen:
                yield error(row, f"the stream's name {stream} is that of another row")
            seen[stream] = row


@rule()
def ice32(database: Database) -> Findings:
    """A foreign key is of its key's type and size."""
    for name, table in database.tables.items():
        for column in table.columns:
            for other in (column.key_table or "").split(";"):
                target = database.tables.get(other)
                position = (column.key_column or 1) - 1
                if target is None or not 0 <= position < len(target.columns):
                    continue
                key = target.columns[position]
                if (key.is_integer, key.size) != (column.is_integer, column.size) and not _is_standard(table, column):
                    place = f"{other}.{key.name} ({key.type})"
                    yield Finding("", f"{name}.{column.name} ({column.type}) is not as its key {place}", name)


def _is_standard(table: Table, column: Column) -> bool:
    """Some columns of the standard schema differ from their keys, and are as the SDK wants them."""
    known = schema.standard().get(table.name)
    return known is not None and column.name in known.index and known.column(column.name).type == column.type


# Table, column, the bits that have a meaning.
_BITS = {
    ("Dialog", "Attributes"): 0x103FF, ("Feature", "Attributes"): 0x3F, ("File", "Attributes"): 0x7607,
    ("MoveFile", "Options"): 1, ("ODBCDataSource", "Registration"): 1, ("Patch", "Attributes"): 1,
    ("RemoveFile", "InstallMode"): 3, ("ServiceControl", "Event"): 0xBB, ("ServiceInstall", "ServiceType"): 0x133,
    ("ServiceInstall", "ErrorControl"): 0x8003, ("TextStyle", "StyleBits"): 0xF,
}  # fmt: skip
_CONTROL = 0xFF
_BUTTON, _DRIVES = 0xFF0000, 0x3F0000
_CONTROL_BITS = {
    "Text": 0x1F0000, "ProgressBar": 0x10000, "VolumeSelectCombo": _DRIVES, "DirectoryCombo": _DRIVES,
    "DirectoryList": _DRIVES, "VolumeCostList": _DRIVES | 0x400000, "ListBox": 0x30000, "ComboBox": 0x30000,
    "ListView": 0x7F0000, "Edit": 0x210000, "PushButton": _BUTTON, "CheckBox": _BUTTON,
    "RadioButtonGroup": _BUTTON | 0x1000000, "Bitmap": _BUTTON, "Icon": _BUTTON, "Line": 0, "GroupBox": 0,
}  # fmt: skip


@rule(Level.ERROR, Level.WARNING)
def ice45(database: Database) -> Findings:
    """Bits of attributes that are reserved are zero; in the Control table one that is not is a warning."""
    for (table, column), bits in _BITS.items():
        for row in database.rows(table):
            if row.number(column) & ~bits:
                yield error(row, f"{column} {row[column]} sets reserved bits")
    for row in database.rows("Control"):
        extra = _CONTROL_BITS.get(row.text("Type"))
        if extra is not None and row.number("Attributes") & ~(extra | _CONTROL):
            yield warning(row, f"Attributes {row['Attributes']} sets bits that a {row['Type']} does not have")


@rule(Level.WARNING)
def ice46(database: Database) -> Findings:
    """No condition names a property that differs from one of the Property table by the case of letters alone."""
    defined = {row.text("Property").lower(): row.text("Property") for row in database.rows("Property")}
    known = {row["Property"] for row in database.rows("Property")}
    for row, column, names in conditions(database):
        for name in names:
            if name[0] not in "%$?&!" and name not in known and name.lower() in defined:
                yield warning(row, f"{column} names {name}; the property is {defined[name.lower()]}")


@rule()
def ice101(database: Database) -> Findings:
    """The name of a feature has at most 38 characters."""
    for row in database.rows("Feature"):
        if len(row.text("Feature")) > 38:
            yield error(row, f"the name of the feature has {len(row.text('Feature'))} characters, more than 38")


def _formatted(database: Database) -> Iterator[tuple[Row, str]]:
    for name, table in database.tables.items():
        columns = [column.name for column in table.columns if column.category in ("Formatted", "Template", "Shortcut")]
        for row in database.rows(name) if columns else []:
            yield from ((row, row.text(column)) for column in columns if row[column])


_OWNED = ("IniFile", "RemoveIniFile", "Registry", "RemoveRegistry", "ServiceControl", "ServiceInstall", "Shortcut",
          "Class", "Environment")  # fmt: skip


@rule(Level.ERROR, Level.WARNING)
def ice69(database: Database) -> Findings:
    """``[#file]``, ``[!file]`` and ``[$component]`` name rows that are there, and of the row's own component; another
    component of the same feature is a warning."""
    placed = features(database)
    for row, text in _formatted(database):
        for mark, key in _REFERENCE.findall(text):
            table = "Component" if mark == "$" else "File"
            target = None if "[" in key else database.get(table, key)
            if target is None:
                if "[" not in key:
                    yield error(row, f"[{mark}{key}] refers to {table} “{key}”, which is not there")
                continue
            other = target["Component" if mark == "$" else "Component_"]
            if row.table.name in _OWNED and other != row["Component_"]:
                message = f"[{mark}{key}] refers to the component {other}, and the row belongs to {row['Component_']}"
                same = placed.get(other, set()) & placed.get(row["Component_"], set())
                yield warning(row, message) if same else error(row, message)


@rule()
def ice79(database: Database) -> Findings:
    """Components (``$``, ``?``) and features (``&``, ``!``) in conditions are there."""
    for row, column, names in conditions(database):
        for name in names:
            table = {"$": "Component", "?": "Component", "&": "Feature", "!": "Feature"}.get(name[0])
            if table and database.get(table, name[1:]) is None:
                yield error(row, f"{column}: {name} refers to {table} “{name[1:]}”, which is not there")


@rule(Level.WARNING)
def ice86(database: Database) -> Findings:
    """Conditions use Privileged rather than AdminUser."""
    for row, column, names in conditions(database):
        if "AdminUser" in names:
            yield warning(row, f"{column} uses AdminUser; Privileged also covers administrators' policies")

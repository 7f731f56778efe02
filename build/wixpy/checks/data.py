# SPDX-License-Identifier: MIT
"""Checks of values by themselves: every cell against its column (type, range, permitted values, category, foreign
key), columns against the schema, references in text.  Data categories: Windows Installer SDK, “Column Data Types”.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from wixpy import schema
from wixpy.checks.finding import Finding, Findings, Level, error, rule, warning
from wixpy.checks.relations import conditions, features
from wixpy.database import Database, Row
from wixpy.filenames import is_long, is_short
from wixpy.tables import Cell, Column, Table

GUID = re.compile(r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_VERSION = re.compile(r"\d{1,5}(\.\d{1,5}){0,3}")
_LANGUAGES = re.compile(r"\d{1,5}(,\d{1,5})*")
_REFERENCE = re.compile(r"\[([#!$])([^\[\]\\]+)\]")
_WILD = str.maketrans("*?", "xx")
_MAX_VERSION_PART = 65535


def is_version(text: str) -> bool:
    """Whether a text is a.b.c.d with parts up to 65535."""
    return bool(_VERSION.fullmatch(text)) and all(int(part) <= _MAX_VERSION_PART for part in text.split("."))


def is_filename(text: str) -> bool:
    short, bar, long = text.partition("|")
    return is_short(short) and (not bar or is_long(long))


def _is_wild_filename(text: str) -> bool:
    return is_filename(text.translate(_WILD))


def _is_default_dir(text: str) -> bool:
    return all(part in (".", "SourceDir") or is_filename(part) for part in text.split(":"))


def _is_cabinet(text: str) -> bool:
    return bool(IDENTIFIER.fullmatch(text[1:])) if text.startswith("#") else is_short(text)


def _is_condition(text: str) -> bool:
    """Quotes and parentheses of a condition in balance."""
    depth = 0
    for token in re.findall(r'"[^"]*"|["()]', text):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == '"' or depth < 0:
            return False
    return depth == 0


def _is_key(text: str) -> bool:
    return not text.startswith("\\") and not text.endswith("\\") and "\\\\" not in text


def _is_shortcut(text: str) -> bool:
    return bool(IDENTIFIER.fullmatch(text)) or text.startswith("[")


CATEGORIES: dict[str, Callable[[str], bool]] = {
    "Cabinet": _is_cabinet,
    "Condition": _is_condition,
    "CustomSource": lambda text: bool(IDENTIFIER.fullmatch(text)),
    "DefaultDir": _is_default_dir,
    "Filename": is_filename,
    "Guid": lambda text: bool(GUID.fullmatch(text)),
    "Identifier": lambda text: bool(IDENTIFIER.fullmatch(text)),
    "Language": lambda text: bool(_LANGUAGES.fullmatch(text)),
    "LowerCase": lambda text: text == text.lower(),
    "Property": lambda text: bool(IDENTIFIER.fullmatch(text.removeprefix("%"))),
    "RegPath": _is_key,
    "Shortcut": _is_shortcut,
    "UpperCase": lambda text: text == text.upper(),
    "Version": is_version,
    "WildCardFilename": _is_wild_filename,
}


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


@rule(Level.ERROR, Level.WARNING)
def ice03(database: Database) -> Findings:
    """Each value fits its column as _Validation (else the standard schema) describes it: null, range, permitted
    values, data category, and a row for each foreign key. A text longer than its column is a warning, and so is a
    column that _Validation leaves out."""
    described = {row.cells[:2] for row in database.rows("_Validation")}
    for name, table in database.tables.items():
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
                elif column.is_string and column.size and isinstance(value, str) and len(value) > column.size:
                    yield warning(row, f"{column.name} has {len(value)} characters, more than {column.size}")


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

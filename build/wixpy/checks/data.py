# SPDX-License-Identifier: MIT
"""ICE06: the columns that standard tables have; ICE03: every cell against its column (type, range, permitted values,
category, foreign key); ICE69: references in formatted text.  Data categories: Windows Installer SDK, “Column Data
Types”.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from wixpy import schema
from wixpy.checks.finding import Finding, Level, at
from wixpy.database import Database, Row
from wixpy.filenames import is_long, is_short
from wixpy.tables import Cell, Column

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


def _is_filename(text: str) -> bool:
    short, bar, long = text.partition("|")
    return is_short(short) and (not bar or is_long(long))


def _is_wild_filename(text: str) -> bool:
    return _is_filename(text.translate(_WILD))


def _is_default_dir(text: str) -> bool:
    return all(part in (".", "SourceDir") or _is_filename(part) for part in text.split(":"))


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
    "Filename": _is_filename,
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
    """ICE06: a standard table has its columns in the standard order; others may follow."""
    for name, table in database.tables.items():
        expected = schema.standard().get(name)
        if expected is None:
            continue
        for position, like in enumerate(expected.columns):
            column = table.columns[position] if position < len(table.columns) else None
            if column is None or (column.name, column.is_integer, column.key) != (like.name, like.is_integer, like.key):
                yield Finding("ICE06", f"column {position + 1} of {name} is not {like.name}", name)
                break


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
    except ValueError as error:
        return str(error)
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


def cells(database: Database) -> Iterator[Finding]:
    """ICE03: each value fits its column, each foreign key has its row."""
    for name, table in database.tables.items():
        if name == "_Validation":
            continue
        rows = database.rows(name)
        for position, column in enumerate(table.columns):
            keys = _keys(database, column) if column.key_table else None
            for row in rows:
                value = row.cells[position]
                fault = _cell_fault(column, value, keys)
                if fault:
                    yield at(row, "ICE03", f"{column.name}: {fault}")
                elif column.is_string and column.size and isinstance(value, str) and len(value) > column.size:
                    message = f"{column.name} has {len(value)} characters, more than {column.size}"
                    yield at(row, "ICE03", message, Level.WARNING)


def _formatted(database: Database) -> Iterator[tuple[Row, str]]:
    for name, table in database.tables.items():
        columns = [column.name for column in table.columns if column.category in ("Formatted", "Template", "Shortcut")]
        for row in database.rows(name) if columns else []:
            yield from ((row, row.text(column)) for column in columns if row[column])


def references(database: Database) -> Iterator[Finding]:
    """ICE69: ``[#file]``, ``[!file]`` and ``[$component]`` name rows that are there."""
    for row, text in _formatted(database):
        for mark, key in _REFERENCE.findall(text):
            table = "Component" if mark == "$" else "File"
            if "[" not in key and database.get(table, key) is None:
                yield at(row, "ICE69", f"[{mark}{key}] refers to {table} “{key}”, which is not there")


CHECKS = (cells, references)

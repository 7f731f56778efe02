# SPDX-License-Identifier: MIT
"""Validating a row against ``_Validation`` while it is edited (Windows Installer SDK, MsiViewModify with the
VALIDATE modes, and MsiViewGetError for the faults)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from wixpy.checks.categories import CATEGORIES, FORMATTED, is_formatted
from wixpy.store import Store, Value
from wixpy.tables import Column, Table, Values

VALIDATION = "_Validation"


class Fault(IntEnum):
    """MSIDBERROR: what is wrong with a field."""

    DUPLICATE_KEY = 1
    REQUIRED = 2
    BAD_LINK = 3
    OVERFLOW = 4
    UNDERFLOW = 5
    NOT_IN_SET = 6
    BAD_VERSION = 7
    BAD_CASE = 8
    BAD_GUID = 9
    BAD_WILDCARD = 10
    BAD_IDENTIFIER = 11
    BAD_LANGUAGE = 12
    BAD_FILENAME = 13
    BAD_PATH = 14
    BAD_CONDITION = 15
    BAD_FORMATTED = 16
    BAD_TEMPLATE = 17
    BAD_DEFAULT_DIR = 18
    BAD_REG_PATH = 19
    BAD_CUSTOM_SOURCE = 20
    BAD_PROPERTY = 21
    MISSING_DATA = 22
    BAD_CATEGORY = 23
    BAD_KEY_TABLE = 24
    BAD_RANGE = 25
    BAD_CABINET = 26
    BAD_SHORTCUT = 27
    STRING_OVERFLOW = 28


_OF_CATEGORY = {
    "AnyPath": Fault.BAD_PATH, "Cabinet": Fault.BAD_CABINET, "Condition": Fault.BAD_CONDITION,
    "CustomSource": Fault.BAD_CUSTOM_SOURCE, "DefaultDir": Fault.BAD_DEFAULT_DIR, "Filename": Fault.BAD_FILENAME,
    "Formatted": Fault.BAD_FORMATTED, "FormattedSDDLText": Fault.BAD_FORMATTED, "Guid": Fault.BAD_GUID,
    "Identifier": Fault.BAD_IDENTIFIER, "KeyFormatted": Fault.BAD_FORMATTED, "Language": Fault.BAD_LANGUAGE,
    "LowerCase": Fault.BAD_CASE, "Path": Fault.BAD_PATH, "Paths": Fault.BAD_PATH, "Property": Fault.BAD_PROPERTY,
    "RegPath": Fault.BAD_REG_PATH, "Shortcut": Fault.BAD_SHORTCUT, "Template": Fault.BAD_TEMPLATE,
    "URL": Fault.BAD_PATH, "UpperCase": Fault.BAD_CASE, "Version": Fault.BAD_VERSION,
    "WildCardFilename": Fault.BAD_WILDCARD,
}  # fmt: skip


def field_fault(store: Store, table: Table, column: Column, value: Value) -> Fault | None:
    """What is wrong with a value of a column, None for a sound one.

    >>> from wixpy.database import Database
    >>> store = Store(Database())
    >>> media = store.database.insert("Media", 1, 5, None, None, None, None).table
    >>> store.database.add_validation()
    >>> field_fault(store, media, media.column("DiskId"), 0), field_fault(store, media, media.column("DiskId"), 1)
    (<Fault.UNDERFLOW: 5>, None)
    """
    rule = store.rows(VALIDATION).get((table.name, column.name))
    if rule is None:
        return Fault.MISSING_DATA
    nullable, low, high, key_table, key_column, category, choices = rule[2:9]
    if value is None and nullable not in ("Y", "@"):
        return Fault.REQUIRED
    listed = str(choices).split(";") if choices else []
    if value is None or isinstance(value, bytes) or str(value) in listed:
        return None
    if key_table and not _is_linked(store, str(key_table), key_column, value):
        return Fault.BAD_LINK
    if isinstance(value, int) or column.is_integer:
        return _number_fault(value, low, high, listed)
    return _text_fault(column, value, str(category), listed)


def _number_fault(value: int | str, low: Value, high: Value, listed: list[str]) -> Fault | None:
    if not isinstance(value, int):
        return Fault.BAD_CATEGORY
    if isinstance(low, int) and value < low:
        return Fault.UNDERFLOW
    if isinstance(high, int) and value > high:
        return Fault.OVERFLOW
    return Fault.NOT_IN_SET if listed else None


def _text_fault(column: Column, value: str, category: str, listed: list[str]) -> Fault | None:
    if column.size and len(value) > column.size:
        return Fault.STRING_OVERFLOW
    if category in CATEGORIES and not CATEGORIES[category](value):
        return _OF_CATEGORY[category]
    if category in FORMATTED and not is_formatted(value):
        return _OF_CATEGORY[category]
    if category in CATEGORIES:
        return None
    return Fault.NOT_IN_SET if listed else None


def _is_linked(store: Store, key_table: str, key_column: Value, value: int | str) -> bool:
    """Whether a foreign key has its row in one of the tables."""
    position = key_column - 1 if isinstance(key_column, int) else 0
    for name in key_table.split(";"):
        table = store.table(name)
        if table is None or not 0 <= position < len(table.columns):
            continue
        rows = store.rows(name)
        if table.key_count == 1 and position == 0:
            if (value,) in rows:
                return True
        elif any(row[position] == value for row in rows.values()):
            return True
    return False


def referring(store: Store, table: Table, row: Values) -> Iterator[tuple[str, str]]:
    """Table and column of the rows that refer to the key of ``row``; columns that may refer to several tables do not
    count.

    >>> from wixpy.database import Database
    >>> store = Store(Database())
    >>> component = store.database.insert("Component", "C", None, "D", 0, None, None)
    >>> _ = store.database.insert("File", "f", "C", "f.txt", 0, None, None, 0, 1)
    >>> store.database.add_validation()
    >>> list(referring(store, component.table, component.cells))
    [('File', 'Component_')]
    """
    for rule in list(store.rows(VALIDATION).values()):
        name, column, key_table, key_column = str(rule[0]), str(rule[1]), rule[5], rule[6]
        other = store.table(name)
        position = (key_column if isinstance(key_column, int) else 1) - 1
        if key_table != table.name or other is None or column not in other.index or position >= table.key_count:
            continue
        place = other.index[column]
        rows = store.rows(name).values()
        if any(each[place] == row[position] and not (other.name == table.name and each == row) for each in rows):
            yield name, column

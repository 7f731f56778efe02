# SPDX-License-Identifier: MIT
"""The tables of the Windows Installer SDK (“Database Tables”), read from ``data/standard.schema``, and those that only
some packages have, merge modules among them (“Merge Module Database Tables”), from ``data/further.schema``.

A data file has a table's name at the margin and below it a line a column: name (``*`` after a key), type, and what
``_Validation`` says: ``low..high``, ``> Table.column`` (column 1 when not given, alternatives by ``;``), ``{a;b}`` for
the permitted values, and the data category.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from wixpy.tables import Column, Table, Values
from wixpy.texts import OnDemand, data, lines, sections

_COLUMN = re.compile(
    r"(?P<name>\w+)(?P<key>\*?)\s+(?P<type>[silvSILV]\d+)"
    r"(?:\s+(?P<minimum>-?\d+)?\.\.(?P<maximum>-?\d+)?)?"
    r"(?:\s+>\s*(?P<key_table>[\w;]+)(?:\.(?P<key_column>\d+))?)?"
    r"(?:\s+\{(?P<choices>[^}]+)\})?"
    r"(?:\s+(?P<category>\w+))?"
)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def parse(text: str) -> Mapping[str, Table]:
    """Tables of a schema text by name; asking for one raises ValueError when it has a line of another form.

    >>> parse("Fruit\\n  Name* s72 Identifier\\n  Colour I2 0..9")["Fruit"].column("Colour").maximum
    9
    """
    tables = dict(sections(text))
    return OnDemand(tables, lambda name: Table(name, tuple(map(_column, lines(tables[name])))))


def _column(line: str) -> Column:
    match = _COLUMN.fullmatch(line)
    if match is None:
        raise ValueError(f"not a column of a schema: {line}")
    key_table = match["key_table"]
    return Column(
        match["name"], match["type"], bool(match["key"]), _number(match["minimum"]), _number(match["maximum"]),
        key_table, _number(match["key_column"]) or (1 if key_table else None), match["category"], match["choices"],
    )  # fmt: skip


@cache
def base() -> Mapping[str, Table]:
    """The tables that a new database of msilib has, by name.

    >>> list(base()["Property"].index)
    ['Property', 'Value']
    """
    return parse(data("standard.schema"))


@cache
def standard() -> Mapping[str, Table]:
    """All standard tables by name.

    >>> "ModuleSignature" in standard(), "ModuleSignature" in base()
    (True, False)
    """
    return parse(data("standard.schema") + data("further.schema"))


def validation_rows(table: Table) -> list[Values]:
    """The rows of ``_Validation`` that describe a table; descriptions are left to the SDK.

    >>> validation_rows(standard()["Property"])[0]
    ('Property', 'Property', 'N', None, None, None, None, 'Identifier', None, None)
    """
    return [
        (
            table.name, column.name, "Y" if column.nullable else "N", column.minimum, column.maximum,
            column.key_table, column.key_column, column.category, column.choices, None,
        )
        for column in table.columns
    ]  # fmt: skip

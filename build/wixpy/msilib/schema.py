# SPDX-License-Identifier: MIT
"""The standard tables: one attribute a table, ``tables`` with all of them, ``_Validation_records`` with their rules."""

from __future__ import annotations

from wixpy import schema as _schema
from wixpy.msilib._tables import Field
from wixpy.msilib._tables import Table as _Table

tables: list[_Table] = []
_Validation_records: list[tuple[Field, ...]] = []


def _describe() -> None:
    for standard in _schema.base().values():
        table = _Table(standard.name)
        for number, column in enumerate(standard.columns, 1):
            table.add_field(number, column.name, column.bits)
        tables.append(table)
        _Validation_records.extend(_schema.validation_rows(standard))
        globals()[standard.name] = table


_describe()

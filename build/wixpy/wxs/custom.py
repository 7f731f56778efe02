# SPDX-License-Identifier: MIT
"""Tables of an author's own (CustomTable), and rows for standard ones."""

from __future__ import annotations

from wixpy.schema import standard
from wixpy.tables import Cell, Column, Table
from wixpy.wxs.compilation import Compilation
from wixpy.wxs.source import Node

_STRING_WIDTHS, _INTEGER_WIDTHS = range(256), (2, 4)


def custom_table(compilation: Compilation, node: Node) -> None:
    """CustomTable: columns, where the table is not one of Windows Installer's, and rows."""
    name, tables = node.need("Id"), compilation.database.tables
    columns = tuple(_column(child) for child in node.children if child.name == "Column")
    if columns and (name in tables or name in standard()):
        raise node.error(f"the table {name} is there already", "remove its columns, or choose another Id")
    if not columns and name not in tables and name not in standard():
        raise node.error(f"the table {name} has no columns", "add <Column …/>, in the CustomTable that comes first")
    if columns:
        keys = [column.key for column in columns]
        if not keys[0] or keys != sorted(keys, reverse=True):
            raise node.error(
                f"the key of the table {name} is not at its start", "put columns with PrimaryKey='yes' first"
            )
        compilation.database.add_table(Table(name, columns))
    for row in node.children:
        if row.name == "Row":
            _row(compilation, row, tables.get(name) or standard()[name])


def _column(node: Node) -> Column:
    kind, width = node.need("Type"), node.number("Width")
    if kind == "string":
        letter = "l" if node.yes("Localizable") else "s"
        width = width or 0
        if width not in _STRING_WIDTHS:
            raise node.error(f"the width {width} is too large", "give up to 255, or 0 for any length")
    elif kind == "int":
        letter, width = "i", width or 2
        if width not in _INTEGER_WIDTHS:
            raise node.error(f"integers have no width of {width} bytes", "give 2 or 4")
    else:
        letter, width = "v", 0
    category = node.get("Category")
    return Column(
        node.need("Id"), f"{letter.upper() if node.yes('Nullable') else letter}{width}", node.yes("PrimaryKey"),
        node.number("MinValue"), node.number("MaxValue"), node.get("KeyTable"), node.number("KeyColumn"),
        category[0].upper() + category[1:] if category else None, node.get("Set"),
    )  # fmt: skip


def _row(compilation: Compilation, node: Node, table: Table) -> None:
    cells: dict[str, Cell | bytes] = {}
    for data in node.children:
        column = table.columns[table.index[data.need("Column")]] if data.need("Column") in table.index else None
        if column is None:
            raise data.error(f"{table.name} has no column {data.need('Column')}", f"it has {', '.join(table.index)}")
        if column.name in cells:
            raise data.error(f"the row has {column.name} twice", "remove one")
        if column.is_binary:
            cells[column.name] = compilation.source_bytes(data, "Column", data.text)
        elif column.is_integer and data.text:
            try:
                cells[column.name] = int(data.text)
            except ValueError:
                raise data.error(f"“{data.text}” is not an integer", "give decimal digits") from None
        else:
            cells[column.name] = data.text or None
    compilation.insert(node, table.name, *(cells.get(name) for name in table.index))

# SPDX-License-Identifier: MIT
"""Rows of ActionText and UIText for the standard actions and controls, in English."""

from __future__ import annotations

import os

from wixpy.texts import data as _data

dirname = os.path.dirname(__file__)  # noqa: PTH120


def _rows(table: str, width: int) -> list[tuple[str | None, ...]]:
    """The rows of a table, with None where a field is missing."""
    rows: list[tuple[str | None, ...]] = []
    current = ""
    for line in _data("standard.text").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if not line[0].isspace():
            current = line
        elif current == table:
            fields = [field.strip() or None for field in line.split(" |")]
            rows.append((*fields, *[None] * (width - len(fields))))
    return rows


ActionText = _rows("ActionText", 3)
UIText = _rows("UIText", 2)
tables = ["ActionText", "UIText"]

# SPDX-License-Identifier: MIT
"""What a check reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from wixpy.database import Row
from wixpy.tables import Cell


class Level(IntEnum):
    """An error makes a package unfit; a warning points at something that works and is questionable."""

    ERROR = 0
    WARNING = 1


@dataclass(frozen=True)
class Finding:
    """One fault: the rule it breaks, a sentence, and the row (table and key) it is in."""

    rule: str
    message: str
    table: str = ""
    key: tuple[Cell, ...] = ()
    level: Level = Level.ERROR

    def __str__(self) -> str:
        place = f" [{self.table} {' '.join(map(str, self.key))}]" if self.table else ""
        return f"{self.rule} {self.level.name.lower()}: {self.message}{place}"


def at(row: Row, rule: str, message: str, level: Level = Level.ERROR) -> Finding:
    """A finding in a row."""
    return Finding(rule, message, row.table.name, row.key, level)

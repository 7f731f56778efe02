# SPDX-License-Identifier: MIT
"""What a check reports, and the registry of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

from wixpy.database import Database, Row
from wixpy.tables import Cell


class Level(IntEnum):
    """An error makes a package unfit; a warning points at something that works and is questionable."""

    ERROR = 0
    WARNING = 1


class Finding(NamedTuple):
    """One fault: the rule it breaks, a sentence, and the row (table and key) it is in."""

    rule: str
    message: str
    table: str = ""
    key: tuple[Cell, ...] = ()
    level: Level = Level.ERROR

    def __str__(self) -> str:
        place = f" [{self.table} {' '.join(map(str, self.key))}]" if self.table else ""
        return f"{self.rule} {self.level.name.lower()}: {self.message}{place}"


Findings = Iterator[Finding]
Check = Callable[[Database], Findings]


class Rule(NamedTuple):
    """A check under its name, with the levels of what it reports; its description is the check's docstring."""

    name: str
    levels: tuple[Level, ...]
    check: Check

    @property
    def description(self) -> str:
        return " ".join((self.check.__doc__ or "").split())

    def run(self, database: Database) -> Findings:
        for finding in self.check(database):
            yield finding._replace(rule=self.name)


RULES: dict[str, Rule] = {}


def rule(*levels: Level) -> Callable[[Check], Check]:
    """Register a check under its function's name in capitals, with the levels it reports (an error if not said)."""

    def register(check: Check) -> Check:
        name = check.__name__.strip("_").upper()
        RULES[name] = Rule(name, levels or (Level.ERROR,), check)
        return check

    return register


def error(row: Row | None, message: str) -> Finding:
    """An error in a row, or in the package as a whole."""
    return Finding("", message) if row is None else Finding("", message, row.table.name, row.key)


def warning(row: Row | None, message: str) -> Finding:
    """A warning about a row, or about the package as a whole."""
    return error(row, message)._replace(level=Level.WARNING)

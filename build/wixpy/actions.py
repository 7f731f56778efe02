# SPDX-License-Identifier: MIT
"""The standard actions and their places in the sequence tables, read from ``data/standard.actions``, and what the
number of a custom action's type says (Windows Installer SDK, “Summary List of All Custom Action Types”)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from functools import cache
from typing import NamedTuple

from wixpy.texts import data, lines, sections

SEQUENCE_TABLES = (
    "InstallExecuteSequence",
    "InstallUISequence",
    "AdminExecuteSequence",
    "AdminUISequence",
    "AdvtExecuteSequence",
)
KIND_MASK = 0x3F


class ActionType(IntFlag):
    """Options in the type of a custom action; the low six bits are its kind."""

    CONTINUE = 0x40
    ASYNC = 0x80
    FIRST_SEQUENCE = 0x100
    ONCE_PER_PROCESS = 0x200
    DEFERRED = 0x400
    ROLLBACK = 0x500
    COMMIT = 0x600
    NO_IMPERSONATE = 0x800
    SCRIPT_64BIT = 0x1000
    HIDE_TARGET = 0x2000
    TERMINAL_SERVER_AWARE = 0x4000


class StandardAction(NamedTuple):
    """A standard action in one sequence table; ``tables`` are those whose rows need it, None when it always runs."""

    name: str
    number: int
    tables: tuple[str, ...] | None


@cache
def standard() -> Mapping[str, Mapping[str, StandardAction]]:
    """Standard actions by sequence table and name."""
    return {
        table: {action.name: action for action in map(_action, lines(below))}
        for table, below in sections(data("standard.actions"))
    }


def _action(line: str) -> StandardAction:
    name, number, *needed = line.split()
    tables = None if needed == ["always"] else tuple(table for table in needed if table != "-")
    return StandardAction(name, int(number), tables)


@cache
def standard_names() -> frozenset[str]:
    """The names of all standard actions."""
    return frozenset(name for actions in standard().values() for name in actions)

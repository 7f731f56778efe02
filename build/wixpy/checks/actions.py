# SPDX-License-Identifier: MIT
"""Checks of custom actions and sequence tables (ICE12, 26, 27, 61, 63, 68, 75, 77, 82)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from wixpy.actions import KIND_MASK, SEQUENCE_TABLES, ActionType, standard_names
from wixpy.checks.finding import Finding, Level, at
from wixpy.database import Database, Row

_REQUIRED = {
    "InstallExecuteSequence": (
        "CostInitialize", "FileCost", "CostFinalize", "InstallValidate", "InstallInitialize", "ProcessComponents",
        "UnpublishFeatures", "RegisterUser", "RegisterProduct", "PublishFeatures", "PublishProduct", "InstallFinalize",
    ),
    "InstallUISequence": ("CostInitialize", "FileCost", "CostFinalize", "ExecuteAction"),
    "AdminExecuteSequence": (
        "CostInitialize", "FileCost", "CostFinalize", "InstallValidate", "InstallInitialize", "InstallAdminPackage",
        "InstallFiles", "InstallFinalize",
    ),
    "AdminUISequence": ("CostInitialize", "FileCost", "CostFinalize", "ExecuteAction"),
    "AdvtExecuteSequence": (
        "CostInitialize", "CostFinalize", "InstallValidate", "InstallInitialize", "PublishFeatures", "PublishProduct",
        "InstallFinalize",
    ),
}  # fmt: skip
_ORDER = (
    "CostInitialize", "FileCost", "CostFinalize", "InstallValidate", "InstallInitialize", "RemoveFiles", "InstallFiles",
    "InstallFinalize",
)  # fmt: skip
_SOURCES = {
    1: "Binary",
    2: "Binary",
    5: "Binary",
    6: "Binary",
    17: "File",
    18: "File",
    21: "File",
    22: "File",
    34: "Directory",
    35: "Directory",
}
_NO_SOURCE_TABLE = {19, 37, 38, 50, 51, 53, 54}
_NOT_DEFERRED = {19, 35, 51}


def _numbers(database: Database, table: str) -> dict[str, int]:
    """Positive sequence numbers by action."""
    return {row.text("Action"): row.number("Sequence") for row in database.rows(table) if row.number("Sequence") > 0}


def _scheduled(database: Database) -> Iterator[tuple[Row, Row, dict[str, int]]]:
    """Rows of sequence tables with their custom action and all numbers of the table."""
    for table in SEQUENCE_TABLES:
        numbers = _numbers(database, table)
        for row in database.rows(table):
            action = database.get("CustomAction", row["Action"])
            if action is not None:
                yield row, action, numbers


def kinds(database: Database) -> Iterator[Finding]:
    """ICE68: types of custom actions that exist, with sources that are there."""
    for row in database.rows("CustomAction"):
        kind = row.number("Type") & KIND_MASK
        table = _SOURCES.get(kind)
        if table is None and kind not in _NO_SOURCE_TABLE:
            yield at(row, "ICE68", f"{row.number('Type')} is no type of a custom action")
        elif table and database.get(table, row["Source"]) is None:
            yield at(row, "ICE68", f"the source “{row.text('Source')}” is not in {table}")
        elif kind in _NOT_DEFERRED and row.number("Type") & ActionType.DEFERRED:
            yield at(row, "ICE68", "an action that sets a property or ends the installation cannot be deferred")


def sequences(database: Database) -> Iterator[Finding]:
    """ICE26 (required actions), ICE27 (actions that exist, order of standard ones) and ICE82 (distinct numbers)."""
    for table in SEQUENCE_TABLES:
        if not database.rows(table):
            continue
        numbers = _numbers(database, table)
        for action in _REQUIRED[table]:
            if action not in numbers:
                yield Finding("ICE26", f"{action} is missing", table, (action,))
        present = [action for action in _ORDER if action in numbers]
        for first, second in pairwise(present):
            if numbers[first] >= numbers[second]:
                yield Finding("ICE27", f"{first} must come before {second}", table, (second,))
        seen: dict[int, str] = {}
        for row in database.rows(table):
            action, number = row.text("Action"), row.number("Sequence")
            known = action in standard_names() or database.get("CustomAction", action) or database.get("Dialog", action)
            if not known:
                yield at(row, "ICE27", f"{action} is neither a standard action, a custom action nor a dialog")
            if number and number in seen:
                yield at(row, "ICE82", f"{action} and {seen[number]} have the same number {number}", Level.WARNING)
            seen[number] = action


def deferred(database: Database) -> Iterator[Finding]:
    """ICE77: deferred actions run between InstallInitialize and InstallFinalize."""
    for row, action, numbers in _scheduled(database):
        if not action.number("Type") & ActionType.DEFERRED:
            continue
        start, end = numbers.get("InstallInitialize"), numbers.get("InstallFinalize")
        if start is None or end is None or not start < row.number("Sequence") < end:
            yield at(
                row,
                "ICE77",
                f"the deferred action {row['Action']} is not between InstallInitialize and InstallFinalize",
            )


def directories(database: Database) -> Iterator[Finding]:
    """ICE12: type 35 after CostFinalize; type 51 that sets a directory before it."""
    for row, action, numbers in _scheduled(database):
        kind, number = action.number("Type") & KIND_MASK, row.number("Sequence")
        costed = numbers.get("CostFinalize")
        if kind == 35 and (costed is None or number < costed):
            yield at(row, "ICE12", f"{row['Action']} (type 35) must come after CostFinalize")
        if kind == 51 and database.get("Directory", action["Source"]) and costed is not None and number > costed:
            yield at(
                row, "ICE12", f"{row['Action']} (type 51) sets the directory {action['Source']} after CostFinalize"
            )


def installed_sources(database: Database) -> Iterator[Finding]:
    """ICE75: actions that run an installed file come after CostFinalize."""
    for row, action, numbers in _scheduled(database):
        if _SOURCES.get(action.number("Type") & KIND_MASK) == "File":
            costed = numbers.get("CostFinalize")
            if costed is None or 0 < row.number("Sequence") < costed:
                yield at(row, "ICE75", f"{row['Action']} runs an installed file and must come after CostFinalize")


def upgrades(database: Database) -> Iterator[Finding]:
    """ICE61 (properties of the Upgrade table) and ICE63 (where RemoveExistingProducts may stand)."""
    secure = (database.property("SecureCustomProperties") or "").split(";")
    for row in database.rows("Upgrade"):
        name = row.text("ActionProperty")
        if name not in secure:
            yield at(row, "ICE61", f"{name} must be in SecureCustomProperties")
        if database.property(name) is not None:
            yield at(row, "ICE61", f"{name} must not be in the Property table")
    removes = any(not row.number("Attributes") & 2 for row in database.rows("Upgrade"))
    numbers = _numbers(database, "InstallExecuteSequence")
    place = numbers.get("RemoveExistingProducts")
    if removes and place is None:
        yield Finding(
            "ICE63",
            "products to remove are found and RemoveExistingProducts is not scheduled",
            "InstallExecuteSequence",
        )
    start, end = numbers.get("InstallInitialize", 0), numbers.get("InstallFinalize", 0)
    if place is not None and start < place < end:
        scripted = [
            a for a, n in numbers.items() if start < n < place and a not in ("AllocateRegistrySpace", "DisableRollback")
        ]
        if scripted and "InstallExecute" not in scripted and "InstallExecuteAgain" not in scripted:
            message = f"RemoveExistingProducts comes after {scripted[0]}, whose changes are not yet made"
            yield Finding("ICE63", message, "InstallExecuteSequence", ("RemoveExistingProducts",))
    elif place is not None and place < numbers.get("InstallValidate", 0):
        yield Finding("ICE63", "RemoveExistingProducts must come after InstallValidate", "InstallExecuteSequence")


CHECKS = (kinds, sequences, deferred, directories, installed_sources, upgrades)

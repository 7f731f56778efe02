# SPDX-License-Identifier: MIT
"""What tables say together: where directories lie, which features install a component, what a key path is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wixpy.database import Database, Row
from wixpy.summary import Pid
from wixpy.tables import Cell

REGISTRY_KEY_PATH, ODBC_KEY_PATH = 4, 32
CLASSES_ROOT, CURRENT_USER, LOCAL_MACHINE, EITHER = 0, 1, 2, -1
# Folders of the user's profile; the first line varies with ALLUSERS, the second does not.
SHARED_PROFILE_FOLDERS = frozenset(("DesktopFolder", "ProgramMenuFolder", "StartMenuFolder", "StartupFolder",
                                    "TemplateFolder"))  # fmt: skip
USER_FOLDERS = frozenset(("AppDataFolder", "FavoritesFolder", "NetHoodFolder", "PersonalFolder", "PrintHoodFolder",
                          "RecentFolder", "SendToFolder", "MyPicturesFolder", "LocalAppDataFolder"))  # fmt: skip
PROFILE_FOLDERS = SHARED_PROFILE_FOLDERS | USER_FOLDERS
# 64-bit platforms and the least schema of a package for one.
_64BIT_PLATFORMS = {"x64": 200, "AMD64": 200, "Intel64": 200, "Arm64": 500}
_WORD = re.compile(r'"[^"]*"|[%$?&!]?[A-Za-z_][\w.]*')
_OPERATORS = frozenset(("AND", "OR", "NOT", "XOR", "EQV", "IMP"))


def group(rows: list[Row], column: str) -> dict[Cell, list[Row]]:
    """Rows by the value of a column."""
    groups: dict[Cell, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


_MAX_DEPTH = 260  # MAX_PATH characters


def lineage(database: Database, directory: str) -> Iterator[str]:
    """A directory and those above it, nearest first; ends at a root, or where the rows run in a circle or deeper than
    any path."""
    seen: set[str] = set()
    while directory and directory not in seen and len(seen) < _MAX_DEPTH:
        seen.add(directory)
        yield directory
        row = database.get("Directory", directory)
        directory = row.text("Directory_Parent") if row else ""


def below(database: Database, directory: Cell, folders: frozenset[str]) -> str | None:
    """Which of some folders a directory is or lies below, None for no one."""
    return next((name for name in lineage(database, str(directory)) if name in folders), None)


def profile_folders(database: Database) -> frozenset[str]:
    """The folders that are the user's: all of the profile, without those that are the machine's in a package which
    sets ALLUSERS to 1."""
    return USER_FOLDERS if database.property("ALLUSERS") == "1" else PROFILE_FOLDERS


def features(database: Database) -> dict[Cell, set[Cell]]:
    """The features that install a component, by component."""
    found: dict[Cell, set[Cell]] = {}
    for row in database.rows("FeatureComponents"):
        found.setdefault(row["Component_"], set()).add(row["Feature_"])
    return found


def key_table(component: Row) -> str:
    """The table that a component's key path is a row of."""
    attributes = component.number("Attributes")
    if attributes & REGISTRY_KEY_PATH:
        return "Registry"
    return "ODBCDataSource" if attributes & ODBC_KEY_PATH else "File"


def key_root(database: Database, component: Row) -> int | None:
    """The registry root of a component's key path; None when the key path is no registry value."""
    if key_table(component) != "Registry":
        return None
    row = database.get("Registry", component["KeyPath"])
    return None if row is None else row.number("Root")


def is_advertised(database: Database, shortcut: Row) -> bool:
    """Whether a shortcut's target is a feature."""
    return database.get("Feature", shortcut["Target"]) is not None


def numbers(database: Database, table: str) -> dict[str, int]:
    """Positive sequence numbers by action."""
    return {row.text("Action"): row.number("Sequence") for row in database.rows(table) if row.number("Sequence") > 0}


def is_64bit(database: Database) -> bool:
    """Whether the template of the summary names a 64-bit platform."""
    return least_schema(database) is not None


def least_schema(database: Database) -> int | None:
    """The least schema of a package for the 64-bit platform that the template names, None when it names another."""
    return _64BIT_PLATFORMS.get(str(database.summary.get(Pid.TEMPLATE, "")).partition(";")[0])


def installer_schema(database: Database) -> int | None:
    """The least version of Windows Installer times 100 (page count of the summary), None when it is missing."""
    schema = database.summary.get(Pid.PAGE_COUNT)
    return schema if isinstance(schema, int) else None


def conditions(database: Database) -> Iterator[tuple[Row, str, list[str]]]:
    """Cells of the category Condition: row, column, and the names in it with the sign before them (``%$?&!``)."""
    for name, table in database.tables.items():
        for column in table.columns:
            if column.category == "Condition":
                for row in database.rows(name):
                    if row[column.name] is not None:
                        words = _WORD.findall(row.text(column.name))
                        yield row, column.name, [word for word in words if _is_name(word)]


def _is_name(word: str) -> bool:
    return word[0] != '"' and word.upper() not in _OPERATORS


def version_key(text: str) -> tuple[int, ...]:
    """A product version for comparison: its first three parts; empty for a text that is none."""
    parts = text.split(".")[:3]
    if not all(part.isdecimal() and len(part) <= 5 for part in parts):
        return ()
    return tuple(int(part) for part in parts) + (0,) * (3 - len(parts))

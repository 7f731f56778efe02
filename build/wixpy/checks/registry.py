# SPDX-License-Identifier: MIT
"""Checks of what a package writes into the registry, environment, services and access rights."""

from __future__ import annotations

import re

from wixpy.checks.finding import Finding, Findings, Level, error, rule, warning
from wixpy.checks.relations import CLASSES_ROOT
from wixpy.database import Database

_CLASSES = r"(?i)(CLSID|AppID|TypeLib|MIME\\Database|\.[^\\]+|[^\\]+\\(shell|CLSID))(\\|$)"
_CLASSES_KEY = "software\\classes\\"
_PRIVATE = (
    "software\\microsoft\\windows\\currentversion\\installer\\", "software\\policies\\microsoft\\windows\\installer\\",
)  # fmt: skip
_INTEGER = r"#[+-]?\d+"
_HEXADECIMAL = r"#[xX][0-9A-Fa-f]+"
_PROPERTY = r"\[[^\[\]#!$][^\[\]]*\]"
_NULL = "[~]"
_SERVICE_EVENTS = 7
_FLAGS = {3: ("0", "1"), 4: ("0", "1"), 5: ("0", "1", "3")}
_PRIVILEGES, _PRESHUTDOWN = 6, 7
_DSN = r"[^\[\]{}(),;?*=!@\\]{1,32}"


@rule(Level.WARNING)
def ice33(database: Database) -> Findings:
    """Classes, extensions, ProgIDs, verbs, AppIDs, MIME types and type libraries are in tables of their own rather
    than in Registry. (Windows Installer takes both: it is advertisement that needs the tables.)"""
    for row in database.rows("Registry"):
        key = row.text("Key")
        if key.lower().startswith(_CLASSES_KEY):
            key = key[len(_CLASSES_KEY) :]
        elif row["Root"] != CLASSES_ROOT:
            continue
        if re.match(_CLASSES, key):
            yield warning(row, f"{key} registers what Class, Extension, ProgId, Verb, AppId, MIME and TypeLib are for")


@rule(Level.WARNING)
def ice49(database: Database) -> Findings:
    """The default value of a key is text."""
    for row in database.rows("Registry"):
        value = row.text("Value")
        if row["Name"] is None and value.startswith("#") and not value.startswith("##"):
            yield warning(row, f"the default value “{value}” is no text")


@rule(Level.WARNING)
def ice53(database: Database) -> Findings:
    """No registry value is private to Windows Installer or one of its policies."""
    for row in database.rows("Registry"):
        if f"{row.text('Key').lower()}\\".startswith(_PRIVATE):
            yield warning(row, f"{row['Key']} is private to Windows Installer")


@rule()
def ice55(database: Database) -> Findings:
    """Objects of LockPermissions are there and have a permission."""
    for row in database.rows("LockPermissions"):
        if database.get(row.text("Table"), row["LockObject"]) is None and not _has_folder(database, row["LockObject"]):
            yield error(row, f"{row['LockObject']} is not in {row['Table']}")
        if row["Permission"] is None:
            yield error(row, "the permission is missing")


def _has_folder(database: Database, directory: object) -> bool:
    return any(row["Directory_"] == directory for row in database.rows("CreateFolder"))


@rule(Level.ERROR, Level.WARNING)
def ice65(database: Database) -> Findings:
    """A part of an environment variable is without separators at its other end, and a separator that is a letter or a
    digit is a warning."""
    for row in database.rows("Environment"):
        value = row.text("Value")
        if value in ("", _NULL):
            continue
        if value.startswith(_NULL):
            separator, rest = value[len(_NULL) : len(_NULL) + 1], value[len(_NULL) + 1 :]
            outer = rest[-1:]
        elif value.endswith(_NULL):
            separator, rest = value[: -len(_NULL)][-1:], value[: -len(_NULL)][:-1]
            outer = rest[:1]
        else:
            continue
        if separator and outer == separator:
            yield error(row, f"“{value}” begins or ends with a separator")
        if separator.isalnum():
            yield warning(row, f"the separator “{separator}” of “{value}” is a letter or a digit")


@rule()
def ice70(database: Database) -> Findings:
    """A registry value that begins with # is a decimal number, #x a hexadecimal one; ## and #% begin text."""
    for row in database.rows("Registry"):
        value = row.text("Value")
        if not value.startswith("#") or value.startswith(("##", "#%")) or re.search(_PROPERTY, value):
            continue
        if value == "#" and row["Name"] is None:
            continue
        if not (re.fullmatch(_INTEGER, value) or re.fullmatch(_HEXADECIMAL, value) or value in ("#x", "#X")):
            yield error(row, f"“{value}” is no number; a text that begins with # has it twice")


@rule(Level.WARNING)
def ice98(database: Database) -> Findings:
    """The name of a data source has at most 32 characters, none of []{}(),;?*=!@\\."""
    for row in database.rows("ODBCDataSource"):
        if not re.fullmatch(_DSN, row.text("Description")):
            yield warning(row, f"“{row['Description']}” is no name of a data source")


@rule(Level.ERROR, Level.WARNING)
def ice102(database: Database) -> Findings:
    """Arguments of MsiServiceConfig fit their kind; actions of MsiServiceConfigFailureActions are as many numbers as
    their delays. What is left to a default is a warning."""
    for row in database.rows("MsiServiceConfig"):
        yield from _event(row.number("Event"), row.table.name, row.key)
        kind, argument = row.number("ConfigType"), row.text("Argument")
        if kind in _FLAGS and argument not in _FLAGS[kind]:
            yield error(row, f"the argument “{argument}” is not one of {', '.join(_FLAGS[kind])}")
        if kind == _PRIVILEGES and not all(re.fullmatch(r"Se\w+Privilege", part) for part in argument.split(_NULL)):
            yield error(row, f"the argument “{argument}” is no list of privileges")
        if kind == _PRESHUTDOWN and argument and not argument.isdecimal():
            yield error(row, f"the argument “{argument}” is no number of milliseconds")
        if kind == _PRESHUTDOWN and not argument:
            yield warning(row, "without an argument the time is 180 seconds")
    for row in database.rows("MsiServiceConfigFailureActions"):
        yield from _event(row.number("Event"), row.table.name, row.key)
        lists = [row.text(column).split(_NULL) if row[column] else [] for column in ("Actions", "DelayActions")]
        for parts in lists:
            if not all(part.isdecimal() for part in parts):
                yield error(row, f"“{_NULL.join(parts)}” is no list of numbers with {_NULL} between them")
        if len(lists[0]) != len(lists[1]):
            yield error(row, f"there are {len(lists[0])} actions and {len(lists[1])} delays")
        if row["ResetPeriod"] is None:
            yield warning(row, "without a reset period failures are counted for ever")


def _event(event: int, table: str, key: tuple[int | str | None, ...]) -> Findings:
    if not 0 < event <= _SERVICE_EVENTS:
        yield Finding("", f"the event {event} is none of install (1), uninstall (2), reinstall (4)", table, key)


@rule()
def ice104(database: Database) -> Findings:
    """LockPermissions and MsiLockPermissionsEx are not both used, and objects of the latter are there."""
    rows = database.rows("MsiLockPermissionsEx")
    if rows and database.rows("LockPermissions"):
        yield error(rows[0], "LockPermissions and MsiLockPermissionsEx cannot be in one package")
    for row in rows:
        if row["Table"] == "CreateFolder":
            found = _has_folder(database, row["LockObject"])
        else:
            found = database.get(row.text("Table"), row["LockObject"]) is not None
        if not found:
            yield error(row, f"{row['LockObject']} is not in {row['Table']}")

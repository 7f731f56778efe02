# SPDX-License-Identifier: MIT
"""Checks of components, their key paths and features."""

from __future__ import annotations

from collections import Counter

from wixpy.checks.finding import Findings, Level, error, rule, warning
from wixpy.checks.relations import (
    CURRENT_USER,
    EITHER,
    LOCAL_MACHINE,
    below,
    features,
    group,
    is_advertised,
    key_root,
    key_table,
    profile_folders,
)
from wixpy.database import Database, Row
from wixpy.tables import Cell

_SHARED, _PERMANENT, _SUPERSEDED = 8, 16, 1024
_MAX_COMPONENTS = 1600
_SYSTEM = frozenset(("SystemFolder", "System16Folder", "System64Folder"))
_FAVOR_ADVERTISE, _DISALLOW_ADVERTISE, _FOLLOW_PARENT = 4, 8, 2


@rule()
def ice02(database: Database) -> Findings:
    """The file, registry value or data source that is a component's key path belongs to that component."""
    for row in database.rows("Component"):
        if row["KeyPath"] is not None:
            table = key_table(row)
            target = database.get(table, row["KeyPath"])
            if target is None or target["Component_"] != row["Component"]:
                yield error(row, f"the key path “{row['KeyPath']}” is no row of {table} of that component")


@rule()
def ice08(database: Database) -> Findings:
    """No two components have one GUID."""
    seen: dict[str, Row] = {}
    for row in database.rows("Component"):
        code = row.text("ComponentId")
        if code and code in seen:
            yield error(row, f"{row['Component']} and {seen[code]['Component']} have the same GUID {code}")
        seen[code] = row


@rule(Level.WARNING)
def ice09(database: Database) -> Findings:
    """Components that put files into the system folder are permanent."""
    filled = {row["Component_"] for row in database.rows("File")}
    for row in database.rows("Component"):
        inside = row.text("Directory_") in _SYSTEM and row["Component"] in filled
        if inside and not row.number("Attributes") & _PERMANENT:
            yield warning(row, f"{row['Component']} installs into {row['Directory_']} and is not permanent")


@rule()
def ice10(database: Database) -> Findings:
    """A feature does not disallow advertisement when its parent, which is there, favours it."""
    for row in database.rows("Feature"):
        if row["Feature_Parent"] is None:
            continue
        parent = database.get("Feature", row["Feature_Parent"])
        if parent is None:
            yield error(row, f"the parent {row['Feature_Parent']} of {row['Feature']} is not there")
        elif row.number("Attributes") & _DISALLOW_ADVERTISE and parent.number("Attributes") & _FAVOR_ADVERTISE:
            yield error(row, f"{row['Feature']} disallows the advertisement that its parent {parent.key[0]} favours")


@rule()
def ice14(database: Database) -> Findings:
    """A feature at the root follows no parent, and no feature is its own parent."""
    for row in database.rows("Feature"):
        if row["Feature_Parent"] is None and row.number("Attributes") & _FOLLOW_PARENT:
            yield error(row, f"{row['Feature']} has no parent to follow")
        if row["Feature_Parent"] == row["Feature"]:
            yield error(row, f"{row['Feature']} is its own parent")


@rule()
def ice18(database: Database) -> Findings:
    """A directory that is a key path and stays empty is made by CreateFolder."""
    folders = {row.cells[:2] for row in database.rows("CreateFolder")}
    filled = {row["Component_"] for row in database.rows("File")}
    for table, column in (("RemoveFile", "DirProperty"), ("DuplicateFile", "DestFolder"), ("MoveFile", "DestFolder")):
        for row in database.rows(table):
            component = database.get("Component", row["Component_"])
            if component is not None and component["Directory_"] == row[column]:
                filled.add(row["Component_"])
    for row in database.rows("Component"):
        name, directory = row["Component"], row["Directory_"]
        if row["KeyPath"] is None and name not in filled and (directory, name) not in folders:
            yield error(row, f"the key path of {name} is {directory}, which CreateFolder does not make for it")


@rule()
def ice21(database: Database) -> Findings:
    """Every component belongs to a feature."""
    placed = features(database)
    for row in database.rows("Component"):
        if row["Component"] not in placed:
            yield error(row, f"{row['Component']} belongs to no feature")


@rule()
def ice38(database: Database) -> Findings:
    """A component in the user's profile has a registry value of HKEY_CURRENT_USER as its key path."""
    filled, profile = {row["Component_"] for row in database.rows("File")}, profile_folders(database)
    for row in database.rows("Component"):
        folder = below(database, row["Directory_"], profile)
        if folder and row["Component"] in filled and key_root(database, row) not in (CURRENT_USER, EITHER):
            yield error(row, f"{row['Component']} installs into {folder}: its key path must be a value of HKCU")


@rule()
def ice43(database: Database) -> Findings:
    """A component with a shortcut in the user's profile that is not advertised has a registry value of
    HKEY_CURRENT_USER as its key path."""
    profile = profile_folders(database)
    for row in database.rows("Shortcut"):
        component = database.get("Component", row["Component_"])
        if component is None or is_advertised(database, row):
            continue
        inside = below(database, row["Directory_"], profile)
        if inside and key_root(database, component) not in (CURRENT_USER, EITHER):
            yield error(row, f"the key path of {component.key[0]} must be a value of HKCU: its shortcut is the user's")


@rule(Level.WARNING)
def ice47(database: Database) -> Findings:
    """A feature has at most 1600 components."""
    for feature, count in Counter(row["Feature_"] for row in database.rows("FeatureComponents")).items():
        row = database.get("Feature", feature)
        if count > _MAX_COMPONENTS and row is not None:
            yield warning(row, f"{feature} has {count} components, more than {_MAX_COMPONENTS}")


@rule(Level.WARNING)
def ice54(database: Database) -> Findings:
    """The key path of a component is no companion file, whose version is that of another."""
    for row in database.rows("Component"):
        file = database.get("File", row["KeyPath"]) if key_table(row) == "File" else None
        if file is not None and database.get("File", file["Version"]) is not None:
            yield warning(
                row, f"the key path {row['KeyPath']} of {row['Component']} is a companion of {file['Version']}"
            )


@rule(Level.ERROR, Level.WARNING)
def ice57(database: Database) -> Findings:
    """A component does not mix data of the user with data of the machine; with a key path of HKEY_CURRENT_USER that is
    a warning. Where the package sets ALLUSERS to 1, what depends on it is the machine's."""
    fixed = database.property("ALLUSERS") == "1"
    registry, files = group(database.rows("Registry"), "Component_"), group(database.rows("File"), "Component_")
    shortcuts, profile = group(database.rows("Shortcut"), "Component_"), profile_folders(database)
    for row in database.rows("Component"):
        name = row["Component"]
        roots = {value.number("Root") for value in registry.get(name, [])}
        in_profile = below(database, row["Directory_"], profile) is not None
        own = any(
            not is_advertised(database, each) and below(database, each["Directory_"], profile)
            for each in shortcuts.get(name, [])
        )
        user = CURRENT_USER in roots or own or (in_profile and name in files)
        machine = LOCAL_MACHINE in roots or (name in files and not in_profile)
        root = key_root(database, row)
        if user and machine:
            message = f"{name} has data of the user and of the machine"
            yield warning(row, message) if root == CURRENT_USER else error(row, message)
        elif EITHER in roots and not fixed and machine and root != EITHER:
            yield error(row, f"{name} has a registry value of the user or the machine, and the machine's key path")
        elif user and root == EITHER and not fixed:
            yield error(row, f"{name} has data of the user, and a key path of the user or the machine")


@rule(Level.ERROR, Level.WARNING)
def ice62(database: Database) -> Findings:
    """Isolated components: the application's key path is a file, the shared one counts its users and comes with the
    feature of the application; a condition of the shared one is a warning, as are two applications in one folder."""
    placed = features(database)
    seen: set[tuple[object, object]] = set()
    for row in database.rows("IsolatedComponent"):
        shared = database.get("Component", row["Component_Shared"])
        application = database.get("Component", row["Component_Application"])
        if shared is None or application is None:
            continue
        if key_table(application) != "File" or application["KeyPath"] is None:
            yield error(row, f"the key path of {application.key[0]} is no file")
        if not shared.number("Attributes") & _SHARED:
            yield error(row, f"{shared.key[0]} does not count its users (SharedDllRefCount)")
        if not _installed_with(database, placed.get(shared.key[0], set()), placed.get(application.key[0], set())):
            yield error(row, f"{shared.key[0]} is not installed with the feature of {application.key[0]}")
        if shared["Condition"] is not None:
            yield warning(row, f"{shared.key[0]} has a condition, which must never become false")
        place = shared.key[0], application["Directory_"]
        if place in seen:
            yield warning(row, f"{shared.key[0]} is isolated for several applications in {place[1]}")
        seen.add(place)


def _installed_with(database: Database, wanted: set[Cell], given: set[Cell]) -> bool:
    """Whether each feature of `given`, or one above it, is among `wanted`."""

    def is_within(feature: Cell) -> bool:
        seen: set[Cell] = set()
        while feature is not None and feature not in seen:
            if feature in wanted:
                return True
            seen.add(feature)
            row = database.get("Feature", feature)
            feature = row["Feature_Parent"] if row else None
        return False

    return all(map(is_within, given))


@rule()
def ice92(database: Database) -> Findings:
    """A component without a GUID is not permanent, and none is both permanent and uninstalled when superseded."""
    for row in database.rows("Component"):
        attributes = row.number("Attributes")
        if attributes & _PERMANENT and row["ComponentId"] is None:
            yield error(row, f"{row['Component']} is permanent and has no GUID")
        if attributes & _PERMANENT and attributes & _SUPERSEDED:
            yield error(row, f"{row['Component']} is permanent and uninstalled when superseded")


@rule()
def ice97(database: Database) -> Findings:
    """No shared component is isolated twice into one directory."""
    seen: dict[tuple[object, object], object] = {}
    for row in database.rows("IsolatedComponent"):
        application = database.get("Component", row["Component_Application"])
        if application is None:
            continue
        place = row["Component_Shared"], application["Directory_"]
        if place in seen:
            yield error(row, f"{seen[place]} and {application.key[0]} isolate {place[0]} into the same {place[1]}")
        seen[place] = application.key[0]

# SPDX-License-Identifier: MIT
"""Checks of advertised features, shortcuts, icons, classes, extensions and assemblies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wixpy.checks.finding import Findings, Level, error, rule, warning
from wixpy.checks.relations import features, is_advertised, key_table, numbers
from wixpy.database import Database, Row
from wixpy.tables import Cell

_LOCAL_OR_SOURCE, _OPTIONAL = 3, 2
_WIN32_ASSEMBLY = 1
_FILE = r"\[[#!]([^\[\]]+)\]"


def _advertised(database: Database) -> Iterator[tuple[Row, Cell, Cell]]:
    """Rows that advertise a feature: the row, the feature and the component."""
    for table in ("Class", "Extension", "TypeLib", "MsiAssembly", "PublishComponent"):
        for row in database.rows(table):
            yield row, row["Feature_"], row["Component_"]
    for row in database.rows("Shortcut"):
        if is_advertised(database, row):
            yield row, row["Target"], row["Component_"]


@rule()
def ice15(database: Database) -> Findings:
    """Each MIME type refers to an extension that refers to a MIME type of that extension, and the other way round."""
    types = {(row["Extension_"], row["ContentType"]) for row in database.rows("MIME")}
    back = {row["Extension"] for row in database.rows("Extension") if (row["Extension"], row["MIME_"]) in types}
    for row in database.rows("MIME"):
        if row["Extension_"] not in back:
            yield error(row, f"the extension {row['Extension_']} does not refer back to {row['ContentType']}")
    returned = {row["MIME_"] for row in database.rows("Extension") if (row["Extension"], row["MIME_"]) in types}
    for row in database.rows("Extension"):
        if row["MIME_"] is not None and row["MIME_"] not in returned and database.get("MIME", row["MIME_"]):
            yield error(row, f"the MIME type {row['MIME_']} does not refer back to {row['Extension']}")


@rule()
def ice19(database: Database) -> Findings:
    """Components that are advertised have a GUID and a file as key path; advertised shortcuts may have a directory."""
    for row, _, name in _advertised(database):
        component = database.get("Component", name)
        if component is None:
            continue
        if component["ComponentId"] is None:
            yield error(row, f"the component {name} has no GUID")
        if row.table.name == "PublishComponent":
            continue
        if component["KeyPath"] is None and row.table.name != "Shortcut":
            yield error(row, f"the key path of {name} is a directory")
        if component["KeyPath"] is not None and key_table(component) != "File":
            yield error(row, f"the key path of {name} is no file")


@rule()
def ice22(database: Database) -> Findings:
    """The feature of a row of PublishComponent installs its component."""
    placed = features(database)
    for row in database.rows("PublishComponent"):
        if row["Feature_"] not in placed.get(row["Component_"], set()):
            yield error(row, f"the feature {row['Feature_']} does not install {row['Component_']}")


@rule(Level.WARNING)
def ice36(database: Database) -> Findings:
    """Each icon is used by a class, a ProgID, a shortcut or ARPPRODUCTICON."""
    used = {row["Icon_"] for table in ("Class", "ProgId", "Shortcut") for row in database.rows(table)}
    used.add(database.property("ARPPRODUCTICON"))
    for row in database.rows("Icon"):
        if row["Name"] not in used:
            yield warning(row, f"the icon {row['Name']} is not used")


@rule()
def ice41(database: Database) -> Findings:
    """The feature of a class or an extension installs its component."""
    placed = features(database)
    for table in ("Class", "Extension"):
        for row in database.rows(table):
            if row["Feature_"] not in placed.get(row["Component_"], set()):
                yield error(row, f"the feature {row['Feature_']} does not install {row['Component_']}")


@rule()
def ice42(database: Database) -> Findings:
    """In-process classes are not in .exe files, and only local servers have arguments and a default handler."""
    for row in database.rows("Class"):
        context = row.text("Context").lower()
        component = database.get("Component", row["Component_"])
        file = database.get("File", component["KeyPath"]) if component and key_table(component) == "File" else None
        if context.startswith("inproc") and file is not None and file.text("FileName").lower().endswith(".exe"):
            yield error(row, f"the in-process server is an .exe file, {file.key[0]}")
        if not context.startswith("localserver"):
            for column in ("Argument", "DefInprocHandler"):
                if row[column] is not None:
                    yield error(row, f"{column} is for local servers, and the context is {row['Context']}")


def _extension(name: str) -> str:
    return name.rpartition("|")[2].rpartition(".")[2].lower() if "." in name else ""


@rule(Level.ERROR, Level.WARNING)
def ice50(database: Database) -> Findings:
    """The icon of an advertised shortcut has its target's extension; one other than .exe and .ico is a warning."""
    for row in database.rows("Shortcut"):
        component = database.get("Component", row["Component_"])
        if row["Icon_"] is None or component is None or not is_advertised(database, row):
            continue
        file = database.get("File", component["KeyPath"]) if key_table(component) == "File" else None
        icon = _extension(row.text("Icon_"))
        if file is not None and icon != _extension(file.text("FileName")):
            yield error(row, f"the icon {row['Icon_']} has another extension than the target {file.text('FileName')}")
        elif icon not in ("exe", "ico"):
            yield warning(row, f"the extension of the icon {row['Icon_']} is neither .exe nor .ico")


@rule()
def ice59(database: Database) -> Findings:
    """The feature that is an advertised shortcut's target installs the shortcut's component."""
    placed = features(database)
    for row in database.rows("Shortcut"):
        if is_advertised(database, row) and row["Target"] not in placed.get(row["Component_"], set()):
            yield error(row, f"the feature {row['Target']} does not install {row['Component_']}")


@rule(Level.WARNING)
def ice67(database: Database) -> Findings:
    """A shortcut that is not advertised has a target of its own component, or of one that stays local or at its
    source."""
    for row in database.rows("Shortcut"):
        match = re.fullmatch(_FILE, row.text("Target"))
        file = database.get("File", match[1]) if match else None
        component = database.get("Component", file["Component_"]) if file else None
        if component is None or component.key[0] == row["Component_"]:
            continue
        if component.number("Attributes") & _LOCAL_OR_SOURCE == _OPTIONAL:
            yield warning(row, f"the target's component {component.key[0]} may move between local and source")


@rule()
def ice83(database: Database) -> Findings:
    """The key path of a Win32 assembly is not its manifest, and InstallExecuteSequence publishes assemblies."""
    rows = database.rows("MsiAssembly")
    present = numbers(database, "InstallExecuteSequence")
    for action in ("MsiPublishAssemblies", "MsiUnpublishAssemblies"):
        if rows and action not in present:
            yield error(rows[0], f"InstallExecuteSequence lacks {action}")
    for row in rows:
        component = database.get("Component", row["Component_"])
        if component is None or not row.number("Attributes") & _WIN32_ASSEMBLY:
            continue
        if row["File_Manifest"] is not None and component["KeyPath"] == row["File_Manifest"]:
            yield error(row, f"the key path of {row['Component_']} is its manifest")


@rule()
def ice89(database: Database) -> Findings:
    """The parent of a ProgID is there."""
    for row in database.rows("ProgId"):
        if row["ProgId_Parent"] is not None and database.get("ProgId", row["ProgId_Parent"]) is None:
            yield error(row, f"the parent {row['ProgId_Parent']} is not there")


@rule(Level.WARNING)
def ice94(database: Database) -> Findings:
    """No shortcut that is not advertised has a file in the global assembly cache as its target."""
    for row in database.rows("Shortcut"):
        assembly = database.get("MsiAssembly", row["Component_"])
        if assembly is not None and assembly["File_Application"] is None and not is_advertised(database, row):
            yield warning(row, f"the target of the shortcut {row['Shortcut']} is in the global assembly cache")

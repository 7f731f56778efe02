# SPDX-License-Identifier: MIT
"""Checks of directories."""

from __future__ import annotations

import re

from wixpy.checks.categories import is_filename
from wixpy.checks.finding import Findings, Level, error, rule, warning
from wixpy.checks.relations import PROFILE_FOLDERS, USER_FOLDERS, below, lineage, profile_folders
from wixpy.database import Database
from wixpy.filenames import is_long
from wixpy.summary import Pid

_DRIVE = r"[A-Za-z]:\\"
_RESERVED = frozenset((
    "ADDDEFAULT", "ADDLOCAL", "ADDSOURCE", "ADVERTISE", "ALLUSERS", "COMPADDDEFAULT", "COMPADDLOCAL", "COMPADDSOURCE",
    "FILEADDDEFAULT", "FILEADDLOCAL", "FILEADDSOURCE", "INSTALLLEVEL", "PATCH", "PATCHREMOVE", "REBOOT", "REINSTALL",
    "REINSTALLMODE", "REMOVE", "ROOTDRIVE", "TRANSFORMS", "ACTION", "CustomActionData", "ProductCode", "ProductName",
    "ProductVersion", "ProductLanguage", "UpgradeCode", "Manufacturer", "Installed", "Privileged", "AdminUser",
    "VersionNT", "VersionNT64", "SourceDir", "UILevel", "MsiHiddenProperties", "SecureCustomProperties",
))  # fmt: skip
_NO_USER = frozenset((
    "AdminToolsFolder", "CommonAppDataFolder", "FontsFolder", "System16Folder", "System64Folder", "SystemFolder",
    "TempFolder", "WindowsFolder", "WindowsVolume",
))  # fmt: skip


@rule(Level.WARNING)
def ice48(database: Database) -> Findings:
    """No directory has a path on a local drive in the Property table."""
    for row in database.rows("Property"):
        if re.match(_DRIVE, row.text("Value")) and database.get("Directory", row["Property"]):
            yield warning(row, f"the directory {row['Property']} is fixed to {row['Value']}")


@rule()
def ice56(database: Database) -> Findings:
    """TARGETDIR, which is SourceDir in the source, is the one root of directories that components use."""
    used = {name for row in database.rows("Component") for name in lineage(database, row.text("Directory_"))}
    for row in database.rows("Directory"):
        name = row["Directory"]
        if row["Directory_Parent"] not in (None, name):
            continue
        if name == "TARGETDIR":
            if row.text("DefaultDir").upper() != "SOURCEDIR":
                yield error(row, f"the name of TARGETDIR is “{row['DefaultDir']}”, not SourceDir")
        elif name in used:
            yield error(row, f"the directory {name} is a root beside TARGETDIR")


@rule()
def ice64(database: Database) -> Findings:
    """RemoveFile removes each directory that the package adds to the user's profile."""
    removed, profile = {row["DirProperty"] for row in database.rows("RemoveFile")}, profile_folders(database)
    for row in database.rows("Directory"):
        name = row.text("Directory")
        parent = row["Directory_Parent"]
        if name in PROFILE_FOLDERS or name in removed or parent is None or row.text("DefaultDir").startswith("."):
            continue
        folder = below(database, parent, profile)
        if folder:
            yield error(row, f"{name} is in the user's {folder} and no row of RemoveFile removes it")


@rule()
def ice85(database: Database) -> Findings:
    """The source name of a row of MoveFile is a long file name."""
    for row in database.rows("MoveFile"):
        name = row.text("SourceName")
        if name and not is_long(name.replace("*", "x").replace("?", "x")):
            yield error(row, f"“{name}” is no file name")


@rule(Level.WARNING)
def ice88(database: Database) -> Findings:
    """The directory of a row of IniFile is a directory, or a property that a value or a search gives."""
    known = {row["Property"] for table in ("Property", "AppSearch") for row in database.rows(table)}
    for row in database.rows("IniFile"):
        name = row["DirProperty"]
        if name is not None and name not in known and database.get("Directory", name) is None:
            yield warning(row, f"{name} is no directory and no property")


@rule(Level.WARNING)
def ice90(database: Database) -> Findings:
    """The directory of a shortcut is no public property, which an upgrade may set otherwise."""
    for row in database.rows("Shortcut"):
        name = row.text("Directory_")
        if name == name.upper() and name != "TARGETDIR" and below(database, name, PROFILE_FOLDERS):
            yield warning(row, f"the directory {name} of the shortcut is a public property")


@rule(Level.WARNING)
def ice91(database: Database) -> Findings:
    """No file, .ini file or shortcut of a package for the machine goes into a folder that is one user's whatever
    ALLUSERS says."""
    if database.property("ALLUSERS") is None:
        return
    for table, column in (("File", ""), ("IniFile", "DirProperty"), ("Shortcut", "Directory_")):
        for row in database.rows(table):
            component = database.get("Component", row["Component_"])
            directory = row[column] if column else component["Directory_"] if component else None
            folder = below(database, directory, USER_FOLDERS)
            if folder:
                yield warning(row, f"{row.key[0]} goes into {folder}, one user's alone")


@rule()
def ice99(database: Database) -> Findings:
    """No directory has the name of a property that Windows Installer keeps for itself."""
    for row in database.rows("Directory"):
        if row["Directory"] in _RESERVED:
            yield error(row, f"the directory {row['Directory']} has the name of a property of Windows Installer")


@rule(Level.WARNING)
def ice105(database: Database) -> Findings:
    """A package that asks for no rights (bit 3 of the summary's word count) keeps to the user: no actions without
    impersonation, no folders of the machine, no services, data sources, assemblies of the machine or values of
    HKEY_LOCAL_MACHINE."""
    words = database.summary.get(Pid.WORD_COUNT)
    if not isinstance(words, int) or not words & 8:
        return
    faults = [
        *(row for row in database.rows("CustomAction") if row.number("Type") & 0xC00 == 0xC00),
        *(row for row in database.rows("Directory") if row["Directory"] in _NO_USER),
        *(row for row in database.rows("MsiAssembly") if row["File_Application"] is None),
        *database.rows("ODBCDataSource"),
        *database.rows("ServiceInstall"),
        *(row for row in database.rows("Registry") if row.number("Root") == 2),
    ]
    for row in faults:
        yield warning(row, f"{row.key[0]} needs the rights of the machine, which the package does not ask for")


@rule()
def name_(database: Database) -> Findings:
    """Directories and files of one folder have distinct 8.3 names."""
    seen: dict[tuple[object, str], tuple[object, str]] = {}
    places = [(row, row["Directory_Parent"], row.text("DefaultDir").partition(":")[0])
              for row in database.rows("Directory")]  # fmt: skip
    for row in database.rows("File"):
        component = database.get("Component", row["Component_"])
        if component is not None:
            places.append((row, component["Directory_"], row.text("FileName")))
    for row, parent, text in places:
        short, bar, _ = text.partition("|")
        if not bar or parent is None or not is_filename(text):
            continue
        other, names = seen.setdefault((parent, short.lower()), (row.key[0], text.lower()))
        conditional = row.table.name == "File" and _has_condition(database, row.text("Component_"))
        # Rows of one name, long and short, mean one directory; ICE30 looks after files.
        if names != text.lower() and not conditional:
            yield error(row, f"{row.key[0]} and {other} have the 8.3 name {short} in {parent}")


def _has_condition(database: Database, component: str) -> bool:
    row = database.get("Component", component)
    return row is not None and row["Condition"] is not None

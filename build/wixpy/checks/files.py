# SPDX-License-Identifier: MIT
"""Checks of files and media."""

from __future__ import annotations

from wixpy.checks.categories import is_version
from wixpy.checks.finding import Findings, Level, error, rule, warning
from wixpy.checks.relations import installer_schema, lineage
from wixpy.database import Database, Row

_SOURCE_ONLY, _OPTIONAL = 1, 2
_NOT_COMPRESSED, _COMPRESSED = 0x2000, 0x4000
_MAX_MEDIA = 80


def _disks(database: Database) -> list[Row]:
    return sorted(database.rows("Media"), key=lambda row: row.number("LastSequence"))


def _disk_of(disks: list[Row], file: Row) -> Row | None:
    return next((disk for disk in disks if file.number("Sequence") <= disk.number("LastSequence")), None)


@rule()
def ice04(database: Database) -> Findings:
    """No file has a sequence number beyond the last of the media."""
    disks = _disks(database)
    last = disks[-1].number("LastSequence") if disks else 0
    for row in database.rows("File"):
        if row.number("Sequence") > last:
            yield error(row, f"the sequence {row['Sequence']} of {row['File']} is beyond the last of the media, {last}")


@rule(Level.WARNING)
def ice07(database: Database) -> Findings:
    """Fonts are installed into the fonts folder."""
    for row in database.rows("Font"):
        file = database.get("File", row["File_"])
        component = database.get("Component", file["Component_"]) if file else None
        if component is not None and component["Directory_"] != "FontsFolder":
            yield warning(row, f"the font {row['File_']} goes into {component['Directory_']}, not FontsFolder")


def _place(database: Database, directory: str, *, short: bool) -> tuple[str, ...]:
    """The target path of a directory in lower case: the identifier of its root and names of folders."""
    parts: list[str] = []
    root = directory
    for identifier in lineage(database, directory):
        root = identifier
        row = database.get("Directory", identifier)
        if row is None or row["Directory_Parent"] in (None, identifier) or identifier.endswith("Folder"):
            break
        names = row.text("DefaultDir").partition(":")[0]
        name = names.partition("|")[0] if short else names.rpartition("|")[2]
        if name != ".":
            parts.insert(0, name.lower())
    return root, *parts


@rule(Level.ERROR, Level.WARNING)
def ice30(database: Database) -> Findings:
    """No two components put a file of one name, long or 8.3, into one directory; when both have conditions that is a
    warning."""
    for short in (False, True):
        paths: dict[str, tuple[str, ...]] = {}
        seen: dict[tuple[tuple[str, ...], str], Row] = {}
        for row in database.rows("File"):
            component = database.get("Component", row["Component_"])
            if component is None:
                continue
            directory = component.text("Directory_")
            if directory not in paths:
                paths[directory] = _place(database, directory, short=short)
            names = row.text("FileName")
            name = (names.partition("|")[0] if short else names.rpartition("|")[2]).lower()
            other = seen.setdefault((paths[directory], name), component)
            if other.key != component.key:
                message = f"{component.key[0]} and {other.key[0]} both install {name} into {directory}"
                decided = component["Condition"] is not None and other["Condition"] is not None
                yield warning(row, message) if decided else error(row, message)


@rule(Level.ERROR, Level.WARNING)
def ice35(database: Database) -> Findings:
    """No file of a cabinet belongs to a component that runs from its source only; from Windows Installer 2.0 (schema
    200) on that is a warning."""
    disks = _disks(database)
    for row in database.rows("File"):
        component, disk = database.get("Component", row["Component_"]), _disk_of(disks, row)
        if component is None or disk is None or disk["Cabinet"] is None:
            continue
        if component.number("Attributes") & (_SOURCE_ONLY | _OPTIONAL) == _SOURCE_ONLY:
            message = f"{component.key[0]} runs from its source, and {row['File']} is in a cabinet"
            yield warning(row, message) if (installer_schema(database) or 0) >= 200 else error(row, message)


@rule(Level.WARNING)
def ice51(database: Database) -> Findings:
    """Fonts have a title unless they are TrueType (.ttf, .ttc, .otf), which carry their own."""
    for row in database.rows("Font"):
        file = database.get("File", row["File_"])
        if file is None:
            continue
        own = file.text("FileName").lower().endswith((".ttf", ".ttc", ".otf"))
        if own and row["FontTitle"] is not None:
            yield warning(row, f"{row['File_']} is a TrueType font and has a title of its own")
        if not own and row["FontTitle"] is None:
            yield warning(row, f"the font {row['File_']} has no title")


@rule()
def ice58(database: Database) -> Findings:
    """There are at most 80 media."""
    count = len(database.rows("Media"))
    if count > _MAX_MEDIA:
        yield error(None, f"the Media table has {count} rows, more than {_MAX_MEDIA}")


@rule(Level.ERROR, Level.WARNING)
def ice60(database: Database) -> Findings:
    """A file with a version has no hash; that it has no language, and is no font, is a warning."""
    for row in database.rows("File"):
        if not is_version(row.text("Version")):
            continue
        if database.get("MsiFileHash", row["File"]):
            yield error(row, f"{row['File']} has a version and a hash")
        if row["Language"] is None and database.get("Font", row["File"]) is None:
            yield warning(row, f"{row['File']} has a version and no language")


@rule()
def ice71(database: Database) -> Findings:
    """The medium that the package is on has the number 1."""
    rows = database.rows("Media")
    if rows and database.get("Media", 1) is None:
        yield error(rows[0], f"there is no medium 1; the first is {min(row.number('DiskId') for row in rows)}")


@rule()
def ice76(database: Database) -> Findings:
    """No file of a protected catalog is bound to its imports."""
    listed = {row["File_"] for row in database.rows("FileSFPCatalog")}
    for row in database.rows("BindImage"):
        if row["File_"] in listed:
            yield error(row, f"{row['File_']} is in a protected catalog and cannot be bound")


@rule(Level.ERROR, Level.WARNING)
def ice81(database: Database) -> Findings:
    """A signature is of a medium with an external cabinet; a certificate that none uses is a warning."""
    used = set()
    for row in database.rows("MsiDigitalSignature"):
        used.add(row["DigitalCertificate_"])
        key = row.text("SignObject")
        disk = database.get("Media", int(key)) if key.isdecimal() and len(key) <= 5 else None
        if disk is None:
            yield error(row, f"the signed medium {key} is not there")
        elif disk.text("Cabinet")[:1] in ("", "#"):
            yield error(row, f"the medium {key} has no external cabinet to be signed")
    for row in database.rows("MsiDigitalCertificate"):
        if row["DigitalCertificate"] not in used:
            yield warning(row, f"no signature uses the certificate {row['DigitalCertificate']}")

# SPDX-License-Identifier: MIT
"""Checks of components, files, media, properties and summary: ICE02, 04, 08, 18, 21, 24, 30, 39, 80, CAB, SOURCE."""

from __future__ import annotations

from collections.abc import Iterator

from wixpy import cab, media
from wixpy.blob import Blob
from wixpy.checks.data import GUID, is_version
from wixpy.checks.finding import Finding, Level, at
from wixpy.database import Database, Row
from wixpy.errors import WixpyError
from wixpy.payload import Hash, file_hash, hash_of
from wixpy.summary import Pid

_REGISTRY_KEY_PATH, _ODBC_KEY_PATH, _64BIT = 4, 32, 256
_64BIT_FOLDERS = {"ProgramFiles64Folder", "CommonFiles64Folder", "System64Folder"}
_64BIT_PLATFORMS = {"x64", "AMD64", "Intel64", "Arm64"}
_64BIT_SCHEMA = 200


def key_paths(database: Database) -> Iterator[Finding]:
    """ICE02 (a key path belongs to its component) and ICE18 (a directory as key path is created)."""
    folders = {row["Component_"] for row in database.rows("CreateFolder")}
    filled = {row["Component_"] for row in database.rows("File")}
    for row in database.rows("Component"):
        name, attributes = row["Component"], row.number("Attributes")
        if row["KeyPath"] is None:
            if name not in folders and name not in filled:
                message = f"the key path of {name} is its directory, which CreateFolder does not make"
                yield at(row, "ICE18", message, Level.WARNING)
            continue
        table = (
            "Registry"
            if attributes & _REGISTRY_KEY_PATH
            else "ODBCDataSource"
            if attributes & _ODBC_KEY_PATH
            else "File"
        )
        target = database.get(table, row["KeyPath"])
        if target is None or target["Component_"] != name:
            yield at(row, "ICE02", f"the key path “{row['KeyPath']}” is no row of {table} of that component")


def component_codes(database: Database) -> Iterator[Finding]:
    """ICE08: no two components have one GUID."""
    seen: dict[str, Row] = {}
    for row in database.rows("Component"):
        code = row.text("ComponentId")
        if code and code in seen:
            yield at(row, "ICE08", f"{row['Component']} and {seen[code]['Component']} have the same GUID {code}")
        seen[code] = row


def membership(database: Database) -> Iterator[Finding]:
    """ICE21: every component belongs to a feature."""
    placed = {row["Component_"] for row in database.rows("FeatureComponents")}
    for row in database.rows("Component"):
        if row["Component"] not in placed:
            yield at(row, "ICE21", f"{row['Component']} belongs to no feature")


def same_file(database: Database) -> Iterator[Finding]:
    """ICE30: no two components put a file of one name into one directory, unless conditions decide."""
    seen: dict[tuple[object, str], Row] = {}
    for row in database.rows("File"):
        component = database.get("Component", row["Component_"])
        if component is None:
            continue
        place = component["Directory_"], row.text("FileName").rpartition("|")[2].lower()
        other = seen.setdefault(place, component)
        if other.key != component.key:
            decided = component["Condition"] and other["Condition"]
            level = Level.WARNING if decided else Level.ERROR
            yield at(
                row, "ICE30", f"{component.key[0]} and {other.key[0]} both install {place[1]} into {place[0]}", level
            )


def properties(database: Database) -> Iterator[Finding]:
    """ICE24: the properties that every product has, in their form."""
    for name in ("ProductCode", "UpgradeCode", "ProductVersion", "ProductLanguage", "ProductName", "Manufacturer"):
        value = database.property(name)
        if value is None:
            if name != "UpgradeCode":
                yield Finding("ICE24", f"the property {name} is missing", "Property", (name,))
        elif name.endswith("Code") and not GUID.fullmatch(value):
            yield Finding("ICE24", f"{name} “{value}” is not a GUID in upper case and braces", "Property", (name,))
        elif name == "ProductVersion" and not _is_product_version(value):
            message = f"ProductVersion “{value}” is not up to 255.255.65535"
            yield Finding("ICE24", message, "Property", (name,))
        elif name == "ProductLanguage" and not value.isdecimal():
            yield Finding("ICE24", f"ProductLanguage “{value}” is not a number", "Property", (name,))


def _is_product_version(text: str) -> bool:
    return is_version(text) and all(int(part) <= 255 for part in text.split(".")[:2])


def summary(database: Database) -> Iterator[Finding]:
    """ICE39: the summary information stream says what Windows Installer needs to open the package."""
    values = database.summary
    if not GUID.fullmatch(str(values.get(Pid.REVISION, ""))[:38]):
        yield Finding("ICE39", "the revision number (package code) of the summary is not a GUID")
    if ";" not in str(values.get(Pid.TEMPLATE, "")):
        yield Finding("ICE39", "the template of the summary is not “platform;language”")
    for pid in (Pid.PAGE_COUNT, Pid.WORD_COUNT):
        if not isinstance(values.get(pid), int):
            yield Finding("ICE39", f"the {pid.name.lower().replace('_', ' ')} of the summary is missing")


def platform(database: Database) -> Iterator[Finding]:
    """ICE80: 64-bit components only in 64-bit packages, 64-bit folders only for 64-bit components."""
    is_64bit = str(database.summary.get(Pid.TEMPLATE, "")).partition(";")[0] in _64BIT_PLATFORMS
    schema = database.summary.get(Pid.PAGE_COUNT)
    if is_64bit and isinstance(schema, int) and schema < _64BIT_SCHEMA:
        yield Finding("ICE80", f"a 64-bit package needs a page count (schema) of {_64BIT_SCHEMA} or more, not {schema}")
    for row in database.rows("Component"):
        wide = row.number("Attributes") & _64BIT
        if wide and not is_64bit:
            yield at(row, "ICE80", f"the 64-bit component {row['Component']} is in a 32-bit package")
        folder = _standard_folder(database, row.text("Directory_"))
        if not wide and folder in _64BIT_FOLDERS:
            yield at(row, "ICE80", f"the 32-bit component {row['Component']} is below {folder}")


def _standard_folder(database: Database, name: str) -> str:
    seen: set[str] = set()
    while name not in _64BIT_FOLDERS and name not in seen:
        seen.add(name)
        row = database.get("Directory", name)
        name = row.text("Directory_Parent") if row else ""
    return name


def sequences(database: Database) -> Iterator[Finding]:
    """ICE04: the sequences of files are within those of the media."""
    last = max((row.number("LastSequence") for row in database.rows("Media")), default=0)
    for row in database.rows("File"):
        if row.number("Sequence") > last:
            yield at(
                row, "ICE04", f"the sequence {row['Sequence']} of {row['File']} is beyond the last of the media, {last}"
            )


def embedded(database: Database) -> Iterator[Finding]:
    """The cabinets in the package against the File table."""
    for disk in media.disks(database):
        if disk.is_embedded:
            yield from _cabinet(database, disk, media.cabinet(database, disk, lambda _: None))
        elif not disk.cabinet and any(media.is_compressed(database, row) for row in disk.files):
            yield at(disk.row, "CAB", f"media {disk.row.key[0]} has compressed files and no cabinet")


def external(database: Database, find: media.Find) -> Iterator[Finding]:
    """The cabinets and the files beside the package, which ``find`` gives, against the File table."""
    for disk in media.disks(database):
        if disk.cabinet and not disk.is_embedded:
            yield from _cabinet(database, disk, find(disk.cabinet))
        for row in disk.files:
            if not media.is_compressed(database, row):
                yield from _uncompressed(database, row, find)


def _uncompressed(database: Database, row: Row, find: media.Find) -> Iterator[Finding]:
    try:
        path = media.source_path(database, row)
        content = find(path)
    except WixpyError as error:
        yield at(row, "SOURCE", error.message)
        return
    if content is None:
        yield at(row, "SOURCE", f"{row['File']} is not in a cabinet, and {path} is not beside the package")
    elif len(content) != row.number("FileSize"):
        yield at(row, "SOURCE", f"{path} has {len(content)} bytes and {row['FileSize']} in the table")
    else:
        hashed = database.get("MsiFileHash", row["File"])
        if hashed is not None and hashed.cells[2:] != file_hash(content):
            yield at(hashed, "SOURCE", f"the hash of {row['File']} is not that of {path}")


def _cabinet(database: Database, disk: media.Disk, content: Blob | None) -> Iterator[Finding]:
    name = disk.cabinet.removeprefix(media.EMBEDDED)
    expected = [row for row in disk.files if media.is_compressed(database, row)]
    if content is None:
        where = "the package has no cabinet" if disk.is_embedded else "beside the package is no cabinet"
        yield at(disk.row, "CAB", f"{where} {name}")
        return
    try:
        cabinet = cab.Cabinet(content)
        order = {entry.name: position for position, entry in enumerate(cabinet.files)}
        present = [row for row in expected if row["File"] in order]
        for row in expected:
            if row["File"] not in order:
                yield at(row, "CAB", f"{row['File']} is not in the cabinet {name}")
        for name_only in order.keys() - {row["File"] for row in expected}:
            yield at(disk.row, "CAB", f"the cabinet {name} has {name_only}, which no row of File of that media names")
        positions = [order[row.text("File")] for row in present]
        if positions != sorted(positions):
            yield at(disk.row, "CAB", f"the order of files in the cabinet {name} is not that of File.Sequence")
        entries = [cabinet.files[order[row.text("File")]] for row in present]
        hashes = _hashes(cabinet, entries)
        for row, entry in zip(present, entries, strict=True):
            yield from _cabinet_file(database, row, entry, hashes[entry.name])
    except WixpyError as error:
        yield at(disk.row, "CAB", f"{name}: {error.message}")


def _hashes(cabinet: cab.Cabinet, entries: list[cab.CabinetEntry]) -> dict[str, Hash]:
    """The hash of each file, by name; folders are unpacked at the same time."""
    folders: dict[int, list[cab.CabinetEntry]] = {}
    for entry in entries:
        folders.setdefault(entry.folder, []).append(entry)

    def hashed(folder: list[cab.CabinetEntry]) -> list[tuple[str, Hash]]:
        return [(entry.name, hash_of(cabinet.chunks(entry))) for entry in folder]

    if len(folders) == 1:
        return dict(hashed(entries))
    # A small package is checked before this is loaded.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(cab.processors()) as pool:
        return {name: value for part in pool.map(hashed, folders.values()) for name, value in part}


def _cabinet_file(database: Database, row: Row, entry: cab.CabinetEntry, content: Hash) -> Iterator[Finding]:
    if entry.size != row.number("FileSize"):
        yield at(row, "CAB", f"{entry.name} has {entry.size} bytes in the cabinet and {row['FileSize']} in the table")
    hashed = database.get("MsiFileHash", entry.name)
    if hashed is not None and hashed.cells[2:] != content:
        yield at(hashed, "CAB", f"the hash of {entry.name} is not that of the file in the cabinet")


CHECKS = (key_paths, component_codes, membership, same_file, properties, summary, platform, sequences, embedded)

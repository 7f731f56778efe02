# SPDX-License-Identifier: MIT
"""Checks of cabinets, and of what lies beside a package, against its tables: CAB and SOURCE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from wixpy import cab, media
from wixpy.blob import Blob
from wixpy.checks.finding import Findings, error, rule
from wixpy.database import Database, Row
from wixpy.errors import WixpyError
from wixpy.parallel import in_order, processors
from wixpy.payload import Hash, file_hash, hash_of


@rule()
def cab_(database: Database) -> Findings:
    """Cabinets are there and whole; they hold the files that File.Sequence says, in that order, with the sizes of File
    and the hashes of MsiFileHash. Cabinets beside the package are examined where it lies."""
    for disk in media.disks(database):
        if disk.is_embedded:
            yield from _cabinet(database, disk, media.cabinet(database, disk, lambda _: None))
        elif not disk.cabinet and any(media.is_compressed(database, row) for row in disk.files):
            yield error(disk.row, f"media {disk.row.key[0]} has compressed files and no cabinet")


@rule()
def source(database: Database) -> Findings:
    """Files that are in no cabinet have a path beside the package; where that lies, they are there, with the sizes of
    File and the hashes of MsiFileHash."""
    for row in _uncompressed(database):
        try:
            media.source_path(database, row)
        except WixpyError as fault:
            yield error(row, fault.message)


def external(database: Database, find: media.Find) -> Findings:
    """What CAB and SOURCE say of the cabinets and files beside the package, which ``find`` gives."""
    for disk in media.disks(database):
        if disk.cabinet and not disk.is_embedded:
            yield from _named("CAB", _cabinet(database, disk, find(disk.cabinet)))
    for row in _uncompressed(database):
        yield from _named("SOURCE", _beside(database, row, find))


def _named(name: str, findings: Findings) -> Findings:
    for finding in findings:
        yield finding._replace(rule=name)


def _uncompressed(database: Database) -> Iterator[Row]:
    for disk in media.disks(database):
        yield from (row for row in disk.files if not media.is_compressed(database, row))


def _beside(database: Database, row: Row, find: media.Find) -> Findings:
    try:
        path = media.source_path(database, row)
    except WixpyError:
        return  # SOURCE has said so.
    content = find(path)
    if content is None:
        yield error(row, f"{row['File']} is not in a cabinet, and {path} is not beside the package")
    elif len(content) != row.number("FileSize"):
        yield error(row, f"{path} has {len(content)} bytes and {row['FileSize']} in the table")
    else:
        hashed = database.get("MsiFileHash", row["File"])
        if hashed is not None and hashed.cells[2:] != file_hash(content):
            yield error(hashed, f"the hash of {row['File']} is not that of {path}")


def _cabinet(database: Database, disk: media.Disk, content: Blob | None) -> Findings:
    name = disk.cabinet.removeprefix(media.EMBEDDED)
    expected = [row for row in disk.files if media.is_compressed(database, row)]
    if content is None:
        where = "the package has no cabinet" if disk.is_embedded else "beside the package is no cabinet"
        yield error(disk.row, f"{where} {name}")
        return
    try:
        cabinet = cab.Cabinet(content)
        order = {entry.name: position for position, entry in enumerate(cabinet.files)}
        present = [row for row in expected if row["File"] in order]
        for row in expected:
            if row["File"] not in order:
                yield error(row, f"{row['File']} is not in the cabinet {name}")
        for name_only in order.keys() - {row["File"] for row in expected}:
            yield error(disk.row, f"the cabinet {name} has {name_only}, which no row of File of that media names")
        positions = [order[row.text("File")] for row in present]
        if positions != sorted(positions):
            yield error(disk.row, f"the order of files in the cabinet {name} is not that of File.Sequence")
        entries = [cabinet.files[order[row.text("File")]] for row in present]
        hashes = (
            content.hashes
            if isinstance(content, media.Packed)
            else _hashes(cabinet, sorted(entries, key=lambda entry: entry.place))
        )
        for row, entry in zip(present, entries, strict=True):
            yield from _cabinet_file(database, row, entry, hashes[entry.name])
    except WixpyError as fault:
        yield error(disk.row, f"{name}: {fault.message}")


def _hashes(cabinet: cab.Cabinet, entries: list[cab.CabinetEntry]) -> dict[str, Hash]:
    """The hash of each file, by name; folders are unpacked at the same time."""
    folders: dict[int, list[cab.CabinetEntry]] = {}
    for entry in entries:
        folders.setdefault(entry.folder, []).append(entry)

    def hashed(folder: list[cab.CabinetEntry]) -> list[tuple[str, Hash]]:
        return [(entry.name, hash_of(cabinet.chunks(entry))) for entry in folder]

    if len(folders) == 1:
        return dict(hashed(entries))
    parts = in_order((partial(hashed, folder) for folder in folders.values()), processors())
    return {name: value for part in parts for name, value in part}


def _cabinet_file(database: Database, row: Row, entry: cab.CabinetEntry, content: Hash) -> Findings:
    if entry.size != row.number("FileSize"):
        yield error(row, f"{entry.name} has {entry.size} bytes in the cabinet and {row['FileSize']} in the table")
    hashed = database.get("MsiFileHash", entry.name)
    if hashed is not None and hashed.cells[2:] != content:
        yield error(hashed, f"the hash of {entry.name} is not that of the file in the cabinet")

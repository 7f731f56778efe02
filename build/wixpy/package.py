# SPDX-License-Identifier: MIT
"""From a .wxs source to a checked .msi file, and back to the files in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from wixpy import cab, checks
from wixpy.checks import Finding, Level
from wixpy.checks.data import columns
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.filenames import is_long
from wixpy.files import replacing
from wixpy.wxs import Places, compile

_NO_DEFINES: Mapping[str, str] = {}


def build(
    wxs: Path, out: Path, *, defines: Mapping[str, str] = _NO_DEFINES, epoch: int, ignore: Collection[str] = ()
) -> list[Finding]:
    """Compile the source ``wxs`` into the package ``out`` and check it; return the warnings.

    ``defines`` are values for ``$(var.NAME)``; ``epoch`` (seconds since 1970, UTC) is the time that files and summary
    carry.  ``out`` appears only when the written file has been read back and passes all checks; WixpyError otherwise.
    What the checks named in ``ignore`` find are warnings.
    """
    checks.require(ignore)
    database, places = compile(wxs, defines, epoch)
    with replacing(out) as (beside, file):
        database.write(file)
        file.flush()
        findings = [
            replace(finding, level=Level.WARNING) if finding.rule in ignore else finding
            for finding in checks.run(Database.open(beside))
        ]
        errors = [finding for finding in findings if finding.level is Level.ERROR]
        if errors:
            raise _failure(wxs, errors, places)
    return findings


def _failure(wxs: Path, errors: list[Finding], places: Places) -> WixpyError:
    """All errors as one, each with the line of the element behind its row."""

    def located(finding: Finding) -> WixpyError:
        node = places.get((finding.table, finding.key))
        return WixpyError(str(finding), None, node.file if node else wxs, node.line if node else None)

    first, *others = map(located, errors)
    message = "\n".join([first.message, *map(str, others)])
    return WixpyError(
        message, "the package breaks rules of Windows Installer: correct the source", first.file, first.line
    )


def check(path: Path, only: Collection[str] = ()) -> list[Finding]:
    """What is wrong or questionable about the package at ``path``, errors first; empty for a sound one.

    ``only`` names the checks to make (``["ICE03"]``); all when it is empty.  WixpyError for a file that is no package.
    """
    return checks.run(Database.open(path), only)


def installed_files(database: Database) -> Iterator[tuple[str, bytes]]:
    """The files in the cabinets inside a package: path of directories and name, content."""
    for finding in columns(database):
        raise WixpyError(str(finding), "the file is damaged: get it again")
    cabinets = []
    for disk in database.rows("Media"):
        name = disk.text("Cabinet")
        if name and not name.startswith("#"):
            raise WixpyError(f"the cabinet {name} is not in the package", "only cabinets inside the package are read")
        if name:
            if name[1:] not in database.streams:
                raise WixpyError(f"the package has no cabinet {name[1:]}", "the file is damaged: get it again")
            cabinets.append(cab.Cabinet(database.streams[name[1:]]))
    for cabinet in cabinets:
        for entry in cabinet.files:
            row = database.get("File", entry.name)
            component = database.get("Component", row["Component_"]) if row else None
            if row is None or component is None:
                raise WixpyError(f"the table File does not say where {entry.name} belongs", "run wixpy check")
            parts = [*_directory(database, component.text("Directory_")), row.text("FileName").rpartition("|")[2]]
            if not all(is_long(part) for part in parts):
                raise WixpyError(f"{entry.name} has the path “{'/'.join(parts)}”", "such a file is not extracted")
            yield "/".join(parts), cabinet.read(entry)


def _directory(database: Database, name: str) -> list[str]:
    """The names of a directory from the root on; a directory without a name of its own goes by its identifier."""
    parts: list[str] = []
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        row = database.get("Directory", name)
        if row is None:
            raise WixpyError(f"the directory {name} is not there", "run wixpy check")
        label = row.text("DefaultDir").partition(":")[0].rpartition("|")[2]
        if row["Directory_Parent"] is not None and name != row["Directory_Parent"]:
            parts.insert(0, name if label == "." else label)
        name = row.text("Directory_Parent")
    return parts

# SPDX-License-Identifier: MIT
"""From a .wxs source to a checked .msi file, and back to the files in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from wixpy import cab, checks, media
from wixpy.blob import Buffer, chunks
from wixpy.checks import Finding, Level
from wixpy.checks.cabinets import external
from wixpy.checks.data import columns
from wixpy.database import Database, Row
from wixpy.errors import WixpyError
from wixpy.filenames import is_long
from wixpy.files import flushing, placing, replacing
from wixpy.media import Find, beside
from wixpy.wxs import Places, compile
from wixpy.wxs.media import Outputs

MODULE_CHECKS = ("ICE02", "ICE06", "ICE08", "ICE19", "ICE29", "ICE30", "ICE60")
_NO_DEFINES: Mapping[str, str] = {}


def build(
    wxs: Path | Sequence[Path],
    out: Path,
    *,
    defines: Mapping[str, str] = _NO_DEFINES,
    epoch: int,
    localizations: Sequence[Path] = (),
    cultures: Sequence[str] = (),
    includes: Sequence[Path] = (),
    bind_paths: Sequence[tuple[str, Path]] = (),
    platform: str = "x86",
    warn: Callable[[WixpyError], None] = lambda _: None,
    ignore: Collection[str] = (),
    at: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Compile one source or several into the package ``out`` and check it; return the warnings.

    A source with a Module becomes a merge module, of which only what does not need the package is checked.

    ``defines`` are values for ``$(var.NAME)`` and ``!(wix.NAME)``, ``localizations`` the .wxl files of
    ``!(loc.NAME)`` and ``cultures`` those that are wanted of several; ``epoch`` (seconds since 1970, UTC) is the time
    that files and summary carry; ``includes``, ``bind_paths``, ``platform`` and ``warn`` are those of ``wxs.compile``.
    ``out`` appears only when it is written whole and the package passes all checks; before it, what the source wants
    beside the package: cabinets and uncompressed files.  WixpyError otherwise.  What the checks named in
    ``ignore`` find are warnings; ``at`` is told what the build is at.

    >>> build(Path("hello.wxs"), Path("hello.msi"), epoch=1_200_000_000)  # the source of docs/wixpy/README.md
    []
    >>> Database.open(Path("hello.msi")).property("ProductName")
    'Hello'
    """
    checks.require(ignore)
    at("compiling and compressing")
    with Outputs(out.parent) as outputs:
        database, places = compile(
            wxs,
            defines,
            epoch,
            localizations,
            cultures=cultures,
            includes=includes,
            bind_paths=bind_paths,
            platform=platform,
            warn=warn,
            outputs=outputs,
        )
        if any(name.lower() == out.name.lower() for name in outputs.beside):
            raise WixpyError(f"the package and a file beside it are both {out.name}", "choose another output")
        with replacing(out) as file:
            at("writing")
            database.write(file)
            at("checking")
            with flushing(file):
                findings = [
                    finding._replace(level=Level.WARNING) if finding.rule in ignore else finding
                    for finding in _findings(database, outputs.beside.get)
                ]
            errors = [finding for finding in findings if finding.level is Level.ERROR]
            if errors:
                raise _failure(wxs if isinstance(wxs, Path) else wxs[0], errors, places)
            with placing(out.parent, outputs.beside):
                pass
    return findings


def is_module(database: Database) -> bool:
    """Whether a database is a merge module, which is no package by itself.

    >>> database = Database()
    >>> _ = database.insert("ModuleSignature", "Lib.0", 1033, "1.0")
    >>> is_module(database), is_module(Database())
    (True, False)
    """
    return bool(database.rows("ModuleSignature")) and database.property("ProductCode") is None


def _findings(database: Database, find: Find, only: Collection[str] = ()) -> list[Finding]:
    if not only and is_module(database):
        only = MODULE_CHECKS
    findings = checks.run(database, only)
    if any(finding.rule == "ICE06" for finding in findings):
        return findings
    outside = [finding for finding in external(database, find) if not only or finding.rule in only]
    return sorted([*findings, *outside], key=lambda finding: finding.level)


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

    ``only`` names the checks to make (``["ICE03"]``); all when it is empty, or those that make sense of a merge module
    when it is one.  Cabinets and files beside the package are
    examined too.  WixpyError for a file that is no package.

    >>> database = Database()
    >>> _ = database.insert("Property", "ProductVersion", "one")
    >>> database.commit(Path("x.msi"))
    >>> print(check(Path("x.msi"), ["ICE24"])[0])
    ICE24 error: ProductVersion “one” is not up to 255.255.65535 [Property ProductVersion]
    """
    with Database.browse(path) as database:
        return _findings(database, beside(path.parent), only)


Contents = Iterator[Buffer]


def installed_files(database: Database, find: Find = lambda _: None) -> Iterator[tuple[str, bytes]]:
    """The files of a package: path of directories and name, content; :func:`installed_contents` says the rest.

    >>> _ = build(Path("hello.wxs"), Path("hello.msi"), epoch=1_200_000_000)
    >>> list(installed_files(Database.open(Path("hello.msi"))))
    [('ProgramFiles64Folder/Hello/hello.txt', b'hello\\n')]
    """
    for path, parts in installed_contents(database, find):
        yield path, b"".join(parts)


def installed_contents(database: Database, find: Find = lambda _: None) -> Iterator[tuple[str, Contents]]:
    """The files of a package: path of directories and name, content in pieces, which are read before the next file.

    ``find`` gives the cabinets and files beside the package (:func:`wixpy.media.beside`).  WixpyError for a file that
    is not where the tables say.

    >>> _ = build(Path("hello.wxs"), Path("hello.msi"), epoch=1_200_000_000)
    >>> with Database.browse(Path("hello.msi")) as database:
    ...     for path, parts in installed_contents(database):
    ...         print(path, sum(map(len, parts)))
    ProgramFiles64Folder/Hello/hello.txt 6
    """
    for finding in columns(database):
        raise WixpyError(str(finding), "the file is damaged: get it again")
    for disk in media.disks(database):
        packed = {row.text("File"): row for row in disk.files if media.is_compressed(database, row)}
        for row in disk.files:
            if row.text("File") not in packed:
                yield _installed_path(database, row), _uncompressed(database, row, find)
        if packed and not disk.cabinet:
            raise WixpyError(f"media {disk.row.key[0]} has compressed files and no cabinet", "run wixpy check")
        if packed:
            yield from _unpacked(database, disk, packed, find)


def _uncompressed(database: Database, row: Row, find: Find) -> Contents:
    path = media.source_path(database, row)
    content = find(path)
    if content is None:
        raise WixpyError(f"the file {path} is not beside the package", "copy it there, as it came with the package")
    return chunks(content)


def _unpacked(database: Database, disk: media.Disk, rows: dict[str, Row], find: Find) -> Iterator[tuple[str, Contents]]:
    content = media.cabinet(database, disk, find)
    if content is None and disk.is_embedded:
        raise WixpyError(f"the package has no cabinet {disk.cabinet[1:]}", "the file is damaged: get it again")
    if content is None:
        raise WixpyError(f"the cabinet {disk.cabinet} is not beside the package", "copy it there")
    cabinet = cab.Cabinet(content)
    for name in sorted(rows.keys() - {entry.name for entry in cabinet.files}):
        raise WixpyError(f"{name} is not in the cabinet {disk.cabinet}", "run wixpy check")
    for entry in sorted(cabinet.files, key=lambda entry: entry.place):
        row = rows.get(entry.name)
        if row is None:
            raise WixpyError(f"the table File does not say where {entry.name} belongs", "run wixpy check")
        yield _installed_path(database, row), cabinet.chunks(entry)


def _installed_path(database: Database, row: Row) -> str:
    component = database.get("Component", row["Component_"])
    if component is None:
        raise WixpyError(f"the table File does not say where {row['File']} belongs", "run wixpy check")
    parts = [*_directory(database, component.text("Directory_")), row.text("FileName").rpartition("|")[2]]
    if not all(is_long(part) for part in parts):
        raise WixpyError(f"{row['File']} has the path “{'/'.join(parts)}”", "such a file is not extracted")
    return "/".join(parts)


def _directory(database: Database, name: str) -> list[str]:
    """The names of a directory from the root on; a directory without a name of its own goes by its identifier."""
    parts: list[str] = []
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        if len(seen) > media.MAX_DEPTH:
            raise WixpyError(f"the directory {name} lies too deep for a path of Windows", "run wixpy check")
        row = database.get("Directory", name)
        if row is None:
            raise WixpyError(f"the directory {name} is not there", "run wixpy check")
        label = row.text("DefaultDir").partition(":")[0].rpartition("|")[2]
        if row["Directory_Parent"] is not None and name != row["Directory_Parent"]:
            parts.insert(0, name if label == "." else label)
        name = row.text("Directory_Parent")
    return parts

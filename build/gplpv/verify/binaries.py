# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of drivers, programs and their symbols: fit for the Windows they are for."""

from __future__ import annotations

from collections.abc import Iterator

import pefile

from gplpv import exports, pdb, pe
from gplpv.ddk import ImageOptions
from gplpv.verify.finding import Outcome, check, fact, fault, faults
from gplpv.verify.subject import File


@check("headers", "image", "machine, subsystem, Windows version, checksum, relocations and sections fit the target")
def headers(file: File) -> Iterator[Outcome]:
    target = file.target
    if not target:
        yield fault(f"its machine is {file.pe.FILE_HEADER.Machine:#06x}, which no platform of ours has")
        return
    arch, nt = target
    debug = bool(file.variant and file.variant.debug)
    options = ImageOptions(arch, nt, debug, file.mode, file.context.config.root)
    yield from faults(pe.faults_of(file.pe, options))
    yield fact(f"{arch} for Windows {nt[0]}.{nt[1]}")


@check("imports", "image", "the target's Windows exports everything that it calls")
def imports(file: File) -> Iterator[Outcome]:
    target = file.target
    if target:
        yield from faults(map(str, exports.check_imports_of(file.pe, *target, file.file_name)))
        modules = [entry.dll.decode("latin-1") for entry in getattr(file.pe, "DIRECTORY_ENTRY_IMPORT", [])]
        yield fact(", ".join(modules) or "none")


@check("version", "image", "the version resource tells the version of the package")
def version(file: File) -> Iterator[Outcome]:
    found = version_of(file)
    yield from agree(file, found, "its version resource")
    yield fact(found)


@check("symbols", "image", "the debugger finds the symbols beside it to be its own")
def symbols(file: File) -> Iterator[Outcome]:
    if not file.symbols:
        return
    wanted, name = pdb.identity_of(file.pe, file.file_name)
    have = pdb.of_pdb_bytes(file.symbols.data, file.symbols.file_name)
    if wanted != have or name.lower() != file.symbols.file_name.lower():
        yield fault(f"it asks for {name} {wanted}, but {file.symbols.file_name} is {have}")
    yield fact(str(wanted))


@check("identity", "pdb", "it is whole enough to tell which image it belongs to")
def identity(file: File) -> Iterator[Outcome]:
    yield fact(str(pdb.of_pdb_bytes(file.data, file.file_name)))


def agree(file: File, version: str, what: str) -> Iterator[Outcome]:
    """A version must be the package's, where the file is one of a known package."""
    wanted = expected_version(file)
    if wanted and version != wanted:
        yield fault(f"{what} is {version}, not {wanted}")


def expected_version(file: File) -> str:
    """The version in the name of the package; that of platforms.yaml for what is not in one."""
    outermost = file
    while outermost.home:
        outermost = outermost.home
    if outermost.version:
        return outermost.version
    return file.context.config.matrix.product.version if file.variant else ""


def version_of(file: File) -> str:
    """The file version in an image's version resource, "missing" without one."""
    file.pe.parse_data_directories([pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_RESOURCE"]])
    fixed = getattr(file.pe, "VS_FIXEDFILEINFO", None)
    if not fixed:
        return "missing"
    parts = (fixed[0].FileVersionMS, fixed[0].FileVersionLS)
    return ".".join(str(half) for part in parts for half in (part >> 16, part & 0xFFFF))

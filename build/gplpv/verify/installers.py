# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of packages: tables, cabinet and payload, and that name, version and architecture agree everywhere."""

from __future__ import annotations

from collections.abc import Iterator

from gplpv import packages
from gplpv.verify.binaries import agree, version_of
from gplpv.verify.compound import EXTENDED_STREAM, SIGNATURE_STREAM
from gplpv.verify.finding import Outcome, check, doubt, fact, fault
from gplpv.verify.subject import File
from wixpy import checks, names
from wixpy.checks import Level
from wixpy.summary import Pid

_SYSTEM_TABLES = {"_Tables", "_Columns", "_StringPool", "_StringData"}
_TEMPLATES = {"x32": ("Intel", ""), "x64": ("x64",)}


@check("name", "msi installer archive", "it is named as a package of the matrix, with that package's version")
def name(file: File) -> Iterator[Outcome]:
    if file.home:
        return
    if not file.variant:
        pattern = f"{file.context.config.matrix.product.name} <platform><arch> <version> [debug]"
        yield fault(f"it is not named “{pattern}.msi”, .exe or .symbols.zip")
        return
    yield fact(f"for {packages.describe(file.variant)}{', debug' if file.variant.debug else ''}")


@check("streams", "msi", "every stream is a table, a row's data, a cabinet, the summary or a signature")
def streams(file: File) -> Iterator[Outcome]:
    database = file.database
    known = {names.encode(table, table=True) for table in _SYSTEM_TABLES | database.tables.keys()}
    known |= {names.SUMMARY_INFORMATION, SIGNATURE_STREAM, EXTENDED_STREAM}
    known |= {names.encode(row.text("Cabinet")[1:]) for row in database.rows("Media") if row.text("Cabinet")[:1] == "#"}
    for table in database.tables.values():
        binary = [column.name for column in table.columns if column.is_binary]
        known |= {
            names.encode(row.text(column)) for row in database.rows(table.name) for column in binary if row[column]
        }
    found = {path[0] for path in file.container.streams if len(path) == 1}
    for stray in sorted(found - known):
        yield fault(f"nothing refers to the stream “{names.decode(stray)[0]}”")
    if len(found) != len(file.container.tree):
        yield fault("it has folders, which no package has")
    yield fact(f"{len(found)} streams, each with its purpose")


_INTENDED = {"ICE61"}
"""It warns of packages that replace their own version: release and debug take each other's place so."""


@check("tables", "msi", "the tables obey the rules of Windows Installer, and the cabinet holds what they say")
def tables(file: File) -> Iterator[Outcome]:
    for finding in checks.run(file.database):
        if finding.level is Level.ERROR:
            yield fault(str(finding))
        elif finding.rule not in _INTENDED:
            yield doubt(str(finding))
    yield fact(f"{len(file.database.tables)} tables and the cabinet agree")


@check("summary", "msi", "summary information and properties tell the version and architecture of the name")
def summary(file: File) -> Iterator[Outcome]:
    version = file.database.property("ProductVersion") or ""
    yield from agree(file, version, "ProductVersion")
    template = str(file.database.summary.get(Pid.TEMPLATE, "")).partition(";")[0]
    if file.variant and template not in _TEMPLATES[file.variant.arch_name]:
        yield fault(f"its summary is for {template or 'no platform'}, its name for {file.variant.arch_name}")
    yield fact(f"{version}, {template}")


@check("whole", "installer", "the installer's own checksum is right")
def whole(file: File) -> Iterator[Outcome]:
    installer = file.installer
    if installer.frame.crc is None:
        yield doubt("it has no checksum")
    elif not installer.whole:
        yield fault(f"its checksum is {installer.frame.crc:08x}, that of its bytes {installer.crc:08x}")
    rest = len(file.data) - installer.frame.end - 4 * (installer.frame.crc is not None)
    if file.signature is None and rest:
        yield fault(f"{rest} bytes follow the installer's data")
    yield fact(f"{installer.method}{', solid' if installer.solid else ''}")


@check("version", "installer", "the version resource tells the version of the name")
def version(file: File) -> Iterator[Outcome]:
    found = version_of(file)
    yield from agree(file, found, "its version resource")
    yield fact(found)


@check("payload", "msi installer", "every file unpacks, and they are those that the matrix puts into the package")
def payload(file: File) -> Iterator[Outcome]:
    found = file.payload
    if file.variant:
        wanted = {item.destination.as_posix() for item in packages.payload(file.context.config, file.variant)}
        for path in sorted(wanted - found.keys()):
            yield fault(f"{path} is missing")
        for path in sorted(found.keys() - wanted):
            if path.startswith("trust/"):
                yield doubt(f"{path}: a test certificate, which Windows trusts if whoever installs agrees")
            else:
                yield fault(f"{path} does not belong into it")
    yield fact(f"{len(found)} files")

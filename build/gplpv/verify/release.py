# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of a release: a folder with the packages of every variant, and the symbols of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gplpv import pdb
from gplpv.matrix import Variant
from gplpv.verify.finding import Outcome, check, fact, fault
from gplpv.verify.subject import File, Group

KINDS = ("msi", "exe", "symbols.zip")


@dataclass
class Release(Group):
    """A folder of packages; `packages` are those that are named as such, by variant and extension."""

    packages: dict[str, dict[str, File]] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)
    strangers: list[str] = field(default_factory=list)


def variants(release: Release) -> list[Variant]:
    return release.context.config.matrix.variants()


@check("complete", "release", "every package that the matrix spans is there, and nothing else")
def complete(release: Release) -> Iterator[Outcome]:
    version = next(iter(sorted(release.versions)), "")
    wanted = {variant.package(kind, version) for variant in variants(release) for kind in KINDS}
    missing = wanted - {file.file_name for files in release.packages.values() for file in files.values()}
    for name in sorted(missing):
        yield fault(f"{name} is missing")
    for name in sorted(release.strangers):
        yield fault(f"{name} is no package of the matrix")
    if len(release.versions) > 1:
        yield fault(f"packages of several versions lie together: {', '.join(sorted(release.versions))}")
    yield fact(f"{len(wanted)} files of version {version}")


@check("signed", "release", "all packages are signed or none is")
def signed(release: Release) -> Iterator[Outcome]:
    files = [file for by_kind in release.packages.values() for kind, file in by_kind.items() if kind != "symbols.zip"]
    unsigned = [file.file_name for file in files if file.signature is None]
    if 0 < len(unsigned) < len(files):
        for name in sorted(unsigned):
            yield fault(f"{name} is not signed, others are")
    yield fact("none is signed" if unsigned else "all are signed")


@check("same", "release", "the .exe of a variant installs what its .msi does")
def same(release: Release) -> Iterator[Outcome]:
    count = 0
    for name, files in release.packages.items():
        if "msi" in files and "exe" in files:
            yield from (fault(f"{name}: {text}") for text in _differences(files["msi"], files["exe"]))
            count += 1
    yield fact(f"{count} pairs install the same files")


def _differences(msi: File, exe: File) -> Iterator[str]:
    one = {path: file.data for path, file in msi.payload.items()}
    other = {path: file.data for path, file in exe.payload.items()}
    for path in sorted(one.keys() | other.keys()):
        if one.get(path) != other.get(path):
            where = (
                "missing in the .msi" if path not in one else "missing in the .exe" if path not in other else "other"
            )
            yield f"{path} is {where}" + (" in the .exe than in the .msi" if where == "other" else "")


@check("symbols", "release", "the archive of symbols of a variant has those of each of its images")
def symbols(release: Release) -> Iterator[Outcome]:
    count = 0
    for name, files in release.packages.items():
        package = files.get("msi") or files.get("exe")
        if package and "symbols.zip" in files:
            yield from (fault(f"{name}: {text}") for text in _unmatched(package, files["symbols.zip"]))
            count += 1
    yield fact(f"{count} archives match")


def _unmatched(package: File, archive: File) -> Iterator[str]:
    images = {file.file_name: file for file in package.payload.values() if file.kind == "image"}
    spare = set(archive.payload)
    for name, image in sorted(images.items()):
        wanted, symbols_name = pdb.identity_of(image.pe, name)
        found = archive.payload.get(symbols_name)
        spare.discard(symbols_name)
        if found is None:
            yield f"{symbols_name} of {name} is missing in the symbols"
        elif pdb.of_pdb_bytes(found.data, symbols_name) != wanted:
            yield f"{symbols_name} is not that of {name}, which asks for {wanted}"
    for name in sorted(spare):
        yield f"{name} in the symbols belongs to no image"

# SPDX-License-Identifier: GPL-2.0-or-later
"""A verifier that believes nothing: of images, driver packages, installers and whole releases, offline, on any OS.

:func:`check` opens what a path names and runs every check of :data:`gplpv.verify.finding.CHECKS` on it and on what is
inside it. Nothing but Python runs. Malformed input is a finding, never an exception.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from gplpv import plan
from gplpv.errors import GplpvError, UsageError
from gplpv.matrix import Variant

# Each module enters its checks into the list, which keeps this order.
from gplpv.verify import signed, installers, binaries, drivers, release  # isort: skip
from gplpv.verify.drivers import Driver
from gplpv.verify.finding import CHECKS, Check, Finding, Level, run
from gplpv.verify.release import KINDS, Release
from gplpv.verify.subject import Context, File, Subject, kind_of, read

__all__ = ["CHECKS", "Check", "Context", "Finding", "Level", "check", "check_file"]

_MODULES = (signed, installers, binaries, drivers, release)
_KNOWN = (".msi", ".exe", ".sys", ".dll", ".cat", ".inf", ".pdb", ".zip")


def check(path: Path, context: Context) -> Iterator[Finding]:
    """Check a file, a folder of a driver, a variant's folder below target/, or a folder of packages.

    Raises:
        UsageError: there is nothing at `path` to check.
    """
    if not os.path.lexists(path):
        raise UsageError(f"{path} does not exist.", "Name a package, a driver's file or a folder of them.")
    try:
        if path.is_dir():
            yield from _check_folder(path, context)
        elif path.suffix.lower() == ".inf":
            yield from _check_inf(path, context)
        elif path.suffix.lower() in _KNOWN:
            yield from check_file(_open(path, context))
        else:
            raise UsageError(f"{path} is nothing that can be verified.", f"Known: {', '.join(_KNOWN)}, and folders.")
    except OSError as error:
        yield Finding(path.name, "file", Level.FAIL, f"it cannot be read: {error.strerror}")


def _open(path: Path, context: Context) -> File | Finding:
    """Read a file; what stops that is a finding about it."""
    try:
        data = read(path)
    except GplpvError as error:
        return Finding(path.name, "file", Level.FAIL, f"{error.message} {error.hint}".strip())
    variant, version = _named(path.name, context)
    file = File(path.name, kind_of(path.name, data), context, variant or _variant_of_folder(path, context), data)
    file.version = version
    return file


def check_file(subject: File | Finding) -> Iterator[Finding]:
    """Every check of a file, of those inside it, and of the driver packages that these make."""
    if isinstance(subject, Finding):
        yield subject
        return
    yield from run(subject)
    if subject.kind in ("msi", "installer", "archive"):
        yield from _inside(subject)


def _inside(package: File) -> Iterator[Finding]:
    try:
        payload = package.payload
    except Exception:
        # The check of the payload has said so.
        if package.kind == "archive":
            yield Finding(package.name, "payload", Level.FAIL, "it is a damaged archive")
        return
    for file in payload.values():
        yield from run(file)
    for driver in _drivers(package.name, package, payload):
        yield from run(driver)


def _drivers(name: str, like: Subject, files: dict[str, File]) -> Iterator[Driver]:
    """A driver package for each INF, with everything in and below its folder."""
    for path, file in files.items():
        if file.kind == "inf":
            folder = path.rpartition("/")[0]
            below = {
                other.removeprefix(f"{folder}/").lower(): one
                for other, one in files.items()
                if not folder or other.startswith(f"{folder}/")
            }
            yield Driver(f"{name}/{path}", "driver", like.context, like.variant, below, file)


def _check_folder(path: Path, context: Context) -> Iterator[Finding]:
    names = sorted(entry.name for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    variant = _variant_of_folder(path / "any", context)
    if variant:
        yield from _check_tree(path, names, context)
    elif any(name.lower().endswith(".inf") for name in names):
        yield from _check_files(path, names, context)
    elif any(_named(name, context)[0] for name in names):
        yield from _check_release(path, names, context)
    elif any(Path(name).suffix.lower() in _KNOWN for name in names):
        yield from _check_files(path, names, context)
    else:
        raise UsageError(f"{path} has no package and no driver in it.", "Name the folder in which they lie.")


def _check_inf(path: Path, context: Context) -> Iterator[Finding]:
    """An INF with what lies beside it; of its neighbours only what the INF and its catalog say of them."""
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file() and entry != path)
    opened = [_open(path.parent / name, context) for name in names if Path(name).suffix.lower() in _KNOWN]
    files = {
        file.name: file for file in opened if isinstance(file, File) and file.kind not in ("inf", "msi", "archive")
    }
    own = _open(path, context)
    if isinstance(own, Finding):
        yield own
        return
    files[own.name] = own
    for driver in _drivers(path.parent.name, own, files):
        yield from run(driver)


def _check_tree(path: Path, names: list[str], context: Context) -> Iterator[Finding]:
    """A variant's folder below target/: all its images and their symbols have to be there."""
    variant = _variant_of_folder(path / "any", context)
    assert variant
    for image in (*plan.drivers(context.config, variant), *plan.programs(context.config)):
        for name in (image.file, f"{image.name}.pdb"):
            if name not in names:
                yield Finding(name, "file", Level.FAIL, f"it is missing in {path}")
    yield from _check_files(path, names, context)


def _check_files(path: Path, names: list[str], context: Context) -> Iterator[Finding]:
    """Loose files, and the driver packages that they make."""
    files: dict[str, File] = {}
    for name in names:
        if Path(name).suffix.lower() not in _KNOWN:
            continue
        opened = _open(path / name, context)
        if isinstance(opened, Finding):
            yield opened
        else:
            opened.neighbours = files
            files[name] = opened
    for file in files.values():
        yield from check_file(file)
    first = next(iter(files.values()), None)
    if first:
        for driver in _drivers(path.name, first, files):
            yield from run(driver)


def _check_release(path: Path, names: list[str], context: Context) -> Iterator[Finding]:
    found = Release(path.name, "release", context)
    for name in names:
        variant, version = _named(name, context)
        opened = _open(path / name, context) if variant else None
        if isinstance(opened, Finding):
            yield opened
        if not isinstance(opened, File) or not variant:
            found.strangers += [name] if not variant else []
            continue
        kind = next(kind for kind in KINDS if name.endswith(f".{kind}"))
        found.packages.setdefault(variant.name, {})[kind] = opened
        found.versions.add(version)
    for files in found.packages.values():
        for kind, file in files.items():
            # What an .exe installs has been checked with the .msi that has the same; the release's own check says so.
            yield from run(file) if kind != "msi" and "msi" in files else check_file(file)
    yield from run(found)


def _named(name: str, context: Context) -> tuple[Variant | None, str]:
    """The variant and the version that a package's name tells."""
    match = re.fullmatch(r"\S+ \S+ (?P<version>[0-9.]+)(?: debug)?\.(?P<kind>msi|exe|symbols\.zip)", name)
    if match:
        for variant in context.config.matrix.variants():
            if variant.package(match["kind"], match["version"]) == name:
                return variant, match["version"]
    return None, ""


def _variant_of_folder(path: Path, context: Context) -> Variant | None:
    """The variant in whose folder below target/ a file lies."""
    folder = path.resolve().parent
    for variant in context.config.matrix.variants():
        if folder == (context.config.root / plan.Places(variant).images).resolve():
            return variant
    return None

# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of driver packages: the INF, and the catalog that vouches for it and for what it installs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PureWindowsPath

from gplpv import authenticode
from gplpv import catalog as catalogs
from gplpv.errors import GplpvError
from gplpv.inf import check as infcheck
from gplpv.inf.parse import parse
from gplpv.inf.target import Target, targets_for
from gplpv.inf.view import Inf
from gplpv.verify.binaries import agree
from gplpv.verify.finding import Outcome, check, doubt, fact, fault
from gplpv.verify.subject import File, Group


@dataclass
class Driver(Group):
    """A driver package: an INF and the files below its folder."""

    inf: File | None = None


@check("catalog", "driver", "the catalog names the INF and every file that it installs, with their digests")
def catalog(driver: Driver) -> Iterator[Outcome]:
    assert driver.inf
    inf = Inf(parse(driver.inf.data))
    target = targets_for(driver.variant)[0] if driver.variant else next(iter(inf.targets()), Target("x86", (5, 0)))
    name = inf.catalog_file(target)
    if not name:
        if driver.context.demand:
            yield fault("its INF names no catalog: nothing vouches for it")
        return
    file = driver.files.get(name.lower())
    if file is None:
        if driver.context.demand:
            yield fault(f"{name} is missing")
        else:
            yield doubt(f"{name} is missing: Windows asks whether to install it")
        return
    yield from _members(driver, inf, target, file)


def _members(driver: Driver, inf: Inf, target: Target, file: File) -> Iterator[Outcome]:
    assert driver.inf
    read = catalogs.read(file.data)
    wanted = {driver.inf.file_name.lower(): driver.inf}
    for shown, path in inf.members(target):
        found = driver.files.get(path.lower().replace("\\", "/"))
        if found is None:
            yield fault(f"{path}, which the INF installs, is not there")
        else:
            wanted[PureWindowsPath(shown).name.lower()] = found
    digests = {member.digest for member in read.members}
    for member in read.members:
        if member.indirect and member.indirect.digest != member.digest:
            yield fault(f"{file.file_name} has two digests for {member.file}")
    present = {digest for one in driver.files.values() if one is not file for digest in _digests(one)}
    for name, one in sorted(wanted.items()):
        if not digests & set(_digests(one)):
            yield fault(f"{file.file_name} does not vouch for {name}: it is not the file that was catalogued")
    for stray in sorted({member.file for member in read.members if member.digest not in present}):
        yield fault(f"{file.file_name} vouches for another {stray or 'file'} than is there")
    yield fact(f"{file.file_name} vouches for {len(wanted)} files")


def _digests(file: File) -> list[bytes]:
    """What a catalog may have for a file; none for an image that is too damaged to have a digest."""
    try:
        return [authenticode.digest(file.data, name) for name in ("sha1", "sha256")]
    except GplpvError:
        return []


@check("rules", "driver", "nothing in the INF stops or weakens an installation")
def rules(driver: Driver) -> Iterator[Outcome]:
    assert driver.inf
    targets: list[Target] = targets_for(driver.variant) if driver.variant else []
    names = frozenset(name.replace("/", "\\") for name in driver.files)
    moment = driver.context.config.moment.date()
    subject = infcheck.Subject(driver.inf.file_name, parse(driver.inf.data), targets, names, True, moment)
    for finding in infcheck.check(driver.inf.file_name, subject):
        yield fault(str(finding)) if finding.severity == "error" else doubt(str(finding))
    yield fact(f"{len(infcheck.rules())} rules kept")


@check("version", "driver", "DriverVer tells the version of the package")
def version(driver: Driver) -> Iterator[Outcome]:
    assert driver.inf
    entry = parse(driver.inf.data).first("Version", "DriverVer")
    found = entry.text(1) if entry else ""
    yield from agree(driver.inf, found, "DriverVer")
    yield fact(found)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogs of a driver package: what a folder's INFs install, hashed and listed.

Source: Windows driver documentation, "Inf2Cat", "Catalog Files and Digital Signatures", "INF Version Section"; what
these leave open (which files, which IDs, in which order) follows catalogs made by the vendor's tool.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gplpv.catalog.model import Catalog
from gplpv.catalog.systems import System
from gplpv.catalog.write import File, build, hash_file, write
from gplpv.errors import GplpvError
from gplpv.files import replacing, write_bytes
from gplpv.inf.parse import parse
from gplpv.inf.view import Inf

_CATALOG_KEY = re.compile(r"catalogfile(\.nt\w*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """An INF of the folder."""

    path: Path
    data: bytes
    inf: Inf


@dataclass(frozen=True)
class Made:
    """A catalog and the file that it goes to."""

    path: Path
    catalog: Catalog


def make(
    sources: Sequence[Source], systems: Sequence[System], moment: datetime.datetime, today: datetime.date
) -> list[Made]:
    """Return the catalogs that the INFs of one package name; nothing is written.

    Every catalog has the hardware IDs of all INFs, in the order in which they are given, and the files of its own.

    Args:
        today: no DriverVer may be later.

    Raises:
        GplpvError: an INF names no catalog, a date to come, or a file that is not there.
    """
    named: dict[str, list[Source]] = {}
    spelling: dict[str, str] = {}
    for owner in sources:
        _require_date(owner, today)
        for name in _catalog_names(owner, systems):
            named.setdefault(spelling.setdefault(name.lower(), name), []).append(owner)
    ids = list(dict.fromkeys(each for owner in sources for each in owner.inf.hardware_ids()))
    made = []
    for name, owners in named.items():
        files = [file for owner in owners for file in members(owner, systems)]
        made.append(Made(owners[0].path.parent / name, build(files, systems, ids, moment)))
    return made


def save(made: Sequence[Made]) -> None:
    """Write all of them, or none."""
    with replacing(*(each.path for each in made)) as partials:
        for partial, each in zip(partials, made, strict=True):
            partial.write_bytes(write(each.catalog))


def write_for(inf: Path, target: Path, systems: Sequence[System], moment: datetime.datetime) -> None:
    """Write the one catalog of an INF whose files lie beside it, unsigned, to `target`.

    Raises:
        GplpvError: as :func:`make`; or the INF names another catalog than `target`, or more than that.
    """
    made = make([source(inf)], systems, moment, moment.date())
    if [each.path.name for each in made] != [target.name]:
        names = ", ".join(each.path.name for each in made)
        raise GplpvError(f"{inf} names {names}, not {target.name}.", "Stamp it with that CatalogFile.")
    write_bytes(target, write(made[0].catalog))


def find(folder: Path) -> list[Source]:
    """Return the INFs of a folder in the order of their names.

    Raises:
        GplpvError: there is none, or one cannot be read or is no INF.
    """
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() == ".inf" and path.is_file()]
    except OSError as error:
        raise GplpvError(
            f"{folder} cannot be read: {error.strerror}.", "Name the folder of a driver package, with its INF."
        ) from error
    if not paths:
        raise GplpvError(f"There is no INF in {folder}.", "Name the folder of a driver package, with its INF.")
    return [source(path) for path in sorted(paths, key=lambda path: path.name.lower())]


def source(path: Path) -> Source:
    """Read an INF.

    Raises:
        GplpvError: it cannot be read or is none.
    """
    data = _read(path, f"{path} cannot be read")
    inf = Inf(parse(data))
    if not inf.document.has_section("Version"):
        raise GplpvError(f"{path} has no [Version] section.", "It is no INF, or damaged: `gplpv infcheck` tells more.")
    return Source(path, data, inf)


def members(owner: Source, systems: Sequence[System]) -> Iterator[File]:
    """Yield what a catalog has of an INF: the INF itself and, for each Windows, the files that it copies.

    Raises:
        GplpvError: one of the files is missing or damaged.
    """
    yield hash_file(owner.path.name, owner.data)
    targets = [target for system in systems for target in system.targets]
    for destination, place in dict.fromkeys(member for target in targets for member in owner.inf.members(target)):
        path = _lookup(owner.path.parent, place)
        if path is None:
            name = place.replace("\\", "/")
            hint = f"Put it below {owner.path.parent}, or mend the INF."
            raise GplpvError(f"{owner.path} names {name}, which is not there.", hint)
        data = _read(path, f"{path}, which {owner.path.name} names, cannot be read")
        try:
            yield hash_file(destination, data)
        except GplpvError as error:
            raise GplpvError(f"{path}: {error.message}", error.hint) from error


def _lookup(folder: Path, place: str) -> Path | None:
    """Find a path with backslashes below a folder as Windows does, in any case; the very spelling comes first."""
    path = folder
    for part in place.split("\\"):
        if part == "..":
            return None
        if (path / part).exists():
            path /= part
            continue
        names = sorted(each.name for each in path.iterdir()) if path.is_dir() else []
        match = next((name for name in names if name.lower() == part.lower()), None)
        if match is None:
            return None
        path /= match
    return path if path.is_file() else None


def _read(path: Path, message: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GplpvError(f"{message}: {error.strerror}.", "Give yourself permission to read it.") from error


def _catalog_names(owner: Source, systems: Sequence[System]) -> list[str]:
    """All catalogs that an INF names, whichever Windows they are for; each Windows asked for must have one."""
    for system in systems:
        if not all(owner.inf.catalog_file(target) for target in system.targets):
            raise GplpvError(
                f"{owner.path} names no catalog for {system.name}.",
                "Give its [Version] section a CatalogFile, as `gplpv stampinf -c` does.",
            )
    entries = [entry for entry in owner.inf.document.section("Version") if entry.key]
    keys = [entry for entry in entries if _CATALOG_KEY.fullmatch(str(entry.key))]
    names = [owner.inf.expand(entry.text(0)) for entry in keys]
    for name in filter(None, names):
        if not re.fullmatch(r'[^\\/:*?"<>|\x00-\x1f]+\.cat', name, re.IGNORECASE):
            raise GplpvError(
                f"{owner.path} names the catalog {name!r}, which is no plain name in .cat.", "Mend its CatalogFile."
            )
    return list(dict.fromkeys(filter(None, names)))


def _require_date(owner: Source, today: datetime.date) -> None:
    """Refuse a DriverVer that is missing, no date, or to come."""
    text = owner.inf.version("DriverVer")
    match = re.fullmatch(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})", text.strip())
    try:
        date = datetime.date(int(match[3]), int(match[1]), int(match[2])) if match else None
    except ValueError:
        date = None
    if date is None:
        fault = f"has the DriverVer {text!r}, which is no mm/dd/yyyy" if text else "has no DriverVer"
        raise GplpvError(f"{owner.path} {fault}.", "Stamp it with `gplpv stampinf`.")
    if date > today:
        raise GplpvError(
            f"{owner.path} has the DriverVer {text}, which is after {today:%m/%d/%Y}, the date of the build.",
            "Stamp it with an earlier date, or set SOURCE_DATE_EPOCH to a later moment.",
        )

# SPDX-License-Identifier: GPL-2.0-or-later
"""The full figures: every long scenario on every target, release builds, as many at once as there are processors.

The seed and the drivers decide all that a run does, so that the table of it can be committed and be had again.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pefile

from gplpv.files import write_bytes
from xenlab import folder, report, scenario
from xenlab.lab import Options
from xenlab.trace import Trace
from xenlab.workshop import Workshop

TABLE = Path("benchmarks/long.txt")
_WORK = Path("target/xenlab")
_KEPT_EVENTS = 1000


@dataclass(frozen=True)
class Row:
    """How one scenario went on one target.

    Attributes:
        drivers: a digest of the images that ran; the same sources build the same images everywhere.
        figures: what the run did, in words.
        failure: the report of a run that failed, or empty.
    """

    scenario: str
    target: str
    drivers: str
    figures: str
    failure: str = ""

    def line(self) -> str:
        result = "FAILED" if self.failure else "passed"
        return f"{self.scenario:<24}  {self.target:<12}  {self.drivers}  {result}  {self.figures}"


class Table:
    """The committed table: of every scenario and target the row of its last run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self._lines = {self._key(line): line for line in lines}

    def put(self, row: Row) -> None:
        """Take in a row, and keep it at once: a run that is stopped loses nothing."""
        line = row.line()
        self._lines[self._key(line)] = line
        write_bytes(self._path, "".join(f"{self._lines[key]}\n" for key in sorted(self._lines)).encode())

    def has(self, scenario: str, target: str, drivers: str) -> bool:
        """Whether the last row of a scenario and target is of these drivers (:attr:`Row.drivers`)."""
        return self._lines.get((scenario, target), "").split()[2:3] == [drivers]

    @staticmethod
    def _key(line: str) -> tuple[str, ...]:
        return tuple(line.split()[:2])


def run_all(
    project: Path,
    names: Iterable[str],
    targets: Sequence[str],
    tell: Callable[[Row], None],
    jobs: int | None = None,
    known: Table | None = None,
) -> list[Row]:
    """Run long scenarios, all of them without `names`, on targets by name (``XPx64``), all of them without `targets`.

    `tell` hears of each row as it ends; the list is in that order. What `known` has of the same drivers is not run.

    Raises:
        GplpvError: a driver does not build, there is no such scenario, or one cannot be run.
    """
    chosen = [scenario.find(name) for name in names] or [each for each in scenario.scenarios() if each.long]
    workshop = Workshop(project, project / _WORK / "long", project / _WORK / "kept")
    variants = [each for each in workshop.settings.matrix.variants() if not each.debug]
    drivers = {each.name: workshop.build(each) for each in variants if not targets or each.name in targets}
    first = _first_of_code(drivers)
    digests = {target: _digest(folder.read(path)) for target, path in drivers.items()}
    places = []
    for which, target in itertools.product(chosen, drivers):
        stands_for = [other for other in drivers if first[other] == target] if which.per_code else [target]
        if not all(known and known.has(which.name, other, digests[other]) for other in stands_for):
            places.append((which.name, target))
    rows: list[Row] = []
    pool = ProcessPoolExecutor(jobs or os.cpu_count() or 1, mp_context=get_context("spawn"))
    try:
        for future in as_completed([pool.submit(_run, name, target, drivers[target]) for name, target in places]):
            row = future.result()
            for each in (row, *_twins(row, first, drivers)):
                rows.append(each)
                tell(each)
    finally:
        pool.shutdown(cancel_futures=True)
    return rows


def _first_of_code(drivers: Mapping[str, Path]) -> dict[str, str]:
    """For each target the first whose images have the same code and data; build dates and symbol names apart."""
    first: dict[bytes, str] = {}
    return {target: first.setdefault(_code(folder.read(path)), target) for target, path in drivers.items()}


def _twins(row: Row, first: Mapping[str, str], drivers: Mapping[str, Path]) -> list[Row]:
    """The rows of the targets for which a run of a scenario `per_code` stands, too."""
    if not scenario.find(row.scenario).per_code:
        return []
    twins = [target for target in drivers if target != row.target and first[target] == row.target]
    figures = f"the code of {row.target}"
    return [Row(row.scenario, twin, _digest(folder.read(drivers[twin])), figures, row.failure) for twin in twins]


def _run(name: str, target: str, drivers: Path) -> Row:
    """Run one scenario in a process of its own."""
    found = folder.read(drivers)
    outcome = scenario.run(scenario.find(name), found, Options(), Trace(_KEPT_EVENTS))
    figures = [f"{value:,} {what}" for what, value in outcome.figures.items()]
    figures.append(f"{outcome.virtual_ns / 1e9:,.1f} s of virtual time")
    failure = report.text(outcome) if outcome.violation else ""
    return Row(name, target, _digest(found), ", ".join(figures), failure)


def _code(found: folder.DriverFolder) -> bytes:
    """What the processor sees of images that the lab loads: no headers, nothing that names the build (PE, "Debug")."""
    seen = hashlib.sha256()
    for path in found.images:
        if any(remark.startswith(path.name) for remark in found.remarks):
            continue
        image = pefile.PE(str(path))
        memory = bytearray(image.get_memory_mapped_image())
        table = image.OPTIONAL_HEADER.DATA_DIRECTORY[pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_DEBUG"]]
        named = [(each.struct.AddressOfRawData, each.struct.SizeOfData) for each in image.DIRECTORY_ENTRY_DEBUG]
        for start, size in [(0, image.sections[0].VirtualAddress), (table.VirtualAddress, table.Size), *named]:
            memory[start : start + size] = bytes(size)
        seen.update(path.name.encode() + memory)
    return seen.digest()


def _digest(found: folder.DriverFolder) -> str:
    images = hashlib.sha256()
    for image in found.images:
        images.update(hashlib.sha256(image.read_bytes()).digest())
    return images.hexdigest()[:12]

# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants: drivers with one deliberate fault each, built and run to see that the lab notices.

A list of mutants is YAML; its entries are :class:`Mutant`. Each is applied to a copy of the sources, its driver alone
is built there, and the scenario that must notice it runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gplpv import process
from gplpv.errors import GplpvError
from gplpv.matrix import ArchName
from xenlab.workshop import Workshop

LIST = Path("tests/xenlab/mutants.yaml")
_KEPT = Path("target/xenlab/kept")
_SECONDS = 180.0


class Mutant(BaseModel):
    """One fault.

    Attributes:
        id: its name, which says what is wrong.
        driver: whose image it changes.
        file: the source, relative to the project's root.
        old: text that stands in the source exactly once; `new` takes its place.
        scenario: the one that must notice it.
        notices: what the violation must say, a part of it, so that the fault is found by the check meant for it.
        platform, arch: the variant that it is built for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    driver: str
    file: str
    old: Annotated[str, Field(min_length=1)]
    new: str
    scenario: str
    notices: str = ""
    platform: str = "XP"
    arch: ArchName = "x64"

    def apply(self, root: Path) -> None:
        """Change the source below `root`.

        Raises:
            GplpvError: the old text does not stand there exactly once.
        """
        path = root / self.file
        if not path.is_file():
            raise GplpvError(f"Mutant {self.id}: there is no {self.file}.", "Correct the list of mutants.")
        text = path.read_bytes().decode()
        count = text.count(self.old)
        if count != 1:
            raise GplpvError(
                f"Mutant {self.id}: its old text stands {count} times in {self.file}.", "Correct the list of mutants."
            )
        path.write_bytes(text.replace(self.old, self.new).encode())


@dataclass(frozen=True)
class Result:
    """What became of a mutant: caught, and by what, or how it came through."""

    mutant: Mutant
    caught: bool
    how: str

    def line(self) -> str:
        return f"{'caught  ' if self.caught else 'SURVIVED'}  {self.mutant.id}: {self.how}"

    def facts(self) -> dict[str, object]:
        return {"id": self.mutant.id, "caught": self.caught, "how": self.how}


def load(path: Path) -> list[Mutant]:
    """Read a list of mutants.

    Raises:
        GplpvError: it cannot be read, an entry is wrong, or two share an id.
    """
    try:
        mutants = TypeAdapter(list[Mutant]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GplpvError(f"{path} cannot be read: {error}.", "It is a YAML list of mutants.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise GplpvError(f"{path}: {where}: {first['msg']}.", f"Keys: {', '.join(Mutant.model_fields)}.") from error
    names = [mutant.id for mutant in mutants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise GplpvError(f"{path}: more than one mutant is called {', '.join(twice)}.", "An id is unique.")
    return mutants


def run_all(project: Path, mutants: Sequence[Mutant], jobs: int | None = None) -> list[Result]:
    """Build and run each mutant, several at a time; results in the order given.

    Raises:
        GplpvError: the scenarios fail for the drivers as they are, or a mutant does not apply or compile.
    """
    with tempfile.TemporaryDirectory(prefix="xenlab-") as name:
        scratch = Path(name)
        workshop = Workshop(project, scratch / "sound", project / _KEPT)
        sound = {
            (platform, arch): workshop.build(workshop.variant(platform, arch))
            for platform, arch in dict.fromkeys((mutant.platform, mutant.arch) for mutant in mutants)
        }
        with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
            baseline = dict.fromkeys((sound[mutant.platform, mutant.arch], mutant.scenario) for mutant in mutants)
            list(pool.map(lambda each: _require_passing(*each), baseline))
            return list(pool.map(lambda each: _try(each, project, scratch, sound[each.platform, each.arch]), mutants))


def summary(results: Iterable[Result]) -> str:
    """Return the share that was caught, in one line."""
    listed = list(results)
    caught = sum(result.caught for result in listed)
    return f"{caught} of {len(listed)} mutants caught ({100 * caught / len(listed) if listed else 0:.1f} %)"


def _require_passing(drivers: Path, scenario: str) -> None:
    violation = _scenario(scenario, drivers)
    if violation is not None:
        raise GplpvError(
            f"The scenario {scenario} fails for the drivers as they are: {violation}", f"Run: xenlab run {scenario}"
        )


def _try(mutant: Mutant, project: Path, scratch: Path, sound: Path) -> Result:
    workshop = Workshop(project, scratch / mutant.id, project / _KEPT)
    mutant.apply(workshop.root)
    variant = workshop.variant(mutant.platform, mutant.arch)
    drivers = workshop.build(variant, [mutant.driver])
    for path in sound.iterdir():
        if path.stem != mutant.driver:
            shutil.copy2(path, drivers / path.name)
    violation = _scenario(mutant.scenario, drivers)
    shutil.rmtree(workshop.root)
    if violation is None:
        return Result(mutant, False, f"{mutant.scenario} passes")
    if mutant.notices not in violation:
        return Result(mutant, False, f"{mutant.scenario} fails, but not for {mutant.notices!r}: {violation}")
    return Result(mutant, True, violation)


def _scenario(name: str, drivers: Path) -> str | None:
    """Run a scenario in a process of its own: a fault may take the emulator with it. Return the violation, if any."""
    command: list[str | Path] = [sys.executable, "-m", "xenlab", "run", name, "--drivers", drivers, "--json"]
    done = process.run(command, allowed=(0, 1), timeout=_SECONDS)
    try:
        [outcome] = json.loads(done.output)
    except ValueError:
        raise GplpvError(f"{name} ended without an outcome:\n{done.output}", "It is a fault in the lab.") from None
    return None if outcome["passed"] else str(outcome["violation"])

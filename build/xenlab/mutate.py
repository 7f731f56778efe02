# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants: drivers with one deliberate fault each, built and run to see that the lab notices.

Lists of mutants are YAML; their entries are :class:`Mutant`. Each is applied to a copy of the sources, its driver alone
is built there, from kept objects but for what the fault touches, and the scenario that must notice it runs in a process
of its own. One that does not end is not caught: the lab must find by itself that nothing comes to an end.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pkgutil
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gplpv.errors import GplpvError
from gplpv.matrix import ArchName
from xenlab import folder, scenario
from xenlab.lab import Options
from xenlab.trace import Trace
from xenlab.workshop import Workshop

LIST = Path("tests/xenlab/mutants")
_KEPT = Path("target/xenlab/kept")
_SECONDS = 120.0


class Mutant(BaseModel):
    """One fault.

    Attributes:
        id: its name, which says what is wrong.
        driver: whose image it changes.
        file: the source, relative to the project's root.
        old: text that stands in the source exactly once; `new` takes its place.
        scenario: the one that must notice it.
        notices: what the violation must say, a part of it, so that the fault is found by the check meant for it; one of
            several where chance decides what comes to light first.
        platform, arch: the variant that it is built for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    driver: str
    file: str
    old: Annotated[str, Field(min_length=1)]
    new: str
    scenario: str
    notices: str | list[str] = ""
    platform: str = "XP"
    arch: ArchName = "x64"

    def words(self) -> list[str]:
        return [self.notices] if isinstance(self.notices, str) else self.notices

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
    """Read a list of mutants, or all lists in a folder.

    Raises:
        GplpvError: one cannot be read, an entry is wrong, or two share an id.
    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    mutants = [mutant for file in files for mutant in _read(file)]
    names = [mutant.id for mutant in mutants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise GplpvError(f"{path}: more than one mutant is called {', '.join(twice)}.", "An id is unique.")
    return mutants


def _read(path: Path) -> list[Mutant]:
    try:
        return TypeAdapter(list[Mutant]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GplpvError(f"{path} cannot be read: {error}.", "It is a YAML list of mutants.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise GplpvError(f"{path}: {where}: {first['msg']}.", f"Keys: {', '.join(Mutant.model_fields)}.") from error


def run_all(project: Path, mutants: Sequence[Mutant], jobs: int | None = None) -> list[Result]:
    """Build and run each mutant, several at a time; results in the order given.

    Raises:
        GplpvError: a scenario fails for the drivers as they are.
    """
    with tempfile.TemporaryDirectory(prefix="xenlab-") as name, ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        scratch, kept = Path(name), project / _KEPT
        workshop = Workshop(project, scratch / "sound", kept)
        variants = dict.fromkeys((mutant.platform, mutant.arch) for mutant in mutants)
        sound = {each: workshop.build(workshop.variant(*each)) for each in variants}
        runs = dict.fromkeys((mutant.scenario, sound[mutant.platform, mutant.arch]) for mutant in mutants)
        passing = [(run, pool.submit(_apart, *run)) for run in runs]
        tried = [
            pool.submit(_try, each, project, scratch / each.id, kept, sound[each.platform, each.arch])
            for each in mutants
        ]
        for (scenario_name, _), future in passing:
            _require_passing(scenario_name, future.result())
        return [each.result() for each in tried]


def summary(results: Iterable[Result]) -> str:
    """Return the share that was caught, in one line."""
    listed = list(results)
    caught = sum(result.caught for result in listed)
    return f"{caught} of {len(listed)} mutants caught ({100 * caught / len(listed) if listed else 0:.1f} %)"


def _require_passing(name: str, violation: str | None) -> None:
    if violation is not None:
        raise GplpvError(
            f"The scenario {name} fails for the drivers as they are: {violation}", f"Run: xenlab run {name}"
        )


def _try(mutant: Mutant, project: Path, scratch: Path, kept: Path, sound: Path) -> Result:
    """Build a mutant, run it apart, and judge; one that does not apply, compile or come to an end is not caught."""
    try:
        drivers = build(mutant, project, scratch, kept, sound)
        violation = _apart(mutant.scenario, drivers)
    except GplpvError as error:
        return Result(mutant, False, str(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if violation is None:
        return Result(mutant, False, f"{mutant.scenario} passes")
    if not any(each in violation for each in mutant.words()):
        return Result(mutant, False, f"{mutant.scenario} fails, but not for {mutant.notices!r}: {violation}")
    return Result(mutant, True, violation)


def build(mutant: Mutant, project: Path, scratch: Path, kept: Path, sound: Path) -> Path:
    """Build the mutant's driver from sources copied to `scratch`; return a folder with it and the others of `sound`."""
    workshop = Workshop(project, scratch, kept)
    mutant.apply(workshop.root)
    drivers = workshop.build(workshop.variant(mutant.platform, mutant.arch), [mutant.driver])
    for path in sound.iterdir():
        if path.stem != mutant.driver:
            shutil.copy2(path, drivers / path.name)
    return drivers


# Processes


def _loaded_later() -> list[str]:
    """The modules that a scenario's run imports, so that it need not."""
    packages = ("xenlab.nt", "xenlab.ports", "xenlab.scenarios")
    paths = {package: importlib.import_module(package).__path__ for package in packages}
    return [f"{package}.{each.name}" for package, path in paths.items() for each in pkgutil.iter_modules(path)]


if sys.platform == "win32":
    _CONTEXT = multiprocessing.get_context("spawn")
else:
    _CONTEXT = multiprocessing.get_context("forkserver")
    _CONTEXT.set_forkserver_preload(["__main__", __name__, *_loaded_later()])


def _apart(name: str, drivers: Path) -> str | None:
    """Run a scenario in a process of its own, since a fault may take the emulator with it; return what was violated.

    Raises:
        GplpvError: it cannot be run, dies, or takes too long.
    """
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    child = _CONTEXT.Process(target=_run, args=(sender, name, drivers))
    child.start()
    sender.close()
    try:
        if not receiver.poll(_SECONDS):
            raise GplpvError(f"{name} takes longer than {_SECONDS:g} s.", "The lab should have found that it hangs.")
        answer: str | GplpvError | None = receiver.recv()
    except EOFError:
        child.join()
        raise GplpvError(f"{name} died with exit code {child.exitcode}.", "It is a fault in the lab.") from None
    finally:
        child.kill()
        child.join()
    if isinstance(answer, GplpvError):
        raise answer
    return answer


def _run(sender: Connection, name: str, drivers: Path) -> None:
    try:
        outcome = scenario.run(scenario.find(name), folder.read(drivers), Options(), Trace(1))
    except GplpvError as error:
        sender.send(error)
    else:
        sender.send(outcome.violation.what if outcome.violation else None)

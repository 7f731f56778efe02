# SPDX-License-Identifier: GPL-2.0-or-later
"""The SCons tool: turns calls into gplpv into graph nodes. Nothing else in the project imports SCons."""

from __future__ import annotations

import atexit
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from SCons.Action import Action
from SCons.Errors import BuildError
from SCons.Scanner.C import CScanner
from SCons.Script import Main
from SCons.Script.Main import GetBuildFailures, OptionsParser
from SCons.Taskmaster.Job import interrupt_msg

from gplpv.errors import GplpvError, UsageError, nearest

Run = Callable[[list[Path], list[Path]], None]
_STOPPED = 2


@dataclass(frozen=True)
class Step:
    """One node's work: `run(targets, sources)` with paths."""

    run: Run

    def __call__(self, target: list[Any], source: list[Any], env: Any) -> None:
        try:
            self.run([Path(str(node)) for node in target], [Path(str(node)) for node in source])
        except GplpvError as error:
            raise BuildError(node=target[0], errstr=str(error), status=1, exitstatus=1) from None


@cache
def code_of(module: ModuleType) -> bytes:
    """A digest of a module's source, or of a package's."""
    path = Path(str(module.__file__))
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()


def step(
    env: Any,
    targets: Sequence[str | Path],
    sources: Sequence[Any],
    run: Run,
    *,
    title: str,
    identity: object = "",
    modules: Sequence[ModuleType] = (),
    includes: Sequence[Path] = (),
) -> list[Any]:
    """Add a node: `run` makes `targets` of `sources`, anew when these, `identity` or the code in `modules` change.

    C headers that the sources include from `includes` are dependencies too. Nodes in env["STEP_FIRST"] come before it.
    """
    digest = hashlib.sha256(repr(identity).encode() + b"".join(map(code_of, modules))).hexdigest()
    folders = [f"#{folder.as_posix()}" for folder in includes]
    scan = {"source_scanner": CScanner(), "CPPPATH": folders} if includes else {}
    nodes: list[Any] = env.Command(
        [f"#{Path(target).as_posix()}" for target in targets],
        [f"#{item.as_posix()}" if isinstance(item, Path) else item for item in sources],
        Action(Step(run), lambda target, source, env: title, varlist=["STEP_IDENTITY"]),
        STEP_IDENTITY=digest,
        **scan,
    )
    env.Requires(nodes, env.get("STEP_FIRST", []))
    return nodes


class Progress:
    """What a person sees: on a terminal one line that is written over, elsewhere a line for each finished package."""

    def __init__(self) -> None:
        self._count = 0
        self._start = time.monotonic()
        self._live = sys.stdout.isatty()

    def __call__(self, text: str, target: list[Any], source: object, env: object) -> None:
        self._count += 1
        is_package = str(target[0]).startswith("dist")
        if self._live:
            end = "\n" if is_package else "\r"
            sys.stdout.write(f"\r\x1b[K{time.monotonic() - self._start:4.0f} s  {self._count:4}  {text}"[:110] + end)
            sys.stdout.flush()
        elif is_package:
            sys.stdout.write(text + "\n")


def check_words() -> None:
    """Refuse an unknown --option with the nearest one that SCons has.

    Raises:
        UsageError: where SCons itself would only say that there is no such option.
    """
    for word in OptionsParser.largs:
        if word.startswith("--"):
            known = [option for option in OptionsParser._long_opt if not option.startswith("--debug")]
            raise UsageError(f"There is no option {word.split('=')[0]!r}.", nearest(word.split("=")[0], known))


def say_if_interrupted() -> None:
    """SCons itself says nothing of it when told not to chat; stopped between two steps, it has no failure either."""
    failures = GetBuildFailures()
    between_steps = Main.this_build_status == _STOPPED and not failures
    if between_steps or any(failure.errstr == interrupt_msg for failure in failures):
        sys.stderr.write("Build interrupted. What was finished is kept: the next run goes on from there.\n")


def generate(env: Any) -> None:
    atexit.register(say_if_interrupted)
    env["PRINT_CMD_LINE_FUNC"] = Progress()
    env.AddMethod(step, "Step")
    env.AddMethod(lambda env: check_words(), "CheckWords")


def exists(env: object) -> bool:
    return True

# SPDX-License-Identifier: GPL-2.0-or-later
"""A clean copy of the project in a folder of its own, and the build command run in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    exit_code: int
    output: str


@dataclass(frozen=True)
class Tree:
    """A copy of the project's files."""

    root: Path

    def scons(
        self,
        *arguments: str,
        path: str | None = None,
        until: Callable[[], bool] | None = None,
        sends: signal.Signals = signal.SIGINT,
        variables: Mapping[str, str] | None = None,
        password: str | None = None,
    ) -> Outcome:
        """Run the build; with `until`, press Ctrl-C (or send another signal) as soon as that is true.

        `variables` are set on top of the environment; a password comes by GPLPV_SIGN_PASSWORD_FD.
        """
        command = [sys.executable, "-m", "SCons", "-Q", *arguments]
        # The copy's own library, not the one that is installed beside the tests.
        environment = {**os.environ, "PYTHONPATH": str(self.root / "build")}
        environment.pop("SOURCE_DATE_EPOCH", None)
        environment.update(variables or {})
        descriptors = []
        if password:
            descriptors = [_pipe_with(password)]
            environment["GPLPV_SIGN_PASSWORD_FD"] = str(descriptors[0])
        if path is not None:
            environment["PATH"] = path
        running = subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            pass_fds=descriptors,
        )
        for one in descriptors:
            os.close(one)
        if until:
            while not until():
                assert running.poll() is None, "the build ended before it could be interrupted"
            # A terminal sends it to every process in the foreground.
            os.killpg(running.pid, sends)
        output, _ = running.communicate()
        return Outcome(running.returncode, output)

    def dist(self) -> list[str]:
        """Names in dist/, whatever they are."""
        folder = self.root / "dist"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _pipe_with(text: str) -> int:
    """The reading end of a pipe that holds a text."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    return reading


def copy(to: Path) -> Tree:
    """Copy what git would put in a commit; outputs and the private environment stay behind."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (PROJECT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, to / name)
    return Tree(to)

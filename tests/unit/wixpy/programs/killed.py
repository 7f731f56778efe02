# SPDX-License-Identifier: MIT
"""Commits a change to the package argv[1] again and again, killed at each step that reaches the disk in turn: at a
write (of which half is done), at the flush, at the renaming.  Prints a line a step: what it was, and what is in the
file then."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from wixpy import msilib
from wixpy.database import Database

PATH = Path(sys.argv[1])
DONE, KILLED = 0, 9
_FSYNC, _REPLACE = os.fsync, Path.replace


class Steps:
    """Counts down; at zero the process is gone, without a chance to clean up."""

    def __init__(self, left: int, report: int) -> None:
        self.left = left
        self.report = report

    def take(self, name: str) -> None:
        if not self.left:
            os.write(self.report, name.encode())
            os._exit(KILLED)
        self.left -= 1


class File(io.FileIO):
    steps: Steps

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if not self.steps.left:
            super().write(bytes(data)[: len(data) // 2])
        self.steps.take("write")
        return super().write(data)


def commit(steps: Steps, name: str) -> None:
    File.steps = steps

    def fsync(descriptor: int) -> None:
        steps.take("flush")
        _FSYNC(descriptor)

    def replace(path: Path, target: Path) -> Path:
        steps.take("rename")
        result = _REPLACE(path, target)
        steps.take("renamed")
        return result

    database = msilib.OpenDatabase(PATH, msilib.MSIDBOPEN_TRANSACT)
    msilib.add_data(database, "Property", [(name, "1")])
    Path.open = lambda path, mode: io.BufferedWriter(File(path, mode), 4096)  # type: ignore[assignment,method-assign]
    os.fsync = fsync
    Path.replace = replace  # type: ignore[assignment,method-assign]
    database.Commit()


def main() -> None:
    for number in range(1000):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            commit(Steps(number, writer), f"New{number}")
            os._exit(DONE)
        os.close(writer)
        with os.fdopen(reader) as report:
            step = report.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(step or "done", "new" if Database.open(PATH).property(f"New{number}") else "old")
        if code != KILLED:
            sys.exit(code)


main()

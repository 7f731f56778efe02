#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Time wixpy against wixl (Debian's package `wixl`): whole processes, from the source to the package.

Both build the same sources by turns, several times; the smallest wall and processor times of each count, since all else
is other load, and the largest peak of resident memory.  The files are lines as of logs, words as of a dictionary, and
noise, from a fixed seed.  `--write` keeps the table in benchmarks/wixpy.txt; `--first` has wall times that other load
does not touch, and needs root.  Exit codes: 0, or 3 when wixl is missing, a build fails or `--first` is not allowed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
TABLE = PROJECT / "benchmarks" / "wixpy.txt"
WIXPY = Path(sys.executable).with_name("wixpy")
EXIT_CANNOT_RUN = 3
CASES = {"20 files, 0.85 MB": (20, 42_500), "2,000 files, 100 MB": (2000, 50_000), "1 file, 500 MB": (1, 500_000_000)}
RUNS = {1: 1, 20: 25, 2000: 5}
SOURCE = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A47" Name="Sample" Manufacturer="Maker" Version="1.2.3" Language="1033"
 UpgradeCode="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48">
<Package InstallerVersion="200" Compressed="yes"/><Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder" Name="PFiles">
<Directory Id="INSTALLDIR" Name="Sample">
{components}</Directory></Directory></Directory>
<Feature Id="All" Level="1">{references}</Feature>
</Product></Wix>
"""
COMPONENT = """\
<Component Id="c{0}" Guid="{1}"><File Id="f{0}" Name="file{0}.txt" Source="file{0}.txt"/></Component>
"""
ROWS = """\
import pathlib, sys
from wixpy.database import Database
database = Database()
for n in range(50_000):
    database.insert("File", f"file{n}", f"component{n // 5}", f"F{n}.TXT", n % 1000, None, None, 512, n % 32767)
database.commit(pathlib.Path(sys.argv[1]))
"""
QUERY = "SELECT `File`, `FileSize` FROM `File` WHERE `FileSize` = 77"


class Run(NamedTuple):
    """What one process took: seconds of wall time, seconds of processors, KiB of resident memory at its peak."""

    seconds: float
    processors: float
    peak: int


def pieces(seed: int) -> Iterator[bytes]:
    """Content without end, in pieces of 64 KiB or so."""
    dice = random.Random(seed)
    words = [dice.randbytes(dice.randrange(2, 6)).hex() for _ in range(3000)]
    while True:
        yield b"".join(
            b"%08d %s: %d\n" % (n, dice.choice(words).encode(), dice.getrandbits(20))
            for n in range(dice.choice((9, 1900)))
        )
        yield " ".join(dice.choices(words, k=5000)).encode()
        yield dice.randbytes(20_000)


def write_files(folder: Path, count: int, size: int) -> None:
    content = pieces(count)
    pending = b""
    for number in range(count):
        with (folder / f"file{number}.txt").open("wb") as file:
            left = size
            while left:
                pending = pending or next(content)
                file.write(pending[:left])
                pending, left = pending[left:], left - len(pending[:left])


def write_source(folder: Path, count: int) -> Path:
    guids = [uuid.uuid5(uuid.NAMESPACE_URL, f"{count} {number}") for number in range(count)]
    components = "".join(COMPONENT.format(number, guid) for number, guid in enumerate(guids))
    references = "".join(f'<ComponentRef Id="c{number}"/>' for number in range(count))
    path = folder / "sample.wxs"
    path.write_text(SOURCE.format(components=components, references=references))
    return path


def run(*command: object) -> Run:
    """Run a program to its end; CalledProcessError when it fails."""
    begin = time.perf_counter()
    # Modules are compiled once, as where wixpy is installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def best(runs: list[Run]) -> Run:
    return Run(min(run.seconds for run in runs), min(run.processors for run in runs), max(run.peak for run in runs))


def builds(name: str, count: int, size: int, folder: Path) -> Iterator[str]:
    """The rows of one case: both programs, and the ratio."""
    folder.mkdir()
    write_files(folder, count, size)
    source = write_source(folder, count)
    theirs, ours = folder / "wixl.msi", folder / "wixpy.msi"
    wixl, wixpy = [], []
    for _ in range(RUNS[count]):
        wixl.append(run("wixl", "-o", theirs, source))
        wixpy.append(run(WIXPY, "build", source, "-o", ours))
    for program, result, package in (("wixl", best(wixl), theirs), ("wixpy", best(wixpy), ours)):
        yield row(name, program, result, f"{package.stat().st_size:,}")
    seconds, processors = (best(wixpy)[at] / best(wixl)[at] for at in (0, 1))
    share = ours.stat().st_size / theirs.stat().st_size
    yield f"{name:26}{'wixpy / wixl':16}{seconds:9.3f}{processors:12.3f}{'':10}{share:16.4f}"


def row(name: str, program: str, result: Run, size: str) -> str:
    return f"{name:26}{program:16}{result.seconds:9.3f}{result.processors:12.3f}{result.peak / 1024:10.0f}{size:>16}"


def query(folder: Path) -> Iterator[str]:
    """Opening a database of 50,000 rows and finding some of them."""
    path = folder / "rows.msi"
    run(sys.executable, "-c", ROWS, path)
    runs = [run(WIXPY, "query", path, QUERY) for _ in range(5)]
    yield row("query of 50,000 rows", "wixpy", best(runs), f"{path.stat().st_size:,}")


def measure(folder: Path) -> Iterator[str]:
    """The lines of the table."""
    yield f"{'case':26}{'program':16}{'wall s':>9}{'processor s':>12}{'peak MiB':>10}{'bytes':>16}"
    start = best([run(sys.executable, "-c", "pass") for _ in range(9)])
    run(WIXPY, "--help")
    yield row("interpreter start", "python", start, "")
    for name, (count, size) in CASES.items():
        yield from builds(name, count, size, folder / f"case{count}")
        shutil.rmtree(folder / f"case{count}")
    yield from query(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write it to {TABLE.name} as well")
    parser.add_argument("--first", action="store_true", help="run before all else on the machine, which then waits")
    options = parser.parse_args()
    if options.first:
        try:
            # What is started inherits it.
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            print("wixpy: --first needs root; leave it out, on a machine with nothing else to do", file=sys.stderr)
            return EXIT_CANNOT_RUN
    if shutil.which("wixl") is None:
        print("wixpy: wixl is missing; install it: apt-get install --no-install-recommends wixl", file=sys.stderr)
        return EXIT_CANNOT_RUN
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for line in measure(Path(folder)):
                print(line, flush=True)
                lines.append(f"{line.rstrip()}\n")
        except subprocess.CalledProcessError as error:
            print(f"wixpy: {error}", file=sys.stderr)
            return EXIT_CANNOT_RUN
    if options.write:
        TABLE.write_text("".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())

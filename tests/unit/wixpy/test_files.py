# SPDX-License-Identifier: MIT
"""Files that are replaced as a whole, and what killed programs leave beside them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wixpy import files

DAY = 86400

# Programs that write an output, say so, and wait for a line before they go on.
REPLACING = """
import sys
from pathlib import Path
from wixpy.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()
"""
PLACING = """
import sys
from pathlib import Path
from wixpy.files import placing
path = Path(sys.argv[1])
with placing(path.parent, {path.name: b"whole"}):
    print("waiting", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def running(program: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has got as far as it says."""
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "the program says that it is under way"
        try:
            yield process
        finally:
            process.kill()


def write(path: Path, content: bytes = b"new") -> None:
    with files.replacing(path) as file:
        file.write(content)


def beside(path: Path) -> list[str]:
    """The files of a folder but for one."""
    return sorted(each.name for each in path.parent.iterdir() if each != path)


def test_what_a_killed_program_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    path.write_bytes(b"old")
    with running(REPLACING, path) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    [left] = beside(path)
    assert (tmp_path / left).read_bytes() == b"half"
    write(path)
    assert (path.read_bytes(), beside(path)) == (b"new", [])


def test_another_output_of_the_folder_clears_it_away_too(tmp_path: Path) -> None:
    with running(REPLACING, tmp_path / "product-1.0.msi") as process:
        process.kill()
        process.wait()
    write(tmp_path / "product-1.1.msi")
    assert beside(tmp_path / "product-1.1.msi") == []


def test_what_a_program_is_writing_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    with running(REPLACING, path) as process:
        [theirs] = beside(path)
        os.utime(tmp_path / theirs, (0, 0))
        write(path)
        assert beside(path) == [theirs], "its age does not count, since the lock tells"
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
    assert (path.read_bytes(), beside(path)) == (b"half", []), "the last to finish has the name"


def test_files_that_wait_for_others_are_taken_for_left_after_a_day(tmp_path: Path) -> None:
    path = tmp_path / "a.cab"
    with running(PLACING, path) as process:
        process.kill()
        process.wait()
    [left] = beside(path)
    write(path)
    assert beside(path) == [left]
    now = path.stat().st_mtime
    os.utime(tmp_path / left, (now, now - DAY - 60))
    write(path)
    assert beside(path) == []


def test_where_nothing_is_locked_age_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_lock", lambda _: None)
    path = tmp_path / "x.msi"
    names = [f".x.msi.0000000{number}.wixpy-partial" for number in range(2)]
    for name, age in zip(names, (60, DAY + 60), strict=True):
        (tmp_path / name).write_bytes(b"half")
        now = (tmp_path / name).stat().st_mtime
        os.utime(tmp_path / name, (now, now - age))
    write(path)
    assert beside(path) == [names[0]]


def test_files_of_other_programs_stay(tmp_path: Path) -> None:
    names = [".x.msi.partial", ".x.msi.123.partial", ".x.msi.0123456.wixpy-partial", "x.msi.01234567.wixpy-partial"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (0, 0))
    write(tmp_path / "x.msi")
    assert beside(tmp_path / "x.msi") == sorted(names)


def test_a_file_that_is_taken_for_left_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the making of a file and its lock another program may look for what was left."""
    made: list[str] = []
    lock = files._lock

    def late(file):
        made.append(file.name)
        if len(made) == 1:
            Path(file.name).unlink()
        return False if len(made) == 2 else lock(file)

    monkeypatch.setattr(files, "_lock", late)
    write(tmp_path / "x.msi")
    assert len(set(made[:3])) == 3
    assert (tmp_path / "x.msi").read_bytes() == b"new"


def test_a_name_of_any_length_that_the_folder_takes_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".msi")
    write(path)
    assert (path.read_bytes(), beside(path)) == (b"new", [])


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), files.replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    with pytest.raises(RuntimeError), files.placing(tmp_path, {"a/b.txt": b"1", "x.msi": b"2"}):
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]

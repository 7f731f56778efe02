# SPDX-License-Identifier: MIT
"""Reading and replacing files so that a reader sees either the old content or the whole new one.

What is being written is beside, under a name that nothing else has, until it takes the place of the old file (Linux's
files without a name would leave nothing behind when their program is killed, but can take no name that is taken).  Its
program holds a lock on it, which the system lets go of when the program ends in whatever way, so that the next to write
there knows what a killed one left, and removes it.  Where locks cannot tell (Windows, some shares of other machines),
and for files that are whole and wait for others, what is a day old is taken for left: no program writes for so long.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from threading import Thread
from typing import BinaryIO

from wixpy.blob import Content, PathBlob, chunks
from wixpy.errors import WixpyError

_PARTIAL, _WHOLE = "wixpy-partial", "wixpy-whole"
_UNFINISHED = re.compile(rf"\..+\.[0-9a-f]{{8}}\.({_PARTIAL}|{_WHOLE})", re.DOTALL)
_LONGEST = 48  # characters of a name that are repeated in that of the file beside, which must not be too long
_DAY = 86400.0  # seconds


def read_bytes(path: Path) -> bytes:
    """The content of ``path``; WixpyError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WixpyError(
            f"cannot read {path}: {error.strerror}", "check that the file exists and is readable"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for reading; WixpyError when it cannot be."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise WixpyError(
            f"cannot read {path}: {error.strerror}", "check that the file exists and is readable"
        ) from error
    with file:
        yield file


if sys.platform == "win32":

    def _lock(_: BinaryIO) -> bool | None:
        """None: an open file cannot be removed there anyway."""
        return None
else:
    import fcntl

    def _lock(file: BinaryIO) -> bool | None:
        """Lock an open file until it is closed: False when another program has it, None when there are no locks."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return None
        return True


def _create(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside ``path``, locked."""
    while True:
        beside = path.with_name(f".{path.name[:_LONGEST]}.{os.urandom(4).hex()}.{_PARTIAL}")
        try:
            file = beside.open("xb")
        except FileExistsError:
            continue
        # Another program may have taken it for left before it was locked.
        if _lock(file) is not False and beside.exists():
            return beside, file
        file.close()


def _rename(file: BinaryIO, beside: Path, name: Path) -> None:
    """Give a file its name, under its lock where that is possible: Windows renames no open file."""
    if sys.platform == "win32":
        file.close()
    beside.replace(name)


def _remove_left(folder: Path, file: BinaryIO) -> None:
    """Remove what killed programs left unfinished in a folder, into which ``file`` has just been put."""
    now = os.fstat(file.fileno()).st_mtime  # the clock of the file system, which may be another machine's
    own = Path(file.name).name
    found: list[tuple[Path, str]] = []
    with suppress(PermissionError), os.scandir(folder) as entries:
        others = (entry for entry in entries if entry.name != own)
        found += [(Path(entry.path), match[1]) for entry in others if (match := _UNFINISHED.fullmatch(entry.name))]
    for path, kind in found:
        # What is gone by now, or another user's, is left alone.
        with suppress(OSError), path.open("r+b") as left:
            locked = _lock(left)
            is_old = now - os.fstat(left.fileno()).st_mtime > _DAY
            if locked is False or not (is_old or (locked and kind == _PARTIAL)):
                continue
            if sys.platform == "win32":
                left.close()
            path.unlink()


@contextmanager
def placing(folder: Path, contents: Mapping[str, Content]) -> Iterator[None]:
    """Write files below ``folder`` (relative paths with ``/``), which get their names at the end of the context.

    They are whole by then; on an exception within the context none of them appears.
    """
    written: list[tuple[Path, Path]] = []
    tidied: set[Path] = set()
    try:
        for name, content in contents.items():
            path = folder / name
            if isinstance(content, PathBlob) and path.exists() and path.samefile(content.path):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            beside, file = _create(path)
            written.append((beside, path))
            with file:
                if path.parent not in tidied:
                    tidied.add(path.parent)
                    _remove_left(path.parent, file)
                for chunk in chunks(content):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
                whole = beside.with_suffix(f".{_WHOLE}")
                _rename(file, beside, whole)
                written[-1] = (whole, path)
        yield
        for beside, path in written:
            beside.replace(path)
    except OSError as error:
        raise WixpyError(
            f"cannot write into {folder}: {error.strerror}", "check the folder, its rights and free space"
        ) from error
    finally:
        for beside, _ in written:
            beside.unlink(missing_ok=True)


@contextmanager
def flushing(file: BinaryIO) -> Iterator[None]:
    """Flush ``file`` to the disk while the context runs; OSError at its end when that fails."""
    failures: list[OSError] = []

    def flush() -> None:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            failures.append(error)

    file.flush()
    thread = Thread(target=flush)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def replacing(path: Path, *, tidy: bool = True) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` for writing; on success flush it to the disk and rename it over ``path``.

    On any exception the temporary file is removed and ``path`` stays as it was.  A file that is replaced passes its
    rights on, and a symbolic link stays one: what it leads to is replaced.  What killed programs left in the folder is
    removed, unless ``tidy`` says that it need not be looked for.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    try:
        beside, file = _create(path)
        try:
            if tidy:
                _remove_left(path.parent, file)
            yield file
            file.flush()
            if path.exists():
                beside.chmod(S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
            _rename(file, beside, path)
            file.close()
        except BaseException:
            _discard(beside, file)
            raise
    except OSError as error:
        raise WixpyError(
            f"cannot write {path}: {error.strerror}", "check the folder, its rights and free space"
        ) from error


def _discard(beside: Path, file: BinaryIO) -> None:
    """Remove a file that came to nothing."""
    if sys.platform == "win32":
        with suppress(OSError):
            file.close()
    beside.unlink(missing_ok=True)
    with suppress(OSError):  # what is still buffered may find no room
        file.close()

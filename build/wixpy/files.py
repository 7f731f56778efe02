# SPDX-License-Identifier: MIT
"""Reading and replacing files so that a reader sees either the old content or the whole new one."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from threading import Thread
from typing import BinaryIO

from wixpy.blob import Content, PathBlob, chunks
from wixpy.errors import WixpyError


def read_bytes(path: Path) -> bytes:
    """The content of ``path``; WixpyError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WixpyError(
            f"cannot read {path}: {error.strerror}", "check that the file exists and is readable"
        ) from error


def data(name: str) -> str:
    """A text that belongs to this package."""
    # importlib.resources takes longer to load than most of wixpy.
    content = pkgutil.get_data("wixpy", f"data/{name}")
    assert content is not None
    return content.decode()


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


@contextmanager
def placing(folder: Path, contents: Mapping[str, Content]) -> Iterator[None]:
    """Write files below ``folder`` (relative paths with ``/``), which get their names at the end of the context.

    They are whole by then; on an exception within the context none of them appears.
    """
    written: list[tuple[Path, Path]] = []
    try:
        for name, content in contents.items():
            path = folder / name
            if isinstance(content, PathBlob) and path.exists() and path.samefile(content.path):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
            written.append((beside, path))
            with beside.open("wb") as file:
                for chunk in chunks(content):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
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
def replacing(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a file beside ``path`` for writing; on success flush it to the disk and rename it over ``path``.

    Yields the temporary path and the open file, so that what was written can be examined before it takes the name.
    On any exception the temporary file is removed and ``path`` stays as it was.  A file that is replaced passes its
    rights on, and a symbolic link stays one: what it leads to is replaced.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with beside.open("wb") as file:
            yield beside, file
            file.flush()
            if path.exists():
                beside.chmod(S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise WixpyError(
            f"cannot write {path}: {error.strerror}", "check the folder, its rights and free space"
        ) from error
    except BaseException:
        beside.unlink(missing_ok=True)
        raise

# SPDX-License-Identifier: MIT
"""Reading and replacing files so that a reader sees either the old content or the whole new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from wixpy.errors import WixpyError


def read_bytes(path: Path) -> bytes:
    """The content of ``path``; WixpyError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WixpyError(
            f"cannot read {path}: {error.strerror}", "check that the file exists and is readable"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a file beside ``path`` for writing; on success flush it to the disk and rename it over ``path``.

    Yields the temporary path and the open file, so that what was written can be examined before it takes the name.
    On any exception the temporary file is removed and ``path`` stays as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with beside.open("wb") as file:
            yield beside, file
            file.flush()
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

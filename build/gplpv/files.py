# SPDX-License-Identifier: GPL-2.0-or-later
"""Writing files so that a reader sees either the whole file or none."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from gplpv.errors import GplpvError


@contextlib.contextmanager
def replacing(*paths: Path) -> Iterator[list[Path]]:
    """Yield a path to write beside each of `paths`; on success they take their names, on any failure they vanish.

    The stand-ins keep the file names, in a folder of their own whose name is the same in every build: linkers record
    what they write to. A folder left by a killed build is cleared away first.

    Raises:
        GplpvError: the disk is full, the folder cannot be written, or a file was not produced.
    """
    scratch = paths[0].parent / f".partial-{paths[0].name}"
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        written = [scratch / path.name for path in paths]
        yield written
        for partial in written:
            _sync(partial)
        for partial, path in zip(written, paths, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise GplpvError(
            f"{paths[0]} cannot be written: {reason}.", "Make room or permission there; nothing was changed."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step."""
    with replacing(path) as (partial,):
        partial.write_bytes(data)


def require_writable(*folders: Path) -> None:
    """Check folders that something will be written to; one that is not there yet is good.

    Raises:
        GplpvError: naming the one that is not ours to write to.
    """
    for folder in folders:
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise GplpvError(f"Nothing can be written to {folder}.", "Make the folder writable, or build in a copy.")


def _sync(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())

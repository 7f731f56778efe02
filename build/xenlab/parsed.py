# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read from a file is read once: scenarios start the same drivers some hundred times over."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_KEPT = 64


def once(parse: Callable[[Path], _T]) -> Callable[[Path], _T]:
    """Keep what a function makes of a file until the file is another one. Nobody may change it."""
    known: dict[Path, tuple[tuple[int, int, int], _T]] = {}

    @wraps(parse)
    def get(path: Path) -> _T:
        try:
            state = path.stat()
        except OSError:
            return parse(path)  # It says what is wrong.
        stamp = state.st_mtime_ns, state.st_size, state.st_ino
        if path in known and known[path][0] == stamp:
            return known[path][1]
        made = parse(path)
        known.pop(path, None)
        known[path] = stamp, made
        if len(known) > _KEPT:
            del known[next(iter(known))]
        return made

    return get

# SPDX-License-Identifier: MIT
"""What people see on a terminal: aligned tables that fit its width, and progress of long work.  In a pipe a table is
lines with tabs between the cells, and there is no progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_GAP = 2
_LEAST = 4
_FIRST_SIGN, _INTERVAL = 2.0, 0.5


def width(text: str) -> int:
    """Columns that a text takes on a terminal.

    >>> width("abc"), width("日本"), width("e\\u0301")
    (3, 4, 1)
    """
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415 - others are printed without it

    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _columns() -> int:
    """The width of the terminal."""
    import shutil  # noqa: PLC0415

    return shutil.get_terminal_size().columns


def printable(text: str) -> str:
    """A text in which nothing moves the cursor or changes the terminal.

    >>> printable("a\\x1b[2Jb\\nc")
    'a\\\\x1b[2Jb\\\\nc'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def cut(text: str, columns: int) -> str:
    """A text of at most so many columns; one that is longer ends with an ellipsis.

    >>> cut("installer", 6), cut("日本語", 5), cut("fits", 4)
    ('insta…', '日本…', 'fits')
    """
    if width(text) <= columns:
        return text
    kept, used = "", 0
    for character in text:
        used += width(character)
        if used > columns - 1:
            break
        kept += character
    return kept + "…"


def widths(natural: Sequence[int], available: int) -> list[int]:
    """Widths of columns that fit: narrow columns keep theirs, the wide ones share what is left.

    >>> widths([4, 50, 70], 80), widths([4, 5], 80)
    ([4, 36, 36], [4, 5])
    """
    room = max(available - _GAP * (len(natural) - 1), _LEAST * len(natural))
    result = list(natural)
    left, columns = room, sorted(range(len(natural)), key=lambda index: natural[index])
    for position, index in enumerate(columns):
        share = left // (len(columns) - position)
        result[index] = min(natural[index], share)
        left -= result[index]
    return result


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], out: TextIO | None = None) -> None:
    """Print rows under a header: aligned on a terminal, with tabs in a pipe; None is empty."""
    out = out or sys.stdout
    lines = [list(header), *(["" if cell is None else str(cell) for cell in row] for row in rows)]
    if not out.isatty():
        for line in lines:
            print("\t".join(line), file=out)
        return
    lines = [list(map(printable, line)) for line in lines]
    fitting = widths([max(map(width, column)) for column in zip(*lines, strict=True)], _columns())
    lines.insert(1, ["-" * size for size in fitting])
    for line in lines:
        cells = [cut(cell, size) for cell, size in zip(line, fitting, strict=True)]
        padded = [cell + " " * (size - width(cell)) for cell, size in zip(cells, fitting, strict=True)]
        print((" " * _GAP).join(padded).rstrip(), file=out)


@contextmanager
def progress(label: str, out: TextIO | None = None, after: float = _FIRST_SIGN) -> Iterator[Callable[[str], None]]:
    """Show on a terminal that work goes on, once it has taken ``after`` seconds; the callable says what it is at."""
    out = out or sys.stderr
    state = [label]
    if not out.isatty():
        yield state.append
        return
    import threading  # noqa: PLC0415 - a pipe shows none of it
    import time  # noqa: PLC0415

    done, shown = threading.Event(), threading.Event()
    start = time.monotonic()

    def show() -> None:
        pause = after
        while not done.wait(pause):
            text = cut(f"{printable(state[-1])} … {time.monotonic() - start:.0f} s", _columns())
            out.write(f"\r\x1b[K{text}")
            out.flush()
            shown.set()
            pause = _INTERVAL

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield lambda text: state.__setitem__(0, f"{label}: {text}")
    finally:
        done.set()
        thread.join()
        if shown.is_set():
            out.write("\r\x1b[K")
            out.flush()

# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened in a run, in order: kept for reports and pictures, and told to whoever listens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened at `time` (virtual ns)."""

    time: int
    kind: str
    text: str
    fields: dict[str, object]

    def line(self) -> str:
        """One line for people: time in ms, kind, text and fields."""
        told = "".join(f"  {name}={_plain(value)}" for name, value in self.fields.items())
        return f"{self.time / 1e6:12.4f} ms  {self.kind:<10} {self.text}{told}"


class Folded:
    """Tells lines to a person: what repeats itself at once is one line, with how often and until when.

    Args:
        tell: called with each line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._first: Entry | None = None
        self._last: Entry | None = None
        self._count = 0

    def __call__(self, entry: Entry) -> None:
        first = self._first
        if first and (entry.kind, entry.text, entry.fields) == (first.kind, first.text, first.fields):
            self._last, self._count = entry, self._count + 1
            return
        self.flush()
        self._first, self._last, self._count = entry, entry, 1

    def flush(self) -> None:
        """Tell what is still held back."""
        if self._first and self._last:
            until = f"  ({self._count} times, until {self._last.time / 1e6:.4f} ms)" if self._count > 1 else ""
            self._tell(f"{self._first.line()}{until}")
        self._first = None


def lines(entries: Iterable[Entry]) -> list[str]:
    """Return the lines of entries, folded."""
    told: list[str] = []
    folded = Folded(told.append)
    for entry in entries:
        folded(entry)
    folded.flush()
    return told


class Trace:
    """The sink of a :class:`xenlab.world.World`.

    Attributes:
        entries: the last `keep` of them, or all.
    """

    def __init__(self, keep: int | None = 1000, listener: Callable[[Entry], None] | None = None) -> None:
        self.entries: deque[Entry] = deque(maxlen=keep)
        self._listener = listener

    def __call__(self, time: int, kind: str, text: str, fields: dict[str, object]) -> None:
        entry = Entry(time, kind, text, fields)
        self.entries.append(entry)
        if self._listener:
            self._listener(entry)

    def last(self, count: int) -> list[str]:
        """Return the last lines, oldest first."""
        return lines(self.entries)[-count:]


def _plain(value: object) -> str:
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 9999 else str(value)

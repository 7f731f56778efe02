# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened in a run, in order: kept for reports and pictures, and told to whoever listens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
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

    def last(self, count: int) -> list[Entry]:
        """Return the last entries, oldest first."""
        return list(self.entries)[-count:]


def _plain(value: object) -> str:
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 9999 else str(value)

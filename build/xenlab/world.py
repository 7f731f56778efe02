# SPDX-License-Identifier: GPL-2.0-or-later
"""What everything in a run shares: one random source, one virtual clock, one queue of things to come, one trace.

Nothing in the lab reads the real clock or another random source, so a seed repeats a run exactly.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NoReturn

from xenlab.errors import Violation

Sink = Callable[[int, str, str, dict[str, object]], None]


@dataclass(eq=False, slots=True)
class Event:
    """Something that happens at `time` (virtual ns) unless it is cancelled before."""

    time: int
    action: Callable[[], None]
    what: str
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class World:
    """The surroundings of one run.

    Attributes:
        random: the only source of chance: latencies, orders, addresses.
        now: the virtual time in ns since power on.
    """

    def __init__(self, seed: int = 1, sink: Sink | None = None) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = 0
        self._sink = sink
        self._order = itertools.count()
        self._queue: list[tuple[int, int, Event]] = []

    def at(self, delay_ns: int, action: Callable[[], None], what: str) -> Event:
        """Have `action` called `delay_ns` from now; what is due at one moment happens in the order it was asked for."""
        event = Event(self.now + max(0, delay_ns), action, what)
        heapq.heappush(self._queue, (event.time, next(self._order), event))
        return event

    @property
    def next_time(self) -> int | None:
        """When the next event is due, or None."""
        queue = self._queue
        while queue and queue[0][2].cancelled:
            heapq.heappop(queue)
        return queue[0][0] if queue else None

    def advance(self, ns: int) -> None:
        """Let `ns` pass, and what is due in it happen."""
        end = self.now + ns
        while (due := self.next_time) is not None and due <= end:
            _, _, event = heapq.heappop(self._queue)
            self.now = max(self.now, event.time)
            event.action()
        self.now = max(self.now, end)

    def pending(self) -> list[str]:
        """What is still to come, in order."""
        return [event.what for _, _, event in sorted(self._queue) if not event.cancelled]

    def trace(self, kind: str, text: str, /, **fields: object) -> None:
        """Tell the listener, if there is one, what happened."""
        if self._sink:
            self._sink(self.now, kind, text, fields)

    def violation(self, text: str) -> NoReturn:
        """End the run: a rule was broken."""
        raise Violation(text)

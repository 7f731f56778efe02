# SPDX-License-Identifier: MIT
"""The texts in ``data/`` that say which tables, elements and actions there are.

A section of such a text is a line at the margin and the lines below it.  A package needs few of them, so a section is
taken apart when it is asked for; a ``#`` at the margin begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


FOLDER = Path(__file__).parent / "data"


def data(name: str) -> str:
    """A text that belongs to this package."""
    return (FOLDER / name).read_text("utf-8")


def sections(text: str) -> list[tuple[str, str]]:
    """Each line at the margin, and the text below it, for :func:`lines`.

    >>> [(head, lines(below)) for head, below in sections("# Tools\\nSaw\\n  blade\\n# and\\n  grip\\nAxe\\n")]
    [('Saw', ['blade', 'grip']), ('Axe', [])]
    """
    parts = (part.partition("\n") for part in re.split(r"\n(?=[^\s#])", text) if not part.startswith("#"))
    return [(head.strip(), below) for head, _, below in parts]


def lines(below: str) -> list[str]:
    """The lines of a section."""
    return [line.strip() for line in below.splitlines() if line.strip() and not line.startswith("#")]


class OnDemand(Mapping[str, T]):
    """A mapping whose values are made when they are first asked for.

    >>> words = OnDemand(["one", "two"], str.upper)
    >>> words["two"], "three" in words
    ('TWO', False)
    """

    def __init__(self, names: Iterable[str], make: Callable[[str], T]) -> None:
        self._names = dict.fromkeys(names)
        self._make = make
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._made and name in self._names:
            self._made[name] = self._make(name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

# SPDX-License-Identifier: MIT
"""The short forms of all names of a package, unique in each directory."""

from __future__ import annotations

from collections.abc import Sequence

from wixpy.filenames import is_long, is_short, shorten
from wixpy.wxs.compilation import NamePair


def assign(names: Sequence[NamePair]) -> None:
    """Check all names and store ``short|long`` for those that are not short; names that are given go first."""
    taken: dict[str, set[str]] = {}
    for pair in names:
        if not is_long(pair.long):
            raise pair.node.error(f"“{pair.long}” is no file name", 'leave out \\ / : * ? " < > | and dots at the end')
        if pair.short is not None and not is_short(pair.short):
            raise pair.node.error(
                f"“{pair.short}” is no 8.3 name", "use up to eight and, after a dot, three characters"
            )
        used = taken.setdefault(pair.directory, set())
        if pair.short and pair.short.lower() in used:
            raise pair.node.error(f"the short name “{pair.short}” is used twice in {pair.directory}", "choose another")
        if pair.short or is_short(pair.long):
            used.add((pair.short or pair.long).lower())
    for pair in sorted(names, key=lambda pair: (pair.directory, pair.long.lower())):
        used = taken[pair.directory]
        short = pair.short or (pair.long if is_short(pair.long) else shorten(pair.long, used))
        used.add(short.lower())
        pair.store(pair.long if short == pair.long else f"{short}|{pair.long}")

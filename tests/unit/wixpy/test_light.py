# SPDX-License-Identifier: MIT
"""The stand-ins for the standard library behave as what they stand in for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from wixpy import light


def classes(kit: Any) -> tuple[Any, Any]:
    """The same two classes, of a kit: dataclasses or its stand-in."""

    @kit.dataclass(frozen=True)
    class Fixed:
        name: str
        size: int = 7

        @property
        def double(self) -> int:
            return self.size * 2

    @kit.dataclass
    class Open:
        name: str
        parts: list[int] = kit.field(default_factory=list)
        note: str | None = None

        def __post_init__(self) -> None:
            self.parts.append(len(self.name))

    return Fixed, Open


DEEDS: dict[str, Callable[[Any, Any, Any], object]] = {
    "defaults": lambda kit, fixed, open_: (fixed("a").size, open_("ab").parts, open_("ab").note),
    "order": lambda kit, fixed, open_: (fixed("a", 3).double, open_("a", [1], "n").note),
    "names": lambda kit, fixed, open_: (fixed(size=1, name="b").name, open_("a", note="n").parts),
    "own lists": lambda kit, fixed, open_: (open_("a").parts.append(5), open_("a").parts),
    "equality": lambda kit, fixed, open_: (fixed("a") == fixed("a", 7), fixed("a") == fixed("b"), fixed("a") == "a"),
    "hash": lambda kit, fixed, open_: hash(fixed("a")) == hash(fixed("a", 7)),
    "no hash": lambda kit, fixed, open_: hash(open_("a")),
    "show": lambda kit, fixed, open_: (repr(fixed("a")).rpartition(".")[2], repr(open_("a")).rpartition(".")[2]),
    "replace": lambda kit, fixed, open_: kit.replace(fixed("a", 1), name="b").size,
    "replace what is not there": lambda kit, fixed, open_: kit.replace(fixed("a"), colour=1),
    "change": lambda kit, fixed, open_: setattr(open_("a"), "note", "x"),
    "change what is frozen": lambda kit, fixed, open_: setattr(fixed("a"), "size", 1),
    "delete what is frozen": lambda kit, fixed, open_: delattr(fixed("a"), "size"),
    "too few": lambda kit, fixed, open_: fixed(),
    "too many": lambda kit, fixed, open_: fixed("a", 1, 2),
    "twice": lambda kit, fixed, open_: fixed("a", name="b"),
    "unknown": lambda kit, fixed, open_: open_("a", colour=1),
}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_class_does_what_a_dataclass_does(deed: Callable[[Any, Any, Any], object]) -> None:
    def outcome(kit: Any) -> object:
        try:
            return deed(kit, *classes(kit))
        except (TypeError, AttributeError) as error:
            return TypeError if isinstance(error, TypeError) else AttributeError

    assert outcome(light) == outcome(dataclasses)


def test_a_pattern_is_compiled_when_it_is_used() -> None:
    broken = light.pattern("(")
    with pytest.raises(Exception, match="missing \\)"):
        broken.match("x")
    found = light.pattern("a(b)", 2).fullmatch("AB")
    assert found is not None
    assert found[1] == "B"

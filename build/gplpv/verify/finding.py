# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check says, and the list of all checks: what each is called, what it is for, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from gplpv.errors import GplpvError
from wixpy.errors import WixpyError

if TYPE_CHECKING:
    from gplpv.verify.subject import Subject


class Level(str, Enum):
    """How a check ended: `warn` is something that works and should be known, `FAIL` is a reason not to install."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check of one thing."""

    subject: str
    check: str
    level: Level
    text: str

    @property
    def ok(self) -> bool:
        return self.level is not Level.FAIL

    def __str__(self) -> str:
        return f"{self.level.value:<4}  {self.subject}  {self.check}  {self.text}"


@dataclass(frozen=True)
class Outcome:
    """A sentence of a check."""

    level: Level
    text: str


def fact(text: str) -> Outcome:
    """Something good to know when all is well."""
    return Outcome(Level.OK, text)


def doubt(text: str) -> Outcome:
    """Something that works and should be known."""
    return Outcome(Level.WARN, text)


def fault(text: str) -> Outcome:
    """A reason not to install."""
    return Outcome(Level.FAIL, text)


def faults(texts: Iterable[str]) -> Iterator[Outcome]:
    return map(fault, texts)


_Kind = TypeVar("_Kind", bound="Subject")


@dataclass(frozen=True)
class Check:
    """A check: its name, the kinds of things that it looks at, and what it is for."""

    name: str
    kinds: tuple[str, ...]
    purpose: str
    function: Callable[[Any], Iterator[Outcome]]

    def run(self, subject: Subject) -> Iterator[Finding]:
        """A line a fault and a doubt; one line with the facts when there are neither."""
        level = Level.OK
        facts = []
        for outcome in self._outcomes(subject):
            if outcome.level is Level.OK:
                facts.append(outcome.text)
            else:
                level = outcome.level
                yield Finding(subject.name, self.name, outcome.level, outcome.text)
        if level is Level.OK and facts:
            yield Finding(subject.name, self.name, level, "; ".join(facts))

    def _outcomes(self, subject: Subject) -> Iterator[Outcome]:
        """What the function says; whatever it stumbles over is a fault of what it looked at, never of the user."""
        try:
            yield from self.function(subject)
        except (GplpvError, WixpyError) as error:
            yield fault(error.message)
        except Exception as error:
            # The parsers under it raise anything on malformed input.
            reason = " ".join(str(error).split())[:160] or "it ends early"
            yield fault(f"it is malformed: {reason} ({type(error).__name__})")


CHECKS: list[Check] = []


def check(
    name: str, kinds: str, purpose: str
) -> Callable[[Callable[[_Kind], Iterator[Outcome]]], Callable[[_Kind], Iterator[Outcome]]]:
    """Put a function into the list; `kinds` are words of :class:`~gplpv.verify.subject.Subject`.kind."""

    def register(function: Callable[[_Kind], Iterator[Outcome]]) -> Callable[[_Kind], Iterator[Outcome]]:
        CHECKS.append(Check(name, tuple(kinds.split()), purpose, function))
        return function

    return register


def run(subject: Subject) -> Iterator[Finding]:
    """Every check of a thing, in the order in which they are declared."""
    for one in CHECKS:
        if subject.kind in one.kinds:
            yield from one.run(subject)

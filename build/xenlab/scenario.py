# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios: Python functions that put drivers through something in the lab, registered by name.

::

    @scenario("boot", "the machine starts with its Xen devices, shuts down, and nothing is left")
    def boot(new: NewLab) -> None:
        lab = new()
        lab.boot()
        lab.shut_down()

A scenario makes its labs with `new`, which carries the folder, seed and Xen that a person chose; what a scenario is
about it states itself (``new(xen="3.0")``), and that goes before the choice. It ends normally, or with a
:class:`~xenlab.errors.Violation`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from gplpv.errors import UsageError, nearest
from xenlab.errors import Violation
from xenlab.folder import DriverFolder
from xenlab.lab import Choices, Lab, Options
from xenlab.trace import Trace
from xenlab.xen.pcap import Capture

if TYPE_CHECKING:
    from typing_extensions import Unpack

_PACKAGE = "xenlab.scenarios"


class NewLab:
    """Makes the labs of one run.

    Attributes:
        random: what a scenario itself leaves to chance.
        lab: the one made last, or None.
        virtual_ns: how long those before it have run.
        figures: what the scenario did, for those who want to know: a number by what it counts.
        capture: gets the frames that cross the networks of the labs.
    """

    def __init__(self, folder: DriverFolder, options: Options, trace: Trace, capture: Capture | None = None) -> None:
        self.folder = folder
        self.options = options
        self.trace = trace
        self.random = Random(options.seed)
        self.lab: Lab | None = None
        self.virtual_ns = 0
        self.figures: dict[str, int] = {}
        self.capture = capture

    def __call__(self, **choices: Unpack[Choices]) -> Lab:
        return self.take(Lab(self.folder, replace(self.options, **choices), self.trace))

    def take(self, lab: Lab) -> Lab:
        """Take over a lab that was made otherwise, as the one made last."""
        if self.lab:
            self.virtual_ns += self.lab.world.now
        self.lab = lab
        if self.capture and lab.domain:
            self.capture.base_ns = self.virtual_ns
            lab.domain.toolstack.switch.capture = self.capture
        return lab


Function = Callable[[NewLab], None]


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes:
        long: takes longer than the everyday tests may; `xenlab run` and the long tests run it.
        per_code: so long that the long tests run it once for targets whose images have the same code.
    """

    name: str
    summary: str
    function: Function
    long: bool = False
    per_code: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a scenario ended: without a violation it passed.

    Attributes:
        folder, options: what the person chose; a scenario's labs may have been made with other options.
        lab: the one made last, or None.
        virtual_ns: how long all of them have run.
    """

    scenario: Scenario
    folder: DriverFolder
    options: Options
    violation: Violation | None
    lab: Lab | None = field(repr=False)
    virtual_ns: int
    figures: dict[str, int]
    trace: Trace = field(repr=False)


_registered: dict[str, Scenario] = {}


def scenario(name: str, summary: str, *, long: bool = False, per_code: bool = False) -> Callable[[Function], Function]:
    """Register a function as the scenario `name`; `summary` is one line for the list."""

    def register(function: Function) -> Function:
        if name in _registered:
            raise ValueError(f"there are two scenarios {name!r}")
        _registered[name] = Scenario(name, summary, function, long, per_code)
        return function

    return register


def scenarios() -> list[Scenario]:
    """Return every scenario, in the order of their modules and of the lines in these."""
    path = importlib.import_module(_PACKAGE).__path__
    for module in sorted(each.name for each in pkgutil.iter_modules(path)):
        importlib.import_module(f"{_PACKAGE}.{module}")
    return list(_registered.values())


def find(name: str) -> Scenario:
    """Return a scenario by name; UsageError names the nearest."""
    known = {each.name: each for each in scenarios()}
    if name not in known:
        raise UsageError(f"There is no scenario {name!r}.", nearest(name, known))
    return known[name]


def run(
    which: Scenario, folder: DriverFolder, options: Options, trace: Trace, capture: Capture | None = None
) -> Outcome:
    """Run a scenario to its end; `capture` gets the frames that cross its networks.

    Raises:
        GplpvError: it cannot be run: an export that the lab lacks, an INF that does not parse.
    """
    new = NewLab(folder, options, trace, capture)
    violation = None
    try:
        which.function(new)
    except Violation as broken:
        violation = broken
    virtual_ns = new.virtual_ns + (new.lab.world.now if new.lab else 0)
    return Outcome(which, folder, options, violation, new.lab, virtual_ns, new.figures, trace)

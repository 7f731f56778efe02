# SPDX-License-Identifier: GPL-2.0-or-later
"""All that is quick, in one go: how the long tests bring it to every target."""

from __future__ import annotations

from xenlab.errors import Violation
from xenlab.scenario import NewLab, Scenario, scenario, scenarios


def quick(networks: bool) -> list[Scenario]:
    """The scenarios that are not long: those of networks, or all others."""
    return [each for each in scenarios() if not each.long and each.name.startswith("net") is networks]


@scenario("everyday", "every quick scenario but those of networks, one after the other", long=True)
def everyday(new: NewLab) -> None:
    _run(new, quick(networks=False))


@scenario("net-everyday", "every quick scenario of networks, one after the other", long=True, per_code=True)
def net_everyday(new: NewLab) -> None:
    _run(new, quick(networks=True))


def _run(new: NewLab, chosen: list[Scenario]) -> None:
    for each in chosen:
        try:
            each.function(new)
        except Violation as violation:
            raise Violation(f"{each.name}: {violation.what}", violation.stack) from violation
    new.figures.clear()
    new.figures["scenarios"] = len(chosen)

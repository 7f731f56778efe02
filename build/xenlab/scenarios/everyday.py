# SPDX-License-Identifier: GPL-2.0-or-later
"""All that is quick, in one go: how the long tests bring it to every target."""

from __future__ import annotations

from xenlab.errors import Violation
from xenlab.scenario import NewLab, scenario, scenarios


@scenario("everyday", "every quick scenario, one after the other", long=True)
def everyday(new: NewLab) -> None:
    quick = [each for each in scenarios() if not each.long]
    for each in quick:
        try:
            each.function(new)
        except Violation as violation:
            raise Violation(f"{each.name}: {violation.what}", violation.stack) from violation
    new.figures.clear()
    new.figures["scenarios"] = len(quick)

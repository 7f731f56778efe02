# SPDX-License-Identifier: GPL-2.0-or-later
"""The one way a driver fails in the lab."""

from __future__ import annotations

from collections.abc import Sequence

from gplpv.errors import GplpvError


class Violation(GplpvError):
    """A rule that a real kernel or hypervisor enforces by crashing. It ends the run.

    Attributes:
        what: the rule that was broken, in one sentence.
        stack: the guest's stack at that moment, innermost first, a line a frame; empty until the machine fills it in.
    """

    def __init__(self, what: str, stack: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.stack = list(stack)

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  {frame}" for frame in self.stack)])

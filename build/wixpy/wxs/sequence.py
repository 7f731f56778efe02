# SPDX-License-Identifier: MIT
"""Numbers for the actions of a sequence table.

Standard actions stand at their suggested numbers.  An action that is scheduled Before or After another one goes next to
it, between the same two numbered actions; several there are sorted topologically, those that follow the earlier
neighbour first, in the order of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from wixpy.errors import WixpyError
from wixpy.wxs.source import Node

MAX_NUMBER = 32767


class Step(NamedTuple):
    """An action in a sequence: at a number, or before or after other actions."""

    action: str
    node: Node | None
    number: int | None = None
    before: str | None = None
    after: str | None = None
    condition: str | None = None

    @property
    def is_fixed(self) -> bool:
        return self.number is not None

    def error(self, message: str, hint: str) -> WixpyError:
        return self.node.error(message, hint) if self.node else WixpyError(message, hint)


def resolve(steps: Mapping[str, Step]) -> dict[str, int]:
    """The number of every action; WixpyError for a circle, a clash of numbers or lack of room between two."""
    fixed = sorted((step for step in steps.values() if step.number is not None and step.number > 0), key=_number)
    for step, following in pairwise(fixed):
        if step.number == following.number:
            blamed = following if following.node else step
            raise blamed.error(
                f"{step.action} and {following.action} have the same number {step.number}", "change one of them"
            )
    for step in steps.values():
        for other in (step.before, step.after):
            if other is not None and other not in steps:
                raise step.error(
                    f"{step.action} is scheduled next to {other}, which is not in the sequence", "name one that is"
                )
    positions = {step.action: position for position, step in enumerate(fixed)}
    groups: dict[int, list[tuple[int, Step]]] = {}
    for step in steps.values():
        if not step.is_fixed:
            gap, side = _gap(step, steps, positions, [])
            groups.setdefault(gap, []).append((side, step))
    numbers = {step.action: _number(step) for step in steps.values() if step.is_fixed}
    for gap, members in groups.items():
        ordered = _sorted(members)
        end = _number(fixed[gap + 1]) if gap + 1 < len(fixed) else MAX_NUMBER + 1
        start = _number(fixed[gap]) if gap >= 0 else end - len(ordered) - 1
        if start < 0 or start + len(ordered) >= end:
            raise ordered[-1].error(
                f"there is no room for {len(ordered)} actions next to {ordered[-1].action}", "move some"
            )
        for offset, step in enumerate(ordered, 1):
            numbers[step.action] = start + offset
    for step in steps.values():
        if step.before and step.after and not numbers[step.after] < numbers[step.action] < numbers[step.before]:
            raise step.error(
                f"{step.action} cannot be after {step.after} and before {step.before}", "give only one, or others"
            )
    return numbers


def _number(step: Step) -> int:
    assert step.number is not None
    return step.number


def _gap(step: Step, steps: Mapping[str, Step], positions: Mapping[str, int], path: list[str]) -> tuple[int, int]:
    """The gap a step belongs to (the position of the numbered action before it) and the side: 0 left, 1 right."""
    if step.action in path:
        circle = " → ".join([*path[path.index(step.action) :], step.action])
        raise step.error(f"the order of actions runs in a circle: {circle}", "remove one Before or After")
    anchor = step.after or step.before
    assert anchor is not None
    if anchor in positions:
        return (positions[anchor], 0) if step.after else (positions[anchor] - 1, 1)
    if steps[anchor].is_fixed:  # at one of the ends, which are numbered below 0
        raise step.error(f"{step.action} is scheduled next to {anchor}, which ends the sequence", "name another one")
    return _gap(steps[anchor], steps, positions, [*path, step.action])


def _sorted(members: list[tuple[int, Step]]) -> list[Step]:
    """The steps of one gap in an order that keeps what they say of each other."""
    pending = [step for _, step in sorted(members, key=lambda member: member[0])]
    names = {step.action for step in pending}
    earlier: dict[str, set[str]] = {name: set() for name in names}
    for step in pending:
        if step.after in names:
            earlier[step.action].add(step.after)
        if step.before in names:
            earlier[step.before].add(step.action)
    ordered: list[Step] = []
    while pending:
        ready = next((step for step in pending if not earlier[step.action] & names), None)
        if ready is None:
            raise pending[0].error(
                f"the order of actions runs in a circle: {' → '.join(step.action for step in pending)}",
                "remove one Before or After",
            )
        pending.remove(ready)
        names.discard(ready.action)
        ordered.append(ready)
    return ordered

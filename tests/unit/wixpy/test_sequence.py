# SPDX-License-Identifier: MIT
"""The order of actions."""

from __future__ import annotations

import pytest

from wixpy.errors import WixpyError
from wixpy.wxs.sequence import Step, resolve

FIXED = (Step("First", None, 100), Step("Second", None, 200), Step("Third", None, 210))


def order(*steps: Step) -> list[str]:
    numbers = resolve({step.action: step for step in (*FIXED, *steps)})
    assert len(set(numbers.values())) == len(numbers)
    return sorted(numbers, key=numbers.__getitem__)


def test_after_and_before_a_standard_action() -> None:
    steps = Step("A", None, after="First"), Step("B", None, before="Third")
    assert order(*steps) == ["First", "A", "Second", "B", "Third"]


def test_those_after_the_left_come_before_those_before_the_right() -> None:
    assert order(Step("B", None, before="Second"), Step("A", None, after="First")) == [
        "First",
        "A",
        "B",
        "Second",
        "Third",
    ]


def test_chains_are_sorted_whatever_the_order_of_the_source() -> None:
    steps = Step("C", None, after="B"), Step("B", None, after="A"), Step("A", None, after="First")
    assert order(*steps) == ["First", "A", "B", "C", "Second", "Third"]
    assert order(*reversed(steps)) == ["First", "A", "B", "C", "Second", "Third"]


def test_before_another_custom_action() -> None:
    assert order(Step("B", None, before="A"), Step("A", None, after="Second")) == ["First", "Second", "B", "A", "Third"]


def test_both_before_and_after() -> None:
    step = Step("A", None, after="First", before="Third")
    assert order(step) == ["First", "A", "Second", "Third"]


def test_before_the_first_and_after_the_last() -> None:
    assert order(Step("A", None, before="First"), Step("Z", None, after="Third")) == [
        "A",
        "First",
        "Second",
        "Third",
        "Z",
    ]


def test_the_ends_of_an_installation_are_kept() -> None:
    assert resolve({"Exit": Step("Exit", None, -1), "First": FIXED[0]}) == {"Exit": -1, "First": 100}


def test_standard_actions_keep_their_numbers() -> None:
    numbers = resolve({step.action: step for step in (*FIXED, Step("A", None, after="First"))})
    assert (numbers["First"], numbers["A"], numbers["Second"]) == (100, 101, 200)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Step("A", None, after="B"), Step("B", None, after="A")], "circle: A → B → A"),
        ([Step("A", None, after="A")], "circle"),
        ([Step("A", None, after="First"), Step("B", None, after="A", before="A")], "circle|cannot be after"),
        ([Step("A", None, after="Third", before="First")], "cannot be after Third and before First"),
        ([Step("A", None, after="Nothing")], "not in the sequence"),
        ([Step("A", None, 100)], "same number 100"),
        ([Step(f"A{number}", None, after="Second") for number in range(10)], "no room"),
    ],
)
def test_what_cannot_be_ordered_is_refused(steps: list[Step], message: str) -> None:
    with pytest.raises(WixpyError, match=message):
        order(*steps)

# SPDX-License-Identifier: MIT
"""Work on several threads, with results in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from wixpy.parallel import in_order


def later(number: int) -> Callable[[], int]:
    """The number; the smaller it is the later."""

    def call() -> int:
        time.sleep((10 - number) / 1000)
        return number

    return call


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_calls(threads: int) -> None:
    assert list(in_order(map(later, range(10)), threads)) == list(range(10))


def test_calls_are_read_a_few_ahead() -> None:
    read: list[int] = []

    def calls() -> Iterator[Callable[[], int]]:
        for number in range(100):
            read.append(number)
            yield later(9)

    results = in_order(calls(), 3)
    next(results)
    assert len(read) == 5
    results.close()  # type: ignore[attr-defined]
    assert len(read) == 5


def test_an_exception_comes_in_its_place_and_ends_the_threads() -> None:
    before = threading.active_count()

    def broken() -> int:
        raise ValueError("no number")

    results = in_order([later(8), broken, *map(later, range(5))], 2)
    assert next(results) == 8
    with pytest.raises(ValueError, match="no number"):
        next(results)
    assert threading.active_count() == before


def test_what_nobody_takes_any_more_is_not_begun() -> None:
    done: list[int] = []

    def call() -> None:
        time.sleep(0.02)
        done.append(1)

    results = in_order([call] * 50, 1)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(done) <= 2

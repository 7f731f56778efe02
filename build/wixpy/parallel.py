# SPDX-License-Identifier: MIT
"""Work on all processors, with results in order.  ``concurrent.futures`` loads ``logging``, which takes a while."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Event, Semaphore, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Task:
    """A call that some thread makes."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._done = Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error
        self._done.set()

    def result(self) -> Any:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result


def in_order(calls: Iterable[Callable[[], T]], threads: int) -> Iterator[T]:
    """The results of ``calls``, in order, made by ``threads`` threads; an exception comes in its result's place.

    ``calls`` is read by the thread that takes the results, at most ``threads`` + 2 calls ahead of them.

    >>> list(in_order((lambda n=n: n * n for n in range(5)), 2))
    [0, 1, 4, 9, 16]
    """
    waiting: deque[_Task] = deque()
    under_way: deque[_Task] = deque()
    ready, ended = Semaphore(0), Event()

    def work() -> None:
        while ready.acquire() and not ended.is_set():
            waiting.popleft().run()

    workers = [Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        for call in calls:
            task = _Task(call)
            under_way.append(task)
            waiting.append(task)
            ready.release()
            if len(under_way) > threads + 1:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        # What nobody will take is not begun.
        ended.set()
        ready.release(len(workers))
        for worker in workers:
            worker.join()

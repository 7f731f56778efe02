# SPDX-License-Identifier: GPL-2.0-or-later
"""What a device is given: its function driver's word on the requirements, alternatives in order, message interrupts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xenlab.errors import Violation
from xenlab.nt.codes import Status
from xenlab.nt.devnode import State
from xenlab.nt.objects import view
from xenlab.nt.pci import translate_interrupt

from .asker import LATCHED, LEVEL, TOKEN, Machinery, leave, offer

LINE = 28


def with_level(machinery: Machinery) -> tuple[int, int]:
    return translate_interrupt(machinery.kernel.arch, LINE)


@pytest.fixture(params=["x64", "x32"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Machinery]:
    return lambda filtering, nt=(6, 0), grants=True: Machinery(tmp_path, request.param, nt, filtering, grants)


def test_a_device_gets_what_its_bus_says_where_its_driver_leaves_the_list_as_it_is(make):
    machinery = make(leave)
    assert machinery.interrupts(machinery.node.raw) == [(0, LINE, LINE)]
    assert machinery.interrupts(machinery.node.translated) == [(0, *with_level(machinery))]
    assert b"\0\0\0\xf2" in machinery.node.raw, "its memory is where it is set"


def test_the_first_alternative_that_can_be_had_is_what_a_device_gets(make):
    machinery = make(offer())
    [line, (flags, irql, vector)] = machinery.interrupts(machinery.node.translated)
    assert line == (0, *with_level(machinery))
    assert flags == LATCHED | 2 and machinery.arbiter.messages[vector].irql == irql
    [_, (_, message_count, _)] = machinery.interrupts(machinery.node.raw)
    assert message_count == 1 << 16


@pytest.mark.parametrize("choice", [{"nt": (5, 2)}, {"grants": False}])
def test_without_message_interrupts_a_device_gets_its_second_alternative(make, choice):
    machinery = make(offer(), **choice)
    assert machinery.interrupts(machinery.node.translated) == [(0, *with_level(machinery))]
    assert machinery.node.state is State.STARTED and not machinery.arbiter.messages


def test_what_a_device_had_is_free_when_it_goes_and_the_next_time_it_gets_another_vector(make):
    machinery = make(offer())
    before = dict(machinery.arbiter.messages)
    for work in (machinery.pnp.query_remove, machinery.pnp.remove):
        machinery.kernel.run_to_end(machinery.pnp.locked(work(machinery.node)))
    assert machinery.arbiter.messages == {}
    machinery.kernel.run_to_end(machinery.pnp.locked(machinery.pnp.start_again(machinery.node)))
    assert machinery.node.state is State.STARTED
    assert len(machinery.arbiter.messages) == 1 and machinery.arbiter.messages.keys() != before.keys()


@pytest.mark.parametrize(
    ("filtering", "what"),
    [
        (offer(frees=False), "does not free it"),
        (offer(paged=False), "no block of paged pool"),
        (offer(flags=LEVEL | 2 | 4), "described as no device can have it"),
        (offer(vectors=(1, 1)), "described as no device can have it"),
        (offer(vectors=(TOKEN - 1, TOKEN)), "described as no device can have it"),
    ],
)
def test_a_list_that_windows_could_not_take_ends_the_run(make, filtering, what):
    with pytest.raises(Violation, match=what):
        make(filtering)


def test_a_list_that_is_longer_than_it_says_ends_the_run(make):
    def grow(machinery: Machinery, own: int) -> int:
        view(machinery.kernel, "IO_RESOURCE_REQUIREMENTS_LIST", own)["List[0].Count"] += 1
        return own

    with pytest.raises(Violation, match="longer than its ListSize says"):
        make(grow)


def test_a_message_interrupt_is_connected_once_latched_and_alone(make):
    machinery = make(offer())
    [(vector, message)] = machinery.arbiter.messages.items()
    line_irql, line_vector = with_level(machinery)
    assert machinery.connect(vector, line_irql, LATCHED, 0) == Status.INVALID_PARAMETER
    assert machinery.connect(vector, message.irql, LATCHED, 0, affinity=2) == Status.INVALID_PARAMETER
    assert machinery.connect(vector + 1, message.irql, LATCHED, 0) == Status.INVALID_PARAMETER
    for mode, share in ((LEVEL, 0), (LATCHED, 1)):
        with pytest.raises(Violation, match="connected as another kind"):
            machinery.connect(vector, message.irql, mode, share)
    assert machinery.connect(vector, message.irql, LATCHED, 0) == Status.SUCCESS
    assert machinery.connect(vector, message.irql, LATCHED, 0) == Status.INVALID_PARAMETER
    with pytest.raises(Violation, match="connected as another kind"):
        machinery.connect(line_vector, line_irql, LATCHED, 0)

# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk request or a packet costs no more than the committed table says, within 5 %."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gplpv import matrix
from xenlab import efficiency
from xenlab.efficiency import Cost
from xenlab.folder import DriverFolder

PROJECT = Path(__file__).parents[2]
Drivers = Callable[..., DriverFolder]
VARIANTS = [each for each in matrix.load(PROJECT / "platforms.yaml").variants() if not each.debug]
COMMITTED = efficiency.read_table((PROJECT / efficiency.TABLE).read_text(encoding="utf-8"))
COST = Cost(instructions=1000.0, hypercalls=1.0, grants=1.0, notifications=0.5, interrupts=0.0)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.name)
def test_a_request_costs_no_more_than_before(drivers: Drivers, variant: matrix.Variant) -> None:
    now = efficiency.measure_all(variant.name, drivers(variant.platform_name, variant.arch_name, debug=False))
    before = {name: cost for name, cost in COMMITTED.items() if name.startswith(f"{variant.name} ")}
    assert now.keys() == before.keys()
    hint = "If it must be so: benchmarks/efficiency.py --write"
    assert not efficiency.rises(before, now), hint


def test_a_table_is_read_as_it_was_written() -> None:
    costs = {"XPx64 plain depth 1": COST, "Vista2008x32 persistent depth 32": replace(COST, instructions=1.25)}
    assert efficiency.read_table(efficiency.table(costs)) == costs


def test_a_rise_of_more_than_a_twentieth_is_told() -> None:
    now = replace(COST, instructions=1051.0)
    [rise] = efficiency.rises({"disk": COST}, {"disk": now})
    assert rise == "disk: instructions each rise from 1000.00 to 1051.00"


@pytest.mark.parametrize("instructions", [1049.0, 500.0])
def test_less_or_a_little_more_is_no_rise(instructions: float) -> None:
    assert efficiency.rises({"disk": COST}, {"disk": replace(COST, instructions=instructions)}) == []


def test_what_was_free_must_stay_free() -> None:
    now = replace(COST, interrupts=0.01)
    assert efficiency.rises({"disk": COST}, {"disk": now}) == ["disk: interrupts each rise from 0.00 to 0.01"]


def test_a_row_that_has_gone_is_told() -> None:
    assert efficiency.rises({"disk": COST}, {}) == ["disk is no longer measured"]

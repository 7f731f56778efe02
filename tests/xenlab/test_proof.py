# SPDX-License-Identifier: GPL-2.0-or-later
"""The long scenarios are run on every target, and the committed table says how that went."""

from __future__ import annotations

from pathlib import Path

import pytest

from gplpv import matrix
from gplpv.errors import GplpvError
from xenlab import proof, scenario
from xenlab.proof import Row

PROJECT = Path(__file__).parents[2]
LONG = [each.name for each in scenario.scenarios() if each.long]
TARGETS = [each.name for each in matrix.load(PROJECT / "platforms.yaml").variants() if not each.debug]


def test_a_row_tells_what_was_done() -> None:
    told: list[Row] = []
    rows = proof.run_all(PROJECT, ["boot"], ["XPx64"], told.append)
    assert rows == told
    [row] = rows
    assert (row.scenario, row.target, row.failure) == ("boot", "XPx64", "")
    assert row.line().split()[:3] == ["boot", "XPx64", "passed"]
    assert row.figures.endswith("s of virtual time")


def test_a_failure_is_in_its_row() -> None:
    assert Row("boot", "XPx64", "", "boot: FAILED").line().split() == ["boot", "XPx64", "FAILED"]


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(GplpvError, match=r"no scenario 'endurence-long'(.|\n)*endurance-long"):
        proof.run_all(PROJECT, ["endurence-long"], [], lambda _: None)


def test_the_committed_table_is_whole_and_without_a_failure() -> None:
    rows = [line.split()[:3] for line in (PROJECT / proof.TABLE).read_text(encoding="utf-8").splitlines()]
    assert rows == [[name, target, "passed"] for name in LONG for target in TARGETS]

# SPDX-License-Identifier: GPL-2.0-or-later
"""The long scenarios are run on every target, and the committed table says how that went."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from gplpv import matrix
from gplpv.errors import GplpvError
from xenlab import proof, scenario
from xenlab.proof import Row, Table

PROJECT = Path(__file__).parents[2]
LONG = {each.name for each in scenario.scenarios() if each.long}
TARGETS = {each.name for each in matrix.load(PROJECT / "platforms.yaml").variants() if not each.debug}


def test_a_row_tells_what_was_done() -> None:
    told: list[Row] = []
    rows = proof.run_all(PROJECT, ["boot"], ["XPx64"], told.append)
    assert rows == told
    [row] = rows
    assert (row.scenario, row.target, row.failure) == ("boot", "XPx64", "")
    assert row.line().split()[:4] == ["boot", "XPx64", row.drivers, "passed"]
    assert row.figures.endswith("s of virtual time")


def test_a_failure_is_in_its_row() -> None:
    assert Row("boot", "XPx64", "1a2b", "", "boot: FAILED").line().split() == ["boot", "XPx64", "1a2b", "FAILED"]


def test_the_table_keeps_the_last_row_of_each(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    Table(path).put(Row("boot", "XPx64", "1a2b", "1 s"))
    Table(path).put(Row("boot", "2000x32", "1a2b", "2 s"))
    Table(path).put(Row("boot", "XPx64", "3c4d", "3 s"))
    lines = [line.split() for line in path.read_text().splitlines()]
    assert lines == [["boot", "2000x32", "1a2b", "passed", "2", "s"], ["boot", "XPx64", "3c4d", "passed", "3", "s"]]


def test_one_run_stands_for_targets_of_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Server 2003 x64 and XP x64 differ in their symbols' names alone."""
    which = replace(scenario.find("boot"), per_code=True)
    monkeypatch.setattr(scenario, "find", lambda _: which)
    monkeypatch.setattr(proof, "_run", lambda name, target, drivers: Row(name, target, "1a2b", "1 s", "broken"))
    monkeypatch.setattr(proof, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    rows = proof.run_all(PROJECT, ["boot"], ["XPx64", "2003x64"], lambda _: None)
    told = {row.target: (row.figures, row.failure) for row in rows}
    assert told == {
        "XPx64": ("1 s", "broken"),
        "2003x64": ("the code of XPx64", "broken"),
    }
    assert len({row.drivers for row in rows}) > 1


def test_what_the_table_has_of_the_same_drivers_is_not_run_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One run stands for two targets, and is due while the row of either is another's."""
    which = replace(scenario.find("boot"), per_code=True)
    monkeypatch.setattr(scenario, "find", lambda _: which)
    monkeypatch.setattr(proof, "_digest", lambda found: found.path.parents[1].name)
    monkeypatch.setattr(proof, "_run", lambda name, target, drivers: Row(name, target, drivers.parents[1].name, "1 s"))
    monkeypatch.setattr(proof, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    table = Table(tmp_path / "table.txt")

    def run() -> set[str]:
        rows = proof.run_all(PROJECT, ["boot"], ["XPx64", "2003x64"], table.put, known=table)
        return {row.target for row in rows}

    both = {"XPx64", "2003x64"}
    assert run() == both
    assert run() == set()
    table.put(Row("boot", "2003x64", "older", "1 s"))
    assert run() == both


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(GplpvError, match=r"no scenario 'endurence-long'(.|\n)*endurance-long"):
        proof.run_all(PROJECT, ["endurence-long"], [], lambda _: None)


def test_the_committed_table_has_every_long_scenario_on_every_target_and_no_failure() -> None:
    rows = [line.split()[:4] for line in (PROJECT / proof.TABLE).read_text(encoding="utf-8").splitlines()]
    assert {result for *_, result in rows} == {"passed"}
    assert {(name, target) for name, target, *_ in rows} == set(product(LONG, TARGETS))

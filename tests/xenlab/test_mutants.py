# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mutant of the drivers is caught by the scenario meant for it, for the reason meant for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gplpv.errors import GplpvError
from xenlab import mutate
from xenlab.mutate import Mutant

PROJECT = Path(__file__).parents[2]

ENTRY = """
- id: {id}
  driver: xenpci
  file: drivers_src/xenpci/mode.c
  old: {old}
  new: "0"
  scenario: boot
"""


def listed(tmp_path: Path, *entries: str) -> list[Mutant]:
    path = tmp_path / "mutants.yaml"
    path.write_text("".join(entries), encoding="utf-8")
    return mutate.load(path)


def entry(name: str = "wrong", old: str = "OLDEST_MINOR") -> str:
    return ENTRY.format(id=name, old=old)


def test_a_list_is_read(tmp_path: Path) -> None:
    [mutant] = listed(tmp_path, entry())
    assert (mutant.id, mutant.driver, mutant.arch, mutant.platform) == ("wrong", "xenpci", "x64", "XP")


def test_an_unknown_key_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(GplpvError, match=r"0\.colour(.|\n)*scenario"):
        listed(tmp_path, entry() + "  colour: red\n")


def test_two_mutants_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GplpvError, match="more than one mutant is called twice"):
        listed(tmp_path, entry("twice"), entry("twice"))


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GplpvError, match="cannot be read"):
        listed(tmp_path, "- id: [")


@pytest.mark.parametrize(("old", "count"), [("OLDEST_MINOR", 2), ("NEWEST_MINOR", 0)])
def test_old_text_that_is_not_there_exactly_once_is_refused(tmp_path: Path, old: str, count: int) -> None:
    source = tmp_path / "drivers_src/xenpci/mode.c"
    source.parent.mkdir(parents=True)
    source.write_text("#define OLDEST_MINOR 1\nminor < OLDEST_MINOR\n")
    [mutant] = listed(tmp_path, entry(old=old))
    with pytest.raises(GplpvError, match=f"wrong: its old text stands {count} times"):
        mutant.apply(tmp_path)


def test_the_share_caught_is_told() -> None:
    mutant = Mutant(id="one", driver="d", file="f", old="o", new="n", scenario="s")
    results = [mutate.Result(mutant, True, "seen"), mutate.Result(mutant, False, "s passes")]
    assert mutate.summary(results) == "1 of 2 mutants caught (50.0 %)"


def test_every_mutant_of_the_drivers_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    mutants = mutate.load(PROJECT / mutate.LIST)
    results = mutate.run_all(PROJECT, mutants)
    with capsys.disabled():
        print(f"\n{mutate.summary(results)}")
    assert [each.line() for each in results if not each.caught] == []


def test_the_list_is_long_enough_and_has_both_arches() -> None:
    mutants = mutate.load(PROJECT / mutate.LIST)
    assert len(mutants) >= 170
    assert {each.arch for each in mutants} == {"x32", "x64"}
    assert {each.driver for each in mutants} == {"xenpci", "xenhide", "xenstub", "xenvbd", "xennet"}
    assert all(each.notices for each in mutants)

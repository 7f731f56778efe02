# SPDX-License-Identifier: GPL-2.0-or-later
"""What wixpy takes for a condition is what Windows Installer, as Wine has it, can evaluate."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from wixpy.checks.categories import is_condition
from wixpy.database import Database
from wixpy.summary import Pid

from .windows import Windows

# The third result of EvaluateCondition is msiEvaluateConditionError.
SCRIPT = """\
Set session = CreateObject("WindowsInstaller.Installer").OpenPackage(WScript.Arguments(0))
Set texts = CreateObject("Scripting.FileSystemObject").OpenTextFile(WScript.Arguments(1))
Do Until texts.AtEndOfStream
  WScript.Echo session.EvaluateCondition(texts.ReadLine)
Loop
"""
ERROR = "3"
VALUES = ["A", "Privileged", "%PATH", '"text"', '"a (b"', "7", "VersionNT", '""']
COMPARISONS = ["=", "<>", ">", ">=", "<", "<=", "><", "<<", ">>", "~=", "~<>", "~><"]
JOINS = ["AND", "or", "Xor", "EQV", "IMP"]


@pytest.fixture
def machine() -> Iterator[Windows]:
    windows = Windows("x64")
    yield windows
    windows.close()


def condition(dice: random.Random, depth: int = 3) -> str:
    kind = dice.randrange(6 if depth else 2)
    if kind == 0:
        return dice.choice(VALUES)
    if kind == 1:
        return f"{dice.choice(VALUES)} {dice.choice(COMPARISONS)} {dice.choice(VALUES)}"
    inner = condition(dice, depth - 1)
    if kind == 2:
        return f"({inner})"
    if kind == 3:
        return f"NOT ({inner})"
    return f"{inner} {dice.choice(JOINS)} {condition(dice, depth - 1)}"


def spoiled(dice: random.Random, text: str) -> str:
    """A condition with a word too many or too few."""
    words = text.split(" ")
    place = dice.randrange(len(words))
    if dice.randrange(2):
        return " ".join(words[:place] + words[place + 1 :])
    return " ".join([*words[:place], dice.choice([*VALUES, *JOINS, "=", "(", ")", "NOT"]), *words[place:]])


def test_wine_evaluates_what_is_a_condition_and_nothing_else(machine: Windows, tmp_path: Path) -> None:
    dice = random.Random(5)
    good = [condition(dice) for _ in range(300)]
    texts = [text for text in dict.fromkeys([*good, *(spoiled(dice, text) for text in good)]) if text]
    database = Database(1252)
    database.insert("Property", "ProductCode", "{5A4B1F0E-8A57-4F6C-9C62-0F1B7D3C9E11}")
    database.summary.update({Pid.TEMPLATE: "x64;1033", Pid.REVISION: "{7D3B5E0C-2C53-4E0A-8B56-5F3F2F1D0A22}",
                             Pid.PAGE_COUNT: 200, Pid.WORD_COUNT: 2})  # fmt: skip
    database.commit(tmp_path / "x.msi")
    (tmp_path / "ask.vbs").write_text(SCRIPT)
    (tmp_path / "texts.txt").write_text("\r\n".join(texts))
    paths = [machine.put(tmp_path / name) for name in ("ask.vbs", "x.msi", "texts.txt")]
    answers = machine.run("cscript", "//nologo", *paths).stdout.split()
    assert len(answers) == len(texts)
    theirs = {text: answer != ERROR for text, answer in zip(texts, answers, strict=True)}
    assert 100 < sum(theirs.values()) < len(texts) - 100
    assert {text for text in texts if theirs[text] != is_condition(text)} == set()

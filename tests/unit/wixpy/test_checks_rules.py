# SPDX-License-Identifier: MIT
"""Every check by itself: the smallest database that trips it, and one like it that does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from wixpy import cab, checks, schema
from wixpy.actions import standard
from wixpy.checks import RULES, Finding, Level
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.summary import Pid, Value
from wixpy.tables import Cell, Column, Table

ERROR, WARNING = Level.ERROR, Level.WARNING
GUID = "{6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48}"
SUMMARY: dict[Pid, Value] = {
    Pid.TEMPLATE: "x64;1033", Pid.REVISION: GUID, Pid.PAGE_COUNT: 500, Pid.WORD_COUNT: 2,
}  # fmt: skip


def cell(column: Column, text: str | None) -> Cell | bytes:
    """A value from the notation of the cases; columns that are not named are null, 0 or x."""
    if text is None:
        if column.is_binary:
            return b"x"
        return None if column.nullable else 0 if column.is_integer else "x"
    if text == "-":
        return None
    return int(text) if column.is_integer else text


def insert(database: Database, line: str) -> None:
    """Add a row written as ``Table: key, key, Column=value``."""
    name, _, rest = line.partition(": ")
    table = database.tables.get(name) or schema.standard()[name]
    parts = rest.split(", ")
    keys = [part for part in parts if "=" not in part]
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    named |= {column.name: key for column, key in zip(table.columns, keys, strict=False)}
    assert not named.keys() - table.index.keys(), line
    database.insert(name, *(cell(column, named.get(column.name)) for column in table.columns))


def made(*lines: str) -> Database:
    database = Database(65001)
    database.summary.update(SUMMARY)
    for line in lines:
        if line.startswith("summary "):
            pid, _, text = line.removeprefix("summary ").partition("=")
            database.summary[Pid[pid]] = int(text) if text.isdecimal() else text
        else:
            insert(database, line)
    return database


Lines = tuple[str, ...]
Case = tuple[str, Level, Lines, Lines, Lines]


def expanded(line: str) -> Iterator[str]:
    """The rows behind a line of the cases."""
    line = re.sub(r"\{x\*(\d+)\}", lambda match: "x" * int(match[1]), line)
    numbers = re.search(r"\{(\d+)\.\.(\d+)\}", line)
    table, _, actions = line.partition(": ")
    if numbers:
        for number in range(int(numbers[1]), int(numbers[2]) + 1):
            yield line.replace(numbers[0], str(number))
    elif " < " in actions:
        for number, action in enumerate(actions.split(" < "), 1):
            yield f"{table}: {action}, Sequence={number}"
    else:
        yield line


def cases() -> list[Case]:
    """Rule, level, the rows of both databases, what trips it, what does not."""
    read: list[tuple[str, Level, dict[str, list[str]]]] = []
    for line in (Path(__file__).parent / "rules.cases").read_text("utf-8").splitlines():
        if line.startswith("  "):
            read[-1][2][line[2]].extend(expanded(line[4:]))
        elif line and line[0] != "#":
            rule, level = line.split()
            read.append((rule, Level[level.upper()], {" ": [], "-": [], "+": []}))
    return [(rule, level, tuple(parts[" "]), tuple(parts["-"]), tuple(parts["+"])) for rule, level, parts in read]


CASES = cases()


def found(database: Database, rule: str) -> list[Finding]:
    """What a rule reports; its levels must be those that it declares."""
    findings = list(RULES[rule].run(database))
    assert {finding.level for finding in findings} <= set(RULES[rule].levels)
    assert all(finding.rule == rule and finding.message for finding in findings)
    return findings


@pytest.mark.parametrize(("rule", "level", "both", "bad", "good"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_is_tripped_by_its_fault_alone(rule: str, level: Level, both: Lines, bad: Lines, good: Lines) -> None:
    assert {finding.level for finding in found(made(*both, *bad), rule)} == {level}
    assert found(made(*both, *good), rule) == []


def test_every_rule_has_a_fault_at_each_of_its_levels() -> None:
    shown = {(rule, level) for rule, level, *_ in CASES}
    elsewhere = {("CAB", ERROR), ("SOURCE", ERROR), ("ICE25", ERROR), ("ICE32", ERROR),
                 ("ICE100", ERROR), ("ICE100", WARNING)}  # fmt: skip
    assert shown | elsewhere == {(name, level) for name, rule in RULES.items() for level in rule.levels}
    assert not shown & elsewhere


def cabinet(*names: str) -> Database:
    """Two files in a cabinet, in an order."""
    database = made(
        "Media: 1, 2, Cabinet=#c", "File: a, C, FileSize=1, Sequence=1", "File: b, C, FileSize=1, Sequence=2"
    )
    when = datetime(2008, 1, 1, tzinfo=timezone.utc)
    database.streams["c"] = cab.write([[cab.CabinetFile(name, b"x", when) for name in names]])
    return database


@pytest.mark.parametrize("names", [("a",), ("b", "a"), ("a", "b", "c")])
def test_a_cabinet_must_hold_the_files_of_its_medium_in_order(names: tuple[str, ...]) -> None:
    assert found(cabinet("a", "b"), "CAB") == []
    assert found(cabinet(*names), "CAB") != []


def test_files_must_have_their_sizes_and_hashes() -> None:
    database = cabinet("a", "b")
    assert found(database, "CAB") == []
    database.insert("MsiFileHash", "a", 0, 1, 2, 3, 4)
    database.replace(database.rows("File")[1], FileSize=2)
    assert [finding.key for finding in found(database, "CAB")] == [("a",), ("b",)]


# ModuleSignature, then what one more row of ModuleDependency and of ModuleExclusion finds there.
MODULES = (("A", 0, "1.0"), ("B", 1033, "2.1"), ("C", 9, "3"))


@pytest.mark.parametrize(
    ("needs", "excludes", "count"),
    [
        (("B", 1033, "2.0"), ("B", 1031, None, None), 0),
        (("B", 9, None), ("B", -9, None, None), 0),
        (("B", 0, "2.1.0.0"), ("B", 1033, None, "2.0"), 0),
        (("C", 9, "2"), ("C", 9, "3.1", None), 0),
        (("A", 0, None), ("A", 0, None, None), 0),
        (("X", 0, "2.0"), ("B", 1033, None, None), 2),
        (("B", 1031, None), ("B", 9, None, None), 2),
        (("B", 1033, "2.2"), ("B", -1031, None, None), 2),
        (("C", 1033, None), ("A", -7, "0.9", "1.0"), 2),
    ],
)
def test_modules_need_and_exclude_others(needs: tuple[Cell, ...], excludes: tuple[Cell, ...], count: int) -> None:
    database = made()
    module = (Column("ModuleID", "s72", key=True), Column("Language", "i2", key=True))
    database.add_table(Table("ModuleSignature", (*module, Column("Version", "s32"))))
    required = (Column("RequiredID", "s72", key=True), Column("RequiredLanguage", "i2", key=True))
    database.add_table(Table("ModuleDependency", (*module, *required, Column("RequiredVersion", "S32"))))
    excluded = (Column("ExcludedID", "s72", key=True), Column("ExcludedLanguage", "i2", key=True))
    versions = (Column("ExcludedMinVersion", "S20"), Column("ExcludedMaxVersion", "S20"))
    database.add_table(Table("ModuleExclusion", (*module, *excluded, *versions)))
    for row in MODULES:
        database.insert("ModuleSignature", *row)
    database.insert("ModuleDependency", "A", 0, *needs)
    database.insert("ModuleExclusion", "A", 0, *excludes)
    assert len(found(database, "ICE25")) == count


def test_a_foreign_key_is_as_its_key() -> None:
    database = made("Property: a")
    for size in (72, 71):
        column = Column("Property_", f"s{size}", key=True, key_table="Property", key_column=1)
        database.add_table(Table(f"T{size}", (column,)))
    assert [finding.table for finding in found(database, "ICE32")] == ["T71"]


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([("a", "a.dll", 1, 2), ("b", "b.bmp", 0, None)], 0),
        ([("a", "a.dll", 1, None)], 1),
        ([("a", "a.dll", 1, 2), ("b", "b.bmp", None, 4)], 1),
        ([("a", "a.dll", 1, 2), ("b", "b.dll", 3, 2)], 1),
        ([("a", "a.dll", 1, 2), ("b", "a.dll", 0, None)], 1),
    ],
)
def test_one_embedded_user_interface(rows: list[tuple[Cell, ...]], count: int) -> None:
    database = made()
    names = (Column("MsiEmbeddedUI", "s72", key=True), Column("FileName", "s72"))
    database.add_table(Table("MsiEmbeddedUI", (*names, Column("Attributes", "I2"), Column("MessageFilter", "I4"))))
    for row in rows:
        database.insert("MsiEmbeddedUI", *row)
    assert [finding.level for finding in found(database, "ICE100")] == [ERROR] * count


def test_several_embedded_chainers() -> None:
    database = made()
    database.add_table(Table("MsiEmbeddedChainer", (Column("MsiEmbeddedChainer", "s72", key=True),)))
    database.insert("MsiEmbeddedChainer", "a")
    assert found(database, "ICE100") == []
    database.insert("MsiEmbeddedChainer", "b")
    assert [finding.level for finding in found(database, "ICE100")] == [WARNING]


def test_only_some_rules() -> None:
    database = made("Media: 2", "Property: 1x")
    assert {finding.rule for finding in checks.run(database, ["ICE71"])} == {"ICE71"}
    with pytest.raises(WixpyError, match="there is no check ICE999"):
        checks.run(database, ["ICE999"])


def test_the_standard_tables_and_sequences_break_no_rule_of_structure() -> None:
    database = made()
    for each in schema.standard().values():
        database.add_table(each)
    for name in ("ICE06", "ICE29", "ICE32"):
        assert found(database, name) == []
    for name, actions in standard().items():
        for action in actions.values():
            if action.name not in ("DisableRollback", "ForceReboot"):
                database.insert(name, action.name, None, action.number)
    assert found(database, "ICE26") == found(database, "ICE27") == found(database, "ICE28") == []


def test_numbers_that_are_too_long_are_no_numbers() -> None:
    long = "9" * 5000
    database = made(f"Upgrade: {GUID}, {long}, {long}.1, ActionProperty=A", f"MsiDigitalSignature: Media, {long}")
    assert {finding.rule for finding in checks.run(database)} >= {"ICE61", "ICE81"}

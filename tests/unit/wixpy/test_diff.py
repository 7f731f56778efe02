# SPDX-License-Identifier: MIT
"""Comparing two packages: what differs, and what `wixpy diff` says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from wixpy import cab, cli, diff
from wixpy.database import Database
from wixpy.summary import Pid
from wixpy.tables import Column, Table

WHEN = datetime(2008, 1, 1, tzinfo=timezone.utc)


def cabinet(**files: bytes) -> bytes:
    return cab.write([[cab.CabinetFile(name, content, WHEN) for name, content in files.items()]])


def sample() -> Database:
    database = Database(1252)
    database.summary[Pid.TITLE] = "Title"
    database.insert("Property", "A", "1")
    database.insert("Property", "B", "2")
    database.insert("Binary", "b", b"data")
    database.streams["c.cab"] = cabinet(one=b"1", two=b"2")
    return database


def recode(database: Database) -> None:
    database.codepage = 65001


def retitle(database: Database) -> None:
    database.summary[Pid.TITLE] = "Other"


def untitle(database: Database) -> None:
    database.summary.clear()


def edit(database: Database, value: str = "3") -> None:
    row = database.get("Property", "A")
    assert row is not None
    database.replace(row, Value=value)


def forget(database: Database) -> None:
    database.remove_table("Property")


def extend(database: Database) -> None:
    database.add_table(Table("Mine", (Column("Key", "i2", key=True),)))
    database.insert("Mine", 7)


def repack(database: Database) -> None:
    database.streams["c.cab"] = cabinet(one=b"11", three=b"2")


def breaks(database: Database) -> None:
    database.streams["c.cab"] = b"MSCF and nothing else"


CHANGES: dict[Callable[[Database], object], list[str]] = {
    recode: ["~ codepage : codepage 1252 -> 65001"],
    retitle: ["~ summary title: value Title -> Other"],
    untitle: ["- summary title: value Title"],
    edit: ["~ row Property A: Value 1 -> 3"],
    forget: ["- table Property: Property s72*, Value l0", "- row Property A: Property A, Value 1",
             "- row Property B: Property B, Value 2"],
    extend: ["+ table Mine: Key i2*", "+ row Mine 7: Key 7"],
    lambda d: d.delete("Property", "B"): ["- row Property B: Property B, Value 2"],
    lambda d: d.insert("Property", "C", "3"): ["+ row Property C: Property C, Value 3"],
    lambda d: d.streams.update({"Binary.b": b"other"}): ["~ stream Binary.b: size 4 -> 5, sha256 "],
    repack: ["~ cabinet c.cab one: size 1 -> 2, sha256 ", "+ cabinet c.cab three: size 1, sha256 ",
             "- cabinet c.cab two: size 1, sha256 "],
    breaks: ["~ stream c.cab: size "],
    lambda d: d.storages.update({"s": b"x"}): ["+ storage s: size 1, sha256 "],
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_and_is_the_only_one(change: Callable[[Database], object]) -> None:
    one, two = sample(), sample()
    change(two)
    lines = [str(each) for each in diff.compare(one, two)]
    assert len(lines) == len(CHANGES[change])
    assert all(map(str.startswith, lines, CHANGES[change])), lines
    back = {each.kind for each in diff.compare(two, one)}
    swapped = {"added": "removed", "removed": "added", "changed": "changed"}
    assert back == {swapped[each.kind] for each in diff.compare(one, two)}


def test_the_order_of_rows_and_streams_is_no_difference() -> None:
    other = Database(1252)
    for name, value in (("B", "2"), ("A", "1")):
        other.insert("Property", name, value)
    other.streams["c.cab"] = sample().streams["c.cab"]
    other.insert("Binary", "b", b"data")
    other.summary[Pid.TITLE] = "Title"
    assert list(diff.compare(sample(), other)) == []


def test_the_command_says_by_its_code_whether_packages_are_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, none = (str(tmp_path / name) for name in ("1.msi", "2.msi", "none.msi"))
    sample().commit(Path(one))
    changed = sample()
    edit(changed)
    changed.commit(Path(two))
    assert (cli.main(["diff", one, one]), capsys.readouterr().out) == (0, "")
    assert (cli.main(["diff", one, two]), capsys.readouterr().out) == (1, "~ row Property A: Value 1 -> 3\n")
    assert cli.main(["diff", one, two, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"part": "row", "kind": "changed", "name": "Property", "key": ["A"], "before": {"Value": "1"},
         "after": {"Value": "3"}}
    ]  # fmt: skip
    edit(changed, "two\nlines\x1b[2J")
    changed.commit(Path(two))
    assert (cli.main(["diff", one, two]), capsys.readouterr().out) == (
        1, "~ row Property A: Value 1 -> two\\nlines\\x1b[2J\n",
    )  # fmt: skip
    assert cli.main(["diff", one, none]) == 2
    assert "cannot read" in capsys.readouterr().err

# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv infcheck``: its words, output and exit codes; our own INFs and those of other vendors; its manual."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gplpv import cli, config, plan, stampinf
from gplpv.errors import GplpvError
from gplpv.inf.check import Subject, check, pass_on
from gplpv.inf.parse import parse
from gplpv.inf.target import targets_for

from .good import GOOD

PROJECT = Path(__file__).parents[3]
GOLDEN = sorted((PROJECT / "tests/unit/golden").rglob("*.inf"))
NO_CATALOG = "INF210"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "a.inf"
    path.write_text(GOOD)
    (tmp_path / "a.sys").touch()
    return path


def test_a_good_inf_is_told_to_be_good(good: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["infcheck", str(good)]) == 0
    assert capsys.readouterr().out == "1 file: 0 errors, 0 warnings\n"


def test_an_error_is_told_with_its_place_and_fails(good: Path, capsys: pytest.CaptureFixture[str]):
    good.write_text(GOOD.replace("%Disk%", "%Disc%"))
    assert cli.main(["infcheck", str(good), str(good)]) == 1
    line = f"{good}:12:3: error INF150: %Disc% is not in [Strings].\n"
    unused = f"{good}:38:1: warning INF151: The string Disk is not used.\n"
    assert capsys.readouterr().out == f"{line}{unused}" * 2 + "2 files: 2 errors, 2 warnings\n"


def test_a_warning_does_not_fail(good: Path, capsys: pytest.CaptureFixture[str]):
    good.write_text(GOOD + "[Strings]\n")
    assert cli.main(["infcheck", str(good)]) == 0
    assert "warning INF120" in capsys.readouterr().out


def test_findings_as_data(good: Path, capsys: pytest.CaptureFixture[str]):
    good.write_text(GOOD.replace("StartType=3", "StartType=9"))
    assert cli.main(["infcheck", "--json", str(good)]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {
            "file": str(good),
            "line": 33,
            "column": 11,
            "severity": "error",
            "code": "INF505",
            "message": "9 is no StartType.",
        }
    ]


def test_a_platform_that_is_not_served_is_an_error(good: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["infcheck", "--platform", "XP", "--arch", "x64", str(good)]) == 0
    assert cli.main(["infcheck", "--platform", "XP", str(good)]) == 1
    assert "error INF304: No device is served on Windows 5.1 x86." in capsys.readouterr().out


def test_files_may_be_asked_for(good: Path, capsys: pytest.CaptureFixture[str]):
    (good.parent / "a.sys").unlink()
    assert cli.main(["infcheck", str(good)]) == 0
    assert cli.main(["infcheck", "--complete", str(good)]) == 1
    assert "error INF403" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "No file is named"),
        (["--platform", "Vista", "a.inf"], 2, "Did you mean 'Vista2008'?"),
        (["none.inf"], 1, "none.inf cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["infcheck", *words]) == code
    assert says in capsys.readouterr().err


def test_the_manual_has_the_list_of_rules_as_it_is(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["infcheck", "--rules"]) == 0
    rules = capsys.readouterr().out
    assert f"```\n{rules}```" in (PROJECT / "docs/infcheck.md").read_text()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_vendor_signed_has_no_error(path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["infcheck", str(path)]) == 0, capsys.readouterr().out


def test_every_inf_of_ours_is_good_on_every_target():
    settings = config.load(PROJECT)
    today = settings.moment.date()
    found = {}
    for variant in settings.matrix.variants():
        for driver in plan.drivers(settings, variant):
            what = stampinf.Stamp(settings.matrix.product.version, today, variant.arch.inf)
            data = stampinf.stamp((PROJECT / driver.template).read_bytes(), what)
            files = frozenset([driver.file])
            subject = Subject(f"{driver.name}.inf", parse(data), targets_for(variant), files, True, today)
            for finding in check(f"{variant.name} {driver.name}.inf", subject):
                if finding.code != NO_CATALOG:
                    found[str(finding)] = finding
    assert list(found) == []


def test_the_build_passes_a_good_inf_on_and_stops_at_an_error(tmp_path: Path):
    settings = config.load(PROJECT)
    stamped, target = tmp_path / "a.inf", tmp_path / "out" / "a.inf"
    (variant,) = settings.matrix.select(["XP"], ["x64"], [False])
    facts = (["A.SYS"], targets_for(variant), settings.moment.date())
    stamped.write_text(GOOD.replace("StartType=3", "StartType=9"))
    with pytest.raises(GplpvError, match=r"a\.inf:33:11: error INF505"):
        pass_on(stamped, target, *facts)
    assert not target.exists()
    stamped.write_text(GOOD)
    pass_on(stamped, target, *facts)
    assert target.read_bytes() == GOOD.encode()

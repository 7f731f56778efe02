# SPDX-License-Identifier: GPL-2.0-or-later
"""The moment of a build, and where the project is found."""

from pathlib import Path

import pytest

from gplpv import config
from gplpv.errors import UsageError

ROOT = Path(__file__).parents[2]


def test_without_source_date_epoch_the_products_date_counts(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    loaded = config.load(ROOT)
    assert loaded.moment.date() == loaded.matrix.product.date
    assert loaded.epoch % 86400 == 0


def test_source_date_epoch_is_the_moment(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1400000000")
    assert config.load(ROOT).moment.isoformat() == "2014-05-13T16:53:20+00:00"


@pytest.mark.parametrize("text", ["yesterday", "-1", "0", "4354819200", "1.5", "\u0661"])
def test_a_moment_that_archives_cannot_hold_is_refused(monkeypatch, text):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH") as caught:
        config.load(ROOT)
    assert "git log" in caught.value.hint


def test_the_project_is_found_from_inside_and_missed_outside(tmp_path):
    assert config.project_root(ROOT / "build" / "gplpv") == ROOT
    with pytest.raises(UsageError, match=r"platforms\.yaml"):
        config.project_root(tmp_path)

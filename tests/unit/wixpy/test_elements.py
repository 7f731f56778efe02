# SPDX-License-Identifier: MIT
"""The page of supported elements, and the grammar that it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from wixpy import cli, schema
from wixpy.wxs import grammar
from wixpy.wxs.rows import HOOKS

PAGE = Path(__file__).parents[3] / "docs" / "wixpy" / "elements.md"


def test_the_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["elements", "--markdown"]) == 0
    assert PAGE.read_text("utf-8") == capsys.readouterr().out, "run: wixpy elements --markdown > docs/wixpy/elements.md"


def test_elements_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["elements"]) == 0
    assert "IniFile\tId* Name* Section* Key* Action* ShortName Directory Value\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name, element in grammar.elements().items() if element.rows])
def test_rows_of_the_grammar_fit_their_tables(name: str) -> None:
    element = grammar.elements()[name]
    for row in element.rows:
        assert len(row.cells) == len(schema.standard()[row.table].columns), row
        for cell in "|".join(row.cells).split("|"):
            if cell[0].isupper():
                assert cell in element.attributes, cell
            if cell.startswith("value:"):
                assert cell[6:] in HOOKS

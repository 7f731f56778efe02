# SPDX-License-Identifier: MIT
"""The pages of docs/wixpy: current, and what they show works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wixpy import cli
from wixpy.checks import RULES, __main__

DOCS = Path(__file__).parents[3] / "docs" / "wixpy"


def test_the_page_of_checks_is_that_of_the_registry() -> None:
    page = (DOCS / "checks.md").read_text("utf-8")
    assert page == __main__.document(), "run: PYTHONPATH=build python -m wixpy.checks > docs/wixpy/checks.md"


def test_checks_that_the_pages_name_are_there() -> None:
    for page in DOCS.glob("*.md"):
        named = set(re.findall(r"ICE\d+", page.read_text("utf-8"))) - {"ICE01"}
        assert named <= RULES.keys(), page


def test_the_source_the_commands_and_the_program_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "README.md").read_text("utf-8")
    [source] = re.findall(r"```xml\n(.*?)```", text, re.DOTALL)
    Path("hello.wxs").write_text(source, "utf-8")
    Path("hello.txt").write_text("hello\n")
    commands = re.findall(r"^    wixpy (.*?)(?:   .*)?$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["build", "check", "dump"]
    for command in commands:
        assert cli.main(command.split()) == 0
    printed = capsys.readouterr()
    assert "hello.txt" in printed.out
    assert printed.err == "", "there are no warnings"
    [program] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(program, {})
    assert capsys.readouterr().out == "Hello ['hello.txt']\n"


@pytest.mark.parametrize("page", ["README.md", "from-wixl.md", "from-wix.md"])
def test_every_command_and_option_of_a_page_is_one(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command, rest in re.findall(r"wixpy (build|check|dump|tables|query|extract|export|import|diff)\b([^`|]*)",
                                    (DOCS / page).read_text("utf-8")):  # fmt: skip
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        shown = capsys.readouterr().out
        assert all(re.search(rf"{option}\b", shown) for option in re.findall(r"(?<!\S)--?\w+", rest)), (command, rest)

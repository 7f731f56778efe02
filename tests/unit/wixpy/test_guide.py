# SPDX-License-Identifier: MIT
"""The guide for those who come from msilib: its programs run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wixpy import cli, msilib

GUIDE = Path(__file__).parents[3] / "docs" / "wixpy" / "from-msilib.md"


def test_the_program_and_the_commands_of_the_guide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "large.txt").write_bytes(b"x" * 2000)
    (tmp_path / "files" / "small.txt").write_bytes(b"x")
    text = GUIDE.read_text("utf-8")
    [program] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(program, {"msilib": msilib})
    assert capsys.readouterr().out == "large.txt 2000\n"
    commands = re.findall(r"^    wixpy (\w+) (.*)$", text, re.MULTILINE)
    assert [verb for verb, _ in commands] == ["query", "query", "export", "import"]
    for verb, rest in commands:
        words = re.findall(r'"([^"]*)"|(\S+)', rest.split("   ")[0])
        assert cli.main([verb, *("".join(pair) for pair in words)]) == 0
    assert cli.main(["query", "hello.msi", "SELECT `Value` FROM `Property` WHERE `Property` = 'ProductName'"]) == 0
    assert capsys.readouterr().out.endswith("Value\nIt's new\n")

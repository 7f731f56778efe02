# SPDX-License-Identifier: MIT
"""The pages of docs/wixpy: current, and what they show works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import wixpy
from wixpy import cli
from wixpy.checks import RULES, __main__

from .conftest import PRODUCT

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


# The exit codes of the commands that a page shows.
SESSIONS = {"from-wix.md": [0, 0, 0, 1], "from-wixl.md": [0, 1, 0, 0, 0, 1]}


@pytest.mark.parametrize("page", SESSIONS)
def test_the_source_and_the_commands_of_a_guide(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text("utf-8")
    [source] = re.findall(r"```xml\n(.*?)```", text, re.DOTALL)
    Path("hello.wxs").write_text(source, "utf-8")
    Path("hello.txt").write_text("hello\n")
    codes = []
    for program, rest in re.findall(r"^    (wixpy|wixl) (.*?)(?:   .*)?$", text, re.MULTILINE):
        if program == "wixl":
            subprocess.run(["wixl", *rest.split()], check=True, capture_output=True, timeout=60)
        else:
            codes.append(cli.main(rest.split()))
    assert codes == SESSIONS[page]
    if page == "from-wixl.md":
        assert [path.read_text() for path in Path("files").rglob("hello.txt")] == ["hello\n"]


def test_the_snippets_of_the_page_of_user_interfaces(tmp_path: Path) -> None:
    interface, strings = re.findall(r"```xml\n(.*?)```", (DOCS / "ui.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "licence.rtf").write_text("{\\rtf1 Do as you like}")
    (tmp_path / "main.txt").write_text("main")
    (tmp_path / "de.wxl").write_text(strings, "utf-8")
    *references, folder, variable = interface.splitlines()
    assert len(references) == 4
    for reference in references:
        body = f'{reference}{folder}{variable}<Property Id="HELLO" Value="!(loc.Hello)"/>'
        source = PRODUCT.format(body=body, inside="", beside="", upgrade="6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48")
        (tmp_path / "x.wxs").write_text(source, "utf-8")
        assert wixpy.build(tmp_path / "x.wxs", tmp_path / "x.msi", epoch=1, localizations=[tmp_path / "de.wxl"]) == []
        assert wixpy.open(tmp_path / "x.msi").property("HELLO") == "Guten Tag"


def test_the_session_the_source_and_the_program_of_the_page_of_transforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "transforms.md").read_text("utf-8")
    Path("main.txt").write_text("main")
    [body], upgrade = re.findall(r"```xml\n(.*?)```", text, re.DOTALL), "6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48"
    for name, product in (("old", "Sample"), ("new", "Another")):
        source = PRODUCT.replace('Id="*" Name="Sample"', f'Id="{upgrade}" Name="{product}"')
        Path(f"{name}.wxs").write_text(source.format(body=body, inside="", beside="", upgrade=upgrade), "utf-8")
        assert wixpy.build(Path(f"{name}.wxs"), Path(f"{name}.msi"), epoch=1) == []
    for command in re.findall(r"^    wixpy (.*?)(?:   .*)?$", text, re.MULTILINE):
        assert cli.main(command.split()) == 0
    assert "Property\tValue\tProductName\tAnother\tSample\n" in capsys.readouterr().out
    assert wixpy.open(Path("out.msi")).property("ProductName") == "Another"
    [program] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(program, {"old_path": Path("old.msi"), "new_path": Path("new.msi")})
    assert capsys.readouterr().out == "Another ['Second', '1031']\n"


def test_the_sources_of_the_page_of_media(tmp_path: Path) -> None:
    (tmp_path / "main.txt").write_text("main")
    media = [
        each for each in re.findall(r"`(<Media[^`]*/>)`", (DOCS / "media.md").read_text("utf-8")) if "…" not in each
    ]
    assert len(media) == 5
    for each in media:
        source = PRODUCT.replace('<MediaTemplate EmbedCab="yes"/>', "{media}")
        upgrade = "6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48"
        (tmp_path / "x.wxs").write_text(source.format(media=each, body="", inside="", beside="", upgrade=upgrade))
        assert wixpy.build(tmp_path / "x.wxs", tmp_path / "x.msi", epoch=1) == []
        assert wixpy.check(tmp_path / "x.msi") == [], each


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_command_and_option_of_a_page_is_one(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands = "build|check|dump|tables|query|extract|export|import|diff|transform"
    for command, rest in re.findall(rf"wixpy ({commands})\b([^`|\n]*)", (DOCS / page).read_text("utf-8")):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        shown = capsys.readouterr().out
        assert all(re.search(rf"{option}\b", shown) for option in re.findall(r"(?<!\S)--?\w+", rest)), (command, rest)

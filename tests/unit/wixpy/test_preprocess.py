# SPDX-License-Identifier: MIT
"""The preprocessor: conditions, loops, includes, variables of the surroundings, several sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy import cli
from wixpy.errors import WixpyError
from wixpy.wxs import source
from wixpy.wxs.preprocess import Settings

ROOT = '<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">{}</Wix>'


def names(tmp_path: Path, body: str, settings: Settings | None = None) -> list[str]:
    """The Ids of the fragments that are left of a source."""
    path = tmp_path / "x.wxs"
    path.write_text(ROOT.format(body), "utf-8")
    root = source.parse(path, settings or Settings({"X": "text", "N": "7", "EMPTY": ""}))
    return [child.attributes["Id"] for child in root.children]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('$(var.X) = "text"', True), ("$(var.X) = text", True), ('$(var.X) != "text"', False),
        ('$(var.X) ~= "TEXT"', True), ("$(var.N) &lt; 10", True), ("$(var.N) >= 8", False), ("10 > $(N)", True),
        ("$(var.X)", True), ("$(var.NONE)", False), ("$(var.EMPTY)", False), ("not $(var.NONE)", True),
        ('$(var.X) = "a" or $(var.N) = 7', True), ('$(var.X) = "a" and $(var.N) = 7', False),
        ('not ($(var.X) = "a" or $(var.N) = 8) AND 1 = 1', True), ("1 = 1 or 1 = 2 and 1 = 2", True),
    ],
)  # fmt: skip
def test_conditions(tmp_path: Path, condition: str, holds: bool) -> None:
    text = condition.replace("&lt;", "<")
    body = f"<?if {text}?><Fragment Id='yes'/><?else?><Fragment Id='no'/><?endif?>"
    assert names(tmp_path, body) == ["yes" if holds else "no"]


def test_the_first_branch_that_holds_is_taken_and_conditions_nest(tmp_path: Path) -> None:
    inner = "<?ifndef Y?><Fragment Id='b'/><?else?><Fragment Id='c'/><?endif?>"
    body = f"<?if 1 = 2?><?error never?><?elseif 1 = 1?>{inner}<?elseif 1 = 1?><Fragment Id='d'/><?endif?>"
    assert names(tmp_path, body) == ["b"]
    assert names(tmp_path, f"<?define Y='1'?>{body}") == ["c"]
    assert names(tmp_path, f"<?define Y='1'?><?undef Y?><?define Y2='1'?>{body}") == ["b"]


def test_loops(tmp_path: Path) -> None:
    loop = "<?foreach I in a;$(var.N)?><?foreach J in 1;2?><Fragment Id='$(var.I)$(var.J)'/><?endforeach?>"
    assert names(tmp_path, f"{loop}<?endforeach?>") == ["a1", "a2", "71", "72"]
    with pytest.raises(WixpyError, match="I is not defined"):
        names(tmp_path, f"{loop}<?endforeach?><Fragment Id='$(var.I)'/>")


def test_includes_bring_elements_and_variables(tmp_path: Path) -> None:
    (tmp_path / "inc").mkdir()
    include = (
        "<Include xmlns='http://schemas.microsoft.com/wix/2006/wi'><?define V='$(sys.SOURCEFILEDIR)'?>{}</Include>"
    )
    (tmp_path / "inc" / "a.wxi").write_text(include.format("<?include b.wxi?><Fragment Id='a'/>"))
    (tmp_path / "inc" / "b.wxi").write_text(include.format("\n<Fragment Id='b'/>"))
    settings = Settings({}, (tmp_path / "inc",))
    assert names(tmp_path, "<?include a.wxi?><Fragment Id='$(var.V)'/>", settings) == [
        "b", "a", f"{tmp_path / 'inc'}/",
    ]  # fmt: skip
    assert names(tmp_path, "<?require b.wxi?><?require b.wxi?>", settings) == ["b"]
    (tmp_path / "inc" / "b.wxi").write_text(include.format("\n<Fragment Id='$(var.NONE)'/>"))
    with pytest.raises(WixpyError) as caught:
        names(tmp_path, "<?include a.wxi?>", settings)
    assert (caught.value.file, caught.value.line) == (tmp_path / "inc" / "b.wxi", 2)


def test_variables_of_the_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NAME", "value")
    settings = Settings(platform="x64", epoch=946684800 + 86400 * 3 + 20)
    text = "$(env.SOME_NAME) $(sys.BUILDARCH) $(fun.AutoVersion(1.2)) $(sys.SOURCEFILEPATH)"
    assert names(tmp_path, f"<Fragment Id='{text}'/>", settings) == [f"value x64 1.2.3.10 {tmp_path / 'x.wxs'}"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("\n<?if 1 = 1?><A>\n<?endif?></A>", "in the same element"),
        ("\n<?endif?>", "not supported here"),
        ("\n<?foreach A in b?>", "no <.endforeach"),
        ("\n<?foreach A?><?endforeach?>", "not understood"),
        ("\n<?if (1 = 1?><?endif?>", "not a condition"),
        ("\n<?if a < b?><?endif?>", "does not compare integers"),
        ("\n<?if $(var.NONE) = 1?><?endif?>", "not defined"),
        ("\n<?if 1=1?><?else?><?else?><?endif?>", "after <.else"),
        ("\n<?include x.wxs?>", "includes itself"),
        ("\n<?error no $(var.X)?>", "no text"),
        ("\n<?pragma x?>", "not supported"),
        ("\n<Fragment Id='$(env.NOT_SET_ANYWHERE)'/>", "not set"),
        ("\n<Fragment Id='$(sys.NONE)'/>", "no .*sys.NONE"),
        ("\n<Fragment Id='$(fun.None(1))'/>", "no function None"),
        ("\n<Fragment Id='$(fun.AutoVersion(1))'/>", "AutoVersion of"),
        ("\n<x:A xmlns:x='http://wixtoolset.org/schemas/v4/wxs'/>", "mixes two versions"),
    ],
)
def test_faults_have_their_line(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        names(tmp_path, body)
    assert caught.value.line == 2
    assert caught.value.hint


def test_several_sources_make_one_package(
    source: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.wxs"
    other.write_text(
        ROOT.format("<?include i.wxi?><?warning odd?><Fragment><Property Id='P' Value='$(var.V)'/></Fragment>")
    )
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "i.wxi").write_text("<Include><?define V='7'?></Include>")
    out = tmp_path / "x.msi"
    include = ["-I", str(tmp_path / "folder")]
    assert cli.main(["build", str(source()), str(other), "-o", str(out), *include, "--epoch", "1"]) == 0
    assert wixpy.open(out).property("P") == "7"
    assert f"warning: {other}:1: odd" in capsys.readouterr().err

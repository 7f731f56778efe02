# SPDX-License-Identifier: MIT
"""Strings in several languages: files of several cultures, and the stock dialogs' own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

import wixpy
from wixpy.cli import main
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.summary import Pid
from wixpy.wxs import compile
from wixpy.wxs.localize import STOCK_CULTURE, STOCK_CULTURES

from .conftest import EPOCH

FOLDER = Path(wixpy.__file__).parent / "data" / "ui"
SPACE = "http://schemas.microsoft.com/wix/2006/localization"
SET = """<UIRef Id="WixUI_{}"/><WixVariable Id="WixUILicenseRtf" Value="licence.rtf"/>
<Property Id="WIXUI_INSTALLDIR" Value="INSTALLDIR"/>"""
OTHERS = [culture for culture in STOCK_CULTURES if culture != STOCK_CULTURE]


def stock(culture: str) -> dict[str, str]:
    root = ElementTree.parse(FOLDER / f"{culture}.wxl").getroot()
    return {str(each.get("Id")): each.text or "" for each in root}


@pytest.mark.parametrize("culture", OTHERS)
def test_a_translation_says_what_the_original_says(culture: str) -> None:
    original, own = stock(STOCK_CULTURE), stock(culture)
    assert set(original) <= set(own)
    assert {name.partition(".")[0] for name in set(own) - set(original)} == {"ActionText", "Label", "UIText"}
    for name, text in original.items():
        assert sorted(re.findall(r"\[\w+\]", own[name])) == sorted(re.findall(r"\[\w+\]", text)), name
        assert own[name].count("&") == text.count("&"), name
        assert own[name].strip() == own[name] != "", name


@pytest.mark.parametrize(
    ("name", "culture", "following"),
    [
        ("Minimal", "de-at", "&Weiter >"),
        ("FeatureTree", "fr-FR", "&Suivant >"),
        ("InstallDir", "es", "&Siguiente >"),
    ],
)
def test_the_stock_sets_speak_a_language(
    source: Callable[..., Path], tmp_path: Path, name: str, culture: str, following: str
) -> None:
    (tmp_path / "licence.rtf").write_text(r"{\rtf1\ansi{\b}Licence}")
    out = tmp_path / "x.msi"
    assert wixpy.build(source(SET.format(name)), out, epoch=EPOCH, cultures=[culture]) == []
    database = wixpy.open(out)
    assert database.codepage == 1252
    assert database.get("Control", "WelcomeDlg", "Next")["Text"] == following  # type: ignore[index]
    english = {str(row["Text"]) for row in database.rows("UIText")} & {"The feature will be removed.", "Available"}
    described = {str(row["Description"]) for row in database.rows("ActionText")} & {"Copying files"}
    assert english | described == set()


# How a text calls a button by its name.
CALLED = {
    "en-us": r"(?:hoose|or) ([A-Z]\w+)", "de-de": "„(.+?)“", "fr-fr": r"sur ([A-Z]\w+)", "es-es": r"en ([A-ZÁ]\w+)",
}  # fmt: skip


@pytest.mark.parametrize("culture", STOCK_CULTURES)
def test_every_key_of_a_dialog_is_one_controls_and_every_button_that_is_named_is_there(
    source: Callable[..., Path], tmp_path: Path, culture: str
) -> None:
    (tmp_path / "licence.rtf").write_text("{\\rtf1 Licence}")
    every = "".join(f'<DialogRef Id="{name}"/>' for name in ("WelcomeEulaDlg", "CustomizeDlg", "DiskCostDlg"))
    path = source(f"{SET.format('InstallDir')}<UI>{every}</UI>")
    database = compile(path, {}, EPOCH, cultures=[culture])[0]
    assert len(database.rows("Dialog")) == 23
    buttons: dict[str, list[str]] = {}
    for row in database.rows("RadioButton"):
        buttons.setdefault(row.text("Property"), []).append(row.text("Text"))
    with_key, named = 0, 0
    for dialog in database.rows("Dialog"):
        controls = [row for row in database.rows("Control") if row["Dialog_"] == dialog["Dialog"]]
        texts = [text for row in controls for text in (row.text("Text"), *buttons.get(row.text("Property"), []))]
        keys = [key.lower() for text in texts for key in re.findall(r"&(\w)", text) if not text.startswith("{\\rtf")]
        assert sorted(keys) == sorted(set(keys)), dialog
        with_key += bool(keys)
        labels = {row.text("Text").replace("&", "").strip("<> .") for row in controls if row["Type"] == "PushButton"}
        called = {found for text in texts for found in re.findall(CALLED[culture], text)}
        assert called <= labels, dialog
        named += len(called)
    assert with_key == 21
    assert named > 15


@pytest.fixture
def build(source: Callable[..., Path], tmp_path: Path) -> Callable[..., Database]:
    """Compiles a property of `!(loc.A) !(loc.B)` with files: attributes of the root and the strings."""

    def run(*files: tuple[str, str], cultures: Sequence[str] = ()) -> Database:
        paths = []
        for number, (attributes, strings) in enumerate(files):
            paths.append(tmp_path / f"{number}.wxl")
            paths[-1].write_text(f'<WixLocalization {attributes} xmlns="{SPACE}">\n{strings}</WixLocalization>')
        path = source('<Property Id="P" Value="!(loc.A) !(loc.B)"/>')
        return compile(path, {}, EPOCH, paths, cultures=cultures)[0]

    return run


def text(name: str, value: str, more: str = "") -> str:
    return f'<String Id="{name}" {more}>{value}</String>'


GERMAN = ('Culture="de-DE" Codepage="1252" SummaryInformationCodepage="1250"', text("A", "eins") + text("B", "zwei"))
FRENCH = ('Culture="fr-FR"', text("A", "un"))
NEUTRAL = ("", text("B", "2"))


@pytest.mark.parametrize(
    ("files", "cultures", "expected"),
    [
        ([GERMAN], [], "eins zwei"),
        ([GERMAN, FRENCH], ["fr-fr", "de-de"], "un zwei"),
        ([FRENCH, GERMAN], ["de-de", "fr-fr"], "eins zwei"),
        ([NEUTRAL, FRENCH], ["fr-fr"], "un 2"),
    ],
)
def test_the_first_culture_is_preferred(
    build: Callable[..., Database], files: list[tuple[str, str]], cultures: list[str], expected: str
) -> None:
    database = build(*files, cultures=cultures)
    assert database.property("P") == expected
    if expected.startswith("eins"):
        assert (database.codepage, database.summary[Pid.CODEPAGE]) == (1252, 1250)


@pytest.mark.parametrize(
    ("files", "cultures", "message"),
    [
        ([GERMAN, FRENCH], [], "the files are of the cultures de-de, fr-fr"),
        ([FRENCH], ["it-it"], "no file of the culture it-it"),
        ([GERMAN, FRENCH], ["fr-fr"], "the string B is in no .wxl file"),
        ([GERMAN, ('Culture="fr-FR"', text("A", "un", 'Localizable="no"'))], ["fr-fr", "de-de"], "is Localizable='no'"),
    ],
)
def test_what_is_not_clear_is_refused(
    build: Callable[..., Database], files: list[tuple[str, str]], cultures: list[str], message: str
) -> None:
    with pytest.raises(WixpyError, match=message):
        build(*files, cultures=cultures)


def test_the_command_line_names_the_culture(source: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "licence.rtf").write_text(r"{\rtf1 Licence}")
    out = tmp_path / "x.msi"
    assert main(["build", str(source(SET.format("Minimal"))), "-o", str(out), "-culture", "fr-fr"]) == 0
    assert wixpy.open(out).get("Control", "WelcomeDlg", "Next")["Text"] == "&Suivant >"  # type: ignore[index]

# SPDX-License-Identifier: MIT
"""The stock dialogs hold what is in them: controls lie inside, none on another, and each text has the room it needs."""

from __future__ import annotations

import re
from itertools import combinations
from math import ceil
from pathlib import Path

import pytest

import wixpy
from wixpy.database import Database, Row

from .conftest import PRODUCT

UI = Path(wixpy.__file__).parent / "data" / "ui"
SETS = sorted(path.stem for path in UI.glob("WixUI_*.wxs") if path.stem not in ("WixUI_Common", "WixUI_Dialogs"))
LANGUAGES = sorted(UI.glob("*.wxl"))
UPGRADE = "6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48"
# What other controls may lie on, and the buttons of an error, of which Windows Installer places those that it shows.
GROUNDS, PLACED = ("Bitmap", "GroupBox", "Line"), "ErrorDlg"
# Installer units of letters and a line of DejaVu Sans 8, which is wider than Tahoma; a margin of buttons, of words.
LETTERS = {letter: width for width, letters in (
    (2.3, "iíîïjlI'|"), (2.6, " .,:;"), (3.3, "frt()-!„“\""), (4.2, "szcJçL"), (6.2, "wABCDEFGHKNOPQRSUVXYZÄÖÜ"),
    (6.9, "<>"), (8, "mMW"),
) for letter in letters}  # fmt: skip
LETTER, LINE, MARGIN, WRAP = 5.0, 10, 4, 1.08


def built(folder: Path, name: str, language: Path) -> Database:
    (folder / "licence.rtf").write_text("{\\rtf1 Do as you like}")
    (folder / "main.txt").write_text("main")
    body = f'<UIRef Id="{name}"/><WixVariable Id="WixUILicenseRtf" Value="licence.rtf"/>'
    if name == "WixUI_InstallDir":
        body += '<Property Id="WIXUI_INSTALLDIR" Value="INSTALLDIR"/>'
    (folder / "x.wxs").write_text(PRODUCT.format(body=body, inside="", beside="", upgrade=UPGRADE))
    others = [] if language.stem == "en-us" else [language]
    wixpy.build(folder / "x.wxs", folder / "x.msi", epoch=1, localizations=others)
    return wixpy.open(folder / "x.msi")


def box(row: Row) -> tuple[int, int, int, int]:
    """Left, top, right and bottom; of a list that drops down, while it does not."""
    left, top = row.number("X"), row.number("Y")
    height = 18 if row.text("Type").endswith("Combo") else row.number("Height")
    return left, top, left + row.number("Width"), top + height


def overlap(one: Row, two: Row) -> bool:
    a, b = box(one), box(two)
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def room_needed(database: Database, row: Row) -> str:
    """Which of a control's texts is too long for it, with the lines it needs and has; empty when all fit."""
    text = re.sub(r"\[ProductName\]", "A product", re.sub(r"^\{[\\&][^}]*\}|&(?!&)", "", row.text("Text")))
    if row["Type"] not in ("Text", "PushButton", "CheckBox") or "[" in text:
        return ""
    size = 1.0
    for style in re.findall(r"^\{[\\&]([^}]*)\}", row.text("Text")):
        style_row = database.get("TextStyle", style)
        assert style_row is not None
        size = style_row.number("Size") / 8 * (1.1 if style_row.number("StyleBits") & 1 else 1)
    width = row.number("Width") - (MARGIN if row["Type"] == "PushButton" else 14 if row["Type"] == "CheckBox" else 0)
    letters = sum(LETTERS.get(letter, LETTER) for letter in text) * size
    lines = 1 if letters <= width else ceil(letters * WRAP / width)
    has = max(1, int(row.number("Height") // (LINE * size)))
    return "" if lines <= has else f"{row.key}: {lines} lines, room for {has}: {text}"


@pytest.mark.parametrize("name", SETS)
def test_controls_lie_inside_and_none_on_another(name: str, tmp_path: Path) -> None:
    database = built(tmp_path, name, UI / "en-us.wxl")
    changing = {row.cells[:2] for row in database.rows("ControlCondition")}
    for dialog in database.rows("Dialog"):
        controls = [row for row in database.rows("Control") if row["Dialog_"] == dialog["Dialog"]]
        for row in controls:
            assert box(row)[2] <= dialog.number("Width"), row.key
            assert box(row)[3] <= dialog.number("Height"), row.key
        solid = [row for row in controls if row["Type"] not in GROUNDS and row.key not in changing]
        faults = [(one.key, two.key[1]) for one, two in combinations(solid, 2) if overlap(one, two)]
        assert faults == [] or dialog["Dialog"] == PLACED


@pytest.mark.parametrize("language", LANGUAGES, ids=[path.stem for path in LANGUAGES])
@pytest.mark.parametrize("name", SETS)
def test_every_text_has_the_room_that_it_needs(name: str, language: Path, tmp_path: Path) -> None:
    database = built(tmp_path, name, language)
    faults = [room_needed(database, row) for row in database.rows("Control")]
    assert [fault for fault in faults if fault] == []

# SPDX-License-Identifier: MIT
"""The user interface of a source, as rows, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy.cli import main
from wixpy.database import Database
from wixpy.errors import WixpyError

from .conftest import EPOCH

Package = Callable[..., Database]

DIALOG = """\
<UI Id="Own"><TextStyle Id="Big" FaceName="Tahoma" Size="12" Red="1" Green="2" Blue="3" Bold="yes" Strike="yes"/>
<Dialog Id="Ask" Width="370" Height="270" Title="{\\Big}[ProductName]" TrackDiskSpace="yes" NoMinimize="yes">
<Control Id="Picture" Type="Bitmap" X="0" Y="0" Width="370" Height="44" Text="Logo" FixedSize="yes"/>
<Control Id="Text" Type="Text" X="1" Y="2" Width="3" Height="4" Transparent="yes" NoPrefix="yes">
<Text>{\\Big}Hello</Text></Control>
<Control Id="Next" Type="PushButton" X="5" Y="6" Width="7" Height="8" Text="Next" Default="yes" ToolTip="On">
<Publish Property="ANSWER" Value="42">1</Publish><Publish Property="NOTHING"/>
<Publish Event="EndDialog" Value="Return" Order="9"><![CDATA[A <> B]]></Publish>
<Condition Action="disable">NOT A</Condition></Control>
<Control Id="Accept" Type="CheckBox" X="5" Y="6" Width="7" Height="8" Property="OK" CheckBoxValue="yes" Text="Yes"/>
<Control Id="Which" Type="RadioButtonGroup" X="5" Y="6" Width="70" Height="80" Property="WHICH" HasBorder="yes">
<RadioButtonGroup Property="WHICH"><RadioButton Value="a" X="0" Y="0" Width="9" Height="9" Text="A"/>
<RadioButton Value="b" X="0" Y="9" Width="9" Height="9" Text="B" Help="h"/></RadioButtonGroup></Control>
<Control Id="List" Type="ComboBox" X="5" Y="6" Width="70" Height="80" Property="LIST" ComboList="yes" Sorted="yes">
<ComboBox Property="LIST"><ListItem Value="1" Text="one"/><ListItem Value="2"/></ComboBox></Control>
<Control Id="Bar" Type="ProgressBar" X="5" Y="6" Width="70" Height="8" Hidden="yes" ProgressBlocks="yes">
<Subscribe Event="SetProgress" Attribute="Progress"/></Control>
<Control Id="Cancel" Type="PushButton" X="5" Y="6" Width="7" Height="8" Text="No" Cancel="yes" Disabled="yes"/>
</Dialog>
<Publish Dialog="Ask" Control="Cancel" Event="SpawnDialog" Value="Ask">1</Publish>
<ProgressText Action="InstallFiles" Template="[1]">Copying</ProgressText>
<UIText Id="KB">KiB</UIText><Error Id="1234">It failed: [2]</Error>
<BillboardAction Id="InstallFiles"><Billboard Id="Ad" Feature="All">
<Control Id="Say" Type="Text" X="1" Y="2" Width="3" Height="4" Text="Buy"/></Billboard></BillboardAction>
<InstallUISequence><Show Dialog="Ask" After="CostFinalize">NOT Installed</Show></InstallUISequence></UI>
<Binary Id="Logo" SourceFile="main.txt"/>
"""


def rows(database: Database, table: str) -> list[tuple[object, ...]]:
    return sorted((row.cells for row in database.rows(table)), key=str)


def test_a_dialog_as_rows(package: Package) -> None:
    database = package(DIALOG, ignore=["ICE20", "ICE34"])
    assert rows(database, "Dialog") == [
        ("Ask", 50, 50, 370, 270, 1 + 2 + 32, "{\\Big}[ProductName]", "Next", "Next", "Cancel")
    ]
    controls = {str(row["Control"]): row for row in database.rows("Control")}
    assert controls["Picture"].cells[2:] == ("Bitmap", 0, 0, 370, 44, 3 + 0x100000, None, "Logo", None, None)
    assert controls["Text"]["Attributes"] == 3 + 0x10000 + 0x20000
    assert controls["Text"]["Text"] == "{\\Big}Hello"
    assert controls["Next"]["Help"] == "On|"
    assert controls["Which"]["Attributes"] == 3 + 0x1000000
    assert controls["List"]["Attributes"] == 3 + 0x10000 + 0x20000
    assert controls["Bar"]["Attributes"] == 2 + 0x10000
    assert controls["Cancel"]["Attributes"] == 1
    assert rows(database, "ControlEvent") == [
        ("Ask", "Cancel", "SpawnDialog", "Ask", "1", 1),
        ("Ask", "Next", "EndDialog", "Return", "A <> B", 9),
        ("Ask", "Next", "[ANSWER]", "42", "1", 1),
        ("Ask", "Next", "[NOTHING]", "{}", None, 2),
    ]
    assert rows(database, "ControlCondition") == [("Ask", "Next", "Disable", "NOT A")]
    assert rows(database, "EventMapping") == [("Ask", "Bar", "SetProgress", "Progress")]
    assert rows(database, "CheckBox") == [("OK", "yes")]
    assert rows(database, "RadioButton") == [
        ("WHICH", 1, "a", 0, 0, 9, 9, "A", None), ("WHICH", 2, "b", 0, 9, 9, 9, "B", "|h"),
    ]  # fmt: skip
    assert rows(database, "ComboBox") == [("LIST", 1, "1", "one"), ("LIST", 2, "2", None)]
    assert rows(database, "TextStyle") == [("Big", "Tahoma", 12, 0x030201, 1 + 8)]
    assert rows(database, "ActionText") == [("InstallFiles", "Copying", "[1]")]
    assert rows(database, "UIText") == [("KB", "KiB")]
    assert rows(database, "Error") == [(1234, "It failed: [2]")]
    assert rows(database, "Billboard") == [("Ad", "All", "InstallFiles", 1)]
    assert rows(database, "BBControl") == [("Ad", "Say", "Text", 1, 2, 3, 4, 3, "Buy")]
    assert database.get("InstallUISequence", "Ask") is not None


def loops(database: Database) -> None:
    """In every dialog the tab order is one circle through the first control."""
    for dialog in database.rows("Dialog"):
        following = {
            row["Control"]: row["Control_Next"]
            for row in database.rows("Control")
            if row["Dialog_"] == dialog["Dialog"] and row["Control_Next"] is not None
        }
        seen = [dialog["Control_First"]]
        while (control := following[seen[-1]]) != seen[0]:
            assert control not in seen, dialog["Dialog"]
            seen.append(control)
        assert set(seen) == set(following), dialog["Dialog"]


def test_the_tab_order_is_a_circle(package: Package) -> None:
    loops(package(DIALOG, ignore=["ICE20", "ICE34"]))


BUTTON = '<Control Id="B" Type="{kind}" X="0" Y="0" Width="9" Height="9" {more}>{inside}</Control>'


@pytest.mark.parametrize(
    ("kind", "more", "inside", "message"),
    [
        ("PushButton", "", '<Publish Event="NewDialog" Value="Askk"/>', "Publish refers to Dialog “Askk”"),
        ("PushButton", "", '<Publish Event="NewDialg" Value="Ask"/>', "no event NewDialg"),
        ("PushButton", "", '<Publish Event="EndDialog" Value="Retrun"/>', "does not end with Retrun"),
        ("PushButton", "", '<Publish Event="DoAction" Value="Act"/>', "Publish refers to CustomAction “Act”"),
        ("PushButton", "", '<Publish Event="AddLocal" Value="Al"/>', "Publish refers to Feature “Al”"),
        ("PushButton", "", '<Publish Event="NewDialog"/>', "the event NewDialog needs a Value"),
        ("PushButton", "", '<Publish Event="Reset" Property="A"/>', "the Publish needs one thing to do"),
        ("PushButton", "", '<Subscribe Event="SetProgres" Attribute="Progress"/>', "no event SetProgres"),
        ("PushButton", "", '<Subscribe Event="SetProgress" Attribute="Size"/>', "no attribute Size"),
        ("PushButton", 'Multiline="yes"', "", "Control/@Multiline has no effect here"),
        ("PushButton", 'Text="{\\Large}x"', "", "Control refers to TextStyle “Large”"),
        ("PushButton", 'Text="x"', "<Text>y</Text>", "several texts"),
        ("PushButton", "", "<Condition>A</Condition>", "needs Action and a text"),
        ("PushButon", "", "", "no control of type PushButon"),
        ("Bitmap", 'Text="Picture"', "", "Control refers to Binary “Picture”"),
        ("CheckBox", "", "", "needs the attribute Property"),
        ("RadioButtonGroup", 'Property="P"', "", "Control refers to RadioButton “P/1”"),
        ("ScrollableText", "", '<Text SourceFile="none.rtf"/>', "cannot read “none.rtf”"),
    ],
)
def test_what_does_not_fit_is_refused(package: Package, kind: str, more: str, inside: str, message: str) -> None:
    control = BUTTON.format(kind=kind, more=more, inside=inside)
    with pytest.raises(WixpyError, match=message) as caught:
        package(f'<UI>\n<Dialog Id="Ask" Width="9" Height="9">\n{control}</Dialog></UI>')
    assert caught.value.line is not None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<UIRef Id="WixUI_Minimum"/>', "UIRef refers to UI “WixUI_Minimum”"),
        ('<UI><DialogRef Id="Nowhere"/></UI>', "DialogRef refers to Dialog “Nowhere”"),
        ('<UI><Publish Dialog="ExitDialog" Control="Fin" Event="Reset"/></UI>', "refers to Control “ExitDialog/Fin”"),
        ('<UI><Publish Event="Reset"/></UI>', "does not say of what"),
        ("<UI><EmbeddedUI SourceFile='main.txt'/></UI>", "Windows Installer 2.0 has no EmbeddedUI"),
        ('<UI><Dialog Id="A" Width="1" Height="1"/></UI>', "has no control"),
        ('<UIRef Id="WixUI_Minimal"/>', "the variable WixUILicenseRtf is not there"),
        ('<WixVariable Id="A" Value="b"/>', "nothing uses the variable A"),
        ('<Property Id="A" Value="!(loc.B)"/>', "the string B is in no .wxl file"),
    ],
)
def test_what_is_missing_is_named(package: Package, body: str, message: str) -> None:
    pictures = "" if "UIRef" in body else '<UIRef Id="WixUI_Common"/>'
    with pytest.raises(WixpyError, match=message) as caught:
        package(body + pictures)
    assert caught.value.line is not None


@pytest.mark.parametrize("name", ["Minimal", "FeatureTree", "Mondo"])
def test_a_stock_set_is_whole(package: Package, tmp_path: Path, name: str) -> None:
    (tmp_path / "licence.rtf").write_text("{\\rtf1 Do as you like}")
    body = f'<UIRef Id="WixUI_{name}"/><WixVariable Id="WixUILicenseRtf" Value="licence.rtf"/>'
    database = package(body)
    assert wixpy.check(tmp_path / "sample.msi") == []
    loops(database)
    dialogs = {str(row["Dialog"]) for row in database.rows("Dialog")}
    assert ("CustomizeDlg" in dialogs) == (name != "Minimal")
    assert ("SetupTypeDlg" in dialogs) == (name == "Mondo")
    left = {str(row["Dialog_"]) for row in database.rows("ControlEvent")}
    assert left == dialogs, "every dialog can be left"
    numbers = {str(row["Action"]): row.number("Sequence") for row in database.rows("InstallUISequence")}
    assert [numbers[name] for name in ("ExitDialog", "UserExit", "FatalError")] == [-1, -2, -3]
    assert numbers["PrepareDlg"] < numbers["MaintenanceWelcomeDlg"] < numbers["ProgressDlg"] < numbers["ExecuteAction"]
    first = (tmp_path / "sample.msi").read_bytes()
    package(body)
    assert (tmp_path / "sample.msi").read_bytes() == first


def test_a_dialog_of_the_source_replaces_a_stock_one(package: Package) -> None:
    own = BUTTON.format(kind="PushButton", more='Text="Go"', inside='<Publish Event="EndDialog" Value="Return"/>')
    database = package(
        f'<UI><UIRef Id="WixUI_Common"/><Dialog Id="ExitDialog" Width="9" Height="9">{own}</Dialog>'
        '<InstallUISequence><Show Dialog="ExitDialog" OnExit="success">NOT A</Show></InstallUISequence></UI>',
        ignore=["ICE20"],
    )
    assert [row["Control"] for row in database.rows("Control") if row["Dialog_"] == "ExitDialog"] == ["B"]
    assert database.get("InstallUISequence", "ExitDialog").cells == ("ExitDialog", "NOT A", -1)  # type: ignore[union-attr]


WXL = '<WixLocalization Culture="de-de" Codepage="1252" xmlns="{namespace}">\n{body}</WixLocalization>'
V3, V4 = "http://schemas.microsoft.com/wix/2006/localization", "http://wixtoolset.org/schemas/v4/wxl"


@pytest.fixture
def localized(source: Callable[..., Path], tmp_path: Path) -> Callable[..., Database]:
    """Builds a source with .wxl files, whose elements are given."""

    def build(body: str, *strings: str, namespace: str = V3) -> Database:
        paths = []
        for number, text in enumerate(strings):
            paths.append(tmp_path / f"{number}.wxl")
            paths[-1].write_text(WXL.format(namespace=namespace, body=text), "utf-8")
        wixpy.build(source(body), tmp_path / "l.msi", epoch=EPOCH, localizations=paths, ignore=["ICE20"])
        return wixpy.open(tmp_path / "l.msi")

    return build


def test_strings_come_from_the_files(localized: Callable[..., Database]) -> None:
    body = '<Property Id="A" Value="!(loc.Hello), !!(loc.Hello)"/><Property Id="B">!(wix.V=!(loc.Hello))</Property>'
    database = localized(
        body.replace("=!(loc.Hello)", "=later"),
        '<String Id="Hello" Overridable="yes">first</String>',
        '<String Id="Hello">Grüße an !(loc.All)</String><String Id="All">alle</String>',
    )
    assert (database.property("A"), database.property("B")) == ("Grüße an alle, !(loc.Hello)", "later")
    assert database.codepage == 1252
    database = localized('<Property Id="A" Value="!(loc.X)"/>', '<String Id="X" Value="v4"/>', namespace=V4)
    assert database.property("A") == "v4"


def test_a_stock_text_and_place_can_be_changed(localized: Callable[..., Database]) -> None:
    database = localized(
        '<UIRef Id="WixUI_Common"/>',
        '<String Id="WixUIFinish">Fertig</String><UI Dialog="ExitDialog" Control="Finish" X="7" Width="99"/>',
    )
    row = database.get("Control", "ExitDialog", "Finish")
    assert row is not None
    assert (row["Text"], row["X"], row["Width"]) == ("Fertig", 7, 99)


@pytest.mark.parametrize(
    ("strings", "line", "message"),
    [
        ('<String Id="A">1</String>\n<String Id="A">2</String>', 3, "the string A is in"),
        ('<String Id="A">!(loc.A)</String>', 6, "refers to itself"),
        ('<String Id="A" Value="1">2</String>', 2, "both a Value and a text"),
        ('\n<Text Id="A"/>', 3, "no element Text"),
        ('<String Id="A" Colour="red"/>', 2, "no attribute Colour"),
        ('<String Id="A">1</String><UI Dialog="D" X="1"/>', 2, "UI is about D, which is not there"),
        ('<String Id="A">1', 2, "not well-formed"),
    ],
)
def test_a_faulty_file_is_refused(localized: Callable[..., Database], strings: str, line: int, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        localized('\n<Property Id="A" Value="!(loc.A)"/>', strings)
    assert caught.value.line is not None
    if caught.value.file is not None and caught.value.file.suffix == ".wxl":
        assert caught.value.line == line


def test_the_language_of_the_strings_is_the_products(source: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "x.wxl").write_text(WXL.format(namespace=V3, body="").replace("Codepage", "Language"))
    with pytest.raises(WixpyError, match="language 1252, the product in 1033"):
        wixpy.build(source(), tmp_path / "x.msi", epoch=EPOCH, localizations=[tmp_path / "x.wxl"])


def test_the_command_line_takes_strings_and_variables(
    source: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source('<Property Id="A" Value="!(loc.X) !(wix.Y)"/>')
    (tmp_path / "x.wxl").write_text(WXL.format(namespace=V3, body='<String Id="X">eks</String>'))
    command = ["build", str(path), "-o", str(tmp_path / "x.msi"), "-d", "Y=why"]
    assert main([*command, "-loc", str(tmp_path / "x.wxl")]) == 0
    assert wixpy.open(tmp_path / "x.msi").property("A") == "eks why"
    assert main(command) == 1
    assert "the string X is in no .wxl file" in capsys.readouterr().err

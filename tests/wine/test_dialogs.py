# SPDX-License-Identifier: GPL-2.0-or-later
"""The stock user interfaces of wixpy on a screen: a person installs, changes, repairs and removes with keys and mouse.

A picture of every dialog is kept in target/screenshots.  In the packages here a dialog's title is its name, by which
the test knows that it is the one in front.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wixpy
from wixpy.wxs.localize import STOCK_CULTURES

from .prefix import PROJECT
from .screen import HEIGHT, WIDTH, Screen, pixels, png
from .windows import Windows

PICTURES = PROJECT / "target" / "screenshots"
FOLDER = "C:\\Program Files\\Sample"
LICENCE = r"{\rtf1\ansi\deff0{\fonttbl{\f0\fnil\fcharset0 Tahoma;}}\pard\f0\fs18 Use it as you like.\par}"
SOURCE = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="*" Name="Sample" Manufacturer="Maker" Version="1.2.3" Language="1033"
         UpgradeCode="6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48">
<Package InstallerVersion="200" InstallScope="perMachine" Platform="x64"/>
<MediaTemplate EmbedCab="yes"/>
<UIRef Id="WixUI_{kind}"/>{more}
<WixVariable Id="WixUILicenseRtf" Value="licence.rtf"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFiles64Folder">
<Directory Id="INSTALLDIR" Name="Sample">
<Component Id="Main"><File Id="main" Source="main.txt"/></Component>
<Component Id="More"><File Id="more" Source="more.txt"/></Component>
</Directory></Directory></Directory>
<Feature Id="Sample" Title="The sample" Description="What everyone needs." Display="expand" Absent="disallow"
         ConfigurableDirectory="INSTALLDIR">
<ComponentRef Id="Main"/>
<Feature Id="Extra" Title="More of it" Description="What not everyone needs." Level="4"><ComponentRef Id="More"/>
</Feature></Feature>
<CustomAction Id="Fail" Error="It failed."/>
<Property Id="CMD" Value="cmd.exe"/><CustomAction Id="Wait" Property="CMD" ExeCommand="/c C:\\wait.bat"/>
<InstallUISequence><Custom Action="Wait" After="PrepareDlg">WAIT</Custom></InstallUISequence>
<InstallExecuteSequence><Custom Action="Fail" After="InstallFiles">FAIL</Custom>
<Custom Action="Wait" Before="CostInitialize">WAIT</Custom></InstallExecuteSequence>
</Product></Wix>
"""
FOLDER_ASKED = """<Property Id="WIXUI_INSTALLDIR" Value="INSTALLDIR"/><UI><DialogRef Id="WelcomeEulaDlg"/>
<DialogRef Id="SetupTypeDlg"/>
<Publish Dialog="SetupTypeDlg" Control="Back" Event="NewDialog" Value="WelcomeDlg">1</Publish>
<Publish Dialog="SetupTypeDlg" Control="CompleteButton" Event="EndDialog" Value="Return">1</Publish>
<Publish Dialog="CustomizeDlg" Control="Back" Event="NewDialog" Value="WelcomeDlg">1</Publish>
<Publish Dialog="CustomizeDlg" Control="Next" Event="NewDialog" Value="VerifyReadyDlg">1</Publish></UI>"""
# Holds the installation, with the dialog that it shows meanwhile, until there is a file.
GO = "C:\\go"
WAIT = f"@echo off\r\n:again\r\nif not exist {GO} goto again\r\ndel {GO}\r\n"
# A dialog, and what to press there: keys by X's names, a control's own key by its name after &, a point for the mouse.
Step = Sequence[str | tuple[int, int]]
CONTINUE = "continue"  # what waits goes on
EXTRA = (152, 189)  # the picture of the second feature, which opens the menu of its states


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    one = Screen()
    yield one
    one.close()


@pytest.fixture(scope="module")
def machine(screen: Screen) -> Iterator[Windows]:
    windows = Windows("x64", screen.environment)
    # Else Wine waits 2 s for a window manager at each window that it closes.
    windows.run("reg", "add", "HKCU\\Software\\Wine\\X11 Driver", "/v", "Managed", "/d", "N")
    yield windows
    windows.close()


def package(folder: Path, kind: str, shown: Sequence[str] = (), cultures: Sequence[str] = ()) -> Path:
    """A package with a stock set; the dialogs ``shown`` come one after the other as soon as it starts."""
    for name, content in {"main.txt": "main", "more.txt": "more", "licence.rtf": LICENCE}.items():
        (folder / name).write_text(content)
    more = FOLDER_ASKED if kind == "InstallDir" else ""
    (folder / "sample.wxs").write_text(SOURCE.format(kind=kind, more=more))
    out = folder / f"{kind}.msi"
    assert wixpy.build(folder / "sample.wxs", out, epoch=1_200_000_000, cultures=cultures) == []
    assert wixpy.check(out) == []
    database = wixpy.open(out)
    for row in database.rows("Dialog"):
        database.replace(row, Title=row["Dialog"])
    for number, dialog in enumerate(shown):
        if database.get("InstallUISequence", dialog):
            database.delete("InstallUISequence", dialog)
        database.insert("InstallUISequence", dialog, None, 901 + number)
    database.commit(out)
    return out


def key(path: Path, dialog: str, control: str) -> str:
    """The key that a control's text underlines, by X's name."""
    row = wixpy.open(path).get("Control", dialog, control)
    assert row
    return f"alt+{row.text('Text').partition('&')[2][0].lower()}"


def drive(machine: Windows, screen: Screen, label: str, command: Sequence[str], *steps: Step) -> int:
    """Run msiexec with its whole user interface: wait for each dialog, take a picture, press what it is given.

    Returns the exit code.
    """
    PICTURES.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(machine.run, "msiexec", *command, timeout=60)
        for dialog, *presses in steps:
            frame = screen.shows(str(dialog))
            (PICTURES / f"{label}-{dialog}.png").write_bytes(png(pixels(frame), WIDTH, HEIGHT))
            for press in presses:
                if press == CONTINUE:
                    machine.path(GO).touch()
                elif isinstance(press, str):
                    screen.keys(key(machine.path(command[1]), str(dialog), press[1:]) if press[0] == "&" else press)
                else:
                    screen.click(*press)
                    screen.steady()
        return running.result().exit_code


def test_the_minimal_set_installs_repairs_and_removes(machine: Windows, screen: Screen, tmp_path: Path) -> None:
    path = machine.put(package(tmp_path, "Minimal"))
    licence = ("WelcomeEulaDlg", "space", "alt+i")
    assert drive(machine, screen, "minimal-failing", ["/i", path, "FAIL=1"],
                 licence, ("Error", "Return"), ("FatalError", "Return")) == 1603  # fmt: skip
    assert not machine.exists(FOLDER)

    assert drive(machine, screen, "minimal", ["/i", path], licence, ("ExitDialog", "Return")) == 0
    assert machine.path(f"{FOLDER}\\main.txt").read_text() == "main"
    assert not machine.exists(f"{FOLDER}\\more.txt")

    resume = [("ResumeDlg", "Escape"), ("CancelDlg", "alt+n"), ("ResumeDlg", "Escape"), ("CancelDlg", "alt+y")]
    assert drive(machine, screen, "minimal", ["/i", path, "RESUME=1"], *resume, ("UserExit", "Return")) == 1602
    assert machine.exists(f"{FOLDER}\\main.txt")

    welcome = ("MaintenanceWelcomeDlg", "Return")
    machine.path(f"{FOLDER}\\main.txt").unlink()
    assert drive(machine, screen, "minimal-repair", ["/i", path], welcome, ("MaintenanceTypeDlg", "alt+p"),
                 ("VerifyReadyDlg", "alt+b"), ("MaintenanceTypeDlg", "alt+p"), ("VerifyReadyDlg", "alt+e"),
                 ("ExitDialog", "Return")) == 0  # fmt: skip
    assert machine.path(f"{FOLDER}\\main.txt").read_text() == "main"

    assert drive(machine, screen, "minimal-remove", ["/i", path], welcome, ("MaintenanceTypeDlg", "alt+r"),
                 ("VerifyReadyDlg", "alt+r"), ("ExitDialog", "Return")) == 0  # fmt: skip
    assert not machine.exists(FOLDER)


def test_the_feature_tree_installs_what_was_chosen_where_it_was_chosen(
    machine: Windows, screen: Screen, tmp_path: Path
) -> None:
    path = machine.put(package(tmp_path, "FeatureTree"))
    assert machine.msiexec(path)[0] == 0
    assert machine.exists(f"{FOLDER}\\main.txt")
    assert not machine.exists(f"{FOLDER}\\more.txt")
    assert machine.msiexec(path, action="/x")[0] == 0
    assert not machine.exists(FOLDER)

    steps: list[Step] = [
        ("WelcomeDlg", "Return"),
        ("LicenseAgreementDlg", "space", "alt+n"),
        ("CustomizeDlg", "alt+u"),
        ("DiskCostDlg", "Return"),
        ("CustomizeDlg", "alt+r"),
        ("BrowseDlg", (360, 338), "End", "BackSpace", "2", "Return"),
        ("CustomizeDlg", EXTRA, "Down", "Return", "alt+n"),
        ("VerifyReadyDlg", "alt+b"),
        ("CustomizeDlg", "alt+n"),
        ("VerifyReadyDlg", "alt+i"),
        ("ExitDialog", "Return"),
    ]
    assert drive(machine, screen, "tree", ["/i", path], *steps) == 0
    chosen = f"{FOLDER}2"
    assert machine.path(f"{chosen}\\main.txt").read_text() == "main"
    assert machine.path(f"{chosen}\\more.txt").read_text() == "more"

    # Wine gives the components of a feature that is chosen in the tree their state, and registers the feature itself as
    # absent: its files would outlive a removal.  Choosing it by property sets that right.  Nor does Wine look up, as
    # Windows Installer does, where the components of an installed product are.
    there = f"INSTALLDIR={chosen}"
    assert machine.msiexec(path, "ADDLOCAL=ALL", there)[0] == 0
    change: list[Step] = [
        ("MaintenanceWelcomeDlg", "Return"),
        ("MaintenanceTypeDlg", "alt+c"),
        ("CustomizeDlg", EXTRA, "Up", "Return", "alt+n"),
        ("VerifyReadyDlg", "alt+c"),
        ("ExitDialog", "Return"),
    ]
    assert drive(machine, screen, "tree-change", ["/i", path, there], *change) == 0
    assert machine.exists(f"{chosen}\\main.txt")
    assert not machine.exists(f"{chosen}\\more.txt")
    assert machine.msiexec(path, there, action="/x")[0] == 0
    assert not machine.exists(chosen)


def test_the_mondo_set_installs_what_is_typical_or_everything(machine: Windows, screen: Screen, tmp_path: Path) -> None:
    path = machine.put(package(tmp_path, "Mondo"))
    first: list[Step] = [("WelcomeDlg", "Return"), ("LicenseAgreementDlg", "space", "alt+n")]
    # Not by way of a complete one: Wine keeps the features of a level that has been left again.
    there_and_back: list[Step] = [
        ("SetupTypeDlg", "alt+c"),
        ("CustomizeDlg", "alt+n"),
        ("VerifyReadyDlg", "alt+b"),
        ("CustomizeDlg", "alt+b"),
        ("SetupTypeDlg", "alt+t"),
        ("VerifyReadyDlg", "alt+b"),
    ]
    last: list[Step] = [("VerifyReadyDlg", "alt+i"), ("ExitDialog", "Return")]
    steps = [*first, *there_and_back, ("SetupTypeDlg", "alt+t"), *last]
    assert drive(machine, screen, "mondo-typical", ["/i", path], *steps) == 0
    assert machine.exists(f"{FOLDER}\\main.txt")
    assert not machine.exists(f"{FOLDER}\\more.txt"), "the feature has a level above 3"
    assert machine.msiexec(path, action="/x")[0] == 0
    assert drive(machine, screen, "mondo-complete", ["/i", path], *first, ("SetupTypeDlg", "alt+o"), *last) == 0
    assert machine.exists(f"{FOLDER}\\more.txt")
    assert machine.msiexec(path, action="/x")[0] == 0
    assert not machine.exists(FOLDER)


@pytest.mark.parametrize("culture", STOCK_CULTURES)
def test_every_dialog_is_shown_in(culture: str, machine: Windows, screen: Screen, tmp_path: Path) -> None:
    """Those of Windows Installer's own making first; then the folder is asked for, installed into and removed."""
    own = ["FilesInUse", "MsiRMFilesInUse", "OutOfDiskDlg", "OutOfRbDiskDlg", "WelcomeEulaDlg", "SetupTypeDlg",
           "ResumeDlg", "CustomizeDlg", "WaitForCostingDlg"]  # fmt: skip
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    path = machine.put(package(first, "InstallDir", own, [culture]))
    shown: list[Step] = [
        ("FilesInUse", "&Ignore"),
        ("MsiRMFilesInUse", "Return"),
        ("OutOfDiskDlg", "Return"),
        ("OutOfRbDiskDlg", "Return"),
        ("WelcomeEulaDlg", "&LicenseAcceptedCheckBox", "&Install"),
        ("SetupTypeDlg", "&CompleteButton"),
        ("ResumeDlg", "&Install"),
        ("CustomizeDlg", "&DiskCost"),
        ("DiskCostDlg", "Return"),
        ("CustomizeDlg", "Escape"),
        ("CancelDlg", "&No"),
        ("CustomizeDlg", "&Next"),
        ("VerifyReadyDlg", "&Install"),
        ("WaitForCostingDlg", "&Return"),
        ("UserExit", "&Finish"),
    ]
    assert drive(machine, screen, culture, ["/i", path], *shown) == 1602

    machine.path("C:\\wait.bat").write_bytes(WAIT.encode("ascii"))
    path = machine.put(package(second, "InstallDir", (), [culture]))
    install: list[Step] = [
        ("PrepareDlg", CONTINUE),
        ("WelcomeDlg", "&Next"),
        ("LicenseAgreementDlg", "&LicenseAcceptedCheckBox", "&Next"),
        ("InstallDirDlg", "&ChangeFolder"),
        ("BrowseDlg", (360, 338), "End", "BackSpace", "2", "Return"),
        ("InstallDirDlg", "&Next"),
        ("VerifyReadyDlg", "&Back"),
        ("InstallDirDlg", "&Next"),
        ("VerifyReadyDlg", "&Install"),
        ("ProgressDlg", CONTINUE),
        ("ExitDialog", "&Finish"),
    ]
    assert drive(machine, screen, culture, ["/i", path, "WAIT=1"], *install) == 0
    assert machine.path(f"{FOLDER}2\\main.txt").read_text() == "main"
    assert not machine.exists(FOLDER)
    remove: list[Step] = [
        ("MaintenanceWelcomeDlg", "&Next"),
        ("MaintenanceTypeDlg", "&RemoveButton"),
        ("VerifyReadyDlg", "&Remove"),
        ("ExitDialog", "&Finish"),
    ]
    there = f"INSTALLDIR={FOLDER}2"
    assert drive(machine, screen, f"{culture}-remove", ["/i", path, there], *remove) == 0
    assert not machine.exists(f"{FOLDER}2")

    # Windows Installer shows the error dialog itself, and Wine never; closed, it is an installation that failed.
    path = machine.put(package(tmp_path, "FeatureTree", ["ErrorDlg"], [culture]))
    failed: list[Step] = [("ErrorDlg", (310, 288)), ("FatalError", "&Finish")]
    assert drive(machine, screen, culture, ["/i", path], *failed) == 1603

# SPDX-License-Identifier: GPL-2.0-or-later
"""The stock user interfaces of wixpy on a screen: a person installs and removes with keys and mouse.

Pictures of every dialog that was passed are kept in target/screenshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wixpy

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
<UIRef Id="WixUI_{kind}"/>
<WixVariable Id="WixUILicenseRtf" Value="licence.rtf"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFiles64Folder">
<Directory Id="INSTALLDIR" Name="Sample">
<Component Id="Main"><File Id="main" Source="main.txt"/></Component>
<Component Id="More"><File Id="more" Source="more.txt"/></Component>
</Directory></Directory></Directory>
<Feature Id="Sample" Title="The sample" Description="What everyone needs." Display="expand" Absent="disallow"
         ConfigurableDirectory="INSTALLDIR">
<ComponentRef Id="Main"/>
<Feature Id="Extra" Title="More of it" Description="What not everyone needs." Level="2"><ComponentRef Id="More"/>
</Feature></Feature>
</Product></Wix>
"""

Step = tuple[str, Sequence[str | tuple[int, int]]]


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    one = Screen()
    yield one
    one.close()


@pytest.fixture(scope="module")
def machine(screen: Screen) -> Iterator[Windows]:
    windows = Windows("x64", screen.environment)
    yield windows
    windows.close()


def package(folder: Path, kind: str) -> Path:
    for name, content in {"main.txt": "main", "more.txt": "more", "licence.rtf": LICENCE}.items():
        (folder / name).write_text(content)
    (folder / "sample.wxs").write_text(SOURCE.format(kind=kind))
    out = folder / f"{kind}.msi"
    assert wixpy.build(folder / "sample.wxs", out, epoch=1_200_000_000) == []
    assert wixpy.check(out) == []
    return out


def is_busy(frame: bytes) -> bool:
    """Does nothing wait for an answer: is there no dialog, or one that can only be cancelled, such as ProgressDlg?

    Then the bar with the buttons is black, or Cancel has the blue border of the focus.
    """
    points = pixels(frame)
    bar = [points[3 * (395 * WIDTH + x) : 3 * (395 * WIDTH + x) + 3] for x in range(465, 490)]
    return bar[0] == b"\0\0\0" or any(blue > red + 100 for red, _, blue in bar)


def drive(machine: Windows, screen: Screen, command: Sequence[str], steps: Sequence[Step]) -> int:
    """Run msiexec with its whole user interface; at each dialog take a picture by its name and press what follows.

    Returns the exit code.
    """
    before = screen.frame()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(machine.run, "msiexec", *command, timeout=60)
        for name, presses in steps:
            now = screen.changed(before)
            while is_busy(now):
                now = screen.changed(now)
            PICTURES.mkdir(parents=True, exist_ok=True)
            (PICTURES / f"{name}.png").write_bytes(png(pixels(now), WIDTH, HEIGHT))
            for press in presses:
                before = screen.frame()
                if isinstance(press, str):
                    screen.keys(press)
                else:
                    screen.click(*press)
                if press is not presses[-1]:
                    screen.changed(before)
        return running.result().exit_code


def test_the_minimal_set_installs_and_removes(machine: Windows, screen: Screen, tmp_path: Path) -> None:
    path = machine.put(package(tmp_path, "Minimal"))
    steps: list[Step] = [
        ("minimal-licence", ["space", "Tab", "Return"]),
        ("minimal-end", ["Return"]),
    ]
    assert drive(machine, screen, ["/i", path], steps) == 0
    assert machine.path(f"{FOLDER}\\main.txt").read_text() == "main"
    assert not machine.exists(f"{FOLDER}\\more.txt")

    again: list[Step] = [
        ("minimal-maintenance", ["Return"]),
        ("minimal-choice", ["alt+r", "Return"]),
        ("minimal-ready", ["space"]),
        ("minimal-removed", ["Return"]),
    ]
    assert drive(machine, screen, ["/i", path], again) == 0
    assert not machine.exists(FOLDER)


def test_the_feature_tree_installs_what_was_chosen(machine: Windows, screen: Screen, tmp_path: Path) -> None:
    steps: list[Step] = [
        ("tree-welcome", ["Return"]),
        ("tree-licence", ["space", "Tab", "Tab", "Return"]),
        ("tree-features", [(152, 189), "Down", "Return"]),
        ("tree-chosen", ["alt+n", "Return"]),
        ("tree-ready", ["space"]),
        ("tree-end", ["Return"]),
    ]
    path = machine.put(package(tmp_path, "FeatureTree"))
    assert machine.msiexec(path)[0] == 0
    assert machine.exists(f"{FOLDER}\\main.txt")
    assert not machine.exists(f"{FOLDER}\\more.txt")
    assert machine.msiexec(path, action="/x")[0] == 0
    assert not machine.exists(FOLDER)

    assert drive(machine, screen, ["/i", path], steps) == 0
    assert machine.path(f"{FOLDER}\\main.txt").read_text() == "main"
    assert machine.path(f"{FOLDER}\\more.txt").read_text() == "more"

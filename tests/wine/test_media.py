# SPDX-License-Identifier: GPL-2.0-or-later
"""wixpy's media against Windows Installer as Wine has it: files come from several cabinets in the package, from
cabinets beside it, and from the source tree."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import lzxkit
import wixpy
from wixpy.cab import Cabinet
from wixpy.database import Database
from wixpy.wxs import media

from .windows import Windows

NOISE = random.Random(7).randbytes(300_000)
FILES = {"first.txt": b"first\r\n" * 120_000, "a second file.bin": NOISE * 3, "third.txt": b"", "4.bin": NOISE[:70_000]}
SOURCE = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="*" Name="Media" Manufacturer="Maker" Version="1.2.3" Language="1033"
 UpgradeCode="6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48">
<Package InstallerVersion="200" InstallScope="perMachine" Platform="x64" {package}/>
{media}
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFiles64Folder" Name="PFiles">
<Directory Id="INSTALLDIR" Name="Media"><Component Id="A">{files}</Component></Directory></Directory></Directory>
<Feature Id="All"><ComponentRef Id="A"/></Feature>
</Product></Wix>
"""
# What the package and its media say, how many cabinets come of it and where they are, and what else is beside it.
KINDS = {
    "cabinets in the package": ("", '<MediaTemplate EmbedCab="yes" MaximumUncompressedMediaSize="1"/>', "", "#", 2, 0),
    "cabinets beside it": ("", '<MediaTemplate MaximumUncompressedMediaSize="1"/>', "", "", 2, 0),
    "a tree": ('Compressed="no"', '<Media Id="1"/>', "", None, 0, 4),
    "a cabinet and a file": ("", '<Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>', 'Compressed="no"', "#", 1, 1),
}


@pytest.fixture(scope="module")
def machine() -> Iterator[Windows]:
    windows = Windows("x64")
    yield windows
    windows.close()


def build(folder: Path, kind: str) -> Path:
    """A package of FILES in a folder of its own, with what belongs beside it."""
    package, disks, last, mark, cabinets, loose = KINDS[kind]
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    options = {**dict.fromkeys(FILES, ""), "4.bin": last}
    files = "".join(f'<File Source="{name}" {option}/>' for name, option in options.items())
    (folder / "media.wxs").write_text(SOURCE.format(package=package, media=disks, files=files))
    out = folder / "out" / "media.msi"
    out.parent.mkdir()
    wixpy.build(folder / "media.wxs", out, epoch=1_200_000_000)
    database = Database.open(out)
    if "one.cab" in database.streams:
        assert {entry.folder for entry in Cabinet(database.streams["one.cab"]).files} == {0, 1, 2}
    names = [row.text("Cabinet") for row in database.rows("Media") if row["Cabinet"]]
    assert len(names) == cabinets
    assert all(name.startswith(mark or "") for name in names)
    beside = [path for path in out.parent.rglob("*") if path.is_file() and path.suffix not in (".msi", ".cab")]
    assert len(beside) == loose
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_files_arrive_from(kind: str, machine: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "FOLDER_SIZE", 500_000)  # so that cabinets have several folders
    package = build(tmp_path, kind)
    source = "C:\\source"
    for path in package.parent.rglob("*"):
        if path.is_file():
            below = str(path.parent.relative_to(package.parent)).replace("/", "\\")
            machine.put(path, source if below == "." else f"{source}\\{below}")
    code, log = machine.msiexec(f"{source}\\media.msi")
    assert code == 0, log
    target = "C:\\Program Files\\Media"
    assert {name: machine.path(f"{target}\\{name}").read_bytes() for name in FILES} == FILES
    assert machine.msiexec(f"{source}\\media.msi", action="/x")[0] == 0
    assert not machine.exists(target)


def test_files_arrive_from_an_lzx_cabinet(machine: Windows, tmp_path: Path) -> None:
    contents = {"text.txt": FILES["first.txt"][:90_000], "noise.bin": NOISE[:50_000]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = "".join(f'<File Id="{name}" Source="{name}"/>' for name in contents)
    media_element = '<Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>'
    (tmp_path / "media.wxs").write_text(SOURCE.format(package="", media=media_element, files=files))
    package = tmp_path / "lzx.msi"
    wixpy.build(tmp_path / "media.wxs", package, epoch=1_200_000_000)

    database = Database.open(package)
    read = Cabinet(database.streams["one.cab"])
    members = [(entry.name, read.read(entry)) for entry in read.files]
    frames = lzxkit.encode(b"".join(content for _, content in members), 19, [(1, 40_000), (2, 40_000), (3, 999)])
    database.streams["one.cab"] = lzxkit.cabinet([(19, members, frames)])
    database.commit(package)
    assert wixpy.check(package, ["CAB"]) == []
    code, log = machine.msiexec(package)
    assert code == 0, log
    target = "C:\\Program Files\\Media"
    assert {name: machine.path(f"{target}\\{name}").read_bytes() for name in contents} == contents
    assert machine.msiexec(package, action="/x")[0] == 0

# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv inf2cat``: from a folder with INFs to catalogs beside them, or one sentence and no file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gplpv import catalog, cli
from gplpv.catalog import package, systems
from gplpv.errors import GplpvError

from .samples import START, image

INF = """\
[Version]
Signature="$Windows NT$"
DriverVer=12/31/2025,1.2.3.4
CatalogFile={catalog}

[Manufacturer]
%Maker%=Models,NTx86,NTamd64,NTamd64.6.1

[Models]
"Old"=Install,{id}\\OLD

[Models.NTx86]
"One"=Install,{id}\\X86,{id}\\COMPATIBLE

[Models.NTamd64]
"One"=Install,{id}\\AMD64,{id}\\Old

[Models.NTamd64.6.1]
"Seven"=Seven,{id}\\SEVEN

[Install.NTx86]
CopyFiles=X86,@Both.txt,Inbox

[Install.NTamd64]
CopyFiles=Amd64

[Seven]
CopyFiles=@seven.sys

[X86]
Driver.sys,driver32.sys

[Amd64]
Driver.sys,driver64.sys

[Inbox]
usbser.sys

[SourceDisksNames]
1=Disk

[SourceDisksFiles]
both.txt=1
seven.sys=1,New

[SourceDisksFiles.x86]
driver32.sys=1,x86

[SourceDisksFiles.amd64]
driver64.sys=1,,

[Strings]
Maker="Somebody"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    for name in ("X86/DRIVER32.SYS", "driver64.sys", "new/Seven.sys", "both.txt"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_bytes(image() + name.encode().ljust(16) if name.lower().endswith("sys") else b"text")
    write(package, "driver.inf")
    return package


def write(folder: Path, name: str, old: str = "", new: str = "", catalog: str = "", id: str = "PCI") -> None:
    text = INF.format(catalog=catalog or name.replace(".inf", ".cat"), id=id)
    assert old in text
    (folder / name).write_text(text.replace(old, new) if old else text)


def make(folder: Path, names: str) -> dict[str, catalog.Catalog]:
    made = package.make(package.find(folder), systems.parse(names.split(",")), START, START.date())
    return {each.path.name: each.catalog for each in made}


def files(made: catalog.Catalog) -> list[str]:
    return sorted(member.file for member in made.members)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("XP_X86", ["both.txt", "driver.inf", "driver.sys"]),
        ("Server2003_X64", ["driver.inf", "driver.sys"]),
        ("7_X64", ["driver.inf", "seven.sys"]),
        ("XP_X86,XP_X64,7_X64", ["both.txt", "driver.inf", "driver.sys", "driver.sys", "seven.sys"]),
    ],
)
def test_members_are_what_the_windows_asked_for_copy_under_its_name_there(
    folder: Path, names: str, wanted: list[str]
) -> None:
    """Neither the other architecture's files, nor what comes out of Windows' own layout."""
    assert files(make(folder, names)["driver.cat"]) == wanted


def test_hardware_ids_do_not_depend_on_the_windows_asked_for(folder: Path) -> None:
    wanted = ["pci\\old", "pci\\x86", "pci\\compatible", "pci\\amd64", "pci\\seven"]
    assert make(folder, "XP_X86")["driver.cat"].hardware_ids == wanted


def test_hardware_ids_of_all_infs_stand_in_every_catalog(folder: Path) -> None:
    """In the order of the file names, where - comes before the dot."""
    write(folder, "driver-usb.inf", id="USB")
    made = make(folder, "XP_X86")
    for name, each in made.items():
        assert files(each) == ["both.txt", name.replace(".cat", ".inf"), "driver.sys"]
        assert [word.split("\\")[0] for word in each.hardware_ids] == ["usb"] * 5 + ["pci"] * 5


def test_every_catalog_that_an_inf_names_is_made(folder: Path) -> None:
    write(folder, "driver.inf", "CatalogFile=", "CatalogFile.NTamd64=64.cat\nCatalogFile.NTx86=32.cat\n;")
    assert set(make(folder, "XP_X86,XP_X64")) == {"32.cat", "64.cat"}


def test_two_infs_may_share_a_catalog(folder: Path) -> None:
    write(folder, "other.inf", catalog="Driver.cat")
    assert files(make(folder, "XP_X64")["driver.cat"]) == ["driver.inf", "driver.sys", "other.inf"]


def refusal(folder: Path, names: str = "XP_X86") -> GplpvError:
    with pytest.raises(GplpvError) as caught:
        make(folder, names)
    assert caught.value.hint
    assert caught.value.message.count(". ") == 0
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("DriverVer=12/31/2025", "DriverVer=01/02/2026", "after 01/01/2026"),
        ("DriverVer=12/31/2025", "DriverVer=31/12/2025", "no mm/dd/yyyy"),
        ("DriverVer=", ";DriverVer=", "has no DriverVer"),
        ("CatalogFile=", ";", "names no catalog for XP_X86"),
        ("CatalogFile=", "CatalogFile.NTamd64=", "names no catalog for XP_X86"),
        ("CatalogFile=", "CatalogFile=..\\", "no plain name"),
        ("[Version]", "[Edition]", r"has no \[Version\]"),
        ("both.txt=1", "both.txt=1,docs", "names docs/both.txt, which is not there"),
        ("both.txt=1", "both.txt=1,..\\package", "which is not there"),
    ],
)
def test_an_inf_without_what_a_catalog_needs_is_refused(folder: Path, old: str, new: str, told: str) -> None:
    write(folder, "driver.inf", old, new)
    assert refusal(folder).message.startswith(str(folder / "driver.inf"))
    with pytest.raises(GplpvError, match=told):
        make(folder, "XP_X86")


def test_a_damaged_image_is_refused_by_name(folder: Path) -> None:
    (folder / "driver64.sys").write_bytes(image()[:120])
    assert str(folder / "driver64.sys") in refusal(folder, "XP_X64").message


def test_a_folder_without_inf_is_refused(tmp_path: Path) -> None:
    assert "no INF" in refusal(tmp_path).message
    assert "cannot be read" in refusal(tmp_path / "nowhere").message


def run(*words: str) -> int:
    return cli.main(["inf2cat", *words])


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(START.timestamp())))


@pytest.mark.parametrize(
    "spelling", ["--driver {} --os XP_X86,xp_x64 --verbose", "/Driver:{} /os:XP_X86,XP_X64 /verbose"]
)
def test_the_command_writes_the_catalogs_beside_the_infs(
    folder: Path, capsys: pytest.CaptureFixture[str], spelling: str
) -> None:
    assert run(*spelling.format(folder).split()) == 0
    read = catalog.read((folder / "driver.cat").read_bytes())
    assert read == make(folder, "XP_X86,XP_X64")["driver.cat"]
    assert read.this_update == START
    printed = capsys.readouterr().out
    assert "driver.cat: version 1, 4 members" in printed
    assert "pe   driver.sys" in printed
    assert "OS: XPX86,XPX64" in printed
    first = (folder / "driver.cat").read_bytes()
    assert run("--driver", str(folder), "--os", "XP_X64,XP_X86") == 0
    assert (folder / "driver.cat").read_bytes() == first


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("--driver {} --os XP_86", 2, "Did you mean 'XP_X86'"),
        ("--driver {} --os XP_X86 --pagehashes", 2, "Page hashes are not made"),
        ("/driver:{} /os:XP_X86 /pagehash", 2, "Did you mean 'pagehashes'"),
        ("/driver:{} /os:XP_X86 /verbose:1", 2, "no option"),
        ("/driver:{}", 2, "needs a folder and operating systems"),
        ("--driver {}/x86 --os XP_X86", 1, "cannot be read"),
        ("--driver {} --os 7_X64", 1, "which is not there"),
    ],
)
def test_a_refusal_is_a_sentence_with_a_hint_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, told: str
) -> None:
    write(folder, "another.inf", catalog="another.cat")
    (folder / "new/Seven.sys").unlink()
    before = sorted(folder.rglob("*"))
    assert run(*words.format(folder).split()) == code
    assert told in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_the_local_date_counts_when_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Midnight UTC of New Year is still the old year in New York."""
    write(folder, "driver.inf", "DriverVer=12/31/2025", "DriverVer=01/01/2026")
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert run("--driver", str(folder), "--os", "XP_X86") == 0
        assert run("--driver", str(folder), "--os", "XP_X86", "--uselocaltime") == 1
        assert "after 12/31/2025" in capsys.readouterr().err
    finally:
        monkeypatch.undo()
        time.tzset()

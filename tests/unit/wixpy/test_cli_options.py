# SPDX-License-Identifier: MIT
"""Options of the command line that users of candle, light and wixl type."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from wixpy import cli
from wixpy.database import Database
from wixpy.summary import Pid
from wixpy.wxs.compilation import PLATFORMS

MODULE = """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><Module Id="L" Language="0" Version="1.0">
<Package Id="11111111-2222-3333-4444-555555555555" Manufacturer="M"/><Directory Id="TARGETDIR" Name="SourceDir">
<Component Id="C" Guid="11111111-2222-3333-4444-AAAAAAAAAAAA"><File Source="main.txt"/></Component></Directory>
</Module></Wix>"""
# A product that leaves its platform to the command line.
OPEN = """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><Product Id="*" Name="N" Manufacturer="M" Version="1.0"
Language="1033" UpgradeCode="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48"><Package{package}/><MediaTemplate EmbedCab="yes"/>
<Property Id="ARCH" Value="$(sys.BUILDARCH)"/><CustomAction Id="Run" Script="jscript">1;</CustomAction>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFiles{wide}Folder"><Component Id="C">
<File Source="main.txt"/></Component></Directory></Directory><Feature Id="F"><ComponentRef Id="C"/></Feature>
</Product></Wix>"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Database]:
    """Builds x.msi of a source with these words, in the source's folder."""
    monkeypatch.chdir(tmp_path)
    Path("main.txt").write_text("main")

    def run(source: str, *words: str) -> Database:
        Path("x.wxs").write_text(source)
        assert cli.main(["build", "x.wxs", "-out", "x.msi", *words]) == 0
        return Database.open(Path("x.msi"))

    return run


def refused(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a wrong command line is told."""
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    [version] = re.findall(r"(?m)^  version: (\S+)", (Path(__file__).parents[3] / "platforms.yaml").read_text("utf-8"))
    assert capsys.readouterr().out == f"wixpy {version}\n"


@pytest.mark.parametrize(
    ("arch", "template", "wide", "installer"),
    [
        ("x86", "Intel", "", 100),
        ("x64", "x64", "64", 200),
        ("ia64", "Intel64", "64", 200),
        ("arm64", "Arm64", "64", 500),
    ],
)
def test_the_platform_of_a_package_that_names_none(
    arch: str, template: str, wide: str, installer: int, build: Callable[..., Database]
) -> None:
    database = build(OPEN.format(package="", wide=wide), "-arch", arch)
    assert database.summary[Pid.TEMPLATE] == f"{template};1033"
    assert database.summary[Pid.PAGE_COUNT] == installer
    assert database.property("ARCH") == arch
    assert [row["Attributes"] for row in database.rows("Component")] == [256 if wide else 0]
    assert [row["Type"] for row in database.rows("CustomAction")] == [37 + (0x1000 if wide else 0)]
    named = build(OPEN.format(package=f' Platform="{arch}"', wide=wide).replace("$(sys.BUILDARCH)", arch), "-a", "x86")
    assert named.digest() == database.digest()


def test_every_platform_may_be_named_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(["build", "x.wxs", "-arch", "mips"], capsys)
    choices = re.findall(r"'?(\w+)'?", told.partition("choose from")[2])
    assert choices == list(PLATFORMS)


@pytest.mark.parametrize(("old", "new"), [("intel", "x86"), ("intel64", "ia64")])
def test_the_older_names_of_platforms(old: str, new: str, build: Callable[..., Database]) -> None:
    wide = "64" if new == "ia64" else ""
    packages = [build(OPEN.format(package=f' Platform="{name}"', wide=wide)) for name in (old, new)]
    assert packages[0].digest() == packages[1].digest()


def test_an_installer_that_is_too_old_for_the_platform(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.wxs").write_text(OPEN.format(package=" InstallerVersion='405' Platform='arm64'", wide="64"))
    assert cli.main(["build", str(tmp_path / "x.wxs"), "-o", str(tmp_path / "x.msi")]) == 1
    assert "InstallerVersion 405 does not install arm64 packages\nhint: give 500 or more" in capsys.readouterr().err


def test_extensions_are_refused_by_what_is_built_in(capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(["build", "x.wxs", "-ext", "WixUtilExtension"], capsys)
    assert "no extensions, WixUtilExtension neither: built in are the dialog sets of WixUIExtension" in told
    assert "WixNetFxExtension and util:EventSource; leave -ext out" in told


def test_variables_have_names_with_dots_and_may_be_empty(build: Callable[..., Database]) -> None:
    more = "<?ifdef EMPTY?><Property Id='E' Value='[$(var.EMPTY)]'/><?endif?><Custom"
    source = OPEN.format(package="", wide="").replace("sys.BUILDARCH", "var.App.TargetDir").replace("<Custom", more)
    database = build(source, "-dApp.TargetDir=C:\\x=y", "-d", "EMPTY")
    assert (database.property("ARCH"), database.property("E")) == ("C:\\x=y", "[]")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-d", "1A=x"], "“1A=x” is not NAME=VALUE"),
        (["-d", "A B=x"], "“A B=x” is not NAME=VALUE"),
        (["-d", "="], "“=” is not NAME=VALUE"),
        (["-dA=1", "-d", "A=2"], "A has two values, “1” and “2”: keep one"),
        (["-d"], "expected one argument"),
    ],
)
def test_a_wrong_variable(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(["build", "x.wxs", *words], capsys)


def test_the_same_value_twice_is_no_contradiction(build: Callable[..., Database]) -> None:
    source = OPEN.format(package="", wide="").replace("sys.BUILDARCH", "var.A")
    assert build(source, "-dA=1", "-dA=1").property("ARCH") == "1"


@pytest.mark.parametrize("words", [["-sice:ICE69"], ["-sice", "ICE69"], ["--ignore", "ICE69"]])
def test_a_check_is_suppressed_in_lights_words(
    words: list[str], build: Callable[..., Database], capsys: pytest.CaptureFixture[str]
) -> None:
    source = OPEN.format(package="", wide="").replace('Script="jscript">1;</CustomAction>', 'Error="[#none]"/>')
    build(source, *words)
    assert "ICE69 warning" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-cultures:de-at,de-de"], ["-culture", "de-at;de-de"], ["-cultures:de-de"]])
def test_cultures_in_lights_words(words: list[str], build: Callable[..., Database]) -> None:
    source = OPEN.format(package="", wide="").replace("</Product>", '<UIRef Id="WixUI_Common"/></Product>')
    database = build(source, *words, "--ignore", "ICE20")
    row = database.get("Control", "ExitDialog", "Finish")
    assert row is not None
    assert row["Text"] == "&Fertig"


def test_folders_of_includes_and_files(build: Callable[..., Database], tmp_path: Path) -> None:
    for name, content in (("inc/a.wxi", "<Include><?define A='b'?></Include>"), ("bin/own.txt", "x" * 9)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    source = OPEN.format(package="", wide="").replace("<Product ", "<?include a.wxi?><Product ", 1)
    database = build(source.replace("sys.BUILDARCH", "var.A").replace("main.txt", "own.txt"), "-Iinc", "-b", "bin")
    assert database.property("ARCH") == "b"
    assert [row["FileSize"] for row in database.rows("File")] == [9]


def test_a_module_is_named_as_one(
    build: Callable[..., Database], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(OPEN.format(package="", wide=""))
    (tmp_path / "lib.wxs").write_text(MODULE)
    (tmp_path / "inc.wxi").write_text(MODULE.replace("Wix", "Include"))
    (tmp_path / "inc.wxs").write_text('<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><?include inc.wxi?></Wix>')
    for name, made in (("lib.wxs", "lib.msm"), ("inc.wxs", "inc.msm"), ("x.wxs", "x.msi")):
        Path(made).unlink(missing_ok=True)
        assert cli.main(["build", name, "-q"]) == 0
        assert bool(Database.open(Path(made)).rows("ModuleSignature")) == made.endswith(".msm")
    assert cli.main(["build", "none.wxs"]) == 1
    assert "cannot read none.wxs" in capsys.readouterr().err

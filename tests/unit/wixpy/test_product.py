# SPDX-License-Identifier: MIT
"""The product: properties, summary, upgrades, features, searches, derived codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.summary import Pid

Package = Callable[..., Database]
UPGRADE_CODE = "{6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48}"


def test_properties_of_the_product(package: Package) -> None:
    database = package()
    values = {row["Property"]: row["Value"] for row in database.rows("Property")}
    assert values.pop("ProductCode")
    assert values == {
        "ALLUSERS": "1", "Manufacturer": "Maker", "ProductLanguage": "1033", "ProductName": "Sample",
        "ProductVersion": "1.2.3", "UpgradeCode": UPGRADE_CODE,
    }  # fmt: skip


def test_summary_of_the_package(package: Package) -> None:
    summary = package().summary
    assert (summary[Pid.TEMPLATE], summary[Pid.PAGE_COUNT], summary[Pid.WORD_COUNT]) == ("x64;1033", 200, 2)
    assert (summary[Pid.SUBJECT], summary[Pid.AUTHOR]) == ("Sample", "Maker")


def test_the_validation_table_describes_every_table(package: Package) -> None:
    database = package()
    described = {row["Table"] for row in database.rows("_Validation")}
    assert described == set(database.tables)


def test_the_same_source_gives_the_same_bytes_anywhere(source: Callable[..., Path], tmp_path: Path) -> None:
    wixpy.build(source(), tmp_path / "one.msi", epoch=1)
    (tmp_path / "elsewhere").mkdir()
    for name in ("sample.wxs", "main.txt"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    wixpy.build(tmp_path / "elsewhere" / "sample.wxs", tmp_path / "two.msi", epoch=1)
    assert (tmp_path / "one.msi").read_bytes() == (tmp_path / "two.msi").read_bytes()


def test_other_content_gives_other_codes(package: Package, source: Callable[..., Path], tmp_path: Path) -> None:
    first = package()
    again = package()
    other = package("<Property Id='OTHER' Value='1'/>")
    assert first.property("ProductCode") == again.property("ProductCode") != other.property("ProductCode")
    assert first.summary[Pid.REVISION] == again.summary[Pid.REVISION] != other.summary[Pid.REVISION]
    path = source()
    (tmp_path / "main.txt").write_text("other content")
    wixpy.build(path, tmp_path / "x.msi", epoch=1_200_000_000)
    assert wixpy.open(tmp_path / "x.msi").summary[Pid.REVISION] != first.summary[Pid.REVISION]


def test_a_major_upgrade(package: Package) -> None:
    database = package("<MajorUpgrade DowngradeErrorMessage='Newer.' AllowSameVersionUpgrades='yes'/>")
    assert {row.cells for row in database.rows("Upgrade")} == {
        (UPGRADE_CODE, None, "1.2.3", None, 0x201, None, "WIX_UPGRADE_DETECTED"),
        (UPGRADE_CODE, "1.2.3", None, None, 2, None, "WIX_DOWNGRADE_DETECTED"),
    }
    assert database.rows("LaunchCondition")[0].cells == ("NOT WIX_DOWNGRADE_DETECTED", "Newer.")
    assert database.property("SecureCustomProperties") == "WIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED"


@pytest.mark.parametrize(
    ("schedule", "after", "before"),
    [
        ("afterInstallValidate", 1400, 1500),
        ("afterInstallInitialize", 1500, 1600),
        ("afterInstallExecute", 6500, 6600),
        ("afterInstallExecuteAgain", 6550, 6600),
        ("afterInstallFinalize", 6600, 6700),
    ],
)
def test_when_an_upgrade_removes(package: Package, schedule: str, after: int, before: int) -> None:
    database = package(f"<MajorUpgrade DowngradeErrorMessage='Newer.' Schedule='{schedule}'/>")
    row = database.get("InstallExecuteSequence", "RemoveExistingProducts")
    assert row is not None
    assert after < row.number("Sequence") < before


def test_an_upgrade_may_be_refused(package: Package) -> None:
    database = package(
        "<MajorUpgrade AllowDowngrades='yes' Disallow='yes' DisallowUpgradeErrorMessage='Remove the older one.'/>"
    )
    assert database.rows("LaunchCondition")[0].cells == ("NOT WIX_UPGRADE_DETECTED", "Remove the older one.")


def test_upgrade_versions(package: Package) -> None:
    version = """<UpgradeVersion Property='OLD' Minimum='1.0' Maximum='2.0' IncludeMinimum='no' IncludeMaximum='yes'
    Language='1033' OnlyDetect='yes' MigrateFeatures='yes'/>"""
    database = package(f"<Upgrade Id='6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48'>{version}</Upgrade>")
    assert database.rows("Upgrade")[0].cells == (UPGRADE_CODE, "1.0", "2.0", "1033", 0x203, None, "OLD")


def test_lists_of_properties(package: Package) -> None:
    database = package(
        """<Property Id='B' Secure='yes'/><Property Id='A' Value='1' Secure='yes' Hidden='yes'/>
        <Property Id='C' Admin='yes'/>"""
    )
    assert database.property("SecureCustomProperties") == "A;B"
    assert database.property("MsiHiddenProperties") == "A"
    assert database.property("AdminProperties") == "C"
    assert (database.property("A"), database.property("B")) == ("1", None)


def test_a_registry_search(package: Package) -> None:
    search = "<RegistrySearch Id='s' Root='HKLM' Key='K' Name='n' Type='raw'/>"
    database = package(f"<Property Id='FOUND'>{search}</Property>")
    assert database.rows("AppSearch")[0].cells == ("FOUND", "s")
    assert database.rows("RegLocator")[0].cells == ("s", 2, "K", "n", 18)
    assert database.get("InstallExecuteSequence", "AppSearch") is not None


def test_launch_conditions(package: Package) -> None:
    database = package("<Condition Message='No.'>Installed OR VersionNT</Condition>")
    assert database.rows("LaunchCondition")[0].cells == ("Installed OR VersionNT", "No.")
    assert database.get("InstallUISequence", "LaunchConditions") is not None


def test_features(package: Package) -> None:
    database = package(
        """<Feature Id='Outer' Title='T' Description='D' Display='expand' Absent='disallow' AllowAdvertise='no'>
        <Feature Id='Inner' Display='hidden' Level='3' InstallDefault='followParent' ConfigurableDirectory='INSTALLDIR'>
        <ComponentRef Id='Main'/><Condition Level='0'>NOT Privileged</Condition></Feature></Feature>"""
    )
    rows = {row["Feature"]: row.cells[1:] for row in database.rows("Feature")}
    assert rows["Outer"] == (None, "T", "D", 3, 1, None, 16 + 8)
    assert rows["Inner"] == ("Outer", None, None, 0, 3, "INSTALLDIR", 2)
    assert database.rows("Condition")[0].cells == ("Inner", 0, "NOT Privileged")
    assert {row.cells for row in database.rows("FeatureComponents")} == {("All", "Main"), ("Inner", "Main")}


def test_fragments_belong_to_the_package(source: Callable[..., Path], tmp_path: Path) -> None:
    path = source()
    text = path.read_text("utf-8").replace("</Wix>", "<Fragment Id='F'><Property Id='P' Value='1'/></Fragment></Wix>")
    path.write_text(text, "utf-8")
    wixpy.build(path, tmp_path / "x.msi", epoch=0)
    assert wixpy.open(tmp_path / "x.msi").property("P") == "1"


def test_variables_reach_the_package(package: Package) -> None:
    assert package("<Property Id='P' Value='$(var.Flavour)'/>", Flavour="debug").property("P") == "debug"


def changed(source: Callable[..., Path], old: str, new: str) -> Path:
    path = source()
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<MediaTemplate EmbedCab="yes"/>', "", "on media 1, and there is none"),
        ("<MediaTemplate", "<Media Id='1' Cabinet='a.cab' EmbedCab='yes'/><MediaTemplate", "has other media"),
        ('Name="Sample" Manu', 'Name="Ω" Manu', "code page 0 lacks"),
        ('Version="1.2.3"', 'Version="300.2.3"', "ICE24"),
        ('InstallerVersion="200"', 'InstallerVersion="100"', "InstallerVersion 100"),
        ("<Package ", "<Package Id='6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48' ", "package code is derived"),
        ("<Package ", "<Package/><Package ", "2 Package elements"),
        ('UpgradeCode="6b', 'Codepage="99" UpgradeCode="6b', "code page 99"),
        ('Platform="x64"', "", "ICE80"),
    ],
)
def test_what_a_product_cannot_be(
    source: Callable[..., Path], tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(WixpyError, match=message):
        wixpy.build(changed(source, old, new), tmp_path / "x.msi", epoch=0)
    assert not (tmp_path / "x.msi").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<MajorUpgrade/>", "either DowngradeErrorMessage or AllowDowngrades"),
        ("<MajorUpgrade AllowDowngrades='yes' Disallow='yes'/>", "go together"),
        ("<Property Id='P'/>", "no value"),
        ("<Property Id='private' Value='1' Secure='yes'/>", "cannot be secure"),
        ("<Property Id='P' Value='1'>2</Property>", "both a Value and text"),
        ("<Condition>1</Condition>", "needs the attribute Message"),
        ("<Condition Message='m'/>", "empty"),
        ("<Upgrade Id='6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48'><UpgradeVersion Property='P'/></Upgrade>", "no range"),
        ("<Feature Id='F'><ComponentRef Id='Mian'/></Feature>", "Mian is not there"),
        ("<Feature Id='F' Display='sideways'/>", "Display is “sideways”"),
        ("<FeatureRef Id='None'/>", "Feature “None”"),
        ("<Binary Id='b' SourceFile='none.exe'/>", "cannot read “none.exe”"),
        ("<Property Id='UpgradeCode' Value='x'/>", "already has a row UpgradeCode"),
    ],
)
def test_what_a_product_cannot_have(package: Package, body: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        package(body)
    assert caught.value.line is not None

# SPDX-License-Identifier: MIT
"""Sources in the language of WiX v4 and v5, and what binder variables stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy.database import Database
from wixpy.errors import WixpyError

NAMESPACE = "http://wixtoolset.org/schemas/v4/wxs"
PACKAGE = """<Wix xmlns='{}'>
<Package Name='Sample' Manufacturer='Maker' Version='1.2.3' UpgradeCode='6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48'{}>
{}</Package></Wix>"""
MAIN = "<Component Id='Main' Directory='INSTALLFOLDER'><File Id='main' Source='main.txt'/>{}</Component>"
Build = Callable[..., Database]


@pytest.fixture
def modern(tmp_path: Path) -> Build:
    """Builds a package of version 4's language."""

    def build(body: str, attributes: str = "", platform: str = "x64") -> Database:
        (tmp_path / "main.txt").write_text("content")
        (tmp_path / "x.wxs").write_text(PACKAGE.format(NAMESPACE, attributes, body), "utf-8")
        wixpy.build(tmp_path / "x.wxs", tmp_path / "x.msi", epoch=1, platform=platform)
        return wixpy.open(tmp_path / "x.msi")

    return build


def keys(database: Database, table: str) -> list[object]:
    return sorted(str(row.key[0]) for row in database.rows(table))


def test_the_smallest_package(modern: Build) -> None:
    database = modern("<File Source='main.txt'/>")
    assert keys(database, "File") == keys(database, "Component") == ["main.txt"]
    assert [row.cells[:2] for row in database.rows("FeatureComponents")] == [("WixDefaultFeature", "main.txt")]
    row = database.get("Directory", "INSTALLFOLDER")
    assert row is not None
    assert row["Directory_Parent"] == "ProgramFiles64Folder"
    assert row.text("DefaultDir").endswith("|Maker Sample")
    assert database.property("ALLUSERS") == "1"
    assert (database.property("ProductLanguage"), database.summary[14]) == ("1033", 500)


@pytest.mark.parametrize(("platform", "parent"), [("x64", "ProgramFiles64Folder"), ("x86", "ProgramFilesFolder")])
def test_standard_directories_and_nested_names(modern: Build, platform: str, parent: str) -> None:
    folder = "<StandardDirectory Id='ProgramFiles6432Folder'>{}</StandardDirectory>"
    inner = (
        r"<Directory Id='INSTALLFOLDER' Name='Company\App'><Directory Name='doc'><File Source='main.txt'/></Directory>"
    )
    database = modern(folder.format(inner + "</Directory>"), platform=platform)
    rows = {row["Directory"]: row for row in database.rows("Directory")}
    company = rows[rows["INSTALLFOLDER"]["Directory_Parent"]]
    assert (company["DefaultDir"], company["Directory_Parent"]) == ("Company", parent)
    assert {str(row["DefaultDir"]) for row in rows.values()} >= {"App", "doc"}


def test_conditions_and_other_words_are_attributes(modern: Build) -> None:
    database = modern(
        """<Launch Condition='Privileged' Message='No.'/>
        <StandardDirectory Id='ProgramFiles64Folder'><Directory Id='INSTALLFOLDER' Name='App'/></StandardDirectory>
        <Feature Id='F' AllowAbsent='no'><Level Value='0' Condition='X = 1'/><ComponentRef Id='Main'/></Feature>
        <Component Id='Main' Directory='INSTALLFOLDER' Condition='VersionNT' Bitness='always64'>
        <File Source='main.txt'/><RegistryValue Root='HKLM' Key='K' Type='multiString'><MultiString Value='a'/>
        <MultiString Value='b'/></RegistryValue></Component>
        <Property Id='P'><RegistrySearch Id='r' Root='HKLM' Key='K' Type='raw' Bitness='always32'/></Property>
        <Binary Id='B' SourceFile='main.txt'/>
        <CustomAction Id='A' BinaryRef='B' ExeCommand='x'/>
        <SetProperty Id='Q' Value='1' After='AppSearch' Condition='Y'/>
        <InstallExecuteSequence><Custom Action='A' After='CostFinalize' Condition='NOT Installed'/>
        </InstallExecuteSequence>
        """
    )
    assert [row.cells for row in database.rows("LaunchCondition")] == [("Privileged", "No.")]
    assert [row.cells for row in database.rows("Condition")] == [("F", 0, "X = 1")]
    assert database.rows("Feature")[0]["Attributes"] == 16
    component = database.rows("Component")[0]
    assert (component["Condition"], component.number("Attributes") & 256) == ("VersionNT", 256)
    assert database.rows("Registry")[0]["Value"] == "[~]a[~]b[~]"
    assert database.rows("RegLocator")[0]["Type"] == 2
    for action, condition in (("A", "NOT Installed"), ("SetQ", "Y")):
        row = database.get("InstallExecuteSequence", action)
        assert row is not None
        assert row["Condition"] == condition


def test_scopes_and_summary(modern: Build) -> None:
    database = modern(
        "<SummaryInformation Description='D' Keywords='K'/><File Source='main.txt'/>", " Scope='perUserOrMachine'"
    )
    assert (database.property("ALLUSERS"), database.property("MSIINSTALLPERUSER")) == ("2", "1")
    assert (database.summary[3], database.summary[5]) == ("D", "K")
    assert database.summary[15] == 2 + 8


def test_files_are_found_by_pattern(modern: Build, tmp_path: Path) -> None:
    for name in ("t/a.txt", "t/b.bin", "t/in/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(name)
    inner = r"<Directory Name='x'><Files Include='t\{}'/></Directory>"
    folder = f"<StandardDirectory Id='SystemFolder'>{inner}</StandardDirectory>"
    assert {row["FileName"] for row in modern(folder.format("*.txt"), platform="x86").rows("File")} == {"a.txt"}
    database = modern(folder.format("**"), platform="x86")
    assert {row["FileName"] for row in database.rows("File")} == {"a.txt", "b.bin", "c.txt"}
    assert {row["DefaultDir"] for row in database.rows("Directory")} >= {"x", "in"}


def test_binder_variables(modern: Build, tmp_path: Path, versioned_dll: bytes) -> None:
    (tmp_path / "v.dll").write_bytes(versioned_dll)
    database = modern(
        """<File Id='dll' Source='v.dll'/><Property Id='P' Value='!(bind.Property.ProductName) !(wix.W)'/>
        <WixVariable Id='W' Value='!(bind.FileVersion.dll)/!(bind.FileLanguage.dll)'/>"""
    )
    assert database.property("P") == "Sample 1.2.3.4/1033"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<Condition Message='m'>1</Condition>", "Condition is not in version 4"),
        ("<Component Id='A' Win64='yes'/>", "no attribute Win64 in version 4"),
        ("<Component Id='A' Bitness='both'/>", "Bitness is “both”"),
        ("<StandardDirectory Id='NoFolder'/>", "no standard directory"),
        ("<Launch Condition='x'/>", "needs the attribute Message"),
        ("<Files Include='*.none'/>", "no file is like"),
        ("<Files Include='*.txt' Other='x'/>", "only Include and Directory"),
        ("<SummaryInformation Subject='x'/>", "no attribute Subject"),
        ("<DirectoryRef Id='TARGETDIR'><Directory/></DirectoryRef>", "no Id and no Name"),
        ("<Frobnicate/>", "no element Frobnicate"),
        ("<Property Id='P' Value='!(bind.FileVersion.none)'/>", "no File “none”"),
        ("<Property Id='P' Value='!(wix.none)'/>", "no WixVariable “none”"),
        ("<Property Id='P' Value='!(bind.Other)'/>", "is not supported"),
        ("<WixVariable Id='W' Value='!(wix.W)'/>", "stands for itself"),
        ("<File Id='f' Source='main.txt'/><Property Id='P' Value='!(bind.FileVersion.f)'/>", "has no version"),
    ],
)
def test_what_is_refused(modern: Build, body: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        modern(body)
    assert caught.value.line is not None
    assert caught.value.hint


def test_a_product_is_of_version_3(tmp_path: Path) -> None:
    (tmp_path / "x.wxs").write_text(f"<Wix xmlns='{NAMESPACE}'><Product/></Wix>")
    with pytest.raises(WixpyError, match="Product is not in version 4"):
        wixpy.build(tmp_path / "x.wxs", tmp_path / "x.msi", epoch=1)

# SPDX-License-Identifier: MIT
"""Sources in the language of WiX v4 and v5, and what binder variables stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wixpy
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.package import installed_files
from wixpy.wxs import compile
from wixpy.wxs.registry import ROOTS

NAMESPACE = "http://wixtoolset.org/schemas/v4/wxs"
PACKAGE = """<Wix xmlns='{}'>
<Package Name='Sample' Manufacturer='Maker' Version='1.2.3' UpgradeCode='6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48'{}>
{}</Package></Wix>"""
MAIN = "<Component Id='Main' Directory='INSTALLFOLDER'><File Id='main' Source='main.txt'/>{}</Component>"
Build = Callable[..., Database]


@pytest.fixture
def modern(tmp_path: Path) -> Build:
    """Builds a package of version 4's language."""

    def build(body: str, attributes: str = "", platform: str = "x64", **more: Any) -> Database:
        (tmp_path / "main.txt").write_text("content")
        (tmp_path / "x.wxs").write_text(PACKAGE.format(NAMESPACE, attributes, body), "utf-8")
        wixpy.build(tmp_path / "x.wxs", tmp_path / "x.msi", epoch=1, platform=platform, **more)
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


# What WiX itself gives to this source is told by its tests (GuidCompatibilityFixture.cs).
REGISTRY_GUIDS = {
    ("x86", 4): {
        "HKCR": "246B5173-0924-511B-8828-77DD3BE87C7D", "HKCU": "663BDBDA-FAAF-5B7A-B8BA-D1AB3B5284CD",
        "HKLM": "6A5C002D-C0C9-5B03-B883-BE3DF3FA21A6", "HKMU": "529D5485-ED3E-5D1C-8517-A32103A08F76",
        "HKU": "0C78D91F-7913-5747-918C-322DA2A15823",
    },
    ("x64", 4): {
        "HKCR": "A2D16D0D-8856-5B34-804F-64E0EE691ACD", "HKCU": "CE5B9399-8F69-50E4-AE76-9F5C3F5A4D72",
        "HKLM": "45973AE0-BFEF-5A88-AC82-416C9699ED23", "HKMU": "841288A2-7520-5CA5-8CA0-4B4711D3F669",
        "HKU": "0AC9C5B2-E60A-5CD9-9A4E-B5DEABAD1D14",
    },
    ("x86", 3): {
        "HKCR": "656550C1-E3C3-5943-900A-A286A24F1F7C", "HKCU": "5C7CBEDE-4C14-58AF-8365-59C602A20543",
        "HKLM": "186E35F4-96E9-5DE4-8F7B-73EA096A8543", "HKMU": "C1707072-2C2C-5249-85E1-37418A31DF2D",
        "HKU": "76A0D3F4-7BD5-51DE-8FDA-6C30674083CB",
    },
    ("x64", 3): {
        "HKCR": "E420B3FC-4889-5D2B-8E2D-DC8D05B62B5B", "HKCU": "12D81E73-4429-5D97-8318-7E719F660847",
        "HKLM": "2E7AA7BE-006C-5FFE-A73F-1C65142AB3D7", "HKMU": "C7972BDE-CA76-564D-A9BA-FD3A0B930DCF",
        "HKU": "AB4A2008-03FC-513E-8B92-35CE837C212E",
    },
}  # fmt: skip


@pytest.mark.parametrize(("platform", "version"), REGISTRY_GUIDS)
def test_derived_guids_are_those_of_wix(tmp_path: Path, platform: str, version: int) -> None:
    """The package has no other use: a 32-bit folder in an x64 package would not pass the checks."""
    (tmp_path / "main.txt").write_text("content")
    value = "<RegistryValue Root='{0}' Key='WixToolset\\TestKey' Name='Compat' Value='Foo Bar' Type='string'/>"
    components = "".join(f"<Component Id='{root}'>{value.format(root)}</Component>" for root in ROOTS)
    group = f"""<ComponentGroup Id='G' Directory='INSTALLFOLDER'>{components}
    <Component Id='File'><File Name='Foo.bar' Source='main.txt'/></Component></ComponentGroup>
    <Feature Id='F' Level='1'><ComponentGroupRef Id='G'/></Feature>"""
    folder = "<Directory Id='INSTALLFOLDER' Name='GuidCompatibility'/>"
    if version == 4:
        inside = f"<StandardDirectory Id='ProgramFilesFolder'>{folder}</StandardDirectory>{group}"
        text = PACKAGE.format(NAMESPACE, "", inside)
    else:
        text = f"""<Wix xmlns='http://schemas.microsoft.com/wix/2006/wi'><Product Id='*' Name='S' Manufacturer='M'
        Version='1' Language='1033' UpgradeCode='6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48'><Package InstallerVersion='200'/>
        <MediaTemplate EmbedCab='yes'/><DirectoryRef Id='ProgramFilesFolder'>{folder}</DirectoryRef>{group}
        </Product></Wix>"""
    (tmp_path / "x.wxs").write_text(text)
    database, _ = compile(tmp_path / "x.wxs", {}, 1, platform=platform)
    guids = {str(row["Component"]): str(row["ComponentId"]).strip("{}") for row in database.rows("Component")}
    assert guids == {"File": "AD87A3DE-042B-5CB1-82C8-782626737A3B", **REGISTRY_GUIDS[platform, version]}


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
    assert [row.cells for row in database.rows("LaunchCondition")][1:] == [("Privileged", "No.")]
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
        """<File Id='dll' Source='v.dll'/><Property Id='P' Value='!(bind.Property.ProductName) !(bind.Property.Q)'/>
        <Property Id='Q'>!(bind.FileVersion.dll)/!(bind.FileLanguage.dll)</Property>"""
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
        ("<Files Include='*.txt' Other='x'/>", "Files has no attribute Other"),
        ("<SummaryInformation Subject='x'/>", "no attribute Subject"),
        ("<DirectoryRef Id='TARGETDIR'><Directory/></DirectoryRef>", "no Id and no Name"),
        ("<Frobnicate/>", "no element Frobnicate"),
        ("<Property Id='P' Value='1' Condition='x'/>", "no attribute Condition"),
        ("<SetProperty Id='P' Value='1' After='AppSearch'>x</SetProperty>", "no text in version 4"),
        ("<Property Id='P' Value='!(bind.FileVersion.none)'/>", "no File “none”"),
        ("<Property Id='P' Value='!(bind.Other)'/>", "is not supported"),
        ("<Property Id='W' Value='!(bind.Property.W)'/>", "stands for itself"),
        ("<Property Id='W' Value='!(loc.W)'/>", "is in no .wxl file"),
        ("<File Id='f' Source='main.txt'/><Property Id='P' Value='!(bind.FileVersion.f)'/>", "has no version"),
    ],
)
def test_what_is_refused(modern: Build, body: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        modern(body)
    assert caught.value.line is not None
    assert caught.value.hint


def test_a_package_has_the_attributes_of_version_4(modern: Build) -> None:
    with pytest.raises(WixpyError, match="no attribute Platform in version 4"):
        modern("", " Platform='x64'")


def test_a_product_is_of_version_3(tmp_path: Path) -> None:
    (tmp_path / "x.wxs").write_text(f"<Wix xmlns='{NAMESPACE}'><Product/></Wix>")
    with pytest.raises(WixpyError, match="Product is not in version 4"):
        wixpy.build(tmp_path / "x.wxs", tmp_path / "x.msi", epoch=1)


def installed(database: Database) -> dict[str, str]:
    return {path.partition("/Maker Sample/")[2]: content.decode() for path, content in installed_files(database)}


def tree(folder: Path) -> None:
    for name in ("a.txt", "a.pdb", "in/b.txt", "in/deep/c.txt", "in/deep/c.pdb"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


@pytest.mark.parametrize(
    "body",
    [
        "<ComponentGroup Id='G' Directory='INSTALLFOLDER'>{}</ComponentGroup>",
        "<Feature Id='F'>{}</Feature>",
        "{}",
    ],
)
def test_files_may_stand_anywhere(modern: Build, tmp_path: Path, body: str) -> None:
    tree(tmp_path / "t")
    files = r"<Files Include='t\**'><Exclude Files='t\**\*.pdb'/></Files><Files Include='t/*.pdb' Subdirectory='x\y'/>"
    feature = "<Feature Id='F'><ComponentGroupRef Id='G'/></Feature>" if "Group" in body else ""
    database = modern(body.format(files) + feature)
    names = ("a.txt", "in/b.txt", "in/deep/c.txt")
    assert installed(database) == {**{name: name for name in names}, "x/y/a.pdb": "a.pdb"}
    names_of = [(row["Directory_Parent"], row["DefaultDir"]) for row in database.rows("Directory")]
    assert len(names_of) == len(set(names_of))


def test_a_bind_path_leads_to_files_and_leaves_no_trace(modern: Build, tmp_path: Path) -> None:
    packages = []
    for name in ("one", "two"):
        tree(tmp_path / name)
        body = r"<Files Include='!(bindpath.bin)\in\**'><Exclude Files='!(bindpath.bin)\**\*.pdb'/></Files>"
        body += "<File Id='x' Source='b.txt' Name='x.txt'/>"
        paths = [("bin", tmp_path / name), ("", tmp_path / name / "in")]
        packages.append(modern(body, bind_paths=paths))
    assert packages[0].digest() == packages[1].digest()
    assert installed(packages[0]) == {"b.txt": "in/b.txt", "deep/c.txt": "in/deep/c.txt", "x.txt": "in/b.txt"}
    with pytest.raises(WixpyError, match="there is no bind path bin"):
        modern("<File Source='!(bindpath.bin)/main.txt'/>")


def test_a_package_replaces_older_ones(modern: Build) -> None:
    file = "<File Source='main.txt'/>"
    assert [row["ActionProperty"] for row in modern(file).rows("Upgrade")] == [
        "WIX_UPGRADE_DETECTED", "WIX_DOWNGRADE_DETECTED",
    ]  # fmt: skip
    assert modern(file, " UpgradeStrategy='none'").rows("Upgrade") == []
    own = modern(file + "<MajorUpgrade AllowDowngrades='yes'/>")
    assert [row["ActionProperty"] for row in own.rows("Upgrade")] == ["WIX_UPGRADE_DETECTED"]


def test_text_is_in_utf_8(modern: Build) -> None:
    database = modern("<File Source='main.txt'/><Property Id='P' Value='日本'/>")
    assert (database.codepage, database.property("P"), database.summary[1]) == (65001, "日本", 1252)
    database = modern("<File Source='main.txt'/><SummaryInformation Description='日本'/>")
    assert (database.summary[1], database.summary[3]) == (65001, "日本")


def test_the_stock_dialogs_have_an_element(modern: Build, tmp_path: Path) -> None:
    (tmp_path / "l.rtf").write_text(r"{\rtf1\ansi x}")
    ui = f"<ui:WixUI xmlns:ui='{NAMESPACE}/ui' Id='WixUI_InstallDir' InstallDirectory='INSTALLFOLDER'/>"
    database = modern(f"<File Source='main.txt'/>{ui}<WixVariable Id='WixUILicenseRtf' Value='l.rtf'/>")
    assert database.property("WIXUI_INSTALLDIR") == "INSTALLFOLDER"
    assert database.get("Dialog", "InstallDirDlg") is not None


def test_a_merge_module(tmp_path: Path) -> None:
    text = f"""<Wix xmlns='{NAMESPACE}'>
    <Module Id='L' Guid='11111111-2222-3333-4444-aaaaaaaaaaaa' Language='0' Version='1.0'>
    <SummaryInformation Manufacturer='M'/><StandardDirectory Id='TARGETDIR'><Component Id='C'><File Source='x.wxs'/>
    </Component></StandardDirectory></Module></Wix>"""
    (tmp_path / "x.wxs").write_text(text)
    database, _ = compile(tmp_path / "x.wxs", {}, 1, platform="x64")
    assert database.summary[4] == "M"
    assert keys(database, "ModuleSignature") == ["L.11111111_2222_3333_4444_AAAAAAAAAAAA"]
    assert keys(database, "File") == ["x.wxs.11111111_2222_3333_4444_AAAAAAAAAAAA"]

# SPDX-License-Identifier: MIT
"""Merge modules: made from a source with Module, and taken into a package by Merge and MergeRef."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

import lzxkit
import wixpy
from wixpy import cab
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.package import installed_files
from wixpy.summary import Pid
from wixpy.tables import Table
from wixpy.wxs import compile

from .conftest import EPOCH

Package = Callable[..., Database]
S = ".11111111_2222_3333_4444_AAAAAAAAAAAA"
NULL = "{00000000-0000-0000-0000-000000000000}"
MODULE = """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><Module Id="Lib" Language="0" Version="1.2">
<Package Id="11111111-2222-3333-4444-aaaaaaaaaaaa" Manufacturer="M" InstallerVersion="200" Platform="x64"/>
<Property Id="LIB" Value="before"/><Property Id="SHARED" Value="1" SuppressModularization="yes"/>
<Property Id="SECRET" Hidden="yes" Value="x"/><Binary Id="bin" SourceFile="main.txt"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="Sub" Name="sub"/>
<Directory Id="CommonAppDataFolder"><Component Id="Data" Guid="11111111-2222-3333-4444-bbbbbbbbbbbb">
<RegistryValue Id="reg" Root="HKLM" Key="K" Name="[LIB]" Value="[CommonAppDataFolder][SHARED][#lib]" Type="string"/>
<CreateFolder/></Component></Directory></Directory>
<DirectoryRef Id="Sub"><Component Id="C" Guid="*"><Condition>LIB = "LIB" OR $C = 3 AND SHARED</Condition>
<File Id="lib" Source="main.txt" Name="a long file name.txt">
<Shortcut Id="sc" Directory="Sub" Name="x" Advertise="yes"/></File></Component></DirectoryRef>
<ComponentRef Id="C"/><IgnoreModularization Name="bin"/>
<CustomAction Id="CA" FileKey="lib" ExeCommand="[LIB]"/>
<CustomAction Id="Public" Property="LIB" Value="[SHARED]" SuppressModularization="yes"/>
<InstallExecuteSequence><Custom Action="CA" After="InstallFiles">NOT LIB</Custom><Custom Action="Public" After="CA"/>
</InstallExecuteSequence>
<Configuration Name="Greeting" Format="Text" DefaultValue="hi"/>
<Configuration Name="Size" Format="Integer" DefaultValue="3" Description="d"/>
<Substitution Table="Property" Row="LIB" Column="Value" Value="[=Greeting] there"/>
<Substitution Table="Shortcut" Row="sc" Column="ShowCmd" Value="[=Size]"/>
<Exclusion ExcludedId="Other" ExcludeExceptLanguage="1033" ExcludedMinVersion="1.0"/>{}</Module></Wix>"""
DEPENDENCY = "<Dependency RequiredId='Base' RequiredLanguage='1033' RequiredVersion='1.0'/>"
USE = """<Feature Id="Second"><MergeRef Id="M"/></Feature><DirectoryRef Id="INSTALLDIR">
<Merge Id="M" SourceFile="lib.msm" Language="1033">{}</Merge></DirectoryRef>"""


def rows(database: Database, table: str) -> list[tuple[object, ...]]:
    return [row.cells for row in database.rows(table)]


@pytest.fixture
def module(tmp_path: Path) -> Callable[..., Database]:
    """Builds a merge module, lib.msm, beside the source that `package` compiles."""

    def build(body: str = "", source: str = MODULE) -> Database:
        (tmp_path / "main.txt").write_text("content\n" * 10)
        (tmp_path / "lib.wxs").write_text(source.format(body), "utf-8")
        assert wixpy.build(tmp_path / "lib.wxs", tmp_path / "lib.msm", epoch=EPOCH) == []
        return wixpy.open(tmp_path / "lib.msm")

    return build


def test_identifiers_of_a_module_have_its_suffix(module: Callable[..., Database]) -> None:
    database = module(DEPENDENCY)
    assert rows(database, "Component") == [
        ("C" + S, database.rows("Component")[0]["ComponentId"], "Sub" + S, 256,
         f'LIB{S} = "LIB" OR $C{S} = 3 AND SHARED', "lib" + S),
        ("Data" + S, "{11111111-2222-3333-4444-BBBBBBBBBBBB}", "CommonAppDataFolder" + S, 260, None, "reg" + S),
    ]  # fmt: skip
    assert rows(database, "Registry") == [
        ("reg" + S, 2, "K", f"[LIB{S}]", f"[CommonAppDataFolder{S}][SHARED][#lib{S}]", "Data" + S)
    ]
    assert sorted(rows(database, "Directory")) == [
        ("CommonAppDataFolder" + S, "TARGETDIR", "."), ("Sub" + S, "TARGETDIR", "sub"),
        ("TARGETDIR", None, "SourceDir"),
    ]  # fmt: skip
    assert sorted(rows(database, "Property")) == [
        ("LIB" + S, "before"), ("MsiHiddenProperties", "SECRET" + S), ("SECRET" + S, "x"), ("SHARED", "1"),
    ]  # fmt: skip
    assert rows(database, "CustomAction") == [
        ("CA" + S, 18, "lib" + S, f"[LIB{S}]"),
        ("Public", 51, "LIB" + S, "[SHARED]"),
    ]
    assert rows(database, "Shortcut")[0][:5] == ("sc" + S, "Sub" + S, "x", "C" + S, NULL)
    assert rows(database, "Binary")[0][0] == "bin"


def test_what_a_module_says_of_itself(module: Callable[..., Database]) -> None:
    database = module(DEPENDENCY + "<IgnoreTable Id='Own'/>")
    assert rows(database, "ModuleSignature") == [("Lib" + S, 0, "1.2")]
    assert rows(database, "ModuleComponents") == [("C" + S, "Lib" + S, 0), ("Data" + S, "Lib" + S, 0)]
    assert rows(database, "ModuleDependency") == [("Lib" + S, 0, "Base", 1033, "1.0")]
    assert rows(database, "ModuleExclusion") == [("Lib" + S, 0, "Other", -1033, "1.0", None)]
    assert rows(database, "ModuleIgnoreTable") == [("Own",)]
    assert rows(database, "ModuleConfiguration")[1] == ("Size", 2, None, None, "3", 0, None, "d", None, None)
    assert sorted(rows(database, "ModuleSubstitution"))[0] == ("Property", "LIB" + S, "Value", "[=Greeting] there")
    assert sorted(rows(database, "ModuleInstallExecuteSequence")) == [
        ("CA" + S, None, "InstallFiles", 1, f"NOT LIB{S}"), ("InstallFiles", 4000, None, None, None),
        ("Public", None, "CA" + S, 1, None),
    ]  # fmt: skip
    assert rows(database, "InstallExecuteSequence") == rows(database, "FeatureComponents") == []
    assert database.summary[Pid.REVISION] == "{11111111-2222-3333-4444-AAAAAAAAAAAA}"
    assert [entry.name for entry in cab.Cabinet(database.streams["MergeModule.CABinet"]).files] == ["lib" + S]
    assert "Media" not in database.tables


def test_a_module_is_checked_as_one(module: Callable[..., Database], tmp_path: Path) -> None:
    module()
    assert wixpy.check(tmp_path / "lib.msm") == []


def test_a_module_is_merged(module: Callable[..., Database], package: Package) -> None:
    module()
    database = package(USE.format("<ConfigurationData Name='Greeting' Value='good day'/>"))
    assert sorted(rows(database, "FeatureComponents")) == [("All", "Main"), ("Second", "C" + S), ("Second", "Data" + S)]
    directories = {row["Directory"]: row["Directory_Parent"] for row in database.rows("Directory")}
    assert directories["Sub" + S] == directories["CommonAppDataFolder" + S] == "INSTALLDIR"
    assert database.property("LIB" + S) == "good day there"
    assert database.property("MsiHiddenProperties") == "SECRET" + S
    assert ("CA" + S, 18, "lib" + S, f"[LIB{S}]") in rows(database, "CustomAction")
    assert ("CommonAppDataFolder" + S, 51, "CommonAppDataFolder" + S, "[CommonAppDataFolder]") in rows(
        database, "CustomAction"
    )
    assert (rows(database, "Shortcut")[0][4], database.rows("Shortcut")[0]["ShowCmd"]) == ("Second", 3)
    assert {row["File"]: row["Sequence"] for row in database.rows("File")} == {"main": 1, "lib" + S: 2}
    assert dict(installed_files(database))["ProgramFiles64Folder/Sample/sub/a long file name.txt"] == b"content\n" * 10
    sequence = {row.text("Action"): row.number("Sequence") for row in database.rows("InstallExecuteSequence")}
    assert sequence["InstallFiles"] < sequence["CA" + S] < sequence["Public"] < sequence["CreateShortcuts"]
    assert sequence["CommonAppDataFolder" + S] < sequence["CostInitialize"]
    assert rows(database, "ModuleSignature") == [("Lib" + S, 0, "1.2")]


def test_msitools_reads_both(
    module: Callable[..., Database], package: Package, run: Callable[..., str], tmp_path: Path
) -> None:
    module()
    rows_of = run("msiinfo", "export", tmp_path / "lib.msm", "ModuleSignature").replace("\r", "").splitlines()
    assert rows_of[3:] == [f"Lib{S}\t0\t1.2"]
    package(USE.format(""))
    run("msiextract", "-C", tmp_path / "out", tmp_path / "sample.msi")
    assert {path.name for path in (tmp_path / "out").rglob("*.txt")} == {"main.txt", "a long file name.txt"}


def by_hand(path: Path, change: Callable[[Database], object] = lambda _: None) -> None:
    """A module that no compiler of .wxs made, as the SDK describes it."""
    database = Database(1252)
    database.insert("ModuleSignature", "Hand.X", 1033, "2.0")
    database.insert("Directory", "TARGETDIR", None, "SourceDir")
    database.insert("Component", "Hand.X", "{11111111-2222-3333-4444-CCCCCCCCCCCC}", "TARGETDIR", 256, None, "hand.X")
    database.insert("ModuleComponents", "Hand.X", "Hand.X", 1033)
    database.insert("File", "hand.X", "Hand.X", "hand.txt", 5, None, None, 0x4000, 1)
    database.insert("Property", "HAND", "1")
    out = BytesIO()
    moment = cab.from_dos_time(0, 0)
    cab.write_to(out, [[cab.CabinetFile("hand.X", b"hello", moment)]], cab.Compression.MSZIP)
    database.streams["MergeModule.CABinet"] = out.getvalue()
    change(database)
    database.commit(path)


def test_a_module_made_by_hand_is_merged(tmp_path: Path, package: Package) -> None:
    by_hand(tmp_path / "lib.msm")
    database = package(USE.format(""))
    assert ("Hand.X", "{11111111-2222-3333-4444-CCCCCCCCCCCC}", "INSTALLDIR", 256, None, "hand.X") in rows(
        database, "Component"
    )
    assert sorted(rows(database, "File"))[0] == ("hand.X", "Hand.X", "hand.txt", 5, None, None, 0, 2)
    assert dict(installed_files(database))["ProgramFiles64Folder/Sample/hand.txt"] == b"hello"


def test_a_module_whose_cabinet_is_lzx_is_merged(tmp_path: Path, package: Package) -> None:
    content = b"".join(b"line %d\n" % number for number in range(9000))

    def repacked(database: Database) -> None:
        frames = lzxkit.encode(content, 21, [(2, 30_000)], len(content))
        database.streams["MergeModule.CABinet"] = lzxkit.cabinet([(21, [("hand.X", content)], frames)])
        database.replace(database.rows("File")[0], FileSize=len(content))

    by_hand(tmp_path / "lib.msm", repacked)
    database = package(USE.format(""))
    assert dict(installed_files(database))["ProgramFiles64Folder/Sample/hand.txt"] == content


def _no_column(database: Database) -> None:
    table = database.tables["Directory"]
    database.remove_table("Directory")
    database.add_table(Table("Directory", table.columns[:2]))


def _no_cabinet(database: Database) -> None:
    del database.streams["MergeModule.CABinet"]


@pytest.mark.parametrize(
    ("body", "change", "message"),
    [
        (USE.replace("<Merge ", "<Merge Id='M' SourceFile='x' Language='0'/><Merge "), lambda _: None, "defined twice"),
        (USE.replace("1033", "1031"), lambda _: None, "the module is in the language 1033, not in 1031"),
        (USE, lambda db: db.delete("ModuleSignature", "Hand.X", 1033), "lib.msm is no merge module"),
        (USE, _no_cabinet, "the module has no cabinet"),
        (USE, _no_column, "column 3 of Directory is not DefaultDir"),
        (USE, lambda db: db.insert("Property", "ProductName", "Other"), "differ in Property “ProductName”"),
        (USE, lambda db: db.insert("ModuleDependency", "Hand.X", 1033, "B.X", 0, "1.0"), "the module needs B.X 1.0"),
        (USE, lambda db: db.insert("ModuleExclusion", "Hand.X", 1033, "Hand.X", 0, None, None), "cannot be together"),
        (USE, lambda db: db.insert("ModuleSubstitution", "File", "none", "Version", "1"), "changes File “none”"),
        (USE, lambda db: db.insert("ModuleInstallExecuteSequence", "A", None, None, None, None), "not say where A"),
        (USE.format("<ConfigurationData Name='Nam' Value='1'/>"), lambda _: None, "nothing to configure .* Nam"),
        (USE.replace("MergeRef Id=\"M\"", "MergeRef Id=\"N\""), lambda _: None, "the merge N is not there"),
        (USE.replace("<MergeRef Id=\"M\"/>", ""), lambda _: None, "the merge M belongs to no feature"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    tmp_path: Path, source: Callable[..., Path], body: str, change: Callable[[Database], object], message: str
) -> None:
    by_hand(tmp_path / "lib.msm", change)
    path = source(body.format(""))
    with pytest.raises(WixpyError, match=message) as caught:
        compile(path, {}, EPOCH)
    assert caught.value.file == path
    assert (caught.value.line or 0) > 10


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<Media Id='1' Cabinet='a.cab'/>", "Module has no element Media"),
        ("<ComponentGroupRef Id='None'/>", "component group None is not there"),
        ("<Exclusion ExcludedId='A' ExcludeLanguage='1' ExcludeExceptLanguage='2'/>", "keep one|all but one"),
        ("<InstallUISequence><Custom Action='CA' After='CostInitialize' Before='CostFinalize'/></InstallUISequence>",
         "has one neighbour"),
        ("<InstallUISequence><CostFinalize After='CostInitialize'/></InstallUISequence>", "has a number"),
    ],
)  # fmt: skip
def test_what_a_module_cannot_have(module: Callable[..., Database], body: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message):
        module(body)

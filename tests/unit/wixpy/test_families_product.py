# SPDX-License-Identifier: MIT
"""Families of elements in the product: searches, groups of features, places of sources, actions of every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.wxs import compile

Package = Callable[..., Database]
GUID = "{11111111-2222-3333-4444-AAAAAAAAAAAA}"

SEARCHES = {
    "a file below a directory below a key": (
        """<RegistrySearch Id='r' Root='HKLM' Key='K' Type='directory'><DirectorySearch Id='d' Path='bin' Depth='1'>
        <FileSearch Id='f' Name='a.exe' MinVersion='1.0.0.0' MaxSize='9' MinDate='2009-12-31T23:59:58'/>
        </DirectorySearch></RegistrySearch>""",
        "f",
        {
            "RegLocator": [("r", 2, "K", None, 16)],
            "DrLocator": [("f", "r", "bin", 1)],
            "Signature": [
                ("f", "a.exe", "1.0.0.0", None, None, 9, 29 << 25 | 12 << 21 | 31 << 16 | 0xBF7D, None, None)
            ],
        },
    ),
    "a file in a key": (
        "<RegistrySearch Id='r' Root='HKCU' Key='K' Type='file' Name='n'>"
        "<FileSearch Id='f' Name='a'/></RegistrySearch>",
        "f",
        {"RegLocator": [("f", 1, "K", "n", 17)], "DrLocator": []},
    ),
    "the outer of two directories": (
        """<DirectorySearch Id='a' Path='[WindowsFolder]' AssignToProperty='yes'><DirectorySearch Id='b' Path='x'/>
        </DirectorySearch>""",
        "a",
        {"DrLocator": [("a", None, "[WindowsFolder]", None), ("b", "a", "x", None)]},
    ),
    "below a search elsewhere": (
        "<DirectorySearchRef Id='base' Path='C:\\'><DirectorySearch Id='b' Path='x'/></DirectorySearchRef>",
        "b",
        {"DrLocator": [("b", "base", "x", None), ("base", None, "C:\\", None)]},
    ),
    "an ini file": (
        "<IniFileSearch Id='i' Name='a.ini' Section='S' Key='K' Field='2' Type='directory'/>",
        "i",
        {"IniLocator": [("i", "a.ini", "S", "K", 2, 0)]},
    ),
    "a component": (
        f"<ComponentSearch Id='c' Guid='{GUID}' Type='directory'/>",
        "c",
        {"CompLocator": [("c", GUID, 0)]},
    ),
}


def rows(database: Database, table: str) -> list[tuple[object, ...]]:
    return sorted((row.cells for row in database.rows(table)), key=str)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_for(package: Package, name: str) -> None:
    search, signature, tables = SEARCHES[name]
    base = "<Property Id='BASE'><DirectorySearch Id='base' Path='C:\\'/></Property>" if "base" in search else ""
    database = package(f"{base}<Property Id='FOUND'>{search}</Property>")
    assert ("FOUND", signature) in rows(database, "AppSearch")
    assert {table: rows(database, table) if table in database.tables else [] for table in tables} == tables


def test_a_compliance_check(package: Package) -> None:
    database = package("<ComplianceCheck><FileSearch Id='f' Name='old.exe'/></ComplianceCheck>")
    assert rows(database, "CCPSearch") == [("f",)]
    assert database.get("InstallExecuteSequence", "CCPSearch") is not None


def test_feature_groups_bring_components_and_features(package: Package) -> None:
    database = package(
        """<Feature Id='Top'><FeatureGroupRef Id='G'/><FeatureRef Id='Loose'/></Feature><Feature Id='Loose'/>
        <FeatureGroup Id='G'><ComponentRef Id='Main'/><Feature Id='Below'/><FeatureGroupRef Id='H'/></FeatureGroup>
        <FeatureGroup Id='H'><ComponentGroupRef Id='Group'/></FeatureGroup>"""
    )
    parents = {row["Feature"]: row["Feature_Parent"] for row in database.rows("Feature")}
    assert parents == {"All": None, "Top": None, "Below": "Top", "Loose": "Top"}
    assert rows(database, "FeatureComponents") == [("All", "Main"), ("Top", "Main")]


def test_where_sources_are(package: Package, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.txt").write_text(folder)
    database = package(
        """<DirectoryRef Id='INSTALLDIR' FileSource='one'>
        <Component><File Name='one.txt'/></Component></DirectoryRef>
        <ComponentGroup Id='G' Directory='INSTALLDIR' Source='two\\'><Component><File Id='t' Source='two.txt'/>
        </Component></ComponentGroup>
        <FeatureRef Id='All'><ComponentRef Id='one.txt'/><ComponentGroupRef Id='G'/></FeatureRef>"""
    )
    assert {row["File"]: row["Component_"] for row in database.rows("File")} == {
        "main": "Main", "one.txt": "one.txt", "t": "t",
    }  # fmt: skip


def test_where_a_directory_is_in_the_source(package: Package) -> None:
    database = package(
        "<DirectoryRef Id='INSTALLDIR'><Directory Id='D' Name='target' SourceName='source'/></DirectoryRef>"
    )
    row = database.get("Directory", "D")
    assert row is not None
    assert row["DefaultDir"] == "target:source"


def test_scripts_and_settings_as_actions(package: Package) -> None:
    database = package(
        """<CustomAction Id='J' Script='jscript'>var x;</CustomAction><CustomActionRef Id='J'/>
        <CustomAction Id='V' Script='vbscript' Win64='no' Execute='deferred'>x = 1</CustomAction>
        <InstallExecuteSequence><Custom Action='J' After='CostFinalize'/>
        <Custom Action='V' Before='InstallFinalize'/></InstallExecuteSequence>
        <SetDirectory Id='INSTALLDIR' Value='[TARGETDIR]x' Sequence='execute'>NOT Installed</SetDirectory>
        <Property Id='P' Value='1'/><PropertyRef Id='P'/>"""
    )
    assert rows(database, "CustomAction") == [
        ("J", 37 | 0x1000, None, "var x;"), ("SetINSTALLDIR", 51, "INSTALLDIR", "[TARGETDIR]x"),
        ("V", 38 | 0x400, None, "x = 1"),
    ]  # fmt: skip
    row = database.get("InstallExecuteSequence", "SetINSTALLDIR")
    assert row is not None
    assert (row["Condition"], 800 < row.number("Sequence") < 900) == ("NOT Installed", True)


def test_a_table_that_must_be_there(package: Package) -> None:
    assert "Class" in package("<EnsureTable Id='Class'/>").tables


TABLE = """<CustomTable Id='Mine'><Column Id='K' Type='string' Width='72' PrimaryKey='yes' Category='identifier'/>
<Column Id='N' Type='int' Width='4' Nullable='yes' MinValue='0' MaxValue='9'/>
<Column Id='D' Type='binary' Nullable='yes'/>
{}</CustomTable>"""


def test_tables_of_ones_own(package: Package) -> None:
    database = package(
        TABLE.format("<Row><Data Column='K'>a</Data><Data Column='N'>7</Data><Data Column='D'>main.txt</Data></Row>")
        + """<CustomTable Id='Mine'><Row><Data Column='K'>b</Data></Row></CustomTable>
        <CustomTable Id='UIText'><Row><Data Column='Key'>k</Data><Data Column='Text'>t</Data></Row></CustomTable>"""
    )
    assert rows(database, "Mine") == [("a", 7, "Mine.a"), ("b", None, None)]
    assert database.streams["Mine.a"].startswith(b"content")
    assert rows(database, "UIText") == [("k", "t")]
    validation = database.get("_Validation", "Mine", "N")
    assert validation is not None
    assert validation.cells[2:5] == ("Y", 0, 9)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<Property Id='P'><FileSearch Name='a'/><FileSearch Name='a'/></Property>", "already has a row"),
        ("<Property Id='p'><FileSearch Name='a'/></Property>", "is private"),
        ("<Property Id='P'><FileSearch Name='a' MinDate='yesterday'/></Property>", "MinDate is “yesterday”"),
        ("<Property Id='P'><FileSearch Name='a' MinDate='1970-01-01'/></Property>", "1970 does not fit"),
        ("<Property Id='P'><FileSearchRef Id='none'/></Property>", "Signature “none”"),
        (
            "<Property Id='P'><DirectorySearch><FileSearch Name='a'/><FileSearch Name='b'/></DirectorySearch>"
            "</Property>",
            "two searches",
        ),
        (
            "<Property Id='P'><DirectorySearch AssignToProperty='yes'><FileSearch Name='a'/></DirectorySearch>"
            "</Property>",
            "is the file",
        ),
        ("<FeatureGroup Id='G'><FeatureGroupRef Id='G'/></FeatureGroup><FeatureRef Id='All'><FeatureGroupRef Id='G'/>"
         "</FeatureRef>", "contains itself"),
        ("<FeatureRef Id='All'><FeatureGroupRef Id='None'/></FeatureRef>", "None is not there"),
        ("<Feature Id='F'><FeatureRef Id='All'/></Feature><Feature Id='G'><FeatureRef Id='All'/></Feature>", "is in F"),
        ("<Feature Id='F'><FeatureRef Id='F'/></Feature>", "contains itself"),
        ("<CustomActionRef Id='None'/>", "CustomAction “None”"),
        ("<CustomAction Id='A' Property='P' Value='v'>text</CustomAction>", "which is for scripts"),
        ("<EnsureTable Id='Clas'/>", "no standard table"),
        ("<CustomTable Id='Mine'/>", "has no columns"),
        ("<CustomTable Id='File'><Column Id='A' Type='int' PrimaryKey='yes'/></CustomTable>", "there already"),
        ("<CustomTable Id='Mine'><Column Id='A' Type='int'/></CustomTable>", "not at its start"),
        ("<CustomTable Id='Mine'><Column Id='A' Type='int' Width='3'/></CustomTable>", "no width of 3"),
        (TABLE.format("<Row><Data Column='X'>a</Data></Row>"), "has no column X"),
        (TABLE.format("<Row><Data Column='K'>a</Data><Data Column='N'>x</Data></Row>"), "is not an integer"),
        (TABLE.format("<Row><Data Column='K'>a</Data><Data Column='N'>10</Data></Row>"), "ICE03"),
        ("<DirectoryRef Id='INSTALLDIR'><Component><File Id='a' Source='main.txt'/><File Id='b' Source='main.txt'/>"
         "</Component></DirectoryRef>", "has no Id"),
    ],
)  # fmt: skip
def test_what_is_refused(package: Package, body: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        package(body)
    assert caught.value.line is not None


UTIL = "xmlns:util='http://schemas.microsoft.com/wix/UtilExtension'"
EVENTS = "SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\App"


def test_certificates_and_products_that_are_looked_for(package: Package) -> None:
    database = package(
        f"""<PatchCertificates><DigitalCertificate Id='p' SourceFile='main.txt'/></PatchCertificates>
        <PackageCertificates><DigitalCertificate Id='q' SourceFile='main.txt'/></PackageCertificates>
        <Property Id='FOUND'><ProductSearch UpgradeCode='{GUID}' Minimum='1.0' IncludeMaximum='yes' Maximum='2.0'/>
        </Property>"""
    )
    assert [row.cells for row in database.rows("MsiPatchCertificate")] == [("p", "p")]
    assert [row.cells for row in database.rows("MsiPackageCertificate")] == [("q", "q")]
    assert database.streams["MsiDigitalCertificate.p"][:] == b"content\n" * 10
    assert [row.cells for row in database.rows("Upgrade")] == [(GUID, "1.0", "2.0", None, 0x302, None, "FOUND")]
    assert "FOUND" in str(database.property("SecureCustomProperties"))


def test_what_signs_a_cabinet(source: Callable[..., Path], tmp_path: Path) -> None:
    path = source()
    signature = "<DigitalSignature><DigitalCertificate Id='c' SourceFile='main.txt'/></DigitalSignature>"
    media = f"<Media Id='1' Cabinet='a.cab'>{signature}</Media>"
    path.write_text(path.read_text().replace('<MediaTemplate EmbedCab="yes"/>', media))
    database, _ = compile(path, {}, 1)
    assert [row.cells for row in database.rows("MsiDigitalSignature")] == [("Media", "1", "c", None)]
    path.write_text(path.read_text().replace("'a.cab'", "'a.cab' EmbedCab='yes'"))
    with pytest.raises(WixpyError, match="only a cabinet beside the package is signed"):
        compile(path, {}, 1)


def test_an_interface_in_a_library(source: Callable[..., Path]) -> None:
    path = source("<UI><EmbeddedUI SourceFile='main.txt' IgnoreError='yes' SupportBasicUI='yes'>"
                  "<EmbeddedUIResource Id='r' SourceFile='main.txt' Name='r.txt'/></EmbeddedUI></UI>")  # fmt: skip
    path.write_text(path.read_text().replace('InstallerVersion="200"', 'InstallerVersion="405"'))
    rows = [row.cells[:4] for row in compile(path, {}, 1)[0].rows("MsiEmbeddedUI")]
    assert rows == [("main.txt", "main.txt", 3, 0xE007FFF - 2), ("r", "r.txt", 0, None)]


def test_extensions_that_need_no_library(package: Package) -> None:
    database = package(
        "<PropertyRef Id='WIX_IS_NETFRAMEWORK_48_OR_LATER_INSTALLED'/>",
        inside=f"<util:EventSource {UTIL} Log='Application' Name='App' EventMessageFile='[#main]' SupportsErrors='yes'"
        " CategoryCount='2' SupportsFailureAudits='yes'/>",
    )
    assert sorted(row.cells[1:5] for row in database.rows("Registry")) == [
        (2, EVENTS, "CategoryCount", "#2"), (2, EVENTS, "EventMessageFile", "#%[#main]"),
        (2, EVENTS, "TypesSupported", "#17"),
    ]  # fmt: skip
    row = database.get("InstallExecuteSequence", "SetWIX_IS_NETFRAMEWORK_48_OR_LATER_INSTALLED")
    assert row is not None
    assert row["Condition"] == 'NETFRAMEWORK45 >= "#528040"'
    assert database.get("AppSearch", "NETFRAMEWORK45", "NETFRAMEWORK45") is not None

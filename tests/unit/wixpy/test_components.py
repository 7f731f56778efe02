# SPDX-License-Identifier: MIT
"""Elements within directories and components, as rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.payload import file_hash

Package = Callable[..., Database]


def only(database: Database, table: str) -> dict[str, object]:
    (row,) = database.rows(table)
    return dict(row)


def test_a_file_has_size_hash_and_sequence(package: Package, tmp_path: Path) -> None:
    database = package()
    content = (tmp_path / "main.txt").read_bytes()
    assert only(database, "File") == {
        "File": "main", "Component_": "Main", "FileName": "main.txt", "FileSize": 80, "Version": None, "Language": None,
        "Attributes": 512, "Sequence": 1,
    }  # fmt: skip
    assert database.rows("MsiFileHash")[0].cells == ("main", 0, *(file_hash(content) or ()))
    assert database.rows("Media")[0].cells == (1, 1, None, "#cab1.cab", None, None)


def test_an_image_has_its_version_and_no_hash(package: Package, tmp_path: Path, versioned_dll: bytes) -> None:
    (tmp_path / "v.dll").write_bytes(versioned_dll)
    database = package(inside="<File Id='dll' Source='v.dll'/>")
    row = database.get("File", "dll")
    assert row is not None
    assert (row["Version"], row["Language"]) == ("1.2.3.4", "1033")
    assert database.get("MsiFileHash", "dll") is None


def test_attributes_of_files(package: Package, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("b")
    database = package(
        inside="<File Id='b' Source='b.txt' ReadOnly='yes' Hidden='yes' System='yes' Vital='no' Checksum='yes'/>"
    )
    row = database.get("File", "b")
    assert row is not None
    assert row["Attributes"] == 1 + 2 + 4 + 1024


def test_a_companion_file_gives_its_version(package: Package, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("b")
    row = package(inside="<File Id='b' Source='b.txt' CompanionFile='main'/>").get("File", "b")
    assert row is not None
    assert row["Version"] == "main"


def test_long_names_get_unique_short_ones(package: Package, tmp_path: Path) -> None:
    names = [f"long name {number}.text" for number in range(30)]
    for name in names:
        (tmp_path / name).write_text(name)
    rows = package(inside="".join(f"<File Source='{name}'/>" for name in names)).rows("File")
    pairs = [row.text("FileName").split("|") for row in rows if "|" in row.text("FileName")]
    assert sorted(long for _, long in pairs) == sorted(names)
    assert len({short.lower() for short, _ in pairs}) == 30


def test_a_given_short_name_is_kept(package: Package, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("b")
    row = package(inside="<File Id='b' Source='b.txt' Name='other name.txt' ShortName='OTHER.TXT'/>").get("File", "b")
    assert row is not None
    assert row["FileName"] == "OTHER.TXT|other name.txt"


def test_directories_form_a_tree(package: Package) -> None:
    database = package("<DirectoryRef Id='INSTALLDIR'><Directory Id='SUB' Name='sub folder'/></DirectoryRef>")
    rows = {row["Directory"]: row.cells[1:] for row in database.rows("Directory")}
    assert rows["TARGETDIR"] == (None, "SourceDir")
    assert rows["ProgramFiles64Folder"] == ("TARGETDIR", ".")
    assert rows["INSTALLDIR"] == ("ProgramFiles64Folder", "Sample")
    assert rows["SUB"][0] == "INSTALLDIR"
    assert str(rows["SUB"][1]).endswith("|sub folder")


def test_a_standard_directory_needs_no_element(package: Package) -> None:
    database = package(inside="<CreateFolder Directory='CommonAppDataFolder'/>")
    row = database.get("Directory", "CommonAppDataFolder")
    assert row is not None
    assert row.cells[1:] == ("TARGETDIR", ".")


def test_the_directory_of_a_group_may_be_a_standard_one(package: Package) -> None:
    group = "<ComponentGroup Id='G' Directory='SystemFolder'><Component Id='C'>{}</Component></ComponentGroup>"
    file = "<File Id='c' Source='main.txt' Name='c.txt'/>"
    database = package(group.format(file) + "<FeatureRef Id='All'><ComponentGroupRef Id='G'/></FeatureRef>")
    row = database.get("Directory", "SystemFolder")
    assert row is not None
    assert row["Directory_Parent"] == "TARGETDIR"


def test_the_first_file_is_the_key_path(package: Package) -> None:
    row = package().get("Component", "Main")
    assert row is not None
    assert (row["KeyPath"], row["Attributes"]) == ("main", 256)


def test_a_given_guid_and_a_key_path(package: Package) -> None:
    component = """<Component Id='D' Guid='11111111-2222-3333-4444-555555555555'>
    <RegistryValue Id='r' Root='HKLM' Key='K' Type='string' Value='v'/></Component>"""
    row = package(beside=component).get("Component", "D")
    assert row is not None
    assert row.cells == ("D", "{11111111-2222-3333-4444-555555555555}", "INSTALLDIR", 256 | 4, None, "r")


def test_a_registry_value_as_key_path(package: Package) -> None:
    value = "<RegistryValue Id='r' Root='HKLM' Key='Software\\X' Type='string' Value='v' KeyPath='yes'/>"
    row = package(inside=value).get("Component", "Main")
    assert row is not None
    assert (row["KeyPath"], row["Attributes"]) == ("r", 256 | 4)


def test_the_directory_as_key_path(package: Package) -> None:
    component = (
        "<Component Id='D' Guid='{11111111-2222-3333-4444-aaaaaaaaaaaa}' KeyPath='yes'><CreateFolder/></Component>"
    )
    row = package(beside=component).get("Component", "D")
    assert row is not None
    assert (row["KeyPath"], row["ComponentId"]) == (None, "{11111111-2222-3333-4444-AAAAAAAAAAAA}")


def test_options_of_components(package: Package) -> None:
    guid = "{0F0F0F0F-1111-2222-3333-444444444444}"
    component = f"""<Component Id='D' Guid='{guid}' KeyPath='yes' Permanent='yes' NeverOverwrite='yes'
    SharedDllRefCount='yes' Transitive='yes' Location='either' Shared='yes' DisableRegistryReflection='yes'>
    <Condition>VersionNT</Condition><CreateFolder/></Component>"""
    row = package(beside=component).get("Component", "D")
    assert row is not None
    assert row["Attributes"] == 2 + 8 + 16 + 64 + 128 + 256 + 512 + 2048
    assert (row["Condition"], row["ComponentId"]) == ("VersionNT", guid)


def test_a_component_may_be_without_a_guid(package: Package) -> None:
    database = package(beside="<Component Id='D' Guid=''><CreateFolder/></Component>")
    assert [row["ComponentId"] for row in database.rows("Component") if row["Component"] == "D"] == [None]


def test_a_derived_guid_depends_on_the_place_only(package: Package, tmp_path: Path) -> None:
    def code(database: Database) -> str:
        row = database.get("Component", "Main")
        assert row is not None
        return row.text("ComponentId")

    first = code(package())
    assert code(package("<Property Id='OTHER' Value='1'/>", inside="<CreateFolder/>")) == first
    other = "<Component Id='Other' Directory='ProgramFiles64Folder'><File Id='o' Source='main.txt'/></Component>"
    row = package(beside=other).get("Component", "Other")
    assert row is not None
    assert row["ComponentId"] != first


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        ("Type='string' Value='text'", "text"),
        ("Type='string' Value='#text'", "##text"),
        ("Type='string'  Value=''", None),
        ("Type='integer' Value='-1'", "#-1"),
        ("Type='integer' Value='[PROPERTY]'", "#[PROPERTY]"),
        ("Type='binary' Value='00fF'", "#x00fF"),
        ("Type='expandable' Value='%TEMP%'", "#%%TEMP%"),
        ("Type='multiString' Value='one'", "[~]one[~]"),
        ("Type='multiString' Value='one' Action='append'", "[~]one"),
        ("Type='multiString' Value='one' Action='prepend'", "one[~]"),
    ],
)
def test_types_of_registry_values(package: Package, attributes: str, value: str | None) -> None:
    row = only(package(inside=f"<RegistryValue Root='HKLM' Key='K' Name='n' {attributes}/>"), "Registry")
    assert (row["Root"], row["Key"], row["Name"], row["Value"]) == (2, "K", "n", value)


def test_several_strings(package: Package) -> None:
    strings = "<MultiStringValue>a</MultiStringValue><MultiStringValue>b</MultiStringValue>"
    value = f"<RegistryValue Root='HKLM' Key='K' Type='multiString'>{strings}</RegistryValue>"
    assert only(package(inside=value), "Registry")["Value"] == "[~]a[~]b[~]"


def test_registry_keys_nest(package: Package) -> None:
    keys = """<RegistryKey Root='HKMU' Key='A\\'><RegistryKey Key='B'><RegistryValue Name='n' Type='string' Value='v'/>
    </RegistryKey></RegistryKey>"""
    row = only(package(inside=keys), "Registry")
    assert (row["Root"], row["Key"]) == (-1, "A\\B")


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ("ForceCreateOnInstall='yes'", "+"),
        ("ForceDeleteOnUninstall='yes'", "-"),
        ("ForceCreateOnInstall='yes' ForceDeleteOnUninstall='yes'", "*"),
        ("Action='create'", "+"),
        ("Action='createAndRemoveOnUninstall'", "*"),
    ],
)
def test_keys_of_their_own(package: Package, attributes: str, name: str) -> None:
    assert only(package(inside=f"<RegistryKey Root='HKLM' Key='K' {attributes}/>"), "Registry")["Name"] == name


def test_removal_of_keys_and_values(package: Package) -> None:
    database = package(
        inside="""<RemoveRegistryKey Root='HKLM' Key='A' Action='removeOnInstall'/>
        <RemoveRegistryKey Root='HKLM' Key='B' Action='removeOnUninstall'/>
        <RemoveRegistryValue Root='HKCR' Key='C' Name='n'/>"""
    )
    assert sorted(row.cells[1:4] for row in database.rows("RemoveRegistry")) == [(0, "C", "n"), (2, "A", "-")]
    assert only(database, "Registry")["Name"] == "-"


def test_a_service(package: Package) -> None:
    service = """<ServiceInstall Id='s' Name='svc' DisplayName='Service' Description='Does.' Type='ownProcess'
    Interactive='yes' Start='auto' ErrorControl='critical' Vital='yes' Arguments='/a' Account='LocalSystem'>
    <ServiceDependency Id='RpcSs'/><ServiceDependency Id='Group' Group='yes'/></ServiceInstall>
    <ServiceControl Id='c' Name='svc' Start='install' Stop='both' Remove='uninstall' Wait='no'>
    <ServiceArgument>one</ServiceArgument><ServiceArgument>two</ServiceArgument></ServiceControl>"""
    database = package(inside=service)
    assert database.rows("ServiceInstall")[0].cells == (
        "s", "svc", "Service", 0x110, 2, 0x8003, None, "RpcSs[~]+Group[~][~]", "LocalSystem", None, "/a",
        "Main", "Does.",
    )  # fmt: skip
    assert database.rows("ServiceControl")[0].cells == ("c", "svc", 0x01 | 0x22 | 0x80, "one[~]two", 0, "Main")


def test_removal_of_files_and_folders(package: Package) -> None:
    database = package(
        inside="""<RemoveFile Id='a' Name='*.log' On='both'/><RemoveFolder Id='b' On='uninstall' Property='WHERE'/>
        <CreateFolder/>"""
    )
    assert {row.cells for row in database.rows("RemoveFile")} == {
        ("a", "Main", "*.log", "INSTALLDIR", 3),
        ("b", "Main", None, "WHERE", 2),
    }
    assert database.rows("CreateFolder")[0].cells == ("INSTALLDIR", "Main")


def test_shortcuts(package: Package, tmp_path: Path) -> None:
    (tmp_path / "x.ico").write_bytes(b"icon")
    shortcut = """<Shortcut Id='s' Name='Open it' Directory='ProgramMenuFolder' Target='[#main]' Arguments='/x'
    Show='minimized' Description='Opens.' Hotkey='577' IconIndex='0' WorkingDirectory='INSTALLDIR'>
    <Icon Id='x.ico' SourceFile='x.ico'/></Shortcut>"""
    database = package(inside=shortcut)
    row = only(database, "Shortcut")
    assert str(row["Name"]).endswith("|Open it")
    assert [row[c] for c in ("Directory_", "Target", "Icon_", "ShowCmd", "WkDir")] == [
        "ProgramMenuFolder", "[#main]", "x.ico", 7, "INSTALLDIR",
    ]  # fmt: skip
    assert database.streams["Icon.x.ico"] == b"icon"


def test_an_advertised_shortcut_targets_the_feature(package: Package) -> None:
    shortcut = "<Shortcut Id='s' Name='Open' Directory='ProgramMenuFolder' Advertise='yes'/>"
    assert only(package(inside=shortcut), "Shortcut")["Target"] == "All"


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("<File Source='missing.txt'/>", "cannot read “missing.txt”"),
        ("<File Id='main' Source='main.txt'/>", "already has a row main"),
        ("<File Id='b' Source='main.txt' DiskId='7'/>", "on media 7"),
        ("<File Id='b' Source='main.txt' Name='a:b'/>", "no file name"),
        ("<File Id='b' Source='main.txt' Name='a b' ShortName='too long name'/>", "no 8.3 name"),
        ("<File Id='b' Source='main.txt' Name='a b' ShortName='MAIN.TXT'/>", "used twice"),
        ("<File Id='b' Source='main.txt' CompanionFile='none'/>", "File “none”"),
        ("<CreateFolder Directory='NONE'/>", "Directory “NONE”"),
        ("<RegistryValue Root='HKLM' Key='K' Type='integer' Value='x'/>", "not an integer"),
        ("<RegistryValue Root='HKLM' Key='K' Type='binary' Value='abc'/>", "not hexadecimal"),
        ("<RegistryValue Root='HKLM' Key='K' Type='string' Action='append' Value='x'/>", "no strings to append"),
        ("<RegistryValue Key='K' Type='string' Value='x'/>", "needs Root and Key"),
        ("<RegistryKey Key='K'/>", "needs the attribute Root"),
        ("<ServiceControl Id='c' Name='x'/>", "does nothing"),
        ("<ServiceInstall Name='s' Type='kernelDriver' Start='auto' ErrorControl='normal'/>", "Type is “kernelDriver”"),
        ("<Shortcut Id='s' Name='n' Icon='none'/>", "Icon “none”"),
        ("<Condition>1</Condition><Condition>2</Condition>", "two conditions"),
        ("<RemoveFile Id='a' Name='b' On='both' Directory='INSTALLDIR' Property='P'/>", "both Directory and Property"),
    ],
)
def test_what_a_component_cannot_have(package: Package, tmp_path: Path, inside: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        package(inside=inside)
    assert caught.value.line is not None
    assert not (tmp_path / "sample.msi").exists()


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ("<Component Id='D' Guid='*' KeyPath='yes'><CreateFolder/></Component>", "cannot be derived"),
        ("<Component Id='Main'/>", "already has a row Main"),
        ("<ComponentRef Id='None'/>", "None is not there"),
        ("<ComponentGroupRef Id='Group'/>", "contains itself"),
        ("<ComponentGroupRef Id='Gruop'/>", "Gruop is not there"),
        (
            "<Component Id='D' KeyPath='yes'><File Id='d' Source='main.txt' Name='d' KeyPath='yes'/></Component>",
            "both have KeyPath",
        ),
    ],
)
def test_what_a_group_cannot_have(package: Package, beside: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message):
        package(beside=beside)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<DirectoryRef Id='INSTALLDIR'><Component Id='Lost' Guid=''/></DirectoryRef>", "belongs to no feature"),
        ("<DirectoryRef Id='NONE'/>", "Directory “NONE”"),
        ("<Directory Id='LOST' Name='lost'/>", "has no parent"),
        ("<Component Id='X' Guid=''/>", "no directory"),
        ("<ComponentGroup Id='Group'/>", "defined twice"),
    ],
)
def test_what_a_product_cannot_have(package: Package, body: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message):
        package(body)

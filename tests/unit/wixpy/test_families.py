# SPDX-License-Identifier: MIT
"""Families of elements and the rows that they make: what is in a component or a file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wixpy.database import Database
from wixpy.errors import WixpyError

Package = Callable[..., Database]

FILE = "<File Id='f' Source='main.txt' Name='f.txt'{}>{}</File>"
CLASS, OTHER = "{11111111-2222-3333-4444-AAAAAAAAAAAA}", "{11111111-2222-3333-4444-BBBBBBBBBBBB}"
CASES = {
    "ini file": (
        "<IniFile Id='a' Name='a long name.ini' ShortName='A.INI' Section='S' Key='K' Value='V' Action='addTag'/>",
        {"IniFile": [("a", "A.INI|a long name.ini", "INSTALLDIR", "S", "K", "V", 3, "Main")]},
    ),
    "line removed from an ini file": (
        "<IniFile Id='a' Name='a.ini' Directory='WindowsFolder' Section='S' Key='K' Action='removeLine'/>",
        {"RemoveIniFile": [("a", "a.ini", "WindowsFolder", "S", "K", None, 2, "Main")]},
    ),
    "environment": (
        """<Environment Id='a' Name='PATH' Value='[INSTALLDIR]' Part='last' System='yes'/>
        <Environment Id='b' Name='B' Action='create' Permanent='yes' Value='1'/>
        <Environment Id='c' Name='C' Action='remove'/>
        <Environment Id='d' Name='D' Value='x' Part='first' Separator=','/>""",
        {
            "Environment": [
                ("a", "=-*PATH", "[~];[INSTALLDIR]", "Main"), ("b", "+B", "1", "Main"), ("c", "!C", None, "Main"),
                ("d", "=-D", "x,[~]", "Main"),
            ]
        },
    ),
    "files copied": (
        FILE.format("", "<CopyFile Id='a' DestinationName='copy of f.txt' DestinationShortName='COPY.TXT'/>")
        + """<CopyFile Id='b' FileId='main' DestinationProperty='WHERE'/>
        <CopyFile Id='c' SourceProperty='FROM' SourceName='*.txt' DestinationDirectory='INSTALLDIR' Delete='yes'/>
        <CopyFile Id='d' SourceDirectory='INSTALLDIR' SourceName='x' DestinationProperty='TO'/>""",
        {
            "DuplicateFile": [
                ("a", "Main", "f", "COPY.TXT|copy of f.txt", None),
                ("b", "Main", "main", None, "WHERE"),
            ],
            "MoveFile": [
                ("c", "Main", "*.txt", None, "FROM", "INSTALLDIR", 1),
                ("d", "Main", "x", None, "INSTALLDIR", "TO", 0),
            ],
        },
    ),
    "permissions": (
        """<CreateFolder><Permission User='Everyone' Read='yes' DeleteChild='yes' Synchronize='yes'/></CreateFolder>
        <RegistryKey Id='k' Root='HKLM' Key='K'><Permission User='Users' Domain='D' GenericRead='yes' Notify='yes'/>
        </RegistryKey>"""
        + FILE.format("", "<Permission User='Users' GenericAll='yes' Write='yes'/>"),
        {
            "LockPermissions": [
                ("INSTALLDIR", "CreateFolder", None, "Everyone", 0x100041),
                ("f", "File", None, "Users", 0x10000002),
                ("k", "Registry", "D", "Users", 0x80000010 - (1 << 32)),
            ]
        },
    ),
    "security descriptors": (
        """<RegistryValue Id='r' Root='HKLM' Key='K' Type='string' Value='v'>
        <PermissionEx Id='p' Sddl='D:(A;;GA;;;BA)'><Condition>VersionNT</Condition></PermissionEx></RegistryValue>""",
        {"MsiLockPermissionsEx": [("p", "r", "Registry", "D:(A;;GA;;;BA)", "VersionNT")]},
    ),
    "service configuration": (
        """<ServiceInstall Id='s' Name='svc' Type='ownProcess' Start='auto' ErrorControl='normal'>
        <ServiceConfig Id='a' OnInstall='yes' OnReinstall='yes' DelayedAutoStart='yes'/>
        <ServiceConfig Id='b' OnInstall='yes'><RequiredPrivilege>SeOnePrivilege</RequiredPrivilege>
        <RequiredPrivilege>SeTwoPrivilege</RequiredPrivilege></ServiceConfig>
        <ServiceConfigFailureActions Id='f' OnInstall='yes' ResetPeriod='60' Command='c'>
        <Failure Action='restartService' Delay='10'/><Failure Action='none' Delay='0'/>
        </ServiceConfigFailureActions></ServiceInstall>
        <ServiceConfig Id='c' ServiceName='other' OnUninstall='yes' ServiceSid='restricted'/>""",
        {
            "MsiServiceConfig": [
                ("a", "svc", 5, 3, "1", "Main"), ("b", "svc", 1, 6, "SeOnePrivilege[~]SeTwoPrivilege", "Main"),
                ("c", "other", 2, 5, "3", "Main"),
            ],
            "MsiServiceConfigFailureActions": [("f", "svc", 1, 60, None, "c", "1[~]0", "10[~]0", "Main")],
        },
    ),
    "databases": (
        FILE.format(
            "",
            """<ODBCDriver Id='d' Name='Driver'><Property Id='Level' Value='1'/>
            <ODBCDataSource Id='s' Name='Source' Registration='user'><Property Id='P' Value='V'/></ODBCDataSource>
            </ODBCDriver><ODBCTranslator Id='t' Name='Translator' SetupFile='main'/>""",
        ),
        {
            "ODBCDriver": [("d", "Main", "Driver", "f", None)],
            "ODBCAttribute": [("d", "Level", "1")],
            "ODBCDataSource": [("s", "Main", "Source", "Driver", 1)],
            "ODBCSourceAttribute": [("s", "P", "V")],
            "ODBCTranslator": [("t", "Main", "Translator", "f", "main")],
        },
    ),
    "what a file is besides": (
        FILE.format(" TrueType='yes' SelfRegCost='1' BindPath='[INSTALLDIR]' Assembly='win32' AssemblyManifest='main'",
                    "<AssemblyName Id='name' Value='N'/><AssemblyName Id='type' Value='win32'/>"),
        {
            "Font": [("f", None)],
            "SelfReg": [("f", 1)],
            "BindImage": [("f", "[INSTALLDIR]")],
            "MsiAssembly": [("Main", "All", "main", None, 1)],
            "MsiAssemblyName": [("Main", "name", "N"), ("Main", "type", "win32")],
        },
    ),
    "what is advertised": (
        FILE.format(
            "",
            f"""<Class Id='{CLASS}' Context='InprocServer32 LocalServer32' Description='C' Advertise='yes'
            AppId='{OTHER}' ThreadingModel='both' RelativePath='yes'><ProgId Id='P.1' Description='P'>
            <ProgId Id='P'/></ProgId></Class>
            <TypeLib Id='{OTHER}' Language='9' MajorVersion='1' MinorVersion='2' Advertise='yes' Cost='3'/>""",
        )
        + f"""<AppId Id='{OTHER}' Advertise='yes' LocalService='svc' RunAsInteractiveUser='yes'/>
        <ProgId Id='Doc' Advertise='yes'><Extension Id='doc'><Verb Id='open' Command='O' Argument='%1' Sequence='1'/>
        <MIME ContentType='a/b' Default='yes'/></Extension></ProgId>""",
        {
            "Class": [
                (CLASS, "InprocServer32", "Main", "P.1", "C", OTHER, None, None, None, None, None, "All", 1),
                (CLASS, "LocalServer32", "Main", "P.1", "C", OTHER, None, None, None, None, None, "All", 1),
            ],
            "ProgId": [
                ("Doc", None, None, None, None, None), ("P", "P.1", None, None, None, None),
                ("P.1", None, CLASS, "P", None, None),
            ],
            "AppId": [(OTHER, None, "svc", None, None, None, 1)],
            "TypeLib": [(OTHER, 9, "Main", 0x102, None, None, "All", 3)],
            "Extension": [("doc", "Main", "Doc", "a/b", "All")],
            "Verb": [("doc", "open", 1, "O", "%1")],
            "MIME": [("a/b", "doc", None)],
        },
    ),
    "an advertised extension whose content has no element": (
        """<Extension Id='doc' Advertise='yes' ContentType='a/b'/>
        <Extension Id='dot' Advertise='yes' ContentType='a/b'/>""",
        {
            "Extension": [("doc", "Main", None, "a/b", "All"), ("dot", "Main", None, "a/b", "All")],
            "MIME": [("a/b", "doc", None)],
        },
    ),
    "costs, qualified components and properties of shortcuts": (
        """<ReserveCost Id='a' RunLocal='10' RunFromSource='20'/>
        <Category Id='11111111-2222-3333-4444-aaaaaaaaaaaa' Qualifier='Q' AppData='D'/>
        <Shortcut Id='s' Directory='ProgramMenuFolder' Name='S' Target='[#main]'>
        <ShortcutProperty Id='p' Key='System.AppUserModel.ID' Value='App'/></Shortcut>""",
        {
            "ReserveCost": [("a", "Main", "INSTALLDIR", 10, 20)],
            "PublishComponent": [("{11111111-2222-3333-4444-AAAAAAAAAAAA}", "Q", "Main", "D", "All")],
            "MsiShortcutProperty": [("p", "s", "System.AppUserModel.ID", "App")],
        },
    ),
}  # fmt: skip


def rows(database: Database, table: str) -> list[tuple[object, ...]]:
    return sorted((row.cells for row in database.rows(table)), key=str)


@pytest.mark.parametrize("name", CASES)
def test_rows_of(package: Package, name: str) -> None:
    inside, tables = CASES[name]
    database = package(inside=inside, ignore=["ICE83"])
    assert {table: rows(database, table) for table in tables} == tables


def test_what_is_registered_without_advertising(package: Package) -> None:
    database = package(
        inside=FILE.format(
            "",
            f"""<Class Id='{CLASS}' Context='InprocServer32' Description='C' ThreadingModel='apartment'
            Programmable='yes' SafeForScripting='yes'><ProgId Id='P.1' Description='P'><ProgId Id='P'/></ProgId></Class>
            <TypeLib Id='{OTHER}' Language='9' MajorVersion='1' HelpDirectory='INSTALLDIR' Control='yes'>
            <Interface Id='{CLASS}' Name='I'/></TypeLib>""",
        )
        + """<ProgId Id='Doc' Icon='main' Description='D'><Extension Id='doc' ContentType='a/b'>
        <Verb Id='open' Command='O' TargetFile='main' Argument='"%1"'/></Extension></ProgId>"""
    )
    values = {(row["Key"], row["Name"]): row["Value"] for row in database.rows("Registry")}
    proxy = "{00020424-0000-0000-C000-000000000046}"
    assert {row["Root"] for row in database.rows("Registry")} == {0}
    assert values == {
        (f"CLSID\\{CLASS}", None): "C",
        (f"CLSID\\{CLASS}\\InprocServer32", None): "[#f]",
        (f"CLSID\\{CLASS}\\InprocServer32", "ThreadingModel"): "Apartment",
        (f"CLSID\\{CLASS}\\Programmable", None): None,
        (f"CLSID\\{CLASS}\\Implemented Categories\\{{7DD95801-9882-11CF-9FA9-00AA006C42C4}}", None): None,
        (f"CLSID\\{CLASS}\\ProgID", None): "P.1",
        (f"CLSID\\{CLASS}\\VersionIndependentProgID", None): "P",
        ("P.1", None): "P",
        ("P.1\\CLSID", None): CLASS,
        ("P", None): None,
        ("P\\CLSID", None): CLASS,
        ("P\\CurVer", None): "P.1",
        (f"TypeLib\\{OTHER}\\1.0", None): None,
        (f"TypeLib\\{OTHER}\\1.0\\9\\win64", None): "[#f]",
        (f"TypeLib\\{OTHER}\\1.0\\FLAGS", None): "2",
        (f"TypeLib\\{OTHER}\\1.0\\HELPDIR", None): "[INSTALLDIR]",
        (f"Interface\\{CLASS}", None): "I",
        (f"Interface\\{CLASS}\\TypeLib", None): OTHER,
        (f"Interface\\{CLASS}\\ProxyStubClsid", None): proxy,
        (f"Interface\\{CLASS}\\ProxyStubClsid32", None): proxy,
        ("Doc", None): "D",
        ("Doc\\DefaultIcon", None): '"[#main]",0',
        (".doc", None): "Doc",
        (".doc", "Content Type"): "a/b",
        ("Doc\\shell\\open", None): "O",
        ("Doc\\shell\\open\\command", None): '"[#main]" "%1"',
    }


def test_a_component_that_is_isolated(package: Package) -> None:
    shared = "<Component Id='Lib'><File Id='lib' Source='main.txt' Name='lib.dll'/></Component>"
    database = package(inside="<IsolateComponent Shared='Lib'/>", beside=shared, ignore=["ICE62"])
    assert rows(database, "IsolatedComponent") == [("Lib", "Main")]


def test_a_data_source_as_key_path(package: Package) -> None:
    source = "<ODBCDataSource Id='s' Name='S' DriverName='D' Registration='machine' KeyPath='yes'/>"
    row = package(beside=f"<Component Id='C' Guid='{{{'1' * 8}-1111-1111-1111-{'1' * 12}}}'>{source}</Component>").get(
        "Component", "C"
    )
    assert row is not None
    assert (row["KeyPath"], row.number("Attributes") & 32) == ("s", 32)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("<CreateFolder><Permission User='x' GenericRead='yes'/></CreateFolder>", "GenericRead alone"),
        ("<CreateFolder><Permission User='x'/></CreateFolder>", "does nothing"),
        ("<CreateFolder><Permission User='x' Append='yes'/></CreateFolder>", "no attribute Append"),
        ("<IniFile Id='a' Name='a.ini' Section='S' Key='K' Action='addLine'/>", "IniFile.Value.*null"),
        ("<IniFile Id='a' Name='a.ini' Directory='NO' Section='S' Key='K' Action='removeLine'/>", "Directory “NO”"),
        ("<Environment Id='a' Name='A' Part='last'/>", "needs a value"),
        ("<ServiceConfig ServiceName='s' DelayedAutoStart='yes'/>", "does nothing"),
        ("<CopyFile Id='a' FileId='main' SourceName='x'/>", "SourceName has no effect"),
        ("<IsolateComponent Shared='None'/>", "Component “None”"),
        ("<RegistryKey Id='k' Root='HKLM' Key='K'/>", "makes no row"),
        (f"<Class Id='{CLASS}' Context='Server'/>", "Context has “Server”"),
        (f"<Class Id='{CLASS}' Context='LocalServer'/>", "has no server"),
        (f"<Class Id='{CLASS}' Context='LocalServer' Advertise='yes'/>", "is that of a file"),
        ("<Extension Id='e'><Verb Id='v'/></Extension>", "needs one target"),
        ("<ProgId Id='P' Advertise='yes' Icon='none'/>", "Icon “none”"),
        ("<Extension Id='e'><Verb Id='v' Sequence='1' TargetFile='main'/></Extension>", "Sequence has no effect"),
        ("<RemoveRegistryKey Root='HKLM' Action='removeOnInstall'/>", "needs one Root"),
    ],
)
def test_what_is_refused(package: Package, inside: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        package(inside=inside)
    assert caught.value.line is not None

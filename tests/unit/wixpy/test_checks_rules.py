# SPDX-License-Identifier: MIT
# ruff: noqa: E501
"""Every check by itself: the smallest database that trips it, and one like it that does not."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from wixpy import cab, checks, schema
from wixpy.actions import standard
from wixpy.checks import RULES, Finding, Level
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.summary import Pid, Value
from wixpy.tables import Cell, Column, Table

ERROR, WARNING = Level.ERROR, Level.WARNING
GUID = "{6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48}"
OTHER = "{6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A49}"
SUMMARY: dict[Pid, Value] = {
    Pid.TEMPLATE: "x64;1033", Pid.REVISION: GUID, Pid.PAGE_COUNT: 500, Pid.WORD_COUNT: 2,
}  # fmt: skip


def cell(column: Column, text: str | None) -> Cell | bytes:
    """A value from the notation of CASES; columns that are not named are null, 0 or x."""
    if text is None:
        if column.is_binary:
            return b"x"
        return None if column.nullable else 0 if column.is_integer else "x"
    if text == "-":
        return None
    return int(text) if column.is_integer else text


def insert(database: Database, line: str) -> None:
    """Add a row written as ``Table: key, key, Column=value``; a ``;`` stands for a comma in a value."""
    name, _, rest = line.partition(": ")
    table = database.tables.get(name) or schema.standard()[name]
    parts = [part.replace(";;", ",") for part in rest.split(", ")]
    keys = [part for part in parts if "=" not in part]
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    named |= {column.name: key for column, key in zip(table.columns, keys, strict=False)}
    assert not named.keys() - table.index.keys(), line
    database.insert(name, *(cell(column, named.get(column.name)) for column in table.columns))


def made(*lines: str) -> Database:
    database = Database(65001)
    database.summary.update(SUMMARY)
    for line in lines:
        if line.startswith("summary "):
            pid, _, text = line.removeprefix("summary ").partition("=")
            database.summary[Pid[pid]] = int(text) if text.isdecimal() else text
        else:
            insert(database, line)
    return database


def sequence(table: str, *actions: str) -> tuple[str, ...]:
    return tuple(f"{table}: {action}, Sequence={number}" for number, action in enumerate(actions, 1))


EXECUTE, UI, ADVERTISE = "InstallExecuteSequence", "InstallUISequence", "AdvtExecuteSequence"
NEEDED = (
    "CostInitialize", "FileCost", "CostFinalize", "InstallValidate", "InstallInitialize", "ProcessComponents",
    "UnpublishFeatures", "RegisterUser", "RegisterProduct", "PublishFeatures", "PublishProduct", "InstallFinalize",
)  # fmt: skip
PROFILE = ("Directory: TARGETDIR, DefaultDir=SourceDir", "Directory: AppDataFolder, TARGETDIR, .",
           "Directory: Mine, AppDataFolder, Mine")  # fmt: skip
HKCU = ("Component: C, KeyPath=r, Directory_=Mine, Attributes=4", "Registry: r, Root=1, Component_=C")
FILE = "File: f, C, FileName=a.txt"
SHORTCUT = ("Shortcut: s, Mine, Component_=C, Target=[#f]", FILE)
ADVERTISED = ("Shortcut: s, Component_=C, Target=F", "Feature: F")
DIALOG = "Dialog: D, Control_First=a"
ISOLATED = ("IsolatedComponent: S, A", "FeatureComponents: F, S", "FeatureComponents: F, A", "File: fa, A")
ERROR_DIALOG = (
    "Dialog: E, Attributes=65537, Control_First=ErrorText", "Control: E, ErrorText, Type=Text",
    *(f"ControlEvent: E, {button}, EndDialog, {argument}, -" for button, argument in (
        ("A", "ErrorAbort"), ("C", "ErrorCancel"), ("I", "ErrorIgnore"), ("N", "ErrorNo"), ("O", "ErrorOk"),
        ("R", "ErrorRetry"), ("Y", "ErrorYes"))),
)  # fmt: skip
STANDARD_DIALOGS = (
    *ERROR_DIALOG, "Dialog: FilesInUse, Control_First=L", "Control: FilesInUse, L, Type=ListBox, Property=FileInUseProcess",
    *(f"ControlEvent: FilesInUse, b, EndDialog, {argument}, -" for argument in ("Ignore", "Exit", "Retry")),
    *(f"InstallUISequence: D{number}, Sequence=-{number}" for number in (1, 2, 3)),
)  # fmt: skip

# Rule, level, what is common to both databases, what trips it, what does not.
Lines = tuple[str, ...]
CASES: list[tuple[str, Level, Lines, Lines, Lines]] = [
    ("ICE02", ERROR, ("Component: C, KeyPath=f", "Component: D"), ("File: f, D",), ("File: f, C",)),
    ("ICE03", ERROR, ("Component: C, Directory_=D", "Directory: D, DefaultDir=D"), ("File: f, X, FileName=a.txt, Sequence=1",), ("File: f, C, FileName=a.txt, Sequence=1",)),
    ("ICE03", ERROR, (), ("Property: 1x",), ("Property: x1",)),
    ("ICE03", WARNING, (), (f"Property: {'x' * 80}",), (f"Property: {'x' * 72}",)),
    ("ICE04", ERROR, ("Media: 1, 1",), ("File: f, Sequence=2",), ("File: f, Sequence=1",)),
    ("ICE05", ERROR, tuple(f"Property: {name}" for name in ("ProductCode", "ProductVersion", "ProductLanguage", "ProductName")), (), ("Property: Manufacturer",)),
    ("ICE06", ERROR, ("Property: a",), ("_Validation: Property, Other, N",), ("_Validation: Property, Value, N",)),
    ("ICE07", WARNING, ("Font: f", FILE), ("Component: C, Directory_=D",), ("Component: C, Directory_=FontsFolder",)),
    ("ICE08", ERROR, (f"Component: A, {GUID}",), (f"Component: B, {GUID}",), (f"Component: B, {OTHER}",)),
    ("ICE09", WARNING, (FILE,), ("Component: C, Directory_=SystemFolder",), ("Component: C, Directory_=SystemFolder, Attributes=16",)),
    ("ICE10", ERROR, ("Feature: A, Attributes=4",), ("Feature: B, A, Attributes=8",), ("Feature: B, A, Attributes=4",)),
    ("ICE10", ERROR, (), ("Feature: B, A",), ("Feature: B",)),
    ("ICE12", ERROR, ("CustomAction: a, 35",), sequence(EXECUTE, "a", "CostFinalize"), sequence(EXECUTE, "CostFinalize", "a")),
    ("ICE12", ERROR, ("CustomAction: a, 51, D", "Directory: D"), sequence(EXECUTE, "CostFinalize", "a"), sequence(EXECUTE, "a", "CostFinalize")),
    ("ICE13", ERROR, (DIALOG,), sequence(EXECUTE, "D"), sequence(UI, "D")),
    ("ICE14", ERROR, (), ("Feature: A, Attributes=2",), ("Feature: A, Attributes=0",)),
    ("ICE14", ERROR, (), ("Feature: A, A",), ("Feature: A",)),
    ("ICE15", ERROR, ("MIME: a/b, x",), ("Extension: x, C, MIME_=-",), ("Extension: x, C, MIME_=a/b",)),
    ("ICE15", ERROR, ("Extension: x, C, MIME_=a/b", "Extension: y, C, MIME_=c/d", "MIME: c/d, y"), ("MIME: a/b, y",), ("MIME: a/b, x",)),
    ("ICE16", ERROR, (), (f"Property: ProductName, {'x' * 64}",), (f"Property: ProductName, {'x' * 63}",)),
    ("ICE17", ERROR, ("Control: D, b, Type=PushButton, Attributes=3",), (), ("ControlEvent: D, b, EndDialog, Return, -",)),
    ("ICE17", ERROR, (), ("Control: D, b, Type=Bitmap, Text=x",), ("Control: D, b, Type=Bitmap, Text=x", "Binary: x")),
    ("ICE17", ERROR, (), ("Control: D, b, Type=CheckBox, Attributes=786432",), ("Control: D, b, Type=CheckBox, Attributes=0",)),
    ("ICE17", WARNING, ("Control: D, l, Type=ListBox, Property=P",), ("ListBox: Q, 1",), ("ListBox: P, 1",)),
    ("ICE18", ERROR, ("Component: C, Directory_=D",), ("CreateFolder: E, C",), ("CreateFolder: D, C",)),
    ("ICE19", ERROR, ADVERTISED, ("Component: C, KeyPath=f",), (f"Component: C, {GUID}, KeyPath=f",)),
    ("ICE19", ERROR, ADVERTISED, (f"Component: C, {GUID}, KeyPath=f, Attributes=4",), (f"Component: C, {GUID}",)),
    ("ICE20", ERROR, STANDARD_DIALOGS[:-1], (), STANDARD_DIALOGS[-1:]),
    ("ICE20", ERROR, STANDARD_DIALOGS[1:], ("Dialog: E, Attributes=65537, Control_First=A",), STANDARD_DIALOGS[:1]),
    ("ICE20", ERROR, (DIALOG,), (), ("Property: LIMITUI, 1",)),
    ("ICE21", ERROR, ("Component: C",), (), ("FeatureComponents: F, C",)),
    ("ICE22", ERROR, ("FeatureComponents: F, C",), (f"PublishComponent: {GUID}, q, D, Feature_=F",), (f"PublishComponent: {GUID}, q, C, Feature_=F",)),
    ("ICE23", ERROR, (DIALOG, "Control: D, a, Control_Next=b"), ("Control: D, b",), ("Control: D, b, Control_Next=a",)),
    ("ICE23", ERROR, (DIALOG, "Control: D, a, Control_Next=b", "Control: D, b, Control_Next=a"), ("Control: D, c, Control_Next=a",), ("Control: D, c",)),
    ("ICE23", ERROR, (DIALOG,), ("Control: D, b",), ("Control: D, a",)),
    ("ICE24", ERROR, (), ("Property: ProductVersion, 256.1",), ("Property: ProductVersion, 255.1",)),
    ("ICE24", ERROR, (), ("Property: ProductCode, x",), (f"Property: ProductCode, {GUID}",)),
    ("ICE24", ERROR, (), ("Property: ProductLanguage, en",), ("Property: ProductLanguage, 1033",)),
    ("ICE26", ERROR, sequence(EXECUTE, *NEEDED[:-1]), (), ("InstallExecuteSequence: InstallFinalize, Sequence=99",)),
    ("ICE26", ERROR, sequence(EXECUTE, *NEEDED), ("InstallExecuteSequence: ExecuteAction, Sequence=99",), ()),
    ("ICE27", ERROR, (), sequence(EXECUTE, "InstallFiles", "RemoveFiles"), sequence(EXECUTE, "RemoveFiles", "InstallFiles")),
    ("ICE27", ERROR, (), sequence(EXECUTE, "CostInitialize", "AppSearch"), sequence(EXECUTE, "AppSearch", "CostInitialize")),
    ("ICE27", ERROR, sequence(EXECUTE, "a"), (), ("CustomAction: a, 51",)),
    ("ICE28", ERROR, (), sequence(EXECUTE, "RegisterUser", "ForceReboot", "RegisterProduct"), sequence(EXECUTE, "RegisterUser", "RegisterProduct", "ForceReboot")),
    ("ICE29", ERROR, (f"Binary: {'x' * 60}1",), (f"Binary: {'x' * 60}2",), ("Binary: x2",)),
    ("ICE30", ERROR, ("Component: C, Directory_=T", "Component: D, Directory_=T", "File: f, C, FileName=A~1.TXT|a long.txt"), ("File: g, D, FileName=b.txt|A LONG.txt",), ("File: g, D, FileName=b.txt",)),
    ("ICE30", ERROR, ("Component: C, Directory_=T", "Component: D, Directory_=T", "File: f, C, FileName=A~1.TXT|a long.txt"), ("File: g, D, FileName=a~1.txt|b long.txt",), ("File: g, C, FileName=a~1.txt|b long.txt",)),
    ("ICE30", ERROR, ("Directory: T, DefaultDir=SourceDir", "Directory: A, T, x|Sub", "Directory: B, T, y|sub", "Component: C, Directory_=A", "File: f, C, FileName=a.txt", "File: g, D, FileName=a.txt"), ("Component: D, Directory_=B",), ("Component: D, Directory_=T",)),
    ("ICE30", WARNING, ("File: f, C, FileName=a.txt", "File: g, D, FileName=a.txt"), ("Component: C, Condition=X", "Component: D, Condition=Y"), ("Component: C", "Component: D, Directory_=y")),
    ("ICE31", ERROR, ("TextStyle: S",), ("Control: D, a, Type=Text, Text={\\T}x",), ("Control: D, a, Type=Text, Text={\\S}x",)),
    ("ICE31", ERROR, ("TextStyle: S",), ("Control: D, a, Type=Text, Text={&S",), ("Control: D, a, Type=ScrollableText, Text={\\rtf1",)),
    ("ICE31", ERROR, ("TextStyle: S",), ("Property: DefaultUIFont, T",), ("Property: DefaultUIFont, S",)),
    ("ICE31", WARNING, ("TextStyle: S",), ("Control: D, a, Type=Text, Text=x {\\S}y",), ("Control: D, a, Type=Text, Text={\\S}y",)),
    ("ICE33", WARNING, (), ("Registry: r, 0, CLSID\\x",), ("Registry: r, 2, CLSID\\x",)),
    ("ICE33", WARNING, (), ("Registry: r, 2, Software\\Classes\\.x",), ("Registry: r, 2, Software\\x",)),
    ("ICE34", ERROR, ("Control: D, g, Type=RadioButtonGroup, Property=P", "RadioButton: P, 1, 1"), ("Property: P, 2",), ("Property: P, 1",)),
    ("ICE34", ERROR, (), ("Control: D, g, Type=RadioButtonGroup",), ("Control: D, g, Type=Text",)),
    ("ICE35", ERROR, ("summary PAGE_COUNT=110", "Media: 1, 9, Cabinet=a.cab", FILE), ("Component: C, Attributes=1",), ("Component: C, Attributes=0",)),
    ("ICE35", WARNING, ("Component: C, Attributes=1", FILE), ("Media: 1, 9, Cabinet=a.cab",), ("Media: 1, 9",)),
    ("ICE36", WARNING, ("Icon: i",), (), ("Property: ARPPRODUCTICON, i",)),
    ("ICE38", ERROR, (*PROFILE, FILE), ("Component: C, KeyPath=f, Directory_=Mine",), HKCU),
    ("ICE39", ERROR, (), ("summary TEMPLATE=x64",), ("summary TEMPLATE=;1033",)),
    ("ICE39", ERROR, (), ("summary CREATED=now",), ()),
    ("ICE39", WARNING, (), ("File: f, Attributes=16384",), ("File: f, Attributes=0",)),
    ("ICE40", WARNING, (), ("Property: REINSTALLMODE, a",), ("Property: REINSTALL, a",)),
    ("ICE40", WARNING, (), ("RemoveIniFile: i, Action=4",), ("RemoveIniFile: i, Action=4, Value=v",)),
    ("ICE41", ERROR, (f"Class: {GUID}, InprocServer32, C, Feature_=F",), ("FeatureComponents: G, C",), ("FeatureComponents: F, C",)),
    ("ICE42", ERROR, (f"Class: {GUID}, InprocServer32, C", "Component: C, KeyPath=f"), ("File: f, C, FileName=a.exe",), ("File: f, C, FileName=a.dll",)),
    ("ICE42", ERROR, (), (f"Class: {GUID}, InprocServer32, C, Argument=x",), (f"Class: {GUID}, LocalServer32, C, Argument=x",)),
    ("ICE43", ERROR, (*PROFILE, *SHORTCUT), ("Component: C, KeyPath=f",), HKCU),
    ("ICE44", ERROR, (DIALOG,), ("ControlEvent: D, b, NewDialog, E, -",), ("ControlEvent: D, b, NewDialog, D, -",)),
    ("ICE45", ERROR, (), ("File: f, Attributes=128",), ("File: f, Attributes=512",)),
    ("ICE45", WARNING, (), ("Control: D, a, Type=Line, Attributes=65536",), ("Control: D, a, Type=Text, Attributes=65536",)),
    ("ICE46", WARNING, ("Property: MyName, 1",), ("LaunchCondition: MYNAME",), ("LaunchCondition: MyName AND NOT Other",)),
    ("ICE47", WARNING, ("Feature: F", *(f"FeatureComponents: F, c{number}" for number in range(1600))), ("FeatureComponents: F, x",), ()),
    ("ICE48", WARNING, ("Directory: D",), ("Property: D, c:\\x",), ("Property: D, x",)),
    ("ICE49", WARNING, (), ("Registry: r, Value=#1",), ("Registry: r, Name=n, Value=#1",)),
    ("ICE50", ERROR, (*ADVERTISED[1:], "Component: C, KeyPath=f", "File: f, C, FileName=a.exe"), ("Shortcut: s, Component_=C, Target=F, Icon_=a.ico",), ("Shortcut: s, Component_=C, Target=F, Icon_=a.exe",)),
    ("ICE50", WARNING, (*ADVERTISED[1:], "Component: C, KeyPath=f", "File: f, C, FileName=a.bat"), ("Shortcut: s, Component_=C, Target=F, Icon_=a.bat",), ("Shortcut: s, Component_=C, Target=F",)),
    ("ICE51", WARNING, ("File: f, FileName=a.ttf",), ("Font: f, Title",), ("Font: f",)),
    ("ICE51", WARNING, ("File: f, FileName=a.fon",), ("Font: f",), ("Font: f, Title",)),
    ("ICE52", WARNING, (), ("AppSearch: Found, s",), ("AppSearch: FOUND, s",)),
    ("ICE53", WARNING, (), ("Registry: r, 1, Software\\Policies\\Microsoft\\Windows\\Installer",), ("Registry: r, 1, Software\\Policies\\Mine",)),
    ("ICE54", WARNING, ("Component: C, KeyPath=f", "File: g, C, Version=1.0"), ("File: f, C, Version=g",), ("File: f, C, Version=1.0",)),
    ("ICE55", ERROR, ("LockPermissions: f, File, -, u, 1",), (), (FILE,)),
    ("ICE55", ERROR, (FILE,), ("LockPermissions: f, File, -, u",), ("LockPermissions: f, File, -, u, 1",)),
    ("ICE56", ERROR, (), ("Directory: TARGETDIR, DefaultDir=Temp",), ("Directory: TARGETDIR, DefaultDir=SourceDir",)),
    ("ICE56", ERROR, ("Directory: Root, DefaultDir=SourceDir",), ("Component: C, Directory_=Root",), ("Component: C, Directory_=TARGETDIR",)),
    ("ICE57", ERROR, (FILE, "Component: C, KeyPath=f, Directory_=D"), ("Registry: r, 1, Component_=C",), ("Registry: r, 2, Component_=C",)),
    ("ICE57", ERROR, (FILE, "Component: C, KeyPath=f, Directory_=D", "Registry: r, -1, Component_=C"), (), ("Property: ALLUSERS, 1",)),
    ("ICE57", WARNING, (FILE, "Registry: r, 1, Component_=C"), ("Component: C, KeyPath=r, Directory_=D, Attributes=4",), ()),
    ("ICE58", ERROR, tuple(f"Media: {number}" for number in range(1, 81)), ("Media: 81",), ()),
    ("ICE59", ERROR, ADVERTISED, ("FeatureComponents: G, C",), ("FeatureComponents: F, C",)),
    ("ICE60", ERROR, ("File: f, Version=1.0, Language=1033",), ("MsiFileHash: f",), ()),
    ("ICE60", WARNING, ("File: f, Version=1.0",), (), ("Font: f",)),
    ("ICE61", ERROR, (f"Upgrade: {GUID}, ActionProperty=OLD, Attributes=2",), (), ("Property: SecureCustomProperties, OLD",)),
    ("ICE61", ERROR, ("Property: SecureCustomProperties, OLD",), (f"Upgrade: {GUID}, 2.0, 1.0, ActionProperty=OLD, Attributes=2",), (f"Upgrade: {GUID}, 1.0, 2.0, ActionProperty=OLD, Attributes=2",)),
    ("ICE61", ERROR, ("Property: SecureCustomProperties, OLD", f"Upgrade: {GUID}, 1.0, ActionProperty=OLD, Attributes=2"), (f"Upgrade: {OTHER}, ActionProperty=OLD, Attributes=2",), ()),
    ("ICE61", WARNING, (f"Property: UpgradeCode, {GUID}", "Property: ProductVersion, 1.0", "Property: SecureCustomProperties, OLD"), (f"Upgrade: {GUID}, -, 1.0, Attributes=512, ActionProperty=OLD",), (f"Upgrade: {GUID}, -, 1.0, ActionProperty=OLD",)),
    ("ICE62", ERROR, ISOLATED, ("Component: A, KeyPath=fa", "Component: S"), ("Component: A, KeyPath=fa", "Component: S, Attributes=8")),
    ("ICE62", ERROR, (*ISOLATED[:1], "FeatureComponents: G, S", "FeatureComponents: F, A", "Component: A, KeyPath=fa", "Component: S, Attributes=8"), ("Feature: F",), ("Feature: F, G",)),
    ("ICE62", WARNING, (*ISOLATED, "Component: A, KeyPath=fa"), ("Component: S, Attributes=8, Condition=X",), ("Component: S, Attributes=8",)),
    ("ICE63", ERROR, (f"Upgrade: {GUID}",), (), sequence(EXECUTE, "RemoveExistingProducts")),
    ("ICE63", ERROR, (), sequence(EXECUTE, "InstallInitialize", "RemoveFiles", "RemoveExistingProducts", "InstallFinalize"), sequence(EXECUTE, "InstallInitialize", "RemoveFiles", "InstallExecute", "RemoveExistingProducts", "InstallFinalize")),
    ("ICE63", ERROR, (), sequence(EXECUTE, "RemoveExistingProducts", "InstallValidate"), sequence(EXECUTE, "InstallValidate", "RemoveExistingProducts")),
    ("ICE64", ERROR, PROFILE, (), ("RemoveFile: r, DirProperty=Mine",)),
    ("ICE65", ERROR, (), ("Environment: e, PATH, ;a;[~]",), ("Environment: e, PATH, a;[~]",)),
    ("ICE65", WARNING, (), ("Environment: e, PATH, [~]xa",), ("Environment: e, PATH, [~];a",)),
    ("ICE66", WARNING, ("MsiServiceConfig: c",), ("summary PAGE_COUNT=200",), ("summary PAGE_COUNT=500",)),
    ("ICE67", WARNING, ("Shortcut: s, Component_=D, Target=[#f]", FILE), ("Component: C, Attributes=2",), ("Component: C, Attributes=0",)),
    ("ICE68", ERROR, (), ("CustomAction: a, 33",), ("CustomAction: a, 51",)),
    ("ICE68", ERROR, ("CustomAction: a, 1, b",), (), ("Binary: b",)),
    ("ICE69", ERROR, (FILE, "Component: C", "Component: D", "FeatureComponents: F, C"), ("Registry: r, Value=[#f], Component_=D",), ("Registry: r, Value=[#f], Component_=C",)),
    ("ICE69", WARNING, (FILE, "Component: C", "Component: D", "FeatureComponents: F, C"), ("Registry: r, Value=[#f], Component_=D", "FeatureComponents: F, D"), ("Registry: r, Value=[#f], Component_=C",)),
    ("ICE70", ERROR, (), ("Registry: r, Value=#12xz",), ("Registry: r, Value=#12",)),
    ("ICE70", ERROR, (), ("Registry: r, Value=#xz",), ("Registry: r, Value=#xaF",)),
    ("ICE70", ERROR, (), ("Registry: r, Value=#[#f]",), ("Registry: r, Value=#[PROPERTY]",)),
    ("ICE71", ERROR, (), ("Media: 2",), ("Media: 2", "Media: 1")),
    ("ICE72", ERROR, sequence(ADVERTISE, "a"), ("CustomAction: a, 1",), ("CustomAction: a, 51",)),
    ("ICE73", WARNING, (), ("Property: ProductCode, {80F7E030-A751-11D2-A7D4-006097C99860}",), (f"Property: ProductCode, {GUID}",)),
    ("ICE74", ERROR, (f"Property: UpgradeCode, {GUID}",), ("Property: FASTOEM, 1",), ()),
    ("ICE74", WARNING, (), (), (f"Property: UpgradeCode, {GUID}",)),
    ("ICE75", ERROR, ("CustomAction: a, 18",), sequence(EXECUTE, "a", "CostFinalize"), sequence(EXECUTE, "CostFinalize", "a")),
    ("ICE76", ERROR, ("FileSFPCatalog: f, c",), ("BindImage: f",), ("BindImage: g",)),
    ("ICE77", ERROR, ("CustomAction: a, 1025",), sequence(EXECUTE, "a", "InstallInitialize", "InstallFinalize"), sequence(EXECUTE, "InstallInitialize", "a", "InstallFinalize")),
    ("ICE78", ERROR, (), sequence("AdvtUISequence", "CostInitialize"), ()),
    ("ICE79", ERROR, ("Component: C", "Feature: F"), ("LaunchCondition: $D > 2",), ("LaunchCondition: $C > 2 AND &F <> 3 AND %PATH",)),
    ("ICE80", ERROR, ("Component: C, Attributes=256",), ("summary TEMPLATE=Intel;1033",), ("summary TEMPLATE=x64;1033",)),
    ("ICE80", ERROR, ("summary TEMPLATE=Intel;1033",), ("CustomAction: a, 4102",), ("CustomAction: a, 6",)),
    ("ICE81", ERROR, ("MsiDigitalSignature: Media, 1",), ("Media: 1, Cabinet=#a",), ("Media: 1, Cabinet=a.cab",)),
    ("ICE81", WARNING, ("MsiDigitalCertificate: c",), (), ("MsiDigitalSignature: Media, 1, c", "Media: 1, Cabinet=a.cab")),
    ("ICE82", ERROR, (), sequence(EXECUTE, "RegisterUser"), sequence(EXECUTE, *NEEDED)),
    ("ICE82", WARNING, (), ("AdminUISequence: CostInitialize, Sequence=1", "AdminUISequence: FileCost, Sequence=1"), sequence("AdminUISequence", "CostInitialize", "FileCost")),
    ("ICE83", ERROR, ("MsiAssembly: C, File_Manifest=m, Attributes=1", *sequence(EXECUTE, "MsiPublishAssemblies", "MsiUnpublishAssemblies")), ("Component: C, KeyPath=m",), ("Component: C, KeyPath=f",)),
    ("ICE83", ERROR, ("MsiAssembly: C",), sequence(EXECUTE, "MsiPublishAssemblies"), sequence(EXECUTE, "MsiPublishAssemblies", "MsiUnpublishAssemblies")),
    ("ICE84", WARNING, (), ("InstallExecuteSequence: FileCost, X",), ("InstallExecuteSequence: FileCost",)),
    ("ICE85", ERROR, (), ("MoveFile: m, SourceName=a:b",), ("MoveFile: m, SourceName=*.txt",)),
    ("ICE86", WARNING, (), ("LaunchCondition: AdminUser",), ("LaunchCondition: Privileged OR \"AdminUser\"",)),
    ("ICE87", WARNING, (), ("Property: ADDLOCAL, ALL",), ("Property: ADDFOREIGN, ALL",)),
    ("ICE88", WARNING, ("IniFile: i, DirProperty=D",), (), ("Directory: D",)),
    ("ICE89", ERROR, ("ProgId: p, q",), (), ("ProgId: q",)),
    ("ICE90", WARNING, (*PROFILE[:2],), ("Directory: MINE, AppDataFolder, x", "Shortcut: s, MINE"), ("Directory: Mine, AppDataFolder, x", "Shortcut: s, Mine")),
    ("ICE91", WARNING, (*PROFILE, FILE, "Property: ALLUSERS, 1"), ("Component: C, Directory_=Mine",), ("Component: C, Directory_=TARGETDIR",)),
    ("ICE92", ERROR, (), ("Component: C, Attributes=16",), (f"Component: C, {GUID}, Attributes=16",)),
    ("ICE92", ERROR, (), (f"Component: C, {GUID}, Attributes=1040",), (f"Component: C, {GUID}, Attributes=1024",)),
    ("ICE93", WARNING, (), ("CustomAction: FileCost, 51",), ("CustomAction: MyCost, 51",)),
    ("ICE94", WARNING, ("Shortcut: s, Component_=C, Target=[f]",), ("MsiAssembly: C",), ("MsiAssembly: C, File_Application=f",)),
    ("ICE95", WARNING, ("Control: D, b, Type=Billboard, Width=10, Height=10",), ("BBControl: B, x, X=5, Width=6, Height=10",), ("BBControl: B, x, X=5, Width=5, Height=10",)),
    ("ICE96", WARNING, sequence(ADVERTISE, "PublishFeatures"), (), ("AdvtExecuteSequence: PublishProduct, Sequence=9",)),
    ("ICE97", ERROR, ("Component: A, Directory_=D", "IsolatedComponent: S, A", "IsolatedComponent: S, B"), ("Component: B, Directory_=D",), ("Component: B, Directory_=E",)),
    ("ICE98", WARNING, (), ("ODBCDataSource: d, Description=a!",), ("ODBCDataSource: d, Description=a",)),
    ("ICE99", ERROR, (), ("Directory: CustomActionData",), ("Directory: Mine",)),
    ("ICE101", ERROR, (), (f"Feature: {'x' * 39}",), (f"Feature: {'x' * 38}",)),
    ("ICE102", ERROR, (), ("MsiServiceConfig: c, Event=1, ConfigType=3, Argument=2",), ("MsiServiceConfig: c, Event=1, ConfigType=3, Argument=1",)),
    ("ICE102", ERROR, (), ("MsiServiceConfigFailureActions: c, Event=1, ResetPeriod=1, Actions=1[~]1, DelayActions=1",), ("MsiServiceConfigFailureActions: c, Event=1, ResetPeriod=1, Actions=1[~]1, DelayActions=1[~]2",)),
    ("ICE102", WARNING, (), ("MsiServiceConfig: c, Event=1, ConfigType=7",), ("MsiServiceConfig: c, Event=1, ConfigType=7, Argument=9",)),
    ("ICE103", ERROR, ("ControlEvent: D, b, MsiPrint, x, -",), (), ("Control: D, t, Type=ScrollableText",)),
    ("ICE104", ERROR, ("MsiLockPermissionsEx: m, LockObject=f, Table=File", FILE), ("LockPermissions: f, File, -, u, 1",), ()),
    ("ICE105", WARNING, ("ServiceInstall: s",), ("summary WORD_COUNT=10",), ("summary WORD_COUNT=2",)),
    ("NAME", ERROR, ("Component: C, Directory_=D", "File: f, C, FileName=a~1|a long name"), ("File: g, C, FileName=A~1|another",), ("File: g, C, FileName=a~2|another",)),
]  # fmt: skip


def found(database: Database, rule: str) -> list[Finding]:
    """What a rule reports; its levels must be those that it declares."""
    findings = list(RULES[rule].run(database))
    assert {finding.level for finding in findings} <= set(RULES[rule].levels)
    assert all(finding.rule == rule and finding.message for finding in findings)
    return findings


@pytest.mark.parametrize(("rule", "level", "both", "bad", "good"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_is_tripped_by_its_fault_alone(rule: str, level: Level, both: Lines, bad: Lines, good: Lines) -> None:
    assert {finding.level for finding in found(made(*both, *bad), rule)} == {level}
    assert found(made(*both, *good), rule) == []


def test_every_rule_has_a_fault_at_each_of_its_levels() -> None:
    shown = {(rule, level) for rule, level, *_ in CASES}
    elsewhere = {("CAB", ERROR), ("HASH", ERROR), ("ICE25", ERROR), ("ICE32", ERROR), ("ICE100", ERROR)}
    assert shown | elsewhere == {(name, level) for name, rule in RULES.items() for level in rule.levels}
    assert not shown & elsewhere


def cabinet(*names: str) -> Database:
    """Two files in a cabinet, in an order."""
    database = made(
        "Media: 1, 2, Cabinet=#c", "File: a, C, FileSize=1, Sequence=1", "File: b, C, FileSize=1, Sequence=2"
    )
    when = datetime(2008, 1, 1, tzinfo=timezone.utc)
    database.streams["c"] = cab.write([[cab.CabinetFile(name, b"x", when) for name in names]])
    return database


@pytest.mark.parametrize("names", [("a",), ("b", "a"), ("a", "b", "c")])
def test_a_cabinet_must_hold_the_files_of_its_medium_in_order(names: tuple[str, ...]) -> None:
    assert found(cabinet("a", "b"), "CAB") == []
    assert found(cabinet(*names), "CAB") != []


def test_files_must_have_their_sizes_and_hashes() -> None:
    database = cabinet("a", "b")
    assert found(database, "HASH") == []
    database.insert("MsiFileHash", "a", 0, 1, 2, 3, 4)
    database.replace(database.rows("File")[1], FileSize=2)
    assert [finding.key for finding in found(database, "HASH")] == [("a",), ("b",)]


def table(name: str, *columns: str) -> Table:
    """A table of text columns, a star after the keys."""
    return Table(name, tuple(Column(c.rstrip("*"), "s72" if "*" in c else "S72", key="*" in c) for c in columns))


def test_modules_need_and_exclude_others() -> None:
    database = made()
    database.add_table(table("ModuleSignature", "ModuleID*"))
    database.add_table(table("ModuleDependency", "ModuleID*", "RequiredID"))
    database.add_table(table("ModuleExclusion", "ModuleID*", "ExcludedID"))
    database.insert("ModuleSignature", "A")
    database.insert("ModuleDependency", "A", "A")
    database.insert("ModuleExclusion", "A", "B")
    assert found(database, "ICE25") == []
    database.insert("ModuleDependency", "B", "B")
    database.insert("ModuleExclusion", "B", "A")
    assert len(found(database, "ICE25")) == 2


def test_a_foreign_key_is_as_its_key() -> None:
    database = made("Property: a")
    for size in (72, 71):
        column = Column("Property_", f"s{size}", key=True, key_table="Property", key_column=1)
        database.add_table(Table(f"T{size}", (column,)))
    assert [finding.table for finding in found(database, "ICE32")] == ["T71"]


def test_one_embedded_user_interface() -> None:
    database = made()
    columns = (Column("MsiEmbeddedUI", "s72", key=True), Column("FileName", "s72"), Column("Attributes", "i2"))
    database.add_table(Table("MsiEmbeddedUI", columns))
    database.insert("MsiEmbeddedUI", "a", "a.dll", 1)
    assert found(database, "ICE100") == []
    database.insert("MsiEmbeddedUI", "b", "a.dll", 1)
    assert len(found(database, "ICE100")) == 2


def test_only_some_rules() -> None:
    database = made("Media: 2", "Property: 1x")
    assert {finding.rule for finding in checks.run(database, ["ICE71"])} == {"ICE71"}
    with pytest.raises(WixpyError, match="there is no check ICE999"):
        checks.run(database, ["ICE999"])


def test_the_standard_tables_and_sequences_break_no_rule_of_structure() -> None:
    database = made()
    for each in schema.standard().values():
        database.add_table(each)
    for name in ("ICE06", "ICE29", "ICE32"):
        assert found(database, name) == []
    for name, actions in standard().items():
        for action in actions.values():
            if action.name not in ("DisableRollback", "ForceReboot"):
                database.insert(name, action.name, None, action.number)
    assert found(database, "ICE26") == found(database, "ICE27") == found(database, "ICE28") == []

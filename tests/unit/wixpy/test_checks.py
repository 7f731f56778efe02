# SPDX-License-Identifier: MIT
"""Integrity checks: a sound package has no findings, and each fault is found under its rule."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy import checks
from wixpy.checks import Level
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.package import installed_files
from wixpy.summary import Pid
from wixpy.tables import Cell, Column, Table

Package = Callable[..., Database]

GUID = "6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48"
BODY = """<Binary Id='bin' SourceFile='main.txt'/>
<MajorUpgrade DowngradeErrorMessage='Newer.'/>
<CustomAction Id='Do' FileKey='main' ExeCommand='[#main]' Execute='deferred'/>
<CustomAction Id='Set' Property='P' Value='v'/>
<InstallExecuteSequence><Custom Action='Do' After='InstallFiles'/><Custom Action='Set' After='CostFinalize'/>
</InstallExecuteSequence>"""
BESIDE = """<Component Id='Reg'><RegistryValue Id='r' Root='HKLM' Key='K' Name='n' Type='string' Value='v'/></Component>
<Component Id='Second'><File Id='second' Source='main.txt' Name='second.txt'/></Component>"""


@pytest.fixture
def sound(package: Package) -> Database:
    return package(BODY, beside=BESIDE)


def change(table: str, *key: Cell, **cells: Cell) -> Callable[[Database], None]:
    def apply(database: Database) -> None:
        row = database.get(table, *key)
        assert row is not None
        database.replace(row, **cells)

    return apply


def insert(table: str, *values: Cell | bytes) -> Callable[[Database], None]:
    return lambda database: database.insert(table, *values) and None


def remove(table: str, *key: Cell) -> Callable[[Database], None]:
    return lambda database: database.delete(table, *key)


def both(first: Callable[[Database], None], second: Callable[[Database], None]) -> Callable[[Database], None]:
    def apply(database: Database) -> None:
        first(database)
        second(database)

    return apply


def summary(pid: Pid, value: str | int) -> Callable[[Database], None]:
    return lambda database: database.summary.update({pid: value})


def stream(name: str, content: Callable[[bytes], bytes]) -> Callable[[Database], None]:
    return lambda database: database.streams.update({name: content(database.streams[name])})


def test_a_sound_package_has_no_findings(sound: Database) -> None:
    assert checks.run(sound) == []


FAULTS = {
    "a foreign key without its row": ("ICE03", change("File", "main", Component_="None")),
    "a control of no dialog": ("ICE03", insert("ControlCondition", "D", "C", "Hide", "1")),
    "a number beyond the range": ("ICE03", change("Feature", "All", Level=-1)),
    "a number that is not permitted": ("ICE03", change("Feature", "All", Attributes=3)),
    "a text that is not permitted": ("ICE03", insert("MsiLockPermissionsEx", "m", "main", "Other", "D:", None)),
    "a bad identifier": ("ICE03", insert("Property", "1X", "v")),
    "a long name without a short one": ("ICE03", change("File", "main", FileName="a long name.txt")),
    "a short name that is not short": ("ICE03", change("File", "main", FileName="a long.txt|a long name.txt")),
    "a name that Windows refuses": ("ICE03", change("File", "main", FileName="A.TXT|a:b")),
    "a GUID in small letters": ("ICE03", change("Component", "Main", ComponentId=f"{{{GUID.lower()}}}")),
    "a GUID without braces": ("ICE03", change("Component", "Main", ComponentId=GUID)),
    "a bad version": ("ICE03", change("File", "main", Version="1.x")),
    "an unbalanced condition": ("ICE03", change("InstallExecuteSequence", "Do", Condition="(A OR B")),
    "a condition of no grammar": ("ICE03", change("InstallExecuteSequence", "Do", Condition="A B")),
    "a registry key that ends with a backslash": ("ICE03", change("Registry", "r", Key="K\\")),
    "two files with one 8.3 name": (
        "NAME",
        both(change("File", "main", FileName="a~1.txt|a long.txt"), change("File", "second", FileName="a~1.txt|b.txt")),
    ),
    "two actions in the wrong order": ("ICE27", change("InstallExecuteSequence", "InstallValidate", Sequence=1)),
    "a deferred action outside the script": ("ICE77", change("InstallExecuteSequence", "Do", Sequence=1410)),
    "an open quote": ("ICE03", change("InstallExecuteSequence", "Do", Condition='REMOVE="ALL')),
    "a formatted text that names no file": ("ICE69", change("CustomAction", "Do", Target="[#none]")),
    "a formatted text that names no component": ("ICE69", change("Registry", "r", Value="[$None]")),
    "a key path of another component": ("ICE02", change("Component", "Main", KeyPath="second")),
    "a key path that is no registry value": ("ICE02", change("Component", "Reg", KeyPath="main")),
    "a directory that is not made": ("ICE18", change("Component", "Reg", KeyPath=None)),
    "a file beyond the media": ("ICE04", change("Media", 1, LastSequence=1)),
    "a GUID used twice": (
        "ICE08",
        both(*(change("Component", name, ComponentId=f"{{{GUID}}}") for name in ("Main", "Reg"))),
    ),
    "a component in no feature": ("ICE21", remove("FeatureComponents", "All", "Main")),
    "a product without a version": ("ICE05", remove("Property", "ProductVersion")),
    "a product code in another form": ("ICE24", change("Property", "ProductCode", Value="x")),
    "a version that is too large": ("ICE24", change("Property", "ProductVersion", Value="256.1.1")),
    "a language that is no number": ("ICE24", change("Property", "ProductLanguage", Value="en")),
    "a sequence without InstallFinalize": ("ICE26", remove("InstallExecuteSequence", "InstallFinalize")),
    "an action that does not exist": ("ICE27", insert("InstallExecuteSequence", "Nothing", None, 5000)),
    "InstallFiles before InstallInitialize": ("ICE27", change("InstallExecuteSequence", "InstallFiles", Sequence=1499)),
    "two components with one file": ("ICE30", change("File", "second", FileName="main.txt")),
    "no package code": ("ICE39", summary(Pid.REVISION, "x")),
    "no template": ("ICE39", summary(Pid.TEMPLATE, "x64")),
    "no schema": ("ICE39", lambda d: d.summary.pop(Pid.PAGE_COUNT) and None),
    "an upgrade property that is not secure": ("ICE61", change("Property", "SecureCustomProperties", Value="X")),
    "an upgrade property with a value": ("ICE61", insert("Property", "WIX_UPGRADE_DETECTED", "v")),
    "an upgrade that removes nothing": ("ICE63", remove("InstallExecuteSequence", "RemoveExistingProducts")),
    "a removal within the script": ("ICE63", change("InstallExecuteSequence", "RemoveExistingProducts", Sequence=5500)),
    "a removal before the validation": (
        "ICE63",
        change("InstallExecuteSequence", "RemoveExistingProducts", Sequence=1350),
    ),
    "a type of action that does not exist": ("ICE68", change("CustomAction", "Do", Type=33)),
    "an action without its source": ("ICE68", change("CustomAction", "Do", Type=2, Source="none")),
    "a deferred property": ("ICE68", change("CustomAction", "Set", Type=51 + 0x400)),
    "a 64-bit component in a 32-bit package": ("ICE80", summary(Pid.TEMPLATE, "Intel;1033")),
    "a 64-bit package for an old installer": ("ICE80", summary(Pid.PAGE_COUNT, 150)),
    "a 32-bit component in a 64-bit folder": ("ICE80", change("Component", "Main", Attributes=0)),
    "no cabinet": ("CAB", lambda d: d.streams.pop("cab1.cab") and None),
    "a damaged cabinet": ("CAB", stream("cab1.cab", lambda data: data[:-2] + b"xx")),
    "a cabinet cut short": ("CAB", stream("cab1.cab", lambda data: data[:50])),
    "another size": ("CAB", change("File", "main", FileSize=79)),
    "another hash": ("CAB", change("MsiFileHash", "main", HashPart1=1)),
    "another order": ("CAB", both(change("File", "main", Sequence=2), change("File", "second", Sequence=1))),
    "a file that is not in the cabinet": (
        "CAB",
        both(insert("File", "third", "Main", "c.txt", 0, None, None, 512, 3), change("Media", 1, LastSequence=3)),
    ),
    "a cabinet's file that is no row": ("CAB", remove("File", "second")),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_under_its_rule(sound: Database, fault: str) -> None:
    rule, spoil = FAULTS[fault]
    spoil(sound)
    findings = checks.run(sound)
    assert rule in {finding.rule for finding in findings if finding.level is Level.ERROR}, findings


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("ICE03", change("CustomAction", "Do", Target="x" * 300)),
        ("ICE82", insert("InstallExecuteSequence", "DisableRollback", None, 1500)),
    ],
)
def test_what_works_and_is_questionable_is_a_warning(
    sound: Database, rule: str, spoil: Callable[[Database], None]
) -> None:
    spoil(sound)
    assert {(finding.rule, finding.level) for finding in checks.run(sound)} == {(rule, Level.WARNING)}


def test_a_table_without_its_columns_is_the_only_finding(package: Package) -> None:
    database = package()
    database.add_table(Table("Icon", (Column("Name", "s72", key=True),)))
    remove("FeatureComponents", "All", "Main")(database)
    assert [finding.rule for finding in checks.run(database)] == ["ICE06"]


def test_damaged_packages_give_findings_or_a_reason_and_no_other_error(sound: Database) -> None:
    whole = sound.to_bytes()
    generator = random.Random(3)
    refused = 0
    for _ in range(600):
        damaged = bytearray(whole)
        for _ in range(generator.randrange(1, 10)):
            damaged[generator.randrange(len(damaged))] = generator.choice([0, 1, 255, generator.randrange(256)])
        try:
            database = Database.parse(bytes(damaged))
            checks.run(database)
            list(installed_files(database))
        except WixpyError as error:
            assert error.message
            refused += 1
    assert refused > 200


def test_check_reads_a_file(sound: Database, tmp_path: Path) -> None:
    remove("FeatureComponents", "All", "Main")(sound)
    sound.commit(tmp_path / "x.msi")
    (finding,) = wixpy.check(tmp_path / "x.msi")
    assert str(finding) == "ICE21 error: Main belongs to no feature [Component Main]"


def test_a_build_that_fails_its_checks_keeps_the_old_package(package: Package, tmp_path: Path) -> None:
    package()
    before = (tmp_path / "sample.msi").read_bytes()
    with pytest.raises(WixpyError, match="ICE69") as caught:
        package("\n<CustomAction Id='A' FileKey='main' ExeCommand='[#none] [#other]'/>")
    assert (tmp_path / "sample.msi").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main.txt", "sample.msi", "sample.wxs"]
    assert caught.value.line == 12
    assert "other" in caught.value.message, "every fault is named"

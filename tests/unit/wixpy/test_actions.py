# SPDX-License-Identifier: MIT
"""Custom actions and sequences, as rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wixpy.actions import standard
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.wxs.actions import KINDS, SEQUENCES
from wixpy.wxs.grammar import elements

Package = Callable[..., Database]

BINARY = "<Binary Id='bin' SourceFile='main.txt'/>"
PLACE = "<InstallExecuteSequence><Custom Action='A' {}/></InstallExecuteSequence>"


def scheduled(database: Database, table: str = "InstallExecuteSequence") -> list[str]:
    return [str(r["Action"]) for r in sorted(database.rows(table), key=lambda r: r.number("Sequence"))]


# Types of the Windows Installer SDK, “Summary List of All Custom Action Types”.
@pytest.mark.parametrize(
    ("attributes", "kind", "origin", "target"),
    [
        ("BinaryKey='bin' DllEntry='Entry'", 1, "bin", "Entry"),
        ("BinaryKey='bin' ExeCommand='/x'", 2, "bin", "/x"),
        ("BinaryKey='bin' JScriptCall='f'", 5 + 0x1000, "bin", "f"),
        ("BinaryKey='bin' VBScriptCall='f' Win64='no'", 6, "bin", "f"),
        ("FileKey='main' DllEntry='Entry'", 17, "main", "Entry"),
        ("FileKey='main' ExeCommand=''", 18, "main", None),
        ("FileKey='main' JScriptCall='f' Win64='no'", 21, "main", "f"),
        ("FileKey='main' VBScriptCall='f' Win64='no'", 22, "main", "f"),
        ("Error='No [ProductName].'", 19, None, "No [ProductName]."),
        ("Directory='INSTALLDIR' ExeCommand='x.exe'", 34, "INSTALLDIR", "x.exe"),
        ("Directory='INSTALLDIR' Value='[X]'", 35, "INSTALLDIR", "[X]"),
        ("Property='P' ExeCommand='/x'", 50, "P", "/x"),
        ("Property='P' Value='[X]'", 51, "P", "[X]"),
        ("Property='P' JScriptCall='f' Win64='no'", 53, "P", "f"),
        ("Property='P' VBScriptCall='f' Win64='no'", 54, "P", "f"),
    ],
)
def test_kinds(package: Package, attributes: str, kind: int, origin: str | None, target: str | None) -> None:
    database = package(f"{BINARY}<CustomAction Id='A' {attributes}/>")
    assert database.rows("CustomAction")[0].cells == ("A", kind, origin, target)


@pytest.mark.parametrize(
    ("attributes", "bits"),
    [
        ("Execute='immediate' Return='check'", 0),
        ("Return='ignore'", 0x40),
        ("Return='asyncWait'", 0x80),
        ("Return='asyncNoWait'", 0xC0),
        ("Execute='firstSequence'", 0x100),
        ("Execute='oncePerProcess'", 0x200),
        ("Execute='secondSequence'", 0x300),
        ("Execute='deferred'", 0x400),
        ("Execute='rollback'", 0x500),
        ("Execute='commit'", 0x600),
        ("Execute='deferred' Impersonate='no'", 0xC00),
        ("HideTarget='yes'", 0x2000),
        ("TerminalServerAware='yes'", 0x4000),
    ],
)
def test_options(package: Package, attributes: str, bits: int) -> None:
    database = package(f"<CustomAction Id='A' FileKey='main' ExeCommand='x' {attributes}/>")
    assert database.rows("CustomAction")[0]["Type"] == 18 + bits


def test_deferred_actions_around_standard_ones(package: Package) -> None:
    database = package(
        """<CustomAction Id='Back' FileKey='main' ExeCommand='back' Execute='rollback' Impersonate='no'/>
        <CustomAction Id='Do' FileKey='main' ExeCommand='do' Execute='deferred' Impersonate='no'/>
        <CustomAction Id='Undo' FileKey='main' ExeCommand='undo' Execute='deferred' Impersonate='no'/>
        <InstallExecuteSequence><Custom Action='Do' After='Back'>NOT REMOVE</Custom>
        <Custom Action='Back' After='InstallFiles'>NOT REMOVE</Custom>
        <Custom Action='Undo' Before='RemoveFiles'><![CDATA[REMOVE="ALL" AND 1 < 2]]></Custom>
        </InstallExecuteSequence>"""
    )
    order = scheduled(database)
    at = order.index("InstallFiles")
    assert order[at : at + 3] == ["InstallFiles", "Back", "Do"]
    assert order[order.index("RemoveFiles") - 1] == "Undo"
    row = database.get("InstallExecuteSequence", "Undo")
    assert row is not None
    assert row["Condition"] == 'REMOVE="ALL" AND 1 < 2'


@pytest.mark.parametrize(
    ("sequence", "tables"),
    [
        ("", {"InstallExecuteSequence", "InstallUISequence"}),
        ("Sequence='both'", {"InstallExecuteSequence", "InstallUISequence"}),
        ("Sequence='execute'", {"InstallExecuteSequence"}),
        ("Sequence='ui'", {"InstallUISequence"}),
    ],
)
def test_set_property(package: Package, sequence: str, tables: set[str]) -> None:
    database = package(f"<SetProperty Id='P' Value='[X]' Before='CostFinalize' {sequence}>NOT P</SetProperty>")
    assert database.rows("CustomAction")[0].cells == ("SetP", 51, "P", "[X]")
    assert {table for table in SEQUENCES.values() if database.get(table, "SetP")} == tables


def test_set_property_in_the_first_sequence_only(package: Package) -> None:
    database = package("<SetProperty Id='P' Action='A' Value='v' After='AppSearch' Sequence='first'/>")
    assert database.rows("CustomAction")[0].cells == ("A", 51 + 0x100, "P", "v")


def test_a_standard_action_that_another_is_scheduled_by_is_there(package: Package) -> None:
    database = package("<SetProperty Id='P' Value='v' After='AppSearch'/>")
    assert database.get("InstallExecuteSequence", "AppSearch") is not None


def test_standard_actions_are_moved_conditioned_and_suppressed(package: Package) -> None:
    database = package(
        """<InstallExecuteSequence><ScheduleReboot After='InstallFinalize'>1</ScheduleReboot>
        <ResolveSource Sequence='950'/>
        <DisableRollback/><ValidateProductID Suppress='yes'/></InstallExecuteSequence>"""
    )
    rows = {row["Action"]: row.cells[1:] for row in database.rows("InstallExecuteSequence")}
    assert rows["ScheduleReboot"] == ("1", 6601)
    assert rows["ResolveSource"] == (None, 950)
    assert rows["DisableRollback"] == (None, 1501)
    assert "ValidateProductID" not in rows


def test_only_needed_standard_actions_are_scheduled(package: Package) -> None:
    order = scheduled(package())
    assert "InstallFiles" in order
    assert "InstallServices" not in order
    service = "<ServiceInstall Name='s' Type='ownProcess' Start='demand' ErrorControl='normal'/>"
    assert "InstallServices" in scheduled(package(inside=service))


def test_actions_at_the_ends(package: Package) -> None:
    place = PLACE.format("OnExit='success'")
    database = package(f"<CustomAction Id='A' FileKey='main' ExeCommand='x'/>{place}")
    row = database.get("InstallExecuteSequence", "A")
    assert row is not None
    assert row["Sequence"] == -1


@pytest.mark.parametrize("element", SEQUENCES)
def test_every_sequence_takes_custom_actions(package: Package, element: str) -> None:
    database = package(
        f"<CustomAction Id='A' Property='P' Value='v'/><{element}><Custom Action='A' After='CostFinalize'/></{element}>"
    )
    assert database.get(SEQUENCES[element], "A") is not None


def test_every_pair_of_a_custom_action_is_in_the_grammar() -> None:
    attributes = elements()["CustomAction"].attributes
    assert {name for pair in KINDS for name in pair} <= attributes.keys()
    assert set(SEQUENCES.values()) == standard().keys()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<CustomAction Id='A' BinaryKey='none' ExeCommand='x'/>", "Binary “none”"),
        ("<CustomAction Id='A' FileKey='mian' ExeCommand='x'/>", "File “mian”"),
        ("<CustomAction Id='A' BinaryKey='b' Value='x'/>", "BinaryKey and Value"),
        ("<CustomAction Id='A' FileKey='main'/>", "says what to run with FileKey"),
        ("<CustomAction Id='A' FileKey='main' ExeCommand='x' DllEntry='y'/>", "FileKey and DllEntry and ExeCommand"),
        ("<CustomAction Id='A'/>", "with nothing"),
        ("<CustomAction Id='A' Error='x' FileKey='main'/>", "does nothing else"),
        ("<CustomAction Id='A' FileKey='main' ExeCommand='x' Impersonate='no'/>", "only deferred actions"),
        ("<CustomAction Id='A' Property='P' Value='x' Execute='deferred'/>", "cannot be deferred"),
        ("<CustomAction Id='A' FileKey='main' DllEntry='x' Return='asyncNoWait'/>", "without being waited for"),
        ("<CustomAction Id='A' FileKey='main' ExeCommand='x' Win64='yes'/>", "Win64 is for script"),
        ("<CustomAction Id='A' Script='jscript'/>", "is its text and nothing else"),
        ("<InstallExecuteSequence><Custom Action='None' After='InstallFiles'/></InstallExecuteSequence>", "“None”"),
        ("<InstallUISequence><InstallFiles/></InstallUISequence>", "does not belong into InstallUISequence"),
        ("<SetProperty Id='P' Value='v'/>", "no place"),
        ("<SetProperty Id='P' Value='v' After='None'/>", "not in the sequence"),
        ("<SetProperty Id='P' Value='v' After='SetP'/>", "circle"),
        ("<InstallExecuteSequence><ScheduleReboot/><ScheduleReboot/></InstallExecuteSequence>", "scheduled twice"),
        (
            "<InstallExecuteSequence><ScheduleReboot Suppress='yes'>1</ScheduleReboot></InstallExecuteSequence>",
            "suppressed and has",
        ),
    ],
)
def test_what_is_no_action(package: Package, body: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        package(body)
    assert caught.value.line is not None
    assert caught.value.hint


@pytest.mark.parametrize(
    "place", ["", "After='InstallFiles' Sequence='4001'", "OnExit='error' Sequence='1'", "Sequence='0'"]
)
def test_a_custom_action_needs_one_place(package: Package, place: str) -> None:
    with pytest.raises(WixpyError, match=r"one place|not positive"):
        package(f"<CustomAction Id='A' FileKey='main' ExeCommand='x'/>{PLACE.format(place)}")


@pytest.mark.parametrize(
    ("action", "place", "rule"),
    [
        ("FileKey='main' ExeCommand='x' Execute='deferred'", "Before='InstallInitialize'", "ICE77"),
        ("FileKey='main' ExeCommand='x' Execute='commit'", "After='InstallFinalize'", "ICE77"),
        ("Directory='INSTALLDIR' Value='x'", "Before='CostFinalize'", "ICE12"),
        ("Property='INSTALLDIR' Value='x'", "After='InstallFiles'", "ICE12"),
        ("FileKey='main' ExeCommand='x'", "Before='CostInitialize'", "ICE75"),
    ],
)
def test_a_misplaced_action_is_refused_at_its_line(package: Package, action: str, place: str, rule: str) -> None:
    with pytest.raises(WixpyError, match=rule) as caught:
        package(f"<CustomAction Id='A' {action}/>\n{PLACE.format(place)}")
    assert caught.value.line == 12

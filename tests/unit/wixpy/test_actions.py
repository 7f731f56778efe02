# SPDX-License-Identifier: MIT
"""Custom actions and sequences, as rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from wixpy.actions import standard
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.wxs.actions import KINDS, SEQUENCES, custom_action
from wixpy.wxs.compilation import Compilation
from wixpy.wxs.grammar import elements
from wixpy.wxs.source import Node

Package = Callable[..., Database]

BINARY = "<Binary Id='bin' SourceFile='main.txt'/>"
PLACE = "<InstallExecuteSequence><Custom Action='A' {}/></InstallExecuteSequence>"


def scheduled(database: Database, table: str = "InstallExecuteSequence") -> list[str]:
    return [str(r["Action"]) for r in sorted(database.rows(table), key=lambda r: r.number("Sequence"))]


# Windows Installer SDK, “Summary List of All Custom Action Types”, “Custom Action Return Processing Options”, “Custom
# Action Execution Scheduling Options” and “Custom Action In-Script Execution Options”, in the SDK's decimals.
SOURCES = {"BinaryKey": "bin", "FileKey": "main", "Directory": "INSTALLDIR", "Property": "P"}
TYPES = {
    ("BinaryKey", "DllEntry"): 1, ("BinaryKey", "ExeCommand"): 2, ("BinaryKey", "JScriptCall"): 5,
    ("BinaryKey", "VBScriptCall"): 6, ("FileKey", "DllEntry"): 17, ("FileKey", "ExeCommand"): 18,
    ("Error",): 19, ("FileKey", "JScriptCall"): 21, ("FileKey", "VBScriptCall"): 22, ("Directory", "ExeCommand"): 34,
    ("Directory", "Value"): 35, ("Script", "jscript"): 37, ("Script", "vbscript"): 38, ("Property", "ExeCommand"): 50,
    ("Property", "Value"): 51, ("Property", "JScriptCall"): 53, ("Property", "VBScriptCall"): 54,
}  # fmt: skip
PROGRAMS, SCRIPTS, INSTALLERS_OWN = {2, 18, 34, 50}, {5, 6, 21, 22, 37, 38, 53, 54}, {19, 35, 51}
RETURNS = {None: 0, "check": 0, "ignore": 64, "asyncWait": 128, "asyncNoWait": 192}
EXECUTES = {None: 0, "immediate": 0, "firstSequence": 256, "oncePerProcess": 512, "secondSequence": 768}
IN_SCRIPT = {"deferred": 1024, "rollback": 1280, "commit": 1536}
NO_IMPERSONATE, SCRIPT_64BIT, HIDE_TARGET, TERMINAL_SERVER_AWARE = 2048, 4096, 8192, 16384
FLAGS = [
    dict(zip(("Impersonate", "TerminalServerAware", "HideTarget", "Win64"), flags, strict=True))
    for flags in itertools.product((None, "no"), (None, "yes"), (None, "yes"), (None, "yes", "no"))
]


def of_the_sdk(kind: int, execute: str | None, returns: str | None, flags: dict[str, str | None]) -> int | None:
    """The Type of an action for a 32-bit package; None for what the SDK does not have."""
    in_script, quiet = execute in IN_SCRIPT, flags["Impersonate"] != "no"
    impossible = (
        (in_script and kind in INSTALLERS_OWN)
        or (not quiet and not in_script)
        or (flags["TerminalServerAware"] == "yes" and (not in_script or not quiet))
        or (flags["Win64"] is not None and kind not in SCRIPTS)
        or (returns == "asyncNoWait" and kind not in PROGRAMS)
        or (returns in ("asyncWait", "asyncNoWait") and execute == "rollback")
    )
    if impossible:
        return None
    number = kind + RETURNS[returns] + {**EXECUTES, **IN_SCRIPT}[execute]
    number += 0 if quiet else NO_IMPERSONATE
    number += SCRIPT_64BIT if flags["Win64"] == "yes" else 0
    number += HIDE_TARGET if flags["HideTarget"] == "yes" else 0
    return number + (TERMINAL_SERVER_AWARE if flags["TerminalServerAware"] == "yes" else 0)


@pytest.mark.parametrize(("words", "kind"), TYPES.items(), ids=[f"type {kind}" for kind in TYPES.values()])
def test_all_that_is_said_of_an_action_together(words: tuple[str, ...], kind: int) -> None:
    """Every combination of attributes has the SDK's number, and is refused when the SDK has none."""
    what = {words[0]: words[1] if words[0] == "Script" else SOURCES.get(words[0], "text")}
    what |= {words[1]: "target"} if words[0] in SOURCES else {}
    target = "text" if words[0] in ("Error", "Script") else "target"
    compilation = Compilation(Path(), 1)
    accepted = 0
    for number, (execute, returns, flags) in enumerate(itertools.product({**EXECUTES, **IN_SCRIPT}, RETURNS, FLAGS)):
        given = {"Id": f"A{number}", "Execute": execute, "Return": returns, **what, **flags}
        attributes = {name: value for name, value in given.items() if value is not None}
        node = Node("CustomAction", attributes, Path("x.wxs"), 1, text="text" if words[0] == "Script" else "")
        expected = of_the_sdk(kind, execute, returns, flags)
        try:
            custom_action(compilation, node)
        except WixpyError:
            assert expected is None, attributes
            continue
        # An attribute that nothing has read is refused by the compiler.
        assert (expected is None) == bool(attributes.keys() - node.read), attributes
        row = compilation.database.get("CustomAction", f"A{number}")
        assert row is not None
        assert expected is None or row.cells[1:] == (expected, SOURCES.get(words[0]), target), attributes
        accepted += expected is not None
    assert accepted >= 40


def test_scripts_are_as_wide_as_the_package(package: Package) -> None:
    database = package(f"{BINARY}<CustomAction Id='A' BinaryKey='bin' JScriptCall='f'/>"
                       "<CustomAction Id='B' Script='vbscript' Win64='no'>x</CustomAction>")  # fmt: skip
    assert [row["Type"] for row in database.rows("CustomAction")] == [5 + SCRIPT_64BIT, 38]


def test_an_empty_command_line_is_null(package: Package) -> None:
    assert package("<CustomAction Id='A' FileKey='main' ExeCommand=''/>").rows("CustomAction")[0]["Target"] is None


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

# SPDX-License-Identifier: MIT
"""Checks of dialogs and controls."""

from __future__ import annotations

import re

from wixpy.checks.finding import Findings, Level, error, rule, warning
from wixpy.checks.relations import group
from wixpy.database import Database, Row
from wixpy.tables import Cell

_USABLE, _INDIRECT, _BITMAP, _ICON, _ERROR_DIALOG = 3, 8, 0x40000, 0x80000, 0x10000
_LISTS = {"ListBox": "ListBox", "ComboBox": "ComboBox", "ListView": "ListView", "RadioButtonGroup": "RadioButton"}
_PICTURED = ("PushButton", "CheckBox", "RadioButtonGroup")
_ERROR_BUTTONS = {
    "A": "ErrorAbort", "C": "ErrorCancel", "I": "ErrorIgnore", "N": "ErrorNo", "O": "ErrorOk", "R": "ErrorRetry",
    "Y": "ErrorYes",
}  # fmt: skip
_AT_END = {-1: "success", -2: "the user's exit", -3: "failure"}
_STYLE = r"\{[\\&]([^{}]*)(\}?)"
_PROPERTY = r"\[([A-Za-z_][\w.]*)\]"
_MAX_STYLE = 72
_DIALOG_EVENTS = ("newdialog", "spawndialog", "spawnwaitdialog")


def _has_binary(database: Database, text: str) -> bool:
    """Whether a text is the name of a picture: of a row of Binary, or of a property that names one."""
    match = re.fullmatch(_PROPERTY, text)
    if match:
        text = database.property(match[1]) or "[]"
    return "[" in text or database.get("Binary", text) is not None


_FILLED_WHILE_INSTALLING = "FileInUseProcess"


@rule(Level.ERROR, Level.WARNING)
def ice17(database: Database) -> Findings:
    """A push button that can be pressed has an event, pictures are in Binary, no control has both a bitmap and an
    icon; a list or group without rows for its property is a warning, but not where the installer fills it."""
    events = {row.cells[:2] for row in database.rows("ControlEvent")}
    changing = {row.cells[:2] for row in database.rows("ControlCondition")}
    items = {kind: group(database.rows(table), "Property") for kind, table in _LISTS.items()}
    for row in database.rows("Control"):
        kind, attributes = row.text("Type"), row.number("Attributes")
        usable = attributes & _USABLE == _USABLE or row.key in changing
        if kind == "PushButton" and usable and row.key not in events:
            yield error(row, f"the button {row['Control']} has no event")
        direct = kind in _LISTS and row["Property"] is not None and not attributes & _INDIRECT
        if direct and row["Property"] not in {*items[kind], _FILLED_WHILE_INSTALLING}:
            yield warning(row, f"{_LISTS[kind]} has no rows for {row['Property']}")
        if kind in _PICTURED and attributes & _BITMAP and attributes & _ICON:
            yield error(row, f"{row['Control']} is to show a bitmap and an icon")
            continue
        for picture in _pictures(row, items["RadioButtonGroup"].get(row["Property"], [])):
            if picture and not _has_binary(database, picture):
                yield error(row, f"the picture {picture} of {row['Control']} is not in Binary")


def _pictures(row: Row, buttons: list[Row]) -> list[str]:
    """The names of pictures that a control shows."""
    kind = row.text("Type")
    if kind in ("Bitmap", "Icon"):
        return [row.text("Text")]
    if kind not in _PICTURED or not row.number("Attributes") & (_BITMAP | _ICON):
        return []
    return [button.text("Text") for button in buttons] if kind == "RadioButtonGroup" else [row.text("Text")]


@rule()
def ice20(database: Database) -> Findings:
    """A user interface (a Dialog table, and not LIMITUI) has the dialogs that Windows Installer shows: FilesInUse, an
    error dialog, and one each for success, exit and failure."""
    if not database.rows("Dialog") or database.property("LIMITUI") is not None:
        return
    dialog = database.get("Dialog", "FilesInUse")
    if dialog is None:
        yield error(None, "the dialog FilesInUse is missing")
    else:
        yield from _files_in_use(database, dialog)
    errors = [row for row in database.rows("Dialog") if row.number("Attributes") & _ERROR_DIALOG]
    if not errors:
        yield error(None, "there is no error dialog")
    for row in errors:
        yield from _error_dialog(database, row)
    for table in ("InstallUISequence", "AdminUISequence"):
        rows = database.rows(table)
        for number, what in _AT_END.items():
            if rows and not any(row["Sequence"] == number for row in rows):
                yield error(None, f"{table} has no dialog for {what} ({number})")


def _ends(database: Database, dialog: Row) -> dict[str, set[Cell]]:
    """The controls that end a dialog, by the argument of EndDialog."""
    ends: dict[str, set[Cell]] = {}
    for row in database.rows("ControlEvent"):
        if row["Dialog_"] == dialog.key[0] and row.text("Event").lower() == "enddialog":
            ends.setdefault(row.text("Argument").lower(), set()).add(row["Control_"])
    return ends


def _files_in_use(database: Database, dialog: Row) -> Findings:
    controls = [row for row in database.rows("Control") if row["Dialog_"] == dialog.key[0]]
    if not any(row["Type"] == "ListBox" and row["Property"] == "FileInUseProcess" for row in controls):
        yield error(dialog, "FilesInUse has no list of the property FileInUseProcess")
    ends = _ends(database, dialog)
    for argument in ("Ignore", "Exit", "Retry"):
        if argument.lower() not in ends:
            yield error(dialog, f"FilesInUse has no button that ends it with {argument}")


def _error_dialog(database: Database, dialog: Row) -> Findings:
    ends = _ends(database, dialog)
    name = dialog.text("Dialog")
    if dialog["Control_First"] != "ErrorText" or database.get("Control", name, "ErrorText") is None:
        yield error(dialog, f"the first control of {name} is not ErrorText")
    icon = database.get("Control", name, "ErrorIcon")
    if icon is not None and icon["Type"] != "Icon":
        yield error(icon, "ErrorIcon is no icon")
    for button, argument in _ERROR_BUTTONS.items():
        if button not in ends.get(argument.lower(), set()):
            yield error(dialog, f"{name} has no button {button} that ends it with {argument}")


@rule()
def ice23(database: Database) -> Findings:
    """Each dialog has a first control, and Control_Next makes one loop through all controls that have one."""
    by_dialog = group(database.rows("Control"), "Dialog_")
    for dialog in database.rows("Dialog"):
        name, first = dialog["Dialog"], dialog["Control_First"]
        controls = {row["Control"]: row["Control_Next"] for row in by_dialog.get(name, [])}
        if first not in controls:
            yield error(dialog, f"the first control of {name} is missing" if first is None else
                        f"the first control {first} of {name} is not there")  # fmt: skip
            continue
        linked = {control for control, following in controls.items() if following is not None}
        for control in sorted(linked, key=str):
            if controls[control] not in controls:
                yield error(dialog, f"the control after {name}.{control}, {controls[control]}, is not there")
        if not linked:
            continue
        seen: list[Cell] = []
        current: Cell = first
        while current is not None and current in controls and current not in seen:
            seen.append(current)
            current = controls[current]
        if current is None:
            yield error(dialog, f"the tab order of {name} ends at {seen[-1]}")
        elif current in controls and (current != first or linked - set(seen)):
            yield error(dialog, f"the tab order of {name} is no loop through all controls: it turns at {seen[-1]}")


@rule(Level.ERROR, Level.WARNING)
def ice31(database: Database) -> Findings:
    """Styles of text in controls, and DefaultUIFont, are in TextStyle; one that is not at the start is a warning."""
    default = database.property("DefaultUIFont")
    if default is not None and database.get("TextStyle", default) is None:
        yield error(database.get("Property", "DefaultUIFont"), f"the text style {default} is not there")
    for row in database.rows("Control"):
        if row["Type"] == "ScrollableText":
            continue
        for position, match in enumerate(re.finditer(_STYLE, row.text("Text"))):
            style, closed = match.groups()
            if not closed:
                yield error(row, "the text style has no closing brace")
            elif len(style) > _MAX_STYLE:
                yield error(row, "the name of the text style is too long")
            elif position or match.start():
                yield warning(row, f"the text style {style} is not at the start and has no effect")
            elif "[" not in style and database.get("TextStyle", style) is None:
                yield error(row, f"the text style {style} is not there")


@rule()
def ice34(database: Database) -> Findings:
    """A group of radio buttons has a property whose value is that of one of its buttons."""
    buttons = group(database.rows("RadioButton"), "Property")
    for row in database.rows("Control"):
        if row["Type"] != "RadioButtonGroup":
            continue
        name = row["Property"]
        if name is None:
            yield error(row, f"the group {row['Control']} has no property")
            continue
        if row.number("Attributes") & _INDIRECT:
            name = database.property(str(name))
        values = {each["Value"] for each in buttons.get(name, [])}
        value = None if name is None else database.property(str(name))
        if value is None:
            yield error(row, f"the property {name or row['Property']} of the group {row['Control']} has no value")
        elif value not in values:
            yield error(row, f"the value {value} of {name} is that of no button of {row['Control']}")


@rule()
def ice44(database: Database) -> Findings:
    """Events that show a dialog name one that is there."""
    for row in database.rows("ControlEvent"):
        name = row.text("Argument")
        if row.text("Event").lower() in _DIALOG_EVENTS and "[" not in name and database.get("Dialog", name) is None:
            yield error(row, f"{row['Event']} shows the dialog {name}, which is not there")


@rule(Level.WARNING)
def ice95(database: Database) -> Findings:
    """The controls of a billboard fit into every control that shows billboards."""
    frames = [row for row in database.rows("Control") if row["Type"] == "Billboard"]
    for row in database.rows("BBControl"):
        for frame in frames:
            wide = row.number("X") + row.number("Width") > frame.number("Width")
            if wide or row.number("Y") + row.number("Height") > frame.number("Height"):
                yield warning(row, f"{row['BBControl']} does not fit into {'.'.join(map(str, frame.key))}")


@rule()
def ice103(database: Database) -> Findings:
    """MsiPrint is an event of dialogs with scrollable text, and MsiLaunchApp names a file."""
    scrollable = {row["Dialog_"] for row in database.rows("Control") if row["Type"] == "ScrollableText"}
    for row in database.rows("ControlEvent"):
        event, argument = row.text("Event").lower(), row.text("Argument")
        if event == "msiprint" and row["Dialog_"] not in scrollable:
            yield error(row, f"{row['Dialog_']} has no scrollable text to print")
        if event == "msilaunchapp" and database.get("File", argument.strip("[]#!")) is None:
            yield error(row, f"the file {argument} to launch is not there")

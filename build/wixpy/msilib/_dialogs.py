# SPDX-License-Identifier: MIT
"""Dialogs and their controls."""

from __future__ import annotations

from wixpy.msilib._msi import Database
from wixpy.msilib._tables import add_data

VISIBLE = 1


class Control:
    """A control of a dialog.

    >>> from wixpy.msilib import gen_uuid, init_database, schema
    >>> db = init_database("hello.msi", schema, "Hello", gen_uuid(), "1.0.0", "Maker")
    >>> dialog = Dialog(db, "Hello", 50, 10, 370, 270, 3, "Setup of [ProductName]", "Next", "Next", "Next")
    >>> following = dialog.pushbutton("Next", 236, 243, 56, 17, 3, "&Next >", None)
    >>> following.event("EndDialog", "Return")
    >>> following.condition("disable", "NOT BOX")
    >>> following.mapping("SelectionNoItems", "Enabled")
    >>> view = db.OpenView("SELECT `Control_`, `Event`, `Argument` FROM `ControlEvent`")
    >>> view.Execute(None)
    >>> view.Fetch()
    <Record 'Next', 'EndDialog', 'Return'>
    """

    def __init__(self, dlg: Dialog, name: str) -> None:
        self.dlg = dlg
        self.name = name

    def event(self, event: str, argument: str, condition: str | int = "1", ordering: int | None = None) -> None:
        """Add a row to ControlEvent."""
        row = (self.dlg.name, self.name, event, argument, str(condition), ordering)
        add_data(self.dlg.db, "ControlEvent", [row])

    def mapping(self, event: str, attribute: str) -> None:
        """Add a row to EventMapping."""
        add_data(self.dlg.db, "EventMapping", [(self.dlg.name, self.name, event, attribute)])

    def condition(self, action: str, condition: str) -> None:
        """Add a row to ControlCondition."""
        add_data(self.dlg.db, "ControlCondition", [(self.dlg.name, self.name, action, condition)])


class RadioButtonGroup(Control):
    """A group of radio buttons that sets a property.

    >>> from wixpy.msilib import gen_uuid, init_database, schema
    >>> db = init_database("hello.msi", schema, "Hello", gen_uuid(), "1.0.0", "Maker")
    >>> dialog = Dialog(db, "Hello", 50, 10, 370, 270, 3, "Setup of [ProductName]", "Who", None, None)
    >>> group = dialog.radiogroup("Who", 15, 120, 300, 50, 3, "WHO", None, None)
    >>> group.add("Me", 0, 0, 200, 15, "&Mine")
    >>> group.add("All", 0, 20, 200, 15, "&Everybody's", "everybody")
    >>> view = db.OpenView("SELECT `Value`, `Text` FROM `RadioButton`")
    >>> view.Execute(None)
    >>> list(view)
    [<Record 'Me', '&Mine'>, <Record 'everybody', "&Everybody's">]
    """

    def __init__(self, dlg: Dialog, name: str, property: str) -> None:
        super().__init__(dlg, name)
        self.property = property
        self.index = 1

    def add(self, name: str, x: int, y: int, w: int, h: int, text: str, value: str | None = None) -> None:
        """Add a button; ``value`` is what it sets the property to, its name by default."""
        row = (self.property, self.index, name if value is None else value, x, y, w, h, text, None)
        add_data(self.dlg.db, "RadioButton", [row])
        self.index += 1


class Dialog:
    """A dialog; ``attr`` is its style bits, the last three arguments name its first, default and cancel controls.

    >>> from wixpy.msilib import gen_uuid, init_database, schema
    >>> db = init_database("hello.msi", schema, "Hello", gen_uuid(), "1.0.0", "Maker")
    >>> dialog = Dialog(db, "Hello", 50, 10, 370, 270, 3, "Setup of [ProductName]", "Next", "Next", "Next")
    >>> _ = dialog.text("Title", 15, 6, 200, 15, 3, "Whose is it?")
    >>> _ = dialog.bitmap("Picture", 0, 0, 370, 44, "banner")
    >>> _ = dialog.line("Line", 0, 234, 370, 0)
    >>> _ = dialog.checkbox("Box", 15, 60, 300, 18, 3, "BOX", "&Really", None)
    >>> _ = dialog.radiogroup("Who", 15, 120, 300, 50, 3, "WHO", None, "Next")
    >>> _ = dialog.pushbutton("Next", 236, 243, 56, 17, 3, "&Next >", None)
    >>> _ = dialog.control("Path", "PathEdit", 15, 90, 300, 18, 3, "TARGETDIR", None, None, None)
    >>> view = db.OpenView("SELECT `Control`, `Type` FROM `Control` WHERE `Text` = '&Next >'")
    >>> view.Execute(None)
    >>> view.Fetch()
    <Record 'Next', 'PushButton'>
    """

    def __init__(
        self, db: Database, name: str, x: int, y: int, w: int, h: int, attr: int, title: str | None, first: str,
        default: str | None, cancel: str | None,
    ) -> None:  # fmt: skip
        self.db = db
        self.name = name
        self.x, self.y, self.w, self.h = x, y, w, h
        add_data(db, "Dialog", [(name, x, y, w, h, attr, title, first, default, cancel)])

    def control(
        self, name: str, type: str, x: int, y: int, w: int, h: int, attr: int, prop: str | None, text: str | None,
        next: str | None, help: str | None,
    ) -> Control:  # fmt: skip
        """Add a control of any type."""
        add_data(self.db, "Control", [(self.name, name, type, x, y, w, h, attr, prop, text, next, help)])
        return Control(self, name)

    def text(self, name: str, x: int, y: int, w: int, h: int, attr: int, text: str | None) -> Control:
        """Add a text."""
        return self.control(name, "Text", x, y, w, h, attr, None, text, None, None)

    def bitmap(self, name: str, x: int, y: int, w: int, h: int, text: str | None) -> Control:
        """Add a picture of the Binary table."""
        return self.control(name, "Bitmap", x, y, w, h, VISIBLE, None, text, None, None)

    def line(self, name: str, x: int, y: int, w: int, h: int) -> Control:
        """Add a horizontal line."""
        return self.control(name, "Line", x, y, w, h, VISIBLE, None, None, None, None)

    def pushbutton(
        self, name: str, x: int, y: int, w: int, h: int, attr: int, text: str | None, next: str | None
    ) -> Control:
        """Add a button."""
        return self.control(name, "PushButton", x, y, w, h, attr, None, text, next, None)

    def radiogroup(
        self, name: str, x: int, y: int, w: int, h: int, attr: int, prop: str, text: str | None, next: str | None
    ) -> RadioButtonGroup:
        """Add a group of radio buttons, still without any."""
        self.control(name, "RadioButtonGroup", x, y, w, h, attr, prop, text, next, None)
        return RadioButtonGroup(self, name, prop)

    def checkbox(
        self, name: str, x: int, y: int, w: int, h: int, attr: int, prop: str | None, text: str | None, next: str | None
    ) -> Control:
        """Add a check box."""
        return self.control(name, "CheckBox", x, y, w, h, attr, prop, text, next, None)

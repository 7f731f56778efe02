# SPDX-License-Identifier: MIT
"""The user interface: dialogs, controls, what they do, texts, and the places of dialogs in the sequences (Windows
Installer SDK, “User Interface Reference”)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from wixpy.actions import standard_names
from wixpy.strings import codec
from wixpy.wxs import controls
from wixpy.wxs.actions import SEQUENCES, schedule, sequence
from wixpy.wxs.compilation import Compilation
from wixpy.wxs.controls import (
    CONTROL_OFF,
    CONTROL_ON,
    DIALOG_OFF,
    DIALOG_ON,
    FILLED_BY_INSTALLER,
    ICON_SIZES,
    KINDS,
    Kind,
)
from wixpy.wxs.embedded import embedded_ui
from wixpy.wxs.grammar import nearest
from wixpy.wxs.source import Node

_EXITS = {"success": -1, "cancel": -2, "error": -3, "suspend": -4}
_STYLE = r"\{[\\&]([A-Za-z_][\w.]*)\}"
_IDENTIFIER = r"[A-Za-z_][\w.]*"
_CHOICE_TABLES = {
    "ComboBox": "ComboBox",
    "ListBox": "ListBox",
    "ListView": "ListView",
    "RadioButtonGroup": "RadioButton",
}
_CONDITIONS = {name: name.capitalize() for name in ("default", "disable", "enable", "hide", "show")}
_STYLE_BITS = {"Bold": 1, "Italic": 2, "Underline": 4, "Strike": 8}


def ui(compilation: Compilation, node: Node) -> None:
    """UI: a part of the user interface."""
    node.get("Id")
    compilation.dispatch(node, UI_CHILDREN)


def reference(_: Compilation, node: Node) -> None:
    """UIRef: that there is such a UI is known from the source (``stock.include``)."""
    node.need("Id")


def _dialog_reference(compilation: Compilation, node: Node) -> None:
    compilation.refer(node, "Dialog", node.need("Id"))


def _bits(node: Node, off: Mapping[str, int], on: Mapping[str, int]) -> int:
    """The sum of the bits: those of ``off`` unless the attribute is yes, those of ``on`` if it is."""
    bits = sum(bit for name, bit in off.items() if not node.yes(name))
    return bits + sum(bit for name, bit in on.items() if node.yes(name))


def _default(value: int | None, default: int) -> int:
    return default if value is None else value


def _dialog(compilation: Compilation, node: Node) -> None:
    """Dialog with its controls; the tab order is that of the source and closes to a loop."""
    name = node.need("Id")
    members = [child for child in node.children if child.name == "Control"]
    order = [child.need("Id") for child in members if _is_tab_stop(child)]
    if not members:
        raise node.error(f"the dialog {name} has no control", "a dialog needs at least a button to leave it")
    following = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    marked: dict[str, str | None] = {"Default": None, "Cancel": None}
    for child in members:
        for role, chosen in marked.items():
            if child.yes(role):
                if chosen:
                    raise child.error(f"{chosen} is {role} of the dialog {name} already", "keep one")
                marked[role] = child.need("Id")
    title = node.get("Title")
    _text_styles(compilation, node, title)
    compilation.insert(
        node, "Dialog", name, _default(node.number("X"), 50), _default(node.number("Y"), 50), node.number("Width"),
        node.number("Height"), _bits(node, DIALOG_OFF, DIALOG_ON), title,
        order[0] if order else members[0].need("Id"), marked["Default"], marked["Cancel"],
    )  # fmt: skip
    for child in members:
        _control(compilation, child, name, following.get(child.need("Id")))


def _kind(node: Node) -> Kind:
    name = node.need("Type")
    if name not in KINDS:
        raise node.error(f"there is no control of type {name}", nearest(name, KINDS))
    return KINDS[name]


def _is_tab_stop(node: Node) -> bool:
    skip = node.get("TabSkip")
    return _kind(node).tab if skip is None else skip == "no"


def _control_bits(node: Node, kind: Kind) -> int:
    """The bits of a control; an attribute of other types stays unread and is reported."""
    size = node.get("IconSize") if kind.icon_size else None
    return _bits(node, CONTROL_OFF, {**CONTROL_ON, **kind.bits}) | (ICON_SIZES[size] if size else 0)


def _control(compilation: Compilation, node: Node, dialog: str, following: str | None) -> None:
    name, kind = node.need("Id"), _kind(node)
    bits = _control_bits(node, kind)
    text = _content(compilation, node)
    compilation.insert(
        node, "Control", dialog, name, node.need("Type"), node.number("X"), node.number("Y"), node.number("Width"),
        node.number("Height"), bits, _property(compilation, node, kind), text, following, _help(node),
    )  # fmt: skip
    compilation.interface.controls[dialog, name] = node
    pictured = node.need("Type") in ("Bitmap", "Icon") or node.yes("Bitmap") or node.yes("Icon")
    if pictured and text and re.fullmatch(_IDENTIFIER, text) and not node.yes("Image"):
        compilation.refer(node, "Binary", text)
    elif node.need("Type") != "ScrollableText":  # whose text is RTF
        _text_styles(compilation, node, text)
    for action in _CONDITIONS.values():
        condition = node.get(f"{action}Condition")
        if condition:
            compilation.insert(node, "ControlCondition", dialog, name, action, condition)
    compilation.dispatch(node, CONTROL_CHILDREN, dialog, name)


def _property(compilation: Compilation, node: Node, kind: Kind) -> str | None:
    """The property of a control; its choices must be somewhere."""
    name, type_name = node.get("Property"), node.need("Type")
    if type_name == "CheckBox":
        shared, value = node.get("CheckBoxPropertyRef"), node.get("CheckBoxValue")
        if shared is not None:
            if name is not None or value is not None:
                raise node.error("CheckBoxPropertyRef stands for Property and CheckBoxValue", "keep only that")
            compilation.refer(node, "CheckBox", shared)
            return shared
        if name is not None and value is not None:
            row = compilation.database.get("CheckBox", name)
            if row is None or row["Value"] != value:
                compilation.insert(node, "CheckBox", name, value)
    if kind.property and name is None:
        raise node.error(f"a {type_name} control needs the attribute Property", "add Property='…'")
    fixed = kind.choices == "RadioButton" or (kind.choices == "ComboBox" and node.yes("ComboList"))
    if fixed and name is not None and not node.yes("Indirect") and name not in FILLED_BY_INSTALLER:
        compilation.refer(node, str(kind.choices), name, 1)
    return name


def _content(compilation: Compilation, node: Node) -> str | None:
    """The text of a control: the attribute, or the element Text with a text or a file."""
    text = node.get("Text")
    elements = [child for child in node.children if child.name == "Text"]
    if (text is not None) + len(elements) > 1:
        raise node.error("the control has several texts", "keep one: the attribute Text or one element Text")
    for element in elements:
        path = element.get("SourceFile")
        if path is not None and element.text:
            raise element.error("the Text has both a SourceFile and a text", "keep one")
        text = element.text if path is None else _file(compilation, element)
    return text


def _file(compilation: Compilation, node: Node) -> str:
    """The text in a file, in the code page of the database."""
    content = compilation.source_bytes(node, "SourceFile").removeprefix(b"\xef\xbb\xbf")
    codepage = compilation.database.codepage
    try:
        return content.decode(codec(codepage)).rstrip("\0")
    except UnicodeDecodeError:
        hint = "save it as RTF with escapes for such characters, or in the code page of Product/@Codepage"
        raise node.error(f"“{node.get('SourceFile')}” is not text in code page {codepage}", hint) from None


def _help(node: Node) -> str | None:
    """Column Help: the tool tip, a bar, and the help text, which no installer shows yet."""
    tip, text = node.get("ToolTip"), node.get("Help")
    return None if tip is None and text is None else f"{tip or ''}|{text or ''}"


def _text_styles(compilation: Compilation, node: Node, text: str | None) -> None:
    for match in re.finditer(_STYLE, text or ""):
        compilation.refer(node, "TextStyle", match[1])


def _condition(compilation: Compilation, node: Node, dialog: str, control: str) -> None:
    action = node.get("Action")
    if action is None or not node.text:
        raise node.error(
            "the condition of a control needs Action and a text", "write <Condition Action='hide'>…</Condition>"
        )
    compilation.insert(node, "ControlCondition", dialog, control, _CONDITIONS[action], node.text)


def _publish(compilation: Compilation, node: Node, dialog: str | None = None, control: str | None = None) -> None:
    """Publish: an event, or a property to set, when the control is used; in a UI it names dialog and control."""
    here = (node.get("Dialog"), node.get("Control"))
    if dialog is None:
        if None in here:
            raise node.error("the Publish does not say of what", "give Dialog and Control, or move it into a Control")
        dialog, control = here
        compilation.refer(node, "Control", dialog, control)
    elif here != (None, None):
        raise node.error("the Publish is in its control already", "remove Dialog and Control, or move it into the UI")
    name, prop, value = node.get("Event"), node.get("Property"), node.get("Value")
    if (name is None) == (prop is None):
        raise node.error("the Publish needs one thing to do", "give Event or Property")
    if node.text and node.get("Condition"):
        raise node.error("the Publish has two conditions", "keep the text or the attribute")
    if name is not None:
        _event(compilation, node, name, value)
    place = (str(dialog), str(control))
    following = compilation.interface.events.get(place, 0) + 1 if here == (None, None) else 1
    order = _default(node.number("Order"), following)
    compilation.interface.events[place] = order
    compilation.insert(
        node, "ControlEvent", dialog, control, name or f"[{prop}]", ("{}" if prop else "0") if value is None else value,
        node.text or node.get("Condition"), order,
    )  # fmt: skip


def _event(compilation: Compilation, node: Node, name: str, value: str | None) -> None:
    """Check the name of an event, and what its argument names when it is literal."""
    if name not in controls.EVENTS:
        if not name.startswith("["):
            raise node.error(f"controls have no event {name}", nearest(name, controls.EVENTS))
        return
    argument = controls.EVENTS[name]
    if argument and not value:
        raise node.error(f"the event {name} needs a Value", f"give the {argument} it is about")
    if value is None or re.fullmatch(_IDENTIFIER, value) is None:
        return
    if argument == "dialog":
        compilation.refer(node, "Dialog", value)
    elif argument == "action" and value not in standard_names():
        compilation.refer(node, "CustomAction", value)
    elif argument == "feature" and value != "ALL":
        compilation.refer(node, "Feature", value)
    elif argument == "end" and value not in controls.ENDS:
        raise node.error(f"a dialog does not end with {value}", nearest(value, controls.ENDS))


def _subscribe(compilation: Compilation, node: Node, dialog: str, control: str) -> None:
    name, attribute = node.need("Event"), node.need("Attribute")
    for word, known, what in ((name, controls.SUBSCRIPTIONS, "event"), (attribute, controls.ATTRIBUTES, "attribute")):
        if word not in known:
            raise node.error(f"controls have no {what} {word}", nearest(word, known))
    compilation.insert(node, "EventMapping", dialog, control, name, attribute)


def _choices(compilation: Compilation, node: Node, *_: str) -> None:
    """ComboBox, ListBox, ListView, RadioButtonGroup: the choices for a property, in the order of the source."""
    prop, table = node.need("Property"), _CHOICE_TABLES[node.name]
    for child in node.children:
        key = (table, prop)
        number = compilation.interface.choices[key] = compilation.interface.choices.get(key, 0) + 1
        value, icon = child.need("Value"), child.get("Icon")
        if child.name == "RadioButton":
            compilation.insert(child, table, prop, number, value, *_radio_button(compilation, child, icon))
        elif table == "ListView":
            if icon:
                compilation.refer(child, "Binary", icon)
            compilation.insert(child, table, prop, number, value, child.get("Text"), icon)
        elif icon:
            raise child.error("only a ListView shows icons", "remove Icon")
        else:
            compilation.insert(child, table, prop, number, value, child.get("Text"))


def _radio_button(compilation: Compilation, node: Node, icon: str | None) -> tuple[int | str | None, ...]:
    contents = [name for name in ("Text", "Bitmap", "Icon") if node.get(name) is not None]
    if len(contents) > 1:
        raise node.error(f"the RadioButton has {' and '.join(contents)}", "keep one")
    picture = icon or node.get("Bitmap")
    if picture:
        compilation.refer(node, "Binary", picture)
    text = picture or node.get("Text")
    place = [node.number(name) for name in ("X", "Y", "Width", "Height")]
    return (*place, text, _help(node))


def _billboard_action(compilation: Compilation, node: Node) -> None:
    """BillboardAction: what is shown, one after the other, while a standard action runs."""
    action = node.need("Id")
    if action not in standard_names():
        raise node.error(f"{action} is no standard action", nearest(action, standard_names()))
    for number, child in enumerate(node.children, 1):
        name, feature = child.need("Id"), child.need("Feature")
        compilation.refer(child, "Feature", feature)
        compilation.insert(child, "Billboard", name, feature, action, number)
        for control in child.children:
            _billboard_control(compilation, control, name)


def _billboard_control(compilation: Compilation, node: Node, billboard: str) -> None:
    kind, text = _kind(node), _content(compilation, node)
    if kind.tab or node.need("Type") in ("Billboard", "ProgressBar"):
        raise node.error(
            f"a billboard cannot hold a {node.need('Type')}", "it holds Text, Bitmap, Icon, Line, GroupBox"
        )
    others = [child.name for child in node.children if child.name != "Text"]
    if others:
        raise node.error(f"a control of a billboard has no {others[0]}", "it can only be looked at: remove it")
    if node.need("Type") in ("Bitmap", "Icon") and text and re.fullmatch(_IDENTIFIER, text):
        compilation.refer(node, "Binary", text)
    compilation.insert(
        node, "BBControl", billboard, node.need("Id"), node.need("Type"), node.number("X"), node.number("Y"),
        node.number("Width"), node.number("Height"), _control_bits(node, kind), text,
    )  # fmt: skip


def _text_style(compilation: Compilation, node: Node) -> None:
    channels = [node.number(name) for name in ("Red", "Green", "Blue")]
    if any(value is not None and value not in range(256) for value in channels):
        raise node.error("a part of the colour is not between 0 and 255", "correct Red, Green and Blue")
    given = [value or 0 for value in channels]
    color = given[0] | given[1] << 8 | given[2] << 16 if channels != [None] * 3 else None
    bits = _bits(node, {}, _STYLE_BITS)
    compilation.insert(
        node, "TextStyle", node.need("Id"), node.need("FaceName"), node.number("Size"), color, bits or None
    )


def _ui_text(compilation: Compilation, node: Node) -> None:
    compilation.insert(node, "UIText", node.need("Id"), node.text or node.get("Value"))


def _progress_text(compilation: Compilation, node: Node) -> None:
    from wixpy.msilib.text import ActionText  # noqa: PLC0415

    action = node.need("Action")
    if action not in standard_names() and action not in {row[0] for row in ActionText}:
        compilation.refer(node, "CustomAction", action)
    text = node.text or node.get("Message")
    compilation.insert(node, "ActionText", action, text, node.get("Template"))


def _error(compilation: Compilation, node: Node) -> None:
    compilation.insert(node, "Error", node.number("Id"), node.text or node.get("Message"))


def ui_sequence(compilation: Compilation, node: Node) -> None:
    """InstallUISequence or AdminUISequence: dialogs, then actions."""
    table = SEQUENCES[node.name]
    for child in node.children:
        if child.name == "Show":
            _show(compilation, child, table)
    sequence(compilation, node.with_children([each for each in node.children if each.name != "Show"]))


def _show(compilation: Compilation, node: Node, table: str) -> None:
    """Show: the place of a dialog in a sequence.  One that is overridable gives way to another."""
    dialog, number, leaving = node.need("Dialog"), node.number("Sequence"), node.get("OnExit")
    before, after = node.get("Before"), node.get("After")
    condition = node.text or node.get("Condition") or None
    overridable, steps = node.yes("Overridable"), compilation.steps.setdefault(table, {})
    compilation.refer(node, "Dialog", dialog)
    if sum((number is not None, leaving is not None, bool(before or after))) != 1:
        raise node.error(f"the dialog {dialog} needs one place", "give Before, After or both, or Sequence, or OnExit")
    if leaving:
        number = _EXITS[leaving]
    elif number is not None and number < 1:
        raise node.error(f"the sequence number {number} is not positive", "use OnExit for the ends of an installation")
    if dialog in steps and overridable:
        return
    if (table, dialog) in compilation.interface.overridable:
        del steps[dialog]
        compilation.interface.overridable.discard((table, dialog))
    if overridable:
        compilation.interface.overridable.add((table, dialog))
    schedule(compilation, node, table, dialog, number=number, before=before, after=after, condition=condition)


def _within(compilation: Compilation, node: Node) -> None:
    """An element that may also stand in a Product."""
    from wixpy.wxs.product import PRODUCT_CHILDREN  # noqa: PLC0415

    PRODUCT_CHILDREN[node.name](compilation, node)


def _read(*_: object) -> None:
    """A Text was read with its control."""


CONTROL_CHILDREN: Mapping[str, Callable[..., None]] = {
    "Condition": _condition,
    "Publish": _publish,
    "Subscribe": _subscribe,
    "Text": _read,
    "Binary": lambda compilation, node, *_: _within(compilation, node),
    **dict.fromkeys(_CHOICE_TABLES, _choices),
}
UI_CHILDREN: Mapping[str, Callable[..., None]] = {
    "AdminUISequence": ui_sequence,
    "BillboardAction": _billboard_action,
    "Binary": _within,
    "Dialog": _dialog,
    "DialogRef": _dialog_reference,
    "EmbeddedUI": embedded_ui,
    "Error": _error,
    "InstallUISequence": ui_sequence,
    "ProgressText": _progress_text,
    "Property": _within,
    "Publish": _publish,
    "TextStyle": _text_style,
    "UIRef": reference,
    "UIText": _ui_text,
    **dict.fromkeys(_CHOICE_TABLES, _choices),
}

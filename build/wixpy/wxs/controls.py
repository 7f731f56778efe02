# SPDX-License-Identifier: MIT
"""What dialogs and controls can do (Windows Installer SDK, “Dialog Style Bits”, “Control Attributes”, “ControlEvent
Overview” and “Control Attributes Bit Flags” of each control)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wixpy.wxs.source import Node

# Attributes of a Dialog and their bits: those that are set unless the attribute says yes, and the others.
DIALOG_OFF = {"Hidden": 1, "Modeless": 2, "NoMinimize": 4}
DIALOG_ON = {
    "SystemModal": 8,
    "KeepModeless": 0x10,
    "TrackDiskSpace": 0x20,
    "CustomPalette": 0x40,
    "RightToLeft": 0x80,
    "RightAligned": 0x100,
    "LeftScroll": 0x200,
    "ErrorDialog": 0x10000,
}

CONTROL_OFF = {"Hidden": 1, "Disabled": 2}
CONTROL_ON = {
    "Sunken": 4,
    "Indirect": 8,
    "Integer": 0x10,
    "RightToLeft": 0x20,
    "RightAligned": 0x40,
    "LeftScroll": 0x80,
}

_TEXT = {"Transparent": 0x10000, "NoPrefix": 0x20000, "NoWrap": 0x40000}
_VOLUMES = {
    "Removable": 0x10000,
    "Fixed": 0x20000,
    "Remote": 0x40000,
    "CDROM": 0x80000,
    "RAMDisk": 0x100000,
    "Floppy": 0x200000,
}
_PICTURE = {"Image": 0x10000, "FixedSize": 0x100000}
_BUTTON = {**_PICTURE, "Bitmap": 0x40000, "Icon": 0x80000}
ICON_SIZES = {"16": 0x200000, "32": 0x400000, "48": 0x600000}


class Kind(NamedTuple):
    """A type of controls: its own attributes with their bits, whether it is in the tab order, needs a property, has an
    icon size, and the table that has the choices it offers."""

    bits: Mapping[str, int] = {}
    tab: bool = True
    property: bool = False
    icon_size: bool = False
    choices: str | None = None


KINDS: Mapping[str, Kind] = {
    "Billboard": Kind(tab=False),
    "Bitmap": Kind(_PICTURE, tab=False),
    "CheckBox": Kind({**_BUTTON, "PushLike": 0x20000}, property=True, icon_size=True),
    "ComboBox": Kind({"Sorted": 0x10000, "ComboList": 0x20000}, property=True, choices="ComboBox"),
    "DirectoryCombo": Kind(_VOLUMES, property=True),
    "DirectoryList": Kind(property=True),
    "Edit": Kind({"Multiline": 0x10000, "Password": 0x200000}, property=True),
    "GroupBox": Kind(tab=False),
    "Hyperlink": Kind({"Transparent": 0x10000}),
    "Icon": Kind(_PICTURE, tab=False, icon_size=True),
    "Line": Kind(tab=False),
    "ListBox": Kind({"Sorted": 0x10000}, property=True, choices="ListBox"),
    "ListView": Kind({"Sorted": 0x10000, "FixedSize": 0x100000}, property=True, icon_size=True, choices="ListView"),
    "MaskedEdit": Kind(property=True),
    "PathEdit": Kind(property=True),
    "ProgressBar": Kind({"ProgressBlocks": 0x10000}, tab=False),
    "PushButton": Kind({**_BUTTON, "ElevationShield": 0x800000}, icon_size=True),
    "RadioButtonGroup": Kind(
        {**_BUTTON, "PushLike": 0x20000, "HasBorder": 0x1000000}, property=True, icon_size=True, choices="RadioButton"
    ),
    "ScrollableText": Kind(),
    "SelectionTree": Kind(property=True),
    "Text": Kind({**_TEXT, "FormatSize": 0x80000, "UserLanguage": 0x100000}, tab=False),
    "VolumeCostList": Kind({**_VOLUMES, "ShowRollbackCost": 0x400000}),
    "VolumeSelectCombo": Kind(_VOLUMES, property=True),
}

# The installer fills these lists itself ("FilesInUse Dialog", "MsiRMFilesInUse Dialog").
FILLED_BY_INSTALLER = frozenset(["FileInUseProcess"])

# Of a Publish: the events that a control can start, and what their argument is.
EVENTS: Mapping[str, str] = {
    "AddLocal": "feature",
    "AddSource": "feature",
    "CheckExistingTargetPath": "",
    "CheckTargetPath": "",
    "DirectoryListNew": "",
    "DirectoryListOpen": "",
    "DirectoryListUp": "",
    "DoAction": "action",
    "EnableRollback": "",
    "EndDialog": "end",
    "MsiLaunchApp": "",
    "MsiPrint": "",
    "NewDialog": "dialog",
    "RMShutdownAndRestart": "",
    "Reinstall": "feature",
    "ReinstallMode": "",
    "Remove": "feature",
    "Reset": "",
    "SelectionBrowse": "dialog",
    "SetInstallLevel": "",
    "SetTargetPath": "",
    "SpawnDialog": "dialog",
    "SpawnWaitDialog": "dialog",
    "ValidateProductID": "",
}
DIALOG_EVENTS = frozenset(name for name, argument in EVENTS.items() if argument == "dialog")
ENDS = frozenset(
    ["Return", "Exit", "Retry", "Ignore", "ErrorOk", "ErrorCancel", "ErrorAbort", "ErrorRetry", "ErrorIgnore",
     "ErrorYes", "ErrorNo"]
)  # fmt: skip

# Of a Subscribe: the events that the installer and controls publish, and every event of the above that may be seen.
SUBSCRIPTIONS = frozenset(
    ["ActionData", "ActionText", "ActionTime", "IgnoreChange", "ScriptInProgress", "SelectionAction",
     "SelectionDescription", "SelectionIcon", "SelectionNoItems", "SelectionPath", "SelectionPathOn", "SelectionSize",
     "SetProgress", "TimeRemaining", *EVENTS]
)  # fmt: skip
ATTRIBUTES = frozenset(
    ["BillboardName", "Enabled", "Indirect", "IndirectPropertyName", "Integer", "LeftScroll", "PictureName",
     "Position", "Progress", "PropertyName", "PropertyValue", "RTLRO", "RightAligned", "Sunken", "Text",
     "TimeRemaining", "Transparent", "Visible"]
)  # fmt: skip


class Interface:
    """What is known of the user interface while its elements are read.

    ``events`` is the last order of the events of a control, ``choices`` that in a table of choices, by table and
    property; ``overridable`` are sequence table and dialog of the Show elements that others may replace.
    """

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], int] = {}
        self.choices: dict[tuple[str, str], int] = {}
        self.overridable: set[tuple[str, str]] = set()
        self.controls: dict[tuple[str, str], Node] = {}

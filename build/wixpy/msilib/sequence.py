# SPDX-License-Identifier: MIT
"""The sequences that the Windows Installer SDK suggests (“Suggested InstallExecuteSequence” and its siblings): rows of
action, condition and number."""

from __future__ import annotations

from wixpy import actions as _actions
from wixpy.msilib._tables import Action

# The SDK's own numbers; the compiler of .wxs sources puts these two first, as WiX does.
_NUMBERS = {"FindRelatedProducts": 200, "AppSearch": 400}
_CONDITIONS = {
    "AllocateRegistrySpace": "NOT Installed", "CCPSearch": "NOT Installed", "RMCCPSearch": "NOT Installed",
    "IsolateComponents": "RedirectedDLLSupport", "StopServices": "VersionNT", "DeleteServices": "VersionNT",
    "InstallServices": "VersionNT", "StartServices": "VersionNT",
}  # fmt: skip
# They act unasked, or need Windows Installer 5.
_LEFT_OUT = frozenset(
    ["DisableRollback", "ForceReboot", "InstallExecute", "InstallExecuteAgain", "MsiConfigureServices", "ResolveSource",
     "ScheduleReboot"]
)  # fmt: skip


# Dialogs that a program is expected to make, by the numbers of how an installation ended.
_LAST_DIALOGS = [("ExitDialog", None, -1), ("UserExit", None, -2), ("FatalError", None, -3)]


def _suggested(table: str) -> list[Action]:
    rows: list[Action] = [
        (name, _CONDITIONS.get(name), _NUMBERS.get(name, action.number))
        for name, action in _actions.standard()[table].items()
        if name not in _LEFT_OUT
    ]
    if table in ("AdminUISequence", "InstallUISequence"):
        rows += _LAST_DIALOGS
    return sorted(rows, key=lambda row: row[2])


AdminExecuteSequence = _suggested("AdminExecuteSequence")
AdminUISequence = _suggested("AdminUISequence")
AdvtExecuteSequence = _suggested("AdvtExecuteSequence")
InstallExecuteSequence = _suggested("InstallExecuteSequence")
InstallUISequence = _suggested("InstallUISequence")
tables = [
    "AdminExecuteSequence",
    "AdminUISequence",
    "AdvtExecuteSequence",
    "InstallExecuteSequence",
    "InstallUISequence",
]

# SPDX-License-Identifier: MIT
"""The summary information of what is compiled (Windows Installer SDK, “Summary Information Stream Property Set”)."""

from __future__ import annotations

from collections.abc import Mapping

from wixpy.strings import codec
from wixpy.summary import Pid, Value
from wixpy.wxs.compilation import Compilation
from wixpy.wxs.source import Node

SUPPORTED_INSTALLERS = range(100, 1000)
_PLATFORM_WORDS = {"intel": "x86", "x64": "x64"}
_PLATFORM_NAMES = {"x86": "Intel", "x64": "x64"}
_MIN_X64_INSTALLER = 200
_READ_ONLY = {"no": 0, "default": 2, "yes": 4}


def describe(compilation: Compilation, node: Node, languages: str, facts: Mapping[Pid, Value]) -> None:
    """Fill the summary with what an element Package says, and ``facts``; the platform is known from here on."""
    compilation.platform = _PLATFORM_WORDS.get(platform := node.get("Platform") or compilation.platform, platform)
    least = _MIN_X64_INSTALLER if compilation.is_64bit else 100
    installer = node.number("InstallerVersion") or least
    if installer not in SUPPORTED_INSTALLERS or installer < least:
        raise node.error(
            f"InstallerVersion {installer} does not install {compilation.platform} packages", f"give {least} or more"
        )
    codepage = node.number("SummaryCodepage") or compilation.database.codepage or 1252
    codec(codepage)
    values: dict[Pid, Value] = {
        Pid.CODEPAGE: codepage,
        **facts,
        Pid.COMMENTS: node.get("Comments") or "",
        Pid.TEMPLATE: f"{_PLATFORM_NAMES[compilation.platform]};{languages}",
        Pid.CREATED: compilation.time,
        Pid.LAST_SAVED: compilation.time,
        Pid.PAGE_COUNT: installer,
        Pid.APPLICATION: "wixpy",
        Pid.SECURITY: _READ_ONLY[node.get("ReadOnly") or "default"],
    }
    compilation.database.summary = {pid: value for pid, value in sorted(values.items()) if value != ""}

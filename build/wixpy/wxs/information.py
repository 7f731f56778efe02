# SPDX-License-Identifier: MIT
"""The summary information of what is compiled (Windows Installer SDK, “Summary Information Stream Property Set”)."""

from __future__ import annotations

from collections.abc import Mapping

from wixpy.strings import codec
from wixpy.summary import Pid, Value
from wixpy.wxs.compilation import PLATFORMS, Compilation
from wixpy.wxs.source import Node

SUPPORTED_INSTALLERS = range(100, 1000)
_OLD_PLATFORMS = {"intel": "x86", "intel64": "ia64"}
_READ_ONLY = {"no": 0, "default": 2, "yes": 4}


def describe(compilation: Compilation, node: Node, languages: str, facts: Mapping[Pid, Value]) -> None:
    """Fill the summary with what an element Package says, and ``facts``; the platform is known from here on."""
    compilation.platform = _OLD_PLATFORMS.get(name := node.get("Platform") or compilation.platform, name)
    platform = PLATFORMS[compilation.platform]
    installer = node.number("InstallerVersion") or platform.installer
    if installer not in SUPPORTED_INSTALLERS or installer < platform.installer:
        raise node.error(
            f"InstallerVersion {installer} does not install {compilation.platform} packages",
            f"give {platform.installer} or more",
        )
    codepage = node.number("SummaryCodepage") or compilation.database.codepage or 1252
    codec(codepage)
    values: dict[Pid, Value] = {
        Pid.CODEPAGE: codepage,
        **facts,
        Pid.COMMENTS: node.get("Comments") or "",
        Pid.TEMPLATE: f"{platform.template};{languages}",
        Pid.CREATED: compilation.time,
        Pid.LAST_SAVED: compilation.time,
        Pid.PAGE_COUNT: installer,
        Pid.APPLICATION: "wixpy",
        Pid.SECURITY: _READ_ONLY[node.get("ReadOnly") or "default"],
    }
    compilation.database.summary = {pid: value for pid, value in sorted(values.items()) if value != ""}

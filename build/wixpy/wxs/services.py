# SPDX-License-Identifier: MIT
"""Services: what is installed, and what is started, stopped and removed when (Windows Installer SDK, “ServiceInstall
Table”, “ServiceControl Table”)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wixpy.wxs.compilation import INSTALL_MODES, Compilation, identifier
from wixpy.wxs.rows import parts
from wixpy.wxs.source import Node

if TYPE_CHECKING:
    from wixpy.wxs.components import Component

_SERVICE_TYPES = {"ownProcess": 0x10, "shareProcess": 0x20}
_SERVICE_INTERACTIVE = 0x100
_SERVICE_STARTS = {"boot": 0, "system": 1, "auto": 2, "demand": 3, "disabled": 4}
_SERVICE_ERRORS = {"ignore": 0, "normal": 1, "critical": 3}
_SERVICE_VITAL = 0x8000
_SERVICE_EVENTS = {"Start": (0x01, 0x10), "Stop": (0x02, 0x20), "Remove": (0x08, 0x80)}


def service_install(compilation: Compilation, node: Node, this: Component) -> None:
    dependencies = []
    for child in (child for child in node.children if child.name == "ServiceDependency"):
        dependencies.append(("+" if child.yes("Group") else "") + child.need("Id"))
    kind = _SERVICE_TYPES[node.need("Type")] | (_SERVICE_INTERACTIVE if node.yes("Interactive") else 0)
    severity = _SERVICE_ERRORS[node.need("ErrorControl")] | (_SERVICE_VITAL if node.yes("Vital") else 0)
    description = node.get("Description")
    if node.yes("EraseDescription"):
        if description:
            raise node.error("the service has a Description and EraseDescription", "keep one")
        description = "[~]"
    name = node.need("Name")
    key = node.get("Id") or identifier(name)
    compilation.insert(
        node, "ServiceInstall", key, name, node.get("DisplayName"), kind,
        _SERVICE_STARTS[node.need("Start")], severity, node.get("LoadOrderGroup"),
        "[~]".join([*dependencies, "", ""]) if dependencies else None,
        node.get("Account"), node.get("Password"), node.get("Arguments"), this.name, description,
    )  # fmt: skip
    parts(compilation, node, this, "ServiceInstall", key, {"ServiceInstall.Name": name})


def service_control(compilation: Compilation, node: Node, this: Component) -> None:
    events = 0
    for attribute, (install, uninstall) in _SERVICE_EVENTS.items():
        mode = INSTALL_MODES.get(node.get(attribute) or "", 0)
        events |= (install if mode & 1 else 0) | (uninstall if mode & 2 else 0)
    if not events:
        raise node.error("the ServiceControl does nothing", "add Start, Stop or Remove")
    arguments = "[~]".join(child.text for child in node.children) or None
    wait = int(node.yes("Wait", True))
    compilation.insert(node, "ServiceControl", node.need("Id"), node.need("Name"), events, arguments, wait, this.name)

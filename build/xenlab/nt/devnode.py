# SPDX-License-Identifier: GPL-2.0-or-later
"""Device nodes: what the PnP manager knows of a device that a bus has reported, and the requests that tell it.

Source: Windows Driver Kit, "Device Tree", "Device Identification Strings", "IRP_MN_QUERY_ID",
"IRP_MN_QUERY_CAPABILITIES", "IRP_MN_QUERY_DEVICE_TEXT", "IRP_MN_QUERY_BUS_INFORMATION", "IRP_MN_QUERY_RESOURCES".
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from xenlab.nt.codes import IdType, Major, Pnp, Status, nt_success
from xenlab.nt.io import Device
from xenlab.nt.irp import Irps
from xenlab.nt.objects import Struct, layout, view
from xenlab.nt.registry import CLASSES, ENUM, Key
from xenlab.nt.routine import Call, Wait
from xenlab.nt.zwkey import KernelRegistry

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

Reply = Generator[Call | Wait, int, tuple[int, int]]
_UNIQUE_ID, _RAW_DEVICE_OK = 1 << 6, 1 << 8
_DESCRIPTION, _LOCATION = 0, 1
_LOCALE = 0x409
_WORST_LENGTH = 200


class State(Enum):
    """Where a device is on its way (Windows Driver Kit, "State Transitions for PnP Devices").

    WAITING: for a driver that is not started at boot, until there is a disk to load it from.
    """

    FOUND = auto()
    IDENTIFIED = auto()
    WAITING = auto()
    DRIVERS_ADDED = auto()
    STARTED = auto()
    STOP_PENDING = auto()
    STOPPED = auto()
    REMOVE_PENDING = auto()
    SURPRISE_REMOVED = auto()
    REMOVED = auto()
    FAILED = auto()


@dataclass(eq=False)
class Node:
    """A device in the tree.

    Attributes:
        pdo: its physical device object; only the bus driver may delete it.
        instance_path: ``enumerator\\device\\instance``, its name in the Enum tree.
        service: its function driver; empty: none.
        problem: why it does not work; empty: it does, or was not tried.
        raw, translated: its resource lists for START_DEVICE as bytes, empty without resources.
    """

    pdo: Device
    parent: Node | None
    state: State = State.FOUND
    instance_path: str = ""
    hardware_ids: list[str] = field(default_factory=list)
    compatible_ids: list[str] = field(default_factory=list)
    description: str = ""
    location: str = ""
    service: str = ""
    class_guid: str = ""
    driver_key: str = ""
    problem: str = ""
    capabilities: dict[str, int] = field(default_factory=dict)
    bus_type: bytes = b""
    legacy_bus_type: int | None = None
    bus_number: int = 0
    raw: bytes = b""
    translated: bytes = b""
    device_flags: int = 0
    missing: bool = False
    children: list[Node] = field(default_factory=list)

    @property
    def enum_path(self) -> str:
        return rf"{ENUM}\{self.instance_path}"

    @property
    def operating(self) -> bool:
        return self.state in (State.STARTED, State.STOP_PENDING, State.REMOVE_PENDING)

    def walk(self) -> list[Node]:
        """Return this node and all below it, parents first."""
        return [self, *(each for child in self.children for each in child.walk())]


def send(
    kernel: Kernel, node: Node, minor: int, fill: Callable[[Struct, Struct], None] = lambda _irp, _stack: None
) -> Reply:
    """Send a PnP request to the top of a device's stack; returns its status and information."""
    irps = kernel.part(Irps)
    top = node.pdo.top()
    answer: list[int] = []
    request = irps.make(top.view["StackSize"], "the PnP manager", lambda done: answer.append(done.information))
    irp, stack = irps.irp(request.address), irps.next(request)
    irp["IoStatus.Status"] = Status.NOT_SUPPORTED
    stack["MajorFunction"], stack["MinorFunction"] = Major.PNP, minor
    fill(irp, stack)
    try:
        name = Pnp(minor).name
    except ValueError:
        name = f"{minor:#x}"
    kernel.world.trace("pnp", f"{name} to {node.instance_path or node.pdo.driver.service}")
    status = yield from irps.send(top.address, request)
    return status, answer[0]


def identify(kernel: Kernel, node: Node) -> Generator[Call | Wait, int, bool]:
    """Ask a new device what it is and enter it in the registry; False if it does not say."""
    device_id = yield from _query_id(kernel, node, IdType.BusQueryDeviceID)
    if not device_id:
        node.problem = "its bus driver gives it no device ID"
        return False
    instance = yield from _query_id(kernel, node, IdType.BusQueryInstanceID)
    node.hardware_ids = yield from _query_id(kernel, node, IdType.BusQueryHardwareIDs)
    node.compatible_ids = yield from _query_id(kernel, node, IdType.BusQueryCompatibleIDs)
    yield from query_capabilities(kernel, node)
    node.description = yield from _query_text(kernel, node, _DESCRIPTION)
    node.location = yield from _query_text(kernel, node, _LOCATION)
    yield from _query_bus(kernel, node)
    node.instance_path = rf"{device_id[0]}\{_instance(node, instance)}"
    _check_unique(kernel, node)
    _register(kernel, node)
    node.state = State.IDENTIFIED
    return True


def _instance(node: Node, instance: list[str]) -> str:
    """Unless the bus vouches for its uniqueness on the machine, an instance ID is completed with the parent's path.

    Where the bus driver gives none, or cannot for want of memory, the parent's path is all of it.
    """
    if node.capabilities["Bits"] & _UNIQUE_ID or node.parent is None:
        return instance[0] if instance else "0"
    depth, above = 0, node.parent.parent
    while above:
        depth, above = depth + 1, above.parent
    return "&".join([str(depth), f"{zlib.crc32(node.parent.instance_path.upper().encode()):x}", "0", *instance])


def _check_unique(kernel: Kernel, node: Node) -> None:
    root = node
    while root.parent:
        root = root.parent
    for other in root.walk():
        if other is not node and other.instance_path.lower() == node.instance_path.lower():
            kernel.violation(
                f"{node.pdo.driver.service} reports two devices {node.instance_path}: their IDs must differ "
                "(PNP_DETECTED_FATAL_ERROR)."
            )


def _register(kernel: Kernel, node: Node) -> None:
    key = kernel.part(KernelRegistry).tree.create(node.enum_path)
    key.set("HardwareID", node.hardware_ids)
    key.set("CompatibleIDs", node.compatible_ids)
    key.set("Capabilities", node.capabilities["Bits"] & 0xFFFF)
    for name, text in (("DeviceDesc", node.description), ("LocationInformation", node.location)):
        if text and not key.get(name):
            key.set(name, text)


def _query_id(kernel: Kernel, node: Node, kind: IdType) -> Generator[Call | Wait, int, list[str]]:
    """Return the strings of an ID, which the bus driver has allocated and the PnP manager frees."""

    def fill(_irp: Struct, stack: Struct) -> None:
        stack["Parameters.QueryId.IdType"] = kind

    status, text = yield from send(kernel, node, Pnp.QUERY_ID, fill)
    if not nt_success(status) or not text:
        return []
    if kind in (IdType.BusQueryHardwareIDs, IdType.BusQueryCompatibleIDs):
        found = _multi_string(kernel, text)
    else:
        found = [kernel.wide_string(text)]
    for each in found:
        _check_id(kernel, node, each, kind)
    kernel.free(text)
    return found


def _multi_string(kernel: Kernel, address: int) -> list[str]:
    found = []
    while text := kernel.wide_string(address):
        found.append(text)
        address += 2 * len(text) + 2
    return found


def _check_id(kernel: Kernel, node: Node, text: str, kind: IdType) -> None:
    """An ID is of printable ASCII characters but comma and blank, less than 200; an instance ID has no backslash."""
    bad = [
        each
        for each in text
        if not " " < each <= "\x7f" or each == "," or (kind == IdType.BusQueryInstanceID and each == "\\")
    ]
    if bad or len(text) >= _WORST_LENGTH or (kind == IdType.BusQueryDeviceID and text.count("\\") != 1):
        kernel.violation(
            f"{node.pdo.driver.service} answers {kind.name} with {text!r}, which is no ID (PNP_DETECTED_FATAL_ERROR)."
        )


def query_capabilities(kernel: Kernel, node: Node) -> Generator[Call | Wait, int, None]:
    """Ask for the capabilities; what no driver fills in says nothing: all ones, as the PnP manager must preset it."""
    address = kernel.alloc(layout("DEVICE_CAPABILITIES", kernel.arch).size, "DevC")
    asked = view(kernel, "DEVICE_CAPABILITIES", address)
    asked["Size"], asked["Version"] = asked.layout.size, 1
    asked["Address"] = asked["UINumber"] = 0xFFFFFFFF

    def fill(_irp: Struct, stack: Struct) -> None:
        stack["Parameters.DeviceCapabilities.Capabilities"] = address

    status, _ = yield from send(kernel, node, Pnp.QUERY_CAPABILITIES, fill)
    names = ("Bits", "Address", "UINumber", "SystemWake", "DeviceWake")
    node.capabilities = {name: asked[name] if nt_success(status) else 0 for name in names}
    for index in range(7):
        node.capabilities[f"DeviceState{index}"] = asked.element("DeviceState", index) if nt_success(status) else 0
    kernel.free(address)


def _query_text(kernel: Kernel, node: Node, kind: int) -> Generator[Call | Wait, int, str]:
    def fill(_irp: Struct, stack: Struct) -> None:
        stack["Parameters.QueryDeviceText.DeviceTextType"] = kind
        stack["Parameters.QueryDeviceText.LocaleId"] = _LOCALE

    status, address = yield from send(kernel, node, Pnp.QUERY_DEVICE_TEXT, fill)
    if not nt_success(status) or not address:
        return ""
    text = kernel.wide_string(address)
    kernel.free(address)
    return text


def _query_bus(kernel: Kernel, node: Node) -> Generator[Call | Wait, int, None]:
    status, address = yield from send(kernel, node, Pnp.QUERY_BUS_INFORMATION)
    if nt_success(status) and address:
        told = view(kernel, "PNP_BUS_INFORMATION", address)
        node.bus_type = kernel.read(told.at("BusTypeGuid"), 16)
        node.legacy_bus_type, node.bus_number = told["LegacyBusType"], told["BusNumber"]
        kernel.free(address)


def query_resources(kernel: Kernel, node: Node) -> Generator[Call | Wait, int, bytes]:
    """Return the CM_RESOURCE_LIST that the bus says the device decodes now; empty: none."""
    status, address = yield from send(kernel, node, Pnp.QUERY_RESOURCES)
    if not nt_success(status) or not address:
        return b""
    given = view(kernel, "CM_RESOURCE_LIST", address)
    count = given["List[0].PartialResourceList.Count"] if given["Count"] else 0
    one = layout("CM_PARTIAL_RESOURCE_DESCRIPTOR", kernel.arch).size
    size = given.layout.offset("List[0].PartialResourceList.PartialDescriptors") + count * one
    data = kernel.read(address, size)
    kernel.free(address)
    return data


def class_key(kernel: Kernel, node: Node) -> Key | None:
    """Return the key of a device's class, if it has one."""
    return kernel.part(KernelRegistry).tree.find(rf"{CLASSES}\{node.class_guid}") if node.class_guid else None


def guid_text(data: bytes) -> str:
    return f"{{{uuid.UUID(bytes_le=data)}}}".upper()

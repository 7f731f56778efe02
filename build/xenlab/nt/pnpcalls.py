# SPDX-License-Identifier: GPL-2.0-or-later

"""The exported routines of the PnP manager: device properties and keys, interfaces, relations, notifications.

Source: Windows Driver Kit, the page of each routine.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.nt import devnode
from xenlab.nt.codes import Relations, Status
from xenlab.nt.devnode import Node
from xenlab.nt.io import Devices
from xenlab.nt.ob import Object, ObjectManager
from xenlab.nt.objects import layout, view
from xenlab.nt.pnp import PnpManager
from xenlab.nt.registry import CLASSES, DEVICE_CLASSES
from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    ULONG,
    Call,
    Steps,
    routine,
)
from xenlab.nt.rtl import wide
from xenlab.nt.zwkey import KernelRegistry

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_REGKEY_DEVICE, _REGKEY_DRIVER = 1, 2
_CATEGORY_INTERFACE = 2
_EXISTING_INTERFACES = _INCLUDE_NONACTIVE = 1
_ARRIVAL = uuid.UUID("cb3a4004-46f0-11d0-b08f-00609713053f")
_REMOVAL = uuid.UUID("cb3a4005-46f0-11d0-b08f-00609713053f")


def _texts(values: list[str]) -> bytes:
    return "".join(f"{each}\0" for each in [*values, ""]).encode("utf-16-le") if values else b""


def _text(value: str) -> bytes:
    return f"{value}\0".encode("utf-16-le") if value else b""


def _stored(name: str) -> Callable[[Kernel, Node], bytes]:
    """A property that is a value of the device's key."""

    def read(kernel: Kernel, node: Node) -> bytes:
        value = kernel.part(KernelRegistry).tree.get(node.enum_path, name)
        return value.data if value else b""

    return read


def _class_name(kernel: Kernel, node: Node) -> bytes:
    value = kernel.part(KernelRegistry).tree.get(rf"{CLASSES}\{node.class_guid}", "Class")
    return value.data if value else b""


def _number(value: int | None) -> bytes:
    return b"" if value is None or value == 0xFFFFFFFF else value.to_bytes(4, "little")


# DEVICE_REGISTRY_PROPERTY, in its order.
_PROPERTIES: tuple[Callable[[Kernel, Node], bytes], ...] = (
    lambda _, node: _text(node.description),
    lambda _, node: _texts(node.hardware_ids),
    lambda _, node: _texts(node.compatible_ids),
    lambda _, node: node.raw,
    lambda _, node: node.translated,
    _class_name,
    lambda _, node: _text(node.class_guid),
    lambda _, node: _text(node.driver_key),
    _stored("Mfg"),
    _stored("FriendlyName"),
    lambda _, node: _text(node.location),
    lambda _, node: _text(node.pdo.object.name),
    lambda _, node: node.bus_type,
    lambda _, node: _number(node.legacy_bus_type),
    lambda _, node: _number(node.bus_number if node.bus_type else None),
    lambda _, node: _text(node.instance_path.partition("\\")[0]),
    lambda _, node: _number(node.capabilities.get("Address")),
    lambda _, node: _number(node.capabilities.get("UINumber")),
)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoGetDeviceProperty(
    kernel: Kernel, device: PVOID, which: ULONG, size: ULONG, buffer: PVOID, needed: PVOID
) -> NTSTATUS:
    node = kernel.part(PnpManager).node_of(device, "IoGetDeviceProperty")
    kernel.put_u32(needed, 0)
    if which >= len(_PROPERTIES):
        return Status.INVALID_PARAMETER_2
    data = _PROPERTIES[which](kernel, node)
    if not data:
        return Status.OBJECT_NAME_NOT_FOUND
    kernel.put_u32(needed, len(data))
    if size < len(data):
        return Status.BUFFER_TOO_SMALL
    kernel.write(buffer, data)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoOpenDeviceRegistryKey(kernel: Kernel, device: PVOID, kind: ULONG, access: ULONG, result: PVOID) -> NTSTATUS:
    """The device's own key is made when it is first asked for, its driver's when the driver is installed."""
    node = kernel.part(PnpManager).node_of(device, "IoOpenDeviceRegistryKey")
    registry = kernel.part(KernelRegistry)
    if kind == _REGKEY_DEVICE:
        key = registry.tree.create(rf"{node.enum_path}\Device Parameters")
    elif kind == _REGKEY_DRIVER and node.driver_key:
        key = registry.tree.create(rf"{CLASSES}\{node.driver_key}")
    else:
        return Status.INVALID_PARAMETER if kind > 7 else Status.OBJECT_NAME_NOT_FOUND
    kernel.put_ptr(result, registry.open(key, access))
    return Status.SUCCESS


@dataclass(eq=False)
class Interface:
    """An instance of a device interface: its class, its device and the link that opens it."""

    guid: uuid.UUID
    node: Node
    link: str
    enabled: bool = False


@dataclass(frozen=True)
class Notification:
    """A registration for the arrival and removal of interfaces of a class."""

    guid: uuid.UUID
    callback: int
    context: int


class Interfaces:
    """Device interfaces, by their links in lower case, and who is told of them."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.by_link: dict[str, Interface] = {}
        self.notifications: dict[int, Notification] = {}

    def notify(self, event: uuid.UUID, interface: Interface) -> Steps:
        """Call who has registered for the class, at PASSIVE_LEVEL."""
        kernel = self.kernel
        size = layout("DEVICE_INTERFACE_CHANGE_NOTIFICATION", kernel.arch).size
        block = kernel.alloc(size + 2 * kernel.pointer_size, "PnpN")
        told = view(kernel, "DEVICE_INTERFACE_CHANGE_NOTIFICATION", block)
        told["Version"], told["Size"] = 1, size
        kernel.write(told.at("Event"), event.bytes_le)
        kernel.write(told.at("InterfaceClassGuid"), interface.guid.bytes_le)
        kernel.put_unicode_string(block + size, interface.link)
        told["SymbolicLinkName"] = block + size
        for each in [each for each in self.notifications.values() if each.guid == interface.guid]:
            yield Call(each.callback, block, each.context)
        kernel.free(wide(kernel, block + size)["Buffer"])
        kernel.free(block)
        return None

    def outstanding(self) -> list[str]:
        left = [f"The interface {each.link} is still enabled." for each in self.by_link.values() if each.enabled]
        return left + ["A PnP notification is still registered."] * len(self.notifications)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoRegisterDeviceInterface(kernel: Kernel, device: PVOID, guid: PVOID, reference: PVOID, result: PVOID) -> NTSTATUS:
    """The link's buffer is the caller's to free with RtlFreeUnicodeString."""
    node = kernel.part(PnpManager).node_of(device, "IoRegisterDeviceInterface")
    text = kernel.unicode_string(reference) if reference else ""
    if "\\" in text or "/" in text:
        return Status.INVALID_DEVICE_REQUEST
    identifier = uuid.UUID(bytes_le=kernel.read(guid, 16))
    braced = f"{{{identifier}}}"
    own = f"##?#{node.instance_path.replace(chr(92), '#')}#{braced}"
    kernel.part(KernelRegistry).tree.set(rf"{DEVICE_CLASSES}\{braced}\{own}", "DeviceInstance", node.instance_path)
    link = rf"\??\{own[4:]}" + (rf"\{text}" if text else "")
    data = f"{link}\0".encode("utf-16-le")
    buffer = kernel.pool.allocate(len(data), "Strg", True)
    if not buffer:
        return Status.INSUFFICIENT_RESOURCES
    kernel.write(buffer, data)
    made = wide(kernel, result)
    made["Buffer"], made["Length"], made["MaximumLength"] = buffer, len(data) - 2, len(data)
    kernel.part(Interfaces).by_link.setdefault(link.lower(), Interface(identifier, node, link))
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoSetDeviceInterfaceState(kernel: Kernel, link: PVOID, enable: BOOLEAN) -> Steps:
    interfaces, objects = kernel.part(Interfaces), kernel.part(ObjectManager)
    interface = interfaces.by_link.get(kernel.unicode_string(link).lower())
    if not interface:
        return Status.OBJECT_NAME_NOT_FOUND
    if bool(enable) == interface.enabled:
        return Status.OBJECT_NAME_EXISTS if enable else Status.OBJECT_NAME_NOT_FOUND
    interface.enabled = bool(enable)
    if enable:
        objects.add(Object("SymbolicLink", payload=interface.node.pdo.object.name, name=interface.link))
    else:
        objects.dereference(objects.names[interface.link.lower()])
    yield from interfaces.notify(_ARRIVAL if enable else _REMOVAL, interface)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoRegisterPlugPlayNotification(
    kernel: Kernel,
    category: ULONG,
    flags: ULONG,
    data: PVOID,
    driver: PVOID,
    callback: PVOID,
    context: PVOID,
    result: PVOID,
) -> Steps:
    """Of device interfaces; the other categories need file objects or hardware profiles, which the lab has not."""
    kernel.part(Devices).driver_at(driver, "IoRegisterPlugPlayNotification")
    if category != _CATEGORY_INTERFACE:
        return Status.NOT_IMPLEMENTED
    interfaces = kernel.part(Interfaces)
    guid = uuid.UUID(bytes_le=kernel.read(data, 16))
    entry = kernel.alloc(0x20, "PnpN")
    kernel.put_ptr(result, entry)
    before = [each for each in interfaces.by_link.values() if each.enabled and each.guid == guid]
    others, interfaces.notifications = interfaces.notifications, {entry: Notification(guid, callback, context)}
    for each in before if flags & _EXISTING_INTERFACES else []:
        yield from interfaces.notify(_ARRIVAL, each)
    interfaces.notifications = others | interfaces.notifications
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoGetDeviceInterfaces(kernel: Kernel, guid: PVOID, device: PVOID, flags: ULONG, result: PVOID) -> NTSTATUS:
    """The links of a class, or of one device's in it, as a list of strings that is the caller's to free."""
    identifier = uuid.UUID(bytes_le=kernel.read(guid, 16))
    node = kernel.part(PnpManager).node_of(device, "IoGetDeviceInterfaces") if device else None
    links = [
        each.link
        for each in kernel.part(Interfaces).by_link.values()
        if each.guid == identifier and node in (None, each.node) and (each.enabled or flags & _INCLUDE_NONACTIVE)
    ]
    data = _texts(links) if links else bytes(4)
    buffer = kernel.pool.allocate(len(data), "PnpI", True)
    if not buffer:
        return Status.INSUFFICIENT_RESOURCES
    kernel.write(buffer, data)
    kernel.put_ptr(result, buffer)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="IoUnregisterPlugPlayNotificationEx")
@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoUnregisterPlugPlayNotification(kernel: Kernel, entry: PVOID) -> NTSTATUS:
    if kernel.part(Interfaces).notifications.pop(entry, None) is None:
        kernel.violation(f"IoUnregisterPlugPlayNotification is given {entry:#x}, which is not registered.")
    kernel.free(entry)
    return Status.SUCCESS


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoInvalidateDeviceRelations(kernel: Kernel, device: PVOID, kind: ULONG) -> None:
    """Only bus relations are asked for again; the other kinds are asked for whenever they are needed."""
    manager = kernel.part(PnpManager)
    node = manager.node_of(device, "IoInvalidateDeviceRelations")
    if kind == Relations.BusRelations:
        manager.do_later(lambda: manager.enumerate_if_started(node), "IoInvalidateDeviceRelations")


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoInvalidateDeviceState(kernel: Kernel, device: PVOID) -> None:
    manager = kernel.part(PnpManager)
    node = manager.node_of(device, "IoInvalidateDeviceState")
    manager.do_later(lambda: manager.query_state_if_started(node), "IoInvalidateDeviceState")


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoRequestDeviceEject(kernel: Kernel, device: PVOID) -> None:
    manager = kernel.part(PnpManager)
    node = manager.node_of(device, "IoRequestDeviceEject")
    manager.do_later(lambda: manager.eject(node), "IoRequestDeviceEject")


def _check_custom(kernel: Kernel, block: int) -> int:
    told = view(kernel, "TARGET_DEVICE_CUSTOM_NOTIFICATION", block)
    if told["Version"] != 1 or told["FileObject"]:
        return Status.INVALID_DEVICE_REQUEST
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoReportTargetDeviceChange(kernel: Kernel, device: PVOID, block: PVOID) -> NTSTATUS:
    """Nobody in the lab opens devices and listens; what is reported is checked and traced."""
    node = kernel.part(PnpManager).node_of(device, "IoReportTargetDeviceChange")
    guid = devnode.guid_text(kernel.read(view(kernel, "TARGET_DEVICE_CUSTOM_NOTIFICATION", block).at("Event"), 16))
    kernel.world.trace("pnp", f"{node.instance_path} reports {guid}")
    return _check_custom(kernel, block)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoReportTargetDeviceChangeAsynchronous(
    kernel: Kernel, device: PVOID, block: PVOID, callback: PVOID, context: PVOID
) -> NTSTATUS:
    kernel.part(PnpManager).node_of(device, "IoReportTargetDeviceChangeAsynchronous")
    status = _check_custom(kernel, block)
    if status == Status.SUCCESS and callback:

        def run() -> Steps:
            yield Call(callback, context)
            return None

        kernel.queue_work(run, "IoReportTargetDeviceChangeAsynchronous")
        return Status.PENDING
    return status

# SPDX-License-Identifier: GPL-2.0-or-later

"""WMI data providers: a device that registers is asked for its blocks, and what it announces is recorded.

Source: Windows Driver Kit, "Windows Management Instrumentation", IoWMIRegistrationControl, IRP_MN_REGINFO_EX,
WMIREGINFO, WMIREGGUID, IoWMIWriteEvent, IoWMISuggestInstanceName, IoWMIAllocateInstanceIds.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.nt.codes import Major, Status
from xenlab.nt.io import Devices
from xenlab.nt.irp import Irps
from xenlab.nt.pnp import PnpManager
from xenlab.nt.routine import APC_LEVEL, DISPATCH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PVOID, ULONG, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_REGISTER, _DEREGISTER, _REREGISTER, _UPDATE_GUIDS, _BLOCK_IRPS = 1, 2, 3, 4, 5
_REGINFO, _REGINFO_EX = 0x8, 0xB
_WMIREGISTER, _WMIUPDATE = 0, 1
_GUID_COUNT = 0x10
_HEADER, _GUID_ENTRY = {"x64": 0x18, "x32": 0x14}, {"x64": 0x20, "x32": 0x1C}
_FIRST_SIZE = 0x400
_LEAST_NODE = 0x30


@dataclass(eq=False)
class Provider:
    """A registered device and the GUIDs of the blocks that it offers, once it was asked."""

    device: int
    identifier: int
    guids: list[uuid.UUID] = field(default_factory=list)


class Wmi:
    """The registered providers by device address.

    Attributes:
        events: how many events were written.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.providers: dict[int, Provider] = {}
        self.events = 0
        self._instances: dict[uuid.UUID, int] = {}
        kernel.at_free(self._check_free)

    def register(self, device: int) -> int:
        if device in self.providers:
            return Status.OBJECT_NAME_EXISTS
        self.providers[device] = Provider(device, len(self.providers) + 1)
        self._ask_later(device, _WMIREGISTER)
        return Status.SUCCESS

    def deregister(self, device: int) -> int:
        return Status.SUCCESS if self.providers.pop(device, None) else Status.INVALID_PARAMETER

    def update(self, device: int) -> int:
        if device not in self.providers:
            return Status.INVALID_PARAMETER
        self._ask_later(device, _WMIUPDATE)
        return Status.SUCCESS

    def next_instances(self, guid: uuid.UUID, count: int) -> int:
        first = self._instances.get(guid, 0)
        self._instances[guid] = first + count
        return first

    def outstanding(self) -> list[str]:
        name = self.kernel.part(Devices).name
        return [f"{name(each)} never deregisters its device {each:#x} from WMI." for each in self.providers]

    def _ask_later(self, device: int, action: int) -> None:
        self.kernel.queue_work(lambda: self._ask(device, action), "WMI's question for a device's blocks")

    def _ask(self, device: int, action: int) -> Steps:
        """Send IRP_MN_REGINFO_EX, before Windows XP IRP_MN_REGINFO, with a larger buffer where one is wanted."""
        kernel, size = self.kernel, _FIRST_SIZE
        while size and device in self.providers and not kernel.part(Devices).at(device).deleted:
            irps = kernel.part(Irps)
            target = kernel.part(Devices).at(device).top()
            request = irps.make(target.view["StackSize"], "WMI", lambda _: None)
            irps.irp(request.address)["IoStatus.Status"] = Status.NOT_SUPPORTED
            stack = irps.next(request)
            buffer = kernel.alloc(size, "WmiR")
            stack["MajorFunction"] = Major.SYSTEM_CONTROL
            stack["MinorFunction"] = _REGINFO if kernel.nt < (5, 1) else _REGINFO_EX
            stack["Parameters.WMI.ProviderId"], stack["Parameters.WMI.DataPath"] = device, action
            stack["Parameters.WMI.BufferSize"], stack["Parameters.WMI.Buffer"] = size, buffer
            status = yield from irps.send(target.address, request)
            wanted = kernel.u32(buffer)
            if status == Status.SUCCESS and request.information == 4:
                status = Status.BUFFER_TOO_SMALL
            if status == Status.SUCCESS and device in self.providers:
                self._read(self.providers[device], buffer, request.information)
            kernel.free(buffer)
            size = wanted if status == Status.BUFFER_TOO_SMALL and wanted > size else 0
        return None

    def _read(self, provider: Provider, buffer: int, size: int) -> None:
        kernel = self.kernel
        header, entry = _HEADER[kernel.arch], _GUID_ENTRY[kernel.arch]
        count = kernel.u32(buffer + _GUID_COUNT)
        if size < header + count * entry:
            kernel.violation(f"WMI is told {count} blocks in {size} bytes.")
        places = [buffer + header + index * entry for index in range(count)]
        provider.guids = [uuid.UUID(bytes_le=kernel.read(each, 16)) for each in places]
        kernel.world.trace("wmi", f"a device offers {count} blocks", device=provider.device)

    def _check_free(self, address: int, size: int) -> None:
        for each in self.providers:
            if address <= each < address + size:
                self.kernel.violation("A device object goes that is still registered with WMI.")


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoWMIRegistrationControl(kernel: Kernel, device: PVOID, action: ULONG) -> NTSTATUS:
    kernel.part(Devices).at(device, "IoWMIRegistrationControl")
    wmi = kernel.part(Wmi)
    act = {_REGISTER: wmi.register, _DEREGISTER: wmi.deregister, _REREGISTER: wmi.update, _UPDATE_GUIDS: wmi.update}
    if action == _BLOCK_IRPS:
        return Status.SUCCESS
    return act[action](device) if action in act else Status.INVALID_PARAMETER


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoWMIWriteEvent(kernel: Kernel, node: PVOID) -> NTSTATUS:
    """WMI frees the WNODE_EVENT_ITEM, from nonpaged pool, when it takes it; otherwise it stays the caller's."""
    size = kernel.u32(node)
    if size < _LEAST_NODE:
        return Status.INVALID_PARAMETER
    guid = uuid.UUID(bytes_le=kernel.read(node + 0x18, 16))
    wmi = kernel.part(Wmi)
    wmi.events += 1
    kernel.world.trace("wmi", f"event {guid}", size=size)
    kernel.pool.free(node)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoWMISuggestInstanceName(kernel: Kernel, device: PVOID, link: PVOID, combine: ULONG, suggested: PVOID) -> NTSTATUS:
    """The name is from paged pool, and the driver's to free."""
    node = kernel.part(PnpManager).node_of(device, "IoWMISuggestInstanceName") if device else None
    if not node and not link:
        return Status.INVALID_PARAMETER
    parts = [node.instance_path] if node else []
    if link and (combine or not node):
        parts.append(kernel.unicode_string(link))
    data = "_".join(parts).encode("utf-16-le")
    buffer = kernel.pool.allocate(len(data) + 2, "WmiN", True)
    if not buffer:
        return Status.INSUFFICIENT_RESOURCES
    kernel.write(buffer, data + b"\0\0")
    kernel.put_u16(suggested, len(data))
    kernel.put_u16(suggested + 2, len(data) + 2)
    kernel.put_ptr(suggested + kernel.pointer_size, buffer)
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def IoWMIAllocateInstanceIds(kernel: Kernel, guid: PVOID, count: ULONG, first: PVOID) -> NTSTATUS:
    known = uuid.UUID(bytes_le=kernel.read(guid, 16))
    kernel.put_u32(first, kernel.part(Wmi).next_instances(known, count))
    return Status.SUCCESS


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoWMIDeviceObjectToProviderId(kernel: Kernel, device: PVOID) -> ULONG:
    found = kernel.part(Wmi).providers.get(device)
    return found.identifier if found else 0

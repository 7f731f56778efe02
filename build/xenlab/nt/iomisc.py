# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Io routines: devices by name, shutdown notifications, work items in a driver's own memory, what a disk reports.

Source: Windows Driver Kit, IoGetDeviceObjectPointer, IoRegisterShutdownNotification, IoInitializeWorkItem,
IoGetConfigurationInformation and the page of each other routine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.ex import WorkItems
from xenlab.nt.files import Access, Process
from xenlab.nt.io import Devices
from xenlab.nt.ob import ObjectManager
from xenlab.nt.objects import view
from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    ULONG,
    Steps,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_WORK_ITEM_SIZE = 0x30
_WRITE_ACCESS = 0x40000002
_CONFIGURATION_SIZE = 0x40


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoGetDeviceObjectPointer(kernel: Kernel, name: PVOID, access: ULONG, file: PVOID, device: PVOID) -> Steps:
    """The device at the top of the stack, and a referenced file object that keeps it there."""
    system = Process(kernel, "System")
    wanted = Access.READ | (Access.WRITE if access & _WRITE_ACCESS else Access(0))
    status, opened = yield from system.open(kernel.unicode_string(name), wanted)
    if opened is None:
        return status
    kernel.part(ObjectManager).reference(opened.object)
    kernel.put_ptr(file, opened.address)
    kernel.put_ptr(device, opened.device.top().address)
    yield from system.close(opened)
    return Status.SUCCESS


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoGetRelatedDeviceObject(kernel: Kernel, file: PVOID) -> PVOID:
    device = view(kernel, "FILE_OBJECT", file)["DeviceObject"]
    return kernel.part(Devices).at(device, "IoGetRelatedDeviceObject").top().address


class ShutdownNotifications:
    """The devices whose drivers want to know of a shutdown, in the order in which they said so."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.registered: list[int] = []
        kernel.at_free(self._check_free)

    def outstanding(self) -> list[str]:
        name = self._kernel.part(Devices).name
        return [f"{name(each)} never calls IoUnregisterShutdownNotification." for each in self.registered]

    def _check_free(self, address: int, size: int) -> None:
        for each in self.registered:
            if address <= each < address + size:
                self._kernel.violation("A device object goes that is still to be told of a shutdown.")


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="IoRegisterLastChanceShutdownNotification")
def IoRegisterShutdownNotification(kernel: Kernel, device: PVOID) -> NTSTATUS:
    kernel.part(Devices).at(device, "IoRegisterShutdownNotification")
    kernel.part(ShutdownNotifications).registered.append(device)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoUnregisterShutdownNotification(kernel: Kernel, device: PVOID) -> None:
    registered = kernel.part(ShutdownNotifications).registered
    while device in registered:
        registered.remove(device)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def IoSizeofWorkItem(kernel: Kernel) -> ULONG:
    return _WORK_ITEM_SIZE


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoInitializeWorkItem(kernel: Kernel, device: PVOID, item: PVOID) -> None:
    kernel.part(ObjectManager).at(device)
    kernel.zero(item, _WORK_ITEM_SIZE)
    kernel.part(WorkItems).add(item, device)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoUninitializeWorkItem(kernel: Kernel, item: PVOID) -> None:
    kernel.part(WorkItems).remove(item)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoSetHardErrorOrVerifyDevice(kernel: Kernel, irp: PVOID, device: PVOID) -> None:
    kernel.part(Devices).at(device, "IoSetHardErrorOrVerifyDevice")
    kernel.read(irp, 2)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoRaiseInformationalHardError(kernel: Kernel, status: NTSTATUS, text: PVOID, thread: PVOID) -> BOOLEAN:
    kernel.world.trace("log", "a hard error is shown", status=status)
    return 1


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoSetThreadHardErrorMode(kernel: Kernel, enable: BOOLEAN) -> BOOLEAN:
    return 1


class Configuration:
    """The CONFIGURATION_INFORMATION that disk, tape and port drivers count themselves in."""

    def __init__(self, kernel: Kernel) -> None:
        self.address = kernel.alloc(_CONFIGURATION_SIZE, "Conf")
        kernel.put_u32(self.address + 4 * 7, _CONFIGURATION_SIZE)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoGetConfigurationInformation(kernel: Kernel) -> PVOID:
    return kernel.part(Configuration).address

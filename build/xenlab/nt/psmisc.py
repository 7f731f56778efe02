# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Ps routines that ask about threads and processes, and notifications of what comes and goes.

Source: Windows Driver Kit, PsSetLoadImageNotifyRoutine, PsSetCreateThreadNotifyRoutine, PsLookupThreadByThreadId,
IoGetInitialStack and the page of each other routine. There is one process, System, and it neither comes nor goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.ob import ObjectManager
from xenlab.nt.ps import Processes
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    DISPATCH_LEVEL,
    HANDLE,
    HIGH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    ULONG,
    data_export,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_MOST_ROUTINES = 8
_SYSTEM_PROCESS_ID = 4
_THREAD_ID_MASK = 0xFFFFFC


class Notifications:
    """The registered routines: images that load, threads, processes."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.registered: dict[str, list[int]] = {"image": [], "thread": [], "process": []}

    def add(self, what: str, function: int) -> int:
        known = self.registered[what]
        if len(known) == _MOST_ROUTINES:
            return Status.INSUFFICIENT_RESOURCES
        known.append(function)
        return Status.SUCCESS

    def remove(self, what: str, function: int) -> int:
        if function not in self.registered[what]:
            return Status.NOT_FOUND
        self.registered[what].remove(function)
        return Status.SUCCESS

    def outstanding(self) -> list[str]:
        describe = self._kernel.symbols.describe
        return [
            f"The {what} notification routine {describe(function)} is still registered."
            for what, functions in self.registered.items()
            for function in functions
        ]


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsSetLoadImageNotifyRoutine(kernel: Kernel, function: PVOID) -> NTSTATUS:
    return kernel.part(Notifications).add("image", function)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsRemoveLoadImageNotifyRoutine(kernel: Kernel, function: PVOID) -> NTSTATUS:
    return kernel.part(Notifications).remove("image", function)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsSetCreateThreadNotifyRoutine(kernel: Kernel, function: PVOID) -> NTSTATUS:
    return kernel.part(Notifications).add("thread", function)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsRemoveCreateThreadNotifyRoutine(kernel: Kernel, function: PVOID) -> NTSTATUS:
    return kernel.part(Notifications).remove("thread", function)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsSetCreateProcessNotifyRoutine(kernel: Kernel, function: PVOID, remove: BOOLEAN) -> NTSTATUS:
    notifications = kernel.part(Notifications)
    return notifications.remove("process", function) if remove else notifications.add("process", function)


def _referenced(kernel: Kernel, address: int, result: int) -> int:
    objects = kernel.part(ObjectManager)
    objects.reference(objects.at(address))
    kernel.put_ptr(result, address)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsLookupProcessByProcessId(kernel: Kernel, identifier: HANDLE, result: PVOID) -> NTSTATUS:
    if identifier != _SYSTEM_PROCESS_ID:
        return Status.INVALID_PARAMETER
    return _referenced(kernel, kernel.part(Processes).system, result)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsLookupThreadByThreadId(kernel: Kernel, identifier: HANDLE, result: PVOID) -> NTSTATUS:
    for each in kernel.part(ObjectManager).of_kind("Thread"):
        if each.address & _THREAD_ID_MASK == identifier:
            return _referenced(kernel, each.address, result)
    return Status.INVALID_PARAMETER


@routine(_NTOS, irql_max=HIGH_LEVEL)
def PsGetThreadId(kernel: Kernel, thread: PVOID) -> HANDLE:
    return thread & _THREAD_ID_MASK


@routine(_NTOS, irql_max=HIGH_LEVEL, name="PsGetProcessId")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="PsGetThreadProcessId")
def process_id(kernel: Kernel, process: PVOID) -> HANDLE:
    return _SYSTEM_PROCESS_ID


@routine(_NTOS, irql_max=HIGH_LEVEL, name="PsGetThreadProcess")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="IoThreadToProcess")
@routine(_NTOS, irql_max=DISPATCH_LEVEL, name="IoGetRequestorProcess")
def its_process(kernel: Kernel, thread: PVOID) -> PVOID:
    return kernel.part(Processes).system


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoGetRequestorProcessId(kernel: Kernel, irp: PVOID) -> ULONG:
    return _SYSTEM_PROCESS_ID


@routine(_NTOS, irql_max=HIGH_LEVEL, name="PsIsSystemThread")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="IoIsSystemThread")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="PsIsSystemProcess")
def is_of_the_system(kernel: Kernel, address: PVOID) -> BOOLEAN:
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL, name="PsGetCurrentThreadPreviousMode")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="PsGetCurrentProcessSessionId")
def zero(kernel: Kernel) -> ULONG:
    """KernelMode; the session of the system."""
    return 0


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoIs32bitProcess(kernel: Kernel, irp: PVOID) -> BOOLEAN:
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def IoGetInitialStack(kernel: Kernel) -> PVOID:
    return kernel.current_thread.stack_top


@routine(_NTOS, irql_max=HIGH_LEVEL)
def IoGetStackLimits(kernel: Kernel, low: PVOID, high: PVOID) -> None:
    kernel.put_ptr(low, kernel.current_thread.stack)
    kernel.put_ptr(high, kernel.current_thread.stack_top)


class TopLevelIrps:
    """What IoSetTopLevelIrp has noted, by thread."""

    def __init__(self, _: Kernel) -> None:
        self.noted: dict[int, int] = {}


@routine(_NTOS, irql_max=APC_LEVEL)
def IoGetTopLevelIrp(kernel: Kernel) -> PVOID:
    return kernel.part(TopLevelIrps).noted.get(kernel.current_thread.object, 0)


@routine(_NTOS, irql_max=APC_LEVEL)
def IoSetTopLevelIrp(kernel: Kernel, irp: PVOID) -> None:
    kernel.part(TopLevelIrps).noted[kernel.current_thread.object] = irp


@data_export(_NTOS)
def PsProcessType(kernel: Kernel) -> int:
    cell = kernel.alloc(8, "ObjT")
    kernel.put_ptr(cell, kernel.part(ObjectManager).type_object("Process"))
    return cell

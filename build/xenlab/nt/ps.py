# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Ps routines: system threads. Source: Windows Driver Kit, PsCreateSystemThread, PsTerminateSystemThread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.ob import Object, ObjectManager
from xenlab.nt.routine import (
    DISPATCH_LEVEL,
    HANDLE,
    HIGH_LEVEL,
    LONG,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    ULONG,
    Call,
    Steps,
    data_export,
    routine,
)
from xenlab.nt.thread import Thread, ThreadExit

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"


class Processes:
    """The one process that there is, System; its thread handles lead to thread objects."""

    def __init__(self, kernel: Kernel) -> None:
        self.system = kernel.alloc(0x400, "Proc")
        kernel.part(ObjectManager).add(Object("Process", self.system))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsCreateSystemThread(
    kernel: Kernel,
    handle: PVOID,
    access: ULONG,
    attributes: PVOID,
    process: HANDLE,
    client: PVOID,
    function: PVOID,
    context: PVOID,
) -> NTSTATUS:
    def steps() -> Steps:
        yield Call(function, context)
        return 0

    if kernel.pool.refuses("Thre", 0):
        return 0xC000009A
    thread = kernel.start(steps(), kernel.symbols.describe(function))
    objects = kernel.part(ObjectManager)
    made = objects.add(Object("Thread", thread.object, thread, lambda: kernel.free(thread.object)))
    thread.at_end = lambda: objects.dereference(made)
    kernel.put_ptr(handle, objects.open(made, access))
    return 0


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsTerminateSystemThread(kernel: Kernel, status: NTSTATUS) -> NTSTATUS:
    raise ThreadExit(status)


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="PsGetCurrentThread")
def KeGetCurrentThread(kernel: Kernel) -> PVOID:
    return kernel.current_thread.object


@routine(_NTOS, irql_max=HIGH_LEVEL)
def PsGetCurrentThreadId(kernel: Kernel) -> HANDLE:
    return kernel.current_thread.object & 0xFFFFFC


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="IoGetCurrentProcess")
def PsGetCurrentProcess(kernel: Kernel) -> PVOID:
    return kernel.part(Processes).system


@routine(_NTOS, irql_max=HIGH_LEVEL)
def PsGetCurrentProcessId(kernel: Kernel) -> HANDLE:
    return 4


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def KeSetPriorityThread(kernel: Kernel, thread: PVOID, priority: LONG) -> LONG:
    found = _thread(kernel, thread)
    before, found.priority = found.priority, priority
    return before


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeQueryPriorityThread(kernel: Kernel, thread: PVOID) -> LONG:
    return _thread(kernel, thread).priority


def _thread(kernel: Kernel, address: int) -> Thread:
    for each in kernel.scheduler.threads:
        if each.object == address:
            return each
    return kernel.violation(f"There is no thread at {address:#x}.")


@data_export(_NTOS)
def PsInitialSystemProcess(kernel: Kernel) -> int:
    cell = kernel.alloc(8, "Cell")
    kernel.put_ptr(cell, kernel.part(Processes).system)
    return cell

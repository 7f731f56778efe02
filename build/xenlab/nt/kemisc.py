# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Ke routines of drivers that think of several processors, of which the lab's machine has one.

Source: Windows Driver Kit, KeSetAffinityThread, KeIpiGenericCall, KeGenericCallDpc, KeRegisterBugCheckReasonCallback,
KeRegisterNmiCallback, KeAcquireSpinLockForDpc and the page of each other routine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.dispatcher import MUTANT
from xenlab.nt.objects import view
from xenlab.nt.ps import KeQueryPriorityThread
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    CCHAR,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    LONG,
    LONGLONG,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    SIZE_T,
    UCHAR,
    ULONG,
    Call,
    Steps,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS, _HAL = "ntoskrnl.exe", "hal.dll"
_PROCESSORS = 1
_IPI_LEVEL = {"x64": 14, "x32": 29}
_SYNCH_LEVEL = {"x64": 12, "x32": 27}
_CACHE_LINE = 64


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeSetAffinityThread(kernel: Kernel, thread: PVOID, affinity: SIZE_T) -> SIZE_T:
    if affinity != _PROCESSORS:
        kernel.bug_check(0x3, affinity)
    return _PROCESSORS


@routine(_NTOS, irql_max=APC_LEVEL)
def KeSetSystemAffinityThreadEx(kernel: Kernel, affinity: SIZE_T) -> SIZE_T:
    return 0


@routine(_NTOS, irql_max=APC_LEVEL)
def KeRevertToUserAffinityThreadEx(kernel: Kernel, affinity: SIZE_T) -> None:
    if affinity not in (0, _PROCESSORS):
        kernel.violation(f"KeRevertToUserAffinityThreadEx is given {affinity:#x}, which no call has returned.")


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeSetIdealProcessorThread(kernel: Kernel, thread: PVOID, number: CCHAR) -> UCHAR:
    return 0


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def KeSetBasePriorityThread(kernel: Kernel, thread: PVOID, increment: LONG) -> LONG:
    KeQueryPriorityThread(kernel, thread)
    return 0


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def KeSetKernelStackSwapEnable(kernel: Kernel, enable: BOOLEAN) -> BOOLEAN:
    """Stacks of waiting threads are never swapped out here."""
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryActiveProcessorCount(kernel: Kernel, active: PVOID) -> ULONG:
    if active:
        kernel.put_ptr(active, _PROCESSORS)
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryMaximumProcessorCount(kernel: Kernel) -> ULONG:
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeGetRecommendedSharedDataAlignment(kernel: Kernel) -> ULONG:
    return _CACHE_LINE


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeIsExecutingDpc(kernel: Kernel) -> ULONG:
    return int(kernel.in_dpc)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeFlushEntireTb(kernel: Kernel, invalid: BOOLEAN, every: BOOLEAN) -> BOOLEAN:
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeInvalidateAllCaches(kernel: Kernel) -> BOOLEAN:
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeIpiGenericCall(kernel: Kernel, function: PVOID, context: PVOID) -> Steps:
    """The routine runs at IPI_LEVEL on each processor."""
    old = kernel.raise_irql(_IPI_LEVEL[kernel.arch])
    result = yield Call(function, context)
    kernel.lower_irql(old)
    return result


@routine(_NTOS, irql_max=APC_LEVEL)
def KeGenericCallDpc(kernel: Kernel, function: PVOID, context: PVOID) -> Steps:
    """A DPC on each processor at once, and the caller goes on when each has called KeSignalCallDpcDone."""
    cell = kernel.alloc(16, "GDpc")
    dpc = kernel.alloc(view(kernel, "KDPC", 0).layout.size, "GDpc")
    kernel.dpcs.init(dpc, function, context)
    kernel.put_u32(cell, _PROCESSORS)
    old = kernel.raise_irql(DISPATCH_LEVEL)
    yield Call(function, dpc, context, cell, cell + 8)
    kernel.lower_irql(old)
    if kernel.u32(cell):
        kernel.violation("A routine of KeGenericCallDpc returns without KeSignalCallDpcDone.")
    for block in (cell, dpc):
        kernel.free(block)
    return None


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeSignalCallDpcDone(kernel: Kernel, cell: PVOID) -> None:
    kernel.put_u32(cell, kernel.u32(cell) - 1)


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeSignalCallDpcSynchronize(kernel: Kernel, barrier: PVOID) -> ULONG:
    return 1


class Callbacks:
    """Bug check reason callbacks and NMI callbacks that are registered, by their record or handle."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.reasons: list[int] = []
        self.nmi: list[int] = []
        kernel.at_free(self._check_free)

    def outstanding(self) -> list[str]:
        return [
            *(f"The bug check reason callback record {each:#x} is still registered." for each in self.reasons),
            *(f"The NMI callback {each:#x} is still registered." for each in self.nmi),
        ]

    def _check_free(self, address: int, size: int) -> None:
        for each in self.reasons:
            if address <= each < address + size:
                self.kernel.violation(f"The memory of the bug check reason callback record {each:#x} is freed.")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeRegisterBugCheckReasonCallback(
    kernel: Kernel, record: PVOID, function: PVOID, reason: ULONG, component: PVOID
) -> BOOLEAN:
    made = view(kernel, "KBUGCHECK_REASON_CALLBACK_RECORD", record)
    if made["State"]:
        return 0
    made["CallbackRoutine"], made["Reason"], made["Component"], made["State"] = function, reason, component, 1
    kernel.part(Callbacks).reasons.append(record)
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeDeregisterBugCheckReasonCallback(kernel: Kernel, record: PVOID) -> BOOLEAN:
    reasons = kernel.part(Callbacks).reasons
    if record not in reasons:
        return 0
    reasons.remove(record)
    view(kernel, "KBUGCHECK_REASON_CALLBACK_RECORD", record)["State"] = 0
    return 1


@routine(_NTOS, irql_max=APC_LEVEL)
def KeRegisterNmiCallback(kernel: Kernel, function: PVOID, context: PVOID) -> PVOID:
    """There are no NMIs; the registration is what can be forgotten."""
    handle = kernel.alloc(16, "Nmi ")
    kernel.part(Callbacks).nmi.append(handle)
    return handle


@routine(_NTOS, irql_max=APC_LEVEL)
def KeDeregisterNmiCallback(kernel: Kernel, handle: PVOID) -> NTSTATUS:
    known = kernel.part(Callbacks).nmi
    if handle not in known:
        return Status.INVALID_HANDLE
    known.remove(handle)
    kernel.free(handle)
    return Status.SUCCESS


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeSetCoalescableTimer(
    kernel: Kernel, timer: PVOID, due: LONGLONG, period: ULONG, delay: ULONG, dpc: PVOID
) -> BOOLEAN:
    return int(kernel.clock.set_timer(timer, due, period, dpc))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeInitializeMutant(kernel: Kernel, mutant: PVOID, owned: BOOLEAN) -> None:
    made = kernel.dispatcher.init(mutant, MUTANT, 0 if owned else 1)
    made["OwnerThread"] = kernel.current_thread.object if owned else 0


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeReleaseMutant(kernel: Kernel, mutant: PVOID, increment: LONG, abandoned: BOOLEAN, wait: BOOLEAN) -> LONG:
    return kernel.dispatcher.release_mutant(mutant)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeStackAttachProcess(kernel: Kernel, process: PVOID, state: PVOID) -> None:
    """There is one address space; the state says that it was taken and not given back."""
    kernel.put_ptr(state, process)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeUnstackDetachProcess(kernel: Kernel, state: PVOID) -> None:
    if not kernel.ptr(state):
        kernel.violation("KeUnstackDetachProcess without KeStackAttachProcess.")
    kernel.put_ptr(state, 0)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeAttachProcess(kernel: Kernel, process: PVOID) -> None:
    """There is one address space."""


@routine(_NTOS, irql_max=APC_LEVEL)
def KeDetachProcess(kernel: Kernel) -> None:
    """There is one address space."""


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeExpandKernelStackAndCallout(kernel: Kernel, function: PVOID, parameter: PVOID, size: SIZE_T) -> Steps:
    """The stack of each thread is as large as it will be."""
    yield Call(function, parameter)
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL, name="KdEnableDebugger")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="KdDisableDebugger")
def no_debugger(kernel: Kernel) -> NTSTATUS:
    return Status.DEBUGGER_INACTIVE


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KdRefreshDebuggerNotPresent(kernel: Kernel) -> BOOLEAN:
    return 1


# Spin locks at whatever IRQL


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeTestSpinLock(kernel: Kernel, lock: PVOID) -> BOOLEAN:
    return int(lock not in kernel.locks.held)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeAcquireSpinLockForDpc(kernel: Kernel, lock: PVOID) -> UCHAR:
    """For a routine that is a threaded DPC or an ordinary one."""
    old = kernel.raise_irql(DISPATCH_LEVEL)
    kernel.locks.acquire(lock)
    return old


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeReleaseSpinLockForDpc(kernel: Kernel, lock: PVOID, old: UCHAR) -> None:
    kernel.locks.release(lock)
    kernel.lower_irql(old)


@routine(_NTOS, _HAL, irql_max=HIGH_LEVEL)
def KeAcquireSpinLockRaiseToSynch(kernel: Kernel, lock: PVOID) -> UCHAR:
    old = kernel.raise_irql(_SYNCH_LEVEL[kernel.arch])
    kernel.locks.acquire(lock)
    return old


@routine(_HAL, irql_max=HIGH_LEVEL)
def KeRaiseIrqlToSynchLevel(kernel: Kernel) -> UCHAR:
    return kernel.raise_irql(_SYNCH_LEVEL[kernel.arch])

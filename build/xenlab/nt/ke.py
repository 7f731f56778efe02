# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Ke routines: dispatcher objects, waits, timers, DPCs, time, and the kernel's exported variables.

Source: Windows Driver Kit, the page of each routine, whose IRQL line is the one given here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt import objects
from xenlab.nt.dispatcher import MUTANT, NOTIFICATION_TIMER, SEMAPHORE, STATUS_TIMEOUT
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
    ULONG,
    ULONGLONG,
    Steps,
    Wait,
    data_export,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_BUILDS = {(5, 0): 2195, (5, 1): 2600, (5, 2): 3790, (6, 0): 6001, (6, 1): 7601}
_FREE_BUILD = 0xF0000000
_HIGHEST_USER = {"x64": 0x7FF_FFFEFFFF, "x32": 0x7FFEFFFF}
_SYSTEM_START = {"x64": 0xFFFF0800_00000000, "x32": 0x80000000}
_INVALID_WAIT = "A wait block array is lacking for a wait on more than 3 objects"


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeInitializeEvent(kernel: Kernel, event: PVOID, kind: ULONG, state: BOOLEAN) -> None:
    if kind > 1:
        kernel.violation(f"KeInitializeEvent with the event type {kind}.")
    kernel.dispatcher.init_event(event, kind == 1, bool(state))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeSetEvent(kernel: Kernel, event: PVOID, increment: LONG, wait: BOOLEAN) -> LONG:
    if wait:
        kernel.require_irql(APC_LEVEL, "KeSetEvent with Wait")
    return kernel.dispatcher.set_event(event)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeResetEvent(kernel: Kernel, event: PVOID) -> LONG:
    return kernel.dispatcher.reset_event(event)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeClearEvent(kernel: Kernel, event: PVOID) -> None:
    kernel.dispatcher.reset_event(event)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KePulseEvent(kernel: Kernel, event: PVOID, increment: LONG, wait: BOOLEAN) -> LONG:
    return kernel.dispatcher.pulse_event(event)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
@routine(_NTOS, irql_max=DISPATCH_LEVEL, name="KeReadStateTimer")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeReadStateSemaphore")
@routine(_NTOS, irql_max=DISPATCH_LEVEL, name="KeReadStateMutex")
@routine(_NTOS, irql_max=DISPATCH_LEVEL, name="KeReadStateMutant")
def KeReadStateEvent(kernel: Kernel, event: PVOID) -> LONG:
    return kernel.dispatcher.state(event)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeInitializeSemaphore(kernel: Kernel, semaphore: PVOID, count: LONG, limit: LONG) -> None:
    if not 0 <= count <= limit or limit <= 0:
        kernel.violation(f"A semaphore is initialised with the count {count} and the limit {limit}.")
    kernel.dispatcher.init(semaphore, SEMAPHORE, count)["Limit"] = limit


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeReleaseSemaphore(kernel: Kernel, semaphore: PVOID, increment: LONG, adjustment: LONG, wait: BOOLEAN) -> LONG:
    return kernel.dispatcher.release_semaphore(semaphore, adjustment)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeInitializeMutex(kernel: Kernel, mutex: PVOID, level: ULONG) -> None:
    kernel.dispatcher.init(mutex, MUTANT, 1)["ApcDisable"] = 1


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeReleaseMutex(kernel: Kernel, mutex: PVOID, wait: BOOLEAN) -> LONG:
    return kernel.dispatcher.release_mutant(mutex)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
@routine(_NTOS, irql_max=DISPATCH_LEVEL, name="KeWaitForMutexObject")
def KeWaitForSingleObject(
    kernel: Kernel,
    waited: PVOID,
    reason: ULONG,
    mode: CCHAR,
    alertable: BOOLEAN,
    timeout: PVOID,
) -> Steps:
    return (yield Wait([waited], False, _timeout(kernel, timeout), bool(alertable), bool(mode)))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeWaitForMultipleObjects(
    kernel: Kernel,
    count: ULONG,
    array: PVOID,
    kind: ULONG,
    reason: ULONG,
    mode: CCHAR,
    alertable: BOOLEAN,
    timeout: PVOID,
    blocks: PVOID,
) -> Steps:
    if count > 3 and not blocks:
        kernel.violation(f"{_INVALID_WAIT} ({count}).")
    waited = [kernel.ptr(array + index * kernel.pointer_size) for index in range(count)]
    return (yield Wait(waited, kind == 0, _timeout(kernel, timeout), bool(alertable), bool(mode)))


@routine(_NTOS, irql_max=APC_LEVEL)
def KeDelayExecutionThread(kernel: Kernel, mode: CCHAR, alertable: BOOLEAN, interval: PVOID) -> Steps:
    status = yield Wait([], False, _signed64(kernel.u64(interval)), bool(alertable), bool(mode))
    return 0 if status == STATUS_TIMEOUT else status


def _timeout(kernel: Kernel, timeout: int) -> int | None:
    return _signed64(kernel.u64(timeout)) if timeout else None


def _signed64(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeInitializeTimer(kernel: Kernel, timer: PVOID) -> None:
    kernel.clock.init_timer(timer)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeInitializeTimerEx(kernel: Kernel, timer: PVOID, kind: ULONG) -> None:
    if kind > 1:
        kernel.violation(f"KeInitializeTimerEx with the timer type {kind}.")
    kernel.clock.init_timer(timer, NOTIFICATION_TIMER + kind)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeSetTimer(kernel: Kernel, timer: PVOID, due: LONGLONG, dpc: PVOID) -> BOOLEAN:
    return int(kernel.clock.set_timer(timer, due, 0, dpc))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeSetTimerEx(kernel: Kernel, timer: PVOID, due: LONGLONG, period: LONG, dpc: PVOID) -> BOOLEAN:
    return int(kernel.clock.set_timer(timer, due, period, dpc))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeCancelTimer(kernel: Kernel, timer: PVOID) -> BOOLEAN:
    kernel.dispatcher.kind(timer)
    return int(kernel.clock.cancel_timer(timer))


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeInitializeThreadedDpc")
def KeInitializeDpc(kernel: Kernel, dpc: PVOID, function: PVOID, context: PVOID) -> None:
    kernel.dpcs.init(dpc, function, context)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeInsertQueueDpc(kernel: Kernel, dpc: PVOID, argument1: PVOID, argument2: PVOID) -> BOOLEAN:
    return int(kernel.dpcs.insert(dpc, argument1, argument2))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeRemoveQueueDpc(kernel: Kernel, dpc: PVOID) -> BOOLEAN:
    return int(kernel.dpcs.remove(dpc))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeSetImportanceDpc(kernel: Kernel, dpc: PVOID, importance: ULONG) -> None:
    objects.view(kernel, "KDPC", dpc)["Importance"] = importance


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeSetTargetProcessorDpc(kernel: Kernel, dpc: PVOID, number: CCHAR) -> None:
    if number != 0:
        kernel.violation(f"A DPC is directed at processor {number}; there is one, number 0.")
    objects.view(kernel, "KDPC", dpc)["Number"] = 0


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def KeFlushQueuedDpcs(kernel: Kernel) -> Steps:
    while kernel.dpcs:
        yield Wait(timeout_100ns=-1)
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQuerySystemTime(kernel: Kernel, time: PVOID) -> None:
    kernel.put_u64(time, kernel.clock.system_time)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryTickCount(kernel: Kernel, count: PVOID) -> None:
    kernel.put_u64(count, kernel.clock.ticks)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryInterruptTime(kernel: Kernel) -> ULONGLONG:
    return kernel.clock.interrupt_time


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryTimeIncrement(kernel: Kernel) -> ULONG:
    return 156_250


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryActiveProcessors(kernel: Kernel) -> PVOID:
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeBugCheckEx(kernel: Kernel, code: ULONG, first: PVOID, second: PVOID, third: PVOID, fourth: PVOID) -> None:
    kernel.bug_check(code, first, second, third, fourth)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeBugCheck(kernel: Kernel, code: ULONG) -> None:
    kernel.bug_check(code, 0, 0, 0, 0)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeSaveFloatingPointState(kernel: Kernel, save: PVOID) -> NTSTATUS:
    kernel.zero(save, 4)
    return 0


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeRestoreFloatingPointState(kernel: Kernel, save: PVOID) -> NTSTATUS:
    kernel.read(save, 4)
    return 0


@data_export(_NTOS)
def KeTickCount(kernel: Kernel) -> int:
    kernel.clock.tick_cell = kernel.alloc(16, "Tick")
    kernel.clock.retell()
    return kernel.clock.tick_cell


@data_export(_NTOS)
def KeNumberProcessors(kernel: Kernel) -> int:
    return _cell(kernel, 1)


@data_export(_NTOS)
def NtBuildNumber(kernel: Kernel) -> int:
    return _cell(kernel, _BUILDS[kernel.nt] | _FREE_BUILD)


@data_export(_NTOS)
@data_export(_NTOS, name="InitSafeBootMode")
@data_export(_NTOS, name="NtGlobalFlag")
def KdDebuggerEnabled(kernel: Kernel) -> int:
    return _cell(kernel, 0)


@data_export(_NTOS)
def KdDebuggerNotPresent(kernel: Kernel) -> int:
    return _cell(kernel, 1)


@data_export(_NTOS)
def MmHighestUserAddress(kernel: Kernel) -> int:
    return _cell(kernel, _HIGHEST_USER[kernel.arch])


@data_export(_NTOS)
def MmUserProbeAddress(kernel: Kernel) -> int:
    return _cell(kernel, _HIGHEST_USER[kernel.arch] & ~0xFFFF)


@data_export(_NTOS)
def MmSystemRangeStart(kernel: Kernel) -> int:
    return _cell(kernel, _SYSTEM_START[kernel.arch])


def _cell(kernel: Kernel, value: int) -> int:
    va = kernel.alloc(8, "Cell")
    kernel.put_u64(va, value)
    return va

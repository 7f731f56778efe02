# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Processor groups and nodes, of which the lab's machine has one each with one processor in it.

Source: Windows Driver Kit, "Supporting Systems That Have More Than 64 Processors", KeRegisterProcessorChangeCallback
and the page of each other routine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.routine import (
    APC_LEVEL,
    HIGH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    SIZE_T,
    ULONG,
    ULONGLONG,
    USHORT,
    Call,
    Steps,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_ALL_GROUPS = 0xFFFF
_NO_PROCESSOR = 0xFFFFFFFF
_ADD_EXISTING = 1
_ADD_START, _ADD_COMPLETE = 0, 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeGetCurrentProcessorNumberEx(kernel: Kernel, number: PVOID) -> ULONG:
    if number:
        kernel.put_u32(number, 0)
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeQueryActiveProcessorCountEx")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeQueryMaximumProcessorCountEx")
def processors_of(kernel: Kernel, group: USHORT) -> ULONG:
    return int(group in (0, _ALL_GROUPS))


@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeQueryActiveGroupCount")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeQueryMaximumGroupCount")
def groups(kernel: Kernel) -> USHORT:
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryGroupAffinity(kernel: Kernel, group: USHORT) -> SIZE_T:
    return int(group == 0)


@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeQueryHighestNodeNumber")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeGetCurrentNodeNumber")
def first_node(kernel: Kernel) -> USHORT:
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryNodeMaximumProcessorCount(kernel: Kernel, node: USHORT) -> USHORT:
    return int(node == 0)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryNodeActiveAffinity(kernel: Kernel, node: USHORT, affinity: PVOID, count: PVOID) -> None:
    if affinity:
        _put_affinity(kernel, affinity, int(node == 0))
    if count:
        kernel.put_u16(count, int(node == 0))


def _put_affinity(kernel: Kernel, address: int, mask: int) -> None:
    """Fill in a GROUP_AFFINITY: the mask, group 0, three words of zeros."""
    kernel.write(address, mask.to_bytes(kernel.pointer_size, "little") + bytes(8))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeGetProcessorNumberFromIndex(kernel: Kernel, index: ULONG, number: PVOID) -> NTSTATUS:
    if index:
        return Status.INVALID_PARAMETER
    kernel.put_u32(number, 0)
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeGetProcessorIndexFromNumber(kernel: Kernel, number: PVOID) -> ULONG:
    return _NO_PROCESSOR if kernel.u32(number) & 0xFFFFFF else 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeSetTargetProcessorDpcEx(kernel: Kernel, dpc: PVOID, number: PVOID) -> NTSTATUS:
    return Status.INVALID_PARAMETER if kernel.u32(number) else Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def KeSetSystemGroupAffinityThread(kernel: Kernel, affinity: PVOID, previous: PVOID) -> None:
    """What names no processor changes nothing, and the previous affinity is zero then, as for a first call."""
    if previous:
        _put_affinity(kernel, previous, 0)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeRevertToUserGroupAffinityThread(kernel: Kernel, previous: PVOID) -> None:
    if kernel.ptr(previous) not in (0, 1):
        kernel.violation("KeRevertToUserGroupAffinityThread is given an affinity that no call has returned.")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeQueryUnbiasedInterruptTime(kernel: Kernel) -> ULONGLONG:
    return kernel.clock.interrupt_time


class ProcessorCallbacks:
    """Who is told of processors that are added."""

    def __init__(self, _: Kernel) -> None:
        self.handles: list[int] = []

    def outstanding(self) -> list[str]:
        return [f"The processor change callback {each:#x} is still registered." for each in self.handles]


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def KeRegisterProcessorChangeCallback(kernel: Kernel, function: PVOID, context: PVOID, flags: ULONG) -> Steps:
    """With KE_PROCESSOR_CHANGE_ADD_EXISTING it is told of the processor that is there; an error of its undoes all."""
    handle = kernel.alloc(16, "PrCb")
    if flags & _ADD_EXISTING:
        block = kernel.alloc(24, "PrCb")
        for state in (_ADD_START, _ADD_COMPLETE):
            kernel.write(block, state.to_bytes(4, "little") + bytes(12))
            yield Call(function, context, block, block + 16)
            if kernel.u32(block + 16) >> 31:
                kernel.free(block)
                kernel.free(handle)
                return 0
        kernel.free(block)
    kernel.part(ProcessorCallbacks).handles.append(handle)
    return handle


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def KeDeregisterProcessorChangeCallback(kernel: Kernel, handle: PVOID) -> None:
    handles = kernel.part(ProcessorCallbacks).handles
    if handle not in handles:
        kernel.violation(f"KeDeregisterProcessorChangeCallback is given {handle:#x}, which is no registration.")
    handles.remove(handle)
    kernel.free(handle)

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""IoGetDmaAdapter and the DMA operations behind it (:mod:`xenlab.nt.dma` is what they work on).

The HAL exports some of the operations under older names, for drivers of Windows NT 4.0.
Source: Windows Driver Kit, IoGetDmaAdapter, DMA_OPERATIONS and the page of each operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xenlab.nt.codes import Status
from xenlab.nt.dma import Adapters
from xenlab.nt.io import Devices
from xenlab.nt.objects import view
from xenlab.nt.pydriver import guest_function
from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PHYSICAL_ADDRESS,
    PVOID,
    ULONG,
    Call,
    Steps,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS, _HAL = "ntoskrnl.exe", "hal.dll"
_KEEP_OBJECT, _DEALLOCATE_OBJECT, _DEALLOCATE_KEEP_REGISTERS = 1, 2, 3
_VERSIONS = (0, 1, 2)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoGetDmaAdapter(kernel: Kernel, device: PVOID, description: PVOID, map_registers: PVOID) -> PVOID:
    given = view(kernel, "DEVICE_DESCRIPTION", description)
    if device:
        kernel.part(Devices).at(device, "IoGetDmaAdapter")
    if given["Version"] not in _VERSIONS:
        kernel.violation(f"IoGetDmaAdapter is given a description of version {given['Version']}.")
    if not given["Master"]:
        kernel.violation("IoGetDmaAdapter is asked for a system DMA channel; the lab's machine has none.")
    if kernel.pool.refuses("DmaA", 0):
        return 0
    made = kernel.part(Adapters).make(given)
    adapter = view(kernel, "DMA_ADAPTER", made.address)
    adapter["Version"], adapter["Size"] = 1, adapter.layout.size
    adapter["DmaOperations"] = _operations(kernel)
    kernel.put_u32(map_registers, made.map_registers)
    return made.address


def _operations(kernel: Kernel) -> int:
    """The DMA_OPERATIONS, one table for all adapters."""
    adapters = kernel.part(Adapters)
    if not adapters.operations:
        fields = view(kernel, "DMA_OPERATIONS", 0)
        adapters.operations = kernel.alloc(fields.layout.size, "DmaO")
        table = view(kernel, "DMA_OPERATIONS", adapters.operations)
        table["Size"] = table.layout.size
        for name, (function, widths, irqls) in _OPERATIONS.items():
            table[name] = guest_function(kernel, name, function, widths, *irqls, wide_result=name == "MapTransfer")
    return adapters.operations


@routine(_HAL, irql_max=PASSIVE_LEVEL)
def HalAllocateCommonBuffer(kernel: Kernel, adapter: PVOID, length: ULONG, logical: PVOID, cached: BOOLEAN) -> PVOID:
    adapters = kernel.part(Adapters)
    return adapters.allocate_common(adapters.at(adapter, "AllocateCommonBuffer"), length, logical)


@routine(_HAL, irql_max=PASSIVE_LEVEL)
def HalFreeCommonBuffer(
    kernel: Kernel, adapter: PVOID, length: ULONG, logical: PHYSICAL_ADDRESS, va: PVOID, cached: BOOLEAN
) -> None:
    adapters = kernel.part(Adapters)
    adapters.free_common(adapters.at(adapter, "FreeCommonBuffer"), length, logical, va)


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def IoAllocateAdapterChannel(
    kernel: Kernel, adapter: PVOID, device: PVOID, count: ULONG, function: PVOID, context: PVOID
) -> Steps:
    """The execution routine is called at once: nobody else is at the adapter."""
    adapters = kernel.part(Adapters)
    found = adapters.at(adapter, "AllocateAdapterChannel")
    base = adapters.allocate_registers(found, count)
    if base < 0:
        return Status.INSUFFICIENT_RESOURCES
    irp = kernel.part(Devices).at(device, "AllocateAdapterChannel").view["CurrentIrp"]
    action = (yield Call(function, device, irp, base, context)) & 0xFFFFFFFF
    if action not in (_KEEP_OBJECT, _DEALLOCATE_OBJECT, _DEALLOCATE_KEEP_REGISTERS):
        kernel.violation(f"An AdapterControl routine returns {action}, which is no IO_ALLOCATION_ACTION.")
    if action == _DEALLOCATE_OBJECT:
        adapters.free_registers(found, base, count)
    return Status.SUCCESS


@routine(_HAL, irql_max=DISPATCH_LEVEL)
def IoFlushAdapterBuffers(
    kernel: Kernel, adapter: PVOID, mdl: PVOID, base: PVOID, va: PVOID, length: ULONG, to_device: BOOLEAN
) -> BOOLEAN:
    adapters = kernel.part(Adapters)
    adapters.flush(adapters.at(adapter, "FlushAdapterBuffers"), mdl, base, bool(to_device))
    return 1


@routine(_HAL, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def IoFreeAdapterChannel(kernel: Kernel, adapter: PVOID) -> None:
    kernel.part(Adapters).at(adapter, "FreeAdapterChannel")


@routine(_HAL, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def IoFreeMapRegisters(kernel: Kernel, adapter: PVOID, base: PVOID, count: ULONG) -> None:
    adapters = kernel.part(Adapters)
    adapters.free_registers(adapters.at(adapter, "FreeMapRegisters"), base, count)


@routine(_HAL, irql_max=DISPATCH_LEVEL)
def IoMapTransfer(
    kernel: Kernel, adapter: PVOID, mdl: PVOID, base: PVOID, va: PVOID, length: PVOID, to_device: BOOLEAN
) -> PHYSICAL_ADDRESS:
    adapters = kernel.part(Adapters)
    found = adapters.at(adapter, "MapTransfer")
    logical, mapped = adapters.map_transfer(found, mdl, base, va, kernel.u32(length), bool(to_device))
    kernel.put_u32(length, mapped)
    return logical


@routine(_HAL, irql_max=DISPATCH_LEVEL)
def HalReadDmaCounter(kernel: Kernel, adapter: PVOID) -> ULONG:
    kernel.part(Adapters).at(adapter, "ReadDmaCounter")
    return 0


def _put_adapter(kernel: Kernel, adapter: int) -> None:
    kernel.part(Adapters).put(adapter)


def _alignment(kernel: Kernel, adapter: int) -> int:
    kernel.part(Adapters).at(adapter, "GetDmaAlignment")
    return 1


def _get_list(
    kernel: Kernel,
    adapter: int,
    device: int,
    mdl: int,
    va: int,
    length: int,
    function: int,
    context: int,
    to_device: int,
) -> Steps:
    """GetScatterGatherList: hands the list to the driver's routine, at once and at DISPATCH_LEVEL."""
    adapters = kernel.part(Adapters)
    size = adapters.list_size(va, length)
    if kernel.pool.refuses("DmaL", size):
        return Status.INSUFFICIENT_RESOURCES
    at = kernel.alloc(size, "DmaL")
    return (yield from _hand_list(kernel, adapter, device, mdl, va, length, function, context, to_device, at))


def _hand_list(
    kernel: Kernel, adapter: int, device: int, mdl: int, va: int, length: int, function: int, context: int,
    to_device: int, at: int,
) -> Steps:  # fmt: skip
    adapters = kernel.part(Adapters)
    found = adapters.at(adapter, "GetScatterGatherList")
    adapters.fill_list(found, at, mdl, va, length, bool(to_device))
    irp = kernel.part(Devices).at(device, "GetScatterGatherList").view["CurrentIrp"]
    yield Call(function, device, irp, at, context)
    return Status.SUCCESS


def _put_list(kernel: Kernel, adapter: int, at: int, to_device: int) -> None:
    adapters = kernel.part(Adapters)
    adapters.put_list(adapters.at(adapter, "PutScatterGatherList"), at, bool(to_device))
    if not kernel.pool.is_driver_block(at):
        kernel.free(at)


def _list_size(kernel: Kernel, adapter: int, mdl: int, va: int, length: int, size: int, map_registers: int) -> NTSTATUS:
    adapters = kernel.part(Adapters)
    kernel.put_u32(size, adapters.list_size(va, length))
    if map_registers:
        kernel.put_u32(map_registers, adapters.at(adapter, "CalculateScatterGatherList").map_registers)
    return Status.SUCCESS


def _build_list(
    kernel: Kernel, adapter: int, device: int, mdl: int, va: int, length: int, function: int, context: int,
    to_device: int, buffer: int, buffer_size: int,
) -> Steps:  # fmt: skip
    if buffer_size < kernel.part(Adapters).list_size(va, length):
        return Status.BUFFER_TOO_SMALL
    return (yield from _hand_list(kernel, adapter, device, mdl, va, length, function, context, to_device, buffer))


def _build_mdl(kernel: Kernel, adapter: int, at: int, original: int, result: int) -> NTSTATUS:
    """The original MDL describes the list: its pages are not moved."""
    if at not in kernel.part(Adapters).at(adapter, "BuildMdlFromScatterGatherList").lists:
        kernel.violation(f"BuildMdlFromScatterGatherList of {at:#x}, which is no list of this adapter.")
    kernel.put_ptr(result, original)
    return Status.SUCCESS


_P = 0
_ANY, _PASSIVE, _AT_DISPATCH = (DISPATCH_LEVEL, PASSIVE_LEVEL), (PASSIVE_LEVEL, PASSIVE_LEVEL), (DISPATCH_LEVEL,) * 2
_OPERATIONS: dict[str, tuple[Callable[..., Any], tuple[int, ...], tuple[int, int]]] = {
    "PutDmaAdapter": (_put_adapter, (_P,), _PASSIVE),
    "AllocateCommonBuffer": (HalAllocateCommonBuffer, (_P, 4, _P, 1), _PASSIVE),
    "FreeCommonBuffer": (HalFreeCommonBuffer, (_P, 4, 8, _P, 1), _PASSIVE),
    "AllocateAdapterChannel": (IoAllocateAdapterChannel, (_P, _P, 4, _P, _P), _AT_DISPATCH),
    "FlushAdapterBuffers": (IoFlushAdapterBuffers, (_P, _P, _P, _P, 4, 1), _ANY),
    "FreeAdapterChannel": (IoFreeAdapterChannel, (_P,), _AT_DISPATCH),
    "FreeMapRegisters": (IoFreeMapRegisters, (_P, _P, 4), _AT_DISPATCH),
    "MapTransfer": (IoMapTransfer, (_P, _P, _P, _P, _P, 1), _ANY),
    "GetDmaAlignment": (_alignment, (_P,), _PASSIVE),
    "ReadDmaCounter": (HalReadDmaCounter, (_P,), _ANY),
    "GetScatterGatherList": (_get_list, (_P, _P, _P, _P, 4, _P, _P, 1), _AT_DISPATCH),
    "PutScatterGatherList": (_put_list, (_P, _P, 1), _AT_DISPATCH),
    "CalculateScatterGatherList": (_list_size, (_P, _P, _P, 4, _P, _P), _ANY),
    "BuildScatterGatherList": (_build_list, (_P, _P, _P, _P, 4, _P, _P, 1, _P, 4), _AT_DISPATCH),
    "BuildMdlFromScatterGatherList": (_build_mdl, (_P, _P, _P, _P), _ANY),
}

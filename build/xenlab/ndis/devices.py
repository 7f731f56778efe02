# SPDX-License-Identifier: GPL-2.0-or-later
"""What a miniport asks NDIS about its adapter's device: device objects, the error log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis import Ndis
from xenlab.ndis.memory import NDIS
from xenlab.nt.errorlog import ErrorLog
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL, PVOID, ULONG, VarArgs, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_MOST_ERROR_VALUES = (0x98 - 0x28) // 4


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMGetDeviceProperty(
    kernel: Kernel, handle: PVOID, pdo: PVOID, fdo: PVOID, below: PVOID, raw: PVOID, translated: PVOID
) -> None:
    adapter = kernel.part(Ndis).adapter(handle, "NdisMGetDeviceProperty")
    values = (adapter.pdo, adapter.device, adapter.next_device, *adapter.resource_lists)
    for where, value in zip((pdo, fdo, below, raw, translated), values, strict=True):
        if where:
            kernel.put_ptr(where, value)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisWriteErrorLogEntry(kernel: Kernel, handle: PVOID, code: ULONG, count: ULONG, values: VarArgs) -> None:
    adapter = kernel.part(Ndis).adapter(handle, "NdisWriteErrorLogEntry")
    if count > _MOST_ERROR_VALUES:
        kernel.violation(f"NdisWriteErrorLogEntry with {count} values; an entry has room for {_MOST_ERROR_VALUES}.")
    told = ", ".join(f"{values.u32():#x}" for _ in range(count))
    kernel.part(ErrorLog).written.append(code)
    kernel.world.trace("log", f"{adapter.name} logs error {code:#x} ({told})")

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The executive's small services: pool charged to a quota, list heads, UUIDs, processor features, timer resolution.

Source: Windows Driver Kit, the page of each routine.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from xenlab.nt.clock import TIME_INCREMENT
from xenlab.nt.codes import Status
from xenlab.nt.ex import pop_entry, push_entry
from xenlab.nt.objects import view
from xenlab.nt.poolcalls import ExAllocatePoolWithQuotaTag
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    CCHAR,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    SIZE_T,
    ULONG,
    Call,
    Steps,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_UNTAGGED = int.from_bytes(b"None", "little")
# PF_COMPARE_EXCHANGE_DOUBLE, PF_MMX, PF_RDTSC, PF_PAE, PF_XMMI, PF_XMMI64, PF_NX.
_FEATURES = {2, 3, 6, 8, 9, 10, 12}


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAllocatePoolWithQuota(kernel: Kernel, kind: ULONG, size: SIZE_T) -> PVOID:
    return int(ExAllocatePoolWithQuotaTag(kernel, kind, size, _UNTAGGED))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def InitializeSListHead(kernel: Kernel, head: PVOID) -> None:
    view(kernel, "SLIST_HEADER", head).clear()


@routine(_NTOS, irql_max=APC_LEVEL)
def ExAllocateFromPagedLookasideList(kernel: Kernel, lookaside: PVOID) -> Steps:
    made = view(kernel, "PAGED_LOOKASIDE_LIST", lookaside)
    made["L.TotalAllocates"] += 1
    entry = pop_entry(kernel, made.at("L.ListHead"))
    if entry:
        return entry
    made["L.AllocateMisses"] += 1
    return (yield Call(made["L.Allocate"], made["L.Type"], made["L.Size"], made["L.Tag"]))


@routine(_NTOS, irql_max=APC_LEVEL)
def ExFreeToPagedLookasideList(kernel: Kernel, lookaside: PVOID, entry: PVOID) -> Steps:
    made = view(kernel, "PAGED_LOOKASIDE_LIST", lookaside)
    made["L.TotalFrees"] += 1
    if kernel.u16(made.at("L.ListHead") + (0 if kernel.arch == "x64" else 4)) < made["L.Depth"]:
        push_entry(kernel, made.at("L.ListHead"), entry)
        return None
    made["L.FreeMisses"] += 1
    yield Call(made["L.Free"], entry)
    return None


@routine(_NTOS, irql_max=HIGH_LEVEL)
def ExInterlockedAddLargeStatistic(kernel: Kernel, addend: PVOID, increment: ULONG) -> None:
    kernel.put_u64(addend, kernel.u64(addend) + increment)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ExUuidCreate(kernel: Kernel, result: PVOID) -> NTSTATUS:
    value = uuid.UUID(int=kernel.world.random.getrandbits(128), version=1)
    kernel.write(result, value.bytes_le)
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="KeGetPreviousMode")
def ExGetPreviousMode(kernel: Kernel) -> CCHAR:
    """KernelMode: drivers run on behalf of the system alone."""
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def ExIsProcessorFeaturePresent(kernel: Kernel, feature: ULONG) -> BOOLEAN:
    return int(feature in _FEATURES)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def ExVerifySuite(kernel: Kernel, suite: ULONG) -> BOOLEAN:
    return 0


@routine(_NTOS, irql_max=APC_LEVEL)
def ExSetTimerResolution(kernel: Kernel, desired: ULONG, change: BOOLEAN) -> ULONG:
    """The clock of the lab does not change its rate; what it is comes back."""
    return TIME_INCREMENT

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Ex pool routines. Source: Windows Driver Kit, ExAllocatePoolWithTag and its relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.routine import APC_LEVEL, DISPATCH_LEVEL, PVOID, SIZE_T, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_UNTAGGED = int.from_bytes(b"None", "little")
_PAGED, _MUST_SUCCEED, _RAISES, _QUOTA_FAILS = 1, 2, 16, 8


def _allocate(kernel: Kernel, kind: int, size: int, tag: int) -> int:
    paged = bool(kind & _PAGED)
    if kind & _MUST_SUCCEED:
        kernel.violation("An allocation is to succeed at all costs (NonPagedPoolMustSucceed).")
    if size == 0:
        kernel.violation("An allocation of 0 bytes.")
    if not tag:
        kernel.violation("An allocation without a tag.")
    kernel.require_irql(APC_LEVEL if paged else DISPATCH_LEVEL, f"{'Paged' if paged else 'Nonpaged'} pool is allocated")
    va = kernel.pool.allocate(size, tag, paged)
    if not va and kind & _RAISES:
        kernel.violation("An allocation that is to raise an exception fails.")
    return va


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAllocatePoolWithTag(kernel: Kernel, kind: ULONG, size: SIZE_T, tag: ULONG) -> PVOID:
    return _allocate(kernel, kind, size, tag)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAllocatePoolWithTagPriority(kernel: Kernel, kind: ULONG, size: SIZE_T, tag: ULONG, priority: ULONG) -> PVOID:
    return _allocate(kernel, kind, size, tag)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAllocatePool(kernel: Kernel, kind: ULONG, size: SIZE_T) -> PVOID:
    return _allocate(kernel, kind, size, _UNTAGGED)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAllocatePoolWithQuotaTag(kernel: Kernel, kind: ULONG, size: SIZE_T, tag: ULONG) -> PVOID:
    va = _allocate(kernel, kind & ~_QUOTA_FAILS, size, tag)
    if not va and not kind & _QUOTA_FAILS:
        kernel.violation("An allocation with quota fails: it raises an exception.")
    return va


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExFreePool(kernel: Kernel, block: PVOID) -> None:
    _free(kernel, block, None)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExFreePoolWithTag(kernel: Kernel, block: PVOID, tag: ULONG) -> None:
    _free(kernel, block, tag)


def _free(kernel: Kernel, block: int, tag: int | None) -> None:
    if kernel.pool.is_paged(block):
        kernel.require_irql(APC_LEVEL, "Paged pool is freed")
    kernel.pool.free(block, tag)

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""NdisAllocateMemory and its relatives, and the memory that they have given.

What is freed must be freed as it was allocated: with its length and its flags. NDIS itself looks at neither, but for
noncached and contiguous memory, so that a mistake there shows late; here it ends the run. The page of NdisFreeMemory
for NDIS 6 lets a driver that allocated with NdisAllocateMemoryWithTagPriority pass 0 for the length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.ndis.codes import NdisStatus
from xenlab.nt.routine import APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL, PHYSICAL_ADDRESS, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

NDIS = "ndis.sys"
CONTIGUOUS, NONCACHED = 1, 2
_UNTAGGED = int.from_bytes(b"Ndis", "little")
_FREEING_IRQL = {0: DISPATCH_LEVEL, NONCACHED: APC_LEVEL}


@dataclass(frozen=True)
class Block:
    """One allocation: its length, the flags it was asked for with, and whether its length need not be told again."""

    length: int
    flags: int
    anonymous: bool


class Blocks:
    """The memory that drivers have from NDIS, by address."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._blocks: dict[int, Block] = {}

    def allocate(self, length: int, tag: int, flags: int = 0, anonymous: bool = False) -> int:
        """Allocate nonpaged memory for a driver; 0 without."""
        if not length:
            self._kernel.violation("NDIS is asked for 0 bytes of memory.")
        if not tag:
            self._kernel.violation("NDIS is asked for memory without a tag.")
        va = self._kernel.pool.allocate(length, tag, paged=False)
        if va:
            self._blocks[va] = Block(length, flags, anonymous)
        return va

    def free(self, va: int, length: int, flags: int) -> None:
        kernel = self._kernel
        block = self._blocks.pop(va, None)
        if block is None:
            kernel.pool.free(va)
            kernel.violation(f"NdisFreeMemory of {va:#x}, which is pool memory, but not NDIS's.")
        if length != block.length and not (block.anonymous and not length):
            kernel.violation(f"NdisFreeMemory with the length {length} of a block allocated with {block.length} bytes.")
        if flags != block.flags:
            kernel.violation(f"NdisFreeMemory with the flags {flags:#x} of a block allocated with {block.flags:#x}.")
        kernel.require_irql(_FREEING_IRQL.get(flags, PASSIVE_LEVEL), f"NdisFreeMemory with the flags {flags:#x}")
        kernel.pool.free(va)


def _answer(kernel: Kernel, result: int, va: int) -> int:
    kernel.put_ptr(result, va)
    return NdisStatus.SUCCESS if va else NdisStatus.FAILURE


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateMemory(kernel: Kernel, result: PVOID, length: ULONG, flags: ULONG, highest: PHYSICAL_ADDRESS) -> ULONG:
    """Nonpaged memory; a flag asks for a kind of memory that is there at PASSIVE_LEVEL alone."""
    if flags & ~(CONTIGUOUS | NONCACHED):
        kernel.violation(f"NdisAllocateMemory with the flags {flags:#x}.")
    if flags:
        kernel.require_irql(PASSIVE_LEVEL, f"NdisAllocateMemory with the flags {flags:#x}")
    return _answer(kernel, result, kernel.part(Blocks).allocate(length, _UNTAGGED, flags))


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateMemoryWithTag(kernel: Kernel, result: PVOID, length: ULONG, tag: ULONG) -> ULONG:
    return _answer(kernel, result, kernel.part(Blocks).allocate(length, tag))


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateMemoryWithTagPriority(
    kernel: Kernel, handle: PVOID, length: ULONG, tag: ULONG, priority: ULONG
) -> PVOID:
    return kernel.part(Blocks).allocate(length, tag, anonymous=True)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeMemory(kernel: Kernel, va: PVOID, length: ULONG, flags: ULONG) -> None:
    kernel.part(Blocks).free(va, length, flags)

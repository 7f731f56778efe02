# SPDX-License-Identifier: GPL-2.0-or-later
"""NDIS's spin locks and reader/writer locks.

A lock is released the way that it was acquired: a lock of NdisAcquireSpinLock holds the IRQL to go back to, one of
NdisDprAcquireSpinLock does not. The order in which locks are taken is watched by the kernel
(:mod:`xenlab.nt.spinlocks`), together with its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis.memory import NDIS
from xenlab.ndis.structures import view
from xenlab.nt.routine import BOOLEAN, DISPATCH_LEVEL, PVOID, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_WHAT = "an NDIS spin lock"
_READ, _WRITE, _FREE = 2, 3, 0xFFFF


class Acquired:
    """The spin locks that are held, by address: whether they were acquired with the Dpr routine."""

    def __init__(self, _: Kernel) -> None:
        self.at_dispatch: dict[int, bool] = {}

    def check(self, kernel: Kernel, lock: int, at_dispatch: bool) -> None:
        if self.at_dispatch.pop(lock, at_dispatch) != at_dispatch:
            ways = ("NdisAcquireSpinLock", "NdisDprAcquireSpinLock")
            kernel.violation(f"A spin lock of {ways[not at_dispatch]} is released as if of {ways[at_dispatch]}.")


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateSpinLock(kernel: Kernel, lock: PVOID) -> None:
    if lock in kernel.locks.held:
        kernel.violation("NdisAllocateSpinLock of a spin lock that is held.")
    kernel.put_ptr(lock, 0)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeSpinLock(kernel: Kernel, lock: PVOID) -> None:
    if lock in kernel.locks.held:
        kernel.violation("NdisFreeSpinLock of a spin lock that is held.")
    kernel.read(lock, 1)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAcquireSpinLock(kernel: Kernel, lock: PVOID) -> None:
    old = kernel.raise_irql(DISPATCH_LEVEL)
    kernel.locks.acquire(lock, _WHAT)
    kernel.part(Acquired).at_dispatch[lock] = False
    view(kernel, "NDIS_SPIN_LOCK", lock)["OldIrql"] = old


@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def NdisReleaseSpinLock(kernel: Kernel, lock: PVOID) -> None:
    old = view(kernel, "NDIS_SPIN_LOCK", lock)["OldIrql"]
    kernel.part(Acquired).check(kernel, lock, at_dispatch=False)
    kernel.locks.release(lock, _WHAT)
    kernel.lower_irql(old)


@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def NdisDprAcquireSpinLock(kernel: Kernel, lock: PVOID) -> None:
    kernel.locks.acquire(lock, _WHAT)
    kernel.part(Acquired).at_dispatch[lock] = True


@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def NdisDprReleaseSpinLock(kernel: Kernel, lock: PVOID) -> None:
    kernel.part(Acquired).check(kernel, lock, at_dispatch=True)
    kernel.locks.release(lock, _WHAT)


# Reader/writer locks


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisInitializeReadWriteLock(kernel: Kernel, lock: PVOID) -> None:
    view(kernel, "NDIS_RW_LOCK", lock).clear()


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAcquireReadWriteLock(kernel: Kernel, lock: PVOID, write: BOOLEAN, state: PVOID) -> None:
    old = kernel.raise_irql(DISPATCH_LEVEL)
    _take(kernel, lock, bool(write), state)
    view(kernel, "LOCK_STATE", state)["OldIrql"] = old


@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def NdisReleaseReadWriteLock(kernel: Kernel, lock: PVOID, state: PVOID) -> None:
    old = view(kernel, "LOCK_STATE", state)["OldIrql"]
    _give(kernel, lock, state)
    kernel.lower_irql(old)


@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def NdisDprAcquireReadWriteLock(kernel: Kernel, lock: PVOID, write: BOOLEAN, state: PVOID) -> None:
    _take(kernel, lock, bool(write), state)


@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def NdisDprReleaseReadWriteLock(kernel: Kernel, lock: PVOID, state: PVOID) -> None:
    _give(kernel, lock, state)


def _take(kernel: Kernel, lock: int, write: bool, state: int) -> None:
    fields = view(kernel, "NDIS_RW_LOCK", lock)
    if fields["SpinLock"] or (write and fields["SharedRefCount"]):
        kernel.violation(f"The read/write lock {lock:#x} is acquired by its own holder: the processor spins for ever.")
    fields["SpinLock"], fields["SharedRefCount"] = int(write), fields["SharedRefCount"] + (not write)
    view(kernel, "LOCK_STATE", state)["LockState"] = _WRITE if write else _READ
    kernel.locks.held.append(lock)


def _give(kernel: Kernel, lock: int, state: int) -> None:
    fields, kept = view(kernel, "NDIS_RW_LOCK", lock), view(kernel, "LOCK_STATE", state)
    write = bool(fields["SpinLock"])
    if lock not in kernel.locks.held or kept["LockState"] != (_WRITE if write else _READ):
        kernel.violation(f"The read/write lock {lock:#x} is released, which is not held with this LOCK_STATE.")
    kept["LockState"] = _FREE
    fields["SpinLock"], fields["SharedRefCount"] = 0, fields["SharedRefCount"] - (not write)
    kernel.locks.held.remove(lock)

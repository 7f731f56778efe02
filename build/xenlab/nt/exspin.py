# SPDX-License-Identifier: GPL-2.0-or-later
"""Reader/writer spin locks (EX_SPIN_LOCK): many may share one, or one thread has it alone.

Source: Windows Driver Kit, ExAcquireSpinLockShared, ExAcquireSpinLockExclusive, ExTryConvertSharedSpinLockExclusive
and the page of each other routine. On one processor a lock that is held in the way cannot be waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.routine import DISPATCH_LEVEL, HIGH_LEVEL, PVOID, UCHAR, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_ALONE = 0x80000000


def _acquire(kernel: Kernel, lock: int, alone: bool) -> None:
    value = kernel.u32(lock)
    if value & _ALONE or (alone and value):
        kernel.violation(f"The spin lock {lock:#x} is acquired by its own holder: the processor spins for ever.")
    kernel.put_u32(lock, _ALONE if alone else value + 1)
    kernel.locks.held.append(lock)


def _release(kernel: Kernel, lock: int, alone: bool) -> None:
    value = kernel.u32(lock)
    if lock not in kernel.locks.held or bool(value & _ALONE) != alone:
        kernel.violation(f"The spin lock {lock:#x} is released {'for all' if alone else 'by a sharer'}, not held so.")
    kernel.put_u32(lock, 0 if alone else value - 1)
    kernel.locks.held.remove(lock)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAcquireSpinLockExclusive(kernel: Kernel, lock: PVOID) -> UCHAR:
    old = kernel.raise_irql(DISPATCH_LEVEL)
    _acquire(kernel, lock, True)
    return old


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAcquireSpinLockShared(kernel: Kernel, lock: PVOID) -> UCHAR:
    old = kernel.raise_irql(DISPATCH_LEVEL)
    _acquire(kernel, lock, False)
    return old


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
def ExAcquireSpinLockExclusiveAtDpcLevel(kernel: Kernel, lock: PVOID) -> None:
    _acquire(kernel, lock, True)


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
def ExAcquireSpinLockSharedAtDpcLevel(kernel: Kernel, lock: PVOID) -> None:
    _acquire(kernel, lock, False)


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def ExReleaseSpinLockExclusive(kernel: Kernel, lock: PVOID, old: UCHAR) -> None:
    _release(kernel, lock, True)
    kernel.lower_irql(old)


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def ExReleaseSpinLockShared(kernel: Kernel, lock: PVOID, old: UCHAR) -> None:
    _release(kernel, lock, False)
    kernel.lower_irql(old)


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
def ExReleaseSpinLockExclusiveFromDpcLevel(kernel: Kernel, lock: PVOID) -> None:
    _release(kernel, lock, True)


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
def ExReleaseSpinLockSharedFromDpcLevel(kernel: Kernel, lock: PVOID) -> None:
    _release(kernel, lock, False)


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
def ExTryConvertSharedSpinLockExclusive(kernel: Kernel, lock: PVOID) -> ULONG:
    """The one sharer gets it alone; with others there it stays shared."""
    value = kernel.u32(lock)
    if not value or value & _ALONE:
        kernel.violation(f"The spin lock {lock:#x} is to be converted, which is not held shared.")
    if value == 1:
        kernel.put_u32(lock, _ALONE)
    return int(value == 1)

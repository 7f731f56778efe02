# SPDX-License-Identifier: GPL-2.0-or-later
"""IRQL and spin lock routines. On x86 the HAL exports most of them, in registers (__fastcall).

Source: Windows Driver Kit, "Managing Hardware Priorities", "Spin Locks", "Queued Spin Locks".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    PVOID,
    UCHAR,
    Call,
    Steps,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS, _HAL = "ntoskrnl.exe", "hal.dll"


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_HAL, irql_max=HIGH_LEVEL)
def KeGetCurrentIrql(kernel: Kernel) -> UCHAR:
    return kernel.irql


@routine(_NTOS, _HAL, irql_max=HIGH_LEVEL)
def KfRaiseIrql(kernel: Kernel, irql: UCHAR) -> UCHAR:
    return kernel.raise_irql(irql)


@routine(_HAL, irql_max=HIGH_LEVEL)
def KeRaiseIrql(kernel: Kernel, irql: UCHAR, old: PVOID) -> None:
    kernel.put_u8(old, kernel.irql)
    kernel.raise_irql(irql)


@routine(_HAL, irql_max=HIGH_LEVEL)
@routine(_HAL, irql_max=HIGH_LEVEL, name="KfLowerIrql")
@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeLowerIrql(kernel: Kernel, irql: UCHAR) -> None:
    kernel.lower_irql(irql)


@routine(_NTOS, _HAL, irql_max=DISPATCH_LEVEL)
def KeRaiseIrqlToDpcLevel(kernel: Kernel) -> UCHAR:
    return kernel.raise_irql(DISPATCH_LEVEL)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeInitializeSpinLock(kernel: Kernel, lock: PVOID) -> None:
    if lock in kernel.locks.held:
        kernel.violation(f"Spin lock {lock:#x} is initialised while it is held.")
    kernel.put_ptr(lock, 0)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
@routine(_HAL, irql_max=DISPATCH_LEVEL, name="KfAcquireSpinLock")
def KeAcquireSpinLockRaiseToDpc(kernel: Kernel, lock: PVOID) -> UCHAR:
    old = kernel.raise_irql(DISPATCH_LEVEL)
    kernel.locks.acquire(lock)
    return old


@routine(_HAL, irql_max=DISPATCH_LEVEL)
def KeAcquireSpinLock(kernel: Kernel, lock: PVOID, old: PVOID) -> None:
    kernel.put_u8(old, kernel.irql)
    kernel.raise_irql(DISPATCH_LEVEL)
    kernel.locks.acquire(lock)


@routine(_NTOS, _HAL, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
@routine(_HAL, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL, name="KfReleaseSpinLock")
def KeReleaseSpinLock(kernel: Kernel, lock: PVOID, old: UCHAR) -> None:
    kernel.locks.release(lock)
    kernel.lower_irql(old)


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL, name="KefAcquireSpinLockAtDpcLevel")
def KeAcquireSpinLockAtDpcLevel(kernel: Kernel, lock: PVOID) -> None:
    kernel.locks.acquire(lock)


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL, name="KefReleaseSpinLockFromDpcLevel")
def KeReleaseSpinLockFromDpcLevel(kernel: Kernel, lock: PVOID) -> None:
    kernel.locks.release(lock)


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeTryToAcquireSpinLockAtDpcLevel(kernel: Kernel, lock: PVOID) -> BOOLEAN:
    if lock in kernel.locks.held:
        return 0
    kernel.locks.acquire(lock)
    return 1


def _queue_handle(kernel: Kernel, lock: int, handle: int) -> None:
    kernel.put_ptr(handle, 0)
    kernel.put_ptr(handle + kernel.pointer_size, lock)
    kernel.put_u8(handle + 2 * kernel.pointer_size, kernel.irql)


@routine(_NTOS, _HAL, irql_max=DISPATCH_LEVEL)
def KeAcquireInStackQueuedSpinLock(kernel: Kernel, lock: PVOID, handle: PVOID) -> None:
    _queue_handle(kernel, lock, handle)
    kernel.raise_irql(DISPATCH_LEVEL)
    kernel.locks.acquire(lock)


@routine(_NTOS, _HAL, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeReleaseInStackQueuedSpinLock(kernel: Kernel, handle: PVOID) -> None:
    kernel.locks.release(kernel.ptr(handle + kernel.pointer_size))
    kernel.lower_irql(kernel.u8(handle + 2 * kernel.pointer_size))


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeAcquireInStackQueuedSpinLockAtDpcLevel(kernel: Kernel, lock: PVOID, handle: PVOID) -> None:
    _queue_handle(kernel, lock, handle)
    kernel.locks.acquire(lock)


@routine(_NTOS, irql_max=HIGH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeReleaseInStackQueuedSpinLockFromDpcLevel(kernel: Kernel, handle: PVOID) -> None:
    kernel.locks.release(kernel.ptr(handle + kernel.pointer_size))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeAcquireInStackQueuedSpinLockForDpc(kernel: Kernel, lock: PVOID, handle: PVOID) -> None:
    """For a routine that is a threaded DPC or an ordinary one."""
    KeAcquireInStackQueuedSpinLock(kernel, lock, handle)


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeReleaseInStackQueuedSpinLockForDpc(kernel: Kernel, handle: PVOID) -> None:
    KeReleaseInStackQueuedSpinLock(kernel, handle)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeAcquireInterruptSpinLock(kernel: Kernel, interrupt: PVOID) -> UCHAR:
    made = kernel.interrupts.get(interrupt)
    old = kernel.raise_irql(made.synchronize_irql)
    kernel.locks.acquire(made.lock)
    return old


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeReleaseInterruptSpinLock(kernel: Kernel, interrupt: PVOID, old: UCHAR) -> None:
    kernel.locks.release(kernel.interrupts.get(interrupt).lock)
    kernel.lower_irql(old)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeSynchronizeExecution(kernel: Kernel, interrupt: PVOID, function: PVOID, context: PVOID) -> Steps:
    made = kernel.interrupts.get(interrupt)
    old = kernel.raise_irql(made.synchronize_irql)
    kernel.locks.acquire(made.lock)
    result = yield Call(function, context)
    kernel.locks.release(made.lock)
    kernel.lower_irql(old)
    return result & 0xFF

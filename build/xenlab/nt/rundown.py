# SPDX-License-Identifier: GPL-2.0-or-later
"""Run-down protection: an object is used under a reference, and goes when nobody uses it any more.

Source: Windows Driver Kit, "Run-Down Protection", ExAcquireRundownProtection and its relatives. An EX_RUNDOWN_REF is
twice the number of references; bit 0: run-down has begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.routine import APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, HIGH_LEVEL, PVOID, ULONG, Steps, Wait, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_ACTIVE, _ONE = 1, 2


class Rundowns:
    """Who waits for a run-down to end: an event by the address of the EX_RUNDOWN_REF."""

    def __init__(self, _: Kernel) -> None:
        self.waiting: dict[int, int] = {}


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=DISPATCH_LEVEL, name="ExReInitializeRundownProtection")
def ExInitializeRundownProtection(kernel: Kernel, reference: PVOID) -> None:
    kernel.put_ptr(reference, 0)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAcquireRundownProtection(kernel: Kernel, reference: PVOID) -> BOOLEAN:
    return _acquire(kernel, reference, 1)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExAcquireRundownProtectionEx(kernel: Kernel, reference: PVOID, count: ULONG) -> BOOLEAN:
    return _acquire(kernel, reference, count)


def _acquire(kernel: Kernel, reference: int, count: int) -> int:
    value = kernel.ptr(reference)
    if value & _ACTIVE:
        return 0
    kernel.put_ptr(reference, value + count * _ONE)
    return 1


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExReleaseRundownProtection(kernel: Kernel, reference: PVOID) -> None:
    _release(kernel, reference, 1)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExReleaseRundownProtectionEx(kernel: Kernel, reference: PVOID, count: ULONG) -> None:
    _release(kernel, reference, count)


def _release(kernel: Kernel, reference: int, count: int) -> None:
    value = kernel.ptr(reference)
    if value < count * _ONE:
        kernel.violation(f"Run-down protection at {reference:#x} is released {count} times more than it is held.")
    kernel.put_ptr(reference, value - count * _ONE)
    waiting = kernel.part(Rundowns).waiting.get(reference)
    if waiting and value - count * _ONE == _ACTIVE:
        kernel.set_event(waiting)


@routine(_NTOS, irql_max=APC_LEVEL)
def ExWaitForRundownProtectionRelease(kernel: Kernel, reference: PVOID) -> Steps:
    value = kernel.ptr(reference)
    kernel.put_ptr(reference, value | _ACTIVE)
    if value & ~_ACTIVE:
        rundowns = kernel.part(Rundowns)
        event = kernel.alloc(0x18, "Rund")
        kernel.init_event(event, False, False)
        rundowns.waiting[reference] = event
        yield Wait([event])
        del rundowns.waiting[reference]
        kernel.free(event)
    return None


@routine(_NTOS, irql_max=APC_LEVEL)
def ExRundownCompleted(kernel: Kernel, reference: PVOID) -> None:
    if kernel.ptr(reference) & ~_ACTIVE:
        kernel.violation(f"ExRundownCompleted of {reference:#x}, which is still held.")
    kernel.put_ptr(reference, _ACTIVE)

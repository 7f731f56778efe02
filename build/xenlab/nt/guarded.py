# SPDX-License-Identifier: GPL-2.0-or-later
"""Guarded mutexes and the regions in which a thread gets no APCs.

Source: Windows Driver Kit, "Fast Mutexes and Guarded Mutexes", KeAcquireGuardedMutex, "Critical Regions and Guarded
Regions". A KGUARDED_MUTEX begins as a FAST_MUTEX does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.exlock import give, take
from xenlab.nt.objects import Struct, view
from xenlab.nt.routine import APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, PVOID, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"


@routine(_NTOS, irql_max=APC_LEVEL)
def KeEnterCriticalRegion(kernel: Kernel) -> None:
    kernel.current_thread.critical += 1


@routine(_NTOS, irql_max=APC_LEVEL)
def KeLeaveCriticalRegion(kernel: Kernel) -> None:
    thread = kernel.current_thread
    if not thread.critical:
        kernel.violation("A critical region is left that was never entered.")
    thread.critical -= 1
    kernel.apcs.let_in(thread)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeEnterGuardedRegion(kernel: Kernel) -> None:
    kernel.current_thread.guarded += 1


@routine(_NTOS, irql_max=APC_LEVEL)
def KeLeaveGuardedRegion(kernel: Kernel) -> None:
    thread = kernel.current_thread
    if not thread.guarded:
        kernel.violation("A guarded region is left that was never entered.")
    thread.guarded -= 1
    kernel.apcs.let_in(thread)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeAreAllApcsDisabled(kernel: Kernel) -> BOOLEAN:
    """Special kernel APCs too."""
    return int(kernel.irql >= APC_LEVEL or kernel.current_thread.guarded > 0)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeAreApcsDisabled(kernel: Kernel) -> BOOLEAN:
    """Normal kernel APCs."""
    thread = kernel.current_thread
    return int(kernel.irql >= APC_LEVEL or thread.guarded + thread.critical + thread.mutexes > 0)


def _mutex(kernel: Kernel, address: int) -> Struct:
    return view(kernel, "FAST_MUTEX", address)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeInitializeGuardedMutex(kernel: Kernel, mutex: PVOID) -> None:
    made = _mutex(kernel, mutex)
    made["Count"], made["Owner"], made["Contention"] = 1, 0, 0
    kernel.init_event(made.at("Event"), True, False)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeAcquireGuardedMutex(kernel: Kernel, mutex: PVOID) -> Steps:
    KeEnterGuardedRegion(kernel)
    yield from take(kernel, _mutex(kernel, mutex))
    return None


@routine(_NTOS, irql_max=APC_LEVEL)
def KeReleaseGuardedMutex(kernel: Kernel, mutex: PVOID) -> None:
    give(kernel, _mutex(kernel, mutex))
    KeLeaveGuardedRegion(kernel)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeTryToAcquireGuardedMutex(kernel: Kernel, mutex: PVOID) -> BOOLEAN:
    made = _mutex(kernel, mutex)
    if made["Count"] != 1:
        return 0
    KeEnterGuardedRegion(kernel)
    made["Count"], made["Owner"] = 0, kernel.current_thread.object
    return 1


@routine(_NTOS, irql_max=APC_LEVEL)
def KeAcquireGuardedMutexUnsafe(kernel: Kernel, mutex: PVOID) -> Steps:
    yield from take(kernel, _mutex(kernel, mutex))
    return None


@routine(_NTOS, irql_max=APC_LEVEL)
def KeReleaseGuardedMutexUnsafe(kernel: Kernel, mutex: PVOID) -> None:
    give(kernel, _mutex(kernel, mutex))

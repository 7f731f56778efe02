# SPDX-License-Identifier: GPL-2.0-or-later
"""Guarded mutexes and the regions in which a thread gets no APCs.

Source: Windows Driver Kit, "Fast Mutexes and Guarded Mutexes", KeAcquireGuardedMutex, "Critical Regions and Guarded
Regions". A KGUARDED_MUTEX begins as a FAST_MUTEX does.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xenlab.nt.exlock import give, take
from xenlab.nt.objects import Struct, view
from xenlab.nt.routine import APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, PVOID, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"


class Regions:
    """How many guarded regions each thread is in, by its object."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.guarded: Counter[int] = Counter()

    @property
    def inside(self) -> bool:
        return self.guarded[self._kernel.current_thread.object] > 0

    def enter(self) -> None:
        self.guarded[self._kernel.current_thread.object] += 1

    def leave(self) -> None:
        if not self.inside:
            self._kernel.violation("A guarded region is left that was never entered.")
        self.guarded[self._kernel.current_thread.object] -= 1


@routine(_NTOS, irql_max=APC_LEVEL)
def KeEnterGuardedRegion(kernel: Kernel) -> None:
    kernel.part(Regions).enter()


@routine(_NTOS, irql_max=APC_LEVEL)
def KeLeaveGuardedRegion(kernel: Kernel) -> None:
    kernel.part(Regions).leave()


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
@routine(_NTOS, irql_max=DISPATCH_LEVEL, name="KeAreApcsDisabled")
def KeAreAllApcsDisabled(kernel: Kernel) -> BOOLEAN:
    return int(kernel.irql >= APC_LEVEL or kernel.part(Regions).inside)


def _mutex(kernel: Kernel, address: int) -> Struct:
    return view(kernel, "FAST_MUTEX", address)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeInitializeGuardedMutex(kernel: Kernel, mutex: PVOID) -> None:
    made = _mutex(kernel, mutex)
    made["Count"], made["Owner"], made["Contention"] = 1, 0, 0
    kernel.init_event(made.at("Event"), True, False)


@routine(_NTOS, irql_max=APC_LEVEL)
def KeAcquireGuardedMutex(kernel: Kernel, mutex: PVOID) -> Steps:
    kernel.part(Regions).enter()
    yield from take(kernel, _mutex(kernel, mutex))
    return None


@routine(_NTOS, irql_max=APC_LEVEL)
def KeReleaseGuardedMutex(kernel: Kernel, mutex: PVOID) -> None:
    give(kernel, _mutex(kernel, mutex))
    kernel.part(Regions).leave()


@routine(_NTOS, irql_max=APC_LEVEL)
def KeTryToAcquireGuardedMutex(kernel: Kernel, mutex: PVOID) -> BOOLEAN:
    made = _mutex(kernel, mutex)
    if made["Count"] != 1:
        return 0
    kernel.part(Regions).enter()
    made["Count"], made["Owner"] = 0, kernel.current_thread.object
    return 1


@routine(_NTOS, irql_max=APC_LEVEL)
def KeAcquireGuardedMutexUnsafe(kernel: Kernel, mutex: PVOID) -> Steps:
    yield from take(kernel, _mutex(kernel, mutex))
    return None


@routine(_NTOS, irql_max=APC_LEVEL)
def KeReleaseGuardedMutexUnsafe(kernel: Kernel, mutex: PVOID) -> None:
    give(kernel, _mutex(kernel, mutex))

# SPDX-License-Identifier: GPL-2.0-or-later

"""The rarer ways to take a resource (:mod:`xenlab.nt.exlock` keeps them), to convert it and to ask about it.

Source: Windows Driver Kit, "ERESOURCE Routines", the page of each routine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.exlock import Resources
from xenlab.nt.routine import APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, NTSTATUS, PVOID, ULONG, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"


@routine(_NTOS, irql_max=APC_LEVEL)
def ExAcquireSharedStarveExclusive(kernel: Kernel, resource: PVOID, wait: BOOLEAN) -> Steps:
    """Goes before those who wait for it exclusively."""
    resources = kernel.part(Resources)
    taken = resources.at(resource)
    if not taken.exclusive:
        taken.held[kernel.current_thread.object] += 1
        return 1
    return (yield from resources.acquire(resource, False, bool(wait)))


@routine(_NTOS, irql_max=APC_LEVEL)
def ExAcquireSharedWaitForExclusive(kernel: Kernel, resource: PVOID, wait: BOOLEAN) -> Steps:
    """Goes behind those who wait for it exclusively, even where the thread has it already."""
    resources = kernel.part(Resources)
    taken = resources.at(resource)
    if taken.waiting_exclusive and taken.held[kernel.current_thread.object]:
        if not wait:
            return 0
        kernel.violation(f"The thread waits behind one that waits for the resource {resource:#x} which it holds.")
    return (yield from resources.acquire(resource, False, bool(wait)))


@routine(_NTOS, irql_max=APC_LEVEL)
def ExEnterCriticalRegionAndAcquireResourceExclusive(kernel: Kernel, resource: PVOID) -> Steps:
    yield from kernel.part(Resources).acquire(resource, True, True)
    return kernel.current_thread.object


@routine(_NTOS, irql_max=APC_LEVEL)
def ExEnterCriticalRegionAndAcquireResourceShared(kernel: Kernel, resource: PVOID) -> Steps:
    yield from kernel.part(Resources).acquire(resource, False, True)
    return kernel.current_thread.object


@routine(_NTOS, irql_max=APC_LEVEL)
def ExReleaseResourceAndLeaveCriticalRegion(kernel: Kernel, resource: PVOID) -> None:
    kernel.part(Resources).release(resource, kernel.current_thread.object)


@routine(_NTOS, irql_max=APC_LEVEL)
def ExConvertExclusiveToSharedLite(kernel: Kernel, resource: PVOID) -> None:
    taken = kernel.part(Resources).at(resource)
    if taken.exclusive != kernel.current_thread.object:
        kernel.violation(
            f"ExConvertExclusiveToSharedLite of {resource:#x}, which the thread does not hold exclusively."
        )
    taken.exclusive = 0
    kernel.set_event(taken.event)


@routine(_NTOS, irql_max=APC_LEVEL)
def ExReinitializeResourceLite(kernel: Kernel, resource: PVOID) -> NTSTATUS:
    taken = kernel.part(Resources).at(resource)
    if +taken.held:
        kernel.violation(f"The resource {resource:#x} is initialised anew while it is held.")
    return Status.SUCCESS


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExGetExclusiveWaiterCount(kernel: Kernel, resource: PVOID) -> ULONG:
    return kernel.part(Resources).at(resource).waiting_exclusive


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExGetSharedWaiterCount(kernel: Kernel, resource: PVOID) -> ULONG:
    return kernel.part(Resources).at(resource).waiting_shared


@routine(_NTOS, irql_max=APC_LEVEL)
def ExSetResourceOwnerPointer(kernel: Kernel, resource: PVOID, owner: PVOID) -> None:
    """The thread's hold becomes the owner's, who gives it back with ExReleaseResourceForThreadLite."""
    taken, me = kernel.part(Resources).at(resource), kernel.current_thread.object
    if not taken.held[me]:
        kernel.violation(f"ExSetResourceOwnerPointer for the resource {resource:#x}, which the thread does not hold.")
    taken.held[owner] += taken.held.pop(me)
    if taken.exclusive == me:
        taken.exclusive = owner

# SPDX-License-Identifier: GPL-2.0-or-later
"""The executive's locks: fast mutexes and resources.

Source: Windows Driver Kit, "Fast Mutexes and Guarded Mutexes", "ERESOURCE Routines", the page of each routine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.objects import Struct, view
from xenlab.nt.routine import APC_LEVEL, BOOLEAN, NTSTATUS, PVOID, SIZE_T, ULONG, Steps, Wait, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS, _HAL = "ntoskrnl.exe", "hal.dll"


def take(kernel: Kernel, mutex: Struct) -> Steps:
    """Count is 1 while the mutex is free, and below 1 by how many wait for it."""
    me = kernel.current_thread.object
    if mutex["Owner"] == me:
        kernel.violation(f"The mutex {mutex.address:#x} is acquired by the thread that holds it: a deadlock.")
    mutex["Count"] -= 1
    if mutex["Count"] < 0:
        mutex["Contention"] += 1
        yield Wait([mutex.at("Event")])
    mutex["Owner"] = me
    return None


def give(kernel: Kernel, mutex: Struct) -> None:
    if mutex["Owner"] != kernel.current_thread.object:
        kernel.violation(f"The mutex {mutex.address:#x} is released by a thread that does not hold it.")
    mutex["Owner"] = 0
    mutex["Count"] += 1
    if mutex["Count"] <= 0:
        kernel.set_event(mutex.at("Event"))


@routine(_NTOS, _HAL, irql_max=APC_LEVEL)
def ExAcquireFastMutex(kernel: Kernel, mutex: PVOID) -> Steps:
    """The holder runs at APC_LEVEL."""
    made = view(kernel, "FAST_MUTEX", mutex)
    old = kernel.raise_irql(APC_LEVEL)
    yield from take(kernel, made)
    made["OldIrql"] = old
    return None


@routine(_NTOS, _HAL, irql_max=APC_LEVEL, irql_min=APC_LEVEL)
def ExReleaseFastMutex(kernel: Kernel, mutex: PVOID) -> None:
    made = view(kernel, "FAST_MUTEX", mutex)
    old = made["OldIrql"]
    give(kernel, made)
    kernel.lower_irql(old)


@routine(_NTOS, _HAL, irql_max=APC_LEVEL)
def ExTryToAcquireFastMutex(kernel: Kernel, mutex: PVOID) -> BOOLEAN:
    made = view(kernel, "FAST_MUTEX", mutex)
    if made["Count"] != 1:
        return 0
    made["OldIrql"] = kernel.raise_irql(APC_LEVEL)
    made["Count"], made["Owner"] = 0, kernel.current_thread.object
    return 1


@routine(_NTOS, irql_max=APC_LEVEL)
def ExAcquireFastMutexUnsafe(kernel: Kernel, mutex: PVOID) -> Steps:
    """For a caller at APC_LEVEL, or in a critical region."""
    yield from take(kernel, view(kernel, "FAST_MUTEX", mutex))
    return None


@routine(_NTOS, irql_max=APC_LEVEL)
def ExReleaseFastMutexUnsafe(kernel: Kernel, mutex: PVOID) -> None:
    give(kernel, view(kernel, "FAST_MUTEX", mutex))


@dataclass(eq=False)
class Resource:
    """Who holds an ERESOURCE: one thread exclusively, or several shared; how often each. `event` wakes who waits."""

    event: int
    exclusive: int = 0
    held: Counter[int] = field(default_factory=Counter)
    waiting_exclusive: int = 0
    waiting_shared: int = 0


class Resources:
    """The initialised ERESOURCEs, by address."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._resources: dict[int, Resource] = {}
        kernel.at_free(self._check_free)

    def add(self, address: int) -> None:
        if address in self._resources:
            self.kernel.violation(f"The resource {address:#x} is initialised a second time.")
        event = self.kernel.alloc(0x18, "Eres")
        self.kernel.init_event(event, False, False)
        self._resources[address] = Resource(event)

    def remove(self, address: int) -> None:
        gone = self.at(address)
        if +gone.held:
            self.kernel.violation(f"The resource {address:#x} is deleted while it is held.")
        self.kernel.free(gone.event)
        del self._resources[address]

    def at(self, address: int) -> Resource:
        found = self._resources.get(address)
        if not found:
            self.kernel.violation(f"{address:#x} is no resource that is initialised.")
        return found

    def acquire(self, address: int, exclusive: bool, wait: bool) -> Steps:
        """TRUE when the current thread has it; a holder may take it again, but not turn shared into exclusive."""
        taken, me = self.at(address), self.kernel.current_thread.object
        while not self._free_for(taken, me, exclusive):
            if not wait:
                return 0
            if exclusive and taken.held[me]:
                self.kernel.violation(f"A thread that holds the resource {address:#x} shared waits for it exclusively.")
            waiting = "waiting_exclusive" if exclusive else "waiting_shared"
            setattr(taken, waiting, getattr(taken, waiting) + 1)
            self.kernel.reset_event(taken.event)
            yield Wait([taken.event])
            setattr(taken, waiting, getattr(taken, waiting) - 1)
        taken.held[me] += 1
        if exclusive:
            taken.exclusive = me
        return 1

    def _free_for(self, taken: Resource, me: int, exclusive: bool) -> bool:
        if taken.exclusive:
            return taken.exclusive == me
        others = any(count for owner, count in taken.held.items() if owner != me)
        if exclusive:
            return not others and not taken.held[me]
        return not taken.waiting_exclusive or bool(taken.held[me])

    def release(self, address: int, owner: int) -> None:
        taken = self.at(address)
        if not taken.held[owner]:
            self.kernel.violation(f"The resource {address:#x} is released by a thread that does not hold it.")
        taken.held[owner] -= 1
        if not taken.held[owner]:
            taken.exclusive = 0
            self.kernel.set_event(taken.event)

    def outstanding(self) -> list[str]:
        return [f"The resource {address:#x} is not deleted." for address in self._resources]

    def _check_free(self, address: int, size: int) -> None:
        for each in self._resources:
            if address <= each < address + size:
                self.kernel.violation(f"The memory of the resource {each:#x} is freed before ExDeleteResourceLite.")


@routine(_NTOS, irql_max=APC_LEVEL)
def ExInitializeResourceLite(kernel: Kernel, resource: PVOID) -> NTSTATUS:
    view(kernel, "ERESOURCE", resource).clear()
    kernel.part(Resources).add(resource)
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def ExDeleteResourceLite(kernel: Kernel, resource: PVOID) -> NTSTATUS:
    kernel.part(Resources).remove(resource)
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def ExAcquireResourceExclusiveLite(kernel: Kernel, resource: PVOID, wait: BOOLEAN) -> Steps:
    return (yield from kernel.part(Resources).acquire(resource, True, bool(wait)))


@routine(_NTOS, irql_max=APC_LEVEL)
def ExAcquireResourceSharedLite(kernel: Kernel, resource: PVOID, wait: BOOLEAN) -> Steps:
    return (yield from kernel.part(Resources).acquire(resource, False, bool(wait)))


@routine(_NTOS, irql_max=APC_LEVEL)
def ExReleaseResourceLite(kernel: Kernel, resource: PVOID) -> None:
    kernel.part(Resources).release(resource, kernel.current_thread.object)


@routine(_NTOS, irql_max=APC_LEVEL)
def ExReleaseResourceForThreadLite(kernel: Kernel, resource: PVOID, thread: SIZE_T) -> None:
    kernel.part(Resources).release(resource, thread)


@routine(_NTOS, irql_max=APC_LEVEL)
def ExIsResourceAcquiredExclusiveLite(kernel: Kernel, resource: PVOID) -> BOOLEAN:
    return int(kernel.part(Resources).at(resource).exclusive == kernel.current_thread.object)


@routine(_NTOS, irql_max=APC_LEVEL)
def ExIsResourceAcquiredSharedLite(kernel: Kernel, resource: PVOID) -> ULONG:
    return kernel.part(Resources).at(resource).held[kernel.current_thread.object]

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The executive: lookaside lists, callback objects, resources, work items, bug check callbacks.

Source: Windows Driver Kit, "Using Lookaside Lists", "Callback Objects", "ERESOURCE Routines", "System Worker Threads",
"Writing a Bug Check Callback Routine", and the page of each routine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.ob import Object, ObjectManager, object_name
from xenlab.nt.objects import Struct, view
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    SIZE_T,
    ULONG,
    USHORT,
    Call,
    Steps,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_PAGED_POOL, _NON_PAGED_POOL = 1, 0
_LOOKASIDE_DEPTH = 4


def tag_text(tag: int) -> str:
    return tag.to_bytes(4, "little").decode("latin-1")


def _initialise_lookaside(
    kernel: Kernel, name: str, kind: int, allocate: int, release: int, size: int, tag: int
) -> Struct:
    made = view(kernel, name, kernel.part(Lookasides).pending)
    made.clear()
    made["L.Depth"] = _LOOKASIDE_DEPTH
    made["L.MaximumDepth"] = 256
    made["L.Type"], made["L.Tag"], made["L.Size"] = kind, tag, size
    made["L.Allocate"] = allocate or kernel.exported_address(_NTOS, "ExAllocatePoolWithTag")
    made["L.Free"] = release or kernel.exported_address(_NTOS, "ExFreePool")
    return made


class Lookasides:
    """The lookaside lists in use; what a driver puts back lies on the list in its own memory."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._lists: set[int] = set()
        self.pending = 0
        kernel.at_free(self._check_free)

    def add(self, address: int) -> None:
        if address in self._lists:
            self._kernel.violation(f"The lookaside list {address:#x} is initialised a second time.")
        self._lists.add(address)
        self.pending = address

    def remove(self, address: int) -> None:
        if address not in self._lists:
            self._kernel.violation(f"{address:#x} is deleted, which is no lookaside list.")
        self._lists.remove(address)

    def outstanding(self) -> list[str]:
        return [f"The lookaside list {address:#x} is not deleted." for address in self._lists]

    def _check_free(self, address: int, size: int) -> None:
        for each in self._lists:
            if address <= each < address + size:
                self._kernel.violation(
                    f"The memory of the lookaside list {each:#x} is freed before the list is deleted."
                )


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExInitializeNPagedLookasideList(
    kernel: Kernel, made: PVOID, allocate: PVOID, release: PVOID, flags: ULONG, size: SIZE_T, tag: ULONG, depth: USHORT
) -> None:
    kernel.part(Lookasides).add(made)
    _initialise_lookaside(kernel, "NPAGED_LOOKASIDE_LIST", _NON_PAGED_POOL, allocate, release, size, tag)


@routine(_NTOS, irql_max=APC_LEVEL)
def ExInitializePagedLookasideList(
    kernel: Kernel, made: PVOID, allocate: PVOID, release: PVOID, flags: ULONG, size: SIZE_T, tag: ULONG, depth: USHORT
) -> None:
    kernel.part(Lookasides).add(made)
    _initialise_lookaside(kernel, "PAGED_LOOKASIDE_LIST", _PAGED_POOL, allocate, release, size, tag)


def _delete_lookaside(kernel: Kernel, address: int) -> Steps:
    """Free what lies on the list."""
    kernel.part(Lookasides).remove(address)
    made = view(kernel, "NPAGED_LOOKASIDE_LIST", address)
    while entry := pop_entry(kernel, made.at("L.ListHead")):
        yield Call(made["L.Free"], entry)
    return None


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExDeleteNPagedLookasideList(kernel: Kernel, made: PVOID) -> Steps:
    yield from _delete_lookaside(kernel, made)
    return None


@routine(_NTOS, irql_max=APC_LEVEL)
def ExDeletePagedLookasideList(kernel: Kernel, made: PVOID) -> Steps:
    yield from _delete_lookaside(kernel, made)
    return None


def push_entry(kernel: Kernel, head: int, entry: int) -> int:
    """Push on a sequenced list; returns the entry that was first. On x86 the depth lies behind the pointer.

    On x64 the pointer is in the second half of the header, so that depth and sequence do not share its bits.
    """
    at, depth = _slist(kernel, head)
    first = kernel.ptr(at)
    kernel.put_ptr(entry, first)
    kernel.put_ptr(at, entry)
    kernel.put_u16(depth, kernel.u16(depth) + 1)
    return first


def pop_entry(kernel: Kernel, head: int) -> int:
    """Pop from a sequenced list; 0 if it is empty."""
    at, depth = _slist(kernel, head)
    first = kernel.ptr(at)
    if first:
        kernel.put_ptr(at, kernel.ptr(first))
        kernel.put_u16(depth, kernel.u16(depth) - 1)
    return first


def _slist(kernel: Kernel, head: int) -> tuple[int, int]:
    return (head + 8, head) if kernel.arch == "x64" else (head, head + 4)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExpInterlockedPushEntrySList(kernel: Kernel, head: PVOID, entry: PVOID) -> PVOID:
    return push_entry(kernel, head, entry)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExpInterlockedPopEntrySList(kernel: Kernel, head: PVOID) -> PVOID:
    return pop_entry(kernel, head)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExQueryDepthSList(kernel: Kernel, head: PVOID) -> USHORT:
    return kernel.u16(_slist(kernel, head)[1])


@dataclass(eq=False)
class Callback:
    """A callback object and who is registered with it: function and context, by handle."""

    object: Object
    allow_multiple: bool
    registered: dict[int, tuple[int, int]] = field(default_factory=dict)


class Callbacks:
    """Callback objects, by address. Those that the system makes are there from the start."""

    SYSTEM = (r"\Callback\SetSystemTime", r"\Callback\PowerState", r"\Callback\ProcessorAdd")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._by_address: dict[int, Callback] = {}
        for name in self.SYSTEM:
            self.make(name, True)

    def make(self, name: str, allow_multiple: bool) -> Callback:
        address = self.kernel.alloc(0x20, "Call")
        made = Callback(Object("Callback", address, name=name), allow_multiple)
        made.object.end = lambda: self._end(address)
        self.kernel.part(ObjectManager).add(made.object)
        self._by_address[address] = made
        return made

    def named(self, name: str) -> Callback | None:
        return next(
            (each for each in self._by_address.values() if name and each.object.name.lower() == name.lower()), None
        )

    def at(self, address: int, what: str) -> Callback:
        found = self._by_address.get(address)
        if not found:
            self.kernel.violation(f"{what} is given {address:#x}, which is no callback object.")
        return found

    def owner(self, registration: int) -> Callback:
        found = next((each for each in self._by_address.values() if registration in each.registered), None)
        if not found:
            self.kernel.violation(f"ExUnregisterCallback is given {registration:#x}, which is no registration.")
        return found

    def outstanding(self) -> list[str]:
        return [
            f"A callback routine is still registered with {each.object.name or 'a callback object'}."
            for each in self._by_address.values()
            for _ in each.registered
        ] + [
            f"The callback object {each.object.name} is never dereferenced by who has created or opened it."
            for each in self._by_address.values()
            if each.object.name not in self.SYSTEM
        ]

    def _end(self, address: int) -> None:
        del self._by_address[address]
        self.kernel.free(address)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ExCreateCallback(
    kernel: Kernel, result: PVOID, attributes: PVOID, create: BOOLEAN, allow_multiple: BOOLEAN
) -> NTSTATUS:
    if kernel.pool.refuses("Call", 0x20):
        return Status.INSUFFICIENT_RESOURCES
    callbacks = kernel.part(Callbacks)
    name = object_name(kernel, attributes)[0]
    found = callbacks.named(name)
    if found:
        kernel.part(ObjectManager).reference(found.object)
    elif create:
        found = callbacks.make(name, bool(allow_multiple))
    else:
        return Status.OBJECT_NAME_NOT_FOUND
    kernel.put_ptr(result, found.object.address)
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def ExRegisterCallback(kernel: Kernel, callback: PVOID, function: PVOID, context: PVOID) -> PVOID:
    found = kernel.part(Callbacks).at(callback, "ExRegisterCallback")
    if (found.registered and not found.allow_multiple) or kernel.pool.refuses("CbRg", 0x20):
        return 0
    registration = kernel.alloc(0x20, "CbRg")
    found.registered[registration] = (function, context)
    kernel.part(ObjectManager).reference(found.object)
    return registration


@routine(_NTOS, irql_max=APC_LEVEL)
def ExUnregisterCallback(kernel: Kernel, registration: PVOID) -> None:
    found = kernel.part(Callbacks).owner(registration)
    del found.registered[registration]
    kernel.free(registration)
    kernel.part(ObjectManager).dereference(found.object)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExNotifyCallback(kernel: Kernel, callback: PVOID, first: PVOID, second: PVOID) -> Steps:
    for function, context in list(kernel.part(Callbacks).at(callback, "ExNotifyCallback").registered.values()):
        yield Call(function, context, first, second)
    return None


class BugCheckCallbacks:
    """Who wants to be told of a bug check."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.records: list[int] = []
        kernel.at_free(self._check_free)

    def notify(self) -> Steps:
        """Call every routine as a bug check does: at HIGH_LEVEL, the newest first."""
        old = self.kernel.raise_irql(HIGH_LEVEL)
        for address in reversed(self.records):
            record = view(self.kernel, "KBUGCHECK_CALLBACK_RECORD", address)
            yield Call(record["CallbackRoutine"], record["Buffer"], record["Length"])
        self.kernel.lower_irql(old)
        return None

    def outstanding(self) -> list[str]:
        return [f"The bug check callback record {each:#x} is still registered." for each in self.records]

    def _check_free(self, address: int, size: int) -> None:
        for each in self.records:
            if address <= each < address + size:
                self.kernel.violation(
                    f"The memory of the bug check callback record {each:#x} is freed while registered."
                )


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeRegisterBugCheckCallback(
    kernel: Kernel, record: PVOID, function: PVOID, buffer: PVOID, length: ULONG, component: PVOID
) -> BOOLEAN:
    """The record must have been through KeInitializeCallbackRecord, or be in use no more."""
    made = view(kernel, "KBUGCHECK_CALLBACK_RECORD", record)
    if made["State"] != 0:
        return 0
    made["CallbackRoutine"], made["Buffer"], made["Length"], made["Component"] = function, buffer, length, component
    made["State"] = 1
    kernel.part(BugCheckCallbacks).records.append(record)
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def KeDeregisterBugCheckCallback(kernel: Kernel, record: PVOID) -> BOOLEAN:
    records = kernel.part(BugCheckCallbacks).records
    if record not in records:
        return 0
    records.remove(record)
    view(kernel, "KBUGCHECK_CALLBACK_RECORD", record)["State"] = 0
    return 1


class WorkItems:
    """IO_WORKITEMs by address: the device that each keeps, and whether it is queued."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._items: dict[int, int] = {}
        self._queued: set[int] = set()
        kernel.at_free(self._check_free)

    def _check_free(self, address: int, size: int) -> None:
        for item in [each for each in self._items if address <= each < address + size]:
            self.kernel.violation(f"The memory of the work item {item:#x} is freed: IoFreeWorkItem is for that.")

    def add(self, item: int, device: int) -> None:
        self._items[item] = device

    def remove(self, item: int) -> None:
        self._check(item, "IoFreeWorkItem")
        if item in self._queued:
            self.kernel.violation(f"The work item {item:#x} is freed while it is queued.")
        del self._items[item]

    def queue(self, item: int, function: int, context: int, *more: int) -> None:
        self._check(item, "IoQueueWorkItem")
        if item in self._queued:
            self.kernel.violation(f"The work item {item:#x} is queued a second time before its routine has begun.")
        self._queued.add(item)
        device = self._items[item]
        kept = self.kernel.part(ObjectManager).find(device)
        if kept:
            self.kernel.part(ObjectManager).reference(kept)

        def run() -> Steps:
            self._queued.discard(item)
            yield Call(function, device, context, *more)
            if kept:
                self.kernel.part(ObjectManager).dereference(kept)
            return None

        self.kernel.queue_work(run, f"work item {item:#x}")

    def outstanding(self) -> list[str]:
        return [f"The work item {item:#x} is not freed." for item in self._items]

    def _check(self, item: int, what: str) -> None:
        if item not in self._items:
            self.kernel.violation(f"{what} is given {item:#x}, which is no work item.")


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoAllocateWorkItem(kernel: Kernel, device: PVOID) -> PVOID:
    kernel.part(ObjectManager).at(device)
    item = kernel.pool.allocate(0x30, "IoWI", False)
    if item:
        kernel.part(WorkItems).add(item, device)
    return item


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoFreeWorkItem(kernel: Kernel, item: PVOID) -> None:
    kernel.part(WorkItems).remove(item)
    kernel.pool.free(item)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoQueueWorkItem(kernel: Kernel, item: PVOID, function: PVOID, queue: ULONG, context: PVOID) -> None:
    kernel.part(WorkItems).queue(item, function, context)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoQueueWorkItemEx(kernel: Kernel, item: PVOID, function: PVOID, queue: ULONG, context: PVOID) -> None:
    """The routine gets the work item as well, so that it can free it."""
    kernel.part(WorkItems).queue(item, function, context, item)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def ExQueueWorkItem(kernel: Kernel, item: PVOID, queue: ULONG) -> None:
    """Obsolete for WDM drivers but documented: the routine gets its parameter on a system worker thread."""
    made = view(kernel, "WORK_QUEUE_ITEM", item)
    if made["List.Flink"]:
        kernel.violation(f"The work queue item {item:#x} is queued already, or was not initialised.")
    made["List.Flink"] = made["List.Blink"] = item
    function, parameter = made["WorkerRoutine"], made["Parameter"]

    def run() -> Steps:
        view(kernel, "WORK_QUEUE_ITEM", item)["List.Flink"] = 0
        yield Call(function, parameter)
        return None

    kernel.queue_work(run, f"work queue item {item:#x}")

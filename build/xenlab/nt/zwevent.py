# SPDX-License-Identifier: GPL-2.0-or-later
"""Dispatcher objects behind handles: events with and without a name, and waits for whatever a handle leads to.

Source: Windows Driver Kit, IoCreateNotificationEvent, IoCreateSynchronizationEvent, ZwCreateEvent, ZwOpenEvent,
ZwSetEvent, ZwWaitForSingleObject, ZwWaitForMultipleObjects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.ob import Object, ObjectManager, name_key, object_name
from xenlab.nt.objects import layout
from xenlab.nt.routine import BOOLEAN, HANDLE, NTSTATUS, PASSIVE_LEVEL, PVOID, ULONG, Steps, Wait, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_WAITABLE = ("Event", "Thread", "Process", "Semaphore", "Timer")
_SYNCHRONIZATION = 1
_MOST_HANDLES = 64


def _make(kernel: Kernel, name: str, synchronization: bool, state: bool) -> Object:
    address = kernel.alloc(layout("KEVENT", kernel.arch).size, "Even")
    kernel.init_event(address, synchronization, state)
    made = Object("Event", address, name=name, references=0)
    made.end = lambda: kernel.free(address)
    return kernel.part(ObjectManager).add(made)


def _named_event(kernel: Kernel, name: int, handle: int, synchronization: bool) -> int:
    """Open or make a named event, made signalled; 0 where the name is something else's."""
    objects = kernel.part(ObjectManager)
    text = kernel.unicode_string(name) if name else ""
    found = objects.names.get(name_key(text)) if text else None
    if found and found.kind != "Event":
        return 0
    event = found or _make(kernel, text, synchronization, True)
    kernel.put_ptr(handle, objects.open(event))
    return event.address


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoCreateNotificationEvent(kernel: Kernel, name: PVOID, handle: PVOID) -> PVOID:
    return _named_event(kernel, name, handle, synchronization=False)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def IoCreateSynchronizationEvent(kernel: Kernel, name: PVOID, handle: PVOID) -> PVOID:
    return _named_event(kernel, name, handle, synchronization=True)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="NtCreateEvent")
def ZwCreateEvent(
    kernel: Kernel, handle: PVOID, access: ULONG, attributes: PVOID, kind: ULONG, state: BOOLEAN
) -> NTSTATUS:
    objects = kernel.part(ObjectManager)
    name = object_name(kernel, attributes)[0] if attributes else ""
    if name and name_key(name) in objects.names:
        return Status.OBJECT_NAME_COLLISION
    if kind > _SYNCHRONIZATION:
        return Status.INVALID_PARAMETER
    made = _make(kernel, name, kind == _SYNCHRONIZATION, bool(state))
    kernel.put_ptr(handle, objects.open(made, access))
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwOpenEvent(kernel: Kernel, handle: PVOID, access: ULONG, attributes: PVOID) -> NTSTATUS:
    objects = kernel.part(ObjectManager)
    found = objects.names.get(name_key(object_name(kernel, attributes)[0]))
    if not found:
        return Status.OBJECT_NAME_NOT_FOUND
    if found.kind != "Event":
        return Status.OBJECT_TYPE_MISMATCH
    kernel.put_ptr(handle, objects.open(found, access))
    return Status.SUCCESS


def _event(kernel: Kernel, handle: int) -> int:
    """The event that a handle leads to, or a negative status."""
    found = kernel.part(ObjectManager).lookup(handle)
    if not found:
        return -int(Status.INVALID_HANDLE)
    return found.object.address if found.object.kind == "Event" else -int(Status.OBJECT_TYPE_MISMATCH)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="NtSetEvent")
def ZwSetEvent(kernel: Kernel, handle: HANDLE, previous: PVOID) -> NTSTATUS:
    event = _event(kernel, handle)
    if event < 0:
        return -event
    before = kernel.set_event(event)
    if previous:
        kernel.put_u32(previous, before)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwResetEvent(kernel: Kernel, handle: HANDLE, previous: PVOID) -> NTSTATUS:
    event = _event(kernel, handle)
    if event < 0:
        return -event
    before = kernel.reset_event(event)
    if previous:
        kernel.put_u32(previous, before)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwClearEvent(kernel: Kernel, handle: HANDLE) -> NTSTATUS:
    return int(ZwResetEvent(kernel, handle, 0))


def _timeout(kernel: Kernel, timeout: int) -> int | None:
    return int.from_bytes(kernel.read(timeout, 8), "little", signed=True) if timeout else None


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="NtWaitForSingleObject")
def ZwWaitForSingleObject(kernel: Kernel, handle: HANDLE, alertable: BOOLEAN, timeout: PVOID) -> Steps:
    return (yield from _wait(kernel, [handle], False, timeout, alertable))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwWaitForMultipleObjects(
    kernel: Kernel, count: ULONG, handles: PVOID, kind: ULONG, alertable: BOOLEAN, timeout: PVOID
) -> Steps:
    if not 0 < count <= _MOST_HANDLES:
        return Status.INVALID_PARAMETER
    wanted = [kernel.ptr(handles + index * kernel.pointer_size) for index in range(count)]
    return (yield from _wait(kernel, wanted, kind == 0, timeout, alertable))


def _wait(kernel: Kernel, handles: list[int], every: bool, timeout: int, alertable: int) -> Steps:
    objects = kernel.part(ObjectManager)
    opened = [objects.lookup(handle) for handle in handles]
    found = [each.object for each in opened if each]
    if len(found) < len(handles):
        return Status.INVALID_HANDLE
    if any(each.kind not in _WAITABLE for each in found):
        return Status.OBJECT_TYPE_MISMATCH
    for each in found:
        objects.reference(each)
    status = yield Wait([each.address for each in found], every, _timeout(kernel, timeout), bool(alertable))
    for each in found:
        objects.dereference(each)
    return status

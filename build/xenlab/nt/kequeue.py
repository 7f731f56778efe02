# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Kernel queues, from which threads take entries as they come.

Source: Windows Driver Kit (installable file systems), KeInitializeQueue, KeInsertQueue, KeRemoveQueue, KeRundownQueue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.dispatcher import QUEUE, STATUS_TIMEOUT
from xenlab.nt.objects import Struct, view
from xenlab.nt.routine import (
    CCHAR,
    DISPATCH_LEVEL,
    LONG,
    PASSIVE_LEVEL,
    PVOID,
    ULONG,
    Steps,
    Wait,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def KeInitializeQueue(kernel: Kernel, queue: PVOID, count: ULONG) -> None:
    """At most `count` threads are to run at a time; 0: as many as there are processors, which is one."""
    made = kernel.dispatcher.init(queue, QUEUE, 0)
    made["MaximumCount"] = count or 1
    for head in ("EntryListHead", "ThreadListHead"):
        kernel.list_init(made.at(head))


def _queue(kernel: Kernel, address: int, what: str) -> Struct:
    if kernel.dispatcher.kind(address) != QUEUE:
        kernel.violation(f"{what} is given {address:#x}, which is no queue.")
    return view(kernel, "KQUEUE", address)


def _insert(kernel: Kernel, queue: int, entry: int, head: bool) -> int:
    """Put an entry in and let a waiting thread have it; returns how many there were before."""
    made = _queue(kernel, queue, "An insertion into a queue")
    entries = made.at("EntryListHead")
    if entry in kernel.list_entries(entries):
        kernel.violation(f"The entry {entry:#x} is in the queue {queue:#x} already.")
    (kernel.list_insert_head if head else kernel.list_insert_tail)(entries, entry)
    before = kernel.dispatcher.state(queue)
    kernel.dispatcher.set_state(queue, before + 1)
    kernel.dispatcher.wake(queue)
    return before


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeInsertQueue(kernel: Kernel, queue: PVOID, entry: PVOID) -> LONG:
    return _insert(kernel, queue, entry, head=False)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeInsertHeadQueue(kernel: Kernel, queue: PVOID, entry: PVOID) -> LONG:
    return _insert(kernel, queue, entry, head=True)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeReadStateQueue(kernel: Kernel, queue: PVOID) -> LONG:
    _queue(kernel, queue, "KeReadStateQueue")
    return kernel.dispatcher.state(queue)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeRemoveQueue(kernel: Kernel, queue: PVOID, mode: CCHAR, timeout: PVOID) -> Steps:
    """The entry, or STATUS_TIMEOUT in its place."""
    made = _queue(kernel, queue, "KeRemoveQueue")
    limit = int.from_bytes(kernel.read(timeout, 8), "little", signed=True) if timeout else None
    status = yield Wait([queue], timeout_100ns=limit)
    if status == STATUS_TIMEOUT:
        return status
    entry = kernel.ptr(made.at("EntryListHead"))
    kernel.list_remove(entry)
    kernel.put_ptr(entry, 0)
    return entry


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def KeRundownQueue(kernel: Kernel, queue: PVOID) -> PVOID:
    """The first of the entries that are left, still linked to each other; 0 if there are none."""
    made = _queue(kernel, queue, "KeRundownQueue")
    if kernel.dispatcher.has_waiters(queue):
        kernel.violation(f"KeRundownQueue of {queue:#x} while threads wait on it.")
    head = made.at("EntryListHead")
    left = kernel.list_entries(head)
    if left:
        kernel.list_remove(head)
    kernel.list_init(head)
    kernel.dispatcher.set_state(queue, 0)
    return left[0] if left else 0

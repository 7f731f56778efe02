# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Remove locks: what keeps a device object while requests use it.

Source: Windows Driver Kit, "Using Remove Locks", IoInitializeRemoveLockEx, IoAcquireRemoveLockEx,
IoReleaseRemoveLockEx, IoReleaseRemoveLockAndWaitEx. The lab keeps the tag of every acquisition, as the checked lock
does, whichever the size.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.objects import layout, view
from xenlab.nt.routine import DISPATCH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PVOID, ULONG, Steps, Wait, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_SIGNATURE = int.from_bytes(b"COLR", "little")
_TIMEOUT_100NS = -20 * 10_000_000


@dataclass(eq=False)
class RemoveLock:
    """One lock.

    Attributes:
        tags: how often it is held under each tag, and `last` where it was taken under it.
        waiting: IoReleaseRemoveLockAndWait has been called.
    """

    address: int
    tags: Counter[int] = field(default_factory=Counter)
    last: dict[int, str] = field(default_factory=dict)
    waiting: bool = False


class RemoveLocks:
    """The remove locks of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._locks: dict[int, RemoveLock] = {}
        kernel.at_free(self._check_free)

    def add(self, address: int) -> RemoveLock:
        self._locks[address] = RemoveLock(address)
        return self._locks[address]

    def at(self, address: int, size: int, what: str) -> RemoveLock:
        found = self._locks.get(address)
        if not found:
            self.kernel.violation(f"{what} is given {address:#x}, which is no remove lock, or is gone.")
        if size not in sizes(self.kernel):
            self.kernel.violation(f"{what} is given {size} as the size of an IO_REMOVE_LOCK.")
        return found

    def outstanding(self) -> list[str]:
        """Return what is still held, a line each."""
        return [line for lock in self._locks.values() for line in self._held(lock)]

    def _held(self, lock: RemoveLock) -> list[str]:
        return [
            f"Remove lock {lock.address:#x} is still held by tag {tag:#x} ({count} times), taken at {lock.last[tag]}."
            for tag, count in lock.tags.items()
            if count
        ]

    def check_leak(self, lock: RemoveLock) -> None:
        held = self._held(lock)
        if held:
            self.kernel.violation(f"A device is never removed: {' '.join(held)}")

    def _check_free(self, address: int, size: int) -> None:
        for lock in [each for each in self._locks.values() if address <= each.address < address + size]:
            for line in self._held(lock):
                self.kernel.violation(f"The memory of a remove lock is freed. {line}")
            del self._locks[lock.address]


def sizes(kernel: Kernel) -> tuple[int, int]:
    """Return the size of an IO_REMOVE_LOCK in a free and in a checked build."""
    common = layout("IO_REMOVE_LOCK_COMMON_BLOCK", kernel.arch).size
    return common, common + layout("IO_REMOVE_LOCK_DBG_BLOCK", kernel.arch).size


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoInitializeRemoveLockEx(
    kernel: Kernel, lock: PVOID, tag: ULONG, max_minutes: ULONG, high_watermark: ULONG, size: ULONG
) -> None:
    free, checked = sizes(kernel)
    if size not in (free, checked):
        kernel.violation(f"IoInitializeRemoveLockEx is given {size} as the size of an IO_REMOVE_LOCK.")
    kernel.write(lock, bytes(size))
    common = view(kernel, "IO_REMOVE_LOCK_COMMON_BLOCK", lock)
    common["IoCount"] = 1
    kernel.init_event(common.at("RemoveEvent"), True, False)
    if size == checked:
        debug = view(kernel, "IO_REMOVE_LOCK_DBG_BLOCK", lock + free)
        debug["Signature"] = _SIGNATURE
        debug["HighWatermark"], debug["AllocateTag"] = high_watermark, tag
        kernel.list_init(debug.at("LockList"))
    kernel.part(RemoveLocks).add(lock)


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoAcquireRemoveLockEx(kernel: Kernel, lock: PVOID, tag: PVOID, file: PVOID, line: ULONG, size: ULONG) -> NTSTATUS:
    locks = kernel.part(RemoveLocks)
    known = locks.at(lock, size, "IoAcquireRemoveLockEx")
    common = view(kernel, "IO_REMOVE_LOCK_COMMON_BLOCK", lock)
    if common["Removed"]:
        return Status.DELETE_PENDING
    common["IoCount"] += 1
    known.tags[tag] += 1
    known.last[tag] = f"{kernel.ansi_string(file) if file else '?'}:{line}"
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoReleaseRemoveLockEx(kernel: Kernel, lock: PVOID, tag: PVOID, size: ULONG) -> None:
    locks = kernel.part(RemoveLocks)
    _release(kernel, locks.at(lock, size, "IoReleaseRemoveLockEx"), tag)


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoReleaseRemoveLockAndWaitEx(kernel: Kernel, lock: PVOID, tag: PVOID, size: ULONG) -> Steps:
    """From the handling of IRP_MN_REMOVE_DEVICE alone, by one who holds the lock."""
    locks = kernel.part(RemoveLocks)
    known = locks.at(lock, size, "IoReleaseRemoveLockAndWaitEx")
    if known.waiting:
        kernel.violation(f"IoReleaseRemoveLockAndWaitEx is called a second time for remove lock {lock:#x}.")
    known.waiting = True
    common = view(kernel, "IO_REMOVE_LOCK_COMMON_BLOCK", lock)
    common["Removed"] = 1
    common["IoCount"] -= 1
    _release(kernel, known, tag)
    if (
        common["IoCount"] > 0
        and (yield Wait([common.at("RemoveEvent")], timeout_100ns=_TIMEOUT_100NS)) == Status.TIMEOUT
    ):
        locks.check_leak(known)
    return None


def _release(kernel: Kernel, known: RemoveLock, tag: int) -> None:
    if not known.tags[tag]:
        kernel.violation(f"Remove lock {known.address:#x} is released with tag {tag:#x}, which does not hold it.")
    known.tags[tag] -= 1
    common = view(kernel, "IO_REMOVE_LOCK_COMMON_BLOCK", known.address)
    common["IoCount"] -= 1
    if common["IoCount"] == 0:
        kernel.set_event(common.at("RemoveEvent"))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Crash dumps: Windows bugchecks, at the worst moments, and what it writes last is on the disk byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from xenlab.lab import Lab
from xenlab.ports.adapter import Adapter
from xenlab.ports.disk import Disk, Workload
from xenlab.ports.dump import CrashDump
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.block import KINDS
from xenlab.xen.abi import SHUTDOWN
from xenlab.xen.blkback import Features
from xenlab.xen.disk import SECTOR
from xenlab.xen.disk import Disk as Medium

_SECTORS = 4 * 2048
_FIRST = _SECTORS // 2
_LENGTH = 5 * 64 * 1024 + 3 * 4096
_CHANGES, _CHANGE_NS = 20, 20_000_000
# Where a miniport takes what the back end has answered: its interrupt, or a DPC that has asked Storport for the lock.
_TAKING = ("HwInterrupt", "StorPortSynchronizeAccess")
_MIX = {"read": 3, "write": 3, "write through": 1, "flush": 1}


def _within(*callbacks: str) -> Callable[[Lab, Adapter], None]:
    """Wait until the processor is in the midst of a callback, with the locks that it holds."""

    def wait(lab: Lab, adapter: Adapter) -> None:
        def reached() -> bool:
            thread = lab.kernel.scheduler.current
            return adapter.callbacks[-1:] in [[each] for each in callbacks] and bool(thread and thread.mode.guest)

        lab.wait(reached, f"a moment within {' or '.join(callbacks)}")

    return wait


def _idle(lab: Lab, _: Adapter) -> None:
    lab.run(1)


def _waiting(lab: Lab, adapter: Adapter) -> None:
    """Many requests are with the back end."""
    lab.wait(lambda: len(adapter.active) > 4 and not adapter.callbacks, "a moment with requests in flight")


def _changing(lab: Lab, adapter: Adapter) -> None:
    """The driver has raised the disk's event itself, to change something in its interrupt, which has not come yet."""
    vbd = lab.xen.toolstack.vbds["hda"]
    port = int(lab.xen.store.dom0.read(f"{vbd.backend.front}/event-channel"))

    def reached() -> bool:
        raised = port in lab.xen.hypervisor.evtchn.pending_ports() and not adapter.callbacks and not lab.kernel.irql
        return raised or adapter.callbacks == ["StorPortSynchronizeAccess"]

    for _ in range(_CHANGES):
        vbd.backend.resize(vbd.disk.sectors)
        end = lab.world.now + _CHANGE_NS
        lab.wait(lambda end=end: reached() or lab.world.now > end, "a change")  # type: ignore[misc]
        if lab.world.now <= end:
            return


def _suspended(lab: Lab, _: Adapter) -> None:
    """The domain goes on after a suspension, and its disks do not yet."""
    lab.xen.toolstack.checkpoint()
    lab.wait(lambda: lab.xen.toolstack.resumes == 1, "a suspension")


_MOMENTS: dict[str, tuple[Callable[[Lab, Adapter], None], Features]] = {
    "idle": (_idle, KINDS["4 KiB sectors"]),
    "in flight": (_waiting, KINDS["wide ring"]),
    "interrupt": (_within(*_TAKING), KINDS["persistent"]),
    "start": (_within("HwStartIo", "HwBuildIo"), KINDS["indirect"]),
    "barrier": (_within(*_TAKING, "HwStartIo"), KINDS["barrier"]),
    "change": (_changing, KINDS["flush"]),
    "suspended": (_suspended, KINDS["persistent"]),
}


@scenario("crash-dump", "Windows bugchecks with requests in flight and locks held: the dump is on the disk to the byte")
def crash_dump(new: NewLab) -> None:
    for name, (moment, features) in _MOMENTS.items():
        _crash(new(), name, moment, replace(features, latency_ns=(200_000, 4_000_000)))


def _crash(lab: Lab, name: str, moment: Callable[[Lab, Adapter], None], features: Features) -> None:
    medium = Medium(_SECTORS)
    untouched = lab.world.random.randbytes((_SECTORS - _FIRST) * SECTOR)
    medium.write(_FIRST * SECTOR, untouched)
    vbd = lab.attach("hda", medium, features)
    lab.boot()
    disk = lab.pv_disk("hda")
    dump = CrashDump(disk.adapter)
    if moment not in (_idle, _changing):
        _keep_busy(disk)
    moment(lab, disk.adapter)
    data = lab.world.random.randbytes(_LENGTH)
    flushes = medium.flushes
    written = dump.bug_check(_FIRST * SECTOR // disk.block_size, data)
    lab.expect(written, f"the dump's copy of the driver finds the disk ({name})")
    lab.expect(medium.read(_FIRST * SECTOR, _LENGTH) == data, f"the dump is on the disk to the byte ({name})")
    behind = medium.read(_FIRST * SECTOR + _LENGTH, len(untouched) - _LENGTH)
    lab.expect(behind == untouched[_LENGTH:], f"nothing behind the dump is written to ({name})")
    offers = features.flush or features.barrier
    lab.expect(not offers or medium.flushes > flushes, f"the back end's cache is flushed at the end ({name})")
    lab.expect(lab.xen.hypervisor.latched is SHUTDOWN.crash, f"Xen is told of the crash ({name})")
    vbd.backend.audit()


def _keep_busy(disk: Disk) -> None:
    """Give the disk work without end, all of it before the dump's blocks."""
    disk.blocks = _FIRST * SECTOR // disk.block_size
    Workload([disk], 1_000_000, depth=24, maximum_bytes=200 * 1024, mix=_MIX).begin()

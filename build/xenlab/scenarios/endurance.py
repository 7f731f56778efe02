# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole of a disk driver's life at once: load, suspensions and hot-plugs while back ends delay and reorder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

from xenlab.lab import Lab
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.block import KINDS
from xenlab.xen.blkback import ORDINARY, Features
from xenlab.xen.disk import Disk as Medium
from xenlab.xen.toolstack import Toolstack

_SECTORS = 8 * 2048
_MAXIMUM_BYTES = 1 << 20
_DEPTH = 24
_MODEST, _SLOW = (20_000, 2_000_000), (50_000, 20_000_000)
_DISKS: dict[str, Features] = {
    "hda": ORDINARY,
    "hdb": replace(KINDS["persistent"], latency_ns=_SLOW),
    "xvdc": replace(KINDS["indirect"], latency_ns=_MODEST),
    "xvdd": replace(KINDS["wide ring"], latency_ns=_SLOW),
}
_SUSPENSIONS: tuple[Callable[[Toolstack], object], ...] = (
    lambda toolstack: toolstack.save_and_restore(),
    lambda toolstack: toolstack.checkpoint(),
    lambda toolstack: toolstack.save_and_restore(move_store=False),
)


@scenario("endurance", "four disks, 2,000 operations of 512 bytes to 1 MiB, 3 suspensions, a hot-plug: byte-exact")
def endurance(new: NewLab) -> None:
    _endure(new, operations=2_000, suspensions=3, hot_plugs=1)


@scenario("endurance-long", "four disks, 100,000 random operations, 20 suspensions, 5 hot-plugs: byte-exact", long=True)
def endurance_long(new: NewLab) -> None:
    _endure(new, operations=100_000, suspensions=20, hot_plugs=5)


def _endure(new: NewLab, operations: int, suspensions: int, hot_plugs: int) -> None:
    """Spread the events evenly over the operations, and see that each of them met work under way."""
    lab = new()
    for name, features in _DISKS.items():
        lab.attach(name, lab.boot_disk if name == "hda" else Medium(_SECTORS), features)
    lab.boot()
    disks = [lab.pv_disk(name) for name in _DISKS]
    work = Workload(disks, operations, depth=_DEPTH, maximum_bytes=_MAXIMUM_BYTES, skew=2)
    kinds = cycle(_SUSPENSIONS)
    events = [(operations * number // (suspensions + 1), False) for number in range(1, suspensions + 1)]
    events += [(operations * number // (hot_plugs + 1), True) for number in range(1, hot_plugs + 1)]
    work.begin()
    for after, is_hot_plug in sorted(events):
        lab.wait(lambda after=after: work.completed >= after, f"{after} operations", 3600)  # type: ignore[misc]
        lab.expect(bool(work.under_way), f"work is under way after {after} operations")
        if is_hot_plug:
            _plug_in_and_out(lab)
        else:
            _suspend(lab, next(kinds))
    lab.wait(lambda: work.finished, "all operations", 3600)
    lab.expect(work.completed == operations, f"{operations} operations end, not {work.completed}")
    lab.settle()
    lab.shut_down()
    suspended = lab.xen.toolstack.resumes
    megabytes = work.bytes_moved >> 20
    new.figures.update({"operations": operations, "MiB": megabytes, "suspensions": suspended, "hot-plugs": hot_plugs})


def _suspend(lab: Lab, how: Callable[[Toolstack], object]) -> None:
    toolstack = lab.xen.toolstack
    resumes = toolstack.resumes
    how(toolstack)
    lab.wait(lambda: toolstack.resumes > resumes, "a suspension", 300)


def _plug_in_and_out(lab: Lab) -> None:
    """Attach a fifth disk, use it and detach it, beside the work on the others."""
    lab.attach("xvde", Medium(_SECTORS))
    Workload([lab.pv_disk("xvde")], 40).run()
    devices = len(lab.nodes("XEN"))
    detach = lab.xen.toolstack.detach("xvde")
    lab.wait(lambda: detach.done and len(lab.nodes("XEN")) == devices - 1, "the detaching of xvde", 300)

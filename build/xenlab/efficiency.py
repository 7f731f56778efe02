# SPDX-License-Identifier: GPL-2.0-or-later
"""What a disk driver spends on a request, counted and not timed.

The counts belong to the driver and the seed, not to the machine that runs the lab, so a table of them can be committed
and a rise be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from xenlab.folder import DriverFolder
from xenlab.lab import Lab, Options
from xenlab.ports.disk import Buffer, Disk
from xenlab.ports.srb import Flag, Request
from xenlab.xen.blkback import ORDINARY, Features

TABLE = Path("benchmarks/efficiency.txt")
REQUEST_BYTES = 4096
DEPTHS = (1, 32)
_BACK_ENDS = {"plain": ORDINARY, "persistent": Features(persistent=True, max_indirect=32)}
_REQUESTS = 256


@dataclass(frozen=True)
class Cost:
    """Costs of one request, each an average.

    Attributes:
        instructions: that guest code ran, the drivers' own.
        hypercalls: of every kind.
        grants: pages that the back end mapped or copied.
        notifications: event channel sends of the front end.
        interrupts: upcalls that became pending.
    """

    instructions: float
    hypercalls: float
    grants: float
    notifications: float
    interrupts: float


def measure_all(name: str, folder: DriverFolder) -> dict[str, Cost]:
    """Return the costs with the drivers of a folder, by `name`, kind of back end and depth.

    Raises:
        Violation: a driver broke a rule meanwhile.
    """
    costs = {}
    for kind, features in _BACK_ENDS.items():
        lab = Lab(folder, Options())
        lab.attach("hda", lab.boot_disk, features)
        lab.boot()
        disk = lab.pv_disk("hda")
        for depth in DEPTHS:
            costs[f"{name} {kind} depth {depth}"] = measure(lab, disk, depth, _REQUESTS)
        lab.shut_down()
    return costs


def measure(lab: Lab, disk: Disk, depth: int, requests: int) -> Cost:
    """Run 4 KiB reads and writes by turns, `depth` of them at a time, and return what each cost."""
    _Stream(disk, depth, 2 * depth).run()
    before = _counters(lab)
    with lab.machine.counting() as instructions:
        _Stream(disk, depth, requests).run()
    after = _counters(lab)
    spent = [instructions[0], *(new - old for new, old in zip(after, before, strict=True))]
    return Cost(*(value / requests for value in spent))


class _Stream:
    """Requests of one size at random places, a fixed number under way."""

    def __init__(self, disk: Disk, depth: int, requests: int) -> None:
        self._disk = disk
        self._left = requests
        self._under_way = 0
        self._depth = depth

    def run(self) -> None:
        for _ in range(self._depth):
            self._submit()
        self._disk.kernel.run(until=lambda: not self._under_way)

    def _submit(self) -> None:
        if not self._left:
            return
        self._left -= 1
        self._under_way += 1
        disk, write = self._disk, bool(self._left % 2)
        buffer = Buffer(disk.kernel, REQUEST_BYTES)
        count = REQUEST_BYTES // disk.block_size
        cdb = disk.transfer_cdb(write, disk.kernel.world.random.randrange(disk.blocks // count) * count, count)
        flags = Flag.DATA_OUT if write else Flag.DATA_IN
        disk.submit(Request(disk.unit.address, cdb, buffer.va, REQUEST_BYTES, flags), lambda _: self._done(buffer))

    def _done(self, buffer: Buffer) -> None:
        buffer.free()
        self._under_way -= 1
        self._submit()


def _counters(lab: Lab) -> Sequence[int]:
    domain = lab.xen.hypervisor
    used = domain.grants.statistics
    return domain.counts.total(), used.maps + used.copies, domain.evtchn.sent, domain.evtchn.upcalls


def table(costs: dict[str, Cost]) -> str:
    """Return costs as a text table, a line each."""
    names = [each.name for each in fields(Cost)]
    width = max(len(name) for name in costs)
    lines = [f"{'':<{width}}  {'  '.join(f'{name:>13}' for name in names)}"]
    for name, cost in costs.items():
        lines.append(f"{name:<{width}}  {'  '.join(f'{value:>13.2f}' for value in astuple(cost))}")
    return "\n".join(lines) + "\n"


def read_table(text: str) -> dict[str, Cost]:
    """Read what :func:`table` has written."""
    count = len(fields(Cost))
    rows = [line.rsplit(maxsplit=count) for line in text.splitlines()[1:]]
    return {name: Cost(*(float(value) for value in values)) for name, *values in rows}


def rises(old: dict[str, Cost], new: dict[str, Cost], share: float = 0.05) -> list[str]:
    """Return what has risen by more than `share`, a sentence each; a row that has gone is one too."""
    found = [f"{name} is no longer measured" for name in old if name not in new]
    for name, cost in new.items():
        for what, now, then in zip(fields(Cost), astuple(cost), astuple(old.get(name, cost)), strict=True):
            if now > then * (1 + share) + 0.005:
                found.append(f"{name}: {what.name} a request rise from {then:.2f} to {now:.2f}")
    return found

# SPDX-License-Identifier: GPL-2.0-or-later
"""A back end with a write cache that a power cut empties: what Windows was told is safe must be there then."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count

from xenlab.lab import Lab
from xenlab.ports.disk import Operation, Workload
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.block import KINDS
from xenlab.xen.disk import Disk as Medium

_SECTORS = 2048
_CUTS = 12
_MIX = {"read": 1, "write": 8, "write through": 3, "flush": 3}


@dataclass
class Promises(Workload):
    """A workload that knows what the disk has promised to keep.

    Attributes:
        versions: by block, what was ever written to it, numbered in the order of submission.
        done: by block, the highest number that has been acknowledged.
        safe: by block, the number below which nothing may come back.
        at_flush: what was acknowledged when a flush was submitted.
    """

    versions: defaultdict[int, dict[bytes, int]] = field(default_factory=lambda: defaultdict(dict))
    done: dict[int, int] = field(default_factory=dict)
    safe: dict[int, int] = field(default_factory=dict)
    at_flush: dict[int, dict[int, int]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def _submit(self, operation: Operation) -> None:
        if operation.kind == "flush":
            self.at_flush[id(operation)] = dict(self.done)
        super()._submit(operation)
        if operation.kind.startswith("write"):
            number, size = next(self.numbers), operation.disk.block_size
            for index in range(operation.count):
                data = operation.data[index * size : (index + 1) * size]
                self.versions[operation.first + index][data] = number

    def _account(self, operation: Operation) -> None:
        super()._account(operation)
        size = operation.disk.block_size
        if operation.kind.startswith("write"):
            for index in range(operation.count):
                block = operation.first + index
                number = self.versions[block][operation.data[index * size : (index + 1) * size]]
                self.done[block] = number
                if operation.kind == "write through":
                    self.safe[block] = max(number, self.safe.get(block, 0))
        elif operation.kind == "flush":
            for block, number in self.at_flush.pop(id(operation)).items():
                self.safe[block] = max(number, self.safe.get(block, 0))

    def check(self, lab: Lab, image: bytes, kind: str) -> None:
        """Hold what a power cut would leave against what was promised."""
        size = self.disks[0].block_size
        for block, number in self.safe.items():
            found = self.versions[block].get(image[block * size : (block + 1) * size], 0)
            lab.expect(found >= number, f"block {block} is as it was flushed when power fails ({kind})")


@scenario(
    "power-cut", "power fails at any moment: what was flushed or written through is there, by flush and by barrier"
)
def power_cut(new: NewLab) -> None:
    for kind in ("flush", "barrier", "indirect"):
        lab = new()
        medium = Medium(_SECTORS, cached=True)
        lab.attach("hda", lab.boot_disk)
        lab.attach("xvdb", medium, KINDS[kind])
        lab.boot()
        work = Promises([lab.pv_disk("xvdb")], 500, depth=12, maximum_bytes=100 * 1024, mix=_MIX)
        work.begin()
        for _ in range(_CUTS):
            lab.run(lab.world.random.uniform(0.001, 0.01))
            work.check(lab, medium.without_cache(), kind)
        lab.expect(bool(work.safe), f"something was flushed ({kind})")
        lab.wait(lambda work=work: work.finished, "the work")  # type: ignore[misc]
        work.check(lab, medium.without_cache(), kind)
        lab.shut_down()

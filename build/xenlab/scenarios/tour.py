# SPDX-License-Identifier: GPL-2.0-or-later
"""A little of everything that a disk driver does, in one boot: cheap enough for every build of it."""

from __future__ import annotations

from xenlab.ports.disk import Workload
from xenlab.ports.srb import Flag, Function, Request
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.block import KINDS
from xenlab.xen.blkback import Features
from xenlab.xen.disk import Disk as Medium

_SECTORS = 4 * 2048
_RICH = Features(persistent=True, max_indirect=256, max_ring_page_order=2)


@scenario("disk-tour", "two disks, all sizes and alignments, a reset, a host that offers less, a new size, a detach")
def disk_tour(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS), _RICH)
    lab.boot()
    disks = [lab.pv_disk("hda"), lab.pv_disk("xvdb")]
    work = Workload(disks, 80, depth=12, maximum_bytes=1 << 20)
    work.begin()
    lab.run(0.003)
    flags = Flag.BYPASS_FROZEN_QUEUE | Flag.NO_QUEUE_FREEZE
    disks[1].adapter.submit(Request(disks[1].unit.address, flags=flags, function=Function.RESET_DEVICE))
    lab.run(0.002)
    vbd.features = KINDS["barrier"]
    lab.xen.toolstack.save_and_restore()
    lab.wait(lambda: work.finished, "the work through a suspension", 300)
    vbd = lab.xen.toolstack.vbds["xvdb"]
    vbd.backend.resize(2 * _SECTORS)
    lab.run(1)
    grown = lab.pv_disk("xvdb")
    lab.expect(grown.blocks == 2 * _SECTORS, "Windows is told of the new size")
    Workload([disks[0], grown], 40).run()
    lab.settle()
    detach = lab.xen.toolstack.detach("xvdb")
    lab.wait(lambda: detach.done, "the detaching of a disk")
    lab.shut_down()

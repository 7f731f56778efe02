# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that come and go while Windows runs."""

from __future__ import annotations

from dataclasses import replace

from xenlab.lab import SECOND, Lab
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.blkback import ORDINARY, Hostility
from xenlab.xen.disk import Disk as Medium

_SECTORS = 2 * 2048


@scenario("hotplug", "a disk is attached, used and detached five times beside one that is busy throughout")
def hotplug(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    busy = Workload([lab.pv_disk("hda")], 400, depth=1)
    busy.begin()
    for _ in range(5):
        lab.attach("xvdb", Medium(_SECTORS))
        Workload([lab.pv_disk("xvdb")], 30).run()
        detach_and_wait(lab, "xvdb")
    lab.wait(lambda: busy.finished, "the work on the disk that stays")
    lab.settle()
    lab.shut_down()


@scenario("clinging", "a back end that has closed keeps its mappings for a while: nobody gets that memory before")
def clinging(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    for _ in range(2):
        vbd = lab.attach("xvdb", Medium(_SECTORS), replace(ORDINARY, persistent=True))
        vbd.backend.hostility = Hostility(clings_ns=2 * SECOND)
        Workload([lab.pv_disk("xvdb")], 10).run()
        detach_and_wait(lab, "xvdb")
    lab.run(1)
    lab.xen.hypervisor.grants.audit()
    lab.run(2)
    lab.shut_down()


def detach_and_wait(lab: Lab, name: str) -> None:
    before = len(lab.nodes("XEN"))
    detach = lab.xen.toolstack.detach(name)
    lab.wait(lambda: detach.done, f"the detaching of {name}")
    lab.wait(lambda: len(lab.nodes("XEN")) == before - 1, f"the removal of {name} from Windows")


@scenario("torn-out", "a disk's back end dies with requests under way: they fail, the device goes, the machine stays")
def torn_out(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    lab.attach("xvdb", Medium(_SECTORS))
    lab.boot()
    stays, goes = lab.pv_disk("hda"), lab.pv_disk("xvdb")
    goes.accept = lambda _: True
    work = Workload([goes], 40)
    work.begin()
    lab.run(0.002)
    lab.xen.toolstack.force_detach("xvdb")
    lab.wait(lambda: work.finished, "the requests to a disk that is gone", 600)
    lab.wait(lambda: len(lab.nodes("XEN")) == 1, "the removal of a disk that is gone")
    Workload([stays], 40).run()
    lab.shut_down()


@scenario("closed-early", "a back end closes unasked: the disk goes, the machine stays")
def closed_early(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS))
    lab.boot()
    stays, goes = lab.pv_disk("hda"), lab.pv_disk("xvdb")
    goes.accept = lambda _: True
    work = Workload([goes], 40)
    work.begin()
    lab.run(0.002)
    vbd.backend.close_early()
    lab.wait(lambda: work.finished, "the requests to a disk that closes", 600)
    Workload([stays], 40).run()
    lab.shut_down()

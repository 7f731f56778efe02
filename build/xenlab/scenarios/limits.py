# SPDX-License-Identifier: GPL-2.0-or-later
"""What Xen has only so much of: grant table frames, event channel ports, and a store that others change as well."""

from __future__ import annotations

from xenlab.lab import Lab
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.hotplug import detach_and_wait
from xenlab.xen.abi import XenbusState
from xenlab.xen.blkback import Features
from xenlab.xen.disk import Disk as Medium

_SECTORS = 2048
_ROUNDS, _GREEDY = 3, Features(persistent=True)
_PRESENT, _AWAY_NS = 0.0002, 4_000_000
_NAMES = ("hda", *(f"xvd{letter}" for letter in "bcdefghijklmnop"))


def _with_disks(lab: Lab, count: int) -> list[str]:
    names = list(_NAMES[:count])
    lab.attach("hda", lab.boot_disk)
    for name in names[1:]:
        lab.attach(name, Medium(_SECTORS))
    return names


def _connected(lab: Lab) -> list[str]:
    vbds = lab.xen.toolstack.vbds
    return [name for name, vbd in vbds.items() if vbd.backend.state is XenbusState.Connected]


@scenario(
    "grant-table-full", "a grant table of few frames, as Xen 3.1 has: what fits works, what does not fails in order"
)
def few_grants(new: NewLab) -> None:
    for release, frames in (("3.1", 4), ("4.19", 1)):
        lab = new(xen=release)
        lab.xen.hypervisor.grants.maximum = frames
        _with_disks(lab, 8)
        lab.boot(300)
        lab.run(2)
        connected = _connected(lab)
        lab.xen.model.check_boot(0, "hda" in connected)
        if connected:
            Workload([lab.pv_disk(name) for name in connected], 30, depth=8).run()
        lab.settle()
        lab.shut_down()


@scenario("grants-again", "a disk comes and goes until a grant table of one frame was used up several times over")
def grants_again(new: NewLab) -> None:
    lab = new()
    lab.xen.hypervisor.grants.maximum = 1
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    for _ in range(_ROUNDS):
        lab.attach("xvdb", Medium(_SECTORS), _GREEDY)
        lab.pv_disk("xvdb")
        detach_and_wait(lab, "xvdb")
    lab.shut_down()


@scenario(
    "stolen-time", "the processor is away for milliseconds, again and again: events of many disks wait at its return"
)
def stolen_time(new: NewLab) -> None:
    lab = new()
    names = _with_disks(lab, 4)
    lab.boot()
    work = Workload([lab.pv_disk(name) for name in names], 80, depth=32)
    work.begin()
    words: set[int] = set()
    while not work.finished:
        lab.run(_PRESENT)
        lab.world.advance(_AWAY_NS)
        words.add(len({port // lab.xen.hypervisor.evtchn.word_bits for port in lab.xen.hypervisor.evtchn.due_ports()}))
    lab.expect(max(words) > 1, "events of several words have waited for one interrupt")
    lab.settle()
    lab.shut_down()


@scenario(
    "ports-run-out", "event channels run out at one disk after the other, or their numbers are beyond what can be used"
)
def few_ports(new: NewLab) -> None:
    for spare in range(0, 6, 2):
        lab = new()
        channels = lab.xen.hypervisor.evtchn
        channels.limit = max(channels.ports) + 1 + spare
        _require_order(lab)
    lab = new()
    lab.xen.hypervisor.evtchn.first_port = 1024
    lab.xen.hypervisor.evtchn.limit = 4096
    _require_order(lab)


def _require_order(lab: Lab) -> None:
    """Three disks, of which some cannot be connected: those that are work, nothing is left, the machine boots."""
    _with_disks(lab, 3)
    lab.boot(300)
    lab.run(2)
    connected = _connected(lab)
    lab.xen.model.check_boot(0, "hda" in connected)
    if connected:
        Workload([lab.pv_disk(name) for name in connected], 30).run()
    lab.shut_down()


@scenario("store-contention", "transactions that fail again and again because others write: repeated, and not for ever")
def store_contention(new: NewLab) -> None:
    for share in (0.8, 1.0):
        lab = new()
        names = _with_disks(lab, 2)
        lab.xen.store.spurious_conflicts = share
        lab.xen.store.any_write_conflicts = True
        lab.boot(600)
        lab.run(5)
        if share < 1:
            lab.expect(_connected(lab) == names, f"the disks are connected, though {share:.0%} of commits fail")
        lab.xen.store.spurious_conflicts = 0.0
        lab.xen.model.check_boot(0, "hda" in _connected(lab))
        lab.shut_down()

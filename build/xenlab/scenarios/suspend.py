# SPDX-License-Identifier: GPL-2.0-or-later
"""Suspend in the middle of work: checkpoint, save and restore, migration to other hosts."""

from __future__ import annotations

from collections.abc import Callable

from xenlab.lab import Lab
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.disk import Disk as Medium
from xenlab.xen.releases import RELEASES

_SECTORS = 2 * 2048


@scenario("checkpoint", "the domain suspends and goes on in place, three times, under load")
def checkpoint(new: NewLab) -> None:
    _cycles(new(), [lambda lab: lab.xen.toolstack.checkpoint()] * 3)


@scenario("save-restore", "saved and restored as a new domain, three times, under load: nothing is lost or done twice")
def save_restore(new: NewLab) -> None:
    _cycles(
        new(),
        [
            lambda lab: lab.xen.toolstack.save_and_restore(),
            lambda lab: lab.xen.toolstack.save_and_restore(move_store=False),
            lambda lab: lab.xen.toolstack.save_and_restore(),
        ],
    )


@scenario("migrate", "moved between hosts with other releases of Xen and another processor, under load")
def migrate(new: NewLab) -> None:
    targets = [("4.1", False), ("4.19", True), ("4.3", True), ("4.0", False)]
    _cycles(new(xen="4.3"), [_migration(release, amd) for release, amd in targets])


def _require_ready_again(lab: Lab) -> None:
    """The device model after a restore is a new process, and the store's directory a new one."""
    offer = f"{lab.xen.toolstack.home}/control/feature-suspend"
    lab.wait(lambda: lab.xen.store.dom0.read(offer) == b"1", "the domain's offer to be suspended again", 5)
    lab.expect(not lab.xen.model.disk(0).attached, "the emulated disk is unplugged again")


def _migration(release: str, amd: bool) -> Callable[[Lab], None]:
    return lambda lab: lab.xen.toolstack.migrate(RELEASES[release], amd=amd)


def _cycles(lab: Lab, steps: list[Callable[[Lab], None]]) -> None:
    """Work on two disks through the steps, some of them in between and some while nothing is under way."""
    toolstack = lab.xen.toolstack
    lab.attach("hda", lab.boot_disk)
    lab.attach("xvdb", Medium(_SECTORS))
    lab.boot()
    disks = [lab.pv_disk("hda"), lab.pv_disk("xvdb")]
    for count, step in enumerate(steps, 1):
        work = Workload(disks, 80)
        work.begin()
        lab.run(0.005)
        step(lab)
        lab.wait(lambda count=count: toolstack.resumes == count, "a suspension")  # type: ignore[misc]
        lab.wait(lambda work=work: work.finished, "the work through a suspension", 300)  # type: ignore[misc]
        _require_ready_again(lab)
    Workload(disks, 40).run()
    lab.settle()
    lab.shut_down()

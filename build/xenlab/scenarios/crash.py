# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows crashes: Xen and the toolstack learn of it, whatever was under way."""

from __future__ import annotations

from collections.abc import Callable

from xenlab.lab import Lab
from xenlab.nt.crash import BugCheck
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.abi import SHUTDOWN
from xenlab.xen.releases import RELEASES

_CODE, _PARAMETERS = 0xD1, (0x1234, 2, 0, 0xABCDEF)


@scenario(
    "crash", "Windows stops on a bug check, idle or busy, at any IRQL: its code is in Xen's log, and Xen told why"
)
def crash(new: NewLab) -> None:
    moments: list[Callable[[Lab], bool]] = [
        lambda _: True,
        lambda lab: lab.kernel.in_dpc,
        lambda lab: bool(lab.kernel.locks.held),
        lambda lab: len(lab.kernel.locks.held) > 1,
    ]
    for moment in moments:
        lab = _busy(new)
        lab.kernel.run(lambda lab=lab, moment=moment: moment(lab))  # type: ignore[misc]
        _crash(lab)
        lab.expect(lab.xen.toolstack.ended is SHUTDOWN.crash, "the toolstack sees a crash when Windows restarts")


@scenario("crash-releases", "a bug check on every release of Xen: older ones, which cannot be told, see a restart")
def crash_releases(new: NewLab) -> None:
    for release in RELEASES.values():
        lab = new(xen=release.name)
        lab.boot()
        lab.run(1)
        _crash(lab, told=not release.crashes_dom0)
        ended = SHUTDOWN.crash if release.shutdown_code else SHUTDOWN.reboot
        lab.expect(lab.xen.toolstack.ended is ended, f"the toolstack of Xen {release.name} sees a {ended.name}")


def _busy(new: NewLab) -> Lab:
    """Return a machine with requests under way."""
    lab = new()
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    Workload([lab.pv_disk("hda")], 100).begin()
    lab.run(lab.world.random.uniform(0.0005, 0.002))
    return lab


def _crash(lab: Lab, *, told: bool = True) -> None:
    lab.xen.hypervisor.log.clear()
    lab.kernel.part(BugCheck).stop(_CODE, *_PARAMETERS)
    lines = lab.xen.hypervisor.log.decode().splitlines()
    numbers = " ".join(f"{each:0{2 * lab.kernel.pointer_size}x}" for each in (_CODE, *_PARAMETERS))
    found = [line for line in lines if line.endswith(f" {numbers}")]
    lab.expect(len(found) == told, f"Xen's log has the bug check once, if at all: {lines}")
    lab.expect(lab.xen.toolstack.ended is None, "the domain runs on, for the crash dump")
    lab.xen.model.reset_machine()

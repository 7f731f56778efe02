# SPDX-License-Identifier: GPL-2.0-or-later
"""Back ends that lie, and memory that is not there: nothing may crash, and nothing may be lost or kept."""

from __future__ import annotations

from xenlab.errors import Violation
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.blkback import HONEST, Hostility
from xenlab.xen.disk import Disk as Medium

_SECTORS = 2 * 2048
_LIES = {
    "bad ids": Hostility(bad_id=0.3),
    "garbage status": Hostility(garbage_status=0.3),
    "wrong operation": Hostility(wrong_operation=0.3),
    "duplicates": Hostility(duplicate=0.3),
    "silence": Hostility(silence=0.3),
    "a producer index that runs off": Hostility(producer=0.2),
}


@scenario("hostile", "a back end spoils its responses in every way: its disk may fail, the machine and other disks do not")
def hostile(new: NewLab) -> None:
    for lies in _LIES.values():
        lab = new()
        lab.attach("hda", lab.boot_disk)
        vbd = lab.attach("xvdb", Medium(_SECTORS))
        lab.boot()
        stays, lied_to = lab.pv_disk("hda"), lab.pv_disk("xvdb")
        lied_to.accept = lambda _: True
        vbd.backend.hostility = lies
        work = Workload([lied_to], 30, mix={"read": 1, "write": 1})
        lied_to.undefined.update(range(lied_to.blocks))
        work.begin()
        Workload([stays], 60).run()
        lab.wait(lambda work=work: work.finished, "the requests to a hostile back end", 900)  # type: ignore[misc]
        vbd.backend.hostility = HONEST
        lab.shut_down()


@scenario("no-memory", "every allocation of a boot with a disk fails in turn: no crash, a clean error, nothing kept")
def no_memory(new: NewLab) -> None:
    _sweep(new, 12)


@scenario("no-memory-long", "every allocation fails in turn, without leaving one out", long=True)
def no_memory_long(new: NewLab) -> None:
    _sweep(new, None)


def _sweep(new: NewLab, samples: int | None) -> None:
    """Boot as often as there are allocations to fail, or with a chance selection of them."""
    total = _boot(new, 0)
    numbers = range(1, total + 1)
    chosen = sorted(new.labs[0].world.random.sample(numbers, samples)) if samples else numbers
    for number in chosen:
        try:
            _boot(new, number)
        except Violation as violation:
            what = f"When allocation {number} of {total} fails: {violation.what}"
            raise Violation(what, violation.stack) from violation


def _boot(new: NewLab, failing: int) -> int:
    """Boot, work and shut down; return how many allocations drivers made."""
    lab = new()
    lab.kernel.pool.fail_at(failing)
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    lab.run(2)
    lab.shut_down()
    return lab.kernel.pool.count

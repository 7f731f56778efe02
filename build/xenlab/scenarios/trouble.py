# SPDX-License-Identifier: GPL-2.0-or-later
"""Back ends that lie, and memory that is not there: nothing may crash, and nothing may be lost or kept."""

from __future__ import annotations

from xenlab.errors import Violation
from xenlab.ports.disk import Buffer, Workload
from xenlab.ports.srb import Flag, Request
from xenlab.scenario import NewLab, scenario
from xenlab.xen.blkback import HONEST, ORDINARY, Features, Hostility
from xenlab.xen.disk import Disk as Medium

_SECTORS = 2 * 2048
LIES = {
    "bad-ids": (Hostility(bad_id=0.3), "responses to requests that were never made"),
    "garbage-status": (Hostility(garbage_status=0.3), "a status that the protocol does not know"),
    "wrong-operation": (Hostility(wrong_operation=0.3), "responses to another operation than the request's"),
    "duplicates": (Hostility(duplicate=0.3), "responses twice"),
    "producer": (Hostility(producer=0.2), "a producer index that runs off"),
    "keeps": (Hostility(keeps=0.3), "responses while it still has the pages mapped"),
}


def be_lied_to(new: NewLab, lies: Hostility, features: Features = ORDINARY) -> None:
    """One disk's back end lies: whatever becomes of that disk, the machine and the other disk are none the worse."""
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS), features)
    lab.boot()
    stays, lied_to = lab.pv_disk("hda"), lab.pv_disk("xvdb")
    lied_to.accept = lambda _: True
    lied_to.undefined.update(range(lied_to.blocks))
    vbd.backend.hostility = lies
    work = Workload([lied_to], 30, mix={"read": 1, "write": 1})
    work.begin()
    Workload([stays], 60).run()
    lab.wait(lambda: work.finished, "the requests to a hostile back end", 900)
    vbd.backend.hostility = HONEST
    lab.shut_down()


def _add(name: str, lies: Hostility, summary: str) -> None:
    @scenario(f"hostile-{name}", f"a back end gives {summary}: its disk may fail, the machine and other disks do not")
    def run(new: NewLab) -> None:
        be_lied_to(new, lies)


for _name, (_lies, _summary) in LIES.items():
    _add(_name, _lies, _summary)


@scenario(
    "hostile-silence", "a back end leaves requests unanswered: they end when it is torn out, and nothing else waits"
)
def hostile_silence(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS))
    lab.boot()
    stays, silent = lab.pv_disk("hda"), lab.pv_disk("xvdb")
    vbd.backend.hostility = Hostility(silence=0.5)
    ended: list[Request] = []
    buffers = [Buffer(lab.kernel, 4096) for _ in range(20)]
    for number, buffer in enumerate(buffers):
        cdb = silent.transfer_cdb(False, 8 * number, 8)
        request = Request(silent.unit.address, cdb, buffer.va, 4096, Flag.DATA_IN, timeout_s=0, done=ended.append)
        silent.adapter.submit(request)
    Workload([stays], 60).run()
    lab.expect(0 < len(ended) < len(buffers), "some requests are answered and some are not")
    lab.xen.toolstack.force_detach("xvdb")
    lab.wait(lambda: len(ended) == len(buffers), "the requests to a silent back end that is torn out")
    for buffer in buffers:
        buffer.free()
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
    chosen = sorted(new.random.sample(numbers, samples)) if samples else numbers
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

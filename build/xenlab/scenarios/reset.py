# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that take too long: Windows resets and aborts, nothing ends twice, nothing is lost, the disk works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from xenlab.lab import Lab
from xenlab.nt.routine import PASSIVE_LEVEL
from xenlab.ports.disk import Buffer, Disk, Workload
from xenlab.ports.queues import SECOND
from xenlab.ports.srb import Flag, Function, Request, Srb
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.block import KINDS
from xenlab.xen.blkback import BlockBackend
from xenlab.xen.disk import SECTOR
from xenlab.xen.disk import Disk as Medium

_SECTORS = 2 * 2048
_SLOWER_THAN_PATIENCE = (4 * SECOND, 9 * SECOND)
_SLOWER_THAN_RESETS = (1 * SECOND, 2 * SECOND)
_MIX = {"read": 4, "write": 4, "write through": 1, "flush": 1}
_RESETS = (Function.RESET_BUS, Function.RESET_DEVICE, Function.RESET_LOGICAL_UNIT)
_PAGE, _MORE_THAN_AN_ENTRY = 4096, 16 * 4096
_TIMES, _MANY, _SHARE = 6, 24, 0.02
_BYPASS = Flag.BYPASS_FROZEN_QUEUE | Flag.BYPASS_LOCKED_QUEUE | Flag.NO_QUEUE_FREEZE


@scenario("slow", "a back end so slow that requests time out in its queue: resets, and every byte is right in the end")
def slow(new: NewLab) -> None:
    for kind in ("bare", "persistent"):
        lab = new()
        lab.attach("hda", lab.boot_disk)
        vbd = lab.attach("xvdb", Medium(_SECTORS), KINDS[kind])
        lab.boot()
        disk = lab.pv_disk("xvdb")
        _set_latency(vbd.backend, _SLOWER_THAN_PATIENCE)
        Workload([disk], 100, depth=70, mix=_MIX).run()
        lab.expect(bool(disk.adapter.timed_out), "requests have timed out")
        _set_latency(vbd.backend, KINDS[kind].latency_ns)
        Workload([disk], 60).run()
        lab.expect(vbd.disk.read(0, _SECTORS * SECTOR) == disk.model, f"the medium holds what was written ({kind})")
        lab.shut_down()


def _set_latency(backend: BlockBackend, latency_ns: tuple[int, int]) -> None:
    backend.features = replace(backend.features, latency_ns=latency_ns)


@scenario("reset", "resets of bus, target and unit, and aborts, at any moment of a busy disk")
def reset(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS), replace(KINDS["flush"], latency_ns=_SLOWER_THAN_RESETS))
    lab.boot()
    disk = lab.pv_disk("xvdb")
    work = Workload([disk], 150, depth=60, mix=_MIX)
    work.begin()
    answered: list[Request] = []
    for count, function in enumerate(_RESETS * 3, 1):
        lab.run(lab.world.random.uniform(0.1, 1.5))
        disk.adapter.submit(Request(disk.unit.address, flags=_BYPASS, function=function, done=answered.append))
        lab.wait(lambda count=count: len(answered) == count, f"the end of {function.name}")  # type: ignore[misc]
    lab.expect(all(each.ok for each in answered), "a reset succeeds")
    lab.wait(lambda: work.finished, "the work that was reset", 900)
    _set_latency(vbd.backend, KINDS["flush"].latency_ns)
    _require_right(lab, disk, vbd.disk)
    lab.shut_down()


@scenario("bus-reset", "the port driver resets the bus: what waits ends as that, what the back end has is done")
def bus_reset(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS), replace(KINDS["bare"], latency_ns=_SLOWER_THAN_RESETS))
    lab.boot()
    disk, backend = lab.pv_disk("xvdb"), vbd.backend
    buffers = [Buffer(lab.kernel, _PAGE) for _ in range(backend.slots + 8)]
    ended: list[Request] = []
    reads = [_read(disk, buffer, ended.append) for buffer in buffers]
    lab.wait(lambda: backend.on_ring == backend.slots, "a ring that is full")
    lab.kernel.queue_call(lambda: disk.adapter.reset_bus(0), "a bus reset")
    lab.run(0.5)
    lab.expect(set(map(id, ended)) == set(map(id, reads[backend.slots :])), "what waits, and that alone, ends at once")
    lab.expect(all(each.status == Srb.BUS_RESET for each in ended), "what waited ends with BUS_RESET")
    lab.wait(lambda: len(ended) == len(reads), "the requests that the back end has")
    lab.expect(all(each.ok for each in reads[: backend.slots]), "what the back end has is done")
    for buffer in buffers:
        buffer.free()
    _set_latency(backend, KINDS["bare"].latency_ns)
    _require_right(lab, disk, vbd.disk)
    lab.shut_down()


@scenario("interrupted", "answers come between any two instructions of a thread that looks after a busy disk")
def interrupted(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS), replace(KINDS["bare"], latency_ns=_SLOWER_THAN_RESETS))
    lab.boot()
    disk = lab.pv_disk("xvdb")
    image = next(
        each.image for each in lab.kernel.drivers if each.image.contains(disk.adapter.initialization["HwStartIo"])
    )

    def look(pc: int) -> None:
        alone = lab.kernel.irql == PASSIVE_LEVEL and not disk.adapter.callbacks and image.contains(pc)
        if alone and lab.world.random.random() < _SHARE and vbd.backend.answer_one():
            lab.machine.stop()

    work = Workload([disk], 300, depth=60, maximum_bytes=_MORE_THAN_AN_ENTRY, mix=_MIX)
    work.begin()
    for _ in range(_TIMES):
        lab.wait(lambda: vbd.backend.busy > _MANY, "requests that are under way")
        with lab.machine.between_instructions(look):
            lab.kernel.queue_call(lambda: disk.adapter.reset_bus(0), "a bus reset")
            lab.run(0.01)
    _set_latency(vbd.backend, KINDS["bare"].latency_ns)
    lab.wait(lambda: work.finished, "the work that was interrupted", 900)
    _require_right(lab, disk, vbd.disk)
    lab.shut_down()


@scenario("abort", "requests are aborted: what the back end has nothing of ends as that, what it has is done")
def abort(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS), replace(KINDS["bare"], latency_ns=_SLOWER_THAN_RESETS))
    lab.boot()
    disk, backend = lab.pv_disk("xvdb"), vbd.backend
    in_part = backend.slots - 1  # It takes two entries, and there is room for one.
    buffers = [Buffer(lab.kernel, _PAGE) for _ in range(backend.slots + 8)]
    buffers[in_part] = Buffer(lab.kernel, _MORE_THAN_AN_ENTRY)
    ended: list[Request] = []
    reads = [_read(disk, buffer, ended.append) for buffer in buffers]
    lab.wait(lambda: backend.on_ring == backend.slots, "a ring that is full")
    _require_answer(lab, disk, reads[0], Srb.ABORT_FAILED)
    _require_answer(lab, disk, reads[in_part], Srb.ABORT_FAILED)
    _require_answer(lab, disk, reads[-1], Srb.SUCCESS)
    lab.expect(reads[-1].status == Srb.ABORTED, "the request that was aborted says so")
    lab.wait(lambda: len(ended) == len(reads), "the requests that were not aborted")
    lab.expect(all(each.ok for each in reads[:-1]), "all others are done")
    for buffer in buffers:
        buffer.free()
    _set_latency(backend, KINDS["bare"].latency_ns)
    _require_right(lab, disk, vbd.disk)
    lab.shut_down()


def _read(disk: Disk, buffer: Buffer, done: Callable[[Request], None]) -> Request:
    cdb = disk.transfer_cdb(False, 0, buffer.length // disk.block_size)
    flags = Flag.DATA_IN | Flag.NO_QUEUE_FREEZE
    request = Request(disk.unit.address, cdb, buffer.va, buffer.length, flags, done=done)
    disk.adapter.submit(request)
    return request


def _require_answer(lab: Lab, disk: Disk, victim: Request, status: Srb) -> None:
    """Abort a request, and see that the miniport says whether it could."""
    answers: list[Request] = []
    address, function = disk.unit.address, Function.ABORT_COMMAND
    disk.adapter.submit(Request(address, flags=_BYPASS, function=function, victim=victim, done=answers.append))
    lab.wait(lambda: bool(answers), "the answer to an abort")
    lab.expect(answers[0].status == status, f"an abort is answered with {status.name}, not {answers[0].status:#x}")


def _require_right(lab: Lab, disk: Disk, medium: Medium) -> None:
    Workload([disk], 40).run()
    lab.expect(medium.read(0, _SECTORS * SECTOR) == disk.model, "the medium holds what was written")

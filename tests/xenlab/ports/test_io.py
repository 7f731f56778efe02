# SPDX-License-Identifier: GPL-2.0-or-later
"""The port drivers carry a miniport's requests, whatever kind it is and whatever happens to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from xenlab.errors import Violation
from xenlab.nt.codes import Status
from xenlab.ports import Ports, Resources
from xenlab.ports.disk import Disk, Workload
from xenlab.ports.queues import SECOND
from xenlab.ports.srb import Flag, Function, Op, Request, Srb

Machines = Callable[..., Any]
Arch = Literal["x32", "x64"]
ARCHES: tuple[Arch, ...] = ("x32", "x64")
SCSI, QUEUED = (), ("RAMDISK_QUEUE=4",)
STORPORT = ("RAMDISK_STORPORT", "RAMDISK_QUEUE=8")
# What a miniport may be: each with a port driver of its own kind.
KINDS: dict[str, tuple[str, ...]] = {
    "scsiport, one request": (),
    "scsiport, eight requests": ("RAMDISK_QUEUE=8",),
    "scsiport, mapped buffers": ("RAMDISK_QUEUE=4", "RAMDISK_PIO"),
    "scsiport, polled": ("RAMDISK_POLLED",),
    "scsiport, deferred interrupt": ("RAMDISK_DEFERS",),
    "scsiport, no autosense": ("RAMDISK_AUTOSENSE=FALSE",),
    "storport, half duplex": STORPORT,
    "storport, full duplex": (*STORPORT, "RAMDISK_FULL_DUPLEX", "RAMDISK_DMA64"),
}


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("kind", KINDS)
def test_random_io_is_byte_exact_and_leaves_nothing_behind(kind: str, arch: Arch, lab: Machines) -> None:
    made = lab(arch, *KINDS[kind])
    disk = made.disk()
    workload = Workload([disk], 150, depth=12)
    workload.run()
    assert workload.completed == 150
    assert made.medium() == disk.model
    made.remove()
    assert made.kernel.part(Ports).outstanding() == []
    assert made.kernel.part(Ports).adapters == {}


def test_a_seed_repeats_a_run_exactly(lab: Machines) -> None:
    def run() -> tuple[int, bytes]:
        made = lab("x64", *STORPORT, seed=7)
        Workload([made.disk()], 60).run()
        return made.world.now, made.medium()

    assert run() == run()


def transfer(disk: Disk, write: bool, first: int, count: int, data: int, done: list[Request], flags: int = 0) -> None:
    """Submit one read or write as it is, without a class driver's retries."""
    cdb = disk.transfer_cdb(write, first, count)
    direction = Flag.DATA_OUT if write else Flag.DATA_IN
    request = Request(disk.unit.address, cdb, data, count * 512, direction | flags, done=done.append)
    disk.adapter.submit(request)


@pytest.mark.parametrize("defines", [SCSI, ("RAMDISK_AUTOSENSE=FALSE",), STORPORT])
def test_a_failed_request_has_sense_data_and_freezes_the_queue(defines: tuple[str, ...], lab: Machines) -> None:
    made = lab("x64", *defines)
    disk = made.disk()
    data = made.kernel.alloc(512)
    failed: list[Request] = []
    transfer(disk, False, disk.blocks + 5, 1, data, failed)
    made.kernel.run(lambda: bool(failed))
    assert failed[0].status == Srb.ERROR
    assert (failed[0].sense[0], failed[0].sense_key, failed[0].sense[12]) == (0x70, 0x05, 0x21)
    assert failed[0].frozen

    later: list[Request] = []
    transfer(disk, False, 0, 1, data, later)
    made.kernel.run_for(SECOND)
    assert not later
    passing: list[Request] = []
    transfer(disk, False, 0, 1, data, passing, Flag.BYPASS_FROZEN_QUEUE)
    made.kernel.run(lambda: bool(passing))
    assert not later
    disk.adapter.submit(Request(disk.unit.address, function=Function.RELEASE_QUEUE))
    made.kernel.run(lambda: bool(later))
    assert later[0].ok


def test_no_queue_freezes_for_a_request_that_asks_for_that(lab: Machines) -> None:
    made = lab("x32")
    disk = made.disk()
    data = made.kernel.alloc(512)
    done: list[Request] = []
    transfer(disk, False, disk.blocks, 1, data, done, Flag.NO_QUEUE_FREEZE)
    transfer(disk, False, 0, 1, data, done)
    made.kernel.run(lambda: len(done) == 2)
    assert [each.frozen for each in done] == [False, False]
    assert done[1].ok


@pytest.mark.parametrize("defines", [SCSI, QUEUED, STORPORT])
def test_a_lost_request_is_reset_and_done_again(defines: tuple[str, ...], lab: Machines) -> None:
    made = lab("x64", *defines)
    disk = made.disk()
    made.device.lose = 2
    started = made.world.now
    Workload([disk], 40, depth=6).run()
    assert made.medium() == disk.model
    assert made.world.now - started > 10 * SECOND


@pytest.mark.parametrize(("defines", "most"), [(SCSI, 1), (QUEUED, 4), (STORPORT, 8)])
def test_the_adapter_gets_as_many_requests_as_it_takes_and_no_more(
    defines: tuple[str, ...], most: int, lab: Machines
) -> None:
    made = lab("x64", *defines)
    Workload([made.disk()], 100, depth=20).run()
    assert made.device.most_at_once == most


def test_a_long_transfer_is_split_at_the_limits_of_the_adapter(lab: Machines) -> None:
    made = lab("x64", *STORPORT)
    disk = made.disk()
    workload = Workload([disk], 30, maximum_bytes=1 << 19, mix={"read": 1, "write": 1})
    workload.run()
    assert workload.bytes_moved > 1 << 19
    assert made.medium() == disk.model


def test_what_is_mapped_and_what_is_not_follows_the_miniports_wish(lab: Machines) -> None:
    for defines, mapped in ((SCSI, False), (("RAMDISK_PIO",), True)):
        made = lab("x64", *defines)
        disk = made.disk()
        request = Request(disk.unit.address, bytes((Op.READ10,)) + bytes(9), made.kernel.alloc(512), 512, Flag.DATA_IN)
        seen = disk.adapter.data_buffer(request)
        assert made.kernel.memory.is_mapped(seen) == mapped
        assert seen % 4096 == request.data % 4096


def test_a_disk_above_4_gib_is_reached_through_frames_below_by_an_adapter_of_32_address_lines(lab: Machines) -> None:
    made = lab("x64", *STORPORT)
    adapter = made.start()
    disk = made.disk()
    data = made.kernel.alloc(8 * 4096)
    pages = [made.kernel.memory.translate(data + 4096 * index) for index in range(8)]
    assert any(each >= 1 << 32 for each in pages)
    done: list[Request] = []
    transfer(disk, False, 3, 64, data, done)
    made.kernel.run(lambda: bool(done))
    assert made.kernel.read(data, 64 * 512) == disk.model[3 * 512 : 67 * 512]
    assert not adapter.config["Dma64BitAddresses"] & 1


@pytest.mark.parametrize("defines", [SCSI, STORPORT])
def test_requests_wait_while_the_power_is_off(defines: tuple[str, ...], lab: Machines) -> None:
    made = lab("x64", *defines)
    disk = made.disk()
    adapter = disk.adapter
    workload = Workload([disk], 80, depth=8)
    workload.begin()
    made.kernel.run(lambda: workload.completed > 20)
    made.kernel.run_to_end(adapter.set_power(False))
    completed = workload.completed
    made.kernel.run_for(SECOND)
    assert (workload.completed, workload.finished, made.device.enabled) == (completed, False, False)
    made.kernel.run_to_end(adapter.set_power(True))
    workload.run()
    assert made.medium() == disk.model


@pytest.mark.parametrize("defines", [SCSI, STORPORT])
def test_an_adapter_stops_and_starts_again(defines: tuple[str, ...], lab: Machines) -> None:
    made = lab("x32", *defines)
    Workload([made.disk()], 20).run()
    adapter = made.adapter
    assert adapter
    made.kernel.run_to_end(adapter.stop())
    assert adapter.present_units() == []
    assert made.kernel.run_to_end(adapter.start(made.resources)) == 0
    Workload([made.disk()], 20).run()


def test_a_removed_adapter_answers_what_waits_and_waits_for_what_is_under_way(lab: Machines) -> None:
    made = lab("x64")
    disk = made.disk()
    data = made.kernel.alloc(512)
    done: list[Request] = []
    for block in range(6):
        transfer(disk, False, block, 1, data, done)
    made.kernel.run(lambda: bool(disk.adapter.active))
    disk.adapter.surprise_remove()
    made.remove()
    assert len(done) == 6
    assert {each.status for each in done} == {Srb.SUCCESS, Srb.NO_DEVICE}
    transfer(disk, False, 0, 1, data, done)
    made.kernel.run(lambda: len(done) == 7)
    assert done[6].status == Srb.NO_DEVICE


def test_a_request_without_a_timeout_that_is_never_completed_is_found_at_the_removal(lab: Machines) -> None:
    made = lab("x64")
    disk = made.disk()
    made.device.lose = 1
    cdb = bytes((Op.TEST_UNIT_READY,)) + bytes(5)
    disk.adapter.submit(Request(disk.unit.address, cdb, timeout_s=0))
    made.kernel.run_for(SECOND)
    assert made.kernel.part(Ports).outstanding() == [
        "scsiport: TEST_UNIT_READY of 0 bytes at 0:0:0 was never completed."
    ]
    with pytest.raises(Violation, match="TEST_UNIT_READY of 0 bytes at 0:0:0 is never completed"):
        made.remove()


@pytest.mark.parametrize("defines", [SCSI, STORPORT])
def test_a_changed_bus_is_scanned_and_the_pnp_manager_told(defines: tuple[str, ...], lab: Machines) -> None:
    made = lab("x64", *defines)
    adapter = made.start()
    assert [str(unit) for unit in adapter.present_units()] == ["0:0:0"]
    made.device.change(present=False)
    made.kernel.run(lambda: len(made.changes) == 1)
    assert adapter.present_units() == []
    made.device.change(present=True)
    made.kernel.run(lambda: len(made.changes) == 2)
    assert [str(unit) for unit in adapter.present_units()] == ["0:0:0"]
    Workload([made.disk()], 10).run()


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("defines", [SCSI, STORPORT])
def test_the_routines_of_the_library_do_what_they_say(defines: tuple[str, ...], arch: Arch, lab: Machines) -> None:
    made = lab(arch, *defines, "RAMDISK_LIBRARY")
    made.parent.read_config = lambda offset, size: (b"\x53\x58\x01\x00" + bytes(252))[offset : offset + size]
    adapter = made.start()
    assert adapter.errors == ["0:1:2: error 0x9, 0x4d"]


def test_scsiport_takes_only_devices_of_the_buses_that_the_service_lists(lab: Machines) -> None:
    made = lab("x64", listed=False)
    assert made.enter() == 0
    assert made.kernel.part(Ports).drivers[made.driver_object].add_device(made.parent) is None


def test_a_device_without_what_the_miniport_needs_does_not_start(lab: Machines) -> None:
    made = lab("x64")
    assert made.enter() == 0
    adapter = made.kernel.part(Ports).drivers[made.driver_object].add_device(made.parent)
    assert adapter
    assert made.kernel.run_to_end(adapter.start(Resources())) == Status.NO_SUCH_DEVICE
    assert made.kernel.part(Ports).adapters == {}


def test_wrong_data_are_found(lab: Machines) -> None:
    made = lab("x64", *STORPORT)
    disk = made.disk()
    disk.model[100 * 512 + 7] ^= 1
    with pytest.raises(Violation, match="Block 100 of the disk at 0:0:0 reads wrong from byte 7 on"):
        Workload([disk], 400, mix={"read": 1}, maximum_bytes=1 << 20).run()

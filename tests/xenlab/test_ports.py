# SPDX-License-Identifier: GPL-2.0-or-later
"""The port drivers carry a RAM disk miniport (miniports/ramdisk.c) and find every mistake that it can be built with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from gplpv import exports
from gplpv.ddk import ImageOptions, ZiglangDdk
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.errors import Violation
from xenlab.nt.codes import Status
from xenlab.nt.kernel import Kernel
from xenlab.nt.registry import Registry
from xenlab.nt.routine import load_package
from xenlab.ports import Interrupt, ParentDevice, Ports, Range, Resources, read_resources, srb
from xenlab.ports.adapter import Adapter
from xenlab.ports.disk import Disk, Workload
from xenlab.ports.queues import SECOND
from xenlab.ports.srb import Flag, Function, Op, Request, Srb
from xenlab.world import World

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "xenlab" / "miniports" / "ramdisk.c"
INCLUDES = [ROOT / "drivers_src" / "include" / name for name in ("ddk-compat", "")]
PNP_BUS = 15
PORT_BASE, PORT_LENGTH = 0xC000, 16
MEDIUM, MEDIUM_SIZE = 0xE0000000, 1 << 20
LOW, HIGH, DONE, ENABLE = range(4)
READ, WRITE, ANSWER, NOTHING = range(4)
NO_COOKIE, BUS_CHANGED = 0xFFFFFFFF, 0xFFFFFFFE

Arch = Literal["x32", "x64"]
ARCHES: tuple[Arch, ...] = ("x32", "x64")
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


class RamDevice(BarePlatform):
    """The hardware under the miniport: it does commands by DMA, late and in any order, and interrupts."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.machine: Machine | None = None
        self.enabled = False
        self.high = 0
        self.done: list[int] = []
        self.latency_ns = 2_000_000
        self.commands = 0
        self.most_at_once = 0
        self.at_once = 0
        self.lose = 0
        self.present = True

    def change(self, present: bool) -> None:
        """Insert or take out the medium."""
        self.present = present
        self.done.append(BUS_CHANGED)
        self._drive()

    def port_in(self, port: int, size: int) -> int:
        assert size == 4
        if port - PORT_BASE == 4 * ENABLE:
            return int(self.present)
        assert port - PORT_BASE == 4 * DONE
        cookie = self.done.pop(0) if self.done else NO_COOKIE
        self._drive()
        return cookie

    def port_out(self, port: int, size: int, value: int) -> None:
        register = (port - PORT_BASE) // 4
        if register == ENABLE:
            self.enabled = bool(value)
        elif register == HIGH:
            self.high = value
        elif register == LOW:
            if self.lose:
                self.lose -= 1
                return
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            delay = self.world.random.randrange(1000, self.latency_ns)
            self.world.at(delay, partial(self._execute, self.high << 32 | value), "the device")
        self._drive()

    def _drive(self) -> None:
        self.interrupt_asserted = self.enabled and bool(self.done)

    def _execute(self, command: int) -> None:
        assert self.machine
        physical = self.machine.physical
        words = [int.from_bytes(physical.read(command + 4 * index, 4), "little") for index in range(6)]
        cookie, operation, block, _, elements, answer_length = words
        answer = physical.read(command + 24 + 17 * 16, 64)[:answer_length]
        at = 0
        for index in range(elements):
            entry = physical.read(command + 24 + 16 * index, 16)
            gpa, length = int.from_bytes(entry[:8], "little"), int.from_bytes(entry[8:12], "little")
            if operation == READ:
                physical.write(gpa, physical.read(MEDIUM + block * 512 + at, length))
            elif operation == WRITE:
                physical.write(MEDIUM + block * 512 + at, physical.read(gpa, length))
            elif operation == ANSWER:
                physical.write(gpa, answer[at : at + length])
            at += length
        self.commands += 1
        self.at_once -= 1
        self.done.append(cookie)
        self._drive()


@dataclass
class Lab:
    """A kernel with the miniport loaded; `start` brings its adapter up."""

    arch: Arch
    image: Path
    seed: int = 1
    nt: tuple[int, int] = (5, 2)
    polled: bool = False
    listed: bool = True
    changes: list[Adapter] = field(default_factory=list)

    def __post_init__(self) -> None:
        load_package("xenlab.ports")
        self.world = World(self.seed)
        self.device = RamDevice(self.world)
        self.machine = Machine(self.arch, self.world, self.device)
        self.device.machine = self.machine
        self.machine.physical.add_region(MEDIUM, MEDIUM_SIZE)
        self.kernel = Kernel(self.machine, self.nt)
        self.driver = self.kernel.load_driver(self.image, "ramdisk")
        self.driver_object = self.kernel.alloc(0x150, "Driv")
        service = Registry().create(r"\Registry\Machine\System\CurrentControlSet\Services\ramdisk")
        if self.listed:
            service.create(r"Parameters\PnpInterface").set(str(PNP_BUS), 1)
        self.parent = ParentDevice(0, service, PNP_BUS, changed=self.changes.append)
        self.adapter: Adapter | None = None

    @property
    def resources(self) -> Resources:
        ranges = (Range(PORT_BASE, PORT_LENGTH, False), Range(MEDIUM, MEDIUM_SIZE, True))
        return Resources(ranges, None if self.polled else Interrupt(11, 11, 6, 0x3B, False))

    def enter(self) -> int | None:
        return self.kernel.run_to_end(self.kernel.call(self.driver.entry, self.driver_object, 0), "DriverEntry")

    def start(self) -> Adapter:
        assert self.enter() == 0
        adapter = self.kernel.part(Ports).drivers[self.driver_object].add_device(self.parent)
        assert adapter is not None
        self.adapter = adapter
        assert self.kernel.run_to_end(adapter.start(self.resources), "start", 600 * SECOND) == 0
        return adapter

    def disk(self) -> Disk:
        adapter = self.adapter or self.start()
        model = bytearray(self.world.random.randbytes(MEDIUM_SIZE))
        self.machine.physical.write(MEDIUM, bytes(model))
        disk = Disk(adapter, adapter.present_units()[0], model)
        disk.open()
        return disk

    def medium(self) -> bytes:
        return self.machine.physical.read(MEDIUM, MEDIUM_SIZE)

    def remove(self) -> None:
        assert self.adapter is not None
        self.kernel.run_to_end(self.adapter.remove(), "remove", 900 * SECOND)


Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a function that builds the miniport for an arch with some definitions."""
    folder = tmp_path_factory.mktemp("miniports")
    ddk = ZiglangDdk()
    made: dict[tuple[str, ...], Path] = {}

    def library(module: str, arch: Arch, nt: tuple[int, int], options: ImageOptions) -> Path:
        target = folder / f"{module}-{arch}-{nt[0]}{nt[1]}.lib"
        if not target.exists():
            definition = target.with_suffix(".def")
            definition.write_text(exports.definition(module, arch, nt), encoding="ascii")
            ddk.import_library(definition, target, options)
        return target

    def make(arch: Arch, *defines: str) -> Path:
        if (arch, *defines) in made:
            return made[arch, *defines]
        nt = nt_of(defines)
        options = ImageOptions(arch, nt, True, "kernel", ROOT)
        out = folder / str(len(made))
        out.mkdir()
        ddk.compile(SOURCE, out / "ramdisk.obj", options, INCLUDES, defines)
        port = "storport.sys" if nt == (6, 0) else "scsiport.sys"
        libraries = [library(module, arch, nt, options) for module in (port, "ntoskrnl.exe")]
        image = made[arch, *defines] = out / "ramdisk.sys"
        ddk.link([out / "ramdisk.obj"], libraries, image, out / "ramdisk.pdb", options)
        return image

    return make


def nt_of(defines: tuple[str, ...]) -> tuple[int, int]:
    return (6, 0) if "RAMDISK_STORPORT" in defines else (5, 2)


def lab(build: Build, arch: Arch, *defines: str, seed: int = 1, listed: bool = True) -> Lab:
    return Lab(arch, build(arch, *defines), seed, nt_of(defines), "RAMDISK_POLLED" in defines, listed)


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("kind", KINDS)
def test_random_io_is_byte_exact_and_leaves_nothing_behind(kind: str, arch: Arch, build: Build) -> None:
    made = lab(build, arch, *KINDS[kind])
    disk = made.disk()
    workload = Workload([disk], 150, depth=12)
    workload.run()
    assert workload.completed == 150
    assert made.medium() == disk.model
    made.remove()
    assert made.kernel.part(Ports).unfinished() == []
    assert made.kernel.part(Ports).adapters == {}


def test_a_seed_repeats_a_run_exactly(build: Build) -> None:
    def run() -> tuple[int, bytes]:
        made = lab(build, "x64", *STORPORT, seed=7)
        Workload([made.disk()], 60).run()
        return made.world.now, made.medium()

    assert run() == run()


def outcome(made: Lab) -> None:
    """Everything that a miniport goes through: start, I/O, removal."""
    Workload([made.disk()], 60, depth=10).run()
    made.remove()


SCSI, QUEUED = (), ("RAMDISK_QUEUE=4",)
MUTANTS: list[tuple[str, tuple[str, ...], str]] = [
    ("COMPLETES_TWICE", SCSI, "is completed twice"),
    ("COMPLETES_TWICE", STORPORT, "is completed twice"),
    ("COMPLETES_UNKNOWN", SCSI, "completed that the miniport was not given"),
    ("COMPLETES_UNKNOWN", STORPORT, "completed that the miniport was not given"),
    ("COMPLETES_PENDING", SCSI, "with SRB_STATUS_PENDING"),
    ("COMPLETES_FROZEN", STORPORT, "with SRB_STATUS_QUEUE_FROZEN"),
    ("COMPLETES_TOO_LONG", SCSI, "bytes transferred"),
    ("NEVER_COMPLETES", SCSI, "is never completed, not even after two resets"),
    ("NEVER_COMPLETES", STORPORT, "is never completed, not even after two resets"),
    ("FORGETS_NEXT_REQUEST", SCSI, "NextRequest never came"),
    ("SENDS_NEXT_LU_REQUEST", SCSI, "NextLuRequest is sent by a miniport with neither"),
    ("READS_SRB_AFTERWARDS", SCSI, "is read: 5 bytes into freed .* 'ScSr'"),
    ("READS_SRB_AFTERWARDS", STORPORT, "is read: 5 bytes into freed .* 'ScSr'"),
    ("WRITES_EXTENSION_AFTERWARDS", QUEUED, "is written: 0 bytes into freed .* 'ScEx'"),
    ("CHANGES_THE_SRB", SCSI, "has changed OriginalRequest"),
    ("OVERRUNS_THE_EXTENSION", STORPORT, "behind .*the nonpaged pool block of .* 'ScEx'"),
    ("USES_DATA_BUFFER", SCSI, "is read: nothing is there"),
    ("USES_DATA_BUFFER", STORPORT, "is read: a null pointer"),
    ("USES_VIRTUAL_ADDRESS", SCSI, "There is no memory at physical addresses"),
    ("FORGETS_A_PIECE", SCSI, "reads wrong"),
    ("FORGETS_A_PIECE", STORPORT, "reads wrong"),
    ("ASKS_UNCACHED_TWICE", SCSI, "an uncached extension is asked for twice"),
    ("ASKS_UNCACHED_LATE", SCSI, "GetUncachedExtension is called from HwInitialize; it may be called only from"),
    ("ASKS_UNCACHED_LATE", STORPORT, "GetUncachedExtension is called from HwInitialize; it may be called only from"),
    ("MAPS_LATE", SCSI, "FreeDeviceBase is called from HwInitialize"),
    ("OVERFILLS_CONTROL_TYPES", SCSI, "more control types than MaxControlType"),
    ("REFUSES_A_REQUEST", SCSI, "HwStartIo returns FALSE"),
    ("REFUSES_A_REQUEST", STORPORT, "HwStartIo returns FALSE .* without completing it"),
    ("DEFERS_WITHOUT_END", ("RAMDISK_DEFERS",), "returns without CallDisableInterrupts"),
    ("BAD_ALIGNMENT", SCSI, "AlignmentMask is 0x5"),
    ("LEAVES_BREAKS_UNSET", STORPORT, "NumberOfPhysicalBreaks is set|leaves NumberOfPhysicalBreaks unset"),
    ("COMPLETES_IN_BUILD", STORPORT, "HwBuildIo has completed .* and returns TRUE"),
    ("LOCKS_TWICE", STORPORT, "the StartIo lock is acquired while it is held"),
    ("LOCKS_IN_WRONG_ORDER", STORPORT, "the StartIo lock is acquired after the interrupt lock"),
    ("KEEPS_THE_LOCK", STORPORT, "is called at IRQL 2 and returns at|has not released"),
    ("MAKES_DPC_LATE", STORPORT, "StorPortInitializeDpc is called from HwInitialize"),
    ("LIST_AFTERWARDS", STORPORT, "an SRB at .* that was completed before"),
]


@pytest.mark.parametrize(
    ("mutant", "defines", "message"), MUTANTS, ids=[f"{each[0]}-{nt_of(each[1])[0]}" for each in MUTANTS]
)
def test_a_mistake_ends_the_run(mutant: str, defines: tuple[str, ...], message: str, build: Build) -> None:
    arch = ARCHES[[each[0] for each in MUTANTS].index(mutant) % 2]
    made = lab(build, arch, *defines, f"RAMDISK_MUTANT={mutant}")
    with pytest.raises(Violation, match=f"(?i){message}"):
        outcome(made)


@pytest.mark.parametrize("defines", [SCSI, QUEUED, STORPORT])
def test_without_a_mistake_the_same_run_ends_well(defines: tuple[str, ...], build: Build) -> None:
    outcome(lab(build, "x64", *defines))


def transfer(disk: Disk, write: bool, first: int, count: int, data: int, done: list[Request], flags: int = 0) -> None:
    """Submit one read or write as it is, without a class driver's retries."""
    cdb = disk.transfer_cdb(write, first, count)
    direction = Flag.DATA_OUT if write else Flag.DATA_IN
    request = Request(disk.unit.address, cdb, data, count * 512, direction | flags, done=done.append)
    disk.adapter.submit(request)


@pytest.mark.parametrize("defines", [SCSI, ("RAMDISK_AUTOSENSE=FALSE",), STORPORT])
def test_a_failed_request_has_sense_data_and_freezes_the_queue(defines: tuple[str, ...], build: Build) -> None:
    made = lab(build, "x64", *defines)
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


def test_no_queue_freezes_for_a_request_that_asks_for_that(build: Build) -> None:
    made = lab(build, "x32")
    disk = made.disk()
    data = made.kernel.alloc(512)
    done: list[Request] = []
    transfer(disk, False, disk.blocks, 1, data, done, Flag.NO_QUEUE_FREEZE)
    transfer(disk, False, 0, 1, data, done)
    made.kernel.run(lambda: len(done) == 2)
    assert [each.frozen for each in done] == [False, False]
    assert done[1].ok


@pytest.mark.parametrize("defines", [SCSI, QUEUED, STORPORT])
def test_a_lost_request_is_reset_and_done_again(defines: tuple[str, ...], build: Build) -> None:
    made = lab(build, "x64", *defines)
    disk = made.disk()
    made.device.lose = 2
    started = made.world.now
    Workload([disk], 40, depth=6).run()
    assert made.medium() == disk.model
    assert made.world.now - started > 10 * SECOND


@pytest.mark.parametrize(("defines", "most"), [(SCSI, 1), (QUEUED, 4), (STORPORT, 8)])
def test_the_adapter_gets_as_many_requests_as_it_takes_and_no_more(
    defines: tuple[str, ...], most: int, build: Build
) -> None:
    made = lab(build, "x64", *defines)
    Workload([made.disk()], 100, depth=20).run()
    assert made.device.most_at_once == most


def test_a_long_transfer_is_split_at_the_limits_of_the_adapter(build: Build) -> None:
    made = lab(build, "x64", *STORPORT)
    disk = made.disk()
    workload = Workload([disk], 30, maximum_bytes=1 << 19, mix={"read": 1, "write": 1})
    workload.run()
    assert workload.bytes_moved > 1 << 20
    assert made.medium() == disk.model


def test_what_is_mapped_and_what_is_not_follows_the_miniports_wish(build: Build) -> None:
    for defines, mapped in ((SCSI, False), (("RAMDISK_PIO",), True)):
        made = lab(build, "x64", *defines)
        disk = made.disk()
        request = Request(disk.unit.address, bytes((Op.READ10,)) + bytes(9), made.kernel.alloc(512), 512, Flag.DATA_IN)
        seen = disk.adapter.data_buffer(request)
        assert made.kernel.memory.is_mapped(seen) == mapped
        assert seen % 4096 == request.data % 4096


def test_a_disk_above_4_gib_is_reached_through_frames_below_by_an_adapter_of_32_address_lines(build: Build) -> None:
    made = lab(build, "x64", *STORPORT)
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
def test_requests_wait_while_the_power_is_off(defines: tuple[str, ...], build: Build) -> None:
    made = lab(build, "x64", *defines)
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
def test_an_adapter_stops_and_starts_again(defines: tuple[str, ...], build: Build) -> None:
    made = lab(build, "x32", *defines)
    Workload([made.disk()], 20).run()
    adapter = made.adapter
    assert adapter
    made.kernel.run_to_end(adapter.stop())
    assert adapter.present_units() == []
    assert made.kernel.run_to_end(adapter.start(made.resources)) == 0
    Workload([made.disk()], 20).run()


def test_a_removed_adapter_answers_what_waits_and_waits_for_what_is_under_way(build: Build) -> None:
    made = lab(build, "x64")
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


@pytest.mark.parametrize("defines", [SCSI, STORPORT])
def test_a_changed_bus_is_scanned_and_the_pnp_manager_told(defines: tuple[str, ...], build: Build) -> None:
    made = lab(build, "x64", *defines)
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
def test_the_routines_of_the_library_do_what_they_say(defines: tuple[str, ...], arch: Arch, build: Build) -> None:
    made = lab(build, arch, *defines, "RAMDISK_LIBRARY")
    made.parent.read_config = lambda offset, size: (b"\x53\x58\x01\x00" + bytes(252))[offset : offset + size]
    adapter = made.start()
    assert adapter.errors == ["0:1:2: error 0x9, 0x4d"]


def test_a_notification_without_the_adapters_lock_ends_the_run(build: Build) -> None:
    made = lab(build, "x64")
    adapter = made.start()
    notify = made.kernel.exported_address("scsiport.sys", "ScsiPortNotification")
    with pytest.raises(Violation, match=r"NextRequest\) is called without the adapter's lock, from outside of any"):
        made.kernel.run_to_end(made.kernel.call(notify, 1, adapter.extension))


def test_a_handle_that_is_no_device_extension_ends_the_run(build: Build) -> None:
    made = lab(build, "x64")
    made.start()
    notify = made.kernel.exported_address("scsiport.sys", "ScsiPortNotification")
    with pytest.raises(Violation, match="0x1234, which is no device extension"):
        made.kernel.run_to_end(made.kernel.call(notify, 1, 0x1234))


def test_scsiport_takes_only_devices_of_the_buses_that_the_service_lists(build: Build) -> None:
    made = lab(build, "x64", listed=False)
    assert made.enter() == 0
    assert made.kernel.part(Ports).drivers[made.driver_object].add_device(made.parent) is None


def test_a_device_without_what_the_miniport_needs_does_not_start(build: Build) -> None:
    made = lab(build, "x64")
    assert made.enter() == 0
    adapter = made.kernel.part(Ports).drivers[made.driver_object].add_device(made.parent)
    assert adapter
    assert made.kernel.run_to_end(adapter.start(Resources())) == Status.NO_SUCH_DEVICE
    assert made.kernel.part(Ports).adapters == {}


def test_wrong_data_are_found(build: Build) -> None:
    made = lab(build, "x64", *STORPORT)
    disk = made.disk()
    disk.model[100 * 512 + 7] ^= 1
    with pytest.raises(Violation, match="Block 100 of the disk at 0:0:0 reads wrong from byte 7 on"):
        Workload([disk], 400, mix={"read": 1}, maximum_bytes=1 << 20).run()


def test_a_resource_list_is_read_as_start_device_has_it(build: Build) -> None:
    made = lab(build, "x32")
    kernel = made.kernel
    word = lambda *values: b"".join(value.to_bytes(4, "little") for value in values)  # noqa: E731
    memory = b"\x03\x01\0\0" + (0xE0000000).to_bytes(8, "little") + word(0x1000)
    port = b"\x01\x01\0\0" + (0xC000).to_bytes(8, "little") + word(16)

    def listed(level: int, vector: int) -> int:
        interrupt = b"\x02\x03\0\0" + word(level, vector, 1)
        block = word(1, 15, 0) + b"\x01\0\x01\0" + word(3) + port + memory + interrupt
        address = kernel.alloc(len(block))
        kernel.write(address, block)
        return address

    found = read_resources(kernel, listed(11, 11), listed(6, 0x3B))
    assert found.ranges == (Range(0xC000, 16, False), Range(0xE0000000, 0x1000, True))
    assert found.interrupt == Interrupt(11, 11, 6, 0x3B, False)
    assert read_resources(kernel, 0, 0) == Resources()


@pytest.mark.parametrize("arch", ARCHES)
def test_the_shared_structures_are_those_of_the_headers(arch: Arch, tmp_path: Path) -> None:
    names = {
        "srb.h": {name: name for name in ("SCSI_REQUEST_BLOCK", "ACCESS_RANGE", "HW_INITIALIZATION_DATA")}
        | {"PORT_CONFIGURATION_INFORMATION": "PORT_CONFIGURATION_INFORMATION"},
        "storport.h": {
            "STORPORT_CONFIGURATION_INFORMATION": "PORT_CONFIGURATION_INFORMATION",
            "STORPORT_HW_INITIALIZATION_DATA": "HW_INITIALIZATION_DATA",
            "VIRTUAL_HW_INITIALIZATION_DATA": "VIRTUAL_HW_INITIALIZATION_DATA",
            "STOR_SCATTER_GATHER_ELEMENT": "STOR_SCATTER_GATHER_ELEMENT",
            "STOR_SCATTER_GATHER_LIST": "STOR_SCATTER_GATHER_LIST",
            "MEMORY_REGION": "MEMORY_REGION",
        },
    }
    for header, structures in names.items():
        lines = ["#include <ntddk.h>", f"#include <{header}>"]
        for ours, theirs in structures.items():
            known = srb.layout(ours, arch)
            lines.append(f"typedef char size_{ours}[sizeof({theirs}) == {known.size} ? 1 : -1];")
            renamed = {"Reserved": "MiniportDumpData"} if ours.startswith("STORPORT_CONF") else {}
            for index, (path, field_) in enumerate(known.fields.items()):
                offset = f"FIELD_OFFSET({theirs}, {renamed.get(path, path)})"
                lines.append(f"typedef char offset_{ours}_{index}[{offset} == {field_.offset} ? 1 : -1];")
        source = tmp_path / f"{header}.c"
        source.write_text("\n".join([*lines, ""]), encoding="ascii")
        options = ImageOptions(arch, (6, 0), True, "kernel", ROOT)
        ZiglangDdk().compile(source, tmp_path / f"{header}.obj", options, INCLUDES, ())

# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine for the port drivers' tests: a RAM disk's hardware, and its miniport, ../miniports/ramdisk.c."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from gplpv.ddk import ImageOptions
from small_images import make
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.nt.io import Devices
from xenlab.nt.kernel import Kernel
from xenlab.nt.registry import Registry
from xenlab.nt.routine import load_package
from xenlab.ports import Interrupt, ParentDevice, Ports, Range, Resources
from xenlab.ports.adapter import Adapter
from xenlab.ports.disk import Disk
from xenlab.ports.queues import SECOND
from xenlab.world import World

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "tests" / "xenlab" / "miniports" / "ramdisk.c"
INCLUDES = [ROOT / "drivers_src" / "include" / name for name in ("ddk-compat", "")]
PNP_BUS = 15
PORT_BASE, PORT_LENGTH = 0xC000, 16
MEDIUM, MEDIUM_SIZE = 0xE0000000, 1 << 20
LOW, HIGH, DONE, ENABLE = range(4)
READ, WRITE, ANSWER, NOTHING = range(4)
NO_COOKIE, BUS_CHANGED = 0xFFFFFFFF, 0xFFFFFFFE

Arch = Literal["x32", "x64"]


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
    load: bool = True
    changes: list[Adapter] = field(default_factory=list)

    def __post_init__(self) -> None:
        load_package("xenlab.ports")
        self.world = World(self.seed)
        self.device = RamDevice(self.world)
        self.machine = Machine(self.arch, self.world, self.device)
        self.device.machine = self.machine
        self.machine.physical.add_region(MEDIUM, MEDIUM_SIZE)
        self.kernel = Kernel(self.machine, self.nt)
        self.adapter: Adapter | None = None
        if self.load:
            self._load()

    def _load(self) -> None:
        self.driver = self.kernel.load_driver(self.image, "ramdisk")
        self.driver_object = self.kernel.part(Devices).add_driver("ramdisk", loaded=self.driver).address
        service = Registry().create(r"\Registry\Machine\System\CurrentControlSet\Services\ramdisk")
        if self.listed:
            service.create(r"Parameters\PnpInterface").set(str(PNP_BUS), 1)
        self.parent = ParentDevice(0, service, PNP_BUS, changed=self.changes.append)

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


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that builds the miniport for an arch with some definitions."""
    folder = tmp_path_factory.mktemp("miniports")
    made: dict[tuple[str, ...], Path] = {}

    def build(arch: Arch, *defines: str) -> Path:
        key = (arch, *defines)
        if key not in made:
            options = ImageOptions(arch, nt_of(defines), True, "kernel", ROOT)
            image = folder / str(len(made)) / "ramdisk.sys"
            image.parent.mkdir()
            port = "storport.sys" if options.nt == (6, 0) else "scsiport.sys"
            made[key] = make(image, [SOURCE], [port, "ntoskrnl.exe"], options, INCLUDES, defines)
        return made[key]

    return build


def nt_of(defines: tuple[str, ...]) -> tuple[int, int]:
    return (6, 0) if "RAMDISK_STORPORT" in defines else (5, 2)


@pytest.fixture
def lab(build: Callable[..., Path]) -> Callable[..., Lab]:
    """Return a function that makes a machine for a miniport of an arch with some definitions."""

    def make(arch: Arch, *defines: str, **options: Any) -> Lab:
        return Lab(arch, build(arch, *defines), nt=nt_of(defines), polled="RAMDISK_POLLED" in defines, **options)

    return make

# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver of the lab's own tests: built once an arch, loaded into a fresh kernel a test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gplpv import ddk, exports, images, matrix
from gplpv.ddk import ImageOptions
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.nt import objects
from xenlab.nt.codes import Do
from xenlab.nt.io import Devices
from xenlab.nt.kernel import Driver, Kernel
from xenlab.nt.routine import Call, Steps
from xenlab.world import World

ROOT = Path(__file__).parents[3]
SOURCE = Path(__file__).with_name("cases.c")
KIT = ddk.get(matrix.load(ROOT / "platforms.yaml").ddks["mingw"])
NT: dict[matrix.ArchName, matrix.Nt] = {"x32": (5, 1), "x64": (5, 2)}


def build(folder: Path, arch: matrix.ArchName, name: str = "cases") -> Path:
    """Build the driver of one C file with symbols and return its image."""
    options = ImageOptions(arch, NT[arch], True, "kernel", folder)
    shutil.copy(SOURCE.with_stem(name), folder)
    (folder / f"{name}.rc").write_text("1 VERSIONINFO\nFILEVERSION 1,2,3,4\nBEGIN\nEND\n")
    source, target = folder / f"{name}.c", folder / f"{name}.obj"
    KIT.compile(source, target, options, [ROOT / "drivers_src/include/ddk-compat"], [])
    KIT.resource(folder / f"{name}.rc", folder / f"{name}.res", options, [])
    libraries = []
    for module in ("ntoskrnl.exe", "hal.dll"):
        definition, library = folder / f"{module}.def", folder / f"{module}.lib"
        definition.write_text(exports.definition(module, arch, options.nt))
        KIT.import_library(definition, library, options)
        libraries.append(library)
    image = folder / f"{name}.sys"
    images.link(KIT, [target, folder / f"{name}.res"], libraries, image, folder / f"{name}.pdb", options)
    return image


def line(marker: str, name: str = "cases") -> str:
    """Return ``cases.c:N`` for the line marked with a comment."""
    for number, text in enumerate(SOURCE.with_stem(name).read_text().splitlines(), 1):
        if f"/* {marker} */" in text:
            return f"{name}.c:{number})"
    raise LookupError(marker)


class DeviceWithLine(BarePlatform):
    """A device that raises its interrupt until port 0x42 is written, `times` times over."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.msrs: dict[int, int] = {}

    def port_out(self, port: int, size: int, value: int) -> None:
        if (port, size, value) == (0x42, 1, 1):
            self.times -= 1
            self.interrupt_asserted = self.times > 0

    def assert_line(self, times: int = 1) -> None:
        self.times, self.interrupt_asserted = times, True

    def hypercall(self, number: int, args: tuple[int, ...]) -> int:  # type: ignore[override]
        return number * 1000 + args[0]

    def rdmsr(self, index: int) -> int:
        return self.msrs[index]

    def wrmsr(self, index: int, value: int) -> None:
        self.msrs[index] = value


@dataclass
class Lab:
    """The driver in a running kernel."""

    kernel: Kernel
    driver: Driver
    platform: DeviceWithLine
    table: int = 0
    object: int = 0

    def start(self) -> int | None:
        """Run DriverEntry with a bare DRIVER_OBJECT; returns its status."""
        kernel = self.kernel
        self.object = kernel.alloc(objects.layout("DRIVER_OBJECT", kernel.arch).size)
        cell, path = kernel.alloc(8), kernel.alloc(16)
        kernel.put_unicode_string(path, "\\aB")
        fields = objects.view(kernel, "DRIVER_OBJECT", self.object)
        fields["DeviceObject"] = cell
        status = kernel.run_to_end(kernel.call(self.driver.entry, self.object, path), "DriverEntry")
        self.table = kernel.ptr(cell)
        return status

    def address(self, name: str) -> int:
        kernel, entry = self.kernel, self.table
        while kernel.ansi_string(kernel.ptr(entry)) != name:
            entry += 2 * kernel.pointer_size
        return kernel.ptr(entry + kernel.pointer_size)

    def steps(self, name: str, *args: int) -> Steps:
        return (yield Call(self.address(name), *args))

    def run(self, name: str, *args: int) -> int | None:
        """Call a case on a thread of its own, to its end."""
        return self.kernel.run_to_end(self.steps(name, *(args or (0,))), name)


def load(image: Path, arch: matrix.ArchName, seed: int = 1, sink: Callable[..., None] | None = None) -> Lab:
    platform = DeviceWithLine()
    kernel = Kernel(Machine(arch, World(seed, sink), platform), NT[arch])
    lab = Lab(kernel, kernel.load_driver(image, "cases"), platform)
    assert lab.start() == 0
    return lab


class WholeLab(Lab):
    """A driver that is one to the I/O manager too: it has a device."""

    def start(self) -> int | None:
        kernel = self.kernel
        made = kernel.part(Devices).add_driver(self.driver.name, self.driver)
        self.object = made.address
        path = kernel.alloc(16)
        status = kernel.run_to_end(kernel.call(self.driver.entry, self.object, path), "DriverEntry")
        for device in made.devices:
            device.view["Flags"] &= ~Do.DEVICE_INITIALIZING
        self.table = made.view["FastIoDispatch"]
        return status


def load_whole(image: Path, arch: matrix.ArchName, seed: int = 1) -> WholeLab:
    platform = DeviceWithLine()
    kernel = Kernel(Machine(arch, World(seed), platform), NT[arch])
    lab = WholeLab(kernel, kernel.load_driver(image, image.stem), platform)
    assert lab.start() == 0
    return lab

# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine for NDIS's tests: a PCI function that the looping network adapter, ../miniports/loopnic.c, drives."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from gplpv.ddk import ImageOptions
from small_images import make
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.ndis import Ndis
from xenlab.ndis.nic import Nic
from xenlab.nt import pci, teardown
from xenlab.nt.codes import Power
from xenlab.nt.devnode import Node
from xenlab.nt.inf import Inf
from xenlab.nt.kernel import Kernel
from xenlab.nt.pnp import PnpManager
from xenlab.nt.power import PowerManager
from xenlab.nt.routine import Call, Steps, Wait, load_package
from xenlab.world import World

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "tests" / "xenlab" / "miniports"
INCLUDES = [ROOT / "drivers_src" / "include" / name for name in ("ddk-compat", "")] + [SOURCES]
SECOND = 10**9
Arch = Literal["x32", "x64"]
Nt = tuple[int, int]
_T = TypeVar("_T")
V50, V51 = ("NDIS50_MINIPORT=1",), ("NDIS51_MINIPORT=1",)
_MARK = b"loopnic makes: \0"
_VENDOR, _DEVICE, _NETWORK = 0x5853, 0x0BAE, 0x020000
_TEXT = """[Version]
Signature="$Windows NT$"
Class=Net
ClassGUID={{4D36E972-E325-11CE-BFC1-08002BE10318}}
[Manufacturer]
Lab=Models
[Models]
"Looping network adapter"=Install,PCI\\VEN_{vendor:04X}&DEV_{device:04X}
[Install]
AddReg=Parameters
[Install.Services]
AddService=loopnic,2,Service
[Service]
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%12%\\loopnic.sys
[Parameters]
HKR,Ndi\\params\\Depth,"default",0,"17"
HKR,Ndi\\params\\NetworkAddress,"default",0,""
HKR,Ndi\\params\\NetworkAddress,"optional",0,"1"
"""


@dataclass
class Pc:
    """A machine with the adapter in it, off until `boot`."""

    arch: Arch
    image: Path
    nt: Nt
    seed: int = 1

    def __post_init__(self) -> None:
        load_package("xenlab.ndis")
        self.world = World(self.seed)
        self.machine = Machine(self.arch, self.world, BarePlatform())
        self.kernel = Kernel(self.machine, self.nt)
        self.pnp = self.kernel.part(PnpManager)
        self.ndis = self.kernel.part(Ndis)
        path = self.image.with_name("loopnic.inf")
        path.write_text(_TEXT.format(vendor=_VENDOR, device=_DEVICE), encoding="ascii")
        self.pnp.install(Inf(path, self.arch, self.nt))

    def perform(self, work: Generator[Call | Wait, int, _T]) -> _T:
        results: list[_T] = []

        def steps() -> Steps:
            results.append((yield from work))
            return None

        self.kernel.start(steps(), "a test")
        self.kernel.run(lambda: bool(results), 600 * SECOND)
        return results[0]

    def boot(self) -> Pc:
        self.perform(self.pnp.boot([pci.PciFunction(0x20, _VENDOR, _DEVICE, _NETWORK, interrupt_line=11)]))
        return self

    @property
    def node(self) -> Node:
        return self.pnp.find(f"PCI\\VEN_{_VENDOR:04X}&DEV_{_DEVICE:04X}")

    @property
    def adapter(self) -> Any:
        return next(iter(self.ndis.adapters.values()))

    def nic(self) -> Nic:
        """What a protocol driver has, as soon as one is bound."""
        self.kernel.run(lambda: any(each.nic for each in self.ndis.adapters.values()))
        return self.adapter.nic

    def run(self, milliseconds: float) -> None:
        self.kernel.run_for(int(milliseconds * 10**6))

    def set_power(self, working: bool) -> None:
        request = self.kernel.part(PowerManager).request(self.node.pdo.top(), Power.SET_POWER, 1 if working else 4)
        self.kernel.run(lambda: request.done, 600 * SECOND)

    def shut_down(self) -> None:
        """Remove everything, and see that nothing is left."""
        self.perform(teardown.remove_everything(self.kernel))
        left = self.ndis.outstanding()
        if left:
            self.kernel.violation(f"NDIS has left: {left}.")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that builds the miniport for an arch with some definitions."""
    folder = tmp_path_factory.mktemp("ndis")
    made: dict[tuple[str, ...], Path] = {}

    def build(arch: Arch, *defines: str) -> Path:
        key = (arch, *defines)
        if key not in made:
            options = ImageOptions(arch, nt_of(defines), True, "kernel", ROOT)
            image = folder / str(len(made)) / "loopnic.sys"
            image.parent.mkdir()
            modules = ["ndis.sys", "ntoskrnl.exe", "hal.dll"]
            made[key] = make(image, [SOURCES / "loopnic.c"], modules, options, INCLUDES, defines)
        return made[key]

    return build


def nt_of(defines: tuple[str, ...]) -> Nt:
    return (5, 0) if V50[0] in defines else (5, 2)


def mutants() -> list[str]:
    """The names in the miniport's list of mistakes, in its order."""
    text = (SOURCES / "loopnic.h").read_text(encoding="ascii")
    return re.findall(r"\b[A-Z_]+\b", text.partition("enum loopnic_mutant {")[2].partition("}")[0])


def mutate(image: Path, folder: Path, mutant: str) -> Path:
    """Write a copy of the image that makes a mistake."""
    data = bytearray(image.read_bytes())
    at = data.index(_MARK) + len(_MARK)
    data[at : at + 4] = mutants().index(mutant).to_bytes(4, "little")
    (folder / image.name).write_bytes(data)
    shutil.copy(image.with_suffix(".pdb"), folder)
    return folder / image.name


@pytest.fixture
def pc(build: Callable[..., Path], tmp_path: Path) -> Callable[..., Pc]:
    """Return a function that makes a machine for a miniport of an arch with some definitions, perhaps a faulty one."""

    def make(arch: Arch, *defines: str, mutant: str = "", seed: int = 1) -> Pc:
        image = build(arch, *defines)
        return Pc(arch, mutate(image, tmp_path, mutant) if mutant else image, nt_of(defines), seed)

    return make

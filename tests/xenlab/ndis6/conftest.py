# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with a network adapter of NDIS 6.0: the miniport is wire.c, built once an arch; a mistake of its is put
into a copy of the image."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Literal, TypeVar

import pytest

from gplpv.ddk import ImageOptions
from small_images import make
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.ndis import Ndis
from xenlab.ndis.adapter6 import Adapter6
from xenlab.ndis.nic6 import Nic6
from xenlab.nt import pci, teardown
from xenlab.nt.devnode import Node
from xenlab.nt.inf import Inf
from xenlab.nt.kernel import Kernel
from xenlab.nt.pnp import PnpManager
from xenlab.nt.routine import Call, Steps, Wait, load_package
from xenlab.world import World

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
INCLUDES = [ROOT / "drivers_src" / "include" / name for name in ("ddk-compat", "")]
NT = (6, 0)
HARDWARE_ID = "PCI\\VEN_5853&DEV_0BAD"
SECOND = 10**9
Arch = Literal["x32", "x64"]
_T = TypeVar("_T")

INF = f"""[Version]
Signature="$Windows NT$"
Class=Net
ClassGUID={{4D36E972-E325-11CE-BFC1-08002BE10318}}
[Manufacturer]
Lab=Models,NT$ARCH$
[Models.NT$ARCH$]
"Wire"=Install,{HARDWARE_ID}
[Install]
[Install.Services]
AddService=wire,2,Service
[Service]
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%12%\\wire.sys
"""


def _mutants() -> dict[str, int]:
    """The numbers of the enumeration in mutants.h."""
    text = (HERE / "mutants.h").read_text(encoding="ascii")
    body = re.sub(r"/\*.*?\*/", "", text[text.index("{") : text.index("}")])
    names = re.findall(r"[A-Z]\w+", body.replace("0x5EEDFA17", ""))
    return {name: 0x5EEDFA17 + number for number, name in enumerate(names)}


MUTANTS = _mutants()


class Pc:
    """A machine whose PCI bus has a network adapter."""

    def __init__(self, folder: Path, service: str, arch: Arch, seed: int = 1) -> None:
        for package in ("xenlab.ports", "xenlab.ndis"):
            load_package(package)
        self.world = World(seed)
        self.kernel = Kernel(Machine(arch, self.world, BarePlatform()), NT)
        self.pnp = self.kernel.part(PnpManager)
        self.pnp.install(Inf(folder / f"{service}.inf", arch, NT))

    def start(self) -> None:
        self.perform(self.pnp.boot([pci.PciFunction(0x20, 0x5853, 0x0BAD, 0x020000)]))

    def perform(self, work: Generator[Call | Wait, int, _T]) -> _T:
        results: list[_T] = []

        def steps() -> Steps:
            results.append((yield from work))
            return None

        self.kernel.run_to_end(steps(), "PnP", 900 * SECOND)
        return results[0]

    @property
    def node(self) -> Node:
        return self.pnp.find(HARDWARE_ID)

    def adapter(self) -> Adapter6:
        found = next(iter(self.kernel.part(Ndis).adapters.values()))
        assert isinstance(found, Adapter6)
        return found

    def nic(self) -> Nic6:
        """The adapter as a protocol driver has it, as soon as one is bound."""
        self.kernel.run(lambda: any(each.nic for each in self.kernel.part(Ndis).adapters.values()), 90 * SECOND)
        nic = self.adapter().nic6
        assert nic
        return nic

    def finish(self) -> None:
        """Remove everything; nothing may be left."""
        self.perform(teardown.remove_everything(self.kernel))
        left = self.kernel.part(Ndis).outstanding()
        if left:
            self.kernel.violation("; ".join(left))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Arch], bytes]:
    """Return a function that builds the miniport for an arch."""
    folder = tmp_path_factory.mktemp("wire")
    made: dict[Arch, bytes] = {}

    def build(arch: Arch) -> bytes:
        if arch not in made:
            options = ImageOptions(arch, NT, True, "kernel", ROOT)
            sources, modules = [HERE / "wire.c", HERE / "control.c"], ["ndis.sys", "ntoskrnl.exe"]
            image = make(folder / f"wire-{arch}.sys", sources, modules, options, [HERE, *INCLUDES])
            made[arch] = image.read_bytes()
        return made[arch]

    return build


@pytest.fixture
def machine(images: Callable[[Arch], bytes], tmp_path: Path) -> Callable[..., Pc]:
    """Return machine(arch, mutant="NO_MUTANT", seed=1): one with the miniport's driver installed."""

    def make(arch: Arch, mutant: str = "NO_MUTANT", seed: int = 1) -> Pc:
        magic = MUTANTS["NO_MUTANT"].to_bytes(4, "little")
        image = images(arch)
        assert image.count(magic) == 1
        (tmp_path / "wire.sys").write_bytes(image.replace(magic, MUTANTS[mutant].to_bytes(4, "little")))
        architecture = {"x32": "x86", "x64": "amd64"}[arch]
        (tmp_path / "wire.inf").write_text(INF.replace("$ARCH$", architecture), encoding="ascii")
        return Pc(tmp_path, "wire", arch, seed)

    return make

# SPDX-License-Identifier: GPL-2.0-or-later
"""A miniport's driver object is a function driver's: the PnP manager starts, stops, powers and removes its adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from xenlab.nt import pci
from xenlab.nt.codes import Power, Resource
from xenlab.nt.devnode import Node, State
from xenlab.nt.inf import Inf
from xenlab.nt.pnp import PnpManager
from xenlab.nt.power import PowerManager
from xenlab.nt.routine import Steps
from xenlab.ports import Ports
from xenlab.ports.disk import Workload
from xenlab.ports.queues import SECOND

Machines = Callable[..., Any]
Arch = Literal["x32", "x64"]
ARCHES: tuple[Arch, ...] = ("x32", "x64")
SCSI, QUEUED = (), ("RAMDISK_QUEUE=4",)
STORPORT = ("RAMDISK_STORPORT", "RAMDISK_QUEUE=8")

INF = """[Version]
Signature="$Windows NT$"
Class=SCSIAdapter
ClassGUID={4D36E97B-E325-11CE-BFC1-08002BE10318}
[Manufacturer]
Lab=Models
[Models]
"RAM disk"=Install,PCI\\VEN_5853&DEV_0BAD
[Install]
[Install.Services]
AddService=ramdisk,2,Service
[Service]
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%12%\\ramdisk.sys
AddReg=Parameters
[Parameters]
HKR,"Parameters\\PnpInterface","5",0x00010001,1
"""


@dataclass
class Pc:
    """A machine whose PCI bus has the RAM disk's adapter, by way of the PnP manager."""

    lab: Any

    def __post_init__(self) -> None:
        self.kernel = self.lab.kernel
        self.pnp = self.kernel.part(PnpManager)
        path = self.lab.image.with_name("ramdisk.inf")
        path.write_text(INF, encoding="ascii")
        self.pnp.install(Inf(path, self.lab.arch, self.lab.nt))
        ranges = tuple(
            pci.Range(Resource.Memory if each.memory else Resource.Port, each.start, each.length)
            for each in self.lab.resources.ranges
        )
        function = pci.PciFunction(0x20, 0x5853, 0x0BAD, 0x010000, ranges=ranges, interrupt_line=11)
        self.perform(self.pnp.boot([function]))

    def perform(self, work: Steps) -> int | None:
        return self.kernel.run_to_end(work, "PnP", 600 * SECOND)

    @property
    def node(self) -> Node:
        return self.pnp.find("PCI\\VEN_5853&DEV_0BAD")

    def use(self) -> None:
        self.lab.adapter = next(iter(self.kernel.part(Ports).adapters.values()))
        Workload([self.lab.disk()], 40).run()


def pc(lab: Machines, arch: Arch, *defines: str) -> Pc:
    return Pc(lab(arch, *defines, "RAMDISK_INTERFACE=PCIBus", load=False))


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("defines", [QUEUED, STORPORT])
def test_the_pnp_manager_starts_stops_and_removes_an_adapter(
    defines: tuple[str, ...], arch: Arch, lab: Machines
) -> None:
    made = pc(lab, arch, *defines)
    assert made.node.state == State.STARTED, made.node.problem
    made.use()
    made.perform(made.pnp.probe(made.node))
    assert made.perform(made.pnp.query_stop(made.node)) == 1
    made.perform(made.pnp.stop(made.node))
    made.perform(made.pnp.restart(made.node))
    made.use()
    assert made.perform(made.pnp.query_remove(made.node)) == 1
    made.perform(made.pnp.remove(made.node))
    assert made.kernel.part(Ports).drivers == {}
    assert made.kernel.pool.outstanding() == []


@pytest.mark.parametrize("defines", [SCSI, STORPORT])
def test_power_requests_reach_the_adapter(defines: tuple[str, ...], lab: Machines) -> None:
    made = pc(lab, "x64", *defines)
    made.use()
    adapter = made.lab.adapter
    assert adapter
    power, device = made.kernel.part(PowerManager), made.node.pdo.top()
    for state, on in ((4, False), (1, True)):
        power.request(device, Power.SET_POWER, state)
        made.kernel.run(lambda on=on: adapter.powered == on and made.lab.device.enabled == on)
    made.use()
    assert made.kernel.part(PowerManager).outstanding() == []

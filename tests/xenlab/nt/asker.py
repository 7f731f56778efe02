# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine whose platform device has a driver that answers for its resources as a test wants it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.nt.arbiter import Arbiter
from xenlab.nt.codes import Do, Pnp, Status
from xenlab.nt.devnode import Node
from xenlab.nt.inf import Inf
from xenlab.nt.io import Device
from xenlab.nt.irp import Request
from xenlab.nt.kernel import Kernel
from xenlab.nt.objects import Struct, layout
from xenlab.nt.pnp import PnpManager
from xenlab.nt.pydriver import Answer, UpperDriver
from xenlab.world import World

INF = """[Version]
Signature="$Windows NT$"
Class=System
ClassGUID={4D36E97D-E325-11CE-BFC1-08002BE10318}
[Manufacturer]
Maker=Models,NTx86,NTamd64
[Models.NTx86]
Device=Install,PCI\\VEN_5853&DEV_0001
[Models.NTamd64]
Device=Install,PCI\\VEN_5853&DEV_0001
[Install.NT]
[Install.NT.Services]
AddService=asker,2,Service
[Service]
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%12%\\asker.sys
"""
PLATFORM = r"PCI\VEN_5853&DEV_0001"
TOKEN = 0xFFFFFFFE
LATCHED, LEVEL = 1, 0
Filter = Callable[["Machinery", int], int]


class Asker(UpperDriver):
    """A function driver that answers IRP_MN_FILTER_RESOURCE_REQUIREMENTS as a test wants it."""

    def __init__(self, machinery: Machinery) -> None:
        super().__init__(machinery.kernel, "asker")
        self.machinery = machinery

    def add_device(self, pdo: Device) -> None:
        made = self.devices.create(self.driver, 0, 0x22)
        assert made is not None
        self.devices.attach(made, pdo)
        made.view["Flags"] &= ~Do.DEVICE_INITIALIZING

    def pnp(self, device: int, request: Request, stack: Struct) -> Answer:
        minor = stack["MinorFunction"]
        if minor == Pnp.START_DEVICE:
            status = yield from self.below_first(device, request)
            return (yield from self.finish(request, status))
        if minor == Pnp.FILTER_RESOURCE_REQUIREMENTS:
            yield from self.below_first(device, request)
            own = self.irps.irp(request.address)["IoStatus.Information"]
            made = self.machinery.filter(self.machinery, own)
            return (yield from self.finish(request, Status.SUCCESS, made))
        if minor in (Pnp.REMOVE_DEVICE, Pnp.QUERY_REMOVE_DEVICE):
            self.irps.irp(request.address)["IoStatus.Status"] = Status.SUCCESS
        lower = self.lower(device)
        status = yield from self.unhandled(device, request)
        if minor == Pnp.REMOVE_DEVICE:
            self.devices.detach(self.devices.at(lower))
            self.devices.delete(self.devices.at(device))
        return status


class Machinery:
    """A kernel whose platform device has that driver."""

    def __init__(self, folder: Path, arch: str, nt: tuple[int, int], filtering: Filter, grants: bool = True) -> None:
        self.kernel = Kernel(Machine(arch, World(1), BarePlatform()), nt)  # type: ignore[arg-type]
        self.filter = filtering
        self.pnp = self.kernel.part(PnpManager)
        self.arbiter = self.kernel.part(Arbiter)
        self.arbiter.grants_messages = grants
        path = folder / "asker.inf"
        path.write_text(INF)
        self.pnp.install(Inf(path, arch, nt))  # type: ignore[arg-type]
        self.pnp.provide("asker", Asker(self).add_device)
        self.kernel.run_to_end(self.pnp.boot())

    @property
    def node(self) -> Node:
        return self.pnp.find(PLATFORM)

    def interrupts(self, data: bytes) -> list[tuple[int, int, int]]:
        """The flags, levels and vectors of the interrupts in a CM_RESOURCE_LIST."""
        size = layout("CM_PARTIAL_RESOURCE_DESCRIPTOR", self.kernel.arch).size
        entries = [data[at : at + size] for at in range(20, len(data), size)]
        return [struct.unpack_from("<HII", each, 2) for each in entries if each[0] == 2]

    def connect(self, vector: int, irql: int, mode: int, share: int, affinity: int = 1) -> int:
        result = self.kernel.alloc(8)
        address = self.kernel.exported_address("ntoskrnl.exe", "IoConnectInterrupt")
        arguments = result, address, 0, 0, vector, irql, irql, mode, share, affinity, 0
        return (self.kernel.run_to_end(self.kernel.call(address, *arguments)) or 0) & 0xFFFFFFFF


def offer(
    flags: int = LATCHED | 2 | 4, vectors: tuple[int, int] = (TOKEN, TOKEN), frees: bool = True, paged: bool = True
) -> Filter:
    """Put an alternative with one more interrupt before the list as it was."""

    def replace(machinery: Machinery, own: int) -> int:
        kernel = machinery.kernel
        old = kernel.read(own, kernel.u32(own))
        listed, size = old[32:], layout("IO_RESOURCE_DESCRIPTOR", kernel.arch).size
        processors = struct.pack("<Q" if kernel.arch == "x64" else "<I", 1)
        more = struct.pack("<BBBBHHIIII", 0, 2, 1, 0, flags, 0, *vectors, 4, 0) + processors
        first = listed[:4] + struct.pack("<I", struct.unpack_from("<I", listed, 4)[0] + 1) + listed[8:]
        body = first + more.ljust(size, b"\0") + listed
        made = kernel.alloc(32 + len(body), "Test", paged=paged)
        kernel.write(made, struct.pack("<I", 32 + len(body)) + old[4:28] + struct.pack("<I", 2) + body)
        if frees:
            kernel.free(own)
        return made

    return replace


def leave(_: Machinery, own: int) -> int:
    return own

# SPDX-License-Identifier: GPL-2.0-or-later
"""Scatter/gather lists of NET_BUFFERs, as the miniport of a bus master gets them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xenlab.errors import Violation
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.codes6 import Attribute
from xenlab.ndis.nbl import read_data
from xenlab.ndis.objects6 import fill_header
from xenlab.ndis.structures import layout, view
from xenlab.nt.kernel import Kernel
from xenlab.nt.pydriver import guest_function
from xenlab.nt.routine import DISPATCH_LEVEL, Steps

from .conftest import Pc

Machines = Callable[..., Pc]
PAGE = 4096


class BusMaster:
    """Does what such a miniport does, in the name of an adapter that has started."""

    def __init__(self, pc: Pc, flags: int) -> None:
        pc.start()
        self.adapter = pc.nic().adapter
        self.kernel: Kernel = pc.kernel
        self.lists: list[int] = []
        self.adapter.attributes.registration["AttributeFlags"] |= Attribute.BUS_MASTER
        self.adapter.callbacks.append("InitializeHandlerEx")
        name = "NDIS_SG_DMA_DESCRIPTION"
        given = view(self.kernel, name, self.kernel.alloc(layout(name, self.kernel.arch).size))
        fill_header(self.kernel, name, given)
        given["Flags"], given["MaximumPhysicalMapping"] = flags, 1514
        given["ProcessSGListHandler"] = guest_function(self.kernel, "MiniportProcessSGList", self.take, (0, 0, 0, 0))
        result = self.kernel.alloc(8)
        assert self.call("NdisMRegisterScatterGatherDma", self.adapter.handle, given.address, result) == 0
        assert given["ScatterGatherListSize"] > 0
        self.handle = self.kernel.ptr(result)

    def take(self, _kernel: Kernel, _device: int, _reserved: int, gather: int, context: int) -> None:
        assert context == 77
        self.lists.append(gather)

    def call(self, name: str, *arguments: int, irql: int = 0) -> int:
        kernel = self.kernel
        address = kernel.exported_address("ndis.sys", name)

        def steps() -> Steps:
            before = kernel.raise_irql(irql)
            result = yield from kernel.call(address, *arguments)
            kernel.lower_irql(before)
            return result

        return kernel.run_to_end(steps(), name) or 0

    def gather(self, buffer: int, to_device: int) -> int:
        """Return the list of a buffer, as soon as it has come."""
        self.lists.clear()
        status = self.call(
            "NdisMAllocateNetBufferSGList", self.handle, buffer, 77, to_device, 0, 0, irql=DISPATCH_LEVEL
        )
        assert status == NdisStatus.SUCCESS
        self.kernel.run(lambda: bool(self.lists))
        return self.lists[0]

    def pieces(self, gather: int) -> list[tuple[int, int]]:
        header, size = 2 * self.kernel.pointer_size, layout("SCATTER_GATHER_ELEMENT", self.kernel.arch).size
        elements = [
            view(self.kernel, "SCATTER_GATHER_ELEMENT", gather + header + index * size)
            for index in range(self.kernel.u32(gather))
        ]
        return [(each["Address"], each["Length"]) for each in elements]

    def buffer(self, length: int) -> int:
        """A NET_BUFFER of two MDLs, that goes over pages; its data begins in the first MDL."""
        kernel = self.kernel
        parameters = view(kernel, "NET_BUFFER_POOL_PARAMETERS", kernel.alloc(16))
        fill_header(kernel, "NET_BUFFER_POOL_PARAMETERS", parameters)
        block = kernel.alloc(length + PAGE)
        kernel.write(block, kernel.world.random.randbytes(length + PAGE))
        mdls = [self.call("NdisAllocateMdl", 0, block + 100, 60), self.call("NdisAllocateMdl", 0, block + 1000, length)]
        kernel.put_ptr(mdls[0], mdls[1])
        pool = self.call("NdisAllocateNetBufferPool", 0, parameters.address)
        return self.call("NdisAllocateNetBuffer", pool, mdls[0], 7, 53 + length)


@pytest.mark.parametrize(("arch", "wide"), [("x64", 1), ("x64", 0), ("x32", 0)])
def test_a_device_finds_the_data_where_the_list_says(arch: str, wide: int, machine: Machines) -> None:
    pc = machine(arch)
    master = BusMaster(pc, wide)
    buffer, physical = master.buffer(9000), pc.kernel.physical
    data = read_data(pc.kernel, buffer, "the test")
    gather = master.gather(buffer, 1)
    pieces = master.pieces(gather)
    assert b"".join(physical.read(start, length) for start, length in pieces) == data
    assert wide or all(start + length <= 1 << 32 for start, length in pieces)
    master.call("NdisMFreeNetBufferSGList", master.handle, gather, buffer, irql=DISPATCH_LEVEL)

    gather = master.gather(buffer, 0)
    for start, length in master.pieces(gather):
        physical.write(start, bytes([start >> 12 & 0xFF]) * length)
    written = b"".join(bytes([start >> 12 & 0xFF]) * length for start, length in master.pieces(gather))
    master.call("NdisMFreeNetBufferSGList", master.handle, gather, buffer, irql=DISPATCH_LEVEL)
    assert read_data(pc.kernel, buffer, "the test") == written
    master.call("NdisMDeregisterScatterGatherDma", master.handle)
    pc.kernel.run_for(10**6)


def test_what_is_not_deregistered_is_missed_when_the_adapter_is_halted(machine: Machines) -> None:
    pc = machine("x64")
    BusMaster(pc, 1)
    with pytest.raises(Violation, match=r"scatter/gather DMA .* is never deregistered"):
        pc.finish()


def test_the_wrong_list_and_the_wrong_irql_end_the_run(machine: Machines) -> None:
    pc = machine("x64")
    master = BusMaster(pc, 1)
    buffer = master.buffer(100)
    with pytest.raises(Violation, match="NdisMAllocateNetBufferSGList is called at IRQL 0; 2 is the lowest"):
        master.call("NdisMAllocateNetBufferSGList", master.handle, buffer, 0, 1, 0, 0)
    pc = machine("x64")
    master = BusMaster(pc, 1)
    gather = master.gather(master.buffer(100), 1)
    with pytest.raises(Violation, match="which is no list of the NET_BUFFER"):
        master.call("NdisMFreeNetBufferSGList", master.handle, gather, gather, irql=DISPATCH_LEVEL)
    pc = machine("x64")
    master = BusMaster(pc, 1)
    master.gather(master.buffer(100), 1)
    with pytest.raises(Violation, match="deregistered with 1 lists that are not freed"):
        master.call("NdisMDeregisterScatterGatherDma", master.handle)

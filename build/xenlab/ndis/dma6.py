# SPDX-License-Identifier: GPL-2.0-or-later
"""Scatter/gather lists for the frames of a bus master of NDIS 6.0.

A list has a piece for every run of pages that follow one another. An adapter of 32 address bits gets low pages in place
of those that it does not reach, with a copy of what is to be sent; what it has received comes into the driver's buffer
when the list is freed, not before. Source: Windows Driver Kit, NdisMRegisterScatterGatherDma,
NDIS_SG_DMA_DESCRIPTION, NdisMAllocateNetBufferSGList, MiniportProcessSGList, NdisMFreeNetBufferSGList.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.cpu.memory import PAGE_SHIFT, PAGE_SIZE
from xenlab.ndis import Ndis
from xenlab.ndis.adapter6 import Adapter6
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.codes6 import Attribute
from xenlab.ndis.memory import NDIS
from xenlab.ndis.nbl import BUFFER, DATA, mdl_chain, read_data
from xenlab.ndis.objects6 import checked
from xenlab.ndis.structures import layout, view
from xenlab.nt import mdl as mdls
from xenlab.nt import objects
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL, PVOID, ULONG, Call, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_64_BIT = 1
_TO_DEVICE = 1
_4_GIB = 1 << 32
_INITIALIZE = "InitializeHandlerEx"

Piece = tuple[int, int]  # Physical address and length.


@dataclass(eq=False)
class GatherList:
    """A list that a driver has: of what buffer, the pieces of that, and the low pages in their place."""

    buffer: int
    pieces: list[Piece]
    to_device: bool
    own_memory: bool
    bounce: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Channel:
    """What NdisMRegisterScatterGatherDma gives an adapter."""

    adapter: Adapter6
    wide: bool
    handler: int
    lists: dict[int, GatherList] = field(default_factory=dict)


class Channels:
    """All channels, by handle."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.channels: dict[int, Channel] = {}

    def at(self, handle: int, what: str) -> Channel:
        if handle not in self.channels:
            self.kernel.violation(
                f"{what} is given {handle:#x}, which is no handle of NdisMRegisterScatterGatherDma's."
            )
        return self.channels[handle]

    def make(self, channel: Channel, buffer: int, to_device: bool, at: int, own_memory: bool) -> None:
        """Write the SCATTER_GATHER_LIST of a buffer's data at an address."""
        kernel = self.kernel
        pieces = _pieces(kernel, buffer)
        made = channel.lists[at] = GatherList(buffer, pieces, to_device, own_memory)
        if not channel.wide and any(start + length > _4_GIB for start, length in pieces):
            pieces = self._bounce(made)
        header = _header(kernel)
        size = layout("SCATTER_GATHER_ELEMENT", kernel.arch).size
        for index, (start, length) in enumerate(pieces):
            element = view(kernel, "SCATTER_GATHER_ELEMENT", at + header + index * size)
            element["Address"], element["Length"], element["Reserved"] = start, length, 0
        kernel.put_u32(at, len(pieces))
        kernel.put_ptr(at + header - kernel.pointer_size, 0)

    def _bounce(self, made: GatherList) -> list[Piece]:
        """Put low pages in place of the pieces; returns the new pieces, one a page."""
        kernel = self.kernel
        data = read_data(kernel, made.buffer, "A scatter/gather list")
        made.bounce = kernel.physical.allocate_contiguous(-(-len(data) // PAGE_SIZE), 0, _4_GIB - 1)
        pieces = []
        for index, frame in enumerate(made.bounce):
            part = data[index * PAGE_SIZE : (index + 1) * PAGE_SIZE]
            pieces.append((frame << PAGE_SHIFT, len(part)))
            if made.to_device:
                kernel.physical.write(frame << PAGE_SHIFT, part)
        return pieces

    def drop(self, channel: Channel, at: int, buffer: int) -> None:
        """Take a list back."""
        kernel = self.kernel
        made = channel.lists.pop(at, None)
        if made is None or made.buffer != buffer:
            kernel.violation(f"NdisMFreeNetBufferSGList of {at:#x}, which is no list of the NET_BUFFER {buffer:#x}.")
        if made.bounce and not made.to_device:
            whole = b"".join(kernel.physical.read(frame << PAGE_SHIFT, PAGE_SIZE) for frame in made.bounce)
            for start, length in made.pieces:
                kernel.physical.write(start, whole[:length])
                whole = whole[length:]
        kernel.physical.free_frames(made.bounce)
        if made.own_memory:
            kernel.free(at)


def _header(kernel: Kernel) -> int:
    """NumberOfElements and Reserved."""
    return 2 * kernel.pointer_size


def _size(kernel: Kernel, pages: int) -> int:
    return _header(kernel) + pages * layout("SCATTER_GATHER_ELEMENT", kernel.arch).size


def _pieces(kernel: Kernel, buffer: int) -> list[Piece]:
    """The data of a NET_BUFFER as a device sees it."""
    fields, found = view(kernel, BUFFER, buffer), list[Piece]()
    left, offset = fields[f"{DATA}.DataLength"], fields[f"{DATA}.CurrentMdlOffset"]
    for mdl in mdl_chain(kernel, fields[f"{DATA}.CurrentMdl"], "A scatter/gather list"):
        described = objects.view(kernel, "MDL", mdl)
        frames, at = mdls.frames(kernel, mdl), described["ByteOffset"] + offset
        end = min(at + left, described["ByteOffset"] + described["ByteCount"])
        while at < end:
            length = min(end, (at // PAGE_SIZE + 1) * PAGE_SIZE) - at
            start = (frames[at // PAGE_SIZE] << PAGE_SHIFT) + at % PAGE_SIZE
            if found and sum(found[-1]) == start:
                found[-1] = found[-1][0], found[-1][1] + length
            else:
                found.append((start, length))
            at, left = at + length, left - length
        offset = 0
    return found


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMRegisterScatterGatherDma(kernel: Kernel, handle: PVOID, description: PVOID, result: PVOID) -> ULONG:
    what = "NdisMRegisterScatterGatherDma"
    adapter = kernel.part(Ndis).adapter(handle, what)
    given = checked(kernel, "NDIS_SG_DMA_DESCRIPTION", description, what)
    if not isinstance(adapter, Adapter6):
        kernel.violation(f"{what} is called by a miniport of NDIS 5.")
    adapter.within(what, _INITIALIZE)
    if not adapter.attributes.registration.get("AttributeFlags", 0) & Attribute.BUS_MASTER:
        adapter.violation(f"{what} is called by a miniport whose registration attributes say no bus master")
    if not given["ProcessSGListHandler"]:
        adapter.violation(f"{what} is given no ProcessSGListHandler")
    if kernel.pool.refuses("NdSg", given.layout.size):
        return NdisStatus.RESOURCES
    channel = kernel.alloc(kernel.pointer_size, "NdSg")
    wide = bool(given["Flags"] & _64_BIT)
    kernel.part(Channels).channels[channel] = Channel(adapter, wide, given["ProcessSGListHandler"])
    where = kernel.symbols.describe(kernel.caller(), True)
    adapter.claims[channel] = f"The scatter/gather DMA that {where} has registered is never deregistered."
    given["ScatterGatherListSize"] = _size(kernel, given["MaximumPhysicalMapping"] // PAGE_SIZE + 2)
    kernel.put_ptr(result, channel)
    return NdisStatus.SUCCESS


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMDeregisterScatterGatherDma(kernel: Kernel, handle: PVOID) -> None:
    channels = kernel.part(Channels)
    channel = channels.at(handle, "NdisMDeregisterScatterGatherDma")
    if channel.lists:
        channel.adapter.violation(
            f"scatter/gather DMA is deregistered with {len(channel.lists)} lists that are not freed"
        )
    del channels.channels[handle], channel.adapter.claims[handle]
    kernel.free(handle)


@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def NdisMAllocateNetBufferSGList(
    kernel: Kernel, handle: PVOID, buffer: PVOID, context: PVOID, flags: ULONG, memory: PVOID, size: ULONG
) -> Steps:
    """MiniportProcessSGList gets the list, before this returns or afterwards; memory of the driver's is used if it is
    long enough."""
    channels = kernel.part(Channels)
    channel = channels.at(handle, "NdisMAllocateNetBufferSGList")
    length = view(kernel, BUFFER, buffer)[f"{DATA}.DataLength"]
    needed = _size(kernel, max(len(_pieces(kernel, buffer)), -(-length // PAGE_SIZE)))
    own_memory = not memory or size < needed
    if own_memory and kernel.pool.refuses("NdSg", needed):
        return NdisStatus.RESOURCES
    at = kernel.alloc(needed, "NdSg") if own_memory else memory
    channels.make(channel, buffer, bool(flags & _TO_DEVICE), at, own_memory)

    def process() -> Steps:
        yield Call(channel.handler, channel.adapter.device, 0, at, context)
        return None

    if kernel.world.random.random() < 0.5:
        yield from process()
    else:
        kernel.queue_call(process, "MiniportProcessSGList")
    return NdisStatus.SUCCESS


@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def NdisMFreeNetBufferSGList(kernel: Kernel, handle: PVOID, gather: PVOID, buffer: PVOID) -> None:
    channels = kernel.part(Channels)
    channels.drop(channels.at(handle, "NdisMFreeNetBufferSGList"), gather, buffer)

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""NDIS 5: packets, the pools that they come from, and the buffers chained to them.

Every packet is a block of its own, gone as soon as it is freed, so that who still uses it is caught.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.cpu.memory import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from xenlab.ndis.buffers import address, chain
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.memory import NDIS
from xenlab.ndis.structures import layout, view
from xenlab.nt import mdl as mdls
from xenlab.nt.objects import Struct
from xenlab.nt.routine import DISPATCH_LEVEL, HIGH_LEVEL, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

CHECKSUM_INFO, LARGE_SEND_INFO, SCATTER_GATHER_INFO, VLAN_INFO, CANCEL_ID = 0, 2, 5, 6, 8
ALLOCATED_BY_NDIS, HAS_MEDIA_INFO = 0x80, 0x40


def packet_size(kernel: Kernel, reserved: int) -> tuple[int, int]:
    """Return where the out-of-band data lie in a packet with so much of the protocol's own, and its whole size."""
    arch = kernel.arch
    oob = -(-(layout("NDIS_PACKET", arch).offset("ProtocolReserved") + reserved) // 8) * 8
    return oob, oob + layout("NDIS_PACKET_OOB_DATA", arch).size + layout("NDIS_PACKET_EXTENSION", arch).size


def make_packet(kernel: Kernel, reserved: int, pool: int) -> int:
    """Make an empty packet."""
    oob, size = packet_size(kernel, reserved)
    packet = kernel.alloc(size, "NdPk")
    fields = view(kernel, "NDIS_PACKET", packet)
    fields["Private.Pool"], fields["Private.NdisPacketFlags"] = pool, ALLOCATED_BY_NDIS
    fields["Private.NdisPacketOobOffset"] = oob
    return packet


def oob(kernel: Kernel, packet: int) -> Struct:
    offset = view(kernel, "NDIS_PACKET", packet)["Private.NdisPacketOobOffset"]
    return view(kernel, "NDIS_PACKET_OOB_DATA", packet + offset)


def packet_info(kernel: Kernel, packet: int) -> Struct:
    """The per-packet information, behind the out-of-band data."""
    data = oob(kernel, packet)
    return view(kernel, "NDIS_PACKET_EXTENSION", data.address + data.layout.size)


def buffer_chain(kernel: Kernel, packet: int) -> list[int]:
    return chain(kernel, view(kernel, "NDIS_PACKET", packet)["Private.Head"])


def contents(kernel: Kernel, buffers: list[int]) -> bytes:
    """Read what buffers describe, by their pages as a device would."""
    return b"".join(_read(kernel, each) for each in buffers)


def _read(kernel: Kernel, buffer: int) -> bytes:
    fields = view(kernel, "MDL", buffer)
    at, left = fields["ByteOffset"], fields["ByteCount"]
    data = b""
    for frame in mdls.frames(kernel, buffer) if left else ():
        part = min(left, PAGE_SIZE - at)
        data += kernel.physical.read((frame << PAGE_SHIFT) + at, part)
        at, left = 0, left - part
    return data


def _write(kernel: Kernel, buffer: int, offset: int, data: bytes) -> None:
    frames = mdls.frames(kernel, buffer)
    at = view(kernel, "MDL", buffer)["ByteOffset"] + offset
    while data:
        part = data[: PAGE_SIZE - (at & PAGE_MASK)]
        kernel.physical.write((frames[at >> PAGE_SHIFT] << PAGE_SHIFT) + (at & PAGE_MASK), part)
        data, at = data[len(part) :], at + len(part)


@dataclass(eq=False)
class PacketPool:
    """A pool: how many packets it may have, and how much of each is the driver's own; the packets by address."""

    where: int
    limit: int
    reserved: int
    packets: set[int] = field(default_factory=set)


class PacketPools:
    """The pools that drivers have allocated, by handle.

    Attributes:
        lent: packets that a miniport has indicated and the protocol keeps.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._pools: dict[int, PacketPool] = {}
        self._owner: dict[int, int] = {}
        self.lent: set[int] = set()

    def create(self, limit: int, reserved: int) -> int:
        handle = self.kernel.alloc(16, "NdPP")
        self._pools[handle] = PacketPool(self.kernel.caller(), limit, reserved)
        return handle

    def at(self, handle: int, what: str) -> PacketPool:
        if handle not in self._pools:
            self.kernel.violation(f"{what} is given {handle:#x}, which is no packet pool, or is freed.")
        return self._pools[handle]

    def free_pool(self, handle: int) -> None:
        pool = self.at(handle, "NdisFreePacketPool")
        if pool.packets:
            self.kernel.violation(f"NdisFreePacketPool of a pool with {len(pool.packets)} packets that are not freed.")
        del self._pools[handle]
        self.kernel.free(handle)

    def is_packet(self, packet: int) -> bool:
        return packet in self._owner

    def allocate(self, handle: int) -> int:
        """Return a packet; 0 when the pool is used up, or memory."""
        pool = self.at(handle, "NdisAllocatePacket")
        if len(pool.packets) >= pool.limit or self.kernel.pool.refuses("NdPk", pool.reserved):
            return 0
        packet = make_packet(self.kernel, pool.reserved, handle)
        pool.packets.add(packet)
        self._owner[packet] = handle
        return packet

    def free(self, packet: int) -> None:
        handle = self._owner.pop(packet, None)
        if handle is None:
            self.kernel.violation(
                f"NdisFreePacket of {packet:#x}, which no packet pool has given, or is freed already."
            )
        if packet in self.lent:
            self.kernel.violation(f"NdisFreePacket of {packet:#x}, which a protocol driver has not returned.")
        named = view(self.kernel, "NDIS_PACKET", packet)["Private.Pool"]
        if named != handle:
            self.kernel.violation(
                f"NdisFreePacket of {packet:#x}, which names the pool {named:#x} and is of {handle:#x}."
            )
        self._pools[handle].packets.remove(packet)
        self.kernel.free(packet)

    def outstanding(self) -> list[str]:
        describe = self.kernel.symbols.describe
        return [
            f"The packet pool of {describe(pool.where, True)} is never freed; it has {len(pool.packets)} packets."
            for pool in self._pools.values()
        ]


def _create(kernel: Kernel, status: int, result: int, limit: int, reserved: int) -> None:
    refused = kernel.pool.refuses("NdPP", limit)
    kernel.put_ptr(result, 0 if refused else kernel.part(PacketPools).create(limit, reserved))
    kernel.put_u32(status, NdisStatus.RESOURCES if refused else NdisStatus.SUCCESS)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocatePacketPool(kernel: Kernel, status: PVOID, result: PVOID, count: ULONG, reserved: ULONG) -> None:
    _create(kernel, status, result, count, reserved)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocatePacketPoolEx(
    kernel: Kernel, status: PVOID, result: PVOID, count: ULONG, overflow: ULONG, reserved: ULONG
) -> None:
    _create(kernel, status, result, count + overflow, reserved)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreePacketPool(kernel: Kernel, handle: PVOID) -> None:
    kernel.part(PacketPools).free_pool(handle)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisPacketPoolUsage(kernel: Kernel, handle: PVOID) -> ULONG:
    return len(kernel.part(PacketPools).at(handle, "NdisPacketPoolUsage").packets)


@routine(NDIS, irql_max=HIGH_LEVEL)
def NdisPacketSize(kernel: Kernel, reserved: ULONG) -> ULONG:
    return packet_size(kernel, reserved)[1]


@routine(NDIS, irql_max=DISPATCH_LEVEL)
@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL, name="NdisDprAllocatePacket")
@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL, name="NdisDprAllocatePacketNonInterlocked")
def NdisAllocatePacket(kernel: Kernel, status: PVOID, result: PVOID, handle: PVOID) -> None:
    packet = kernel.part(PacketPools).allocate(handle)
    kernel.put_ptr(result, packet)
    kernel.put_u32(status, NdisStatus.SUCCESS if packet else NdisStatus.RESOURCES)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL, name="NdisDprFreePacket")
@routine(NDIS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL, name="NdisDprFreePacketNonInterlocked")
def NdisFreePacket(kernel: Kernel, packet: PVOID) -> None:
    kernel.part(PacketPools).free(packet)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetPoolFromPacket(kernel: Kernel, packet: PVOID) -> PVOID:
    return view(kernel, "NDIS_PACKET", packet)["Private.Pool"]


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetPacketCancelId(kernel: Kernel, packet: PVOID) -> PVOID:
    return packet_info(kernel, packet).element("NdisPacketInfo", CANCEL_ID)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisSetPacketCancelId(kernel: Kernel, packet: PVOID, identification: PVOID) -> None:
    packet_info(kernel, packet).set_element("NdisPacketInfo", CANCEL_ID, identification)


# Buffers of a packet


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisUnchainBufferAtFront(kernel: Kernel, packet: PVOID, result: PVOID) -> None:
    fields = view(kernel, "NDIS_PACKET", packet)
    first = fields["Private.Head"]
    kernel.put_ptr(result, first)
    if first:
        link = view(kernel, "MDL", first)
        fields["Private.Head"], fields["Private.ValidCounts"] = link["Next"], 0
        link["Next"] = 0


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisUnchainBufferAtBack(kernel: Kernel, packet: PVOID, result: PVOID) -> None:
    fields = view(kernel, "NDIS_PACKET", packet)
    buffers = buffer_chain(kernel, packet)
    kernel.put_ptr(result, buffers[-1] if buffers else 0)
    if not buffers:
        return
    if len(buffers) > 1:
        view(kernel, "MDL", buffers[-2])["Next"] = 0
        fields["Private.Tail"] = buffers[-2]
    else:
        fields["Private.Head"] = 0
    fields["Private.ValidCounts"] = 0


def _first_buffer(kernel: Kernel, packet: int, results: tuple[int, int, int, int], may_fail: bool) -> None:
    buffers = buffer_chain(kernel, packet)
    lengths = [view(kernel, "MDL", each)["ByteCount"] for each in buffers]
    buffer, va, first, total = results
    kernel.put_ptr(buffer, buffers[0] if buffers else 0)
    kernel.put_ptr(va, address(kernel, buffers[0], may_fail) if buffers else 0)
    kernel.put_u32(first, lengths[0] if lengths else 0)
    kernel.put_u32(total, sum(lengths))


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetFirstBufferFromPacket(
    kernel: Kernel, packet: PVOID, buffer: PVOID, va: PVOID, first: PVOID, total: PVOID
) -> None:
    _first_buffer(kernel, packet, (buffer, va, first, total), may_fail=False)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetFirstBufferFromPacketSafe(
    kernel: Kernel, packet: PVOID, buffer: PVOID, va: PVOID, first: PVOID, total: PVOID, priority: ULONG
) -> None:
    _first_buffer(kernel, packet, (buffer, va, first, total), may_fail=True)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisCopyFromPacketToPacket(
    kernel: Kernel, to: PVOID, to_offset: ULONG, count: ULONG, source: PVOID, source_offset: ULONG, copied: PVOID
) -> None:
    """Copy bytes of one packet's buffers to another's, as many as there are and there is room for."""
    data = contents(kernel, buffer_chain(kernel, source))[source_offset:][:count]
    done = 0
    for buffer in buffer_chain(kernel, to):
        length = view(kernel, "MDL", buffer)["ByteCount"]
        if to_offset < length and done < len(data):
            part = data[done:][: length - to_offset]
            _write(kernel, buffer, to_offset, part)
            done += len(part)
        to_offset = max(0, to_offset - length)
    kernel.put_u32(copied, done)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisCopyFromPacketToPacketSafe(
    kernel: Kernel,
    to: PVOID,
    to_offset: ULONG,
    count: ULONG,
    source: PVOID,
    source_offset: ULONG,
    copied: PVOID,
    priority: ULONG,
) -> None:
    NdisCopyFromPacketToPacket(kernel, to, to_offset, count, source, source_offset, copied)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisSetPacketStatus(kernel: Kernel, packet: PVOID, status: ULONG, handle: PVOID, code: ULONG) -> None:
    oob(kernel, packet)["Status"] = status

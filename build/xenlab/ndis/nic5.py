# SPDX-License-Identifier: GPL-2.0-or-later
"""NDIS 5: packets between a protocol driver and a miniport.

A packet that is sent, its buffers and its data are blocks of their own, gone as soon as the miniport has completed it;
some buffers are pages of user mode that have no address in the system yet. Of what the miniport indicates, some is
given back before NdisMIndicateReceivePacket returns, and some much later; meanwhile it must stay as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from gplpv.errors import GplpvError
from xenlab.cpu.memory import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, pages
from xenlab.ndis import frames, offload5
from xenlab.ndis.codes import NdisStatus, Oid, describe, oid_name
from xenlab.ndis.gather5 import Gathered, gather, release
from xenlab.ndis.nic import Checksums, Nic, Offload, OidError, Outgoing, Received, Running, Transmission
from xenlab.ndis.packets5 import (
    CANCEL_ID,
    CHECKSUM_INFO,
    LARGE_SEND_INFO,
    SCATTER_GATHER_INFO,
    VLAN_INFO,
    PacketPools,
    buffer_chain,
    contents,
    make_packet,
    oob,
    packet_info,
)
from xenlab.ndis.structures import view
from xenlab.nt import mdl as mdls
from xenlab.nt.mapping import Mappings
from xenlab.nt.objects import layout
from xenlab.nt.routine import Steps

if TYPE_CHECKING:
    from xenlab.ndis.adapter5 import Adapter5
    from xenlab.world import Event

ETHERNET = 14
_PRIORITY, _VLAN = 0x40, 0x200
_USER_ADDRESS = 0x10000
_LONGEST_KEEPING_NS = 3_000_000
_MUCH_LONGER_NS = 60_000_000
_WRAPPERS = 3  # WrapperReservedEx, behind what is the miniport's in a packet
_OURS = 0x5AFE5AFE
_FIRST_CANCEL_ID = 0x5A000000
_GENEROUS = 4096
MANDATORY = (
    Oid.GEN_SUPPORTED_LIST, Oid.GEN_HARDWARE_STATUS, Oid.GEN_MEDIA_SUPPORTED, Oid.GEN_MEDIA_IN_USE,
    Oid.GEN_MAXIMUM_LOOKAHEAD, Oid.GEN_MAXIMUM_FRAME_SIZE, Oid.GEN_LINK_SPEED, Oid.GEN_TRANSMIT_BUFFER_SPACE,
    Oid.GEN_RECEIVE_BUFFER_SPACE, Oid.GEN_TRANSMIT_BLOCK_SIZE, Oid.GEN_RECEIVE_BLOCK_SIZE, Oid.GEN_VENDOR_ID,
    Oid.GEN_VENDOR_DESCRIPTION, Oid.GEN_CURRENT_PACKET_FILTER, Oid.GEN_CURRENT_LOOKAHEAD, Oid.GEN_DRIVER_VERSION,
    Oid.GEN_MAXIMUM_TOTAL_SIZE, Oid.GEN_MAC_OPTIONS, Oid.GEN_MEDIA_CONNECT_STATUS, Oid.GEN_MAXIMUM_SEND_PACKETS,
    Oid.GEN_VENDOR_DRIVER_VERSION, Oid.GEN_XMIT_OK, Oid.GEN_RCV_OK, Oid.GEN_XMIT_ERROR, Oid.GEN_RCV_ERROR,
    Oid.GEN_RCV_NO_BUFFER, Oid.ETHERNET_PERMANENT_ADDRESS, Oid.ETHERNET_CURRENT_ADDRESS, Oid.ETHERNET_MULTICAST_LIST,
    Oid.ETHERNET_MAXIMUM_LIST_SIZE, Oid.ETHERNET_RCV_ERROR_ALIGNMENT, Oid.ETHERNET_XMIT_ONE_COLLISION,
    Oid.ETHERNET_XMIT_MORE_COLLISIONS,
)  # fmt: skip
SET_ONLY = (
    Oid.GEN_PROTOCOL_OPTIONS, Oid.GEN_NETWORK_LAYER_ADDRESSES, Oid.GEN_TRANSPORT_HEADER_OFFSET, Oid.GEN_MACHINE_NAME,
    Oid.PNP_SET_POWER, Oid.PNP_ADD_WAKE_UP_PATTERN, Oid.PNP_REMOVE_WAKE_UP_PATTERN,
)  # fmt: skip


@dataclass(eq=False)
class Piece:
    """One buffer of a packet that is sent: its MDL, the block that its data lie in, and the data."""

    mdl: int
    block: int
    data: bytes


@dataclass(eq=False)
class Sent:
    """A packet that the miniport has; `payload` is how many bytes of data a large send has, 0: it is none."""

    transmission: Transmission
    pieces: list[Piece]
    cancel_id: int
    gathered: Gathered | None
    payload: int


@dataclass(eq=False)
class Kept:
    """A received packet that the protocol keeps: its bytes, and what will make it give the packet back."""

    frame: bytes
    event: Event | None = None


class Nic5(Nic):
    """A protocol driver over a miniport of NDIS 5."""

    def __init__(self, adapter: Adapter5) -> None:
        super().__init__(adapter)
        self.adapter5 = adapter
        self.pools = self.kernel.part(PacketPools)
        self.tasks = offload5.Tasks()
        self.mac_options = 0
        self._cancel_id = _FIRST_CANCEL_ID
        self._sent: dict[int, Sent] = {}
        self._kept: dict[int, Kept] = {}

    # Requests

    def open(self) -> Running[None]:
        yield from self._check_objects()
        self.mac_options = int.from_bytes((yield from self.query_steps(Oid.GEN_MAC_OPTIONS)), "little")
        lookahead = yield from self.query_steps(Oid.GEN_MAXIMUM_LOOKAHEAD)
        yield from self.set_steps(Oid.GEN_CURRENT_LOOKAHEAD, lookahead)
        yield from super().open()

    def _check_objects(self) -> Running[None]:
        """See that the objects that must be there are, and that each is answered."""
        listed = yield from self.query_steps(Oid.GEN_SUPPORTED_LIST, _GENEROUS)
        supported = [int.from_bytes(listed[at : at + 4], "little") for at in range(0, len(listed), 4)]
        for mandatory in MANDATORY:
            if mandatory not in supported:
                self.adapter.violation(f"the supported list lacks {oid_name(mandatory)}, which is mandatory")
        for oid in supported:
            if oid not in SET_ONLY:
                yield from self._check_object(oid)

    def _check_object(self, oid: int) -> Running[None]:
        """Ask without room, then with as much as it takes."""
        status, needed = yield from self.request(oid, None, 0)
        if status in (NdisStatus.INVALID_LENGTH, NdisStatus.BUFFER_TOO_SHORT):
            length = int.from_bytes(needed, "little")
            given = offload5.header() if oid == Oid.TCP_TASK_OFFLOAD else b""
            status, _ = yield from self.adapter5.ask(oid, None, max(length, len(given)), given)
        if status in (NdisStatus.NOT_SUPPORTED, NdisStatus.INVALID_OID) and not self.adapter.gone:
            self.adapter.violation(f"{oid_name(oid)} is in the supported list, and a query of it is not answered")

    def request(self, oid: int, data: bytes | None, length: int) -> Running[tuple[int, bytes]]:
        return (yield from self.adapter5.ask(oid, data, length))

    def negotiate(self, wanted: Offload | None) -> Running[Offload]:
        return (yield from offload5.negotiate(self, wanted))

    def reset_steps(self) -> Running[int]:
        return (yield from self.adapter5.reset())

    def restore(self) -> Running[None]:
        """Set anew what a reset has made the miniport forget."""
        try:
            yield from self.set_filter_steps(self.filter)
            yield from self.set_multicast_steps(self.multicast)
        except OidError as error:
            self.kernel.world.trace("ndis", str(error))

    # Between protocol and miniport

    def held(self) -> list[str]:
        sent = [f"a packet of {len(each.transmission.frame)} bytes that is sent" for each in self._sent.values()]
        return [*sent, *(f"a packet of {len(each.frame)} bytes that was received" for each in self._kept.values())]

    def must_wait(self) -> list[str]:
        return [f"the completion of a packet of {len(each.transmission.frame)} bytes" for each in self._sent.values()]

    # Sending

    def check_capable(self, frame: Outgoing) -> None:
        lacking = frame.checksums & ~self.offload.tx
        if lacking:
            raise GplpvError(f"The miniport was not asked to compute {lacking!r}.", "See nic.offload.")
        if frame.vlan is not None and not self.mac_options & (_PRIORITY | _VLAN):
            raise GplpvError("The miniport does not put tags into frames.", "See OID_GEN_MAC_OPTIONS.")
        if frame.mss or frame.checksums:
            self.tasks.check(frame, self.offload)

    def transmit(self, frames: list[Outgoing], sent: list[Transmission]) -> Steps:
        adapter, kernel = self.adapter5, self.kernel
        if adapter.resetting:
            for each in sent:
                each.finish(NdisStatus.RESET_IN_PROGRESS)
            return None
        self._cancel_id += 1
        packets = [self._packet(frame, each) for frame, each in zip(frames, sent, strict=True)]
        if not adapter.handlers["SendPacketsHandler"]:
            yield from self._send_each(packets)
            return None
        size = kernel.pointer_size
        array = kernel.alloc(size * len(packets), "NdAr")
        kernel.write(array, b"".join(each.to_bytes(size, "little") for each in packets))
        handler = adapter.handlers["SendPacketsHandler"]
        yield from adapter.call("MiniportSendPackets", handler, adapter.context, array, len(packets))
        kernel.free(array)
        for packet in packets:
            if packet in self._sent and oob(kernel, packet)["Status"] == NdisStatus.RESOURCES:
                adapter.violation(
                    "MiniportSendPackets sets NDIS_STATUS_RESOURCES, which only NDIS's queue for serialized miniports "
                    "knows what to do with"
                )
        return None

    def _send_each(self, packets: list[int]) -> Steps:
        """MiniportSend, where there is no MiniportSendPackets."""
        adapter = self.adapter5
        for packet in packets:
            status = yield from adapter.call(
                "MiniportSend", adapter.handlers["SendHandler"], adapter.context, packet, 0
            )
            if status != NdisStatus.PENDING:
                self.complete(packet, status, "MiniportSend's status")
        return None

    def _packet(self, frame: Outgoing, transmission: Transmission) -> int:
        """Lay a frame out as TCP/IP does."""
        kernel = self.kernel
        data = frame.frame
        if frame.mss or frame.checksums:
            transport = bool(frame.checksums & ~Checksums.IPV4)
            data = frames.lay_out(data, bool(frame.checksums & Checksums.IPV4), transport, 1 if frame.mss else 0)
        packet = make_packet(kernel, 4 * kernel.pointer_size, 0)
        pieces = [self._piece(part) for part in self._cut(data, frame.pieces)]
        for before, after in pairwise(pieces):
            view(kernel, "MDL", before.mdl)["Next"] = after.mdl
        fields = view(kernel, "NDIS_PACKET", packet)
        for index in range(2):
            fields.set_element("Reserved", index, _OURS)
        fields.set_element("MacReserved", _WRAPPERS, _OURS)
        fields["Private.Head"], fields["Private.Tail"] = pieces[0].mdl, pieces[-1].mdl
        wide = self.adapter5.wide_dma
        gathered = None if wide is None else gather(kernel, [each.mdl for each in pieces], wide)
        self._inform(packet, frame, gathered)
        parsed = frames.parse(frame.frame) if frame.mss else None
        payload = parsed.end - parsed.payload if parsed else 0
        self._sent[packet] = Sent(transmission, pieces, self._cancel_id, gathered, payload)
        return packet

    def _inform(self, packet: int, frame: Outgoing, gathered: Gathered | None) -> None:
        """Fill in the per-packet information."""
        info = packet_info(self.kernel, packet)
        for index, value in (
            (CHECKSUM_INFO, offload5.transmit_bits(frame.checksums)),
            (LARGE_SEND_INFO, frame.mss),
            (SCATTER_GATHER_INFO, gathered.address if gathered else 0),
            (VLAN_INFO, offload5.tag_bits(frame.vlan)),
            (CANCEL_ID, self._cancel_id),
        ):
            info.set_element("NdisPacketInfo", index, value)

    def _cut(self, data: bytes, lengths: Sequence[int]) -> Iterator[bytes]:
        """Cut a frame into its buffers; where the caller has no wish anything goes, but for the Ethernet header."""
        random = self.kernel.world.random
        if not lengths:
            cuts = sorted(random.randint(ETHERNET, len(data)) for _ in range(random.choice((0, 0, 1, 2, 4))))
            lengths = [after - before for before, after in zip((0, *cuts), cuts, strict=False)]
        at = 0
        for length in lengths:
            yield data[at : at + length]
            at += length
        if at < len(data):
            yield data[at:]

    def _piece(self, data: bytes) -> Piece:
        """A buffer at any place in its pages."""
        kernel, random = self.kernel, self.kernel.world.random
        offset = random.randrange(PAGE_SIZE) if random.random() < 0.5 else random.randrange(64)
        block = kernel.alloc(offset + max(len(data), 1), "NdDa")
        va = block + offset
        kernel.write(va, data)
        touched = pages(va, max(len(data), 1))
        shape = layout("MDL", kernel.arch)
        mdl = kernel.alloc(shape.size + len(touched) * kernel.pointer_size, "NdMd")
        fields = view(kernel, "MDL", mdl)
        fields["Size"] = shape.size + len(touched) * kernel.pointer_size
        fields["ByteOffset"], fields["ByteCount"] = va & PAGE_MASK, len(data)
        if random.random() < 0.25:
            fields["StartVa"], fields["MdlFlags"] = _USER_ADDRESS, mdls.LOCKED
        else:
            fields["StartVa"], fields["MappedSystemVa"], fields["MdlFlags"] = va & ~PAGE_MASK, va, mdls.NONPAGED
        for index, page in enumerate(touched):
            frame = kernel.memory.translate(page) >> PAGE_SHIFT
            kernel.put_ptr(mdl + shape.size + index * kernel.pointer_size, frame)
        return Piece(mdl, block, data)

    def complete(self, packet: int, status: int, what: str) -> None:
        """The miniport gives a packet back that was sent."""
        kernel = self.kernel
        sent = self._sent.pop(packet, None)
        if sent is None:
            self.adapter.violation(f"{what} names {packet:#x}, which is no packet that the miniport has to send")
        if status == NdisStatus.PENDING:
            self.adapter.violation(f"{what} is NDIS_STATUS_PENDING")
        fields = view(kernel, "NDIS_PACKET", packet)
        ours = [fields.element("MacReserved", _WRAPPERS), *(fields.element("Reserved", index) for index in range(2))]
        if ours != [_OURS] * 3:
            self.adapter.violation("the miniport has written beyond what is its own in a packet that it was to send")
        if sent.payload:
            self._check_large_send(packet, status, sent.payload)
        for piece in sent.pieces:
            if contents(kernel, [piece.mdl]) != piece.data:
                self.adapter.violation("the miniport has changed the data of a packet that it was to send")
            fields = view(kernel, "MDL", piece.mdl)
            if fields["MdlFlags"] & mdls.MAPPED:
                kernel.part(Mappings).unmap(fields["MappedSystemVa"], "a protocol driver")
            kernel.free(piece.block)
            kernel.free(piece.mdl)
        if sent.gathered:
            release(kernel, sent.gathered)
        kernel.free(packet)
        sent.transmission.finish(status)

    def _check_large_send(self, packet: int, status: int, payload: int) -> None:
        """The miniport tells how many bytes of data it has sent: all, or with a failure no more than there were."""
        answer = packet_info(self.kernel, packet).element("NdisPacketInfo", LARGE_SEND_INFO)
        if answer > payload or (status == NdisStatus.SUCCESS and answer < payload):
            self.adapter.violation(
                f"a large send of {payload} bytes is completed with {describe(status)} and {answer:#x} for"
                " TcpLargeSendPacketInfo"
            )

    def cancel(self, sent: Transmission) -> None:
        """MiniportCancelSendPackets came with NDIS 5.1; without it the frames are sent."""
        handler = self.adapter5.handlers.get("CancelSendPacketsHandler", 0)

        def steps() -> Steps:
            identifications = {each.cancel_id for each in self._sent.values() if each.transmission is sent}
            for each in identifications if handler else ():
                yield from self.adapter5.call("MiniportCancelSendPackets", handler, self.adapter5.context, each)
            return None

        queue = self.kernel.world.random.choice((self.kernel.queue_call, self.kernel.queue_work))
        queue(steps, "a cancellation")

    # Receiving

    @staticmethod
    def receive(adapter: Adapter5, packets: list[int]) -> Steps:
        """The miniport indicates packets, in whose name NDIS asks the bound protocol driver, if there is one."""
        nic = adapter.nic5 if adapter.nic5 and adapter.nic5.is_open else None
        back = []
        for packet in packets:
            status, frame = _look(adapter, packet)
            if status == NdisStatus.RESOURCES:
                if nic:
                    nic._take(packet, frame, True)
            elif not nic or not nic._take(packet, frame, False) or not nic._keep(packet, frame):
                back.append(packet)
        for packet in back:
            yield from _return(adapter, packet)
        return None

    def _take(self, packet: int, frame: bytes, resources: bool) -> bool:
        """Hand a frame to the protocol; tells whether it passes the filter."""
        if not self.wants(frame):
            self.filtered += 1
            return False
        info = packet_info(self.kernel, packet)
        good, bad = offload5.received_checksums(info.element("NdisPacketInfo", CHECKSUM_INFO), frame)
        tag = offload5.tag(info.element("NdisPacketInfo", VLAN_INFO))
        self.deliver(Received(frame, good, bad, tag, resources))
        return True

    def _keep(self, packet: int, frame: bytes) -> bool:
        """Keep a packet for a while, or not at all."""
        random = self.kernel.world.random
        if random.random() < 0.25:
            return False
        kept = self._kept[packet] = Kept(frame)
        oob(self.kernel, packet)["Status"] = NdisStatus.PENDING
        self.pools.lent.add(packet)
        self._return_later(packet, kept, _MUCH_LONGER_NS if random.random() < 0.02 else _LONGEST_KEEPING_NS)
        return True

    def _return_later(self, packet: int, kept: Kept, within_ns: int) -> None:
        world = self.kernel.world
        queue = world.random.choice((self.kernel.queue_call, self.kernel.queue_work))

        def due() -> None:
            queue(lambda: self._give(packet, kept), "a received packet goes back")

        kept.event = world.at(world.random.randrange(within_ns), due, "a packet goes back")

    def _give(self, packet: int, kept: Kept) -> Steps:
        if self._kept.get(packet) is kept:
            self._check_kept(packet, kept.frame)
            del self._kept[packet]
            self.pools.lent.remove(packet)
            yield from _return(self.adapter5, packet)
        return None

    def _check_kept(self, packet: int, frame: bytes) -> None:
        if contents(self.kernel, buffer_chain(self.kernel, packet)) != frame:
            self.adapter.violation("a received packet was changed before the protocol driver had returned it")

    def give_back(self) -> None:
        for packet, kept in self._kept.items():
            if kept.event:
                kept.event.cancel()
            self._return_later(packet, kept, _LONGEST_KEEPING_NS)


def _look(adapter: Adapter5, packet: int) -> tuple[int, bytes]:
    """Check a packet that the miniport indicates; returns its status and its bytes."""
    kernel = adapter.kernel
    pools = kernel.part(PacketPools)
    if not pools.is_packet(packet):
        adapter.violation(f"{packet:#x} is indicated, which is no packet of a pool")
    if packet in pools.lent:
        adapter.violation(f"the packet {packet:#x} is indicated again before it was returned")
    data = oob(kernel, packet)
    status = data["Status"]
    if status not in (NdisStatus.SUCCESS, NdisStatus.RESOURCES):
        adapter.violation(f"a packet is indicated with {describe(status)}; SUCCESS and RESOURCES have a meaning")
    if data["HeaderSize"] != ETHERNET:
        adapter.violation(f"a packet is indicated with a header size of {data['HeaderSize']}; Ethernet's is {ETHERNET}")
    view(kernel, "NDIS_PACKET", packet).set_element("MacReserved", _WRAPPERS, _OURS)
    buffers = buffer_chain(kernel, packet)
    first = view(kernel, "MDL", buffers[0])["ByteCount"] if buffers else 0
    if first < ETHERNET:
        adapter.violation(f"the first buffer of an indicated packet has {first} bytes, less than an Ethernet header")
    return status, contents(kernel, buffers)


def _return(adapter: Adapter5, packet: int) -> Steps:
    handler = adapter.handlers["ReturnPacketHandler"]
    if not handler:
        adapter.violation("packets are indicated by a miniport without MiniportReturnPacket")
    yield from adapter.call("MiniportReturnPacket", handler, adapter.context, packet)
    return None

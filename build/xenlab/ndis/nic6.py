# SPDX-License-Identifier: GPL-2.0-or-later
"""An adapter of NDIS 6.0 as a bound protocol driver has it.

Frames of one call become one or several NET_BUFFER_LISTs in one chain, those that ask the miniport for the same one
list with several NET_BUFFERs at times. A protocol driver that binds has the adapter restarted, before it makes its
first requests or afterwards; one that unbinds has it paused, with sends and received frames still on their way.
Source: Windows Driver Kit, "Protocol Driver Send and Receive Operations", "TCP/IP Offload" of NDIS 6.0.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from gplpv.errors import GplpvError
from xenlab.ndis.adapter import Running
from xenlab.ndis.codes import NdisStatus, Oid, describe, oid_name
from xenlab.ndis.codes6 import MAC_OPTION_PRIORITY, MAC_OPTION_VLAN, OFFLOAD_ENCAPSULATION, Info, Type
from xenlab.ndis.frames import TCP, parse
from xenlab.ndis.nic import Checksums, Nic, Offload, Outgoing, Transmission
from xenlab.ndis.offload6 import (
    leave_checksums,
    leave_segments,
    write_encapsulation,
    write_parameters,
    write_tag,
)
from xenlab.ndis.sends6 import Packet
from xenlab.nt.routine import Steps

if TYPE_CHECKING:
    from xenlab.ndis.adapter6 import Adapter6

_MOST_BUFFERS = 4
_FIRST_CANCEL_ID = 0x10000
_NOT_ANSWERED = (NdisStatus.NOT_SUPPORTED, NdisStatus.INVALID_OID, NdisStatus.NOT_RECOGNIZED)
_SET_ALONE = (
    Oid.TCP_OFFLOAD_PARAMETERS, OFFLOAD_ENCAPSULATION, Oid.GEN_LINK_PARAMETERS, Oid.GEN_NETWORK_LAYER_ADDRESSES,
    Oid.GEN_MACHINE_NAME, Oid.GEN_PROTOCOL_OPTIONS, Oid.PNP_SET_POWER, Oid.PNP_ADD_WAKE_UP_PATTERN,
    Oid.PNP_REMOVE_WAKE_UP_PATTERN,
)  # fmt: skip

_STATISTICS = (
    "ifInDiscards", "ifInErrors", "ifHCInOctets", "ifHCInUcastPkts", "ifHCInMulticastPkts", "ifHCInBroadcastPkts",
    "ifHCOutOctets", "ifHCOutUcastPkts", "ifHCOutMulticastPkts", "ifHCOutBroadcastPkts", "ifOutErrors", "ifOutDiscards",
    "ifHCInUcastOctets", "ifHCInMulticastOctets", "ifHCInBroadcastOctets", "ifHCOutUcastOctets",
    "ifHCOutMulticastOctets", "ifHCOutBroadcastOctets",
)  # fmt: skip
_WITH_HEADER = (Oid.GEN_STATISTICS, Oid.GEN_INTERRUPT_MODERATION)


class Nic6(Nic):
    """One bound adapter."""

    adapter: Adapter6

    def __init__(self, adapter: Adapter6) -> None:
        super().__init__(adapter)
        self._last_cancel_id = _FIRST_CANCEL_ID
        self._cancel_ids: dict[Transmission, int] = {}

    # Sending

    def transmit(self, frames: list[Outgoing], sent: list[Transmission]) -> Steps:
        adapter = self.adapter
        if not adapter.takes_sends:
            for each in sent:
                each.finish(NdisStatus.PAUSED)
            return None
        yield from adapter.sends.send(self._packets(frames, sent))
        return None

    def _packets(self, frames: list[Outgoing], sent: list[Transmission]) -> list[Packet]:
        """Make lists of frames; neighbours that ask for the same may share one."""
        random = self.kernel.world.random
        packets: list[Packet] = []
        members: list[list[Transmission]] = []
        self._last_cancel_id += 1
        identifier = self._last_cancel_id
        for each, transmission in zip(frames, sent, strict=True):
            packet = self._packet(each, identifier)
            self._cancel_ids[transmission] = identifier
            last = packets[-1] if packets else None
            if last and self._may_join(last, packet) and random.random() < 0.5:
                packets[-1] = Packet([*last.frames, *packet.frames], last.pieces, 0, last.info)
                members[-1].append(transmission)
            else:
                packets.append(packet)
                members.append([transmission])
        return [
            Packet(each.frames, each.pieces, each.headers, each.info, each.payload, self._finisher(its))
            for each, its in zip(packets, members, strict=True)
        ]

    def _may_join(self, one: Packet, other: Packet) -> bool:
        alike = one.info == other.info and tuple(one.pieces) == tuple(other.pieces)
        return alike and one.payload < 0 and other.payload < 0 and len(one.frames) < _MOST_BUFFERS

    def _packet(self, wanted: Outgoing, identifier: int) -> Packet:
        frame, payload, headers = wanted.frame, -1, 0
        info: dict[int, int]
        if wanted.mss:
            version = self._version(wanted)
            frame, info, payload, headers = leave_segments(frame, wanted.mss, version)
        else:
            frame, info = leave_checksums(frame, wanted.checksums)
        if wanted.vlan is not None:
            info[Info.IEEE8021Q] = write_tag(wanted.vlan)
        info[Info.CANCEL_ID] = identifier
        return Packet([frame], wanted.pieces, headers, info, payload)

    def cancel(self, sent: Transmission) -> None:
        """MiniportCancelSend, with the ID of the call that the frame was sent in."""

        def steps() -> Steps:
            identifier = self._cancel_ids.get(sent)
            if identifier and not sent.done and self.adapter.takes_sends:
                yield from self.adapter.invoke("CancelSendHandler", identifier)
            return None

        queue = self.kernel.world.random.choice((self.kernel.queue_call, self.kernel.queue_work))
        queue(steps, "a cancellation")

    def _version(self, wanted: Outgoing) -> Literal[1, 2]:
        """The version of large send for a packet; where there are both, chance has it.

        One that was turned off since the packet was sent, the miniport may get for a moment more.
        """
        parsed = parse(wanted.frame)
        both: tuple[Literal[1, 2], ...] = (1, 2) if parsed and parsed.version == 4 else (2,)
        return self.kernel.world.random.choice([each for each in both if self._fits(wanted, each)] or both)

    def _fits(self, wanted: Outgoing, version: int) -> bool:
        """Whether the miniport segments a packet by a version of large send."""
        parsed = parse(wanted.frame)
        if parsed is None or parsed.protocol != TCP or parsed.is_fragment:
            return False
        name = "LsoV1" if version == 1 else f"LsoV2IPv{parsed.version}"
        limit = {
            "LsoV1": self.offload.lso_v1 if parsed.version == 4 else None,
            "LsoV2IPv4": self.offload.lso_v2_ipv4,
            "LsoV2IPv6": self.offload.lso_v2_ipv6,
        }[name]
        if limit is None or not self.adapter.attributes.options[name].allow(parsed):
            return False
        payload = parsed.end - parsed.payload
        return payload <= limit.maximum_size and -(-payload // wanted.mss) >= limit.minimum_segments

    def check_capable(self, frame: Outgoing) -> None:
        attributes, parsed = self.adapter.attributes, parse(frame.frame)
        options = attributes.general["MacOptions"]
        if frame.checksums & ~self.offload.tx:
            raise GplpvError(f"The miniport does not fill in {frame.checksums & ~self.offload.tx!r}.")
        if frame.mss and not any(self._fits(frame, version) for version in (1, 2)):
            raise GplpvError("The miniport does not segment such a packet.", f"It has {self.offload}.")
        if frame.checksums and parsed and not attributes.options[f"IPv{parsed.version}Transmit"].allow(parsed):
            raise GplpvError("The miniport does not fill in checksums of a packet with such options.")
        if frame.vlan is not None and not options & (MAC_OPTION_PRIORITY | MAC_OPTION_VLAN):
            raise GplpvError("The miniport does not put in tags.", "Its MacOptions say so.")

    # Requests

    def request(self, oid: int, data: bytes | None, length: int) -> Running[tuple[int, bytes]]:
        adapter = self.adapter
        if not adapter.is_there:
            return NdisStatus.ADAPTER_NOT_READY, b""
        if data is None:
            known = adapter.attributes.answer(oid)
            if known is not None:
                fits = len(known) <= length
                return (NdisStatus.SUCCESS, known) if fits else (NdisStatus.BUFFER_TOO_SHORT, b"")
            answer = yield from adapter.requests.query(oid, length)
        else:
            answer = yield from adapter.requests.set(oid, data)
        return answer.status, answer.data

    def negotiate(self, wanted: Offload | None) -> Running[Offload]:
        attributes = self.adapter.attributes
        if attributes.hardware is None:
            return Offload()
        if wanted is not None:
            yield from self._set_parameters(wanted)
        attributes.encapsulated = True
        yield from self.set_steps(OFFLOAD_ENCAPSULATION, write_encapsulation(self.kernel))
        return attributes.offload

    def _set_parameters(self, wanted: Offload) -> Running[None]:
        """Turn on what is wanted and nothing else; the miniport must tell what it does then."""
        adapter, attributes = self.adapter, self.adapter.attributes
        told = attributes.offload_indications
        yield from self.set_steps(Oid.TCP_OFFLOAD_PARAMETERS, write_parameters(self.kernel, wanted))
        what = "NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG after OID_TCP_OFFLOAD_PARAMETERS"
        yield from adapter.wait(lambda: attributes.offload_indications > told, what)
        attributes.settle_offload()
        now = attributes.offload
        for name in ("tx", "rx"):
            more = getattr(now, name) & ~getattr(wanted, name)
            if more:
                adapter.violation(f"the miniport does {Checksums(more)!r} for {name} after it was turned off")
        for name in ("lso_v1", "lso_v2_ipv4", "lso_v2_ipv6"):
            if getattr(now, name) and not getattr(wanted, name):
                adapter.violation(f"the miniport does {name} after it was turned off")

    def check_oids(self) -> Running[None]:
        """Query everything that the miniport says it supports: too short a buffer first, then the right one."""
        adapter = self.adapter
        for oid in adapter.attributes.oids:
            if oid in _SET_ALONE:
                continue
            answer = yield from adapter.requests.query(oid, 0)
            if answer.needed:
                answer = yield from adapter.requests.query(oid, answer.needed)
            if answer.status in _NOT_ANSWERED:
                adapter.violation(
                    f"{oid_name(oid)} is in the list of supported OIDs, and is answered {describe(answer.status)}"
                )
            if answer.status != NdisStatus.SUCCESS:
                self.kernel.world.trace("ndis", f"{oid_name(oid)} fails with {describe(answer.status)}")
            elif oid in _WITH_HEADER:
                self._check_header(oid, answer.data)

    def _check_header(self, oid: int, data: bytes) -> None:
        kind, revision, size = struct.unpack("<BBH", data[:4]) if len(data) >= 4 else (0, 0, 0)
        if kind != Type.DEFAULT or not revision or not 4 < size <= len(data):
            self.adapter.violation(
                f"{oid_name(oid)} is answered with {len(data)} bytes and the header {data[:4].hex()}: type, revision"
                f" and size of it are not right"
            )

    def cancel_request(self) -> bool:
        """Have the request that the miniport has cancelled; False: there is none."""
        return self._perform(self.adapter.requests.cancel())

    def reset_steps(self) -> Running[int]:
        return (yield from self.adapter.reset())

    # Binding

    def open(self) -> Running[None]:
        early = self.kernel.world.random.random() < 0.5
        running = (yield from self.adapter.restart()) if early else False
        yield from super().open()
        yield from self.check_oids()
        if not early:
            running = yield from self.adapter.restart()
        self.is_open = self.is_open and running
        self.link_up = self.adapter.attributes.is_connected

    def close(self) -> Running[None]:
        self.is_open = False
        if not self.adapter.gone and self.adapter.takes_sends:
            yield from self._close_filter()
        yield from self.pause()

    def pause(self) -> Running[None]:
        """Have the adapter paused, with sends and received frames on their way, and wait for what it has."""
        self.is_open = False
        self.give_back()
        if self.adapter.is_running:
            yield from self.adapter.pause()
        yield from self.adapter.wait(lambda: not self.must_wait(), "the end of what a protocol driver has begun")

    def wake(self) -> Running[None]:
        """Have the adapter restarted."""
        self.is_open = yield from self.adapter.restart()

    def must_wait(self) -> list[str]:
        return [each for each in self.adapter.in_flight() if "received" not in each]

    def held(self) -> list[str]:
        return self.adapter.in_flight()

    def give_back(self) -> None:
        self.adapter.receives.holding = False
        self.adapter.receives.release()

    def _finisher(self, transmissions: list[Transmission]) -> Callable[[int], None]:
        """What is to be done when a list of these comes back."""

        def finish(status: int) -> None:
            for each in transmissions:
                del self._cancel_ids[each]
                each.finish(status)

        return finish

    # For scenarios

    def statistics(self) -> dict[str, int]:
        """OID_GEN_STATISTICS: counters by the names of NDIS_STATISTICS_INFO; octets are of whole frames."""
        answer = self.query(Oid.GEN_STATISTICS, 8 * (1 + len(_STATISTICS)))
        return dict(zip(_STATISTICS, struct.unpack_from(f"<{len(_STATISTICS)}Q", answer, 8), strict=True))

    def hold(self) -> None:
        """Keep every frame that comes, until :meth:`give_back`."""
        self.adapter.receives.holding = True

    def pause_adapter(self) -> None:
        """Have NDIS pause the adapter, as it does when a filter driver is put in; what is sent then is refused."""
        self._perform(self.adapter.pause())

    def restart_adapter(self) -> bool:
        """Have NDIS restart the adapter; False: the miniport cannot."""
        return self._perform(self.adapter.restart())

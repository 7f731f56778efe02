# SPDX-License-Identifier: GPL-2.0-or-later
"""A network adapter as a bound protocol driver has it, TCP/IP for one: whatever the version of NDIS below.

A scenario gets one from ``lab.pv_nic(...)``. What it sends goes out at PASSIVE_LEVEL or DISPATCH_LEVEL, as chance has
it, in buffers that the caller lays out; sends of one call go to the miniport together, and those of different calls
may overtake each other. What the miniport receives, the protocol keeps for a while and gives back in any order.
Checksums and segments that the miniport is to make are left to it in the way that TCP/IP does
(:mod:`xenlab.ndis.frames`).

A request or a reset blocks: from outside of the guest :meth:`Nic.query`, :meth:`Nic.set` and :meth:`Nic.reset` run the
machine until it is done; the generators whose names end in ``_steps`` are for a thread of the kernel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, TypeVar

from gplpv.errors import GplpvError
from xenlab.ndis.codes import Filter, NdisStatus, Oid, describe, oid_name
from xenlab.nt.routine import Call, Steps, Wait

if TYPE_CHECKING:
    from xenlab.ndis.adapter import Adapter

_T = TypeVar("_T")
Running = Generator[Call | Wait, int, _T]
_ORDINARY_FILTER = Filter.DIRECTED | Filter.MULTICAST | Filter.BROADCAST
_BROADCAST = b"\xff" * 6
_PATIENCE_NS = 60 * 10**9
_POLL_NS = 1_000_000


class Checksums(IntFlag):
    """Checksums: those that the miniport is asked to fill in, or those that it has an opinion about."""

    NONE = 0
    IPV4 = 1
    TCP4 = 2
    UDP4 = 4
    TCP6 = 8
    UDP6 = 16


@dataclass(frozen=True)
class Lso:
    """Large send offload: how many bytes of data one packet may have, and how many segments it must make at least."""

    maximum_size: int
    minimum_segments: int


@dataclass(frozen=True)
class Offload:
    """What the protocol has the miniport do; None is not to be had."""

    tx: Checksums = Checksums.NONE
    rx: Checksums = Checksums.NONE
    lso_v1: Lso | None = None
    lso_v2_ipv4: Lso | None = None
    lso_v2_ipv6: Lso | None = None


@dataclass(frozen=True)
class Received:
    """A frame that the miniport has indicated.

    Attributes:
        good, bad: the checksums that it vouches for, and those that it says are wrong.
        vlan: the tag (priority, CFI and VLAN) that it has taken out of the frame, None without one.
        resources: it wanted the packet back at once (NDIS_STATUS_RESOURCES).
    """

    frame: bytes
    good: Checksums = Checksums.NONE
    bad: Checksums = Checksums.NONE
    vlan: int | None = None
    resources: bool = False


@dataclass(frozen=True)
class Outgoing:
    """A frame to send.

    Attributes:
        frame: from the destination address on, complete and right; what the miniport is to fill in is taken out.
        pieces: the lengths of the buffers that it lies in; what they leave over is in one more. None: as chance has it.
        checksums: those that the miniport is to fill in.
        mss: bytes of data in a segment of a large send, 0: it is none.
        vlan: the tag that the miniport is to put in.
    """

    frame: bytes
    pieces: Sequence[int] = ()
    checksums: Checksums = Checksums.NONE
    mss: int = 0
    vlan: int | None = None


@dataclass(eq=False)
class Transmission:
    """A frame that was sent. `status` is that of its completion, None while the miniport has it."""

    frame: bytes
    status: int | None = None
    completed: list[Callable[[], None]] = field(default_factory=list, repr=False)

    @property
    def done(self) -> bool:
        return self.status is not None

    def finish(self, status: int) -> None:
        self.status = status
        for each in self.completed:
            each()


class OidError(GplpvError):
    """A request fails with a status of the miniport's, or NDIS's."""

    def __init__(self, oid: int, status: int) -> None:
        super().__init__(f"{oid_name(oid)} fails with {describe(status)}.")
        self.oid = oid
        self.status = status


class Nic:
    """One bound adapter; each version of NDIS has its own kind.

    Attributes:
        mac, permanent_mac: its addresses.
        mtu: OID_GEN_MAXIMUM_FRAME_SIZE, without the Ethernet header.
        link_up: the last word of the miniport's.
        offload: what was negotiated.
        received: what has come, oldest first; with `on_receive` set it is called with each instead.
        filter, multicast: the packet filter and the multicast addresses that are set.
        filtered: how many frames NDIS has kept from the protocol because they do not pass those.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.kernel = adapter.kernel
        self.mac = self.permanent_mac = bytes(6)
        self.mtu = 0
        self.link_up = False
        self.offload = Offload()
        self.filter = Filter.NONE
        self.multicast: list[bytes] = []
        self.received: deque[Received] = deque()
        self.on_receive: Callable[[Received], None] | None = None
        self.is_open = False
        self.filtered = 0
        self._waiting: deque[tuple[list[Outgoing], list[Transmission]]] = deque()

    # What each version does in its own way

    def transmit(self, frames: list[Outgoing], sent: list[Transmission]) -> Steps:
        """Hand frames to the miniport in one call, at the present IRQL."""
        raise NotImplementedError

    def request(self, oid: int, data: bytes | None, length: int) -> Running[tuple[int, bytes]]:
        """Have a request done: a set of `data`, or with None a query for `length` bytes; returns status and answer."""
        raise NotImplementedError

    def negotiate(self, wanted: Offload | None) -> Running[Offload]:
        """Agree with the miniport on what it is to do: all it can, or no more than `wanted`."""
        raise NotImplementedError

    def reset_steps(self) -> Running[int]:
        """Reset the adapter; returns the NDIS_STATUS."""
        raise NotImplementedError

    def check_capable(self, frame: Outgoing) -> None:
        """Raises:
        GplpvError: the frame asks the miniport for what was not negotiated, which TCP/IP would not do.
        """
        raise NotImplementedError

    def cancel(self, sent: Transmission) -> None:
        """Have the miniport give up, if it can, all frames that were sent in one call with this one."""
        raise NotImplementedError

    def held(self) -> list[str]:
        """What is between protocol and miniport at this moment, a line each: sends, receives, requests."""
        raise NotImplementedError

    def give_back(self) -> None:
        """Return all packets that the protocol still has, soon."""
        raise NotImplementedError

    # Sending

    def send(
        self,
        frame: bytes,
        *,
        pieces: Sequence[int] = (),
        checksums: Checksums = Checksums.NONE,
        mss: int = 0,
        vlan: int | None = None,
    ) -> Transmission:
        """Send a frame; it goes to the miniport when the machine runs next."""
        return self.send_many([Outgoing(frame, pieces, checksums, mss, vlan)])[0]

    def send_many(self, frames: Sequence[Outgoing]) -> list[Transmission]:
        """Send frames in one call.

        Raises:
            GplpvError: a frame asks for what was not negotiated.
        """
        for frame in frames:
            self.check_capable(frame)
        sent = [Transmission(each.frame) for each in frames]
        if not self.is_open:
            for each in sent:
                each.finish(NdisStatus.CLOSING)
            return sent
        self._waiting.append((list(frames), sent))
        queue = self.kernel.queue_call if self.kernel.world.random.random() < 0.5 else self.kernel.queue_work
        queue(self._send_next, "a send")
        return sent

    def _send_next(self) -> Steps:
        frames, sent = self._waiting.popleft()
        if self.is_open:
            yield from self.transmit(frames, sent)
        else:
            for each in sent:
                each.finish(NdisStatus.CLOSING)
        return None

    def wants(self, frame: bytes) -> bool:
        """Whether a frame passes the packet filter."""
        if not frame[0] & 1:
            wanted = self.filter & Filter.DIRECTED if frame[:6] == self.mac else 0
        elif frame[:6] == _BROADCAST:
            wanted = self.filter & Filter.BROADCAST
        else:
            listed = Filter.MULTICAST if frame[:6] in self.multicast else 0
            wanted = self.filter & (listed | Filter.ALL_MULTICAST)
        return bool(wanted or self.filter & Filter.PROMISCUOUS)

    def deliver(self, frame: Received) -> None:
        """A frame has come."""
        if self.on_receive:
            self.on_receive(frame)
        else:
            self.received.append(frame)

    # Requests

    def query_steps(self, oid: int, length: int = 4) -> Running[bytes]:
        """Query an object.

        Raises:
            OidError: it fails.
        """
        status, answer = yield from self.request(oid, None, length)
        if status != NdisStatus.SUCCESS:
            raise OidError(oid, status)
        return answer

    def set_steps(self, oid: int, data: bytes) -> Running[None]:
        status, _ = yield from self.request(oid, data, len(data))
        if status != NdisStatus.SUCCESS:
            raise OidError(oid, status)

    def query(self, oid: int, length: int = 4) -> bytes:
        return self._perform(self.query_steps(oid, length))

    def set(self, oid: int, data: bytes) -> None:
        self._perform(self.set_steps(oid, data))

    def set_filter(self, flags: int) -> None:
        self._perform(self.set_filter_steps(flags))

    def set_filter_steps(self, flags: int) -> Running[None]:
        yield from self.set_steps(Oid.GEN_CURRENT_PACKET_FILTER, int(flags).to_bytes(4, "little"))
        self.filter = Filter(flags)

    def set_multicast(self, addresses: Sequence[bytes]) -> None:
        self._perform(self.set_multicast_steps(addresses))

    def set_multicast_steps(self, addresses: Sequence[bytes]) -> Running[None]:
        yield from self.set_steps(Oid.ETHERNET_MULTICAST_LIST, b"".join(addresses))
        self.multicast = list(addresses)

    def set_offload(self, wanted: Offload) -> None:
        """Negotiate anew, for no more than `wanted`."""
        self.offload = self._perform(self.negotiate(wanted))

    def reset(self) -> int:
        """Reset the adapter, as a protocol driver may at any time; returns the NDIS_STATUS."""
        return self._perform(self.reset_steps())

    def outstanding(self) -> list[str]:
        """What is between protocol and miniport at this moment, a line each."""
        return [*self.held(), *("a frame that is not sent yet" for _ in self._waiting)]

    def _perform(self, work: Running[_T]) -> _T:
        """Do something on a thread of the kernel; an OidError of it comes out here."""
        results: list[_T] = []
        errors: list[OidError] = []

        def steps() -> Steps:
            try:
                results.append((yield from work))
            except OidError as error:
                errors.append(error)
            return None

        self.kernel.start(steps(), "a protocol driver")
        self.kernel.run(lambda: bool(results or errors), _PATIENCE_NS)
        if errors:
            raise errors[0]
        return results[0]

    # Binding

    def open(self) -> Running[None]:
        """Bind: learn what a protocol driver needs to know, and set what it wants to receive."""
        self.permanent_mac = yield from self.query_steps(Oid.ETHERNET_PERMANENT_ADDRESS, 6)
        self.mac = yield from self.query_steps(Oid.ETHERNET_CURRENT_ADDRESS, 6)
        self.mtu = int.from_bytes((yield from self.query_steps(Oid.GEN_MAXIMUM_FRAME_SIZE)), "little")
        connected = yield from self.query_steps(Oid.GEN_MEDIA_CONNECT_STATUS)
        self.link_up = int.from_bytes(connected, "little") == 0
        self.offload = yield from self.negotiate(None)
        self.is_open = True
        yield from self.set_multicast_steps(self.multicast)
        yield from self.set_filter_steps(self.filter or _ORDINARY_FILTER)

    def close(self) -> Running[None]:
        """Unbind: no more sends, all packets given back, and what the miniport has is waited for."""
        self.is_open = False
        if not self.adapter.gone:
            yield from self._close_filter()
        self.give_back()
        yield from self._wait()

    def pause(self) -> Running[None]:
        """Send nothing until :meth:`resume`, and wait for what the miniport has."""
        self.is_open = False
        yield from self._wait()

    def resume(self) -> None:
        self.is_open = True

    def _wait(self) -> Running[None]:
        deadline = self.kernel.world.now + _PATIENCE_NS
        while self.must_wait():
            if self.kernel.world.now > deadline:
                lines = "".join(f"\n  {each}" for each in self.must_wait())
                self.adapter.violation(f"a protocol driver unbinds, or sleeps, and waits in vain for:{lines}")
            yield from self.kernel.sleep(_POLL_NS)

    def _close_filter(self) -> Running[None]:
        try:
            yield from self.set_filter_steps(Filter.NONE)
        except OidError as error:
            self.kernel.world.trace("ndis", str(error))

    def must_wait(self) -> list[str]:
        """What the miniport has to give back before a protocol driver has unbound: its sends and requests."""
        raise NotImplementedError

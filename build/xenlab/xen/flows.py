# SPDX-License-Identifier: GPL-2.0-or-later
"""Random frames to put through a network, of every kind that a driver may take for another, and a ledger of them.

Frames are complete and right. Each has a number of its own in it, so that no two are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from xenlab.xen import packets
from xenlab.xen.packets import ARP, ETHERNET, FRAGMENT, ICMP, ICMP6, IPV4, IPV6, TCP, UDP
from xenlab.xen.ports import World

_EXPERIMENTAL = 0x88B5
_MORE_4 = 0x2000
_LARGEST_LARGE = 60_000
_EDGES = (0, 1, 2, 3)
COMMON_MIX = {
    "tcp4": 20, "tcp6": 10, "udp4": 14, "udp6": 8, "large4": 5, "large6": 3, "options4": 6, "extension6": 6, "icmp4": 5,
    "icmp6": 4, "fragments4": 4, "fragments6": 3, "unsummed": 3, "arp": 2, "other": 3, "tagged": 6,
}  # fmt: skip


@dataclass(frozen=True)
class Load:
    """One frame to send.

    Attributes:
        flow: frames of one flow may not overtake each other.
        mss: the frame is a large packet to be cut, 0: it is a single frame.
    """

    frame: bytes
    flow: str
    mss: int = 0

    @property
    def summed(self) -> bool:
        """Whether somebody else may make its TCP or UDP checksum."""
        headers = packets.parse(self.frame)
        return headers.summed and self.frame[headers.checksum : headers.checksum + 2] != b"\0\0"

    def pieces(self) -> list[bytes]:
        """The frames that arrive."""
        return packets.segments(self.frame, self.mss) if self.mss else [self.frame]


@dataclass
class Generator:
    """Makes random frames from one station to another.

    Attributes:
        mix: kinds with their weights (:data:`COMMON_MIX`).
        large: the longest data of a large packet.
    """

    random: Random
    source: bytes
    destination: bytes
    mtu: int = 1500
    mix: Mapping[str, int] = field(default_factory=lambda: COMMON_MIX)
    large: int = _LARGEST_LARGE
    number: int = 0

    def next(self, kind: str = "") -> list[Load]:
        """Return one more: a single frame, or all fragments of a packet."""
        chosen = kind or self.random.choices(list(self.mix), list(self.mix.values()))[0]
        self.number += 1
        makers: dict[str, Callable[[], list[Load]]] = {
            "tcp4": lambda: [self._tcp(4)], "tcp6": lambda: [self._tcp(6)],
            "udp4": lambda: [self._udp(4)], "udp6": lambda: [self._udp(6)],
            "large4": lambda: [self._large(4)], "large6": lambda: [self._large(6)],
            "options4": lambda: [self._options()], "extension6": lambda: [self._extension()],
            "icmp4": lambda: [self._echo(4)], "icmp6": lambda: [self._echo(6)],
            "fragments4": lambda: self._fragments(4), "fragments6": lambda: self._fragments(6),
            "unsummed": lambda: [self._unsummed()], "arp": lambda: [self._arp()], "other": lambda: [self._other()],
            "tagged": self._tagged,
        }  # fmt: skip
        return makers[chosen]()

    def _addresses(self, version: int) -> tuple[bytes, bytes]:
        pair = self.source[-2:], self.destination[-2:]
        if version == 4:
            return b"\x0a\0" + pair[0], b"\x0a\0" + pair[1]
        return tuple(bytes.fromhex("fd00000000000000000000000000") + each for each in pair)  # type: ignore[return-value]

    def _frame(self, kind: int, payload: bytes) -> bytes:
        return packets.ethernet(self.destination, self.source, kind, payload)

    def _ip(self, version: int, protocol: int, body: bytes, options: bytes = b"", last: int = 0) -> bytes:
        """Make a frame; `options` are IPv4's, or IPv6's extension headers, of which the first is of kind `last`."""
        source, destination = self._addresses(version)
        if version == 4:
            ident = self.number & 0xFFFF
            return self._frame(
                IPV4, packets.ipv4(source, destination, protocol, body, identification=ident, options=options)
            )
        return self._frame(IPV6, packets.ipv6(source, destination, last if options else protocol, options + body))

    def _data(self, room: int) -> bytes:
        """Random data with the number in front, as long as chance has it: small, odd, or all there is room for."""
        random = self.random
        size = random.choice(
            (random.choice(_EDGES), room - random.choice(_EDGES), random.randint(0, room), random.randint(0, room // 8))
        )
        return self._bytes(min(room, size))

    def _bytes(self, size: int) -> bytes:
        return self.number.to_bytes(4, "big") + self.random.randbytes(max(0, size - 4))

    def _tcp_header(self, data: bytes, flags: int = 0x18) -> bytes:
        """The number acknowledged makes even a segment without data one of its kind."""
        port = self.random.randrange(4)
        return packets.tcp(5000 + port, 80, self.random.getrandbits(32), self.number, data, flags)

    def _tcp(self, version: int) -> Load:
        head = 40 if version == 4 else 60
        data = self._data(self.mtu - head)[: self.mtu - head]
        body = self._tcp_header(data if self.random.random() < 0.9 else b"")
        return Load(packets.completed(self._ip(version, TCP, body)), f"tcp{version}:{body[1]}")

    def _large(self, version: int) -> Load:
        """One that is to be cut; its segments must be right whatever their flags."""
        random = self.random
        most = self.mtu - (40 if version == 4 else 60)
        mss = random.choice((most, most, most - 12, 536))
        longest = max(2 * mss, self.large)
        size = random.choice((mss + 1, 2 * mss, random.randint(mss + 1, longest), longest, 3 * mss - 1))
        body = self._tcp_header(self._bytes(size), random.choice((0x18, 0x19, 0x10, 0x98)))
        return Load(packets.completed(self._ip(version, TCP, body)), f"tcp{version}:{body[1]}", mss)

    def _udp(self, version: int) -> Load:
        head = 28 if version == 4 else 48
        port = self.random.randrange(4)
        body = packets.udp(6000 + port, 53, self._data(self.mtu - head - 4)[: self.mtu - head])
        return Load(packets.completed(self._ip(version, UDP, body)), f"udp{version}:{port}")

    def _unsummed(self) -> Load:
        """UDP over IPv4 may go without a checksum, and has to arrive so."""
        return Load(self._ip(4, UDP, packets.udp(6009, 53, self._data(self.mtu - 32))), "unsummed")

    def _options(self) -> Load:
        options = b"\x01" * (4 * self.random.randint(1, 10))
        data = self._data(self.mtu - 100)
        tcp = self.random.random() < 0.5
        body = self._tcp_header(data) if tcp else packets.udp(6010, 53, data)
        return Load(packets.completed(self._ip(4, TCP if tcp else UDP, body, options)), "options4")

    def _extension(self) -> Load:
        """Hop-by-hop and destination options before TCP or UDP."""
        data = self._data(self.mtu - 160)
        tcp = self.random.random() < 0.5
        protocol = TCP if tcp else UDP
        body = self._tcp_header(data) if tcp else packets.udp(6011, 53, data)
        inner = packets.extension(protocol, bytes((1, 2, 0, 0)))
        first, headers = 60, inner
        if self.random.random() < 0.5:
            first, headers = 0, packets.extension(60) + inner
        return Load(packets.completed(self._ip(6, protocol, body, headers, first)), "extension6")

    def _echo(self, version: int) -> Load:
        head = 28 if version == 4 else 48
        data = self._data(self.mtu - head - 4)
        body = packets.echo(8 if version == 4 else 128, 7, self.number & 0xFFFF, data)
        frame = self._ip(version, ICMP if version == 4 else ICMP6, body)
        return Load(packets.completed(frame), f"icmp{version}")

    def _fragments(self, version: int) -> list[Load]:
        """A UDP datagram in pieces, whose checksum, in the first of them, is that of the whole."""
        source, destination = self._addresses(version)
        head = 28 if version == 4 else 56
        step = (self.mtu - head) // 8 * 8
        size = self.random.randint(step + 1, 4 * step)
        port = 6012
        plain = packets.udp(port, 53, self._bytes(size - 8))
        make = packets.ipv4 if version == 4 else packets.ipv6
        whole = packets.completed(self._frame(IPV4 if version == 4 else IPV6, make(source, destination, UDP, plain)))
        body = whole[ETHERNET + (20 if version == 4 else 40) :][: len(plain)]
        loads = []
        for at in range(0, len(body), step):
            piece, more = body[at : at + step], at + step < len(body)
            if version == 4:
                flags = at // 8 | (_MORE_4 if more else 0)
                ident = self.number & 0xFFFF
                packet = packets.ipv4(source, destination, UDP, piece, identification=ident, fragment=flags)
            else:
                header = bytes((UDP, 0)) + (at | more).to_bytes(2, "big") + self.number.to_bytes(4, "big")
                packet = packets.ipv6(source, destination, FRAGMENT, header + piece)
            loads.append(Load(self._frame(IPV4 if version == 4 else IPV6, packet), f"fragments{version}"))
        return loads

    def _arp(self) -> Load:
        """A request to everybody: the sender's own address carries the number."""
        fields = (
            bytes.fromhex("0001080006040001") + self.source + self.number.to_bytes(4, "big") + bytes(6) + b"\x0a\0\0\1"
        )
        return Load(packets.ethernet(b"\xff" * 6, self.source, ARP, fields), "arp")

    def _other(self) -> Load:
        return Load(self._frame(_EXPERIMENTAL, self._data(self.mtu - 4)), "other")

    def _tagged(self) -> list[Load]:
        """Any of the others, in a VLAN."""
        kind = self.random.choice(("tcp4", "udp4", "tcp6", "udp6", "options4", "extension6", "icmp4", "other"))
        tag = self.random.choice((1, 5, 0x2064, 0xEFFE))
        inner = replace(self, mtu=self.mtu - 4, number=self.number - 1)
        return [replace(load, frame=tagged(load.frame, tag), flow=f"vlan {load.flow}") for load in inner.next(kind)]


def tagged(frame: bytes, tag: int) -> bytes:
    """Return the frame with a VLAN tag put in."""
    return frame[:12] + packets.VLAN.to_bytes(2, "big") + tag.to_bytes(2, "big") + frame[12:]


@dataclass(eq=False)
class _Entry:
    """A frame that must come; `taken` are the identifications of those segments of its packet that have."""

    flow: str
    order: int
    taken: set[int]


class Ledger:
    """What must arrive at one place: each frame once, unchanged, and within its flow in order.

    Segments of one packet may have any identification in IPv4, and each has another one (RFC 6864, 4.3): of fragments
    of two that have the same, somebody would make one packet.

    Attributes:
        arrived: how many frames have.
    """

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._expected: dict[bytes, _Entry] = {}
        self._done: set[int] = set()
        self._last: dict[str, int] = {}
        self._order = 0
        self.arrived = 0

    def expect(self, pieces: Sequence[bytes], flow: str) -> None:
        """Add frames that have been sent; several are segments, of which nothing tells the identification."""
        taken: set[int] = set()
        for piece in pieces:
            self._order += 1
            key = packets.without_identification(piece)[0] if len(pieces) > 1 else piece
            self._expected[key] = _Entry(flow, self._order, taken)

    def arrive(self, frame: bytes) -> None:
        """A frame has come.

        Raises:
            Violation: it was not sent, is not what was sent, came before, has overtaken another, or has the
                identification of another segment of its packet.
        """
        key, identification = (frame, None) if frame in self._expected else packets.without_identification(frame)
        entry = self._expected.pop(key, None)
        if entry is None:
            what = "comes twice" if {hash(frame), hash(key)} & self._done else "was not sent like that"
            wrong = "; ".join(packets.faults(frame))
            self._world.violation(f"A frame that reaches {self._name} {what}: {frame[:80].hex()}… {wrong}")
        if entry.order < self._last.get(entry.flow, 0):
            self._world.violation(f"A frame of the flow {entry.flow} to {self._name} has overtaken another.")
        if identification is not None:
            if identification in entry.taken:
                self._world.violation(
                    f"Two segments of one packet that reach {self._name} have the identification {identification:#06x}."
                )
            entry.taken.add(identification)
        self._last[entry.flow] = entry.order
        self._done.add(hash(key))
        self.arrived += 1

    @property
    def missing(self) -> int:
        """How many frames have not come."""
        return len(self._expected)

    def forget(self) -> int:
        """Give up on those that have not come: they are lost; returns how many."""
        lost = self.missing
        self._expected.clear()
        return lost

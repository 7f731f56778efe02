# SPDX-License-Identifier: GPL-2.0-or-later
"""The network behind the back ends: an Ethernet switch, and a host on it that the scenarios speak for.

A packet crosses it as Linux's bridge would have it: with its checksum still blank, or still in one large piece, if
that is how it came; whoever cannot take it so is given it completed and cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from xenlab.xen import packets
from xenlab.xen.pcap import Capture
from xenlab.xen.ports import World

_CROSSING_NS = (1_000, 30_000)
_GROUP = 1


@dataclass(frozen=True)
class Packet:
    """A frame on its way.

    Attributes:
        blank: the checksum of TCP or UDP is the sum over the pseudo-header, to be completed before the wire.
        mss: bytes of data in each segment that it is to be cut into before the wire, 0: it is a single one.
        validated: whoever it comes from has found its checksum right.
    """

    frame: bytes
    blank: bool = False
    mss: int = 0
    validated: bool = False

    def cut(self) -> list[Packet]:
        """The packets that it is without large pieces."""
        if not self.mss:
            return [self]
        return [Packet(each, validated=True) for each in packets.segments(self.frame, self.mss)]

    def completed(self) -> Packet:
        """The packet with its checksum made."""
        return replace(self, frame=packets.completed(self.frame), blank=False) if self.blank else self

    def wire(self) -> list[bytes]:
        """The frames that a network cable would carry."""
        return [each.completed().frame for each in self.cut()]


class SwitchPort:
    """One connector; `deliver` is called with what comes out of it, in order."""

    def __init__(self, switch: Switch, name: str, deliver: Callable[[Packet], None]) -> None:
        self._switch = switch
        self.name = name
        self.deliver = deliver
        self.free_at = 0

    def send(self, packet: Packet) -> None:
        """Put a packet in."""
        self._switch.forward(self, packet)


class Switch:
    """A switch that learns where addresses are, and floods where it does not know.

    Attributes:
        capture: gets every frame that crosses, as a cable would carry it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._ports: list[SwitchPort] = []
        self._known: dict[bytes, SwitchPort] = {}
        self.capture: Capture | None = None

    def connect(self, name: str, deliver: Callable[[Packet], None]) -> SwitchPort:
        port = SwitchPort(self, name, deliver)
        self._ports.append(port)
        return port

    def disconnect(self, port: SwitchPort) -> None:
        self._ports = [each for each in self._ports if each is not port]
        self._known = {address: each for address, each in self._known.items() if each is not port}

    def forward(self, source: SwitchPort, packet: Packet) -> None:
        destination, sender = packet.frame[:6], packet.frame[6:12]
        if self.capture is not None:
            for frame in packet.wire():
                self.capture.add(self._world.now, frame)
        if not sender[0] & _GROUP:
            self._known[sender] = source
        known = None if destination[0] & _GROUP else self._known.get(destination)
        for port in [known] if known else list(self._ports):
            if port is not source:
                self._carry(port, packet)

    def _carry(self, port: SwitchPort, packet: Packet) -> None:
        """Deliver it a little later, and never before what went to this port earlier."""
        world = self._world
        port.free_at = max(port.free_at, world.now + world.random.randint(*_CROSSING_NS))

        def arrive() -> None:
            if port in self._ports:
                port.deliver(packet)

        world.at(port.free_at - world.now, arrive, f"a packet reaches {port.name}")


class Host:
    """The rest of the world: one more machine on the switch.

    Attributes:
        received: what has come, oldest first; with `on_packet` set that is called instead.
    """

    def __init__(self, switch: Switch, mac: bytes, name: str = "the world") -> None:
        self.mac = mac
        self.received: deque[Packet] = deque()
        self.on_packet: Callable[[Packet], None] | None = None
        self._switch = switch
        self._port = switch.connect(name, self._take)

    def send(self, packet: Packet) -> None:
        self._port.send(packet)

    def leave(self) -> None:
        """Pull its plug."""
        self._switch.disconnect(self._port)

    def _take(self, packet: Packet) -> None:
        if self.on_packet:
            self.on_packet(packet)
        else:
            self.received.append(packet)

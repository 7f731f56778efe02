# SPDX-License-Identifier: GPL-2.0-or-later
"""Random traffic between a protocol driver and a host on the network, each frame held against what was sent.

What the protocol sends goes out with as much left to the miniport as was negotiated, or less, as chance has it; what
comes from the network is as another machine of the same host sends it, with checksums blank and packets large. Nothing
may be wrong, come twice or overtake; what is lost is counted, and ends the run unless it is allowed. A checksum that a
miniport vouches for must be right all the same: Windows may send the frame on, by a bridge or as a router.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gplpv.errors import GplpvError
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.nic import Checksums, Nic, Outgoing, Received, Transmission
from xenlab.xen import packets
from xenlab.xen.flows import COMMON_MIX, Generator, Ledger, Load, tagged
from xenlab.xen.packets import TCP, UDP, BadFrame
from xenlab.xen.switch import Host, Packet

_PATIENCE_NS = 600 * 10**9
_PAUSE_NS = (20_000, 400_000)
_QUIET_NS, _STUCK_NS = 200_000_000, 20 * 10**9
_LONGEST_CALL = 4
_ON_THE_WAY = 120
_KINDS = {(4, TCP): Checksums.TCP4, (4, UDP): Checksums.UDP4, (6, TCP): Checksums.TCP6, (6, UDP): Checksums.UDP6}


def kind_of(frame: bytes) -> Checksums:
    """Which checksum above IP a frame has."""
    try:
        headers = packets.parse(frame)
    except BadFrame:
        return Checksums.NONE
    return _KINDS[headers.version, headers.protocol] if headers.summed else Checksums.NONE


@dataclass
class Traffic:
    """Frames each way, so many, with so many of those to be sent under way.

    Attributes:
        outgoing, incoming: how many are still to begin.
        offload: how likely the protocol leaves to the miniport what it may.
        blank: how likely the network leaves a checksum blank.
        corrupt: how likely a frame that comes has a wrong checksum: nobody may vouch for that.
        lossy: frames may be lost, and sends fail.
        blind: nothing that arrives is looked at: the back end lies.
        sent, failed, lost: frames that were handed over, that failed, that did not come.
    """

    nic: Nic
    host: Host
    outgoing: int = 0
    incoming: int = 0
    depth: int = 8
    mix: Mapping[str, int] = field(default_factory=lambda: COMMON_MIX)
    mtu: int = 1500
    large: int = 60_000
    offload: float = 0.7
    blank: float = 0.5
    corrupt: float = 0.0
    lossy: bool = False
    blind: bool = False
    sent: int = 0
    failed: int = 0
    lost: int = 0
    under_way: list[Transmission] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._kernel = self.nic.kernel
        self._world = self._kernel.world
        mac, there = self.nic.mac, self.host.mac
        self._out = Generator(self._world.random, mac, there, self.mtu, self.mix, self.large)
        self._in = Generator(self._world.random, there, mac, self.mtu, self.mix, self.large)
        self.to_world = Ledger(self._world, "the network")
        self.to_windows = Ledger(self._world, "Windows")
        self._wrong: set[bytes] = set()
        self._calls = 0
        self._last = 0

    def run(self, limit_ns: int = _PATIENCE_NS) -> None:
        """Carry all out and let the guest run meanwhile.

        Raises:
            Violation: a frame is wrong, comes twice, overtakes another, fails or does not come.
        """
        self.begin()
        self.wait(limit_ns)

    def wait(self, limit_ns: int = _PATIENCE_NS) -> None:
        """Let the guest run until all has come, or nothing passes any more."""
        self._kernel.run(until=lambda: self.finished, limit_ns=limit_ns)
        self.end()

    def begin(self) -> None:
        self.host.on_packet = self._at_host
        self.nic.on_receive = self._at_windows
        self._last = self._world.now
        self._world.at(0, self._tick, "traffic")

    def end(self) -> None:
        """Take stock.

        Raises:
            Violation: sends have not ended, or frames have not come.
        """
        if self.outgoing or self.incoming or self.under_way:
            self._world.violation(
                f"Nothing has passed for {_STUCK_NS / 10**9:g} s of virtual time: {len(self.under_way)} sends have not"
                f" ended, and {self.to_windows.missing} frames have not reached Windows."
            )
        self.lost += self.to_world.missing + self.to_windows.missing
        if self.lost and not self.lossy:
            self._world.violation(
                f"Of {self.sent} frames {self.to_world.missing} have not reached the network, and"
                f" {self.to_windows.missing} have not reached Windows."
            )
        self.to_world.forget()
        self.to_windows.forget()

    @property
    def finished(self) -> bool:
        idle_ns = self._world.now - self._last
        if self.outgoing or self.incoming or self.under_way:
            return idle_ns > _STUCK_NS
        return idle_ns > _QUIET_NS or not (self.to_world.missing or self.to_windows.missing or self._wrong)

    def _tick(self) -> None:
        """Send something each way, and come again."""
        random = self._world.random
        if self.outgoing and len(self.under_way) < self.depth:
            self._send(min(self.outgoing, self.depth - len(self.under_way), random.randint(1, _LONGEST_CALL)))
        if self.incoming and (self.to_windows.missing < _ON_THE_WAY or self.lossy):
            self._come(min(self.incoming, random.randint(1, _LONGEST_CALL)))
        if not self.finished:
            self._world.at(random.randint(*_PAUSE_NS), self._tick, "traffic")

    # From Windows to the network

    def _send(self, count: int) -> None:
        frames: list[Outgoing] = []
        self.outgoing -= count
        self._calls += 1
        for _ in range(count):
            for load in self._out.next():
                chosen = self._choose(load)
                for each in chosen:
                    pieces = load.pieces() if each.mss else [each.frame if each.vlan is None else load.frame]
                    self.to_world.expect(pieces, f"{self._calls} {load.flow}")
                frames += chosen
        self.sent += len(frames)
        for sent in self.nic.send_many(frames):
            self.under_way.append(sent)
            sent.completed.append(lambda sent=sent: self._completed(sent))  # type: ignore[misc]
            if sent.done:
                self._completed(sent)

    def _completed(self, sent: Transmission) -> None:
        self.under_way.remove(sent)
        self._last = self._world.now
        if sent.status != NdisStatus.SUCCESS:
            self.failed += 1
            if not self.lossy:
                self._world.violation(f"A send of {len(sent.frame)} bytes fails with {sent.status:#010x}.")

    def _choose(self, load: Load) -> Sequence[Outgoing]:
        """Leave to the miniport what it can do and chance says."""
        random = self._world.random
        if random.random() < self.offload:
            for candidate in self._candidates(load):
                try:
                    self.nic.check_capable(candidate)
                except GplpvError:
                    continue
                return [candidate]
        return [Outgoing(each) for each in load.pieces()]

    def _candidates(self, load: Load) -> list[Outgoing]:
        frame, vlan = load.frame, None
        if packets.parse(frame).tags and self._world.random.random() < 0.5:
            frame, vlan = frame[:12] + frame[16:], int.from_bytes(frame[14:16], "big")
            frame = frame if len(frame) >= packets.LEAST_FRAME else frame.ljust(packets.LEAST_FRAME, b"\0")
        if load.mss:
            return [Outgoing(frame, mss=load.mss)]
        wanted = kind_of(frame) if load.summed else Checksums.NONE
        ip = Checksums.IPV4 if packets.parse(frame).version == 4 else Checksums.NONE
        return [
            Outgoing(frame, checksums=each & self.nic.offload.tx, vlan=vlan) for each in (wanted | ip, wanted, ip)
            if each & self.nic.offload.tx or vlan is not None
        ]  # fmt: skip

    def _at_host(self, packet: Packet) -> None:
        if self.blind or packet.frame[6:12] != self.nic.mac:
            return
        self._last = self._world.now
        for frame in packet.wire():
            self.to_world.arrive(frame)

    # From the network to Windows

    def _come(self, count: int) -> None:
        random = self._world.random
        self.incoming -= count
        for _ in range(count):
            for load in self._in.next():
                self.sent += 1
                if not load.mss and load.summed and random.random() < self.corrupt:
                    self._send_wrong(load)
                    continue
                self.to_windows.expect(load.pieces(), load.flow)
                blank = load.mss or (load.summed and random.random() < self.blank)
                frame = packets.blanked(load.frame) if blank else load.frame
                self.host.send(Packet(frame, bool(blank), load.mss, random.random() < self.blank))

    def _send_wrong(self, load: Load) -> None:
        at = packets.parse(load.frame).checksum
        frame = load.frame[:at] + bytes([load.frame[at] ^ 0x10]) + load.frame[at + 1 :]
        self._wrong.add(frame)
        self.host.send(Packet(frame))

    def _at_windows(self, received: Received) -> None:
        if self.blind:
            return
        frame = received.frame if received.vlan is None else tagged(received.frame, received.vlan)
        if frame[6:12] != self.host.mac:
            return
        self._last = self._world.now
        kind = kind_of(frame)
        if frame in self._wrong:
            self._wrong.discard(frame)
            if kind & received.good:
                self._world.violation(f"The miniport vouches for a wrong checksum of {kind!r}.")
            return
        if received.bad:
            self._world.violation(f"The miniport says that right checksums are wrong: {received.bad!r}.")
        self.to_windows.arrive(frame)

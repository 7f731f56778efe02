# SPDX-License-Identifier: GPL-2.0-or-later
"""How frames flow: with interrupts moderated, in one piece, in very many, and not at all."""

from __future__ import annotations

from collections.abc import Sequence

from xenlab.ndis.codes import Oid
from xenlab.ndis.nic import Received
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.net import WORLD, Net, begin
from xenlab.scenarios.net_life import lab_query
from xenlab.xen import packets
from xenlab.xen.netrules import HONEST, Hostility
from xenlab.xen.ports import PAGE
from xenlab.xen.switch import Packet

_TEST_TYPE = 0x88B5  # IEEE 802: for local experiments
_TICK_NS = 15_625_000
_SPACING_NS = 50_000
_SPARSE_NS = 5_000_000
_TURNS = 800
_D0, _D3 = 1, 4
_MODERATION = bytes((0x80, 1, 12, 0)) + bytes(4)  # NDIS_INTERRUPT_MODERATION_PARAMETERS: header, flags
_ENABLED, _DISABLED = (number.to_bytes(4, "little") for number in (2, 3))


def _frame(destination: bytes, source: bytes) -> bytes:
    return packets.ethernet(destination, source, _TEST_TYPE, bytes(100))


class Stream:
    """Frames from the network to Windows, one each so often, as a wire would carry them.

    Attributes:
        delays_ns: how long after it was sent each frame has reached the protocol driver.
        interrupts: how many there were until each came.
    """

    def __init__(self, made: Net, count: int, spacing_ns: int) -> None:
        self._made, self._left, self._spacing = made, count, spacing_ns
        self._world = made.lab.world
        self._sent: list[int] = []
        self.delays_ns: list[int] = []
        self.interrupts: list[int] = []
        made.nic.on_receive = self._come

    def run(self) -> None:
        self._send()
        self._made.lab.wait(lambda: not self._left and len(self.delays_ns) == len(self._sent), "a stream of frames")

    def _send(self) -> None:
        if self._left:
            self._left -= 1
            self._sent.append(self._world.now)
            self._made.host.send(Packet(_frame(self._made.nic.mac, self._made.host.mac)))
            self._world.at(self._spacing, self._send, "the next frame of a stream")

    def _come(self, _: Received) -> None:
        self.delays_ns.append(self._world.now - self._sent[len(self.delays_ns)])
        self.interrupts.append(self._made.lab.xen.hypervisor.evtchn.upcalls)


def interrupts_per_mille(made: Net, spacing_ns: int, warm_up: int, count: int) -> tuple[int, Sequence[int]]:
    """Interrupts for 1000 frames of a stream once it flows, and how late each frame came, in ns."""
    stream = Stream(made, warm_up + count, spacing_ns)
    stream.run()
    return (stream.interrupts[-1] - stream.interrupts[warm_up - 1]) * 1000 // count, stream.delays_ns


def turns_ns(made: Net, turns: int) -> int:
    """How long it takes when each frame to the network is answered with one, which the next waits for."""
    lab, left = made.lab, [turns]
    start = lab.world.now

    def go(_: object = None) -> None:
        if left[0]:
            left[0] -= 1
            made.nic.send(_frame(made.host.mac, made.nic.mac))
        else:
            left[0] = -1

    made.nic.on_receive = go
    made.host.on_packet = lambda _: made.host.send(Packet(_frame(made.nic.mac, made.host.mac)))
    go()
    lab.wait(lambda: left[0] < 0, "frames and answers by turns", 600)
    return lab.world.now - start


@scenario("net-stream", "interrupts are moderated: far fewer for a stream, no frame late by more than a tick")
def net_stream(new: NewLab) -> None:
    made = begin(new())
    lab = made.lab
    plain, _ = interrupts_per_mille(made, _SPACING_NS, 400, 400)
    alone = turns_ns(made, _TURNS // 2) * 2
    lab.expect(plain > 900, f"a stream has an interrupt a frame to begin with, not {plain} for 1000")
    made.set_properties({"*InterruptModeration": "1"})
    fewer, delays = interrupts_per_mille(made, _SPACING_NS, 400, 400)
    lab.expect(fewer <= 200, f"1000 frames of a moderated stream have at most 200 interrupts, not {fewer}")
    lab.expect(max(delays) <= 2 * _TICK_NS, f"no frame is later than two ticks, {2 * _TICK_NS} ns, not {max(delays)}")
    lab.run(0.1)
    sparse, delays = interrupts_per_mille(made, _SPARSE_NS, 8, 16)
    lab.expect(sparse == 1000, f"sparse frames have an interrupt each, not {sparse} for 1000")
    lab.expect(max(delays) < 1_000_000, f"and come at once, not {max(delays)} ns late")
    first, together = turns_ns(made, _TURNS), turns_ns(made, _TURNS)
    lab.expect(first <= 2 * alone, f"who waits for answers is not twice as slow: {first} ns for {alone}")
    lab.expect(2 * together <= 3 * alone, f"and hardly slower after a while: {together} ns for {alone}")
    _switch_off_by_request(made, fewer)
    made.traffic(40, 40).run()
    made.finish()
    new.figures.update({
        "interrupts for 1000 frames": plain, "moderated": fewer, "ns a turn": alone // _TURNS,
        "ns a turn, moderated, at first": first // _TURNS, "later": together // _TURNS,
    })  # fmt: skip


def _switch_off_by_request(made: Net, moderated: int) -> None:
    """NDIS 6 also has a request for it."""
    lab, nic = made.lab, made.nic
    if lab.nt < (6, 0):
        return
    lab.expect(nic.query(Oid.GEN_INTERRUPT_MODERATION, 12)[8:] == _ENABLED, "a query says that it is on")
    nic.set(Oid.GEN_INTERRUPT_MODERATION, _MODERATION + _DISABLED)
    lab.expect(nic.query(Oid.GEN_INTERRUPT_MODERATION, 12)[8:] == _DISABLED, "a query says that it is off")
    again, _ = interrupts_per_mille(made, _SPACING_NS, 400, 200)
    lab.expect(again > 900 > moderated, f"and it is off: {again} interrupts for 1000 frames")


@scenario(
    "net-one-piece", "scatter-gather is switched off: every frame goes and comes in one piece, whatever MTU is set"
)
def net_one_piece(new: NewLab) -> None:
    made = begin(new(), mtu=9000)
    lab = made.lab
    made.set_properties({"*JumboPacket": str(9000 + packets.ETHERNET)})
    lab.expect(made.nic.mtu == 9000, f"the MTU is the one set, not {made.nic.mtu}")
    before = lab.world.now
    made.set_properties({"ScatterGather": "0"})
    lab.expect(lab.world.now - before < 10**9, "the interface is there again within a second")
    lab.expect(not made.vif.backend.accepted.sg, "the back end is told to send no frame in pieces")
    lab.expect(made.nic.mtu <= PAGE - packets.ETHERNET, f"a frame is within a page, so {made.nic.mtu} is no MTU")
    made.traffic(40, 40).run()
    lab.settle()
    sent = made.vif.backend.statistics
    lab.expect(sent.tx_requests == sent.tx_packets, "each frame has been sent in one piece")
    made.finish()


@scenario(
    "net-small-segments",
    "a large packet of more segments than there are buffers comes whole; one of far too many is lost",
)
def net_small_segments(new: NewLab) -> None:
    made = begin(new())
    lab, nic = made.lab, made.nic
    for mss, comes in ((48, True), (100, True), (8, False), (1460, True)):
        frame = _large(nic.mac, 60_000)
        nic.received.clear()
        lost = lab_query(made, Oid.GEN_RCV_NO_BUFFER)
        made.host.send(Packet(packets.blanked(frame), True, mss, True))
        lab.run(0.5)
        came = [each.frame for each in nic.received]
        expected = packets.segments(frame, mss) if comes else []
        lab.expect(came == expected, f"there come {len(expected)} segments of {mss} bytes, not {len(came)}")
        lost = lab_query(made, Oid.GEN_RCV_NO_BUFFER) - lost
        lab.expect(lost == (not comes), f"{lost} packets are counted as lost")
    made.traffic(30, 30).run()
    made.finish()


def _large(destination: bytes, length: int) -> bytes:
    data = bytes(number * 7 & 0xFF for number in range(length))
    packet = packets.ipv4(b"\x0a\0\0\1", b"\x0a\0\0\2", packets.TCP, packets.tcp(5000, 80, 1, 1, data))
    return packets.completed(packets.ethernet(destination, WORLD, packets.IPV4, packet))


@scenario(
    "net-mute",
    "a back end answers nothing that is sent: the interface is disabled or sleeps all the same, and returns",
)
def net_mute(new: NewLab) -> None:
    made = begin(new())
    lab, back = made.lab, made.vif.backend
    back.strict = False
    back.hostility = Hostility(silence=1.0)
    sent = [made.nic.send(_large(WORLD, 1000)) for _ in range(5)]
    lab.run(0.1)
    made.disable()
    lab.expect(all(each.done for each in sent), "every send has ended when the adapter is disabled")
    back.hostility = HONEST
    made.enable()
    made.traffic(20, 20).run()
    back.hostility = Hostility(silence=1.0)
    sent = [made.nic.send(_large(WORLD, 1000)) for _ in range(5)]
    lab.run(0.1)
    lab.perform(made.nic.adapter.set_power(_D3), "the way to sleep")
    lab.expect(all(each.done for each in sent), "every send has ended when the adapter sleeps")
    back.hostility = HONEST
    lab.perform(made.nic.adapter.set_power(_D0), "the awakening")
    made.nic = lab.pv_nic(0)
    lab.wait(lambda: made.nic.link_up, "the link")
    made.traffic(20, 20).run()
    made.finish()

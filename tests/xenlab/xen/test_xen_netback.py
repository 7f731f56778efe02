# SPDX-License-Identifier: GPL-2.0-or-later
"""The network back end: connection, frames each way, features, hostile answers, and what a front end must not do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from xenlab.errors import Violation
from xenlab.xen import packets
from xenlab.xen.abi import GTF, NETIF_RSP, NETIF_RX_RESPONSE, NETRXF, NETTXF, XEN_NETIF_GSO_TYPE, XenbusState
from xenlab.xen.flows import Generator, Ledger, Load
from xenlab.xen.netring import RX_SLOTS, TX_SLOTS, Gso, pack_extra
from xenlab.xen.netrules import CLASSIC, FLIPPING, KINDS, OLDEST, ORDINARY, PLAIN, Features, Hostility, usual
from xenlab.xen.releases import RELEASES
from xenlab.xen.switch import Host, Packet

from .guest import Guest, StoreClient
from .netfront import ACCEPTS, NetFront, as_packet

WORLD = bytes.fromhex("021122330002")
SEEDS = pytest.mark.parametrize("seed", range(3))
BLANK = NETTXF.csum_blank | NETTXF.data_validated
PLAINLY = {"request-rx-copy": 1}


class Setup:
    """A guest with one interface, connected unless told not to, and a host on the same switch."""

    def __init__(self, features: Features = ORDINARY, seed: int = 1, connect: bool = True, **front: object) -> None:
        self.guest = Guest("x64", seed=seed)
        self.client: StoreClient = self.guest.start()
        self.vif = self.guest.tools.attach_nic(0, features)
        self.back = self.vif.backend
        self.host = Host(self.guest.tools.switch, WORLD)
        front.setdefault("split", features.split)
        self.front = NetFront(self.guest, self.client, 0, **front)  # type: ignore[arg-type]
        self.mac = self.vif.config.mac
        if connect:
            self.front.connect()

    def node(self, name: str) -> str:
        return self.client.read(f"{self.back.path}/{name}")

    def outgoing(self, mtu: int = 1500, large: int = 60_000) -> Generator:
        return Generator(self.guest.world.random, self.mac, WORLD, mtu, large=large)

    def incoming(self, mtu: int = 1500) -> Generator:
        return Generator(self.guest.world.random, WORLD, self.mac, mtu)

    def rest(self) -> None:
        self.guest.settle()
        self.back.audit()


def frame_of(setup: Setup, kind: str = "udp4") -> bytes:
    return setup.outgoing().next(kind)[0].frame


@SEEDS
def test_the_states_run_through_the_handshake(seed: int):
    setup = Setup(seed=seed, connect=False)
    assert setup.back.state is XenbusState.Initialising
    setup.guest.run_until(lambda: setup.back.state is XenbusState.InitWait)
    setup.front.connect()
    assert setup.back.state is XenbusState.Connected
    setup.front.close()
    assert setup.guest.xen.grants.outstanding() == []


def test_a_front_end_that_stops_at_initialised_is_never_connected():
    setup = Setup(connect=False)
    setup.client.write(f"{setup.front.path}/state", "3")
    setup.guest.settle()
    assert setup.back.state is XenbusState.InitWait


@pytest.mark.parametrize(
    ("features", "nodes"),
    [
        (
            ORDINARY,
            {"feature-sg": "1", "feature-gso-tcpv6": "1", "feature-rx-flip": "0", "multi-queue-max-queues": "4"},
        ),
        (CLASSIC, {"feature-sg": "1", "feature-gso-tcpv4": "1", "feature-rx-copy": "1", "feature-rx-flip": "1"}),
        (PLAIN, {"feature-sg": "0", "feature-no-csum-offload": "1"}),
        (Features(rate=(1000, 50)), {"rate": "1000,50", "mac": "00:16:3e:5a:01:00", "handle": "0"}),
    ],
)
def test_features_are_published_as_they_are(features: Features, nodes: dict[str, str]):
    setup = Setup(features, connect=False)
    setup.guest.run_until(lambda: setup.back.state is XenbusState.InitWait)
    assert {name: setup.node(name) for name in nodes} == nodes
    assert setup.node("hotplug-status") == "connected"


def test_an_old_back_end_has_no_new_nodes():
    setup = Setup(CLASSIC, connect=False)
    setup.guest.run_until(lambda: setup.back.state is XenbusState.InitWait)
    new = {
        "feature-gso-tcpv6",
        "feature-split-event-channels",
        "carrier",
        "feature-ctrl-ring",
        "multi-queue-max-queues",
    }
    assert not new & set(setup.client.directory(setup.back.path))


def test_each_release_has_the_back_end_of_its_time():
    assert [usual(RELEASES[name]) for name in ("3.1", "4.3", "4.19")] == [CLASSIC, KINDS["copying"], ORDINARY]


def submit(setup: Setup, load: Load) -> None:
    """Send a frame as a front end does that uses what is offered."""
    features = setup.back.features
    version = packets.parse(load.frame).version
    random = setup.guest.world.random
    blanks = version and load.summed and (not features.no_csum if version == 4 else features.csum6)
    if load.mss and blanks and (features.gso4 if version == 4 else features.gso6):
        setup.front.send(packets.blanked(load.frame), BLANK, mss=load.mss, pieces=(54,), offset=random.randint(0, 4000))
        return
    for frame in load.pieces():
        pieces = tuple(random.sample((14, 20, 17, 33), 2)) if features.sg and len(frame) > 100 else ()
        if blanks and random.random() < 0.6:
            setup.front.send(packets.blanked(frame), BLANK, pieces=pieces)
        else:
            setup.front.send(frame, pieces=pieces, offset=random.randint(0, 2000) if not pieces else 0)


@SEEDS
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_arrives_once_and_right(kind: str, seed: int):
    setup = Setup(KINDS[kind], seed)
    ledger = Ledger(setup.guest.world, "the world")
    maker = setup.outgoing()
    for _ in range(60):
        for load in maker.next():
            ledger.expect(load.pieces(), load.flow)
            submit(setup, load)
    setup.rest()
    for packet in setup.host.received:
        for frame in packet.wire():
            ledger.arrive(frame)
    assert ledger.missing == 0
    assert set(setup.front.statuses) == {NETIF_RSP.OKAY}
    assert not setup.front.sent


@SEEDS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("accepts", [ACCEPTS, PLAINLY, {**ACCEPTS, "feature-no-csum-offload": 1}], ids=len)
def test_what_comes_is_delivered_as_the_front_end_takes_it(kind: str, accepts: dict[str, object], seed: int):
    setup = Setup(KINDS[kind], seed, nodes=dict(accepts))
    ledger = Ledger(setup.guest.world, "the guest")
    maker = setup.incoming()
    for _ in range(50):
        for load in maker.next():
            ledger.expect(load.pieces(), load.flow)
            if load.mss or (load.summed and setup.guest.world.random.random() < 0.5):
                setup.host.send(Packet(packets.blanked(load.frame), True, load.mss))
            else:
                setup.host.send(Packet(load.frame))
        setup.guest.settle()
    setup.rest()
    for came in setup.front.received:
        six = packets.parse(came.frame).version == 6
        taken = "feature-ipv6-csum-offload" in accepts if six else "feature-no-csum-offload" not in accepts
        assert taken or not came.flags & NETRXF.csum_blank
        for frame in as_packet(came).wire():
            ledger.arrive(frame)
    assert ledger.missing == 0
    large = {packets.parse(came.frame).version for came in setup.front.received if came.gso}
    assert large <= {version for version in (4, 6) if f"feature-gso-tcpv{version}" in accepts}
    assert 4 not in large or "feature-no-csum-offload" not in accepts


def test_a_large_packet_crosses_whole_between_two_that_take_it():
    setup = Setup()
    load = setup.outgoing().next("large4")[0]
    setup.front.send(packets.blanked(load.frame), BLANK, mss=load.mss)
    setup.rest()
    assert list(setup.host.received) == [Packet(packets.blanked(load.frame), True, load.mss, True)]


def test_responses_come_in_another_order():
    setup = Setup()
    order: list[int] = []
    take = setup.front._take_tx
    setup.front._take_tx = lambda found: (order.append(found["id"]), take(found))[1]  # type: ignore[method-assign]
    for _ in range(100):
        setup.front.send(frame_of(setup))
    setup.rest()
    assert order != sorted(order, reverse=True)
    assert len(setup.front.statuses) == 100


def test_a_rate_holds_frames_back():
    setup = Setup(Features(rate=(3000, 1000)))
    began = setup.guest.world.now
    for _ in range(20):
        setup.front.send(packets.ethernet(WORLD, setup.mac, 0x88B5, bytes(1400)))
    setup.rest()
    assert len(setup.host.received) == 20
    assert setup.guest.world.now - began > 9_000_000


def test_frames_wait_for_buffers_and_are_lost_without_the_promise_to_notify():
    for nodes, arrive in ((ACCEPTS, 20), ({**ACCEPTS, "feature-rx-notify": 0}, 8)):
        setup = Setup(nodes=dict(nodes), buffers=8)
        setup.front.reposts = False
        for _ in range(20):
            setup.host.send(Packet(packets.ethernet(setup.mac, WORLD, 0x88B5, b"x")))
        setup.guest.world.advance(10**9)
        setup.guest.deliver()
        for _ in range(40):
            setup.front.post()
        setup.front.push_rx()
        setup.rest()
        assert len(setup.front.received) == arrive
        assert setup.back.statistics.rx_dropped["no buffers"] == 20 - arrive


def test_group_addresses_are_filtered_as_asked():
    setup = Setup(nodes={**ACCEPTS, "request-multicast-control": 1})
    wanted, other = bytes.fromhex("01005e000001"), bytes.fromhex("01005e000002")
    setup.front.change_filter(wanted)
    setup.front.change_filter(other)
    setup.front.change_filter(other, add=False)
    setup.rest()
    for address in (wanted, other, b"\xff" * 6, setup.mac):
        setup.host.send(Packet(packets.ethernet(address, WORLD, 0x88B5, b"")))
    setup.rest()
    assert [came.frame[:6] for came in setup.front.received] == [wanted, b"\xff" * 6, setup.mac]
    assert setup.back.statistics.rx_dropped["filtered"] == 1


def test_the_filter_is_sampled_again_where_that_was_offered():
    setup = Setup()
    setup.client.write(f"{setup.front.path}/request-multicast-control", "1")
    setup.guest.settle()
    setup.host.send(Packet(packets.ethernet(bytes.fromhex("01005e000001"), WORLD, 0x88B5, b"")))
    setup.rest()
    assert setup.front.received == []


def test_a_cable_that_is_out_carries_nothing():
    setup = Setup()
    setup.vif.set_link(False)
    assert setup.node("carrier") == "0"
    setup.host.send(Packet(frame_of(setup)))
    setup.front.send(frame_of(setup))
    setup.rest()
    assert not setup.host.received and not setup.front.received
    setup.vif.set_link(True)
    assert setup.node("carrier") == "1"
    setup.front.send(frame_of(setup))
    setup.rest()
    assert len(setup.host.received) == 1


def test_queues_share_the_work():
    setup = Setup(connect=False)
    guest, client = setup.guest, setup.client
    fronts = [setup.front, NetFront(guest, client, 0)]
    guest.run_until(lambda: setup.back.state is XenbusState.InitWait)
    for number, front in enumerate(fronts):
        root = f"{front.path}/queue-{number}"
        port = guest.alloc_port()
        front.tx_port = front.rx_port = port
        guest.handlers[port] = front._both
        for name, value in {
            "tx-ring-ref": guest.grant(front.tx.gfn), "rx-ring-ref": guest.grant(front.rx.gfn), "event-channel": port,
        }.items():  # fmt: skip
            client.write(f"{root}/{name}", str(value))
        for _ in range(64):
            front.post()
        front.rx.push()
    for name, value in {**ACCEPTS, "multi-queue-num-queues": 2, "state": 4}.items():
        client.write(f"{setup.front.path}/{name}", str(value))
    guest.run_until(lambda: setup.back.state is XenbusState.Connected)
    maker = setup.incoming()
    for _ in range(60):
        for load in maker.next("udp4"):
            setup.host.send(Packet(load.frame))
    setup.rest()
    counts = [len(front.received) for front in fronts]
    assert sum(counts) == 60 and all(counts)


def test_a_detach_closes_and_removes_both_directories():
    setup = Setup()
    detach = setup.guest.tools.detach_nic(0)
    setup.guest.run_until(lambda: setup.client.read(f"{setup.back.path}/state") == "5")
    setup.client.write(f"{setup.front.path}/state", "5")
    setup.client.write(f"{setup.front.path}/state", "6")
    setup.guest.run_until(lambda: detach.done)
    assert not setup.guest.store.dom0.exists(setup.front.path)
    assert setup.guest.tools.vifs == {}


def test_a_restored_domain_has_its_interface_with_the_back_end_of_the_new_host():
    setup = Setup()
    setup.vif.features = None
    setup.vif.set_link(False)
    setup.guest.tools.restore(RELEASES["4.1"])
    [vif] = setup.guest.tools.vifs.values()
    assert (vif.config, vif.backend.features, vif.link) == (setup.vif.config, CLASSIC, False)
    assert setup.guest.store.dom0.read(f"{vif.backend.front}/mac") == b"00:16:3e:5a:01:00"


# What a front end must not do: each of these is noticed by one rule alone.


def wrong_chain(
    first: dict[str, int], *others: dict[str, int], extras: tuple[bytes, ...] = ()
) -> Callable[[Setup], None]:
    """A frame whose requests say something wrong."""

    def send(setup: Setup) -> None:
        front = setup.front
        data = packets.ethernet(WORLD, setup.mac, 0x88B5, bytes(86))
        front.put_request(data, **{"flags": 0, "size": 100, **first})  # type: ignore[arg-type]
        for extra in extras:
            front.tx.put(extra)
        for other in others:
            front.put_request(data, **{"flags": 0, "size": 50, **other})  # type: ignore[arg-type]
        front.push_tx()

    return send


def one_id_twice(setup: Setup) -> None:
    frame = frame_of(setup)
    ident = setup.front.put_request(frame, 0, len(frame))
    setup.front.put_request(frame, 0, len(frame), id=ident)
    setup.front.push_tx()


def producer_runs_off(setup: Setup) -> None:
    setup.front.tx.set(0, TX_SLOTS + 1)
    setup.guest.send(setup.front.tx_port)


def rx_producer_runs_off(setup: Setup) -> None:
    setup.front.rx.set(0, RX_SLOTS + 1)
    setup.guest.send(setup.front.rx_port)


def silent(setup: Setup) -> None:
    setup.guest.settle()
    setup.front.notifies = False
    setup.front.send(frame_of(setup))


def silent_buffers(setup: Setup) -> None:
    """It has promised to notify of receive buffers, and does not."""
    setup.front.reposts = False
    for _ in range(RX_SLOTS + 30):
        setup.host.send(Packet(packets.ethernet(setup.mac, WORLD, 0x88B5, b"")))
    setup.guest.settle_for(10**9)
    setup.front.notifies = False
    for _ in range(60):
        setup.front.post()
    setup.front.push_rx()
    setup.guest.settle_for(10**8)
    setup.back.audit()


def never_reposts(setup: Setup) -> None:
    setup.front.reposts = False
    for _ in range(RX_SLOTS - 5):
        setup.host.send(Packet(packets.ethernet(setup.mac, WORLD, 0x88B5, b"")))


def never_rearms(setup: Setup) -> None:
    setup.front.rearms = False
    setup.host.send(Packet(frame_of(setup)[:6] and packets.ethernet(setup.mac, WORLD, 0x88B5, b"")))


def one_buffer_twice(setup: Setup) -> None:
    """What becomes of a response that is consumed twice: its buffer is posted twice."""
    setup.front.reposts = False
    for _ in range(2):
        setup.host.send(Packet(packets.ethernet(setup.mac, WORLD, 0x88B5, b"")))
    setup.guest.settle()
    setup.front.post()
    setup.front.post(gref=setup.front.posted[(setup.front.rx.req_prod - 1) % RX_SLOTS][0])
    setup.front.push_rx()
    setup.host.send(Packet(packets.ethernet(setup.mac, WORLD, 0x88B5, b"")))


def one_buffer_id_twice(setup: Setup) -> None:
    setup.front.reposts = False
    for _ in range(2):
        setup.host.send(Packet(packets.ethernet(setup.mac, WORLD, 0x88B5, b"")))
    setup.guest.settle()
    setup.front.post()
    setup.front.post(id=(setup.front.rx.req_prod - 1) % RX_SLOTS)
    setup.front.push_rx()
    setup.host.send(Packet(packets.ethernet(setup.mac, WORLD, 0x88B5, b"")))


def sends_a_receive_buffer(setup: Setup) -> None:
    setup.front.put_request(b"", 0, 60, gref=setup.front.posted[9][0])
    setup.front.push_tx()


def revoked_while_sent(setup: Setup) -> None:
    frame = frame_of(setup)
    ident = setup.front.put_request(frame, 0, len(frame))
    setup.front.push_tx()
    setup.guest.run_until(lambda: bool(setup.back.queues[0].sender.jobs))
    setup.guest.revoke(setup.front.sent.pop(ident)[0])


def revoked_while_posted(setup: Setup) -> None:
    for ref, _ in setup.front.posted.values():
        setup.guest.revoke(ref)
    setup.host.send(Packet(packets.ethernet(setup.mac, WORLD, 0x88B5, b"")))


def changed_while_sent(setup: Setup) -> None:
    frame = frame_of(setup)
    ident = setup.front.put_request(frame, 0, len(frame))
    setup.front.push_tx()
    setup.guest.run_until(lambda: bool(setup.back.queues[0].sender.jobs))
    setup.guest.memory.write(setup.front.sent[ident][1] * 4096 + 20, b"!!")


def sends(
    change: Callable[[bytes], bytes], flags: int = 0, mss: int = 0, kind: str = "tcp4"
) -> Callable[[Setup], None]:
    """A frame with something wrong in its bytes."""

    def send(setup: Setup) -> None:
        setup.front.send(change(frame_of(setup, kind)), flags, mss=mss)

    return send


def spoil(at: int) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:at] + bytes([frame[at] ^ 0x55]) + frame[at + 1 :]


def blanked(frame: bytes) -> bytes:
    return packets.blanked(frame)


LARGE = Gso(1000, XEN_NETIF_GSO_TYPE.TCPV4)
WRONG: dict[str, tuple[Callable[[Setup], None], str]] = {
    "cut off": (wrong_chain({"flags": NETTXF.more_data}), "the rest of a frame is not on the ring"),
    "no extra": (wrong_chain({"flags": NETTXF.extra_info}), "an extra info that is announced is not"),
    "sizes": (wrong_chain({"flags": NETTXF.more_data}, {"size": 100}), "its later requests alone have 100 bytes"),
    "empty": (wrong_chain({"flags": NETTXF.more_data}, {"size": 0}), "a request has no bytes"),
    "beyond page": (wrong_chain({"offset": 4000}), "100 bytes from 4000 of its page on"),
    "too small": (wrong_chain({"size": 13}), "it has 13 bytes"),
    "unknown flag": (wrong_chain({"flags": 0x10}), "its flags are 0x10"),
    "flags behind": (wrong_chain({"flags": 4}, {"flags": NETTXF.csum_blank}), "other flags than"),
    "19 requests": (
        wrong_chain({"flags": 4, "size": 1000}, *[{"flags": 4}] * 17, {}), "19 requests; 18 are allowed",
    ),
    "unknown extra": (
        wrong_chain({"flags": NETTXF.extra_info}, extras=(b"\x04" + bytes(7),)), "an extra info is of type 4",
    ),
    "two extras": (
        wrong_chain({"flags": NETTXF.extra_info}, extras=(pack_extra(LARGE, more=True), pack_extra(LARGE))),
        "two of its extra infos",
    ),
    "gso of no size": (
        wrong_chain({"flags": 8}, extras=(pack_extra(Gso(0, XEN_NETIF_GSO_TYPE.TCPV4)),)), "pieces of 0 bytes",
    ),
    "gso of type 3": (wrong_chain({"flags": 8}, extras=(pack_extra(Gso(9, 3)),)), "type 3, which was not offered"),
    "gso with a sum": (wrong_chain({"flags": 8}, extras=(pack_extra(LARGE),)), "its checksum is not said to be blank"),
    "id twice": (one_id_twice, "is used again before its response"),
    "producer": (producer_runs_off, "req_prod says 257 new requests"),
    "receive producer": (rx_producer_runs_off, "req_prod says 257 receive buffers"),
    "no notification": (silent, "1 requests lie on the ring"),
    "no notification of buffers": (silent_buffers, "receive buffers are posted, req_event asked"),
    "starved": (never_reposts, "at rest the guest has 5 receive buffers posted"),
    "not armed": (never_rearms, "has not asked to be told of the next frame"),
    "buffer twice": (one_buffer_twice, "is posted as a receive buffer twice"),
    "buffer id twice": (one_buffer_id_twice, "is used again for a receive buffer"),
    "buffer sent": (sends_a_receive_buffer, "is a receive buffer's, too"),
    "revoked": (revoked_while_sent, "before it was answered: grant .* bad_gntref"),
    "buffer revoked": (revoked_while_posted, "receive buffer .* bad_gntref"),
    "changed": (changed_while_sent, "was changed before it was answered"),
    "ip checksum": (sends(spoil(24)), "IPv4's checksum is"),
    "tcp checksum": (sends(spoil(50)), "the checksum of protocol 6 is"),
    "no seed": (sends(lambda frame: frame, BLANK), "the blank checksum is"),
    "blank of nothing": (sends(lambda frame: frame, BLANK, kind="icmp4"), "is said to be blank, and it has none"),
    "trailing": (sends(lambda frame: frame + bytes(80), kind="udp4"), "80 bytes follow the IP packet"),
    "too long": (
        sends(lambda frame: frame[:14] + bytes(1501), kind="other"), "it has 1515 bytes, 1514 are allowed",
    ),
    "large pieces": (sends(blanked, BLANK, mss=1461, kind="tcp4"), "pieces of 1461 bytes, more than fit into 1500"),
    "large udp": (sends(blanked, BLANK, mss=500, kind="udp4"), "it is protocol 17 over IPv4"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_front_end_is_noticed(name: str):
    does, words = WRONG[name]
    setup = Setup()
    with pytest.raises(Violation, match=words):
        does(setup)
        setup.rest()


NOT_OFFERED: dict[str, tuple[Features, Callable[[Setup], None], str]] = {
    "sg": (PLAIN, lambda setup: setup.front.send(frame_of(setup), pieces=(20,)), "feature-sg was not offered"),
    "csum4": (PLAIN, sends(blanked, BLANK), "blank, which was not offered for IPv4"),
    "csum6": (CLASSIC, sends(blanked, BLANK, kind="tcp6"), "blank, which was not offered for IPv6"),
    "gso6": (CLASSIC, sends(blanked, BLANK, mss=500, kind="tcp6"), "type 2, which was not offered"),
    "multicast": (CLASSIC, lambda setup: setup.front.change_filter(b"\1" * 6), "feature-multicast-control was not"),
}


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_what_was_not_offered_may_not_be_used(name: str):
    features, does, words = NOT_OFFERED[name]
    setup = Setup(features, nodes=dict(PLAINLY))
    with pytest.raises(Violation, match=words):
        does(setup)
        setup.rest()


@pytest.mark.parametrize(
    ("features", "nodes", "split", "words"),
    [
        (ORDINARY, {"feature-sg": 1}, True, "request-rx-copy is not 1"),
        (FLIPPING, PLAINLY, False, "request-rx-copy is not 0"),
        (replace(FLIPPING, rx_flip=False), {}, False, "request-rx-copy is not 1"),
        (CLASSIC, PLAINLY, True, "event-channel-tx is there"),
        (ORDINARY, {**PLAINLY, "event-channel-tx": 9, "event-channel-rx": 9}, True, "event-channel-rx are both 9"),
        (CLASSIC, {**PLAINLY, "request-multicast-control": 1}, False, "request-multicast-control is there"),
        (ORDINARY, {**PLAINLY, "ctrl-ring-ref": 9}, True, "ctrl-ring-ref is there"),
        (CLASSIC, {**PLAINLY, "multi-queue-num-queues": 2}, False, "multi-queue-num-queues is 2"),
        (ORDINARY, {**PLAINLY, "multi-queue-num-queues": 0}, True, "multi-queue-num-queues is 0"),
        (ORDINARY, {**PLAINLY, "multi-queue-num-queues": 2}, True, "has not written what a connection needs"),
        (ORDINARY, {**PLAINLY, "tx-ring-ref": 4000}, True, "the back end cannot connect"),
        (ORDINARY, {**PLAINLY, "rx-ring-ref": "x"}, True, "has not written what a connection needs"),
    ],
)
def test_a_connection_that_cannot_be(features: Features, nodes: dict[str, object], split: bool, words: str):
    setup = Setup(features, connect=False, nodes=dict(nodes), split=split)
    with pytest.raises(Violation, match=words):
        setup.front.connect()


OF_PAGES = {"untransferred", "belated", "uncompleted", "stuck"}


def exchanging(features: Features = FLIPPING, connect: bool = True, **hostility: float) -> Setup:
    """A front end that has pages given, and a back end that is hostile once they are connected."""
    nodes = {"feature-sg": 1, "feature-gso-tcpv4": 1, "feature-rx-notify": 1, "request-rx-copy": 0}
    setup = Setup(features, connect=connect, nodes=nodes, flips=True)
    setup.back.hostility = Hostility(**hostility)
    return setup


@pytest.mark.parametrize("features", [FLIPPING, OLDEST], ids=["flipping", "oldest"])
def test_frames_come_in_pages_that_are_given_away(features: Features):
    setup = exchanging(features)
    frames = [setup.incoming().next(kind)[0].frame for kind in ("udp4", "tcp6", "arp") * 20]
    for frame in frames:
        setup.host.send(Packet(frame))
    setup.rest()
    statistics, physmap = setup.guest.xen.grants.statistics, setup.guest.xen.physmap
    assert [came.frame for came in setup.front.received] == frames
    assert (statistics.transfers, statistics.copies) == (len(frames), 0)
    setup.front.close()
    assert setup.guest.xen.grants.outstanding() == [] and not physmap.lost
    assert physmap.reservation == physmap.maximum


def test_the_oldest_says_nothing_of_how_frames_come():
    setup = Setup(OLDEST, connect=False)
    nodes = setup.client.directory(setup.back.path)
    assert not {"feature-rx-copy", "feature-rx-flip"} & set(nodes)


@pytest.mark.parametrize("what", ["untransferred", "belated"])
def test_a_page_that_is_not_given_by_the_time_of_the_answer(what: str):
    setup = exchanging(**{what: 1.0})
    for _ in range(5):
        setup.host.send(Packet(setup.incoming().next("udp4")[0].frame))
    setup.guest.settle()
    assert setup.front.missing == 5


def test_a_page_that_xen_has_not_got_there_at_the_answer():
    setup = exchanging(uncompleted=1.0)
    ref = setup.front.posted[0][0]
    setup.front.take_rx = setup.front.take_tx  # type: ignore[method-assign]
    setup.host.send(Packet(setup.incoming().next("udp4")[0].frame))
    setup.guest.run_until(lambda: setup.front.rx.fresh() == 1)
    assert setup.guest.grant_flags(ref) & ~GTF.type_mask == GTF.transfer_committed
    setup.guest.settle()
    assert setup.guest.grant_flags(ref) & GTF.transfer_completed


def test_a_page_that_xen_never_gets_there():
    setup = exchanging(stuck=1.0)
    ref = setup.front.posted[0][0]
    setup.front.take_rx = setup.front.take_tx  # type: ignore[method-assign]
    setup.host.send(Packet(setup.incoming().next("udp4")[0].frame))
    setup.guest.settle()
    assert setup.guest.grant_flags(ref) & ~GTF.type_mask == GTF.transfer_committed


def test_a_page_that_the_guest_does_not_take_is_answered_as_an_error():
    setup = exchanging()
    setup.guest.end_transfer(setup.front.posted[0][0])
    setup.front.take_rx = setup.front.take_tx  # type: ignore[method-assign]
    setup.host.send(Packet(setup.incoming().next("udp4")[0].frame))
    setup.guest.run_until(lambda: setup.front.rx.fresh() == 1)
    assert NETIF_RX_RESPONSE.unpack("x64", setup.front.rx.take())["status"] == NETIF_RSP.ERROR
    assert sum(setup.back.statistics.rx_dropped.values()) == 1


@pytest.mark.parametrize("what", [each.name for each in fields(Hostility) if each.name not in OF_PAGES])
def test_a_hostile_back_end_does_what_it_says(what: str):
    """The front end here is robust enough to see it; the frames are another matter."""
    setup = Setup()
    came: list[tuple[int, ...]] = []
    setup.front._take_rx = lambda raw, ref, gfn: came.append(tuple(raw))  # type: ignore[method-assign,assignment]
    answers: list[tuple[int, int]] = []
    setup.front._take_tx = lambda found: answers.append((found["id"], found["status"]))  # type: ignore[method-assign]
    setup.back.hostility = replace(Hostility(), **{what: 1.0})
    for _ in range(3):
        setup.host.send(Packet(packets.blanked(setup.incoming().next("large4")[0].frame), True, 1000))
        setup.front.send(frame_of(setup))
    setup.guest.settle()
    plain = Setup()
    plain_came: list[tuple[int, ...]] = []
    plain.front._take_rx = lambda raw, ref, gfn: plain_came.append(tuple(raw))  # type: ignore[method-assign,assignment]
    plain_answers: list[tuple[int, int]] = []
    plain.front._take_tx = lambda found: plain_answers.append((found["id"], found["status"]))  # type: ignore[method-assign]
    for _ in range(3):
        plain.host.send(Packet(packets.blanked(plain.incoming().next("large4")[0].frame), True, 1000))
        plain.front.send(frame_of(plain))
    plain.guest.settle()
    assert (sorted(answers), came) != (sorted(plain_answers), plain_came)

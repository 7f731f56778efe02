# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's packets, held against scapy: lengths, checksums, segments; the switch, capture files and the ledger."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from scapy.utils import PcapReader

import wire
from xenlab.errors import Violation
from xenlab.world import World
from xenlab.xen import packets
from xenlab.xen.flows import COMMON_MIX, Generator, Ledger, tagged
from xenlab.xen.pcap import Capture
from xenlab.xen.switch import Host, Packet, Switch

HERE, THERE = bytes.fromhex("00163e000001"), bytes.fromhex("021122330002")


def maker(seed: int = 1, mtu: int = 1500) -> Generator:
    return Generator(Random(seed), HERE, THERE, mtu)


@pytest.mark.parametrize("kind", COMMON_MIX)
def test_what_is_made_is_right(kind: str):
    make = maker()
    for load in [load for _ in range(25) for load in make.next(kind)]:
        assert packets.faults(load.frame) == []
        assert wire.is_right(load.frame)
        assert load.mss or len(load.frame) <= 1514 + 4 * (kind == "tagged")


@pytest.mark.parametrize("kind", ["large4", "large6"])
def test_large_packets_are_cut_as_scapy_cuts_them(kind: str):
    make = maker(2)
    for _ in range(12):
        [load] = make.next(kind)
        cut = packets.segments(load.frame, load.mss)
        assert cut == list(wire.segments(load.frame, load.mss))
        assert all(packets.faults(each) == [] and len(each) <= 1514 for each in cut)


def test_a_wrong_byte_is_noticed_where_scapy_notices_it():
    make, random = maker(3), Random(4)
    noticed = 0
    for _ in range(400):
        kind = random.choice(["tcp4", "tcp6", "udp4", "udp6", "options4", "extension6", "icmp4", "icmp6"])
        frame = bytearray(make.next(kind)[0].frame)
        end = packets.parse(bytes(frame)).end
        first = 14 + (8 if frame[12:14] == b"\x08\0" else 40)
        frame[random.randrange(first, end)] ^= 1 << random.randrange(8)
        wrong = bytes(frame)
        if packets.faults(wrong):
            noticed += 1
        else:
            assert wire.is_right(wrong), wrong.hex()
    assert noticed > 380  # Of the rest, nothing is covered by a checksum: options of IPv6, a protocol without one.


def test_a_blank_checksum_is_completed():
    make = maker(5)
    for kind in ("tcp4", "tcp6", "udp4", "udp6", "options4", "extension6"):
        frame = make.next(kind)[0].frame
        blank = packets.blanked(frame)
        assert packets.faults(blank, blank=True) == []
        assert packets.faults(blank) != []
        assert packets.completed(blank) == frame


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame[:30], "it ends at 30"),
        (lambda frame: frame[:13], "13 bytes long"),
        (lambda frame: frame[:14] + b"\x44" + frame[15:], "with a header of 16"),
        (lambda frame: frame[:16] + b"\xff" + frame[17:], "IPv4 says 65"),
        (lambda frame: frame + bytes(100), "follow the IP packet"),
    ],
)
def test_headers_that_contradict_the_length(change, words: str):
    [load] = maker(6).next("tcp4")
    assert words in packets.faults(change(load.frame))[0]


def test_a_capture_file_is_what_scapy_reads(tmp_path: Path):
    capture = Capture()
    frames = [load.frame for make in [maker(7)] for _ in range(20) for load in make.next()]
    for number, frame in enumerate(frames):
        capture.add(number * 1_500_000_001, frame)
    capture.write(tmp_path / "net.pcap")
    with PcapReader(str(tmp_path / "net.pcap")) as reader:
        found = [(round(packet.time * 10**9), bytes(packet)) for packet in reader]
    assert [frame for _, frame in found] == frames
    assert [time for time, _ in found] == [number * 1_500_000_001 for number in range(len(frames))]


def test_a_switch_learns_and_floods():
    world = World(1)
    switch = Switch(world)
    hosts = [Host(switch, bytes([2, 0, 0, 0, 0, number])) for number in range(3)]

    def send(source: int, destination: bytes) -> list[int]:
        hosts[source].send(Packet(packets.ethernet(destination, hosts[source].mac, 0x88B5, b"")))
        world.advance(10**9)
        came = [number for number, host in enumerate(hosts) if host.received]
        for host in hosts:
            host.received.clear()
        return came

    assert send(0, hosts[1].mac) == [1, 2]
    assert send(1, hosts[0].mac) == [0]
    assert send(0, b"\xff" * 6) == [1, 2]
    hosts[0].leave()
    assert send(1, hosts[0].mac) == [2]


def ledger(*flows: str) -> tuple[Ledger, list[bytes]]:
    made = Ledger(World(1), "here")
    make = maker(8)
    frames = [make.next("udp4")[0].frame for _ in flows]
    for flow, frame in zip(flows, frames, strict=True):
        made.expect([frame], flow)
    return made, frames


def test_a_ledger_takes_each_frame_once():
    made, frames = ledger("a", "b", "a")
    for frame in (frames[1], frames[0]):
        made.arrive(frame)
    assert (made.arrived, made.missing) == (2, 1)
    with pytest.raises(Violation, match="comes twice"):
        made.arrive(frames[0])


def test_a_ledger_notices_what_is_wrong_or_out_of_order():
    made, frames = ledger("a", "a")
    with pytest.raises(Violation, match="was not sent like that"):
        made.arrive(frames[0][:-1] + b"?")
    made.arrive(frames[1])
    with pytest.raises(Violation, match="has overtaken another"):
        made.arrive(frames[0])


def test_segments_may_have_other_identifications_only():
    made = Ledger(World(1), "here")
    [load] = maker(9).next("large4")
    pieces = load.pieces()
    made.expect(pieces, "a")
    head = bytearray(pieces[0])
    head[18:20] = b"\xab\xcd"
    head[24:26] = packets.network_sum(bytes(head), packets.parse(bytes(head))).to_bytes(2, "big")
    made.arrive(bytes(head))
    with pytest.raises(Violation, match="was not sent like that"):
        made.arrive(tagged(pieces[1], 5))


def test_segments_may_not_have_the_same_identification():
    made = Ledger(World(1), "here")
    for kind in ("large4", "large6"):
        made.expect(maker(9).next(kind)[0].pieces(), kind)
    for piece in maker(9).next("large6")[0].pieces():
        made.arrive(piece)
    first, second, *_ = maker(9).next("large4")[0].pieces()
    made.arrive(first)
    same = second[:18] + first[18:20] + second[20:]
    right = packets.network_sum(same, packets.parse(same)).to_bytes(2, "big")
    with pytest.raises(Violation, match="Two segments of one packet that reach here have the identification 0x0001"):
        made.arrive(same[:24] + right + same[26:])

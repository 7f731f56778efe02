# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames come through a miniport of NDIS 6.0 as they were sent, and what is left to the miniport is laid out right."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from gplpv.errors import GplpvError
from xenlab.ndis.codes import NdisStatus, Oid
from xenlab.ndis.codes6 import Info
from xenlab.ndis.nic import Checksums, Lso, Offload, OidError, Outgoing, Received
from xenlab.ndis.nic6 import Nic6
from xenlab.ndis.offload6 import leave_segments, read_tag, write_tag
from xenlab.nt.routine import Steps

from .conftest import SECOND, Arch, Pc
from .frames import ipv4, ipv6, ones
from .workout import plain, settle

Machines = Callable[..., Pc]
ARCHES: tuple[Arch, ...] = ("x32", "x64")
EVERY_SUM = Checksums.IPV4 | Checksums.TCP4 | Checksums.UDP4 | Checksums.TCP6


def started(machine: Machines, arch: Arch = "x64", seed: int = 1) -> tuple[Pc, Nic6]:
    pc = machine(arch, seed=seed)
    pc.start()
    return pc, pc.nic()


def traffic(nic: Nic6, count: int) -> list[Outgoing]:
    """Frames of many kinds and lengths."""
    random = nic.kernel.world.random
    made = []
    for _ in range(count):
        payload = random.randbytes(random.randrange(1400))
        kind = random.randrange(4)
        if kind == 0:
            made.append(Outgoing(plain(nic, random.randrange(46, 1501)), vlan=random.choice((None, 0x2003))))
        elif kind == 1:
            made.append(Outgoing(ipv4(nic.mac, nic.mac, payload), checksums=Checksums.IPV4 | Checksums.TCP4))
        elif kind == 2:
            made.append(Outgoing(ipv4(nic.mac, nic.mac, payload, 17), checksums=Checksums.UDP4))
        else:
            made.append(Outgoing(ipv6(nic.mac, nic.mac, payload), checksums=Checksums.TCP6))
    return made


def exchange(pc: Pc, nic: Nic6, frames: list[Outgoing]) -> list[Received]:
    """Send frames, few at a time; the wire leads back, and the miniport fills in what was left to it."""
    nic.received.clear()
    for start in range(0, len(frames), 6):
        settle(pc, nic.send_many(frames[start : start + 6]))
    return list(nic.received)


@pytest.mark.parametrize("arch", ARCHES)
def test_frames_of_all_kinds_come_back_as_they_were(arch: Arch, machine: Machines) -> None:
    pc, nic = started(machine, arch, seed=5)
    assert nic.offload.tx == EVERY_SUM
    frames = traffic(nic, 60)
    came = exchange(pc, nic, frames)
    assert sorted((each.frame, each.vlan or 0) for each in came) == sorted((e.frame, e.vlan or 0) for e in frames)
    tcp = [each for each in came if each.frame[12:14] == b"\x08\x00" and each.frame[23] == 6]
    assert tcp
    assert {each.good for each in tcp} == {Checksums.TCP4}
    assert not any(each.bad for each in came)
    pc.finish()


def test_a_seed_repeats_a_run_exactly(machine: Machines) -> None:
    def run() -> tuple[int, list[bytes]]:
        pc, nic = started(machine, seed=9)
        came = exchange(pc, nic, traffic(nic, 12))
        return pc.world.now, [each.frame for each in came]

    assert run() == run()


def test_what_ndis_keeps_runs_the_miniport_low_and_pausing_waits_for_it(machine: Machines) -> None:
    pc, nic = started(machine)
    nic.hold()
    for index in range(24):
        sent = nic.send(plain(nic, 60 + index))
        pc.kernel.run(lambda sent=sent: sent.done)
    pc.kernel.run_for(10**8)
    kept = len(pc.adapter().receives.kept)
    assert 0 < kept < 24
    assert [each.resources for each in nic.received] == [False] * kept + [True] * (24 - kept)
    nic.give_back()
    nic.pause_adapter()
    assert not pc.adapter().receives.kept
    assert nic.restart_adapter()
    pc.finish()


def test_the_filter_and_the_link_are_what_was_last_said(machine: Machines) -> None:
    pc, nic = started(machine)
    assert nic.link_up
    assert nic.mac == bytes.fromhex("00163e010203")
    assert exchange(pc, nic, [Outgoing(b"\x01\x00\x5e\x00\x00\x01" + plain(nic, 60)[6:])]) == []
    assert nic.filtered == 1
    nic.set_multicast([bytes.fromhex("01005e000001")])
    assert len(exchange(pc, nic, [Outgoing(b"\x01\x00\x5e\x00\x00\x01" + plain(nic, 60)[6:])])) == 1
    assert nic.query(Oid.GEN_SUPPORTED_LIST, 64)[:4] == int(Oid.GEN_CURRENT_PACKET_FILTER).to_bytes(4, "little")
    with pytest.raises(OidError, match="NDIS_STATUS_NOT_SUPPORTED"):
        nic.query(Oid.GEN_RCV_CRC_ERROR)
    with pytest.raises(OidError, match="NDIS_STATUS_INVALID_LENGTH"):
        nic.set(Oid.GEN_CURRENT_PACKET_FILTER, b"\0\0")


def test_cancelled_and_reset_sends_come_back_unsent(machine: Machines) -> None:
    pc, nic = started(machine)
    sent = [nic.send(plain(nic, 100 + index)) for index in range(5)]
    nic.cancel(sent[2])
    pc.kernel.run(lambda: len(pc.adapter().sends.outstanding) == 5)
    nic.cancel(sent[1])
    pc.kernel.run(lambda: all(each.done for each in sent))
    aborted = [each for each in sent if each.status == NdisStatus.REQUEST_ABORTED]
    assert sent[1] in aborted
    assert len(aborted) <= 2
    nic.cancel(sent[0])
    waiting = [nic.send(plain(nic, 100)) for _ in range(3)]
    assert nic.reset() == NdisStatus.SUCCESS
    pc.kernel.run(lambda: all(each.done for each in waiting))
    assert nic.query(Oid.GEN_CURRENT_PACKET_FILTER) == (0x0B).to_bytes(4, "little")
    pc.finish()


def test_a_request_that_hangs_is_cancelled(machine: Machines) -> None:
    pc, nic = started(machine)
    answers: list[int] = []

    def ask() -> Steps:
        status, _ = yield from nic.request(Oid.GEN_RCV_NO_BUFFER, None, 4)
        answers.append(status)
        return None

    pc.kernel.start(ask(), "a protocol driver")
    pc.kernel.run_for(10**8)
    assert "OID 0x20105 is not completed" in nic.outstanding()
    assert nic.cancel_request()
    pc.kernel.run(lambda: bool(answers))
    assert answers == [NdisStatus.REQUEST_ABORTED]
    assert not nic.cancel_request()
    pc.finish()


def test_a_miniport_has_itself_reset_and_is_told_its_filter_again(machine: Machines) -> None:
    pc, nic = started(machine)
    with pytest.raises(OidError):
        nic.query(Oid.GEN_RCV_ERROR)
    pc.kernel.run_for(10**8)
    assert nic.query(Oid.GEN_CURRENT_PACKET_FILTER) == (0x0B).to_bytes(4, "little")
    pc.finish()


def test_a_miniport_that_hangs_is_reset(machine: Machines) -> None:
    pc, nic = started(machine)
    nic.set(Oid.GEN_MACHINE_NAME, b"")
    pc.kernel.run_for(3 * SECOND)
    assert pc.kernel.calls["NdisMResetComplete"] == 1
    assert nic.query(Oid.GEN_CURRENT_PACKET_FILTER) == (0x0B).to_bytes(4, "little")
    pc.kernel.run_for(5 * SECOND)
    assert pc.kernel.calls["NdisMResetComplete"] == 1
    pc.finish()


def test_offload_is_negotiated_and_what_was_not_is_refused(machine: Machines) -> None:
    pc, nic = started(machine)
    limit = Lso(60000, 2)
    nic.set_offload(Offload(tx=Checksums.TCP4, rx=Checksums.NONE, lso_v1=limit))
    assert nic.offload == Offload(tx=Checksums.TCP4, lso_v1=limit)
    frame = ipv4(nic.mac, nic.mac, b"p" * 5000)
    with pytest.raises(GplpvError, match="does not fill in"):
        nic.send(frame, checksums=Checksums.UDP4)
    with pytest.raises(GplpvError, match="does not segment"):
        nic.send(ipv6(nic.mac, nic.mac, b"p" * 5000), mss=1440)
    with pytest.raises(GplpvError, match="does not segment"):
        nic.send(ipv4(nic.mac, nic.mac, b"p" * 1000), mss=1460)
    settle(pc, [nic.send(frame, mss=1460)])
    small = exchange(pc, nic, [Outgoing(ipv4(nic.mac, nic.mac, b"q"), checksums=Checksums.TCP4)])
    assert [each.good for each in small] == [Checksums.NONE]


def test_options_stay_with_tcpip_unless_the_miniport_takes_them(machine: Machines) -> None:
    pc, nic = started(machine)
    frame = bytearray(ipv4(nic.mac, nic.mac, b"\1" * 4 + b"p" * 4000))
    frame[46] = 0x60  # The header of TCP is four bytes longer: its first data become options.
    with pytest.raises(GplpvError, match="with such options"):
        nic.send(bytes(frame), checksums=Checksums.TCP4)
    versions = set()
    for _ in range(6):
        sent = nic.send(bytes(frame), mss=1456)
        pc.kernel.run(lambda: bool(pc.adapter().sends.outstanding))
        versions |= {each.packet.info[Info.LARGE_SEND] >> 30 for each in pc.adapter().sends.outstanding.values()}
        settle(pc, [sent])
    assert versions == {1}


@pytest.mark.parametrize("version", [1, 2])
def test_a_large_send_is_laid_out_as_tcpip_does(version: int) -> None:
    four = ipv4(b"\1" * 6, b"\2" * 6, b"d" * 4000)
    made, info, payload, headers = leave_segments(four, 1460, version)  # type: ignore[arg-type]
    assert (payload, headers) == (4000, 54)
    assert info == {Info.LARGE_SEND: 1460 | 34 << 20 | (1 << 30 if version == 2 else 0)}
    assert made[16:18] == struct.pack(">H", 4040 if version == 1 else 0)
    assert made[24:26] == bytes(2)
    assert struct.unpack(">H", made[50:52])[0] == ~ones(four[26:34] + b"\0\6") & 0xFFFF
    assert made[54:] == four[54:]
    six = ipv6(b"\1" * 6, b"\2" * 6, b"d" * 4000)
    made, info, _, headers = leave_segments(six, 1440, 2)
    assert info == {Info.LARGE_SEND: 1440 | 54 << 20 | 1 << 30 | 1 << 31}
    assert made[18:20] == bytes(2)
    assert struct.unpack(">H", made[70:72])[0] == ~ones(six[22:54] + b"\0\6") & 0xFFFF


def test_a_tag_keeps_its_priority_and_its_network() -> None:
    for tag in (0x0001, 0x6005, 0xFFFF, 0xE000):
        assert read_tag(write_tag(tag)) == tag
    assert write_tag(0x6005) == 3 | 5 << 4
    assert read_tag(0) is None

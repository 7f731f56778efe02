# SPDX-License-Identifier: GPL-2.0-or-later
"""A miniport of NDIS 5 under the lab's NDIS: from registration to unloading, and what a protocol driver sees of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from xenlab.ndis.codes import Filter, NdisStatus, Oid
from xenlab.ndis.nic import Checksums, Lso, Nic, Offload, OidError, Outgoing
from xenlab.ndis.packets5 import SCATTER_GATHER_INFO, packet_info
from xenlab.nt.devnode import State
from xenlab.nt.objects import layout, view
from xenlab.nt.po import SystemPower

Machines = Callable[..., Any]
V50, V51 = ("NDIS50_MINIPORT=1",), ("NDIS51_MINIPORT=1",)
BUILDS = (("x32", V50), ("x32", V51), ("x64", V51))
ALL = Checksums.IPV4 | Checksums.TCP4 | Checksums.UDP4 | Checksums.TCP6 | Checksums.UDP6
MAC = b"\x02LOOP\0"


def tcp(nic: Nic, payload: bytes, checksum: int = 0xBEEF) -> bytes:
    """A TCP segment to the adapter's own address."""
    segment = bytes.fromhex("1234 0050 00000001 00000002 5010 ffff") + checksum.to_bytes(2, "big") + b"\0\0" + payload
    header = bytes.fromhex("4500") + (20 + len(segment)).to_bytes(2, "big") + bytes.fromhex("0001 4000 4006 abcd")
    return nic.mac + MAC + b"\x08\x00" + header + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + segment


def ordinary(nic: Nic, random: Any) -> bytes:
    return nic.mac + MAC + b"\x08\x06" + random.randbytes(random.randrange(46, nic.mtu))


@pytest.mark.parametrize(("arch", "version"), BUILDS)
def test_what_is_sent_comes_back_as_it_was(arch: str, version: tuple[str, ...], pc: Machines) -> None:
    made = pc(arch, *version, seed=7).boot()
    nic = made.nic()
    assert (nic.mac, nic.permanent_mac, nic.mtu, nic.link_up) == (MAC, MAC, 1500, True)
    assert nic.query(Oid.GEN_MAXIMUM_SEND_PACKETS) == (17).to_bytes(4, "little")
    sent = []
    for _ in range(5):
        sent += nic.send_many([Outgoing(ordinary(nic, made.world.random)) for _ in range(8)])
        made.run(20)
    assert {each.status for each in sent} == {NdisStatus.SUCCESS}
    assert sorted(each.frame for each in nic.received) == sorted(each.frame for each in sent)
    assert {each.resources for each in nic.received} == {True, False}
    made.shut_down()
    assert made.ndis.drivers == {}


def test_buffers_are_as_the_sender_wishes(pc: Machines) -> None:
    made = pc("x64", *V51).boot()
    nic = made.nic()
    frame = ordinary(nic, made.world.random)
    sent = nic.send(frame, pieces=(14, 1, 0, 3))
    made.run(20)
    assert sent.done and [each.frame for each in nic.received] == [frame]


@pytest.mark.parametrize("arch", ["x32", "x64"])
def test_a_bus_master_gets_the_pages_of_a_packet(arch: str, pc: Machines) -> None:
    made = pc(arch, *V51, "LOOPNIC_DMA=1").boot()
    nic, physical = made.nic(), made.machine.physical
    frame = ordinary(nic, made.world.random)
    sent = nic.send(frame, pieces=(14, 0, 1))
    made.kernel.run(lambda: bool(nic.held()))
    packet = next(iter(nic._sent))
    at = packet_info(made.kernel, packet).element("NdisPacketInfo", SCATTER_GATHER_INFO)
    size = layout("SCATTER_GATHER_ELEMENT", arch).size
    found = b""
    for index in range(made.kernel.u32(at)):
        element = view(made.kernel, "SCATTER_GATHER_ELEMENT", at + 2 * made.kernel.pointer_size + index * size)
        assert element["Address"] + element["Length"] <= 1 << 32
        found += physical.read(element["Address"], element["Length"])
    assert found == frame
    made.run(20)
    assert sent.status == NdisStatus.SUCCESS
    made.shut_down()


def test_checksums_and_segments_are_left_to_the_miniport_as_tcpip_leaves_them(pc: Machines) -> None:
    made = pc("x32", *V51).boot()
    nic = made.nic()
    assert nic.offload == Offload(ALL, ALL, Lso(60000, 2))
    frame = tcp(nic, b"odd")
    large = tcp(nic, bytes(5000))
    wanted = Checksums.IPV4 | Checksums.TCP4
    for outgoing in (Outgoing(frame, checksums=wanted, vlan=0xA003), Outgoing(large, mss=1460)):
        nic.send_many([outgoing])
        made.run(20)
    first, second = nic.received
    assert (first.good, first.bad, first.vlan) == (wanted, Checksums.NONE, 0xA003)
    sums = 0x0A00 + 0x0001 + 0x0A00 + 0x0002 + 6
    assert first.frame == tcp(nic, b"odd", sums + 23).replace(b"\xab\xcd", b"\0\0", 1)
    assert second.frame == tcp(nic, bytes(5000), sums).replace(b"\xab\xcd", b"\0\0", 1)
    nic.set_offload(Offload(Checksums.UDP4))
    assert nic.offload == Offload(Checksums.UDP4)
    with pytest.raises(Exception, match="was not asked to compute"):
        nic.send(frame, checksums=wanted)


def test_frames_pass_the_filter_that_is_set(pc: Machines) -> None:
    made = pc("x64", *V51).boot()
    nic = made.nic()
    group, other = b"\x01\0\x5e\0\0\1", b"\x01\0\x5e\0\0\2"
    nic.set_multicast([group])
    for destination in (group, other, b"\xff" * 6, b"\x02other"):
        nic.send(destination + MAC + b"\x08\x06" + bytes(50))
    made.run(30)
    assert {each.frame[:6] for each in nic.received} == {group, b"\xff" * 6}
    assert nic.filtered == 2
    nic.set_filter(Filter.PROMISCUOUS)
    nic.send(b"\x02other" + MAC + b"\x08\x06" + bytes(50))
    made.run(30)
    assert nic.received[-1].frame[:6] == b"\x02other"


def test_a_request_fails_with_the_miniports_status(pc: Machines) -> None:
    nic = pc("x64", *V51).boot().nic()
    with pytest.raises(OidError, match="OID 0x00012345 fails with NDIS_STATUS_NOT_SUPPORTED") as failed:
        nic.query(0x12345)
    assert failed.value.status == NdisStatus.NOT_SUPPORTED
    assert nic.query(Oid.GEN_VENDOR_DESCRIPTION, 100) == b"Looping network adapter\0"


def test_a_reset_while_sending_gives_everything_back_and_restores_the_filter(pc: Machines) -> None:
    made = pc("x64", *V51).boot()
    nic = made.nic()
    sent = nic.send_many([Outgoing(ordinary(nic, made.world.random)) for _ in range(4)])
    assert nic.reset() == NdisStatus.SUCCESS
    made.run(20)
    assert all(each.done for each in sent)
    assert nic.query(Oid.GEN_CURRENT_PACKET_FILTER) == int(nic.filter).to_bytes(4, "little") != bytes(4)


def test_sends_are_cancelled_by_the_call_that_they_came_in(pc: Machines) -> None:
    made = pc("x64", *V51).boot()
    nic = made.nic()
    given_up, kept = (nic.send_many([Outgoing(ordinary(nic, made.world.random))] * 2) for _ in range(2))
    made.kernel.run(lambda: len(nic.held()) == 4)
    nic.cancel(given_up[1])
    made.run(20)
    assert [each.status for each in given_up] == [NdisStatus.REQUEST_ABORTED] * 2
    assert [each.status for each in kept] == [NdisStatus.SUCCESS] * 2


def test_a_hang_leads_to_a_reset(pc: Machines) -> None:
    made = pc("x64", *V51, "LOOPNIC_HANGS=1").boot()
    nic = made.nic()
    made.run(3000)
    sent = nic.send(ordinary(nic, made.world.random))
    made.run(20)
    assert sent.status == NdisStatus.SUCCESS
    assert made.adapter.resets == 1


@pytest.mark.parametrize("managing", [(), ("LOOPNIC_POWER=1",)])
def test_the_machine_sleeps_and_wakes(managing: tuple[str, ...], pc: Machines) -> None:
    made = pc("x32", *V51, *managing).boot()
    handle, nic = made.adapter.handle, made.nic()
    nic.send_many([Outgoing(ordinary(nic, made.world.random)) for _ in range(4)])
    made.set_power(False)
    made.set_power(True)
    nic = made.nic()
    assert (made.adapter.handle == handle) is bool(managing)
    nic.send(ordinary(nic, made.world.random))
    made.run(20)
    assert nic.received
    made.shut_down()


def test_when_the_machine_is_turned_off_the_miniport_is_told_and_nothing_more(pc: Machines) -> None:
    made = pc("x64", *V51).boot()
    nic = made.nic()
    made.perform(made.kernel.part(SystemPower).shut_down())
    assert nic.is_open and nic.filter
    assert nic.query(Oid.GEN_CURRENT_PACKET_FILTER) == bytes(4)  # what its shutdown handler does


def test_the_adapter_stops_starts_and_is_torn_out(pc: Machines) -> None:
    made = pc("x64", *V51).boot()
    made.nic()
    assert made.perform(made.pnp.query_stop(made.node)) == 1
    made.perform(made.pnp.stop(made.node))
    assert made.ndis.adapters == {}
    made.perform(made.pnp.restart(made.node))
    nic = made.nic()
    sent = nic.send_many([Outgoing(ordinary(nic, made.world.random)) for _ in range(4)])
    made.perform(made.pnp.remove_missing(made.node))
    assert all(each.done for each in sent)
    assert made.kernel.pool.outstanding() == [] == made.ndis.outstanding()


def test_the_owners_address_takes_the_place_of_the_permanent_one(pc: Machines) -> None:
    made = pc("x64", *V51).boot()
    made.adapter.key.set("NetworkAddress", "02-00-00-00-00-0A")
    assert made.perform(made.pnp.query_stop(made.node)) == 1
    made.perform(made.pnp.stop(made.node))
    made.perform(made.pnp.restart(made.node))
    nic = made.nic()
    assert (nic.mac.hex(), nic.permanent_mac) == ("02000000000a", MAC)


def test_every_allocation_fails_in_turn(pc: Machines) -> None:
    reference = pc("x32", *V51).boot()
    reference.nic()
    count = reference.kernel.pool.count
    assert count > 40
    outcomes = set()
    for number in range(1, count, 5):
        made = pc("x32", *V51)
        made.kernel.pool.fail_at(number)
        made.boot()
        made.run(100)
        outcomes.add(made.node.state)
        made.shut_down()
    assert outcomes == {State.REMOVED, State.STARTED}

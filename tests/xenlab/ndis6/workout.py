# SPDX-License-Identifier: GPL-2.0-or-later
"""What an adapter is put through."""

from __future__ import annotations

from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.nic import Checksums, Offload, Outgoing, Transmission
from xenlab.ndis.nic6 import Nic6

from .conftest import Pc
from .frames import ipv4, ipv6


def drive(pc: Pc) -> None:
    """Start the adapter, use it in every way that NDIS has, and remove it."""
    pc.start()
    nic = pc.nic()
    pc.kernel.run_for(5 * 10**7)
    send_all(pc, nic)
    nic.set_offload(Offload(tx=Checksums.IPV4 | Checksums.TCP4))
    settle(pc, [nic.send(ipv4(nic.mac, nic.mac, b"again" * 20), checksums=Checksums.IPV4 | Checksums.TCP4)])
    assert nic.reset() == NdisStatus.SUCCESS
    refuse_all(pc, nic)
    nic.send(plain(nic, 700))
    pc.finish()


def plain(nic: Nic6, length: int) -> bytes:
    return nic.mac + nic.mac + b"\x88\xb5" + bytes(index & 0xFF for index in range(length))


def settle(pc: Pc, sent: list[Transmission]) -> None:
    """Let sends end, and all that they bring come to rest."""
    pc.kernel.run(lambda: all(each.done for each in sent))
    pc.kernel.run_for(10**6)
    pc.kernel.run(lambda: not pc.adapter().receives.kept)


def send_all(pc: Pc, nic: Nic6) -> None:
    """Frames of every kind."""
    mac, offload = nic.mac, nic.offload
    outgoing = [Outgoing(plain(nic, length)) for length in (46, 47, 300, 1499, 1500)]
    outgoing += [Outgoing(plain(nic, 200), vlan=0x6005)] * 2
    for payload in (b"", b"odd", b"x" * 1400):
        outgoing.append(Outgoing(ipv4(mac, mac, payload), checksums=Checksums.TCP4 | Checksums.IPV4))
        outgoing.append(Outgoing(ipv4(mac, mac, payload, 17), checksums=Checksums.UDP4))
        outgoing.append(Outgoing(ipv6(mac, mac, payload), checksums=Checksums.TCP6))
    if offload.lso_v1:
        outgoing += [Outgoing(ipv4(mac, mac, b"l" * 9000), mss=1460)] * 6
        outgoing.append(Outgoing(ipv6(mac, mac, b"l" * 9000), mss=1440))
    for start in range(0, len(outgoing), 4):
        settle(pc, nic.send_many(outgoing[start : start + 4]))


def refuse_all(pc: Pc, nic: Nic6) -> None:
    """Pause the adapter while there are sends, send to it while it is paused, and restart it."""
    sent = [nic.send(plain(nic, length)) for length in range(300, 330, 3)]
    nic.pause_adapter()
    refused = [nic.send(plain(nic, 60)) for _ in range(3)]
    pc.kernel.run(lambda: all(each.done for each in (*sent, *refused)))
    assert {each.status for each in refused} == {NdisStatus.PAUSED}
    assert nic.restart_adapter()

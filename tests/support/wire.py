# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy as the judge of frames: it parses them, makes every length and checksum anew, and cuts large packets itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether

_MADE = {
    IP: ("len", "chksum"), IPv6: ("plen",), TCP: ("chksum",), UDP: ("len", "chksum"), ICMP: ("chksum",),
    ICMPv6EchoRequest: ("cksum",), ICMPv6EchoReply: ("cksum",),
}  # fmt: skip


def remade(frame: bytes) -> bytes:
    """Return the frame as scapy makes it from its other fields: the same, if its lengths and checksums are right."""
    packet: Any = Ether(frame)
    for kind, names in _MADE.items():
        if kind in packet and not (kind not in {IP, IPv6} and _is_fragment(packet)):
            for name in names:
                if not (kind is UDP and name == "chksum" and IP in packet and not packet[UDP].chksum):
                    delattr(packet[kind], name)
    return bytes(packet)


def is_right(frame: bytes) -> bool:
    return remade(frame) == frame


def _is_fragment(packet: Any) -> bool:
    if IP in packet:
        return bool(packet[IP].frag or packet[IP].flags.MF)
    return IPv6ExtHdrFragment in packet


def segments(frame: bytes, mss: int) -> Iterator[bytes]:
    """Cut a large TCP packet."""
    whole: Any = Ether(frame)
    data = bytes(whole[TCP].payload)
    for number, at in enumerate(range(0, len(data), mss)):
        piece: Any = Ether(frame)
        tcp = piece[TCP]
        tcp.remove_payload()
        tcp.add_payload(data[at : at + mss])
        tcp.seq = (tcp.seq + at) % (1 << 32)
        flags = str(tcp.flags)
        if at + mss < len(data):
            flags = flags.replace("F", "").replace("P", "")
        if at:
            flags = flags.replace("C", "")
        tcp.flags = flags
        del tcp.chksum
        if IP in piece:
            piece[IP].id = (piece[IP].id + number) & 0xFFFF
            del piece[IP].len, piece[IP].chksum
        else:
            del piece[IPv6].plen
        yield bytes(piece)

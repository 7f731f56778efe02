# SPDX-License-Identifier: GPL-2.0-or-later
"""Right frames, made by hand."""

from __future__ import annotations

import struct


def ones(data: bytes) -> int:
    """The 16-bit one's complement sum of data (RFC 1071), complemented."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(to: bytes, source: bytes, payload: bytes, protocol: int = 6) -> bytes:
    """An Ethernet frame with a TCP (6) or UDP (17) packet in IPv4."""
    addresses = bytes((10, 0, 0, 1, 10, 0, 0, 2))
    transport = _transport(addresses, payload, protocol)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(transport), 0x1234, 0, 64, protocol, 0)
    head = head[:10] + struct.pack(">H", ones(head + addresses)) + addresses
    return to + source + b"\x08\x00" + head + transport


def ipv6(to: bytes, source: bytes, payload: bytes) -> bytes:
    """An Ethernet frame with a TCP packet in IPv6."""
    addresses = bytes(15) + b"\1" + bytes(15) + b"\2"
    transport = _transport(addresses, payload, 6)
    return to + source + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(transport), 6, 64) + addresses + transport


def _transport(addresses: bytes, payload: bytes, protocol: int) -> bytes:
    length = len(payload) + (20 if protocol == 6 else 8)
    pseudo = addresses + struct.pack(">II", protocol, length)
    if protocol == 6:
        made = struct.pack(">HHIIBBHHH", 1000, 2000, 7, 9, 0x50, 0x18, 8192, 0, 0) + payload
        return made[:16] + struct.pack(">H", ones(pseudo + made)) + made[18:]
    made = struct.pack(">HHHH", 1000, 2000, length, 0) + payload
    return made[:6] + struct.pack(">H", ones(pseudo + made) or 0xFFFF) + made[8:]

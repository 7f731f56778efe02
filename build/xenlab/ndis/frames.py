# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames as TCP/IP of Windows lays them out for a miniport that computes checksums or cuts segments.

Source: Windows Driver Kit, "Offloading Checksum Tasks" (the checksum field of TCP or UDP holds the one's complement
sum of the pseudo-header), "Offloading the Segmentation of Large TCP Packets" (that sum is without the length; version
1 has the whole length in the IP header, version 2 has 0 there); RFC 791, 793, 768, 8200.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gplpv.errors import GplpvError

ETHERNET = 14
TCP, UDP = 6, 17
_TAGS = (0x8100, 0x88A8)
_IPV4, _IPV6 = 0x0800, 0x86DD
_EXTENSIONS = (0, 43, 60)
_FRAGMENT = 44
_CHECKSUM_AT = {TCP: 16, UDP: 6}


@dataclass(frozen=True)
class Parsed:
    """Where things are in a frame that holds an IP packet.

    Attributes:
        ip, transport, payload: where the IP header, that of TCP or UDP, and its data begin.
        end: where the IP packet ends.
        protocol: TCP, UDP or another's number; a later fragment has no transport header.
    """

    version: Literal[4, 6]
    ip: int
    transport: int
    payload: int
    end: int
    protocol: int
    is_fragment: bool
    has_ip_options: bool
    has_tcp_options: bool


def parse(frame: bytes) -> Parsed | None:
    """Look at a frame; None: it holds no IP packet, or none that is whole."""
    at = ETHERNET
    kind = int.from_bytes(frame[12:14], "big")
    while kind in _TAGS:
        kind = int.from_bytes(frame[at + 2 : at + 4], "big")
        at += 4
    if kind == _IPV4 and len(frame) >= at + 20:
        return _parse_4(frame, at)
    if kind == _IPV6 and len(frame) >= at + 40:
        return _parse_6(frame, at)
    return None


def _parse_4(frame: bytes, at: int) -> Parsed | None:
    header = 4 * (frame[at] & 15)
    end = at + int.from_bytes(frame[at + 2 : at + 4], "big")
    fragment = int.from_bytes(frame[at + 6 : at + 8], "big") & 0x3FFF
    if header < 20 or end > len(frame) or at + header > end:
        return None
    return _finish(frame, 4, at, at + header, end, frame[at + 9], bool(fragment), header > 20)


def _parse_6(frame: bytes, at: int) -> Parsed | None:
    end = at + 40 + int.from_bytes(frame[at + 4 : at + 6], "big")
    protocol, transport, fragment = frame[at + 6], at + 40, False
    while protocol in (*_EXTENSIONS, _FRAGMENT) and transport + 8 <= min(end, len(frame)):
        fragment = fragment or protocol == _FRAGMENT
        length = 8 if protocol == _FRAGMENT else 8 + 8 * frame[transport + 1]
        protocol, transport = frame[transport], transport + length
    if end > len(frame) or transport > end:
        return None
    return _finish(frame, 6, at, transport, end, protocol, fragment, transport > at + 40)


def _finish(
    frame: bytes,
    version: Literal[4, 6],
    ip: int,
    transport: int,
    end: int,
    protocol: int,
    fragment: bool,
    options: bool,
) -> Parsed:
    payload, tcp_options = transport, False
    if protocol == UDP:
        payload = transport + 8
    elif protocol == TCP and transport + 20 <= end:
        payload = transport + 4 * (frame[transport + 12] >> 4)
        tcp_options = payload > transport + 20
    return Parsed(version, ip, transport, payload, end, protocol, fragment, options, tcp_options)


def ones_sum(data: bytes) -> int:
    """The 16-bit one's complement sum of data, not complemented (RFC 1071)."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_sum(frame: bytes, parsed: Parsed, length: int) -> int:
    """The sum of the pseudo-header with a length of transport header and data, 0: without it."""
    addresses = frame[parsed.ip + 12 : parsed.ip + 20] if parsed.version == 4 else frame[parsed.ip + 8 : parsed.ip + 40]
    return ones_sum(addresses + parsed.protocol.to_bytes(4, "big") + length.to_bytes(4, "big"))


def lay_out(frame: bytes, ip_checksum: bool, transport_checksum: bool, large_send: Literal[0, 1, 2] = 0) -> bytes:
    """Return a right frame as the miniport gets it when it is to fill in checksums, or to cut segments in the way of a
    version of large send offload.

    Raises:
        GplpvError: it has no such checksums.
    """
    parsed = parse(frame)
    if parsed is None or (transport_checksum and parsed.protocol not in _CHECKSUM_AT) or parsed.is_fragment:
        raise GplpvError("A checksum is to be filled in where a frame has none.", "TCP/IP asks for it in TCP and UDP.")
    made = bytearray(frame)
    if transport_checksum or large_send:
        length = 0 if large_send else parsed.end - parsed.transport
        at = parsed.transport + _CHECKSUM_AT[parsed.protocol]
        made[at : at + 2] = pseudo_sum(frame, parsed, length).to_bytes(2, "big")
    if parsed.version == 4 and (ip_checksum or large_send):
        made[parsed.ip + 10 : parsed.ip + 12] = bytes(2)
    if large_send == 2:
        at = parsed.ip + (2 if parsed.version == 4 else 4)
        made[at : at + 2] = bytes(2)
    return bytes(made)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames as TCP/IP leaves them to a miniport: whoever goes on from there arrives at the right checksum."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from gplpv.errors import GplpvError
from xenlab.ndis import frames

TCP, UDP = 6, 17


def carry(data: bytes, start: int = 0) -> int:
    """The checksum of RFC 1071, byte by byte: what is added to `start`."""
    total = start
    for index, value in enumerate(data):
        total += value << (0 if index % 2 else 8)
        total = (total & 0xFFFF) + (total >> 16)
    return total


def right(version: int, protocol: int, payload: bytes, *, tag: bytes = b"", options: bytes = b"") -> bytes:
    """A frame with right checksums; `options`: of IPv4, or extension headers, the last of which leads to protocol."""
    head = bytes.fromhex("12340050") + (
        bytes.fromhex("0000000100000002 5010 0400 0000 0000") if protocol == TCP else b""
    )
    if protocol == UDP:
        head += (8 + len(payload)).to_bytes(2, "big") + b"\0\0"
    at = 16 if protocol == TCP else 6
    length = len(head) + len(payload)
    addresses = bytes(range(1, 9)) if version == 4 else bytes(range(1, 33))
    pseudo = carry(addresses + bytes([0, protocol]) + length.to_bytes(2, "big"))
    total = carry(head + payload, pseudo) ^ 0xFFFF
    transport = head[:at] + total.to_bytes(2, "big") + head[at + 2 :] + payload
    if version == 4:
        size = 20 + len(options)
        ip = bytes([0x40 | size // 4, 0]) + (size + length).to_bytes(2, "big") + bytes([0, 1, 0, 0, 64, protocol, 0, 0])
        ip += addresses + options
        ip = ip[:10] + (carry(ip) ^ 0xFFFF).to_bytes(2, "big") + ip[12:]
    else:
        first = 0 if options else protocol
        ip = b"\x60\0\0\0" + (len(options) + length).to_bytes(2, "big") + bytes([first, 64]) + addresses + options
    return bytes(12) + tag + (b"\x08\0" if version == 4 else b"\x86\xdd") + ip + transport


def finish(frame: bytes, parsed: frames.Parsed) -> int:
    """What a device puts into the checksum field: the sum over what it finds, the seed in the field among it."""
    return carry(frame[parsed.transport : parsed.end]) ^ 0xFFFF


@pytest.mark.parametrize("tag", [b"", bytes.fromhex("8100a005")])
@pytest.mark.parametrize("payload", [b"", b"odd", bytes(range(200))])
@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize(("version", "options"), [(4, b""), (4, b"\1\1\1\0"), (6, b""), (6, b"\0\0\1\4\0\0\0\0")])
def test_a_seed_leads_to_the_right_checksum(
    version: int, options: bytes, protocol: int, payload: bytes, tag: bytes
) -> None:
    if version == 6 and options:
        options = bytes([protocol]) + options[1:]
    frame = right(version, protocol, payload, tag=tag, options=options)
    parsed = frames.parse(frame)
    assert parsed and (parsed.version, parsed.protocol, parsed.has_ip_options) == (version, protocol, bool(options))
    assert frame[parsed.payload : parsed.end] == payload
    at = parsed.transport + (16 if protocol == TCP else 6)
    made = frames.lay_out(frame, ip_checksum=True, transport_checksum=True)
    assert finish(made, parsed) == int.from_bytes(frame[at : at + 2], "big")
    changed = {index for index in range(len(frame)) if made[index] != frame[index]}
    own = {parsed.ip + 10, parsed.ip + 11} if version == 4 else set()
    assert changed <= own | {at, at + 1}
    assert frames.lay_out(frame, ip_checksum=False, transport_checksum=False) == frame


@pytest.mark.parametrize("version", [4, 6])
def test_a_large_send_has_the_seed_without_the_length(version: Any) -> None:
    frame = right(version, TCP, bytes(9000))
    parsed = frames.parse(frame)
    assert parsed
    kinds: tuple[Literal[1, 2], ...] = (1, 2)
    for kind in kinds:
        made = frames.lay_out(frame, False, False, kind)
        length = parsed.ip + (2 if version == 4 else 4)
        assert made[length : length + 2] == (bytes(2) if kind == 2 else frame[length : length + 2])
        seed = int.from_bytes(made[parsed.transport + 16 : parsed.transport + 18], "big")
        with_length = carry((parsed.end - parsed.transport).to_bytes(2, "big"), seed)
        full = frames.lay_out(frame, False, True)
        assert with_length == int.from_bytes(full[parsed.transport + 16 : parsed.transport + 18], "big")


def test_what_is_not_whole_is_not_parsed() -> None:
    frame = right(4, UDP, b"payload")
    assert frames.parse(frame[:-1]) is None
    assert frames.parse(b"\0" * 60) is None
    fragment = frame[:20] + b"\x20\0" + frame[22:]
    parsed = frames.parse(fragment)
    assert parsed and parsed.is_fragment
    with pytest.raises(GplpvError, match="where a frame has none"):
        frames.lay_out(fragment, False, True)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Ethernet frames with IP in them: found in their bytes, checked, completed and cut into segments as a network does it.

Source: IEEE 802.1Q; RFC 791 (IPv4), 8200 (IPv6), 9293 (TCP), 768 (UDP), 792 and 4443 (ICMP), 1071 (the checksum).
"""

from __future__ import annotations

from dataclasses import dataclass

ETHERNET = 14
LEAST_FRAME = 60
IPV4, IPV6, VLAN, ARP = 0x0800, 0x86DD, 0x8100, 0x0806
ICMP, TCP, UDP, ICMP6, NO_NEXT = 1, 6, 17, 58, 59
FRAGMENT = 44
_EXTENSIONS = {0, 43, 60}
_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}
_LEAST_TRANSPORT = {TCP: 20, UDP: 8, ICMP: 8, ICMP6: 4}
_FIN_PSH, _CWR = 0x09, 0x80


class BadFrame(Exception):
    """A frame's headers contradict its length, or each other."""


@dataclass(frozen=True)
class Headers:
    """Where things are in a frame; every number is an offset into it, but for the kinds.

    Attributes:
        tags: the VLAN tags, outermost first.
        version: of IP, 0 in a frame without: then nothing but `tags` and `network` is valid.
        protocol: behind the last extension header.
        payload: where TCP's, UDP's or ICMP's data begin; where IP's do in a fragment or another protocol.
        end: of the IP packet; what is behind it pads the frame.
        fragment: it is a part of a packet and has no checksum above IP of its own.
    """

    tags: tuple[int, ...]
    network: int
    version: int = 0
    transport: int = 0
    payload: int = 0
    end: int = 0
    protocol: int = 0
    fragment: bool = False

    @property
    def summed(self) -> bool:
        """Whether it is of TCP or UDP, with the checksum in it."""
        return self.version > 0 and not self.fragment and self.protocol in {TCP, UDP}

    @property
    def checksum(self) -> int:
        """Where the checksum of the transport is."""
        return self.transport + _CHECKSUM_AT[self.protocol]


def ones_sum(data: bytes) -> int:
    """The one's complement sum of 16-bit words, not complemented.

    Modulo 0xFFFF a carry that comes in again changes nothing, and 0xFFFF and 0 are the same but for nothing at all.

    >>> hex(ones_sum(bytes.fromhex("0001f203f4f5f6f7")))
    '0xddf2'
    """
    number = int.from_bytes(data + b"\0" if len(data) % 2 else data, "big")
    return number % 0xFFFF or (0xFFFF if number else 0)


def parse(frame: bytes) -> Headers:
    """Find the headers.

    Raises:
        BadFrame: they do not fit into the frame.
    """
    tags: list[int] = []
    at = ETHERNET - 2
    while (kind := _word(frame, at)) == VLAN:
        tags.append(_word(frame, at + 2))
        at += 4
    network = at + 2
    if kind == IPV4:
        return _parse_4(frame, tuple(tags), network)
    if kind == IPV6:
        return _parse_6(frame, tuple(tags), network)
    return Headers(tuple(tags), network)


def _word(frame: bytes, at: int) -> int:
    if at + 2 > len(frame):
        raise BadFrame(f"it ends at {len(frame)}, within its headers")
    return int.from_bytes(frame[at : at + 2], "big")


def _parse_4(frame: bytes, tags: tuple[int, ...], at: int) -> Headers:
    length, flags = _word(frame, at + 2), _word(frame, at + 6)
    _word(frame, at + 18)
    header = 4 * (frame[at] & 15)
    if frame[at] >> 4 != 4 or header < 20 or not header <= length <= len(frame) - at:
        raise BadFrame(f"IPv4 says {length} bytes with a header of {header}; there are {len(frame) - at}")
    return _transport(frame, Headers(tags, at, 4, at + header, 0, at + length, frame[at + 9], bool(flags & 0x3FFF)))


def _parse_6(frame: bytes, tags: tuple[int, ...], at: int) -> Headers:
    length = 40 + _word(frame, at + 4)
    _word(frame, at + 38)
    if frame[at] >> 4 != 6 or length > len(frame) - at:
        raise BadFrame(f"IPv6 says {length} bytes; there are {len(frame) - at}")
    protocol, end, transport, fragment = frame[at + 6], at + length, at + 40, False
    while protocol in _EXTENSIONS or protocol == FRAGMENT:
        if transport + 8 > end:
            raise BadFrame("an extension header does not fit into IPv6's length")
        size = 8 if protocol == FRAGMENT else 8 * (frame[transport + 1] + 1)
        if protocol == FRAGMENT and _word(frame, transport + 2) & 0xFFF9:
            fragment = True
        protocol, transport = frame[transport], transport + size
        if fragment and _word(frame, transport - 6) & 0xFFF8:
            break
    if transport > end:
        raise BadFrame("an extension header does not fit into IPv6's length")
    return _transport(frame, Headers(tags, at, 6, transport, 0, end, protocol, fragment))


def _transport(frame: bytes, found: Headers) -> Headers:
    """Place the payload."""
    payload = found.transport
    if not found.fragment and found.protocol in _LEAST_TRANSPORT:
        size = _LEAST_TRANSPORT[found.protocol]
        if found.transport + size > found.end:
            raise BadFrame(f"protocol {found.protocol} has no room for its header")
        if found.protocol == TCP:
            size = 4 * (frame[found.transport + 12] >> 4)
            if size < 20 or found.transport + size > found.end:
                raise BadFrame(f"TCP says a header of {size} bytes")
        if found.protocol == UDP and _word(frame, found.transport + 4) != found.end - found.transport:
            raise BadFrame(f"UDP says {_word(frame, found.transport + 4)} of {found.end - found.transport} bytes")
        payload += size
    return Headers(
        found.tags, found.network, found.version, found.transport, payload, found.end, found.protocol, found.fragment
    )


def pseudo_sum(frame: bytes, headers: Headers) -> int:
    """The sum over the pseudo-header, which stands where the checksum belongs in a packet whose checksum is blank."""
    at = headers.network
    addresses = frame[at + 12 : at + 20] if headers.version == 4 else frame[at + 8 : at + 40]
    length = headers.end - headers.transport
    return ones_sum(addresses + length.to_bytes(4, "big") + headers.protocol.to_bytes(4, "big"))


def transport_sum(frame: bytes, headers: Headers) -> int:
    """The checksum that the transport's header must have, whatever stands there."""
    at = headers.checksum
    body = frame[headers.transport : at] + b"\0\0" + frame[at + 2 : headers.end]
    pseudo = b"" if headers.protocol == ICMP else pseudo_sum(frame, headers).to_bytes(2, "big")
    found = 0xFFFF - ones_sum(pseudo + body)
    return found or (0xFFFF if headers.protocol == UDP else 0)


def network_sum(frame: bytes, headers: Headers) -> int:
    """The checksum that IPv4's header must have."""
    at = headers.network
    return 0xFFFF - ones_sum(frame[at : at + 10] + frame[at + 12 : headers.network + 4 * (frame[at] & 15)])


def faults(frame: bytes, *, blank: bool = False) -> list[str]:
    """What is wrong with a frame, a sentence each. `blank`: TCP's or UDP's checksum is still to be made."""
    if len(frame) < ETHERNET:
        return [f"it is {len(frame)} bytes long"]
    try:
        headers = parse(frame)
    except BadFrame as bad:
        return [str(bad)]
    if not headers.version:
        return ["its checksum is said to be blank, and it has none"] if blank else []
    found = []
    if headers.end < len(frame) and len(frame) > LEAST_FRAME + 4 * len(headers.tags):
        found.append(f"{len(frame) - headers.end} bytes follow the IP packet")
    at = headers.network + 10
    if headers.version == 4 and _word(frame, at) != (right := network_sum(frame, headers)):
        found.append(f"IPv4's checksum is {_word(frame, at):#06x}, not {right:#06x}")
    if blank and not headers.summed:
        return [*found, "its checksum is said to be blank, and it has none"]
    if not headers.fragment and headers.protocol in _CHECKSUM_AT:
        found += _transport_faults(frame, headers, blank)
    return found


def _transport_faults(frame: bytes, headers: Headers, blank: bool) -> list[str]:
    stands = _word(frame, headers.checksum)
    if blank:
        seed = pseudo_sum(frame, headers)
        return [] if stands == seed else [f"the blank checksum is {stands:#06x}, the pseudo-header's sum {seed:#06x}"]
    if headers.protocol == UDP and headers.version == 4 and not stands:
        return []
    right = transport_sum(frame, headers)
    return (
        [] if stands == right else [f"the checksum of protocol {headers.protocol} is {stands:#06x}, not {right:#06x}"]
    )


def _replaced(frame: bytes, at: int, value: int) -> bytes:
    return frame[:at] + value.to_bytes(2, "big") + frame[at + 2 :]


def blanked(frame: bytes) -> bytes:
    """Return a TCP or UDP packet with the sum over the pseudo-header in the checksum's place."""
    headers = parse(frame)
    return _replaced(frame, headers.checksum, pseudo_sum(frame, headers))


def completed(frame: bytes) -> bytes:
    """Return a packet with the transport's checksum as it must be."""
    headers = parse(frame)
    return _replaced(frame, headers.checksum, transport_sum(frame, headers))


def segments(frame: bytes, mss: int) -> list[bytes]:
    """Cut a large TCP packet: `mss` bytes of data each, headers and checksums right.

    FIN and PSH are the last one's, CWR is the first one's; IPv4's identification counts up (Linux, net/ipv4/af_inet.c
    and tcp_offload.c, do as adapters do).
    """
    headers = parse(frame)
    head, data = frame[: headers.payload], frame[headers.payload : headers.end]
    pieces = []
    for number, at in enumerate(range(0, max(len(data), 1), mss)):
        piece = bytearray(head + data[at : at + mss])
        ip, tcp = headers.network, headers.transport
        if headers.version == 4:
            _put(piece, ip + 2, len(piece) - ip)
            _put(piece, ip + 4, _word(frame, ip + 4) + number)
            _put(piece, ip + 10, network_sum(bytes(piece), headers))
        else:
            _put(piece, ip + 4, len(piece) - ip - 40)
        sequence = int.from_bytes(head[tcp + 4 : tcp + 8], "big") + at
        piece[tcp + 4 : tcp + 8] = (sequence % (1 << 32)).to_bytes(4, "big")
        if at + mss < len(data):
            piece[tcp + 13] &= ~_FIN_PSH
        if at:
            piece[tcp + 13] &= ~_CWR
        pieces.append(completed(bytes(piece)))
    return pieces


def _put(frame: bytearray, at: int, value: int) -> None:
    frame[at : at + 2] = (value & 0xFFFF).to_bytes(2, "big")


def without_identification(frame: bytes) -> tuple[bytes, int | None]:
    """Return the frame with IPv4's identification, and the checksum that covers it, as zero; and the identification.

    None: it has none.
    """
    try:
        headers = parse(frame)
    except BadFrame:
        return frame, None
    if headers.version != 4:
        return frame, None
    at = headers.network
    return frame[: at + 4] + bytes(2) + frame[at + 6 : at + 10] + bytes(2) + frame[at + 12 :], _word(frame, at + 4)


# Making them


def ethernet(destination: bytes, source: bytes, kind: int, payload: bytes, tags: tuple[int, ...] = ()) -> bytes:
    """Make a frame; a short one is padded."""
    inner = b"".join(VLAN.to_bytes(2, "big") + tag.to_bytes(2, "big") for tag in tags)
    frame = destination + source + inner + kind.to_bytes(2, "big") + payload
    return frame.ljust(LEAST_FRAME + 4 * len(tags), b"\0")


def ipv4(
    source: bytes, destination: bytes, protocol: int, body: bytes, *,
    identification: int = 0, fragment: int = 0, options: bytes = b"",
) -> bytes:  # fmt: skip
    """Make a packet; `fragment` are the flags and the offset in units of 8 bytes."""
    length = 20 + len(options)
    head = bytes((0x40 | length // 4, 0)) + (length + len(body)).to_bytes(2, "big")
    head += identification.to_bytes(2, "big") + fragment.to_bytes(2, "big") + bytes((64, protocol))
    tail = source + destination + options
    return head + (0xFFFF - ones_sum(head + tail)).to_bytes(2, "big") + tail + body


def ipv6(source: bytes, destination: bytes, protocol: int, body: bytes) -> bytes:
    """Make a packet; `body` begins with the extension headers, the first of which is `protocol`."""
    return b"\x60\0\0\0" + len(body).to_bytes(2, "big") + bytes((protocol, 64)) + source + destination + body


def extension(following: int, options: bytes = b"") -> bytes:
    """Make an extension header (hop-by-hop or destination options) with padding for options."""
    size = -(-(2 + len(options)) // 8) * 8
    padding = size - 2 - len(options)
    pad = b"" if not padding else b"\0" if padding == 1 else bytes((1, padding - 2)) + bytes(padding - 2)
    return bytes((following, size // 8 - 1)) + options + pad


def tcp(source: int, destination: int, sequence: int, acknowledgment: int, data: bytes, flags: int = 0x18) -> bytes:
    """Make a segment without its checksum."""
    head = source.to_bytes(2, "big") + destination.to_bytes(2, "big") + sequence.to_bytes(4, "big")
    return head + acknowledgment.to_bytes(4, "big") + bytes((0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0)) + data


def udp(source: int, destination: int, data: bytes) -> bytes:
    """Make a datagram without its checksum."""
    return b"".join(each.to_bytes(2, "big") for each in (source, destination, 8 + len(data), 0)) + data


def echo(kind: int, identifier: int, sequence: int, data: bytes) -> bytes:
    """Make an ICMP or ICMPv6 echo without its checksum."""
    return bytes((kind, 0, 0, 0)) + identifier.to_bytes(2, "big") + sequence.to_bytes(2, "big") + data

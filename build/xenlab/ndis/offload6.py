# SPDX-License-Identifier: GPL-2.0-or-later
"""Task offload of NDIS 6.0: what a miniport can do and is to do, and how a frame says what is left for it.

Source: Windows Driver Kit, NDIS_OFFLOAD, NDIS_OFFLOAD_PARAMETERS, NDIS_OFFLOAD_ENCAPSULATION,
NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO, NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO,
NDIS_NET_BUFFER_LIST_8021Q_INFO, "Offloading Checksum Tasks", "Offloading the Segmentation of Large TCP Packets".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from xenlab.ndis.codes6 import Info
from xenlab.ndis.frames import ETHERNET, TCP, UDP, Parsed, lay_out, parse
from xenlab.ndis.nic import Checksums, Lso, Offload
from xenlab.ndis.objects6 import checked, make
from xenlab.ndis.structures import view

if TYPE_CHECKING:
    from xenlab.ndis.adapter6 import Adapter6
    from xenlab.nt.kernel import Kernel
    from xenlab.nt.objects import Struct

ETHERNET_802_3 = 2
_KNOWN_ENCAPSULATIONS = 0x1F
_SUPPORTED = 1
_SET_ON, _SET_OFF = 1, 2

# Bits of what a checksum of a version of IP can do, beside the options: number of the two-bit field.
_BITS = {
    "IPv4": {2: Checksums.TCP4, 3: Checksums.UDP4, 4: Checksums.IPV4},
    "IPv6": {2: Checksums.TCP6, 3: Checksums.UDP6},
}
# Transmit: IsIPv4, IsIPv6, TcpChecksum, UdpChecksum, IpHeaderChecksum; receive: failed, and three bits on succeeded.
_IS_IPV4, _IS_IPV6, _TCP_SUM, _UDP_SUM, _IP_SUM = 1, 2, 4, 8, 16
_RECEIVE = (_TCP_SUM_FAILED, _UDP_SUM_FAILED, _IP_SUM_FAILED) = 1, 2, 4
_RECEIVE_KNOWN = 0x7F
_VERSION_2, _ON_IPV6 = 1 << 30, 1 << 31


# What a miniport can do


class Options(NamedTuple):
    """Whether a task is there for packets with IP options (extension headers) and with TCP options."""

    ip: bool
    tcp: bool

    def allow(self, parsed: Parsed) -> bool:
        return (self.ip or not parsed.has_ip_options) and (self.tcp or not parsed.has_tcp_options)


def read_options(kernel: Kernel, address: int) -> dict[str, Options]:
    """Read from an NDIS_OFFLOAD what its tasks on transmit do with options, by the name of the member.

    Version 2 of large send has to do with all options of IPv4.
    """
    given = view(kernel, "NDIS_OFFLOAD", address)

    def options(member: str, ip: int, tcp: int) -> Options:
        bits = given[f"{member}.Bits"]
        return Options(bits >> 2 * ip & 3 == _SUPPORTED, bits >> 2 * tcp & 3 == _SUPPORTED)

    return {
        "IPv4Transmit": options("IPv4Transmit", 0, 1),
        "IPv6Transmit": options("IPv6Transmit", 0, 1),
        "LsoV1": options("LsoV1", 1, 0),
        "LsoV2IPv4": Options(True, True),
        "LsoV2IPv6": options("LsoV2IPv6", 0, 1),
    }


def read_offload(kernel: Kernel, address: int, what: str) -> Offload:
    """Read an NDIS_OFFLOAD."""
    given = checked(kernel, "NDIS_OFFLOAD", address, what)
    v1 = Lso(given["LsoV1.MaxOffLoadSize"], given["LsoV1.MinSegmentCount"])
    sizes = {
        version: Lso(given[f"LsoV2{version}.MaxOffLoadSize"], given[f"LsoV2{version}.MinSegmentCount"])
        for version in _BITS
    }
    on = {name: _encapsulates(kernel, given, name, what) for name in ("LsoV1", "LsoV2IPv4", "LsoV2IPv6")}
    return Offload(
        _sums(kernel, given, "Transmit", what),
        _sums(kernel, given, "Receive", what),
        v1 if on["LsoV1"] else None,
        sizes["IPv4"] if on["LsoV2IPv4"] else None,
        sizes["IPv6"] if on["LsoV2IPv6"] else None,
    )


def _encapsulates(kernel: Kernel, given: Struct, name: str, what: str) -> bool:
    """Whether a task is there for Ethernet frames; a large send of no size is a mistake."""
    value = given[f"{name}.Encapsulation"]
    if value & ~_KNOWN_ENCAPSULATIONS:
        kernel.violation(f"{what}: {name}.Encapsulation of an NDIS_OFFLOAD is {value:#x}.")
    if not value & ETHERNET_802_3:
        return False
    if name.startswith("Lso") and not (given[f"{name}.MaxOffLoadSize"] and given[f"{name}.MinSegmentCount"]):
        kernel.violation(f"{what}: {name} of an NDIS_OFFLOAD is there, without a size or a count of segments.")
    return True


def _sums(kernel: Kernel, given: Struct, direction: str, what: str) -> Checksums:
    """The checksums of a direction."""
    found = Checksums.NONE
    for version, bits in _BITS.items():
        name = f"{version}{direction}"
        value = given[f"{name}.Bits"]
        for number, kind in bits.items():
            field = value >> 2 * number & 3
            if field > _SUPPORTED:
                kernel.violation(f"{what}: a bit field of {name} of an NDIS_OFFLOAD is {field}; it is 0 or 1.")
            if field and _encapsulates(kernel, given, name, what):
                found |= kind
    return found


# What it is to do


def write_parameters(kernel: Kernel, wanted: Offload) -> bytes:
    """Return the NDIS_OFFLOAD_PARAMETERS that turn on exactly what is wanted."""
    made = make(kernel, "NDIS_OFFLOAD_PARAMETERS")
    for name, kind in (
        ("IPv4Checksum", Checksums.IPV4), ("TCPIPv4Checksum", Checksums.TCP4), ("UDPIPv4Checksum", Checksums.UDP4),
        ("TCPIPv6Checksum", Checksums.TCP6), ("UDPIPv6Checksum", Checksums.UDP6),
    ):  # fmt: skip
        made[name] = 1 + bool(wanted.tx & kind) + 2 * bool(wanted.rx & kind)
    for name, there in (
        ("LsoV1", wanted.lso_v1), ("LsoV2IPv4", wanted.lso_v2_ipv4), ("LsoV2IPv6", wanted.lso_v2_ipv6),
    ):  # fmt: skip
        made[name] = 1 + (there is not None)
    return _taken(kernel, made)


def write_encapsulation(kernel: Kernel) -> bytes:
    """Return the NDIS_OFFLOAD_ENCAPSULATION of Ethernet for both versions of IP."""
    made = make(kernel, "NDIS_OFFLOAD_ENCAPSULATION")
    for version in _BITS:
        made[f"{version}.Enabled"], made[f"{version}.EncapsulationType"] = _SET_ON, ETHERNET_802_3
        made[f"{version}.HeaderSize"] = ETHERNET
    return _taken(kernel, made)


def _taken(kernel: Kernel, made: Struct) -> bytes:
    data = kernel.read(made.address, made["Header.Size"])
    kernel.free(made.address)
    return data


# Frames


def leave_checksums(frame: bytes, wanted: Checksums) -> tuple[bytes, dict[int, int]]:
    """Leave checksums of a frame to the miniport: its seeds for them, and the NetBufferListInfo that says so."""
    parsed = parse(frame)
    if parsed is None or parsed.is_fragment or not wanted:
        return frame, {}
    four = parsed.version == 4
    value = _IS_IPV4 if four else _IS_IPV6
    kinds = {
        TCP: (Checksums.TCP4 if four else Checksums.TCP6, _TCP_SUM),
        UDP: (Checksums.UDP4 if four else Checksums.UDP6, _UDP_SUM),
    }
    kind, bit = kinds.get(parsed.protocol, (Checksums.NONE, 0))
    transport, ip = bool(wanted & kind), four and bool(wanted & Checksums.IPV4)
    if transport:
        value |= bit | parsed.transport << 16
    if ip:
        value |= _IP_SUM
    return lay_out(frame, ip, transport), {Info.CHECKSUM: value}


def leave_segments(frame: bytes, mss: int, version: Literal[1, 2]) -> tuple[bytes, dict[int, int], int, int]:
    """Leave a TCP packet for segmentation, by large send of a version: frame, NetBufferListInfo, length of the TCP
    payload, and of the headers."""
    parsed = parse(frame)
    assert parsed is not None, "only TCP is segmented"
    value = mss | parsed.transport << 20
    if version == 2:
        value |= _VERSION_2 | (_ON_IPV6 if parsed.version == 6 else 0)
    info = {int(Info.LARGE_SEND): value}
    return lay_out(frame, False, False, version), info, parsed.end - parsed.payload, parsed.payload


# Received frames


def read_checksum_answer(adapter: Adapter6, frame: bytes, value: int) -> tuple[Checksums, Checksums]:
    """Return the checksums that a miniport says are right, and wrong; what it cannot say of the frame ends the run."""
    if value & ~_RECEIVE_KNOWN:
        adapter.violation(f"TcpIpChecksumNetBufferListInfo of a received frame is {value:#x}")
    parsed = parse(frame)
    four = parsed is not None and parsed.version == 4
    kinds = {
        _TCP_SUM_FAILED: (Checksums.TCP4 if four else Checksums.TCP6, TCP),
        _UDP_SUM_FAILED: (Checksums.UDP4 if four else Checksums.UDP6, UDP),
        _IP_SUM_FAILED: (Checksums.IPV4, 0),
    }
    good = bad = Checksums.NONE
    for bit, (kind, protocol) in kinds.items():
        failed, succeeded = value & bit, value >> 3 & bit
        if failed and succeeded:
            adapter.violation(f"{kind.name} of a received frame is said to be both right and wrong")
        if not (failed or succeeded):
            continue
        if parsed is None or (protocol and parsed.protocol != protocol) or (not protocol and not four):
            adapter.violation(f"a miniport judges {kind.name} of a received frame that has none")
        if not adapter.may_judge & kind:
            adapter.violation(f"a miniport judges {kind.name} of a received frame, which it is not to check")
        if succeeded:
            good |= kind
        else:
            bad |= kind
    return good, bad


def write_tag(tag: int) -> int:
    """Turn the tag of a frame into an NDIS_NET_BUFFER_LIST_8021Q_INFO: UserPriority 3 bits, CFI 1, VlanId 12."""
    return tag >> 13 & 7 | (tag >> 12 & 1) << 3 | (tag & 0xFFF) << 4


def read_tag(value: int) -> int | None:
    """Return the tag of an NDIS_NET_BUFFER_LIST_8021Q_INFO, None without one."""
    return (value & 7) << 13 | (value >> 3 & 1) << 12 | value >> 4 & 0xFFF if value else None

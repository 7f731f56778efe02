# SPDX-License-Identifier: GPL-2.0-or-later
"""NDIS 5: which tasks a miniport takes off TCP/IP (OID_TCP_TASK_OFFLOAD), and the bits that go with each packet.

Source: Windows Driver Kit, "TCP/IP Task Offload": "Querying Task-Offload Capabilities", "Enabling Task-Offload
Capabilities", NDIS_TASK_OFFLOAD_HEADER, NDIS_TASK_TCP_IP_CHECKSUM, NDIS_TASK_TCP_LARGE_SEND,
NDIS_TCP_IP_CHECKSUM_PACKET_INFO.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gplpv.errors import GplpvError
from xenlab.ndis import frames
from xenlab.ndis.codes import NdisStatus, Oid, describe
from xenlab.ndis.frames import TCP
from xenlab.ndis.nic import Checksums, Lso, Offload, Outgoing, Running

if TYPE_CHECKING:
    from xenlab.ndis.nic5 import Nic5

_VERSION, _ETHERNET, _FIXED_HEADER = 1, 2, 1
_HEADER, _TASK = struct.Struct("<7I"), struct.Struct("<5I")
_TASK_SIZE = 24
_CHECKSUM_TASK, _LARGE_SEND_TASK = 0, 2
_IP_OPTIONS, _TCP_OPTIONS, _TCP_SUM, _UDP_SUM, _IP_SUM = 1, 2, 4, 8, 16
_BITS_4 = {_TCP_SUM: Checksums.TCP4, _UDP_SUM: Checksums.UDP4, _IP_SUM: Checksums.IPV4}
_BITS_6 = {_TCP_SUM: Checksums.TCP6, _UDP_SUM: Checksums.UDP6}
_GENEROUS = 4096
_TX_4, _TX_6, _TX_TCP, _TX_UDP, _TX_IP = 1, 2, 4, 8, 16
_FAILED, _SUCCEEDED = 0, 3


@dataclass(frozen=True)
class Tasks:
    """What the miniport can do beside the plain: the four words of NDIS_TASK_TCP_IP_CHECKSUM, and large sends with
    options of TCP and of IP."""

    checksum: tuple[int, int, int, int] = (0, 0, 0, 0)
    large_send_tcp_options: bool = False
    large_send_ip_options: bool = False

    def check(self, frame: Outgoing, offload: Offload) -> None:
        """Raises:
        GplpvError: TCP/IP would not leave this frame to the miniport.
        """
        parsed = frames.parse(frame.frame)
        if parsed is None or parsed.is_fragment:
            raise GplpvError("There is nothing to compute in this frame.", "TCP/IP asks for whole IP packets only.")
        options = self.checksum[0 if parsed.version == 4 else 2]
        ip_options, tcp_options = bool(options & _IP_OPTIONS), bool(options & _TCP_OPTIONS)
        if frame.mss:
            ip_options, tcp_options = self.large_send_ip_options, self.large_send_tcp_options
            self._check_large(frame, parsed, offload.lso_v1)
        if (parsed.has_ip_options and not ip_options) or (parsed.has_tcp_options and not tcp_options):
            raise GplpvError("The miniport does not take packets with options.", "Send it without, or computed.")

    @staticmethod
    def _check_large(frame: Outgoing, parsed: frames.Parsed, lso: Lso | None) -> None:
        if not lso or parsed.version != 4 or parsed.protocol != TCP:
            raise GplpvError("The miniport does not cut this frame into segments.", "See nic.offload.lso_v1.")
        size = parsed.end - parsed.payload
        if size > lso.maximum_size or -(-size // frame.mss) < lso.minimum_segments:
            raise GplpvError(f"The miniport does not cut {size} bytes into segments of {frame.mss}.", f"{lso}")


def header(first_task: int = 0) -> bytes:
    """NDIS_TASK_OFFLOAD_HEADER: the transport's version, and that frames have an Ethernet header of 14 bytes."""
    return _HEADER.pack(_VERSION, _HEADER.size, 0, first_task, _ETHERNET, _FIXED_HEADER, frames.ETHERNET)


def negotiate(nic: Nic5, wanted: Offload | None) -> Running[Offload]:
    """Ask what the miniport can do, and have it do that, or no more than `wanted`."""
    adapter = nic.adapter5
    status, answer = yield from adapter.ask(Oid.TCP_TASK_OFFLOAD, None, _HEADER.size, header())
    if status in (NdisStatus.INVALID_LENGTH, NdisStatus.BUFFER_TOO_SHORT):
        length = max(int.from_bytes(answer, "little"), _HEADER.size)
        status, answer = yield from adapter.ask(Oid.TCP_TASK_OFFLOAD, None, length, header())
    if status != NdisStatus.SUCCESS:
        return Offload()
    checksum, large = _read(nic, answer)
    can = _offload(checksum, large)
    use = can if wanted is None else _common(can, wanted)
    status, _ = yield from adapter.ask(Oid.TCP_TASK_OFFLOAD, _tasks(use, checksum, large), 0)
    if status != NdisStatus.SUCCESS:
        nic.kernel.world.trace("ndis", f"no task is offloaded: the set fails with {describe(status)}")
        return Offload()
    tcp_options, ip_options = (bool(each) for each in (large or (0, 0, 0, 0, 0))[3:])
    nic.tasks = Tasks(checksum, tcp_options, ip_options)
    return use


def _read(nic: Nic5, answer: bytes) -> tuple[tuple[int, int, int, int], tuple[int, ...] | None]:
    """Return the words of the checksum task, and the fields of the large send task, as the miniport answers."""
    checksum, large = (0, 0, 0, 0), None
    at = _HEADER.unpack_from(answer)[3] if len(answer) >= _HEADER.size else 0
    while at:
        if at % 4 or at + _TASK.size > len(answer):
            nic.adapter.violation(f"OID_TCP_TASK_OFFLOAD has a task at {at} of {len(answer)} bytes")
        _, _, task, following, length = _TASK.unpack_from(answer, at)
        data = answer[at + _TASK.size :][:length]
        if len(data) < length:
            nic.adapter.violation(f"OID_TCP_TASK_OFFLOAD has a task of {length} bytes beyond its {len(answer)}")
        if task == _CHECKSUM_TASK and length >= 16:
            checksum = struct.unpack_from("<4I", data)
        elif task == _LARGE_SEND_TASK and length >= 14:
            large = struct.unpack_from("<3IBB", data)
        at = at + following if following else 0
    return checksum, large


def _offload(checksum: tuple[int, int, int, int], large: tuple[int, ...] | None) -> Offload:
    tx = _checksums(checksum[0], _BITS_4) | _checksums(checksum[2], _BITS_6)
    rx = _checksums(checksum[1], _BITS_4) | _checksums(checksum[3], _BITS_6)
    return Offload(tx, rx, Lso(large[1], large[2]) if large else None)


def _checksums(word: int, bits: dict[int, Checksums]) -> Checksums:
    found = Checksums.NONE
    for bit, each in bits.items():
        if word & bit:
            found |= each
    return found


def _common(can: Offload, wanted: Offload) -> Offload:
    return Offload(can.tx & wanted.tx, can.rx & wanted.rx, can.lso_v1 if wanted.lso_v1 else None)


def _tasks(use: Offload, checksum: tuple[int, int, int, int], large: tuple[int, ...] | None) -> bytes:
    """The tasks to enable, with the options that the miniport has for them; without any all are disabled."""
    words = [
        _word(use.tx, _BITS_4, checksum[0]), _word(use.rx, _BITS_4, checksum[1]),
        _word(use.tx, _BITS_6, checksum[2]), _word(use.rx, _BITS_6, checksum[3]),
    ]  # fmt: skip
    bodies = []
    if any(words):
        bodies.append((_CHECKSUM_TASK, struct.pack("<4I", *words)))
    if use.lso_v1 and large:
        bodies.append((_LARGE_SEND_TASK, struct.pack("<3IBBxx", *large)))
    made = header(_HEADER.size if bodies else 0)
    for index, (task, body) in enumerate(bodies):
        size = -(-(_TASK.size + len(body)) // 4) * 4
        following = size if index + 1 < len(bodies) else 0
        made += (_TASK.pack(_VERSION, _TASK_SIZE, task, following, len(body)) + body).ljust(size, b"\0")
    return made


def _word(use: Checksums, bits: dict[int, Checksums], can: int) -> int:
    chosen = sum(bit for bit, each in bits.items() if use & each)
    return chosen | (can & (_IP_OPTIONS | _TCP_OPTIONS)) if chosen else 0


# Per-packet information


def transmit_bits(checksums: Checksums) -> int:
    """NDIS_TCP_IP_CHECKSUM_PACKET_INFO.Transmit."""
    bits = 0
    for each, bit in (
        (Checksums.IPV4, _TX_4 | _TX_IP),
        (Checksums.TCP4, _TX_4 | _TX_TCP),
        (Checksums.UDP4, _TX_4 | _TX_UDP),
        (Checksums.TCP6, _TX_6 | _TX_TCP),
        (Checksums.UDP6, _TX_6 | _TX_UDP),
    ):
        if checksums & each:
            bits |= bit
    return bits


def received_checksums(bits: int, frame: bytes) -> tuple[Checksums, Checksums]:
    """What NDIS_TCP_IP_CHECKSUM_PACKET_INFO.Receive says of a frame: the right checksums, and the wrong ones."""
    parsed = frames.parse(frame)
    four = parsed is None or parsed.version == 4
    kinds = (
        Checksums.TCP4 if four else Checksums.TCP6,
        Checksums.UDP4 if four else Checksums.UDP6,
        Checksums.IPV4,
    )
    good = bad = Checksums.NONE
    for index, kind in enumerate(kinds):
        good |= kind if bits >> (_SUCCEEDED + index) & 1 else Checksums.NONE
        bad |= kind if bits >> (_FAILED + index) & 1 else Checksums.NONE
    return good, bad


def tag_bits(tag: int | None) -> int:
    """NDIS_PACKET_8021Q_INFO of a tag (priority, CFI, VLAN): the fields lie the other way round."""
    if tag is None:
        return 0
    return tag >> 13 | (tag >> 12 & 1) << 3 | (tag & 0xFFF) << 4


def tag(bits: int) -> int | None:
    """The tag of an NDIS_PACKET_8021Q_INFO, None without one."""
    if not bits & 0xFFFF:
        return None
    return (bits & 7) << 13 | (bits >> 3 & 1) << 12 | bits >> 4 & 0xFFF

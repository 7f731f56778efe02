# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture file that Wireshark opens: the classic format with times in nanoseconds.

Source: IETF draft-ietf-opsawg-pcap, "PCAP Capture File Format"; LINKTYPE_ETHERNET of its registry.
"""

from __future__ import annotations

import struct
from pathlib import Path

from gplpv.files import write_bytes

_MAGIC_NS = 0xA1B23C4D
_LONGEST = 0x40000
_ETHERNET = 1
_SECOND = 10**9


class Capture:
    """Frames with the virtual time at which they crossed the network, in ns since power on.

    Attributes:
        base_ns: added to every time: machines that ran one after the other follow each other in the file.
    """

    def __init__(self) -> None:
        self.frames: list[tuple[int, bytes]] = []
        self.base_ns = 0

    def add(self, time_ns: int, frame: bytes) -> None:
        self.frames.append((self.base_ns + time_ns, frame))

    def data(self) -> bytes:
        """The file's bytes."""
        parts = [struct.pack("<IHHiIII", _MAGIC_NS, 2, 4, 0, 0, _LONGEST, _ETHERNET)]
        for time, frame in self.frames:
            parts += [struct.pack("<IIII", *divmod(time, _SECOND), len(frame), len(frame)), frame]
        return b"".join(parts)

    def write(self, path: Path) -> None:
        write_bytes(path, self.data())

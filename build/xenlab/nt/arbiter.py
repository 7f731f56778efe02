# SPDX-License-Identifier: GPL-2.0-or-later
"""Resources for devices that say what they need: memory, ports and interrupts that nothing else has.

Source: Windows Driver Kit, "Hardware Resources", IRP_MN_QUERY_RESOURCE_REQUIREMENTS, IO_RESOURCE_REQUIREMENTS_LIST,
IO_RESOURCE_DESCRIPTOR, CM_PARTIAL_RESOURCE_DESCRIPTOR. Alternatives are not weighed: the first that a device lists is
what it gets.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.nt import devnode
from xenlab.nt.codes import Pnp, Resource, nt_success
from xenlab.nt.devnode import Node
from xenlab.nt.objects import layout, view
from xenlab.nt.pci import translate_interrupt
from xenlab.nt.routine import Call, Wait

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_ALTERNATIVE = 0x08
_MEMORY_FROM, _PORTS_FROM = 0xE0000000, 0xD000
_HEAD = struct.Struct("<BBHQI")


@dataclass(frozen=True)
class _Wish:
    """One IO_RESOURCE_DESCRIPTOR: a range (bytes, and where it may begin and end) or an interrupt vector."""

    kind: Resource
    share: int
    flags: int
    lowest: int
    highest: int
    length: int = 0
    alignment: int = 1


class Arbiter:
    """What has been handed out."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._taken: list[tuple[Resource, int, int]] = []

    def assign(self, node: Node) -> Generator[Call | Wait, int, tuple[bytes, bytes]]:
        """Ask a device what it needs and return its raw and translated CM_RESOURCE_LIST, empty if it needs nothing."""
        status, address = yield from devnode.send(self.kernel, node, Pnp.QUERY_RESOURCE_REQUIREMENTS)
        if not nt_success(status) or not address:
            return b"", b""
        head = self.kernel.read(address + 4, 8)
        wishes = self._read(address)
        self.kernel.free(address)
        raw, translated = [], []
        for wish in wishes:
            own, cpu = self._grant(node, wish)
            raw.append(own)
            translated.append(cpu)
        return self._list(head, raw), self._list(head, translated)

    def _read(self, address: int) -> list[_Wish]:
        first = layout("IO_RESOURCE_REQUIREMENTS_LIST", self.kernel.arch).offset("List")
        inner = layout("IO_RESOURCE_LIST", self.kernel.arch)
        size = layout("IO_RESOURCE_DESCRIPTOR", self.kernel.arch).size
        count = self.kernel.u32(address + first + inner.offset("Count"))
        found = []
        for index in range(count):
            one = view(
                self.kernel, "IO_RESOURCE_DESCRIPTOR", address + first + inner.offset("Descriptors") + index * size
            )
            kind = one["Type"]
            if one["Option"] & _ALTERNATIVE or kind not in set(Resource):
                continue
            if kind == Resource.Interrupt:
                ends = one["u.Interrupt.MinimumVector"], one["u.Interrupt.MaximumVector"]
                found.append(_Wish(Resource.Interrupt, one["ShareDisposition"], one["Flags"], *ends))
                continue
            ends = one["u.Memory.MinimumAddress"], one["u.Memory.MaximumAddress"]
            shape = one["u.Memory.Length"], max(1, one["u.Memory.Alignment"])
            found.append(_Wish(Resource(kind), one["ShareDisposition"], one["Flags"], *ends, *shape))
        return found

    def _grant(self, node: Node, wish: _Wish) -> tuple[bytes, bytes]:
        """Return the raw and the translated descriptor."""
        size = layout("CM_PARTIAL_RESOURCE_DESCRIPTOR", self.kernel.arch).size
        if wish.kind == Resource.Interrupt:
            head = struct.pack("<BBH", wish.kind, wish.share, wish.flags)
            affinity = struct.pack("<Q" if self.kernel.arch == "x64" else "<I", 1)
            line = wish.lowest
            pair = [
                head + struct.pack("<II", *each) + affinity
                for each in ((line, line), translate_interrupt(self.kernel.arch, line))
            ]
        else:
            base = self._place(node, wish)
            pair = [_HEAD.pack(wish.kind, wish.share, wish.flags, base, wish.length)] * 2
        return pair[0].ljust(size, b"\0"), pair[1].ljust(size, b"\0")

    def _place(self, node: Node, wish: _Wish) -> int:
        """Find a free range; the lowest address that fits, above RAM and the machine's own devices."""
        start = _MEMORY_FROM if wish.kind == Resource.Memory else _PORTS_FROM
        at = -(-max(wish.lowest, start) // wish.alignment) * wish.alignment
        while any(kind == wish.kind and at < end and begin < at + wish.length for kind, begin, end in self._taken):
            at += wish.alignment
        if at + wish.length - 1 > wish.highest:
            self.kernel.violation(
                f"{node.instance_path} wants {wish.length:#x} bytes of {wish.kind.name} between {wish.lowest:#x} and"
                f" {wish.highest:#x}, which no machine of this kind has."
            )
        self._taken.append((wish.kind, at, at + wish.length))
        return at

    def _list(self, head: bytes, descriptors: list[bytes]) -> bytes:
        """A CM_RESOURCE_LIST of one full descriptor; `head` is interface type and bus number."""
        return struct.pack("<I", 1) + head + struct.pack("<HHI", 1, 1, len(descriptors)) + b"".join(descriptors)

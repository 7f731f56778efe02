# SPDX-License-Identifier: GPL-2.0-or-later
"""Resources for devices that say what they need: memory, ports and interrupts that nothing else has.

Source: Windows Driver Kit, "Hardware Resources", IRP_MN_QUERY_RESOURCE_REQUIREMENTS,
IRP_MN_FILTER_RESOURCE_REQUIREMENTS, IO_RESOURCE_REQUIREMENTS_LIST, IO_RESOURCE_DESCRIPTOR,
CM_PARTIAL_RESOURCE_DESCRIPTOR, "Using Interrupt Resource Descriptors". The alternative lists of a device are weighed in
their order, and the first that can be had is what it gets; alternatives to single descriptors are not weighed.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.nt import devnode
from xenlab.nt.codes import Pnp, Resource, describe, nt_success
from xenlab.nt.devnode import Node
from xenlab.nt.objects import Struct, layout, view
from xenlab.nt.pci import translate_interrupt
from xenlab.nt.routine import Call, Wait

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

Asking = Generator[Call | Wait, int, int]
Pair = tuple[bytes, bytes]

_VISTA = (6, 0)
_ALTERNATIVE = 0x08
_LATCHED, _MESSAGE, _POLICY_INCLUDED = 1, 2, 4
_TOKEN = 0xFFFFFFFE
_SPECIFIED_PROCESSORS = 4
_MEMORY_FROM, _PORTS_FROM = 0xE0000000, 0xD000
_MESSAGE_VECTORS = range(0xB0, 0xC0)
_MESSAGE_IRQL = {"x64": 0xB, "x32": 13}
_HEAD = struct.Struct("<BBHQI")


@dataclass(frozen=True)
class Message:
    """A message interrupt that a device has: its IRQL, and the processors that it may be sent to."""

    node: Node
    irql: int
    affinity: int


@dataclass(frozen=True)
class _Wish:
    """One IO_RESOURCE_DESCRIPTOR: a range (bytes, and where it may begin and end) or an interrupt vector.

    `processors`: the mask that a message interrupt's policy names.
    """

    kind: Resource
    share: int
    flags: int
    lowest: int
    highest: int
    length: int = 0
    alignment: int = 1
    processors: int = 0

    @property
    def is_message(self) -> bool:
        return self.kind == Resource.Interrupt and bool(self.flags & _MESSAGE)


@dataclass(frozen=True)
class _Range:
    node: Node
    kind: Resource
    begin: int
    end: int


class Arbiter:
    """What has been handed out.

    Attributes:
        grants_messages: Windows gives a message interrupt to a device that asks for one (from Vista on). Whether a PCI
            function without an MSI capability gets one is not documented: drivers must work either way.
        messages: by vector.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.grants_messages = True
        self.messages: dict[int, Message] = {}
        self._taken: list[_Range] = []
        self._next_vector = kernel.world.random.randrange(len(_MESSAGE_VECTORS))

    def assign(self, node: Node) -> Generator[Call | Wait, int, Pair]:
        """Ask a device what it needs and return its raw and translated CM_RESOURCE_LIST, empty if it needs nothing.

        What it had before is free again.
        """
        self.release(node)
        address = yield from self._ask(node)
        if not address:
            return b"", b""
        head = self.kernel.read(address + 4, 8)
        alternatives = self._read(address)
        self.kernel.free(address)
        refusal = "lists no alternative"
        for wishes in alternatives:
            refusal = self._refusal(wishes)
            if not refusal:
                pairs = [self._grant(node, wish) for wish in wishes]
                return self._list(head, [raw for raw, _ in pairs]), self._list(head, [cpu for _, cpu in pairs])
        self.kernel.violation(f"{node.instance_path} {refusal}.")
        raise AssertionError

    def release(self, node: Node) -> None:
        """Take back what a device has."""
        self._taken = [each for each in self._taken if each.node is not node]
        self.messages = {vector: each for vector, each in self.messages.items() if each.node is not node}

    def _ask(self, node: Node) -> Asking:
        """Return the address of the list that the bus driver makes and the function driver may replace, or 0."""
        status, own = yield from devnode.send(self.kernel, node, Pnp.QUERY_RESOURCE_REQUIREMENTS)
        if not nt_success(status):
            own = 0

        def fill(irp: Struct, stack: Struct) -> None:
            irp["IoStatus.Information"] = own
            stack["Parameters.FilterResourceRequirements.IoResourceRequirementList"] = own

        status, filtered = yield from devnode.send(self.kernel, node, Pnp.FILTER_RESOURCE_REQUIREMENTS, fill)
        if filtered != own:
            self._check_replaced(node, status, own, filtered)
        return filtered

    def _check_replaced(self, node: Node, status: int, own: int, filtered: int) -> None:
        """Who replaces the list frees the one before, and says that it has done something."""
        if not nt_success(status):
            self.kernel.violation(
                f"A driver of {node.instance_path} replaces the list of resource requirements and fails: "
                f"{describe(status)}."
            )
        if own and self.kernel.pool.is_allocated(own):
            self.kernel.violation(
                f"A driver of {node.instance_path} replaces the list of resource requirements and does not free it."
            )
        if filtered and not self.kernel.pool.is_paged(filtered):
            self.kernel.violation(f"A list of resource requirements at {filtered:#x} is no block of paged pool.")

    def _read(self, address: int) -> list[list[_Wish]]:
        """Return the wishes of each alternative list."""
        kernel = self.kernel
        whole = view(kernel, "IO_RESOURCE_REQUIREMENTS_LIST", address)
        inner = layout("IO_RESOURCE_LIST", kernel.arch)
        size = layout("IO_RESOURCE_DESCRIPTOR", kernel.arch).size
        at, found = address + whole.layout.offset("List"), []
        for _ in range(whole["AlternativeLists"]):
            count = kernel.u32(at + inner.offset("Count"))
            first = at + inner.offset("Descriptors")
            at = first + count * size
            if at > address + whole["ListSize"]:
                kernel.violation("A list of resource requirements is longer than its ListSize says.")
            read = [self._wish(view(kernel, "IO_RESOURCE_DESCRIPTOR", first + index * size)) for index in range(count)]
            found.append([wish for wish in read if wish])
        return found

    def _wish(self, one: Struct) -> _Wish | None:
        kind = one["Type"]
        if one["Option"] & _ALTERNATIVE or kind not in set(Resource):
            return None
        common = Resource(kind), one["ShareDisposition"], one["Flags"]
        if kind == Resource.Interrupt:
            ends = one["u.Interrupt.MinimumVector"], one["u.Interrupt.MaximumVector"]
            policy = one["Flags"] & _POLICY_INCLUDED and one["u.Interrupt.AffinityPolicy"] == _SPECIFIED_PROCESSORS
            return _Wish(*common, *ends, processors=one["u.Interrupt.TargetedProcessors"] if policy else 1)
        ends = one["u.Memory.MinimumAddress"], one["u.Memory.MaximumAddress"]
        return _Wish(*common, *ends, one["u.Memory.Length"], max(1, one["u.Memory.Alignment"]))

    def _refusal(self, wishes: Sequence[_Wish]) -> str:
        """Return why a list cannot be granted, or nothing."""
        for wish in wishes:
            if wish.is_message:
                self._check_message(wish)
                if self.kernel.nt < _VISTA or not self.grants_messages:
                    return "wants a message interrupt, and lists nothing else for a Windows that gives none"
            elif wish.kind != Resource.Interrupt and self._place(wish) is None:
                return (
                    f"wants {wish.length:#x} bytes of {wish.kind.name} between {wish.lowest:#x} and"
                    f" {wish.highest:#x}, which no machine of this kind has"
                )
        return ""

    def _check_message(self, wish: _Wish) -> None:
        """One message: both ends are the token (IO_RESOURCE_DESCRIPTOR, MinimumVector); messages are latched."""
        if not wish.flags & _LATCHED or (wish.lowest, wish.highest) != (_TOKEN, _TOKEN) or wish.processors != 1:
            self.kernel.violation(f"A message interrupt is described as no device can have it: {wish}.")

    def _grant(self, node: Node, wish: _Wish) -> Pair:
        """Return the raw and the translated descriptor."""
        size = layout("CM_PARTIAL_RESOURCE_DESCRIPTOR", self.kernel.arch).size
        if wish.kind == Resource.Interrupt:
            pair = self._grant_message(node, wish) if wish.is_message else self._line(wish)
        else:
            begin = self._place(wish)
            assert begin is not None
            self._taken.append(_Range(node, wish.kind, begin, begin + wish.length))
            own = _HEAD.pack(wish.kind, wish.share, wish.flags, begin, wish.length)
            pair = own, own
        return pair[0].ljust(size, b"\0"), pair[1].ljust(size, b"\0")

    def _line(self, wish: _Wish) -> Pair:
        raw, cpu = (wish.lowest, wish.lowest), translate_interrupt(self.kernel.arch, wish.lowest)
        return self._interrupt(wish, *raw, 1), self._interrupt(wish, *cpu, 1)

    def _grant_message(self, node: Node, wish: _Wish) -> Pair:
        """Another vector each time. The raw descriptor counts the messages where the translated one has the IRQL."""
        vector = _MESSAGE_VECTORS[self._next_vector % len(_MESSAGE_VECTORS)]
        self._next_vector += 1
        irql = _MESSAGE_IRQL[self.kernel.arch]
        self.messages[vector] = Message(node, irql, wish.processors)
        raw = self._interrupt(wish, 1 << 16, vector, wish.processors)
        return raw, self._interrupt(wish, irql, vector, wish.processors)

    def _interrupt(self, wish: _Wish, level: int, vector: int, affinity: int) -> bytes:
        head = struct.pack("<BBHII", wish.kind, wish.share, wish.flags & ~_POLICY_INCLUDED, level, vector)
        return head + struct.pack("<Q" if self.kernel.arch == "x64" else "<I", affinity)

    def _place(self, wish: _Wish) -> int | None:
        """Find a free range: the one that is asked for, or the lowest that fits above RAM and the firmware's."""
        fixed = wish.highest - wish.lowest + 1 == wish.length
        start = 0 if fixed else _MEMORY_FROM if wish.kind == Resource.Memory else _PORTS_FROM
        at = -(-max(wish.lowest, start) // wish.alignment) * wish.alignment
        while any(each.kind == wish.kind and at < each.end and each.begin < at + wish.length for each in self._taken):
            at += wish.alignment
        return at if at + wish.length - 1 <= wish.highest else None

    def _list(self, head: bytes, descriptors: list[bytes]) -> bytes:
        """A CM_RESOURCE_LIST of one full descriptor; `head` is interface type and bus number."""
        return struct.pack("<I", 1) + head + struct.pack("<HHI", 1, 1, len(descriptors)) + b"".join(descriptors)

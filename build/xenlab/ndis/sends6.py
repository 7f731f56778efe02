# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames on their way through a miniport of NDIS 6.0: NET_BUFFER_LISTs made, handed over, and taken back.

A list may have several frames, each in a chain of MDLs that are cut anywhere; the data begins at any offset of the
first, and the last may be longer than the data. Some MDLs have no system address yet. While the miniport has a list it
may use Next, Status, MiniportReserved, Scratch and what a large send answers; all else must be as it was when it comes
back, and nothing of it is there afterwards. Source: Windows Driver Kit, MiniportSendNetBufferLists,
NdisMSendNetBufferListsComplete, NET_BUFFER_LIST, NET_BUFFER, "Offloading the Segmentation of Large TCP Packets".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from xenlab.cpu.memory import PAGE_SIZE
from xenlab.ndis.codes import describe
from xenlab.ndis.codes6 import SEND_AT_DISPATCH, SEND_CHECK_FOR_LOOPBACK, SEND_COMPLETE_AT_DISPATCH, Info
from xenlab.ndis.nbl import BUFFER, DATA, FIRST_BUFFER, LIST, NEXT_LIST, NetBuffers, own_mdl, read_mdl, set_start
from xenlab.ndis.structures import layout, view
from xenlab.nt import mdl as mdls
from xenlab.nt import objects
from xenlab.nt.mapping import Mappings
from xenlab.nt.routine import DISPATCH_LEVEL, Steps

if TYPE_CHECKING:
    from xenlab.ndis.adapter6 import Adapter6
    from xenlab.nt.kernel import Kernel

_HEADROOM = (0, 0, 1, 14, 31, 66)
_TAILROOM = (0, 0, 0, 3, 17)
_UNMAPPED_CHANCE, _ACROSS_CHANCE, _LOOPBACK_CHANCE = 0.2, 0.5, 0.2
_REMEMBERED = 4096
_FILLER = 0x3C
_FAILURES = 0xC0000000
TYPE_V2 = 1 << 30

# What of a structure is the miniport's to change; for a list see also _may_answer.
_OF_LIST = ("NetBufferListHeader.Next", "MiniportReserved", "Scratch", "Status")
_OF_BUFFER = ("MiniportReserved",)
_OF_MDL = ("MdlFlags", "MappedSystemVa")


@dataclass(frozen=True)
class Packet:
    """What becomes one NET_BUFFER_LIST.

    Attributes:
        frames: what each NET_BUFFER carries.
        pieces: how long the first MDLs are, one after another; the last takes the rest. Empty: cut as chance has it.
        headers: how much of a frame lies in the first MDL at least.
        info: NetBufferListInfo by index.
        payload: bytes of TCP data of a large send, -1 of any other.
        done: told the status when the miniport gives the list back.
    """

    frames: Sequence[bytes]
    pieces: Sequence[int] = ()
    headers: int = 0
    info: Mapping[int, int] = field(default_factory=dict)
    payload: int = -1
    done: Callable[[int], None] = field(default=lambda _: None)


@dataclass(eq=False)
class Sent:
    """A list that the miniport has.

    Attributes:
        blocks: all memory of it.
        before: what each structure held when it was handed over, and what in it the miniport may change.
        data: what each MDL held.
        rejected: it was handed over while the miniport must refuse it.
    """

    packet: Packet
    address: int
    blocks: list[int] = field(default_factory=list)
    before: list[tuple[str, int, bytes, Iterable[str]]] = field(default_factory=list)
    data: dict[int, bytes] = field(default_factory=dict)
    rejected: bool = False


class Sends:
    """The lists that an adapter's miniport has, by address."""

    def __init__(self, adapter: Adapter6) -> None:
        self.adapter = adapter
        self.kernel: Kernel = adapter.kernel
        self.outstanding: dict[int, Sent] = {}
        self.completed: dict[int, None] = {}

    # Handing over

    def send(self, packets: Sequence[Packet]) -> Steps:
        """Hand packets over to the miniport, as one chain."""
        made = [self._make(each) for each in packets]
        for one, following in pairwise(made):
            view(self.kernel, LIST, one.address)[NEXT_LIST] = following.address
        for each in made:
            self._remember(each)
            self.outstanding[each.address] = each
            each.rejected = self.adapter.refuses_sends
        flags = SEND_AT_DISPATCH if self.kernel.irql == DISPATCH_LEVEL else 0
        if self.kernel.world.random.random() < _LOOPBACK_CHANCE:
            flags |= SEND_CHECK_FOR_LOOPBACK
        yield from self.adapter.invoke("SendNetBufferListsHandler", made[0].address, 0, flags)
        return None

    def _make(self, packet: Packet) -> Sent:
        kernel = self.kernel
        address = kernel.alloc(layout(LIST, kernel.arch).size, "NdSn")
        made = Sent(packet, address, [address])
        fields = view(kernel, LIST, address)
        fields["NdisPoolHandle"] = fields["SourceHandle"] = self.adapter.protocol_handle
        for index, value in packet.info.items():
            fields.set_element("NetBufferListInfo", index, value)
        last = 0
        for frame in packet.frames:
            buffer = self._make_buffer(made, frame)
            if last:
                view(kernel, BUFFER, last)[f"{DATA}.Next"] = buffer
            else:
                fields[FIRST_BUFFER] = buffer
            last = buffer
        return made

    def _make_buffer(self, made: Sent, frame: bytes) -> int:
        kernel, random = self.kernel, self.kernel.world.random
        headroom, tailroom = random.choice(_HEADROOM), random.choice(_TAILROOM)
        address = kernel.alloc(layout(BUFFER, kernel.arch).size, "NdSb")
        made.blocks.append(address)
        buffer = view(kernel, BUFFER, address)
        buffer["NdisPoolHandle"] = self.adapter.protocol_handle
        pieces = [frame[start:end] for start, end in _cut(random, len(frame), made.packet)]
        pieces[0] = bytes([_FILLER]) * headroom + pieces[0]
        pieces[-1] += bytes([_FILLER]) * tailroom
        last = 0
        for piece in pieces:
            mdl = self._make_mdl(made, piece)
            if last:
                objects.view(kernel, "MDL", last)["Next"] = mdl
            else:
                buffer[f"{DATA}.MdlChain"] = mdl
            last = mdl
        set_start(kernel, buffer, headroom, "NDIS")
        buffer[f"{DATA}.DataLength"] = len(frame)
        return address

    def _make_mdl(self, made: Sent, data: bytes) -> int:
        """Put data where it ends with its page, or anywhere, so that it may go over from one page to the next."""
        kernel, random = self.kernel, self.kernel.world.random
        if random.random() < _ACROSS_CHANCE:
            block = kernel.alloc(len(data) + PAGE_SIZE, "NdSd")
            at = block + random.randrange(PAGE_SIZE)
        else:
            block = at = kernel.alloc(len(data), "NdSd")
        kernel.write(at, data)
        mdl = own_mdl(kernel, at, len(data), locked=random.random() < _UNMAPPED_CHANCE)
        made.blocks += [mdl, block]
        made.data[mdl] = data
        return mdl

    def _remember(self, made: Sent) -> None:
        kernel = self.kernel
        may_answer = ("LargeSend",) if Info.LARGE_SEND in made.packet.info else ()
        self._note(made, LIST, made.address, (*_OF_LIST, *may_answer))
        buffer = view(kernel, LIST, made.address)[FIRST_BUFFER]
        while buffer:
            self._note(made, BUFFER, buffer, _OF_BUFFER)
            buffer = view(kernel, BUFFER, buffer)[f"{DATA}.Next"]
        for mdl in made.data:
            self._note(made, "MDL", mdl, _OF_MDL)

    def _note(self, made: Sent, name: str, address: int, own: Iterable[str]) -> None:
        made.before.append((name, address, self.kernel.read(address, layout(name, self.kernel.arch).size), own))

    # Taking back

    def complete(self, first: int, flags: int) -> None:
        """NdisMSendNetBufferListsComplete."""
        adapter, what = self.adapter, "NdisMSendNetBufferListsComplete"
        if not first:
            adapter.violation(f"{what} is called without a NET_BUFFER_LIST")
        if flags & ~SEND_COMPLETE_AT_DISPATCH:
            adapter.violation(f"{what} is called with the flags {flags:#x}")
        adapter.check_dispatch_flag(what, flags & SEND_COMPLETE_AT_DISPATCH)
        done: list[Sent] = []
        at = first
        while at:
            sent = self.outstanding.get(at)
            if sent is None or sent in done:
                twice = sent in done or at in self.completed
                adapter.violation(f"{what}: the NET_BUFFER_LIST {at:#x} is completed " + (
                    "twice" if twice else "that the miniport was not given"
                ))  # fmt: skip
            done.append(sent)
            at = view(self.kernel, LIST, at)[NEXT_LIST]
        for sent in done:
            status = self._check(sent)
            self._release(sent)
            sent.packet.done(status)

    def _check(self, sent: Sent) -> int:
        """See that a list comes back as it went; returns its status."""
        adapter, kernel = self.adapter, self.kernel
        fields = view(kernel, LIST, sent.address)
        status = fields["Status"]
        if status and status < _FAILURES:
            adapter.violation(f"a NET_BUFFER_LIST is completed with the status {describe(status)}")
        if sent.rejected and not status:
            adapter.violation("a NET_BUFFER_LIST that came while the adapter was paused is completed with success")
        for name, address, before, own in sent.before:
            if address in kernel.part(NetBuffers).retreats:
                adapter.violation("a NET_BUFFER comes back whose data start has been retreated and not advanced")
            self._compare(name, address, before, own)
        for mdl, data in sent.data.items():
            if read_mdl(kernel, mdl) != data:
                adapter.violation("the data of a NET_BUFFER that was to be sent has been changed")
        if sent.packet.payload >= 0:
            self._check_large_send(sent, status, fields.element("NetBufferListInfo", Info.LARGE_SEND))
        return status

    def _compare(self, name: str, address: int, before: bytes, own: Iterable[str]) -> None:
        now = self.kernel.read(address, len(before))
        if now == before:
            return
        whole = layout(name, self.kernel.arch)
        free = {index for each in own for index in _span(whole, each, self.kernel.pointer_size)}
        changed = [index for index in range(len(before)) if before[index] != now[index] and index not in free]
        if changed:
            paths = [path for path, each in whole.fields.items() if each.offset <= changed[0]]
            field_name = max(paths, key=lambda path: (whole.fields[path].offset, path.count(".")))
            self.adapter.violation(f"a {name} that was to be sent comes back with {field_name} changed")

    def _check_large_send(self, sent: Sent, status: int, answer: int) -> None:
        version_2 = sent.packet.info[Info.LARGE_SEND] & TYPE_V2
        answer &= 0xFFFFFFFF
        if version_2 and answer != TYPE_V2:
            self.adapter.violation(f"a large send of version 2 is completed with {answer:#x} for LsoV2TransmitComplete")
        if not version_2:
            payload = answer & (TYPE_V2 - 1)
            right = payload == sent.packet.payload if not status else payload <= sent.packet.payload
            if answer & TYPE_V2 or not right:
                self.adapter.violation(
                    f"a large send of {sent.packet.payload} bytes is completed with"
                    f" {describe(status)} and {answer:#x} for LsoV1TransmitComplete"
                )

    def _release(self, sent: Sent) -> None:
        kernel = self.kernel
        for mdl in sent.data:
            fields = objects.view(kernel, "MDL", mdl)
            if fields["MdlFlags"] & mdls.MAPPED and not fields["MdlFlags"] & mdls.NONPAGED:
                kernel.part(Mappings).unmap(fields["MappedSystemVa"], "NDIS")
        del self.outstanding[sent.address]
        self.completed[sent.address] = None
        if len(self.completed) > _REMEMBERED:
            del self.completed[next(iter(self.completed))]
        for block in sent.blocks:
            kernel.free(block)


def _cut(random: Random, length: int, packet: Packet) -> list[tuple[int, int]]:
    """Say where the MDLs of a frame begin and end."""
    cuts: list[int] = []
    at = 0
    for size in packet.pieces:
        at += size
        cuts.append(at)
    if not packet.pieces:
        count = random.choice((0, 0, 1, 2, 3, 5))
        low = max(1, packet.headers)
        cuts = sorted({random.randrange(low, length) for _ in range(count)}) if low < length else []
    edges = [0, *(each for each in cuts if 0 < each < length), length]
    return list(pairwise(edges))


def _span(whole: objects.Layout, path: str, pointer_size: int) -> range:
    if path == "LargeSend":
        start = whole.offset("NetBufferListInfo") + Info.LARGE_SEND * pointer_size
        return range(start, start + pointer_size)
    found = whole.field(path)
    return range(found.offset, found.offset + found.size * found.count)

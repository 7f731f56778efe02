# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames that a miniport of NDIS 6.0 indicates: looked through, copied or kept for a while, and returned.

Lists that NDIS keeps go back late, in any order and in any grouping, at PASSIVE_LEVEL or DISPATCH_LEVEL; until then
nothing of them may be changed. Source: Windows Driver Kit, NdisMIndicateReceiveNetBufferLists,
MiniportReturnNetBufferLists, "Indicating Received Data from Miniport Drivers".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.ndis.codes6 import RECEIVE_AT_DISPATCH, RECEIVE_FLAGS, RECEIVE_RESOURCES, RETURN_AT_DISPATCH, Info
from xenlab.ndis.nbl import BUFFER, FIRST_BUFFER, LIST, NEXT_LIST, NetBuffers, buffers_of, read_data
from xenlab.ndis.nic import Received
from xenlab.ndis.offload6 import read_checksum_answer, read_tag
from xenlab.ndis.structures import layout, view
from xenlab.nt.routine import DISPATCH_LEVEL, Steps

if TYPE_CHECKING:
    from xenlab.ndis.adapter6 import Adapter6
    from xenlab.nt.kernel import Kernel

HEADER_LENGTH, TAG_LENGTH = 14, 4
_TAGGED = b"\x81\x00"
_LONGEST_KEEPING_NS = 4_000_000


@dataclass(eq=False)
class Kept:
    """A list that NDIS keeps: its data, and what its structures held."""

    address: int
    data: bytes
    before: dict[int, bytes] = field(default_factory=dict)


class Receives:
    """The lists that NDIS keeps, by address.

    Attributes:
        holding: keep all that comes until it is False and :meth:`release` is called.
    """

    def __init__(self, adapter: Adapter6) -> None:
        self.adapter = adapter
        self.kernel: Kernel = adapter.kernel
        self.kept: dict[int, Kept] = {}
        self.holding = False
        self._held: list[Kept] = []

    def indicate(self, first: int, port: int, count: int, flags: int) -> None:
        """NdisMIndicateReceiveNetBufferLists."""
        adapter = self.adapter
        self._check_call(port, flags)
        resources = bool(flags & RECEIVE_RESOURCES)
        lists = self._chain(first, count)
        received = [self._take(each, resources) for each in lists]
        if not resources:
            kept = [self._keep(address, data) for address, data, _ in received]
            if self.holding:
                self._held += kept
            else:
                self._return_later(kept)
        for _, _, frame in received:
            adapter.deliver(frame)

    def _check_call(self, port: int, flags: int) -> None:
        adapter, what = self.adapter, "NdisMIndicateReceiveNetBufferLists"
        if not adapter.may_indicate:
            adapter.violation(f"{what} is called while the adapter is {adapter.state.value}")
        if port:
            adapter.violation(f"{what} is called with the port number {port}, which was never allocated")
        if flags & ~RECEIVE_FLAGS:
            adapter.violation(f"{what} is called with the flags {flags:#x}")
        adapter.check_dispatch_flag(what, flags & RECEIVE_AT_DISPATCH)

    def _chain(self, first: int, count: int) -> list[int]:
        """Walk the chain; each list of it must be the miniport's own, and not be NDIS's already."""
        adapter, net = self.adapter, self.kernel.part(NetBuffers)
        found: list[int] = []
        at = first
        while at:
            if at not in net.lists:
                adapter.violation(f"{at:#x} is indicated, which is no NET_BUFFER_LIST of a pool, or one that is freed")
            if at in net.lent or at in found:
                adapter.violation(f"the NET_BUFFER_LIST {at:#x} is indicated, which NDIS has not returned yet")
            found.append(at)
            at = view(self.kernel, LIST, at)[NEXT_LIST]
        if len(found) != count or not found:
            adapter.violation(f"NumberOfNetBufferLists is {count} of a chain of {len(found)}")
        return found

    def _take(self, address: int, resources: bool) -> tuple[int, bytes, Received]:
        """Read one list's frame and what the miniport says of it."""
        adapter, kernel, what = self.adapter, self.kernel, "A receive indication"
        fields = view(kernel, LIST, address)
        if fields["SourceHandle"] != adapter.handle:
            adapter.violation(f"SourceHandle of an indicated NET_BUFFER_LIST is {fields['SourceHandle']:#x}")
        if fields["Status"]:
            adapter.violation(f"Status of an indicated NET_BUFFER_LIST is {fields['Status']:#x}")
        buffers = list(buffers_of(kernel, address, what))
        if len(buffers) != 1:
            adapter.violation(f"an indicated NET_BUFFER_LIST has {len(buffers)} NET_BUFFERs; of Ethernet it has one")
        data = read_data(kernel, buffers[0], what)
        longest = adapter.mtu + HEADER_LENGTH + (TAG_LENGTH if data[12:14] == _TAGGED else 0)
        if not HEADER_LENGTH <= len(data) <= longest:
            adapter.violation(f"a frame of {len(data)} bytes is indicated; {longest} is the longest")
        tag = read_tag(fields.element("NetBufferListInfo", Info.IEEE8021Q))
        answer = fields.element("NetBufferListInfo", Info.CHECKSUM)
        good, bad = read_checksum_answer(adapter, data, answer)
        return address, data, Received(data, good, bad, tag, resources)

    def _keep(self, address: int, data: bytes) -> Kept:
        kernel = self.kernel
        made = Kept(address, data)
        buffer = view(kernel, LIST, address)[FIRST_BUFFER]
        for name, at in ((LIST, address), (BUFFER, buffer)):
            made.before[at] = kernel.read(at, layout(name, kernel.arch).size)
        self.kept[address] = made
        kernel.part(NetBuffers).lent[address] = "it was indicated and is not returned yet"
        return made

    # Returning

    def release(self) -> None:
        """Return what :attr:`holding` has held, in the usual way."""
        held, self._held = self._held, []
        self._return_later(held)

    def _return_later(self, kept: list[Kept]) -> None:
        random = self.kernel.world.random
        kept = list(kept)
        random.shuffle(kept)
        while kept:
            count = random.randint(1, len(kept))
            group, kept = kept[:count], kept[count:]
            self._return_group(group, random.randrange(_LONGEST_KEEPING_NS))

    def _return_group(self, group: list[Kept], delay_ns: int) -> None:
        kernel = self.kernel
        queue = kernel.queue_call if kernel.world.random.random() < 0.5 else kernel.queue_work
        kernel.world.at(delay_ns, lambda: queue(lambda: self._give_back(group), "a return"), "a return is due")

    def _give_back(self, group: list[Kept]) -> Steps:
        kernel, net = self.kernel, self.kernel.part(NetBuffers)
        for each in group:
            self._compare(each)
            del self.kept[each.address], net.lent[each.address]
        for each, following in zip(group, [*group[1:], None], strict=True):
            view(kernel, LIST, each.address)[NEXT_LIST] = following.address if following else 0
        flags = RETURN_AT_DISPATCH if kernel.irql == DISPATCH_LEVEL else 0
        yield from self.adapter.invoke("ReturnNetBufferListsHandler", group[0].address, flags)
        return None

    def _compare(self, kept: Kept) -> None:
        """See that nobody has touched a list while NDIS had it."""
        adapter, kernel = self.adapter, self.kernel
        for at, before in kept.before.items():
            if kernel.read(at, len(before)) != before:
                adapter.violation("a NET_BUFFER_LIST was changed between its indication and its return")
        buffer = view(kernel, LIST, kept.address)[FIRST_BUFFER]
        if read_data(kernel, buffer, "A receive indication") != kept.data:
            adapter.violation("the data of a NET_BUFFER_LIST was changed between its indication and its return")

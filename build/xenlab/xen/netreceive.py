# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest receives: one queue's receive ring, from the switch into the pages that the guest has posted, or in
pages of the back end's that go where the guest has made holes.

A response is in the entry of its request, and an extra info takes an entry, with a page, that it does not use. What is
not the frame's in a page is overwritten: until the response it is the back end's.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NoReturn

from xenlab.xen.abi import NETIF_RSP, NETRXF, XEN_NETIF_GSO_TYPE, XEN_NETIF_NR_SLOTS_MIN
from xenlab.xen.grants import GrantError
from xenlab.xen.netring import Gso, RxRequest, RxResponse, RxRing, pack_extra
from xenlab.xen.netrules import version_of
from xenlab.xen.ports import PAGE
from xenlab.xen.switch import Packet
from xenlab.xen.transfer import ForeignPage, transfer

if TYPE_CHECKING:
    from xenlab.xen.netback import NetBackend, Queue

_GARBAGE = bytes(range(0x80, 0x100)) * (PAGE // 0x80)
_LEAST_PIECE = 64
_BELATED_NS = (1_000, 30_000_000)


class Receiver:
    """The receive ring of one queue.

    Attributes:
        waiting: what has come and is not on the ring yet, with when it came.
        posted: the grants of the buffers that the guest has shown and that are not used up.
    """

    def __init__(self, back: NetBackend, queue: Queue, ring: RxRing) -> None:
        self._back = back
        self._world = back.world
        self._queue = queue
        self.ring = ring
        self.waiting: deque[tuple[int, Packet]] = deque()
        self.posted: dict[int, int] = {}
        self._ids: set[int] = set()
        self._looked = 0
        self.awake = False

    def wake(self) -> None:
        if not self.awake:
            self.awake = True
            self._queue.later(self._back.features.poll_ns, self._poll, "netback fills its receive ring")

    def deliver(self, packet: Packet) -> None:
        """Take a packet that the front end takes, and lose it if too many wait already."""
        back = self._back
        if len(self.waiting) >= back.features.queue:
            back.statistics.rx_dropped["queue full"] += 1
            return
        self.waiting.append((self._world.now, packet))
        self.wake()

    def audit(self) -> None:
        """To be called when the guest is at rest."""
        self._look()
        free = self.ring.unconsumed()
        if self.waiting and not self.awake and free >= self._need(self.waiting[0][1]):
            self._fault(
                f"{free} receive buffers are posted, req_event asked to be notified of them, and nothing has come"
            )
        if free <= XEN_NETIF_NR_SLOTS_MIN:
            self._fault(f"at rest the guest has {free} receive buffers posted: the next large frame has no room")
        if self.ring.ahead() <= 0:
            self._fault(
                "at rest rsp_event is behind rsp_prod: the guest has not asked to be told of the next frame, or has not"
                " looked once more after it did"
            )

    def _look(self) -> None:
        """See what buffers the guest has posted since the last time."""
        ring = self.ring
        count = ring.unconsumed()
        if ring.outstanding + count > ring.slots:
            self._fault(f"req_prod says {count} receive buffers; the ring has {ring.slots} entries")
        new = (ring.req_cons + count - self._looked) % (1 << 32)
        for number in range(count - new, count):
            request = ring.request(number)
            if request.gref in self.posted:
                self._fault(f"grant {request.gref} is posted as a receive buffer twice")
            if request.id in self._ids:
                self._fault(f"id {request.id:#x} is used again for a receive buffer")
            self.posted[request.gref] = request.id
            self._ids.add(request.id)
        self._looked = (self._looked + new) % (1 << 32)

    def _need(self, packet: Packet) -> int:
        """How many entries a packet takes at most."""
        features = self._back.features
        if not self._back.accepted.sg:
            return 1
        room = PAGE - features.offset
        pieces = -(-len(packet.frame) // room)
        if features.scatters:
            pieces = min(XEN_NETIF_NR_SLOTS_MIN, pieces + 2)
        return pieces + bool(packet.mss)

    def _poll(self) -> None:
        ring, back = self.ring, self._back
        self._look()
        while self.waiting:
            came, packet = self.waiting[0]
            need = self._need(packet)
            if not back.accepted.sg and len(packet.frame) > PAGE - back.features.offset:
                self._drop("too long for a front end without feature-sg")
                continue
            if ring.unconsumed() < need:
                ring.set_index("req_event", ring.req_cons + need)
                self._look()
            if ring.unconsumed() >= need:
                self.waiting.popleft()
                self._put(packet, need - bool(packet.mss))
            elif not back.accepted.notifies or self._world.now - came >= back.features.patience_ns:
                self._drop("no buffers")
            else:
                left = back.features.patience_ns - (self._world.now - came)
                self._queue.later((left, left), self.wake, "netback's patience with the receive ring ends")
                break
        self.awake = False

    def _drop(self, why: str) -> None:
        self.waiting.popleft()
        self._back.statistics.rx_dropped[why] += 1

    def _put(self, packet: Packet, room: int) -> None:
        """Copy a packet into posted pages and show the responses together."""
        back, ring, random = self._back, self.ring, self._world.random
        pieces = self._pieces(packet.frame, room)
        entries: list[bytes] = []
        for number, piece in enumerate(pieces):
            flags = NETRXF.more_data if number < len(pieces) - 1 else 0
            if not number:
                flags |= self._flags(packet)
            entries.append(self._fill(self._take(), piece, flags))
            if not number and packet.mss:
                self._take()
                entries.append(self._extra(packet))
        if random.random() < back.hostility.producer:
            ring.set_index("rsp_prod", ring.rsp_prod + random.randint(ring.slots + 1, 1 << 31))
            self._queue.notify_rx()
            return
        for entry in entries:
            ring.put(entry)
        statistics = back.statistics
        statistics.rx_packets += 1
        statistics.rx_bytes += len(packet.frame)
        statistics.rx_gso += bool(packet.mss)
        statistics.rx_blank += packet.blank
        self._world.trace("netback", f"{back.path} delivers", bytes=len(packet.frame), responses=len(entries))
        if ring.show():
            self._queue.notify_rx()

    def _pieces(self, frame: bytes, most: int) -> list[bytes]:
        """Cut the frame for the pages: each as full as it can be, or as chance has it."""
        features, random = self._back.features, self._world.random
        room = PAGE - features.offset
        pieces: list[bytes] = []
        while frame:
            left = most - len(pieces) - 1
            least = max(_LEAST_PIECE, len(frame) - left * room)
            size = min(room, len(frame))
            if features.scatters and self._back.accepted.sg and left and least < size:
                size = random.randint(least, size)
            pieces.append(frame[:size])
            frame = frame[size:]
        return pieces

    @staticmethod
    def _flags(packet: Packet) -> int:
        flags = NETRXF.extra_info if packet.mss else 0
        if packet.blank:
            return flags | NETRXF.csum_blank | NETRXF.data_validated
        return flags | (NETRXF.data_validated if packet.validated else 0)

    def _take(self) -> RxRequest:
        request = self.ring.request(0)
        self.ring.consume(1)
        del self.posted[request.gref]
        self._ids.discard(request.id)
        return request

    def _fill(self, request: RxRequest, piece: bytes, flags: int) -> bytes:
        """Copy a piece into a page, or give one away with it, and return its response."""
        back, random = self._back, self._world.random
        offset = random.randint(0, back.features.offset)
        if back.hostility.beyond and random.random() < back.hostility.beyond:
            offset = PAGE - len(piece) // 2
        content = (_GARBAGE[:offset] + piece + _GARBAGE)[:PAGE]
        if not back.accepted.copies:
            given = self._give(request.gref, content)
            right = RxResponse(request.id, offset, flags, len(piece) if given else NETIF_RSP.ERROR)
            return self._spoilt(right).pack()
        try:
            back.grants.copy_to(request.gref, 0, 0, content)
        except GrantError as error:
            self._fault(f"receive buffer {request.id:#x}: {error}")
        return self._spoilt(RxResponse(request.id, offset, flags, len(piece))).pack()

    def _give(self, ref: int, content: bytes) -> bool:
        """Give a page away; whether that is to be answered as done. A guest that suspends does not take it."""
        hostility, random = self._back.hostility, self._world.random
        page = ForeignPage(0, random.getrandbits(20), content)
        if random.random() < hostility.untransferred:
            return True
        if random.random() < hostility.belated:
            self._world.at(
                random.randint(*_BELATED_NS), lambda: self._give_late(ref, page), "netback gives a page late"
            )
            return True
        return self._transfer(ref, page)

    def _give_late(self, ref: int, page: ForeignPage) -> None:
        self._transfer(ref, page)

    def _transfer(self, ref: int, page: ForeignPage) -> bool:
        domain, random = self._back.hypervisor, self._world.random
        try:
            under_way = transfer(domain, 0, page, domain.domid, ref)
        except GrantError as error:
            self._back.statistics.rx_dropped[str(error)] += 1
            return False
        hostility = self._back.hostility
        if hostility.stuck and random.random() < hostility.stuck:
            return True
        if random.random() < hostility.uncompleted:
            self._world.at(random.randint(*_BELATED_NS), under_way.complete, "Xen completes a transfer")
        else:
            under_way.complete()
        return True

    def _spoilt(self, right: RxResponse) -> RxResponse:
        random, hostility = self._world.random, self._back.hostility
        ident, offset, flags, status = right.id, right.offset, right.flags, right.status
        if random.random() < hostility.bad_id:
            ident = random.getrandbits(16)
        if random.random() < hostility.garbage_offset:
            offset = random.choice([PAGE, 0xFFFF, random.getrandbits(16)])
        if random.random() < hostility.garbage_size:
            status = random.choice([0, NETIF_RSP.ERROR, PAGE + 1, 0x7FFF, -0x8000, random.randint(0, PAGE)])
        if random.random() < hostility.garbage_flags:
            flags = random.getrandbits(16)
        if random.random() < hostility.endless:
            flags |= NETRXF.more_data
        return RxResponse(ident, offset, flags, status)

    def _extra(self, packet: Packet) -> bytes:
        random = self._world.random
        if random.random() < self._back.hostility.bad_extra:
            return random.choice([pack_extra(Gso(0, XEN_NETIF_GSO_TYPE.TCPV4)), random.randbytes(8)])
        six = version_of(packet.frame) == 6
        return pack_extra(Gso(packet.mss, XEN_NETIF_GSO_TYPE.TCPV6 if six else XEN_NETIF_GSO_TYPE.TCPV4))

    def _fault(self, what: str) -> NoReturn:
        self._world.violation(f"{self._back.path}: {what}")

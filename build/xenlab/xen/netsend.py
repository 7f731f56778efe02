# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest sends: one queue's transmit ring, from the requests to the switch and back to the responses.

Frames leave in the order of the ring. They are answered late and in any order: the first request of a frame perhaps
before the others, as a back end does that copies the headers and maps the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from xenlab.xen.abi import NETIF_RSP, NETTXF
from xenlab.xen.grants import GrantError, Mapping
from xenlab.xen.netring import Chain, Gso, Multicast, TxRequest, TxRing
from xenlab.xen.netrules import chain_fault, frame_faults
from xenlab.xen.switch import Packet

if TYPE_CHECKING:
    from xenlab.xen.netback import NetBackend, Queue

_EARLY = 0.3


@dataclass(eq=False)
class Job:
    """A frame that has left and is not answered yet.

    Attributes:
        held: its pieces with how many bytes each has, and the mapping, if there is one.
        seen: what they held when the frame left: they may not change before they are answered.
    """

    chain: Chain
    held: Sequence[tuple[TxRequest, int, Mapping | None]]
    seen: list[bytes]


class Sender:
    """The transmit ring of one queue."""

    def __init__(self, back: NetBackend, queue: Queue, ring: TxRing) -> None:
        self._back = back
        self._world = back.world
        self._queue = queue
        self.ring = ring
        self.jobs: list[Job] = []
        self.awake = False
        self._ids: set[int] = set()
        self._answered: deque[int] = deque(maxlen=3)
        self._credit = 0
        self._credit_from = self._world.now

    def wake(self) -> None:
        if not self.awake:
            self.awake = True
            self._queue.later(self._back.features.poll_ns, self._poll, "netback looks at its transmit ring")

    def let_go(self) -> list[Mapping]:
        """Forget what is under way; returns the mappings that are left."""
        held = [mapping for job in self.jobs for _, _, mapping in job.held if mapping is not None]
        self.jobs.clear()
        return held

    def audit(self) -> None:
        """To be called when the guest is at rest: frames that it pushed without the notification asked for."""
        if not self.awake and (left := self.ring.unconsumed()):
            self._fault(
                f"{left} requests lie on the ring, req_event asked to be notified of them, and nothing has come"
            )

    def _poll(self) -> None:
        """Take every frame; sleep when there is none even after asking to be notified of the next."""
        ring = self.ring
        taken = self._take_all()
        if taken is None:
            return
        if not taken:
            ring.set_index("req_event", ring.req_cons + 1)
            taken = self._take_all()
        if taken:
            self._queue.later(self._back.features.poll_ns, self._poll, "netback looks at its transmit ring")
        elif taken == 0:
            self.awake = False

    def _take_all(self) -> int | None:
        """Take what is there; how many frames, or None: more will leave when the rate allows."""
        ring = self.ring
        count = ring.unconsumed()
        if ring.outstanding + count > ring.slots:
            self._fault(
                f"req_prod says {count} new requests beside {ring.outstanding} that are unanswered;"
                f" the ring has {ring.slots} entries"
            )
        taken = 0
        while count:
            chain = ring.chain(count, ring.slots)
            if isinstance(chain, str):
                self._fault(f"a frame is not whole: {chain}")
            if not self._may_leave(chain.requests[0].size):
                return None
            ring.consume(chain.entries)
            count -= chain.entries
            taken += 1
            self._take(chain)
        return taken

    def _may_leave(self, size: int) -> bool:
        """Whether the rate allows it now; otherwise the ring is looked at again when it does."""
        rate = self._back.features.rate
        if rate is None:
            return True
        now = self._world.now
        if now >= self._credit_from:
            self._credit, self._credit_from = max(rate[0], size), now + rate[1] * 1000
        if self._credit >= size:
            self._credit -= size
            return True
        wait = self._credit_from - now
        self._queue.later((wait, wait), self._poll, "netback's rate allows more")
        return False

    def _take(self, chain: Chain) -> None:
        back = self._back
        first = chain.requests[0]
        if fault := chain_fault(chain, back.features):
            self._fault(f"frame {first.id:#x}: {fault}")
        for request in chain.requests:
            if request.id in self._ids:
                self._fault(f"id {request.id:#x} is used again before its response")
            self._ids.add(request.id)
        back.statistics.tx_requests += chain.entries
        if isinstance(extra := next(iter(chain.extras), None), Multicast):
            done = back.change_filter(extra)
            self._answer(chain.requests, len(chain.extras), NETIF_RSP.OKAY if done else NETIF_RSP.ERROR)
            return
        job = self._hold(chain)
        self.jobs.append(job)
        self._send(job)
        self._queue.later(back.features.latency_ns, lambda: self._finish(job), f"netback answers {first.id:#x}")

    def _hold(self, chain: Chain) -> Job:
        """Map the pages, or look at them once."""
        back = self._back
        first, *others = chain.requests
        sizes = [first.size - sum(each.size for each in others), *(each.size for each in others)]
        held: list[tuple[TxRequest, int, Mapping | None]] = []
        try:
            for request, size in zip(chain.requests, sizes, strict=True):
                if request.gref in self._queue.receiver.posted:
                    self._fault(f"frame {first.id:#x}: grant {request.gref} is a receive buffer's, too")
                mapping = back.grants.map(request.gref, 0, readonly=True) if back.features.maps else None
                held.append((request, size, mapping))
            return Job(chain, held, self._read(held))
        except GrantError as error:
            self._fault(f"frame {first.id:#x}: {error}")

    def _read(self, held: Sequence[tuple[TxRequest, int, Mapping | None]]) -> list[bytes]:
        return [
            mapping.read(request.offset, size) if mapping is not None
            else self._back.grants.copy_from(request.gref, 0, request.offset, size)
            for request, size, mapping in held
        ]  # fmt: skip

    def _send(self, job: Job) -> None:
        back = self._back
        first = job.chain.requests[0]
        gso = next((extra for extra in job.chain.extras if isinstance(extra, Gso)), None)
        blank, validated = bool(first.flags & NETTXF.csum_blank), bool(first.flags & NETTXF.data_validated)
        packet = Packet(b"".join(job.seen), blank, gso.mss if gso else 0, validated)
        if back.strict and (found := frame_faults(packet, gso, back.features, back.mtu)):
            self._fault(f"frame {first.id:#x} of {len(packet.frame)} bytes: {'; '.join(found)}")
        statistics = back.statistics
        statistics.tx_packets += 1
        statistics.tx_bytes += len(packet.frame)
        statistics.tx_gso += bool(gso)
        statistics.tx_blank += blank
        self._world.trace("netback", f"{back.path} sends", bytes=len(packet.frame), requests=len(job.chain.requests))
        back.send(packet)

    def _finish(self, job: Job) -> None:
        """The frame has left: see that it is still what it was, and answer."""
        if job not in self.jobs:
            return
        self.jobs.remove(job)
        ident = job.chain.requests[0].id
        try:
            if self._read(job.held) != job.seen:
                self._fault(f"frame {ident:#x} was changed before it was answered")
            if not self._back.features.maps:
                self._back.grants.statistics.copies -= len(job.held)  # The second look is the lab's alone.
            for _, _, mapping in job.held:
                if mapping is not None:
                    self._back.grants.unmap(mapping)
        except GrantError as error:
            self._fault(f"frame {ident:#x} before it was answered: {error}")
        status = self._spoilt_status()
        first, rest = job.chain.requests[:1], job.chain.requests[1:]
        if rest and self._world.random.random() < _EARLY:
            self._answer(first, len(job.chain.extras), status)
            poll = self._back.features.poll_ns
            self._queue.later(poll, lambda: self._answer(rest, 0, status), "netback answers the rest")
        else:
            self._answer(job.chain.requests, len(job.chain.extras), status)

    def _spoilt_status(self) -> int:
        random, hostility = self._world.random, self._back.hostility
        if random.random() < hostility.garbage_status:
            return random.randint(-(1 << 15), (1 << 15) - 1)
        if random.random() < hostility.error:
            return random.choice([NETIF_RSP.ERROR, NETIF_RSP.DROPPED])
        return NETIF_RSP.OKAY

    def _answer(self, requests: Sequence[TxRequest], extras: int, status: int) -> None:
        """Respond to requests; the extra infos behind the first of them get responses without a meaning."""
        ring, random, hostility = self.ring, self._world.random, self._back.hostility
        if random.random() < hostility.producer:
            ring.set_index("rsp_prod", ring.rsp_prod + random.randint(ring.slots + 1, 1 << 31))
            self._queue.notify_tx()
            return
        for number, request in enumerate(requests):
            self._ids.discard(request.id)
            if random.random() < hostility.silence:
                continue
            ident = request.id
            if random.random() < hostility.bad_id:
                ident = random.choice([random.getrandbits(16), *self._answered])
            self._answered.append(request.id)
            ring.respond(ident, status)
            if random.random() < hostility.duplicate and ring.outstanding:
                ring.respond(ident, status)
            for _ in range(extras if not number else 0):
                ring.respond(random.getrandbits(16), NETIF_RSP.NULL)
        if ring.show():
            self._queue.notify_tx()

    def _fault(self, what: str) -> NoReturn:
        self._world.violation(f"{self._back.path}: {what}")

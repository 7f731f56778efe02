# SPDX-License-Identifier: GPL-2.0-or-later
"""The block back end of one virtual disk: its choices in xenstore, and its end of the ring.

It behaves like the best known one (Linux's): it publishes features, connects when the front end has written its choice,
answers requests late and in any order that the rules allow, and sleeps until it is notified. What a front end may not
do is a violation; what a back end should not do it does when :class:`Hostility` says so.

Source: xen/include/public/io/blkif.h; xenbus.h for the states.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from xenlab.xen.abi import (
    BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST,
    BLKIF_MAX_SEGMENTS_PER_REQUEST,
    BLKIF_OP,
    BLKIF_RSP,
    VDISK,
    Arch,
    XenbusState,
)
from xenlab.xen.backend import Backend
from xenlab.xen.blkring import SEGMENTS_PER_INDIRECT_PAGE, BlockRing, Request, Segment, parse_segments
from xenlab.xen.disk import SECTOR, Disk
from xenlab.xen.evtchn import RemotePort
from xenlab.xen.grants import GrantError, Mapping
from xenlab.xen.hypervisor import Hypervisor
from xenlab.xen.ports import PAGE
from xenlab.xen.store import Store

_SECTORS_PER_PAGE = PAGE // SECTOR
_PROTOCOLS: dict[str, Arch] = {"x86_32-abi": "x32", "x86_64-abi": "x64"}
_WRITES = {BLKIF_OP.WRITE, BLKIF_OP.WRITE_BARRIER}
_FLUSHES = {BLKIF_OP.FLUSH_DISKCACHE, BLKIF_OP.WRITE_BARRIER}


@dataclass(frozen=True)
class Hostility:
    """How often (0 to 1) a response is spoilt, and by what; `producer` is the chance that rsp_prod runs off instead.

    A bad id is no one's, or that of a request which is answered already. `keeps` is the chance that the pages of an
    answered request stay mapped, `clings_ns` how long after it has closed the back end still has everything mapped.
    """

    bad_id: float = 0.0
    garbage_status: float = 0.0
    wrong_operation: float = 0.0
    duplicate: float = 0.0
    silence: float = 0.0
    producer: float = 0.0
    keeps: float = 0.0
    clings_ns: int = 0


@dataclass(frozen=True)
class Features:
    """What the back end offers and how it works.

    Attributes:
        max_indirect: segments of an indirect request; 0 offers none.
        max_ring_page_order: 0 offers single-page rings only, and does not write the node.
        native: the layout of a front end that names no protocol; `knows_protocol` False takes it for every front end.
        early: publishes everything before it waits for the front end, as qemu's back end does.
        read_only, cdrom: the disk's kind.
        refuses: operations that it offers and then answers with BLKIF_RSP_EOPNOTSUPP.
        empty_barriers: takes a barrier without data; otherwise it says BLKIF_RSP_ERROR, as old ones do.
        persistent_limit: grants that it keeps mapped at most.
        latency_ns: least and most time of one request.
    """

    barrier: bool = True
    flush: bool = True
    discard: bool = True
    persistent: bool = False
    max_indirect: int = 0
    max_ring_page_order: int = 0
    native: Arch = "x64"
    knows_protocol: bool = True
    early: bool = False
    read_only: bool = False
    cdrom: bool = False
    sector_size: int = 512
    physical_sector_size: int = 512
    refuses: frozenset[BLKIF_OP] = frozenset()
    empty_barriers: bool = True
    persistent_limit: int = 352
    latency_ns: tuple[int, int] = (20_000, 2_000_000)
    poll_ns: tuple[int, int] = (1_000, 30_000)


HONEST = Hostility()
ORDINARY = Features()


@dataclass
class Statistics:
    """What has passed over the ring."""

    requests: Counter[str] = field(default_factory=Counter)
    segments: int = 0
    bytes: int = 0
    events_in: int = 0
    idle_events_in: int = 0
    events_out: int = 0
    failed: int = 0


@dataclass(eq=False)
class _Job:
    """A request under way; each segment with its mapping."""

    request: Request
    pieces: list[tuple[Segment, Mapping]]
    early_data: bytes | None = None


class BlockBackend(Backend):
    """One virtual disk's back end in domain 0.

    Attributes:
        statistics: counters since creation.
        hostility: may be changed at any time.
        bad_sectors: of 512 bytes, which can be neither read nor written.
        flush_fails: the disk's cache cannot be written to its medium.
    """

    name = "blkback"
    connects_at = (XenbusState.Initialised, XenbusState.Connected)

    def __init__(
        self,
        hypervisor: Hypervisor,
        store: Store,
        path: str,
        disk: Disk,
        features: Features = ORDINARY,
        hostility: Hostility = HONEST,
    ) -> None:
        super().__init__(hypervisor, store, path)
        self.disk = disk
        self.features = features
        self.hostility = hostility
        self.bad_sectors = range(0)
        self.flush_fails = False
        self.statistics = Statistics()
        self._ring: BlockRing | None = None
        self._port: RemotePort | None = None
        self._persistent: dict[int, Mapping] | None = None
        self._queue: deque[Request] = deque()
        self._active: list[_Job] = []
        self._answered: deque[int] = deque(maxlen=3)
        self._kept: list[Mapping] = []
        self._awake = False

    def start(self) -> None:
        """Publish what the front end may choose from, and wait for it."""
        features = self.features
        if features.max_ring_page_order:
            self._put("max-ring-page-order", features.max_ring_page_order)
        if features.persistent:
            self._put("feature-persistent", 1)
        if features.max_indirect:
            self._put("feature-max-indirect-segments", features.max_indirect)
        if features.early:
            self._publish()
        self._wait_for_front()

    def resize(self, sectors: int) -> None:
        """Change the disk's size while it is in use: new `sectors`, and the state written again."""
        self.disk.resize(sectors)
        self._put("sectors", sectors)
        self._switch(self.state)

    def change_medium(self, disk: Disk) -> None:
        """Put another disc, or with one of no sectors none, into a drive: its size, and the state written again."""
        self.disk = disk
        self._put("sectors", disk.sectors)
        self._switch(self.state)

    def forget_domain(self) -> None:
        """The domain has gone to another host: each request in flight has reached the disk or not, none is answered."""
        for job in self._active:
            if job.request.operation in _WRITES and self.world.random.random() < 0.5:
                self._move(job)
        self._active.clear()
        self._stop_watching()
        self._ring = self._port = self._persistent = None
        self._kept.clear()

    def audit(self) -> None:
        """To be called when the guest idles: requests that it pushed without the notification that was asked for."""
        ring = self._ring
        if ring is not None and not self._awake and ring.unconsumed():
            self.world.violation(
                f"{self.path}: {ring.unconsumed()} requests lie on the ring, req_event asked to be notified of them,"
                " and no notification has come"
            )

    def answer_one(self) -> bool:
        """Finish the oldest request that is under way at once; False: there is none."""
        if self._active:
            self._finish(self._active[0])
            return True
        return False

    @property
    def busy(self) -> int:
        """Requests taken and not answered."""
        return len(self._queue) + len(self._active)

    @property
    def slots(self) -> int:
        """How many requests the ring holds; 0 while there is none."""
        return self._ring.slots if self._ring else 0

    @property
    def on_ring(self) -> int:
        """Requests that the front end has shown and that are not answered."""
        return self._ring.unconsumed() + self._ring.outstanding if self._ring else 0

    def _connect(self) -> None:
        with self._taking_offer():
            self._attach_ring()
        if not self.features.early:
            self._publish()
        self._switch(XenbusState.Connected)
        self._wake()

    def _attach_ring(self) -> None:
        order = int(self._front("ring-page-order", "0"))
        if order > self.features.max_ring_page_order:
            raise ValueError(f"ring-page-order {order} was not offered")
        names = [f"ring-ref{number}" for number in range(1 << order)] if self._has("ring-ref0") else ["ring-ref"]
        protocol = self._front("protocol", "")
        if self.features.knows_protocol and protocol:
            if protocol not in _PROTOCOLS:
                raise ValueError(f"protocol {protocol!r} is unknown")
            layout = _PROTOCOLS[protocol]
        else:
            layout = self.features.native
        grants, domid = self.hypervisor.grants, 0
        self._port = self.hypervisor.evtchn.bind_remote(int(self._front("event-channel")), domid, self._woken)
        self._ring = BlockRing([grants.map(int(self._front(name)), domid, readonly=False) for name in names], layout)
        agreed = self.features.persistent and self._front("feature-persistent", "0") == "1"
        self._persistent = {} if agreed else None
        self._unit = self.features.sector_size if self._front("feature-large-sector-size", "0") == "1" else SECTOR

    def _front(self, name: str, default: str | None = None) -> str:
        if default is not None and not self._has(name):
            return default
        return self._store.read(f"{self.front}/{name}").decode()

    def _has(self, name: str) -> bool:
        return self._store.exists(f"{self.front}/{name}")

    def _publish(self) -> None:
        features = self.features
        self._put("feature-barrier", int(features.barrier))
        self._put("feature-flush-cache", int(features.flush))
        if features.discard:
            self._put("feature-discard", 1)
            self._put("discard-granularity", features.sector_size)
            self._put("discard-alignment", 0)
            self._put("discard-secure", 0)
        large = self._has("feature-large-sector-size")
        self._put("sectors", self.disk.sectors // ((features.sector_size if large else SECTOR) // SECTOR))
        self._put("sector-size", features.sector_size)
        self._put("physical-sector-size", max(features.physical_sector_size, features.sector_size))
        kind = VDISK.CDROM | VDISK.READONLY if features.cdrom else VDISK.READONLY if features.read_only else 0
        self._put("info", int(kind))

    def _disconnect(self) -> None:
        """End what is under way unanswered, unmap everything, close the port."""
        grants = self.hypervisor.grants
        self._queue.clear()
        mapped = [mapping for job in self._active for _, mapping in job.pieces]
        self._active.clear()
        kept = [*(self._persistent or {}).values(), *self._kept]
        self._kept.clear()
        ring_pages = self._ring.pages if self._ring else []
        held = list(dict.fromkeys([*mapped, *kept, *ring_pages]))

        def let_go() -> None:
            for mapping in held:
                if mapping.table is self.hypervisor.grants:
                    grants.unmap(mapping)

        if self.hostility.clings_ns:
            self.world.at(self.hostility.clings_ns, let_go, "blkback unmaps at last")
        else:
            let_go()
        if self._port is not None:
            self._port.close()
        self._ring = self._port = self._persistent = None

    def _woken(self) -> None:
        self.statistics.events_in += 1
        if self._ring is not None and not self._ring.unconsumed():
            self.statistics.idle_events_in += 1
        self._wake()

    def _wake(self) -> None:
        if not self._awake and self._ring is not None:
            self._awake = True
            self._later(self.features.poll_ns, self._poll, "blkback looks at its ring")

    def _poll(self) -> None:
        """Take every request; sleep when there is none even after asking to be notified of the next."""
        ring = self._require_ring()
        taken = self._take_all(ring)
        if not taken:
            ring.set_index("req_event", ring.req_cons + 1)
            taken = self._take_all(ring)
        if taken:
            self._later(self.features.poll_ns, self._poll, "blkback looks at its ring")
        else:
            self._awake = False
        self._start_jobs()

    def _take_all(self, ring: BlockRing) -> int:
        count = ring.unconsumed()
        if ring.outstanding + count > ring.slots:
            self.world.violation(
                f"{self.path}: req_prod says {count} new requests beside {ring.outstanding} that are unanswered;"
                f" the ring has {ring.slots} slots"
            )
        for _ in range(count):
            self._queue.append(ring.take())
        return count

    def _start_jobs(self) -> None:
        """Start what may start: a barrier waits for all before it, and all after it wait for it."""
        while self._queue:
            barrier = self._queue[0].operation == BLKIF_OP.WRITE_BARRIER
            ahead = any(job.request.operation == BLKIF_OP.WRITE_BARRIER for job in self._active)
            if ahead or (barrier and self._active):
                return
            self._start(self._queue.popleft())

    def _start(self, request: Request) -> None:
        name = BLKIF_OP(request.operation).name if request.operation in set(BLKIF_OP) else str(request.operation)
        self.statistics.requests[name] += 1
        self.world.trace("blkback", f"{self.path} {name} {request.sector:#x}", id=request.id, segments=request.count)
        self._check_offered(request, name)
        segments = self._segments(request)
        pieces = []
        for segment in segments:
            self._check_segment(request, segment)
            pieces.append((segment, self._map(request, segment.gref)))
        job = _Job(request, pieces)
        if request.operation in _WRITES and self.world.random.random() < 0.5:
            job.early_data = self._gather(job)
        self._active.append(job)
        self._later(self.features.latency_ns, lambda: self._finish(job), f"blkback finishes {request.id:#x}")

    def _check_offered(self, request: Request, name: str) -> None:
        features = self.features
        offered = {
            BLKIF_OP.READ: True,
            BLKIF_OP.WRITE: True,
            BLKIF_OP.WRITE_BARRIER: features.barrier,
            BLKIF_OP.FLUSH_DISKCACHE: features.flush,
            BLKIF_OP.DISCARD: features.discard,
        }
        if request.indirect:
            offered = dict.fromkeys({BLKIF_OP.READ, BLKIF_OP.WRITE}, bool(features.max_indirect))
        if request.operation not in offered or not offered[BLKIF_OP(request.operation)]:
            self._bad(request, f"operation {name} was not offered")
        limit = features.max_indirect if request.indirect else BLKIF_MAX_SEGMENTS_PER_REQUEST
        least = 1 if request.operation in {BLKIF_OP.READ, BLKIF_OP.WRITE} else 0
        if not least <= request.count <= limit:
            self._bad(request, f"it has {request.count} segments; {least} to {limit} are allowed")

    def _bad(self, request: Request, what: str) -> None:
        self.world.violation(f"{self.path}: request {request.id:#x} at sector {request.sector:#x}: {what}")

    def _segments(self, request: Request) -> tuple[Segment, ...]:
        if not request.indirect:
            return request.segments
        pages = -(-request.count // SEGMENTS_PER_INDIRECT_PAGE)
        if pages > BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST:
            self._bad(request, f"it has {pages} indirect pages")
        segments: tuple[Segment, ...] = ()
        for number, gref in enumerate(request.indirect):
            count = min(SEGMENTS_PER_INDIRECT_PAGE, request.count - number * SEGMENTS_PER_INDIRECT_PAGE)
            mapping = self._map(request, gref, writing=False)
            segments += parse_segments(mapping.read(0, PAGE), count)
            self._release(gref, mapping)
        return segments

    def _check_segment(self, request: Request, segment: Segment) -> None:
        if not segment.first <= segment.last < PAGE // self._unit:
            self._bad(request, f"a segment covers sectors {segment.first} to {segment.last} of its page")

    def _map(self, request: Request, gref: int, writing: bool | None = None) -> Mapping:
        if self._persistent is not None and gref in self._persistent:
            return self._persistent[gref]
        writing = request.operation == BLKIF_OP.READ if writing is None else writing
        readonly = not writing and self._persistent is None
        try:
            mapping = self.hypervisor.grants.map(gref, 0, readonly=readonly)
        except GrantError as error:
            self.world.violation(f"{self.path}: request {request.id:#x}: {error}")
        if self._persistent is not None:
            self._persistent[gref] = mapping
        return mapping

    def _release(self, gref: int, mapping: Mapping) -> None:
        """Unmap, or keep a persistent grant; beyond the limit the one at hand goes, unless another request uses it."""
        if self._persistent is None:
            self.hypervisor.grants.unmap(mapping)
            return
        used = any(mapping is other for job in self._active for _, other in job.pieces)
        if gref in self._persistent and len(self._persistent) > self.features.persistent_limit and not used:
            del self._persistent[gref]
            self.hypervisor.grants.unmap(mapping)

    def _gather(self, job: _Job) -> bytes:
        return b"".join(
            mapping.read(segment.first * self._unit, segment.sectors * self._unit) for segment, mapping in job.pieces
        )

    def _finish(self, job: _Job) -> None:
        if job not in self._active:
            return
        status = self._perform(job)
        self._active.remove(job)
        for gref, mapping in {segment.gref: mapping for segment, mapping in job.pieces}.items():
            if self._persistent is not None:
                self._release(gref, mapping)
        if self._persistent is None and self.world.random.random() < self.hostility.keeps:
            self._kept += [mapping for _, mapping in job.pieces]
        elif self._persistent is None:
            for segment, mapping in job.pieces:
                self._release(segment.gref, mapping)
        self._answer(job.request, status)
        self._start_jobs()

    def _perform(self, job: _Job) -> BLKIF_RSP:
        request = job.request
        if request.slot_operation in self.features.refuses:
            return BLKIF_RSP.EOPNOTSUPP
        if request.operation in _FLUSHES and (self.flush_fails or not (job.pieces or self._takes_empty(request))):
            self.statistics.failed += 1
            return BLKIF_RSP.ERROR
        length = request.sectors or sum(segment.sectors for segment, _ in job.pieces)
        writing = request.operation in {*_WRITES, BLKIF_OP.DISCARD}
        too_far = (request.sector + length) * self._unit > self.disk.sectors * SECTOR
        if (too_far and length) or (writing and length and (self.features.read_only or self.features.cdrom)):
            self.statistics.failed += 1
            return BLKIF_RSP.ERROR
        if range(max(request.sector, self.bad_sectors.start), min(request.sector + length, self.bad_sectors.stop)):
            self.statistics.failed += 1
            return BLKIF_RSP.ERROR
        if request.operation == BLKIF_OP.DISCARD:
            self.disk.claim("the PV driver", self.world)
            self.disk.discard(request.sector * self._unit, length * self._unit)
        elif request.operation in _FLUSHES:
            self.disk.flush()
        self._move(job)
        if request.operation == BLKIF_OP.WRITE_BARRIER:
            self.disk.flush()
        return BLKIF_RSP.OKAY

    def _takes_empty(self, request: Request) -> bool:
        return self.features.empty_barriers or request.operation != BLKIF_OP.WRITE_BARRIER

    def _move(self, job: _Job) -> None:
        """Carry the data between the guest's pages and the disk."""
        offset = job.request.sector * self._unit
        if job.request.operation in _WRITES:
            data = self._gather(job) if job.early_data is None else job.early_data
            self.disk.claim("the PV driver", self.world)
            self.disk.write(offset, data)
            self.statistics.bytes += len(data)
        elif job.request.operation == BLKIF_OP.READ:
            for segment, mapping in job.pieces:
                size = segment.sectors * self._unit
                mapping.write(segment.first * self._unit, self.disk.read(offset, size))
                offset += size
                self.statistics.bytes += size
        self.statistics.segments += len(job.pieces)

    def _answer(self, request: Request, status: int) -> None:
        ring = self._require_ring()
        random, hostility = self.world.random, self.hostility
        ident, operation = request.id, request.slot_operation
        if random.random() < hostility.silence:
            return
        if random.random() < hostility.producer:
            ring.set_index("rsp_prod", ring.rsp_prod + random.randint(ring.slots + 1, 1 << 31))
            self._notify()
            return
        if random.random() < hostility.bad_id:
            ident = random.choice([random.getrandbits(64), random.getrandbits(16), *self._answered])
        self._answered.append(request.id)
        if random.random() < hostility.garbage_status:
            status = random.randint(-(1 << 15), (1 << 15) - 1)
        if random.random() < hostility.wrong_operation:
            operation = random.randint(0, 255)
        wanted = ring.respond(ident, operation, status)
        if random.random() < hostility.duplicate and ring.outstanding:
            wanted = ring.respond(ident, operation, status) or wanted
        if wanted:
            self._notify()

    def _notify(self) -> None:
        if self._port is not None:
            self.statistics.events_out += 1
            self._port.notify()

    def _require_ring(self) -> BlockRing:
        if self._ring is None:
            raise RuntimeError("the back end is not connected")
        return self._ring

    def _later(self, delay: tuple[int, int], action: Callable[[], None], what: str) -> None:
        """Do it some time from now, unless the ring is another one by then."""
        ring = self._ring

        def unless_gone() -> None:
            if ring is self._ring and ring is not None:
                action()

        self.world.at(self.world.random.randint(*delay), unless_gone, what)

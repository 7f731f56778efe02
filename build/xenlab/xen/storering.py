# SPDX-License-Identifier: GPL-2.0-or-later
"""xenstored's end of the guest's store ring: bytes in, bytes out, late, in pieces and in chance order.

It takes requests only when the guest has notified it. What the daemon would answer by dropping the guest's connection
is a violation.

Source: xen/include/public/io/xs_wire.h, xen/docs/misc/xenstore.txt, xenstore-ring.txt.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from xenlab.xen.abi import (
    GNTTAB_RESERVED_XENSTORE,
    HVM_PARAM,
    XENSTORE_DOMAIN_INTERFACE,
    XENSTORE_PAYLOAD_MAX,
    XENSTORE_RING_SIZE,
    XS,
)
from xenlab.xen.evtchn import RemotePort
from xenlab.xen.grants import Mapping
from xenlab.xen.hypervisor import Hypervisor
from xenlab.xen.ports import PAGE
from xenlab.xen.store import Connection, Store
from xenlab.xen.storewire import HEADER, Message, answer

_FIELDS = XENSTORE_DOMAIN_INTERFACE.fields("x64")
_WRAP = 1 << 32
_SOON_NS = (500, 20_000)
_SCRIBBLE = b"\xee" * XENSTORE_RING_SIZE


@dataclass(frozen=True)
class Manner:
    """How the daemon behaves.

    Attributes:
        service_ns: least and most time a request takes.
        reorder: replies and watch events may overtake each other, as the protocol allows.
        pieces: bytes move in pieces of chance length; otherwise the ring is filled as far as it goes.
    """

    service_ns: tuple[int, int] = (20_000, 400_000)
    reorder: bool = True
    pieces: bool = True


LATE = Manner()


class StoreRing:
    """The store's connection to one guest.

    Attributes:
        requests: how many requests of each type have come.
        watchful: the ring is looked at between notifications as well (:meth:`glance`).
    """

    def __init__(self, hypervisor: Hypervisor, store: Store, manner: Manner = LATE) -> None:
        self._hypervisor = hypervisor
        self._world = hypervisor.world
        self._store = store
        self.manner = manner
        self.requests: Counter[str] = Counter()
        self.watchful = False
        self._port: RemotePort | None = None
        self._mapping: Mapping | None = None

    def connect(self) -> None:
        """Serve the domain's store page and port, both fresh."""
        domain = self._hypervisor
        self._gfn = domain.params[HVM_PARAM.STORE_PFN]
        self._incoming = bytearray()
        self._outgoing: deque[bytes] = deque()
        self._partial = b""
        self._waiting: deque[Message] = deque()
        self._open: set[int] = set()
        self._req_cons = self._rsp_prod = self._rsp_cons_seen = 0
        self._glanced = b""
        self._taking = self._pumping = False
        if domain.release.reserved_grants:
            self._mapping = domain.grants.map(GNTTAB_RESERVED_XENSTORE, 0, readonly=False)
        self.connection = Connection(self._store, domain.domid, self._watch_event)
        self._port = domain.evtchn.bind_remote(domain.params[HVM_PARAM.STORE_EVTCHN], 0, self._woken)

    def disconnect(self) -> None:
        """Leave the domain, which has shut down: nothing of it is remembered."""
        if self._port is not None:
            self._port.close()
            self._port = None
            self.connection.close()
        if self._mapping is not None:
            self._hypervisor.grants.unmap(self._mapping)
            self._mapping = None

    def glance(self) -> None:
        """Look at the ring at any moment, as a daemon does that is woken by another guest.

        Request bytes that are shown then must be the ones that are taken later. The room of reply bytes that the guest
        has given back is written to at once.
        """
        if self._port is None:
            return
        shown = (self._index("req_prod") - self._req_cons) % _WRAP
        known = len(self._glanced)
        if known < shown <= XENSTORE_RING_SIZE:
            self._glanced += self._ring_read("req", self._req_cons + known, shown - known)
        freed = (self._index("rsp_cons") - self._rsp_cons_seen) % _WRAP
        if 0 < freed <= XENSTORE_RING_SIZE:
            self._ring_write("rsp", self._rsp_cons_seen, _SCRIBBLE[:freed])
            self._rsp_cons_seen = (self._rsp_cons_seen + freed) % _WRAP

    def _woken(self) -> None:
        self._take()
        self._pump()

    def _take(self) -> None:
        """Consume request bytes; what a piece leaves behind is consumed soon, without another notification."""
        self._taking = False
        self._check_indices()
        available = (self._index("req_prod") - self._req_cons) % _WRAP
        if not available:
            return
        taken = self._piece(available)
        data = self._ring_read("req", self._req_cons, taken)
        if not data.startswith(self._glanced[:taken]):
            self._world.violation("the guest changed request bytes of the store ring that req_prod had shown already")
        self._glanced = self._glanced[taken:]
        self._incoming += data
        self._req_cons = (self._req_cons + taken) % _WRAP
        self._set_index("req_cons", self._req_cons)
        self._notify()
        self._parse()
        if taken < available and not self._taking:
            self._taking = True
            self._later(_SOON_NS, self._take, "xenstored reads on")

    def _parse(self) -> None:
        while len(self._incoming) >= HEADER.size:
            kind, req_id, tx_id, length = HEADER.unpack_from(self._incoming)
            if length > XENSTORE_PAYLOAD_MAX:
                self._world.violation(f"store request {req_id} has a payload of {length} bytes: too long")
            end = HEADER.size + length
            if len(self._incoming) < end:
                return
            request = Message(kind, req_id, tx_id, bytes(self._incoming[HEADER.size : end]))
            del self._incoming[:end]
            if req_id in self._open:
                self._world.violation(f"store request {req_id} has the req_id of one that is still unanswered")
            self._open.add(req_id)
            self._waiting.append(request)
            if len(self._waiting) == 1:
                self._later(self.manner.service_ns, self._serve, "xenstored serves a request")

    def _serve(self) -> None:
        request = self._waiting.popleft()
        self.requests[request.name] += 1
        reply = answer(self.connection, request, self._hypervisor.release)
        self._world.trace(
            "xenstore", f"{request.name} {_shown(request)}", reply="none" if reply is None else _shown(reply)
        )
        if self._waiting:
            self._later(self.manner.service_ns, self._serve, "xenstored serves a request")
        if reply is not None:
            delay = self.manner.service_ns if self.manner.reorder else (0, 0)
            self._later(delay, lambda: self._reply(reply), "xenstored replies")

    def _reply(self, reply: Message) -> None:
        self._open.discard(reply.req_id)
        self._send(reply)

    def _watch_event(self, path: str, token: str) -> None:
        self._world.trace("xenstore", f"WATCH_EVENT {path} {token}")
        self._send(Message(XS.WATCH_EVENT, 0, 0, f"{path}\0{token}\0".encode("latin-1")))

    def _send(self, message: Message) -> None:
        position = len(self._outgoing)
        if self.manner.reorder:
            position = self._world.random.randint(0, position)
        self._outgoing.insert(position, message.pack())
        if not self._pumping:
            self._pump()

    def _pump(self) -> None:
        """Write a piece of what is to go out; a full ring waits for the guest to say that it has read."""
        self._pumping = False
        self._check_indices()
        if self.watchful:
            self.glance()
        if not self._partial and self._outgoing:
            self._partial = self._outgoing.popleft()
        space = XENSTORE_RING_SIZE - (self._rsp_prod - self._index("rsp_cons")) % _WRAP
        if not self._partial or not space:
            return
        length = self._piece(min(space, len(self._partial)))
        self._ring_write("rsp", self._rsp_prod, self._partial[:length])
        self._partial = self._partial[length:]
        self._rsp_prod = (self._rsp_prod + length) % _WRAP
        self._set_index("rsp_prod", self._rsp_prod)
        self._notify()
        if self._partial or self._outgoing:
            self._pumping = True
            self._later(_SOON_NS if self.manner.pieces else (0, 0), self._pump, "xenstored writes on")

    def _check_indices(self) -> None:
        for name, mine in (("req_cons", self._req_cons), ("rsp_prod", self._rsp_prod)):
            if self._index(name) != mine:
                self._world.violation(f"the guest wrote {name} of the store ring, which is xenstored's to write")
        if (self._index("req_prod") - self._req_cons) % _WRAP > XENSTORE_RING_SIZE:
            self._world.violation("the guest's store requests overrun the ring: req_prod is too far ahead of req_cons")
        if (self._rsp_prod - self._index("rsp_cons")) % _WRAP > XENSTORE_RING_SIZE:
            self._world.violation("the guest read store replies that are not there: rsp_cons is ahead of rsp_prod")

    def _piece(self, length: int) -> int:
        return self._world.random.randint(1, length) if self.manner.pieces else length

    def _ring_read(self, ring: str, index: int, length: int) -> bytes:
        start = index % XENSTORE_RING_SIZE
        first = min(length, XENSTORE_RING_SIZE - start)
        base = self._gfn * PAGE + _FIELDS[ring]
        frames = self._hypervisor.frames
        return frames.read(base + start, first) + frames.read(base, length - first)

    def _ring_write(self, ring: str, index: int, data: bytes) -> None:
        start = index % XENSTORE_RING_SIZE
        first = XENSTORE_RING_SIZE - start
        base = self._gfn * PAGE + _FIELDS[ring]
        self._hypervisor.frames.write(base + start, data[:first])
        self._hypervisor.frames.write(base, data[first:])

    def _index(self, name: str) -> int:
        return int.from_bytes(self._hypervisor.frames.read(self._gfn * PAGE + _FIELDS[name], 4), "little")

    def _set_index(self, name: str, value: int) -> None:
        self._hypervisor.frames.write(self._gfn * PAGE + _FIELDS[name], value.to_bytes(4, "little"))

    def _notify(self) -> None:
        if self._port is not None:
            self._port.notify()

    def _later(self, delay: tuple[int, int], action: Callable[[], None], what: str) -> None:
        """Do it some time from now, unless the connection is another one by then."""
        port = self._port

        def unless_gone() -> None:
            if port is self._port and port is not None and not port.closed:
                action()

        self._world.at(self._world.random.randint(*delay), unless_gone, what)


def _shown(message: Message) -> str:
    text = message.payload.decode("latin-1").rstrip("\0").replace("\0", " ")
    return text if message.type != XS.ERROR else f"error {text}"

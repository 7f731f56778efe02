# SPDX-License-Identifier: GPL-2.0-or-later
"""A well-behaved network front end in Python, whose habits a test may spoil one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from xenlab.xen import abi
from xenlab.xen.abi import NETRXF, NETTXF, XEN_NETIF_GSO_TYPE, XENMEM
from xenlab.xen.netring import RX_SLOTS, TX_SLOTS, Gso, Multicast, pack_extra, parse_extra
from xenlab.xen.ports import PAGE
from xenlab.xen.switch import Packet

from .guest import Guest, StoreClient

ACCEPTS = {
    "feature-sg": 1, "feature-gso-tcpv4": 1, "feature-gso-tcpv6": 1, "feature-ipv6-csum-offload": 1,
    "feature-rx-notify": 1, "request-rx-copy": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Came:
    """A frame that has come."""

    frame: bytes
    flags: int
    gso: Gso | None = None


@dataclass
class SharedRing:
    """The front end's view of one ring."""

    guest: Guest
    slots: int
    size: int
    gfn: int = 0
    req_prod: int = 0
    rsp_cons: int = 0

    def __post_init__(self) -> None:
        self.gfn = self.guest.page()
        self.set(4, 1)
        self.set(12, 1)

    def get(self, offset: int) -> int:
        return int.from_bytes(self.guest.memory.read(self.gfn * PAGE + offset, 4), "little")

    def set(self, offset: int, value: int) -> None:
        self.guest.memory.write(self.gfn * PAGE + offset, (value % (1 << 32)).to_bytes(4, "little"))

    def put(self, raw: bytes) -> None:
        place = self.gfn * PAGE + 64 + self.req_prod % self.slots * self.size
        self.guest.memory.write(place, raw.ljust(self.size, b"\0"))
        self.req_prod += 1

    def push(self) -> bool:
        before = self.get(0)
        self.set(0, self.req_prod)
        return (self.req_prod - self.get(4)) % (1 << 32) < (self.req_prod - before) % (1 << 32)

    def take(self) -> bytes:
        place = self.gfn * PAGE + 64 + self.rsp_cons % self.slots * self.size
        self.rsp_cons += 1
        return self.guest.memory.read(place, self.size)

    def fresh(self) -> int:
        return (self.get(8) - self.rsp_cons) % (1 << 32)


@dataclass
class NetFront:
    """A front end: one queue.

    Attributes:
        nodes: what it writes beside rings and ports.
        received: what has come; `statuses`: how frames sent were answered.
        flips: it makes holes for the back end's pages instead of having it copy.
        missing: frames that were answered, and no page had come.
        rearms, checks_again, reposts, notifies: the habits that a test may take away.
    """

    guest: Guest
    client: StoreClient
    handle: int = 0
    nodes: dict[str, object] = field(default_factory=lambda: dict(ACCEPTS))
    split: bool = True
    buffers: int = RX_SLOTS
    flips: bool = False
    missing: int = 0
    rearms: bool = True
    reposts: bool = True
    notifies: bool = True

    def __post_init__(self) -> None:
        self.path = f"device/vif/{self.handle}"
        self.back = self.client.read(f"{self.path}/backend")
        self.tx = SharedRing(self.guest, TX_SLOTS, abi.NETIF_TX_REQUEST.size("x64"))
        self.rx = SharedRing(self.guest, RX_SLOTS, abi.NETIF_RX_REQUEST.size("x64"))
        self.free_ids = list(range(TX_SLOTS))
        self.sent: dict[int, tuple[int, int]] = {}
        self.posted: dict[int, tuple[int, int]] = {}
        self.received: list[Came] = []
        self.statuses: list[int] = []
        self._parts: list[bytes] = []
        self._flags = 0
        self._gso: Gso | None = None
        self._extra = False

    def connect(self, state: int = 4) -> None:
        guest, client = self.guest, self.client
        guest.run_until(lambda: client.read(f"{self.back}/state") == "2")
        self.ring_refs = [guest.grant(ring.gfn) for ring in (self.tx, self.rx)]
        client.write(f"{self.path}/tx-ring-ref", str(self.ring_refs[0]))
        client.write(f"{self.path}/rx-ring-ref", str(self.ring_refs[1]))
        self.tx_port = guest.alloc_port()
        self.rx_port = guest.alloc_port() if self.split else self.tx_port
        guest.handlers[self.tx_port] = self._both if not self.split else self.take_tx
        if self.split:
            guest.handlers[self.rx_port] = self.take_rx
            client.write(f"{self.path}/event-channel-tx", str(self.tx_port))
            client.write(f"{self.path}/event-channel-rx", str(self.rx_port))
        else:
            client.write(f"{self.path}/event-channel", str(self.tx_port))
        for name, value in self.nodes.items():
            client.write(f"{self.path}/{name}", str(value))
        for _ in range(self.buffers):
            self.post()
        self.rx.push()
        client.write(f"{self.path}/state", str(state))
        guest.run_until(lambda: client.read(f"{self.back}/state") == "4")

    def close(self) -> None:
        self.client.write(f"{self.path}/state", "5")
        self.client.write(f"{self.path}/state", "6")
        self.guest.run_until(lambda: self.client.read(f"{self.back}/state") == "6")
        posted = [] if self.flips else [*self.posted.values()]
        for ref in [*self.ring_refs, *(ref for ref, _ in [*self.sent.values(), *posted])]:
            self.guest.revoke(ref)
        for ref, gfn in self.posted.values() if self.flips else ():
            if not self.guest.end_transfer(ref):
                assert self.guest.change_memory(XENMEM.populate_physmap, gfn) == 1

    # Sending

    def send(
        self, frame: bytes, flags: int = 0, *, mss: int = 0, pieces: tuple[int, ...] = (), offset: int = 0,
    ) -> None:  # fmt: skip
        """Send a frame in pieces of the given lengths, the rest in pages as full as they can be."""
        sizes = list(pieces)
        while (left := len(frame) - sum(sizes)) > 0:
            sizes.append(min(left, PAGE - (offset if not sizes else 0)))
        six = int.from_bytes(frame[12:14], "big") == 0x86DD
        extra = Gso(mss, XEN_NETIF_GSO_TYPE.TCPV6 if six else XEN_NETIF_GSO_TYPE.TCPV4) if mss else None
        self.guest.run_until(lambda: len(self.free_ids) > len(sizes) + 1)
        self.put_chain(frame, sizes, flags, extra, offset)
        self.push_tx()

    def put_chain(self, frame: bytes, sizes: list[int], flags: int, extra: Gso | None, offset: int) -> None:
        at = 0
        for number, size in enumerate(sizes):
            more = NETTXF.more_data if number < len(sizes) - 1 else 0
            first = not number
            given = flags | (NETTXF.extra_info if extra else 0) if first else 0
            shown = len(frame) if first else size
            self.put_request(frame[at : at + size], given | more, shown, offset if first else 0)
            if first and extra:
                self.tx.put(pack_extra(extra))
            at += size

    def put_request(self, data: bytes, flags: int, size: int, offset: int = 0, **other: int) -> int:
        """Put one request with a page of its own; returns its id."""
        gfn = self.guest.page()
        self.guest.memory.write(gfn * PAGE + offset, data[: PAGE - offset])
        ref = self.guest.grant(gfn, readonly=True)
        ident = self.free_ids.pop()
        self.sent[ident] = ref, gfn
        fields = {"gref": ref, "offset": offset, "flags": flags, "id": ident, "size": size, **other}
        self.tx.put(abi.NETIF_TX_REQUEST.pack("x64", **fields))
        return ident

    def push_tx(self) -> None:
        if self.tx.push() and self.notifies:
            self.guest.send(self.tx_port)

    def change_filter(self, address: bytes, add: bool = True) -> None:
        self.put_request(b"", NETTXF.extra_info, 60)
        self.tx.put(pack_extra(Multicast(add, address)))
        self.push_tx()

    def take_tx(self) -> None:
        while True:
            while self.tx.fresh():
                if self.tx.fresh() > TX_SLOTS:
                    return
                self._take_tx(abi.NETIF_TX_RESPONSE.unpack("x64", self.tx.take()))
            self.tx.set(12, self.tx.rsp_cons + 1)
            if not self.tx.fresh():
                return

    def _take_tx(self, found: dict[str, int]) -> None:
        if found["status"] == abi.NETIF_RSP.NULL:
            return
        ref, gfn = self.sent.pop(found["id"], (0, 0))
        if ref:
            self.guest.revoke(ref)
            self.guest._free.append(gfn)
            self.free_ids.insert(0, found["id"])
            self.statuses.append(found["status"])

    # Receiving

    def post(self, **other: int) -> None:
        """Put one receive buffer; its id is its place on the ring."""
        gfn = self.guest.page()
        ref = self.guest.accept(gfn) if self.flips else self.guest.grant(gfn)
        slot = self.rx.req_prod % RX_SLOTS
        self.posted[slot] = ref, gfn
        self.rx.put(abi.NETIF_RX_REQUEST.pack("x64", **{"id": slot, "gref": ref, **other}))

    def push_rx(self) -> None:
        if self.rx.push() and self.notifies:
            self.guest.send(self.rx_port)

    def take_rx(self) -> None:
        while True:
            fresh = self.rx.fresh()
            if fresh > RX_SLOTS:
                return
            for _ in range(fresh):
                slot = self.rx.rsp_cons % RX_SLOTS
                self._take_rx(self.rx.take(), *self.posted.pop(slot))
            if self.reposts:
                for _ in range(fresh):
                    self.post()
                self.push_rx()
            if not self.rearms:
                return
            self.rx.set(12, self.rx.rsp_cons + 1)
            if not self.rx.fresh():
                return

    def _take_rx(self, raw: bytes, ref: int, gfn: int) -> None:
        if not self.flips:
            self.guest.revoke(ref)
        elif not self.guest.end_transfer(ref):
            self.missing += not self._extra
            assert self.guest.change_memory(XENMEM.populate_physmap, gfn) == 1
        if self._extra:
            extra, self._extra = parse_extra(raw)
            self._gso = extra if isinstance(extra, Gso) else None
        else:
            found = abi.NETIF_RX_RESPONSE.unpack("x64", raw)
            if not self._parts:
                self._flags = found["flags"]
                self._extra = bool(found["flags"] & NETRXF.extra_info)
            place = gfn * PAGE + found["offset"] % PAGE
            size = min(max(found["status"], 0), PAGE - found["offset"] % PAGE)
            self._parts.append(self.guest.memory.read(place, size))
            self._more = bool(found["flags"] & NETRXF.more_data)
        if not self._extra and not self._more:
            self.received.append(Came(b"".join(self._parts), self._flags, self._gso))
            self._parts, self._gso = [], None
        self.guest._free.append(gfn)

    def _both(self) -> None:
        self.take_tx()
        self.take_rx()


def as_packet(came: Came) -> Packet:
    """What has come, as the network knows it."""
    blank = bool(came.flags & NETRXF.csum_blank)
    return Packet(came.frame, blank, came.gso.mss if came.gso else 0, bool(came.flags & NETRXF.data_validated))

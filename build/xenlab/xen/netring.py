# SPDX-License-Identifier: GPL-2.0-or-later
"""The back end's view of the two rings of a network device: indices, what is in their entries, whole chains.

Source: xen/include/public/io/ring.h, netif.h.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from xenlab.xen.abi import (
    BLKIF_SRING,
    NETIF_RX_REQUEST,
    NETIF_RX_RESPONSE,
    NETIF_TX_REQUEST,
    NETIF_TX_RESPONSE,
    NETTXF,
    XEN_NETIF_EXTRA_FLAG_MORE,
    XEN_NETIF_EXTRA_TYPE,
)
from xenlab.xen.grants import Mapping
from xenlab.xen.ports import PAGE

_WRAP = 1 << 32
_FIELDS = BLKIF_SRING.fields("x64")  # The header of every ring.
_HEADER_SIZE = BLKIF_SRING.size("x64")
_TX_SIZE = NETIF_TX_REQUEST.size("x64")
_RX_SIZE = NETIF_RX_REQUEST.size("x64")
_EXTRA = struct.Struct("<BB6s")
_GSO = struct.Struct("<HBxH")


def _slots(size: int) -> int:
    return 1 << ((PAGE - _HEADER_SIZE) // size).bit_length() - 1


TX_SLOTS, RX_SLOTS = _slots(_TX_SIZE), _slots(_RX_SIZE)


@dataclass(frozen=True)
class Gso:
    """The packet is to be cut: `mss` bytes of data each; `kind` as XEN_NETIF_GSO_TYPE."""

    mss: int
    kind: int
    features: int = 0


@dataclass(frozen=True)
class Multicast:
    """A group address to add to those that the back end passes, or to take away."""

    add: bool
    address: bytes


@dataclass(frozen=True)
class Unknown:
    """An extra info of another type."""

    type: int


Extra = Gso | Multicast | Unknown


def parse_extra(raw: bytes) -> tuple[Extra, bool]:
    """Return an extra info, and whether another one follows."""
    kind, flags, body = _EXTRA.unpack(raw[: _EXTRA.size])
    more = bool(flags & XEN_NETIF_EXTRA_FLAG_MORE)
    if kind == XEN_NETIF_EXTRA_TYPE.GSO:
        return Gso(*_GSO.unpack(body)), more
    if kind in {XEN_NETIF_EXTRA_TYPE.MCAST_ADD, XEN_NETIF_EXTRA_TYPE.MCAST_DEL}:
        return Multicast(kind == XEN_NETIF_EXTRA_TYPE.MCAST_ADD, body), more
    return Unknown(kind), more


def pack_extra(extra: Gso | Multicast, more: bool = False) -> bytes:
    flags = XEN_NETIF_EXTRA_FLAG_MORE if more else 0
    if isinstance(extra, Gso):
        return _EXTRA.pack(XEN_NETIF_EXTRA_TYPE.GSO, flags, _GSO.pack(extra.mss, extra.kind, extra.features))
    kind = XEN_NETIF_EXTRA_TYPE.MCAST_ADD if extra.add else XEN_NETIF_EXTRA_TYPE.MCAST_DEL
    return _EXTRA.pack(kind, flags, extra.address)


@dataclass(frozen=True)
class TxRequest:
    """A piece of a frame; `size` of the first is that of the whole."""

    gref: int
    offset: int
    flags: int
    id: int
    size: int


@dataclass(frozen=True)
class Chain:
    """The entries of one frame, in their order on the ring: the first request, extra infos, the other requests."""

    requests: Sequence[TxRequest]
    extras: Sequence[Extra] = ()

    @property
    def entries(self) -> int:
        return len(self.requests) + len(self.extras)


@dataclass(frozen=True)
class RxRequest:
    """A buffer for what comes: a granted page."""

    id: int
    gref: int


@dataclass(frozen=True)
class RxResponse:
    """A piece of a frame that has come; `status` is its length, or an error."""

    id: int
    offset: int
    flags: int
    status: int

    def pack(self) -> bytes:
        return NETIF_RX_RESPONSE.pack("x64", id=self.id, offset=self.offset, flags=self.flags, status=self.status)


@dataclass
class Ring:
    """What both rings have: one page, mapped, with entries of `size` bytes."""

    page: Mapping
    size: int
    req_cons: int = 0
    rsp_prod: int = 0
    shown: int = field(default=0, repr=False)

    @property
    def slots(self) -> int:
        return _slots(self.size)

    def index(self, name: str) -> int:
        return int.from_bytes(self.page.read(_FIELDS[name], 4), "little")

    def set_index(self, name: str, value: int) -> None:
        self.page.write(_FIELDS[name], (value % _WRAP).to_bytes(4, "little"))

    def unconsumed(self) -> int:
        """Requests pushed and not consumed, as the guest counts them; unchecked."""
        return (self.index("req_prod") - self.req_cons) % _WRAP

    @property
    def outstanding(self) -> int:
        """Requests consumed and not answered."""
        return (self.req_cons - self.rsp_prod) % _WRAP

    def ahead(self) -> int:
        """How many responses on the guest wants to be notified; 0 or less: it has not asked anew."""
        distance = (self.index("rsp_event") - self.shown) % _WRAP
        return distance - _WRAP if distance >= _WRAP // 2 else distance

    def peek(self, number: int) -> bytes:
        """The entry `number` from the next one to be consumed on."""
        return self.page.read(self._place(self.req_cons + number), self.size)

    def consume(self, count: int) -> None:
        self.req_cons = (self.req_cons + count) % _WRAP

    def put(self, raw: bytes) -> None:
        """Write the next response without showing it."""
        self.page.write(self._place(self.rsp_prod), raw)
        self.rsp_prod = (self.rsp_prod + 1) % _WRAP

    def show(self) -> bool:
        """Show what was put; True when the guest asks to be notified (RING_PUSH_RESPONSES_AND_CHECK_NOTIFY)."""
        before, self.shown = self.shown, self.rsp_prod
        self.set_index("rsp_prod", self.rsp_prod)
        return (self.rsp_prod - self.index("rsp_event")) % _WRAP < (self.rsp_prod - before) % _WRAP

    def _place(self, index: int) -> int:
        return _HEADER_SIZE + index % self.slots * self.size


class TxRing(Ring):
    """What the guest sends."""

    def __init__(self, page: Mapping) -> None:
        super().__init__(page, _TX_SIZE)

    def request(self, number: int) -> TxRequest:
        found = NETIF_TX_REQUEST.unpack("x64", self.peek(number))
        return TxRequest(found["gref"], found["offset"], found["flags"], found["id"], found["size"])

    def chain(self, available: int, longest: int) -> Chain | str:
        """Read the next frame's entries, of which `available` are on the ring; what is wrong with them, in words."""
        requests = [self.request(0)]
        extras: list[Extra] = []
        more = bool(requests[0].flags & NETTXF.extra_info)
        while more:
            if 1 + len(extras) >= available:
                return "an extra info that is announced is not on the ring"
            extra, more = parse_extra(self.peek(1 + len(extras)))
            extras.append(extra)
        while requests[-1].flags & NETTXF.more_data:
            if len(requests) + len(extras) >= available:
                return "the rest of a frame is not on the ring, though its first part was shown"
            if len(requests) >= longest:
                return f"it takes more than {longest} requests"
            requests.append(self.request(len(requests) + len(extras)))
        return Chain(requests, extras)

    def respond(self, ident: int, status: int) -> None:
        self.put(NETIF_TX_RESPONSE.pack("x64", id=ident, status=status))


class RxRing(Ring):
    """What the guest receives."""

    def __init__(self, page: Mapping) -> None:
        super().__init__(page, _RX_SIZE)

    def request(self, number: int) -> RxRequest:
        found = NETIF_RX_REQUEST.unpack("x64", self.peek(number))
        return RxRequest(found["id"], found["gref"])

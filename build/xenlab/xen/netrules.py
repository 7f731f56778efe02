# SPDX-License-Identifier: GPL-2.0-or-later
"""What a network back end offers, what it does to a front end that it means ill, and what it takes from one.

Source: xen/include/public/io/netif.h; for what is left open there, Linux's drivers/net/xen-netback and, for old ones,
that of linux-2.6.18-xen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from xenlab.xen import packets
from xenlab.xen.abi import NETTXF, XEN_NETIF_GSO_TYPE, XEN_NETIF_NR_SLOTS_MIN
from xenlab.xen.netring import Chain, Gso, Multicast
from xenlab.xen.packets import ETHERNET, BadFrame
from xenlab.xen.ports import PAGE
from xenlab.xen.releases import Release
from xenlab.xen.switch import Packet

_FIRST_FLAGS = NETTXF.csum_blank | NETTXF.data_validated | NETTXF.more_data | NETTXF.extra_info
_TAG = 4


@dataclass(frozen=True)
class Hostility:
    """How often (0 to 1) a response is spoilt, and by what; `producer` is the chance that rsp_prod runs off instead.

    Attributes:
        bad_id: of a response, in either ring: nobody's, or that of a frame that is answered already.
        garbage_status: of a frame sent: any number; `error`: one that says the frame was lost.
        garbage_offset, garbage_size, garbage_flags: of a frame received; `beyond`: a piece that is said to end beyond
            its page, where the rest of it is not; `bad_extra`: an extra info of no known type, or of segments of no
            bytes; `endless`: a frame whose last piece announces one more.
        untransferred, belated, uncompleted: of a page that is given away: the answer says so, and it is not; it is, but
            the answer comes first; Xen has committed itself at the answer, and completes later; `stuck`: and never.
        duplicate: a frame sent is answered twice; `silence`: it is not answered.
    """

    bad_id: float = 0.0
    garbage_status: float = 0.0
    error: float = 0.0
    garbage_offset: float = 0.0
    garbage_size: float = 0.0
    garbage_flags: float = 0.0
    beyond: float = 0.0
    bad_extra: float = 0.0
    endless: float = 0.0
    untransferred: float = 0.0
    belated: float = 0.0
    uncompleted: float = 0.0
    stuck: float = 0.0
    duplicate: float = 0.0
    silence: float = 0.0
    producer: float = 0.0


@dataclass(frozen=True)
class Features:
    """What the back end offers and how it works.

    Attributes:
        sg: frames of more than one request; gso4, gso6: large TCP packets.
        no_csum: it writes feature-no-csum-offload: no blank checksums in IPv4; csum6: it takes them in IPv6.
        rx_copy: it copies what comes into the guest's pages; rx_flip: it gives pages away for those of the guest. None:
            node not written, as by back ends from before there was a choice; they only give pages away.
        split: separate event channels; `max_queues`: 0 does not write the node.
        multicast, dynamic_multicast: filters of group addresses; control_ring: offered by the newest ones.
        carrier: it tells by a node whether the link is up.
        maps: it maps the pages of frames sent, and only reads them when the frame leaves; otherwise it copies them.
        offset: where in its page a received frame may begin at most; `scatters`: it fills pages only in part.
        max_slots: requests of a frame at most, extra infos not counted.
        latency_ns: least and most time in which a frame that was sent is answered.
        patience_ns: how long a frame waits for buffers of the guest; `queue`: how many may.
        rate: bytes and microseconds in which they may leave, None: as many as there are.
    """

    sg: bool = True
    gso4: bool = True
    gso6: bool = True
    no_csum: bool = False
    csum6: bool = True
    rx_copy: bool | None = True
    rx_flip: bool | None = False
    split: bool = True
    max_queues: int = 4
    multicast: bool = True
    dynamic_multicast: bool = True
    control_ring: bool = True
    carrier: bool = True
    maps: bool = False
    offset: int = 0
    scatters: bool = False
    max_slots: int = XEN_NETIF_NR_SLOTS_MIN
    latency_ns: tuple[int, int] = (5_000, 300_000)
    poll_ns: tuple[int, int] = (1_000, 30_000)
    patience_ns: int = 10 * 10**9
    queue: int = 1000
    rate: tuple[int, int] | None = None


HONEST = Hostility()
ORDINARY = Features()
PLAIN = Features(
    sg=False, gso4=False, gso6=False, no_csum=True, csum6=False, rx_flip=None, split=False, max_queues=0,
    multicast=False, dynamic_multicast=False, control_ring=False, carrier=False,
)  # fmt: skip
CLASSIC = Features(
    gso6=False, csum6=False, rx_flip=True, split=False, max_queues=0, multicast=False, dynamic_multicast=False,
    control_ring=False, carrier=False, maps=True, offset=256,
)  # fmt: skip
COPYING = Features(
    gso6=False, csum6=False, split=False, max_queues=0, multicast=False, dynamic_multicast=False, control_ring=False,
    carrier=False,
)  # fmt: skip
FLIPPING = Features(
    gso6=False, csum6=False, rx_copy=False, rx_flip=True, split=False, max_queues=0, multicast=False,
    dynamic_multicast=False, control_ring=False, carrier=False, maps=True, offset=256,
)  # fmt: skip
OLDEST = replace(FLIPPING, sg=False, gso4=False, rx_copy=None, rx_flip=None)
KINDS = {
    "plain": PLAIN, "classic": CLASSIC, "copying": COPYING, "modern": ORDINARY,
    "scattering": Features(scatters=True, offset=1000), "no-gso": Features(gso4=False, gso6=False),
}  # fmt: skip


def usual(release: Release) -> Features:
    """What the back end was that Dom0 of a release's time had."""
    if release.xend:
        return CLASSIC
    return COPYING if release.minor < 4 else ORDINARY


@dataclass
class Statistics:
    """What has passed over the rings."""

    tx_packets: int = 0
    tx_bytes: int = 0
    tx_requests: int = 0
    tx_gso: int = 0
    tx_blank: int = 0
    rx_packets: int = 0
    rx_bytes: int = 0
    rx_gso: int = 0
    rx_blank: int = 0
    rx_dropped: Counter[str] = field(default_factory=Counter)
    events_in: int = 0
    idle_events_in: int = 0
    events_out: int = 0


@dataclass(frozen=True)
class Accepted:
    """What the front end has said that it takes."""

    copies: bool = True
    sg: bool = False
    gso4: bool = False
    gso6: bool = False
    csum4: bool = True
    csum6: bool = False
    notifies: bool = False

    def split(self, packet: Packet) -> list[Packet]:
        """Make a packet into such as the front end takes."""
        version = packets.parse(packet.frame).version if packet.blank or packet.mss else 0
        summed, large = (self.csum4, self.gso4) if version == 4 else (self.csum6, self.gso6)
        if packet.mss and not (self.sg and large and summed):
            return packet.cut()
        return [packet if summed else packet.completed()]


def chain_fault(chain: Chain, features: Features) -> str:
    """What is wrong with the entries of a frame, or nothing."""
    return _entries_fault(chain, features) or _pieces_fault(chain) or extras_fault(chain, features)


def _entries_fault(chain: Chain, features: Features) -> str:
    first, *others = chain.requests
    if others and not features.sg:
        return "it takes more than one request, and feature-sg was not offered"
    if len(chain.requests) > features.max_slots:
        return f"it takes {len(chain.requests)} requests; {features.max_slots} are allowed"
    if first.flags & ~_FIRST_FLAGS:
        return f"its flags are {first.flags:#x}"
    if any(each.flags & ~NETTXF.more_data for each in others):
        return "a request behind its first has other flags than NETTXF_more_data"
    return ""


def _pieces_fault(chain: Chain) -> str:
    first, *others = chain.requests
    rest = sum(each.size for each in others)
    if rest >= first.size:
        return f"its size is {first.size}, and its later requests alone have {rest} bytes"
    for request, size in zip(chain.requests, [first.size - rest, *(each.size for each in others)], strict=True):
        if not size:
            return "a request has no bytes, which brings some back ends down"
        if request.offset + size > PAGE:
            return f"a request has {size} bytes from {request.offset} of its page on"
    return f"it has {first.size} bytes" if first.size < ETHERNET else ""


def extras_fault(chain: Chain, features: Features) -> str:
    """What is wrong with the extra infos of a frame, or nothing."""
    kinds = [type(each) for each in chain.extras]
    if len(set(kinds)) != len(kinds):
        return "two of its extra infos are of one kind"
    for extra in chain.extras:
        if isinstance(extra, Multicast):
            if not features.multicast:
                return "it changes the multicast filter, and feature-multicast-control was not offered"
            if len(chain.requests) > 1 or len(chain.extras) > 1:
                return "it changes the multicast filter, and is a frame besides"
        elif isinstance(extra, Gso):
            if fault := gso_fault(extra, chain.requests[0].flags, features):
                return fault
        else:
            return f"an extra info is of type {extra.type}"
    return ""


def gso_fault(gso: Gso, flags: int, features: Features) -> str:
    offered: dict[int, bool] = {XEN_NETIF_GSO_TYPE.TCPV4: features.gso4, XEN_NETIF_GSO_TYPE.TCPV6: features.gso6}
    if not offered.get(gso.kind):
        return f"it is to be cut as type {gso.kind}, which was not offered"
    if not gso.mss or gso.features:
        return f"it is to be cut into pieces of {gso.mss} bytes with features {gso.features:#x}"
    return "" if flags & NETTXF.csum_blank else "it is to be cut, and its checksum is not said to be blank"


def frame_faults(packet: Packet, gso: Gso | None, features: Features, mtu: int) -> Sequence[str]:
    """What is wrong with what a frame holds, as far as the network has to do with it."""
    found = packets.faults(packet.frame, blank=packet.blank)
    if found:
        return found
    headers = packets.parse(packet.frame)
    if packet.blank and (features.no_csum if headers.version == 4 else not features.csum6):
        return [f"its checksum is blank, which was not offered for IPv{headers.version}"]
    if gso is None:
        longest = mtu + ETHERNET + _TAG * len(headers.tags)
        return [f"it has {len(packet.frame)} bytes, {longest} are allowed"] if len(packet.frame) > longest else []
    wanted = XEN_NETIF_GSO_TYPE.TCPV4 if headers.version == 4 else XEN_NETIF_GSO_TYPE.TCPV6
    if headers.protocol != packets.TCP or gso.kind != wanted:
        return [f"it is to be cut as type {gso.kind}; it is protocol {headers.protocol} over IPv{headers.version}"]
    if gso.mss + headers.payload - headers.network > mtu:
        return [f"it is to be cut into pieces of {gso.mss} bytes, more than fit into {mtu}"]
    return []


def version_of(frame: bytes) -> int:
    """The version of IP in a frame, 0 without."""
    try:
        return packets.parse(frame).version
    except BadFrame:
        return 0

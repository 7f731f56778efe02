# SPDX-License-Identifier: GPL-2.0-or-later
"""The network back end of one virtual interface: its choices in xenstore, its queues, its place on the switch.

It behaves like the best known ones (Linux's, and that of linux-2.6.18-xen): it publishes features, connects when the
front end is, filters group addresses if that was asked for, and gives the front end packets as it takes them. What a
front end may not do is a violation; what a back end should not do it does when :class:`Hostility` says so.

Source: xen/include/public/io/netif.h; xenbus.h for the states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xenlab.xen.abi import XenbusState
from xenlab.xen.backend import Backend
from xenlab.xen.evtchn import RemotePort
from xenlab.xen.grants import GrantTable
from xenlab.xen.hypervisor import Hypervisor
from xenlab.xen.netreceive import Receiver
from xenlab.xen.netring import Multicast, RxRing, TxRing
from xenlab.xen.netrules import HONEST, ORDINARY, Accepted, Features, Hostility, Statistics
from xenlab.xen.netsend import Sender
from xenlab.xen.store import Store, StoreError
from xenlab.xen.switch import Packet, SwitchPort

_GROUP = 1
_BROADCAST = b"\xff" * 6
_GROUPS = 64  # XEN_NETBK_MCAST_MAX


class Queue:
    """A pair of rings with their event channels."""

    def __init__(self, back: NetBackend, rings: tuple[TxRing, RxRing]) -> None:
        self._back = back
        self.sender = Sender(back, self, rings[0])
        self.receiver = Receiver(back, self, rings[1])
        self.tx_port: RemotePort | None = None
        self.rx_port: RemotePort | None = None

    def bind(self, tx: int, rx: int) -> None:
        """Bind the guest's ports, which may be one."""
        evtchn = self._back.hypervisor.evtchn
        if tx == rx:
            self.tx_port = self.rx_port = evtchn.bind_remote(tx, 0, lambda: self._woken(True, True))
        else:
            self.tx_port = evtchn.bind_remote(tx, 0, lambda: self._woken(True, False))
            self.rx_port = evtchn.bind_remote(rx, 0, lambda: self._woken(False, True))

    def close(self) -> None:
        """Unmap everything and close the ports."""
        grants = self._back.hypervisor.grants
        for mapping in [*self.sender.let_go(), self.sender.ring.page, self.receiver.ring.page]:
            if mapping.table is grants:
                grants.unmap(mapping)
        for port in (self.tx_port, self.rx_port):
            if port is not None:
                port.close()

    def later(self, delay: tuple[int, int], action: Callable[[], None], what: str) -> None:
        """Do it some time from now, unless this queue has gone by then."""
        world = self._back.world

        def unless_gone() -> None:
            if self in self._back.queues:
                action()

        world.at(world.random.randint(*delay), unless_gone, what)

    def notify_tx(self) -> None:
        self._notify(self.tx_port)

    def notify_rx(self) -> None:
        self._notify(self.rx_port)

    def _notify(self, port: RemotePort | None) -> None:
        if port is not None:
            self._back.statistics.events_out += 1
            port.notify()

    def _woken(self, tx: bool, rx: bool) -> None:
        statistics = self._back.statistics
        statistics.events_in += 1
        if not (tx and self.sender.ring.unconsumed()) and not (rx and self.receiver.waiting):
            statistics.idle_events_in += 1
        if tx:
            self.sender.wake()
        if rx:
            self.receiver.wake()


@dataclass
class Wanted:
    """What the interface was configured with."""

    mac: bytes
    mtu: int = 1500


class NetBackend(Backend):
    """One virtual interface's back end in domain 0.

    Attributes:
        statistics: counters since creation.
        hostility: may be changed at any time.
        strict: frames whose checksums or lengths are wrong end the run; a scenario may have reason to send such.
        accepted: what the front end takes.
        queues: empty while it is not connected.
        groups: the group addresses that it passes, if the front end has asked for a filter.
    """

    name = "netback"
    connects_at = (XenbusState.Connected,)

    def __init__(
        self,
        hypervisor: Hypervisor,
        store: Store,
        path: str,
        config: Wanted,
        port: SwitchPort,
        features: Features = ORDINARY,
        hostility: Hostility = HONEST,
    ) -> None:
        super().__init__(hypervisor, store, path)
        self.mac, self.mtu = config.mac, config.mtu
        self._port = port
        self.features = features
        self.hostility = hostility
        self.strict = True
        self.statistics = Statistics()
        self.accepted = Accepted()
        self.queues: list[Queue] = []
        self.groups: set[bytes] = set()
        self.link = True
        self._filters = False

    @property
    def grants(self) -> GrantTable:
        return self.hypervisor.grants

    def start(self) -> None:
        """Publish what the front end may choose from, and wait for it."""
        self._publish()
        self._put("hotplug-status", "connected")
        self._wait_for_front()
        if self.features.dynamic_multicast:
            self._tokens.append(
                self._store.subscribe(f"{self.front}/request-multicast-control", lambda _: self._sample_filter())
            )

    def set_link(self, up: bool) -> None:
        """Plug the cable out or in: the carrier node says so, and nothing passes without it."""
        self.link = up
        if self.features.carrier:
            self._put("carrier", int(up))

    def forget_domain(self) -> None:
        """The domain has gone to another host: frames on the rings are lost, none is answered."""
        self._stop_watching()
        self.queues = []

    def audit(self) -> None:
        """To be called when the guest is at rest: notifications that are missing, and buffers."""
        for queue in self.queues:
            queue.sender.audit()
            queue.receiver.audit()

    @property
    def busy(self) -> int:
        """Frames that were sent and are not answered, and packets that have not got a buffer yet."""
        return sum(len(queue.sender.jobs) + len(queue.receiver.waiting) for queue in self.queues)

    # The switch

    def send(self, packet: Packet) -> None:
        """A frame of the guest's leaves."""
        if self.link:
            self._port.send(packet)

    def deliver(self, packet: Packet) -> None:
        """Something has come for the guest."""
        dropped = self.statistics.rx_dropped
        destination = packet.frame[:6]
        if not self.queues or self.state is not XenbusState.Connected:
            dropped["not connected"] += 1
        elif not self.link:
            dropped["no link"] += 1
        elif self._filters and destination[0] & _GROUP and destination != _BROADCAST and destination not in self.groups:
            dropped["filtered"] += 1
        else:
            queue = self.queues[sum(packet.frame[26:38]) % len(self.queues)]
            for each in self.accepted.split(packet):
                queue.receiver.deliver(each)

    def change_filter(self, change: Multicast) -> bool:
        """Add a group address or take it away; False: there are too many."""
        if not change.add:
            self.groups.discard(change.address)
        elif len(self.groups) < _GROUPS:
            self.groups.add(change.address)
        else:
            return False
        return True

    # xenstore

    def _publish(self) -> None:
        features = self.features
        nodes: dict[str, int | None] = {
            "feature-sg": int(features.sg),
            "feature-gso-tcpv4": int(features.gso4),
            "feature-gso-tcpv6": 1 if features.gso6 else None,
            "feature-ipv6-csum-offload": 1 if features.csum6 else None,
            "feature-no-csum-offload": 1 if features.no_csum else None,
            "feature-rx-copy": None if features.rx_copy is None else int(features.rx_copy),
            "feature-rx-flip": None if features.rx_flip is None else int(features.rx_flip),
            "feature-split-event-channels": 1 if features.split else None,
            "multi-queue-max-queues": features.max_queues or None,
            "feature-multicast-control": 1 if features.multicast else None,
            "feature-dynamic-multicast-control": 1 if features.dynamic_multicast else None,
            "feature-ctrl-ring": 1 if features.control_ring else None,
            "carrier": int(self.link) if features.carrier else None,
        }
        for name, value in nodes.items():
            if value is not None:
                self._put(name, value)

    def _connect(self) -> None:
        with self._taking_offer():
            self._check_wishes()
            self.accepted = self._read_accepted()
            count = self._number("multi-queue-num-queues", 1)
            roots = [self.front] if count == 1 else [f"{self.front}/queue-{number}" for number in range(count)]
            self.queues = [self._attach_queue(root) for root in roots]
        self.groups.clear()
        self._filters = False
        self._sample_filter()
        self._switch(XenbusState.Connected)
        for queue in self.queues:
            queue.sender.wake()
            queue.receiver.wake()

    def _check_wishes(self) -> None:
        """What the front end has asked for must have been offered."""
        features = self.features
        flips = not features.rx_copy if features.rx_flip is None else features.rx_flip
        if self._number("request-rx-copy"):
            if not features.rx_copy:
                raise ValueError("request-rx-copy is not 0: it would have to copy, which was not offered")
        elif not flips:
            raise ValueError("request-rx-copy is not 1: it would have to flip pages")
        for name, offered in {
            "event-channel-tx": features.split,
            "request-multicast-control": features.multicast,
            "ctrl-ring-ref": False,
        }.items():
            if not offered and self._read(name, "0") != "0":
                raise ValueError(f"{name} is there, for which nothing was offered")
        if not 0 < self._number("multi-queue-num-queues", 1) <= max(1, features.max_queues):
            raise ValueError(f"multi-queue-num-queues is {self._number('multi-queue-num-queues')}")

    def _read_accepted(self) -> Accepted:
        return Accepted(
            copies=bool(self._number("request-rx-copy")),
            sg=bool(self._number("feature-sg")),
            gso4=bool(self._number("feature-gso-tcpv4")),
            gso6=bool(self._number("feature-gso-tcpv6")),
            csum4=not self._number("feature-no-csum-offload"),
            csum6=bool(self._number("feature-ipv6-csum-offload")),
            notifies=bool(self._number("feature-rx-notify")),
        )

    def _attach_queue(self, root: str) -> Queue:
        grants = self.grants
        refs = [int(self._store.read(f"{root}/{name}")) for name in ("tx-ring-ref", "rx-ring-ref")]
        tx, rx = [grants.map(ref, 0, readonly=False) for ref in refs]
        queue = Queue(self, (TxRing(tx), RxRing(rx)))
        if self._store.exists(f"{root}/event-channel-tx"):
            ports = [int(self._store.read(f"{root}/event-channel-{way}")) for way in ("tx", "rx")]
            if ports[0] == ports[1]:
                raise ValueError(f"event-channel-tx and event-channel-rx are both {ports[0]}; two are to be allocated")
        else:
            ports = [int(self._store.read(f"{root}/event-channel"))] * 2
        queue.bind(*ports)
        return queue

    def _sample_filter(self) -> None:
        self._filters = self.features.multicast and bool(self._number("request-multicast-control"))

    def _read(self, name: str, default: str) -> str:
        try:
            return self._store.read(f"{self.front}/{name}").decode()
        except StoreError:
            return default

    def _number(self, name: str, default: int = 0) -> int:
        return int(self._read(name, str(default)))

    def _disconnect(self) -> None:
        queues, self.queues = self.queues, []
        for queue in queues:
            queue.close()

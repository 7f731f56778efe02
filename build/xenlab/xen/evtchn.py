# SPDX-License-Identifier: GPL-2.0-or-later
"""Event channels of one domain, two-level ABI: ports, their bits in the shared info page, and the interrupt they raise.

Source: xen/include/public/event_channel.h and xen.h; xen/common/event_channel.c, event_2l.c.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from xenlab.xen.abi import EVTCHNSTAT, SHARED_INFO, VCPU_INFO, VIRQ, XEN, Arch
from xenlab.xen.physmap import XenError, XenPage
from xenlab.xen.ports import World

SEND_LATENCY_NS = (500, 20_000)


@dataclass
class Channel:
    """One port of the guest. `peer` is the other end of an interdomain channel in another domain."""

    status: EVTCHNSTAT
    vcpu: int = 0
    remote_dom: int = 0
    peer: RemotePort | None = None
    virq: int = -1


class RemotePort:
    """The end of an interdomain channel that a back end or daemon holds.

    `on_event` is called some time after the guest sends; sends in between are one event, as pending bits make them.
    """

    def __init__(self, channels: EventChannels, port: int, on_event: Callable[[], None]) -> None:
        self._channels = channels
        self.port = port
        self.closed = False
        self._on_event = on_event
        self._pending = False

    def notify(self) -> None:
        """Raise the event in the guest."""
        if not self.closed:
            self._channels.raise_port(self.port)

    def close(self) -> None:
        """Let the guest's end be unbound again."""
        if not self.closed:
            self.closed = True
            self._channels.peer_closed(self.port)

    def guest_sent(self) -> None:
        """Deliver the guest's notification later."""
        if self._pending or self.closed:
            return
        self._pending = True
        world = self._channels.world
        world.at(world.random.randint(*SEND_LATENCY_NS), self._deliver, f"event from guest port {self.port}")

    def _deliver(self) -> None:
        self._pending = False
        if not self.closed:
            self._on_event()


class EventChannels:
    """The event channels of one domain.

    Attributes:
        limit: how many ports the guest may have, 0 included; `first_port`: the lowest that it gets.
        sent: how many times the guest has notified the other side.
        upcalls: how many times an upcall was made pending.
        on_upcall: called then, with the virtual processor.
    """

    def __init__(self, world: World, shared: XenPage, arch: Arch, vcpus: int, initial_port: int = 1) -> None:
        self.world = world
        self.sent = 0
        self.upcalls = 0
        self.on_upcall: Callable[[int], None] = lambda _: None
        self._shared = shared
        self._vcpus = vcpus
        self._word = 8 if arch == "x64" else 4
        self.limit = self._word * 8 * self._word * 8
        fields, vcpu_fields = SHARED_INFO.fields(arch), VCPU_INFO.fields(arch)
        self._pending_at, self._mask_at = fields["evtchn_pending"], fields["evtchn_mask"]
        self._selector_at = vcpu_fields["evtchn_pending_sel"]
        self._vcpu_size = VCPU_INFO.size(arch)
        self.first_port = initial_port
        self.ports: dict[int, Channel] = {}

    def alloc_unbound(self, remote_dom: int) -> int:
        """Return a new port to which `remote_dom` may bind."""
        return self._new(Channel(EVTCHNSTAT.unbound, remote_dom=remote_dom))

    def bind_virq(self, virq: int, vcpu: int) -> int:
        if virq not in set(VIRQ):
            raise XenError(XEN.EINVAL)
        self._check_vcpu(vcpu)
        if any(channel.virq == virq and channel.vcpu == vcpu for channel in self.ports.values()):
            raise XenError(XEN.EEXIST)
        return self._new(Channel(EVTCHNSTAT.virq, vcpu=vcpu, virq=virq))

    def bind_ipi(self, vcpu: int) -> int:
        self._check_vcpu(vcpu)
        return self._new(Channel(EVTCHNSTAT.ipi, vcpu=vcpu))

    def bind_vcpu(self, port: int, vcpu: int) -> None:
        self._check_vcpu(vcpu)
        channel = self._get(port)
        if channel.status in {EVTCHNSTAT.virq, EVTCHNSTAT.ipi}:
            raise XenError(XEN.EINVAL)
        channel.vcpu = vcpu

    def bind_remote(self, port: int, domid: int, on_event: Callable[[], None]) -> RemotePort:
        """Bind domain `domid` to the guest's unbound `port`; :class:`XenError` when it may not."""
        channel = self.ports.get(port)
        if channel is None or channel.status != EVTCHNSTAT.unbound or channel.remote_dom != domid:
            raise XenError(XEN.EINVAL)
        channel.status = EVTCHNSTAT.interdomain
        channel.peer = RemotePort(self, port, on_event)
        self.raise_port(port)
        return channel.peer

    def close(self, port: int) -> None:
        channel = self._get(port)
        if channel.peer is not None:
            channel.peer.closed = True
        del self.ports[port]
        self._change_bit(self._pending_at, port, False)
        self.world.trace("evtchn", f"port {port} closed")

    def close_all(self) -> None:
        for port in list(self.ports):
            self.close(port)

    def peer_closed(self, port: int) -> None:
        channel = self.ports.get(port)
        if channel is not None:
            channel.status, channel.peer = EVTCHNSTAT.unbound, None

    def send(self, port: int) -> None:
        """The guest notifies the other side; an unbound port swallows it."""
        channel = self._get(port)
        self.sent += 1
        self.world.trace("evtchn", f"guest sends on port {port}")
        if channel.status == EVTCHNSTAT.interdomain and channel.peer is not None:
            channel.peer.guest_sent()
        elif channel.status == EVTCHNSTAT.ipi:
            self.raise_port(port)
        elif channel.status != EVTCHNSTAT.unbound:
            raise XenError(XEN.EINVAL)

    def status(self, port: int) -> Channel | None:
        """Return the channel, or None for a port not in use."""
        if not 0 <= port < self.limit:
            raise XenError(XEN.EINVAL)
        return self.ports.get(port)

    def unmask(self, port: int) -> None:
        """Clear the mask bit; a port that became pending under it makes its upcall now."""
        channel = self._get(port)
        if self._change_bit(self._mask_at, port, False) and self._bit(self._pending_at, port):
            self._select(port, channel.vcpu)

    def raise_port(self, port: int) -> None:
        """Set the port pending, with an upcall unless it is masked or pending already."""
        channel = self.ports.get(port)
        if channel is None or self._change_bit(self._pending_at, port, True):
            return
        self.world.trace("evtchn", f"port {port} pending")
        if not self._bit(self._mask_at, port):
            self._select(port, channel.vcpu)

    def raise_virq(self, virq: int, vcpu: int = 0) -> None:
        for port, channel in self.ports.items():
            if channel.virq == virq and channel.vcpu == vcpu:
                self.raise_port(port)

    def upcall_pending(self, vcpu: int = 0) -> bool:
        return self._shared.read(vcpu * self._vcpu_size, 1) != b"\0"

    @property
    def word_bits(self) -> int:
        """How many ports one bit of the selector stands for."""
        return self._word * 8

    def due_ports(self) -> list[int]:
        """The ports that are pending and not masked."""
        return [port for port in self.pending_ports() if not self._bit(self._mask_at, port)]

    def pending_ports(self) -> list[int]:
        """The ports whose pending bit is set, masked or not."""
        return [port for port in self.ports if self._bit(self._pending_at, port)]

    def _new(self, channel: Channel) -> int:
        port = next((port for port in range(self.first_port, self.limit) if port not in self.ports), 0)
        if not port:
            raise XenError(XEN.ENOSPC)
        self.ports[port] = channel
        self.world.trace("evtchn", f"port {port} {channel.status.name}")
        return port

    def _get(self, port: int) -> Channel:
        channel = self.ports.get(port)
        if channel is None:
            raise XenError(XEN.EINVAL)
        return channel

    def _check_vcpu(self, vcpu: int) -> None:
        if not 0 <= vcpu < self._vcpus:
            raise XenError(XEN.ENOENT)

    def _select(self, port: int, vcpu: int) -> None:
        base = vcpu * self._vcpu_size
        if self._change_bit(base + self._selector_at, port // (self._word * 8), True):
            return
        if not self.upcall_pending(vcpu):
            self.upcalls += 1
            self._shared.write(base, struct.pack("B", 1))
            self.on_upcall(vcpu)

    def _bit(self, base: int, index: int) -> bool:
        return bool(self._shared.read(base + index // 8, 1)[0] >> index % 8 & 1)

    def _change_bit(self, base: int, index: int, value: bool) -> bool:
        """Return what the bit was."""
        byte = self._shared.read(base + index // 8, 1)[0]
        bit = 1 << index % 8
        if bool(byte & bit) != value:
            self._shared.write(base + index // 8, bytes([byte ^ bit]))
        return bool(byte & bit)

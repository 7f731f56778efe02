# SPDX-License-Identifier: GPL-2.0-or-later
"""What the drivers spend on a disk request and on a network packet, counted and not timed.

The counts belong to the driver and the seed, not to the machine that runs the lab, so a table of them can be committed
and a rise be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.folder import DriverFolder
from xenlab.lab import Lab, Options
from xenlab.ndis.nic import Outgoing
from xenlab.ports.disk import Buffer, Disk
from xenlab.ports.srb import Flag, Request
from xenlab.xen import packets
from xenlab.xen.blkback import ORDINARY, Features
from xenlab.xen.switch import Host, Packet

if TYPE_CHECKING:
    from xenlab.ndis.nic import Nic

TABLE = Path("benchmarks/efficiency.txt")
REQUEST_BYTES = 4096
DEPTHS = (1, 32)
_BACK_ENDS = {"plain": ORDINARY, "persistent": Features(persistent=True, max_indirect=32)}
_REQUESTS = 256
PACKETS = {"64 B": 64, "1500 B": 1500, "60 KiB": 60 * 1024}
PACKET_DEPTHS = {1: 16, 64: 64}  # With how many packets are counted.
_WARM_UP = 8
_WORLD = bytes.fromhex("021122330002")
_MSS = 1460


@dataclass(frozen=True)
class Cost:
    """Costs of one request or packet, each an average.

    Attributes:
        instructions: that guest code ran, the drivers' own.
        hypercalls: of every kind.
        grants: pages that the back end mapped or copied.
        notifications: event channel sends of the front end.
        interrupts: upcalls that became pending.
    """

    instructions: float
    hypercalls: float
    grants: float
    notifications: float
    interrupts: float


def measure_all(name: str, folder: DriverFolder) -> dict[str, Cost]:
    """Return the costs with the drivers of a folder, by `name`, kind of back end and depth.

    Raises:
        Violation: a driver broke a rule meanwhile.
    """
    costs = {}
    for kind, features in _BACK_ENDS.items():
        lab = Lab(folder, Options())
        lab.attach("hda", lab.boot_disk, features)
        lab.boot()
        disk = lab.pv_disk("hda")
        for depth in DEPTHS:
            costs[f"{name} {kind} depth {depth}"] = measure(lab, disk, depth, _REQUESTS)
        lab.shut_down()
    return costs | _measure_packets(name, folder)


def _measure_packets(name: str, folder: DriverFolder) -> dict[str, Cost]:
    """The same for packets sent and received, the long ones as large packets that somebody else cuts or has joined."""
    costs = {}
    lab = Lab(folder, Options())
    lab.attach("hda", lab.boot_disk)
    lab.attach_nic(0)
    lab.boot()
    nic = lab.pv_nic(0)
    lab.wait(lambda: nic.link_up, "the link")
    host = Host(lab.xen.toolstack.switch, _WORLD)
    ways: dict[str, type[_Sends | _Receives]] = {"send": _Sends, "receive": _Receives}
    for size, length in PACKETS.items():
        for depth, count in PACKET_DEPTHS.items():
            for way, stream in ways.items():
                stream(nic, host, length, depth, _WARM_UP).run()
                lab.run(0.1)
                before = _counters(lab)
                with lab.machine.counting() as instructions:
                    stream(nic, host, length, depth, count).run()
                    lab.run(0.1)
                spent = [instructions[0], *(new - old for new, old in zip(_counters(lab), before, strict=True))]
                costs[f"{name} {way} {size} depth {depth}"] = Cost(*(value / count for value in spent))
    lab.shut_down()
    return costs


class _Sends:
    """Frames of one length to the network, so many, a number of them under way at any time."""

    def __init__(self, nic: Nic, host: Host, length: int, depth: int, count: int) -> None:
        self._nic, self._left, self._depth, self._under_way = nic, count, depth, 0
        host.on_packet = lambda _: None
        self._large = length > 2000
        self._frame = _frame(host.mac, nic.mac, length)

    def run(self) -> None:
        self._send(min(self._depth, self._left))
        self._nic.kernel.run(until=lambda: not (self._under_way or self._left))

    def _send(self, count: int) -> None:
        self._left -= count
        self._under_way += count
        if not count:
            return
        outgoing = [Outgoing(self._frame, (54,), mss=_MSS if self._large else 0)] * count
        for sent in self._nic.send_many(outgoing):
            sent.completed.append(self._done)

    def _done(self) -> None:
        self._under_way -= 1
        self._send(min(1, self._left))


class _Receives:
    """Frames of one length from the network, so many at a time."""

    def __init__(self, nic: Nic, host: Host, length: int, depth: int, count: int) -> None:
        self._nic, self._host, self._left, self._depth = nic, host, count, depth
        self._large = length > 2000
        self._frame = _frame(nic.mac, host.mac, length)
        self._expected = len(packets.segments(self._frame, _MSS)) if self._large else 1
        self._missing = 0
        nic.on_receive = lambda _: self._come()

    def run(self) -> None:
        self._burst()
        self._nic.kernel.run(until=lambda: not (self._missing or self._left))

    def _burst(self) -> None:
        count = min(self._depth, self._left)
        self._left -= count
        self._missing += count * self._expected
        for _ in range(count):
            frame = packets.blanked(self._frame) if self._large else self._frame
            self._host.send(Packet(frame, self._large, _MSS if self._large else 0, True))

    def _come(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._burst()


def _frame(destination: bytes, source: bytes, length: int) -> bytes:
    """A frame of TCP over IPv4 so long, or with so much data where it is to be cut."""
    data = bytes(index & 0xFF for index in range(length if length > 2000 else length - 54))
    packet = packets.ipv4(b"\x0a\0\0\1", b"\x0a\0\0\2", packets.TCP, packets.tcp(5000, 80, 1, 1, data))
    return packets.completed(packets.ethernet(destination, source, packets.IPV4, packet))


def measure(lab: Lab, disk: Disk, depth: int, requests: int) -> Cost:
    """Run 4 KiB reads and writes by turns, `depth` of them at a time, and return what each cost."""
    _Stream(disk, depth, 2 * depth).run()
    before = _counters(lab)
    with lab.machine.counting() as instructions:
        _Stream(disk, depth, requests).run()
    after = _counters(lab)
    spent = [instructions[0], *(new - old for new, old in zip(after, before, strict=True))]
    return Cost(*(value / requests for value in spent))


class _Stream:
    """Requests of one size at random places, a fixed number under way."""

    def __init__(self, disk: Disk, depth: int, requests: int) -> None:
        self._disk = disk
        self._left = requests
        self._under_way = 0
        self._depth = depth

    def run(self) -> None:
        for _ in range(self._depth):
            self._submit()
        self._disk.kernel.run(until=lambda: not self._under_way)

    def _submit(self) -> None:
        if not self._left:
            return
        self._left -= 1
        self._under_way += 1
        disk, write = self._disk, bool(self._left % 2)
        buffer = Buffer(disk.kernel, REQUEST_BYTES)
        count = REQUEST_BYTES // disk.block_size
        cdb = disk.transfer_cdb(write, disk.kernel.world.random.randrange(disk.blocks // count) * count, count)
        flags = Flag.DATA_OUT if write else Flag.DATA_IN
        disk.submit(Request(disk.unit.address, cdb, buffer.va, REQUEST_BYTES, flags), lambda _: self._done(buffer))

    def _done(self, buffer: Buffer) -> None:
        buffer.free()
        self._under_way -= 1
        self._submit()


def _counters(lab: Lab) -> Sequence[int]:
    domain = lab.xen.hypervisor
    used = domain.grants.statistics
    return domain.counts.total(), used.maps + used.copies, domain.evtchn.sent, domain.evtchn.upcalls


def table(costs: dict[str, Cost]) -> str:
    """Return costs as a text table, a line each."""
    names = [each.name for each in fields(Cost)]
    width = max(len(name) for name in costs)
    lines = [f"{'':<{width}}  {'  '.join(f'{name:>13}' for name in names)}"]
    for name, cost in costs.items():
        lines.append(f"{name:<{width}}  {'  '.join(f'{value:>13.2f}' for value in astuple(cost))}")
    return "\n".join(lines) + "\n"


def read_table(text: str) -> dict[str, Cost]:
    """Read what :func:`table` has written."""
    count = len(fields(Cost))
    rows = [line.rsplit(maxsplit=count) for line in text.splitlines()[1:]]
    return {name: Cost(*(float(value) for value in values)) for name, *values in rows}


def rises(old: dict[str, Cost], new: dict[str, Cost], share: float = 0.05) -> list[str]:
    """Return what has risen by more than `share`, a sentence each; a row that has gone is one too."""
    found = [f"{name} is no longer measured" for name in old if name not in new]
    for name, cost in new.items():
        for what, now, then in zip(fields(Cost), astuple(cost), astuple(old.get(name, cost)), strict=True):
            if now > then * (1 + share) + 0.005:
                found.append(f"{name}: {what.name} each rise from {then:.2f} to {now:.2f}")
    return found

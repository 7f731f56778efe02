# SPDX-License-Identifier: GPL-2.0-or-later
"""Many disks and many requests: the ring is kept full, and buffers may lie in memory as they like."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from xenlab.cpu.memory import PAGE_SIZE
from xenlab.lab import Lab
from xenlab.nt.thread import State
from xenlab.ports.disk import Buffer, Disk, Workload
from xenlab.ports.srb import Flag, Request
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.block import KINDS
from xenlab.xen.blkback import BlockBackend, Features
from xenlab.xen.disk import Disk as Medium

_MEGABYTE_SECTORS = 2048
_SIXTEEN = ("hda", "hdb", "hdc", "hdd", *(f"xvd{letter}" for letter in "efghijklmnop"))
_PAGES_OF_AN_ENTRY, _MORE = 11, 16
_SLOW = (5_000_000, 9_000_000)
_WIDE = Features(max_ring_page_order=2)


@scenario("sixteen", "sixteen disks at once on the Xen with the smallest grant table: all of them work")
def sixteen(new: NewLab) -> None:
    lab = new(xen="3.1")
    for name in _SIXTEEN:
        lab.attach(name, lab.boot_disk if name == "hda" else Medium(_MEGABYTE_SECTORS))
    lab.boot()
    Workload([lab.pv_disk(name) for name in _SIXTEEN], 160, depth=40, maximum_bytes=100 * 1024).run()
    lab.settle()
    lab.shut_down()


@scenario("queue", "more requests than a ring holds: no slot of it stays free while one waits")
def queue(new: NewLab) -> None:
    for features, pages in (
        (KINDS["bare"], 1),
        (KINDS["bare"], _PAGES_OF_AN_ENTRY),
        (KINDS["persistent"], _PAGES_OF_AN_ENTRY),
        (KINDS["indirect"], 4),
        (_WIDE, 1),
        (_WIDE, _PAGES_OF_AN_ENTRY),
    ):
        lab = new()
        lab.attach("hda", lab.boot_disk, replace(features, latency_ns=_SLOW))
        lab.boot()
        _fill(lab, pages * PAGE_SIZE)
        lab.settle()
        lab.shut_down()


def _fill(lab: Lab, length: int) -> None:
    """Give a disk more requests than its ring holds, each of which fits one entry."""
    disk = lab.pv_disk("hda")
    backend = lab.xen.toolstack.vbds["hda"].backend
    buffers = [Buffer(lab.kernel, length) for _ in range(backend.slots + _MORE)]
    seen: set[int] = set()
    for check in (*[False] * 5, True):  # What a driver gets only when there is need of it, it has by then.
        unfinished = set(map(id, buffers))
        for buffer in buffers:
            _read(disk, buffer, unfinished)
        look = partial(_is_full, lab, backend, unfinished, seen)
        lab.wait(look if check else lambda left=unfinished: not left, "more requests than a ring holds")  # type: ignore[misc]
    lab.expect(backend.slots in seen, "the ring was full while requests waited")
    for buffer in buffers:
        buffer.free()


def _read(disk: Disk, buffer: Buffer, unfinished: set[int]) -> None:
    cdb = disk.transfer_cdb(False, 0, buffer.length // disk.block_size)
    request = Request(disk.unit.address, cdb, buffer.va, buffer.length, Flag.DATA_IN)
    disk.submit(request, lambda _: unfinished.remove(id(buffer)))


def _is_full(lab: Lab, backend: BlockBackend, unfinished: set[int], seen: set[int]) -> bool:
    """Whether all has ended; until then, whenever the guest has done what it can, the ring must be full."""
    if unfinished and _at_rest(lab):
        wanted = min(backend.slots, len(unfinished))
        seen.add(wanted)
        lab.expect(backend.on_ring == wanted, f"{wanted} requests are on the ring, not {backend.on_ring}")
    return not unfinished


def _at_rest(lab: Lab) -> bool:
    """Whether the processor has nothing to do until something happens outside."""
    kernel = lab.kernel
    ready = any(each.state is State.READY for each in kernel.scheduler.threads)
    platform = lab.machine.platform
    interrupted = platform.interrupt_asserted or platform.requested
    return not (ready or kernel.scheduler.current or kernel.dpcs or interrupted)

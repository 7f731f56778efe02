# SPDX-License-Identifier: GPL-2.0-or-later
"""The costs of a request are counted exactly, and the simulated Xen runs on the lab's own memory."""

from __future__ import annotations

import pytest

from xenlab.cpu.memory import PhysicalMemory
from xenlab.world import World
from xenlab.xen import abi
from xenlab.xen.abi import BLKIF_OP, HYPERVISOR, XENMAPSPACE, XENMEM
from xenlab.xen.disk import Disk
from xenlab.xen.hypervisor import Hypervisor
from xenlab.xen.meter import Meter
from xenlab.xen.ports import PAGE
from xenlab.xen.store import Store
from xenlab.xen.storering import StoreRing
from xenlab.xen.toolstack import Toolstack

from .guest import BlockFront, Guest

BAR = range(0xF2000, 0xF3000)


def test_one_request_at_a_time_costs_one_notification_and_one_mapping_a_page():
    guest = Guest()
    client = guest.start()
    backend = guest.tools.attach("xvda", Disk(1000)).backend
    front = BlockFront(guest, client, 51712)
    front.connect()
    guest.settle()
    meter = Meter(guest.xen, [backend])
    with pytest.raises(ValueError, match="no request"):
        meter.per_request()
    for number in range(10):
        front.do(BLKIF_OP.WRITE, number * 8, b"x" * 2 * PAGE)
        guest.settle()
    assert meter.per_request() == {
        "hypercalls": 1.0,
        "notifications to the back end": 1.0,
        "notifications to the front end": 1.0,
        "upcalls": 1.0,
        "grants mapped": 2.0,
        "grants copied": 0.0,
    }


def test_it_runs_on_the_labs_physical_memory():
    world = World(5)
    memory = PhysicalMemory(world, "x64")
    memory.add_region(BAR.start * PAGE, len(BAR) * PAGE)
    xen = Hypervisor(world, memory, memory, "x64")
    xen.physmap.add_holes(BAR)
    store = Store(world)
    Toolstack(xen, store, StoreRing(xen, store)).build()
    argument = memory.allocate_frame() * PAGE
    memory.write(argument, abi.XEN_ADD_TO_PHYSMAP.pack("x64", domid=abi.DOMID_SELF, gpfn=BAR.start))
    assert xen.hypercall(HYPERVISOR.memory_op, [XENMEM.add_to_physmap, argument]) == 0
    assert xen.shared.gfn == BAR.start
    assert memory.read(BAR.start * PAGE, 1) == b"\1"
    assert XENMAPSPACE.shared_info == 0

# SPDX-License-Identifier: GPL-2.0-or-later
"""What back ends offer, and changes to it: layout of the ring, discards, another host, another size, their return."""

from __future__ import annotations

from dataclasses import replace

from xenlab.lab import Lab
from xenlab.ports.disk import Disk, Workload, describe
from xenlab.ports.srb import Flag, Op, Request
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.block import KINDS
from xenlab.xen.abi import Arch, XenbusState
from xenlab.xen.blkback import ORDINARY, Features
from xenlab.xen.disk import Disk as Medium

_SECTORS = 4 * 2048
_RICH = Features(persistent=True, max_indirect=256, max_ring_page_order=2)
_LAYOUTS: dict[str, Arch] = {"x86_32-abi": "x32", "x86_64-abi": "x64"}
_ILLEGAL_REQUEST, _BEYOND_THE_END = 5, 0x21
_UNIT_ATTENTION, _CAPACITY_CHANGED = 6, bytes((0x2A, 0x09))


@scenario("protocols", "a toolstack that names the ring's layout: either one, on a back end that knows no other")
def protocols(new: NewLab) -> None:
    for protocol, layout in _LAYOUTS.items():
        for features in (ORDINARY, _RICH):
            lab = new()
            offered = replace(features, native=layout, knows_protocol=False)
            vbd = lab.attach("hda", lab.boot_disk, offered)
            lab.xen.store.dom0.write(f"{vbd.backend.front}/protocol", protocol)
            lab.boot()
            Workload([lab.pv_disk("hda")], 60, maximum_bytes=300 * 1024).run()
            lab.settle()
            lab.shut_down()


@scenario("lesser-host", "moved under load to hosts whose back ends offer less, and more: no request fits as it was")
def lesser_host(new: NewLab) -> None:
    lab = new()
    names = ("hda", "xvdb")
    for name in names:
        lab.attach(name, lab.boot_disk if name == "hda" else Medium(_SECTORS), _RICH)
    lab.boot()
    disks = [lab.pv_disk(name) for name in names]
    toolstack = lab.xen.toolstack
    for count, features in enumerate(
        (KINDS["bare"], _RICH, KINDS["persistent"], KINDS["barrier"], KINDS["indirect"]), 1
    ):
        work = Workload(disks, 60, depth=16, maximum_bytes=1 << 20)
        work.begin()
        lab.run(0.004)
        for vbd in toolstack.vbds.values():
            vbd.features = features
        toolstack.save_and_restore()
        lab.wait(lambda count=count: toolstack.resumes == count, "a suspension")  # type: ignore[misc]
        lab.wait(lambda work=work: work.finished, "the work through a suspension", 300)  # type: ignore[misc]
    Workload(disks, 40).run()
    lab.settle()
    lab.shut_down()


@scenario(
    "discard",
    "UNMAP where the back end discards: exactly those blocks go; where it does not, Windows is not told of it",
)
def discard(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk, KINDS["bare"])
    vbd = lab.attach("xvdb", Medium(_SECTORS), KINDS["4 KiB sectors"])
    lab.boot()
    lab.expect(not _can_unmap(lab.pv_disk("hda")), "a disk without discards offers none")
    disk = lab.pv_disk("xvdb")
    lab.expect(_can_unmap(disk), "a disk with discards offers them")
    size = disk.block_size
    disk.command(disk.transfer_cdb(True, 0, 64), data=bytes([0xA5]) * 64 * size)
    extents = [(3, 5), (20, 1), (40, 0), (50, 14)]
    listed = b"".join(first.to_bytes(8, "big") + count.to_bytes(4, "big") + bytes(4) for first, count in extents)
    header = (len(listed) + 6).to_bytes(2, "big") + len(listed).to_bytes(2, "big") + bytes(4)
    cdb = bytes((Op.UNMAP,)) + bytes(6) + (len(listed) + 8).to_bytes(2, "big") + b"\0"
    disk.command(cdb, data=header + listed)
    gone = {block for first, count in extents for block in range(first, first + count)}
    want = b"".join(bytes(size) if block in gone else bytes([0xA5]) * size for block in range(64))
    lab.expect(vbd.disk.read(0, 64 * size) == want, "the blocks that were unmapped are gone, and no others")
    Workload([lab.pv_disk("xvdb")], 80, mix={"read": 2, "write": 2, "unmap": 1, "flush": 1}).run()
    lab.settle()
    lab.shut_down()


def _can_unmap(disk: Disk) -> bool:
    """Whether READ CAPACITY(16) and the page of logical block provisioning say so (SBC-3, 5.16.2, 6.6.4)."""
    capacity = disk.command(bytes((Op.SERVICE_ACTION_IN16, 0x10)) + bytes(8) + (32).to_bytes(4, "big") + bytes(2), 32)
    pages = disk.command(bytes((Op.INQUIRY, 1, 0, 0, 64, 0)), 64)
    offered = bool(capacity[14] & 0x80)
    if offered != (0xB2 in pages[4:]):
        disk.kernel.world.violation("READ CAPACITY and INQUIRY disagree about discards.")
    return offered and bool(disk.command(bytes((Op.INQUIRY, 1, 0xB2, 0, 64, 0)), 64)[5] & 0x80)


@scenario(
    "shrink", "a disk shrinks and grows under load: Windows is told, what lies beyond fails as that, the rest works"
)
def shrink(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS))
    lab.boot()
    disk = lab.pv_disk("xvdb")
    for sectors in (_SECTORS // 2, 2 * _SECTORS, _SECTORS // 4):
        disk.blocks = min(sectors, vbd.disk.sectors)
        work = Workload([disk], 60, mix={"read": 1, "write": 1, "flush": 1})
        work.begin()
        lab.run(0.002)
        vbd.backend.resize(sectors)
        lab.wait(lambda work=work: work.finished, "the work on a disk that changes")  # type: ignore[misc]
        lab.run(2)
        disk = lab.pv_disk("xvdb")
        lab.expect(disk.blocks == sectors, "Windows is told of the new size")
        request = _read(disk, sectors - 4, 8)
        beyond = request.sense_key == _ILLEGAL_REQUEST and request.sense[12] == _BEYOND_THE_END
        lab.expect(beyond, f"a read across the end fails as that ({describe(request)})")
        Workload([disk], 30).run()
    vbd.backend.resize(_SECTORS)
    lab.run(1)
    told: list[Request] = []
    flags = Flag.NO_QUEUE_FREEZE
    disk.adapter.submit(
        Request(disk.unit.address, bytes((Op.TEST_UNIT_READY,)) + bytes(5), flags=flags, done=told.append)
    )
    lab.wait(lambda: bool(told), "an answer to TEST UNIT READY")
    changed = (told[0].sense_key, told[0].sense[12:14]) == (_UNIT_ATTENTION, _CAPACITY_CHANGED)
    lab.expect(changed, f"Windows is told of a new size unasked ({describe(told[0])})")
    lab.shut_down()


def _read(disk: Disk, first: int, count: int) -> Request:
    request, _ = disk.attempt(disk.transfer_cdb(False, first, count), count * disk.block_size)
    return request


@scenario("comes-back", "a back end closes under load and opens again, three times: the disk goes, and is there again")
def comes_back(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_SECTORS))
    lab.boot()
    for _ in range(3):
        _close_and_return(lab)
        lab.expect(vbd.backend.state is XenbusState.Connected, "the back end is connected again")
        Workload([lab.pv_disk("xvdb")], 30).run()
    Workload([lab.pv_disk("hda")], 30).run()
    lab.settle()
    lab.shut_down()


def _close_and_return(lab: Lab) -> None:
    vbd = lab.xen.toolstack.vbds["xvdb"]
    goes = lab.pv_disk("xvdb")
    goes.accept = lambda _: True
    work = Workload([goes], 60, depth=20)
    work.begin()
    lab.run(0.002)
    vbd.backend.close_early()
    lab.wait(lambda: work.finished, "the requests to a back end that closes", 600)
    lab.wait(lambda: vbd.backend.state is XenbusState.Connected, "the return of a back end")
    lab.run(1)

# SPDX-License-Identifier: GPL-2.0-or-later
"""PV disks: random reads and writes held against a model, over every kind of back end."""

from __future__ import annotations

from dataclasses import replace

from xenlab.lab import Lab
from xenlab.ports.disk import COMMON_MIX, Disk, Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.abi import BLKIF_OP
from xenlab.xen.blkback import ORDINARY, Features
from xenlab.xen.disk import Disk as Medium

_MEGABYTE_SECTORS = 2048
_READ_ONLY_MIX = {kind: weight for kind, weight in COMMON_MIX.items() if not kind.startswith("write")}

# What back ends of the field offer, from the barest on.
KINDS = {
    "bare": Features(barrier=False, flush=False, discard=False),
    "barrier": Features(flush=False),
    "flush": Features(barrier=False),
    "persistent": Features(persistent=True),
    "indirect": Features(max_indirect=256, persistent=True),
    "wide ring": Features(max_ring_page_order=3, max_indirect=32),
    "early": Features(early=True),
    "native layout": Features(knows_protocol=False),
    "refuses barriers": Features(refuses=frozenset({BLKIF_OP.WRITE_BARRIER, BLKIF_OP.FLUSH_DISKCACHE})),
    "4 KiB sectors": Features(sector_size=4096, physical_sector_size=4096),
}


@scenario("disk", "one PV disk: 300 random operations, byte-exact")
def disk(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    Workload([lab.pv_disk("hda")], 300).run()
    lab.settle()
    lab.shut_down()


@scenario("disks", "four disks at once, transfers of 512 bytes to 1 MiB")
def disks(new: NewLab) -> None:
    _run_many(new(), 300)


@scenario("disks-long", "four disks at once: 100,000 random operations", long=True)
def disks_long(new: NewLab) -> None:
    _run_many(new(), 100_000)


def _run_many(lab: Lab, operations: int) -> None:
    names = ("hda", "hdb", "xvdc", "xvdd")
    features = (ORDINARY, KINDS["persistent"], KINDS["indirect"], KINDS["wide ring"])
    for name, offered in zip(names, features, strict=True):
        lab.attach(name, lab.boot_disk if name == "hda" else Medium(8 * _MEGABYTE_SECTORS), offered)
    lab.boot()
    Workload([lab.pv_disk(name) for name in names], operations, depth=24, maximum_bytes=1 << 20).run()
    lab.settle()
    lab.shut_down()


@scenario("back-ends", "every kind of back end in turn")
def back_ends(new: NewLab) -> None:
    for features in KINDS.values():
        lab = new()
        lab.attach("hda", lab.boot_disk, features if features.knows_protocol else replace(features, native=lab.arch))
        lab.boot()
        Workload([lab.pv_disk("hda")], 60, maximum_bytes=256 * 1024).run()
        lab.settle()
        lab.shut_down()


@scenario("read-only", "a disk that may not be written: what it holds is read, writes fail cleanly")
def read_only(new: NewLab) -> None:
    lab = new()
    medium = Medium(_MEGABYTE_SECTORS)
    medium.write(0, lab.world.random.randbytes(4096))
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", medium, replace(ORDINARY, read_only=True))
    lab.boot()
    seen = lab.pv_disk("xvdb")
    Workload([seen], 60, mix=_READ_ONLY_MIX).run()
    _require_write_refused(lab, seen)
    lab.expect(not vbd.backend.statistics.requests["WRITE"], "no write reaches a back end that takes none")
    lab.shut_down()


def _require_write_refused(lab: Lab, seen: Disk) -> None:
    request, _ = seen.attempt(seen.transfer_cdb(True, 0, 1), data=bytes(seen.block_size))
    lab.expect(not request.ok, "a write to a read-only disk fails")


@scenario("resize", "a disk grows while it is in use")
def resize(new: NewLab) -> None:
    lab = new()
    medium = Medium(_MEGABYTE_SECTORS)
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", medium)
    lab.boot()
    before = lab.pv_disk("xvdb")
    Workload([before], 40).run()
    vbd.backend.resize(2 * _MEGABYTE_SECTORS)
    lab.run(2)
    after = lab.pv_disk("xvdb")
    lab.expect(after.blocks == 2 * before.blocks, "Windows is told of the new size")
    Workload([after], 40).run()
    lab.shut_down()

# SPDX-License-Identifier: GPL-2.0-or-later
"""PV disks: random reads and writes held against a model, over every kind of back end."""

from __future__ import annotations

from dataclasses import replace

from xenlab.lab import Lab
from xenlab.ports.disk import COMMON_MIX, Disk, Workload, describe
from xenlab.ports.srb import Flag, Op, Request
from xenlab.scenario import NewLab, scenario
from xenlab.xen.abi import BLKIF_OP
from xenlab.xen.blkback import ORDINARY, Features
from xenlab.xen.disk import SECTOR
from xenlab.xen.disk import Disk as Medium

_MEGABYTE_SECTORS = 2048
_MEDIUM_ERROR, _UNIT_ATTENTION = 0x03, 0x06
_SYNCHRONIZE = bytes((Op.SYNCHRONIZE_CACHE10,)) + bytes(9)
_CAPACITY_CHANGED = b"\x2a\x09"
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
    "old barriers": Features(flush=False, empty_barriers=False),
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


def _run_many(lab: Lab, operations: int) -> None:
    names = ("hda", "hdb", "xvdc", "xvdd")
    features = (ORDINARY, KINDS["persistent"], KINDS["indirect"], KINDS["wide ring"])
    for name, offered in zip(names, features, strict=True):
        lab.attach(name, lab.boot_disk if name == "hda" else Medium(8 * _MEGABYTE_SECTORS), offered)
    lab.boot()
    Workload([lab.pv_disk(name) for name in names], operations, depth=24, maximum_bytes=1 << 20).run()
    lab.settle()
    lab.shut_down()


def _add_kind(name: str, features: Features) -> None:
    @scenario(f"back-end-{name.replace(' ', '-').lower()}", f"a kind of back end: {name}")
    def run(new: NewLab) -> None:
        lab = new()
        lab.attach("hda", lab.boot_disk, features if features.knows_protocol else replace(features, native=lab.arch))
        lab.boot()
        Workload([lab.pv_disk("hda")], 60, maximum_bytes=256 * 1024).run()
        lab.settle()
        lab.shut_down()


for _name, _features in KINDS.items():
    _add_kind(_name, _features)


@scenario("durable", "what was flushed or written through is on the medium when its command ends, by flush or barrier")
def durable(new: NewLab) -> None:
    for kind in ("flush", "barrier"):
        lab = new()
        medium = Medium(_MEGABYTE_SECTORS, cached=True)
        lab.attach("hda", lab.boot_disk)
        lab.attach("xvdb", medium, KINDS[kind])
        lab.boot()
        seen = lab.pv_disk("xvdb")
        for through in (False, True):
            data = lab.world.random.randbytes(8 * SECTOR)
            seen.command(seen.transfer_cdb(True, 8, 8, through), data=data)
            if not through:
                seen.command(_SYNCHRONIZE)
            how = "was written through" if through else "was flushed"
            on_medium = medium.read(8 * SECTOR, len(data)) == data and not medium.log
            lab.expect(on_medium, f"what {how} is on the medium, no cache ({kind})")
        lab.shut_down()


@scenario(
    "flush-fails", "a back end that has flushed before fails to: the flush fails, and the next one is tried again"
)
def flush_fails(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    for name, kind in (("xvdb", "flush"), ("xvdc", "barrier")):
        medium = Medium(_MEGABYTE_SECTORS, cached=True)
        vbd = lab.attach(name, medium, KINDS[kind])
        if name == "xvdb":
            lab.boot()
        seen = lab.pv_disk(name)
        seen.command(_SYNCHRONIZE)
        vbd.backend.flush_fails = True
        request, _ = seen.attempt(_SYNCHRONIZE)
        lab.expect(not request.ok, f"a flush that the back end fails to do fails ({kind})")
        vbd.backend.flush_fails = False
        before = medium.flushes
        seen.command(_SYNCHRONIZE)
        lab.expect(medium.flushes > before, f"a flush after one that has failed is done ({kind})")
    lab.shut_down()


@scenario("bad-sectors", "a medium with sectors that cannot be read: what touches them fails as that, the rest works")
def bad_sectors(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("xvdb", Medium(_MEGABYTE_SECTORS))
    vbd.backend.bad_sectors = range(800, 804)
    lab.boot()
    seen = lab.pv_disk("xvdb")
    for write in (False, True):
        for first, count in ((803, 1), (792, 16), (200, 1000)):
            request = _transfer(lab, seen, write, first, count)
            medium_error = not request.ok and request.sense_key == _MEDIUM_ERROR
            lab.expect(medium_error, f"{request} fails with a medium error ({describe(request)})")
        lab.expect(_transfer(lab, seen, write, 804, 1000).ok, "sectors beside bad ones are in order")
    lab.settle()
    lab.shut_down()


def _transfer(lab: Lab, seen: Disk, write: bool, first: int, count: int) -> Request:
    cdb, size = seen.transfer_cdb(write, first, count), count * seen.block_size
    request, _ = seen.attempt(cdb, size, lab.world.random.randbytes(size) if write else b"")
    seen.undefined.update(range(first, first + count))
    return request


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


def _require_told_of_size(lab: Lab, seen: Disk) -> None:
    """SBC-2, 4.7: the next command ends with UNIT ATTENTION, CAPACITY DATA HAS CHANGED, which Windows acts on."""
    ended: list[Request] = []
    flags = Flag.NO_QUEUE_FREEZE
    request = Request(seen.unit.address, bytes((Op.TEST_UNIT_READY,)) + bytes(5), 0, 0, flags, done=ended.append)
    seen.adapter.submit(request)
    lab.wait(lambda: bool(ended), "a command to a disk that has grown")
    told = ended[0].sense_key == _UNIT_ATTENTION and ended[0].sense[12:14] == _CAPACITY_CHANGED
    lab.expect(told, f"a disk that has grown says so ({describe(ended[0])})")


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
    _require_told_of_size(lab, before)
    after = lab.pv_disk("xvdb")
    lab.expect(after.blocks == 2 * before.blocks, "Windows is told of the new size")
    Workload([after], 40).run()
    lab.shut_down()

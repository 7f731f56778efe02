# SPDX-License-Identifier: GPL-2.0-or-later
"""CD-ROM drives: a data disc is read, nothing is written, and a drive may be empty, filled and emptied again."""

from __future__ import annotations

from dataclasses import replace

from xenlab.lab import Lab
from xenlab.ports import Ports
from xenlab.ports.disk import COMMON_MIX, Disk, Workload
from xenlab.ports.srb import Flag, Op, Request
from xenlab.scenario import NewLab, scenario
from xenlab.xen.blkback import ORDINARY
from xenlab.xen.disk import SECTOR
from xenlab.xen.disk import Disk as Medium

_BLOCK, _CDROM = 2048, 5
_BLOCKS = 700
_DRIVE = replace(ORDINARY, cdrom=True)
_MIX = {kind: weight for kind, weight in COMMON_MIX.items() if not kind.startswith("write")}
_INQUIRY = bytes((Op.INQUIRY, 0, 0, 0, 36, 0))
_READY = bytes((Op.TEST_UNIT_READY,)) + bytes(5)
_CAPACITY = bytes((Op.READ_CAPACITY10,)) + bytes(9)
_NOT_READY, _ILLEGAL_REQUEST, _UNIT_ATTENTION, _DATA_PROTECT = 2, 5, 6, 7
_NO_MEDIUM, _MEDIUM_CHANGED = 0x3A, 0x28


def _read_toc(minutes: bool, form: int = 0, length: int = 804) -> bytes:
    return bytes((0x43, 2 * minutes, form, 0, 0, 0, 0)) + length.to_bytes(2, "big") + b"\0"


def _disc(lab: Lab, blocks: int = _BLOCKS) -> Medium:
    made = Medium(blocks * _BLOCK // SECTOR)
    made.write(0, lab.world.random.randbytes(blocks * _BLOCK))
    return made


@scenario("cdrom", "a drive with a data disc: what Windows asks of one, and every block of it; writes fail cleanly")
def cdrom(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("hdc", _disc(lab), _DRIVE)
    lab.boot()
    drive = lab.pv_disk("hdc")
    inquiry = drive.command(_INQUIRY, 36)
    lab.expect(
        (inquiry[0], inquiry[1]) == (_CDROM, 0x80), "INQUIRY names a CD-ROM drive with a medium that can be removed"
    )
    lab.expect((drive.blocks, drive.block_size) == (_BLOCKS, _BLOCK), "the disc has blocks of 2048 bytes")
    _require_toc(lab, drive)
    Workload([drive], 60, maximum_bytes=256 * 1024, mix=_MIX).run()
    request, _ = drive.attempt(drive.transfer_cdb(True, 0, 1), data=bytes(_BLOCK))
    lab.expect(not request.ok and request.sense_key == _DATA_PROTECT, "a write to a disc fails as write-protected")
    lab.expect(not vbd.backend.statistics.requests["WRITE"], "no write reaches the back end of a drive")
    lab.settle()
    lab.shut_down()


def _require_toc(lab: Lab, drive: Disk) -> None:
    """MMC-3, 5.23: one data track from block 0, and the lead-out behind the last block."""
    track, out = drive.blocks.to_bytes(4, "big"), bytes(4)
    want = bytes((0, 18, 1, 1, 0, 0x14, 1, 0)) + out + bytes((0, 0x14, 0xAA, 0)) + track
    lab.expect(drive.command(_read_toc(False), 804) == want, "READ TOC describes one data track in blocks")
    frame = drive.blocks + 150
    address = bytes((0, frame // 4500, frame // 75 % 60, frame % 75))
    got = drive.command(_read_toc(True), 804)
    lab.expect(got[8:12] == bytes((0, 0, 2, 0)) and got[16:20] == address, "READ TOC tells minutes and seconds")
    lab.expect(drive.command(_read_toc(False, 1), 804)[:4] == bytes((0, 10, 1, 1)), "READ TOC tells of one session")
    lab.expect(drive.command(_read_toc(False, 0, 4), 4) == want[:4], "READ TOC keeps to the length allowed")
    request, _ = drive.attempt(_read_toc(False, 5), 64)
    lab.expect(request.sense_key == _ILLEGAL_REQUEST, "CD-TEXT is refused")


@scenario("cdrom-empty", "a drive starts empty, gets a disc, another one, and is emptied: Windows is told each time")
def cdrom_empty(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    vbd = lab.attach("hdc", Medium(0), _DRIVE)
    lab.boot()
    drive = _empty_drive(lab)
    _require_empty(lab, drive)
    for blocks in (_BLOCKS, 2 * _BLOCKS):
        disc = _disc(lab, blocks)
        vbd.backend.change_medium(disc)
        lab.run(2)
        _require_attention(lab, drive)
        drive.model = bytearray(disc.read(0, disc.sectors * SECTOR))
        drive.open()
        Workload([drive], 30, mix=_MIX).run()
    vbd.backend.change_medium(Medium(0))
    lab.run(2)
    _require_empty(lab, drive)
    lab.shut_down()


def _empty_drive(lab: Lab) -> Disk:
    """A class driver's view of the one drive, which does not tell a size."""

    def found() -> list[Disk]:
        adapters = lab.kernel.part(Ports).adapters.values()
        units = [(adapter, unit) for adapter in adapters for unit in adapter.present_units()]
        return [Disk(adapter, unit, bytearray()) for adapter, unit in units if unit.inquiry[0] == _CDROM]

    lab.wait(lambda: bool(found()), "the search for the drive")
    return found()[0]


def _require_attention(lab: Lab, drive: Disk) -> None:
    """The next command is told, once, that the medium may be another one; a class driver would only ask again."""
    ended: list[Request] = []
    drive.adapter.submit(Request(drive.unit.address, _READY, flags=Flag.NO_QUEUE_FREEZE, done=ended.append))
    lab.wait(lambda: bool(ended), "an answer to TEST UNIT READY")
    lab.expect(
        (ended[0].sense_key, ended[0].sense[12:13]) == (_UNIT_ATTENTION, bytes((_MEDIUM_CHANGED,))),
        "Windows is told of another disc by UNIT ATTENTION",
    )


def _require_empty(lab: Lab, drive: Disk) -> None:
    inquiry = drive.command(_INQUIRY, 36)
    lab.expect(inquiry[0] == _CDROM, "INQUIRY names a CD-ROM drive, empty as it is")
    for cdb, length in (
        (_READY, 0),
        (_CAPACITY, 8),
        (_read_toc(False), 804),
        (drive.transfer_cdb(False, 0, 1), _BLOCK),
    ):
        request, _ = drive.attempt(cdb, length)
        lab.expect(
            (request.sense_key, request.sense[12:13]) == (_NOT_READY, bytes((_NO_MEDIUM,))),
            f"command {cdb[0]:#x} to an empty drive says that there is no medium",
        )

# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests on their way through a port driver: the queues of logical units, and what a miniport holds of them.

A request gets its SRB, SRB extension and sense buffer when the miniport is given it, and they are gone the moment it is
completed: a miniport that touches one of them later has touched freed memory. Source: Windows Driver Kit, "SCSI Port
Driver's Queue Management", "Storport Queue Management", "SCSI_REQUEST_BLOCK structure".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gplpv.errors import GplpvError
from xenlab.cpu.memory import PAGE_SIZE, pieces
from xenlab.nt.objects import Struct
from xenlab.nt.routine import Steps
from xenlab.ports.miniport import DMA64_SYSTEM_SUPPORTED, FOUR_GIB, Miniport, Running
from xenlab.ports.srb import (
    AUTOSENSE_VALID,
    QUEUE_FROZEN,
    SIMPLE_TAG,
    STATUS_MASK,
    UNTAGGED,
    Address,
    Flag,
    Function,
    Op,
    Request,
    ScsiStatus,
    Srb,
    layout,
    status_name,
)

if TYPE_CHECKING:
    from xenlab.world import Event

SECOND = 1_000_000_000
_MILLISECOND = 1_000_000
_KEPT = ("Length", "Function", "PathId", "TargetId", "Lun", "OriginalRequest", "SrbExtension")
_FREEZING = (Srb.BUS_RESET, Srb.TIMEOUT, Srb.COMMAND_TIMEOUT, Srb.ABORTED)
_FREEZING_SCSI = (ScsiStatus.CHECK_CONDITION, ScsiStatus.COMMAND_TERMINATED)
_BUSY_SCSI = (ScsiStatus.BUSY, ScsiStatus.QUEUE_FULL)
# Where the buffers of a user process lie: addresses that mean nothing in the context that a miniport runs in.
_FOREIGN_BASE, _FOREIGN_STEP, _FOREIGN_COUNT = 0x10000000, 0x00400000, 440
_REMEMBERED = 4096
_PATIENCE_NS = 300 * SECOND


@dataclass(eq=False)
class LogicalUnit:
    """A logical unit, or an address that a scan is asking.

    Attributes:
        inquiry: its standard INQUIRY data.
        active: what the miniport holds, by SRB address.
        ready: the miniport takes another request for it although it holds some (NextLuRequest).
        hold_until: virtual time before which nothing is sent to it.
        depth: requests that the miniport may hold at most.
        resume_at: it is busy until the miniport holds no more than this many (StorPortDeviceBusy).
    """

    address: Address
    extension: int = 0
    inquiry: bytes = b""
    queue: deque[Request] = field(default_factory=deque)
    active: dict[int, Active] = field(default_factory=dict)
    frozen: bool = False
    locked: bool = False
    present: bool = False
    ready: bool = True
    hold_until: int = 0
    depth: int = 254
    resume_at: int | None = None

    def __str__(self) -> str:
        return str(self.address)


@dataclass(eq=False)
class Active:
    """A request that the miniport holds.

    Attributes:
        buffer: DataBuffer as the miniport sees it.
        kept: the fields of the SRB that the miniport may not change.
        elements: physical address and length of the buffer's pieces, once they have been asked for.
        bounced: pieces that the device reaches through a frame of their own: buffer offset, frame, length.
    """

    request: Request
    unit: LogicalUnit
    srb: int
    extension: int
    sense: int
    buffer: int
    tag: int
    kept: dict[str, int]
    elements: list[tuple[int, int]] | None = None
    bounced: list[tuple[int, int, int]] = field(default_factory=list)
    list_address: int = 0
    timeout: Event | None = None
    expired: int = 0


class Queues(Miniport):
    """The flow of requests. A kind of port driver says when the miniport takes one (`accepts`), how it is called with
    it (`dispatch`) and what becomes of one that times out (`recover`)."""

    busy_delay_ns = 20 * _MILLISECOND

    def reset_queues(self) -> None:
        self.units: dict[Address, LogicalUnit] = {}
        self.active: dict[int, Active] = {}
        self.timed_out: list[Request] = []
        self.sending = False
        self.gone = False
        self._finished: deque[Request] = deque()
        self._past: dict[int, str] = {}
        self._kicked = False
        self._serial = 0
        self._low_frames: list[int] = []
        self._low_taken: list[int] = []

    def accepts(self, unit: LogicalUnit) -> bool:
        """Whether the miniport takes a request for `unit` now."""
        raise NotImplementedError

    def dispatch(self, active: Active) -> Running[None]:
        """Give a request to the miniport."""
        raise NotImplementedError

    def recover(self, active: Active) -> Running[None]:
        """Do something about a request that has timed out."""
        raise NotImplementedError

    def reset_bus(self, path: int) -> Steps:
        """Call HwResetBus; for class drivers that ask for it, at DISPATCH_LEVEL."""
        raise NotImplementedError

    def completed(self, unit: LogicalUnit) -> None:
        """Hear that the miniport has completed a request for `unit`."""

    def data_buffer(self, request: Request) -> int:
        """Return the value of DataBuffer for a request."""
        raise NotImplementedError

    # Submission

    def submit(self, request: Request) -> None:
        """Take a request from a class driver; `request.done` is called with the result, at DISPATCH_LEVEL."""
        request.status, request.scsi_status, request.sense, request.frozen = Srb.PENDING, 0, b"", False
        request.transferred = request.length
        unit = self.units.get(request.address)
        if self.gone or unit is None:
            self._answer(request, Srb.NO_DEVICE)
        elif not self._manage_queue(unit, request):
            unit.queue.append(request)
        self.kick()

    def _manage_queue(self, unit: LogicalUnit, request: Request) -> bool:
        """Do what the port driver does itself; tells whether the request was such a one."""
        if request.function in (Function.RELEASE_QUEUE, Function.FLUSH_QUEUE):
            unit.frozen = False
            if request.function == Function.FLUSH_QUEUE:
                self.flush(unit, Srb.REQUEST_FLUSHED)
        elif request.function in (Function.LOCK_QUEUE, Function.UNLOCK_QUEUE):
            unit.locked = request.function == Function.LOCK_QUEUE
        else:
            return False
        self._answer(request, Srb.SUCCESS)
        return True

    def flush(self, unit: LogicalUnit, status: Srb) -> None:
        """Answer what waits in a unit's queue without asking the miniport."""
        while unit.queue:
            self._answer(unit.queue.popleft(), status)
        self.kick()

    def _answer(self, request: Request, status: Srb) -> None:
        request.status = status
        request.transferred = 0
        self._finished.append(request)

    def kick(self) -> None:
        """Have the queues looked at, at DISPATCH_LEVEL and soon."""
        if not self._kicked:
            self._kicked = True
            self.kernel.queue_call(self._pump, f"{self.port} queues")

    def hold(self, unit: LogicalUnit, delay_ns: int) -> None:
        """Send nothing to a unit for some time."""
        unit.hold_until = max(unit.hold_until, self.kernel.world.now + delay_ns)
        self.kernel.world.at(delay_ns, self.kick, f"{self.port} holds {unit}")

    def _pump(self) -> Steps:
        self._kicked = False
        self._finish()
        while (chosen := self._choose()) is not None:
            yield from self._begin(*chosen)
            self._finish()
        return None

    def _choose(self) -> tuple[LogicalUnit, Request] | None:
        """Take the next request that may be sent from its queue; units take turns."""
        if not self.sending:
            return None
        for address, unit in list(self.units.items()):
            if unit.queue and unit.hold_until <= self.kernel.world.now and self.accepts(unit):
                request = next((each for each in unit.queue if _may_pass(unit, each)), None)
                if request is not None:
                    unit.queue.remove(request)
                    self.units[address] = self.units.pop(address)
                    return unit, request
        return None

    def _begin(self, unit: LogicalUnit, request: Request) -> Running[None]:
        active = self._make_srb(unit, request)
        self.active[active.srb] = unit.active[active.srb] = active
        self._arm(active)
        self.kernel.world.trace("srb", f"{request} is given to the miniport", srb=active.srb)
        yield from self.dispatch(active)

    def _make_srb(self, unit: LogicalUnit, request: Request) -> Active:
        kernel = self.kernel
        structure = layout("SCSI_REQUEST_BLOCK", kernel.arch)
        srb = Struct(kernel.memory, structure, kernel.alloc(structure.size, "ScSr"))
        extension = self._alloc_garbage(self.config["SrbExtensionSize"])
        sense_length = request.sense_length if request.function == Function.EXECUTE_SCSI else 0
        sense = kernel.alloc(sense_length, "ScSe") if sense_length else 0
        self._serial += 1
        tagged = self.config["TaggedQueuing"] and request.function == Function.EXECUTE_SCSI
        tag = self._free_tag(unit) if tagged or self.config["MultipleRequestPerLu"] else UNTAGGED
        values = {
            "Length": structure.size, "Function": request.function, "PathId": unit.address.path,
            "TargetId": unit.address.target, "Lun": unit.address.lun, "QueueTag": tag,
            "QueueAction": SIMPLE_TAG if tagged else 0, "CdbLength": len(request.cdb),
            "SenseInfoBufferLength": sense_length,
            "SrbFlags": request.flags | (Flag.QUEUE_ACTION_ENABLE if tagged else 0),
            "DataTransferLength": request.length, "TimeOutValue": request.timeout_s,
            "DataBuffer": self.data_buffer(request) if request.length else 0, "SenseInfoBuffer": sense,
            "OriginalRequest": self.foreign_address(0), "SrbExtension": extension,
        }  # fmt: skip
        for name, value in values.items():
            srb[name] = value
        if request.victim:
            srb["NextSrb"] = next((each.srb for each in self.active.values() if each.request is request.victim), 0)
        kernel.write(srb.at("Cdb"), request.cdb.ljust(16, b"\0"))
        kept = {name: srb[name] for name in _KEPT}
        return Active(request, unit, srb.address, extension, sense, srb["DataBuffer"], tag, kept)

    def _alloc_garbage(self, size: int) -> int:
        """SRB extensions are not initialized."""
        if not size:
            return 0
        address = self.kernel.alloc(size, "ScEx")
        self.kernel.write(address, self.kernel.world.random.randbytes(size))
        return address

    def _free_tag(self, unit: LogicalUnit) -> int:
        used = {each.tag for each in unit.active.values()}
        return next((tag for tag in range(1, UNTAGGED) if tag not in used), UNTAGGED)

    def foreign_address(self, data: int) -> int:
        """An address for what a miniport must not touch, with the page offset of `data`."""
        slot = self._serial % _FOREIGN_COUNT
        return _FOREIGN_BASE + slot * _FOREIGN_STEP + data % PAGE_SIZE

    # Completion

    def complete(self, srb: int, status: int | None = None) -> None:
        """Take an SRB back from the miniport, with a status of the port driver's choice or its own."""
        active = self.active.pop(srb, None)
        if active is None:
            past = self._past.get(srb)
            if past:
                self.violation(f"the SRB at {srb:#x} ({past}) is completed twice")
            self.violation(f"an SRB at {srb:#x} is completed that the miniport was not given")
        del active.unit.active[srb]
        block = Struct(self.kernel.memory, layout("SCSI_REQUEST_BLOCK", self.kernel.arch), srb)
        if status is not None:
            block["SrbStatus"] = status
        self._check(active, block)
        self._take_result(active, block)
        self._drop(active)
        self._finished.append(active.request)
        self.completed(active.unit)
        self.kick()

    def _check(self, active: Active, block: Struct) -> None:
        status = block["SrbStatus"]
        if status & STATUS_MASK == Srb.PENDING:
            self.violation(f"{active.request} is completed with SRB_STATUS_PENDING")
        if status & QUEUE_FROZEN:
            self.violation(f"{active.request} is completed with SRB_STATUS_QUEUE_FROZEN, the port driver's own")
        if block["DataTransferLength"] > active.request.length:
            self.violation(f"{active.request} is completed with {block['DataTransferLength']} bytes transferred")
        if block["SenseInfoBufferLength"] > active.request.sense_length and active.sense:
            self.violation(f"{active.request} is completed with more sense data than its buffer holds")
        for name, value in active.kept.items():
            if block[name] != value:
                self.violation(f"the miniport has changed {name} of the SRB of {active.request}")

    def _take_result(self, active: Active, block: Struct) -> None:
        request = active.request
        status = block["SrbStatus"]
        request.status = status & STATUS_MASK
        request.scsi_status = block["ScsiStatus"]
        request.transferred = block["DataTransferLength"]
        if status & AUTOSENSE_VALID and active.sense:
            request.sense = self.kernel.read(active.sense, block["SenseInfoBufferLength"])
        if request.flags & Flag.DATA_IN:
            for offset, frame, length in active.bounced:
                gpa = frame * PAGE_SIZE + (request.data + offset) % PAGE_SIZE
                self.kernel.write(request.data + offset, self.kernel.physical.read(gpa, length))
        self.kernel.world.trace("srb", f"{request} is completed: {status_name(status)}", srb=active.srb)

    def _drop(self, active: Active) -> None:
        if active.timeout:
            active.timeout.cancel()
        for address in (active.srb, active.extension, active.sense, active.list_address):
            if address:
                self.kernel.free(address)
        self._low_frames.extend(frame for _, frame, _ in active.bounced)
        self._past.pop(active.srb, None)
        self._past[active.srb] = str(active.request)
        if len(self._past) > _REMEMBERED:
            del self._past[next(iter(self._past))]

    def complete_matching(self, path: int, target: int, lun: int, status: int) -> None:
        """Complete all that the miniport holds of a bus, target or unit; UNTAGGED stands for all of them."""
        wanted = (path, target, lun)
        for srb, active in list(self.active.items()):
            if all(want in (UNTAGGED, have) for want, have in zip(wanted, active.unit.address, strict=True)):
                self.complete(srb, status)

    def _finish(self) -> None:
        while self._finished:
            request = self._finished.popleft()
            unit = self.units.get(request.address)
            if unit is not None and self._is_busy(request):
                self._retry_later(unit, request)
            elif unit is not None and self._lacks_sense(request):
                self._fetch_sense(unit, request)
            else:
                self._deliver(unit, request)

    def _is_busy(self, request: Request) -> bool:
        if self.gone:
            return False
        return request.status == Srb.BUSY or (request.status == Srb.ERROR and request.scsi_status in _BUSY_SCSI)

    def _retry_later(self, unit: LogicalUnit, request: Request) -> None:
        request.status, request.scsi_status, request.transferred = Srb.PENDING, 0, request.length
        unit.queue.appendleft(request)
        self.hold(unit, self.busy_delay_ns)

    def _lacks_sense(self, request: Request) -> bool:
        wanted = request.sense_length and not request.flags & Flag.DISABLE_AUTOSENSE
        return bool(wanted) and request.scsi_status == ScsiStatus.CHECK_CONDITION and not request.sense

    def _fetch_sense(self, unit: LogicalUnit, failed: Request) -> None:
        """Ask for the sense data of a request whose adapter did not, before anything else of the unit runs."""
        unit.frozen = True
        size = failed.sense_length
        data = self.kernel.alloc(size, "ScRs")

        def done(answer: Request) -> None:
            failed.sense = self.kernel.read(data, answer.transferred) if answer.ok else bytes(3)
            self.kernel.free(data)
            unit.frozen = False
            self._deliver(unit, failed)

        flags = Flag.DATA_IN | Flag.BYPASS_FROZEN_QUEUE | Flag.DISABLE_AUTOSENSE | Flag.NO_QUEUE_FREEZE
        cdb = bytes((Op.REQUEST_SENSE, 0, 0, 0, size, 0))
        sense = Request(failed.address, cdb, data, size, flags, sense_length=0, done=done)
        sense.transferred = size
        unit.queue.appendleft(sense)

    def _deliver(self, unit: LogicalUnit | None, request: Request) -> None:
        failed = request.status in _FREEZING or request.scsi_status in _FREEZING_SCSI
        if unit is not None and unit.present and failed and not request.flags & Flag.NO_QUEUE_FREEZE:
            unit.frozen = request.frozen = True
        request.done(request)

    # Timeouts

    def _arm(self, active: Active) -> None:
        if not active.request.timeout_s:
            return

        def due() -> None:
            self.kernel.queue_call(lambda: self._expire(active), "SRB timeout")

        delay = active.request.timeout_s * SECOND
        active.timeout = self.kernel.world.at(delay, due, f"timeout of {active.request}")

    def _expire(self, active: Active) -> Steps:
        if self.active.get(active.srb) is not active:
            return None
        active.expired += 1
        if active.expired > 2:
            self.violation(f"{active.request} is never completed, not even after two resets")
        self.kernel.world.trace("srb", f"{active.request} has timed out", srb=active.srb)
        self.timed_out.append(active.request)
        yield from self.recover(active)
        if self.active.get(active.srb) is active:
            self._arm(active)
        return None

    def drain(self) -> Running[None]:
        """Wait until the miniport holds nothing."""
        started = self.kernel.world.now
        pause = _MILLISECOND
        while self.active or self._finished:
            yield from self.kernel.sleep(pause)
            pause = min(2 * pause, SECOND)
            if self.kernel.world.now - started > _PATIENCE_NS:
                self.violation(f"{next(iter(self.active.values())).request} is never completed")

    # Addresses

    def held(self, srb: int, what: str) -> Active:
        """Return the request of an SRB that the miniport holds; another SRB ends the run."""
        active = self.active.get(srb)
        if active is None:
            past = self._past.get(srb)
            state = f"that was completed before ({past})" if past else "that the miniport was not given"
            self.violation(f"{what} is called with an SRB at {srb:#x} {state}")
        return active

    def physical_address(self, srb: int, va: int) -> tuple[int, int]:
        """Answer GetPhysicalAddress: address and length of what is contiguous from `va` on; zeros if it is none of the
        request's buffers, or without an SRB none of the extensions."""
        if srb:
            active = self.held(srb, "GetPhysicalAddress")
            offset = va - active.buffer
            if 0 <= offset < active.request.length:
                return _element_at(self.elements_of(active), offset)
            areas = [(active.sense, active.request.sense_length)]
        else:
            areas = [(self.uncached.va, self.uncached.size)] if self.uncached else []
            for active in self.active.values():
                areas += [(active.extension, self.config["SrbExtensionSize"])]
                areas += [(active.sense, active.request.sense_length)]
        for start, size in areas:
            if start and start <= va < start + size:
                return self._contiguous(va, start + size - va)
        return 0, 0

    def _contiguous(self, va: int, size: int) -> tuple[int, int]:
        first = self.kernel.memory.translate(va)
        length = 0
        for at, piece in pieces(va, size):
            if self.kernel.memory.translate(at) != first + length:
                break
            length += piece
        return first, length

    def virtual_address(self, gpa: int) -> int:
        """Answer GetVirtualAddress for an address that GetPhysicalAddress gave; 0 for another."""
        if self.uncached and self.uncached.gpa <= gpa < self.uncached.gpa + self.uncached.size:
            return self.uncached.va + gpa - self.uncached.gpa
        for active in self.active.values():
            for start in (active.extension, active.sense):
                page = self.kernel.memory.translate(start) if start else None
                if page is not None and page <= gpa < (page | (PAGE_SIZE - 1)) + 1:
                    return start + gpa - page
            offset = active.buffer
            for base, length in active.elements or ():
                if base <= gpa < base + length:
                    return offset + gpa - base
                offset += length
        return 0

    # The buffer as the device sees it

    def elements_of(self, active: Active) -> list[tuple[int, int]]:
        """Return physical address and length of the contiguous pieces of a request's buffer."""
        if active.elements is None:
            active.elements = self._find_elements(active)
            if len(active.elements) > self.maximum_elements:
                raise GplpvError(
                    f"{active.request} has {len(active.elements)} pieces, the adapter takes {self.maximum_elements}.",
                    "The class driver has to split it.",
                )
        return active.elements

    def _find_elements(self, active: Active) -> list[tuple[int, int]]:
        request = active.request
        found: list[tuple[int, int]] = []
        for va, length in pieces(request.data, request.length):
            gpa = self.kernel.memory.translate(va)
            if gpa >= FOUR_GIB and not self.config["Dma64BitAddresses"] & ~DMA64_SYSTEM_SUPPORTED:
                gpa = self._bounce(active, va - request.data, length)
            if found and sum(found[-1]) == gpa:
                found[-1] = (found[-1][0], found[-1][1] + length)
            else:
                found.append((gpa, length))
        return found

    def _bounce(self, active: Active, offset: int, length: int) -> int:
        """What the HAL's map registers do for an adapter with 32 address lines."""
        if not self._low_frames:
            self._low_frames = self.kernel.physical.allocate_contiguous(64, 0, FOUR_GIB - 1)
            self._low_taken.extend(self._low_frames)
            self.kernel.world.random.shuffle(self._low_frames)
        frame = self._low_frames.pop()
        active.bounced.append((offset, frame, length))
        va = active.request.data + offset
        gpa = frame * PAGE_SIZE + va % PAGE_SIZE
        self.kernel.physical.write(gpa, self.kernel.read(va, length))
        return gpa

    def free_low_frames(self) -> None:
        self.kernel.physical.free_frames(self._low_taken)
        self._low_frames, self._low_taken = [], []


def _element_at(elements: list[tuple[int, int]], offset: int) -> tuple[int, int]:
    for gpa, length in elements:
        if offset < length:
            return gpa + offset, length - offset
        offset -= length
    return 0, 0


def _may_pass(unit: LogicalUnit, request: Request) -> bool:
    if unit.frozen and not request.flags & Flag.BYPASS_FROZEN_QUEUE:
        return False
    return not unit.locked or bool(request.flags & Flag.BYPASS_LOCKED_QUEUE)

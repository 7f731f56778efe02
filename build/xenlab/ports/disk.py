# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk class driver's work: commands to a logical unit, and a random workload that is held against a model.

It gives a port driver what a class driver does: transfers split at the adapter's limits, buffers of any alignment that
the adapter allows, retries, and the release of a frozen queue. What comes back is compared with a copy of the disk.
Source: Windows Driver Kit, "Storage Class Driver's SplitTransferRequest and ReleaseQueue Routines"; SBC-2, SPC-3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.cpu.memory import PAGE_SIZE, READ, WRITE, pages
from xenlab.ports.adapter import Adapter
from xenlab.ports.queues import SECOND, LogicalUnit
from xenlab.ports.srb import Flag, Function, Op, Request, ScsiStatus, Srb, status_name

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_RETRIED = (Srb.BUS_RESET, Srb.TIMEOUT, Srb.COMMAND_TIMEOUT, Srb.ABORTED, Srb.REQUEST_FLUSHED, Srb.BUSY)
_RETRIED_SENSE = (0x06, 0x0B)
_TRIES = 12
_MARGIN = 0x6B
_READ = {6: Op.READ6, 10: Op.READ10, 12: Op.READ12, 16: Op.READ16}
_WRITE = {6: Op.WRITE6, 10: Op.WRITE10, 12: Op.WRITE12, 16: Op.WRITE16}
_FORCE_UNIT_ACCESS = 0x08
_PATIENCE_NS = 600 * SECOND
_RUNS = (*[1] * 12, 2, 5, 300)  # How many pages of a buffer the device sees as one piece.
COMMON_MIX = {
    "read": 45, "write": 40, "write through": 4, "flush": 4, "inquiry": 2, "capacity": 2, "ready": 2, "mode": 1,
}  # fmt: skip


class Buffer:
    """Nonpaged memory of `length` bytes at a page offset of the caller's choice, with margins that must stay whole.

    Its pages lie wherever there are some, or in runs of `run` that the device sees as one piece each.
    """

    def __init__(self, kernel: Kernel, length: int, offset: int = 0, run: int = 1) -> None:
        self.kernel = kernel
        self.length = length
        self._size = -(-(offset + length) // PAGE_SIZE) * PAGE_SIZE
        self._base = kernel.alloc(self._size, "Disk")
        if run > 1:
            self._join(run)
        kernel.write(self._base, bytes([_MARGIN]) * self._size)
        self.va = self._base + offset

    def read(self) -> bytes:
        return self.kernel.read(self.va, self.length)

    def write(self, data: bytes) -> None:
        self.kernel.write(self.va, data)

    def _join(self, run: int) -> None:
        """Put every `run` pages into frames that follow one another, and the runs anywhere among them."""
        memory, physical = self.kernel.memory, self.kernel.physical
        every = list(pages(self._base, self._size))
        runs = [every[at : at + run] for at in range(0, len(every), run)]
        self.kernel.world.random.shuffle(runs)
        frames = physical.allocate_contiguous(len(every))
        for frame, page in zip(frames, (page for run in runs for page in run), strict=False):
            physical.free_frames([memory.unmap(page) // PAGE_SIZE])
            memory.map(page, frame * PAGE_SIZE, READ | WRITE)

    def free(self) -> None:
        """Raises:
        Violation: a byte beside the buffer was written.
        """
        whole = self.kernel.read(self._base, self._size)
        start = self.va - self._base
        if (whole[:start] + whole[start + self.length :]).strip(bytes([_MARGIN])):
            self.kernel.world.violation(f"Memory beside a data buffer of {self.length} bytes was overwritten.")
        self.kernel.free(self._base)


class Disk:
    """A logical unit and what its class driver knows of it.

    Attributes:
        model: what the disk must hold; the caller keeps it beside the real medium.
        undefined: blocks whose contents nobody can tell, after UNMAP or a write that failed.
        cdb_sizes: the READ and WRITE commands to use, by the length of their CDB.
        accept: asked about a request that failed for good; True lets the run go on.
    """

    def __init__(self, adapter: Adapter, unit: LogicalUnit, model: bytearray, cdb_sizes: Sequence[int] = (10,)) -> None:
        self.adapter = adapter
        self.kernel = adapter.kernel
        self.unit = unit
        self.model = model
        self.cdb_sizes = cdb_sizes
        self.block_size = 512
        self.blocks = 0
        self.undefined: set[int] = set()
        self.accept: Callable[[Request], bool] = lambda _: False

    def open(self) -> None:
        """Ask for the capacity, as a class driver does when it starts."""
        self.blocks, self.block_size = self.read_capacity()
        if self.blocks * self.block_size != len(self.model):
            size = self.blocks * self.block_size
            self.kernel.world.violation(f"The disk at {self.unit} says it has {size} bytes, it has {len(self.model)}.")

    def compare_with(self, medium: bytes) -> None:
        """Hold the whole medium against the model.

        Raises:
            Violation: a block differs that nothing makes undefined.
        """
        if medium == self.model:
            return
        size = self.block_size
        for block in range(len(self.model) // size):
            here = slice(block * size, (block + 1) * size)
            if medium[here] != self.model[here] and block not in self.undefined:
                self.kernel.world.violation(f"Block {block} of the disk at {self.unit} is not what was written last.")

    def read_capacity(self) -> tuple[int, int]:
        """Return number and size of blocks, by READ CAPACITY(10), or (16) if that is not enough."""
        data = self.command(bytes((Op.READ_CAPACITY10,)) + bytes(9), 8)
        last = int.from_bytes(data[:4], "big")
        if last != 0xFFFFFFFF:
            return last + 1, int.from_bytes(data[4:8], "big")
        cdb = bytes((Op.SERVICE_ACTION_IN16, 0x10)) + bytes(8) + (32).to_bytes(4, "big") + bytes(2)
        data = self.command(cdb, 32)
        return int.from_bytes(data[:8], "big") + 1, int.from_bytes(data[8:12], "big")

    def command(self, cdb: bytes, length: int = 0, data: bytes = b"", expect: Sequence[int] = (Srb.SUCCESS,)) -> bytes:
        """Carry out one command from outside of the guest and return what it reads.

        Raises:
            Violation: it fails otherwise than in `expect`, or never ends.
        """
        request, answer = self.attempt(cdb, length, data)
        if request.status not in (*expect, Srb.DATA_OVERRUN):
            self.kernel.world.violation(f"{request} fails: {describe(request)}.")
        return answer

    def attempt(self, cdb: bytes, length: int = 0, data: bytes = b"") -> tuple[Request, bytes]:
        """Carry out one command, whatever comes of it; return the request and what it has read."""
        size = len(data) or length
        buffer = Buffer(self.kernel, size) if size else None
        flags = (Flag.DATA_OUT if data else Flag.DATA_IN) if size else 0
        request = Request(self.unit.address, cdb, buffer.va if buffer else 0, size, flags)
        if buffer and data:
            buffer.write(data)
        self.perform(request)
        answer = buffer.read()[: request.transferred] if buffer and not data else b""
        if buffer:
            buffer.free()
        return request, answer

    def perform(self, request: Request) -> None:
        """Submit a request, retry it as often as it makes sense, and let the guest run until it is done."""
        finished: list[Request] = []
        self.submit(request, finished.append)
        self.kernel.run(until=lambda: bool(finished), limit_ns=_PATIENCE_NS)

    def submit(self, request: Request, done: Callable[[Request], None], tries: int = _TRIES) -> None:
        """Submit a request that is retried; `done` hears of its last result."""

        def ended(result: Request) -> None:
            if result.frozen:
                self.adapter.submit(Request(self.unit.address, function=Function.RELEASE_QUEUE))
            if tries > 1 and worth_retrying(result):
                self.submit(request, done, tries - 1)
            else:
                done(result)

        request.done = ended
        self.adapter.submit(request)

    def transfer_cdb(self, write: bool, first: int, count: int, through: bool = False) -> bytes:
        """Return a READ or WRITE command, of a length among `cdb_sizes` that can say it."""
        fits = {6: first < 1 << 21 and count < 256 and not through, 10: first < 1 << 32 and count < 1 << 16}
        fits |= {12: first < 1 << 32, 16: True}
        sizes = [size for size in self.cdb_sizes if fits[size]] or [16]
        size = self.kernel.world.random.choice(sizes)
        code = (_WRITE if write else _READ)[size]
        flags = _FORCE_UNIT_ACCESS if through else 0
        if size == 6:
            return bytes((code, first >> 16, first >> 8 & 0xFF, first & 0xFF, count & 0xFF, 0))
        if size == 10:
            return bytes((code, flags)) + first.to_bytes(4, "big") + b"\0" + count.to_bytes(2, "big") + b"\0"
        length = 4 if size == 12 else 8
        return bytes((code, flags)) + first.to_bytes(length, "big") + count.to_bytes(4, "big") + bytes(2)

    def split(self, first: int, count: int, offset: int) -> list[tuple[int, int]]:
        """Cut a transfer into what the adapter takes at once, its buffer starting at a page offset."""
        parts = []
        while count:
            limit = min(self.adapter.maximum_transfer, self.adapter.maximum_elements * PAGE_SIZE - offset % PAGE_SIZE)
            now = min(count, max(1, limit // self.block_size))
            parts.append((first, now))
            first, count, offset = first + now, count - now, offset + now * self.block_size
        return parts


def _misalign(offset: int, chance: float) -> int:
    """Buffers begin anywhere, where a sector would, or where a page does: Windows has all three, the first least."""
    return offset if chance < 0.4 else offset // 512 * 512 if chance < 0.7 else 0


def worth_retrying(request: Request) -> bool:
    if request.status in _RETRIED:
        return True
    return request.scsi_status == ScsiStatus.CHECK_CONDITION and request.sense_key in _RETRIED_SENSE


def describe(request: Request) -> str:
    """Say how a request ended."""
    sense = f", sense {request.sense.hex()}" if request.sense else ""
    return f"{status_name(request.status)}, SCSI status {request.scsi_status:#04x}{sense}"


@dataclass(eq=False)
class Operation:
    """One operation of a workload, which may take several requests."""

    disk: Disk
    kind: str
    first: int = 0
    count: int = 0
    buffer: Buffer | None = None
    data: bytes = b""
    left: int = 1
    failed: bool = False

    def collides(self, other: Operation) -> bool:
        """Whether the outcome would depend on which of two comes first."""
        apart = self.first + self.count <= other.first or other.first + other.count <= self.first
        return self.disk is other.disk and not apart and not self.kind == other.kind == "read"


@dataclass
class Workload:
    """Random operations on some disks, `depth` of them under way at any time.

    Attributes:
        operations: how many are still to begin.
        mix: kinds of operations with their weights; ``unmap`` is one more.
        maximum_bytes: the longest transfer.
        skew: 1 makes all orders of magnitude as likely as each other, more makes short transfers likelier.
        completed: how many have ended.
        bytes_moved: by reads and writes that have ended.
    """

    disks: Sequence[Disk]
    operations: int
    depth: int = 8
    maximum_bytes: int = 64 * 1024
    skew: float = 1.0
    mix: Mapping[str, int] = field(default_factory=lambda: COMMON_MIX)
    completed: int = 0
    bytes_moved: int = 0
    under_way: list[Operation] = field(default_factory=list)

    def run(self, limit_ns: int = _PATIENCE_NS) -> None:
        """Carry all out and let the guest run meanwhile.

        Raises:
            Violation: data differ from the model, an operation fails, or one never ends.
        """
        self.begin()
        self.disks[0].kernel.run(until=lambda: self.finished, limit_ns=limit_ns)

    @property
    def finished(self) -> bool:
        return not self.operations and not self.under_way

    def begin(self) -> None:
        """Fill the queues; more follow as operations end."""
        misses = 0
        while self.operations and len(self.under_way) < self.depth and misses < 8:
            operation = self._choose()
            if any(operation.collides(other) for other in self.under_way):
                misses += 1
                continue
            self.operations -= 1
            self.under_way.append(operation)
            self._submit(operation)

    def _choose(self) -> Operation:
        random = self.disks[0].kernel.world.random
        disk = random.choice(list(self.disks))
        kind = random.choices(list(self.mix), list(self.mix.values()))[0]
        if kind not in ("read", "write", "write through", "unmap"):
            return Operation(disk, kind)
        most = min(max(1, self.maximum_bytes // disk.block_size), disk.blocks)
        count = min(most, max(1, int(most ** (random.random() ** self.skew) + random.randrange(2))))
        return Operation(disk, kind, random.randrange(disk.blocks - count + 1), count)

    def _submit(self, operation: Operation) -> None:
        if operation.kind in ("read", "write", "write through"):
            self._submit_transfer(operation)
        else:
            self._submit_command(operation)

    def _submit_transfer(self, operation: Operation) -> None:
        disk = operation.disk
        random = disk.kernel.world.random
        step = disk.adapter.config["AlignmentMask"] + 1
        offset = _misalign(random.randrange(0, PAGE_SIZE, step), random.random())
        length = operation.count * disk.block_size
        buffer = operation.buffer = Buffer(disk.kernel, length, offset, random.choice(_RUNS))
        write = operation.kind != "read"
        if write:
            operation.data = random.randbytes(length)
            buffer.write(operation.data)
        parts = disk.split(operation.first, operation.count, offset)
        operation.left = len(parts)
        for first, count in parts:
            cdb = disk.transfer_cdb(write, first, count, operation.kind == "write through")
            at = buffer.va + (first - operation.first) * disk.block_size
            flags = Flag.DATA_OUT if write else Flag.DATA_IN
            request = Request(disk.unit.address, cdb, at, count * disk.block_size, flags)
            disk.submit(request, lambda result: self._part_done(operation, result))

    def _submit_command(self, operation: Operation) -> None:
        disk = operation.disk
        unmap = (22).to_bytes(2, "big") + (16).to_bytes(2, "big") + bytes(4)
        unmap += operation.first.to_bytes(8, "big") + operation.count.to_bytes(4, "big") + bytes(4)
        cdb, length, data = {
            "flush": (bytes((Op.SYNCHRONIZE_CACHE10,)) + bytes(9), 0, b""),
            "inquiry": (bytes((Op.INQUIRY, 0, 0, 0, 36, 0)), 36, b""),
            "capacity": (bytes((Op.READ_CAPACITY10,)) + bytes(9), 8, b""),
            "ready": (bytes((Op.TEST_UNIT_READY,)) + bytes(5), 0, b""),
            "mode": (bytes((Op.MODE_SENSE6, 0, 0x3F, 0, 192, 0)), 192, b""),
            "unmap": (bytes((Op.UNMAP,)) + bytes(6) + (24).to_bytes(2, "big") + b"\0", 24, unmap),
        }[operation.kind]
        flags = (Flag.DATA_OUT if data else Flag.DATA_IN) if length else 0
        if length:
            operation.buffer = Buffer(disk.kernel, length)
        if operation.buffer and data:
            operation.buffer.write(data)
        at = operation.buffer.va if operation.buffer else 0
        request = Request(disk.unit.address, cdb, at, length, flags)
        disk.submit(request, lambda result: self._part_done(operation, result))

    def _part_done(self, operation: Operation, result: Request) -> None:
        disk = operation.disk
        short = operation.count and result.transferred != result.length
        if result.ok and short:
            disk.kernel.world.violation(f"{result} succeeds with {result.transferred} bytes transferred.")
        if not result.ok and not (result.status == Srb.DATA_OVERRUN and not operation.count):
            if not disk.accept(result):
                disk.kernel.world.violation(f"{result} fails: {describe(result)}.")
            operation.failed = True
        operation.left -= 1
        if not operation.left:
            self._operation_done(operation)

    def _operation_done(self, operation: Operation) -> None:
        if not operation.failed:
            self._compare(operation)
        self._account(operation)
        if operation.buffer:
            operation.buffer.free()
        self.under_way.remove(operation)
        self.completed += 1
        self.begin()

    def _compare(self, operation: Operation) -> None:
        """Hold what came back against what must have come back."""
        disk, buffer = operation.disk, operation.buffer
        if operation.kind == "read" and buffer:
            got, start = buffer.read(), operation.first * disk.block_size
            if got != disk.model[start : start + len(got)]:
                self._compare_blocks(operation, got)
        elif operation.kind.startswith("write") and buffer and buffer.read() != operation.data:
            disk.kernel.world.violation(f"A write at block {operation.first} has changed its own buffer.")
        elif operation.kind == "inquiry" and buffer and buffer.read()[:36] != disk.unit.inquiry[:36]:
            disk.kernel.world.violation(f"INQUIRY of {disk.unit} answers {buffer.read().hex()}, as never before.")
        elif operation.kind == "capacity" and buffer:
            last = int.from_bytes(buffer.read()[:4], "big")
            if last != min(disk.blocks - 1, 0xFFFFFFFF):
                disk.kernel.world.violation(f"READ CAPACITY of {disk.unit} says {last}, not {disk.blocks - 1}.")

    def _compare_blocks(self, operation: Operation, got: bytes) -> None:
        disk = operation.disk
        size = disk.block_size
        for index in range(operation.count):
            block = operation.first + index
            if block in disk.undefined:
                continue
            want, have = disk.model[block * size : (block + 1) * size], got[index * size : (index + 1) * size]
            if want != have:
                at = next(i for i in range(size) if want[i] != have[i])
                disk.kernel.world.violation(
                    f"Block {block} of the disk at {disk.unit} reads wrong from byte {at} on:"
                    f" {have[at : at + 16].hex()} instead of {want[at : at + 16].hex()},"
                    f" in a read of {operation.count} blocks from {operation.first}."
                )

    def _account(self, operation: Operation) -> None:
        """Bring the model up to date."""
        disk = operation.disk
        blocks = range(operation.first, operation.first + operation.count)
        if operation.kind == "unmap" or (operation.failed and operation.kind.startswith("write")):
            disk.undefined.update(blocks)
        elif operation.kind.startswith("write"):
            disk.undefined.difference_update(blocks)
            start = operation.first * disk.block_size
            disk.model[start : start + len(operation.data)] = operation.data
        if operation.kind == "read" or operation.kind.startswith("write"):
            self.bytes_moved += operation.count * disk.block_size

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG002 - the signatures are those of what a running adapter has
"""Writing a crash dump: a second copy of the boot disk's miniport, called by a port driver that has nothing to rely on.

The copy is loaded while Windows still works. When Windows bugchecks, nothing that ran runs on, wherever it stood and
whatever locks it held; at HIGH_LEVEL the dump's port driver calls DriverEntry with two NULL pointers, HwFindAdapter
with "dump=1" and the running adapter's resources, HwInitialize, HwResetBus, and HwStartIo with one request at a time,
and calls HwInterrupt until the request is complete, for no interrupt, DPC, timer or thread comes any more.

Source: Windows Driver Kit, "Restrictions on Miniport Drivers that Manage the Boot Drive", HwStorFindAdapter.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

from xenlab.nt.ex import BugCheckCallbacks
from xenlab.nt.objects import Struct
from xenlab.nt.routine import HIGH_LEVEL, Call, Steps, Wait
from xenlab.nt.thread import Frame, State
from xenlab.ports import Ports
from xenlab.ports.adapter import Adapter
from xenlab.ports.disk import Buffer
from xenlab.ports.miniport import Initialization, Running
from xenlab.ports.queues import SECOND, Active, LogicalUnit
from xenlab.ports.scsiport import ScsiAdapter
from xenlab.ports.srb import Address, Flag, Function, Op, Request
from xenlab.ports.storport import StorAdapter

if TYPE_CHECKING:
    pass

LARGEST_TRANSFER = 64 * 1024
_PATIENCE_NS = 60 * SECOND
_POLL_NS, _POLLS_AFTER_RESET = 10_000, 3
_ARGUMENT = b"dump=1;\0"
_CAPACITY = bytes((Op.READ_CAPACITY10,)) + bytes(9)
_SYNCHRONIZE = bytes((Op.SYNCHRONIZE_CACHE10,)) + bytes(9)
_Result = TypeVar("_Result")


class _PoweredOff(Exception):
    """The dump is written, and the processor stops."""


class _Polled(Adapter):
    """What an adapter is in the crash dump environment: no queue, no scan, no second request, no memory to ask for."""

    def take_over(self, running: Adapter) -> Running[bool]:
        """Find and initialize the adapter that the running one has found; reset its bus, and see what comes of it."""
        self.resources = running.resources
        self.callbacks, self.locks = [], []
        self.started = self.sending = True
        if not (yield from self._find(HIGH_LEVEL)) or not (yield from self.initialize()):
            return False
        for each in running.present_units():
            size = self.config["SpecificLuExtensionSize"]
            extension = self.kernel.alloc(size, "DpLu") if size else 0
            self.units[each.address] = LogicalUnit(each.address, extension, present=True)
        locks = self.timer_locks
        yield from self.call("HwResetBus", self.initialization["HwResetBus"], 0, locks=locks)
        for _ in range(_POLLS_AFTER_RESET):
            yield from self.poll()
        return True

    def poll(self) -> Running[None]:
        self.kernel.world.advance(_POLL_NS)
        yield from self.call("HwInterrupt", self.initialization["HwInterrupt"], locks=(self.interrupt_lock,))

    def perform(self, request: Request) -> Running[Request]:
        """Carry out one request to its end, whatever that is."""
        active = self._make_srb(self.units[request.address], request)
        self.active[active.srb] = active.unit.active[active.srb] = active
        yield from self.dispatch(active)
        deadline = self.kernel.world.now + _PATIENCE_NS
        while active.srb in self.active:
            if self.kernel.world.now > deadline:
                self.violation(f"{request} is never completed, though HwInterrupt is called all the time")
            yield from self.poll()
        self._finished.clear()
        return request

    def _configuration(self) -> Struct:
        config = super()._configuration()
        config["MaximumTransferLength"] = LARGEST_TRANSFER
        return config

    def _find_arguments(self) -> list[int]:
        """HwContext, BusInformation, and the ArgumentString that tells the miniport where it is."""
        return [self.initialization.context, 0, self.lend(_ARGUMENT)]

    def data_buffer(self, request: Request) -> int:
        """Every buffer is mapped."""
        return request.data

    def kick(self) -> None:
        """There are no queues."""

    def request_scan(self) -> None:
        """Nobody asks for the buses any more."""

    def request_timer(self, routine: int, microseconds: int) -> None:
        self._lacks("a timer")

    def _lacks(self, what: str) -> NoReturn:
        self.violation(f"the miniport asks for {what}, which there is not while a crash dump is written")


class DumpScsi(_Polled, ScsiAdapter):
    """The dump's stand-in for the SCSI port driver."""

    def uncached_extension(self, config: int, size: int) -> int:
        self._lacks("an uncached extension")

    def defer_interrupt(self, routine: int) -> None:
        self._lacks("CallEnableInterrupts")


class DumpStor(_Polled, StorAdapter):
    """The dump's stand-in for Storport; it calls HwBuildIo or does not, for both have been seen."""

    def dispatch(self, active: Active) -> Running[None]:
        if self.initialization["HwBuildIo"] and self.kernel.world.random.random() < 0.5:
            yield from super().dispatch(active)
            return
        yield from self.call("HwStartIo", self.initialization["HwStartIo"], active.srb, locks=self.timer_locks)

    def uncached_extension(self, config: int, size: int) -> int:
        self._lacks("an uncached extension")

    def check_notifier(self, what: str) -> None:
        self.within(what, "HwFindAdapter", "HwInitialize", "HwBuildIo", "HwStartIo", "HwInterrupt", "HwResetBus")

    def synchronize(self, routine: int, context: int) -> Running[int]:
        self._lacks("StorPortSynchronizeAccess")
        yield Wait()

    def issue_dpc(self, dpc: int, first: int, second: int) -> bool:
        self._lacks("a DPC")


class CrashDump:
    """The dump stack of one machine, made while Windows works, with the adapter whose disk the dump will be on."""

    def __init__(self, running: Adapter) -> None:
        kernel = self.kernel = running.kernel
        self.running = running
        entry = running.initialization["HwStartIo"]
        first = next(each for each in kernel.drivers if each.image.contains(entry))
        self.copy = kernel.load_driver(first.image.path, f"dump_{first.name}")
        self.registered: list[Initialization] = []

    def bug_check(self, first: int, data: bytes) -> bool:
        """Windows bugchecks where it stands, and writes `data` from block `first` on; False: there is no disk for it.

        Raises:
            Violation: the miniport does what it may not do now, or a request fails or never ends.
        """
        buffers = [Buffer(self.kernel, len(part)) for part in _parts(data)]
        for buffer, part in zip(buffers, _parts(data), strict=True):
            buffer.write(part)
        written = self._seize(lambda: self._write(first, buffers))
        for buffer, part in zip(buffers, _parts(data), strict=True):
            if buffer.read() != part:
                self.kernel.violation("Writing the crash dump has changed the memory that was dumped.")
        return written

    def _write(self, first: int, buffers: list[Buffer]) -> Running[bool]:
        yield from self.kernel.part(BugCheckCallbacks).notify()
        ports = self.kernel.part(Ports)
        ports.dumping = self.registered.append
        if (yield from self.kernel.call(self.copy.entry, 0, 0)) or not self.registered:
            self.kernel.violation("DriverEntry of the crash dump's copy of a miniport fails.")
        kind = DumpStor if isinstance(self.running, StorAdapter) else DumpScsi
        dump = kind(self.kernel, self.registered[0], self.running.parent)
        if not (yield from dump.take_over(self.running)):
            return False
        unit = dump.present_units()[0].address
        block_size = yield from self._block_size(dump, unit)
        for buffer in buffers:
            count = buffer.length // block_size
            cdb = bytes((Op.WRITE10, 0)) + first.to_bytes(4, "big") + b"\0" + count.to_bytes(2, "big") + b"\0"
            yield from self._require(dump, Request(unit, cdb, buffer.va, buffer.length, Flag.DATA_OUT))
            first += count
        yield from self._require(dump, Request(unit, _SYNCHRONIZE))
        yield from self._require(dump, Request(unit, function=Function.SHUTDOWN))
        return True

    def _block_size(self, dump: _Polled, unit: Address) -> Running[int]:
        answer = Buffer(self.kernel, 8)
        yield from self._require(dump, Request(unit, _CAPACITY, answer.va, 8, Flag.DATA_IN))
        return int.from_bytes(answer.read()[4:], "big")

    def _require(self, dump: _Polled, request: Request) -> Running[None]:
        yield from dump.perform(request)
        if not request.ok:
            dump.violation(f"{request} of the crash dump ends with status {request.status:#x}")

    def _seize(self, work: Callable[[], Generator[Call | Wait, int, _Result]]) -> _Result:
        """Take the processor from whoever has it, for good."""
        kernel, results = self.kernel, list[_Result]()
        kernel.world.trace("bugcheck", f"Windows bugchecks at IRQL {kernel.irql}")

        def steps() -> Steps:
            results.append((yield from work()))
            raise _PoweredOff

        scheduler = kernel.scheduler
        if scheduler.current:
            scheduler.leave(State.READY)
        thread = scheduler.create("bug check", 31)
        thread.irql = HIGH_LEVEL
        thread.frames.append(Frame(steps(), "bug check"))
        scheduler.switch_to(thread)
        with suppress(_PoweredOff):
            kernel.run(limit_ns=100 * _PATIENCE_NS)
        return results[0]


def _parts(data: bytes) -> list[bytes]:
    return [data[at : at + LARGEST_TRANSFER] for at in range(0, len(data), LARGEST_TRANSFER)]

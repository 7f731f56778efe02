# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - the prototypes are the vendor's
"""scsiport.sys: one lock for the whole adapter, at its DIRQL, and a miniport that says when it takes more.

Source: Windows Driver Kit, ScsiPortInitialize, ScsiPortNotification, "SCSI Miniport Driver's HwScsiXxx Routine".
HwStartIo, HwInterrupt, HwTimer, HwResetBus and the callback of CallDisableInterrupts never run at the same time; a
notification is part of one of them, or of the callback of CallEnableInterrupts.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.objects import Struct
from xenlab.nt.routine import DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL, PVOID, ULONG, Steps, VarArgs, routine
from xenlab.ports import Ports
from xenlab.ports.adapter import Adapter, PortDriver
from xenlab.ports.function import PortFunction
from xenlab.ports.miniport import ADAPTER_LOCK, Initialization, Running
from xenlab.ports.queues import SECOND, Active, LogicalUnit
from xenlab.ports.srb import Address, Function, Request, layout

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

ENABLE_CALLBACK = "HwScsiEnableInterruptsCallback"
DISABLE_CALLBACK = "HwScsiDisableInterruptsCallback"
REQUIRED = ("HwInitialize", "HwStartIo", "HwFindAdapter", "HwResetBus")
_RESET_DELAY_NS = 2 * SECOND
_ALIGNMENTS = (0, 1, 3, 7)
_XP = (5, 1)
_XP_UNCACHED = 100 * 1024
_HANG_NS = 30 * SECOND


class Notification(IntEnum):
    """SCSI_NOTIFICATION_TYPE."""

    RequestComplete = 0
    NextRequest = 1
    NextLuRequest = 2
    ResetDetected = 3
    CallDisableInterrupts = 4
    CallEnableInterrupts = 5
    RequestTimerCall = 6
    BusChangeDetected = 7
    WMIEvent = 8
    WMIReregister = 9
    LinkUp = 10
    LinkDown = 11
    QueryTickCount = 12
    BufferOverrunDetected = 13
    TraceNotification = 14


class ScsiAdapter(Adapter):
    """An adapter of the SCSI port driver.

    Attributes:
        ready: the miniport takes a request for a unit that is not busy (NextRequest).
    """

    port = "scsiport"
    stop_locks = (ADAPTER_LOCK,)

    def reset_queues(self) -> None:
        super().reset_queues()
        self.ready = True
        self._reset_until = 0
        self._disable_routine = 0
        self._watched = False

    def check_configuration(self) -> None:
        if self.config["AlignmentMask"] not in _ALIGNMENTS:
            self.violation(f"AlignmentMask is {self.config['AlignmentMask']:#x}, which is none of 0, 1, 3 and 7")

    def uncached_extension(self, config: int, size: int) -> int:
        if self.uncached:
            self.violation("an uncached extension is asked for twice")
        if self.kernel.nt <= _XP and size > _XP_UNCACHED:
            self.violation(f"an uncached extension of {size} bytes is asked for; Windows XP allows 100 KiB")
        return self.get_uncached(config, size)

    def data_buffer(self, request: Request) -> int:
        mapped = self.config["MapBuffers"] or request.function == Function.IO_CONTROL
        return request.data if mapped else self.foreign_address(request.data)

    def accepts(self, unit: LogicalUnit) -> bool:
        if not self.ready:
            self._watch()
            return False
        if self._reset_until > self.kernel.world.now:
            return False
        return not unit.active or (self._queues and unit.ready and len(unit.active) < unit.depth)

    @property
    def _queues(self) -> bool:
        return bool(self.config["MultipleRequestPerLu"] or self.config["TaggedQueuing"])

    def _watch(self) -> None:
        """A miniport that holds nothing and takes nothing is lost for ever."""
        if not self._watched and not self.active:
            self._watched = True
            self.kernel.world.at(_HANG_NS, self._look, "scsiport waits for NextRequest")

    def _look(self) -> None:
        self._watched = False
        waiting = [each for unit in self.units.values() for each in unit.queue]
        if waiting and not self.ready and not self.active and self.sending:
            self.violation(f"{waiting[0]} waits for ever: the miniport holds no request, and NextRequest never came")

    def dispatch(self, active: Active) -> Running[None]:
        self.ready = active.unit.ready = False
        routine = self.initialization["HwStartIo"]
        taken = yield from self.call("HwStartIo", routine, active.srb, locks=(ADAPTER_LOCK,))
        if not taken & 0xFF:
            self.violation(f"HwStartIo returns FALSE for {active.request}; it has to complete what it cannot do")

    def completed(self, unit: LogicalUnit) -> None:
        if not unit.active:
            unit.ready = True

    def recover(self, active: Active) -> Running[None]:
        yield from self.reset_bus(active.unit.address.path)

    def reset_bus(self, path: int) -> Steps:
        self.delay_after_reset()
        routine = self.initialization["HwResetBus"]
        yield from self.call("HwResetBus", routine, path, locks=(ADAPTER_LOCK,))
        return None

    def delay_after_reset(self) -> None:
        self._reset_until = self.kernel.world.now + _RESET_DELAY_NS
        self.kernel.world.at(_RESET_DELAY_NS, self.kick, "scsiport bus reset delay")

    def check_notifier(self, what: str) -> None:
        """End the run unless the adapter's lock protects the call."""
        if ADAPTER_LOCK not in self.locks and self.callbacks[-1:] != [ENABLE_CALLBACK]:
            here = self.callbacks[-1] if self.callbacks else "outside of any callback of the adapter"
            self.violation(f"{what} is called without the adapter's lock, from {here}")

    def next_request(self, unit: Address | None) -> None:
        if unit is not None:
            if not self._queues:
                self.violation("NextLuRequest is sent without MultipleRequestPerLu or TaggedQueuing")
            if unit not in self.units:
                self.violation(f"NextLuRequest is sent for {unit}, which is no logical unit")
            self.units[unit].ready = True
        self.ready = True
        self.kick()

    def defer_interrupt(self, routine: int) -> None:
        self.within("CallEnableInterrupts", "HwInterrupt")
        self.interrupt_masked = True
        self.kernel.queue_call(lambda: self._run_deferred(routine), ENABLE_CALLBACK)

    def end_deferral(self, routine: int) -> None:
        self.within("CallDisableInterrupts", ENABLE_CALLBACK)
        self._disable_routine = routine

    def _run_deferred(self, routine: int) -> Steps:
        self._disable_routine = 0
        yield from self.call(ENABLE_CALLBACK, routine, irql=DISPATCH_LEVEL)
        if not self._disable_routine:
            self.violation(f"{ENABLE_CALLBACK} returns without CallDisableInterrupts: no interrupt ever comes again")
        yield from self.call(DISABLE_CALLBACK, self._disable_routine, locks=(ADAPTER_LOCK,))
        self.interrupt_masked = False
        return None


def read_initialization(kernel: Kernel, address: int, names: tuple[str, ...], context: int) -> Initialization | None:
    """Read what a miniport registers; `names` are the structures it may be by their sizes. None: it is none of them."""
    size = kernel.u32(address)
    for name in names:
        structure = layout(name, kernel.arch)
        if structure.size == size:
            data = Struct(kernel.memory, structure, address)
            return Initialization({path: data[path] for path in structure.fields}, context, name.startswith("VIRTUAL"))
    return None


def register_miniport(kernel: Kernel, driver: int, made: Initialization | None, kind: type[Adapter]) -> int:
    """Keep what DriverEntry registers, and return the NTSTATUS for it."""
    if made is None or any(not made[name] for name in REQUIRED):
        kernel.world.trace("port", "the miniport's HW_INITIALIZATION_DATA is refused")
        return Status.INVALID_PARAMETER
    ports = kernel.part(Ports)
    if ports.dumping:
        ports.dumping(made)
        return Status.SUCCESS
    kernel.require_irql(PASSIVE_LEVEL, "A miniport registers")
    drivers = ports.drivers
    if driver not in drivers:
        drivers[driver] = PortDriver(kernel, driver, kind, kind.port == "scsiport")
        PortFunction(kernel, drivers[driver]).install()
    drivers[driver].initializations.append(made)
    return Status.SUCCESS


@routine("scsiport.sys", irql_max=HIGH_LEVEL)
def ScsiPortInitialize(kernel: Kernel, driver: PVOID, registry_path: PVOID, data: PVOID, context: PVOID) -> ULONG:
    made = read_initialization(kernel, data, ("HW_INITIALIZATION_DATA",), context)
    return register_miniport(kernel, driver, made, ScsiAdapter)


@routine("scsiport.sys", irql_max=HIGH_LEVEL)
def ScsiPortNotification(kernel: Kernel, kind: ULONG, extension: PVOID, arguments: VarArgs) -> None:
    adapter = kernel.part(Ports).adapter(extension, "ScsiPortNotification")
    if not isinstance(adapter, ScsiAdapter):
        kernel.violation("ScsiPortNotification is called for an adapter of another port driver.")
    if kind not in set(Notification):
        adapter.violation(f"{kind:#x} is no notification type of SCSI port")
    adapter.check_notifier(f"ScsiPortNotification({Notification(kind).name})")
    notify(kernel, adapter, Notification(kind), arguments)


def notify(kernel: Kernel, adapter: ScsiAdapter, kind: Notification, arguments: VarArgs) -> None:
    """Act on a notification; the adapter's lock is held."""
    match kind:
        case Notification.RequestComplete:
            adapter.complete(arguments.ptr())
        case Notification.NextRequest:
            adapter.next_request(None)
        case Notification.NextLuRequest:
            adapter.next_request(Address(*(arguments.u32() & 0xFF for _ in range(3))))
        case Notification.ResetDetected:
            adapter.delay_after_reset()
        case Notification.CallEnableInterrupts:
            adapter.defer_interrupt(arguments.ptr())
        case Notification.CallDisableInterrupts:
            adapter.end_deferral(arguments.ptr())
        case Notification.RequestTimerCall:
            timer = arguments.ptr()
            adapter.request_timer(timer, arguments.u32())
        case Notification.BusChangeDetected:
            adapter.request_scan()
        case _:
            kernel.world.trace("port", f"notification {kind.name}")


@routine("scsiport.sys", irql_max=DISPATCH_LEVEL)
def ScsiPortFlushDma(kernel: Kernel, extension: PVOID) -> None:
    kernel.violation("ScsiPortFlushDma is called; no adapter here uses a system DMA controller.")


@routine("scsiport.sys", irql_max=HIGH_LEVEL)
def ScsiPortIoMapTransfer(kernel: Kernel, extension: PVOID, srb: PVOID, address: PVOID, length: ULONG) -> None:
    kernel.violation("ScsiPortIoMapTransfer is called; no adapter here uses a system DMA controller.")

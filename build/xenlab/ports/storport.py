# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - the prototypes are the vendor's
"""storport.sys: requests built without a lock, started under the StartIo lock, and queues that the miniport controls.

Full duplex: HwStartIo runs at DISPATCH_LEVEL under the StartIo lock, beside the interrupt. Half duplex, the default:
it holds the interrupt lock too, at DIRQL. A virtual miniport is called without locks at DISPATCH_LEVEL. Source: Windows
Driver Kit, "Storport Miniport Driver Routines", "Storport Queue Management", StorPortNotification,
StorPortAcquireSpinLock, StorPortExtendedFunction and what is inline over them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.objects import Struct
from xenlab.nt.objects import layout as nt_layout
from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    PVOID,
    UCHAR,
    ULONG,
    Steps,
    VarArgs,
    routine,
)
from xenlab.ports import Ports
from xenlab.ports.adapter import Adapter
from xenlab.ports.miniport import INTERRUPT_LOCK, STARTIO_LOCK, Running
from xenlab.ports.queues import SECOND, Active, LogicalUnit
from xenlab.ports.scsiport import read_initialization, register_miniport
from xenlab.ports.srb import UNINITIALIZED, Address, Flag, Function, Request, Srb, layout

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

FULL_DUPLEX = 1
BUGCODE_STORPORT = 0x000000F0
_VISTA = (6, 0)
_DEFAULT_DEPTH, _MAXIMUM_DEPTH = 20, 254
_LINK_DOWN_NS = 30 * SECOND
_RESET_HOLD_NS = SECOND
_PASSIVE_ROUTINE = "HwPassiveInitializeRoutine"
# Every lock but the interrupt's may be taken before it, never after.
_MAY_LOCK = {
    "HwStartIo": ("DpcLock", "InterruptLock"),
    "HwTimer": ("InterruptLock",),
    "HwResetBus": ("InterruptLock",),
    "HwFindAdapter": (),
    "HwInitialize": (),
    "HwInterrupt": (),
    _PASSIVE_ROUTINE: (),
}
_SPIN_LOCKS = {1: "DpcLock", 2: "StartIoLock", 3: "InterruptLock"}


class Notification(IntEnum):
    """SCSI_NOTIFICATION_TYPE with what Storport adds."""

    RequestComplete = 0
    NextRequest = 1
    NextLuRequest = 2
    ResetDetected = 3
    RequestTimerCall = 6
    BusChangeDetected = 7
    WMIEvent = 8
    WMIReregister = 9
    LinkUp = 10
    LinkDown = 11
    QueryTickCount = 12
    BufferOverrunDetected = 13
    TraceNotification = 14
    EnablePassiveInitialization = 0x1000
    InitializeDpc = 0x1001
    IssueDpc = 0x1002
    AcquireSpinLock = 0x1003
    ReleaseSpinLock = 0x1004


class Stor(IntEnum):
    """Results of extended functions by the name behind ``STOR_STATUS_``."""

    SUCCESS = 0x00000000
    NOT_IMPLEMENTED = 0xC1000002
    INSUFFICIENT_RESOURCES = 0xC1000003
    INVALID_PARAMETER = 0xC1000006
    INVALID_IRQL = 0xC1000008


class StorAdapter(Adapter):
    """An adapter of Storport."""

    port = "storport"
    configuration_layout = "STORPORT_CONFIGURATION_INFORMATION"
    interrupt_lock = INTERRUPT_LOCK
    stop_locks = (INTERRUPT_LOCK,)
    busy_delay_ns = SECOND // 4
    restart_irql = DISPATCH_LEVEL
    keeps_extension = True

    def reset_queues(self) -> None:
        super().reset_queues()
        self.paused_until = 0
        self.resume_at: int | None = None
        self.timer_locks = (STARTIO_LOCK,)
        self._passive_routine = 0
        self._dpcs: dict[int, int] = {}
        self._queued_dpcs: set[int] = set()

    def _find_arguments(self) -> list[int]:
        """HwContext and BusInformation are NULL, a virtual miniport gets the device below too; ArgumentString."""
        lower = [self.parent.pdo] if self.initialization.virtual else []
        return [0, 0, *lower, self._argument_string()]

    def _argument_string(self) -> int:
        key = self.parent.service.find(r"Parameters\Device")
        value = key.get("DriverParameter") if key else None
        return self.lend(value.data + b"\0") if value else 0

    def _configuration_length(self) -> int:
        known = layout(self.configuration_layout, self.kernel.arch)
        return known.size if self.kernel.nt >= _VISTA else known.offset("HwMSInterruptRoutine")

    def check_configuration(self) -> None:
        for name in ("MaximumTransferLength", "NumberOfPhysicalBreaks"):
            if self.config[name] == UNINITIALIZED:
                self.violation(f"HwFindAdapter leaves {name} unset")
        if not self.config["ScatterGather"]:
            self.violation("HwFindAdapter leaves ScatterGather FALSE, which Storport requires")
        full = self.config["SynchronizationModel"] == FULL_DUPLEX or self.initialization.virtual
        self.timer_locks = (STARTIO_LOCK,) if full else (STARTIO_LOCK, INTERRUPT_LOCK)

    def uncached_extension(self, config: int, size: int) -> int:
        return self.uncached.va if self.uncached else self.get_uncached(config, size)

    def initialize(self) -> Running[bool]:
        locks = () if self.initialization.virtual else (INTERRUPT_LOCK,)
        result = yield from self.call("HwInitialize", self.initialization["HwInitialize"], locks=locks)
        return bool(result & 0xFF)

    def initialize_passively(self) -> Running[bool]:
        if not self._passive_routine:
            return True
        return bool((yield from self.call(_PASSIVE_ROUTINE, self._passive_routine)) & 0xFF)

    def data_buffer(self, request: Request) -> int:
        """DataBuffer of a read or write is NULL; what is not mapped otherwise is another process's."""
        if request.read_write:
            return 0
        mapped = self.config["MapBuffers"] or request.function == Function.IO_CONTROL
        return request.data if mapped else self.foreign_address(request.data)

    def prepare_unit(self, unit: LogicalUnit) -> None:
        unit.depth = _DEFAULT_DEPTH

    def accepts(self, unit: LogicalUnit) -> bool:
        if self.paused_until > self.kernel.world.now or self.resume_at is not None or unit.resume_at is not None:
            return False
        return len(unit.active) < unit.depth

    def completed(self, unit: LogicalUnit) -> None:
        if unit.resume_at is not None and len(unit.active) <= unit.resume_at:
            unit.resume_at = None
        if self.resume_at is not None and len(self.active) <= self.resume_at:
            self.resume_at = None

    def dispatch(self, active: Active) -> Running[None]:
        build = self.initialization["HwBuildIo"]
        if build:
            built = yield from self.call("HwBuildIo", build, active.srb, irql=DISPATCH_LEVEL)
            if not built & 0xFF:
                return
            if active.srb not in self.active:
                self.violation(f"HwBuildIo has completed {active.request} and returns TRUE")
        locks = () if self.initialization.virtual else self.timer_locks
        routine = self.initialization["HwStartIo"]
        started = yield from self.call("HwStartIo", routine, active.srb, locks=locks, irql=DISPATCH_LEVEL)
        if not started & 0xFF and active.srb in self.active:
            self.violation(f"HwStartIo returns FALSE for {active.request} without completing it")

    def recover(self, active: Active) -> Running[None]:
        """Reset the logical unit, once for all that time out together; if that fails or leaves the request where it
        is, the bus. The unit is left in peace for a while."""
        unit = active.unit
        if unit.hold_until > self.kernel.world.now:
            return
        self.hold(unit, _RESET_HOLD_NS)

        def done(reset: Request) -> None:
            if reset.status != Srb.SUCCESS or self.active.get(active.srb) is active:
                self.kernel.queue_call(lambda: self.reset_bus(unit.address.path), "HwResetBus")

        flags = Flag.BYPASS_FROZEN_QUEUE | Flag.BYPASS_LOCKED_QUEUE | Flag.NO_QUEUE_FREEZE
        reset = Request(unit.address, flags=flags, function=Function.RESET_LOGICAL_UNIT, timeout_s=0, done=done)
        if active.expired > 1:
            yield from self.reset_bus(unit.address.path)
        else:
            yield from self._begin(unit, reset)

    def reset_bus(self, path: int) -> Steps:
        """Whether a half-duplex miniport has the interrupt lock then is not documented: it has, or has not."""
        locks = self.timer_locks if self.kernel.world.random.random() < 0.5 else (STARTIO_LOCK,)
        yield from self.call("HwResetBus", self.initialization["HwResetBus"], path, locks=locks)
        self.kick()
        return None

    def check_notifier(self, what: str) -> None:
        """Storport's completion queue takes requests from any code at DIRQL or below.

        Half duplex there is one lock for all that the miniport has. Code that is none of its callbacks and has not
        asked for it may run beside HwStartIo on another processor, which this machine has not: so it is refused here.
        """
        if self.kernel.irql > self.dirql:
            self.violation(f"{what} is called at IRQL {self.kernel.irql}, above the adapter's")
        if INTERRUPT_LOCK in self.timer_locks and not self.locks and not self.callbacks:
            self.violation(f"{what} is called outside of every callback of a half-duplex miniport, without its lock")

    # Queue control

    def pause(self, until: int) -> None:
        self.paused_until = until
        self.kernel.world.at(max(0, until - self.kernel.world.now), self.kick, "storport pause")

    def set_depth(self, address: Address, depth: int) -> bool:
        unit = self.units.get(address)
        if unit is None or not 0 < depth <= _MAXIMUM_DEPTH:
            return False
        unit.depth = depth
        self.kick()
        return True

    # DPCs and locks

    def enable_passive(self, routine: int) -> bool:
        if self.callbacks[-1:] != ["HwInitialize"]:
            return False
        self._passive_routine = routine
        return True

    def initialize_dpc(self, dpc: int, routine: int) -> None:
        self.within("StorPortInitializeDpc", _PASSIVE_ROUTINE)
        self.kernel.zero(dpc, nt_layout("KDPC", self.kernel.arch).size + self.kernel.pointer_size)
        self._dpcs[dpc] = routine

    def issue_dpc(self, dpc: int, first: int, second: int) -> bool:
        if dpc not in self._dpcs:
            self.violation(f"a DPC at {dpc:#x} is issued that StorPortInitializeDpc was not called for")
        if dpc in self._queued_dpcs:
            return False
        self._queued_dpcs.add(dpc)
        self.kernel.queue_call(lambda: self._run_dpc(dpc, first, second), "HwDpcRoutine")
        return True

    def _run_dpc(self, dpc: int, first: int, second: int) -> Steps:
        self._queued_dpcs.discard(dpc)
        if not self.extension:
            return None
        yield from self.call_dpc(self._dpcs[dpc], dpc, first, second)
        return None

    def call_dpc(self, routine: int, dpc: int, first: int, second: int) -> Running[None]:
        self.callbacks.append("HwDpcRoutine")
        held = list(self.locks)
        yield from self.kernel.call(routine, dpc, self.extension, first, second)
        self.callbacks.pop()
        if self.locks != held:
            self.violation("HwDpcRoutine returns with a lock that it has not released")

    def acquire(self, kind: int, context: int, handle: Struct) -> None:
        name = _SPIN_LOCKS.get(kind)
        if name is None:
            self.violation(f"{kind} is no STOR_SPINLOCK")
        here = self.callbacks[-1] if self.callbacks else ""
        if name not in _MAY_LOCK.get(here, tuple(_SPIN_LOCKS.values())):
            self.violation(f"{here} acquires {name}, which it may not")
        lock = {1: f"the lock of the DPC at {context:#x}", 2: STARTIO_LOCK, 3: INTERRUPT_LOCK}[kind]
        if kind != 3 and INTERRUPT_LOCK in self.locks:
            self.violation(f"{lock} is acquired after the interrupt lock; the order is the other way round")
        if self.kernel.irql > self.lock_irql(lock):
            self.violation(f"{lock} is acquired at IRQL {self.kernel.irql}")
        self.take(lock)
        handle["Lock"] = kind
        handle["OldIrql"] = self.kernel.raise_irql(self.lock_irql(lock))
        handle["QueueLock"] = context
        handle["Next"] = len(self.locks)

    def release_lock(self, handle: Struct) -> None:
        kind, context = handle["Lock"], handle["QueueLock"]
        lock = {1: f"the lock of the DPC at {context:#x}", 2: STARTIO_LOCK, 3: INTERRUPT_LOCK}.get(kind, "")
        if not self.locks or self.locks[-1] != lock or handle["Next"] != len(self.locks):
            self.violation(f"{lock or 'no lock'} is released, which is not the lock acquired last")
        self.locks.pop()
        self.kernel.lower_irql(handle["OldIrql"])

    def synchronize(self, routine: int, context: int) -> Running[int]:
        result = yield from self.call("StorPortSynchronizeAccess", routine, context, locks=(INTERRUPT_LOCK,))
        return result & 0xFF

    def scatter_gather_list(self, srb: int) -> int:
        """Return the list of a request that transfers data, made when it is first asked for."""
        active = self.held(srb, "StorPortGetScatterGatherList")
        if not active.list_address and active.request.length:
            elements = self.elements_of(active)
            head = layout("STOR_SCATTER_GATHER_LIST", self.kernel.arch)
            one = layout("STOR_SCATTER_GATHER_ELEMENT", self.kernel.arch)
            active.list_address = self.kernel.alloc(head.size + len(elements) * one.size, "ScSg")
            Struct(self.kernel.memory, head, active.list_address)["NumberOfElements"] = len(elements)
            for index, (gpa, length) in enumerate(elements):
                element = Struct(self.kernel.memory, one, active.list_address + head.size + index * one.size)
                element["PhysicalAddress"] = gpa
                element["Length"] = length
        return active.list_address


def stor_adapter(kernel: Kernel, extension: int, what: str) -> StorAdapter:
    adapter = kernel.part(Ports).adapter(extension, what)
    if not isinstance(adapter, StorAdapter):
        kernel.violation(f"{what} is called for an adapter of another port driver.")
    return adapter


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortInitialize(kernel: Kernel, driver: PVOID, registry_path: PVOID, data: PVOID, context: PVOID) -> ULONG:
    names = ["STORPORT_HW_INITIALIZATION_DATA"]
    if kernel.nt >= _VISTA:
        names.append("VIRTUAL_HW_INITIALIZATION_DATA")
    made = read_initialization(kernel, data, tuple(names), 0)
    if made is not None:
        for name in ("NeedPhysicalAddresses", "TaggedQueuing", "AutoRequestSense", "MultipleRequestPerLu"):
            if not made[name] and not made.virtual:
                kernel.violation(f"storport: {name} of a miniport's HW_INITIALIZATION_DATA is FALSE; it must be TRUE.")
        for name in ("HwDmaStarted", "HwAdapterState"):
            if made[name]:
                kernel.violation(f"storport: {name} of a miniport's HW_INITIALIZATION_DATA must be NULL.")
        if not made["HwAdapterControl"] or not (made["HwInterrupt"] or made.virtual):
            return Status.INVALID_PARAMETER
    return register_miniport(kernel, driver, made, StorAdapter)


@routine("storport.sys", irql_max=HIGH_LEVEL)
@routine("storport.sys", irql_max=HIGH_LEVEL, name="ScsiPortNotification")
def StorPortNotification(kernel: Kernel, kind: ULONG, extension: PVOID, arguments: VarArgs) -> None:
    adapter = stor_adapter(kernel, extension, "StorPortNotification")
    if kind not in set(Notification):
        adapter.violation(f"{kind:#x} is no notification type of Storport")
    adapter.check_notifier(f"StorPortNotification({Notification(kind).name})")
    if kind >= Notification.EnablePassiveInitialization:
        _extended(kernel, adapter, Notification(kind), arguments)
    else:
        _notify(kernel, adapter, Notification(kind), arguments)


def _notify(kernel: Kernel, adapter: StorAdapter, kind: Notification, arguments: VarArgs) -> None:
    match kind:
        case Notification.RequestComplete:
            adapter.complete(arguments.ptr())
        case Notification.RequestTimerCall:
            timer = arguments.ptr()
            adapter.request_timer(timer, arguments.u32())
        case Notification.BusChangeDetected:
            adapter.request_scan()
        case Notification.LinkDown:
            adapter.pause(kernel.world.now + _LINK_DOWN_NS)
        case Notification.LinkUp:
            adapter.pause(0)
        case Notification.QueryTickCount:
            kernel.put_u64(arguments.ptr(), kernel.world.now // 15_625_000)
        case Notification.BufferOverrunDetected:
            kernel.bug_check(BUGCODE_STORPORT)
        case _:
            kernel.world.trace("port", f"notification {kind.name}")


def _extended(kernel: Kernel, adapter: StorAdapter, kind: Notification, arguments: VarArgs) -> None:
    match kind:
        case Notification.EnablePassiveInitialization:
            passive = arguments.ptr()
            kernel.put_u32(arguments.ptr(), adapter.enable_passive(passive))
        case Notification.InitializeDpc:
            dpc = arguments.ptr()
            adapter.initialize_dpc(dpc, arguments.ptr())
        case Notification.IssueDpc:
            dpc, first, second = arguments.ptr(), arguments.ptr(), arguments.ptr()
            kernel.put_u32(arguments.ptr(), adapter.issue_dpc(dpc, first, second))
        case Notification.AcquireSpinLock:
            lock = arguments.u32()
            context = arguments.ptr()
            adapter.acquire(lock, context, _handle(kernel, arguments.ptr()))
        case _:
            adapter.release_lock(_handle(kernel, arguments.ptr()))


def _handle(kernel: Kernel, address: int) -> Struct:
    return Struct(kernel.memory, layout("STOR_LOCK_HANDLE", kernel.arch), address)


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortExtendedFunction(kernel: Kernel, code: ULONG, extension: PVOID, arguments: VarArgs) -> ULONG:
    adapter = stor_adapter(kernel, extension, "StorPortExtendedFunction")
    function = {0: _allocate_pool, 1: _free_pool, 5: _get_system_address}.get(code)
    if function is None:
        return Stor.NOT_IMPLEMENTED
    return Stor.INVALID_IRQL if kernel.irql > DISPATCH_LEVEL else function(kernel, adapter, arguments)


def _allocate_pool(kernel: Kernel, adapter: StorAdapter, arguments: VarArgs) -> Stor:
    size, tag, result = arguments.u32(), arguments.u32(), arguments.ptr()
    if not result:
        return Stor.INVALID_PARAMETER
    block = kernel.pool.allocate(size, tag, False)
    kernel.put_ptr(result, block)
    return Stor.SUCCESS if block else Stor.INSUFFICIENT_RESOURCES


def _free_pool(kernel: Kernel, adapter: StorAdapter, arguments: VarArgs) -> Stor:
    kernel.pool.free(arguments.ptr())
    return Stor.SUCCESS


def _get_system_address(kernel: Kernel, adapter: StorAdapter, arguments: VarArgs) -> Stor:
    active, result = adapter.held(arguments.ptr(), "StorPortGetSystemAddress"), arguments.ptr()
    if not active.request.length or not result:
        return Stor.INVALID_PARAMETER
    kernel.put_ptr(result, active.request.data)
    return Stor.SUCCESS


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortGetScatterGatherList(kernel: Kernel, extension: PVOID, srb: PVOID) -> PVOID:
    return stor_adapter(kernel, extension, "StorPortGetScatterGatherList").scatter_gather_list(srb)


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortSynchronizeAccess(kernel: Kernel, extension: PVOID, access: PVOID, context: PVOID) -> Steps:
    adapter = stor_adapter(kernel, extension, "StorPortSynchronizeAccess")
    return (yield from adapter.synchronize(access, context))


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortBusy(kernel: Kernel, extension: PVOID, requests: ULONG) -> BOOLEAN:
    adapter = stor_adapter(kernel, extension, "StorPortBusy")
    if adapter.active:
        adapter.resume_at = max(0, len(adapter.active) - requests)
    return 1


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortReady(kernel: Kernel, extension: PVOID) -> BOOLEAN:
    adapter = stor_adapter(kernel, extension, "StorPortReady")
    adapter.resume_at = None
    adapter.kick()
    return 1


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortPause(kernel: Kernel, extension: PVOID, seconds: ULONG) -> BOOLEAN:
    stor_adapter(kernel, extension, "StorPortPause").pause(kernel.world.now + seconds * SECOND)
    return 1


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortResume(kernel: Kernel, extension: PVOID) -> BOOLEAN:
    stor_adapter(kernel, extension, "StorPortResume").pause(0)
    return 1


def _unit(kernel: Kernel, extension: int, what: str, address: Address) -> LogicalUnit | None:
    return stor_adapter(kernel, extension, what).units.get(address)


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortDeviceBusy(
    kernel: Kernel, extension: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR, requests: ULONG
) -> BOOLEAN:
    unit = _unit(kernel, extension, "StorPortDeviceBusy", Address(path, target, lun))
    if unit is not None and unit.active:
        unit.resume_at = max(0, len(unit.active) - requests)
    return unit is not None


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortDeviceReady(kernel: Kernel, extension: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR) -> BOOLEAN:
    unit = _unit(kernel, extension, "StorPortDeviceReady", Address(path, target, lun))
    if unit is not None:
        unit.resume_at = None
        stor_adapter(kernel, extension, "StorPortDeviceReady").kick()
    return unit is not None


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortPauseDevice(
    kernel: Kernel, extension: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR, seconds: ULONG
) -> BOOLEAN:
    unit = _unit(kernel, extension, "StorPortPauseDevice", Address(path, target, lun))
    if unit is not None:
        stor_adapter(kernel, extension, "StorPortPauseDevice").hold(unit, seconds * SECOND)
    return unit is not None


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortResumeDevice(kernel: Kernel, extension: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR) -> BOOLEAN:
    unit = _unit(kernel, extension, "StorPortResumeDevice", Address(path, target, lun))
    if unit is not None:
        unit.hold_until = 0
        stor_adapter(kernel, extension, "StorPortResumeDevice").kick()
    return unit is not None


@routine("storport.sys", irql_max=HIGH_LEVEL)
def StorPortSetDeviceQueueDepth(
    kernel: Kernel, extension: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR, depth: ULONG
) -> BOOLEAN:
    adapter = stor_adapter(kernel, extension, "StorPortSetDeviceQueueDepth")
    return adapter.set_depth(Address(path, target, lun), depth)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of an adapter under a port driver: start, scan for logical units, stop, power, removal.

Source: Windows Driver Kit, "SCSI Miniport Driver's HwScsiAdapterControl Routine", "HwStorAdapterControl", "SCSI
Miniport Initialization Under Plug and Play", "Registry Entries for Plug and Play SCSI Miniport Drivers".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.objects import layout as nt_layout
from xenlab.nt.routine import PASSIVE_LEVEL, Steps, Wait
from xenlab.ports import ParentDevice, Ports, Resources
from xenlab.ports.miniport import BOOT_CONFIG, RESTART, RUNNING_CONFIG, STOP, Initialization, Running
from xenlab.ports.queues import LogicalUnit, Queues
from xenlab.ports.srb import Address, Flag, Function, Op, Request, Srb

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

ADAPTER_HARDWARE_ERROR = 0xC00000C2
_INQUIRY_LENGTH = 36
_INQUIRY_TRIES = 4
_LUN_LIST_LENGTH = 16 + 8 * 32
_WORTH_ANOTHER_TRY = (Srb.BUS_RESET, Srb.TIMEOUT, Srb.COMMAND_TIMEOUT, Srb.ABORTED, Srb.REQUEST_FLUSHED)


class Adapter(Queues):
    """One adapter. The PnP manager drives it as :mod:`xenlab.ports` says; a class driver calls `submit`."""

    restart_irql = PASSIVE_LEVEL
    keeps_extension = False

    def __init__(self, kernel: Kernel, initialization: Initialization, parent: ParentDevice) -> None:
        super().__init__(kernel, initialization, parent)
        self.reset_queues()
        self.started = False
        self.powered = True
        self._scanning = False
        self._scan_wanted = False

    def start(self, resources: Resources) -> Steps:
        """Start with the resources that the PnP manager has assigned; returns the NTSTATUS of START_DEVICE."""
        self.reset_queues()
        self.resources = resources
        if not (yield from self._find()):
            self._release()
            return Status.NO_SUCH_DEVICE
        self.connect()
        if not (yield from self.initialize()) or not (yield from self.initialize_passively()):
            self._release()
            return ADAPTER_HARDWARE_ERROR
        yield from self.query_control_types()
        self.started = self.sending = True
        yield from self.scan()
        return Status.SUCCESS

    def _find(self, irql: int = PASSIVE_LEVEL) -> Running[bool]:
        ports = self.kernel.part(Ports)
        if not self.extension:
            self.extension = self.kernel.alloc(max(1, self.initialization["DeviceExtensionSize"]), "ScDe")
        ports.adapters[self.extension] = self
        return (yield from self.find_adapter(irql))

    def initialize_passively(self) -> Running[bool]:
        """What a kind of port driver does at PASSIVE_LEVEL after HwInitialize; False fails the start."""
        yield from ()
        return True

    # Logical units

    def present_units(self) -> list[LogicalUnit]:
        """The logical units that scans have found, by address."""
        return sorted((unit for unit in self.units.values() if unit.present), key=lambda unit: unit.address)

    def request_scan(self) -> None:
        """Have the buses scanned, soon and at PASSIVE_LEVEL."""
        self.kernel.queue_work(self._scan_again, f"{self.port} scan")

    def _scan_again(self) -> Steps:
        if not self.started or self.gone:
            return None
        if self._scanning:
            self._scan_wanted = True
            return None
        before = self.present_units()
        yield from self.scan()
        if self.present_units() != before:
            self.parent.changed(self)
        return None

    def scan(self) -> Running[None]:
        """Ask every address of every bus for a logical unit."""
        self._scanning = True
        while True:
            self._scan_wanted = False
            for path in range(self.config["NumberOfBuses"]):
                for target in self._targets(path):
                    yield from self._scan_target(path, target)
            if not self._scan_wanted:
                break
        self._scanning = False

    def _targets(self, path: int) -> list[int]:
        targets = [each for each in range(self.config["MaximumNumberOfTargets"]) if each != self.initiator_ids[path]]
        return targets[::-1] if self.config["AdapterScansDown"] else targets

    def _scan_target(self, path: int, target: int) -> Running[None]:
        """Without LUN 0 a target has no logical units; with it, those that it reports, or else all are asked."""
        found = yield from self._ask(Address(path, target, 0))
        luns: list[int] = []
        if found:
            reported = yield from self._report_luns(Address(path, target, 0))
            luns = list(range(1, self.config["MaximumNumberOfLogicalUnits"])) if reported is None else reported
        for lun in luns:
            yield from self._ask(Address(path, target, lun))
        for address, unit in list(self.units.items()):
            if address[:2] == (path, target) and address.lun and address.lun not in luns:
                self._depart(unit)

    def _ask(self, address: Address) -> Running[bool]:
        """Send an INQUIRY; the unit is there if it answers and says that it has a device."""
        unit = self.units.get(address)
        if unit is None:
            unit = self.units[address] = LogicalUnit(address)
            size = self.config["SpecificLuExtensionSize"]
            unit.extension = self.kernel.alloc(size, "ScLu") if size else 0
            self.prepare_unit(unit)
        data = yield from self.read_from(address, bytes((Op.INQUIRY, 0, 0, 0, _INQUIRY_LENGTH, 0)), _INQUIRY_LENGTH)
        if data is None or len(data) < 5 or data[0] >> 5:
            self._depart(unit)
            return False
        unit.present = True
        unit.inquiry = data
        return True

    def prepare_unit(self, unit: LogicalUnit) -> None:
        """Set what a kind of port driver starts a logical unit with."""

    def _report_luns(self, address: Address) -> Running[list[int] | None]:
        cdb = bytes((Op.REPORT_LUNS, 0, 0, 0, 0, 0, *_LUN_LIST_LENGTH.to_bytes(4, "big"), 0, 0))
        data = yield from self.read_from(address, cdb, _LUN_LIST_LENGTH)
        if data is None or len(data) < 8:
            return None
        listed = data[8 : 8 + int.from_bytes(data[:4], "big")]
        luns = {listed[at + 1] for at in range(0, len(listed) - 7, 8)}
        return sorted(lun for lun in luns if 0 < lun < self.config["MaximumNumberOfLogicalUnits"])

    def read_from(self, address: Address, cdb: bytes, length: int) -> Running[bytes | None]:
        """Carry out a command that reads up to `length` bytes; None if it fails."""
        data = self.kernel.alloc(length, "ScIn")
        flags = Flag.DATA_IN | Flag.BYPASS_FROZEN_QUEUE | Flag.NO_QUEUE_FREEZE
        answer: bytes | None = None
        for _ in range(_INQUIRY_TRIES):
            request = yield from self.execute(Request(address, cdb, data, length, flags))
            if request.status in (Srb.SUCCESS, Srb.DATA_OVERRUN):
                answer = self.kernel.read(data, request.transferred)
            if request.status not in _WORTH_ANOTHER_TRY:
                break
        self.kernel.free(data)
        return answer

    def execute(self, request: Request) -> Running[Request]:
        """Submit a request from a thread and wait for its result."""
        event = self.kernel.alloc(nt_layout("KEVENT", self.kernel.arch).size, "ScEv")
        self.kernel.init_event(event, False, False)
        request.done = lambda _: self._signal(event)
        self.submit(request)
        yield Wait([event])
        self.kernel.free(event)
        return request

    def _signal(self, event: int) -> None:
        self.kernel.set_event(event)

    def _depart(self, unit: LogicalUnit) -> None:
        """Forget a unit that is not there; what waits for it fails."""
        self.flush(unit, Srb.NO_DEVICE)
        unit.present = False
        if not unit.active and unit.address in self.units:
            del self.units[unit.address]
            if unit.extension:
                self.kernel.free(unit.extension)

    # Stop, power, removal

    def stop(self) -> Running[None]:
        """STOP_DEVICE: nothing is lost, and `start` goes on with other resources."""
        if self.started:
            yield from self._quiesce(Function.FLUSH)
            yield from self.control(STOP, self.stop_locks)
            self.started = False
        self._release()

    stop_locks: tuple[str, ...] = ()

    def surprise_remove(self) -> None:
        """SURPRISE_REMOVAL: what waits fails; the miniport still owes what it holds."""
        self.gone = True
        for unit in self.units.values():
            self.flush(unit, Srb.NO_DEVICE)

    def remove(self) -> Running[None]:
        """REMOVE_DEVICE: what waits fails, what the miniport holds is waited for."""
        for unit in self.units.values():
            self.flush(unit, Srb.NO_DEVICE)
        if self.started:
            yield from self._quiesce(Function.FLUSH)
            if self.powered:
                yield from self.control(STOP, self.stop_locks)
            self.started = False
        self.gone = True
        self._release(removed=True)

    def set_power(self, on: bool) -> Running[bool]:
        """SET_POWER of the device: D0 or not. Requests wait while it is off. False: the adapter is lost."""
        if on == self.powered or not self.started:
            return True
        if not on:
            yield from self._quiesce(Function.FLUSH)
            yield from self.control(STOP, self.stop_locks)
            self.cancel_timer()
            self.disconnect()
            self.powered = False
            return True
        yield from self.control(RUNNING_CONFIG)
        self.connect()
        if RESTART in self.supported:
            alive = yield from self.control(RESTART, self.stop_locks)
        else:
            alive = (yield from self._find(self.restart_irql)) and (yield from self.initialize())
        self.powered = self.sending = alive
        self.kick()
        return alive

    def shut_down(self) -> Running[None]:
        """System shutdown: caches are written, the adapter stops and is left as the BIOS needs it."""
        if self.started and self.powered:
            yield from self._quiesce(Function.SHUTDOWN)
            yield from self.control(STOP, self.stop_locks)
            yield from self.control(BOOT_CONFIG)
            self.powered = False

    def _quiesce(self, function: Function) -> Running[None]:
        """Send nothing more, have an adapter with a cache write it, and wait for what the miniport holds."""
        for unit in self.present_units():
            if self.config["CachesData"] and self.powered and not self.gone:
                flags = Flag.BYPASS_FROZEN_QUEUE | Flag.BYPASS_LOCKED_QUEUE | Flag.NO_QUEUE_FREEZE
                yield from self.execute(Request(unit.address, flags=flags, function=function))
        self.sending = False
        yield from self.drain()

    def _release(self, removed: bool = False) -> None:
        for unit in list(self.units.values()):
            self._depart(unit)
        self.free_low_frames()
        extension = removed or not self.keeps_extension
        if extension:
            self.kernel.part(Ports).adapters.pop(self.extension, None)
        self.release(extension)

    def unfinished(self) -> list[str]:
        """What is wrong with an adapter at the end of a run, a line each: SRBs that were never completed."""
        held = [f"{self.port}: {each.request} was never completed." for each in self.active.values()]
        waiting = [f"{self.port}: {each} was never sent." for unit in self.units.values() for each in unit.queue]
        return held + waiting


@dataclass
class PortDriver:
    """What a driver object has registered with a port driver, in the order of its calls.

    Attributes:
        adapter_type: the kind of adapter it gets.
        needs_interface_entry: a device is only taken if the service's Parameters\\PnpInterface lists its bus.
    """

    kernel: Kernel
    driver_object: int
    adapter_type: type[Adapter]
    needs_interface_entry: bool = False
    initializations: list[Initialization] = field(default_factory=list)

    def add_device(self, parent: ParentDevice) -> Adapter | None:
        """AddDevice: return an adapter for the device, or None if the driver does not take such a one."""
        for initialization in self.initializations:
            kind = initialization["AdapterInterfaceType"]
            wanted = parent.interface_type in (None, kind)
            if wanted and (not self.needs_interface_entry or self._is_listed(parent, kind)):
                return self.adapter_type(self.kernel, initialization, parent)
        self.kernel.world.trace("port", "the miniport takes no such device", interface_type=parent.interface_type)
        return None

    def _is_listed(self, parent: ParentDevice, kind: int) -> bool:
        key = parent.service.find(r"Parameters\PnpInterface")
        return key is not None and key.get(str(kind)) is not None

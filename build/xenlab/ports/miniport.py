# SPDX-License-Identifier: GPL-2.0-or-later
"""A miniport as its port driver sees it: what it registered, its extensions, and every call into it.

A callback runs at the IRQL and under the locks that the documentation gives it; what a miniport may call depends on
the callback it is in, and on the locks held. Source: Windows Driver Kit, "SCSI Miniport Driver Routines", "Storport
Miniport Driver Routines" and the tables of StorPortAcquireSpinLock.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar

from gplpv.exports import Export
from xenlab.cpu.memory import PAGE_MASK, PAGE_SIZE, READ, WRITE, pages
from xenlab.nt.objects import Struct
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL, Call, Routine, Steps, Wait, Width
from xenlab.ports import Interrupt, ParentDevice, Range, Resources
from xenlab.ports.srb import UNINITIALIZED, layout

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel
    from xenlab.world import Event

_Result = TypeVar("_Result")
Running = Generator[Call | Wait, int, _Result]

# The locks of a port driver, in the order they must be acquired in. SCSI port has one for all, at DIRQL.
ADAPTER_LOCK = "the adapter's lock"
STARTIO_LOCK = "the StartIo lock"
INTERRUPT_LOCK = "the interrupt lock"
AT_DIRQL = (ADAPTER_LOCK, INTERRUPT_LOCK)

FOUND, NOT_FOUND, ERROR, BAD_CONFIG = 1, 0, 2, 3
STOP, RESTART = "ScsiStopAdapter", "ScsiRestartAdapter"
BOOT_CONFIG, RUNNING_CONFIG = "ScsiSetBootConfig", "ScsiSetRunningConfig"
CONTROL_TYPES = ("ScsiQuerySupportedControlTypes", STOP, RESTART, BOOT_CONFIG, RUNNING_CONFIG)

MAXIMUM_TARGETS = 8
MAXIMUM_TARGETS_PER_BUS = 128
MAXIMUM_LOGICAL_UNITS = 8
MAXIMUM_PHYSICAL_BREAKS = 255
DMA64_SYSTEM_SUPPORTED = 0x80
FOUR_GIB = 1 << 32

_TIMER_TICK_NS = 10_000_000
_CANARY = b"\xc5" * 16


@dataclass(frozen=True)
class Initialization:
    """What a miniport registered: a copy of its HW_INITIALIZATION_DATA, by field, and its context."""

    fields: dict[str, int]
    context: int
    virtual: bool = False

    def __getitem__(self, name: str) -> int:
        return self.fields.get(name, 0)


@dataclass(frozen=True)
class Uncached:
    """The uncached extension: `size` bytes at `va`, contiguous from physical address `gpa`."""

    va: int
    gpa: int
    size: int


class Miniport:
    """One adapter's miniport.

    Attributes:
        extension: guest address of the device extension, its handle in every call.
        config: PORT_CONFIGURATION_INFORMATION as HwFindAdapter left it, by field.
        callbacks: the callbacks that it is in at this moment, outermost first.
        locks: the locks that are held at this moment, first acquired first.
        errors: what it logged, a line each.
    """

    port = "port driver"
    configuration_layout = "PORT_CONFIGURATION_INFORMATION"
    interrupt_lock = ADAPTER_LOCK
    timer_locks: tuple[str, ...] = (ADAPTER_LOCK,)

    def __init__(self, kernel: Kernel, initialization: Initialization, parent: ParentDevice) -> None:
        self.kernel = kernel
        self.initialization = initialization
        self.parent = parent
        self.resources = Resources()
        self.extension = 0
        self.config: dict[str, int] = {}
        self.initiator_ids: bytes = b""
        self.callbacks: list[str] = []
        self.locks: list[str] = []
        self.errors: list[str] = []
        self.supported: frozenset[str] = frozenset()
        self.uncached: Uncached | None = None
        self.interrupt_masked = False
        self._bases: dict[int, tuple[Range, int]] = {}
        self._lent: list[int] = []
        self._extension_size = 0
        self._interrupt_object = 0
        self._timer: Event | None = None
        self._timer_serial = 0

    # Calls into the miniport

    @property
    def dirql(self) -> int:
        interrupt = self.resources.interrupt
        return interrupt.irql if interrupt and self.initialization["HwInterrupt"] else DISPATCH_LEVEL

    def lock_irql(self, lock: str) -> int:
        return self.dirql if lock in AT_DIRQL else DISPATCH_LEVEL

    def call(
        self, name: str, routine: int, *args: int, locks: Sequence[str] = (), irql: int = PASSIVE_LEVEL
    ) -> Running[int]:
        """Call a routine of the miniport with its device extension and `args`, under `locks` and at `irql` or above."""
        old = self.kernel.raise_irql(max(self.kernel.irql, irql, *(self.lock_irql(lock) for lock in locks), 0))
        for lock in locks:
            self.take(lock)
        held = list(self.locks)
        self.callbacks.append(name)
        result = (yield from self.kernel.call(routine, self.extension, *args)) or 0
        self.callbacks.pop()
        if self.locks != held:
            changed = set(self.locks) ^ set(held)
            self.violation(f"{name} returns after it has left {', '.join(sorted(changed))} other than it was")
        for lock in reversed(locks):
            self.locks.remove(lock)
        self.kernel.lower_irql(old)
        return result

    def take(self, lock: str) -> None:
        """Note a lock as held; what would never get it on a real machine ends the run."""
        if lock in self.locks:
            self.violation(f"{lock} is acquired while it is held, which never ends")
        self.locks.append(lock)

    def within(self, what: str, *callbacks: str) -> None:
        """End the run unless the miniport is in one of `callbacks`."""
        here = self.callbacks[-1] if self.callbacks else ""
        if here not in callbacks:
            where = f"from {here}" if here else "outside of any callback of the adapter"
            self.violation(f"{what} is called {where}; it may be called only from {' and '.join(callbacks)}")

    def violation(self, text: str) -> NoReturn:
        """End the run: the miniport broke a rule."""
        self.kernel.violation(f"{self.port}: {text}.")

    # Finding and starting

    def find_adapter(self, irql: int = PASSIVE_LEVEL) -> Running[bool]:
        """Make the configuration, and ask the miniport whether it supports the adapter."""
        kernel = self.kernel
        config = self._configuration()
        again = kernel.alloc(1, "ScAg")
        arguments = [*self._find_arguments(), config.address, again]
        routine = self.initialization["HwFindAdapter"]
        answer = (yield from self.call("HwFindAdapter", routine, *arguments, irql=irql)) & 0xFFFFFFFF
        if answer not in (FOUND, NOT_FOUND, ERROR, BAD_CONFIG):
            self.violation(f"HwFindAdapter returns {answer:#x}, which is no SP_RETURN value")
        if answer == FOUND:
            self._take_configuration(config)
        for address in (config["AccessRanges"], again, config.address, *self._lent):
            if address:
                kernel.free(address)
        self._lent.clear()
        kernel.world.trace("port", f"HwFindAdapter returned {answer}", port=self.port)
        return answer == FOUND

    def _find_arguments(self) -> list[int]:
        """HwContext, BusInformation and ArgumentString."""
        return [self.initialization.context, 0, 0]

    def _configuration(self) -> Struct:
        """Build what HwFindAdapter gets: defaults, what the miniport registered, and the device's resources."""
        kernel, initialization = self.kernel, self.initialization
        structure = layout(self.configuration_layout, kernel.arch)
        config = Struct(kernel.memory, structure, kernel.alloc(structure.size, "ScCo"))
        config["Length"] = self._configuration_length()
        config["SystemIoBusNumber"] = self.parent.bus_number
        config["SlotNumber"] = self.parent.slot
        for name in ("MaximumTransferLength", "NumberOfPhysicalBreaks", "DmaChannel", "DmaPort"):
            config[name] = UNINITIALIZED
        for name in (
            "AdapterInterfaceType", "MapBuffers", "NeedPhysicalAddresses", "TaggedQueuing", "AutoRequestSense",
            "MultipleRequestPerLu", "ReceiveEvent", "DeviceExtensionSize", "SpecificLuExtensionSize",
            "SrbExtensionSize", "NumberOfAccessRanges",
        ):  # fmt: skip
            config[name] = initialization[name]
        config["MaximumNumberOfTargets"] = MAXIMUM_TARGETS
        config["MaximumNumberOfLogicalUnits"] = MAXIMUM_LOGICAL_UNITS
        config["Dma64BitAddresses"] = DMA64_SYSTEM_SUPPORTED if kernel.arch == "x64" else 0
        if self.resources.interrupt:
            self._describe_interrupt(config, self.resources.interrupt)
        config["AccessRanges"] = self._access_ranges(initialization["NumberOfAccessRanges"])
        return config

    def _configuration_length(self) -> int:
        return layout(self.configuration_layout, self.kernel.arch).size

    def _describe_interrupt(self, config: Struct, interrupt: Interrupt) -> None:
        config["BusInterruptLevel"] = interrupt.level
        config["BusInterruptVector"] = interrupt.vector
        config["InterruptMode"] = 1 if interrupt.latched else 0

    def _access_ranges(self, count: int) -> int:
        if not count:
            return 0
        one = layout("ACCESS_RANGE", self.kernel.arch)
        address = self.kernel.alloc(count * one.size, "ScAr")
        for index, known in enumerate(self.resources.ranges[:count]):
            entry = Struct(self.kernel.memory, one, address + index * one.size)
            entry["RangeStart"] = known.start
            entry["RangeLength"] = known.length
            entry["RangeInMemory"] = known.memory
        return address

    def _take_configuration(self, config: Struct) -> None:
        before = self.config
        self.config = {path: config[path] for path, field in config.layout.fields.items() if field.scalar}
        ids = config.layout.field("InitiatorBusId")
        self.initiator_ids = self.kernel.read(config.address + ids.offset, ids.count)
        if self.uncached and not before and self.config["SrbExtensionSize"] != self._extension_size:
            self.violation("SrbExtensionSize is changed after the uncached extension was asked for")
        targets = self.config["MaximumNumberOfTargets"]
        if targets > MAXIMUM_TARGETS_PER_BUS:
            self.violation(f"MaximumNumberOfTargets is {targets}, more than a bus can have")
        if self.config["NumberOfBuses"] > ids.count:
            self.violation(f"NumberOfBuses is {self.config['NumberOfBuses']}, more than InitiatorBusId has entries")
        self.check_configuration()

    def check_configuration(self) -> None:
        """End the run if HwFindAdapter left a field as it may not."""

    def uncached_extension(self, config: int, size: int) -> int:
        """Answer GetUncachedExtension."""
        raise NotImplementedError

    def check_notifier(self, what: str) -> None:
        """End the run unless a notification may come from here."""
        raise NotImplementedError

    @property
    def maximum_transfer(self) -> int:
        """Bytes that one request may transfer at most."""
        return self.config["MaximumTransferLength"]

    @property
    def maximum_elements(self) -> int:
        """Physically contiguous pieces that the buffer of one request may have at most."""
        if not self.config["ScatterGather"] and self.config["Master"]:
            return 1
        return min(self.config["NumberOfPhysicalBreaks"], MAXIMUM_PHYSICAL_BREAKS - 1) + 1

    def connect(self) -> None:
        interrupt = self.resources.interrupt
        if interrupt and self.initialization["HwInterrupt"] and not self._interrupt_object:
            service = guest_routine(self.kernel, f"{self.port} interrupt service routine", self._interrupt)
            self._interrupt_object = self.kernel.connect_interrupt(
                service, self.extension, irql=interrupt.irql, vector=interrupt.system_vector
            )

    def disconnect(self) -> None:
        if self._interrupt_object:
            self.kernel.disconnect_interrupt(self._interrupt_object)
            self._interrupt_object = 0

    def _interrupt(self, _kernel: Kernel, _object: int, _context: int) -> Steps:
        """The interrupt service routine; HwInterrupt must not run while the miniport defers its interrupt."""
        if self.interrupt_masked:
            return 0
        routine = self.initialization["HwInterrupt"]
        return (yield from self.call("HwInterrupt", routine, locks=(self.interrupt_lock,))) & 0xFF

    def initialize(self) -> Running[bool]:
        routine = self.initialization["HwInitialize"]
        return bool((yield from self.call("HwInitialize", routine, locks=(self.interrupt_lock,))) & 0xFF)

    # HwAdapterControl

    def query_control_types(self) -> Running[None]:
        """Ask once which control types the miniport has; it must not write beyond the list."""
        routine = self.initialization["HwAdapterControl"]
        if not routine:
            return
        kernel = self.kernel
        size = 4 + len(CONTROL_TYPES)
        parameters = kernel.alloc(size + len(_CANARY), "ScCt")
        kernel.put_u32(parameters, len(CONTROL_TYPES))
        kernel.write(parameters + size, _CANARY)
        status = yield from self.call(f"HwAdapterControl({CONTROL_TYPES[0]})", routine, 0, parameters)
        if kernel.read(parameters + size, len(_CANARY)) != _CANARY:
            self.violation("HwAdapterControl fills in more control types than MaxControlType says")
        if not status & 0xFFFFFFFF:
            given = kernel.read(parameters + 4, len(CONTROL_TYPES))
            self.supported = frozenset(name for name, flag in zip(CONTROL_TYPES, given, strict=True) if flag)
        kernel.free(parameters)

    def control(self, control_type: str, locks: Sequence[str] = ()) -> Running[bool]:
        """Ask for an adapter-control operation if the miniport has it; tells whether it has and succeeded."""
        if control_type not in self.supported:
            return False
        routine = self.initialization["HwAdapterControl"]
        number = CONTROL_TYPES.index(control_type)
        status = yield from self.call(f"HwAdapterControl({control_type})", routine, number, 0, locks=locks)
        return status & 0xFFFFFFFF == 0

    # Timer

    def request_timer(self, routine: int, microseconds: int) -> None:
        """Have HwTimer called once, in `microseconds` or up to a tick later; it overrides what was asked before, and
        0 only cancels that."""
        self.cancel_timer()
        if not microseconds:
            return
        late = self.kernel.world.random.randrange(_TIMER_TICK_NS)
        serial = self._timer_serial

        def due() -> None:
            self.kernel.queue_call(lambda: self._run_timer(routine, serial), "HwTimer")

        self._timer = self.kernel.world.at(microseconds * 1000 + late, due, "HwTimer")

    def cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._timer_serial += 1

    def _run_timer(self, routine: int, serial: int) -> Steps:
        if serial != self._timer_serial:
            return None
        self._timer = None
        yield from self.call("HwTimer", routine, locks=self.timer_locks)
        return None

    # Memory

    def map_range(self, start: int, length: int, in_io_space: bool) -> int:
        """Map a range of the device; an I/O port is its own address on a PC. Returns 0 if it cannot be mapped."""
        known = Range(start, length, not in_io_space)
        if not length or not any(_inside(known, each) for each in self.resources.ranges):
            return 0
        if in_io_space:
            self._bases[start] = (known, 0)
            return start
        span = (start & PAGE_MASK) + length
        va = self.kernel.alloc(-(-span // PAGE_SIZE) * PAGE_SIZE, "ScMm")
        for page in pages(va, span):
            self._remap(page, (start & ~PAGE_MASK) + page - va)
        base = va + (start & PAGE_MASK)
        self._bases[base] = (known, va)
        return base

    def unmap_range(self, base: int) -> None:
        if base not in self._bases:
            self.violation(f"a mapping at {base:#x} is freed, which the adapter does not have")
        known, va = self._bases.pop(base)
        if va:
            for page in pages(va, (known.start & PAGE_MASK) + known.length):
                self.kernel.memory.unmap(page)
                self.kernel.memory.map(page, self.kernel.physical.allocate_frame() * PAGE_SIZE, READ | WRITE)
            self.kernel.free(va)

    def get_uncached(self, config: int, size: int) -> int:
        """Allocate the uncached extension, in the name of HwFindAdapter; 0 without memory."""
        given = Struct(self.kernel.memory, layout(self.configuration_layout, self.kernel.arch), config)
        if not given["Master"]:
            self.violation("an uncached extension is asked for by an adapter that is no bus master")
        for name in ("MaximumTransferLength", "NumberOfPhysicalBreaks"):
            if given[name] == UNINITIALIZED and given["ScatterGather"]:
                self.violation(f"an uncached extension is asked for before {name} is set")
        self._extension_size = given["SrbExtensionSize"]
        highest = (1 << 64) - 1 if given["Dma64BitAddresses"] & ~DMA64_SYSTEM_SUPPORTED else FOUR_GIB - 1
        self.uncached = self.allocate_contiguous(size, highest)
        return self.uncached.va if self.uncached else 0

    def allocate_contiguous(self, size: int, highest: int) -> Uncached | None:
        """Return zeroed memory that is contiguous for the device too, or None."""
        count = -(-size // PAGE_SIZE)
        frames = self.kernel.physical.allocate_contiguous(count, 0, highest)
        if not size or not frames:
            return None
        va = self.kernel.alloc(count * PAGE_SIZE, "ScUn")
        for index, page in enumerate(pages(va, count * PAGE_SIZE)):
            self._remap(page, frames[index] * PAGE_SIZE)
        self.kernel.zero(va, count * PAGE_SIZE)
        return Uncached(va, frames[0] * PAGE_SIZE, size)

    def _remap(self, page: int, gpa: int) -> None:
        """Let a page of a fresh block lead elsewhere."""
        freed = self.kernel.memory.unmap(page)
        self.kernel.physical.free_frames([freed // PAGE_SIZE])
        self.kernel.memory.map(page, gpa, READ | WRITE)

    def release(self, extension: bool) -> None:
        """Give back what the port driver holds for the miniport; the extension too if asked."""
        self.cancel_timer()
        self.disconnect()
        for base in list(self._bases):
            self.unmap_range(base)
        if self.uncached:
            self.kernel.free(self.uncached.va)
            self.uncached = None
        if extension and self.extension:
            self.kernel.free(self.extension)
            self.extension = 0

    def lend(self, data: bytes) -> int:
        """Give the miniport data that is gone when HwFindAdapter returns."""
        address = self.kernel.alloc(len(data), "ScLe")
        self.kernel.write(address, data)
        self._lent.append(address)
        return address

    def log_error(self, address: str, code: int, unique: int) -> None:
        self.errors.append(f"{address}: error {code:#x}, {unique:#x}")
        self.kernel.world.trace("port", f"the miniport logs error {code:#x} of {address}", unique=unique)


def guest_routine(kernel: Kernel, name: str, function: Callable[..., Steps], slots: int = 2) -> int:
    """Return an address at which the guest, and the kernel, call ``function(kernel, ...)`` with `slots` arguments as
    wide as pointers (NTAPI)."""
    export = Export(name, str(4 * slots), kernel.nt, kernel.nt)
    parameters = (Width(0),) * slots
    return kernel.bind(Routine("port", name, function, parameters=parameters, generator=True, export=export))


def _inside(part: Range, whole: Range) -> bool:
    fits = whole.start <= part.start and part.start + part.length <= whole.start + whole.length
    return fits and part.memory == whole.memory

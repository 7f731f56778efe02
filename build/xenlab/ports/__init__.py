# SPDX-License-Identifier: GPL-2.0-or-later
"""The SCSI port driver and Storport: kernel-side Python between the PnP manager, a class driver and a miniport.

A miniport's DriverEntry calls ScsiPortInitialize or StorPortInitialize, which makes the driver object that of an
ordinary function driver: AddDevice, DriverUnload and the dispatch routines for PnP and power requests are in it
(:mod:`xenlab.ports.function`), and the PnP manager (:mod:`xenlab.nt.pnp`) need not know that there is a port driver.
What a scenario wants to know is in ``kernel.part(Ports)``: the adapters, and ``outstanding()`` at the end of a run.
``adapter.present_units()`` are the logical units that an adapter has; ``adapter.parent.changed`` is called with it, at
PASSIVE_LEVEL, when a scan has found others than before (what IoInvalidateDeviceRelations is for).

An :class:`~xenlab.ports.adapter.Adapter` can also be driven without device objects, on a thread at PASSIVE_LEVEL::

    adapter = kernel.part(Ports).drivers[driver_object].add_device(ParentDevice(...))    # None: the driver declines
    status = yield from adapter.start(resources)       # when the stack below has started
    yield from adapter.set_power(on)                   # off before the stack below, on after it
    yield from adapter.stop() / adapter.remove() / adapter.shut_down(), adapter.surprise_remove()

Whatever uses the disks is a class driver (:mod:`xenlab.ports.disk` is one): it calls ``adapter.submit(request)`` at
DISPATCH_LEVEL or below, or from outside of the guest, and hears of the result at DISPATCH_LEVEL.

What the vendor's documentation leaves open is decided here, once: an adapter without an interrupt resource has no
DIRQL, so that what is done there at DIRQL is done at DISPATCH_LEVEL, under the same locks; HwInterrupt is never called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from xenlab.nt.objects import Struct, layout
from xenlab.nt.registry import Key

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel
    from xenlab.ports.adapter import Adapter, PortDriver
    from xenlab.ports.miniport import Initialization

_PORT, _INTERRUPT, _MEMORY = 1, 2, 3
_LATCHED = 1


class Range(NamedTuple):
    """An access range: addresses in memory or I/O ports, as the bus and the CPU see them alike on a PC."""

    start: int
    length: int
    memory: bool


class Interrupt(NamedTuple):
    """An interrupt resource: level and vector as the bus has them, and what the CPU makes of them."""

    level: int
    vector: int
    irql: int
    system_vector: int
    latched: bool


@dataclass(frozen=True)
class Resources:
    """What START_DEVICE assigns, in order."""

    ranges: tuple[Range, ...] = ()
    interrupt: Interrupt | None = None


@dataclass
class ParentDevice:
    """The device that an adapter is the function driver of, as far as a port driver cares.

    Attributes:
        pdo: guest address of its DEVICE_OBJECT.
        service: the registry key of the miniport's service.
        interface_type: INTERFACE_TYPE of its bus (PNP_BUS_INFORMATION.LegacyBusType), None if its bus does not tell.
        read_config, write_config: access to its configuration space (BUS_INTERFACE_STANDARD) from an offset; without
            them it has none.
        changed: told of an adapter whose logical units are others than before.
    """

    pdo: int
    service: Key
    interface_type: int | None = None
    bus_number: int = 0
    slot: int = 0
    read_config: Callable[[int, int], bytes] | None = None
    write_config: Callable[[int, bytes], int] | None = None
    changed: Callable[[Adapter], None] = field(default=lambda _: None)


class Ports:
    """The port drivers' own state, one for each kernel (``kernel.part(Ports)``).

    Attributes:
        drivers: by guest address of the driver object.
        adapters: by guest address of the miniport's device extension, the handle in every call of a miniport.
        dumping: set when Windows has bugchecked: told of what a miniport registers then.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.drivers: dict[int, PortDriver] = {}
        self.adapters: dict[int, Adapter] = {}
        self.dumping: Callable[[Initialization], None] | None = None

    def adapter(self, extension: int, what: str) -> Adapter:
        """Return the adapter whose miniport makes a call; a handle that is none ends the run."""
        if extension not in self.adapters:
            self.kernel.violation(f"{what} is called with {extension:#x}, which is no device extension of an adapter.")
        return self.adapters[extension]

    def outstanding(self) -> list[str]:
        """What adapters still hold that they should have given back at the end of a run, a line each."""
        return [line for adapter in self.adapters.values() for line in adapter.unfinished()]


def read_resources(kernel: Kernel, raw: int, translated: int) -> Resources:
    """Read the two CM_RESOURCE_LISTs of a START_DEVICE request, each 0 if there is none."""
    pairs = zip(_descriptors(kernel, raw), _descriptors(kernel, translated), strict=True)
    ranges: list[Range] = []
    interrupt: Interrupt | None = None
    for own, cpu in pairs:
        kind = own["Type"]
        if kind in (_PORT, _MEMORY):
            ranges.append(Range(own["u.Memory.Start"], own["u.Memory.Length"], kind == _MEMORY))
        elif kind == _INTERRUPT and interrupt is None:
            interrupt = Interrupt(
                own["u.Interrupt.Level"], own["u.Interrupt.Vector"], cpu["u.Interrupt.Level"],
                cpu["u.Interrupt.Vector"], bool(own["Flags"] & _LATCHED),
            )  # fmt: skip
    return Resources(tuple(ranges), interrupt)


def _descriptors(kernel: Kernel, address: int) -> Iterable[Struct]:
    """Yield the partial descriptors of the first full descriptor, the only one that a WDM device has."""
    if not address or not kernel.u32(address):
        return
    inner = layout("CM_RESOURCE_LIST", kernel.arch)
    one = layout("CM_PARTIAL_RESOURCE_DESCRIPTOR", kernel.arch)
    count = address + inner.offset("List[0].PartialResourceList.Count")
    first = address + inner.offset("List[0].PartialResourceList.PartialDescriptors")
    for index in range(kernel.u32(count)):
        yield Struct(kernel.memory, one, first + index * one.size)

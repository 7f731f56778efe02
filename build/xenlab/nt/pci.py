# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's device tree above the drivers under test: a root bus, a PCI root bus, and QEMU's PCI functions.

Source: Windows Driver Kit, "Identifiers for PCI Devices", "PCI Bus Driver" and the IRP_MN_... pages of what a bus
driver handles; PCI Local Bus Specification 3.0, 6.1 and 6.2 (configuration space).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.nt.codes import Do, IdType, Pnp, Relations, Resource, Status
from xenlab.nt.io import Device
from xenlab.nt.irp import Request
from xenlab.nt.ob import ObjectManager
from xenlab.nt.objects import Arch, Struct, layout, view
from xenlab.nt.pydriver import Answer, KernelDriver, LowestDriver, UpperDriver, guest_function

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_BUS_EXTENDER, _UNKNOWN = 0x2A, 0x22
_PCI_BUS = 5
_SHARED, _DEVICE_EXCLUSIVE = 3, 1
_PORT_IO = 1
_CONFIGURATION_SIZE = 256
_BUS_TYPE_PCI = uuid.UUID("c8ebdfb0-b510-11d0-80e5-00a0c92542e3")
_BUS_TYPE_INTERNAL = uuid.UUID("1530ea73-086b-11d1-a09f-00c04fc340b1")
_BUS_INTERFACE_STANDARD = uuid.UUID("496b8280-6f25-11d0-beaf-08002be2092f")
_TEXT_DESCRIPTION, _TEXT_LOCATION = 0, 1


@dataclass(frozen=True)
class Range:
    """What a base address register decodes."""

    kind: Resource
    base: int
    size: int


@dataclass
class PciFunction:
    """A function of the PCI bus, as its configuration space describes it.

    Attributes:
        slot: device number << 3 | function number.
        class_code: base class << 16 | subclass << 8 | programming interface.
        interrupt_line: what the firmware has routed it to; None: it has no interrupt pin.
    """

    slot: int
    vendor: int
    device: int
    class_code: int
    subsystem: int = 0x11001AF4
    revision: int = 0
    ranges: tuple[Range, ...] = ()
    interrupt_line: int | None = None
    description: str = "PCI Device"
    writes: dict[int, int] = field(default_factory=dict)

    def identifiers(self) -> tuple[list[str], list[str]]:
        """Return the hardware and the compatible IDs, the most specific first."""
        both = f"PCI\\VEN_{self.vendor:04X}&DEV_{self.device:04X}"
        full, short = f"{self.class_code:06X}", f"{self.class_code >> 8:04X}"
        subsystem = f"{both}&SUBSYS_{self.subsystem:08X}"
        hardware = [f"{subsystem}&REV_{self.revision:02X}", subsystem, f"{both}&CC_{full}", f"{both}&CC_{short}"]
        vendor = f"PCI\\VEN_{self.vendor:04X}"
        compatible = [f"{both}&REV_{self.revision:02X}", both, f"{vendor}&CC_{full}", f"{vendor}&CC_{short}", vendor]
        return hardware, [*compatible, f"PCI\\CC_{full}", f"PCI\\CC_{short}"]

    def configuration(self) -> bytes:
        """Return the configuration space: a type 0 header and what has been written beyond it."""
        data = bytearray(_CONFIGURATION_SIZE)
        struct.pack_into("<HHHH", data, 0, self.vendor, self.device, 0x0007, 0x0280)
        struct.pack_into("<I", data, 8, self.class_code << 8 | self.revision)
        for index, each in enumerate(self.ranges):
            struct.pack_into("<I", data, 0x10 + 4 * index, each.base | (each.kind == Resource.Port))
        struct.pack_into("<I", data, 0x2C, self.subsystem)
        if self.interrupt_line is not None:
            data[0x3C:0x3E] = bytes((self.interrupt_line, 1))
        for offset, value in self.writes.items():
            data[offset] = value
        return bytes(data)


def qemu_functions() -> list[PciFunction]:
    """The functions of a QEMU machine under Xen: emulated disks and network card beside the Xen platform device."""
    port, memory = Resource.Port, Resource.Memory
    return [
        PciFunction(0x00, 0x8086, 0x1237, 0x060000, revision=2, description="PCI standard host CPU bridge"),
        PciFunction(
            0x09, 0x8086, 0x7010, 0x010180, ranges=(Range(port, 0xC100, 0x10),), description="Intel PCI Bus Master IDE"
        ),
        PciFunction(
            0x18, 0x5853, 0x0001, 0xFF8000, 0x00015853, 1,
            (Range(port, 0xC000, 0x100), Range(memory, 0xF2000000, 0x1000000)), 28, "PCI Device",
        ),
        PciFunction(
            0x20, 0x10EC, 0x8139, 0x020000, revision=0x20, interrupt_line=32, description="Realtek RTL8139",
            ranges=(Range(port, 0xC200, 0x100), Range(memory, 0xF3020000, 0x100)),
        ),
    ]  # fmt: skip


def resource_lists(arch: Arch, function: PciFunction) -> tuple[bytes, bytes]:
    """Return the raw and the translated CM_RESOURCE_LIST of a function; nothing if it uses no resources."""
    if not function.ranges and function.interrupt_line is None:
        return b"", b""
    raw, translated = [], []
    for each in function.ranges:
        flags = _PORT_IO if each.kind == Resource.Port else 0
        both = struct.pack("<BBHQI", each.kind, _DEVICE_EXCLUSIVE, flags, each.base, each.size)
        raw.append(both)
        translated.append(both)
    if function.interrupt_line is not None:
        line = function.interrupt_line
        raw.append(_interrupt(arch, line, line))
        translated.append(_interrupt(arch, *translate_interrupt(arch, line)))
    return _resource_list(arch, raw), _resource_list(arch, translated)


def requirements_list(arch: Arch, function: PciFunction) -> bytes:
    """Return the IO_RESOURCE_REQUIREMENTS_LIST of a function: what its registers and its pin are set to now."""
    size = layout("IO_RESOURCE_DESCRIPTOR", arch).size
    wanted = []
    for each in function.ranges:
        head = struct.pack("<BBBBHH", 0, each.kind, _DEVICE_EXCLUSIVE, 0, each.kind == Resource.Port and _PORT_IO, 0)
        wanted.append(head + struct.pack("<IIQQ", each.size, each.size, each.base, each.base + each.size - 1))
    if function.interrupt_line is not None:
        line = function.interrupt_line
        wanted.append(struct.pack("<BBBBHHII", 0, Resource.Interrupt, _SHARED, 0, 0, 0, line, line))
    if not wanted:
        return b""
    body = struct.pack("<HHI", 1, 1, len(wanted)) + b"".join(each.ljust(size, b"\0") for each in wanted)
    head = struct.pack("<IIIIIIII", 32 + len(body), _PCI_BUS, 0, function.slot, 0, 0, 0, 1)
    return head + body


def translate_interrupt(arch: Arch, line: int) -> tuple[int, int]:
    """Return the IRQL and the system vector of an interrupt line: on x64 the vector's upper half is the IRQL."""
    return (9, 0x90 | line & 0xF) if arch == "x64" else (max(3, 27 - line % 24), 0x30 + line)


def _interrupt(arch: Arch, level: int, vector: int) -> bytes:
    head = struct.pack("<BBHII", Resource.Interrupt, _SHARED, 0, level, vector)
    return head + struct.pack("<Q" if arch == "x64" else "<I", 1)


def _resource_list(arch: Arch, descriptors: Sequence[bytes]) -> bytes:
    size = layout("CM_PARTIAL_RESOURCE_DESCRIPTOR", arch).size
    head = struct.pack("<IIIHHI", 1, _PCI_BUS, 0, 1, 1, len(descriptors))
    return head + b"".join(each.ljust(size, b"\0") for each in descriptors)


class Bus(KernelDriver):
    """What a bus driver does for its children: it makes their PDOs and reports them."""

    def relations(self, request: Request, children: Sequence[Device]) -> None:
        """Answer a query for bus relations, adding to what drivers above have put there."""
        irp = self.irps.irp(request.address)
        old = irp["IoStatus.Information"]
        found = []
        if old:
            found = [
                self.kernel.ptr(view(self.kernel, "DEVICE_RELATIONS", old).at("Objects", index))
                for index in range(self.kernel.u32(old))
            ]
            self.kernel.free(old)
        for child in children:
            self.kernel.part(ObjectManager).reference(child.object)
            found.append(child.address)
        irp["IoStatus.Information"] = make_relations(self.kernel, found)
        irp["IoStatus.Status"] = Status.SUCCESS

    def make_pdo(self) -> Device:
        made = self.devices.create(self.driver, 0, _UNKNOWN, name=self.devices.autogenerated_name())
        assert made is not None
        made.view["Flags"] = made.view["Flags"] & ~Do.DEVICE_INITIALIZING | Do.BUS_ENUMERATED_DEVICE
        return made

    def text(self, text: str) -> int:
        """Return an allocated string."""
        return self.block(f"{text}\0".encode("utf-16-le"))

    def texts(self, texts: Sequence[str]) -> int:
        """Return an allocated list of strings, as in a REG_MULTI_SZ."""
        return self.block("".join(f"{each}\0" for each in [*texts, ""]).encode("utf-16-le"))

    def block(self, data: bytes) -> int:
        address = self.kernel.alloc(len(data), "PciD", paged=True)
        self.kernel.write(address, data)
        return address


def make_relations(kernel: Kernel, objects: Sequence[int]) -> int:
    """Return an allocated DEVICE_RELATIONS."""
    made = layout("DEVICE_RELATIONS", kernel.arch)
    size = made.offset("Objects") + max(1, len(objects)) * kernel.pointer_size
    address = kernel.alloc(size, "Rela", paged=True)
    relations = view(kernel, "DEVICE_RELATIONS", address)
    relations["Count"] = len(objects)
    for index, each in enumerate(objects):
        relations.set_element("Objects", index, each)
    return address


class RootBus(LowestDriver, Bus):
    """The root of the tree, and the ACPI PDO of the PCI root bus below it."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, "ACPI")
        self.root = self.make_pdo()
        self.pci_root = self.make_pdo()
        self.reported = False

    def pnp(self, device: int, request: Request, stack: Struct) -> Answer:
        minor = stack["MinorFunction"]
        if device == self.root.address and minor == Pnp.QUERY_DEVICE_RELATIONS:
            if stack["Parameters.QueryDeviceRelations.Type"] == Relations.BusRelations:
                self.relations(request, [self.pci_root])
                return (yield from self.finish(request, Status.SUCCESS))
        elif minor == Pnp.QUERY_ID:
            kind = stack["Parameters.QueryId.IdType"]
            ids: dict[int, Callable[[], int]] = {
                IdType.BusQueryDeviceID: lambda: self.text(r"ACPI\PNP0A03"),
                IdType.BusQueryHardwareIDs: lambda: self.texts([r"ACPI\PNP0A03", "*PNP0A03"]),
                IdType.BusQueryInstanceID: lambda: self.text("1"),
            }
            if kind in ids:
                return (yield from self.finish(request, Status.SUCCESS, ids[kind]()))
        elif minor == Pnp.QUERY_CAPABILITIES:
            _fill_capabilities(self.kernel, stack, unique=True)
            return (yield from self.finish_sometime(request, Status.SUCCESS))
        elif minor == Pnp.QUERY_BUS_INFORMATION:
            told = self.block(_BUS_TYPE_INTERNAL.bytes_le + struct.pack("<iI", 0, 0))
            return (yield from self.finish(request, Status.SUCCESS, told))
        elif minor in _SUCCEEDED:
            return (yield from self.finish_sometime(request, Status.SUCCESS))
        return (yield from self.unhandled(device, request))


# What a bus driver has nothing to do for but must succeed.
_SUCCEEDED = frozenset(
    {
        Pnp.START_DEVICE, Pnp.STOP_DEVICE, Pnp.QUERY_STOP_DEVICE, Pnp.CANCEL_STOP_DEVICE, Pnp.QUERY_REMOVE_DEVICE,
        Pnp.CANCEL_REMOVE_DEVICE, Pnp.REMOVE_DEVICE, Pnp.SURPRISE_REMOVAL, Pnp.DEVICE_USAGE_NOTIFICATION,
    }
)  # fmt: skip


def _fill_capabilities(kernel: Kernel, stack: Struct, unique: bool = False, address: int = 0xFFFFFFFF) -> None:
    asked = view(kernel, "DEVICE_CAPABILITIES", stack["Parameters.DeviceCapabilities.Capabilities"])
    asked["Bits"] |= 1 << 6 if unique else 0
    asked["Address"] = asked["UINumber"] = address
    for state in range(7):
        # D0 in the working state, D3 in all that sleep; nothing is said of the first, which is no state.
        asked.set_element("DeviceState", state, {0: 0, 1: 1}.get(state, 4))


class Pci(LowestDriver, UpperDriver, Bus):
    """The PCI bus driver: function driver of the root bus, bus driver of the functions on it.

    Attributes:
        functions: what is on the bus, by PDO; a function that is taken out vanishes for drivers at the next query.
        is_reversed: they are reported from the last to the first.
    """

    def __init__(self, kernel: Kernel, functions: Sequence[PciFunction]) -> None:
        super().__init__(kernel, "pci")
        self.fdo: Device | None = None
        self.functions = {self.make_pdo(): function for function in functions}
        self.present = set(self.functions)
        self.is_reversed = False
        self._references = 0
        self._interface = [
            guest_function(kernel, "pci!InterfaceReference", self._reference, (0,)),
            guest_function(kernel, "pci!InterfaceDereference", self._dereference, (0,)),
            guest_function(kernel, "pci!TranslateBusAddress", _translate, (0, 8, 4, 0, 0)),
            0,
            guest_function(kernel, "pci!SetBusData", self._set_data, (0, 4, 0, 4, 4)),
            guest_function(kernel, "pci!GetBusData", self._get_data, (0, 4, 0, 4, 4)),
        ]

    def add_device(self, pdo: Device) -> None:
        """What AddDevice does for the root bus."""
        self.fdo = self.devices.create(self.driver, 0, _BUS_EXTENDER)
        assert self.fdo is not None
        self.devices.attach(self.fdo, pdo)
        self.fdo.view["Flags"] &= ~Do.DEVICE_INITIALIZING

    def pdo_of(self, vendor: int, device: int) -> Device | None:
        """Return the PDO of a function by its IDs."""
        return next(iter(self.pdos_of(vendor, device)), None)

    def line_of(self, pdo: int) -> int | None:
        """Return the interrupt line of the function with a PDO at this address, if it has one."""
        return next((each.interrupt_line for known, each in self.functions.items() if known.address == pdo), None)

    def pdos_of(self, vendor: int, device: int) -> list[Device]:
        """Return the PDOs of all functions with these IDs, those that are gone and not yet removed included."""
        return [pdo for pdo, each in self.functions.items() if (each.vendor, each.device) == (vendor, device)]

    def plug_in(self, function: PciFunction) -> Device:
        """Add a function, which drivers see when relations are queried next."""
        pdo = self.make_pdo()
        self.functions[pdo] = function
        self.present.add(pdo)
        return pdo

    def take_out(self, pdo: Device) -> None:
        """Unplug a function: gone from the bus, and from the drivers' sight when relations are queried next."""
        self.present.discard(pdo)

    def pnp(self, device: int, request: Request, stack: Struct) -> Answer:
        if self.fdo and device == self.fdo.address:
            return (yield from self._fdo_pnp(self.fdo, request, stack))
        pdo = self.devices.at(device)
        return (yield from self._pdo_pnp(pdo, self.functions[pdo], request, stack))

    def unhandled(self, device: int, request: Request) -> Answer:
        return (yield from self._role(device).unhandled(self, device, request))

    def do_power(self, device: int, request: Request, stack: Struct) -> Answer:
        return (yield from self._role(device).do_power(self, device, request, stack))

    def _role(self, device: int) -> type[LowestDriver] | type[UpperDriver]:
        return UpperDriver if self.fdo and device == self.fdo.address else LowestDriver

    def _fdo_pnp(self, fdo: Device, request: Request, stack: Struct) -> Answer:
        minor = stack["MinorFunction"]
        irp = self.irps.irp(request.address)
        if minor == Pnp.START_DEVICE:
            status = yield from self.below_first(fdo.address, request)
            return (yield from self.finish(request, status))
        if (
            minor == Pnp.QUERY_DEVICE_RELATIONS
            and stack["Parameters.QueryDeviceRelations.Type"] == Relations.BusRelations
        ):
            found = [pdo for pdo in self.functions if pdo in self.present]
            self.relations(request, found[::-1] if self.is_reversed else found)
        elif minor in _SUCCEEDED:
            irp["IoStatus.Status"] = Status.SUCCESS
        lower = self.lower(fdo.address)
        status = yield from self.unhandled(fdo.address, request)
        if minor == Pnp.REMOVE_DEVICE:
            self.devices.detach(self.devices.at(lower))
            self.devices.delete(fdo)
            self.fdo = None
        return status

    def _pdo_pnp(self, pdo: Device, function: PciFunction, request: Request, stack: Struct) -> Answer:
        minor = stack["MinorFunction"]
        if minor == Pnp.REMOVE_DEVICE and pdo not in self.present:
            del self.functions[pdo]
            status = yield from self.finish(request, Status.SUCCESS)
            self.devices.delete(pdo)
            return status
        if minor in _SUCCEEDED:
            return (yield from self.finish_sometime(request, Status.SUCCESS))
        information = self._answer(pdo, function, stack)
        if information is None:
            status = self.irps.irp(request.address)["IoStatus.Status"]
            return (yield from self.finish_sometime(request, status))
        return (yield from self.finish_sometime(request, Status.SUCCESS, information))

    def _answer(self, pdo: Device, function: PciFunction, stack: Struct) -> int | None:
        """Return the information of a query that succeeds, or None for one that is not handled."""
        answers: dict[int, Callable[[], int | None]] = {
            Pnp.QUERY_ID: lambda: self._identifier(function, stack["Parameters.QueryId.IdType"]),
            Pnp.QUERY_CAPABILITIES: lambda: self._capabilities(function, stack),
            Pnp.QUERY_DEVICE_TEXT: lambda: self._text(function, stack),
            Pnp.QUERY_BUS_INFORMATION: lambda: self.block(_BUS_TYPE_PCI.bytes_le + struct.pack("<iI", _PCI_BUS, 0)),
            Pnp.QUERY_RESOURCES: lambda: self._resources(function),
            Pnp.QUERY_RESOURCE_REQUIREMENTS: lambda: self._requirements(function),
            Pnp.QUERY_DEVICE_RELATIONS: lambda: self._target_relation(pdo, stack),
            Pnp.QUERY_INTERFACE: lambda: self._query_interface(pdo, stack),
            Pnp.READ_CONFIG: lambda: self._configure(pdo, stack, self._get_data),
            Pnp.WRITE_CONFIG: lambda: self._configure(pdo, stack, self._set_data),
        }
        answer = answers.get(stack["MinorFunction"])
        return answer() if answer else None

    def _capabilities(self, function: PciFunction, stack: Struct) -> int:
        _fill_capabilities(self.kernel, stack, address=function.slot >> 3 << 16 | function.slot & 7)
        return 0

    def _text(self, function: PciFunction, stack: Struct) -> int | None:
        place = f"PCI bus 0, device {function.slot >> 3}, function {function.slot & 7}"
        texts = {_TEXT_DESCRIPTION: function.description, _TEXT_LOCATION: place}
        text = texts.get(stack["Parameters.QueryDeviceText.DeviceTextType"])
        return self.text(text) if text else None

    def _resources(self, function: PciFunction) -> int | None:
        raw, _ = resource_lists(self.kernel.arch, function)
        return self.block(raw) if raw else None

    def _requirements(self, function: PciFunction) -> int | None:
        made = requirements_list(self.kernel.arch, function)
        return self.block(made) if made else None

    def _target_relation(self, pdo: Device, stack: Struct) -> int | None:
        if stack["Parameters.QueryDeviceRelations.Type"] != Relations.TargetDeviceRelation:
            return None
        self.kernel.part(ObjectManager).reference(pdo.object)
        return make_relations(self.kernel, [pdo.address])

    def _identifier(self, function: PciFunction, kind: int) -> int | None:
        hardware, compatible = function.identifiers()
        if kind == IdType.BusQueryDeviceID:
            return self.text(hardware[0])
        if kind == IdType.BusQueryHardwareIDs:
            return self.texts(hardware)
        if kind == IdType.BusQueryCompatibleIDs:
            return self.texts(compatible) if compatible else None
        return self.text(f"{function.slot:02X}") if kind == IdType.BusQueryInstanceID else None

    def _query_interface(self, pdo: Device, stack: Struct) -> int | None:
        asked = "Parameters.QueryInterface"
        guid = self.kernel.read(stack[f"{asked}.InterfaceType"], 16)
        size = layout("BUS_INTERFACE_STANDARD", self.kernel.arch).size
        if guid != _BUS_INTERFACE_STANDARD.bytes_le or stack[f"{asked}.Size"] < size:
            return None
        made = view(self.kernel, "BUS_INTERFACE_STANDARD", stack[f"{asked}.Interface"])
        made["Size"], made["Version"], made["Context"] = size, 1, pdo.address
        names = "InterfaceReference InterfaceDereference TranslateBusAddress GetDmaAdapter SetBusData GetBusData"
        for name, address in zip(names.split(), self._interface, strict=True):
            made[name] = address
        self._references += 1
        return 0

    def _configure(self, pdo: Device, stack: Struct, move: Callable[..., int]) -> int:
        asked = {
            each: stack[f"Parameters.ReadWriteConfig.{each}"] for each in ("WhichSpace", "Buffer", "Offset", "Length")
        }
        return move(self.kernel, pdo.address, asked["WhichSpace"], asked["Buffer"], asked["Offset"], asked["Length"])

    def _reference(self, _kernel: Kernel, _context: int) -> None:
        self._references += 1

    def _dereference(self, kernel: Kernel, _context: int) -> None:
        if not self._references:
            kernel.violation("An interface of the PCI bus driver is dereferenced more often than it was referenced.")
        self._references -= 1

    def _get_data(self, kernel: Kernel, context: int, _space: int, buffer: int, offset: int, length: int) -> int:
        data = self.functions[self.devices.at(context)].configuration()[offset : offset + length]
        kernel.write(buffer, data)
        return len(data)

    def _set_data(self, kernel: Kernel, context: int, _space: int, buffer: int, offset: int, length: int) -> int:
        function = self.functions[self.devices.at(context)]
        for at, value in enumerate(kernel.read(buffer, max(0, min(length, _CONFIGURATION_SIZE - offset))), offset):
            function.writes[at] = value
        return length

    def outstanding(self) -> list[str]:
        """Return what drivers hold of the bus driver's, a line each: its interface, and references on devices."""
        held = [
            f"The device object of PCI device {each.vendor:04x}:{each.device:04x} has {pdo.object.references - 1} "
            "references that nobody gives back."
            for pdo, each in self.functions.items()
            if pdo.object.references != 1
        ]
        return ["An interface of the PCI bus driver is still referenced."] * self._references + held


def _translate(kernel: Kernel, _context: int, address: int, _size: int, _space: int, translated: int) -> int:
    """On a PC bus addresses are what the processor uses."""
    kernel.put_u64(translated, address)
    return 1


class Inbox(UpperDriver):
    """A function driver that Windows has for an emulated device: it starts, stops and goes, and does nothing else."""

    def add_device(self, pdo: Device) -> None:
        made = self.devices.create(self.driver, 0, _UNKNOWN)
        assert made is not None
        self.devices.attach(made, pdo)
        made.view["Flags"] &= ~Do.DEVICE_INITIALIZING

    def pnp(self, device: int, request: Request, stack: Struct) -> Answer:
        minor = stack["MinorFunction"]
        if minor == Pnp.START_DEVICE:
            status = yield from self.below_first(device, request)
            return (yield from self.finish(request, status))
        if minor in _SUCCEEDED:
            self.irps.irp(request.address)["IoStatus.Status"] = Status.SUCCESS
        lower = self.lower(device)
        status = yield from self.unhandled(device, request)
        if minor == Pnp.REMOVE_DEVICE:
            self.devices.detach(self.devices.at(lower))
            self.devices.delete(self.devices.at(device))
        return status

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - the prototypes are the vendor's
"""The routines that scsiport.sys and storport.sys have in common, under either's names.

Source: Windows Driver Kit, "SCSI Port Driver Support Routines" and "Storport Driver Support Routines". Where they say
that a routine can be called only from certain callbacks, any other call ends the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from xenlab.nt.routine import (
    BOOLEAN,
    HIGH_LEVEL,
    LONG,
    PHYSICAL_ADDRESS,
    PVOID,
    SIZE_T,
    UCHAR,
    ULONG,
    VarArgs,
    routine,
)
from xenlab.ports import Ports
from xenlab.ports.adapter import Adapter
from xenlab.ports.miniport import BOOT_CONFIG, RUNNING_CONFIG
from xenlab.ports.srb import UNTAGGED, Address

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

FIND_ADAPTER = "HwFindAdapter"
CONFIGURING = (FIND_ADAPTER, f"HwAdapterControl({RUNNING_CONFIG})", f"HwAdapterControl({BOOT_CONFIG})")
_PCI_CONFIGURATION = 4
_STALL_LIMIT_US = 1000
_UNTIMED = ("HwInitialize", *CONFIGURING)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def both(name: str, irql_max: int = HIGH_LEVEL) -> Callable[[_Function], _Function]:
    """Register a function as ScsiPort`name` and StorPort`name`."""

    def register(function: _Function) -> _Function:
        routine("scsiport.sys", irql_max=irql_max, name=f"ScsiPort{name}")(function)
        return routine("storport.sys", irql_max=irql_max, name=f"StorPort{name}")(function)

    return register


def adapter_of(kernel: Kernel, extension: int, what: str) -> Adapter:
    return kernel.part(Ports).adapter(extension, what)


@both("GetDeviceBase")
def get_device_base(
    kernel: Kernel, extension: PVOID, bus_type: ULONG, bus: ULONG, address: PHYSICAL_ADDRESS, size: ULONG, io: BOOLEAN
) -> PVOID:
    adapter = adapter_of(kernel, extension, "GetDeviceBase")
    adapter.within("GetDeviceBase", *CONFIGURING)
    return adapter.map_range(address, size, bool(io))


@both("FreeDeviceBase")
def free_device_base(kernel: Kernel, extension: PVOID, base: PVOID) -> None:
    adapter = adapter_of(kernel, extension, "FreeDeviceBase")
    adapter.within("FreeDeviceBase", *CONFIGURING)
    adapter.unmap_range(base)


@both("ValidateRange")
def validate_range(
    kernel: Kernel, extension: PVOID, bus_type: ULONG, bus: ULONG, address: PHYSICAL_ADDRESS, size: ULONG, io: BOOLEAN
) -> BOOLEAN:
    adapter_of(kernel, extension, "ValidateRange").within("ValidateRange", FIND_ADAPTER)
    return 1


@both("GetUncachedExtension")
def get_uncached_extension(kernel: Kernel, extension: PVOID, config: PVOID, size: ULONG) -> PVOID:
    adapter = adapter_of(kernel, extension, "GetUncachedExtension")
    adapter.within("GetUncachedExtension", FIND_ADAPTER)
    return adapter.uncached_extension(config, size)


@both("GetBusData")
def get_bus_data(
    kernel: Kernel, extension: PVOID, kind: ULONG, bus: ULONG, slot: ULONG, buffer: PVOID, size: ULONG
) -> ULONG:
    adapter = adapter_of(kernel, extension, "GetBusData")
    adapter.within("GetBusData", *CONFIGURING)
    read = adapter.parent.read_config
    if kind != _PCI_CONFIGURATION or read is None:
        return 0
    data = read(0, size or 256)
    if not size:
        kernel.put_ptr(buffer, adapter.lend(data))
        return len(data)
    kernel.write(buffer, data)
    return len(data)


@both("SetBusDataByOffset")
def set_bus_data_by_offset(
    kernel: Kernel, extension: PVOID, kind: ULONG, bus: ULONG, slot: ULONG, buffer: PVOID, offset: ULONG, size: ULONG
) -> ULONG:
    adapter = adapter_of(kernel, extension, "SetBusDataByOffset")
    adapter.within("SetBusDataByOffset", *CONFIGURING)
    write = adapter.parent.write_config
    if kind != _PCI_CONFIGURATION or write is None:
        return 0
    return write(offset, kernel.read(buffer, size))


@both("GetPhysicalAddress")
def get_physical_address(
    kernel: Kernel, extension: PVOID, srb: PVOID, address: PVOID, length: PVOID
) -> PHYSICAL_ADDRESS:
    adapter = adapter_of(kernel, extension, "GetPhysicalAddress")
    if not srb and not adapter.initialization["NeedPhysicalAddresses"]:
        adapter.violation("GetPhysicalAddress is asked for an extension by a miniport without NeedPhysicalAddresses")
    gpa, size = adapter.physical_address(srb, address)
    kernel.put_u32(length, size)
    return gpa


@both("GetVirtualAddress")
def get_virtual_address(kernel: Kernel, extension: PVOID, address: PHYSICAL_ADDRESS) -> PVOID:
    return adapter_of(kernel, extension, "GetVirtualAddress").virtual_address(address)


@both("GetLogicalUnit")
def get_logical_unit(kernel: Kernel, extension: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR) -> PVOID:
    unit = adapter_of(kernel, extension, "GetLogicalUnit").units.get(Address(path, target, lun))
    return unit.extension if unit else 0


@both("GetSrb")
def get_srb(kernel: Kernel, extension: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR, tag: LONG) -> PVOID:
    unit = adapter_of(kernel, extension, "GetSrb").units.get(Address(path, target, lun))
    held = unit.active.values() if unit else ()
    return next((each.srb for each in held if each.tag == tag & 0xFF or tag & 0xFF == UNTAGGED), 0)


@both("CompleteRequest")
def complete_request(kernel: Kernel, extension: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR, status: UCHAR) -> None:
    adapter = adapter_of(kernel, extension, "CompleteRequest")
    adapter.check_notifier("CompleteRequest")
    adapter.complete_matching(path, target, lun, status)


@both("LogError")
def log_error(
    kernel: Kernel, extension: PVOID, srb: PVOID, path: UCHAR, target: UCHAR, lun: UCHAR, code: ULONG, unique: ULONG
) -> None:
    adapter = adapter_of(kernel, extension, "LogError")
    if srb:
        adapter.held(srb, "LogError")
    adapter.log_error(str(Address(path, target, lun)), code, unique)


@both("StallExecution")
def stall_execution(kernel: Kernel, microseconds: ULONG) -> None:
    stalling = [each for each in kernel.part(Ports).adapters.values() if each.callbacks]
    if microseconds > _STALL_LIMIT_US and any(each.callbacks[-1] not in _UNTIMED for each in stalling):
        kernel.world.trace("port", f"a callback stalls the processor for {microseconds} microseconds")
    kernel.world.advance(microseconds * 1000)


@both("MoveMemory")
@routine("storport.sys", irql_max=HIGH_LEVEL, name="ScsiPortMoveMemory")
def move_memory(kernel: Kernel, to: PVOID, source: PVOID, size: ULONG) -> None:
    kernel.write(to, kernel.read(source, size))


@both("ConvertUlongToPhysicalAddress")
def convert_ulong_to_physical_address(kernel: Kernel, address: SIZE_T) -> PHYSICAL_ADDRESS:
    return address


@both("ConvertPhysicalAddressToUlong")
def convert_physical_address_to_ulong(kernel: Kernel, address: PHYSICAL_ADDRESS) -> ULONG:
    return address & 0xFFFFFFFF


@both("QuerySystemTime")
def query_system_time(kernel: Kernel, time: PVOID) -> None:
    kernel.put_u64(time, kernel.system_time)


@routine("scsiport.sys", irql_max=HIGH_LEVEL, name="ScsiDebugPrint")
@routine("storport.sys", irql_max=HIGH_LEVEL, name="StorPortDebugPrint")
def debug_print(kernel: Kernel, level: ULONG, text: PVOID, arguments: VarArgs) -> None:
    kernel.world.trace("debug", kernel.ansi_string(text), level=level)


def _accessors(space: str, kind: str, size: int) -> None:
    """Register the routines that read and write registers or ports of one width. StorPort's take the extension first,
    and its buffer routines are SCSI port's with it."""
    port = space == "Port"

    def get(kernel: Kernel, address: int) -> int:
        if port:
            return kernel.machine.platform.port_in(address, size)
        return int.from_bytes(kernel.read(address, size), "little")

    def put(kernel: Kernel, address: int, value: int) -> None:
        if port:
            kernel.machine.platform.port_out(address, size, value & ((1 << 8 * size) - 1))
        else:
            kernel.write(address, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))

    def read(kernel: Kernel, address: PVOID) -> ULONG:
        return get(kernel, address)

    def write(kernel: Kernel, address: PVOID, value: ULONG) -> None:
        put(kernel, address, value)

    def read_buffer(kernel: Kernel, address: PVOID, buffer: PVOID, count: ULONG) -> None:
        for index in range(count):
            at = address if port else address + index * size
            kernel.write(buffer + index * size, get(kernel, at).to_bytes(size, "little"))

    def write_buffer(kernel: Kernel, address: PVOID, buffer: PVOID, count: ULONG) -> None:
        for index in range(count):
            at = address if port else address + index * size
            put(kernel, at, int.from_bytes(kernel.read(buffer + index * size, size), "little"))

    def stor_read(kernel: Kernel, extension: PVOID, address: PVOID) -> ULONG:
        return get(kernel, address)

    def stor_write(kernel: Kernel, extension: PVOID, address: PVOID, value: ULONG) -> None:
        put(kernel, address, value)

    def stor_read_buffer(kernel: Kernel, extension: PVOID, address: PVOID, buffer: PVOID, count: ULONG) -> None:
        read_buffer(kernel, address, buffer, count)

    def stor_write_buffer(kernel: Kernel, extension: PVOID, address: PVOID, buffer: PVOID, count: ULONG) -> None:
        write_buffer(kernel, address, buffer, count)

    verbs = ("Read{}", "Write{}", "Read{}Buffer", "Write{}Buffer")
    scsi: list[Callable[..., Any]] = [read, write, read_buffer, write_buffer]
    stor: list[Callable[..., Any]] = [stor_read, stor_write, stor_read_buffer, stor_write_buffer]
    for prefix, functions in (("ScsiPort", scsi), ("StorPort", stor)):
        for verb, function in zip(verbs, functions, strict=True):
            name = f"{prefix}{verb.format(space)}{kind}"
            routine(f"{prefix.lower()}.sys", irql_max=HIGH_LEVEL, name=name)(function)


for _space in ("Port", "Register"):
    for _kind, _size in (("Uchar", 1), ("Ushort", 2), ("Ulong", 4)):
        _accessors(_space, _kind, _size)

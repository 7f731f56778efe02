# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""HAL routines: ports (on x64 drivers use the instructions), device registers, stalls and the performance counter.

Source: Windows Driver Kit, the page of each routine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.pci import PciFunction
from xenlab.nt.pnp import PnpManager
from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    LONGLONG,
    PHYSICAL_ADDRESS,
    PVOID,
    UCHAR,
    ULONG,
    USHORT,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_HAL, _NTOS = "hal.dll", "ntoskrnl.exe"
_FREQUENCY = 3_579_545
_LONGEST_STALL = 1_000_000
_PCI_CONFIGURATION, _CONFIGURATION_SIZE = 4, 256
_SIZES = {"UCHAR": 1, "USHORT": 2, "ULONG": 4}


@routine(_HAL, irql_max=HIGH_LEVEL)
def READ_PORT_UCHAR(kernel: Kernel, port: PVOID) -> UCHAR:
    return kernel.machine.platform.port_in(port & 0xFFFF, 1)


@routine(_HAL, irql_max=HIGH_LEVEL)
def READ_PORT_USHORT(kernel: Kernel, port: PVOID) -> USHORT:
    return kernel.machine.platform.port_in(port & 0xFFFF, 2)


@routine(_HAL, irql_max=HIGH_LEVEL)
def READ_PORT_ULONG(kernel: Kernel, port: PVOID) -> ULONG:
    return kernel.machine.platform.port_in(port & 0xFFFF, 4)


@routine(_HAL, irql_max=HIGH_LEVEL)
def WRITE_PORT_UCHAR(kernel: Kernel, port: PVOID, value: UCHAR) -> None:
    kernel.machine.platform.port_out(port & 0xFFFF, 1, value)


@routine(_HAL, irql_max=HIGH_LEVEL)
def WRITE_PORT_USHORT(kernel: Kernel, port: PVOID, value: USHORT) -> None:
    kernel.machine.platform.port_out(port & 0xFFFF, 2, value)


@routine(_HAL, irql_max=HIGH_LEVEL)
def WRITE_PORT_ULONG(kernel: Kernel, port: PVOID, value: ULONG) -> None:
    kernel.machine.platform.port_out(port & 0xFFFF, 4, value)


def _read_buffer(kernel: Kernel, port: int, buffer: int, count: int, size: int) -> None:
    for index in range(count):
        value = kernel.machine.platform.port_in(port & 0xFFFF, size)
        kernel.write(buffer + index * size, value.to_bytes(size, "little"))


def _write_buffer(kernel: Kernel, port: int, buffer: int, count: int, size: int) -> None:
    for index in range(count):
        value = int.from_bytes(kernel.read(buffer + index * size, size), "little")
        kernel.machine.platform.port_out(port & 0xFFFF, size, value)


def _register_buffers(width: str, size: int) -> None:
    @routine(_HAL, irql_max=HIGH_LEVEL, name=f"READ_PORT_BUFFER_{width}")
    def read(kernel: Kernel, port: PVOID, buffer: PVOID, count: ULONG) -> None:
        _read_buffer(kernel, port, buffer, count, size)

    @routine(_HAL, irql_max=HIGH_LEVEL, name=f"WRITE_PORT_BUFFER_{width}")
    def write(kernel: Kernel, port: PVOID, buffer: PVOID, count: ULONG) -> None:
        _write_buffer(kernel, port, buffer, count, size)


for _width, _size in _SIZES.items():
    _register_buffers(_width, _size)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def READ_REGISTER_UCHAR(kernel: Kernel, register: PVOID) -> UCHAR:
    return kernel.u8(register)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def READ_REGISTER_USHORT(kernel: Kernel, register: PVOID) -> USHORT:
    return kernel.u16(register)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def READ_REGISTER_ULONG(kernel: Kernel, register: PVOID) -> ULONG:
    return kernel.u32(register)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def WRITE_REGISTER_UCHAR(kernel: Kernel, register: PVOID, value: UCHAR) -> None:
    kernel.put_u8(register, value)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def WRITE_REGISTER_USHORT(kernel: Kernel, register: PVOID, value: USHORT) -> None:
    kernel.put_u16(register, value)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def WRITE_REGISTER_ULONG(kernel: Kernel, register: PVOID, value: ULONG) -> None:
    kernel.put_u32(register, value)


def _register_memory_buffers(width: str, size: int) -> None:
    @routine(_NTOS, irql_max=HIGH_LEVEL, name=f"READ_REGISTER_BUFFER_{width}")
    def read(kernel: Kernel, register: PVOID, buffer: PVOID, count: ULONG) -> None:
        kernel.write(buffer, kernel.read(register, count * size))

    @routine(_NTOS, irql_max=HIGH_LEVEL, name=f"WRITE_REGISTER_BUFFER_{width}")
    def write(kernel: Kernel, register: PVOID, buffer: PVOID, count: ULONG) -> None:
        kernel.write(register, kernel.read(buffer, count * size))


for _width, _size in _SIZES.items():
    _register_memory_buffers(_width, _size)


@routine(_HAL, irql_max=HIGH_LEVEL)
def KeStallExecutionProcessor(kernel: Kernel, microseconds: ULONG) -> None:
    """Time passes, and what is due in it happens; the processor comes to it when the IRQL lets it."""
    if microseconds > _LONGEST_STALL:
        kernel.violation(f"The processor is stalled for {microseconds / 1e6:g} s.")
    kernel.world.advance(microseconds * 1000)
    kernel.attention = True


@routine(_HAL, irql_max=HIGH_LEVEL)
def KeQueryPerformanceCounter(kernel: Kernel, frequency: PVOID) -> LONGLONG:
    if frequency:
        kernel.put_u64(frequency, _FREQUENCY)
    return kernel.world.now * _FREQUENCY // 10**9


@routine(_HAL, irql_max=HIGH_LEVEL)
def KeFlushWriteBuffer(kernel: Kernel) -> None:
    """Nothing is buffered."""


# Configuration space, as drivers of before plug and play read it


def _function(kernel: Kernel, bus: int, slot: int) -> PciFunction | None:
    """A PCI_SLOT_NUMBER has the device in its low five bits and the function in the three above."""
    wanted = (slot & 0x1F) << 3 | slot >> 5 & 7
    functions = kernel.part(PnpManager).pci.functions.values()
    return next((each for each in functions if bus == 0 and each.slot == wanted), None)


@routine(_HAL, irql_max=DISPATCH_LEVEL)
def HalGetBusDataByOffset(
    kernel: Kernel, kind: ULONG, bus: ULONG, slot: ULONG, buffer: PVOID, offset: ULONG, length: ULONG
) -> ULONG:
    """0: there is no such bus; 2 bytes of ones: there is no such device on it."""
    if kind != _PCI_CONFIGURATION or bus != 0:
        return 0
    found = _function(kernel, bus, slot)
    data = found.configuration()[offset : offset + length] if found else b"\xff\xff"[:length]
    kernel.write(buffer, data)
    return len(data)


@routine(_HAL, irql_max=DISPATCH_LEVEL)
def HalGetBusData(kernel: Kernel, kind: ULONG, bus: ULONG, slot: ULONG, buffer: PVOID, length: ULONG) -> ULONG:
    return int(HalGetBusDataByOffset(kernel, kind, bus, slot, buffer, 0, length))


@routine(_HAL, irql_max=DISPATCH_LEVEL)
def HalSetBusDataByOffset(
    kernel: Kernel, kind: ULONG, bus: ULONG, slot: ULONG, buffer: PVOID, offset: ULONG, length: ULONG
) -> ULONG:
    found = _function(kernel, bus, slot) if kind == _PCI_CONFIGURATION else None
    if not found:
        return 0
    data = kernel.read(buffer, max(0, min(length, _CONFIGURATION_SIZE - offset)))
    found.writes.update(enumerate(data, offset))
    return len(data)


@routine(_HAL, irql_max=DISPATCH_LEVEL)
def HalSetBusData(kernel: Kernel, kind: ULONG, bus: ULONG, slot: ULONG, buffer: PVOID, length: ULONG) -> ULONG:
    return int(HalSetBusDataByOffset(kernel, kind, bus, slot, buffer, 0, length))


@routine(_HAL, irql_max=HIGH_LEVEL)
def HalTranslateBusAddress(
    kernel: Kernel, interface: ULONG, bus: ULONG, address: PHYSICAL_ADDRESS, space: PVOID, translated: PVOID
) -> BOOLEAN:
    """On a PC bus addresses are what the processor uses."""
    kernel.put_u64(translated, address)
    return 1

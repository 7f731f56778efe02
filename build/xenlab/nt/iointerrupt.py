# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Connecting drivers to interrupts.

Source: Windows Driver Kit, IoConnectInterrupt, IoConnectInterruptEx, "Using the CONNECT_MESSAGE_BASED Version of
IoConnectInterruptEx" and its neighbours, IO_CONNECT_INTERRUPT_PARAMETERS, IO_DISCONNECT_INTERRUPT_PARAMETERS,
IO_INTERRUPT_MESSAGE_INFO; addresses and data of messages: Intel 64 Software Developer's Manual, volume 3, "Message
Signalled Interrupts".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from xenlab.nt.arbiter import Arbiter, Message
from xenlab.nt.codes import Status
from xenlab.nt.objects import layout, view
from xenlab.nt.pci import translate_interrupt
from xenlab.nt.pnp import PnpManager
from xenlab.nt.routine import BOOLEAN, NTSTATUS, PASSIVE_LEVEL, PVOID, SIZE_T, UCHAR, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_LEVEL_SENSITIVE, _LATCHED = 0, 1
_FULLY_SPECIFIED, _LINE_BASED, _MESSAGE_BASED, _FULLY_SPECIFIED_GROUP = 1, 2, 3, 4
_ACTIVE_HIGH = 1
_LOCAL_APIC = 0xFEE00000
_VERSIONS = (_FULLY_SPECIFIED, _LINE_BASED, _MESSAGE_BASED, _FULLY_SPECIFIED_GROUP)


class MessageTables:
    """What drivers have by CONNECT_MESSAGE_BASED: the interrupt objects of a device's messages, by their table."""

    def __init__(self, _: Kernel) -> None:
        self.connected: dict[int, list[int]] = {}


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoConnectInterrupt(
    kernel: Kernel,
    result: PVOID,
    service_routine: PVOID,
    context: PVOID,
    spin_lock: PVOID,
    vector: ULONG,
    irql: UCHAR,
    synchronize_irql: UCHAR,
    mode: ULONG,
    share: BOOLEAN,
    affinity: SIZE_T,
    floating_save: BOOLEAN,
) -> NTSTATUS:
    """Vector and IRQL must be what START_DEVICE gave, translated: a raw one connects to another line, or to none."""
    kernel.put_ptr(result, 0)
    message = kernel.part(Arbiter).messages.get(vector)
    lines = [each.interrupt_line for each in kernel.part(PnpManager).pci.functions.values()]
    known = {translate_interrupt(kernel.arch, line) for line in lines if line is not None}
    if message:
        known = {(message.irql, vector)}
    if (irql, vector) not in known or not affinity or synchronize_irql < irql:
        return Status.INVALID_PARAMETER
    if message:
        taken = any(each.latched and each.vector == vector for each in kernel.interrupts.connected)
        if taken or affinity & ~message.affinity:
            return Status.INVALID_PARAMETER
        if mode != _LATCHED or share:
            kernel.violation("The latched message interrupt of one device is connected as another kind.")
    elif mode != _LEVEL_SENSITIVE or not share:
        kernel.violation("The level-triggered, shared interrupt of a PCI device is connected as another kind.")
    if kernel.pool.refuses("Intr", 0):
        return Status.INSUFFICIENT_RESOURCES
    made = kernel.connect_interrupt(
        service_routine, context, irql=irql, vector=vector, spin_lock=spin_lock, synchronize_irql=synchronize_irql,
        latched=message is not None,
    )  # fmt: skip
    kernel.put_ptr(result, made)
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoDisconnectInterrupt(kernel: Kernel, interrupt: PVOID) -> None:
    kernel.disconnect_interrupt(interrupt)


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoConnectInterruptEx(kernel: Kernel, parameters: PVOID) -> NTSTATUS:
    """CONNECT_MESSAGE_BASED takes the messages that START_DEVICE gave the device; a device without has its line, if
    the driver names a routine for that, too."""
    version = kernel.u32(parameters)
    given = [parameters + (1 + index) * kernel.pointer_size for index in range(8)]
    if version in (_FULLY_SPECIFIED, _FULLY_SPECIFIED_GROUP):
        rest = given[5]
        vector, irql, mode = kernel.u32(rest + 4), kernel.u8(rest + 8), kernel.u32(rest + 12)
        share, affinity = kernel.u8(rest + 2), kernel.ptr(rest + 16)
        return _connect(kernel, given, kernel.ptr(given[2]), vector, irql, mode, share, affinity)
    if version not in (_LINE_BASED, _MESSAGE_BASED):
        return Status.INVALID_PARAMETER
    device, granted = kernel.ptr(given[0]), kernel.part(Arbiter).messages
    messages = {vector: each for vector, each in granted.items() if each.node.pdo.address == device}
    if version == _MESSAGE_BASED and messages:
        return _connect_messages(kernel, given, messages)
    service = kernel.ptr(given[2] if version == _LINE_BASED else given[6])
    line = kernel.part(PnpManager).pci.line_of(device)
    if line is None or not service:
        return Status.NOT_FOUND
    kernel.put_u32(parameters, _LINE_BASED)
    irql, vector = translate_interrupt(kernel.arch, line)
    return _connect(kernel, given, service, vector, irql, _LEVEL_SENSITIVE, 1, 1)


def _connect(
    kernel: Kernel, given: list[int], service: int, vector: int, irql: int, mode: int, share: int, affinity: int
) -> int:
    """SynchronizeIrql 0 leaves it to the I/O manager."""
    context, lock = kernel.ptr(given[3]), kernel.ptr(given[4])
    result, synchronize = kernel.ptr(given[1]), kernel.u8(given[5]) or irql
    connect: Callable[..., int] = IoConnectInterrupt
    return connect(kernel, result, service, context, lock, vector, irql, synchronize, mode, share, affinity, 0)


def _connect_messages(kernel: Kernel, given: list[int], messages: Mapping[int, Message]) -> int:
    """Connect every message of a device and describe them in a table, which is the system's until they go."""
    service, context, lock = (kernel.ptr(each) for each in given[2:5])
    if not service:
        return Status.INVALID_PARAMETER
    if any(each.latched and each.vector in messages for each in kernel.interrupts.connected):
        return Status.INVALID_PARAMETER
    asked = kernel.u8(given[5])
    unified = max(asked, *(each.irql for each in messages.values()))
    synchronize = unified if lock or asked else None
    if kernel.pool.refuses("Intr", 0):
        return Status.INSUFFICIENT_RESOURCES
    entries = layout("IO_INTERRUPT_MESSAGE_INFO", kernel.arch).offset("MessageInfo")
    size = layout("IO_INTERRUPT_MESSAGE_INFO_ENTRY", kernel.arch).size
    address = kernel.alloc(entries + size * len(messages), "IntM")
    table = view(kernel, "IO_INTERRUPT_MESSAGE_INFO", address)
    table["UnifiedIrql"], table["MessageCount"] = unified, len(messages)
    made = []
    for number, (vector, message) in enumerate(messages.items()):
        connect = kernel.interrupts.connect
        made.append(connect(service, context, message.irql, vector, lock, synchronize, latched=True, message=number))
        entry = view(kernel, "IO_INTERRUPT_MESSAGE_INFO_ENTRY", address + entries + size * number)
        entry["MessageAddress"], entry["MessageData"] = _LOCAL_APIC, vector
        entry["TargetProcessorSet"], entry["InterruptObject"] = message.affinity, made[-1]
        entry["Vector"], entry["Irql"] = vector, message.irql
        entry["Mode"], entry["Polarity"] = _LATCHED, _ACTIVE_HIGH
    kernel.part(MessageTables).connected[address] = made
    kernel.put_ptr(kernel.ptr(given[1]), address)
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoDisconnectInterruptEx(kernel: Kernel, parameters: PVOID) -> None:
    """The version must be what IoConnectInterruptEx has left, and the pointer be what goes with that."""
    version, what = kernel.u32(parameters), kernel.ptr(parameters + kernel.pointer_size)
    tables = kernel.part(MessageTables).connected
    if version not in _VERSIONS or (version == _MESSAGE_BASED) is not (what in tables):
        kernel.violation("IoDisconnectInterruptEx is given another version than IoConnectInterruptEx has connected.")
    if version != _MESSAGE_BASED:
        kernel.disconnect_interrupt(what)
        return
    for each in tables.pop(what):
        kernel.disconnect_interrupt(each)
    kernel.free(what)

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Connecting drivers to interrupts.

Source: Windows Driver Kit, IoConnectInterrupt, IoDisconnectInterrupt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.arbiter import Arbiter
from xenlab.nt.codes import Status
from xenlab.nt.pci import translate_interrupt
from xenlab.nt.pnp import PnpManager
from xenlab.nt.routine import BOOLEAN, NTSTATUS, PASSIVE_LEVEL, PVOID, SIZE_T, UCHAR, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_LEVEL_SENSITIVE, _LATCHED = 0, 1


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

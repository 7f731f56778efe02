# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Debugger and event tracing: breakpoints end the run, traces find no session that listens.

Source: Windows Driver Kit, DbgBreakPoint, DbgPrompt, WmiTraceMessage, WmiQueryTraceInformation, EtwRegister, EtwWrite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.crt import debug_print
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    HIGH_LEVEL,
    NTSTATUS,
    PVOID,
    UCHAR,
    ULONG,
    ULONGLONG,
    USHORT,
    VarArgs,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"


@routine(_NTOS, irql_max=HIGH_LEVEL)
def DbgBreakPoint(kernel: Kernel) -> None:
    kernel.violation("The code reaches DbgBreakPoint.")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def DbgBreakPointWithStatus(kernel: Kernel, status: NTSTATUS) -> None:
    kernel.violation(f"The code reaches DbgBreakPointWithStatus({status:#x}).")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def DbgPrintReturnControlC(kernel: Kernel, form: PVOID, arguments: VarArgs) -> NTSTATUS:
    debug_print(kernel, form, arguments)
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
def DbgPrompt(kernel: Kernel, prompt: PVOID, response: PVOID, size: ULONG) -> ULONG:
    """Nobody is at the debugger: nothing is typed."""
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def DbgQueryDebugFilterState(kernel: Kernel, component: ULONG, level: ULONG) -> NTSTATUS:
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def DbgSetDebugFilterState(kernel: Kernel, component: ULONG, level: ULONG, state: BOOLEAN) -> NTSTATUS:
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
def WmiTraceMessage(
    kernel: Kernel, logger: ULONGLONG, flags: ULONG, guid: PVOID, number: USHORT, arguments: VarArgs
) -> NTSTATUS:
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
def WmiTraceMessageVa(
    kernel: Kernel, logger: ULONGLONG, flags: ULONG, guid: PVOID, number: USHORT, arguments: PVOID
) -> NTSTATUS:
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def WmiQueryTraceInformation(
    kernel: Kernel, kind: ULONG, buffer: PVOID, size: ULONG, needed: PVOID, source: PVOID
) -> NTSTATUS:
    """No trace session is under way."""
    return Status.NOT_FOUND


class Providers:
    """The event tracing providers that are registered, by handle: where from."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.registered: dict[int, int] = {}

    def outstanding(self) -> list[str]:
        describe = self._kernel.symbols.describe
        return [f"The ETW provider of {describe(by, True)} is still registered." for by in self.registered.values()]


@routine(_NTOS, irql_max=APC_LEVEL)
def EtwRegister(kernel: Kernel, guid: PVOID, function: PVOID, context: PVOID, handle: PVOID) -> NTSTATUS:
    registered = kernel.part(Providers).registered
    number = max(registered, default=0) + 1
    registered[number] = kernel.caller()
    kernel.put_u64(handle, number)
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def EtwUnregister(kernel: Kernel, handle: ULONGLONG) -> NTSTATUS:
    gone = kernel.part(Providers).registered.pop(handle, None)
    return Status.INVALID_HANDLE if gone is None else Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
def EtwEventEnabled(kernel: Kernel, handle: ULONGLONG, event: PVOID) -> BOOLEAN:
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def EtwProviderEnabled(kernel: Kernel, handle: ULONGLONG, level: UCHAR, keyword: ULONGLONG) -> BOOLEAN:
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def EtwWrite(kernel: Kernel, handle: ULONGLONG, event: PVOID, activity: PVOID, count: ULONG, data: PVOID) -> NTSTATUS:
    return Status.SUCCESS if handle in kernel.part(Providers).registered else Status.INVALID_HANDLE

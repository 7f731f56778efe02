# SPDX-License-Identifier: GPL-2.0-or-later
"""One-time initialization (RTL_RUN_ONCE). The low two bits of its pointer are the state, the rest is the context.

Source: Windows Driver Kit, RtlRunOnceBeginInitialize, RtlRunOnceComplete, RtlRunOnceExecuteOnce.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.routine import APC_LEVEL, HIGH_LEVEL, NTSTATUS, PVOID, ULONG, Call, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_CHECK_ONLY, _ASYNC, _INIT_FAILED = 1, 2, 4
_RUNNING, _DONE, _STATES = 1, 2, 3
_MOST_POLLS, _POLL_NS = 60_000, 1_000_000


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlRunOnceInitialize(kernel: Kernel, once: PVOID) -> None:
    kernel.put_ptr(once, 0)


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlRunOnceBeginInitialize(kernel: Kernel, once: PVOID, flags: ULONG, context: PVOID) -> Steps:
    return (yield from _begin(kernel, once, flags, context))


def _begin(kernel: Kernel, once: int, flags: int, context: int) -> Steps:
    """STATUS_PENDING: the caller is to initialize. Who comes meanwhile waits until that is done, or tries himself."""
    for _ in range(_MOST_POLLS):
        value = kernel.ptr(once)
        if value & _STATES == _DONE:
            if context:
                kernel.put_ptr(context, value & ~_STATES)
            return Status.SUCCESS
        if flags & _CHECK_ONLY:
            return Status.UNSUCCESSFUL
        if flags & _ASYNC or value == 0:
            kernel.put_ptr(once, _RUNNING)
            return Status.PENDING
        yield from kernel.sleep(_POLL_NS)
    return kernel.violation(f"The one-time initialization {once:#x} never ends.")


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlRunOnceComplete(kernel: Kernel, once: PVOID, flags: ULONG, context: PVOID) -> NTSTATUS:
    return _complete(kernel, once, flags, context)


def _complete(kernel: Kernel, once: int, flags: int, context: int) -> int:
    state = kernel.ptr(once) & _STATES
    if state == _DONE and flags & _ASYNC:
        return Status.OBJECT_NAME_COLLISION
    if state != _RUNNING:
        kernel.violation(f"RtlRunOnceComplete for {once:#x}, whose initialization has not begun.")
    if context & _STATES:
        kernel.violation(f"The context {context:#x} of RtlRunOnceComplete has bits set that are the state's.")
    kernel.put_ptr(once, 0 if flags & _INIT_FAILED else context | _DONE)
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlRunOnceExecuteOnce(kernel: Kernel, once: PVOID, function: PVOID, parameter: PVOID, context: PVOID) -> Steps:
    if (yield from _begin(kernel, once, 0, context)) != Status.PENDING:
        return Status.SUCCESS
    cell = context or kernel.alloc(16, "Once")
    succeeded = (yield Call(function, once, parameter, cell)) & 0xFFFFFFFF
    _complete(kernel, once, 0 if succeeded else _INIT_FAILED, kernel.ptr(cell) if succeeded else 0)
    if not context:
        kernel.free(cell)
    return Status.SUCCESS if succeeded else Status.UNSUCCESSFUL

# SPDX-License-Identifier: GPL-2.0-or-later
"""Cancel-safe queues: the driver keeps the list and its lock, these routines the order of things with cancellation.

Source: Windows Driver Kit, "Cancel-Safe IRP Queues", IoCsqInitialize, IoCsqInsertIrp, IoCsqRemoveIrp,
IoCsqRemoveNextIrp and the pages of the callbacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Stack, Status
from xenlab.nt.irp import Irps
from xenlab.nt.objects import Struct, view
from xenlab.nt.pydriver import guest_function
from xenlab.nt.routine import DISPATCH_LEVEL, NTSTATUS, PVOID, Call, LockCall, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_CSQ_IRP_CONTEXT, _CSQ, _CSQ_EX = 1, 2, 3
_OURS = 3


class Csqs:
    """The cancel routine that all queues share, and one cell for the IRQL that an acquire callback hands back."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.cancel = guest_function(kernel, "IopCsqCancelRoutine", self._cancel, (0, 0))

    def acquire(self, csq: Struct) -> Steps:
        """CsqAcquireLock; returns the IRQL that CsqReleaseLock wants."""
        cell = self.kernel.alloc(8, "CsqI")
        yield LockCall(csq["CsqAcquireLock"], csq.address, cell)
        irql = self.kernel.u8(cell)
        self.kernel.free(cell)
        return irql

    def release(self, csq: Struct, irql: int) -> Steps:
        yield LockCall(csq["CsqReleaseLock"], csq.address, irql)
        return None

    def insert(self, csq: Struct, irp: int, context: int, insert_context: int) -> Steps:
        kernel, irps = self.kernel, self.kernel.part(Irps)
        irps.get(irp, "IoCsqInsertIrp")
        made = irps.irp(irp)
        if context:
            given = view(kernel, "IO_CSQ_IRP_CONTEXT", context)
            given["Type"], given["Irp"], given["Csq"] = _CSQ_IRP_CONTEXT, irp, csq.address
        made.set_element("Tail.Overlay.DriverContext", _OURS, context or csq.address)
        irql = (yield from self.acquire(csq)) or 0
        irps.current(irp)["Control"] |= Stack.PENDING_RETURNED
        status: int = Status.SUCCESS
        if csq["Type"] == _CSQ_EX:
            status = (yield Call(csq["CsqInsertIrp"], csq.address, irp, insert_context)) & 0xFFFFFFFF
            if status & 0x80000000:
                irps.current(irp)["Control"] &= ~Stack.PENDING_RETURNED
                yield from self.release(csq, irql)
                return status
        else:
            yield Call(csq["CsqInsertIrp"], csq.address, irp)
        made["CancelRoutine"] = self.cancel
        cancelled = made["Cancel"] and self._take_cancel_routine(irp)
        if cancelled:
            yield Call(csq["CsqRemoveIrp"], csq.address, irp)
            self._forget(irp, context)
        yield from self.release(csq, irql)
        if cancelled:
            yield Call(csq["CsqCompleteCanceledIrp"], csq.address, irp)
        return status

    def remove(self, csq: Struct, context: int) -> Steps:
        """IoCsqRemoveIrp: the request of a context; 0 if it is cancelled or removed."""
        irql = (yield from self.acquire(csq)) or 0
        irp = view(self.kernel, "IO_CSQ_IRP_CONTEXT", context)["Irp"]
        if irp and self._take_cancel_routine(irp):
            yield Call(csq["CsqRemoveIrp"], csq.address, irp)
            self._forget(irp, context)
        else:
            irp = 0
        yield from self.release(csq, irql)
        return irp

    def next(self, csq: Struct, peek_context: int) -> Steps:
        """IoCsqRemoveNextIrp: the next request that is not being cancelled; 0 if there is none."""
        irql = (yield from self.acquire(csq)) or 0
        irp = yield Call(csq["CsqPeekNextIrp"], csq.address, 0, peek_context)
        while irp and not self._take_cancel_routine(irp):
            irp = yield Call(csq["CsqPeekNextIrp"], csq.address, irp, peek_context)
        if irp:
            yield Call(csq["CsqRemoveIrp"], csq.address, irp)
            self._forget(irp, self._context(irp))
        yield from self.release(csq, irql)
        return irp

    def _cancel(self, kernel: Kernel, device: int, irp: int) -> Steps:  # noqa: ARG002 - a cancel routine's prototype
        irps = kernel.part(Irps)
        made = irps.irp(irp)
        irps.release_cancel_lock(made["CancelIrql"])
        context = self._context(irp)
        ours = made.element("Tail.Overlay.DriverContext", _OURS)
        csq = view(kernel, "IO_CSQ", view(kernel, "IO_CSQ_IRP_CONTEXT", context)["Csq"] if context else ours)
        irql = (yield from self.acquire(csq)) or 0
        yield Call(csq["CsqRemoveIrp"], csq.address, irp)
        self._forget(irp, context)
        yield from self.release(csq, irql)
        yield Call(csq["CsqCompleteCanceledIrp"], csq.address, irp)
        return None

    def _context(self, irp: int) -> int:
        """The IO_CSQ_IRP_CONTEXT that a queued request was inserted with, or 0."""
        ours = self.kernel.part(Irps).irp(irp).element("Tail.Overlay.DriverContext", _OURS)
        return ours if self.kernel.u32(ours) == _CSQ_IRP_CONTEXT else 0

    def _take_cancel_routine(self, irp: int) -> bool:
        """IoSetCancelRoutine with NULL; whether there was one."""
        made = self.kernel.part(Irps).irp(irp)
        before = made["CancelRoutine"]
        made["CancelRoutine"] = 0
        return bool(before)

    def _forget(self, irp: int, context: int) -> None:
        self.kernel.part(Irps).irp(irp).set_element("Tail.Overlay.DriverContext", _OURS, 0)
        if context:
            view(self.kernel, "IO_CSQ_IRP_CONTEXT", context)["Irp"] = 0


def _csq(kernel: Kernel, address: int) -> Struct:
    csq = view(kernel, "IO_CSQ", address)
    if csq["Type"] not in (_CSQ, _CSQ_EX):
        kernel.violation(f"There is no initialised cancel-safe queue at {address:#x}.")
    return csq


def _initialise(kernel: Kernel, address: int, kind: int, callbacks: tuple[int, ...]) -> int:
    csq = view(kernel, "IO_CSQ", address)
    csq.clear()
    names = list(csq.layout.fields)[1 : 1 + len(callbacks)]
    for name, function in zip(names, callbacks, strict=True):
        if not function:
            kernel.violation(f"A cancel-safe queue is initialised without {name}.")
        csq[name] = function
    csq["Type"] = kind
    return Status.SUCCESS


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoCsqInitialize(
    kernel: Kernel, csq: PVOID, insert: PVOID, remove: PVOID, peek: PVOID, acquire: PVOID, release: PVOID, cancel: PVOID
) -> NTSTATUS:
    return _initialise(kernel, csq, _CSQ, (insert, remove, peek, acquire, release, cancel))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoCsqInitializeEx(
    kernel: Kernel, csq: PVOID, insert: PVOID, remove: PVOID, peek: PVOID, acquire: PVOID, release: PVOID, cancel: PVOID
) -> NTSTATUS:
    return _initialise(kernel, csq, _CSQ_EX, (insert, remove, peek, acquire, release, cancel))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoCsqInsertIrp(kernel: Kernel, csq: PVOID, irp: PVOID, context: PVOID) -> Steps:
    yield from kernel.part(Csqs).insert(_csq(kernel, csq), irp, context, 0)
    return None


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoCsqInsertIrpEx(kernel: Kernel, csq: PVOID, irp: PVOID, context: PVOID, insert_context: PVOID) -> Steps:
    return (yield from kernel.part(Csqs).insert(_csq(kernel, csq), irp, context, insert_context))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoCsqRemoveIrp(kernel: Kernel, csq: PVOID, context: PVOID) -> Steps:
    return (yield from kernel.part(Csqs).remove(_csq(kernel, csq), context))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoCsqRemoveNextIrp(kernel: Kernel, csq: PVOID, peek_context: PVOID) -> Steps:
    return (yield from kernel.part(Csqs).next(_csq(kernel, csq), peek_context))

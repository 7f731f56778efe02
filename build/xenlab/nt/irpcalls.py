# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The exported routines that make, send, complete and cancel IRPs (:mod:`xenlab.nt.irp` is what they work on).

Source: Windows Driver Kit, the page of each routine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from xenlab.nt import mdl
from xenlab.nt.codes import IrpFlag, Major, Stack, Status
from xenlab.nt.io import Devices
from xenlab.nt.irp import Irps, Request
from xenlab.nt.objects import view
from xenlab.nt.routine import (
    BOOLEAN,
    CCHAR,
    DISPATCH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    UCHAR,
    ULONG,
    USHORT,
    Call,
    Steps,
    Wait,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_METHOD_BUFFERED, _METHOD_NEITHER = 0, 3
_NT_ERROR = 0xC0000000


def caller(kernel: Kernel) -> str:
    """Return who makes a request, for messages: the driver whose code is running."""
    image = kernel.symbols.image_of(kernel.caller())
    return image.name if image else "the kernel"


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoAllocateIrp(kernel: Kernel, stack_size: CCHAR, charge_quota: BOOLEAN) -> PVOID:
    irps = kernel.part(Irps)
    if stack_size <= 0:
        kernel.violation(f"IoAllocateIrp is asked for {stack_size} stack locations.")
    address = kernel.pool.allocate(irps.size(stack_size), "Irp ", False)
    if address:
        irps.adopt(address, stack_size, caller(kernel), driver_owned=True)
    return address


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoInitializeIrp(kernel: Kernel, irp: PVOID, size: USHORT, stack_size: CCHAR) -> None:
    """For memory of the driver's own; not for an IRP that IoAllocateIrp has made."""
    irps = kernel.part(Irps)
    if irp in irps.requests:
        kernel.violation(
            f"IoInitializeIrp is given IRP {irp:#x}, which is initialised and in use: IoReuseIrp is for that."
        )
    if size < irps.size(stack_size):
        kernel.violation(f"IoInitializeIrp is given {size} bytes for {stack_size} stack locations.")
    irps.adopt(irp, stack_size, caller(kernel), driver_owned=True)


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoReuseIrp(kernel: Kernel, irp: PVOID, status: NTSTATUS) -> None:
    irps = kernel.part(Irps)
    request = irps.release(irp, "IoReuseIrp")
    irps.adopt(irp, request.stack_count, request.maker, driver_owned=True)
    irps.irp(irp)["IoStatus.Status"] = status


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoFreeIrp(kernel: Kernel, irp: PVOID) -> None:
    kernel.part(Irps).release(irp, "IoFreeIrp")
    kernel.pool.free(irp)


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IofCallDriver(kernel: Kernel, device: PVOID, irp: PVOID) -> Steps:
    """Before Vista power requests go through PoCallDriver alone."""
    irps = kernel.part(Irps)
    request = irps.get(irp, "IofCallDriver")
    if kernel.nt < (6, 0) and irps.next(request)["MajorFunction"] == Major.POWER:
        kernel.violation("IofCallDriver is given a power request, which before Windows Vista is for PoCallDriver.")
    return (yield from irps.call(device, request))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoCallDriver(kernel: Kernel, device: PVOID, irp: PVOID) -> Steps:
    return (yield from IofCallDriver(kernel, device, irp))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IofCompleteRequest(kernel: Kernel, irp: PVOID, boost: CCHAR) -> Steps:
    irps = kernel.part(Irps)
    yield from irps.complete(irps.get(irp, "IofCompleteRequest"))
    return None


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoCompleteRequest(kernel: Kernel, irp: PVOID, boost: CCHAR) -> Steps:
    yield from IofCompleteRequest(kernel, irp, boost)
    return None


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoCancelIrp(kernel: Kernel, irp: PVOID) -> Steps:
    irps = kernel.part(Irps)
    return (yield from irps.cancel(irps.get(irp, "IoCancelIrp")))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoAcquireCancelSpinLock(kernel: Kernel, irql: PVOID) -> None:
    kernel.put_u8(irql, kernel.part(Irps).acquire_cancel_lock("IoAcquireCancelSpinLock"))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def IoReleaseCancelSpinLock(kernel: Kernel, irql: UCHAR) -> None:
    kernel.part(Irps).release_cancel_lock(irql)


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoBuildDeviceIoControlRequest(
    kernel: Kernel,
    code: ULONG,
    device: PVOID,
    data: PVOID,
    data_size: ULONG,
    out: PVOID,
    out_size: ULONG,
    internal: BOOLEAN,
    event: PVOID,
    status_block: PVOID,
) -> PVOID:
    """The I/O manager frees the request and its buffer when it has come up; it is not the driver's to free."""
    if _refused(kernel, device):
        return 0
    threaded = _Threaded(kernel, device, status_block, event)
    stack = threaded.stack
    stack["MajorFunction"] = Major.INTERNAL_DEVICE_CONTROL if internal else Major.DEVICE_CONTROL
    stack["Parameters.DeviceIoControl.IoControlCode"] = code
    stack["Parameters.DeviceIoControl.InputBufferLength"] = data_size
    stack["Parameters.DeviceIoControl.OutputBufferLength"] = out_size
    method = code & 3
    if method == _METHOD_BUFFERED:
        threaded.buffer(max(data_size, out_size), data, data_size, out)
    elif method == _METHOD_NEITHER:
        stack["Parameters.DeviceIoControl.Type3InputBuffer"] = data
        threaded.irp["UserBuffer"] = out
    else:
        threaded.buffer(data_size, data, data_size, 0)
        threaded.lock(out, out_size)
    return threaded.irp.address


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoBuildSynchronousFsdRequest(
    kernel: Kernel,
    major: ULONG,
    device: PVOID,
    data: PVOID,
    size: ULONG,
    offset: PVOID,
    event: PVOID,
    status_block: PVOID,
) -> PVOID:
    if _refused(kernel, device):
        return 0
    threaded = _Threaded(kernel, device, status_block, event)
    threaded.stack["MajorFunction"] = major
    if major in (Major.READ, Major.WRITE):
        threaded.transfer(Major(major), device, data, size, offset)
    return threaded.irp.address


def _refused(kernel: Kernel, device: int) -> bool:
    found = kernel.part(Devices).at(device, "The builder of an IRP")
    return kernel.pool.refuses("Irp ", kernel.part(Irps).size(found.view["StackSize"]))


class _Threaded:
    """A request that belongs to the thread which makes it: the I/O manager reports its end and frees it."""

    def __init__(self, kernel: Kernel, device: int, status_block: int, event: int) -> None:
        self.kernel = kernel
        self.irps = kernel.part(Irps)
        self.status_block, self.event = status_block, event
        self.system_buffer = self.out = self.mdl = 0
        stack_size = kernel.part(Devices).at(device, "The builder of an IRP").view["StackSize"]
        self.request = self.irps.make(stack_size, caller(kernel), self._finish)
        self.irp = self.irps.irp(self.request.address)
        self.irp["UserIosb"], self.irp["UserEvent"] = status_block, event
        self.irp["Tail.Overlay.Thread"] = kernel.current_thread.object
        self.stack = self.irps.next(self.request)

    def buffer(self, size: int, data: int, data_size: int, out: int) -> None:
        """Give the request a system buffer with the data in it; what it holds at the end goes to `out`."""
        if not size:
            return
        self.system_buffer = self.kernel.alloc(size, "IoSB")
        self.kernel.write(self.system_buffer, self.kernel.read(data, data_size) if data else b"")
        self.irp["AssociatedIrp.SystemBuffer"] = self.system_buffer
        self.irp["Flags"] |= IrpFlag.BUFFERED_IO | IrpFlag.DEALLOCATE_BUFFER
        if out:
            self.out = out
            self.irp["UserBuffer"] = out
            self.irp["Flags"] |= IrpFlag.INPUT_OPERATION

    def lock(self, data: int, size: int) -> None:
        """Give the request an MDL of the driver's buffer."""
        if size:
            self.mdl = mdl.IoAllocateMdl(self.kernel, data, size, 0, 0, self.irp.address)
            mdl.MmProbeAndLockPages(self.kernel, self.mdl, 0, 1)

    def transfer(self, major: Major, device: int, data: int, size: int, offset: int) -> None:
        kind = "Read" if major == Major.READ else "Write"
        self.stack[f"Parameters.{kind}.Length"] = size
        self.stack[f"Parameters.{kind}.ByteOffset"] = self.kernel.u64(offset) if offset else 0
        flags = view(self.kernel, "DEVICE_OBJECT", device)["Flags"]
        if flags & 0x4:
            reading = major == Major.READ
            self.buffer(size, 0 if reading else data, 0 if reading else size, data if reading else 0)
        elif flags & 0x10:
            self.lock(data, size)
        else:
            self.irp["UserBuffer"] = data

    def _finish(self, request: Request) -> None:
        """IopCompleteRequest: a request that fails at once leaves status block and event alone."""
        failed = request.status & _NT_ERROR == _NT_ERROR
        if self.system_buffer:
            if self.out and not failed:
                self.kernel.write(self.out, self.kernel.read(self.system_buffer, request.information))
            self.kernel.free(self.system_buffer)
        if self.mdl:
            mdl.MmUnlockPages(self.kernel, self.mdl)
            mdl.IoFreeMdl(self.kernel, self.mdl)
        if failed and not self.irp["PendingReturned"]:
            return
        block = view(self.kernel, "IO_STATUS_BLOCK", self.status_block)
        block["Status"], block["Information"] = request.status, request.information
        if self.event:
            self.kernel.set_event(self.event)


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoBuildAsynchronousFsdRequest(
    kernel: Kernel, major: ULONG, device: PVOID, data: PVOID, size: ULONG, offset: PVOID, status_block: PVOID
) -> PVOID:
    """The driver owns the request, and its completion routine must free it and what is attached to it."""
    target = kernel.part(Devices).at(device, "IoBuildAsynchronousFsdRequest")
    irps = kernel.part(Irps)
    address = int(IoAllocateIrp(kernel, target.view["StackSize"], 0))
    if not address:
        return 0
    stack = irps.next(irps.requests[address])
    stack["MajorFunction"] = major
    if major not in (Major.READ, Major.WRITE):
        return address
    kind = "Read" if major == Major.READ else "Write"
    stack[f"Parameters.{kind}.Length"] = size
    stack[f"Parameters.{kind}.ByteOffset"] = kernel.u64(offset) if offset else 0
    irp = irps.irp(address)
    if target.view["Flags"] & 0x10 and size:
        mdl.MmProbeAndLockPages(kernel, mdl.IoAllocateMdl(kernel, data, size, 0, 0, address), 0, 1)
    else:
        irp["UserBuffer"] = data
    irp["UserIosb"] = status_block
    return address


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoForwardIrpSynchronously(kernel: Kernel, device: PVOID, irp: PVOID) -> Steps:
    """TRUE: the request has been to the devices below and back, and is the caller's to complete."""
    irps = kernel.part(Irps)
    request = irps.get(irp, "IoForwardIrpSynchronously")
    if irps.irp(irp)["CurrentLocation"] <= 1:
        return 0
    irps.copy_to_next(request)
    yield from forward_and_wait(kernel, device, request)
    return 1


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoForwardAndCatchIrp(kernel: Kernel, device: PVOID, irp: PVOID) -> Steps:
    return (yield from IoForwardIrpSynchronously(kernel, device, irp))


def forward_and_wait(kernel: Kernel, device: int, request: Request) -> Steps:
    """Send the request, its next location prepared, to `device` and wait until it is back; returns its status."""
    irps = kernel.part(Irps)
    event = kernel.alloc(0x18, "Even")
    kernel.init_event(event, False, False)
    irps.hook_below(request, keep_and(lambda: kernel.set_event(event)))
    yield from irps.call(device, request)
    yield Wait([event])
    kernel.free(event)
    return irps.irp(request.address)["IoStatus.Status"]


def keep_and(act: Callable[[], object]) -> Callable[[Request], Generator[Call | Wait, int, bool]]:
    """A completion hook that keeps the request and does `act`."""

    def hook(_: Request) -> Generator[Call | Wait, int, bool]:
        act()
        return True
        yield Wait()

    return hook


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def IoSetCompletionRoutineEx(
    kernel: Kernel,
    device: PVOID,
    irp: PVOID,
    completion: PVOID,
    context: PVOID,
    on_success: BOOLEAN,
    on_error: BOOLEAN,
    on_cancel: BOOLEAN,
) -> NTSTATUS:
    """Documented not to let the driver be unloaded while its routine runs; nothing is unloaded then anyway."""
    irps = kernel.part(Irps)
    request = irps.get(irp, "IoSetCompletionRoutineEx")
    if irps.irp(irp)["CurrentLocation"] <= 1:
        kernel.violation("IoSetCompletionRoutineEx has no stack location below the current one to set it in.")
    below = irps.next(request)
    below["CompletionRoutine"], below["Context"] = completion, context
    wanted = (
        (on_success, Stack.INVOKE_ON_SUCCESS),
        (on_error, Stack.INVOKE_ON_ERROR),
        (on_cancel, Stack.INVOKE_ON_CANCEL),
    )
    below["Control"] = sum(flag for asked, flag in wanted if asked)
    return Status.SUCCESS

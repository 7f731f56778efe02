# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs: processes that open devices by name, send control requests, cancel them, close, and die.

What the system services NtCreateFile, NtDeviceIoControlFile, NtCancelIoFile and NtClose do for user mode. Source:
Windows Driver Kit, IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_DEVICE_CONTROL, "Buffer Descriptions for I/O
Control Codes", "Security Issues for I/O Control Codes", "Handling IRPs" (who may cancel); FILE_OBJECT's life is that
of "Using Files in a Driver": cleanup with the last handle, close with the last reference, which a request is too.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING

from xenlab.nt.codes import IO_TYPE_FILE, Do, IrpFlag, Major, Status, describe, nt_success
from xenlab.nt.io import Device, Devices
from xenlab.nt.irp import Irps, Request
from xenlab.nt.ob import USER_MODE, Object, ObjectManager
from xenlab.nt.objects import layout, view
from xenlab.nt.routine import Call, Steps, Wait
from xenlab.nt.se import Tokens

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

Opened = Generator[Call | Wait, int, "tuple[int, File | None]"]

_NT_ERROR = 3 << 30
_METHODS, _BUFFERED = 3, 0
_ACCESS_SHIFT, _ACCESS_BITS = 14, 3
_FILE_OPEN = 1
_SHARE_ALL = 7
_IMPERSONATION = 2
# Where programs have their buffers: with METHOD_BUFFERED no driver has any business there, and nothing is mapped.
_PROGRAM_MEMORY = 0x00400000
_LEFT_OVER = 0xC5
_DYING_NS = 300 * 10**9


class Access(IntFlag):
    """What a handle is opened for; as in a control code, by the name behind ``FILE_`` and before ``_ACCESS``."""

    READ = 1
    WRITE = 2


@dataclass(eq=False)
class File:
    """A file object.

    Attributes:
        handles: how many lead to it; with the last, IRP_MJ_CLEANUP is sent.
        under_way: control requests that no driver has completed yet.
    """

    address: int
    device: Device
    access: Access
    object: Object
    handles: int = 1
    under_way: list[Control] = field(default_factory=list)


@dataclass(eq=False)
class Control:
    """A control request of a process.

    Attributes:
        room: bytes of the program's output buffer.
        data: what it holds at the end: nothing if the request failed.
        event: a KEVENT, set when the request is done.
    """

    file: File
    code: int
    room: int
    event: int
    buffer: int = 0
    request: Request | None = None
    done: bool = False
    status: int = Status.PENDING
    data: bytes = b""


class Process:
    """A program that runs.

    Args:
        administrator: whether its token is an administrator's.
    """

    def __init__(self, kernel: Kernel, name: str, *, administrator: bool = True) -> None:
        tokens = kernel.part(Tokens)
        self.kernel = kernel
        self.name = name
        self.token = tokens.administrator if administrator else tokens.user
        self.client_token = 0
        self.files: list[File] = []
        self._irps = kernel.part(Irps)
        self._devices = kernel.part(Devices)
        self._objects = kernel.part(ObjectManager)

    def impersonate(self, *, administrator: bool) -> None:
        """Act on behalf of a client from now on: of what the client may not do, nothing is done."""
        tokens = self.kernel.part(Tokens)
        self.client_token = tokens.administrator if administrator else tokens.user

    # Opening

    def open(self, name: str, access: Access = Access.READ | Access.WRITE) -> Opened:
        r"""Open a device by a name such as ``\\.\XenPci``; returns the status and the file."""
        found = self._objects.resolve(_native(name))
        if not found:
            return Status.OBJECT_NAME_NOT_FOUND, None
        target, rest = found
        device = self._devices.find(target.address)
        if not device:
            return Status.OBJECT_TYPE_MISMATCH, None
        if device.view["Flags"] & Do.DEVICE_INITIALIZING:
            return Status.NO_SUCH_DEVICE, None
        if device.view["Flags"] & Do.EXCLUSIVE and device.view["ReferenceCount"]:
            return Status.ACCESS_DENIED, None
        file = self._make_file(device, rest, access)
        status = yield from self._create(file)
        if nt_success(status):
            self.files.append(file)
            return status, file
        self._free(file)
        return status, None

    def _make_file(self, device: Device, rest: str, access: Access) -> File:
        kernel = self.kernel
        made = view(kernel, "FILE_OBJECT", kernel.alloc(layout("FILE_OBJECT", kernel.arch).size, "File"))
        made["Type"], made["Size"], made["DeviceObject"] = IO_TYPE_FILE, made.layout.size, device.address
        made["ReadAccess"], made["WriteAccess"] = bool(access & Access.READ), bool(access & Access.WRITE)
        made["SharedRead"] = made["SharedWrite"] = made["SharedDelete"] = 1
        kernel.put_unicode_string(made.at("FileName"), rest)
        kernel.init_event(made.at("Lock"), True, True)
        kernel.init_event(made.at("Event"), False, False)
        kernel.list_init(made.at("IrpList"))
        file = File(made.address, device, access, Object("File", made.address))
        file.object.payload = file
        file.object.end = lambda: kernel.queue_work(lambda: self._close(file), "the close of a file object")
        self._devices.open(device)
        self._objects.add(file.object)
        return file

    def _create(self, file: File) -> Generator[Call | Wait, int, int]:
        """Send IRP_MJ_CREATE with the caller's identity; what tells of it is gone when the request is."""
        kernel = self.kernel
        names = ("ACCESS_STATE", "IO_SECURITY_CONTEXT")
        state, context = (view(kernel, name, kernel.alloc(layout(name, kernel.arch).size, "SeAc")) for name in names)
        wanted = file.access << 30 & 0xFFFFFFFF
        state["OriginalDesiredAccess"] = state["RemainingDesiredAccess"] = context["DesiredAccess"] = wanted
        state["SubjectSecurityContext.PrimaryToken"] = self.token
        state["SubjectSecurityContext.ClientToken"] = self.client_token
        state["SubjectSecurityContext.ImpersonationLevel"] = _IMPERSONATION
        context["AccessState"] = state.address
        request = self._request(file, Major.CREATE)
        stack = self._irps.next(request)
        stack["Parameters.Create.SecurityContext"] = context.address
        stack["Parameters.Create.Options"] = _FILE_OPEN << 24
        stack["Parameters.Create.ShareAccess"] = _SHARE_ALL
        status = yield from self._irps.send(file.device.top().address, request)
        for block in (state.address, context.address):
            kernel.free(block)
        return status

    def _request(self, file: File, major: Major) -> Request:
        """Make a request for a file as its process would."""
        top = file.device.top()
        request = self._irps.make(top.view["StackSize"], f"the process {self.name}", lambda _: None)
        irp, stack = self._irps.irp(request.address), self._irps.next(request)
        irp["RequestorMode"] = USER_MODE
        irp["Tail.Overlay.Thread"] = self.kernel.current_thread.object
        irp["Tail.Overlay.OriginalFileObject"] = file.address
        stack["MajorFunction"], stack["FileObject"] = major, file.address
        self.kernel.world.trace("file", f"{major.name} by {self.name}")
        return request

    # Control requests

    def send(self, file: File, code: int, data: bytes = b"", room: int = 0) -> Generator[Call | Wait, int, Control]:
        """Send a buffered control request; return it when the driver lets go of the caller, done or pending.

        Args:
            room: bytes of the output buffer.
        """
        kernel = self.kernel
        if code & _METHODS != _BUFFERED:
            kernel.violation(f"The control code {code:#x} is not METHOD_BUFFERED, which is all that programs here use.")
        control = Control(file, code, room, kernel.alloc(layout("KEVENT", kernel.arch).size, "Even"))
        kernel.init_event(control.event, False, False)
        if code >> _ACCESS_SHIFT & _ACCESS_BITS & ~file.access:
            self._settle(control, Status.ACCESS_DENIED)
            return control
        control.request = request = self._request(file, Major.DEVICE_CONTROL)
        irp, stack = self._irps.irp(request.address), self._irps.next(request)
        if size := max(len(data), room):
            control.buffer = kernel.alloc(size, "IoSB")
            kernel.write(control.buffer, data.ljust(size, bytes([_LEFT_OVER])))
            irp["AssociatedIrp.SystemBuffer"] = control.buffer
            irp["Flags"] = IrpFlag.BUFFERED_IO | IrpFlag.DEALLOCATE_BUFFER | IrpFlag.INPUT_OPERATION
        irp["UserBuffer"] = _PROGRAM_MEMORY if room else 0
        stack["Parameters.DeviceIoControl.IoControlCode"] = code
        stack["Parameters.DeviceIoControl.InputBufferLength"] = len(data)
        stack["Parameters.DeviceIoControl.OutputBufferLength"] = room
        request.finish = lambda done: self._finish(control, done)
        file.under_way.append(control)
        self._objects.reference(file.object)
        yield from self._irps.call(file.device.top().address, request)
        return control

    def control(self, file: File, code: int, data: bytes = b"", room: int = 0) -> Generator[Call | Wait, int, Control]:
        """Send a control request and wait until it is done, as a program does that does not overlap."""
        control = yield from self.send(file, code, data, room)
        if not control.done:
            yield Wait([control.event])
        return control

    def _finish(self, control: Control, request: Request) -> None:
        """Copy back what the driver has answered, and let the caller go on."""
        kernel, status = self.kernel, request.status & 0xFFFFFFFF
        if status & _NT_ERROR != _NT_ERROR:
            if request.information > control.room:
                kernel.violation(
                    f"{kernel.part(Devices).name(control.file.device.address)} answers a control request with"
                    f" {request.information} bytes; the caller's buffer has {control.room}."
                )
            control.data = kernel.read(control.buffer, request.information) if request.information else b""
        if control.buffer:
            kernel.free(control.buffer)
        control.file.under_way.remove(control)
        self._settle(control, status)
        self._objects.dereference(control.file.object)

    def _settle(self, control: Control, status: int) -> None:
        control.done, control.status = True, status
        self.kernel.set_event(control.event)
        self.kernel.world.trace("file", f"control {control.code:#x} of {self.name} ends with {describe(status)}")

    def cancel(self, control: Control) -> Steps:
        """Have a request cancelled, as CancelIo does: whether it was is for its status to say."""
        if not control.done:
            assert control.request is not None
            yield from self._irps.cancel(control.request)
        return None

    # Going

    def duplicate(self, file: File) -> None:
        """Make another handle for the file."""
        file.handles += 1
        self._objects.reference(file.object)

    def close(self, file: File) -> Steps:
        """Close a handle."""
        file.handles -= 1
        if not file.handles:
            self.files.remove(file)
            yield from self._irps.send(file.device.top().address, self._request(file, Major.CLEANUP))
        self._objects.dereference(file.object)
        return None

    def die(self) -> Steps:
        """End in the middle of everything: requests are cancelled, then every handle is closed.

        Raises:
            Violation: a driver keeps a cancelled request, so that the process cannot go.
        """
        for control in [each for file in self.files for each in file.under_way]:
            yield from self.cancel(control)
            if not control.done:
                yield Wait([control.event], timeout_100ns=-_DYING_NS // 100)
            if not control.done:
                self.kernel.violation(f"The process {self.name} cannot end: a driver keeps its cancelled request.")
        for file in list(self.files):
            for _ in range(file.handles):
                yield from self.close(file)
        return None

    def _close(self, file: File) -> Steps:
        """The last reference has gone."""
        yield from self._irps.send(file.device.top().address, self._request(file, Major.CLOSE))
        self._free(file)
        return None

    def _free(self, file: File) -> None:
        made = view(self.kernel, "FILE_OBJECT", file.address)
        self._objects.forget(file.object)
        self.kernel.free(made["FileName.Buffer"])
        self.kernel.free(file.address)
        self._devices.close(file.device)


def _native(name: str) -> str:
    """Return the object manager's path for a name as programs give it."""
    return rf"\??\{name[4:]}" if name.startswith(("\\\\.\\", "\\\\?\\")) else name

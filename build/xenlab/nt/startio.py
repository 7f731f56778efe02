# SPDX-License-Identifier: GPL-2.0-or-later
"""Device queues, and StartIo on top of them: a driver handles one request at a time, the others wait in its queue.

Source: Windows Driver Kit, "Device Queue Objects", "Writing a StartIo Routine", KeInsertDeviceQueue, IoStartPacket,
IoStartNextPacket, IoSetStartIoAttributes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from xenlab.nt.codes import Stack
from xenlab.nt.io import Device, Devices
from xenlab.nt.irp import Irps
from xenlab.nt.objects import Struct, layout, view
from xenlab.nt.routine import BOOLEAN, DISPATCH_LEVEL, PVOID, ULONG, Call, Steps, routine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_DEVICE_QUEUE = 0x14


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeInitializeDeviceQueue(kernel: Kernel, queue: PVOID) -> None:
    made = view(kernel, "KDEVICE_QUEUE", queue)
    made.clear()
    made["Type"], made["Size"] = _DEVICE_QUEUE, made.layout.size
    kernel.list_init(made.at("DeviceListHead"))


def _queue(kernel: Kernel, address: int) -> Struct:
    made = view(kernel, "KDEVICE_QUEUE", address)
    if made["Type"] != _DEVICE_QUEUE:
        kernel.violation(f"There is no initialised device queue at {address:#x}.")
    return made


def _entry(kernel: Kernel, address: int) -> Struct:
    return view(kernel, "KDEVICE_QUEUE_ENTRY", address)


def _insert(kernel: Kernel, queue: Struct, entry: int, key: int | None) -> bool:
    """Queue an entry behind those of the same or a lower key; False: the queue was not busy, and is now."""
    made = _entry(kernel, entry)
    made["SortKey"] = key or 0
    if not queue["Busy"]:
        queue["Busy"] = 1
        made["Inserted"] = 0
        return False
    head = queue.at("DeviceListHead")
    queued = kernel.list_entries(head)
    if entry in queued:
        kernel.violation(f"The entry {entry:#x} is in the device queue {queue.address:#x} already.")
    later = [] if key is None else [each for each in queued if _entry(kernel, each)["SortKey"] > key]
    kernel.list_insert_tail(later[0] if later else head, entry)
    made["Inserted"] = 1
    return True


def _remove(kernel: Kernel, queue: Struct, key: int | None = None) -> int:
    """Take the first entry, or the first whose key is not below `key`; 0 and not busy any more if there is none."""
    if not queue["Busy"]:
        kernel.violation(f"An entry is removed from the device queue {queue.address:#x}, which is not busy.")
    queued = kernel.list_entries(queue.at("DeviceListHead"))
    if not queued:
        queue["Busy"] = 0
        return 0
    fitting = [each for each in queued if key is None or _entry(kernel, each)["SortKey"] >= key]
    chosen = (fitting or queued)[0]
    kernel.list_remove(chosen)
    _entry(kernel, chosen)["Inserted"] = 0
    return chosen


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeInsertDeviceQueue(kernel: Kernel, queue: PVOID, entry: PVOID) -> BOOLEAN:
    return int(_insert(kernel, _queue(kernel, queue), entry, None))


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeInsertByKeyDeviceQueue(kernel: Kernel, queue: PVOID, entry: PVOID, key: ULONG) -> BOOLEAN:
    return int(_insert(kernel, _queue(kernel, queue), entry, key))


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeRemoveDeviceQueue(kernel: Kernel, queue: PVOID) -> PVOID:
    return _remove(kernel, _queue(kernel, queue))


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeRemoveByKeyDeviceQueue(kernel: Kernel, queue: PVOID, key: ULONG) -> PVOID:
    return _remove(kernel, _queue(kernel, queue), key)


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def KeRemoveByKeyDeviceQueueIfBusy(kernel: Kernel, queue: PVOID, key: ULONG) -> PVOID:
    found = _queue(kernel, queue)
    return _remove(kernel, found, key) if found["Busy"] else 0


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeRemoveEntryDeviceQueue(kernel: Kernel, queue: PVOID, entry: PVOID) -> BOOLEAN:
    found, made = _queue(kernel, queue), _entry(kernel, entry)
    if entry not in kernel.list_entries(found.at("DeviceListHead")):
        return 0
    kernel.list_remove(entry)
    made["Inserted"] = 0
    return 1


class StartIo:
    """How each device wants its StartIo routine called, by the device's address.

    Attributes:
        deferred: the next StartIo waits until the present one has returned.
        not_cancelable: StartIo is called with the cancel spin lock not considered.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.deferred: set[int] = set()
        self.not_cancelable: set[int] = set()
        self._running: set[int] = set()
        self._due: dict[int, Callable[[], Steps]] = {}

    def packet(self, address: int) -> int:
        """The device queue entry inside an IRP."""
        return view(self.kernel, "IRP", address).at("Tail.Overlay.DeviceQueueEntry")

    def request(self, entry: int) -> int:
        return entry - layout("IRP", self.kernel.arch).offset("Tail.Overlay.DeviceQueueEntry")

    def queue(self, device: Device) -> Struct:
        return view(self.kernel, "KDEVICE_QUEUE", device.view.at("DeviceQueue"))

    def start(self, device: Device, irp: int) -> Steps:
        """Call the driver's StartIo for a request, at DISPATCH_LEVEL."""
        function = device.driver.view["DriverStartIo"]
        if not function:
            self.kernel.violation(f"{device.driver.name} starts a packet and has no StartIo routine.")
        at = device.address
        self._running.add(at)
        yield Call(function, at, irp)
        while at in self.deferred and (due := self._due.pop(at, None)):
            yield from due()
        self._running.discard(at)
        return None

    def next(self, device: Device, cancelable: bool, key: int | None) -> Steps:
        if device.address in self.deferred and device.address in self._running:
            self._due[device.address] = lambda: self._next(device, cancelable, key)
            return None
        yield from self._next(device, cancelable, key)
        return None

    def _next(self, device: Device, cancelable: bool, key: int | None) -> Steps:
        with self._cancel_lock(cancelable, "IoStartNextPacket"):
            device.view["CurrentIrp"] = 0
            entry = _remove(self.kernel, self.queue(device), key)
            irp = self.request(entry) if entry else 0
            device.view["CurrentIrp"] = irp
        if irp:
            yield from self.start(device, irp)
        return None

    def insert(self, device: Device, irp: int, key: int | None, cancel: int) -> Steps:
        """IoStartPacket: begin with the request, or queue it; one that was cancelled meanwhile is cancelled here."""
        kernel = self.kernel
        irps = kernel.part(Irps)
        request = irps.get(irp, "IoStartPacket")
        if not irps.current(irp)["Control"] & Stack.PENDING_RETURNED:
            kernel.violation("IoStartPacket is given a request that is not marked pending (IoMarkIrpPending).")
        old = kernel.raise_irql(DISPATCH_LEVEL)
        with self._cancel_lock(bool(cancel), "IoStartPacket"):
            if cancel:
                irps.irp(irp)["CancelRoutine"] = cancel
            queued = _insert(kernel, self.queue(device), self.packet(irp), key)
            if not queued:
                device.view["CurrentIrp"] = irp
                if device.address in self.not_cancelable:
                    irps.irp(irp)["CancelRoutine"] = 0
        if not queued:
            yield from self.start(device, irp)
        elif cancel and irps.irp(irp)["Cancel"]:
            yield from irps.cancel(request)
        kernel.lower_irql(old)
        return None

    def _cancel_lock(self, wanted: bool, who: str) -> AbstractContextManager[None]:
        return self._locked(who) if wanted else nullcontext()

    @contextmanager
    def _locked(self, who: str) -> Iterator[None]:
        irps = self.kernel.part(Irps)
        old = irps.acquire_cancel_lock(who)
        yield
        irps.release_cancel_lock(old)


def _device(kernel: Kernel, address: int, what: str) -> Device:
    return kernel.part(Devices).at(address, what)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoStartPacket(kernel: Kernel, device: PVOID, irp: PVOID, key: PVOID, cancel: PVOID) -> Steps:
    sort_key = kernel.u32(key) if key else None
    yield from kernel.part(StartIo).insert(_device(kernel, device, "IoStartPacket"), irp, sort_key, cancel)
    return None


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def IoStartNextPacket(kernel: Kernel, device: PVOID, cancelable: BOOLEAN) -> Steps:
    yield from kernel.part(StartIo).next(_device(kernel, device, "IoStartNextPacket"), bool(cancelable), None)
    return None


@routine(_NTOS, irql_max=DISPATCH_LEVEL, irql_min=DISPATCH_LEVEL)
def IoStartNextPacketByKey(kernel: Kernel, device: PVOID, cancelable: BOOLEAN, key: ULONG) -> Steps:
    yield from kernel.part(StartIo).next(_device(kernel, device, "IoStartNextPacketByKey"), bool(cancelable), key)
    return None


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoSetStartIoAttributes(kernel: Kernel, device: PVOID, deferred: BOOLEAN, not_cancelable: BOOLEAN) -> None:
    _device(kernel, device, "IoSetStartIoAttributes")
    start_io = kernel.part(StartIo)
    for wanted, devices in ((deferred, start_io.deferred), (not_cancelable, start_io.not_cancelable)):
        (devices.add if wanted else devices.discard)(device)

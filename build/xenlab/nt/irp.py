# SPDX-License-Identifier: GPL-2.0-or-later
"""I/O request packets: how they are made, sent down a device stack, completed up it, and cancelled.

Source: Windows Driver Kit, "Handling IRPs", "I/O Stack Locations", "Completing IRPs", "Canceling IRPs", and Driver
Verifier's "I/O Verification" and "Enhanced I/O Verification" for the rules. Every request is followed through each
driver that it visits, so that what a driver returns, marks and does to the request can be held against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from xenlab.nt import irprules
from xenlab.nt.codes import IO_TYPE_IRP, MAXIMUM_FUNCTION, Stack, Status, nt_success
from xenlab.nt.io import Device, Devices
from xenlab.nt.objects import Struct, layout, view
from xenlab.nt.routine import Call, LockCall, Steps, Wait

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

# A completion routine in Python: whether it keeps the request (STATUS_MORE_PROCESSING_REQUIRED).
Hook = Callable[["Request"], Generator[Call | Wait, int, bool]]
Sender = Callable[[int, "Request"], Generator[Call | Wait, int, int]]


@dataclass(eq=False)
class Visit:
    """One time that a driver's dispatch routine got the request.

    Attributes:
        location: its stack location, counted from 1 at the bottom.
        forwarded: the driver has sent the request on, to whatever device.
        status: what the request was completed with at this location; None while it is not.
        pending: the location's pending bit at that moment.
        returned: what the dispatch routine has returned; None while it runs.
    """

    device: int
    location: int
    major: int
    minor: int
    forwarded: bool = False
    status: int | None = None
    pending: bool = False
    returned: int | None = None


@dataclass(eq=False)
class Request:
    """An IRP and its way so far.

    Attributes:
        maker: who made it, for messages.
        driver_owned: made by IoAllocateIrp or its relatives, so that its maker has to free it.
        finish: called when the request has come all the way up; None: it must not come that far.
        hooks: completion routines of Python drivers by the stack location that they are set in.
        deferred: the next dispatch routine is called later than its caller was told STATUS_PENDING.
        done: it has come all the way up.
    """

    address: int
    stack_count: int
    maker: str
    driver_owned: bool = False
    finish: Callable[[Request], None] | None = None
    hooks: dict[int, Hook] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    deferred: bool = False
    done: bool = False
    status: int = Status.PENDING
    information: int = 0

    @property
    def in_flight(self) -> bool:
        """Whether a driver other than its maker has it."""
        return any(visit.status is None for visit in self.visits)


class Irps:
    """All requests of one kernel.

    Attributes:
        requests: by address.
        cancel_lock_owner: who holds the cancel spin lock; empty: nobody.
        watchers: called with request and device when a request is completed at a device's location.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.requests: dict[int, Request] = {}
        self.devices = kernel.part(Devices)
        self.stack_size = layout("IO_STACK_LOCATION", kernel.arch).size
        self.irp_size = layout("IRP", kernel.arch).size
        self.cancel_lock_owner = ""
        self.watchers: list[Callable[[Request, int], None]] = []

    def size(self, stack_count: int) -> int:
        """IoSizeOfIrp."""
        return self.irp_size + stack_count * self.stack_size

    def make(self, stack_count: int, maker: str, finish: Callable[[Request], None]) -> Request:
        """Make a request of the kernel's own; it is freed when it has come up, after `finish`."""
        address = self.kernel.alloc(self.size(stack_count), "Irp ")
        return self.adopt(address, stack_count, maker, finish=finish)

    def adopt(
        self,
        address: int,
        stack_count: int,
        maker: str,
        driver_owned: bool = False,
        finish: Callable[[Request], None] | None = None,
    ) -> Request:
        """Initialise memory as a request and follow it from now on."""
        self.kernel.write(address, bytes(self.size(stack_count)))
        irp = self.irp(address)
        irp["Type"] = IO_TYPE_IRP
        irp["Size"] = self.size(stack_count)
        irp["StackCount"] = stack_count
        irp["CurrentLocation"] = stack_count + 1
        head = irp.at("ThreadListEntry")
        irp["ThreadListEntry.Flink"] = irp["ThreadListEntry.Blink"] = head
        irp["Tail.Overlay.CurrentStackLocation"] = address + self.irp_size + stack_count * self.stack_size
        request = Request(address, stack_count, maker, driver_owned, finish)
        self.requests[address] = request
        return request

    def irp(self, address: int) -> Struct:
        return view(self.kernel, "IRP", address)

    def location(self, request: Request, number: int) -> Struct:
        """Return stack location `number`, counted from 1 at the bottom."""
        address = request.address + self.irp_size + (number - 1) * self.stack_size
        return view(self.kernel, "IO_STACK_LOCATION", address)

    def current(self, address: int) -> Struct:
        """IoGetCurrentIrpStackLocation."""
        at = self.irp(address)["Tail.Overlay.CurrentStackLocation"]
        return view(self.kernel, "IO_STACK_LOCATION", at)

    def next(self, request: Request) -> Struct:
        """IoGetNextIrpStackLocation."""
        return self.location(request, self.irp(request.address)["CurrentLocation"] - 1)

    def hook_below(self, request: Request, hook: Hook) -> None:
        """Set a completion routine in Python, as IoSetCompletionRoutine does for a driver: in the next location."""
        request.hooks[self.irp(request.address)["CurrentLocation"] - 1] = hook

    def copy_to_next(self, request: Request) -> Struct:
        """IoCopyCurrentIrpStackLocationToNext; returns the next location."""
        below = self.next(request)
        size = layout("IO_STACK_LOCATION", self.kernel.arch).offset("CompletionRoutine")
        self.kernel.write(below.address, self.kernel.read(self.current(request.address).address, size))
        below["Control"] = 0
        return below

    def get(self, address: int, what: str) -> Request:
        """Return a request that a driver may still use."""
        request = self.requests.get(address)
        if not request:
            self.kernel.violation(
                f"{what} is given {address:#x}, which is no IRP: it was completed or freed, or never was."
            )
        return request

    def call(self, device: int, request: Request) -> Generator[Call | Wait, int, int]:
        """IofCallDriver: hand the request to a device's driver; returns what its dispatch routine returns."""
        irp = self.irp(request.address)
        number = irp["CurrentLocation"] - 1
        if number <= 0:
            self.kernel.bug_check(0x35, request.address)
        stack = self.location(request, number)
        irprules.check_call(self, request, device, number)
        for visit in request.visits:
            if visit.status is None and visit.location <= number + 1:
                visit.forwarded = True
        irp["CurrentLocation"] = number
        irp["Tail.Overlay.CurrentStackLocation"] = stack.address
        stack["DeviceObject"] = device
        visit = Visit(device, number, stack["MajorFunction"], stack["MinorFunction"])
        request.visits.append(visit)
        deferred, request.deferred = request.deferred, False
        returned = yield from self._dispatch(self.devices.at(device), request, visit.major)
        if not deferred:
            visit.returned = returned
            irprules.check_visit(self, request, visit)
        return returned

    def _dispatch(self, device: Device, request: Request, major: int) -> Generator[Call | Wait, int, int]:
        driver = device.driver
        if driver.python:
            return (yield from driver.python.dispatch(device.address, request))
        routine = driver.view.element("MajorFunction", major) if major <= MAXIMUM_FUNCTION else 0
        if routine == self.devices.invalid_request:
            self.irp(request.address)["IoStatus.Status"] = Status.INVALID_DEVICE_REQUEST
            yield from self.complete(request, irprules.ON_BEHALF)
            return Status.INVALID_DEVICE_REQUEST
        return (yield Call(routine, device.address, request.address)) & 0xFFFFFFFF

    def complete(self, request: Request, what: str = "IofCompleteRequest") -> Steps:
        """IofCompleteRequest: take the request up from the current stack location, as far as the drivers let it."""
        irp = self.irp(request.address)
        irprules.check_completion(self, request, irp, what)
        number = irp["CurrentLocation"]
        while number <= request.stack_count:
            kept = yield from self._pass(request, irp, number)
            if kept:
                return None
            number = irp["CurrentLocation"]
        self._arrived(request, irp)
        return None

    def _pass(self, request: Request, irp: Struct, number: int) -> Generator[Call | Wait, int, bool]:
        """Take the request past one location; returns whether a completion routine there keeps it."""
        stack = self.location(request, number)
        control = stack["Control"]
        status = irp["IoStatus.Status"]
        irp["CurrentLocation"] = number + 1
        irp["Tail.Overlay.CurrentStackLocation"] = stack.address + self.stack_size
        irp["PendingReturned"] = int(bool(control & Stack.PENDING_RETURNED))
        routine, context = stack["CompletionRoutine"], stack["Context"]
        self._finish_visits(request, number, status, bool(control & Stack.PENDING_RETURNED))
        hook = request.hooks.pop(number, None)
        self._clear(stack)
        above = self.location(request, number + 1) if number < request.stack_count else None
        if hook:
            return (yield from hook(request))
        if routine and _wants(control, status, bool(irp["Cancel"])):
            device = above["DeviceObject"] if above else 0
            answer = yield Call(routine, device, request.address, context)
            if answer & 0xFFFFFFFF == Status.MORE_PROCESSING_REQUIRED:
                return True
            irprules.check_after_routine(self, request, routine, above, bool(control & Stack.PENDING_RETURNED))
        elif above and control & Stack.PENDING_RETURNED:
            above["Control"] |= Stack.PENDING_RETURNED
        return False

    def _finish_visits(self, request: Request, number: int, status: int, pending: bool) -> None:
        for visit in request.visits:
            if visit.location == number and visit.status is None:
                visit.status = status
                visit.pending = pending
                for watch in self.watchers:
                    watch(request, visit.device)
                irprules.check_visit(self, request, visit)

    def _clear(self, stack: Struct) -> None:
        """Wipe a location that is done with, so that nobody lives on what it held."""
        parameters = stack.layout.field("Parameters")
        stack["MinorFunction"] = stack["Flags"] = stack["Control"] = stack["FileObject"] = 0
        self.kernel.write(stack.at("Parameters"), bytes(parameters.size))

    def _arrived(self, request: Request, irp: Struct) -> None:
        request.status, request.information = irp["IoStatus.Status"], irp["IoStatus.Information"]
        request.done = True
        if request.finish is None:
            self.kernel.violation(
                f"The IRP that {request.maker} has made is completed to its end, where nothing takes it: its "
                "completion routine must return STATUS_MORE_PROCESSING_REQUIRED."
            )
        finish = request.finish
        del self.requests[request.address]
        finish(request)
        self.kernel.free(request.address)

    def release(self, address: int, what: str) -> Request:
        """Stop following a request that its maker frees."""
        request = self.get(address, what)
        if not request.driver_owned:
            self.kernel.violation(f"{what} is given an IRP of {request.maker}, which is not the driver's to free.")
        if request.in_flight:
            self.kernel.violation(f"{what} is given an IRP that {self.whereabouts(request)} still has.")
        del self.requests[address]
        return request

    def send(self, device: int, request: Request, call: Sender | None = None) -> Generator[Call | Wait, int, int]:
        """Send a request of the kernel's own and wait until it has come all the way up; returns its status.

        Args:
            call: what hands it to the device; PoCallDriver for power requests.
        """
        event = self.kernel.alloc(layout("KEVENT", self.kernel.arch).size, "Even")
        self.kernel.init_event(event, False, False)
        finish = request.finish

        def arrived(done: Request) -> None:
            if finish:
                finish(done)
            self.kernel.set_event(event)

        request.finish = arrived
        yield from (call or self.call)(device, request)
        yield Wait([event])
        self.kernel.free(event)
        return request.status & 0xFFFFFFFF

    def cancel(self, request: Request) -> Steps:
        """IoCancelIrp: TRUE if there was a cancel routine, which has been called with the cancel lock held."""
        irp = self.irp(request.address)
        old = self.acquire_cancel_lock("IoCancelIrp")
        irp["Cancel"] = 1
        routine = irp["CancelRoutine"]
        irp["CancelRoutine"] = 0
        if not routine:
            self.release_cancel_lock(old)
            return 0
        irp["CancelIrql"] = old
        yield LockCall(routine, self.current(request.address)["DeviceObject"], request.address)
        name = self.kernel.symbols.describe(routine)
        if self.cancel_lock_owner:
            self.kernel.violation(f"The cancel routine {name} returns without IoReleaseCancelSpinLock.")
        if self.kernel.irql != old:
            self.kernel.violation(
                f"The cancel routine {name} returns at IRQL {self.kernel.irql}, not at the {old} of Irp->CancelIrql."
            )
        return 1

    def acquire_cancel_lock(self, who: str) -> int:
        if self.cancel_lock_owner:
            self.kernel.violation(
                f"{who} waits for the cancel spin lock, which {self.cancel_lock_owner} holds: forever."
            )
        old = self.kernel.raise_irql(2)
        self.cancel_lock_owner = who
        return old

    def release_cancel_lock(self, irql: int) -> None:
        if not self.cancel_lock_owner:
            self.kernel.violation("The cancel spin lock is released by one who does not hold it.")
        self.cancel_lock_owner = ""
        self.kernel.lower_irql(irql)

    def whereabouts(self, request: Request) -> str:
        """Who has the request: the innermost driver that has not completed it."""
        for visit in reversed(request.visits):
            if visit.status is None:
                return self.devices.name(visit.device)
        return request.maker

    def outstanding(self) -> list[str]:
        """Return the requests that someone still has, a line each."""
        return [f"{irprules.describe(each)} is still with {self.whereabouts(each)}." for each in self.requests.values()]

    def violation(self, request: Request, visit: Visit, text: str) -> NoReturn:
        self.kernel.violation(f"{self.devices.name(visit.device)} {text} ({irprules.describe(request)})")


def _wants(control: int, status: int, cancelled: bool) -> bool:
    """Whether a completion routine asked to be called for this outcome."""
    outcome = Stack.INVOKE_ON_SUCCESS if nt_success(status) else Stack.INVOKE_ON_ERROR
    return bool(control & outcome) or (cancelled and bool(control & Stack.INVOKE_ON_CANCEL))

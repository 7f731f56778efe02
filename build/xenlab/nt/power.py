# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The power manager: power requests, their order on each device, the state of each device.

Source: Windows Driver Kit, "Managing Power for Individual Devices", "Rules for Handling Power IRPs", "Calling
PoStartNextPowerIrp", "Passing Power IRPs", PoRequestPowerIrp. Before Vista a device object gets one system and one
device power request at a time: the next waits until its driver has called PoStartNextPowerIrp.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING

from xenlab.nt.codes import DEVICE_POWER_STATE, Do, Major, Power, ShutdownType, Stack, Status
from xenlab.nt.io import Device, Devices
from xenlab.nt.irp import Irps, Request
from xenlab.nt.routine import DISPATCH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PVOID, UCHAR, ULONG, Call, Steps, Wait, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_SERIALISED = (Power.SET_POWER, Power.QUERY_POWER)
_VISTA = (6, 0)
_Kind = tuple[int, int]


class PowerManager:
    """What devices do about power.

    Attributes:
        states: what drivers have reported with PoSetPowerState, by device and kind of state.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.irps = kernel.part(Irps)
        self.devices = kernel.part(Devices)
        self.states: dict[_Kind, int] = {}
        self._active: dict[_Kind, Request] = {}
        self._waiting: dict[_Kind, deque[Request]] = {}
        self.irps.watchers.append(self._left)

    def call(self, device: int, request: Request) -> Generator[Call | Wait, int, int]:
        """PoCallDriver: hand a power request to a device, or keep it until its driver is ready for it."""
        kind = self._kind(device, request)
        if kind and kind in self._active:
            self.irps.next(request)["Control"] |= Stack.PENDING_RETURNED
            self._waiting.setdefault(kind, deque()).append(request)
            return Status.PENDING
        return (yield from self._hand_over(kind, device, request))

    def start_next(self, request: Request) -> Steps:
        """PoStartNextPowerIrp: the driver at the request's current location is ready for the next one."""
        if self.kernel.nt >= _VISTA:
            return None
        if self.irps.irp(request.address)["CurrentLocation"] > request.stack_count:
            self.kernel.violation(
                "PoStartNextPowerIrp is called when the current stack location is the driver's no more."
            )
        stack = self.irps.current(request.address)
        if stack["MinorFunction"] not in _SERIALISED:
            return None
        kind = (stack["DeviceObject"], stack["Parameters.Power.Type"])
        if self._active.get(kind) is not request:
            self.kernel.violation(
                "PoStartNextPowerIrp is called a second time for a request, or when its current stack location is "
                "another driver's."
            )
        del self._active[kind]
        waiting = self._waiting.get(kind)
        if waiting:
            self._hand_over_later(kind, waiting.popleft())
        return None
        yield Wait()

    def request(self, device: Device, minor: int, state: int, completion: int = 0, context: int = 0) -> Request:
        """Make a device power request (or IRP_MN_WAIT_WAKE) for a stack, on a driver's behalf; it is sent later."""
        top = device.top()
        request = self.irps.make(top.view["StackSize"], "PoRequestPowerIrp", lambda _: None)
        irp, stack = self.irps.irp(request.address), self.irps.next(request)
        irp["IoStatus.Status"] = Status.NOT_SUPPORTED
        stack["MajorFunction"], stack["MinorFunction"] = Major.POWER, minor
        if minor == Power.WAIT_WAKE:
            stack["Parameters.WaitWake.PowerState"] = state
        else:
            self.fill(request, DEVICE_POWER_STATE, state, ShutdownType.PowerActionNone)

        def answered(done: Request) -> Generator[Call | Wait, int, bool]:
            if completion:
                block = self.irps.irp(done.address).at("IoStatus.Status")
                yield Call(completion, device.address, minor, state, context, block)
            return False

        request.hooks[request.stack_count] = answered
        self._send_soon(top, request)
        return request

    def fill(self, request: Request, kind: int, state: int, action: int) -> None:
        """Write the parameters of a SET_POWER or QUERY_POWER request to its next location."""
        stack = self.irps.next(request)
        stack["Parameters.Power.Type"] = kind
        stack["Parameters.Power.State.SystemState"] = state
        stack["Parameters.Power.ShutdownType"] = action

    def report(self, device: int, kind: int, state: int) -> int:
        """PoSetPowerState; returns the state before (D0 of a device that has never reported)."""
        old = self.states.get((device, kind), 1)
        self.states[device, kind] = state
        return old

    def outstanding(self) -> list[str]:
        return [
            f"{self.devices.name(device)} has never called PoStartNextPowerIrp for a request."
            for device, _ in self._active
        ]

    def _kind(self, device: int, request: Request) -> _Kind | None:
        stack = self.irps.next(request)
        if stack["MajorFunction"] != Major.POWER:
            self.kernel.violation("PoCallDriver is given a request that is not IRP_MJ_POWER.")
        if self.kernel.nt >= _VISTA or stack["MinorFunction"] not in _SERIALISED:
            return None
        return device, stack["Parameters.Power.Type"]

    def _hand_over(self, kind: _Kind | None, device: int, request: Request) -> Generator[Call | Wait, int, int]:
        if kind:
            self._active[kind] = request
        if self.devices.at(device, "PoCallDriver").view["Flags"] & Do.POWER_PAGABLE:
            self.kernel.require_irql(PASSIVE_LEVEL, "sending a power request to a device with DO_POWER_PAGABLE")
        return (yield from self.irps.call(device, request))

    def _hand_over_later(self, kind: _Kind, request: Request) -> None:
        def run() -> Steps:
            request.deferred = True
            yield from self._hand_over(kind, kind[0], request)
            return None

        self.kernel.queue_work(run, "a power request that waited")

    def _send_soon(self, top: Device, request: Request) -> None:
        def run() -> Steps:
            yield from self.call(top.address, request)
            return None

        if top.view["Flags"] & Do.POWER_PAGABLE or self.kernel.world.random.random() < 0.5:
            self.kernel.queue_work(run, "a power request")
        else:
            self.kernel.queue_call(run, "a power request")

    def _left(self, request: Request, device: int) -> None:
        """A request is completed at a device's location: its driver must have started the next one."""
        for (active, _), held in self._active.items():
            if active == device and held is request:
                self.kernel.violation(
                    f"{self.devices.name(device)} is done with a power request without PoStartNextPowerIrp."
                )


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def PoCallDriver(kernel: Kernel, device: PVOID, irp: PVOID) -> Steps:
    return (yield from kernel.part(PowerManager).call(device, kernel.part(Irps).get(irp, "PoCallDriver")))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def PoStartNextPowerIrp(kernel: Kernel, irp: PVOID) -> Steps:
    yield from kernel.part(PowerManager).start_next(kernel.part(Irps).get(irp, "PoStartNextPowerIrp"))
    return None


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def PoRequestPowerIrp(
    kernel: Kernel, device: PVOID, minor: UCHAR, state: ULONG, completion: PVOID, context: PVOID, irp: PVOID
) -> NTSTATUS:
    """Only WAIT_WAKE may hand out the request, which another kind of caller could not know to be gone."""
    if minor not in (Power.WAIT_WAKE, Power.SET_POWER, Power.QUERY_POWER):
        return Status.INVALID_PARAMETER_2
    found = kernel.part(Devices).at(device, "PoRequestPowerIrp")
    if kernel.pool.refuses("Irp ", kernel.part(Irps).size(found.top().view["StackSize"])):
        return Status.INSUFFICIENT_RESOURCES
    made = kernel.part(PowerManager).request(found, minor, state, completion, context)
    if irp:
        kernel.put_ptr(irp, made.address if minor == Power.WAIT_WAKE else 0)
    return Status.PENDING


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def PoSetPowerState(kernel: Kernel, device: PVOID, kind: ULONG, state: ULONG) -> ULONG:
    kernel.part(Devices).at(device, "PoSetPowerState")
    return kernel.part(PowerManager).report(device, kind, state)


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def PoSetSystemState(kernel: Kernel, flags: ULONG) -> None:
    """Tells that the system is in use; the lab's never idles."""


class SystemStates:
    """Who says for a while that the system is in use."""

    def __init__(self, _: Kernel) -> None:
        self.handles: list[int] = []

    def outstanding(self) -> list[str]:
        return [f"The system state {each:#x} is never given to PoUnregisterSystemState." for each in self.handles]


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def PoRegisterSystemState(kernel: Kernel, handle: PVOID, flags: ULONG) -> PVOID:
    """A handle of an earlier call keeps its registration, with other flags."""
    handles = kernel.part(SystemStates).handles
    if handle:
        if handle not in handles:
            kernel.violation(f"PoRegisterSystemState is given {handle:#x}, which it has not returned.")
        return handle
    handles.append(kernel.alloc(16, "PoSS"))
    return handles[-1]


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def PoUnregisterSystemState(kernel: Kernel, handle: PVOID) -> None:
    handles = kernel.part(SystemStates).handles
    if handle not in handles:
        kernel.violation(f"PoUnregisterSystemState is given {handle:#x}, which is not registered.")
    handles.remove(handle)
    kernel.free(handle)


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def PoRegisterDeviceForIdleDetection(
    kernel: Kernel, device: PVOID, conservation: ULONG, performance: ULONG, state: ULONG
) -> PVOID:
    """NULL: there is no idle detection, as with a power scheme that asks for none."""
    kernel.part(Devices).at(device, "PoRegisterDeviceForIdleDetection")
    return 0

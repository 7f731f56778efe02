# SPDX-License-Identifier: GPL-2.0-or-later
"""What a class of drivers puts into its clients' driver objects to make function drivers of them.

A port driver and NDIS do so when DriverEntry registers with them: AddDevice, dispatch routines, a device object for
each function, so that the PnP manager treats their clients like any other driver. Source: Windows Driver Kit,
"Handling PnP and power IRPs" of a function driver, "Power Management for Function Drivers".
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Generic, TypeVar

from xenlab.nt.codes import Do, Major, Pnp, Power, Stack, Status, nt_success
from xenlab.nt.io import Device, Devices
from xenlab.nt.irp import Irps, Request
from xenlab.nt.objects import Struct, view
from xenlab.nt.power import PowerManager
from xenlab.nt.pydriver import Answer, UpperDriver, guest_function
from xenlab.nt.routine import Call, Steps, Wait

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

Function = TypeVar("Function")
_SYSTEM_STATE = 0
_WORKING, _SHUTDOWN = 1, 6
_D0, _D3 = 1, 4
_SUCCEEDING = (
    Pnp.QUERY_STOP_DEVICE, Pnp.CANCEL_STOP_DEVICE, Pnp.QUERY_REMOVE_DEVICE, Pnp.CANCEL_REMOVE_DEVICE,
)  # fmt: skip


class FunctionDriver(UpperDriver, Generic[Function]):
    """The function driver side of one client's driver object; a subclass says what its functions are.

    Attributes:
        powers_off: its devices are put into D3 when the machine is shut down; otherwise they are told of that only.
        name: the class of drivers, such as ``storport.sys``, and `title` with its article for messages.
        functions: by the address of their device object.
    """

    device_type = 4  # FILE_DEVICE_CONTROLLER
    powers_off = True

    def __init__(self, kernel: Kernel, driver_object: int, name: str, title: str) -> None:
        self.kernel = kernel
        self.name = name
        self.title = title
        self.irps = kernel.part(Irps)
        self.devices = kernel.part(Devices)
        self.power = kernel.part(PowerManager)
        self.driver = self.devices.driver_at(driver_object, title[:1].upper() + title[1:])
        self.functions: dict[int, Function] = {}

    # What a subclass has

    def make_function(self, pdo: Device) -> Generator[Call | Wait, int, Function | None]:
        """Make a function for a device that the PnP manager adds; None: the client declines."""
        raise NotImplementedError

    def place(self, function: Function, device: Device, lower: Device) -> None:
        """The function has its device object, attached over another."""

    def start(self, function: Function, raw: int, translated: int) -> Steps:
        """Start with the two CM_RESOURCE_LISTs, each 0 if there is none; returns the NTSTATUS of START_DEVICE."""
        raise NotImplementedError

    def stop(self, function: Function) -> Steps:
        raise NotImplementedError

    def surprise_remove(self, function: Function) -> Steps:
        raise NotImplementedError

    def remove(self, function: Function) -> Steps:
        raise NotImplementedError

    def set_power(self, function: Function, state: int) -> Steps:
        """Enter a DEVICE_POWER_STATE: below D0 before the stack below does, D0 after it."""
        raise NotImplementedError

    def shut_down(self, function: Function) -> Steps:
        raise NotImplementedError

    def unloaded(self) -> Steps:
        """The driver goes: DriverUnload."""
        raise NotImplementedError

    # The driver object

    def install(self) -> None:
        """Fill in the driver object."""
        name, kernel = self.name, self.kernel
        add_device = guest_function(kernel, f"{name} AddDevice", self.add_device, (0, 0))
        dispatch = guest_function(kernel, f"{name} dispatch", self.take, (0, 0))
        unload = guest_function(kernel, f"{name} unload", self.unload, (0,))
        view(kernel, "DRIVER_EXTENSION", self.driver.view["DriverExtension"])["AddDevice"] = add_device
        self.driver.view["DriverUnload"] = unload
        for major in (Major.PNP, Major.POWER, Major.SYSTEM_CONTROL, Major.CREATE, Major.CLOSE):
            self.driver.view.set_element("MajorFunction", major, dispatch)

    def unload(self, _kernel: Kernel, _driver: int) -> Steps:
        if self.functions:
            self.kernel.violation(f"{self.driver.name} is unloaded with {len(self.functions)} adapters.")
        yield from self.unloaded()
        return None

    def add_device(self, _kernel: Kernel, _driver: int, pdo: int) -> Steps:
        """Make a device object over `pdo` and a function for it."""
        below = self.devices.at(pdo, "AddDevice")
        function = yield from self.make_function(below)
        if function is None:
            return Status.NO_SUCH_DEVICE
        made = self.devices.create(self.driver, 0, self.device_type)
        if made is None:
            return Status.INSUFFICIENT_RESOURCES
        lower = self.devices.attach(made, below)
        assert lower is not None
        made.view["Flags"] = lower.view["Flags"] & Do.POWER_PAGABLE
        self.functions[made.address] = function
        self.place(function, made, lower)
        return Status.SUCCESS

    def take(self, _kernel: Kernel, device: int, irp: int) -> Steps:
        """The dispatch routine."""
        request = self.irps.get(irp, f"{self.title}'s dispatch routine")
        stack = self.irps.current(irp)
        if stack["MajorFunction"] in (Major.CREATE, Major.CLOSE):
            return (yield from self.finish(request, Status.SUCCESS, 0))
        return (yield from self.dispatch(device, request))

    def pnp(self, device: int, request: Request, stack: Struct) -> Answer:
        function = self.functions[device]
        minor = stack["MinorFunction"]
        if minor == Pnp.START_DEVICE:
            raw = stack["Parameters.StartDevice.AllocatedResources"]
            translated = stack["Parameters.StartDevice.AllocatedResourcesTranslated"]
            status = yield from self.below_first(device, request)
            if nt_success(status):
                status = ((yield from self.start(function, raw, translated)) or 0) & 0xFFFFFFFF
            return (yield from self.finish(request, status))
        if minor == Pnp.STOP_DEVICE:
            yield from self.stop(function)
        elif minor == Pnp.SURPRISE_REMOVAL:
            yield from self.surprise_remove(function)
        elif minor == Pnp.REMOVE_DEVICE:
            return (yield from self._remove(device, function, request))
        elif minor not in _SUCCEEDING:
            return (yield from self.unhandled(device, request))
        self.irps.irp(request.address)["IoStatus.Status"] = Status.SUCCESS
        return (yield from self.unhandled(device, request))

    def _remove(self, device: int, function: Function, request: Request) -> Answer:
        yield from self.remove(function)
        self.irps.irp(request.address)["IoStatus.Status"] = Status.SUCCESS
        status = yield from self.unhandled(device, request)
        own = self.devices.at(device)
        assert own.lower is not None
        self.devices.detach(own.lower)
        self.devices.delete(own)
        del self.functions[device]
        return status

    def do_power(self, device: int, request: Request, stack: Struct) -> Answer:
        """Power down before, and up after, the stack below; a system state is turned into a device state first."""
        minor, kind = stack["MinorFunction"], stack["Parameters.Power.Type"]
        state = stack["Parameters.Power.State.SystemState"]
        if minor != Power.SET_POWER:
            return (yield from super().do_power(device, request, stack))
        self.irps.current(request.address)["Control"] |= Stack.PENDING_RETURNED
        if kind == _SYSTEM_STATE:
            self._follow(device, request, state)
        else:
            self.kernel.queue_work(lambda: self._set_device_power(device, request, state), f"{self.title}'s power")
        return Status.PENDING
        yield Wait()

    def _follow(self, device: int, request: Request, state: int) -> None:
        """Have the device state that goes with a system state set, then pass the system request on."""
        function = self.functions[device]

        def pass_on() -> Steps:
            if state == _SHUTDOWN:
                yield from self.shut_down(function)
            yield from self._pass_power(device, request)
            return None

        def answered(_: Request) -> Generator[Call | Wait, int, bool]:
            self.kernel.queue_work(pass_on, f"{self.title}'s system power")
            return False
            yield Wait()

        if state == _SHUTDOWN and not self.powers_off:
            self.kernel.queue_work(pass_on, f"{self.title}'s system power")
            return
        wanted = self.power.request(self.devices.at(device), Power.SET_POWER, _D0 if state == _WORKING else _D3)
        wanted.hooks[wanted.stack_count] = answered

    def _set_device_power(self, device: int, request: Request, state: int) -> Steps:
        function = self.functions[device]
        if state != _D0:
            yield from self.set_power(function, state)
            yield from self._pass_power(device, request)
            return None
        self.irps.copy_to_next(request)

        def back(_: Request) -> Generator[Call | Wait, int, bool]:
            self.kernel.queue_work(up, f"{self.title}'s power")
            return True
            yield Wait()

        def up() -> Steps:
            yield from self.set_power(function, _D0)
            yield from self.power.start_next(request)
            yield from self.irps.complete(request)
            return None

        self.irps.hook_below(request, back)
        yield from self.power.call(self.lower(device), request)
        return None

    def _pass_power(self, device: int, request: Request) -> Generator[Call | Wait, int, None]:
        yield from self.power.start_next(request)
        self.irps.copy_to_next(request)
        yield from self.power.call(self.lower(device), request)

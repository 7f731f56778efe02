# SPDX-License-Identifier: GPL-2.0-or-later
"""What makes a miniport's driver object a function driver: AddDevice, dispatch routines, a device object per adapter.

The port driver puts them into the driver object when DriverEntry has registered the miniport, as the real ones do, so
that the PnP manager treats a miniport like any other driver. Source: Windows Driver Kit, "SCSI Miniport Initialization
Under Plug and Play", "Handling PnP and power IRPs" of a function driver. Logical units get no device objects of their
own: a class driver of the lab (:mod:`xenlab.ports.disk`) works on the adapter itself.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from xenlab.nt.codes import Do, Major, Pnp, Power, Stack, Status, nt_success
from xenlab.nt.io import Device, Devices
from xenlab.nt.irp import Irps, Request
from xenlab.nt.objects import Struct, view
from xenlab.nt.power import PowerManager
from xenlab.nt.pydriver import Answer, UpperDriver
from xenlab.nt.registry import SERVICES
from xenlab.nt.routine import Call, Steps, Wait
from xenlab.nt.zwkey import KernelRegistry
from xenlab.ports import ParentDevice, Ports, read_resources
from xenlab.ports.miniport import guest_routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel
    from xenlab.ports.adapter import Adapter, PortDriver

_FILE_DEVICE_CONTROLLER = 4
_SYSTEM_STATE, _DEVICE_STATE = 0, 1
_WORKING, _SHUTDOWN = 1, 6
_D0, _D3 = 1, 4
_SUCCEEDING = (
    Pnp.QUERY_STOP_DEVICE, Pnp.CANCEL_STOP_DEVICE, Pnp.QUERY_REMOVE_DEVICE, Pnp.CANCEL_REMOVE_DEVICE,
)  # fmt: skip


class PortFunction(UpperDriver):
    """The function driver side of one miniport's driver object.

    Attributes:
        adapters: by the address of their device object.
    """

    def __init__(self, kernel: Kernel, port: PortDriver) -> None:
        self.kernel = kernel
        self.port = port
        self.irps = kernel.part(Irps)
        self.devices = kernel.part(Devices)
        self.power = kernel.part(PowerManager)
        self.driver = self.devices.driver_at(port.driver_object, "The port driver")
        self.adapters: dict[int, Adapter] = {}

    def install(self) -> None:
        """Fill in the driver object."""
        name = self.port.adapter_type.port
        add_device = guest_routine(self.kernel, f"{name} AddDevice", self.add_device)
        dispatch = guest_routine(self.kernel, f"{name} dispatch", self.take)
        unload = guest_routine(self.kernel, f"{name} unload", self.unload, 1)
        view(self.kernel, "DRIVER_EXTENSION", self.driver.view["DriverExtension"])["AddDevice"] = add_device
        self.driver.view["DriverUnload"] = unload
        for major in (Major.PNP, Major.POWER, Major.SYSTEM_CONTROL, Major.CREATE, Major.CLOSE):
            self.driver.view.set_element("MajorFunction", major, dispatch)

    def unload(self, _kernel: Kernel, _driver: int) -> Steps:
        if self.adapters:
            self.kernel.violation(f"{self.driver.name} is unloaded with {len(self.adapters)} adapters.")
        del self.kernel.part(Ports).drivers[self.driver.address]
        return None
        yield Wait()

    def add_device(self, kernel: Kernel, _driver: int, pdo: int) -> Steps:
        """Make a device object over `pdo` and an adapter for it."""
        below = self.devices.at(pdo, "AddDevice")
        interface_type, bus_number = yield from self._ask_bus(below)
        tree = kernel.part(KernelRegistry).tree
        service = tree.create(rf"{SERVICES}\{self.driver.service}")
        parent = ParentDevice(pdo, service, interface_type, bus_number)
        adapter = self.port.add_device(parent)
        if adapter is None:
            return Status.NO_SUCH_DEVICE
        made = self.devices.create(self.driver, 0, _FILE_DEVICE_CONTROLLER)
        if made is None:
            return Status.INSUFFICIENT_RESOURCES
        lower = self.devices.attach(made, below)
        assert lower is not None
        made.view["Flags"] = lower.view["Flags"] & Do.POWER_PAGABLE
        self.adapters[made.address] = adapter
        return Status.SUCCESS

    def _ask_bus(self, device: Device) -> Generator[Call | Wait, int, tuple[int | None, int]]:
        """Return the legacy bus type and number of a device (IRP_MN_QUERY_BUS_INFORMATION), None if nobody tells."""
        answers: list[int] = []
        top = device.top()
        request = self.irps.make(top.view["StackSize"], "the port driver", lambda it: answers.append(it.information))
        self.irps.irp(request.address)["IoStatus.Status"] = Status.NOT_SUPPORTED
        stack = self.irps.next(request)
        stack["MajorFunction"], stack["MinorFunction"] = Major.PNP, Pnp.QUERY_BUS_INFORMATION
        status = ((yield from self.irps.send(top.address, request)) or 0) & 0xFFFFFFFF
        if not nt_success(status) or not answers[0]:
            return None, 0
        told = view(self.kernel, "PNP_BUS_INFORMATION", answers[0])
        found = told["LegacyBusType"], told["BusNumber"]
        self.kernel.free(told.address)
        return found

    def take(self, _kernel: Kernel, device: int, irp: int) -> Steps:
        """The dispatch routine."""
        request = self.irps.get(irp, "the port driver's dispatch routine")
        stack = self.irps.current(irp)
        if stack["MajorFunction"] in (Major.CREATE, Major.CLOSE):
            return (yield from self.finish(request, Status.SUCCESS, 0))
        return (yield from self.dispatch(device, request))

    def pnp(self, device: int, request: Request, stack: Struct) -> Answer:
        adapter = self.adapters[device]
        minor = stack["MinorFunction"]
        if minor == Pnp.START_DEVICE:
            raw = stack["Parameters.StartDevice.AllocatedResources"]
            translated = stack["Parameters.StartDevice.AllocatedResourcesTranslated"]
            status = yield from self.below_first(device, request)
            if nt_success(status):
                resources = read_resources(self.kernel, raw, translated)
                status = ((yield from adapter.start(resources)) or 0) & 0xFFFFFFFF
            return (yield from self.finish(request, status))
        if minor == Pnp.STOP_DEVICE:
            yield from adapter.stop()
        elif minor == Pnp.SURPRISE_REMOVAL:
            adapter.surprise_remove()
        elif minor == Pnp.REMOVE_DEVICE:
            return (yield from self._remove(device, adapter, request))
        elif minor not in _SUCCEEDING:
            return (yield from self.unhandled(device, request))
        self.irps.irp(request.address)["IoStatus.Status"] = Status.SUCCESS
        return (yield from self.unhandled(device, request))

    def _remove(self, device: int, adapter: Adapter, request: Request) -> Answer:
        yield from adapter.remove()
        self.irps.irp(request.address)["IoStatus.Status"] = Status.SUCCESS
        status = yield from self.unhandled(device, request)
        own = self.devices.at(device)
        assert own.lower is not None
        self.devices.detach(own.lower)
        self.devices.delete(own)
        del self.adapters[device]
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
            self.kernel.queue_work(lambda: self._set_device_power(device, request, state), "the port driver's power")
        return Status.PENDING
        yield Wait()

    def _follow(self, device: int, request: Request, state: int) -> None:
        """Have the device state that goes with a system state set, then pass the system request on."""
        adapter = self.adapters[device]
        wanted = self.power.request(self.devices.at(device), Power.SET_POWER, _D0 if state == _WORKING else _D3)

        def pass_on() -> Steps:
            if state == _SHUTDOWN:
                yield from adapter.shut_down()
            yield from self._pass_power(device, request)
            return None

        def answered(_: Request) -> Generator[Call | Wait, int, bool]:
            self.kernel.queue_work(pass_on, "the port driver's system power")
            return False
            yield Wait()

        wanted.hooks[wanted.stack_count] = answered

    def _set_device_power(self, device: int, request: Request, state: int) -> Steps:
        adapter = self.adapters[device]
        if state != _D0:
            yield from adapter.set_power(False)
            yield from self._pass_power(device, request)
            return None
        self.irps.copy_to_next(request)

        def back(_: Request) -> Generator[Call | Wait, int, bool]:
            self.kernel.queue_work(up, "the port driver's power")
            return True
            yield Wait()

        def up() -> Steps:
            yield from adapter.set_power(True)
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

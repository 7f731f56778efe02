# SPDX-License-Identifier: GPL-2.0-or-later
"""What makes a miniport's driver object a function driver: AddDevice, dispatch routines, a device object per adapter.

The port driver puts them into the driver object when DriverEntry has registered the miniport, as the real ones do, so
that the PnP manager treats a miniport like any other driver. Source: Windows Driver Kit, "SCSI Miniport Initialization
Under Plug and Play". Logical units get no device objects of their own: a class driver of the lab
(:mod:`xenlab.ports.disk`) works on the adapter itself.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from xenlab.nt.codes import Major, Pnp, Status, nt_success
from xenlab.nt.funcdriver import FunctionDriver
from xenlab.nt.io import Device
from xenlab.nt.objects import view
from xenlab.nt.registry import SERVICES
from xenlab.nt.routine import Call, Steps, Wait
from xenlab.nt.zwkey import KernelRegistry
from xenlab.ports import ParentDevice, Ports, read_resources
from xenlab.ports.adapter import Adapter

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel
    from xenlab.ports.adapter import PortDriver

_D0 = 1


class PortFunction(FunctionDriver[Adapter]):
    """The function driver side of one miniport's driver object."""

    def __init__(self, kernel: Kernel, port: PortDriver) -> None:
        super().__init__(kernel, port.driver_object, port.adapter_type.port, "the port driver")
        self.port = port

    def unloaded(self) -> Steps:
        del self.kernel.part(Ports).drivers[self.driver.address]
        return None
        yield Wait()

    def make_function(self, pdo: Device) -> Generator[Call | Wait, int, Adapter | None]:
        interface_type, bus_number = yield from self._ask_bus(pdo)
        tree = self.kernel.part(KernelRegistry).tree
        service = tree.create(rf"{SERVICES}\{self.driver.service}")
        return self.port.add_device(ParentDevice(pdo.address, service, interface_type, bus_number))

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

    def start(self, function: Adapter, raw: int, translated: int) -> Steps:
        return (yield from function.start(read_resources(self.kernel, raw, translated)))

    def stop(self, function: Adapter) -> Steps:
        yield from function.stop()
        return None

    def surprise_remove(self, function: Adapter) -> Steps:
        function.surprise_remove()
        return None
        yield Wait()

    def remove(self, function: Adapter) -> Steps:
        yield from function.remove()
        return None

    def set_power(self, function: Adapter, state: int) -> Steps:
        yield from function.set_power(state == _D0)
        return None

    def shut_down(self, function: Adapter) -> Steps:
        yield from function.shut_down()
        return None

# SPDX-License-Identifier: GPL-2.0-or-later
"""NDIS as the function driver in a miniport's name. Source: "Miniport Driver Initialization", "Driver Stack"."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from xenlab.ndis import Ndis
from xenlab.ndis.adapter import Adapter, MiniportDriver
from xenlab.nt.funcdriver import FunctionDriver
from xenlab.nt.io import Device
from xenlab.nt.routine import Call, Steps, Wait

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_FILE_DEVICE_PHYSICAL_NETCARD = 0x17


class NdisFunction(FunctionDriver[Adapter]):
    """The function driver side of one miniport's driver object."""

    device_type = _FILE_DEVICE_PHYSICAL_NETCARD
    powers_off = False

    def __init__(self, kernel: Kernel, miniport: MiniportDriver) -> None:
        super().__init__(kernel, miniport.driver_object, "ndis.sys", "NDIS")
        self.miniport = miniport

    def make_function(self, pdo: Device) -> Generator[Call | Wait, int, Adapter | None]:
        yield from ()
        return self.miniport.add_adapter(pdo.address)

    def place(self, function: Adapter, device: Device, lower: Device) -> None:
        function.device, function.next_device = device.address, lower.address

    def start(self, function: Adapter, raw: int, translated: int) -> Steps:
        return (yield from function.start(raw, translated))

    def stop(self, function: Adapter) -> Steps:
        return (yield from function.stop())

    def surprise_remove(self, function: Adapter) -> Steps:
        return (yield from function.surprise_remove())

    def remove(self, function: Adapter) -> Steps:
        return (yield from function.remove())

    def set_power(self, function: Adapter, state: int) -> Steps:
        return (yield from function.set_power(state))

    def shut_down(self, function: Adapter) -> Steps:
        return (yield from function.shut_down())

    def unloaded(self) -> Steps:
        """Call the driver's own unload routine; afterwards it must have no memory left."""
        yield from self.miniport.unload()
        del self.kernel.part(Ndis).drivers[self.driver.address]
        loaded = self.driver.loaded
        left = [each for each in self.kernel.pool.outstanding() if loaded and loaded.image.contains(each.where)]
        if left:
            lines = "".join(f"\n  {self.kernel.pool.describe_block(each)}" for each in left)
            self.kernel.violation(f"{self.driver.service} is unloaded and leaves memory allocated:{lines}")
        return None

# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""NDIS 5: how a miniport driver registers with NDIS, and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis import Ndis
from xenlab.ndis.adapter import MiniportDriver
from xenlab.ndis.adapter5 import Adapter5
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.configuration import version
from xenlab.ndis.function import NdisFunction
from xenlab.ndis.memory import NDIS
from xenlab.ndis.structures import layout, view
from xenlab.nt.io import Devices
from xenlab.nt.routine import PASSIVE_LEVEL, PVOID, ULONG, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_CHARACTERISTICS = {(5, 0): "NDIS50_MINIPORT_CHARACTERISTICS", (5, 1): "NDIS51_MINIPORT_CHARACTERISTICS"}
_REQUIRED = (
    "HaltHandler", "InitializeHandler", "QueryInformationHandler", "ResetHandler", "SetInformationHandler",
)  # fmt: skip


class MiniportDriver5(MiniportDriver):
    """A driver of NDIS 5.0 or 5.1.

    Attributes:
        version: what it registered as.
        handlers: its routines by the name in NDIS_MINIPORT_CHARACTERISTICS; 0 where it has none.
    """

    def __init__(
        self, kernel: Kernel, driver_object: int, service: str, version: tuple[int, int], handlers: dict[str, int]
    ) -> None:
        super().__init__(kernel, driver_object, service)
        self.version = version
        self.handlers = handlers
        self.unload_handler = 0

    def add_adapter(self, pdo: int) -> Adapter5:
        return Adapter5(self.kernel, self, self.handlers, self.version, pdo)

    def unload(self) -> Steps:
        if self.unload_handler:
            yield from self.kernel.call(self.unload_handler, self.driver_object)
        self.kernel.part(Wrappers).drop(self.driver_object)
        return None


class Wrappers:
    """The handles of NdisMInitializeWrapper."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._drivers = kernel.part(Ndis).wrappers

    def make(self, driver_object: int) -> int:
        self.kernel.part(Devices).driver_at(driver_object, "NdisMInitializeWrapper")
        handle = self.kernel.alloc(16, "NdWr")
        self._drivers[handle] = driver_object
        return handle

    def driver_object(self, handle: int, what: str) -> int:
        if handle not in self._drivers:
            self.kernel.violation(f"{what} is given {handle:#x}, which is no handle of NdisMInitializeWrapper.")
        return self._drivers[handle]

    def miniport(self, handle: int, what: str) -> MiniportDriver5:
        found = self.kernel.part(Ndis).drivers.get(self.driver_object(handle, what))
        if not isinstance(found, MiniportDriver5):
            self.kernel.violation(f"{what} is called before NdisMRegisterMiniport.")
        return found

    def drop(self, driver_object: int) -> None:
        for handle in [each for each, owner in self._drivers.items() if owner == driver_object]:
            del self._drivers[handle]
            self.kernel.free(handle)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisInitializeWrapper(kernel: Kernel, result: PVOID, driver: PVOID, path: PVOID, reserved: PVOID) -> None:
    if reserved:
        kernel.violation("NdisMInitializeWrapper with a SystemSpecific3 that is not NULL.")
    kernel.put_ptr(result, 0 if kernel.pool.refuses("NdWr", 0) else kernel.part(Wrappers).make(driver))


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisTerminateWrapper(kernel: Kernel, handle: PVOID, reserved: PVOID) -> None:
    wrappers = kernel.part(Wrappers)
    driver = wrappers.driver_object(handle, "NdisTerminateWrapper")
    kernel.part(Ndis).drivers.pop(driver, None)
    wrappers.drop(driver)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMRegisterMiniport(kernel: Kernel, handle: PVOID, characteristics: PVOID, length: ULONG) -> ULONG:
    driver_object = kernel.part(Wrappers).driver_object(handle, "NdisMRegisterMiniport")
    miniports = kernel.part(Ndis).drivers
    if driver_object in miniports:
        kernel.violation("NdisMRegisterMiniport is called a second time for a driver.")
    first = view(kernel, "NDIS_MINIPORT_CHARACTERISTICS.Version", characteristics)
    wanted = first["MajorNdisVersion"], first["MinorNdisVersion"]
    if wanted not in _CHARACTERISTICS or wanted[0] << 16 | wanted[1] > version(kernel):
        return NdisStatus.BAD_VERSION
    shape = layout(_CHARACTERISTICS[wanted], kernel.arch)
    if length < shape.size:
        return NdisStatus.BAD_CHARACTERISTICS
    given = view(kernel, shape.name, characteristics)
    handlers = {name: given[name] for name in shape.fields if name.endswith("Handler")}
    if not all(handlers[name] for name in _REQUIRED) or not (handlers["SendPacketsHandler"] or handlers["SendHandler"]):
        return NdisStatus.BAD_CHARACTERISTICS
    if kernel.pool.refuses("NdMd", 0):
        return NdisStatus.RESOURCES
    service = kernel.part(Devices).driver_at(driver_object, "NdisMRegisterMiniport").service
    made = miniports[driver_object] = MiniportDriver5(kernel, driver_object, service, wanted, handlers)
    NdisFunction(kernel, made).install()
    kernel.world.trace("ndis", f"{service} registers as a miniport of NDIS {wanted[0]}.{wanted[1]}")
    return NdisStatus.SUCCESS


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMRegisterUnloadHandler(kernel: Kernel, handle: PVOID, handler: PVOID) -> None:
    kernel.part(Wrappers).miniport(handle, "NdisMRegisterUnloadHandler").unload_handler = handler

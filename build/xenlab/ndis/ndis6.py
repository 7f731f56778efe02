# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Miniport drivers of NDIS 6.0, and the routines that they call with an adapter's handle.

Source: Windows Driver Kit, "NDIS Functions" of "Network Drivers Starting with Windows Vista", the page of each,
NDIS_MINIPORT_DRIVER_CHARACTERISTICS. The NDIS here is 6.0, whatever the Windows: a driver that asks for more is told
NDIS_STATUS_BAD_VERSION, as the older NDIS does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis import Ndis
from xenlab.ndis.adapter import Adapter, MiniportDriver
from xenlab.ndis.adapter6 import Adapter6
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.configuration import Configurations
from xenlab.ndis.function import NdisFunction
from xenlab.ndis.memory import NDIS
from xenlab.ndis.objects6 import checked
from xenlab.ndis.structures import view
from xenlab.nt.io import Devices
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL, PVOID, ULONG, Call, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_VERSION = (6, 0)
_VISTA = (6, 0)
_INTERMEDIATE = 1
_OPTIONAL = ("SetOptionsHandler", "CheckForHangHandlerEx", "ResetHandlerEx")
_CHARACTERISTICS = "NDIS_MINIPORT_DRIVER_CHARACTERISTICS"


class MiniportDriver6(MiniportDriver):
    """A registered driver.

    Attributes:
        handle: what it knows itself by; 0 when it has deregistered.
        context: MiniportDriverContext.
        handlers: its entry points by the member of the characteristics.
    """

    def __init__(
        self, kernel: Kernel, driver_object: int, service: str, context: int, handlers: dict[str, int]
    ) -> None:
        super().__init__(kernel, driver_object, service)
        self.context = context
        self.handlers = handlers
        self.handle = kernel.alloc(kernel.pointer_size, "NdDr")
        self._numbers: dict[str, int] = {}

    def add_adapter(self, pdo: int) -> Adapter:
        return Adapter6(self.kernel, self, pdo)

    def adapter_number(self, adapter: Adapter) -> int:
        """The interface index of an adapter: the same each time that it is initialised."""
        return self._numbers.setdefault(adapter.name, len(self._numbers) + 2)

    def unload(self) -> Steps:
        yield Call(self.handlers["UnloadHandler"], self.driver_object)
        if self.handle:
            self.kernel.violation(f"{self.service} is unloaded without NdisMDeregisterMiniportDriver.")
        return None

    def deregister(self) -> None:
        if self.kernel.part(Ndis).adapters:
            mine = [each for each in self.kernel.part(Ndis).adapters.values() if each.driver is self]
            if mine:
                self.kernel.violation(f"{self.service} deregisters with {len(mine)} adapters initialised.")
        self.kernel.free(self.handle)
        self.handle = 0


def _upwards(kernel: Kernel, handle: int, what: str) -> Adapter6:
    """The adapter whose miniport calls up, which it does without a spin lock of its own."""
    found = _adapter(kernel, handle, what)
    if kernel.locks.held:
        found.violation(f"{what} is called while a spin lock is held")
    return found


def _adapter(kernel: Kernel, handle: int, what: str) -> Adapter6:
    found = kernel.part(Ndis).adapter(handle, what)
    if not isinstance(found, Adapter6):
        kernel.violation(f"{what} is called by a miniport of NDIS 5.")
    return found


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMRegisterMiniportDriver(
    kernel: Kernel, driver_object: PVOID, path: PVOID, context: PVOID, characteristics: PVOID, result: PVOID
) -> Steps:
    what = "NdisMRegisterMiniportDriver"
    given = view(kernel, _CHARACTERISTICS, characteristics)
    version = given["MajorNdisVersion"], given["MinorNdisVersion"]
    if kernel.nt < _VISTA or version > _VERSION:
        return NdisStatus.BAD_VERSION
    if version < _VERSION:
        return NdisStatus.BAD_CHARACTERISTICS
    given = checked(kernel, _CHARACTERISTICS, characteristics, what)
    if given["Flags"] & _INTERMEDIATE:
        kernel.violation(f"{what} is called by an intermediate driver, which the lab has no stack for.")
    handlers = {path: given[path] for path in given.layout.fields if "Handler" in path}
    if any(not address for name, address in handlers.items() if name not in _OPTIONAL):
        return NdisStatus.BAD_CHARACTERISTICS
    if kernel.pool.refuses("NdDr", given.layout.size):
        return NdisStatus.RESOURCES
    service = kernel.part(Devices).driver_at(driver_object, what).service
    made = MiniportDriver6(kernel, driver_object, service, context, handlers)
    kernel.put_ptr(result, made.handle)
    if handlers["SetOptionsHandler"]:
        status = (yield Call(handlers["SetOptionsHandler"], made.handle, context)) & 0xFFFFFFFF
        if status != NdisStatus.SUCCESS:
            made.deregister()
            return status
    kernel.part(Ndis).drivers[driver_object] = made
    NdisFunction(kernel, made).install()
    return NdisStatus.SUCCESS


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMDeregisterMiniportDriver(kernel: Kernel, handle: PVOID) -> None:
    for each in kernel.part(Ndis).drivers.values():
        if isinstance(each, MiniportDriver6) and handle and each.handle == handle:
            each.deregister()
            return
    kernel.violation(f"NdisMDeregisterMiniportDriver is given {handle:#x}, which is no registered driver.")


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMSetMiniportAttributes(kernel: Kernel, handle: PVOID, attributes: PVOID) -> ULONG:
    return _adapter(kernel, handle, "NdisMSetMiniportAttributes").attributes.set(attributes)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisOpenConfigurationEx(kernel: Kernel, configuration: PVOID, result: PVOID) -> ULONG:
    given = checked(kernel, "NDIS_CONFIGURATION_OBJECT", configuration, "NdisOpenConfigurationEx")
    if given["Flags"]:
        kernel.violation(f"NdisOpenConfigurationEx with the flags {given['Flags']:#x}.")
    adapter = _adapter(kernel, given["NdisHandle"], "NdisOpenConfigurationEx")
    handle = kernel.part(Configurations).open(adapter.key)
    kernel.put_ptr(result, handle)
    return NdisStatus.SUCCESS if handle else NdisStatus.RESOURCES


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMSendNetBufferListsComplete(kernel: Kernel, handle: PVOID, lists: PVOID, flags: ULONG) -> None:
    _upwards(kernel, handle, "NdisMSendNetBufferListsComplete").sends.complete(lists, flags)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMIndicateReceiveNetBufferLists(
    kernel: Kernel, handle: PVOID, lists: PVOID, port: ULONG, count: ULONG, flags: ULONG
) -> None:
    _upwards(kernel, handle, "NdisMIndicateReceiveNetBufferLists").receives.indicate(lists, port, count, flags)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMOidRequestComplete(kernel: Kernel, handle: PVOID, request: PVOID, status: ULONG) -> None:
    _upwards(kernel, handle, "NdisMOidRequestComplete").requests.complete(request, status)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMIndicateStatusEx(kernel: Kernel, handle: PVOID, indication: PVOID) -> None:
    _upwards(kernel, handle, "NdisMIndicateStatusEx").attributes.indicate(indication)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMPauseComplete(kernel: Kernel, handle: PVOID) -> None:
    _upwards(kernel, handle, "NdisMPauseComplete").pause_complete()


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMRestartComplete(kernel: Kernel, handle: PVOID, status: ULONG) -> None:
    _upwards(kernel, handle, "NdisMRestartComplete").restart_complete(status)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMResetMiniport(kernel: Kernel, handle: PVOID) -> None:
    _upwards(kernel, handle, "NdisMResetMiniport").request_reset()

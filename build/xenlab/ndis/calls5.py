# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""NDIS 5: what a miniport tells NDIS about an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis import Ndis
from xenlab.ndis.adapter5 import Adapter5, adapter5, check_unlocked
from xenlab.ndis.codes import NdisStatus, describe
from xenlab.ndis.configuration import Configurations
from xenlab.ndis.memory import NDIS
from xenlab.ndis.structures import view
from xenlab.nt.objects import layout
from xenlab.nt.routine import BOOLEAN, DISPATCH_LEVEL, PASSIVE_LEVEL, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_BUS_MASTER = 8
_LINK = {NdisStatus.MEDIA_CONNECT: True, NdisStatus.MEDIA_DISCONNECT: False}


def _initializing(kernel: Kernel, context: int, what: str) -> Adapter5:
    """The adapter whose MiniportInitialize runs, by its WrapperConfigurationContext."""
    known = (each for each in kernel.part(Ndis).adapters.values() if isinstance(each, Adapter5) and each.initializing)
    found = next((each for each in known if each.initializing == context), None)
    if found is None:
        kernel.violation(f"{what} is given {context:#x}, which is no WrapperConfigurationContext at this moment.")
    return found


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisOpenConfiguration(kernel: Kernel, status: PVOID, result: PVOID, context: PVOID) -> None:
    adapter = _initializing(kernel, context, "NdisOpenConfiguration")
    handle = kernel.part(Configurations).open(adapter.key)
    kernel.put_ptr(result, handle)
    kernel.put_u32(status, NdisStatus.SUCCESS if handle else NdisStatus.RESOURCES)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMQueryAdapterResources(kernel: Kernel, status: PVOID, context: PVOID, resources: PVOID, size: PVOID) -> None:
    """Fill in the NDIS_RESOURCE_LIST, which is a CM_PARTIAL_RESOURCE_LIST of the translated resources."""
    adapter = _initializing(kernel, context, "NdisMQueryAdapterResources")
    whole = adapter.resource_lists[1]
    shape = layout("CM_RESOURCE_LIST", kernel.arch)
    begin = shape.offset("List[0].PartialResourceList")
    if not whole or not kernel.u32(whole):
        kernel.put_u32(status, NdisStatus.FAILURE)
        return
    count = kernel.u32(whole + shape.offset("List[0].PartialResourceList.Count"))
    one = layout("CM_PARTIAL_RESOURCE_DESCRIPTOR", kernel.arch).size
    needed = shape.offset("List[0].PartialResourceList.PartialDescriptors") - begin + count * one
    if kernel.u32(size) >= needed:
        kernel.write(resources, kernel.read(whole + begin, needed))
        kernel.put_u32(status, NdisStatus.SUCCESS)
    else:
        kernel.put_u32(status, NdisStatus.RESOURCES)
    kernel.put_u32(size, needed)


def _set_attributes(adapter: Adapter5, context: int, seconds: int, flags: int, what: str) -> None:
    adapter.within(what, "MiniportInitialize")
    adapter.context, adapter.attributes, adapter.attributes_set = context, flags, True
    adapter.hang_seconds = seconds or 2
    view(adapter.kernel, "NDIS_MINIPORT_BLOCK", adapter.handle)["MiniportAdapterContext"] = context


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMSetAttributesEx(
    kernel: Kernel, handle: PVOID, context: PVOID, seconds: ULONG, flags: ULONG, kind: ULONG
) -> None:
    what = "NdisMSetAttributesEx"
    _set_attributes(adapter5(kernel, handle, what), context, seconds, flags, what)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMSetAttributes(kernel: Kernel, handle: PVOID, context: PVOID, master: BOOLEAN, kind: ULONG) -> None:
    what = "NdisMSetAttributes"
    _set_attributes(adapter5(kernel, handle, what), context, 0, _BUS_MASTER if master else 0, what)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMRegisterAdapterShutdownHandler(kernel: Kernel, handle: PVOID, context: PVOID, handler: PVOID) -> None:
    adapter = adapter5(kernel, handle, "NdisMRegisterAdapterShutdownHandler")
    if adapter.shutdown:
        adapter.violation("NdisMRegisterAdapterShutdownHandler is called a second time")
    adapter.shutdown = handler, context


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisMDeregisterAdapterShutdownHandler(kernel: Kernel, handle: PVOID) -> None:
    adapter5(kernel, handle, "NdisMDeregisterAdapterShutdownHandler").shutdown = None


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMSendComplete(kernel: Kernel, handle: PVOID, packet: PVOID, status: ULONG) -> None:
    adapter = adapter5(kernel, handle, "NdisMSendComplete")
    check_unlocked(adapter, "NdisMSendComplete")
    if not adapter.nic5:
        adapter.violation("NdisMSendComplete is called, and no packet was ever sent")
    adapter.nic5.complete(packet, status, "NdisMSendComplete")


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMSendResourcesAvailable(kernel: Kernel, handle: PVOID) -> None:
    """Means something to the queues of serialized miniports alone."""
    adapter5(kernel, handle, "NdisMSendResourcesAvailable")


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMIndicateStatus(kernel: Kernel, handle: PVOID, status: ULONG, buffer: PVOID, size: ULONG) -> None:
    adapter = adapter5(kernel, handle, "NdisMIndicateStatus")
    check_unlocked(adapter, "NdisMIndicateStatus")
    if size:
        kernel.read(buffer, size)
    adapter.statuses.append(status)
    adapter.status_is_open = True
    kernel.world.trace("ndis", f"the miniport indicates {describe(status)}", adapter=adapter.name)
    if adapter.nic5 and status in _LINK:
        adapter.nic5.link_up = _LINK[NdisStatus(status)]


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMIndicateStatusComplete(kernel: Kernel, handle: PVOID) -> None:
    adapter = adapter5(kernel, handle, "NdisMIndicateStatusComplete")
    check_unlocked(adapter, "NdisMIndicateStatusComplete")
    if not adapter.status_is_open:
        adapter.violation("NdisMIndicateStatusComplete is called without a status that was indicated")
    adapter.status_is_open = False


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMQueryInformationComplete(kernel: Kernel, handle: PVOID, status: ULONG) -> None:
    adapter = adapter5(kernel, handle, "NdisMQueryInformationComplete")
    check_unlocked(adapter, "NdisMQueryInformationComplete")
    adapter.complete("Query", status)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMSetInformationComplete(kernel: Kernel, handle: PVOID, status: ULONG) -> None:
    adapter = adapter5(kernel, handle, "NdisMSetInformationComplete")
    check_unlocked(adapter, "NdisMSetInformationComplete")
    adapter.complete("Set", status)


@routine(NDIS, irql_max=DISPATCH_LEVEL)
def NdisMResetComplete(kernel: Kernel, handle: PVOID, status: ULONG, addressing_reset: BOOLEAN) -> None:
    adapter = kernel.part(Ndis).adapter(handle, "NdisMResetComplete")
    if isinstance(adapter, Adapter5):
        check_unlocked(adapter, "NdisMResetComplete")
    adapter.reset_completed(status, bool(addressing_reset))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Structures of NDIS 6.0 that begin with an NDIS_OBJECT_HEADER: filled in for a miniport, checked when one gives them.

Source: Windows Driver Kit, "Specifying NDIS Version Information", NDIS_OBJECT_HEADER and the page of each structure: a
structure's Size reaches through its last member of the revision that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis.codes6 import Type
from xenlab.ndis.structures import layout, view

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel
    from xenlab.nt.objects import Struct

# Type and last member of revision 1.
_REVISION_1 = {
    "NET_BUFFER_LIST_POOL_PARAMETERS": (Type.DEFAULT, "DataSize"),
    "NET_BUFFER_POOL_PARAMETERS": (Type.DEFAULT, "DataSize"),
    "NDIS_MINIPORT_DRIVER_CHARACTERISTICS": (Type.MINIPORT_DRIVER_CHARACTERISTICS, "CancelOidRequestHandler"),
    "NDIS_MINIPORT_INIT_PARAMETERS": (Type.MINIPORT_INIT_PARAMETERS, "PciDeviceCustomProperties"),
    "NDIS_MINIPORT_PAUSE_PARAMETERS": (Type.DEFAULT, "PauseReason"),
    "NDIS_MINIPORT_RESTART_PARAMETERS": (Type.DEFAULT, "Flags"),
    "NET_DEVICE_PNP_EVENT": (Type.DEFAULT, "NdisReserved"),
    "NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES": (Type.MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES, "InterfaceType"),
    "NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES": (Type.MINIPORT_ADAPTER_GENERAL_ATTRIBUTES, "AutoNegotiationFlags"),
    "NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES": (
        Type.MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES, "TcpConnectionOffloadHardwareCapabilities",
    ),
    "NDIS_OID_REQUEST": (Type.OID_REQUEST, "Reserved2"),
    "NDIS_STATUS_INDICATION": (Type.STATUS_INDICATION, "NdisReserved"),
    "NDIS_LINK_STATE": (Type.DEFAULT, "AutoNegotiationFlags"),
    "NDIS_CONFIGURATION_OBJECT": (Type.CONFIGURATION_OBJECT, "Flags"),
    "NDIS_TIMER_CHARACTERISTICS": (Type.TIMER_CHARACTERISTICS, "FunctionContext"),
    "NDIS_SG_DMA_DESCRIPTION": (Type.SG_DMA_DESCRIPTION, "ScatterGatherListSize"),
    "NDIS_OFFLOAD": (Type.OFFLOAD, "Flags"),
    "NDIS_OFFLOAD_PARAMETERS": (Type.DEFAULT, "Flags"),
    "NDIS_OFFLOAD_ENCAPSULATION": (Type.OFFLOAD_ENCAPSULATION, "IPv6"),
}  # fmt: skip


def size_of(name: str, kernel: Kernel) -> int:
    """Return NDIS_SIZEOF_`name`_REVISION_1."""
    whole = layout(name, kernel.arch)
    last = whole.field(_REVISION_1[name][1])
    return last.offset + last.size * last.count


def fill_header(kernel: Kernel, name: str, structure: Struct) -> None:
    structure["Header.Type"], structure["Header.Revision"] = _REVISION_1[name][0], 1
    structure["Header.Size"] = size_of(name, kernel)


def make(kernel: Kernel, name: str, tag: str = "Nd6O") -> Struct:
    """Allocate a zeroed structure of the kernel's own, with its header."""
    made = view(kernel, name, kernel.alloc(layout(name, kernel.arch).size, tag))
    fill_header(kernel, name, made)
    return made


def checked(kernel: Kernel, name: str, address: int, what: str) -> Struct:
    """Return the structure that a miniport gives `what`; a header that is none of it ends the run.

    A later revision is longer, and begins with the members of this one. One of revision 1 may count the padding behind
    its last member.
    """
    if not address:
        kernel.violation(f"{what} is given no {name}.")
    given = view(kernel, name, address)
    kind, revision, size = given["Header.Type"], given["Header.Revision"], given["Header.Size"]
    if kind != _REVISION_1[name][0]:
        kernel.violation(f"{what} is given a structure of type {kind:#x}; that of {name} is {_REVISION_1[name][0]:#x}.")
    least, most = size_of(name, kernel), given.layout.size if revision == 1 else 0xFFFF
    if not revision or not least <= size <= most:
        kernel.violation(
            f"{what} is given a {name} of revision {revision} and {size} bytes; revision 1 has {least} bytes."
        )
    return given

# SPDX-License-Identifier: GPL-2.0-or-later
"""NDIS: kernel-side Python between the PnP manager, a protocol driver and network miniports.

A miniport's DriverEntry registers with NDIS, which makes the driver object that of an ordinary function driver
(:mod:`xenlab.ndis.function`), as the port drivers do (:mod:`xenlab.ports`). An adapter that has started is bound by a
protocol driver: what that sees and does is a :class:`~xenlab.ndis.nic.Nic`, the same for miniports of any version.
What a scenario wants to know is in ``kernel.part(Ndis)``.

The routines of ndis.sys that all versions have in common: :mod:`~xenlab.ndis.memory`, :mod:`~xenlab.ndis.locks`,
:mod:`~xenlab.ndis.timers`, :mod:`~xenlab.ndis.configuration`, :mod:`~xenlab.ndis.buffers`,
:mod:`~xenlab.ndis.devices`, :mod:`~xenlab.ndis.library`. Miniports of NDIS 5.0 and 5.1 are the matter of the modules
whose names end in 5, those of NDIS 6.0 of the modules whose names end in 6, :mod:`~xenlab.ndis.nbl` and
:mod:`~xenlab.ndis.nblcalls`.

Source, where a module names no other: Windows Driver Kit (Server 2003), "Network Devices and Protocols": "Reference",
the page of each routine, and Driver Verifier's "NDIS Verification". IRQL limits are those of the pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xenlab.ndis.buffers import BufferPools
from xenlab.ndis.configuration import Configurations
from xenlab.ndis.nbl import NetBuffers
from xenlab.ndis.packets5 import PacketPools
from xenlab.ndis.timers6 import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenlab.ndis.adapter import Adapter, MiniportDriver
    from xenlab.nt.kernel import Kernel


class Area(Protocol):
    """A part of NDIS that keeps account of what drivers hold."""

    def outstanding(self) -> list[str]: ...


_AREAS: tuple[Callable[[Kernel], Area], ...] = (BufferPools, PacketPools, Configurations, NetBuffers, Timers)


class Ndis:
    """NDIS's own state, one for each kernel (``kernel.part(Ndis)``).

    Attributes:
        drivers: the registered miniport drivers, by guest address of the driver object.
        adapters: by the handle that a miniport knows one by.
        wrappers: the driver objects of NdisMInitializeWrapper, by handle.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.drivers: dict[int, MiniportDriver] = {}
        self.adapters: dict[int, Adapter] = {}
        self.wrappers: dict[int, int] = {}

    def adapter(self, handle: int, what: str) -> Adapter:
        """Return the adapter whose miniport makes a call; a handle that is none ends the run."""
        if handle not in self.adapters:
            self.kernel.violation(f"{what} is called with {handle:#x}, which is no handle of an adapter.")
        return self.adapters[handle]

    def outstanding(self) -> list[str]:
        """What adapters and miniports still hold that they should have given back at the end of a run, a line each."""
        left = [line for adapter in self.adapters.values() for line in adapter.unfinished()]
        left += ["A driver has failed without NdisTerminateWrapper." for _ in self.wrappers]
        return [*left, *(line for area in _AREAS for line in self.kernel.part(area).outstanding())]

# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a run: every device removed, every driver unloaded, nothing left."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Protocol

from xenlab.nt.affinity import Affinities
from xenlab.nt.dma import Adapters
from xenlab.nt.errorlog import ErrorLog
from xenlab.nt.ex import BugCheckCallbacks, Callbacks, Lookasides, WorkItems
from xenlab.nt.exlock import Resources
from xenlab.nt.io import Devices
from xenlab.nt.iomisc import ShutdownNotifications
from xenlab.nt.irp import Irps
from xenlab.nt.kemisc import Callbacks as OtherCallbacks
from xenlab.nt.mapping import Mappings
from xenlab.nt.mdl import Mdls
from xenlab.nt.ob import ObjectManager
from xenlab.nt.pnp import PnpManager
from xenlab.nt.pnpcalls import Interfaces
from xenlab.nt.power import PowerManager, SystemStates
from xenlab.nt.processors import ProcessorCallbacks
from xenlab.nt.psmisc import Notifications
from xenlab.nt.removelock import RemoveLocks
from xenlab.nt.routine import Call, Wait
from xenlab.nt.section import Sections
from xenlab.nt.thread import Thread
from xenlab.nt.tracing import Providers
from xenlab.nt.wmi import Wmi

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel


class Area(Protocol):
    """A part of the kernel that keeps account of what drivers hold."""

    def outstanding(self) -> list[str]: ...


_AREAS: tuple[Callable[[Kernel], Area], ...] = (
    Irps, RemoveLocks, Resources, PowerManager, Interfaces, WorkItems, Callbacks, Lookasides, BugCheckCallbacks,
    Mdls, Adapters, Mappings, Wmi, ErrorLog, PnpManager, ObjectManager, Affinities, ShutdownNotifications,
    OtherCallbacks, SystemStates, ProcessorCallbacks, Notifications, Providers, Sections,
)  # fmt: skip


def outstanding(kernel: Kernel) -> list[str]:
    """Return what drivers still hold, a line each: requests, locks, handles, registrations, memory."""
    left = [line for area in _AREAS for line in kernel.part(area).outstanding()]
    left += [f"Thread {each.name} still runs." for each in _running(kernel)]
    return left + [f"{kernel.pool.describe_block(block)} is never freed." for block in kernel.pool.outstanding()]


def _running(kernel: Kernel) -> list[Thread]:
    threads = [each.payload for each in kernel.part(ObjectManager).of_kind("Thread")]
    return [each for each in threads if isinstance(each, Thread) and not each.finished]


def require_nothing_outstanding(kernel: Kernel) -> None:
    """Raises:
    Violation: drivers still hold something; each thing is named.
    """
    left = outstanding(kernel)
    if left:
        kernel.violation("\n  ".join([f"{len(left)} things are never given back:", *left]))


def remove_everything(kernel: Kernel) -> Generator[Call | Wait, int, None]:
    """Remove every device in an orderly manner and unload every driver.

    Raises:
        Violation: a device refuses, a driver cannot be unloaded, or something is left.
    """
    manager = kernel.part(PnpManager)
    for node in list(manager.root.children):
        if not (yield from manager.locked(manager.query_remove(node))):
            kernel.violation(f"{node.instance_path} or a device on it refuses to be removed.")
        yield from manager.locked(manager.remove(node))
    for driver in [each for each in kernel.part(Devices).drivers.values() if each.loaded]:
        if not (yield from manager.unload(driver)):
            kernel.violation(f"{driver.service} cannot be unloaded: it has no DriverUnload, or devices are left.")
    yield from kernel.sleep(1_000_000)
    require_nothing_outstanding(kernel)

# SPDX-License-Identifier: GPL-2.0-or-later
"""One virtual machine with a folder of drivers in it: Windows on the emulated processor, on Xen or on bare hardware."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypedDict, TypeVar

from gplpv.errors import GplpvError
from gplpv.matrix import Nt
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.cpu.memory import PAGE_SIZE
from xenlab.domain import Domain
from xenlab.folder import DriverFolder
from xenlab.ndis import Ndis
from xenlab.ndis.nic import Nic
from xenlab.nt import routine, teardown
from xenlab.nt.arbiter import Arbiter
from xenlab.nt.codes import Resource
from xenlab.nt.devnode import Node
from xenlab.nt.inf import Inf
from xenlab.nt.kernel import Kernel
from xenlab.nt.pci import PciFunction, qemu_functions
from xenlab.nt.pnp import PnpManager
from xenlab.nt.registry import CONTROL_SET
from xenlab.nt.reinit import Reinitializations
from xenlab.nt.routine import Call, Steps, Wait
from xenlab.nt.zwkey import KernelRegistry
from xenlab.ports import Ports
from xenlab.ports.adapter import Adapter
from xenlab.ports.disk import Disk as PvDisk
from xenlab.ports.queues import LogicalUnit
from xenlab.trace import Trace
from xenlab.world import World
from xenlab.xen.blkback import ORDINARY, Features
from xenlab.xen.disk import SECTOR, Disk
from xenlab.xen.netrules import Features as NetFeatures
from xenlab.xen.qemu import EmulatedDisk, Model
from xenlab.xen.releases import CURRENT, RELEASES
from xenlab.xen.toolstack import Vbd, Vif

_T = TypeVar("_T")
Work = Generator[Call | Wait, int, _T]

DEVICE_MODELS: tuple[Model, ...] = ("upstream", "traditional")
SECOND = 10**9
_ORDINARY_BOOT_OPTIONS = "NOEXECUTE=OPTIN  FASTDETECT"
_DISK_SECTORS = 16 * 2048
_PLATFORM, _IDE, _NIC = (0x5853, 0x0001), (0x8086, 0x7010), (0x10EC, 0x8139)


@dataclass(frozen=True)
class Options:
    """How a machine is made; a folder of drivers says the rest.

    Attributes:
        xen: the release (:data:`xenlab.xen.releases.RELEASES`), or empty: bare hardware, without Xen.
        boot_options: added to those that Windows starts with; drivers see them as SystemStartOptions.
        nt: the Windows, if not the oldest that takes the drivers.
        viridian: Xen shows Hyper-V's CPUID leaves before its own.
        amd: the host's processor has vmmcall for vmcall.
        platform_device: the PCI bus has Xen's device; without Xen it is a device model's leftover.
        messages: Windows grants a message interrupt to a device that asks for one, from Vista on.
    """

    xen: str = CURRENT.name
    device_model: Model = "upstream"
    seed: int = 1
    boot_options: str = ""
    nt: Nt | None = None
    viridian: bool = False
    amd: bool = False
    platform_device: bool = True
    messages: bool = True


class Choices(TypedDict, total=False):
    """Options by keyword."""

    xen: str
    device_model: Model
    seed: int
    boot_options: str
    nt: Nt | None
    viridian: bool
    amd: bool
    platform_device: bool
    messages: bool


class Lab:
    """A machine, off until :meth:`boot`.

    Attributes:
        boot_disk: what the emulated primary master and, once attached as ``hda``, the PV disk store on.
        domain: the Xen parts, None on bare hardware.
    """

    def __init__(self, folder: DriverFolder, options: Options, trace: Trace | None = None) -> None:
        for package in ("xenlab.ports", "xenlab.ndis"):
            routine.load_package(package)
        self.folder = folder
        self.arch = folder.arch
        self.options = options
        self.nt = options.nt or folder.nt
        self.world = World(options.seed, trace)
        self.machine = Machine(folder.arch, self.world, BarePlatform())
        self.kernel = Kernel(self.machine, self.nt)
        self.boot_disk = Disk(_DISK_SECTORS)
        self.domain = self._make_domain() if options.xen else None
        self._seen: dict[str, PvDisk] = {}
        self.pnp = self.kernel.part(PnpManager)
        self.kernel.part(Arbiter).grants_messages = options.messages
        self.infs = folder.read_infs(self.nt)
        self._set_up_registry()

    def _make_domain(self) -> Domain:
        release = RELEASES[self.options.xen]
        made = Domain(
            self.machine, release, self.options.device_model, [EmulatedDisk(0, self.boot_disk)],
            viridian=self.options.viridian, amd=self.options.amd,
        )  # fmt: skip
        made.platform.after_output = self._follow_unplug
        return made

    def _set_up_registry(self) -> None:
        tree = self.kernel.part(KernelRegistry).tree
        options = f" {_ORDINARY_BOOT_OPTIONS}  {self.options.boot_options}".rstrip()
        tree.set(rf"{CONTROL_SET}\Control", "SystemStartOptions", options)
        for inf in self.infs:
            self.pnp.install(inf)
            for service in _class_filters(inf):
                self.pnp.add_class_filter(service, inf.class_guid)

    @property
    def xen(self) -> Domain:
        """The Xen parts.

        Raises:
            GplpvError: the machine is without.
        """
        if self.domain is None:
            raise GplpvError("This machine is bare hardware.", "Make it with xen=.")
        return self.domain

    def attach(self, name: str, disk: Disk, features: Features = ORDINARY) -> Vbd:
        """Attach a PV disk, to a machine that is off or runs."""
        return self.xen.toolstack.attach(name, disk, features)

    def attach_nic(
        self, handle: int = 0, features: NetFeatures | None = None, mac: bytes = b"", mtu: int = 1500
    ) -> Vif:
        """Attach a PV network interface, with the back end that Dom0 of the release's time had or another."""
        return self.xen.toolstack.attach_nic(handle, features, mac, mtu)

    # PV disks

    def pv_disk(self, name: str) -> PvDisk:
        """Return a class driver's view of an attached disk, as soon as its adapter has found it.

        Raises:
            Violation: there is no such disk for Windows after a minute.
        """
        vbd = self.xen.toolstack.vbds[name]

        def unit() -> tuple[Adapter, LogicalUnit] | None:
            pdos = {node.pdo.address for node in self.nodes("XEN") if node.instance_path.endswith(f"&{vbd.number}")}
            for adapter in self.kernel.part(Ports).adapters.values():
                if adapter.parent.pdo in pdos and (units := adapter.present_units()):
                    return adapter, units[0]
            return None

        self.wait(lambda: unit() is not None, f"the search for the disk {name}")
        found = unit()
        assert found is not None
        made = self._seen[name] = PvDisk(*found, bytearray(vbd.disk.read(0, vbd.disk.sectors * SECTOR)))
        made.open()
        return made

    # PV network interfaces

    def pv_nic(self, number: int) -> Nic:
        """Return a protocol driver's view of an interface, as soon as one is bound to its adapter.

        Raises:
            Violation: there is no such interface for Windows after a minute.
        """

        def bound() -> Nic | None:
            for adapter in self.kernel.part(Ndis).adapters.values():
                if adapter.nic and re.fullmatch(rf"xen\\vif.*&{number}", adapter.name.lower()):
                    return adapter.nic
            return None

        self.wait(lambda: bound() is not None, f"the search for the network interface {number}")
        found = bound()
        assert found is not None
        return found

    def settle(self) -> None:
        """Let what is under way come to rest, then ask back ends, grant table and port drivers.

        Raises:
            Violation: requests lie on a ring that the back end was not told of, a grant in use was changed, a request
                went on only because the port driver lost patience with it, or a disk holds what was not written.
        """
        self.run(0.2)
        for adapter in self.kernel.part(Ports).adapters.values():
            for request in adapter.timed_out[:1]:
                self.world.violation(f"{request} timed out, though its back end answers promptly: an event was lost.")
        self.xen.hypervisor.grants.audit()
        for name, vbd in self.xen.toolstack.vbds.items():
            vbd.backend.audit()
            if name in self._seen:
                self._seen[name].compare_with(vbd.disk.read(0, vbd.disk.sectors * SECTOR))
        for vif in self.xen.toolstack.vifs.values():
            vif.backend.audit()

    # The machine's life

    def boot(self, seconds: float = 120) -> None:
        """Start Windows: its boot drivers, then the devices that the machine has.

        Raises:
            Violation: that takes longer than `seconds` of virtual time.
        """
        functions = [each for each in qemu_functions() if self._has(each)]
        if self.domain:
            for base, size in _memory_ranges(functions):
                self.machine.physical.add_region(base, size)
                self.domain.hypervisor.physmap.add_holes(range(base // PAGE_SIZE, (base + size) // PAGE_SIZE))
        self.perform(self._boot(functions), "the start of Windows", seconds)

    def _boot(self, functions: Sequence[PciFunction]) -> Steps:
        yield from self.pnp.boot(functions)
        for boot in (True, False):
            yield from self.kernel.part(Reinitializations).run(boot)
        return None

    def shut_down(self) -> None:
        """Remove every device, unload every driver, and see that nothing is left of them.

        Raises:
            Violation: a device does not go, or something was not given back.
        """
        self.perform(teardown.remove_everything(self.kernel), "the removal of all devices")
        held = self.domain.held() if self.domain else []
        left = [*self.kernel.part(Ports).outstanding(), *self.kernel.part(Ndis).outstanding(), *held]
        if left:
            lines = "".join(f"\n  {line}" for line in left)
            self.world.violation(f"The drivers are gone and leave behind:{lines}")

    def perform(self, work: Work[_T], what: str, seconds: float = 60) -> _T:
        """Have something done on a thread of the kernel; return what it gives.

        Raises:
            Violation: it is not done within `seconds` of virtual time.
        """
        results: list[_T] = []

        def steps() -> Steps:
            results.append((yield from work))
            return None

        self.kernel.start(steps(), what)
        self.wait(lambda: bool(results), what, seconds)
        return results[0]

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.kernel.run_for(int(seconds * SECOND))

    def wait(self, until: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Run until something is so.

        Raises:
            Violation: it is not so within `seconds` of virtual time.
        """
        patience = self.world.at(int(seconds * SECOND), lambda: None, f"the end of patience with {what}")
        self.kernel.run(lambda: until() or self.world.now >= patience.time, int(2 * seconds * SECOND))
        patience.cancel()
        if not until():
            blocked = self.kernel.dispatcher.blocked()
            waiting = "".join(f"\n  {each.name} waits for {each.waits_for}" for each in blocked)
            self.world.violation(f"In {seconds:g} s of virtual time there was no end of {what}.{waiting}")

    def expect(self, condition: bool, what: str) -> None:
        """Raises:
        Violation: `what` the drivers must achieve is not so.
        """
        if not condition:
            self.world.violation(f"This is not so: {what}.")

    # Looking

    def nodes(self, enumerator: str) -> list[Node]:
        """Return the devices of a bus, such as ``XEN`` or ``PCI``, that are in the tree."""
        prefix = f"{enumerator.lower()}\\"
        return [node for node in self.pnp.root.walk() if node.instance_path.lower().startswith(prefix)]

    def platform_node(self) -> Node:
        """The device of the Xen platform function."""
        return self.pnp.find("PCI\\VEN_{:04X}&DEV_{:04X}".format(*_PLATFORM))

    def has_emulated(self, kind: str) -> bool:
        """Whether Windows sees an emulated controller: ``ide`` or ``nic``."""
        vendor, device = {"ide": _IDE, "nic": _NIC}[kind]
        return any(f"VEN_{vendor:04X}&DEV_{device:04X}" in node.instance_path for node in self.nodes("PCI"))

    def _has(self, function: PciFunction) -> bool:
        """Whether the machine has a function that QEMU may have."""
        return self.options.platform_device or (function.vendor, function.device) != _PLATFORM

    def _follow_unplug(self) -> None:
        """What the device model has unplugged, the PCI bus has no longer."""
        nic = self.pnp.pci.pdo_of(*_NIC)
        if nic and not self.xen.model.nics:
            self.pnp.pci.take_out(nic)


def _memory_ranges(functions: Sequence[PciFunction]) -> list[tuple[int, int]]:
    """The memory that functions decode, in whole pages."""
    ranges = [each for function in functions for each in function.ranges if each.kind == Resource.Memory]
    return [(each.base, -(-each.size // PAGE_SIZE) * PAGE_SIZE) for each in ranges]


def _class_filters(inf: Inf) -> list[str]:
    """The services that an INF without devices of its own installs for its class: the installer makes them filters."""
    section = inf.install_section("DefaultInstall")
    if inf.models() or not section or not inf.class_guid:
        return []
    return [service.name for service in inf.services(section)]

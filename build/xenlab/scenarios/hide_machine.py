# SPDX-License-Identifier: GPL-2.0-or-later
"""What can differ between two starts of a machine whose disks and network card are there twice, emulated and PV."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace

from xenlab.lab import Lab
from xenlab.nt import devnode
from xenlab.nt.codes import Pnp, Status, nt_success
from xenlab.nt.devnode import Node
from xenlab.nt.io import Device
from xenlab.nt.irp import Request
from xenlab.nt.objects import Struct
from xenlab.nt.pci import Inbox, qemu_functions
from xenlab.nt.pnp import PnpManager
from xenlab.nt.pydriver import Answer
from xenlab.nt.registry import CLASSES, CONTROL_SET, SERVICES, Registry
from xenlab.nt.routine import Call, Wait
from xenlab.nt.zwkey import KernelRegistry
from xenlab.ports import Ports
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab
from xenlab.scenarios.interface import GUID, VERSION
from xenlab.xen.abi import XenbusState
from xenlab.xen.blkback import ORDINARY
from xenlab.xen.disk import Disk as Medium
from xenlab.xen.qemu import EmulatedDisk
from xenlab.xen.releases import RELEASES, Release

_SECTORS = 2 * 2048
_BOOT_DEVICES = rf"{CONTROL_SET}\Control\CriticalDeviceDatabase"
_ROOT_BUS = r"ACPI\PNP0A03"
_PLATFORM = r"PCI\VEN_5853&DEV_0001"
_CARD = (0x10EC, 0x8139)
_IDE = "VEN_8086&DEV_7010"
_CARD_PARAMETERS = rf"{SERVICES}\xennet\Parameters"
_DISABLED, _ON_DEMAND = 4, 3
LAST_NETWORK_S = 150
# struct xenpci_interface: two numbers, the context, then routines, each as large as a pointer; where those wanted are.
_INTERFACE_SIZE, _DEREFERENCE, _SET_STATE = 0x400, 3, 20
Change = Callable[[Lab], None]


def _nothing(_: Lab) -> None:
    """As it comes."""


@dataclass(frozen=True)
class Choice:
    """One value of one axis.

    Attributes:
        change: what it does to a machine that is off.
        disk, network: whether PV devices can take over with it; neither is meant where it says nothing.
        options: what Lab is made with.
        without: drivers that are not installed.
        patience: how many seconds after the boot it must be settled who has the network.
    """

    change: Change = _nothing
    disk: bool = True
    network: bool = True
    options: tuple[tuple[str, object], ...] = ()
    without: str = ""
    patience: float = 1


# Device models


def _set_model(**values: object) -> Change:
    def change(lab: Lab) -> None:
        for name, value in values.items() if lab.domain else ():
            setattr(lab.xen.model, name, value)

    return change


_TRADITIONAL = (("device_model", "traditional"),)
MODELS = {
    "upstream": Choice(),
    "traditional": Choice(options=_TRADITIONAL),
    "blacklisting": Choice(_set_model(blacklists_all=True), disk=False, network=False, options=_TRADITIONAL),
    "protocol 0": Choice(_set_model(protocol=0), options=_TRADITIONAL),
    "no platform device": Choice(disk=False, network=False, options=(("platform_device", False),)),
    "no unplug": Choice(_set_model(unplugs=False), options=_TRADITIONAL),
}

# Boot options


def _opt_in(lab: Lab) -> None:
    _registry(lab).set(rf"{SERVICES}\xenpci\Parameters", "OptIn", 1)


def _registry(lab: Lab) -> Registry:
    return lab.kernel.part(KernelRegistry).tree


MODES = {
    "ordinary": Choice(),
    "/GPLPV": Choice(options=(("boot_options", "GPLPV"),)),
    "/NOGPLPV": Choice(disk=False, network=False, options=(("boot_options", "NOGPLPV"),)),
    "safe mode": Choice(disk=False, network=False, options=(("boot_options", "SAFEBOOT:MINIMAL"),)),
    "opt-in": Choice(_opt_in, disk=False, network=False),
    "opt-in and /GPLPV": Choice(_opt_in, options=(("boot_options", "GPLPV"),)),
}

# Releases

_TOO_OLD = {"3.0"}
XENS = {"none": Choice(disk=False, network=False, options=(("xen", ""),))} | {
    name: Choice(disk=name not in _TOO_OLD, network=name not in _TOO_OLD, options=(("xen", name),)) for name in RELEASES
}
CURRENT = list(RELEASES)[-1]

# What is on offer


def _boot_disk(lab: Lab, name: str = "hda") -> None:
    if lab.domain:
        lab.attach(name, lab.boot_disk)


def _second_disk(lab: Lab) -> None:
    if lab.domain:
        disk = Medium(_SECTORS)
        lab.xen.model.disks.append(EmulatedDisk(1, disk))
        lab.attach("hdb", disk)


def _other_disk(lab: Lab) -> None:
    if lab.domain:
        lab.attach("xvde", Medium(_SECTORS))


def _cd_drive(lab: Lab) -> None:
    """The first drive is for CDs, and what Windows boots from is the second."""
    if lab.domain:
        lab.attach("hda", Medium(_SECTORS), replace(ORDINARY, cdrom=True))


def _network(lab: Lab) -> None:
    """A virtual interface, as a toolstack writes it; its back end waits."""
    if not lab.domain:
        return
    dom0, domid = lab.xen.store.dom0, lab.xen.hypervisor.domid
    front, back = f"/local/domain/{domid}/device/vif/0", f"/local/domain/0/backend/vif/{domid}/0"
    for path, owner, reader in ((front, domid, 0), (back, 0, domid)):
        dom0.mkdir(path)
        dom0.set_perms(path, [f"n{owner}", f"r{reader}"])
    values = {"backend": back, "backend-id": 0, "handle": 0, "mac": "00:16:3e:00:00:01"}
    for name, value in values.items():
        dom0.write(f"{front}/{name}", str(value))
    dom0.write(f"{back}/frontend", front)
    dom0.write(f"{back}/frontend-id", str(domid))
    dom0.write(f"{back}/state", str(int(XenbusState.InitWait)))
    dom0.write(f"{front}/state", str(int(XenbusState.Initialising)))


def _silent(name: str) -> Change:
    def change(lab: Lab) -> None:
        if lab.domain:
            lab.world.advance(60_000_000)
            lab.xen.toolstack.vbds[name].backend.vanish()

    return change


def _closing(lab: Lab) -> None:
    if lab.domain:
        lab.world.advance(60_000_000)
        lab.xen.toolstack.vbds["hda"].backend.close_early()


def _all(*changes: Change) -> Change:
    def change(lab: Lab) -> None:
        for each in changes:
            each(lab)

    return change


OFFERS = {
    "boot disk, network": Choice(_all(_boot_disk, _network)),
    "boot disk": Choice(_boot_disk, network=False),
    "nothing": Choice(disk=False, network=False),
    "network": Choice(_network, disk=False),
    "other disk": Choice(_other_disk, disk=False, network=False),
    "second disk": Choice(_second_disk, disk=False, network=False),
    "both disks": Choice(_all(_boot_disk, _second_disk), network=False),
    "as xvda": Choice(lambda lab: _boot_disk(lab, "xvda"), network=False),
    "CD drive first": Choice(_all(_cd_drive, _second_disk), disk=False, network=False),
    "silent boot disk": Choice(_all(_boot_disk, _silent("hda")), disk=False, network=False),
    "silent second disk": Choice(_all(_boot_disk, _second_disk, _silent("hdb")), disk=False, network=False),
    "closing boot disk": Choice(_all(_boot_disk, _closing), disk=False, network=False),
}

# Drivers


def _service(name: str, value: str, data: int) -> Change:
    return lambda lab: _registry(lab).set(rf"{SERVICES}\{name}", value, data)


def _no_filter(lab: Lab) -> None:
    for key in _registry(lab).create(CLASSES).walk():
        key.values.pop("upperfilters", None)


def _no_boot_device(name: str) -> Change:
    def change(lab: Lab) -> None:
        key = _registry(lab).find(rf"{_BOOT_DEVICES}\{name}")
        if key:
            key.delete()

    return change


def _disabled_device(hardware_id: str) -> Change:
    return lambda lab: lab.pnp.disabled.add(hardware_id.lower())


def _short_of_memory(lab: Lab) -> None:
    """What xenpci needs of its own is not to be had, what xenhide needs is."""
    lab.kernel.pool.fails = lambda _number, tag, size: tag == "GPLV" and size > 512


DRIVERS = {
    "all": Choice(),
    "without xenpci": Choice(without="xenpci", disk=False, network=False),
    "xenpci disabled": Choice(_service("xenpci", "Start", _DISABLED), disk=False, network=False),
    "xenpci on demand": Choice(_service("xenpci", "Start", _ON_DEMAND), disk=False, network=False),
    "xenpci fails": Choice(_short_of_memory, disk=False, network=False),
    "platform device disabled": Choice(_disabled_device(_PLATFORM), disk=False, network=False),
    "without xenvbd": Choice(without="xenvbd", disk=False),
    "xenvbd disabled": Choice(_service("xenvbd", "Start", _DISABLED), disk=False),
    "xenvbd on demand": Choice(_service("xenvbd", "Start", _ON_DEMAND), disk=False),
    "xenvbd for no boot device": Choice(_no_boot_device("XEN#vbd"), disk=False),
    "disk disabled": Choice(_disabled_device(r"XEN\vbd"), disk=False),
    "card disabled": Choice(_disabled_device(r"XEN\vif"), network=False, patience=LAST_NETWORK_S),
    "card fails": Choice(_service(r"xennet\Parameters", "Fails", 1), network=False),
    "without xennet": Choice(without="xennet", network=False),
    "xennet disabled": Choice(_service("xennet", "Start", _DISABLED), network=False),
    "xennet cannot replace": Choice(_service(r"xennet\Parameters", "ReplacesEmulated", 0), network=False),
    "without xenhide": Choice(without="xenhide", disk=False, network=False),
    "xenhide disabled": Choice(_service("xenhide", "Start", _DISABLED), disk=False, network=False),
    "xenhide on demand": Choice(_service("xenhide", "Start", _ON_DEMAND), disk=False, network=False),
    "xenhide no filter": Choice(_no_filter, disk=False, network=False),
}

# Orders


def _pci_driver_first(lab: Lab) -> None:
    _registry(lab).set(rf"{SERVICES}\xenhide", "Group", "Base")


def _tree_first(lab: Lab) -> None:
    lab.pnp.tree_first = True


def _platform_first(lab: Lab) -> None:
    lab.pnp.bus_reversed = True


ORDERS = {
    "xenhide first": Choice(),
    "xenpci first": Choice(_pci_driver_first),
    "tree first": Choice(_tree_first),
    "tree first, platform device first": Choice(_all(_tree_first, _platform_first)),
}
AXES = (XENS, MODELS, MODES, OFFERS, DRIVERS, ORDERS)
USUAL = (CURRENT, *(next(iter(axis)) for axis in AXES[1:]))


class Card(Inbox):
    """A driver for the PV network card, as the folder's needs NDIS: it says that it is connected, and does nothing.

    Source: drivers_src/include/xenpci_interface.h.
    """

    def pnp(self, device: int, request: Request, stack: Struct) -> Answer:
        if stack["MinorFunction"] != Pnp.START_DEVICE:
            return (yield from super().pnp(device, request, stack))
        status = yield from self.below_first(device, request)
        if self.kernel.part(KernelRegistry).tree.get(_CARD_PARAMETERS, "Fails"):
            status = Status.UNSUCCESSFUL
        if nt_success(status):
            yield from self._connect(self.kernel.part(PnpManager).node_of(self.lower(device), "the network card"))
        return (yield from self.finish(request, status))

    def _connect(self, node: Node) -> Generator[Call | Wait, int, None]:
        kernel, pointer = self.kernel, self.kernel.pointer_size
        guid, interface = kernel.alloc(16, "Card"), kernel.alloc(_INTERFACE_SIZE, "Card")
        kernel.write(guid, GUID.bytes_le)

        def fill(_irp: Struct, stack: Struct) -> None:
            names = {"InterfaceType": guid, "Interface": interface, "Size": _INTERFACE_SIZE, "Version": VERSION}
            for name, value in names.items():
                stack[f"Parameters.QueryInterface.{name}"] = value

        status, _ = yield from devnode.send(kernel, node, Pnp.QUERY_INTERFACE, fill)
        if nt_success(status):
            context = kernel.ptr(interface + pointer)
            yield Call(kernel.ptr(interface + _SET_STATE * pointer), context, int(XenbusState.Connected))
            yield Call(kernel.ptr(interface + _DEREFERENCE * pointer), context)
        for block in (guid, interface):
            kernel.free(block)


def _is_numbered(node: Node, number: int) -> bool:
    """Whether this is the device of a number; of its two names one may be missing, for want of memory."""
    return str(number) in (node.instance_path.rpartition("&")[2], node.location.rpartition("/")[2])


class Machine:
    """One combination, booted.

    Attributes:
        pv_disk, pv_network: whether Windows must have the PV one; None: it may have either.
        patience: how many seconds the network may take.
        declines: PV devices are not wanted at all, and so there is nothing to be hidden.
    """

    def __init__(self, new: NewLab, names: tuple[str, ...]) -> None:
        self.names = names
        choices = [axis[name] for axis, name in zip(AXES, names, strict=True)]
        self.lab = self._make(new, choices)
        self.patience = max(each.patience for each in choices)
        self.declines = not (XENS[names[0]].disk and MODES[names[2]].disk)
        self.pv_disk: bool | None = all(each.disk for each in choices)
        self.pv_network: bool | None = all(each.network for each in choices)

    def _make(self, new: NewLab, choices: Iterable[Choice]) -> Lab:
        without = [each.without for each in choices]
        infs = tuple(path for path in new.folder.infs if path.stem not in without)
        options = replace(new.options, **dict(pair for each in choices for pair in each.options))  # type: ignore[arg-type]
        lab = Lab(replace(new.folder, infs=infs), options, new.trace)
        new.take(lab)
        lab.pnp.provide("xennet", self._card)
        if "xennet" not in without:
            _registry(lab).set(_CARD_PARAMETERS, "ReplacesEmulated", 1)
        for each in choices:
            each.change(lab)
        return lab

    def _card(self, pdo: Device) -> None:
        drivers = self.lab.pnp.devices.drivers
        card = drivers["xennet"].python if "xennet" in drivers else Card(self.lab.kernel, "xennet")
        assert isinstance(card, Card)
        card.add_device(pdo)

    def boot(self) -> None:
        """Start Windows, which needs its disk early, and the network when patience ends."""
        self.lab.pnp.when_disk_is_needed = lambda: self.check_disks("when Windows looks for its disk")
        self.lab.boot(300)
        self.lab.run(self.patience)
        self.check("after the boot")

    def check(self, when: str) -> None:
        self.check_disks(when)
        self._check_one(when, "the network", self.emulated_network, self.has_pv_network, self.pv_network)
        self._check_controller(when)
        bus = self.lab.pnp.find(_ROOT_BUS).pdo.stack()
        filtered = any(each.driver.service == "xenhide" for each in bus)
        self.lab.expect(not (self.declines and filtered), f"{when} xenhide is not there, as it has nothing to hide")

    def _check_controller(self, when: str) -> None:
        """Where the disks are unplugged, their controller is seen, with CD drives on it."""
        if self.lab.domain and not self.lab.xen.model.disk(0).attached:
            self.lab.expect(self._works("PCI", _IDE), f"{when} Windows sees the controller that CD drives are on")

    def check_disks(self, when: str) -> None:
        for position, names in enumerate((("hda", "xvda"), ("hdb",))):
            has_pv = any(self.has_pv_disk(name) for name in names)
            if position == 0 or self._has_disk(position):
                self._check_one(when, f"disk {position}", self.emulated_disk(position), has_pv, self.pv_disk)

    def _check_one(self, when: str, what: str, emulated: bool, pv: bool, wanted: bool | None) -> None:
        self.lab.expect(emulated or pv, f"{when} there is a way to {what}")
        self.lab.expect(not (emulated and pv), f"{when} there is one way to {what}, not two")
        if wanted is not None:
            self.lab.expect(pv == wanted, f"{when} {what} is {'a PV' if wanted else 'an emulated'} one")

    # What Windows has

    def _has_disk(self, position: int) -> bool:
        return self.lab.domain is not None and any(disk.position == position for disk in self.lab.xen.model.disks)

    def emulated_disk(self, position: int) -> bool:
        attached = self.lab.domain is None or self.lab.xen.model.disk(position).attached
        return attached and self._works("PCI", _IDE)

    def has_pv_disk(self, name: str) -> bool:
        vbd = self.lab.xen.toolstack.vbds.get(name) if self.lab.domain else None
        if vbd is None or vbd.features.cdrom:
            return False
        pdos = {each.pdo.address for each in self.lab.nodes("XEN") if _is_numbered(each, vbd.number)}
        adapters = self.lab.kernel.part(Ports).adapters.values()
        return any(each.parent.pdo in pdos and each.present_units() for each in adapters)

    @property
    def emulated_network(self) -> bool:
        attached = self.lab.domain is None or self.lab.xen.model.nics > 0
        return attached and self._works("PCI", "VEN_10EC&DEV_8139")

    @property
    def has_pv_network(self) -> bool:
        return self._works("XEN", "vif")

    def _works(self, bus: str, part: str) -> bool:
        return any(part in each.instance_path and each.operating for each in self.lab.nodes(bus))

    # What comes later

    def use_disk(self) -> None:
        """Write to the disk as Windows sees it; the lab knows who else has, and what is plugged in."""
        if self.has_pv_disk("hda"):
            Workload([self.lab.pv_disk("hda")], 20).run()
        else:
            self.lab.xen.model.emulated_write(0, 0, b"Windows")

    def attach_late(self, name: str, disk: Medium | None = None) -> None:
        self.lab.attach(name, disk or Medium(_SECTORS))
        self.lab.run(2)

    def rescan(self) -> None:
        """Somebody has Windows look for changed hardware."""
        bus = self.lab.pnp.find(_ROOT_BUS)
        self.lab.perform(self.lab.pnp.locked(self.lab.pnp.enumerate(bus)), "a rescan of the PCI bus")
        self.lab.run(0.5)

    def suspend(self, model: str = "", xen: str = "") -> None:
        """Save and restore, or with `model` move to a host with another device model, and perhaps another Xen.

        The model there is a new process with every device, so the bus may have a network card again.
        """
        toolstack, before = self.lab.xen.toolstack, self.lab.xen.toolstack.resumes
        restore = toolstack.restore

        def restore_with_card(release: Release, *, amd: bool | None = None, move_store: bool = True) -> None:
            restore(release, amd=amd, move_store=move_store)
            _network(self.lab)

        toolstack.restore = restore_with_card  # type: ignore[method-assign]
        self._become(model)
        toolstack.migrate(RELEASES[xen or self.lab.options.xen])
        self.lab.wait(lambda: toolstack.resumes > before, "a suspension")
        toolstack.restore = restore  # type: ignore[method-assign]
        self.lab.run(3)
        pci = self.lab.pnp.pci
        card = next(each for each in qemu_functions() if (each.vendor, each.device) == _CARD)
        if self.lab.xen.model.nics and not any(pdo in pci.present for pdo in pci.pdos_of(*_CARD)):
            pci.plug_in(card)

    def _become(self, model: str) -> None:
        if model:
            emulator, choice = self.lab.xen.model, MODELS[model]
            emulator.model = "traditional" if choice.options else "upstream"
            emulator.blacklists_all, emulator.unplugs, emulator.protocol = False, True, 1
            choice.change(self.lab)

    def reenable_platform(self) -> None:
        """The platform device is disabled and enabled again in the Device Manager, if what is on it lets it go."""
        pnp = self.lab.pnp
        node = pnp.find(_PLATFORM)
        if self.lab.perform(pnp.locked(pnp.query_remove(node)), "the question for a removal"):
            self.lab.perform(pnp.locked(pnp.remove(node)), "a removal")
            self.lab.run(1)
            self.lab.perform(pnp.locked(pnp.start_again(node)), "a start", 120)
            self.lab.run(1)

# SPDX-License-Identifier: GPL-2.0-or-later
"""What Setup has put on a machine: driver packages, services and filters, and the driver of each device.

Source: Windows Driver Kit, "How Setup Selects Drivers", "Specifying Driver Load Order", "Device Filter Ordering".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.nt.devnode import Node
from xenlab.nt.inf import Inf
from xenlab.nt.registry import CLASSES, SERVICES, Key
from xenlab.nt.zwkey import KernelRegistry

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_BOOT_START = 0
_CONFIGFLAG_DISABLED = 1
_SYSTEM_CLASS = "{4D36E97D-E325-11CE-BFC1-08002BE10318}"
_GROUPS = (
    "Boot Bus Extender",
    "System Bus Extender",
    "SCSI miniport",
    "Port",
    "Primary disk",
    "SCSI class",
    "Base",
    "NDIS",
)
# What Windows itself brings for the emulated devices: service and setup class by compatible ID.
INBOX = {
    r"PCI\CC_0101": ("pciide", "{4D36E96A-E325-11CE-BFC1-08002BE10318}"),
    r"PCI\CC_0200": ("rtl8139", "{4D36E972-E325-11CE-BFC1-08002BE10318}"),
}


class Setup:
    """Packages and services of one machine.

    Attributes:
        packages: the INFs that devices are matched with; drivers lie beside them.
        images: where a service's driver lies, by the service in lower case.
        disabled: hardware and compatible IDs of devices that the machine's owner has disabled.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.registry = kernel.part(KernelRegistry).tree
        self.packages: list[Inf] = []
        self.images: dict[str, Path] = {}
        self.disabled: set[str] = set()

    def install(self, inf: Inf) -> None:
        """Do what Setup does with a driver package: services into the registry, the package kept for devices.

        What the package wants in the registry beside its devices' own keys is there from a device before this boot.
        """
        self.packages.append(inf)
        sections = [inf.install_section(model.install) for model in inf.models()] or [
            inf.install_section("DefaultInstall")
        ]
        for section in dict.fromkeys(each for each in sections if each):
            for service in inf.add_services(section, self.registry):
                self.images[service.name.lower()] = inf.path.parent / self._image_name(service.name)
            inf.add_reg(section, self.registry, Key(section))

    def _image_name(self, service: str) -> str:
        path = self.registry.get(rf"{SERVICES}\{service}", "ImagePath")
        return path.text().rpartition("\\")[2] if path else f"{service}.sys"

    def add_class_filter(self, service: str, class_guid: str = _SYSTEM_CLASS) -> None:
        """Enter a service as the last upper filter of a setup class."""
        key = self.registry.create(rf"{CLASSES}\{class_guid}")
        old = key.get("UpperFilters")
        key.set("UpperFilters", [*(old.texts() if old else []), service])

    def is_disabled(self, node: Node) -> bool:
        key = self.registry.create(node.enum_path)
        if self.disabled & {each.lower() for each in (*node.hardware_ids, *node.compatible_ids)}:
            key.set("ConfigFlags", _CONFIGFLAG_DISABLED)
        flags = key.get("ConfigFlags")
        return bool(flags and flags.number() & _CONFIGFLAG_DISABLED)

    def configure(self, node: Node) -> None:
        """Find the best package for a device, as Setup does, and write what it says to the registry."""
        ids = [each.lower() for each in (*node.hardware_ids, *node.compatible_ids)]
        if "*pnp0a03" in ids:
            self._assign(node, "pci", _SYSTEM_CLASS)
            return
        best: tuple[int, Inf, str] | None = None
        for inf in self.packages:
            for model in inf.models():
                wanted = [each.lower() for each in (model.hardware_id, *model.compatible_ids)]
                rank = min((ids.index(each) for each in wanted if each in ids), default=None)
                section = inf.install_section(model.install)
                if rank is not None and section and (best is None or rank < best[0]):
                    best = (rank, inf, section)
        if best:
            _, inf, section = best
            service = next((each.name for each in inf.services(section) if each.associated), "")
            self._assign(node, service, inf.class_guid)
            inf.add_reg(section, self.registry, self.registry.create(rf"{CLASSES}\{node.driver_key}"))
            inf.add_reg(f"{section}.HW", self.registry, self.registry.create(node.enum_path))
            return
        for compatible in ids:
            if compatible.upper() in INBOX:
                self._assign(node, *INBOX[compatible.upper()])
                return
        node.problem = "no driver is installed for it"

    def _assign(self, node: Node, service: str, class_guid: str) -> None:
        node.service, node.class_guid = service, class_guid
        classes = self.registry.create(rf"{CLASSES}\{class_guid}")
        key = self.registry.create(node.enum_path)
        old = key.get("Driver")
        node.driver_key = old.text() if old else rf"{class_guid}\{len(classes.keys):04d}"
        self.registry.create(rf"{CLASSES}\{node.driver_key}")
        for name, text in (("Service", service), ("ClassGUID", class_guid), ("Driver", node.driver_key)):
            key.set(name, text)

    def boot_services(self) -> list[str]:
        found = []
        for name in self.images:
            start, group = (self.registry.get(rf"{SERVICES}\{name}", each) for each in ("Start", "Group"))
            if start and start.number() == _BOOT_START:
                text = group.text() if group else ""
                found.append((_GROUPS.index(text) if text in _GROUPS else len(_GROUPS), name))
        return [name for _, name in sorted(found)]

    def is_boot(self, service: str) -> bool:
        """Boot drivers stay loaded while the machine runs; scenarios unload them when they want to see it."""
        start = self.registry.get(rf"{SERVICES}\{service}", "Start")
        return bool(start and start.number() == _BOOT_START)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The device model: which emulated devices the guest sees, and the ports through which a PV driver unplugs them.

The traditional model decides about a blacklist when the build number is written, and only after the version was read;
a blacklisted driver unplugs nothing. The upstream model keeps no blacklist and takes product and build without a look;
its earlier releases do not know the auxiliary disks. Neither remembers across a restore what was unplugged: the new
process starts with every device.

Source: xen/docs/misc/hvm-emulated-unplug; xen_platform.c of qemu-xen-traditional and of QEMU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xenlab.xen.abi import SHUTDOWN, XEN_HVM_DEBUGCONS_IOPORT
from xenlab.xen.disk import Disk
from xenlab.xen.hypervisor import Hypervisor

Model = Literal["traditional", "upstream"]

_BASE = 0x10
_SECOND = 0x12
_LAST = 0x1F
_MAGIC = 0x49D2
_BLACKLISTED = 0xD249
_ALL_DISKS, _ALL_NICS, _AUX_DISKS = 1, 2, 4
_LOG_LINE = 4095


@dataclass(frozen=True)
class PciDevice:
    """What configuration space says, and the sizes of its BARs in bytes ("io" or "memory")."""

    name: str
    slot: int
    function: int
    vendor: int
    device: int
    class_code: int
    revision: int = 0
    subsystem: tuple[int, int] = (0x5853, 0x0001)
    pin: int = 0
    bars: tuple[tuple[Literal["io", "memory"], int], ...] = ()


PLATFORM = PciDevice(
    "platform", 3, 0, 0x5853, 0x0001, 0xFF8000, revision=1, pin=1, bars=(("io", 0x100), ("memory", 1 << 24))
)
IDE_CONTROLLER = PciDevice("ide", 1, 1, 0x8086, 0x7010, 0x010180, subsystem=(0x1AF4, 0x1100))
NIC = PciDevice(
    "nic", 4, 0, 0x10EC, 0x8139, 0x020000, revision=0x20, subsystem=(0x1AF4, 0x1100), pin=1,
    bars=(("io", 0x100), ("memory", 0x100)),
)  # fmt: skip


@dataclass
class EmulatedDisk:
    """An IDE device: `position` 0 is the primary master. A CD drive is never unplugged."""

    position: int
    disk: Disk
    cdrom: bool = False
    attached: bool = True


class DeviceModel:
    """The emulated devices of one domain.

    Attributes:
        log: the lines that the guest has sent through port 0x12.
        product, build: what the driver said it is, or None.
        nics: how many emulated network cards are attached.
        blacklist: (product, build) that the traditional model lets unplug nothing; `blacklists_all` is for every one.
        unplugs: it has the unplug protocol at all, which the first models with a platform device had not.
        protocol: the version of that; 0 knows no product, and so no blacklist.
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        model: Model,
        disks: Sequence[EmulatedDisk] = (),
        nics: int = 1,
        *,
        blacklist: frozenset[tuple[int, int]] = frozenset(),
        knows_aux: bool = True,
        platform_device: bool = True,
        unplugs: bool = True,
        protocol: int = 1,
    ) -> None:
        self._hypervisor = hypervisor
        self.model: Model = model
        self.disks = list(disks)
        self.blacklist = blacklist
        self.blacklists_all = False
        self.unplugs = unplugs
        self.protocol = protocol
        self._knows_aux = knows_aux
        self._platform_device = platform_device
        self._all_nics = nics
        self.log: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Begin as a new process does, at power on and after a restore: with every device."""
        self.nics = self._all_nics
        self.product: int | None = None
        self.build: int | None = None
        self._version = 0
        self._refused = False
        self._line = bytearray()
        for disk in self.disks:
            disk.attached = True

    def switch_on(self) -> None:
        """Start the machine anew: whoever wrote to the disks before does not matter any more."""
        self.restart()
        for disk in self.disks:
            disk.disk.writer = None

    def reset_machine(self) -> None:
        """The guest resets the machine, as Windows does at a restart: the toolstack will begin a new domain."""
        self._hypervisor.shut_down(SHUTDOWN.reboot)

    def pci_devices(self) -> list[PciDevice]:
        """What the guest finds on bus 0 now."""
        platform = [PLATFORM] if self._platform_device else []
        return [IDE_CONTROLLER, *platform, *([NIC] if self.nics else [])]

    def read_port(self, port: int, size: int) -> int | None:
        """Return what IN of 1, 2 or 4 bytes gives, or None for a port of something else."""
        if port == XEN_HVM_DEBUGCONS_IOPORT and size == 1:
            return XEN_HVM_DEBUGCONS_IOPORT
        if not (self._platform_device and _BASE <= port <= _LAST):
            return None
        if (port, size) == (_BASE, 1):
            return 0
        if self.unplugs and (port, size) == (_BASE, 2):
            return _BLACKLISTED if self._refused else _MAGIC
        if self.unplugs and (port, size) == (_SECOND, 1):
            self._version = self.protocol
            return self._version
        return (1 << 8 * size) - 1

    def write_port(self, port: int, size: int, value: int) -> bool:
        """Do an OUT of 1, 2 or 4 bytes; False for a port of something else."""
        if port == XEN_HVM_DEBUGCONS_IOPORT:
            self._hypervisor.port_write(bytes([value & 0xFF]))
            return True
        if not (self._platform_device and _BASE <= port <= _LAST):
            return False
        if not self.unplugs:
            self._trace(f"nothing happens on a write of {value:#x} to port {port:#x}")
        elif (port, size) == (_BASE, 2):
            self._unplug(value)
        elif (port, size) == (_BASE, 4):
            self._set_build(value)
        elif (port, size) == (_SECOND, 2):
            if self._version or self.model == "upstream":
                self.product = value
        elif (port, size) == (_SECOND, 1):
            self._log_byte(value & 0xFF)
        return True

    def emulated_write(self, position: int, offset: int, data: bytes) -> None:
        """The guest writes to an emulated disk."""
        disk = self.disk(position)
        world = self._hypervisor.world
        if not disk.attached:
            world.violation(f"the guest writes to emulated disk {position}, which is unplugged")
        disk.disk.claim("the emulated disk's driver", world)
        disk.disk.write(offset, data)

    def disk(self, position: int) -> EmulatedDisk:
        return next(disk for disk in self.disks if disk.position == position)

    def check_boot(self, position: int, pv_connected: bool) -> None:
        """Require that the boot disk can be reached at all: emulated, or by a connected PV driver."""
        if not (pv_connected or self.disk(position).attached):
            self._hypervisor.world.violation(
                "the emulated boot disk is unplugged and no PV driver is connected to it: this machine does not boot"
            )

    def _set_build(self, build: int) -> None:
        if self.model == "upstream":
            self.build = build
            return
        if self._version and self.product:
            self.build = build
            self._refused = self.blacklists_all or (self.product, build) in self.blacklist
            self._trace(f"product {self.product} build {build}{' is blacklisted' if self._refused else ''}")

    def _unplug(self, mask: int) -> None:
        if self._refused:
            self._trace("a blacklisted driver may unplug nothing")
            return
        if mask & _ALL_NICS:
            self.nics = 0
        for disk in self.disks:
            auxiliary = disk.position > 0 and mask & _AUX_DISKS and self._knows_aux
            if not disk.cdrom and (mask & _ALL_DISKS or auxiliary):
                disk.attached = False
        self._trace(f"unplugged {mask:#x}: disks {[disk.position for disk in self.disks if disk.attached]} remain")

    def _log_byte(self, value: int) -> None:
        if value == ord("\n") or len(self._line) == _LOG_LINE:
            self.log.append(self._line.decode("latin-1"))
            self._line.clear()
        else:
            self._line.append(value)

    def _trace(self, text: str) -> None:
        self._hypervisor.world.trace("qemu", text)

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the administrator does: build the domain, attach and detach devices, suspend, restore, migrate, shut down.

The nodes are those that xl and xm write (xen/docs/misc/xenstore-paths); a device's own are in xen/include/public/io.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xenlab.xen.abi import SHUTDOWN, XenbusState
from xenlab.xen.blkback import ORDINARY, BlockBackend, Features
from xenlab.xen.disk import Disk
from xenlab.xen.hypervisor import Hypervisor
from xenlab.xen.netback import NetBackend, Wanted
from xenlab.xen.netrules import Features as NetFeatures
from xenlab.xen.netrules import usual
from xenlab.xen.ports import PAGE
from xenlab.xen.qemu import DeviceModel
from xenlab.xen.releases import Release
from xenlab.xen.store import Store
from xenlab.xen.storering import StoreRing
from xenlab.xen.switch import Packet, Switch, SwitchPort

_SPECIAL_PAGES = range(0xFEFF0, 0xFF000)
_HOTPLUG_NS = (1_000_000, 50_000_000)
_RESTORE_NS = (10_000_000, 500_000_000)
_IDE = {"hda": 768, "hdb": 832, "hdc": 5632, "hdd": 5696}
_XVD, _SD, _EXTENDED = 202 << 8, 8 << 8, 1 << 28


def device_number(name: str) -> int:
    """Return the number of a virtual disk, which is its device key (xen/docs/man/xen-vbd-interface).

    >>> device_number("xvda"), device_number("hda"), device_number("sdb")
    (51712, 768, 2064)
    """
    if name in _IDE:
        return _IDE[name]
    found = re.fullmatch(r"(xvd|sd)([a-z])([a-z]?)", name)
    if not found:
        raise ValueError(f"{name!r} is not a virtual disk: hda to hdd, sda to sdp, xvda to xvdzz")
    kind, *letters = found.groups()
    index = ord(letters[0]) - ord("a")
    if letters[1]:
        index = (index + 1) * 26 + ord(letters[1]) - ord("a")
    if index < 16:
        return (_XVD if kind == "xvd" else _SD) + index * 16
    return _EXTENDED + index * 256


@dataclass
class Vbd:
    """One disk of the domain, as it is configured; it outlives the domains that it is attached to in turn."""

    name: str
    disk: Disk
    features: Features
    backend: BlockBackend

    @property
    def number(self) -> int:
        return device_number(self.name)


@dataclass
class Vif:
    """One network interface of the domain, as it is configured; it outlives the domains that it is attached to.

    Attributes:
        config: its MAC address and MTU.
        features: of its back ends; None: those that Dom0 of a release's time had.
        link: whether its cable is plugged in.
    """

    handle: int
    config: Wanted
    features: NetFeatures | None
    port: SwitchPort
    backend: NetBackend
    link: bool = True

    def set_link(self, up: bool) -> None:
        """Plug its cable out or in."""
        self.link = up
        self.backend.set_link(up)


@dataclass
class Detach:
    """A detach under way; `done` once both directories are gone."""

    device: Vbd | Vif
    done: bool = False


def default_mac(handle: int) -> bytes:
    """Return the address that an interface has which was given none: one of Xen's own."""
    return bytes((0x00, 0x16, 0x3E, 0x5A, 0x01, handle))


class Toolstack:
    """The administrator of one domain.

    Attributes:
        vbds: the disks that are attached, by name; `vifs`: the interfaces, by handle.
        switch: what the interfaces are plugged into.
        ended: why the domain has ended, or None.
        resumes: how often it has come back from a suspension.
    """

    def __init__(self, hypervisor: Hypervisor, store: Store, ring: StoreRing, model: DeviceModel | None = None) -> None:
        self.hypervisor = hypervisor
        self.world = hypervisor.world
        self.store = store
        self.ring = ring
        self.model = model
        self.vbds: dict[str, Vbd] = {}
        self.vifs: dict[int, Vif] = {}
        self.switch = Switch(self.world)
        self.ended: SHUTDOWN | None = None
        self.resumes = 0
        self._after_suspend: Callable[[], None] = self.resume_cancelled
        hypervisor.on_shutdown = self._shut_down

    @property
    def home(self) -> str:
        return f"/local/domain/{self.hypervisor.domid}"

    def build(self) -> None:
        """Make the domain's pages and nodes and connect xenstored, before the guest's first instruction."""
        frames = self.hypervisor.frames
        base = _SPECIAL_PAGES.start * PAGE
        if not frames.exists(base):
            frames.add_region(base, len(_SPECIAL_PAGES) * PAGE)
        self._place_special_pages()
        self._write_home()
        self.ring.connect()

    def attach(self, name: str, disk: Disk, features: Features = ORDINARY) -> Vbd:
        """Attach a disk, to a domain that runs or is about to; its back end starts a little later."""
        number = device_number(name)
        front, back = self._places("vbd", number)
        kind = "cdrom" if features.cdrom else "disk"
        by_release = {"domain": "guest"} if self.hypervisor.release.xend else {"physical-device": "fd:0"}
        self._write_pair(
            front,
            back,
            {"virtual-device": number, "device-type": kind},
            {
                "removable": int(features.cdrom), "bootable": 1, "dev": name, "type": "phy", "device-type": kind,
                "mode": "r" if features.cdrom or features.read_only else "w", "params": f"/dev/vg/{name}", **by_release,
            },
        )  # fmt: skip
        vbd = Vbd(name, disk, features, BlockBackend(self.hypervisor, self.store, back, disk, features))
        self.vbds[name] = vbd
        self._later(_HOTPLUG_NS, vbd.backend.start, f"the hot-plug script of {name}")
        return vbd

    def attach_nic(
        self,
        handle: int = 0,
        features: NetFeatures | None = None,
        mac: bytes = b"",
        mtu: int = 1500,
    ) -> Vif:
        """Attach an interface, to a domain that runs or is about to; its back end starts a little later.

        Args:
            features: of the back end; by default those that Dom0 of the release's time had.
        """

        def deliver(packet: Packet) -> None:
            self.vifs[handle].backend.deliver(packet)

        port = self.switch.connect(f"vif {handle}", deliver)
        return self._plug(handle, Wanted(mac or default_mac(handle), mtu), features, port)

    def _plug(self, handle: int, config: Wanted, chosen: NetFeatures | None, port: SwitchPort) -> Vif:
        features = chosen or usual(self.hypervisor.release)
        front, back = self._places("vif", handle)
        mac = ":".join(f"{byte:02x}" for byte in config.mac)
        by_release = {"domain": "guest"} if self.hypervisor.release.xend else {"type": "vif", "bridge": "xenbr0"}
        both: dict[str, object] = {"handle": handle, "mac": mac}
        if config.mtu != 1500:
            both["mtu"] = config.mtu
        rate = {"rate": "{},{}".format(*features.rate)} if features.rate else {}
        script = {"script": "/etc/xen/scripts/vif-bridge"}
        self._write_pair(front, back, both, {**both, **by_release, **script, **rate})
        backend = NetBackend(self.hypervisor, self.store, back, config, port, features)
        vif = self.vifs[handle] = Vif(handle, config, chosen, port, backend)
        self._later(_HOTPLUG_NS, backend.start, f"the hot-plug script of vif {handle}")
        return vif

    def detach(self, name: str) -> Detach:
        """Ask the front end to let go of a disk; the directories go when it has."""
        return self._detach(self.vbds[name])

    def detach_nic(self, handle: int) -> Detach:
        """The same with an interface."""
        return self._detach(self.vifs[handle])

    def _detach(self, device: Vbd | Vif) -> Detach:
        path = device.backend.path
        detach = Detach(device)
        dom0 = self.store.dom0
        dom0.write(f"{path}/online", "0")
        dom0.write(f"{path}/state", str(int(XenbusState.Closing)))

        def look(_: str) -> None:
            if not detach.done and device.backend.state is XenbusState.Closed:
                detach.done = True
                dom0.unsubscribe(token)
                self._remove(device)

        token = dom0.subscribe(f"{path}/state", look)
        return detach

    def force_detach(self, name: str) -> None:
        """Tear the disk out: the back end dies and both directories go at once."""
        self._tear_out(self.vbds[name])

    def force_detach_nic(self, handle: int) -> None:
        """The same with an interface."""
        self._tear_out(self.vifs[handle])

    def _tear_out(self, device: Vbd | Vif) -> None:
        device.backend.vanish()
        self._remove(device)

    def add_device(self, kind: str, number: int, nodes: Mapping[str, object] = MappingProxyType({})) -> None:
        """Write both directories of a device that is no disk; its back end waits, and does nothing."""
        front, back = self._places(kind, number)
        self._write_pair(front, back, dict(nodes), {})

    def remove_device(self, kind: str, number: int) -> None:
        """Take both directories of such a device away."""
        for place in self._places(kind, number):
            self.store.dom0.remove(place)

    def _places(self, kind: str, number: int) -> tuple[str, str]:
        return f"{self.home}/device/{kind}/{number}", f"/local/domain/0/backend/{kind}/{self.hypervisor.domid}/{number}"

    def request(self, what: str) -> None:
        """Ask the guest through control/shutdown: poweroff, reboot, halt, suspend or crash."""
        self.store.dom0.write(f"{self.home}/control/shutdown", what)

    def press_sysrq(self, key: str) -> None:
        self.store.dom0.write(f"{self.home}/control/sysrq", key)

    def checkpoint(self) -> None:
        """Have the guest suspend, and let it go on in place: the hypercall returns 1."""
        self._after_suspend = self.resume_cancelled
        self.request("suspend")

    def save_and_restore(self, *, move_store: bool = True) -> None:
        """Have the guest suspend, and restore it as a new domain of this host."""
        self.migrate(self.hypervisor.release, move_store=move_store)

    def migrate(self, release: Release, *, amd: bool | None = None, move_store: bool = True) -> None:
        """Have the guest suspend, and resume it as a domain of a host with another Xen, perhaps another processor."""
        self._after_suspend = lambda: self.restore(release, amd=amd, move_store=move_store)
        self.request("suspend")

    def resume_cancelled(self) -> None:
        """Let the suspended domain go on as if nothing had been."""
        self.hypervisor.shutdown = self.hypervisor.latched = None
        self.hypervisor.resumed = 1
        self.resumes += 1

    def restore(self, release: Release, *, amd: bool | None = None, move_store: bool = True) -> None:
        """Continue the suspended guest in a new domain: only its memory has come along.

        Ports, grants, shared info page, callback and watches are gone; store page and ports are new ones.
        """
        domain, dom0 = self.hypervisor, self.store.dom0
        vbds, vifs = list(self.vbds.values()), list(self.vifs.values())
        devices: list[Vbd | Vif] = [*vbds, *vifs]
        for device in devices:
            device.backend.forget_domain()
        self.ring.disconnect()
        dom0.remove(self.home)
        for device in devices:
            dom0.remove(device.backend.path)
        self.vbds.clear()
        was_amd = domain.is_amd
        domain.create(release, domain.domid + 1, was_amd if amd is None else amd)
        self._place_special_pages(move_store)
        if self.model is not None:
            self.model.restart()
        self._write_home()
        for vbd in vbds:
            self.attach(vbd.name, vbd.disk, vbd.features)
        for vif in vifs:
            self._plug(vif.handle, vif.config, vif.features, vif.port).set_link(vif.link)
        self.ring.connect()
        self.resumes += 1
        domain.resumed = 0

    def _shut_down(self, reason: SHUTDOWN) -> None:
        if reason is not SHUTDOWN.suspend:
            self.ended = reason
            return
        if request := self.store.dom0.read(f"{self.home}/control/shutdown"):
            self.world.violation(
                f"the guest suspends and has not acknowledged the request: control/shutdown holds {request.decode()!r}"
            )
        after, self._after_suspend = self._after_suspend, self.resume_cancelled
        self._later(_RESTORE_NS, after, "the toolstack resumes the domain")

    def _place_special_pages(self, move: bool = True) -> None:
        if move:
            self._special = self.world.random.sample(_SPECIAL_PAGES, 2)
        self.hypervisor.set_up_special_pages(*self._special)

    def _write_home(self) -> None:
        domid, dom0 = self.hypervisor.domid, self.store.dom0
        guest_owned, read_only = [f"n{domid}"], ["n0", f"r{domid}"]
        dom0.mkdir(self.home)
        dom0.set_perms(self.home, guest_owned if self.hypervisor.release.xend else read_only)
        for name, value in {"domid": str(domid), "name": "guest", "vm": "/vm/guest"}.items():
            dom0.write(f"{self.home}/{name}", value)
        for name in ("control", "device", "memory"):
            dom0.mkdir(f"{self.home}/{name}")
        controls = ("shutdown", "sysrq", "feature-suspend", "feature-poweroff", "feature-reboot")
        for name in ("data", *(f"control/{name}" for name in controls)):
            dom0.mkdir(f"{self.home}/{name}")
            dom0.set_perms(f"{self.home}/{name}", guest_owned)
        dom0.write(f"{self.home}/memory/target", str(self.hypervisor.physmap.maximum * 4))
        for name in ("device", "memory"):
            dom0.set_perms(f"{self.home}/{name}", read_only)

    def _write_pair(self, front: str, back: str, front_nodes: dict[str, object], back_nodes: dict[str, object]) -> None:
        """Write both directories of a device in one transaction."""
        domid, dom0 = self.hypervisor.domid, self.store.dom0
        state = str(int(XenbusState.Initialising))
        tx = dom0.transaction_start()
        dom0.mkdir(front, tx)
        dom0.set_perms(front, [f"n{domid}", "r0"], tx)
        dom0.mkdir(back, tx)
        dom0.set_perms(back, ["n0", f"r{domid}"], tx)
        for name, value in {"frontend": front, "frontend-id": domid, "online": 1, **back_nodes, "state": state}.items():
            dom0.write(f"{back}/{name}", str(value), tx)
        for name, value in {"backend": back, "backend-id": 0, **front_nodes, "state": state}.items():
            dom0.write(f"{front}/{name}", str(value), tx)
        dom0.transaction_end(tx, commit=True)

    def _remove(self, device: Vbd | Vif) -> None:
        dom0 = self.store.dom0
        device.backend.vanish()
        dom0.remove(device.backend.front)
        dom0.remove(device.backend.path)
        if isinstance(device, Vbd):
            del self.vbds[device.name]
        else:
            self.switch.disconnect(device.port)
            del self.vifs[device.handle]

    def _later(self, delay: tuple[int, int], action: Callable[[], None], what: str) -> None:
        self.world.at(self.world.random.randint(*delay), action, what)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The PnP manager: the device tree, its drivers, and every device's way from arrival to removal.

Source: Windows Driver Kit, "Plug and Play" (adding, stopping, removing and surprise-removing a device), "Device Node
State", "Installing a Filter Driver" (the order of AddDevice).
Every operation here is a generator, for a thread at PASSIVE_LEVEL; one is under way at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from gplpv.errors import GplpvError
from xenlab.nt import devnode
from xenlab.nt.arbiter import Arbiter
from xenlab.nt.codes import DeviceFlags, Do, Pnp, Relations, Status, Usage, describe, nt_success
from xenlab.nt.devnode import Node, State
from xenlab.nt.io import Device, Devices, Driver
from xenlab.nt.ob import ObjectManager
from xenlab.nt.objects import Struct, layout, view
from xenlab.nt.pci import Inbox, Pci, PciFunction, RootBus, qemu_functions
from xenlab.nt.registry import SERVICES
from xenlab.nt.reinit import Reinitializations
from xenlab.nt.routine import Call, Steps, Wait
from xenlab.nt.setup import INBOX, Setup

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_T = TypeVar("_T")
Work = Generator[Call | Wait, int, _T]

_UNDEFINED_MINOR = 0x2A
_START_DISABLED = 4
_DISK_SEARCH_NS = 100_000_000


class PnpManager(Setup):
    """Device tree and drivers of one kernel.

    Attributes:
        root: the root of the tree; its child is the PCI root bus.
        tree_first: the tree is walked as soon as it can be, and boot drivers are loaded as devices want them; otherwise
            the boot drivers come first.
        bus_reversed: the PCI bus driver reports its functions from the last to the first.
        when_disk_is_needed: called when Windows has started what it can without its disk, and goes on from that.
    """

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.kernel = kernel
        self.devices = kernel.part(Devices)
        self.tree_first = self.bus_reversed = False
        self.when_disk_is_needed: Callable[[], None] = lambda: None
        self._without_disk = False
        self._adders: dict[str, Callable[[Device], None]] = {}
        self._by_pdo: dict[Device, Node] = {}
        self._later: deque[Callable[[], Work[None]]] = deque()
        self._lock = kernel.alloc(layout("KEVENT", kernel.arch).size, "PnpL")
        kernel.init_event(self._lock, True, True)
        self._bus: RootBus | None = None
        self._pci: Pci | None = None
        self._root: Node | None = None

    @property
    def root(self) -> Node:
        if not self._root:
            raise GplpvError("The machine is not booted.", "Run PnpManager.boot first.")
        return self._root

    @property
    def pci(self) -> Pci:
        if not self._pci:
            raise GplpvError("The machine is not booted.", "Run PnpManager.boot first.")
        return self._pci

    # Starting up

    def provide(self, service: str, add_device: Callable[[Device], None]) -> None:
        """Have a driver of the lab's own stand in for a service's."""
        self._adders[service] = add_device

    def boot(self, functions: Sequence[PciFunction] | None = None) -> Work[None]:
        """Start the boot drivers and the device tree with QEMU's PCI functions or others.

        What is not started at boot has to wait for the disk that its driver is loaded from.
        """
        self._bus = RootBus(self.kernel)
        self._pci = Pci(self.kernel, qemu_functions() if functions is None else functions)
        self._pci.is_reversed = self.bus_reversed
        self._adders["pci"] = self._pci.add_device
        for service, _ in INBOX.values():
            self._adders[service] = Inbox(self.kernel, service).add_device
        self._root = self._node(self._bus.root, None)
        self._root.state = State.STARTED
        self._root.instance_path = r"HTREE\ROOT\0"
        self._without_disk = True
        if self.tree_first:
            yield from self.locked(self.enumerate(self._root))
        for service in self.boot_services():
            yield from self.load(service)
        if not self.tree_first:
            yield from self.locked(self.enumerate(self._root))
        yield from self.kernel.part(Reinitializations).run(boot=True)
        yield from self.kernel.sleep(_DISK_SEARCH_NS)
        self.when_disk_is_needed()
        self._without_disk = False
        for node in [each for each in self._root.walk() if each.state == State.WAITING]:
            yield from self.locked(self._start_up(node))

    def load(self, service: str) -> Work[Driver | None]:
        """Return a service's driver, loaded and initialised; None if its DriverEntry refuses."""
        known = self.devices.drivers.get(service.lower())
        start = self.registry.get(rf"{SERVICES}\{service}", "Start")
        if known or (start and start.number() == _START_DISABLED):
            return known
        path = self.images.get(service.lower())
        if not path:
            raise GplpvError(f"The service {service} has no driver file.", "Install the package that brings it.")
        kernel = self.kernel
        loaded = kernel.load_driver(path, service)
        driver = self.devices.add_driver(service, loaded)
        driver.view["DriverStart"], driver.view["DriverSize"] = loaded.image.base, loaded.image.size
        driver.view["DriverInit"] = loaded.entry
        key = kernel.alloc(2 * kernel.pointer_size, "RegP")
        kernel.put_unicode_string(key, rf"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services\{service}")
        status = (yield Call(loaded.entry, driver.address, key)) & 0xFFFFFFFF
        for block in (view(kernel, "UNICODE_STRING", key)["Buffer"], key):
            kernel.free(block)
        kernel.discard_initialization(loaded)
        if nt_success(status):
            for device in driver.devices:
                device.view["Flags"] &= ~Do.DEVICE_INITIALIZING
            return driver
        kernel.world.trace("pnp", f"DriverEntry of {service} returns {describe(status)}")
        self._unmap(driver)
        return None

    def unload(self, driver: Driver) -> Work[bool]:
        """Call DriverUnload of a driver that has no devices left; False if it has one, or no DriverUnload."""
        if not driver.loaded or driver.devices or not driver.view["DriverUnload"]:
            return False
        yield Call(driver.view["DriverUnload"], driver.address)
        self._unmap(driver)
        return True

    def _unmap(self, driver: Driver) -> None:
        self.devices.remove_driver(driver)
        assert driver.loaded is not None
        self.kernel.unload_driver(driver.loaded)

    # Devices come

    def enumerate(self, node: Node) -> Work[None]:
        """Ask a device for its children: new ones are brought up, missing ones removed."""
        found = yield from self.query_relations(node)
        if found is None:
            return
        for child in list(node.children):
            if child.pdo not in found:
                child.missing = True
                yield from self.remove_missing(child)
        for pdo in found:
            if pdo not in self._by_pdo:
                child = self._node(pdo, node)
                node.children.append(child)
                yield from self._bring_up(child)
            else:
                self.kernel.part(ObjectManager).dereference(pdo.object)

    def enumerate_if_started(self, node: Node) -> Work[None]:
        """Answer IoInvalidateDeviceRelations, unless the device has gone meanwhile."""
        if node.operating:
            yield from self.enumerate(node)

    def query_state_if_started(self, node: Node) -> Work[None]:
        if node.operating:
            yield from self.query_state(node)

    def eject(self, node: Node) -> Work[None]:
        """Take a device away in an orderly manner, if it and all on it agree."""
        if (yield from self.query_remove(node)):
            yield from self.remove(node)

    def query_relations(self, node: Node) -> Work[list[Device] | None]:
        """Return the children that a device reports, each with the reference that the report holds; None: it fails to
        tell, and nothing is known to have changed."""

        def fill(_irp: Struct, stack: Struct) -> None:
            stack["Parameters.QueryDeviceRelations.Type"] = Relations.BusRelations

        status, address = yield from devnode.send(self.kernel, node, Pnp.QUERY_DEVICE_RELATIONS, fill)
        if not nt_success(status) and status != Status.NOT_SUPPORTED:
            return None
        if not nt_success(status) or not address:
            return []
        relations = view(self.kernel, "DEVICE_RELATIONS", address)
        found = [
            self._reported(node, self.kernel.ptr(relations.at("Objects", index))) for index in range(relations["Count"])
        ]
        for pdo in found:
            if found.count(pdo) > 1:
                self.kernel.violation(f"{node.instance_path} reports its child {pdo.address:#x} twice.")
        self.kernel.free(address)
        return found

    def _reported(self, node: Node, address: int) -> Device:
        pdo = self.devices.at(address, f"The PnP manager, in the bus relations of {node.instance_path},")
        if pdo.lower:
            self.kernel.violation(
                f"{node.instance_path} reports {address:#x}, which is no PDO: it is attached to another."
            )
        if pdo.view["Flags"] & Do.DEVICE_INITIALIZING:
            self.kernel.violation(f"{node.instance_path} reports a PDO with DO_DEVICE_INITIALIZING still set.")
        known = self._by_pdo.get(pdo)
        if known and known.parent is not node:
            self.kernel.violation(f"{node.instance_path} reports a PDO that is another device's child.")
        pdo.view["Flags"] |= Do.BUS_ENUMERATED_DEVICE
        return pdo

    def _node(self, pdo: Device, parent: Node | None) -> Node:
        made = Node(pdo, parent)
        self._by_pdo[pdo] = made
        return made

    def _bring_up(self, node: Node) -> Work[None]:
        if not (yield from devnode.identify(self.kernel, node)):
            return
        self.configure(node)
        if self.is_disabled(node):
            node.problem = "it is disabled"
        elif self._without_disk and not self._can_load(node.service):
            node.state = State.WAITING
        else:
            yield from self._start_up(node)

    def _start_up(self, node: Node) -> Work[None]:
        if (yield from self.add_drivers(node)):
            yield from self.start(node)

    def _can_load(self, service: str) -> bool:
        """Whether a driver is in memory, or Windows has it from the boot loader."""
        return not service or service.lower() in self.devices.drivers or self.is_boot(service)

    def add_drivers(self, node: Node) -> Work[bool]:
        """Call AddDevice of every driver of a device, from the lowest: its service between the filters."""
        if not node.service:
            return False
        for service in self._driver_order(node):
            added = yield from self._add(node, service)
            if not added and service == node.service:
                node.state = State.FAILED
                node.problem = node.problem or f"{service} does not take it"
                yield from self._send_remove(node)
                return False
        node.state = State.DRIVERS_ADDED
        return True

    def _driver_order(self, node: Node) -> Iterator[str]:
        device, of_class = self.registry.find(node.enum_path), devnode.class_key(self.kernel, node)
        for key, name in ((device, "LowerFilters"), (of_class, "LowerFilters")):
            value = key.get(name) if key else None
            yield from value.texts() if value else []
        yield node.service
        for key, name in ((device, "UpperFilters"), (of_class, "UpperFilters")):
            value = key.get(name) if key else None
            yield from value.texts() if value else []

    def _add(self, node: Node, service: str) -> Work[bool]:
        if service in self._adders:
            self._adders[service](node.pdo)
            return True
        if self._without_disk and not self._can_load(service):
            return False
        driver = yield from self.load(service)
        if not driver:
            return False
        routine = view(self.kernel, "DRIVER_EXTENSION", driver.view["DriverExtension"])["AddDevice"]
        if not routine:
            node.problem = f"{service} has no AddDevice"
            return False
        before = node.pdo.top()
        self.kernel.world.trace("pnp", f"AddDevice of {service} for {node.instance_path}")
        status = (yield Call(routine, driver.address, node.pdo.address)) & 0xFFFFFFFF
        self._check_added(node, driver, before, status)
        return nt_success(status)

    def _check_added(self, node: Node, driver: Driver, before: Device, status: int) -> None:
        """AddDevice attaches a device or leaves nothing behind, and takes the initialising flag away."""
        top = node.pdo.top()
        if not nt_success(status) and top is not before:
            self.kernel.violation(
                f"AddDevice of {driver.service} returns {describe(status)} and leaves its device attached."
            )
        if top is not before and top.view["Flags"] & Do.DEVICE_INITIALIZING:
            self.kernel.violation(f"AddDevice of {driver.service} leaves DO_DEVICE_INITIALIZING set.")
        loose = [
            each for each in driver.devices if not each.lower and each is not node.pdo and each not in self._by_pdo
        ]
        if loose and not nt_success(status):
            self.kernel.violation(f"AddDevice of {driver.service} fails and leaves a device object behind.")

    def start(self, node: Node) -> Work[bool]:
        """Start a device and enumerate what is on it; False, and the device is removed again, if it does not start."""
        if (yield from self._send_start(node)):
            yield from devnode.query_capabilities(self.kernel, node)
            yield from self.query_state(node)
            yield from self.enumerate(node)
            return True
        node.state = State.FAILED
        yield from self._send_remove(node)
        return False

    def _send_start(self, node: Node) -> Work[bool]:
        node.raw, node.translated = yield from self._resources(node)
        blocks = [self._copy(data) for data in (node.raw, node.translated)]

        def fill(_irp: Struct, stack: Struct) -> None:
            stack["Parameters.StartDevice.AllocatedResources"] = blocks[0]
            stack["Parameters.StartDevice.AllocatedResourcesTranslated"] = blocks[1]

        status, _ = yield from devnode.send(self.kernel, node, Pnp.START_DEVICE, fill)
        for block in filter(None, blocks):
            self.kernel.free(block)
        if nt_success(status):
            node.state = State.STARTED
            return True
        node.problem = f"it does not start: {describe(status)}"
        return False

    def _resources(self, node: Node) -> Work[tuple[bytes, bytes]]:
        return (yield from self.kernel.part(Arbiter).assign(node))

    def _copy(self, data: bytes) -> int:
        if not data:
            return 0
        block = self.kernel.alloc(len(data), "PnpR", paged=True)
        self.kernel.write(block, data)
        return block

    def query_state(self, node: Node) -> Work[None]:
        status, flags = yield from devnode.send(self.kernel, node, Pnp.QUERY_PNP_DEVICE_STATE)
        node.device_flags = flags & 0xFFFFFFFF if nt_success(status) else 0
        if node.device_flags & (DeviceFlags.FAILED | DeviceFlags.REMOVED):
            node.problem = "its driver says that it has failed"
            yield from self.remove_missing(node)

    def probe(self, node: Node) -> Work[None]:
        """Send requests that no driver knows: they must reach the bottom and come back as they were."""
        for minor in (Pnp.QUERY_LEGACY_BUS_INFORMATION, _UNDEFINED_MINOR):
            status, _ = yield from devnode.send(self.kernel, node, minor)
            if status != Status.NOT_SUPPORTED:
                self.kernel.violation(
                    f"A driver of {node.instance_path} changes the status of the PnP minor function {int(minor):#x}, "
                    f"which it does not handle, to {describe(status)}."
                )

    # Devices stop and go

    def query_remove(self, node: Node) -> Work[bool]:
        """Ask a device and all on it, leaves first, whether they can go; False, and nothing has changed, if not."""
        return (yield from self._query(node, Pnp.QUERY_REMOVE_DEVICE, Pnp.CANCEL_REMOVE_DEVICE, State.REMOVE_PENDING))

    def cancel_remove(self, node: Node) -> Work[None]:
        yield from self._cancel(node.walk(), Pnp.CANCEL_REMOVE_DEVICE, State.REMOVE_PENDING)

    def query_stop(self, node: Node) -> Work[bool]:
        return (yield from self._query(node, Pnp.QUERY_STOP_DEVICE, Pnp.CANCEL_STOP_DEVICE, State.STOP_PENDING))

    def cancel_stop(self, node: Node) -> Work[None]:
        yield from self._cancel(node.walk(), Pnp.CANCEL_STOP_DEVICE, State.STOP_PENDING)

    def _query(self, node: Node, query: Pnp, cancel: Pnp, pending: State) -> Work[bool]:
        asked: list[Node] = []
        for each in reversed([each for each in node.walk() if each.state == State.STARTED]):
            asked.append(each)
            status, _ = yield from devnode.send(self.kernel, each, query)
            self._check_answered(each, query, status)
            each.state = pending
            if not nt_success(status):
                yield from self._cancel(list(reversed(asked)), cancel, pending)
                return False
        return True

    def _cancel(self, nodes: Sequence[Node], minor: Pnp, pending: State) -> Work[None]:
        for each in nodes:
            if each.state == pending:
                status, _ = yield from devnode.send(self.kernel, each, minor)
                self._check_succeeded(each, minor, status)
                each.state = State.STARTED

    def stop(self, node: Node) -> Work[None]:
        """Stop devices that have agreed to it, to give them other resources."""
        for each in reversed(node.walk()):
            if each.state == State.STOP_PENDING:
                status, _ = yield from devnode.send(self.kernel, each, Pnp.STOP_DEVICE)
                self._check_succeeded(each, Pnp.STOP_DEVICE, status)
                each.state = State.STOPPED

    def restart(self, node: Node) -> Work[bool]:
        """Start a stopped device again, and what was stopped on it."""
        if node.state == State.STOPPED and not (yield from self._send_start(node)):
            node.state = State.FAILED
            yield from self._send_remove(node)
            return False
        for child in node.children:
            if child.state == State.STOPPED:
                yield from self.restart(child)
        return True

    def remove(self, node: Node) -> Work[None]:
        """Remove devices that have agreed to it: leaves first, drivers detached, the PDOs left to their bus.

        What is on a device that has no driver any more is in the tree no longer.
        """
        below = node.walk()[1:]
        for each in reversed(node.walk()):
            yield from self._send_remove(each)
        for each in reversed(below):
            self._forget(each)

    def start_again(self, node: Node) -> Work[None]:
        """Bring up a device that was removed and is still there."""
        if node.state == State.REMOVED:
            node.state, node.problem = State.IDENTIFIED, ""
            yield from self._start_up(node)

    def remove_missing(self, node: Node) -> Work[None]:
        """Take away a device that is gone: all on it are told first, then all are removed."""
        for each in reversed(node.walk()):
            if each.operating or each.state == State.STOPPED:
                status, _ = yield from devnode.send(self.kernel, each, Pnp.SURPRISE_REMOVAL)
                self._check_succeeded(each, Pnp.SURPRISE_REMOVAL, status)
                each.state = State.SURPRISE_REMOVED
        for each in reversed(node.walk()):
            yield from self._send_remove(each)
            self._forget(each)

    def _send_remove(self, node: Node) -> Work[None]:
        if node.state == State.REMOVED:
            return
        before = node.pdo.stack()[1:]
        status, _ = yield from devnode.send(self.kernel, node, Pnp.REMOVE_DEVICE)
        self._check_succeeded(node, Pnp.REMOVE_DEVICE, status)
        for device in before:
            if not device.deleted:
                self.kernel.violation(f"{device.driver.service} keeps its device after IRP_MN_REMOVE_DEVICE.")
        node.state = State.REMOVED
        self.kernel.part(Arbiter).release(node)
        for driver in dict.fromkeys(device.driver for device in reversed(before)):
            if not driver.devices and not self.is_boot(driver.service):
                yield from self.unload(driver)

    def _forget(self, node: Node) -> None:
        if node.parent:
            node.parent.children.remove(node)
        del self._by_pdo[node.pdo]
        self.kernel.part(ObjectManager).dereference(node.pdo.object)

    def _check_answered(self, node: Node, minor: Pnp, status: int) -> None:
        if status == Status.NOT_SUPPORTED:
            self.kernel.violation(
                f"IRP_MN_{minor.name} to {node.instance_path} comes back with STATUS_NOT_SUPPORTED: its "
                "drivers must set a status."
            )

    def _check_succeeded(self, node: Node, minor: Pnp, status: int) -> None:
        self._check_answered(node, minor, status)
        if not nt_success(status):
            self.kernel.violation(f"IRP_MN_{minor.name} to {node.instance_path} fails with {describe(status)}.")

    def notify_usage(self, node: Node, usage: Usage, in_path: bool) -> Work[bool]:
        """Tell a device that a paging, hibernation or crash dump file is put on it, or taken off; False: it refuses."""

        def fill(_irp: Struct, stack: Struct) -> None:
            stack["Parameters.UsageNotification.InPath"] = int(in_path)
            stack["Parameters.UsageNotification.Type"] = usage

        status, _ = yield from devnode.send(self.kernel, node, Pnp.DEVICE_USAGE_NOTIFICATION, fill)
        return nt_success(status)

    # Asking

    def outstanding(self) -> list[str]:
        """Return what drivers still hold of the bus driver's, a line each, when no device is in the tree."""
        return self._pci.outstanding() if self._pci else []

    def node_of(self, pdo: int, what: str) -> Node:
        """Return the device whose PDO a driver names; another device object is an error that stops Windows."""
        device = self.devices.at(pdo, what)
        node = self._by_pdo.get(device)
        if not node:
            self.kernel.violation(f"{what} is given {pdo:#x}, which is no PDO (PNP_DETECTED_FATAL_ERROR).")
        return node

    def find(self, hardware_id: str) -> Node:
        """Return the device with a hardware or compatible ID, or that begins an instance path.

        Raises:
            GplpvError: there is none.
        """
        wanted = hardware_id.lower()
        for node in self.root.walk():
            ids = [each.lower() for each in (*node.hardware_ids, *node.compatible_ids)]
            if wanted in ids or node.instance_path.lower().startswith(f"{wanted}\\"):
                return node
        raise GplpvError(
            f"There is no device {hardware_id}.", ", ".join(each.instance_path for each in self.root.walk())
        )

    def locked(self, work: Work[_T]) -> Work[_T]:
        """Do something when nothing else is under way in the tree."""
        yield Wait([self._lock])
        try:
            return (yield from work)
        finally:
            self.kernel.set_event(self._lock)

    def do_later(self, make: Callable[[], Work[None]], what: str) -> None:
        """Have the tree changed after what is under way.

        One worker thread at a time does that, or all of them might wait for one whose request another is to complete.
        """
        self._later.append(make)
        if len(self._later) == 1:
            self.kernel.queue_work(self._change, what)

    def _change(self) -> Steps:
        while self._later:
            yield from self.locked(self._later[0]())
            self._later.popleft()
        return None

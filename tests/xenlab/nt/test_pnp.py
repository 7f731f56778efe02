# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped xenpci, xenhide and xenstub through plug and play and power, on both arches, without Xen."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from xenlab.errors import Violation
from xenlab.nt.codes import DeviceState, IdType, SystemState, Usage
from xenlab.nt.devnode import Node, State
from xenlab.nt.pci import Pci, PciFunction
from xenlab.nt.power import PowerManager
from xenlab.nt.teardown import outstanding, remove_everything

from .windows import PLATFORM_DEVICE, BuildFolder, Windows, whole_life

ROOT_BUS = r"ACPI\PNP0A03"
IDE = r"PCI\CC_0101"


@dataclass
class Named(PciFunction):
    """A device on the bus that goes by another bus's ID."""

    name: str = ""

    def identifiers(self) -> tuple[list[str], list[str]]:
        return [self.name], []


def node(windows: Windows) -> Node:
    return windows.pnp.find(PLATFORM_DEVICE)


def test_xenpci_is_found_by_its_compatible_id_and_started(windows: Windows):
    assert windows.services(PLATFORM_DEVICE) == ["pci", "xenpci"]
    assert node(windows).state is State.STARTED


def test_the_filter_stays_off_the_platform_device_though_it_is_of_the_same_class(windows: Windows):
    assert "xenhide" not in windows.services(PLATFORM_DEVICE)


def test_without_xen_the_emulated_devices_are_there(windows: Windows):
    assert windows.services(IDE) == ["pci", "pciide"]
    assert windows.pnp.find(r"PCI\CC_0200").state is State.STARTED


@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_a_whole_life_leaves_nothing(build: BuildFolder, arch: str, seed: int):
    windows = Windows(build(arch), arch, seed)
    windows.run(whole_life(windows))
    assert outstanding(windows.kernel) == []
    assert windows.kernel.drivers == []


def test_a_device_that_may_go_can_also_stay(windows: Windows):
    pnp = windows.pnp
    windows.run(pnp.query_remove(node(windows)))
    assert node(windows).state is State.REMOVE_PENDING
    windows.run(pnp.cancel_remove(node(windows)))
    assert node(windows).state is State.STARTED
    windows.run(remove_everything(windows.kernel))


def test_a_stopped_device_starts_again(windows: Windows):
    pnp = windows.pnp
    windows.run(pnp.query_stop(node(windows)))
    windows.run(pnp.stop(node(windows)))
    assert node(windows).state is State.STOPPED
    windows.run(pnp.restart(node(windows)))
    assert node(windows).state is State.STARTED
    windows.run(remove_everything(windows.kernel))


def test_a_device_that_vanishes_is_taken_away_with_its_object(windows: Windows):
    pdo = node(windows).pdo
    windows.pnp.pci.take_out(pdo)
    windows.run(windows.pnp.enumerate(windows.pnp.find(ROOT_BUS)))
    assert not any("VEN_5853" in each.instance_path for each in windows.pnp.root.walk())
    assert windows.pnp.devices.find(pdo.address) is None
    windows.run(remove_everything(windows.kernel))


def test_a_paging_file_keeps_the_device_where_it_is_until_it_goes(windows: Windows):
    pnp = windows.pnp
    windows.run(pnp.notify_usage(node(windows), Usage.DeviceUsageTypePaging, True))
    windows.kernel.run()
    assert node(windows).device_flags & 0x20
    windows.run(pnp.query_remove(node(windows)))
    assert node(windows).state is State.STARTED
    windows.run(pnp.notify_usage(node(windows), Usage.DeviceUsageTypePaging, False))
    windows.run(pnp.query_remove(node(windows)))
    assert node(windows).state is State.REMOVE_PENDING


@pytest.mark.parametrize(
    "state", [SystemState.PowerSystemSleeping1, SystemState.PowerSystemSleeping3, SystemState.PowerSystemHibernate]
)
def test_the_device_follows_the_system_to_sleep_and_back(windows: Windows, state: SystemState):
    fdo = node(windows).pdo.top().address
    windows.run(windows.power.sleep(state))
    reported = windows.kernel.part(PowerManager).states
    assert reported[fdo, 1] == DeviceState.PowerDeviceD3
    windows.run(windows.power.wake())
    windows.kernel.run()
    assert reported[fdo, 1] == DeviceState.PowerDeviceD0


def test_a_shutdown_asks_nobody(windows: Windows):
    windows.trace.clear()
    windows.run(windows.power.shut_down())
    assert not any("QUERY_POWER" in line for line in windows.trace)


@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_the_stub_holds_console_frame_buffer_and_keyboard(build: BuildFolder, arch: str):
    windows = Windows(build(arch), arch)
    names = [rf"XEN\{each}" for each in ("console", "vfb", "vkbd")]
    functions = [Named(slot << 3, 0x5853, 1, 0, name=name) for slot, name in enumerate(names, 4)]
    windows.run(windows.pnp.boot(functions))
    for name in names:
        assert windows.services(name) == ["pci", "xenstub"]
    windows.run(remove_everything(windows.kernel))
    assert windows.kernel.drivers == []


def test_a_device_without_a_driver_is_left_alone(windows: Windows):
    bridge = windows.pnp.find(r"PCI\VEN_8086&DEV_1237")
    assert bridge.state is State.IDENTIFIED
    assert bridge.problem == "no driver is installed for it"


@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_two_devices_of_one_name_stop_windows(build: BuildFolder, arch: str):
    windows = Windows(build(arch), arch)
    twins = [Named(0x20, 0x5853, 1, 0, name=r"XEN\vfb"), Named(0x20, 0x5853, 1, 0, name=r"XEN\vfb")]
    with pytest.raises(Violation, match="two devices"):
        windows.run(windows.pnp.boot(twins))


def test_a_device_that_gives_no_instance_id_has_its_parents_path_alone(
    build: BuildFolder, monkeypatch: pytest.MonkeyPatch
):
    windows = Windows(build("x64"), "x64")
    nameless = Named(0x00, 0x5853, 1, 0, name=r"XEN\vkbd")
    full = Pci._identifier

    def identifier(bus: Pci, function: PciFunction, kind: int) -> int | None:
        return None if function is nameless and kind == IdType.BusQueryInstanceID else full(bus, function, kind)

    monkeypatch.setattr(Pci, "_identifier", identifier)
    windows.run(windows.pnp.boot([Named(0x20, 0x5853, 1, 0, name=r"XEN\vfb"), nameless]))
    named, alone = (windows.pnp.find(name).instance_path.split("\\")[-1] for name in (r"XEN\vfb", r"XEN\vkbd"))
    assert named == f"{alone}&20"


def test_a_child_reported_twice_stops_windows(windows: Windows):
    pci = windows.pnp.pci
    honest = pci.relations
    pci.relations = lambda request, children: honest(request, [*children, children[0]])  # type: ignore[method-assign]
    with pytest.raises(Violation, match="twice"):
        windows.run(windows.pnp.enumerate(windows.pnp.find(ROOT_BUS)))


@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_memory_that_runs_short_while_windows_starts_leaks_nothing(build: BuildFolder, arch: str):
    number, count = 0, 1
    while number < count:
        number += 1
        windows = Windows(build(arch), arch)
        windows.kernel.pool.fail_at(number)
        windows.run(windows.pnp.boot())
        windows.run(remove_everything(windows.kernel))
        count = windows.kernel.pool.count
        assert outstanding(windows.kernel) == []

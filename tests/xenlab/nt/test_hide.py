# SPDX-License-Identifier: GPL-2.0-or-later
"""xenhide over the PCI root bus: whom it takes from the bus relations, and that all else goes through it untouched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from gplpv.matrix import ArchName
from xenlab.folder import DriverFolder
from xenlab.lab import Choices, Lab, Options
from xenlab.nt import devnode
from xenlab.nt.codes import Pnp, Relations, Status, SystemState
from xenlab.nt.devnode import Node, State
from xenlab.nt.io import Device
from xenlab.nt.objects import Struct
from xenlab.nt.pci import PciFunction
from xenlab.nt.po import SystemPower

IDE = (0x8086, 0x7010)
ROOT_BUS = r"ACPI\PNP0A03"
PLATFORM_DEVICE = r"pci\ven_5853&dev_0001"
REAL_CARD = PciFunction(0x28, 0x8086, 0x100E, 0x020000, 0x00018086)
EMULATED_CARD = PciFunction(0x30, 0x8086, 0x100E, 0x020000)
EMULATED_AHCI = PciFunction(0x38, 0x8086, 0x2922, 0x010601)
Drivers = Callable[..., DriverFolder]
MakeLab = Callable[..., Lab]
both_arches = pytest.mark.parametrize("arch", ["x64", "x32"])


@pytest.fixture
def make(drivers: Drivers) -> MakeLab:
    """Return make(arch, **options): a machine with a PV boot disk, off."""

    def make_lab(arch: str, **choices: object) -> Lab:
        lab = Lab(drivers("XP", arch), replace(Options(), **cast(Choices, choices)))
        lab.attach("hda", lab.boot_disk)
        return lab

    return make_lab


@pytest.fixture(params=["x64", "x32"])
def lab(request: pytest.FixtureRequest, make: MakeLab) -> Lab:
    """A machine that runs from its PV disk, and whose device model cannot unplug: all is up to xenhide."""
    made = make(cast(ArchName, request.param), device_model="traditional")
    made.xen.model.unplugs = False
    made.boot()
    made.run(1)
    return made


def root_bus(lab: Lab) -> Node:
    return lab.pnp.find(ROOT_BUS)


def services(lab: Lab) -> list[str]:
    """The drivers of the PCI root bus, from the bottom."""
    return [each.driver.service for each in root_bus(lab).pdo.stack()]


def ide(lab: Lab) -> Device:
    found = lab.pnp.pci.pdo_of(*IDE)
    assert found
    return found


def rescan(lab: Lab) -> None:
    lab.perform(lab.pnp.locked(lab.pnp.enumerate(root_bus(lab))), "a rescan")
    lab.run(0.5)


def is_seen(lab: Lab, function: PciFunction) -> bool:
    name = f"VEN_{function.vendor:04X}&DEV_{function.device:04X}&SUBSYS_{function.subsystem:08X}"
    return any(name in node.instance_path for node in lab.nodes("PCI"))


def arrive(lab: Lab, function: PciFunction) -> bool:
    """Plug something in; returns whether Windows sees it."""
    lab.pnp.pci.plug_in(function)
    rescan(lab)
    return is_seen(lab, function)


def test_it_is_the_uppermost_driver_of_the_bus_and_of_no_other_device(lab: Lab):
    assert services(lab) == ["ACPI", "pci", "xenhide"]
    others = [node for node in lab.pnp.root.walk() if node is not root_bus(lab)]
    assert not any(each.driver.service == "xenhide" for node in others for each in node.pdo.stack())


@both_arches
@pytest.mark.parametrize("choice", [{"boot_options": "NOGPLPV"}, {"boot_options": "SAFEBOOT:MINIMAL"}, {"xen": "3.0"}])
def test_with_nothing_to_hide_it_is_not_there(make: MakeLab, arch: str, choice: dict[str, str]):
    lab = make(arch, **choice)
    lab.boot()
    assert services(lab) == ["ACPI", "pci"]


def test_a_hidden_device_never_gets_a_node_or_a_driver(lab: Lab):
    assert ide(lab).stack() == [ide(lab)]
    assert not lab.has_emulated("ide")


def test_of_a_hidden_device_it_holds_one_reference_however_often_windows_looks(lab: Lab):
    before = ide(lab).object.references
    for _ in range(5):
        rescan(lab)
    assert (before, ide(lab).object.references) == (2, 2)


def test_when_the_bus_goes_it_gives_everything_back(lab: Lab):
    lab.shut_down()
    assert ide(lab).object.references == 1


@pytest.mark.parametrize("kind", [each for each in Relations if each != Relations.BusRelations])
def test_relations_of_other_kinds_go_through_it_as_they_came(lab: Lab, kind: Relations):
    def fill(_irp: Struct, stack: Struct) -> None:
        stack["Parameters.QueryDeviceRelations.Type"] = kind

    def ask() -> devnode.Reply:
        return (yield from devnode.send(lab.kernel, root_bus(lab), Pnp.QUERY_DEVICE_RELATIONS, fill))

    assert lab.perform(ask(), "relations") == (Status.NOT_SUPPORTED, 0)


def test_a_real_card_that_is_passed_through_is_seen(lab: Lab):
    assert arrive(lab, REAL_CARD)


def test_an_emulated_disk_controller_that_comes_later_is_hidden_too(lab: Lab):
    assert not arrive(lab, EMULATED_AHCI)


def test_an_emulated_card_is_seen_as_long_as_there_is_no_pv_network(lab: Lab):
    assert arrive(lab, EMULATED_CARD)


def without_memory_for_requests(lab: Lab) -> None:
    lab.kernel.pool.fails = lambda _number, tag, _size: tag == "Irp "


def with_memory(lab: Lab) -> None:
    lab.kernel.pool.fails = lambda *_: False


def test_a_look_without_memory_shows_nothing_that_was_hidden(lab: Lab):
    without_memory_for_requests(lab)
    rescan(lab)
    assert not lab.has_emulated("ide")
    with_memory(lab)
    rescan(lab)
    assert not lab.has_emulated("ide")


def test_a_newcomer_that_there_is_no_memory_to_ask_is_seen_when_there_is(lab: Lab):
    without_memory_for_requests(lab)
    assert not arrive(lab, REAL_CARD)
    with_memory(lab)
    rescan(lab)
    assert is_seen(lab, REAL_CARD)


def test_a_look_without_memory_takes_nothing_from_windows_that_it_has(lab: Lab):
    arrive(lab, REAL_CARD)
    without_memory_for_requests(lab)
    rescan(lab)
    assert is_seen(lab, REAL_CARD)


@both_arches
def test_a_first_look_without_memory_hides_nothing_for_good(make: MakeLab, arch: str):
    lab = make(arch)
    without_memory_for_requests(lab)
    lab.boot()
    with_memory(lab)
    rescan(lab)
    assert lab.has_emulated("ide")
    assert not any("VBD" in node.instance_path.upper() for node in lab.nodes("XEN"))
    lab.shut_down()


@both_arches
def test_the_filter_follows_its_bus_through_everything(make: MakeLab, arch: str):
    """Its platform device is disabled, so that nothing below holds the bus where it is."""
    lab = make(arch)
    lab.pnp.disabled.add(PLATFORM_DEVICE)
    lab.boot()
    assert services(lab)[-1] == "xenhide"
    assert lab.has_emulated("ide")
    pnp, power = lab.pnp, lab.kernel.part(SystemPower)
    bus = root_bus(lab)
    lab.perform(pnp.locked(pnp.probe(bus)), "requests that it does not know")
    assert lab.perform(pnp.locked(pnp.query_remove(bus)), "a question for removal")
    lab.perform(pnp.locked(pnp.cancel_remove(bus)), "its end")
    assert lab.perform(pnp.locked(pnp.query_stop(bus)), "a question for a stop")
    lab.perform(pnp.locked(pnp.stop(bus)), "a stop")
    assert lab.perform(pnp.locked(pnp.restart(bus)), "a start")
    for state in (SystemState.PowerSystemSleeping1, SystemState.PowerSystemSleeping3, SystemState.PowerSystemHibernate):
        assert lab.perform(power.sleep(state), "sleep")
        lab.perform(power.wake(), "waking")
    assert bus.state is State.STARTED
    lab.shut_down()


@both_arches
def test_a_bus_that_is_torn_out_takes_the_filter_along(make: MakeLab, arch: str):
    lab = make(arch)
    lab.pnp.disabled.add(PLATFORM_DEVICE)
    lab.boot()
    bus = root_bus(lab)
    lab.perform(lab.pnp.locked(lab.pnp.remove_missing(bus)), "the removal of the bus")
    assert [each.driver.service for each in bus.pdo.stack()] == ["ACPI"]
    lab.shut_down()

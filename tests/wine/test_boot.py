# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows can start at any moment: no entry names an absent driver, and nothing of another product's is touched."""

from __future__ import annotations

import re

import pytest

from .package import BOOT_DEVICES, DONE, RESTART_NEEDED, Package, boot_devices, pvinstall, upper_filters
from .windows import SERVICES, Windows

EXIT_BOOT = 12
BOOT_START, DISABLED = 0, 4
OLD_SET = "HKLM\\System\\ControlSet002"
DATABASE = "Control\\CriticalDeviceDatabase"
XENVBD = "C:\\windows\\system32\\drivers\\xenvbd.sys"
DEVICES = {"XEN#vbd": "xenvbd", "PCI#VEN_5853&DEV_0001": "xenpci"}


def install(machine: Windows, package: Package) -> None:
    outcome = package.install(machine)
    assert outcome.exit_code in (DONE, RESTART_NEEDED), outcome.log


def steps(log: str, verb: str) -> list[str]:
    """The steps of a run in their order."""
    return re.findall(rf"^{verb} +(?:do|undo) +(\S+(?: \S+)?)\s", log, re.MULTILINE)


def test_what_hides_disks_comes_last_and_goes_first(machine: Windows, package: Package) -> None:
    install(machine, package)

    done = steps(pvinstall(machine, package, "install").log, "install")
    assert done.index("setup xenvbd") < done.index("filter xenhide")
    assert done.index("setup xenpci") < done.index("filter xenhide")

    undone = steps(pvinstall(machine, package, "uninstall").log, "uninstall")
    for driver in ("xenvbd", "xenpci"):
        order = [undone.index(step) for step in ("filter xenhide", f"boot {driver}", f"service {driver}")]
        order.append(undone.index(f"file {driver}"))
        assert order == sorted(order), undone


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["Service", "ClassGUID"])
def test_another_product_s_boot_device_keeps_us_out(machine: Windows, package: Package, device: str, name: str) -> None:
    machine.set_value(f"{BOOT_DEVICES}\\{device}", name, "vendor")
    services = set(machine.registry(SERVICES))

    outcome = package.install(machine)

    assert outcome.exit_code not in (DONE, RESTART_NEEDED)
    log = machine.path("C:\\windows\\gplpv.log").read_text() if package.is_msi else outcome.log
    assert f"{DATABASE}\\{device} is another product's" in log
    assert boot_devices(machine) == {device: {name: "vendor"}}
    assert set(machine.registry(SERVICES)) == services
    assert not upper_filters(machine)


def test_another_product_s_boot_device_stays_when_we_go(machine: Windows, package: Package) -> None:
    install(machine, package)
    machine.set_value(f"{BOOT_DEVICES}\\XEN#vbd", "Service", "vendor")
    package.uninstall(machine)
    assert [(name, values["Service"]) for name, values in boot_devices(machine).items()] == [("XEN#vbd", "vendor")]
    assert machine.service("xenvbd") is None
    assert not machine.exists(XENVBD)


def test_the_last_known_good_control_set_can_be_started_after_removal(machine: Windows, package: Package) -> None:
    install(machine, package)
    for device, driver in DEVICES.items():
        machine.set_value(f"{OLD_SET}\\{DATABASE}\\{device}", "Service", driver)
        machine.set_value(f"{OLD_SET}\\Services\\{driver}", "Start", str(BOOT_START), "REG_DWORD")
        image = f"system32\\DRIVERS\\{driver}.sys"
        machine.set_value(f"{OLD_SET}\\Services\\{driver}", "ImagePath", image, "REG_EXPAND_SZ")
    machine.set_value(f"{OLD_SET}\\{DATABASE}\\PCI#CC_0101", "Service", "pciide")

    package.uninstall(machine)

    old = machine.registry(OLD_SET)
    assert {name for name in old if name.startswith(f"{DATABASE}\\")} == {f"{DATABASE}\\PCI#CC_0101"}
    assert {old.under(f"Services\\{driver}")["Start"] for driver in DEVICES.values()} == {DISABLED}


def test_an_entry_that_cannot_go_keeps_its_driver(machine: Windows, package: Package) -> None:
    """A key with another below it cannot be deleted."""
    install(machine, package)
    machine.set_value(f"{BOOT_DEVICES}\\XEN#vbd\\Below", "a", "b")

    failed = pvinstall(machine, package, "uninstall")

    assert failed.exit_code == EXIT_BOOT, failed.log
    assert machine.registry(f"{SERVICES}\\xenvbd").under()["Start"] == BOOT_START
    assert machine.exists(XENVBD)
    assert not upper_filters(machine)

    machine.run("reg", "delete", f"{BOOT_DEVICES}\\XEN#vbd\\Below", "/f")
    again = pvinstall(machine, package, "uninstall")
    assert again.exit_code in (DONE, RESTART_NEEDED), again.log
    assert boot_devices(machine) == {}
    assert machine.service("xenvbd") is None
    assert not machine.exists(XENVBD)


def test_an_entry_whose_driver_is_gone_goes_too(machine: Windows, package: Package) -> None:
    machine.set_value(f"{BOOT_DEVICES}\\XEN#vbd", "Service", "xenvbd")
    machine.path("C:\\windows\\system32\\drivers\\xenhide.sys").mkdir()
    assert package.install(machine).exit_code not in (DONE, RESTART_NEEDED)
    assert boot_devices(machine) == {}

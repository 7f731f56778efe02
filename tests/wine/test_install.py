# SPDX-License-Identifier: GPL-2.0-or-later
"""Installed packages: everything is where it belongs, runs, and goes without trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PureWindowsPath

import pytest

from .package import (
    DONE,
    RESTART_NEEDED,
    SCSI_CLASS_GUID,
    SYSTEM_CLASS,
    SYSTEM_CLASS_GUID,
    Outcome,
    Package,
    boot_devices,
    build,
    entries,
    kept_catalogs,
    pvinstall,
    upper_filters,
)
from .windows import SERVICES, Windows, wait_until

FOREIGN = "vendorflt"
DRIVERS = "C:\\windows\\system32\\drivers"
HELPER_LOG = "c:\\windows\\gplpv.log"
# Where a NSIS uninstaller deletes itself from.  Windows deletes the folder at the next start, Wine only the file in it.
NSIS_TEMPORARY = "c:\\users\\tester\\temp\\~nsu1.tmp"
PACKAGE_INCOMPLETE = 3
BOOT_START = 0
AUTO_START = 2
# What a PV boot takes (drivers_src/xenhide/policy.c): drivers that start at boot, and Windows knows for which devices.
BOOT_DRIVERS = {"xenhide": "Boot Bus Extender", "xenpci": "System Bus Extender", "xenvbd": "SCSI Miniport"}
BOOT_DEVICES = {
    "PCI#VEN_5853&DEV_0001": {"Service": "xenpci", "ClassGUID": SYSTEM_CLASS_GUID},
    "XEN#vbd": {"Service": "xenvbd", "ClassGUID": SCSI_CLASS_GUID},
}


@dataclass(frozen=True)
class Installed:
    machine: Windows
    package: Package
    outcome: Outcome


@pytest.fixture(scope="module")
def installed(package: Package) -> Iterator[Installed]:
    """A machine on which another vendor's filter was there first; tests that share it only look."""
    machine = Windows(package.hardware)
    try:
        add_foreign_filter(machine)
        yield Installed(machine, package, install(machine, package))
    finally:
        machine.close()


def add_foreign_filter(machine: Windows) -> None:
    machine.run("reg", "add", SYSTEM_CLASS, "/v", "UpperFilters", "/t", "REG_MULTI_SZ", "/d", FOREIGN, "/f")


def install(machine: Windows, package: Package) -> Outcome:
    outcome = package.install(machine)
    assert outcome.exit_code in (DONE, RESTART_NEEDED), outcome.log
    return outcome


def driver_names(package: Package) -> list[str]:
    return [name for name, _ in package.variant.drivers()]


def expected_files(package: Package) -> set[str]:
    """Files and folders below the package's own folder."""
    names = {"pvinstall.exe", "shutdownmon.exe", "license.txt", "readme.txt", "drivers"}
    for driver in driver_names(package):
        names |= {f"drivers\\{driver}", *(f"drivers\\{driver}\\{driver}.{kind}" for kind in ("inf", "sys", "cat"))}
    if package.variant.debug:
        images = [*driver_names(package), *package.variant.matrix.programs]
        names |= {"symbols", *(f"symbols\\{image}.pdb" for image in images)}
    if not package.is_msi:
        names.add("uninstall.exe")
    return {f"{package.folder}\\{name}".lower() for name in names}


def test_installing_asks_for_a_restart(installed: Installed) -> None:
    assert installed.outcome.exit_code == RESTART_NEEDED, installed.outcome.log


def test_the_folder_holds_exactly_what_belongs_there(installed: Installed) -> None:
    assert installed.machine.files(installed.package.folder) == expected_files(installed.package)


def test_shutdownmon_runs_and_will_start_with_windows(installed: Installed) -> None:
    assert wait_until(lambda: installed.machine.service("shutdownmon") == "running"), installed.outcome.log
    values = installed.machine.registry(f"{SERVICES}\\shutdownmon").under()
    assert str(values["ImagePath"]).strip('"') == f"{installed.package.folder}\\shutdownmon.exe"
    assert values["Start"] == AUTO_START


def test_each_inf_is_where_windows_looks_for_drivers(installed: Installed) -> None:
    """All but xenhide's, which is a filter: its INF is carried out at once, for no device will ever ask for it."""
    machine, package = installed.machine, installed.package
    for driver in set(driver_names(package)) - {"xenhide"}:
        staged = machine.path(f"C:\\windows\\inf\\{driver}.inf")
        assert staged.exists(), driver
        assert staged.read_bytes() == machine.path(f"{package.folder}\\drivers\\{driver}\\{driver}.inf").read_bytes()


def test_windows_keeps_the_catalog_of_each_of_these(installed: Installed) -> None:
    """It takes them from beside the INF when that is staged."""
    machine, package = installed.machine, installed.package
    for kept in kept_catalogs(package):
        name = PureWindowsPath(kept)
        shipped = machine.path(f"{package.folder}\\drivers\\{name.stem}\\{name.name}")
        assert machine.path(kept).read_bytes() == shipped.read_bytes(), kept


@pytest.mark.parametrize("driver", BOOT_DRIVERS)
def test_what_a_boot_takes_are_boot_drivers(installed: Installed, driver: str) -> None:
    machine, package = installed.machine, installed.package
    assert machine.service(driver) is not None
    values = machine.registry(f"{SERVICES}\\{driver}").under()
    assert values["Start"] == BOOT_START
    assert values["Group"] == BOOT_DRIVERS[driver]
    assert str(values["ImagePath"]).lower().endswith(f"system32\\drivers\\{driver}.sys")
    shipped = machine.path(f"{package.folder}\\drivers\\{driver}\\{driver}.sys").read_bytes()
    assert machine.path(f"{DRIVERS}\\{driver}.sys").read_bytes() == shipped


def test_services_have_the_parameters_of_their_infs(installed: Installed) -> None:
    assert installed.machine.registry(f"{SERVICES}\\xenvbd").under("Parameters\\PnpInterface") == {"0": 1}
    assert installed.machine.registry(f"{SERVICES}\\xenpci").under("Parameters") == {"OptIn": 0, "LineOnly": 0}


def test_windows_knows_the_drivers_of_the_devices_it_boots_from(installed: Installed) -> None:
    assert boot_devices(installed.machine) == BOOT_DEVICES


def test_xenhide_is_the_last_filter_of_class_system(installed: Installed) -> None:
    assert upper_filters(installed.machine) == [FOREIGN, "xenhide"]


def test_a_missing_catalog_is_found_before_anything_is_changed(installed: Installed) -> None:
    machine, package = installed.machine, installed.package
    catalog = machine.path(f"{package.folder}\\drivers\\xenvbd\\xenvbd.cat")
    away = catalog.rename(catalog.with_suffix(".away"))
    services, files = machine.registry(SERVICES), machine.files()
    refused = pvinstall(machine, package, "install")
    assert refused.exit_code == PACKAGE_INCOMPLETE, refused.log
    assert "xenvbd.cat" in refused.log
    assert (machine.registry(SERVICES), machine.files()) == (services, files)
    away.rename(catalog)


def test_one_entry_in_add_or_remove_programs(installed: Installed) -> None:
    product = installed.package.variant.matrix.product
    [entry] = entries(installed.machine)
    assert entry["DisplayVersion"] == product.version
    assert entry["Publisher"] == product.manufacturer


def test_a_second_install_over_the_first_changes_nothing(machine: Windows, package: Package) -> None:
    add_foreign_filter(machine)
    install(machine, package)
    again = install(machine, package)
    assert machine.files(package.folder) == expected_files(package)
    assert wait_until(lambda: machine.service("shutdownmon") == "running"), again.log
    assert upper_filters(machine) == [FOREIGN, "xenhide"]
    assert boot_devices(machine) == BOOT_DEVICES
    assert len(entries(machine)) == 1


def test_the_other_flavour_takes_the_place_of_the_first(machine: Windows, package: Package) -> None:
    add_foreign_filter(machine)
    install(machine, package)
    variant = package.variant
    others = build(variant.platform_name, variant.arch_name, debug=not variant.debug)
    other = next(found for found in others.values() if found.is_msi == package.is_msi)
    replaced = install(machine, other)
    assert machine.files(other.folder) == expected_files(other)
    assert wait_until(lambda: machine.service("shutdownmon") == "running"), replaced.log
    assert upper_filters(machine) == [FOREIGN, "xenhide"]
    assert boot_devices(machine) == BOOT_DEVICES
    [entry] = entries(machine)
    assert ("debug" in str(entry["DisplayName"])) == other.variant.debug


def test_after_a_restart_it_runs_and_can_be_removed_without_trace(machine: Windows, package: Package) -> None:
    add_foreign_filter(machine)
    files, services = machine.files(), machine.registry(SERVICES)
    install(machine, package)
    machine.reboot()
    assert wait_until(lambda: machine.service("shutdownmon") == "running"), machine.console

    removed = package.uninstall(machine)

    assert removed.exit_code in (DONE, RESTART_NEEDED), removed.log
    assert upper_filters(machine) == [FOREIGN]
    assert boot_devices(machine) == {}
    assert entries(machine) == []
    assert machine.service("shutdownmon") is None
    machine.reboot()
    assert machine.files() - files <= {HELPER_LOG, NSIS_TEMPORARY, *kept_catalogs(package)}
    assert files - machine.files() == set()
    assert set(machine.registry(SERVICES)) == set(services)


def test_where_there_was_no_filter_none_is_left(machine: Windows, package: Package) -> None:
    install(machine, package)
    assert upper_filters(machine) == ["xenhide"]
    package.uninstall(machine)
    assert not upper_filters(machine)

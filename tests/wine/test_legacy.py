# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with the original GPLPV drivers, 0.10 or 0.11, or what a removal has left of them: ours replace them.

The predecessors' traces are made here from what is known of them: names of drivers and services, class filters, the
Provider of their INFs, their entries for boot devices and in Add or Remove Programs. Their files here are programs of
nothing with a version resource.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gplpv.ddk import ImageOptions
from small_images import make

from .package import (
    BOOT_DEVICES,
    CONTROL,
    DONE,
    RESTART_NEEDED,
    SYSTEM_CLASS,
    UNINSTALL_KEY,
    Package,
    boot_devices,
    upper_filters,
)
from .windows import SERVICES, Windows

# The helper is the same in all packages: each kind of machine and of package once.
pytestmark = pytest.mark.parametrize("package", ["XPx64 debug.msi", "XPx32.exe"], indirect=True)

DRIVERS = "C:\\windows\\system32\\drivers"
THEIRS = ("xenpci", "xenhide", "xenvbd", "xennet", "xenstub", "xenscsi", "xenusb")
DISK_CLASS = f"{CONTROL}\\Class\\{{4D36E96A-E325-11CE-BFC1-08002BE10318}}"
NET_CLASS = f"{CONTROL}\\Class\\{{4D36E972-E325-11CE-BFC1-08002BE10318}}"
OLD_PRODUCT = f"{UNINSTALL_KEY}\\{{0E2C4B0D-6E3B-4E4F-9D0C-000000000011}}"
OLD_INF = """[Version]
Signature="$WINDOWS NT$"
Class=SCSIAdapter
ClassGUID={{4D36E97B-E325-11CE-BFC1-08002BE10318}}
Provider=%P%
DriverVer=10/14/2009,0.11.0.308
[SourceDisksFiles]
{driver}.sys=1
[Strings]
P="Xen GPL PV Driver Developers"
"""
EMPTY = "void __stdcall entry(void *a, void *b); void __stdcall entry(void *a, void *b) { (void)a; (void)b; }\n"
RESOURCE = """1 VERSIONINFO
FILEVERSION 0,11,0,308
BEGIN
BLOCK "StringFileInfo" BEGIN BLOCK "040904b0" BEGIN VALUE "CompanyName", "{company}" END END
END
"""


def a_driver(folder: Path, company: str, arch: str) -> Path:
    """An image with nothing in it but whose it is."""
    options = ImageOptions("x32" if arch == "x32" else "x64", (5, 2), False, "kernel", folder)
    (folder / "old.c").write_text(EMPTY.replace("entry", "DriverEntry"))
    (folder / "old.rc").write_text(RESOURCE.format(company=company))
    return make(folder / "old.sys", [folder / "old.c", folder / "old.rc"], [], options)


def put_predecessors(machine: Windows, image: Path, drivers: tuple[str, ...] = THEIRS) -> None:
    """The old drivers as they lie on a machine that starts from their disk."""
    for number, driver in enumerate(drivers, 7):
        machine.path(DRIVERS).joinpath(f"{driver}.sys").write_bytes(image.read_bytes())
        machine.run(
            "sc", "create", driver, "type=", "kernel", "start=", "boot", "binPath=", f"system32\\drivers\\{driver}.sys"
        )
        machine.path("C:\\windows\\inf").joinpath(f"oem{number}.inf").write_text(OLD_INF.format(driver=driver))
    put_filters(machine)
    machine.set_value(f"{BOOT_DEVICES}\\XEN#VBD", "Service", "xenvbd")
    machine.set_value(f"{BOOT_DEVICES}\\PCI#VEN_5853&DEV_0001", "Service", "xenpci")
    machine.set_value(OLD_PRODUCT, "DisplayName", "GPL PV Drivers for Windows")


def put_filters(machine: Windows) -> None:
    machine.set_value(SYSTEM_CLASS, "UpperFilters", "vendor\\0XenHide", "REG_MULTI_SZ")
    machine.set_value(DISK_CLASS, "UpperFilters", "XenPci\\0vendor", "REG_MULTI_SZ")
    machine.set_value(DISK_CLASS, "LowerFilters", "xenhide", "REG_MULTI_SZ")
    machine.set_value(NET_CLASS, "LowerFilters", "xenusb\\0xenhide", "REG_MULTI_SZ")


def oem_infs(machine: Windows) -> dict[str, str]:
    """The INFs that Windows keeps, by their Provider's line."""
    return {path.name: path.read_text("latin-1") for path in machine.path("C:\\windows\\inf").glob("oem*.inf")}


def install(machine: Windows, package: Package) -> str:
    """Install, and return the helper's log."""
    outcome = package.install(machine)
    assert outcome.exit_code in (DONE, RESTART_NEEDED), outcome.log
    return machine.path("C:\\windows\\gplpv.log").read_text() if package.is_msi else outcome.log


@pytest.mark.parametrize("company", ["James Harper", "nobody"])
def test_their_drivers_are_replaced_and_the_rest_goes(
    machine: Windows, package: Package, tmp_path: Path, company: str
) -> None:
    """Also where only an INF tells whose a file is."""
    put_predecessors(machine, a_driver(tmp_path, company, package.hardware))
    old = machine.path(f"{DRIVERS}\\xenvbd.sys").read_bytes()

    log = install(machine, package)

    assert upper_filters(machine) == ["vendor", "XenHide"], log
    assert machine.registry(DISK_CLASS).under() == {"UpperFilters": ["vendor"]}
    assert "LowerFilters" not in machine.registry(NET_CLASS).under()
    assert not any("Developers" in text for text in oem_infs(machine).values()), log
    for driver in ("xenscsi", "xenusb"):
        assert machine.service(driver) is None
        assert not machine.exists(f"{DRIVERS}\\{driver}.sys")
    assert machine.path(f"{DRIVERS}\\xenvbd.sys").read_bytes() != old
    assert machine.registry(OLD_PRODUCT).under()["SystemComponent"] == 1
    assert {values["Service"] for values in boot_devices(machine).values()} == {"xenvbd", "xenpci"}

    package.uninstall(machine)
    assert upper_filters(machine) == ["vendor"]
    assert [driver for driver in THEIRS if machine.service(driver) or machine.exists(f"{DRIVERS}\\{driver}.sys")] == []
    assert boot_devices(machine) == {}
    assert oem_infs(machine) == {}


def test_what_a_removal_has_left_goes(machine: Windows, package: Package) -> None:
    """Filters without a driver, which keep a Windows from starting, a service without a file, and INFs."""
    put_filters(machine)
    machine.run("sc", "create", "xenusb", "type=", "kernel", "binPath=", "system32\\drivers\\xenusb.sys")
    machine.path("C:\\windows\\inf\\oem3.inf").write_text(OLD_INF.format(driver="xenvbd"))

    log = install(machine, package)

    assert upper_filters(machine) == ["vendor", "XenHide"], log
    assert machine.registry(DISK_CLASS).under() == {"UpperFilters": ["vendor"]}
    assert machine.service("xenusb") is None
    assert "oem3.inf" not in {name for name, text in oem_infs(machine).items() if "Developers" in text}


def test_another_product_keeps_us_out_and_its_files(machine: Windows, package: Package, tmp_path: Path) -> None:
    """Of the same names as the predecessors' are other vendors' drivers."""
    image = a_driver(tmp_path, "Vendor Systems, Inc.", package.hardware)
    machine.path(f"{DRIVERS}\\xenvbd.sys").write_bytes(image.read_bytes())
    machine.path(f"{DRIVERS}\\xenusb.sys").write_bytes(image.read_bytes())
    machine.run("sc", "create", "xenusb", "type=", "kernel", "binPath=", "system32\\drivers\\xenusb.sys")

    assert package.install(machine).exit_code not in (DONE, RESTART_NEEDED)
    assert machine.path(f"{DRIVERS}\\xenvbd.sys").read_bytes() == image.read_bytes()

    machine.path(f"{DRIVERS}\\xenvbd.sys").unlink()
    install(machine, package)
    assert machine.registry(f"{SERVICES}\\xenusb")
    assert machine.exists(f"{DRIVERS}\\xenusb.sys")

# SPDX-License-Identifier: GPL-2.0-or-later
"""The device model: unplug protocol of both kinds, and who may write to a disk."""

from __future__ import annotations

import pytest

from xenlab.errors import Violation
from xenlab.xen.disk import Disk
from xenlab.xen.qemu import DeviceModel, EmulatedDisk

from .guest import Guest

MODELS = pytest.mark.parametrize("model", ["traditional", "upstream"])
GPLPV = 2


def device_model(model: str, **options: object) -> DeviceModel:
    disks = [EmulatedDisk(0, Disk(8)), EmulatedDisk(1, Disk(8)), EmulatedDisk(2, Disk(8), cdrom=True)]
    return DeviceModel(Guest().xen, model, disks, **options)  # type: ignore[arg-type]


def attached(device: DeviceModel) -> list[int]:
    return [disk.position for disk in device.disks if disk.attached]


@MODELS
def test_the_protocol_step_by_step(model: str):
    device = device_model(model)
    assert device.read_port(0x10, 2) == 0x49D2
    assert device.read_port(0x12, 1) == 1
    device.write_port(0x12, 2, GPLPV)
    device.write_port(0x10, 4, 1234)
    assert device.read_port(0x10, 2) == 0x49D2
    assert (device.product, device.build) == (GPLPV, 1234)
    device.write_port(0x10, 2, 3)
    assert attached(device) == [2]
    assert [pci.name for pci in device.pci_devices()] == ["ide", "platform"]


@MODELS
@pytest.mark.parametrize(("mask", "left", "nics"), [(1, [2], 1), (2, [0, 1, 2], 0), (4, [0, 2], 1), (7, [2], 0)])
def test_each_bit_unplugs_its_devices_and_never_a_cd_drive(model: str, mask: int, left: list[int], nics: int):
    device = device_model(model)
    device.write_port(0x10, 2, mask)
    assert attached(device) == left
    assert device.nics == nics


def test_earlier_upstream_releases_do_not_know_the_auxiliary_disks():
    device = device_model("upstream", knows_aux=False)
    device.write_port(0x10, 2, 4)
    assert attached(device) == [0, 1, 2]


def announce(device: DeviceModel, product: int, build: int) -> int | None:
    device.read_port(0x12, 1)
    device.write_port(0x12, 2, product)
    device.write_port(0x10, 4, build)
    return device.read_port(0x10, 2)


def test_the_traditional_model_blacklists_a_build():
    device = device_model("traditional", blacklist=frozenset({(GPLPV, 7)}))
    assert announce(device, GPLPV, 7) == 0xD249
    device.write_port(0x10, 2, 3)
    assert attached(device) == [0, 1, 2]
    assert announce(device, GPLPV, 8) == 0x49D2


def test_the_upstream_model_blacklists_nothing():
    device = device_model("upstream", blacklist=frozenset({(GPLPV, 7)}))
    assert announce(device, GPLPV, 7) == 0x49D2


def test_the_traditional_model_takes_no_product_before_the_version_was_read():
    device = device_model("traditional")
    device.write_port(0x12, 2, GPLPV)
    assert device.product is None


@MODELS
def test_without_the_platform_device_the_ports_are_not_there(model: str):
    device = device_model(model, platform_device=False)
    assert device.read_port(0x10, 2) is None
    assert device.write_port(0x10, 2, 3) is False
    assert [pci.name for pci in device.pci_devices()] == ["ide", "nic"]


def test_other_ports_are_others():
    device = device_model("upstream")
    assert device.read_port(0x60, 1) is None
    assert device.write_port(0x60, 1, 0) is False


def test_port_e9_is_the_hypervisors_log_and_0x12_the_device_models():
    guest = Guest()
    device = DeviceModel(guest.xen, "upstream")
    for byte in b"hello\n":
        device.write_port(0xE9, 1, byte)
        device.write_port(0x12, 1, byte)
    assert guest.xen.log == b"hello\n"
    assert device.log == ["hello"]


@MODELS
def test_a_new_process_starts_with_every_device(model: str):
    device = device_model(model)
    device.write_port(0x10, 2, 7)
    device.restart()
    assert attached(device) == [0, 1, 2]
    assert device.nics == 1


def test_two_drivers_on_one_disk_corrupt_it():
    device = device_model("upstream")
    device.emulated_write(0, 0, b"x" * 512)
    with pytest.raises(Violation, match="corrupt"):
        device.disk(0).disk.claim("the PV driver", Guest().world)
    device.switch_on()
    device.disk(0).disk.claim("the PV driver", Guest().world)
    with pytest.raises(Violation, match="corrupt"):
        device.emulated_write(0, 0, b"x" * 512)


def test_an_unplugged_disk_cannot_be_written():
    device = device_model("upstream")
    device.write_port(0x10, 2, 1)
    with pytest.raises(Violation, match="unplugged"):
        device.emulated_write(0, 0, b"")


def test_a_machine_with_neither_disk_does_not_boot():
    device = device_model("upstream")
    device.check_boot(0, pv_connected=False)
    device.write_port(0x10, 2, 1)
    device.check_boot(0, pv_connected=True)
    with pytest.raises(Violation, match="does not boot"):
        device.check_boot(0, pv_connected=False)


def test_a_model_without_the_protocol_has_nothing_at_its_ports():
    device = device_model("traditional", unplugs=False)
    assert device.read_port(0x10, 2) == 0xFFFF
    assert device.read_port(0x12, 1) == 0xFF
    device.write_port(0x10, 2, 7)
    assert attached(device) == [0, 1, 2]
    assert device.nics == 1


def test_protocol_0_unplugs_for_everybody_and_knows_no_product():
    device = device_model("traditional", protocol=0)
    assert device.read_port(0x10, 2) == 0x49D2
    assert device.read_port(0x12, 1) == 0
    device.write_port(0x12, 2, GPLPV)
    assert device.product is None
    device.write_port(0x10, 2, 1)
    assert attached(device) == [2]


def test_a_model_that_blacklists_all_lets_no_build_unplug():
    device = device_model("traditional")
    device.blacklists_all = True
    assert announce(device, GPLPV, 8) == 0xD249
    device.write_port(0x10, 2, 3)
    assert attached(device) == [0, 1, 2]

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hypervisor itself offers: CPUID leaves, hypercall page, hypercalls and their limits by release."""

from __future__ import annotations

import struct

import pytest

from xenlab.errors import Violation
from xenlab.xen import abi
from xenlab.xen.abi import (
    EVTCHNOP,
    GNTTABOP,
    HVM_PARAM,
    HVMOP,
    HYPERVISOR,
    SCHEDOP,
    SHUTDOWN,
    XEN,
    XENFEAT,
    XENMAPSPACE,
    XENMEM,
    XENVER,
)
from xenlab.xen.hypervisor import VMCALL, VMMCALL, GeneralProtection
from xenlab.xen.ports import PAGE
from xenlab.xen.releases import RELEASES

from .guest import DEVICE, Guest

ARCHES = pytest.mark.parametrize("arch", ["x64", "x32"])
EVERY_RELEASE = pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES.keys())
VECTOR = 2 << 56 | 0xF3


def signature(leaf: tuple[int, int, int, int] | None) -> bytes:
    assert leaf is not None
    return struct.pack("<3I", *leaf[1:])


def test_the_first_leaf_carries_xens_signature_and_the_last_leaf():
    xen = Guest().xen
    leaf = xen.cpuid(0x40000000)
    assert signature(leaf) == b"XenVMMXenVMM"
    assert leaf is not None and leaf[0] == 0x40000005


@EVERY_RELEASE
def test_the_second_leaf_carries_the_version(release):
    assert Guest(release=release).xen.cpuid(0x40000001) == (release.major << 16 | release.minor, 0, 0, 0)


def test_behind_viridian_the_leaves_and_the_msr_are_shifted():
    xen = Guest(viridian=True).xen
    assert signature(xen.cpuid(0x40000000)) == b"Microsoft Hv"
    assert signature(xen.cpuid(0x40000100)) == b"XenVMMXenVMM"
    assert xen.cpuid(0x40000102) == (1, 0x40000200, 0, 0)


def test_leaves_of_the_processor_are_not_the_hypervisors():
    assert Guest().xen.cpuid(1) is None
    assert Guest().xen.cpuid(0x80000001) is None


def test_a_hypercall_page_has_an_entry_of_32_bytes_a_hypercall():
    guest = Guest()
    gfn = guest.page()
    assert guest.xen.wrmsr(0x40000000, gfn * PAGE)
    page = guest.memory.read(gfn * PAGE, PAGE)
    assert page[29 * 32 : 29 * 32 + 9] == b"\xb8\x1d\0\0\0" + VMCALL + b"\xc3"
    assert page[23 * 32 : 23 * 32 + 2] == b"\x0f\x0b"


def test_a_hypercall_page_outside_ram_or_with_an_index_faults():
    guest = Guest()
    for value in (DEVICE.start * PAGE, guest.page() * PAGE + 1):
        with pytest.raises(GeneralProtection):
            guest.xen.wrmsr(0x40000000, value)


def test_other_msrs_are_not_the_hypervisors():
    xen = Guest().xen
    assert xen.rdmsr(0x10) is None
    assert xen.wrmsr(0x10, 0) is False


def test_the_other_makers_hypercall_instruction_is_a_violation():
    guest = Guest(amd=True)
    assert guest.xen.hypercall(HYPERVISOR.xen_version, [0], instruction=VMMCALL) == 4 << 16 | 19
    with pytest.raises(Violation, match="lacks its instruction"):
        guest.xen.hypercall(HYPERVISOR.xen_version, [0], instruction=VMCALL)


def test_unknown_hypercalls_and_operations_are_enosys():
    guest = Guest()
    assert guest.xen.hypercall(47, [0, 0, 0, 0, 0]) == -XEN.ENOSYS
    assert guest.xen.hypercall(HYPERVISOR.multicall, [0, 0, 0, 0, 0]) == -XEN.ENOSYS
    for number in (HYPERVISOR.memory_op, HYPERVISOR.event_channel_op, HYPERVISOR.hvm_op, HYPERVISOR.sched_op):
        assert guest.hypercall(number, 99) == -XEN.ENOSYS


def test_an_argument_that_is_not_mapped_is_efault():
    guest = Guest()
    assert guest.hypercall(HYPERVISOR.hvm_op, HVMOP.get_param, 0xDEAD0000) == -XEN.EFAULT


@EVERY_RELEASE
@ARCHES
def test_version_and_features(arch, release):
    guest = Guest(arch, release)
    assert guest.hypercall(HYPERVISOR.xen_version, XENVER.version) == release.major << 16 | release.minor
    result, found = guest.operate(HYPERVISOR.xen_version, XENVER.get_features, abi.XEN_FEATURE_INFO)
    assert result == 0
    vector = release.major == 4 and release.minor >= 1
    assert bool(found["submap"] >> XENFEAT.hvm_callback_vector & 1) == vector
    assert found["submap"] >> XENFEAT.auto_translated_physmap & 1


def test_extraversion_is_sixteen_characters():
    guest = Guest(release=RELEASES["4.1"])
    at = guest.page() * PAGE
    guest.memory.write(at, b"x" * 20)
    assert guest.hypercall(HYPERVISOR.xen_version, XENVER.extraversion, at) == 0
    assert guest.memory.read(at, 20) == b".6.1".ljust(16, b"\0") + b"xxxx"


@ARCHES
def test_the_store_page_and_port_are_parameters(arch):
    guest = Guest(arch)
    assert guest.param(HVM_PARAM.STORE_PFN) == guest.xen.params[HVM_PARAM.STORE_PFN]
    assert guest.param(HVM_PARAM.STORE_EVTCHN) != guest.param(HVM_PARAM.CONSOLE_EVTCHN)


def test_the_guest_may_set_the_callback_and_nothing_else():
    guest = Guest()
    assert guest.set_param(HVM_PARAM.CALLBACK_IRQ, 1 << 56 | 3 << 11) == 0
    assert guest.xen.callback is not None and guest.xen.callback.pci_pin == (0, 3 << 3, 0)
    assert guest.set_param(HVM_PARAM.CALLBACK_IRQ, 0) == 0
    assert guest.xen.callback is None
    assert guest.set_param(HVM_PARAM.STORE_PFN, 1) == -XEN.EPERM
    assert guest.set_param(99, 1) == -XEN.EINVAL


@pytest.mark.parametrize(("name", "result"), [("4.0", -XEN.EINVAL), ("4.1", 0)])
def test_the_vector_callback_comes_with_4_1(name, result):
    assert Guest(release=RELEASES[name]).set_param(HVM_PARAM.CALLBACK_IRQ, VECTOR) == result


@ARCHES
def test_shared_info_appears_where_it_is_put_and_only_there(arch):
    guest = Guest(arch)
    first, second = DEVICE.start + 1, DEVICE.start + 2
    assert guest.add_to_physmap(XENMAPSPACE.shared_info, 0, first) == 0
    guest.memory.write(first * PAGE + 4000, b"mine")
    assert guest.add_to_physmap(XENMAPSPACE.shared_info, 0, second) == 0
    assert guest.memory.read(second * PAGE + 4000, 4) == b"mine"
    assert guest.memory.read(first * PAGE, 4) == b"\xff" * 4
    assert guest.add_to_physmap(XENMAPSPACE.shared_info, 1, first) == -XEN.EINVAL


def test_ram_below_a_page_of_xens_is_lost_until_it_is_populated():
    guest = Guest()
    gfn = guest.page()
    reservation = guest.xen.physmap.reservation
    assert guest.add_to_physmap(XENMAPSPACE.shared_info, 0, gfn) == 0
    assert guest.xen.physmap.lost == set()
    remove = {"domid": abi.DOMID_SELF, "gpfn": gfn}
    operation = (HYPERVISOR.memory_op, XENMEM.remove_from_physmap, abi.XEN_REMOVE_FROM_PHYSMAP)
    assert guest.operate(*operation, **remove)[0] == 0
    assert guest.xen.physmap.reservation == reservation - 1
    assert guest.memory.read(gfn * PAGE, 2) == b"\xff\xff"
    assert guest.operate(*operation, **remove)[0] == -XEN.ENOENT


def test_ballooning_gives_pages_up_and_takes_them_back():
    guest = Guest()
    frames = [guest.page() for _ in range(3)]
    at = guest.page() * PAGE
    guest.memory.write(at, struct.pack("<3Q", *frames))
    given = {"extent_start": at, "nr_extents": 3, "domid": abi.DOMID_SELF}
    reservation = abi.XEN_MEMORY_RESERVATION
    assert guest.operate(HYPERVISOR.memory_op, XENMEM.decrease_reservation, reservation, **given)[0] == 3
    assert guest.xen.physmap.lost == set(frames)
    assert guest.operate(HYPERVISOR.memory_op, XENMEM.decrease_reservation, reservation, **given)[0] == 0
    assert guest.operate(HYPERVISOR.memory_op, XENMEM.populate_physmap, reservation, **given)[0] == 3
    assert guest.xen.physmap.lost == set()
    assert guest.operate(HYPERVISOR.memory_op, XENMEM.populate_physmap, reservation, **given)[0] == 0


@pytest.mark.parametrize(("name", "known"), [("3.1", False), ("3.2", True), ("4.19", True)])
def test_the_size_of_the_grant_table_can_be_asked_from_3_2_on(name, known):
    guest = Guest(release=RELEASES[name])
    result, found = guest.operate(
        HYPERVISOR.grant_table_op, GNTTABOP.query_size, abi.GNTTAB_QUERY_SIZE, dom=abi.DOMID_SELF
    )
    assert result == (0 if known else -XEN.ENOSYS)
    if known:
        release = RELEASES[name]
        assert (found["nr_frames"], found["max_nr_frames"]) == (release.initial_grant_frames, release.max_grant_frames)


@EVERY_RELEASE
def test_the_grant_table_grows_to_the_releases_limit(release):
    guest = Guest(release=release)
    last = release.max_grant_frames - 1
    assert guest.add_to_physmap(XENMAPSPACE.grant_table, last, DEVICE.start) == 0
    assert guest.add_to_physmap(XENMAPSPACE.grant_table, last + 1, DEVICE.start) == -XEN.EINVAL
    assert len(guest.xen.grants.pages) == release.max_grant_frames


def test_an_hvm_guest_may_not_set_up_the_table():
    guest = Guest()
    result, _ = guest.operate(HYPERVISOR.grant_table_op, GNTTABOP.setup_table, abi.GNTTAB_SETUP_TABLE, nr_frames=1)
    assert result == -XEN.ENOSYS


def test_the_table_has_version_1():
    guest = Guest()
    operation = (HYPERVISOR.grant_table_op, GNTTABOP.get_version, abi.GNTTAB_GET_VERSION)
    assert guest.operate(*operation, dom=abi.DOMID_SELF)[1]["version"] == 1
    change = (HYPERVISOR.grant_table_op, GNTTABOP.set_version, abi.GNTTAB_SET_VERSION)
    assert guest.operate(*change, version=1)[0] == 0
    assert guest.operate(*change, version=2)[0] == -XEN.EINVAL


def test_time_is_virtual_time_and_comes_with_4_1():
    guest = Guest()
    guest.world.advance(12345)
    assert guest.operate(HYPERVISOR.hvm_op, HVMOP.get_time, abi.XEN_HVM_GET_TIME)[1]["now"] == guest.world.now
    assert guest.operate(HYPERVISOR.hvm_op, HVMOP.pagetable_dying, abi.XEN_HVM_GET_TIME)[0] == 0
    old = Guest(release=RELEASES["4.0"])
    assert old.operate(HYPERVISOR.hvm_op, HVMOP.get_time, abi.XEN_HVM_GET_TIME)[0] == -XEN.ENOSYS


@pytest.mark.parametrize(("name", "result"), [("4.3", -XEN.ENOSYS), ("4.19", -XEN.EPERM)])
def test_the_hypervisors_console_is_not_for_guests(name, result):
    assert Guest(release=RELEASES[name]).hypercall(HYPERVISOR.console_io, 0, 5, 0) == result


def test_a_64_bit_xen_3_1_cannot_shut_a_guest_down_by_hypercall():
    guest = Guest(release=RELEASES["3.1"])
    result, _ = guest.operate(HYPERVISOR.sched_op, SCHEDOP.shutdown, abi.SCHED_SHUTDOWN, reason=SHUTDOWN.suspend)
    assert result == -XEN.ENOSYS
    assert guest.xen.shutdown is None


@pytest.mark.parametrize("code", [SHUTDOWN.poweroff, SHUTDOWN.crash])
def test_a_latched_code_replaces_that_of_the_shutdown(code):
    guest = Guest()
    sched = (HYPERVISOR.sched_op, SCHEDOP.shutdown_code, abi.SCHED_SHUTDOWN)
    assert guest.operate(*sched, reason=code)[0] == 0
    assert guest.operate(*sched, reason=77)[0] == -XEN.EINVAL
    guest.memory.write(guest._scratch, struct.pack("<I", SHUTDOWN.reboot))
    guest.xen.hypercall(HYPERVISOR.sched_op, [SCHEDOP.shutdown, guest._scratch, 0, 0, 0])
    assert guest.xen.shutdown is code
    assert guest.tools.ended is code


def test_block_waits_for_an_event():
    guest = Guest()
    guest.map_shared(0)
    port = guest.alloc_port()
    remote = guest.xen.evtchn.bind_remote(port, 0, lambda: None)
    guest.take_events()
    guest.world.at(5000, remote.notify, "event")
    assert guest.hypercall(HYPERVISOR.sched_op, SCHEDOP.block) == 0
    assert guest.world.now == 5000


def test_3_0_serves_the_guest_and_records_that_dom0_would_not_have_survived():
    guest = Guest(release=RELEASES["3.0"])
    assert guest.hypercall(HYPERVISOR.xen_version, XENVER.version) == 3 << 16
    assert guest.xen.dom0_crashes == []
    guest.map_shared()
    assert guest.xen.dom0_crashes == ["memory_op 7", "hvm_op 0"]


def test_hypercalls_are_counted():
    guest = Guest()
    guest.map_shared()
    port = guest.alloc_port()
    guest.send(port)
    assert guest.xen.counts == {"memory_op": 1, "hvm_op": 1, "event_channel_op": 2}


@ARCHES
def test_event_channel_errors(arch):
    guest = Guest(arch)
    assert guest.send(4000) == -XEN.EINVAL
    close = (HYPERVISOR.event_channel_op, EVTCHNOP.close, abi.EVTCHN_CLOSE)
    port = guest.alloc_port()
    assert guest.operate(*close, port=port)[0] == 0
    assert guest.operate(*close, port=port)[0] == -XEN.EINVAL
    bad = {"dom": 5, "remote_dom": 0}
    alloc = (HYPERVISOR.event_channel_op, EVTCHNOP.alloc_unbound, abi.EVTCHN_ALLOC_UNBOUND)
    assert guest.operate(*alloc, **bad)[0] == -XEN.EPERM

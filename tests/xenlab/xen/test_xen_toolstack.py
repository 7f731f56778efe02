# SPDX-License-Identifier: GPL-2.0-or-later
"""The administrator's verbs, and what a domain finds after each."""

from __future__ import annotations

import doctest
import struct

import pytest

from xenlab.errors import Violation
from xenlab.xen import abi, toolstack
from xenlab.xen.abi import BLKIF_OP, HVM_PARAM, HVMOP, HYPERVISOR, SCHEDOP, SHUTDOWN
from xenlab.xen.blkback import Features
from xenlab.xen.disk import Disk
from xenlab.xen.hypercalls import Blocked
from xenlab.xen.hypervisor import VMMCALL
from xenlab.xen.ports import PAGE
from xenlab.xen.qemu import DeviceModel, EmulatedDisk
from xenlab.xen.releases import RELEASES
from xenlab.xen.toolstack import device_number

from .guest import BlockFront, Guest, StoreClient, StoreError

SEEDS = pytest.mark.parametrize("seed", range(4))


def test_the_examples_in_the_documentation():
    assert doctest.testmod(toolstack).failed == 0


@pytest.mark.parametrize(
    ("name", "number"),
    [("xvda", 51712), ("xvdp", 51952), ("xvdq", 268439552), ("hdb", 832), ("hdc", 5632), ("xvdaa", 268442112)],
)
def test_device_keys(name: str, number: int):
    assert device_number(name) == number


@pytest.mark.parametrize("name", ["", "xvd", "vda", "hde1"])
def test_names_that_are_no_disks(name: str):
    with pytest.raises(ValueError, match="not a virtual disk"):
        device_number(name)


def shut_down(guest: Guest, reason: SHUTDOWN) -> Blocked:
    at = guest.page() * PAGE
    guest.memory.write(at, struct.pack("<I", reason))
    blocked = guest.xen.hypercall(HYPERVISOR.sched_op, [SCHEDOP.shutdown, at])
    assert isinstance(blocked, Blocked)
    return blocked


def suspend(guest: Guest, client: StoreClient) -> int:
    """The guest's side of a suspension, which it acknowledges; returns what the hypercall returned."""
    client.write("control/shutdown", "")
    result, _ = guest.operate(HYPERVISOR.sched_op, SCHEDOP.shutdown, abi.SCHED_SHUTDOWN, reason=SHUTDOWN.suspend)
    return result


def test_an_upcall_vector_is_kept_by_a_checkpoint_and_lost_in_a_new_domain():
    guest = Guest()
    client = guest.start()
    vector = HYPERVISOR.hvm_op, HVMOP.set_evtchn_upcall_vector, abi.XEN_HVM_EVTCHN_UPCALL_VECTOR
    assert guest.operate(*vector, vcpu=0, vector=0xB1)[0] == 0
    guest.tools.checkpoint()
    assert suspend(guest, client) == 1
    assert guest.xen.upcall_vectors == {0: 0xB1}
    assert client.read("domid") == "1"
    guest.tools.save_and_restore()
    assert suspend(guest, client) == 0
    assert guest.xen.upcall_vectors == {}


@SEEDS
def test_a_new_disk_shows_itself_to_a_watch(seed: int):
    guest = Guest(seed=seed)
    client = guest.start()
    client.watch("device", "devices")
    client.wait_event("device", "devices")
    vbd = guest.tools.attach("xvdb", Disk(100))
    guest.run_until(lambda: any(path.startswith("device/vbd") for path, _ in client.events))
    assert client.directory("device/vbd") == [str(vbd.number)]
    front = f"device/vbd/{vbd.number}"
    assert {name: client.read(f"{front}/{name}") for name in client.directory(front)} == {
        "backend": vbd.backend.path, "backend-id": "0", "device-type": "disk", "state": "1",
        "virtual-device": str(vbd.number),
    }  # fmt: skip
    assert client.read(f"{vbd.backend.path}/dev") == "xvdb"


def test_the_guest_owns_the_front_and_reads_the_back():
    guest = Guest()
    client = guest.start()
    vbd = guest.tools.attach("xvda", Disk(100))
    client.write(f"device/vbd/{vbd.number}/note", "x")
    with pytest.raises(StoreError, match="EACCES"):
        client.write(f"{vbd.backend.path}/note", "x")


def disk_in_use(seed: int = 1) -> tuple[Guest, StoreClient, BlockFront]:
    guest = Guest(seed=seed)
    client = guest.start()
    vbd = guest.tools.attach("xvda", Disk(1000))
    front = BlockFront(guest, client, vbd.number)
    front.connect()
    return guest, client, front


@SEEDS
def test_a_detach_waits_for_the_front_end(seed: int):
    guest, client, front = disk_in_use(seed)
    detach = guest.tools.detach("xvda")
    guest.run_until(lambda: client.read(f"{front.back}/state") == "5")
    guest.settle()
    assert not detach.done
    client.write(f"{front.path}/state", "5")
    client.write(f"{front.path}/state", "6")
    guest.run_until(lambda: detach.done)
    with pytest.raises(StoreError, match="ENOENT"):
        client.read(f"{front.path}/state")
    assert guest.tools.vbds == {}


def test_a_forced_detach_waits_for_nobody():
    guest, client, front = disk_in_use()
    front.submit(BLKIF_OP.READ, 0, length=512)
    guest.tools.force_detach("xvda")
    guest.settle()
    with pytest.raises(StoreError, match="ENOENT"):
        client.read(f"{front.path}/state")
    assert not guest.xen.grants.in_use(front.refs[0])


def test_a_request_to_shut_down_is_a_node_that_the_guest_answers():
    guest = Guest()
    client = guest.start()
    client.watch("control/shutdown", "s")
    client.wait_event("control/shutdown", "s")
    guest.tools.request("poweroff")
    client.wait_event("control/shutdown", "s")
    assert client.read("control/shutdown") == "poweroff"
    client.write("control/shutdown", "")
    assert shut_down(guest, SHUTDOWN.poweroff).poll() is None
    assert guest.tools.ended is SHUTDOWN.poweroff


def test_a_suspension_that_was_not_acknowledged_is_the_guests_mistake():
    guest, client, _ = disk_in_use()
    guest.tools.checkpoint()
    assert client.read("control/shutdown") == "suspend"
    with pytest.raises(Violation, match="has not acknowledged the request"):
        guest.operate(HYPERVISOR.sched_op, SCHEDOP.shutdown, abi.SCHED_SHUTDOWN, reason=SHUTDOWN.suspend)


@pytest.mark.parametrize(("release", "ended"), [("3.2", SHUTDOWN.reboot), ("4.19", SHUTDOWN.crash)])
def test_a_crash_that_is_named_before_the_reset_is_a_crash(release: str, ended: SHUTDOWN):
    guest = Guest(release=RELEASES[release])
    model = DeviceModel(guest.xen, "upstream")
    guest.operate(HYPERVISOR.sched_op, SCHEDOP.shutdown_code, abi.SCHED_SHUTDOWN, reason=SHUTDOWN.crash)
    assert guest.tools.ended is None
    model.reset_machine()
    assert guest.tools.ended is ended


@SEEDS
def test_devices_of_other_kinds_come_and_go(seed: int):
    guest = Guest(seed=seed)
    client = guest.start()
    guest.tools.add_device("vkbd", 3, {"page-ref": 9})
    assert client.read("device/vkbd/3/page-ref") == "9"
    assert client.read("device/vkbd/3/backend") == "/local/domain/0/backend/vkbd/1/3"
    guest.tools.remove_device("vkbd", 3)
    with pytest.raises(StoreError):
        client.read("device/vkbd/3/backend")


def test_a_cancelled_suspension_leaves_everything_in_place():
    guest, client, front = disk_in_use()
    guest.tools.checkpoint()
    assert suspend(guest, client) == 1
    assert client.read("domid") == "1"
    assert front.do(BLKIF_OP.WRITE, 0, b"x" * 512).status == 0
    assert guest.tools.resumes == 1


@SEEDS
@pytest.mark.parametrize("name", ["4.0", "4.1", "4.2", "4.3", "4.19"])
def test_a_restored_guest_starts_over(seed: int, name: str):
    guest = Guest(release=RELEASES[name], seed=seed)
    client = guest.start()
    disk = Disk(1000)
    front = BlockFront(guest, client, guest.tools.attach("xvda", disk).number)
    front.connect()
    front.do(BLKIF_OP.WRITE, 0, b"kept" * 128)
    old_shared = guest.shared
    guest.tools.save_and_restore()
    assert suspend(guest, client) == 0
    assert guest.xen.domid == 2
    assert guest.memory.read(old_shared * PAGE, 4) == b"\xff" * 4
    assert not guest.xen.interrupt_asserted and guest.xen.callback is None
    assert guest.xen.evtchn.ports.keys() == {guest.param(HVM_PARAM.STORE_EVTCHN), guest.param(HVM_PARAM.CONSOLE_EVTCHN)}
    assert guest.xen.grants.outstanding() == []
    guest.handlers.clear()
    again = guest.start()
    assert again.base == guest.xen.params[HVM_PARAM.STORE_PFN] * PAGE
    assert again.read("domid") == "2"
    front = BlockFront(guest, again, 51712)
    front.connect()
    assert front.do(BLKIF_OP.READ, 0, length=512).data == b"kept" * 128


def test_a_migration_changes_release_and_processor():
    guest = Guest(release=RELEASES["4.1"])
    client = guest.start()
    guest.tools.migrate(RELEASES["4.19"], amd=True)
    assert suspend(guest, client) == 0
    assert guest.hypercall(HYPERVISOR.xen_version, 0) == 4 << 16 | 19
    assert guest.xen.instruction == VMMCALL
    assert guest.xen.grants.maximum == 64


def test_the_store_page_may_stay_where_it_was():
    guest = Guest()
    client = guest.start()
    guest.tools.save_and_restore(move_store=False)
    assert suspend(guest, client) == 0
    guest.handlers.clear()
    again = guest.start()
    assert again.base == client.base
    assert again.read("domid") == "2"


def test_after_a_restore_the_emulated_devices_are_back():
    guest = Guest()
    model = DeviceModel(guest.xen, "upstream", [EmulatedDisk(0, Disk(8))])
    guest.tools.model = model
    client = guest.start()
    model.write_port(0x10, 2, 3)
    guest.tools.save_and_restore()
    assert suspend(guest, client) == 0
    assert model.disks[0].attached and model.nics == 1


@SEEDS
def test_requests_in_flight_at_a_suspension_are_done_or_not_and_never_answered(seed: int):
    guest = Guest(seed=seed)
    client = guest.start()
    disk = Disk(1000)
    slow = Features(latency_ns=(10**12, 10**12))
    front = BlockFront(guest, client, guest.tools.attach("xvda", disk, slow).number)
    front.connect()
    ios = [front.submit(BLKIF_OP.WRITE, 8 * number, b"w" * 4096) for number in range(20)]
    guest.run_until(lambda: guest.tools.vbds["xvda"].backend.busy == 20)
    guest.tools.save_and_restore()
    assert suspend(guest, client) == 0
    assert all(io.status is None for io in ios)
    written = [disk.read(number * 4096, 1) == b"w" for number in range(20)]
    assert True in written and False in written


def test_the_same_seed_gives_the_same_run():
    def run() -> list[tuple[int, str, str]]:
        entries: list[tuple[int, str, str]] = []
        guest = Guest(seed=9)
        guest.world._sink = lambda now, kind, text, fields: entries.append((now, kind, text))
        client = guest.start()
        front = BlockFront(guest, client, guest.tools.attach("xvda", Disk(1000)).number)
        front.connect()
        for number in range(10):
            front.submit(BLKIF_OP.WRITE, number, b"x" * 512)
        guest.settle()
        return entries

    first = run()
    assert len(first) > 100
    assert first == run()

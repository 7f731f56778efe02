# SPDX-License-Identifier: GPL-2.0-or-later
"""Event channels: pending bits, masks, selector, upcall and the level-triggered interrupt."""

from __future__ import annotations

import pytest

from xenlab.xen import abi
from xenlab.xen.abi import EVTCHNOP, EVTCHNSTAT, HVM_PARAM, HVMOP, HYPERVISOR, VIRQ, XEN
from xenlab.xen.physmap import XenError
from xenlab.xen.ports import PAGE
from xenlab.xen.releases import RELEASES

from .guest import Guest

ARCHES = pytest.mark.parametrize("arch", ["x64", "x32"])


def connected(guest: Guest) -> tuple[int, object]:
    """A port bound by domain 0, quiet: the event that binding raises is taken."""
    guest.map_shared()
    port = guest.alloc_port()
    guest.handlers[port] = lambda: None
    remote = guest.xen.evtchn.bind_remote(port, 0, lambda: None)
    guest.deliver()
    return port, remote


def test_binding_raises_the_port():
    guest = Guest()
    guest.map_shared()
    port = guest.alloc_port()
    guest.xen.evtchn.bind_remote(port, 0, lambda: None)
    assert port in guest.xen.evtchn.pending_ports()


@ARCHES
def test_an_event_sets_pending_selector_and_upcall(arch):
    guest = Guest(arch)
    port, remote = connected(guest)
    remote.notify()
    base = guest.shared * PAGE
    fields = abi.SHARED_INFO.fields(arch)
    word = 8 if arch == "x64" else 4
    assert guest.memory.read(base, 1) == b"\1"
    selector = int.from_bytes(guest.memory.read(base + word, word), "little")
    assert selector == 1 << port // (word * 8)
    assert guest.memory.read(base + fields["evtchn_pending"] + port // 8, 1)[0] == 1 << port % 8


def test_the_interrupt_stays_asserted_until_the_upcall_is_cleared():
    guest = Guest()
    _, remote = connected(guest)
    assert not guest.xen.interrupt_asserted
    remote.notify()
    guest.world.advance(10**9)
    assert guest.xen.interrupt_asserted
    guest.memory.write(guest.shared * PAGE, b"\0")
    assert not guest.xen.interrupt_asserted


def test_without_a_callback_there_is_no_interrupt():
    guest = Guest()
    _, remote = connected(guest)
    guest.set_param(HVM_PARAM.CALLBACK_IRQ, 0)
    remote.notify()
    assert not guest.xen.interrupt_asserted


def test_a_masked_event_is_pending_without_an_upcall_and_unmask_delivers_it():
    guest = Guest()
    port, remote = connected(guest)
    guest.set_mask(port, True)
    remote.notify()
    assert port in guest.xen.evtchn.pending_ports()
    assert not guest.xen.interrupt_asserted
    guest.operate(HYPERVISOR.event_channel_op, EVTCHNOP.unmask, abi.EVTCHN_UNMASK, port=port)
    assert guest.xen.interrupt_asserted
    assert guest.take_events() == [port]


def test_clearing_the_mask_bit_alone_loses_the_edge():
    guest = Guest()
    port, remote = connected(guest)
    guest.set_mask(port, True)
    remote.notify()
    guest.set_mask(port, False)
    assert not guest.xen.interrupt_asserted
    remote.notify()
    assert not guest.xen.interrupt_asserted


def test_events_before_the_shared_page_is_mapped_are_kept():
    guest = Guest()
    port = guest.alloc_port()
    guest.xen.evtchn.bind_remote(port, 0, lambda: None)
    guest.map_shared()
    assert guest.xen.interrupt_asserted


def test_a_closed_port_forgets_its_pending_bit():
    guest = Guest()
    port, remote = connected(guest)
    remote.notify()
    guest.operate(HYPERVISOR.event_channel_op, EVTCHNOP.close, abi.EVTCHN_CLOSE, port=port)
    assert remote.closed
    again = guest.alloc_port()
    assert again == port
    assert port not in guest.xen.evtchn.pending_ports()


def test_the_guests_notifications_arrive_later_and_merge():
    guest = Guest()
    guest.map_shared()
    seen = []
    port = guest.alloc_port()
    guest.xen.evtchn.bind_remote(port, 0, lambda: seen.append(guest.world.now))
    for _ in range(5):
        assert guest.send(port) == 0
    assert seen == []
    guest.settle()
    assert len(seen) == 1 and seen[0] > 0
    assert guest.xen.evtchn.sent == 5


def test_only_the_named_domain_may_bind():
    guest = Guest()
    port = guest.alloc_port(remote=7)
    with pytest.raises(XenError):
        guest.xen.evtchn.bind_remote(port, 0, lambda: None)
    guest.xen.evtchn.bind_remote(port, 7, lambda: None)
    with pytest.raises(XenError):
        guest.xen.evtchn.bind_remote(port, 7, lambda: None)


def test_a_remote_end_that_closes_leaves_the_port_unbound():
    guest = Guest()
    port, remote = connected(guest)
    remote.close()
    status = guest.operate(
        HYPERVISOR.event_channel_op, EVTCHNOP.status, abi.EVTCHN_STATUS, dom=abi.DOMID_SELF, port=port
    )[1]
    assert status["status"] == EVTCHNSTAT.unbound
    assert guest.send(port) == 0


def test_a_virq_can_be_bound_once():
    guest = Guest()
    guest.map_shared()
    bind = (HYPERVISOR.event_channel_op, EVTCHNOP.bind_virq, abi.EVTCHN_BIND_VIRQ)
    result, found = guest.operate(*bind, virq=VIRQ.DEBUG)
    assert result == 0
    assert guest.operate(*bind, virq=VIRQ.DEBUG)[0] == -XEN.EEXIST
    assert guest.operate(*bind, virq=99)[0] == -XEN.EINVAL
    guest.deliver()
    guest.xen.evtchn.raise_virq(VIRQ.DEBUG)
    assert guest.xen.evtchn.pending_ports() == [found["port"]]
    assert guest.send(found["port"]) == -XEN.EINVAL


def test_a_vector_callback_serves_every_vcpu_and_a_line_only_the_first():
    guest = Guest(vcpus=2)
    port, remote = connected(guest)
    bind = (HYPERVISOR.event_channel_op, EVTCHNOP.bind_vcpu, abi.EVTCHN_BIND_VCPU)
    assert guest.operate(*bind, port=port, vcpu=1)[0] == 0
    assert guest.operate(*bind, port=port, vcpu=2)[0] == -XEN.ENOENT
    remote.notify()
    assert guest.memory.read(guest.shared * PAGE + 64, 1) == b"\1"
    assert not guest.xen.interrupt_asserted
    guest.set_param(HVM_PARAM.CALLBACK_IRQ, 2 << 56 | 0xF3)
    assert guest.xen.interrupt_asserted


def set_vector(guest: Guest, vector: int, vcpu: int = 0) -> int:
    operation = HYPERVISOR.hvm_op, HVMOP.set_evtchn_upcall_vector, abi.XEN_HVM_EVTCHN_UPCALL_VECTOR
    return guest.operate(*operation, vcpu=vcpu, vector=vector)[0]


@pytest.mark.parametrize(("name", "result"), [("4.3", -XEN.ENOSYS), ("4.19", 0)])
def test_a_processor_can_have_a_vector_of_its_own_on_recent_releases(name, result):
    assert set_vector(Guest(release=RELEASES[name]), 0xB1) == result


def test_a_vector_must_be_one_and_its_processor_too():
    guest = Guest(vcpus=2)
    assert set_vector(guest, 0x0F) == -XEN.EINVAL
    assert set_vector(guest, 0x10, vcpu=2) == -XEN.ENOENT
    assert set_vector(guest, 0x10, vcpu=1) == 0
    assert guest.xen.requested == set()


@ARCHES
def test_an_event_is_one_edge_of_the_vector_and_the_line_stays_down(arch):
    guest = Guest(arch)
    _, remote = connected(guest)
    set_vector(guest, 0xB1)
    assert guest.xen.requested == {0xB1}, "the call makes the interrupt once"
    guest.xen.requested.clear()
    remote.notify()
    assert guest.xen.requested == {0xB1}
    assert not guest.xen.interrupt_asserted
    guest.xen.requested.clear()
    guest.take_events()
    assert guest.xen.requested == set()


def test_there_is_no_other_edge_until_the_flag_is_cleared():
    guest = Guest()
    _, remote = connected(guest)
    set_vector(guest, 0xB1)
    remote.notify()
    guest.xen.requested.clear()
    other = guest.alloc_port()
    guest.xen.evtchn.bind_remote(other, 0, lambda: None)
    assert guest.xen.requested == set()
    guest.take_events()
    remote.notify()
    assert guest.xen.requested == {0xB1}


def test_a_line_that_is_up_when_the_vector_is_set_stays_up_until_the_flag_is_clear():
    guest = Guest()
    _, remote = connected(guest)
    remote.notify()
    set_vector(guest, 0xB1)
    assert guest.xen.interrupt_asserted
    guest.take_events()
    assert not guest.xen.interrupt_asserted


@pytest.mark.parametrize(("arch", "limit"), [("x64", 4096), ("x32", 1024)])
def test_the_ports_run_out(arch, limit):
    guest = Guest(arch)
    channels = guest.xen.evtchn
    with pytest.raises(XenError) as caught:
        for _ in range(limit):
            channels.alloc_unbound(0)
    assert caught.value.error == XEN.ENOSPC
    assert max(channels.ports) == limit - 1


def test_reset_closes_everything():
    guest = Guest()
    port, _ = connected(guest)
    assert guest.operate(HYPERVISOR.event_channel_op, EVTCHNOP.reset, abi.EVTCHN_RESET, dom=abi.DOMID_SELF)[0] == 0
    assert guest.send(port) == -XEN.EINVAL

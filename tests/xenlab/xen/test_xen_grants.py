# SPDX-License-Identifier: GPL-2.0-or-later
"""Grant tables: what another domain may map, what the guest sees of it, and what it must not do meanwhile."""

from __future__ import annotations

import pytest

from xenlab.errors import Violation
from xenlab.xen import abi
from xenlab.xen.abi import GNTST, GTF, HYPERVISOR, XENMEM
from xenlab.xen.grants import GrantError
from xenlab.xen.ports import PAGE

from .guest import DEVICE, Guest


@pytest.fixture
def guest() -> Guest:
    made = Guest()
    made.map_grants(2)
    return made


def test_a_mapping_reads_and_writes_the_guests_page(guest: Guest):
    gfn = guest.page()
    mapping = guest.xen.grants.map(guest.grant(gfn), 0, readonly=False)
    guest.memory.write(gfn * PAGE + 100, b"from the guest")
    assert mapping.read(100, 14) == b"from the guest"
    mapping.write(200, b"to the guest")
    assert guest.memory.read(gfn * PAGE + 200, 12) == b"to the guest"


@pytest.mark.parametrize(("readonly", "flags"), [(True, GTF.reading), (False, GTF.reading | GTF.writing)])
def test_flags_say_how_the_page_is_mapped_while_it_is(guest: Guest, readonly: bool, flags: int):
    ref = guest.grant(guest.page())
    mapping = guest.xen.grants.map(ref, 0, readonly)
    assert guest.grant_flags(ref) == GTF.permit_access | flags
    guest.xen.grants.unmap(mapping)
    assert guest.grant_flags(ref) == GTF.permit_access


def test_flags_stay_until_the_last_mapping_ends(guest: Guest):
    ref, grants = guest.grant(gfn := guest.page()), guest.xen.grants
    reader, writer = grants.map(ref, 0, readonly=True), grants.map(ref, 0, readonly=False)
    assert grants.frame_uses[gfn] == 2
    grants.unmap(writer)
    assert guest.grant_flags(ref) == GTF.permit_access | GTF.reading
    assert grants.in_use(ref)
    grants.unmap(reader)
    assert not grants.in_use(ref) and gfn not in grants.frame_uses


def test_a_read_only_grant_refuses_writing(guest: Guest):
    ref = guest.grant(guest.page(), readonly=True)
    with pytest.raises(GrantError) as caught:
        guest.xen.grants.map(ref, 0, readonly=False)
    assert caught.value.status is GNTST.permission_denied
    mapping = guest.xen.grants.map(ref, 0, readonly=True)
    with pytest.raises(GrantError):
        mapping.write(0, b"x")


@pytest.mark.parametrize("ref", [9, 1023, 1024, 10**6])
def test_a_reference_that_grants_nothing_is_refused(guest: Guest, ref: int):
    with pytest.raises(GrantError) as caught:
        guest.xen.grants.map(ref, 0, readonly=True)
    assert caught.value.status is GNTST.bad_gntref


def test_a_grant_is_for_one_domain(guest: Guest):
    ref = guest.grant(guest.page(), domid=3)
    with pytest.raises(GrantError):
        guest.xen.grants.map(ref, 0, readonly=True)
    guest.xen.grants.map(ref, 3, readonly=True)


def test_granting_what_is_not_ram_is_a_violation(guest: Guest):
    for gfn in (0xFFFFFFF, DEVICE.start + 50, DEVICE.start):
        with pytest.raises(Violation, match="no RAM"):
            guest.xen.grants.map(guest.grant(gfn), 0, readonly=True)


def test_revoking_a_mapped_grant_is_a_violation(guest: Guest):
    ref = guest.grant(guest.page())
    mapping = guest.xen.grants.map(ref, 0, readonly=True)
    guest.memory.write(guest._entry(ref), bytes(8))
    with pytest.raises(Violation, match=f"changed grant {ref}"):
        guest.xen.grants.audit()
    with pytest.raises(Violation):
        guest.xen.grants.unmap(mapping)


def test_ballooning_a_mapped_page_out_is_a_violation(guest: Guest):
    gfn = guest.page()
    guest.xen.grants.map(guest.grant(gfn), 0, readonly=True)
    at = guest.page() * PAGE
    guest.memory.write(at, gfn.to_bytes(8, "little"))
    given = {"extent_start": at, "nr_extents": 1, "domid": abi.DOMID_SELF}
    with pytest.raises(Violation, match="has it mapped"):
        guest.operate(HYPERVISOR.memory_op, XENMEM.decrease_reservation, abi.XEN_MEMORY_RESERVATION, **given)


def test_an_ended_mapping_is_dead(guest: Guest):
    grants = guest.xen.grants
    mapping = grants.map(guest.grant(guest.page()), 0, readonly=True)
    grants.unmap(mapping)
    with pytest.raises(GrantError):
        mapping.read(0, 1)
    with pytest.raises(GrantError):
        grants.unmap(mapping)


def test_copies_leave_no_mapping(guest: Guest):
    grants, ref = guest.xen.grants, guest.grant(gfn := guest.page())
    grants.copy_to(ref, 0, 8, b"copied")
    assert guest.memory.read(gfn * PAGE + 8, 6) == b"copied"
    assert grants.copy_from(ref, 0, 8, 6) == b"copied"
    with pytest.raises(GrantError):
        grants.copy_from(ref, 0, 4090, 10)
    assert not grants.in_use(ref)
    assert grants.statistics.copies == 3
    assert grants.statistics.unmaps == 0


def test_outstanding_grants_are_those_a_driver_has_left(guest: Guest):
    grants = guest.xen.grants
    assert grants.outstanding() == []
    ref = guest.grant(gfn := guest.page())
    assert grants.outstanding() == [ref]
    assert grants.granted_frames() == {gfn: ref}
    guest.revoke(ref)
    assert grants.outstanding() == []

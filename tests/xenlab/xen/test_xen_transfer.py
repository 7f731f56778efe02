# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that another domain puts into the guest's holes: when Xen does it, and what a guest must not do meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xenlab.errors import Violation
from xenlab.xen.abi import GNTST, GTF, SHUTDOWN, XENMEM
from xenlab.xen.grants import GrantError
from xenlab.xen.ports import PAGE
from xenlab.xen.transfer import ForeignPage, Transfer, transfer

from .guest import DEVICE, Guest

_CONTENT = b"from another domain".ljust(PAGE, b"!")


@pytest.fixture
def guest() -> Guest:
    made = Guest()
    made.map_shared()
    made.map_grants(2)
    return made


def page(owner: int = 0, mfn: int = 0x1234) -> ForeignPage:
    return ForeignPage(owner, mfn, _CONTENT)


def give(guest: Guest, ref: int, **other: int) -> Transfer:
    return transfer(guest.xen, 0, page(**other), guest.xen.domid, ref)


def test_a_page_comes_in_two_steps_and_the_guests_pages_stay_as_many(guest: Guest):
    physmap = guest.xen.physmap
    ref = guest.accept(gfn := guest.page())
    assert physmap.reservation == physmap.maximum - 1 and not physmap.is_ram(gfn)
    under_way = give(guest, ref)
    assert guest.grant_flags(ref) == GTF.accept_transfer | GTF.transfer_committed
    under_way.complete()
    assert guest.grant_flags(ref) == GTF.accept_transfer | GTF.transfer_committed | GTF.transfer_completed
    assert guest.memory.read(gfn * PAGE, PAGE) == _CONTENT
    assert guest.end_transfer(ref) and physmap.is_ram(gfn)
    assert physmap.reservation == physmap.maximum and not physmap.lost
    assert guest.xen.grants.statistics.transfers == 1


def test_who_watches_is_told_of_a_hole_and_of_its_end(guest: Guest):
    told: list[tuple[int, bool]] = []
    guest.xen.physmap.on_lost = lambda gfn, lost: told.append((gfn, lost))
    give(guest, guest.accept(gfn := guest.page())).complete()
    assert told == [(gfn, True), (gfn, False)]


def test_a_grant_that_nothing_came_by_is_withdrawn_and_its_hole_filled(guest: Guest):
    ref = guest.accept(gfn := guest.page())
    assert not guest.end_transfer(ref)
    assert guest.change_memory(XENMEM.populate_physmap, gfn) == 1
    assert guest.memory.read(gfn * PAGE, PAGE) == bytes(PAGE)
    with pytest.raises(GrantError, match="general_error"):
        give(guest, ref)


def _no_headroom(guest: Guest) -> None:
    guest.xen.physmap.maximum -= 1


def _limit(guest: Guest) -> None:
    guest.xen.mfn_limit = 0x1000


def _shut_down(guest: Guest) -> None:
    guest.xen.shut_down(SHUTDOWN.poweroff)


@pytest.mark.parametrize(
    ("spoil", "status"),
    [(_no_headroom, GNTST.general_error), (_limit, GNTST.address_too_big), (_shut_down, GNTST.bad_domain)],
)
def test_a_refused_page_is_nobodys_and_the_hole_stays(guest: Guest, spoil: Callable[[Guest], None], status: GNTST):
    ref = guest.accept(gfn := guest.page())
    spoil(guest)
    given = page()
    with pytest.raises(GrantError) as caught:
        transfer(guest.xen, 0, given, guest.xen.domid, ref)
    assert caught.value.status is status and given.owner is None
    assert guest.grant_flags(ref) == GTF.accept_transfer and gfn in guest.xen.physmap.lost


def test_a_page_of_somebody_elses_is_refused_and_stays_his(guest: Guest):
    given = page(owner=5)
    with pytest.raises(GrantError) as caught:
        transfer(guest.xen, 0, given, guest.xen.domid, guest.accept(guest.page()))
    assert caught.value.status is GNTST.bad_page and given.owner == 5


def test_there_is_no_such_domain(guest: Guest):
    with pytest.raises(GrantError) as caught:
        transfer(guest.xen, 0, page(), guest.xen.domid + 1, guest.accept(guest.page()))
    assert caught.value.status is GNTST.bad_domain


def test_a_grant_is_for_one_page_of_one_domain_and_for_transfers_alone(guest: Guest):
    once = guest.accept(guest.page())
    give(guest, once).complete()
    refused = [once, guest.accept(guest.page(), domid=3), guest.grant(guest.page())]
    for ref in refused:
        guest.xen.physmap.maximum += 1
        with pytest.raises(GrantError) as caught:
            give(guest, ref)
        assert caught.value.status is GNTST.general_error
    with pytest.raises(GrantError, match="bad_gntref"):
        give(guest, 10**6)
    with pytest.raises(GrantError, match="bad_gntref"):
        guest.xen.grants.map(refused[1], 3, readonly=True)


def test_to_change_a_grant_that_xen_has_committed_itself_to_is_a_violation(guest: Guest):
    under_way = give(guest, ref := guest.accept(guest.page()))
    guest.memory.write(guest._entry(ref), bytes(8))
    with pytest.raises(Violation, match="while Xen was putting a page at its frame"):
        under_way.complete()


def test_to_accept_a_page_where_there_is_memory_is_a_violation(guest: Guest):
    ref = guest.accept(gfn := guest.page())
    guest.change_memory(XENMEM.populate_physmap, gfn)
    guest.change_memory(XENMEM.decrease_reservation, guest.page())
    with pytest.raises(Violation, match="where there is no hole for it"):
        give(guest, ref)


def test_a_devices_memory_is_no_hole_for_a_page(guest: Guest):
    guest.change_memory(XENMEM.decrease_reservation, guest.page())
    ref = guest.accept(guest.page())
    guest.memory.write(guest._entry(ref) + 4, (DEVICE.start + 60).to_bytes(4, "little"))
    with pytest.raises(Violation, match="where there is no hole for it"):
        give(guest, ref)


@pytest.mark.parametrize("command", [XENMEM.decrease_reservation, XENMEM.populate_physmap])
def test_to_give_up_or_fill_a_frame_that_a_page_may_come_to_is_a_violation(guest: Guest, command: XENMEM):
    give(guest, guest.accept(gfn := guest.page())).complete()
    with pytest.raises(Violation, match="permits the transfer of a page"):
        guest.change_memory(command, gfn)


@pytest.mark.parametrize(
    ("ended", "words"), [(False, "permits the transfer of a page"), (True, "with a hole at frame")]
)
def test_to_suspend_with_a_hole_is_a_violation(guest: Guest, ended: bool, words: str):
    ref = guest.accept(guest.page())
    if ended:
        guest.end_transfer(ref)
    with pytest.raises(Violation, match=words):
        guest.xen.shut_down(SHUTDOWN.suspend)


def test_what_was_under_way_to_a_domain_that_has_gone_is_lost(guest: Guest):
    under_way = give(guest, guest.accept(gfn := guest.page()))
    guest.xen.create(guest.xen.release, 2, False)
    under_way.complete()
    assert gfn in guest.xen.physmap.lost

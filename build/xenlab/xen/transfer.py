# SPDX-License-Identifier: GPL-2.0-or-later
"""GNTTABOP_transfer: another domain moves a page of its own into a hole of the guest's.

Xen commits itself, moves the page, and says that it is complete, all of it within the giver's hypercall; here the two
steps can lie apart. Whatever comes of it, the page is not the giver's any more, unless it never was.

Source: xen/include/public/grant_table.h (struct gnttab_transfer, "Invalidating an unused GTF_accept_transfer entry").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.xen.abi import GNTST
from xenlab.xen.grants import GrantError, GrantTable

if TYPE_CHECKING:
    from xenlab.xen.hypervisor import Hypervisor


@dataclass
class ForeignPage:
    """A page of another domain: its owner, its machine frame number and what is in it."""

    owner: int | None
    mfn: int
    content: bytes


@dataclass(frozen=True)
class Transfer:
    """A page that Xen is putting into the guest."""

    domain: Hypervisor
    table: GrantTable
    ref: int
    gfn: int
    page: ForeignPage

    def complete(self) -> None:
        """Let the page appear, unless the domain has gone to another host meanwhile."""
        if self.table is self.domain.grants:
            self.domain.physmap.fill(self.gfn, self.page.content)
            self.table.complete(self.ref)


def transfer(domain: Hypervisor, giver: int, page: ForeignPage, domid: int, ref: int) -> Transfer:
    """Begin to move `page`, which domain `giver` says is its own, to domain `domid` by its reference `ref`.

    Raises:
        GrantError: bad_page, the page is not the giver's; bad_domain, there is no such domain, or it has shut down;
            address_too_big, the guest cannot have a page there; general_error, the guest does not accept it, or has
            as many pages as it may have.
    """
    if page.owner != giver:
        raise GrantError(GNTST.bad_page, ref)
    page.owner = None
    if domid != domain.domid or domain.shutdown is not None:
        raise GrantError(GNTST.bad_domain, ref)
    if page.mfn >= domain.mfn_limit:
        raise GrantError(GNTST.address_too_big, ref)
    physmap = domain.physmap
    if physmap.reservation >= physmap.maximum:
        raise GrantError(GNTST.general_error, ref)
    gfn = domain.grants.commit(ref, giver)
    if gfn not in physmap.lost:
        domain.world.violation(f"grant {ref} accepts a page at frame {gfn:#x}, where there is no hole for it")
    physmap.reservation += 1
    page.owner = domid
    return Transfer(domain, domain.grants, ref, gfn, page)

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: memory_op(command, argument) (xen/include/public/memory.h).
 */
#ifndef GPLPV_XEN_MEMORY_H
#define GPLPV_XEN_MEMORY_H

#include "types.h"

/* Return the number of extents done, which may be fewer than were asked for. */
#define XENMEM_increase_reservation 0
#define XENMEM_decrease_reservation 1
#define XENMEM_populate_physmap 6
struct xen_memory_reservation {
    xen_pfn_t *extent_start; /* guest frame numbers */
    xen_ulong_t nr_extents;
    ULONG extent_order; /* an extent is 2^order pages */
    ULONG mem_flags;
    domid_t domid;
};

/* Argument: a domid_t; return a number of pages. */
#define XENMEM_current_reservation 3
#define XENMEM_maximum_reservation 4

/* Makes a page of Xen's appear at a guest frame, in place of what was there. */
#define XENMEM_add_to_physmap 7
#define XENMAPSPACE_shared_info 0
#define XENMAPSPACE_grant_table 1
#define XENMAPSPACE_gmfn 2
#define XENMAPSPACE_gmfn_range 3
struct xen_add_to_physmap {
    domid_t domid;
    USHORT size; /* pages, for gmfn_range alone; Xen before 4.2 has padding here */
    ULONG space; /* XENMAPSPACE_ */
    xen_ulong_t idx;
    xen_pfn_t gpfn;
};

/* Leaves a hole at the guest frame; the RAM that add_to_physmap displaced does not come back. */
#define XENMEM_remove_from_physmap 15
struct xen_remove_from_physmap {
    domid_t domid;
    xen_pfn_t gpfn;
};

XEN_ABI_SIZE(struct xen_memory_reservation, 32, 20);
XEN_ABI_OFFSET(struct xen_memory_reservation, domid, 24, 16);
XEN_ABI_SIZE(struct xen_add_to_physmap, 24, 16);
XEN_ABI_OFFSET(struct xen_add_to_physmap, idx, 8, 8);
XEN_ABI_OFFSET(struct xen_add_to_physmap, gpfn, 16, 12);
XEN_ABI_SIZE(struct xen_remove_from_physmap, 16, 8);

#endif

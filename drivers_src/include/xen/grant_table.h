/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: grant tables, version 1 (xen/include/public/grant_table.h).
 *
 * To grant a page, write domid and frame, then, after a write barrier, flags.  To end a grant, exchange flags for 0 with
 * a compare-exchange that sees neither GTF_reading nor GTF_writing; while one of them is set the other domain has the
 * page mapped, and neither the entry nor the page may be used for anything else.
 *
 * An entry of GTF_accept_transfer lets the other domain put one of its pages at `frame`, where the guest has a hole.  It
 * is ended the same way, unless Xen has set GTF_transfer_committed: then it is Xen's until GTF_transfer_completed says
 * that the page is there.
 */
#ifndef GPLPV_XEN_GRANT_TABLE_H
#define GPLPV_XEN_GRANT_TABLE_H

#include "types.h"

struct grant_entry_v1 {
    USHORT flags;
    domid_t domid;
    ULONG frame;
};

#define GTF_invalid 0
#define GTF_permit_access 1
#define GTF_accept_transfer 2
#define GTF_type_mask 3
#define GTF_readonly (1 << 2)
#define GTF_reading (1 << 3)
#define GTF_writing (1 << 4)
#define GTF_transfer_committed (1 << 2)
#define GTF_transfer_completed (1 << 3)

/* The toolstack has granted these to the console and xenstore daemons before the guest runs. */
#define GNTTAB_NR_RESERVED_ENTRIES 8
#define GNTTAB_RESERVED_CONSOLE 0
#define GNTTAB_RESERVED_XENSTORE 1

#define GRANT_ENTRIES_PER_FRAME (XEN_PAGE_SIZE / sizeof(struct grant_entry_v1))

/* grant_table_op(command, array, count); each element gets its own status. */
#define GNTTABOP_query_size 6
struct gnttab_query_size {
    domid_t dom;
    ULONG nr_frames;     /* out */
    ULONG max_nr_frames; /* out */
    SHORT status;        /* out */
};

/* The version is 1 until it is set; Xen before 4.0 does not know this command, nor before 4.1 the next. */
#define GNTTABOP_set_version 8
struct gnttab_set_version {
    ULONG version; /* in and out */
};

#define GNTTABOP_get_version 10
struct gnttab_get_version {
    domid_t dom;
    USHORT pad;
    ULONG version; /* out */
};

#define GNTST_okay 0
#define GNTST_general_error (-1)
#define GNTST_bad_domain (-2)
#define GNTST_bad_gntref (-3)
#define GNTST_permission_denied (-8)

XEN_ABI_SIZE(struct grant_entry_v1, 8, 8);
XEN_ABI_OFFSET(struct grant_entry_v1, frame, 4, 4);
XEN_ABI_SIZE(struct gnttab_query_size, 16, 16);
XEN_ABI_OFFSET(struct gnttab_query_size, status, 12, 12);
XEN_ABI_SIZE(struct gnttab_set_version, 4, 4);
XEN_ABI_SIZE(struct gnttab_get_version, 8, 8);

#endif

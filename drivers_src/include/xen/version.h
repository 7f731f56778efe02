/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: xen_version(command, argument) (xen/include/public/version.h, features.h).
 */
#ifndef GPLPV_XEN_VERSION_H
#define GPLPV_XEN_VERSION_H

#include "types.h"

/* No argument; returns major << 16 | minor. */
#define XENVER_version 0

/* Argument: XEN_EXTRAVERSION_LEN characters, such as ".1-debian". */
#define XENVER_extraversion 1
#define XEN_EXTRAVERSION_LEN 16

#define XENVER_get_features 6
struct xen_feature_info {
    ULONG submap_idx; /* in: which 32 features */
    ULONG submap;     /* out */
};

#define XENFEAT_writable_page_tables 0
#define XENFEAT_writable_descriptor_tables 1
#define XENFEAT_auto_translated_physmap 2
#define XENFEAT_supervisor_mode_kernel 3
#define XENFEAT_pae_pgdir_above_4gb 4
#define XENFEAT_mmu_pt_update_preserve_ad 5
#define XENFEAT_highmem_assist 6
#define XENFEAT_gnttab_map_avail_bits 7
#define XENFEAT_hvm_callback_vector 8
#define XENFEAT_hvm_safe_pvclock 9
#define XENFEAT_hvm_pirqs 10

XEN_ABI_SIZE(struct xen_feature_info, 8, 8);

#endif

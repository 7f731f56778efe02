/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The hypervisor as CPUID shows it.
 */
#ifndef GPLPV_XEN_H
#define GPLPV_XEN_H

#include <ntddk.h>

struct xen_version {
    USHORT major;
    USHORT minor;
};

/* STATUS_NOT_FOUND: no Xen beneath.  Any IRQL. */
NTSTATUS xen_detect(struct xen_version *version);

/* The MSR that takes the hypercall page's physical address; 0 without Xen.  Any IRQL. */
ULONG xen_hypercall_msr(VOID);

#endif

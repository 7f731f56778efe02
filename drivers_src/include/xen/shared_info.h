/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: the page that Xen and the guest share (xen/include/public/xen.h, arch-x86/).
 *
 * A pending bit is set by Xen and cleared by the guest; a mask bit is the guest's.  Bit n of a vcpu's
 * evtchn_pending_sel says that word n of evtchn_pending has news, and evtchn_upcall_pending that any word has.  The
 * guest clears them in the other order: evtchn_upcall_pending, then the selector by an exchange, then the pending bits.
 */
#ifndef GPLPV_XEN_SHARED_INFO_H
#define GPLPV_XEN_SHARED_INFO_H

#include "types.h"

#define XEN_LEGACY_MAX_VCPUS 32
#define XEN_BITS_PER_WORD (sizeof(xen_ulong_t) * 8)

struct vcpu_time_info {
    volatile ULONG version; /* odd while Xen is writing */
    ULONG pad0;
    volatile ULONG64 tsc_timestamp;
    volatile ULONG64 system_time; /* nanoseconds since the start of the system, at tsc_timestamp */
    volatile ULONG tsc_to_system_mul;
    volatile signed char tsc_shift;
    UCHAR flags;
    UCHAR pad1[2];
};

struct arch_vcpu_info {
    xen_ulong_t cr2;
#ifdef _WIN64
    xen_ulong_t pad;
#else
    xen_ulong_t pad[5];
#endif
};

struct vcpu_info {
    volatile UCHAR evtchn_upcall_pending;
    volatile UCHAR evtchn_upcall_mask; /* has no effect on an HVM guest's interrupt */
    volatile xen_ulong_t evtchn_pending_sel;
    struct arch_vcpu_info arch;
    struct vcpu_time_info time;
};

struct arch_shared_info {
    xen_ulong_t max_pfn;
    xen_pfn_t pfn_to_mfn_frame_list_list;
    xen_ulong_t nmi_reason;
    xen_ulong_t p2m_cr3;
    xen_ulong_t p2m_vaddr;
    xen_ulong_t p2m_generation;
#ifndef _WIN64
    ULONG wc_sec_hi;
#endif
};

struct shared_info {
    struct vcpu_info vcpu_info[XEN_LEGACY_MAX_VCPUS];
    volatile xen_ulong_t evtchn_pending[XEN_BITS_PER_WORD];
    volatile xen_ulong_t evtchn_mask[XEN_BITS_PER_WORD];
    volatile ULONG wc_version; /* odd while Xen is writing */
    volatile ULONG wc_sec;     /* of the Unix epoch, when the system started */
    volatile ULONG wc_nsec;
#ifdef _WIN64
    ULONG wc_sec_hi;
#endif
    struct arch_shared_info arch;
};

XEN_ABI_SIZE(struct vcpu_time_info, 32, 32);
XEN_ABI_SIZE(struct vcpu_info, 64, 64);
XEN_ABI_OFFSET(struct vcpu_info, evtchn_pending_sel, 8, 4);
XEN_ABI_OFFSET(struct vcpu_info, time, 32, 32);
XEN_ABI_OFFSET(struct shared_info, evtchn_pending, 2048, 2048);
XEN_ABI_OFFSET(struct shared_info, evtchn_mask, 2560, 2176);
XEN_ABI_OFFSET(struct shared_info, wc_version, 3072, 2304);
XEN_ABI_OFFSET(struct shared_info, arch, 3088, 2316);
XEN_ABI_SIZE(struct shared_info, 3136, 2344);

#endif

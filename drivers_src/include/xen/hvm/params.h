/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: hvm_op(command, argument) and its parameters (xen/include/public/hvm/hvm_op.h, params.h).
 */
#ifndef GPLPV_XEN_HVM_PARAMS_H
#define GPLPV_XEN_HVM_PARAMS_H

#include "../types.h"

#define HVMOP_set_param 0
#define HVMOP_get_param 1
struct xen_hvm_param {
    domid_t domid;
    USHORT pad;
    ULONG index;
    ULONG64 value;
};

/* A hint that a page table is about to go; Xen from 4.1. */
#define HVMOP_pagetable_dying 9
struct xen_hvm_pagetable_dying {
    domid_t domid;
    USHORT pad[3];
    ULONG64 gpa;
};

/* Nanoseconds since the start of the system; Xen from 4.1. */
#define HVMOP_get_time 10
struct xen_hvm_get_time {
    ULONG64 now;
};

/*
 * The vector by which virtual processor `vcpu` gets its events from now on, through its local APIC, instead of what
 * HVM_PARAM_CALLBACK_IRQ says; at least 0x10.  Xen from 4.6, which also makes the interrupt once, at the call.  No call
 * takes it back: it lasts as long as the domain.
 */
#define HVMOP_set_evtchn_upcall_vector 23
struct xen_hvm_evtchn_upcall_vector {
    ULONG vcpu;
    UCHAR vector;
};

/* How events reach the guest: 0 for not at all, else one of the three below. */
#define HVM_PARAM_CALLBACK_IRQ 0
#define HVM_PARAM_STORE_PFN 1
#define HVM_PARAM_STORE_EVTCHN 2
#define HVM_PARAM_CONSOLE_PFN 17
#define HVM_PARAM_CONSOLE_EVTCHN 18

#define HVM_PARAM_CALLBACK_TYPE_GSI 0
#define HVM_PARAM_CALLBACK_TYPE_PCI_INTX 1
#define HVM_PARAM_CALLBACK_TYPE_VECTOR 2

/* `pin` counts from 0 for INTA. */
#define HVM_CALLBACK_GSI(gsi) ((ULONG64)(gsi))
#define HVM_CALLBACK_PCI_INTX(bus, device, function, pin) \
    ((ULONG64)HVM_PARAM_CALLBACK_TYPE_PCI_INTX << 56 | (ULONG64)(bus) << 16 | (ULONG64)(device) << 11 | \
     (ULONG64)(function) << 8 | (ULONG64)(pin))
#define HVM_CALLBACK_VECTOR(vector) ((ULONG64)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | (ULONG64)(vector))

XEN_ABI_SIZE(struct xen_hvm_param, 16, 16);
XEN_ABI_OFFSET(struct xen_hvm_param, value, 8, 8);
XEN_ABI_SIZE(struct xen_hvm_pagetable_dying, 16, 16);
XEN_ABI_SIZE(struct xen_hvm_get_time, 8, 8);
XEN_ABI_SIZE(struct xen_hvm_evtchn_upcall_vector, 8, 8);

#endif

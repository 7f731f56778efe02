/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: event_channel_op(command, argument) (xen/include/public/event_channel.h).
 */
#ifndef GPLPV_XEN_EVENT_CHANNEL_H
#define GPLPV_XEN_EVENT_CHANNEL_H

#include "types.h"

#define EVTCHNOP_bind_interdomain 0
struct evtchn_bind_interdomain {
    domid_t remote_dom;
    evtchn_port_t remote_port;
    evtchn_port_t local_port; /* out */
};

#define EVTCHNOP_bind_virq 1
struct evtchn_bind_virq {
    ULONG virq;
    ULONG vcpu;
    evtchn_port_t port; /* out */
};

#define EVTCHNOP_close 3
struct evtchn_close {
    evtchn_port_t port;
};

#define EVTCHNOP_send 4
struct evtchn_send {
    evtchn_port_t port;
};

#define EVTCHNOP_status 5
#define EVTCHNSTAT_closed 0
#define EVTCHNSTAT_unbound 1
#define EVTCHNSTAT_interdomain 2
#define EVTCHNSTAT_pirq 3
#define EVTCHNSTAT_virq 4
#define EVTCHNSTAT_ipi 5
struct evtchn_status {
    domid_t dom;
    evtchn_port_t port;
    ULONG status; /* out: EVTCHNSTAT_ */
    ULONG vcpu;   /* out */
    union {       /* out */
        struct {
            domid_t dom;
        } unbound;
        struct {
            domid_t dom;
            evtchn_port_t port;
        } interdomain;
        ULONG pirq;
        ULONG virq;
    } u;
};

/* A port of `dom` to which `remote_dom` may bind. */
#define EVTCHNOP_alloc_unbound 6
struct evtchn_alloc_unbound {
    domid_t dom;
    domid_t remote_dom;
    evtchn_port_t port; /* out */
};

#define EVTCHNOP_bind_ipi 7
struct evtchn_bind_ipi {
    ULONG vcpu;
    evtchn_port_t port; /* out */
};

#define EVTCHNOP_bind_vcpu 8
struct evtchn_bind_vcpu {
    evtchn_port_t port;
    ULONG vcpu;
};

/* Clears the mask bit, and makes the upcall if the port is pending: what clearing the bit alone would lose. */
#define EVTCHNOP_unmask 9
struct evtchn_unmask {
    evtchn_port_t port;
};

/* Closes every port of the domain, the toolstack's store and console ports among them. */
#define EVTCHNOP_reset 10
struct evtchn_reset {
    domid_t dom;
};

#define VIRQ_TIMER 0
#define VIRQ_DEBUG 1

/* Ports of the two-level table: as many as the pending bits of shared_info. */
#define EVTCHN_2L_NR_CHANNELS (sizeof(xen_ulong_t) * sizeof(xen_ulong_t) * 64)

XEN_ABI_SIZE(struct evtchn_bind_interdomain, 12, 12);
XEN_ABI_SIZE(struct evtchn_bind_virq, 12, 12);
XEN_ABI_SIZE(struct evtchn_status, 24, 24);
XEN_ABI_SIZE(struct evtchn_alloc_unbound, 8, 8);
XEN_ABI_SIZE(struct evtchn_bind_ipi, 8, 8);
XEN_ABI_SIZE(struct evtchn_bind_vcpu, 8, 8);

#endif

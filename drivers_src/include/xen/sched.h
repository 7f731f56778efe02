/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: sched_op(command, argument) (xen/include/public/sched.h).
 */
#ifndef GPLPV_XEN_SCHED_H
#define GPLPV_XEN_SCHED_H

#include "types.h"

#define SCHEDOP_yield 0 /* no argument */
#define SCHEDOP_block 1 /* no argument; returns when an event is pending */

/*
 * With SHUTDOWN_suspend it returns after the resume: 1 when the suspend was cancelled and nothing has changed, 0 when
 * this is a new domain.  Of the others it does not return.
 */
#define SCHEDOP_shutdown 2
#define SCHEDOP_poll 3

/* Says what the next shutdown will have been, without shutting down: how a crashing guest names its crash. */
#define SCHEDOP_shutdown_code 5
#define SCHEDOP_watchdog 6

struct sched_shutdown {
    ULONG reason;
};

struct sched_poll {
    evtchn_port_t *ports;
    ULONG nr_ports;
    ULONG64 timeout; /* nanoseconds since the start of the system; 0: none */
};

#define SHUTDOWN_poweroff 0
#define SHUTDOWN_reboot 1
#define SHUTDOWN_suspend 2
#define SHUTDOWN_crash 3
#define SHUTDOWN_watchdog 4

XEN_ABI_SIZE(struct sched_shutdown, 4, 4);
XEN_ABI_SIZE(struct sched_poll, 24, 16);
XEN_ABI_OFFSET(struct sched_poll, timeout, 16, 8);

#endif

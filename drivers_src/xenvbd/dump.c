/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a crash dump. Windows loads a second copy of the driver for it and calls that at HIGH_LEVEL, with every other
 * processor halted and no interrupts; the first copy may have been stopped anywhere, even within its lock. The second
 * goes on with the first one's adapter, of which it trusts what does not change while connected: the ring's pages, the
 * frames and their grants, the event channel. Data is copied through the frames, so that no grant has to be made.
 */
#include "xenvbd.h"

#define STALL_US 50
#define STALLS (10 * 1000 * 1000 / STALL_US)

/* What the first copy had asked for is answered into memory that nobody looks at any more; the dump waits for that. */
static BOOLEAN drain(struct xen_front_ring *front)
{
    ULONG stalls;

    for (stalls = 0; stalls < STALLS; stalls++) {
        if (front->shared->rsp_prod == front->shared->req_prod) {
            return TRUE;
        }
        xenvbd_port_stall(STALL_US);
    }
    return FALSE;
}

BOOLEAN xenvbd_dump_take_over(struct xenvbd_adapter *adapter, PVOID extension)
{
    struct xen_front_ring *front = &adapter->ring.front;

    if (adapter->state == XENVBD_DISCONNECTED || !adapter->link.open || adapter->broken) {
        return FALSE;
    }
    adapter->xen->event_notify(adapter->xen->context, adapter->link.port);
    if (!drain(front)) {
        return FALSE;
    }
    front->req_prod = front->shared->req_prod;
    front->rsp_cons = front->req_prod;
    xenvbd_slots_init(adapter);
    xenvbd_frames_reclaim(&adapter->frames);
    InitializeListHead(&adapter->waiting);
    InitializeListHead(&adapter->flying);
    adapter->persistent = TRUE;
    adapter->indirect_segments = 0;
    adapter->attention = 0;
    adapter->message = NULL; /* it is for the first copy */
    adapter->extension = extension;
    adapter->state = XENVBD_CONNECTED;
    return TRUE;
}

VOID xenvbd_dump_wait(struct xenvbd_adapter *adapter)
{
    ULONG stalls;

    for (stalls = 0; stalls < STALLS; stalls++) {
        xenvbd_event(adapter);
        if (IsListEmpty(&adapter->waiting) && IsListEmpty(&adapter->flying)) {
            return;
        }
        xenvbd_port_stall(STALL_US);
    }
    xenvbd_requests_end(adapter, SRB_STATUS_TIMEOUT);
}

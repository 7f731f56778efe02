/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: a ring of requests and responses (xen/include/public/io/ring.h), and the front end's use of it.
 *
 * The pages start with struct xen_ring_shared; slots follow, as many as fit, rounded down to a power of two.  Indices
 * run freely; a slot's number is the index modulo the slots.  A response takes the slot of a request already read.
 *
 * The front end owns struct xen_front_ring and serialises its calls; they may be made at any IRQL at which the pages are
 * resident.  What the back end writes is untrusted: read a response once, and only below xen_front_ring_unconsumed().
 */
#ifndef GPLPV_XEN_IO_RING_H
#define GPLPV_XEN_IO_RING_H

#include "../types.h"

struct xen_ring_shared {
    volatile ULONG req_prod;
    volatile ULONG req_event; /* notify the back end when req_prod passes it */
    volatile ULONG rsp_prod;
    volatile ULONG rsp_event; /* notify the front end when rsp_prod passes it */
    UCHAR pad[48];
};

struct xen_front_ring {
    struct xen_ring_shared *shared;
    ULONG slot_size; /* bytes */
    ULONG slots;
    ULONG req_prod; /* requests written, some perhaps not yet pushed */
    ULONG rsp_cons; /* responses read */
};

#define XEN_RING_BROKEN 0xffffffff

/* `pages`: `bytes` of memory that no back end has yet; it is set up as an empty ring. */
static __inline VOID xen_front_ring_init(struct xen_front_ring *ring, PVOID pages, ULONG bytes, ULONG slot_size)
{
    ULONG fitting = (bytes - sizeof(struct xen_ring_shared)) / slot_size;
    ULONG slots = 1;

    while (slots * 2 <= fitting)
        slots *= 2;
    RtlZeroMemory(pages, bytes);
    ring->shared = pages;
    ring->shared->req_event = 1;
    ring->shared->rsp_event = 1;
    ring->slot_size = slot_size;
    ring->slots = slots;
    ring->req_prod = 0;
    ring->rsp_cons = 0;
}

/* Slots free for requests. */
static __inline ULONG xen_front_ring_free(const struct xen_front_ring *ring)
{
    return ring->slots - (ring->req_prod - ring->rsp_cons);
}

/* The slot of request or response `index`. */
static __inline PVOID xen_front_ring_slot(const struct xen_front_ring *ring, ULONG index)
{
    return (PUCHAR)(ring->shared + 1) + (index & (ring->slots - 1)) * ring->slot_size;
}

/* Shows the back end every request up to req_prod.  TRUE: it asks to be notified. */
static __inline BOOLEAN xen_front_ring_push(struct xen_front_ring *ring)
{
    ULONG before = ring->shared->req_prod;

    KeMemoryBarrier();
    ring->shared->req_prod = ring->req_prod;
    KeMemoryBarrier();
    return ring->req_prod - ring->shared->req_event < ring->req_prod - before;
}

/* Responses to read from rsp_cons on, or XEN_RING_BROKEN when the back end claims more than were asked for. */
static __inline ULONG xen_front_ring_unconsumed(const struct xen_front_ring *ring)
{
    ULONG count = ring->shared->rsp_prod - ring->rsp_cons;

    KeMemoryBarrier();
    return count <= ring->req_prod - ring->rsp_cons ? count : XEN_RING_BROKEN;
}

/* Asks for a notification at the next response; returns the responses that came in before it was asked for. */
static __inline ULONG xen_front_ring_final_check(struct xen_front_ring *ring)
{
    ring->shared->rsp_event = ring->rsp_cons + 1;
    KeMemoryBarrier();
    return xen_front_ring_unconsumed(ring);
}

XEN_ABI_SIZE(struct xen_ring_shared, 64, 64);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receiving: batches are taken with the lock and indicated without it, by one processor at a time, so that frames stay
 * in order.
 */
#include "flip.h"

#define NEXT_TICK_100NS (-1)

VOID xennet_rx_look_later(struct xennet_adapter *adapter)
{
    LARGE_INTEGER due;

    if (!adapter->timer_set) {
        adapter->timer_set = TRUE;
        due.QuadPart = NEXT_TICK_100NS;
        KeSetTimer(&adapter->timer, due, &adapter->timer_dpc);
    }
}

/* How many of the frames can be posted; Xen may have declined to take the page of one. */
static ULONG prepare(struct xennet_adapter *adapter, ULONG count)
{
    ULONG ready = count;

    if (adapter->rx.flip != NULL && count != 0) {
        ready = xennet_flip_offer(adapter, count);
    }
    if (ready < count) {
        xennet_rx_look_later(adapter);
    }
    return ready;
}

VOID xennet_rx_init(struct xennet_adapter *adapter)
{
    struct xennet_rx *rx = &adapter->rx;
    ULONG i;

    xen_front_ring_init(&rx->ring, adapter->link.rx_page, XEN_PAGE_SIZE, sizeof(struct netif_rx_request));
    if (rx->flip != NULL) {
        xennet_flip_reclaim(rx->flip);
    } else {
        xennet_frames_reclaim(&rx->pages);
    }
    RtlZeroMemory(&rx->chain, sizeof(rx->chain));
    xennet_pace_init(&rx->pace);
    for (i = 0; i < XENNET_SLOTS; i++) {
        rx->posted[i] = XENNET_NONE;
    }
    xennet_rx_post(adapter);
}

VOID xennet_rx_post(struct xennet_adapter *adapter)
{
    struct xennet_rx *rx = &adapter->rx;
    struct xen_front_ring *ring = &rx->ring;
    ULONG room = xen_front_ring_free(ring);
    ULONG count = prepare(adapter, min(rx->frames->available, room));

    while (count-- > 0) {
        ULONG number = ring->req_prod & (ring->slots - 1);
        struct netif_rx_request *request = xen_front_ring_slot(ring, ring->req_prod++);
        USHORT item = xennet_stack_pop(rx->frames);

        rx->posted[number] = item;
        request->id = (USHORT)number;
        request->pad = 0;
        request->gref = rx->frames->items[item].ref;
    }
    if (ring->req_prod != ring->shared->req_prod && xen_front_ring_push(ring) && adapter->link.port != 0) {
        adapter->xen.event_notify(adapter->xen.context, adapter->link.port);
    }
}

static BOOLEAN may_look(const struct xennet_adapter *adapter)
{
    return !adapter->broken && (adapter->state == XENNET_CONNECTED || adapter->state == XENNET_CLOSING);
}

/* Takes a batch. TRUE: there is more. */
static BOOLEAN collect(struct xennet_adapter *adapter)
{
    struct xennet_rx *rx = &adapter->rx;
    BOOLEAN more = FALSE;

    rx->again = FALSE;
    if (!may_look(adapter)) {
        return FALSE;
    }
    if (!xennet_rxring_poll(adapter, &more)) {
        xennet_break(adapter);
        return FALSE;
    }
    xennet_rx_post(adapter);
    return more;
}

/* Releases the lock while it indicates what has been collected. */
static VOID indicate(struct xennet_adapter *adapter)
{
    struct xennet_rx *rx = &adapter->rx;
    struct xennet_buffer *first = rx->ready;
    ULONG count = rx->ready_count;
    BOOLEAN lend = rx->buffers.available >= XENNET_BUFFERS_KEPT;

    rx->ready = NULL;
    rx->ready_end = &rx->ready;
    rx->ready_count = 0;
    xennet_unlock(adapter);
    if (count != 0) {
        xennet_port_indicate(adapter, first, count, lend);
        if (!lend) {
            xennet_buffer_return(adapter, first);
        }
    }
    xennet_lock(adapter);
}

VOID xennet_rx_run(struct xennet_adapter *adapter)
{
    struct xennet_rx *rx = &adapter->rx;
    ULONG batches = 0;
    BOOLEAN more;

    xennet_lock(adapter);
    if (rx->busy) {
        rx->again = TRUE;
        xennet_unlock(adapter);
        return;
    }
    rx->busy = TRUE;
    do {
        more = collect(adapter);
        indicate(adapter);
    } while ((more || rx->again) && ++batches < XENNET_BATCHES);
    rx->busy = FALSE;
    if ((more || rx->again) && may_look(adapter)) {
        adapter->xen.event_raise(adapter->xen.context, adapter->link.port); /* others have their turn first */
    }
    xennet_unlock(adapter);
}

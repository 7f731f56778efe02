/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets to be sent. One waits in the queue until all of it is in the ring, flies until all of that is answered, and
 * is completed when the lock is released; it leaves us in xennet_tx_finish alone.
 */
#include "xennet.h"

VOID xennet_tx_finish(struct xennet_adapter *adapter, struct xennet_packet *packet, enum xennet_outcome outcome)
{
    struct xennet_tx *tx = &adapter->tx;

    packet->outcome = (UCHAR)outcome;
    packet->next = NULL;
    if (tx->done == NULL) {
        tx->done = packet;
    } else {
        tx->done_last->next = packet;
    }
    tx->done_last = packet;
    if (outcome != XENNET_SENT && outcome != XENNET_LOST) {
        adapter->sent.errors++;
    }
}

static VOID dequeue(struct xennet_tx *tx)
{
    tx->job.ready = FALSE;
    tx->first = tx->first->next;
    if (tx->first == NULL) {
        tx->last = NULL;
    }
}

/* The first packet of the queue is in the ring, as far as it will ever be. */
static VOID settle(struct xennet_adapter *adapter, enum xennet_outcome outcome)
{
    struct xennet_packet *packet = adapter->tx.first;

    dequeue(&adapter->tx);
    packet->sent = TRUE;
    if (packet->outcome == XENNET_SENT) {
        packet->outcome = (UCHAR)outcome;
    }
    if (packet->pending == 0) {
        xennet_tx_finish(adapter, packet, packet->outcome);
    } else {
        adapter->tx.flying++;
        xennet_hang_watch(adapter);
    }
}

/* XENNET_PENDING: there is no room for more of it now. */
static enum xennet_outcome send_first(struct xennet_adapter *adapter)
{
    struct xennet_tx *tx = &adapter->tx;
    struct xennet_packet *packet = tx->first;
    enum xennet_outcome outcome;

    if (!tx->job.ready) {
        outcome = xennet_job_start(adapter, packet);
        if (outcome != XENNET_PENDING) {
            return outcome;
        }
    }
    do {
        xennet_job_piece(adapter, &tx->piece);
        outcome = xennet_txring_put(adapter, packet, &tx->piece);
        if (outcome != XENNET_SENT) {
            return outcome;
        }
        tx->job.done += tx->piece.length;
    } while (tx->job.done < tx->job.total);
    return XENNET_SENT;
}

VOID xennet_tx_pump(struct xennet_adapter *adapter)
{
    struct xennet_tx *tx = &adapter->tx;
    enum xennet_outcome outcome;

    if (adapter->state != XENNET_CONNECTED || adapter->broken) {
        return;
    }
    while (tx->first != NULL) {
        outcome = send_first(adapter);
        if (outcome == XENNET_PENDING) {
            break;
        }
        settle(adapter, outcome);
    }
    if (tx->ring.req_prod != tx->ring.shared->req_prod && xen_front_ring_push(&tx->ring)) {
        adapter->xen.event_notify(adapter->xen.context, adapter->link.port);
    }
}

VOID xennet_tx_drop(struct xennet_adapter *adapter, enum xennet_outcome outcome, PVOID id)
{
    struct xennet_tx *tx = &adapter->tx;
    struct xennet_packet *packet = tx->first;
    struct xennet_packet *next;

    tx->first = NULL;
    tx->last = NULL;
    for (; packet != NULL; packet = next) {
        next = packet->next;
        if (packet->pending == 0 && (id == NULL || xennet_port_cancel_id(packet) == id)) {
            if (tx->first == NULL) {
                tx->job.ready = FALSE;
            }
            xennet_tx_finish(adapter, packet, outcome);
            continue;
        }
        packet->next = NULL;
        if (tx->last == NULL) {
            tx->first = packet;
        } else {
            tx->last->next = packet;
        }
        tx->last = packet;
    }
}

/* The back end had something of it, or has answered some of it and will not get the rest. */
static VOID abandon(struct xennet_adapter *adapter, struct xennet_packet *packet)
{
    packet->pending = 0;
    if (!packet->sent) {
        dequeue(&adapter->tx); /* a part of it is lost: the rest is of no use */
    } else {
        adapter->tx.flying--;
    }
    xennet_tx_finish(adapter, packet, XENNET_LOST);
}

VOID xennet_tx_abandon(struct xennet_adapter *adapter)
{
    struct xennet_tx *tx = &adapter->tx;
    ULONG i;

    for (i = 0; i < XENNET_SLOTS; i++) {
        struct xennet_slot *slot = &tx->slots[i];

        if (!slot->used) {
            continue;
        }
        if (slot->first) {
            adapter->sent.errors++;
        }
        if (slot->packet->pending != 0) {
            abandon(adapter, slot->packet);
        }
        slot->used = FALSE;
    }
    if (tx->job.ready && tx->job.done != 0) {
        abandon(adapter, tx->first);
    }
    tx->job.ready = FALSE;
    xennet_frames_reclaim(&tx->frames);
    xennet_refs_reclaim(adapter);
}

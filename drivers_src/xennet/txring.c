/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transmit ring. A frame that fits a page is copied into one that the back end may access all the time: for both
 * ends that costs less than a grant. Of a longer one the head is copied, which may have been changed, and the rest is
 * granted where it lies, unless its checksum is to be made, it lies in too many pieces, or references are short.
 *
 * An entry's id, which the back end echoes, is the slot's number and a generation: an answer that is made up, or given
 * twice, names no slot that is in use. Entries are never read back, for the back end may write to them.
 */
#include "xennet.h"

#define NUMBER_BITS 8
#define PAGES_MAX ((XEN_NETIF_MAX_TX_SIZE + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE)

C_ASSERT(XENNET_SLOTS == 1 << NUMBER_BITS);
C_ASSERT(PAGES_MAX + 1 <= XEN_NETIF_NR_SLOTS_MIN && PAGES_MAX <= XENNET_TX_FRAMES_MIN);

VOID xennet_txring_init(struct xennet_adapter *adapter)
{
    struct xennet_tx *tx = &adapter->tx;
    ULONG i;

    xen_front_ring_init(&tx->ring, adapter->link.tx_page, XEN_PAGE_SIZE, sizeof(struct netif_tx_request));
    tx->extras = 0;
    tx->free_slot = XENNET_NONE;
    tx->free_slots = XENNET_SLOTS;
    for (i = XENNET_SLOTS; i-- > 0;) {
        tx->slots[i].used = FALSE;
        tx->slots[i].next = tx->free_slot;
        tx->free_slot = (USHORT)i;
    }
}

static struct xennet_slot *take_slot(struct xennet_tx *tx, struct xennet_packet *packet)
{
    struct xennet_slot *slot = &tx->slots[tx->free_slot];

    tx->free_slot = slot->next;
    tx->free_slots--;
    slot->used = TRUE;
    slot->first = FALSE;
    slot->generation++;
    slot->packet = packet;
    slot->frame = XENNET_NONE;
    slot->ref = XENNET_NONE;
    packet->pending++;
    return slot;
}

static USHORT id_of(const struct xennet_tx *tx, const struct xennet_slot *slot)
{
    return (USHORT)((ULONG)slot->generation << NUMBER_BITS | (ULONG)(slot - tx->slots));
}

static VOID put_request(struct xennet_tx *tx, const struct xennet_slot *slot, grant_ref_t ref, ULONG offset, ULONG size,
                        ULONG flags)
{
    struct netif_tx_request *request = xen_front_ring_slot(&tx->ring, tx->ring.req_prod++);

    request->gref = ref;
    request->offset = (USHORT)offset;
    request->flags = (USHORT)flags;
    request->id = id_of(tx, slot);
    request->size = (USHORT)size;
}

static VOID put_gso(struct xennet_tx *tx, const struct xennet_piece *piece)
{
    struct netif_extra_info *extra = xen_front_ring_slot(&tx->ring, tx->ring.req_prod++);

    extra->type = XEN_NETIF_EXTRA_TYPE_GSO;
    extra->flags = 0;
    extra->u.gso.size = piece->mss;
    extra->u.gso.type = piece->gso;
    extra->u.gso.pad = 0;
    extra->u.gso.features = 0;
    tx->extras++;
}

/* The first entry tells of the whole frame, and what follows it has no flags but that more follows. */
static VOID put_first(struct xennet_tx *tx, struct xennet_packet *packet, const struct xennet_piece *piece, USHORT frame,
                      BOOLEAN more)
{
    struct xennet_slot *slot = take_slot(tx, packet);
    ULONG flags = piece->flags | (more ? NETTXF_more_data : 0);

    slot->first = TRUE;
    slot->cast = (UCHAR)xennet_cast_of(piece->head);
    slot->bytes = piece->head_length + piece->length;
    slot->frame = frame;
    if (piece->gso != XEN_NETIF_GSO_TYPE_NONE) {
        flags |= NETTXF_extra_info;
    }
    put_request(tx, slot, tx->frames.items[frame].ref, 0, slot->bytes, flags);
    if (piece->gso != XEN_NETIF_GSO_TYPE_NONE) {
        put_gso(tx, piece);
    }
}

/*
 * Copies the frame into `count` pages. The head comes last: the checksum, if it is to be made, is complete only when
 * the rest has been seen. What is behind the transport's data does not count.
 */
static BOOLEAN copy(struct xennet_tx *tx, struct xennet_piece *piece, const USHORT *frames, ULONG count)
{
    ULONG end = piece->headers.transport + piece->headers.transport_length;
    ULONG summed = end > piece->head_length ? end - piece->head_length : 0;
    struct xennet_sum sum = { 0, FALSE };
    ULONG done = 0;
    ULONG i;

    for (i = 0; i < count; i++) {
        ULONG start = i == 0 ? piece->head_length : 0;
        ULONG length = min(piece->length - done, XEN_PAGE_SIZE - start);
        PUCHAR to = tx->frames.items[frames[i]].memory + start;

        if (!xennet_gather(&tx->job.send, &tx->job.cursor, piece->offset + done, to, length)) {
            return FALSE;
        }
        if (piece->sum && done < summed) {
            xennet_sum_add(&sum, to, min(length, summed - done));
        }
        done += length;
    }
    if (piece->sum) {
        xennet_transport_fill(piece->head, piece->head_length, &piece->headers, &sum);
    }
    RtlCopyMemory(tx->frames.items[frames[0]].memory, piece->head, piece->head_length);
    return TRUE;
}

static enum xennet_outcome put_copied(struct xennet_tx *tx, struct xennet_packet *packet, struct xennet_piece *piece,
                                      ULONG count)
{
    ULONG left = piece->head_length + piece->length;
    USHORT frames[PAGES_MAX];
    struct xennet_slot *slot;
    ULONG i;

    for (i = 0; i < count; i++) {
        frames[i] = xennet_stack_pop(&tx->frames);
    }
    if (!copy(tx, piece, frames, count)) {
        while (i > 0) {
            xennet_stack_push(&tx->frames, frames[--i]);
        }
        return XENNET_NO_MEMORY;
    }
    put_first(tx, packet, piece, frames[0], count > 1);
    for (i = 1; i < count; i++) {
        left -= XEN_PAGE_SIZE;
        slot = take_slot(tx, packet);
        slot->frame = frames[i];
        put_request(tx, slot, tx->frames.items[frames[i]].ref, 0, min(left, XEN_PAGE_SIZE),
                    i + 1 < count ? NETTXF_more_data : 0);
    }
    return XENNET_SENT;
}

static VOID put_granted(struct xennet_adapter *adapter, struct xennet_packet *packet, struct xennet_piece *piece)
{
    struct xennet_tx *tx = &adapter->tx;
    USHORT frame = xennet_stack_pop(&tx->frames);
    ULONG done = 0;

    RtlCopyMemory(tx->frames.items[frame].memory, piece->head, piece->head_length);
    put_first(tx, packet, piece, frame, TRUE);
    while (done < piece->length) {
        struct xennet_slot *slot = take_slot(tx, packet);
        struct xennet_item *item;
        ULONG_PTR page;
        ULONG offset;
        ULONG length = xennet_extent(&tx->job.send, &tx->job.cursor, piece->offset + done, piece->length - done, &page,
                                     &offset);

        slot->ref = xennet_stack_pop(&tx->refs);
        item = &tx->refs.items[slot->ref];
        item->granted = TRUE;
        adapter->xen.grant_begin(adapter->xen.context, item->ref, page, TRUE);
        done += length;
        put_request(tx, slot, item->ref, offset, length, done < piece->length ? NETTXF_more_data : 0);
    }
}

/* Entries that the rest takes if it is granted, `most` at most. 0: it is to be copied. */
static ULONG count_granted(struct xennet_tx *tx, const struct xennet_piece *piece, ULONG most)
{
    ULONG done = 0, count, length, offset;
    ULONG_PTR page;

    for (count = 0; done < piece->length; count++) {
        length = xennet_extent(&tx->job.send, &tx->job.cursor, piece->offset + done, piece->length - done, &page,
                               &offset);
        if (length == 0 || count == most || count == tx->refs.available) {
            return 0;
        }
        done += length;
    }
    return count;
}

enum xennet_outcome xennet_txring_put(struct xennet_adapter *adapter, struct xennet_packet *packet,
                                      struct xennet_piece *piece)
{
    struct xennet_tx *tx = &adapter->tx;
    ULONG bytes = piece->head_length + piece->length;
    ULONG pages = (bytes + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE;
    ULONG extras = piece->gso != XEN_NETIF_GSO_TYPE_NONE ? 1 : 0;
    ULONG most = XEN_NETIF_NR_SLOTS_MIN - 1 - extras;
    ULONG granted = pages > 1 && !piece->sum ? count_granted(tx, piece, most) : 0;
    ULONG frames = granted != 0 ? 1 : pages;

    if (pages > PAGES_MAX || (pages > 1 && !adapter->link.offer.chains)) {
        return XENNET_INVALID;
    }
    if (xen_front_ring_free(&tx->ring) < frames + granted + extras || tx->free_slots < frames + granted ||
        tx->frames.available < frames) {
        return XENNET_PENDING;
    }
    if (granted == 0) {
        return put_copied(tx, packet, piece, pages);
    }
    put_granted(adapter, packet, piece);
    return XENNET_SENT;
}

static struct xennet_slot *find(struct xennet_tx *tx, USHORT id)
{
    struct xennet_slot *slot = &tx->slots[id & (XENNET_SLOTS - 1)];

    return slot->used && id_of(tx, slot) == id ? slot : NULL;
}

/* FALSE: the back end has answered and still has the page mapped. */
static BOOLEAN release(struct xennet_adapter *adapter, struct xennet_slot *slot)
{
    struct xennet_tx *tx = &adapter->tx;

    if (slot->ref != XENNET_NONE) {
        struct xennet_item *item = &tx->refs.items[slot->ref];

        if (!adapter->xen.grant_end(adapter->xen.context, item->ref)) {
            return FALSE;
        }
        item->granted = FALSE;
        xennet_stack_push(&tx->refs, slot->ref);
    }
    if (slot->frame != XENNET_NONE) {
        xennet_stack_push(&tx->frames, slot->frame);
    }
    slot->used = FALSE;
    slot->next = tx->free_slot;
    tx->free_slot = (USHORT)(slot - tx->slots);
    tx->free_slots++;
    return TRUE;
}

static VOID count(struct xennet_adapter *adapter, const struct xennet_slot *slot, BOOLEAN sent)
{
    if (!slot->first) {
        return;
    }
    if (sent) {
        adapter->sent.frames[slot->cast]++;
        adapter->sent.bytes[slot->cast] += slot->bytes;
    } else {
        adapter->sent.errors++;
    }
}

/* FALSE: no entry with this id is with the back end, or it keeps the page. The packet is not completed then. */
static BOOLEAN answer(struct xennet_adapter *adapter, USHORT id, SHORT status)
{
    struct xennet_tx *tx = &adapter->tx;
    struct xennet_packet *packet;
    struct xennet_slot *slot;

    if (status == NETIF_RSP_NULL) {
        return tx->extras-- != 0;
    }
    slot = find(tx, id);
    if (slot == NULL || !release(adapter, slot)) {
        return FALSE;
    }
    packet = slot->packet;
    count(adapter, slot, status == NETIF_RSP_OKAY);
    if (status != NETIF_RSP_OKAY) {
        packet->outcome = XENNET_LOST;
    }
    if (--packet->pending == 0 && packet->sent) {
        tx->flying--;
        xennet_tx_finish(adapter, packet, packet->outcome);
    }
    return TRUE;
}

/* Responses to take. None: there will be an event when half of what is outstanding has been answered. */
static ULONG look(struct xen_front_ring *ring)
{
    ULONG count = xen_front_ring_unconsumed(ring);

    if (count == 0) {
        ring->shared->rsp_event = ring->rsp_cons + ((ring->req_prod - ring->rsp_cons) >> 1) + 1;
        KeMemoryBarrier();
        count = xen_front_ring_unconsumed(ring);
    }
    return count;
}

BOOLEAN xennet_txring_poll(struct xennet_adapter *adapter)
{
    struct xen_front_ring *ring = &adapter->tx.ring;
    ULONG count;

    while ((count = look(ring)) != 0) {
        if (count == XEN_RING_BROKEN) {
            return FALSE;
        }
        while (count-- > 0) {
            const volatile struct netif_tx_response *response = xen_front_ring_slot(ring, ring->rsp_cons++);
            SHORT status = response->status;

            if (!answer(adapter, response->id, status)) {
                return FALSE;
            }
        }
    }
    return TRUE;
}

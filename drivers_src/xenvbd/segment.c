/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of one ring entry. The pages of the request itself are granted for as long as the entry is with the back
 * end; where that cannot be, the data is copied through frames: a segment counts in sectors of its page, so a buffer
 * that is not aligned to sectors needs it, a back end that keeps its mappings (feature-persistent) does, and so does a
 * request for whose pages there are no references left.
 */
#include "xenvbd.h"

#define SECTOR_MASK (BLKIF_SECTOR_SIZE - 1)

static ULONG segment_bytes(const struct blkif_request_segment *segment)
{
    return (segment->last_sect - segment->first_sect + 1) * BLKIF_SECTOR_SIZE;
}

/* The back end can write to where it reads them, so they are made in memory of our own. */
static VOID add_segment(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot, grant_ref_t ref, ULONG page_offset,
                        ULONG bytes)
{
    struct blkif_request_segment *segment = &adapter->segments[slot->count++];

    segment->gref = ref;
    segment->first_sect = (UCHAR)(page_offset / BLKIF_SECTOR_SIZE);
    segment->last_sect = (UCHAR)((page_offset + bytes) / BLKIF_SECTOR_SIZE - 1);
    slot->length += bytes;
}

static VOID copy_frames(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot, BOOLEAN to_frames)
{
    PUCHAR data = slot->data;
    ULONG left = slot->length;
    USHORT item;

    for (item = slot->frames; left > 0; item = adapter->frames.items[item].next) {
        ULONG bytes = min(left, XEN_PAGE_SIZE);
        PUCHAR memory = adapter->frames.items[item].memory;

        RtlCopyMemory(to_frames ? memory : data, to_frames ? data : memory, bytes);
        data += bytes;
        left -= bytes;
    }
}

static VOID release_chain(struct xenvbd_stack *stack, PUSHORT chain)
{
    while (*chain != XENVBD_NONE) {
        USHORT item = *chain;

        *chain = stack->items[item].next;
        xenvbd_stack_push(stack, item);
    }
}

/* Ends the grant that was given last. FALSE: the back end has the page mapped. */
static BOOLEAN end_last(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot)
{
    USHORT item = slot->refs;

    if (!adapter->xen->grant_end(adapter->xen->context, adapter->refs.items[item].ref)) {
        return FALSE;
    }
    adapter->refs.items[item].granted = FALSE;
    slot->refs = adapter->refs.items[item].next;
    xenvbd_stack_push(&adapter->refs, item);
    return TRUE;
}

static BOOLEAN release_memory(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot)
{
    while (slot->refs != XENVBD_NONE) {
        if (!end_last(adapter, slot)) {
            return FALSE;
        }
    }
    release_chain(&adapter->frames, &slot->frames);
    if (slot->indirect != XENVBD_NONE) {
        xenvbd_stack_push(&adapter->indirect, slot->indirect);
        slot->indirect = XENVBD_NONE;
    }
    slot->count = 0;
    slot->length = 0;
    return TRUE;
}

/* Takes frames for the next bytes of the request; the order of the chain is that of the data. */
static VOID fill_frames(struct xenvbd_adapter *adapter, struct xenvbd_request *request, struct xenvbd_slot *slot,
                        ULONG limit)
{
    PUSHORT tail = &slot->frames;
    ULONG left = request->length - request->offset;
    PUCHAR address = xenvbd_port_address(adapter, request->srb);

    if (address == NULL) {
        request->status = XENVBD_RSP_BUSY;
        return;
    }
    slot->data = address + request->offset;
    while (slot->count < limit && left > 0) {
        USHORT item = xenvbd_stack_pop(&adapter->frames);
        ULONG bytes = min(left, XEN_PAGE_SIZE);

        if (item == XENVBD_NONE) {
            break;
        }
        *tail = item;
        tail = &adapter->frames.items[item].next;
        *tail = XENVBD_NONE;
        add_segment(adapter, slot, adapter->frames.items[item].ref, 0, bytes);
        left -= bytes;
    }
}

/* Grants pages of the request, as many as there are references for. FALSE: they cannot be granted as they lie. */
static BOOLEAN fill_pages(struct xenvbd_adapter *adapter, struct xenvbd_request *request, struct xenvbd_slot *slot,
                          ULONG limit)
{
    const struct xenpci_interface *xen = adapter->xen;
    ULONG left = request->length - request->offset;
    ULONGLONG physical;

    while (slot->count < limit && left > 0) {
        ULONG bytes = xenvbd_port_extent(adapter, request, request->offset + slot->length, &physical);
        ULONG page_offset = (ULONG)physical & (XEN_PAGE_SIZE - 1);
        USHORT item;

        bytes = min(bytes, XEN_PAGE_SIZE - page_offset);
        bytes = min(bytes, left);
        if (bytes == 0 || ((page_offset | bytes) & SECTOR_MASK) != 0) {
            return FALSE;
        }
        item = xenvbd_stack_pop(&adapter->refs);
        if (item == XENVBD_NONE) {
            xenvbd_refs_want(adapter);
            break;
        }
        adapter->refs.items[item].next = slot->refs;
        adapter->refs.items[item].granted = TRUE;
        slot->refs = item;
        xen->grant_begin(xen->context, adapter->refs.items[item].ref, (ULONG_PTR)(physical >> XEN_PAGE_SHIFT),
                         request->operation == XENVBD_WRITE);
        add_segment(adapter, slot, adapter->refs.items[item].ref, page_offset, bytes);
        left -= bytes;
    }
    return TRUE;
}

/* An entry is a whole number of the disk's blocks: what is over goes with the next. Only granted pages can be over. */
static VOID trim(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot)
{
    ULONG excess = slot->length & (adapter->disk.block_size - 1);

    slot->length -= excess;
    while (excess > 0) {
        struct blkif_request_segment *last = &adapter->segments[slot->count - 1];

        if (segment_bytes(last) > excess) {
            last->last_sect -= (UCHAR)(excess / BLKIF_SECTOR_SIZE);
            return;
        }
        excess -= segment_bytes(last);
        end_last(adapter, slot); /* no back end has been told of it */
        slot->count--;
    }
}

/* Segments beyond what an entry itself holds go into an indirect frame, while there is one. Returns how many fit. */
static ULONG choose_limit(struct xenvbd_adapter *adapter, struct xenvbd_request *request, struct xenvbd_slot *slot)
{
    ULONG pages = (request->length - request->offset) / XEN_PAGE_SIZE;

    if (pages >= BLKIF_MAX_SEGMENTS_PER_REQUEST && adapter->indirect_segments != 0) {
        slot->indirect = xenvbd_stack_pop(&adapter->indirect);
    }
    return slot->indirect == XENVBD_NONE ? BLKIF_MAX_SEGMENTS_PER_REQUEST : adapter->indirect_segments;
}

static VOID describe(struct xenvbd_adapter *adapter, const struct xenvbd_slot *slot, struct xenvbd_entry *entry)
{
    entry->segments = slot->count;
    entry->segment = adapter->segments;
    entry->indirect = XENVBD_NO_REF;
    if (slot->indirect != XENVBD_NONE) {
        const struct xenvbd_item *frame = &adapter->indirect.items[slot->indirect];

        RtlCopyMemory(frame->memory, adapter->segments, slot->count * sizeof(adapter->segments[0]));
        entry->indirect = frame->ref;
    }
}

BOOLEAN xenvbd_segments_fill(struct xenvbd_adapter *adapter, struct xenvbd_request *request, struct xenvbd_slot *slot,
                             struct xenvbd_entry *entry)
{
    ULONG limit = choose_limit(adapter, request, slot);

    slot->read = request->operation == XENVBD_READ;
    if (!adapter->persistent && !request->bounce) {
        request->bounce = !fill_pages(adapter, request, slot, limit);
        trim(adapter, slot);
    }
    if (slot->length == 0) {
        fill_frames(adapter, request, slot, limit);
    }
    if (slot->length == 0) {
        release_memory(adapter, slot);
        return FALSE;
    }
    if (slot->frames != XENVBD_NONE && !slot->read) {
        copy_frames(adapter, slot, TRUE);
    }
    describe(adapter, slot, entry);
    return TRUE;
}

BOOLEAN xenvbd_segments_finish(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot, BOOLEAN succeeded)
{
    if (slot->frames != XENVBD_NONE && slot->read && succeeded) {
        copy_frames(adapter, slot, FALSE);
    }
    return release_memory(adapter, slot);
}

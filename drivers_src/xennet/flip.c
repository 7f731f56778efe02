/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receiving from a back end that gives pages away instead of copying ("flipping"). A page of ours goes back to Xen, and
 * a grant lets the back end put one of its own into the hole; what has come is copied out, and the page goes the same
 * way. Of Windows' memory nothing may be a hole but what is waiting here, and nothing is freed that is one: a hole that
 * Xen will not fill any more is kept for good, and the log has it.
 */
#include "flip.h"
#include <netevent.h>

#define BATCH 32 /* frames for one hypercall */
#define PATIENCE 64 /* sleeps, about a second; Xen completes what it has begun within a hypercall of the back end's */

/* PASSIVE_LEVEL, while nobody else knows of the item. */
static NTSTATUS make(struct xennet_adapter *adapter, struct xennet_flip *flip, USHORT number)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_item *item = &flip->frames.items[number];
    PHYSICAL_ADDRESS highest;
    NTSTATUS status;

    highest.QuadPart = -1;
    item->memory = MmAllocateContiguousMemory(XEN_PAGE_SIZE, highest); /* each by itself, to be kept by itself */
    if (item->memory == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = xen->grant_reserve(xen->context, 1, &item->ref);
    if (!NT_SUCCESS(status)) {
        MmFreeContiguousMemory(item->memory);
        return status;
    }
    flip->numbers[number] = (ULONG_PTR)(MmGetPhysicalAddress(item->memory).QuadPart >> XEN_PAGE_SHIFT);
    flip->states[number] = XENNET_FLIP_MEMORY;
    return STATUS_SUCCESS;
}

/* Whether the Xen of this host lets a guest of this kind give memory up and have it again. */
static NTSTATUS try_one(struct xennet_adapter *adapter, struct xennet_flip *flip)
{
    const struct xenpci_interface *xen = &adapter->xen;

    if (flip->states[0] != XENNET_FLIP_MEMORY) {
        return STATUS_SUCCESS;
    }
    if (xen->frames_give(xen->context, 1, &flip->numbers[0]) != 1) {
        return STATUS_NOT_SUPPORTED;
    }
    if (xen->frames_take(xen->context, 1, &flip->numbers[0]) != 1) {
        flip->states[0] = XENNET_FLIP_HOLE;
        return STATUS_NOT_SUPPORTED;
    }
    return STATUS_SUCCESS;
}

/* On failure there may be fewer pages, or none. */
static NTSTATUS allocate(struct xennet_adapter *adapter)
{
    struct xennet_flip *flip;
    NTSTATUS status = STATUS_SUCCESS;

    flip = ExAllocatePoolWithTag(NonPagedPool, sizeof(*flip), GPLPV_POOL_TAG);
    if (flip == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    RtlZeroMemory(flip, sizeof(*flip));
    while (flip->frames.count < XENNET_RX_FRAMES && NT_SUCCESS(status)) {
        status = make(adapter, flip, flip->frames.count);
        if (NT_SUCCESS(status)) {
            flip->frames.count++;
        }
    }
    adapter->rx.flip = flip;
    return flip->frames.count < XENNET_RX_FRAMES_MIN ? status : STATUS_SUCCESS; /* with fewer it is slower */
}

NTSTATUS xennet_flip_start(struct xennet_adapter *adapter)
{
    NTSTATUS status = adapter->rx.flip == NULL ? allocate(adapter) : STATUS_SUCCESS;

    if (NT_SUCCESS(status)) {
        status = try_one(adapter, adapter->rx.flip);
    }
    if (!NT_SUCCESS(status)) {
        xennet_flip_stop(adapter);
        return status;
    }
    adapter->rx.frames = &adapter->rx.flip->frames;
    return STATUS_SUCCESS;
}

/* What Xen has committed itself to goes on being pending. */
static VOID end(struct xennet_adapter *adapter, USHORT item)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_flip *flip = adapter->rx.flip;

    switch (xen->transfer_end(xen->context, flip->frames.items[item].ref)) {
    case XENPCI_TRANSFER_DONE:
        flip->states[item] = XENNET_FLIP_FILLED;
        break;

    case XENPCI_TRANSFER_NONE:
        flip->states[item] = XENNET_FLIP_HOLE;
        break;

    default:
        break;
    }
}

BOOLEAN xennet_flip_settle(struct xennet_adapter *adapter, USHORT item)
{
    struct xennet_flip *flip = adapter->rx.flip;

    if (flip->states[item] == XENNET_FLIP_OFFERED) {
        end(adapter, item);
    }
    return flip->states[item] != XENNET_FLIP_OFFERED;
}

BOOLEAN xennet_flip_came(struct xennet_flip *flip, USHORT item)
{
    if (flip->states[item] != XENNET_FLIP_FILLED) {
        return FALSE;
    }
    flip->states[item] = XENNET_FLIP_MEMORY;
    return TRUE;
}

/* Makes holes of those items that are memory. Returns how many of the items, from the first on, are holes now. */
static ULONG give(struct xennet_adapter *adapter, const USHORT *items, ULONG count)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_flip *flip = adapter->rx.flip;
    ULONG_PTR numbers[BATCH];
    ULONG i, done = 0;

    for (i = 0; i < count; i++) {
        if (flip->states[items[i]] == XENNET_FLIP_MEMORY) {
            numbers[done++] = flip->numbers[items[i]];
        }
    }
    if (done != 0) {
        done = xen->frames_give(xen->context, done, numbers);
    }
    for (i = 0; i < count; i++) {
        if (flip->states[items[i]] == XENNET_FLIP_MEMORY) {
            if (done-- == 0) {
                break;
            }
            flip->states[items[i]] = XENNET_FLIP_HOLE;
        }
    }
    return i;
}

static ULONG offer(struct xennet_adapter *adapter, const USHORT *items, ULONG count)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_flip *flip = adapter->rx.flip;
    ULONG i, ready = give(adapter, items, count);

    for (i = 0; i < ready; i++) {
        flip->states[items[i]] = XENNET_FLIP_OFFERED;
        xen->transfer_begin(xen->context, flip->frames.items[items[i]].ref, flip->numbers[items[i]]);
    }
    return ready;
}

ULONG xennet_flip_offer(struct xennet_adapter *adapter, ULONG count)
{
    const struct xennet_stack *frames = &adapter->rx.flip->frames;
    USHORT item = frames->free;
    USHORT items[BATCH];
    ULONG offered = 0, ready, i;

    do {
        ready = min(count - offered, BATCH);
        for (i = 0; i < ready; i++) {
            items[i] = item;
            item = frames->items[item].next;
        }
        i = offer(adapter, items, ready);
        offered += i;
    } while (i == ready && offered < count);
    return offered;
}

VOID xennet_flip_renew(struct xennet_adapter *adapter)
{
    struct xennet_rx *rx = &adapter->rx;
    ULONG i;

    for (i = 0; rx->flip != NULL && i < XENNET_SLOTS; i++) {
        USHORT item = rx->posted[i];

        if (item != XENNET_NONE &&
            (rx->flip->states[item] == XENNET_FLIP_MEMORY || rx->flip->states[item] == XENNET_FLIP_HOLE)) {
            offer(adapter, &item, 1);
        }
    }
}

/* Fills the holes of up to a batch of items. FALSE: Xen has no memory for them all. */
static BOOLEAN fill(struct xennet_adapter *adapter, const USHORT *items, ULONG count)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_flip *flip = adapter->rx.flip;
    ULONG_PTR numbers[BATCH];
    ULONG i, done;

    for (i = 0; i < count; i++) {
        numbers[i] = flip->numbers[items[i]];
    }
    done = count != 0 ? xen->frames_take(xen->context, count, numbers) : 0;
    for (i = 0; i < done; i++) {
        flip->states[items[i]] = XENNET_FLIP_MEMORY;
    }
    return done == count;
}

/* TRUE: a grant is still pending. */
static BOOLEAN withdraw_all(struct xennet_adapter *adapter)
{
    struct xennet_flip *flip = adapter->rx.flip;
    BOOLEAN pending = FALSE;
    USHORT i;

    for (i = 0; i < flip->frames.count; i++) {
        if (!xennet_flip_settle(adapter, i)) {
            pending = TRUE;
        }
    }
    return pending;
}

static VOID fill_all(struct xennet_adapter *adapter)
{
    struct xennet_flip *flip = adapter->rx.flip;
    USHORT items[BATCH];
    BOOLEAN filled = TRUE;
    ULONG count = 0;
    USHORT i;

    for (i = 0; i < flip->frames.count && filled; i++) {
        if (flip->states[i] == XENNET_FLIP_HOLE) {
            items[count++] = i;
        }
        if (count == BATCH) {
            filled = fill(adapter, items, count);
            count = 0;
        }
    }
    if (filled) {
        fill(adapter, items, count);
    }
}

VOID xennet_flip_withdraw(struct xennet_adapter *adapter)
{
    ULONG slept = 0;
    BOOLEAN pending;

    if (adapter->rx.flip == NULL) {
        return;
    }
    for (;;) {
        xennet_lock(adapter);
        pending = withdraw_all(adapter);
        fill_all(adapter);
        xennet_unlock(adapter);
        if (!pending || slept++ == PATIENCE) {
            return;
        }
        xennet_sleep();
    }
}

VOID xennet_flip_forget(struct xennet_adapter *adapter)
{
    struct xennet_flip *flip = adapter->rx.flip;
    USHORT i;

    for (i = 0; flip != NULL && i < flip->frames.count; i++) {
        if (flip->states[i] == XENNET_FLIP_OFFERED) {
            flip->states[i] = XENNET_FLIP_LOST;
        }
    }
}

VOID xennet_flip_reclaim(struct xennet_flip *flip)
{
    USHORT i;

    flip->frames.free = XENNET_NONE;
    flip->frames.available = 0;
    for (i = 0; i < flip->frames.count; i++) {
        if (flip->states[i] == XENNET_FLIP_FILLED) {
            flip->states[i] = XENNET_FLIP_MEMORY;
        }
        if (flip->states[i] == XENNET_FLIP_MEMORY || flip->states[i] == XENNET_FLIP_HOLE) {
            xennet_stack_push(&flip->frames, i);
        }
    }
}

VOID xennet_flip_stop(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_flip *flip = adapter->rx.flip;
    ULONG kept = 0;
    USHORT i;

    if (flip == NULL) {
        return;
    }
    xennet_flip_withdraw(adapter);
    for (i = 0; i < flip->frames.count; i++) {
        if (flip->states[i] == XENNET_FLIP_MEMORY || flip->states[i] == XENNET_FLIP_FILLED) {
            MmFreeContiguousMemory(flip->frames.items[i].memory);
        } else {
            kept++;
        }
        xen->grant_release(xen->context, 1, &flip->frames.items[i].ref);
    }
    if (kept != 0) {
        GPLPV_DEBUG(("adapter %p: %u pages have no memory any more, and stay out of use\n", adapter, kept));
        xennet_log(adapter, (ULONG)EVENT_NDIS_OUT_OF_RESOURCE);
    }
    adapter->rx.flip = NULL;
    adapter->rx.frames = &adapter->rx.pages;
    ExFreePoolWithTag(flip, GPLPV_POOL_TAG);
}

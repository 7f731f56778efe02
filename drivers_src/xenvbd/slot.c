/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One slot for each entry that may be in the ring at once. A slot's id, which the back end echoes, is its number and a
 * generation: an answer that is made up, or given twice, names no slot that is in use.
 */
#include "xenvbd.h"

#define NUMBER_BITS 16

VOID xenvbd_slots_init(struct xenvbd_adapter *adapter)
{
    ULONG i;

    adapter->free_slot = XENVBD_NONE;
    for (i = XENVBD_SLOTS; i-- > 0;) {
        adapter->slots[i].request = NULL;
        adapter->slots[i].next = adapter->free_slot;
        adapter->free_slot = (USHORT)i;
    }
}

struct xenvbd_slot *xenvbd_slot_take(struct xenvbd_adapter *adapter)
{
    struct xenvbd_slot *slot;

    if (adapter->free_slot == XENVBD_NONE || !xenvbd_ring_has_room(&adapter->ring)) {
        return NULL;
    }
    slot = &adapter->slots[adapter->free_slot];
    adapter->free_slot = slot->next;
    slot->generation++;
    slot->refs = XENVBD_NONE;
    slot->frames = XENVBD_NONE;
    slot->indirect = XENVBD_NONE;
    slot->count = 0;
    slot->length = 0;
    return slot;
}

VOID xenvbd_slot_release(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot)
{
    slot->request = NULL;
    slot->next = adapter->free_slot;
    adapter->free_slot = (USHORT)(slot - adapter->slots);
}

ULONG64 xenvbd_slot_id(const struct xenvbd_adapter *adapter, const struct xenvbd_slot *slot)
{
    return (ULONG64)slot->generation << NUMBER_BITS | (ULONG64)(slot - adapter->slots);
}

struct xenvbd_slot *xenvbd_slot_find(struct xenvbd_adapter *adapter, ULONG64 id)
{
    ULONG64 number = id & ((1 << NUMBER_BITS) - 1);

    if (number >= XENVBD_SLOTS || adapter->slots[number].request == NULL ||
        xenvbd_slot_id(adapter, &adapter->slots[number]) != id) {
        return NULL;
    }
    return &adapter->slots[number];
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the adapter has for good, so that nothing is allocated for a request: frames, which are pages that the back end
 * may access all the time, and references, with which pages of a request are granted. Either is a stack, so that the
 * same few are used again and again, which is what a back end that keeps its mappings does best with.
 */
#include "xenvbd.h"

NTSTATUS xenvbd_frames_allocate(struct xenvbd_adapter *adapter, struct xenvbd_stack *stack, ULONG count)
{
    const struct xenpci_interface *xen = adapter->xen;
    grant_ref_t refs[XENVBD_FRAMES_AT_ONCE];
    NTSTATUS status;
    PVOID memory;
    ULONG i;

    while (stack->count < count) {
        status = xen->pages_allocate(xen->context, XENVBD_FRAMES_AT_ONCE, &memory, refs);
        if (!NT_SUCCESS(status)) {
            return status;
        }
        for (i = 0; i < XENVBD_FRAMES_AT_ONCE; i++) {
            stack->items[stack->count].memory = (PUCHAR)memory + i * XEN_PAGE_SIZE;
            stack->items[stack->count].ref = refs[i];
            stack->count++;
        }
    }
    return STATUS_SUCCESS;
}

VOID xenvbd_frames_free(struct xenvbd_adapter *adapter, struct xenvbd_stack *stack)
{
    const struct xenpci_interface *xen = adapter->xen;

    stack->free = XENVBD_NONE;
    while (stack->count > 0) {
        stack->count -= XENVBD_FRAMES_AT_ONCE;
        xen->pages_free(xen->context, stack->items[stack->count].memory);
    }
}

/* Reserves references behind those that there are, where nobody looks yet. Returns how many there are with them. */
static ULONG reserve(struct xenvbd_adapter *adapter, ULONG wanted)
{
    const struct xenpci_interface *xen = adapter->xen;
    struct xenvbd_item *items = adapter->refs.items;
    ULONG count = adapter->refs.count;
    grant_ref_t refs[XENVBD_REFS_AT_ONCE];
    ULONG i;

    wanted = min(wanted, XENVBD_REFS);
    while (count < wanted && NT_SUCCESS(xen->grant_reserve(xen->context, XENVBD_REFS_AT_ONCE, refs))) {
        for (i = 0; i < XENVBD_REFS_AT_ONCE; i++) {
            items[count].granted = FALSE;
            items[count++].ref = refs[i];
        }
    }
    return count;
}

/* A table that is nearly full gives fewer; with none at all, data goes through the frames. */
VOID xenvbd_refs_allocate(struct xenvbd_adapter *adapter)
{
    adapter->refs_wanted = FALSE;
    adapter->refs.count = reserve(adapter, max(adapter->refs.count, XENVBD_REFS_FIRST));
}

static VOID adopt(struct xenvbd_adapter *adapter, PVOID context)
{
    const ULONG *count = context;

    while (adapter->refs.count < *count) {
        xenvbd_stack_push(&adapter->refs, (USHORT)adapter->refs.count++);
    }
    adapter->refs_wanted = FALSE;
    xenvbd_pump(adapter);
}

VOID xenvbd_refs_grow(struct xenvbd_adapter *adapter)
{
    ULONG count;

    if (adapter->refs_wanted) {
        count = reserve(adapter, max(adapter->refs.count * 2, XENVBD_REFS_FIRST));
        if (count > adapter->refs.count) {
            xenvbd_port_synchronize(adapter, adopt, &count);
        }
    }
}

VOID xenvbd_refs_want(struct xenvbd_adapter *adapter)
{
    if (!adapter->refs_wanted && adapter->refs.count < XENVBD_REFS) {
        adapter->refs_wanted = TRUE;
        adapter->xen->wake(adapter->xen->context);
    }
}

VOID xenvbd_refs_free(struct xenvbd_adapter *adapter)
{
    const struct xenpci_interface *xen = adapter->xen;
    struct xenvbd_stack *stack = &adapter->refs;

    stack->free = XENVBD_NONE;
    while (stack->count > 0) {
        xen->grant_release(xen->context, 1, &stack->items[--stack->count].ref);
    }
}

VOID xenvbd_frames_reclaim(struct xenvbd_stack *stack)
{
    ULONG i;

    stack->free = XENVBD_NONE;
    for (i = 0; i < stack->count; i++) {
        xenvbd_stack_push(stack, (USHORT)i);
    }
}

VOID xenvbd_refs_reclaim(struct xenvbd_adapter *adapter)
{
    ULONG i;

    adapter->refs.free = XENVBD_NONE;
    for (i = 0; i < adapter->refs.count; i++) {
        struct xenvbd_item *item = &adapter->refs.items[i];

        if (!item->granted || adapter->xen->grant_end(adapter->xen->context, item->ref)) {
            item->granted = FALSE;
            xenvbd_stack_push(&adapter->refs, (USHORT)i);
        }
    }
}

USHORT xenvbd_stack_pop(struct xenvbd_stack *stack)
{
    USHORT item = stack->free;

    if (item != XENVBD_NONE) {
        stack->free = stack->items[item].next;
    }
    return item;
}

VOID xenvbd_stack_push(struct xenvbd_stack *stack, USHORT item)
{
    stack->items[item].next = stack->free;
    stack->free = item;
}

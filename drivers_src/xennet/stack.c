/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the adapter has for good, so that nothing is allocated for a frame: pages that the back end may access all the
 * time, and references, with which pages of a packet are granted. Either is a stack, so that the same few are used
 * again and again.
 */
#include "xennet.h"

NTSTATUS xennet_frames_allocate(struct xennet_adapter *adapter, struct xennet_stack *stack, ULONG count)
{
    const struct xenpci_interface *xen = &adapter->xen;
    grant_ref_t refs[XENNET_FRAMES_AT_ONCE];
    NTSTATUS status;
    PVOID memory;
    ULONG i;

    while (stack->count < count) {
        status = xen->pages_allocate(xen->context, XENNET_FRAMES_AT_ONCE, &memory, refs);
        if (!NT_SUCCESS(status)) {
            return status;
        }
        for (i = 0; i < XENNET_FRAMES_AT_ONCE; i++) {
            stack->items[stack->count].memory = (PUCHAR)memory + i * XEN_PAGE_SIZE;
            stack->items[stack->count].ref = refs[i];
            stack->count++;
        }
    }
    return STATUS_SUCCESS;
}

VOID xennet_frames_free(struct xennet_adapter *adapter, struct xennet_stack *stack)
{
    const struct xenpci_interface *xen = &adapter->xen;

    stack->free = XENNET_NONE;
    stack->available = 0;
    while (stack->count > 0) {
        stack->count -= XENNET_FRAMES_AT_ONCE;
        xen->pages_free(xen->context, stack->items[stack->count].memory);
    }
}

/* A table that is nearly full gives fewer; what cannot be granted is copied. */
VOID xennet_refs_allocate(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_stack *stack = &adapter->tx.refs;
    grant_ref_t refs[XENNET_REFS_AT_ONCE];
    ULONG i;

    while (stack->count < XENNET_TX_REFS && NT_SUCCESS(xen->grant_reserve(xen->context, XENNET_REFS_AT_ONCE, refs))) {
        for (i = 0; i < XENNET_REFS_AT_ONCE; i++) {
            stack->items[stack->count].granted = FALSE;
            stack->items[stack->count++].ref = refs[i];
        }
    }
}

VOID xennet_refs_free(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_stack *stack = &adapter->tx.refs;

    stack->free = XENNET_NONE;
    stack->available = 0;
    while (stack->count > 0) {
        xen->grant_release(xen->context, 1, &stack->items[--stack->count].ref);
    }
}

VOID xennet_frames_reclaim(struct xennet_stack *stack)
{
    USHORT i;

    stack->free = XENNET_NONE;
    stack->available = 0;
    for (i = 0; i < stack->count; i++) {
        xennet_stack_push(stack, i);
    }
}

VOID xennet_refs_reclaim(struct xennet_adapter *adapter)
{
    struct xennet_stack *stack = &adapter->tx.refs;
    USHORT i;

    stack->free = XENNET_NONE;
    stack->available = 0;
    for (i = 0; i < stack->count; i++) {
        struct xennet_item *item = &stack->items[i];

        if (!item->granted || adapter->xen.grant_end(adapter->xen.context, item->ref)) {
            item->granted = FALSE;
            xennet_stack_push(stack, i);
        }
    }
}

USHORT xennet_stack_pop(struct xennet_stack *stack)
{
    USHORT item = stack->free;

    stack->free = stack->items[item].next;
    stack->available--;
    return item;
}

VOID xennet_stack_push(struct xennet_stack *stack, USHORT item)
{
    stack->items[item].next = stack->free;
    stack->free = item;
    stack->available++;
}

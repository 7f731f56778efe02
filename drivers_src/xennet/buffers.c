/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way up, each in memory of its own: what the back end can write to is never shown to a protocol. Some
 * are kept back: while no more than those are there, NDIS is asked to give back what it gets before it returns.
 */
#include "xennet.h"

#define ALIGNMENT 64

static VOID destroy(struct xennet_adapter *adapter)
{
    struct xennet_buffers *buffers = &adapter->rx.buffers;

    while (buffers->count > 0) {
        xennet_port_buffer_destroy(adapter, &buffers->all[--buffers->count]);
    }
    xennet_port_pool_destroy(adapter);
}

static VOID free_memory(struct xennet_buffers *buffers)
{
    ExFreePoolWithTag(buffers->memory, GPLPV_POOL_TAG);
    ExFreePoolWithTag(buffers->all, GPLPV_POOL_TAG);
    buffers->all = NULL;
}

static NDIS_STATUS allocate_memory(struct xennet_buffers *buffers, ULONG count)
{
    SIZE_T bytes = count * sizeof(*buffers->all);

    buffers->all = ExAllocatePoolWithTag(NonPagedPool, bytes, GPLPV_POOL_TAG);
    if (buffers->all == NULL) {
        return NDIS_STATUS_RESOURCES;
    }
    RtlZeroMemory(buffers->all, bytes);
    buffers->memory = ExAllocatePoolWithTag(NonPagedPool, (SIZE_T)count * buffers->size, GPLPV_POOL_TAG);
    if (buffers->memory == NULL) {
        ExFreePoolWithTag(buffers->all, GPLPV_POOL_TAG);
        buffers->all = NULL;
        return NDIS_STATUS_RESOURCES;
    }
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS make(struct xennet_adapter *adapter, ULONG count)
{
    struct xennet_buffers *buffers = &adapter->rx.buffers;
    NDIS_STATUS status = xennet_port_pool_make(adapter, count);

    if (status != NDIS_STATUS_SUCCESS) {
        return status;
    }
    while (buffers->count < count) {
        struct xennet_buffer *buffer = &buffers->all[buffers->count];

        buffer->data = buffers->memory + buffers->count * buffers->size;
        status = xennet_port_buffer_make(adapter, buffer, buffers->size);
        if (status != NDIS_STATUS_SUCCESS) {
            destroy(adapter);
            return status;
        }
        buffers->count++;
    }
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS allocate(struct xennet_adapter *adapter, ULONG count)
{
    NDIS_STATUS status = allocate_memory(&adapter->rx.buffers, count);

    if (status == NDIS_STATUS_SUCCESS) {
        status = make(adapter, count);
        if (status != NDIS_STATUS_SUCCESS) {
            free_memory(&adapter->rx.buffers);
        }
    }
    return status;
}

NDIS_STATUS xennet_buffers_allocate(struct xennet_adapter *adapter)
{
    struct xennet_buffers *buffers = &adapter->rx.buffers;
    NDIS_STATUS status;
    ULONG i;

    buffers->size = (adapter->frame_limit + ALIGNMENT - 1) & ~(ULONG)(ALIGNMENT - 1);
    status = allocate(adapter, XENNET_BUFFERS);
    if (status != NDIS_STATUS_SUCCESS) {
        status = allocate(adapter, XENNET_BUFFERS_MIN);
    }
    if (status != NDIS_STATUS_SUCCESS) {
        return status;
    }
    buffers->free = NULL;
    buffers->available = 0;
    for (i = buffers->count; i-- > 0;) {
        xennet_buffer_free(adapter, &buffers->all[i]);
    }
    return NDIS_STATUS_SUCCESS;
}

VOID xennet_buffers_free(struct xennet_adapter *adapter)
{
    if (adapter->rx.buffers.all != NULL) {
        destroy(adapter);
        free_memory(&adapter->rx.buffers);
    }
}

struct xennet_buffer *xennet_buffer_take(struct xennet_adapter *adapter)
{
    struct xennet_buffers *buffers = &adapter->rx.buffers;
    struct xennet_buffer *buffer = buffers->free;

    buffers->free = buffer->next;
    buffers->available--;
    buffer->next = NULL;
    return buffer;
}

VOID xennet_buffer_free(struct xennet_adapter *adapter, struct xennet_buffer *buffer)
{
    struct xennet_buffers *buffers = &adapter->rx.buffers;

    buffer->next = buffers->free;
    buffers->free = buffer;
    buffers->available++;
}

VOID xennet_buffer_return(struct xennet_adapter *adapter, struct xennet_buffer *first)
{
    struct xennet_buffer *next;

    NdisAcquireSpinLock(&adapter->lock);
    for (; first != NULL; first = next) {
        next = first->next;
        xennet_buffer_free(adapter, first);
    }
    NdisReleaseSpinLock(&adapter->lock);
}

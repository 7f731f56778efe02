/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiving by NDIS 6: each buffer has a NET_BUFFER_LIST with one NET_BUFFER and one MDL for good. */
#include "miniport6.h"

NDIS_STATUS xennet_port_pool_make(struct xennet_adapter *adapter, ULONG count)
{
    NET_BUFFER_LIST_POOL_PARAMETERS parameters;

    UNREFERENCED_PARAMETER(count);
    NdisZeroMemory(&parameters, sizeof(parameters));
    parameters.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
    parameters.Header.Revision = NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
    parameters.Header.Size = NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
    parameters.ProtocolId = NDIS_PROTOCOL_ID_DEFAULT;
    parameters.fAllocateNetBuffer = TRUE;
    parameters.PoolTag = GPLPV_POOL_TAG;
    adapter->port[0] = NdisAllocateNetBufferListPool(adapter->handle, &parameters);
    return adapter->port[0] != NULL ? NDIS_STATUS_SUCCESS : NDIS_STATUS_RESOURCES;
}

VOID xennet_port_pool_destroy(struct xennet_adapter *adapter)
{
    NdisFreeNetBufferListPool(adapter->port[0]);
}

NDIS_STATUS xennet_port_buffer_make(struct xennet_adapter *adapter, struct xennet_buffer *buffer, ULONG size)
{
    PMDL mdl = NdisAllocateMdl(adapter->handle, buffer->data, size);
    PNET_BUFFER_LIST list;

    if (mdl == NULL) {
        return NDIS_STATUS_RESOURCES;
    }
    list = NdisAllocateNetBufferAndNetBufferList(adapter->port[0], 0, 0, mdl, 0, 0);
    if (list == NULL) {
        NdisFreeMdl(mdl);
        return NDIS_STATUS_RESOURCES;
    }
    list->SourceHandle = adapter->handle;
    NET_BUFFER_LIST_MINIPORT_RESERVED(list)[0] = buffer;
    buffer->packet = list;
    return NDIS_STATUS_SUCCESS;
}

VOID xennet_port_buffer_destroy(struct xennet_adapter *adapter, struct xennet_buffer *buffer)
{
    PNET_BUFFER_LIST list = buffer->packet;
    PMDL mdl = NET_BUFFER_FIRST_MDL(NET_BUFFER_LIST_FIRST_NB(list));

    UNREFERENCED_PARAMETER(adapter);
    NdisFreeNetBufferList(list);
    NdisFreeMdl(mdl);
}

static PVOID verdict(const struct xennet_buffer *buffer)
{
    const ULONG tcp = XENNET_SUM_TCP4 | XENNET_SUM_TCP6;
    const ULONG udp = XENNET_SUM_UDP4 | XENNET_SUM_UDP6;
    NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO info;

    info.Value = NULL;
    info.Receive.TcpChecksumSucceeded = (buffer->good & tcp) != 0;
    info.Receive.UdpChecksumSucceeded = (buffer->good & udp) != 0;
    info.Receive.IpChecksumSucceeded = (buffer->good & XENNET_SUM_IP4) != 0;
    info.Receive.IpChecksumFailed = (buffer->bad & XENNET_SUM_IP4) != 0;
    return info.Value;
}

VOID xennet_port_indicate(struct xennet_adapter *adapter, struct xennet_buffer *first, ULONG count, BOOLEAN lend)
{
    ULONG flags = KeGetCurrentIrql() == DISPATCH_LEVEL ? NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL : 0;
    PNET_BUFFER_LIST lists = first->packet;
    struct xennet_buffer *buffer;

    for (buffer = first; buffer != NULL; buffer = buffer->next) {
        PNET_BUFFER_LIST list = buffer->packet;

        NET_BUFFER_DATA_LENGTH(NET_BUFFER_LIST_FIRST_NB(list)) = buffer->length;
        NET_BUFFER_LIST_INFO(list, TcpIpChecksumNetBufferListInfo) = verdict(buffer);
        NET_BUFFER_LIST_STATUS(list) = NDIS_STATUS_SUCCESS;
        NET_BUFFER_LIST_NEXT_NBL(list) = buffer->next != NULL ? buffer->next->packet : NULL;
    }
    NdisMIndicateReceiveNetBufferLists(adapter->handle, lists, 0, count,
                                       lend ? flags : flags | NDIS_RECEIVE_FLAGS_RESOURCES);
}

VOID NTAPI xennet_ndis6_return(NDIS_HANDLE context, PNET_BUFFER_LIST lists, ULONG flags)
{
    struct xennet_buffer *first = NULL;

    UNREFERENCED_PARAMETER(flags);
    for (; lists != NULL; lists = NET_BUFFER_LIST_NEXT_NBL(lists)) {
        struct xennet_buffer *buffer = NET_BUFFER_LIST_MINIPORT_RESERVED(lists)[0];

        buffer->next = first;
        first = buffer;
    }
    xennet_buffer_return(context, first);
}

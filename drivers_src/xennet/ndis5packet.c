/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of NDIS 5, as the core has them. An NDIS_BUFFER is an MDL. */
#include "miniport5.h"

#define PROTOCOL_RESERVED (4 * sizeof(PVOID)) /* the least that protocol drivers expect */

struct pools {
    NDIS_HANDLE packets;
    NDIS_HANDLE buffers;
};

C_ASSERT(sizeof(struct xennet_packet) <= RTL_FIELD_SIZE(NDIS_PACKET, MiniportReservedEx));
C_ASSERT(sizeof(struct pools) <= RTL_FIELD_SIZE(struct xennet_adapter, port));

static PNDIS_PACKET native(struct xennet_packet *packet)
{
    return CONTAINING_RECORD((PUCHAR)packet, NDIS_PACKET, MiniportReservedEx);
}

static struct xennet_packet *own(PNDIS_PACKET packet)
{
    return (struct xennet_packet *)packet->MiniportReservedEx;
}

VOID NTAPI xennet_ndis5_send(NDIS_HANDLE context, PPNDIS_PACKET packets, UINT count)
{
    UINT i;

    if (count == 0) {
        return;
    }
    for (i = 0; i + 1 < count; i++) {
        own(packets[i])->next = own(packets[i + 1]);
    }
    own(packets[i])->next = NULL;
    xennet_send(context, own(packets[0]));
}

static ULONG wanted_sums(PNDIS_PACKET packet)
{
    NDIS_TCP_IP_CHECKSUM_PACKET_INFO info;
    ULONG sums = 0;

    info.Value = PtrToUlong(NDIS_PER_PACKET_INFO_FROM_PACKET(packet, TcpIpChecksumPacketInfo));
    if (info.Transmit.NdisPacketChecksumV4) {
        sums |= info.Transmit.NdisPacketTcpChecksum ? XENNET_SUM_TCP4 : 0;
        sums |= info.Transmit.NdisPacketUdpChecksum ? XENNET_SUM_UDP4 : 0;
        sums |= info.Transmit.NdisPacketIpChecksum ? XENNET_SUM_IP4 : 0;
    } else if (info.Transmit.NdisPacketChecksumV6) {
        sums |= info.Transmit.NdisPacketTcpChecksum ? XENNET_SUM_TCP6 : 0;
        sums |= info.Transmit.NdisPacketUdpChecksum ? XENNET_SUM_UDP6 : 0;
    }
    return sums;
}

VOID xennet_port_describe(struct xennet_packet *packet, struct xennet_send *send)
{
    PNDIS_PACKET from = native(packet);
    PMDL mdl;

    send->mdl = NDIS_PACKET_FIRST_NDIS_BUFFER(from);
    send->offset = 0;
    send->length = 0;
    for (mdl = send->mdl; mdl != NULL; mdl = mdl->Next) {
        send->length += MmGetMdlByteCount(mdl);
    }
    send->sums = wanted_sums(from);
    send->mss = PtrToUlong(NDIS_PER_PACKET_INFO_FROM_PACKET(from, TcpLargeSendPacketInfo));
}

PVOID xennet_port_cancel_id(struct xennet_packet *packet)
{
#ifdef NDIS51_MINIPORT
    return NDIS_GET_PACKET_CANCEL_ID(native(packet));
#else
    UNREFERENCED_PARAMETER(packet);
    return NULL;
#endif
}

static NDIS_STATUS status_of(const struct xennet_packet *packet)
{
    switch (packet->outcome) {
    case XENNET_SENT:
        return NDIS_STATUS_SUCCESS;

    case XENNET_NO_LINK:
        return NDIS_STATUS_NO_CABLE;

    case XENNET_INVALID:
        return NDIS_STATUS_INVALID_PACKET;

    case XENNET_NO_MEMORY:
        return NDIS_STATUS_RESOURCES;

    case XENNET_ABORTED:
        return NDIS_STATUS_REQUEST_ABORTED;

    default:
        return NDIS_STATUS_FAILURE;
    }
}

VOID xennet_port_sent(struct xennet_adapter *adapter, struct xennet_packet *first)
{
    struct xennet_packet *next;

    for (; first != NULL; first = next) {
        PNDIS_PACKET packet = native(first);
        NDIS_STATUS status = status_of(first);

        next = first->next;
        if (first->data != 0) {
            NDIS_PER_PACKET_INFO_FROM_PACKET(packet, TcpLargeSendPacketInfo) =
                UlongToPtr(status == NDIS_STATUS_SUCCESS ? first->data : 0);
        }
        NdisMSendComplete(adapter->handle, packet, status);
    }
}

/* What has been received */

static struct pools *pools_of(struct xennet_adapter *adapter)
{
    return (struct pools *)adapter->port;
}

NDIS_STATUS xennet_port_pool_make(struct xennet_adapter *adapter, ULONG count)
{
    struct pools *pools = pools_of(adapter);
    NDIS_STATUS status;

    NdisAllocatePacketPool(&status, &pools->packets, count, PROTOCOL_RESERVED);
    if (status != NDIS_STATUS_SUCCESS) {
        return status;
    }
    NdisAllocateBufferPool(&status, &pools->buffers, count);
    if (status != NDIS_STATUS_SUCCESS) {
        NdisFreePacketPool(pools->packets);
    }
    return status;
}

VOID xennet_port_pool_destroy(struct xennet_adapter *adapter)
{
    struct pools *pools = pools_of(adapter);

    NdisFreeBufferPool(pools->buffers);
    NdisFreePacketPool(pools->packets);
}

NDIS_STATUS xennet_port_buffer_make(struct xennet_adapter *adapter, struct xennet_buffer *buffer, ULONG size)
{
    struct pools *pools = pools_of(adapter);
    PNDIS_PACKET packet;
    PNDIS_BUFFER mdl;
    NDIS_STATUS status;

    NdisAllocatePacket(&status, &packet, pools->packets);
    if (status != NDIS_STATUS_SUCCESS) {
        return status;
    }
    NdisAllocateBuffer(&status, &mdl, pools->buffers, buffer->data, size);
    if (status != NDIS_STATUS_SUCCESS) {
        NdisFreePacket(packet);
        return status;
    }
    NdisChainBufferAtFront(packet, mdl);
    *(struct xennet_buffer **)packet->MiniportReserved = buffer;
    NDIS_SET_PACKET_HEADER_SIZE(packet, XENNET_HEADER_LENGTH);
    buffer->packet = packet;
    return NDIS_STATUS_SUCCESS;
}

VOID xennet_port_buffer_destroy(struct xennet_adapter *adapter, struct xennet_buffer *buffer)
{
    PNDIS_PACKET packet = buffer->packet;

    UNREFERENCED_PARAMETER(adapter);
    NdisFreeBuffer(NDIS_PACKET_FIRST_NDIS_BUFFER(packet));
    NdisFreePacket(packet);
}

static ULONG verdict(const struct xennet_buffer *buffer)
{
    const ULONG tcp = XENNET_SUM_TCP4 | XENNET_SUM_TCP6;
    const ULONG udp = XENNET_SUM_UDP4 | XENNET_SUM_UDP6;
    NDIS_TCP_IP_CHECKSUM_PACKET_INFO info;

    info.Value = 0;
    info.Receive.NdisPacketTcpChecksumSucceeded = (buffer->good & tcp) != 0;
    info.Receive.NdisPacketUdpChecksumSucceeded = (buffer->good & udp) != 0;
    info.Receive.NdisPacketIpChecksumSucceeded = (buffer->good & XENNET_SUM_IP4) != 0;
    info.Receive.NdisPacketIpChecksumFailed = (buffer->bad & XENNET_SUM_IP4) != 0;
    return info.Value;
}

static PNDIS_PACKET prepare(struct xennet_buffer *buffer, BOOLEAN lend)
{
    PNDIS_PACKET packet = buffer->packet;

    NdisAdjustBufferLength(NDIS_PACKET_FIRST_NDIS_BUFFER(packet), buffer->length);
    NdisRecalculatePacketCounts(packet);
    NDIS_PER_PACKET_INFO_FROM_PACKET(packet, TcpIpChecksumPacketInfo) = UlongToPtr(verdict(buffer));
    NDIS_SET_PACKET_STATUS(packet, lend ? NDIS_STATUS_SUCCESS : NDIS_STATUS_RESOURCES);
    return packet;
}

VOID xennet_port_indicate(struct xennet_adapter *adapter, struct xennet_buffer *first, ULONG count, BOOLEAN lend)
{
    PNDIS_PACKET packets[XENNET_BATCH];
    struct xennet_buffer *next;
    ULONG used = 0;

    for (; count > 0; count--, first = next) {
        next = first->next; /* it may be ours no more when NDIS has been told */
        packets[used++] = prepare(first, lend);
        if (used == XENNET_BATCH || count == 1) {
            NdisMIndicateReceivePacket(adapter->handle, packets, used);
            used = 0;
        }
    }
}

VOID NTAPI xennet_ndis5_return(NDIS_HANDLE context, PNDIS_PACKET packet)
{
    struct xennet_buffer *buffer = *(struct xennet_buffer **)packet->MiniportReserved;

    buffer->next = NULL;
    xennet_buffer_return(context, buffer);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sending by NDIS 6: a NET_BUFFER is a packet of the core; the NET_BUFFER_LIST goes back with its last one, and with the
 * status of the first that failed.
 */
#include "miniport6.h"

/* In a NET_BUFFER's MiniportReserved. */
struct frame {
    struct xennet_packet packet;
    PNET_BUFFER_LIST list;
};

/* In a NET_BUFFER_LIST's MiniportReserved. */
struct batch {
    LONG pending; /* frames that are not back yet */
    LONG data;    /* bytes of data of those that were segmented */
};

C_ASSERT(sizeof(struct frame) <= RTL_FIELD_SIZE(NET_BUFFER, MiniportReserved));
C_ASSERT(sizeof(struct batch) <= RTL_FIELD_SIZE(NET_BUFFER_LIST, MiniportReserved));

static struct frame *frame_of(PNET_BUFFER buffer)
{
    return (struct frame *)NET_BUFFER_MINIPORT_RESERVED(buffer);
}

static PNET_BUFFER buffer_of(struct xennet_packet *packet)
{
    return CONTAINING_RECORD((PVOID *)packet, NET_BUFFER, MiniportReserved);
}

static PNET_BUFFER_LIST list_of(struct xennet_packet *packet)
{
    return CONTAINING_RECORD(packet, struct frame, packet)->list;
}

static struct batch *batch_of(PNET_BUFFER_LIST list)
{
    return (struct batch *)NET_BUFFER_LIST_MINIPORT_RESERVED(list);
}

/* Appends the frames of the list to a chain of packets. FALSE: it has none. */
static BOOLEAN append(PNET_BUFFER_LIST list, struct xennet_packet ***end)
{
    struct batch *batch = batch_of(list);
    PNET_BUFFER buffer;

    batch->pending = 0;
    batch->data = 0;
    NET_BUFFER_LIST_STATUS(list) = NDIS_STATUS_SUCCESS;
    for (buffer = NET_BUFFER_LIST_FIRST_NB(list); buffer != NULL; buffer = NET_BUFFER_NEXT_NB(buffer)) {
        struct frame *frame = frame_of(buffer);

        frame->list = list;
        frame->packet.next = NULL;
        **end = &frame->packet;
        *end = &frame->packet.next;
        batch->pending++;
    }
    return batch->pending != 0;
}

static VOID complete(struct xennet_adapter *adapter, PNET_BUFFER_LIST lists)
{
    NdisMSendNetBufferListsComplete(adapter->handle, lists,
                                    KeGetCurrentIrql() == DISPATCH_LEVEL ? NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL : 0);
}

VOID NTAPI xennet_ndis6_send(NDIS_HANDLE context, PNET_BUFFER_LIST lists, NDIS_PORT_NUMBER port, ULONG flags)
{
    struct xennet_packet *first = NULL;
    struct xennet_packet **end = &first;
    PNET_BUFFER_LIST next;

    UNREFERENCED_PARAMETER(port);
    UNREFERENCED_PARAMETER(flags);
    for (; lists != NULL; lists = next) {
        next = NET_BUFFER_LIST_NEXT_NBL(lists);
        NET_BUFFER_LIST_NEXT_NBL(lists) = NULL;
        if (!append(lists, &end)) {
            complete(context, lists);
        }
    }
    if (first != NULL) {
        xennet_send(context, first);
    }
}

static ULONG wanted_sums(PNET_BUFFER_LIST list)
{
    NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO info;
    ULONG sums = 0;

    info.Value = NET_BUFFER_LIST_INFO(list, TcpIpChecksumNetBufferListInfo);
    if (info.Transmit.IsIPv4) {
        sums |= info.Transmit.TcpChecksum ? XENNET_SUM_TCP4 : 0;
        sums |= info.Transmit.UdpChecksum ? XENNET_SUM_UDP4 : 0;
        sums |= info.Transmit.IpHeaderChecksum ? XENNET_SUM_IP4 : 0;
    } else if (info.Transmit.IsIPv6) {
        sums |= info.Transmit.TcpChecksum ? XENNET_SUM_TCP6 : 0;
        sums |= info.Transmit.UdpChecksum ? XENNET_SUM_UDP6 : 0;
    }
    return sums;
}

VOID xennet_port_describe(struct xennet_packet *packet, struct xennet_send *send)
{
    NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO large;
    PNET_BUFFER_LIST list = list_of(packet);
    PNET_BUFFER buffer = buffer_of(packet);

    large.Value = NET_BUFFER_LIST_INFO(list, TcpLargeSendNetBufferListInfo);
    send->mdl = NET_BUFFER_CURRENT_MDL(buffer);
    send->offset = NET_BUFFER_CURRENT_MDL_OFFSET(buffer);
    send->length = NET_BUFFER_DATA_LENGTH(buffer);
    send->sums = wanted_sums(list);
    send->mss = large.LsoV2Transmit.MSS; /* in the same place in either version */
}

PVOID xennet_port_cancel_id(struct xennet_packet *packet)
{
    return NDIS_GET_NET_BUFFER_LIST_CANCEL_ID(list_of(packet));
}

static NDIS_STATUS status_of(const struct xennet_packet *packet)
{
    switch (packet->outcome) {
    case XENNET_SENT:
        return NDIS_STATUS_SUCCESS;

    case XENNET_NO_LINK:
        return NDIS_STATUS_MEDIA_DISCONNECTED;

    case XENNET_NO_MEMORY:
        return NDIS_STATUS_RESOURCES;

    case XENNET_ABORTED:
        return NDIS_STATUS_SEND_ABORTED;

    case XENNET_STOPPED:
        return NDIS_STATUS_PAUSED;

    default:
        return NDIS_STATUS_FAILURE;
    }
}

/* What NDIS wants to know of a large send. */
static VOID answer_large(PNET_BUFFER_LIST list)
{
    NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO large;
    ULONG type;

    large.Value = NET_BUFFER_LIST_INFO(list, TcpLargeSendNetBufferListInfo);
    if (large.Value == NULL) {
        return;
    }
    type = large.Transmit.Type;
    large.Value = NULL;
    if (type == NDIS_TCP_LARGE_SEND_OFFLOAD_V2_TYPE) {
        large.LsoV2TransmitComplete.Type = NDIS_TCP_LARGE_SEND_OFFLOAD_V2_TYPE;
    } else {
        large.LsoV1TransmitComplete.TcpPayload = (ULONG)batch_of(list)->data;
    }
    NET_BUFFER_LIST_INFO(list, TcpLargeSendNetBufferListInfo) = large.Value;
}

VOID xennet_port_sent(struct xennet_adapter *adapter, struct xennet_packet *first)
{
    PNET_BUFFER_LIST done = NULL;
    PNET_BUFFER_LIST *end = &done;
    struct xennet_packet *next;

    for (; first != NULL; first = next) {
        PNET_BUFFER_LIST list = list_of(first);
        struct batch *batch = batch_of(list);
        NDIS_STATUS status = status_of(first);

        next = first->next;
        if (status == NDIS_STATUS_SUCCESS) {
            InterlockedExchangeAdd(&batch->data, (LONG)first->data);
        } else if (NET_BUFFER_LIST_STATUS(list) == NDIS_STATUS_SUCCESS) {
            NET_BUFFER_LIST_STATUS(list) = status;
        }
        if (InterlockedDecrement(&batch->pending) == 0) {
            answer_large(list);
            *end = list;
            end = &NET_BUFFER_LIST_NEXT_NBL(list);
            *end = NULL;
        }
    }
    if (done != NULL) {
        complete(adapter, done);
    }
}

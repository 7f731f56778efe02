/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A received frame, from the back end's pages into buffers of ours, one, or one for each segment of a large packet. Its
 * checksum is right when it goes up, whoever may look at it or send it on: where it is blank it is made. What the back
 * end vouches for, and what was made here, NDIS is told is right.
 */
#include "xennet.h"

static VOID read(const struct xennet_adapter *adapter, ULONG offset, PUCHAR to, ULONG length)
{
    const struct xennet_chain *chain = &adapter->rx.chain;
    ULONG i;

    for (i = 0; i < chain->count && length > 0; i++) {
        ULONG part = chain->parts[i].length;
        ULONG count;

        if (offset >= part) {
            offset -= part;
            continue;
        }
        count = min(part - offset, length);
        RtlCopyMemory(to, adapter->rx.frames->items[chain->parts[i].item].memory + chain->parts[i].offset + offset,
                      count);
        to += count;
        length -= count;
        offset = 0;
    }
}

static VOID hand_up(struct xennet_adapter *adapter, struct xennet_buffer *buffer, ULONG length)
{
    enum xennet_cast cast = xennet_cast_of(buffer->data);
    struct xennet_rx *rx = &adapter->rx;

    buffer->length = length;
    buffer->good &= adapter->offload.rx_sums;
    buffer->bad &= adapter->offload.rx_sums;
    adapter->received.frames[cast]++;
    adapter->received.bytes[cast] += length;
    buffer->next = NULL;
    *rx->ready_end = buffer;
    rx->ready_end = &buffer->next;
    rx->ready_count++;
}

static VOID judge(struct xennet_buffer *buffer, ULONG length, ULONG flags)
{
    struct xennet_headers headers;
    ULONG transport;

    buffer->good = 0;
    buffer->bad = 0;
    xennet_parse(buffer->data, length, length, FALSE, &headers);
    if (headers.version == 4) {
        if (xennet_ip_sum_check(buffer->data, &headers)) {
            buffer->good |= XENNET_SUM_IP4;
        } else {
            buffer->bad |= XENNET_SUM_IP4;
        }
    }
    transport = xennet_transport_sum(&headers);
    if (transport != 0 && (flags & NETRXF_csum_blank)) {
        xennet_frame_fill(buffer->data, &headers);
    }
    if (flags & (NETRXF_csum_blank | NETRXF_data_validated)) {
        buffer->good |= transport;
    }
}

/* Bytes that such a frame may have. */
static ULONG longest(const struct xennet_adapter *adapter, const UCHAR *head)
{
    return adapter->total_size + (xennet_is_tagged(head) ? XENNET_TAG_LENGTH : 0);
}

/* All buffers are taken. FALSE: some are back once what is ready has been indicated; else the frame is lost. */
static BOOLEAN lose(struct xennet_adapter *adapter)
{
    if (adapter->rx.ready_count != 0) {
        return FALSE;
    }
    adapter->received.discards++;
    return TRUE;
}

static BOOLEAN deliver_plain(struct xennet_adapter *adapter, const UCHAR *head)
{
    const struct xennet_chain *chain = &adapter->rx.chain;
    struct xennet_buffer *buffer;

    if (chain->length > longest(adapter, head)) {
        adapter->received.errors++;
        return TRUE;
    }
    if (adapter->rx.buffers.available == 0) {
        return lose(adapter);
    }
    buffer = xennet_buffer_take(adapter);
    read(adapter, 0, buffer->data, chain->length);
    judge(buffer, chain->length, chain->flags);
    hand_up(adapter, buffer, chain->length);
    return TRUE;
}

static VOID deliver_segment(struct xennet_adapter *adapter, const UCHAR *head, const struct xennet_headers *headers,
                            ULONG offset, ULONG length, ULONG total)
{
    struct xennet_buffer *buffer = xennet_buffer_take(adapter);
    struct xennet_headers own = *headers;

    RtlCopyMemory(buffer->data, head, headers->payload);
    read(adapter, headers->payload + offset, buffer->data + headers->payload, length);
    xennet_segment_head(buffer->data, headers, offset, length, total, adapter->rx.chain.mss);
    own.transport_length = headers->payload - headers->transport + length;
    xennet_frame_fill(buffer->data, &own);
    buffer->good = xennet_transport_sum(headers) | (headers->version == 4 ? XENNET_SUM_IP4 : 0);
    buffer->bad = 0;
    hand_up(adapter, buffer, headers->payload + length);
}

static BOOLEAN is_of_type(const struct xennet_headers *headers, UCHAR gso)
{
    return headers->transport != 0 && headers->protocol == XENNET_PROTOCOL_TCP &&
           gso == (headers->version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6);
}

/* With more segments than there are buffers it takes several calls. */
static BOOLEAN deliver_large(struct xennet_adapter *adapter, const UCHAR *head, ULONG head_length)
{
    struct xennet_chain *chain = &adapter->rx.chain;
    struct xennet_headers headers;
    ULONG total, length;

    xennet_parse(head, head_length, chain->length, TRUE, &headers);
    if (!is_of_type(&headers, chain->gso) || chain->mss > longest(adapter, head) - headers.payload) {
        adapter->received.errors++;
        return TRUE;
    }
    total = chain->length - headers.payload;
    if (total / chain->mss >= XENNET_SEGMENTS_MAX) {
        adapter->received.discards++;
        return TRUE;
    }
    do {
        if (adapter->rx.buffers.available == 0) {
            return lose(adapter);
        }
        length = min(chain->mss, total - chain->done);
        deliver_segment(adapter, head, &headers, chain->done, length, total);
        chain->done += length;
    } while (chain->done < total);
    return TRUE;
}

BOOLEAN xennet_deliver(struct xennet_adapter *adapter)
{
    const struct xennet_chain *chain = &adapter->rx.chain;
    ULONG head_length = min(chain->length, XENNET_HEAD);
    UCHAR head[XENNET_HEAD];

    if (chain->bad || chain->length < XENNET_HEADER_LENGTH) {
        adapter->received.errors++;
        return TRUE;
    }
    read(adapter, 0, head, head_length);
    if (!adapter->running || !xennet_filter_passes(&adapter->filter, adapter->current_address, head)) {
        return TRUE;
    }
    return chain->gso != XEN_NETIF_GSO_TYPE_NONE ? deliver_large(adapter, head, head_length)
                                                  : deliver_plain(adapter, head);
}

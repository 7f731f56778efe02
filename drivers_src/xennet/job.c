/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet from NDIS, and the frames that it becomes: itself, or segments of it. What Windows wants done that the back
 * end cannot do is done here and in txring.c, so that NDIS can be offered the same whatever is behind the ring.
 */
#include "xennet.h"

/* Large TCP packets: whether the back end cuts them itself, or it is to be done here. */
static VOID choose_segmentation(struct xennet_adapter *adapter, struct xennet_job *job)
{
    const struct xennet_offer *offer = &adapter->link.offer;
    BOOLEAN four = job->headers.version == 4;
    BOOLEAN able = four ? offer->gso4 && offer->sum4 : offer->gso6 && offer->sum6;

    if (able && offer->chains && job->send.length <= XEN_NETIF_MAX_TX_SIZE) {
        job->gso = (UCHAR)(four ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6);
    } else {
        job->segments = TRUE;
    }
}

/* Windows leaves IP's length and checksum undone, and the length out of the pseudo-header. */
static enum xennet_outcome start_large(struct xennet_adapter *adapter, struct xennet_job *job,
                                       struct xennet_packet *packet)
{
    ULONG mss = job->send.mss;

    xennet_parse(job->head, job->head_length, job->send.length, TRUE, &job->headers);
    if (job->headers.transport == 0 || job->headers.protocol != XENNET_PROTOCOL_TCP ||
        mss > adapter->frame_limit - job->headers.payload) {
        return XENNET_INVALID;
    }
    job->head_length = job->headers.payload;
    job->total = job->send.length - job->head_length;
    packet->data = job->total;
    if (job->total > mss) {
        choose_segmentation(adapter, job);
    }
    if (!job->segments) {
        xennet_segment_head(job->head, &job->headers, 0, job->total, job->total, mss);
    }
    job->send.sums = xennet_transport_sum(&job->headers);
    return XENNET_PENDING;
}

static enum xennet_outcome start_plain(struct xennet_adapter *adapter, struct xennet_job *job)
{
    ULONG sums;

    if (job->send.length > adapter->frame_limit) {
        return XENNET_INVALID;
    }
    xennet_parse(job->head, job->head_length, job->send.length, FALSE, &job->headers);
    sums = job->send.sums & (xennet_transport_sum(&job->headers) | XENNET_SUM_IP4);
    if (sums & XENNET_SUM_IP4) {
        xennet_ip_sum_fill(job->head, &job->headers);
    }
    job->send.sums = sums & ~(ULONG)XENNET_SUM_IP4;
    if (job->send.sums != 0) {
        xennet_pseudo_fill(job->head, &job->headers, job->headers.transport_length);
    }
    job->total = job->send.length - job->head_length;
    return XENNET_PENDING;
}

enum xennet_outcome xennet_job_start(struct xennet_adapter *adapter, struct xennet_packet *packet)
{
    const struct xennet_offer *offer = &adapter->link.offer;
    struct xennet_job *job = &adapter->tx.job;
    enum xennet_outcome outcome;

    RtlZeroMemory(job, sizeof(*job));
    xennet_port_describe(packet, &job->send);
    if (job->send.length < XENNET_HEADER_LENGTH) {
        return XENNET_INVALID;
    }
    job->head_length = min(job->send.length, XENNET_HEAD);
    if (!xennet_gather(&job->send, &job->cursor, 0, job->head, job->head_length)) {
        return XENNET_NO_MEMORY;
    }
    outcome = job->send.mss != 0 ? start_large(adapter, job, packet) : start_plain(adapter, job);
    if (outcome == XENNET_PENDING) {
        BOOLEAN able = job->headers.version == 4 ? offer->sum4 : offer->sum6;

        job->blank = job->send.sums != 0 && able;
        job->sum = job->send.sums != 0 && !able;
        job->ready = TRUE;
    }
    return outcome;
}

VOID xennet_job_piece(struct xennet_adapter *adapter, struct xennet_piece *piece)
{
    const struct xennet_job *job = &adapter->tx.job;
    ULONG left = job->total - job->done;

    RtlCopyMemory(piece->head, job->head, job->head_length);
    piece->headers = job->headers;
    piece->head_length = job->head_length;
    piece->offset = job->head_length + job->done;
    piece->length = job->segments ? min(left, job->send.mss) : left;
    piece->flags = (USHORT)(job->blank ? NETTXF_csum_blank | NETTXF_data_validated : 0);
    piece->gso = job->gso;
    piece->mss = (USHORT)job->send.mss;
    piece->sum = job->sum;
    if (job->segments) {
        piece->headers.transport_length = piece->head_length - piece->headers.transport + piece->length;
        xennet_segment_head(piece->head, &job->headers, job->done, piece->length, job->total, job->send.mss);
    }
}

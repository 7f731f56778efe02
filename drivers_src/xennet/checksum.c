/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Internet checksum (RFC 1071) of IPv4, TCP and UDP. Sums are of 16-bit words in the order of memory, which gives
 * the same as in the order of the network, its bytes exchanged: so they are stored as they are.
 */
#include "frame.h"

static ULONG fold(ULONG64 total)
{
    while (total >> 16 != 0) {
        total = (total & 0xFFFF) + (total >> 16);
    }
    return (ULONG)total;
}

static ULONG sum_of(const UCHAR *data, ULONG length)
{
    ULONG64 total = 0;

    for (; length >= 4; length -= 4, data += 4) {
        total += *(const ULONG UNALIGNED *)data;
    }
    if (length >= 2) {
        total += *(const USHORT UNALIGNED *)data;
        data += 2;
        length -= 2;
    }
    if (length != 0) {
        total += *data;
    }
    return fold(total);
}

static ULONG exchanged(ULONG sum)
{
    return (sum << 8 | sum >> 8) & 0xFFFF;
}

VOID xennet_sum_add(struct xennet_sum *sum, const VOID *data, ULONG length)
{
    ULONG part = sum_of(data, length);

    sum->total = fold((ULONG64)sum->total + (sum->odd ? exchanged(part) : part));
    if (length & 1) {
        sum->odd = !sum->odd;
    }
}

USHORT xennet_sum_fold(const struct xennet_sum *sum)
{
    return (USHORT)fold(sum->total);
}

static ULONG ip_header_length(const UCHAR *head, const struct xennet_headers *headers)
{
    return (ULONG)(head[headers->ip] & 0x0F) * 4;
}

VOID xennet_ip_sum_fill(UCHAR *head, const struct xennet_headers *headers)
{
    UCHAR *ip = head + headers->ip;

    if (headers->version == 4) {
        *(USHORT UNALIGNED *)(ip + 10) = 0;
        *(USHORT UNALIGNED *)(ip + 10) = (USHORT)~sum_of(ip, ip_header_length(head, headers));
    }
}

BOOLEAN xennet_ip_sum_check(const UCHAR *head, const struct xennet_headers *headers)
{
    return headers->version != 4 || sum_of(head + headers->ip, ip_header_length(head, headers)) == 0xFFFF;
}

static USHORT UNALIGNED *place(UCHAR *head, const struct xennet_headers *headers)
{
    return (USHORT UNALIGNED *)(head + headers->transport + (headers->protocol == XENNET_PROTOCOL_TCP ? 16 : 6));
}

/* RFC 793, 3.1 and RFC 8200, 8.1; the length may have more than 16 bits in a packet that is to be segmented. */
static ULONG pseudo_sum(const UCHAR *head, const struct xennet_headers *headers, ULONG transport_length)
{
    ULONG addresses = headers->version == 4 ? sum_of(head + headers->ip + 12, 8) : sum_of(head + headers->ip + 8, 32);
    UCHAR tail[8];

    xennet_put32(tail, transport_length);
    xennet_put32(tail + 4, headers->protocol);
    return fold((ULONG64)addresses + sum_of(tail, sizeof(tail)));
}

VOID xennet_pseudo_fill(UCHAR *head, const struct xennet_headers *headers, ULONG transport_length)
{
    *place(head, headers) = (USHORT)pseudo_sum(head, headers, transport_length);
}

/* A UDP checksum of 0 would say that there is none (RFC 768). */
static USHORT finished(const struct xennet_headers *headers, ULONG total)
{
    USHORT sum = (USHORT)~total;

    return sum == 0 && headers->protocol == XENNET_PROTOCOL_UDP ? 0xFFFF : sum;
}

VOID xennet_transport_fill(UCHAR *head, ULONG head_length, const struct xennet_headers *headers,
                           const struct xennet_sum *rest)
{
    ULONG length = min(head_length - headers->transport, headers->transport_length);
    ULONG after = xennet_sum_fold(rest);
    ULONG total;

    total = sum_of(head + headers->transport, length);
    *place(head, headers) = finished(headers, fold((ULONG64)total + (length & 1 ? exchanged(after) : after)));
}

VOID xennet_frame_fill(UCHAR *frame, const struct xennet_headers *headers)
{
    xennet_pseudo_fill(frame, headers, headers->transport_length);
    *place(frame, headers) = finished(headers, sum_of(frame + headers->transport, headers->transport_length));
}

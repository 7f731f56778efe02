/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments of a large TCP packet: of one that Windows leaves to us and the back end does not take, and of one that the
 * back end has from another guest. Each is a packet with the headers of the large one, but for what is below.
 */
#include "frame.h"

#define TCP_FLAGS 13
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

/* FIN and PSH are about the end of the data; CWR answers once (RFC 3168, 6.1.2). */
static VOID set_flags(UCHAR *tcp, BOOLEAN first, BOOLEAN last)
{
    if (!last) {
        tcp[TCP_FLAGS] &= (UCHAR)~(TCP_FIN | TCP_PSH);
    }
    if (!first) {
        tcp[TCP_FLAGS] &= (UCHAR)~TCP_CWR;
    }
}

static VOID set_ip(UCHAR *head, const struct xennet_headers *headers, ULONG end, ULONG number)
{
    UCHAR *ip = head + headers->ip;

    if (headers->version == 4) {
        xennet_put16(ip + 2, end - headers->ip);
        xennet_put16(ip + 4, xennet_get16(ip + 4) + number);
        xennet_ip_sum_fill(head, headers);
    } else {
        xennet_put16(ip + 4, end - headers->ip - 40);
    }
}

VOID xennet_segment_head(UCHAR *head, const struct xennet_headers *headers, ULONG offset, ULONG length, ULONG total,
                         ULONG mss)
{
    UCHAR *tcp = head + headers->transport;
    ULONG end = headers->payload + length;

    set_ip(head, headers, end, offset / mss);
    xennet_put32(tcp + 4, xennet_get32(tcp + 4) + offset);
    set_flags(tcp, offset == 0, offset + length == total);
    xennet_pseudo_fill(head, headers, end - headers->transport);
}

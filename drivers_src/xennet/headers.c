/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the headers of a frame are: Ethernet II with any number of VLAN tags, IPv4 (RFC 791), IPv6 and its extension
 * headers (RFC 8200), TCP, UDP. Lengths are believed as far as the frame reaches, and no farther.
 */
#include "frame.h"

#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86DD
#define TYPE_TAG 0x8100
#define TYPE_SERVICE_TAG 0x88A8

#define IPV4_HEADER 20
#define IPV4_FRAGMENT 0x3FFF /* more fragments, and the offset */
#define IPV6_HEADER 40
#define TCP_HEADER 20
#define UDP_HEADER 8

#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_DESTINATION 60

struct view {
    const UCHAR *head;
    ULONG available;
    ULONG end; /* of the IP packet; Ethernet's padding is behind it */
};

ULONG xennet_get16(const UCHAR *bytes)
{
    return (ULONG)bytes[0] << 8 | bytes[1];
}

ULONG xennet_get32(const UCHAR *bytes)
{
    return xennet_get16(bytes) << 16 | xennet_get16(bytes + 2);
}

VOID xennet_put16(UCHAR *bytes, ULONG value)
{
    bytes[0] = (UCHAR)(value >> 8);
    bytes[1] = (UCHAR)value;
}

VOID xennet_put32(UCHAR *bytes, ULONG value)
{
    xennet_put16(bytes, value >> 16);
    xennet_put16(bytes + 2, value);
}

static BOOLEAN has(const struct view *view, ULONG offset, ULONG length)
{
    return offset + length <= view->available && offset + length <= view->end;
}

static VOID parse_transport(const struct view *view, ULONG at, UCHAR protocol, struct xennet_headers *headers)
{
    ULONG length = view->end - at;
    ULONG size;

    headers->protocol = protocol;
    if (protocol == XENNET_PROTOCOL_TCP && has(view, at, TCP_HEADER)) {
        size = (ULONG)(view->head[at + 12] >> 4) * 4;
        if (size >= TCP_HEADER && has(view, at, size)) {
            headers->transport = at;
            headers->transport_length = length;
            headers->payload = at + size;
        }
    } else if (protocol == XENNET_PROTOCOL_UDP && has(view, at, UDP_HEADER)) {
        size = xennet_get16(view->head + at + 4);
        if (size >= UDP_HEADER && size <= length) {
            headers->transport = at;
            headers->transport_length = size;
            headers->payload = at + UDP_HEADER;
        }
    }
}

static VOID parse_ipv4(struct view *view, ULONG at, BOOLEAN large, struct xennet_headers *headers)
{
    const UCHAR *ip = view->head + at;
    ULONG size, length;

    if (!has(view, at, IPV4_HEADER) || ip[0] >> 4 != 4) {
        return;
    }
    size = (ULONG)(ip[0] & 0x0F) * 4;
    length = large ? view->end - at : xennet_get16(ip + 2);
    if (size < IPV4_HEADER || length < size || at + length > view->end || !has(view, at, size)) {
        return;
    }
    headers->version = 4;
    headers->ip = at;
    view->end = at + length;
    if ((xennet_get16(ip + 6) & IPV4_FRAGMENT) == 0) {
        parse_transport(view, at + size, ip[9], headers);
    }
}

/*
 * Whether the extension header is one that leaves the transport's checksum as it is. A fragment has none of its own; a
 * routing header that has still to be followed puts another address into the pseudo-header.
 */
static BOOLEAN is_passable(const struct view *view, ULONG at, UCHAR next)
{
    switch (next) {
    case NEXT_HOP_BY_HOP:
    case NEXT_DESTINATION:
        return has(view, at, 8);

    case NEXT_ROUTING:
        return has(view, at, 8) && view->head[at + 3] == 0;

    default:
        return FALSE;
    }
}

static VOID parse_ipv6(struct view *view, ULONG at, BOOLEAN large, struct xennet_headers *headers)
{
    const UCHAR *ip = view->head + at;
    ULONG length;
    UCHAR next;

    if (!has(view, at, IPV6_HEADER) || ip[0] >> 4 != 6) {
        return;
    }
    length = large ? view->end - at - IPV6_HEADER : xennet_get16(ip + 4);
    if (at + IPV6_HEADER + length > view->end) {
        return;
    }
    headers->version = 6;
    headers->ip = at;
    view->end = at + IPV6_HEADER + length;
    next = ip[6];
    for (at += IPV6_HEADER; is_passable(view, at, next); at += length) {
        length = 8 + (ULONG)view->head[at + 1] * 8;
        next = view->head[at];
    }
    if (at <= view->end) {
        parse_transport(view, at, next, headers);
    }
}

static BOOLEAN is_tag(ULONG type)
{
    return type == TYPE_TAG || type == TYPE_SERVICE_TAG;
}

BOOLEAN xennet_is_tagged(const UCHAR *head)
{
    return is_tag(xennet_get16(head + 12));
}

VOID xennet_parse(const UCHAR *head, ULONG available, ULONG length, BOOLEAN large, struct xennet_headers *headers)
{
    ULONG at = XENNET_HEADER_LENGTH;
    struct view view;
    ULONG type;

    RtlZeroMemory(headers, sizeof(*headers));
    view.head = head;
    view.available = available;
    view.end = length;
    if (!has(&view, 0, XENNET_HEADER_LENGTH)) {
        return;
    }
    type = xennet_get16(head + 12);
    while (is_tag(type) && has(&view, at, XENNET_TAG_LENGTH)) {
        type = xennet_get16(head + at + 2);
        at += XENNET_TAG_LENGTH;
    }
    if (type == TYPE_IPV4) {
        parse_ipv4(&view, at, large, headers);
    } else if (type == TYPE_IPV6) {
        parse_ipv6(&view, at, large, headers);
    }
}

ULONG xennet_transport_sum(const struct xennet_headers *headers)
{
    if (headers->version == 0 || headers->transport == 0) {
        return 0;
    }
    if (headers->protocol == XENNET_PROTOCOL_TCP) {
        return headers->version == 4 ? XENNET_SUM_TCP4 : XENNET_SUM_TCP6;
    }
    return headers->version == 4 ? XENNET_SUM_UDP4 : XENNET_SUM_UDP6;
}

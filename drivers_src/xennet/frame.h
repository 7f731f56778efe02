/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done to the bytes of Ethernet frames: headers found, checksums made, segments cut, addresses sorted. Nothing
 * here knows Xen or NDIS, takes a lock or keeps anything; every function may be called at any IRQL.
 */
#ifndef XENNET_FRAME_H
#define XENNET_FRAME_H

#include <ntddk.h>

#define XENNET_ADDRESS_LENGTH 6
#define XENNET_HEADER_LENGTH 14
#define XENNET_TAG_LENGTH 4
#define XENNET_MULTICAST_LIMIT 32

#define XENNET_PROTOCOL_TCP 6
#define XENNET_PROTOCOL_UDP 17

/* Checksums, as bits: those that are asked for, those that are offered. */
#define XENNET_SUM_IP4 0x01
#define XENNET_SUM_TCP4 0x02
#define XENNET_SUM_UDP4 0x04
#define XENNET_SUM_TCP6 0x08
#define XENNET_SUM_UDP6 0x10
#define XENNET_SUMS_4 (XENNET_SUM_IP4 | XENNET_SUM_TCP4 | XENNET_SUM_UDP4)
#define XENNET_SUMS_6 (XENNET_SUM_TCP6 | XENNET_SUM_UDP6)

/* Offsets are from the start of the frame. */
struct xennet_headers {
    ULONG version;          /* of IP; 0: none that is understood, and nothing else here is valid */
    ULONG ip;
    ULONG transport;        /* 0: neither TCP nor UDP, or a fragment: there is no checksum to be made */
    ULONG transport_length; /* header and data */
    ULONG payload;          /* of TCP: where the data starts; with version, transport and this, head is all of these */
    UCHAR protocol;
};

/* Running one's complement sum, of parts that follow each other in the packet. */
struct xennet_sum {
    ULONG total;
    BOOLEAN odd; /* an odd number of bytes so far */
};

/* headers.c */

/*
 * `head` is the first `available` bytes of a frame of `length`. `large`: the frame is to be segmented, so that IP's
 * length does not count, and what is behind the headers is data.
 */
VOID xennet_parse(const UCHAR *head, ULONG available, ULONG length, BOOLEAN large, struct xennet_headers *headers);

/* A frame with a VLAN tag may be longer by that. */
BOOLEAN xennet_is_tagged(const UCHAR *head);

/* Of the transport's checksum, XENNET_SUM_; 0: there is none. */
ULONG xennet_transport_sum(const struct xennet_headers *headers);

ULONG xennet_get16(const UCHAR *bytes);
ULONG xennet_get32(const UCHAR *bytes);
VOID xennet_put16(UCHAR *bytes, ULONG value);
VOID xennet_put32(UCHAR *bytes, ULONG value);

/* checksum.c */

VOID xennet_sum_add(struct xennet_sum *sum, const VOID *data, ULONG length);
USHORT xennet_sum_fold(const struct xennet_sum *sum);

/* The IPv4 header's checksum, written or checked. Nothing is done, and all is right, where there is none. */
VOID xennet_ip_sum_fill(UCHAR *head, const struct xennet_headers *headers);
BOOLEAN xennet_ip_sum_check(const UCHAR *head, const struct xennet_headers *headers);

/* Puts the sum over the pseudo-header where the checksum belongs, which is what csum_blank means. */
VOID xennet_pseudo_fill(UCHAR *head, const struct xennet_headers *headers, ULONG transport_length);

/* Adds the transport's part of the head, in which the checksum is blank in that way, to the sum over what follows. */
VOID xennet_transport_fill(UCHAR *head, ULONG head_length, const struct xennet_headers *headers,
                           const struct xennet_sum *rest);

/* A whole frame: computes the transport's checksum anew, whatever was there. */
VOID xennet_frame_fill(UCHAR *frame, const struct xennet_headers *headers);

/* segment.c */

/*
 * Makes the headers of a large TCP packet those of its segment with the bytes of data from `offset` on, `length` of
 * `total`; `mss` is how many each but the last has. IPv4's checksum is made, TCP's is blank.
 */
VOID xennet_segment_head(UCHAR *head, const struct xennet_headers *headers, ULONG offset, ULONG length, ULONG total,
                         ULONG mss);

/* filter.c */

/* Kinds of destination address: indices into counters. */
enum xennet_cast {
    XENNET_DIRECTED,
    XENNET_MULTICAST,
    XENNET_BROADCAST,
    XENNET_CASTS
};

#define XENNET_WANT_DIRECTED 0x01
#define XENNET_WANT_MULTICAST 0x02
#define XENNET_WANT_ALL_MULTICAST 0x04
#define XENNET_WANT_BROADCAST 0x08
#define XENNET_WANT_ALL 0x20

struct xennet_filter {
    ULONG want; /* XENNET_WANT_; the bits are those of NDIS_PACKET_TYPE_ */
    ULONG multicast_count;
    UCHAR multicast[XENNET_MULTICAST_LIMIT][XENNET_ADDRESS_LENGTH];
};

enum xennet_cast xennet_cast_of(const UCHAR *destination);
BOOLEAN xennet_filter_passes(const struct xennet_filter *filter, const UCHAR *own, const UCHAR *destination);
BOOLEAN xennet_is_station(const UCHAR *address);

#endif

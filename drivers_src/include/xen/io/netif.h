/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: network devices (xen/include/public/io/netif.h).
 *
 * A frame takes one entry or several. Behind the first entry of a frame to be sent, whose size is that of the whole
 * frame, come its extra infos, then the entries of the rest; in the ring of received frames each size is that entry's
 * alone. An extra info takes the place of a request or of a response: no id is in it.
 */
#ifndef GPLPV_XEN_IO_NETIF_H
#define GPLPV_XEN_IO_NETIF_H

#include "../types.h"

#define XEN_NETIF_NR_SLOTS_MIN 18 /* entries of a frame that every back end takes */
#define XEN_NETIF_MAX_TX_SIZE 0xFFFF

#define NETTXF_csum_blank 1 /* in the checksum's place is the sum over the pseudo-header */
#define NETTXF_data_validated 2
#define NETTXF_more_data 4
#define NETTXF_extra_info 8

#define NETRXF_data_validated 1
#define NETRXF_csum_blank 2
#define NETRXF_more_data 4
#define NETRXF_extra_info 8
#define NETRXF_gso_prefix 16

#define XEN_NETIF_EXTRA_TYPE_GSO 1
#define XEN_NETIF_EXTRA_TYPE_MCAST_ADD 2
#define XEN_NETIF_EXTRA_TYPE_MCAST_DEL 3
#define XEN_NETIF_EXTRA_TYPE_HASH 4
#define XEN_NETIF_EXTRA_FLAG_MORE 1

#define XEN_NETIF_GSO_TYPE_NONE 0
#define XEN_NETIF_GSO_TYPE_TCPV4 1
#define XEN_NETIF_GSO_TYPE_TCPV6 2

#define NETIF_RSP_DROPPED (-2)
#define NETIF_RSP_ERROR (-1)
#define NETIF_RSP_OKAY 0
#define NETIF_RSP_NULL 1 /* of an extra info */

struct netif_tx_request {
    grant_ref_t gref;
    USHORT offset;
    USHORT flags;
    USHORT id;
    USHORT size;
};

struct netif_extra_info {
    UCHAR type;
    UCHAR flags;
    union {
        struct {
            USHORT size; /* of the data of a segment */
            UCHAR type;
            UCHAR pad;
            USHORT features;
        } gso;
        USHORT pad[3];
    } u;
};

struct netif_tx_response {
    USHORT id;
    SHORT status;
};

struct netif_rx_request {
    USHORT id;
    USHORT pad;
    grant_ref_t gref;
};

struct netif_rx_response {
    USHORT id;
    USHORT offset;
    USHORT flags;
    SHORT status; /* bytes, or negative one of NETIF_RSP_ */
};

XEN_ABI_SIZE(struct netif_tx_request, 12, 12);
XEN_ABI_SIZE(struct netif_extra_info, 8, 8);
XEN_ABI_OFFSET(struct netif_extra_info, u.gso.size, 2, 2);
XEN_ABI_OFFSET(struct netif_extra_info, u.gso.type, 4, 4);
XEN_ABI_SIZE(struct netif_tx_response, 4, 4);
XEN_ABI_SIZE(struct netif_rx_request, 8, 8);
XEN_ABI_SIZE(struct netif_rx_response, 8, 8);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xennet: the network interface of one XEN\vif device as an Ethernet miniport.
 *
 * xennet.c and oid.c are the core; ndis5.c (NDIS 5.0 and 5.1) and ndis6.c (NDIS 6.0) fit it to the platform. That NDIS
 * layer allocates an adapter in its initialise callback and frees it in its halt callback.
 */
#ifndef XENNET_H
#define XENNET_H

#define NDIS_MINIPORT_DRIVER 1
#include <ndis.h>

#define GPLPV_MODULE "xennet"
#include "debug.h"
#include "pool.h"

#define XENNET_ADDRESS_LENGTH 6
#define XENNET_HEADER_LENGTH 14
#define XENNET_MTU 1500
#define XENNET_FRAME_LENGTH (XENNET_MTU + XENNET_HEADER_LENGTH)
#define XENNET_RING_FRAMES 256
#define XENNET_LINK_SPEED 1000000000 /* bit/s; a nominal value, the back end tells none */
#define XENNET_MULTICAST_LIMIT 32
#define XENNET_OID_LIMIT 48

#define XENNET_PACKET_FILTERS                                                                        \
    (NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_MULTICAST | NDIS_PACKET_TYPE_ALL_MULTICAST |       \
     NDIS_PACKET_TYPE_BROADCAST | NDIS_PACKET_TYPE_PROMISCUOUS)
#define XENNET_MAC_OPTIONS                                                                           \
    (NDIS_MAC_OPTION_COPY_LOOKAHEAD_DATA | NDIS_MAC_OPTION_TRANSFERS_NOT_PEND | NDIS_MAC_OPTION_NO_LOOPBACK)

#ifdef NDIS60_MINIPORT
#define XENNET_STATUS_DISCONNECTED NDIS_STATUS_MEDIA_DISCONNECTED
#else
#define XENNET_STATUS_DISCONNECTED NDIS_STATUS_NO_CABLE
#endif

enum xennet_state {
    XENNET_HALTED,  /* before the initialise callback has succeeded, after halt, after shutdown */
    XENNET_PAUSED,  /* NDIS 6 alone: NDIS sends nothing and wants nothing indicated */
    XENNET_RUNNING,
    XENNET_REMOVED  /* surprise removal: nothing but halt follows */
};

/* Kinds of destination address: indices into the counters. */
enum xennet_cast {
    XENNET_DIRECTED,
    XENNET_MULTICAST,
    XENNET_BROADCAST,
    XENNET_CASTS
};

struct xennet_counters {
    ULONG64 frames[XENNET_CASTS];
    ULONG64 bytes[XENNET_CASTS];
    ULONG64 errors;
    ULONG64 discards; /* for want of a buffer */
};

struct xennet_adapter {
    NDIS_HANDLE handle; /* NDIS's, for calls into NDIS */
    enum xennet_state state; /* changed by xennet_set_state alone */
    ULONG driver_version; /* major << 16 | minor */
    UCHAR permanent_address[XENNET_ADDRESS_LENGTH];
    UCHAR current_address[XENNET_ADDRESS_LENGTH];
    ULONG oid_count;
    NDIS_OID oids[XENNET_OID_LIMIT]; /* what OID_GEN_SUPPORTED_LIST answers */

    NDIS_SPIN_LOCK lock; /* of all that follows */
    NDIS_MEDIA_STATE link;
    ULONG packet_filter;
    ULONG lookahead;
    ULONG protocol_options;
    ULONG multicast_count;
    UCHAR multicast[XENNET_MULTICAST_LIMIT][XENNET_ADDRESS_LENGTH];
    struct xennet_counters sent;
    struct xennet_counters received;
};

/* PASSIVE_LEVEL. The adapter is zeroed memory; xennet_cleanup undoes it before that memory is freed. */
VOID xennet_setup(struct xennet_adapter *adapter, NDIS_HANDLE handle, ULONG driver_version);
VOID xennet_cleanup(struct xennet_adapter *adapter);

/* PASSIVE_LEVEL. Takes the NetworkAddress that the user has configured, unless no station can have it. */
VOID xennet_configure_address(struct xennet_adapter *adapter, NDIS_HANDLE configuration);

/* Any IRQL: shutdown at a bug check comes at HIGH_LEVEL. */
VOID xennet_set_state(struct xennet_adapter *adapter, enum xennet_state state);

/* DISPATCH_LEVEL or below. Counts `frames` frames as not sent, and returns the status to complete them with. */
NDIS_STATUS xennet_refuse(struct xennet_adapter *adapter, ULONG frames);

/* PASSIVE_LEVEL. */
VOID xennet_list_oids(struct xennet_adapter *adapter);

/*
 * DISPATCH_LEVEL or below. A query or set of an OID: *done is the number of bytes written or read; *needed the number
 * it takes, when `length` is wrong or too small. Errors are NDIS_STATUS_NOT_SUPPORTED, _BUFFER_TOO_SHORT,
 * _INVALID_LENGTH, _INVALID_DATA and _MULTICAST_FULL.
 */
NDIS_STATUS xennet_query(struct xennet_adapter *adapter, NDIS_OID oid, PVOID buffer, ULONG length, PULONG done,
                         PULONG needed);
NDIS_STATUS xennet_set(struct xennet_adapter *adapter, NDIS_OID oid, const VOID *buffer, ULONG length, PULONG done,
                       PULONG needed);

#endif

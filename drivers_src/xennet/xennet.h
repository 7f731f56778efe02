/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xennet: the network interface of one XEN\vif device as an Ethernet miniport.
 *
 * ndis5*.c (NDIS 5.0 and 5.1) and ndis6*.c (NDIS 6.0) fit the core, which is all the rest, to the platform. What the
 * core keeps is in struct xennet_adapter, which the adapter's lock guards; README.md says what is excepted. A function
 * here is called with the lock held, at DISPATCH_LEVEL, unless it says otherwise.
 */
#ifndef XENNET_H
#define XENNET_H

#define NDIS_MINIPORT_DRIVER 1
#include <ndis.h>

#include "frame.h"
#include "xen/types.h"
#include "xen/io/netif.h"
#include "xen/io/ring.h"
#include "xenpci_interface.h"

#define GPLPV_MODULE "xennet"
#include "debug.h"
#include "pool.h"

#define XENNET_MTU_LEAST 576 /* that a toolstack can set */
#define XENNET_MTU_MIN 1500  /* that the user can, and the usual one */
#define XENNET_MTU_MAX 9000
#define XENNET_LINK_SPEED 1000000000 /* bit/s; a nominal value, the back end tells none */
#define XENNET_OID_LIMIT 64

/* Of data, so that it goes into a frame of XEN_NETIF_MAX_TX_SIZE with any headers. */
#define XENNET_LARGE_SEND (60 * 1024)
#define XENNET_LARGE_SEND_SEGMENTS_MIN 2

#define XENNET_SLOTS 256          /* of either ring, which is a page */
#define XENNET_CHAIN_MAX 20       /* entries of a received frame: more than any back end has of 64 KiB */
#define XENNET_HEAD 256           /* bytes of a frame that are looked into, and never left where they lie */
#define XENNET_FRAMES_AT_ONCE 32
#define XENNET_TX_FRAMES_MIN 32   /* a frame of 64 KiB can be copied */
#define XENNET_TX_FRAMES 256
#define XENNET_TX_REFS 256
#define XENNET_REFS_AT_ONCE 32
#define XENNET_RX_FRAMES_MIN 32
#define XENNET_RX_FRAMES XENNET_SLOTS
#define XENNET_ITEMS_MAX 256
#define XENNET_NONE 0xFFFF

#define XENNET_BUFFERS 256        /* frames that can be on their way up */
#define XENNET_BUFFERS_MIN 160
#define XENNET_BUFFERS_KEPT 128   /* those that are not left to protocols */
#define XENNET_SEGMENTS_MAX 2048  /* of a large packet: 64 KiB have fewer, if each has 32 bytes of data or more */
#define XENNET_BATCH 32           /* frames that are indicated at once */
#define XENNET_BATCHES 16         /* in one run of the event's handler */

#define XENNET_PACKET_FILTERS \
    (NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_MULTICAST | NDIS_PACKET_TYPE_ALL_MULTICAST | \
     NDIS_PACKET_TYPE_BROADCAST | NDIS_PACKET_TYPE_PROMISCUOUS)
#define XENNET_MAC_OPTIONS \
    (NDIS_MAC_OPTION_COPY_LOOKAHEAD_DATA | NDIS_MAC_OPTION_TRANSFERS_NOT_PEND | NDIS_MAC_OPTION_NO_LOOPBACK)

enum xennet_state {
    XENNET_DISCONNECTED, /* there is no back end: the link is down */
    XENNET_CONNECTED,    /* frames go to the back end's rings */
    XENNET_CLOSING,      /* the back end leaves: nothing new is sent, what it has is still answered */
    XENNET_SUSPENDED     /* the back end is being exchanged: frames are taken and wait */
};

/* What has become of a frame to be sent. */
enum xennet_outcome {
    XENNET_SENT,
    XENNET_PENDING,
    XENNET_LOST,     /* the back end dropped it, or went away with it */
    XENNET_NO_LINK,
    XENNET_INVALID,
    XENNET_NO_MEMORY,
    XENNET_ABORTED,  /* by a reset, or cancelled */
    XENNET_STOPPED   /* NDIS has paused or halted the adapter */
};

/* A frame to be sent, in the memory that NDIS's packet has for its miniport. */
struct xennet_packet {
    struct xennet_packet *next;
    USHORT pending; /* ring entries that the back end has */
    UCHAR outcome;
    BOOLEAN sent;   /* nothing more of it goes into the ring */
    ULONG data;     /* bytes of data of a packet that is segmented */
};

/* What NDIS says of a frame to be sent. */
struct xennet_send {
    PMDL mdl;
    ULONG offset; /* of the frame's first byte in what the MDLs describe */
    ULONG length;
    ULONG sums;   /* XENNET_SUM_: checksums to be made */
    ULONG mss;    /* bytes of data in a segment; 0: it is not to be segmented */
};

/* Where in a frame's MDLs the last access was. */
struct xennet_cursor {
    PMDL mdl;
    ULONG start; /* of the MDL, in bytes from the first one on */
};

/* What goes into the ring as one frame. */
struct xennet_piece {
    UCHAR head[XENNET_HEAD];
    struct xennet_headers headers;
    ULONG head_length;
    ULONG offset; /* of the rest in the packet */
    ULONG length; /* of the rest */
    USHORT flags; /* NETTXF_ */
    UCHAR gso;    /* XEN_NETIF_GSO_TYPE_ */
    USHORT mss;
    BOOLEAN sum;  /* the checksum is ours to make */
};

/* The packet that is being put into the ring: the first of the queue. */
struct xennet_job {
    BOOLEAN ready;
    struct xennet_send send;
    struct xennet_cursor cursor;
    struct xennet_headers headers;
    UCHAR head[XENNET_HEAD];
    ULONG head_length;
    ULONG total; /* bytes behind the head */
    ULONG done;
    BOOLEAN segments; /* it is cut here */
    UCHAR gso;
    BOOLEAN blank;
    BOOLEAN sum;
};

/* A page that the back end may access all the time, or a reference alone, its memory NULL. */
struct xennet_item {
    PUCHAR memory;
    grant_ref_t ref;
    USHORT next;
    BOOLEAN granted; /* of a reference: to a page of a packet */
};

struct xennet_stack {
    USHORT count;
    USHORT available;
    USHORT free;
    struct xennet_item items[XENNET_ITEMS_MAX];
};

/* An entry of the transmit ring that the back end has; free while `used` is not set. */
struct xennet_slot {
    struct xennet_packet *packet;
    BOOLEAN used;
    BOOLEAN first; /* of its frame: what follows counts for the whole */
    UCHAR cast;
    UCHAR generation;
    ULONG bytes;
    USHORT next;  /* free slot */
    USHORT frame; /* XENNET_NONE: its page is granted with ref */
    USHORT ref;
};

struct xennet_tx {
    struct xen_front_ring ring;
    struct xennet_packet *first; /* the queue */
    struct xennet_packet *last;
    struct xennet_packet *done;  /* to be completed when the lock is released */
    struct xennet_packet *done_last;
    ULONG flying;                /* packets that are sent and not answered */
    ULONG extras;                /* entries without an id that the back end has */
    USHORT free_slot;
    USHORT free_slots;
    struct xennet_slot slots[XENNET_SLOTS];
    struct xennet_stack frames;
    struct xennet_stack refs;
    struct xennet_job job;
    struct xennet_piece piece;   /* that is being made */
};

/* A frame on its way up. */
struct xennet_buffer {
    struct xennet_buffer *next;
    PVOID packet; /* NDIS's */
    PUCHAR data;
    ULONG length;
    ULONG good;   /* XENNET_SUM_: checksums that are right */
    ULONG bad;
};

struct xennet_buffers {
    struct xennet_buffer *all; /* an array */
    PUCHAR memory;
    ULONG count;
    ULONG size;                /* of the memory of each */
    struct xennet_buffer *free;
    ULONG available;
};

enum xennet_expect {
    XENNET_EXPECT_FIRST,
    XENNET_EXPECT_EXTRA,
    XENNET_EXPECT_MORE,
    XENNET_COMPLETE
};

/* A frame that is being received. */
struct xennet_chain {
    enum xennet_expect expect;
    BOOLEAN bad;  /* it is thrown away when it is complete */
    ULONG count;
    ULONG length;
    USHORT flags; /* NETRXF_ of the first entry */
    UCHAR gso;
    USHORT mss;
    ULONG done; /* bytes of data of a large packet that have been delivered */
    struct {
        USHORT item;
        USHORT offset;
        USHORT length;
    } parts[XENNET_CHAIN_MAX];
};

/* How fast responses come, in ticks of Windows' clock. */
struct xennet_pace {
    ULONG tick;   /* that is being counted */
    ULONG start;  /* responses before it */
    ULONG rate;   /* in the tick before; 0: none, or that is longer ago */
    BOOLEAN held; /* in this tick an event was to wait for more than one */
    ULONG rest;   /* ticks in which none is, from `rested` on */
    ULONG rested;
};

struct xennet_flip;

struct xennet_rx {
    struct xen_front_ring ring;
    struct xennet_stack *frames; /* those in use: `pages`, or flip's */
    struct xennet_stack pages;   /* that the back end copies into */
    struct xennet_flip *flip;    /* NULL: it copies */
    USHORT posted[XENNET_SLOTS]; /* the frame in each entry that the back end has */
    struct xennet_chain chain;
    struct xennet_buffers buffers;
    struct xennet_buffer *ready; /* to be indicated */
    struct xennet_buffer **ready_end;
    ULONG ready_count;
    struct xennet_pace pace;
    BOOLEAN busy;                /* someone indicates: nobody else does */
    BOOLEAN again;               /* … and is to look once more */
};

/* Whether the back end still answers. */
struct xennet_hang {
    KTIMER timer;
    KDPC dpc;
    BOOLEAN set;     /* the timer, or its routine is about to run */
    BOOLEAN found;   /* for the thread that looks after the connection */
    ULONG position;  /* answers that had been taken when the timer last ran */
    ULONG intervals; /* since then without any */
};

struct xennet_counters {
    ULONG64 frames[XENNET_CASTS];
    ULONG64 bytes[XENNET_CASTS];
    ULONG64 errors;
    ULONG64 discards; /* for want of a buffer */
};

/* What the user has configured, or the default. */
struct xennet_config {
    ULONG mtu;
    ULONG tx_sums; /* XENNET_SUM_ */
    ULONG rx_sums;
    BOOLEAN lso_v1;
    BOOLEAN lso_v2_ip4;
    BOOLEAN lso_v2_ip6;
    BOOLEAN scatter_gather;
    BOOLEAN moderation;
    ULONG coalesce; /* responses that an event waits for at most */
};

/* What NDIS has switched on of it. */
struct xennet_offload {
    ULONG tx_sums;
    ULONG rx_sums;
    BOOLEAN lso_v1;
    BOOLEAN lso_v2_ip4;
    BOOLEAN lso_v2_ip6;
};

/* What the back end can do. */
struct xennet_offer {
    BOOLEAN copy;  /* it copies received frames */
    BOOLEAN flip;  /* it gives pages away for them */
    BOOLEAN chains;
    BOOLEAN sum4;
    BOOLEAN sum6;
    BOOLEAN gso4;
    BOOLEAN gso6;
};

/* What is shared with a back end. */
struct xennet_link {
    BOOLEAN open;
    PVOID tx_page;
    PVOID rx_page;
    grant_ref_t tx_ref;
    grant_ref_t rx_ref;
    evtchn_port_t port; /* of both rings, for whoever looks at one looks at the other; 0: none */
    struct xennet_offer offer;
};

struct xennet_adapter {
    NDIS_HANDLE handle; /* NDIS's, for calls into NDIS */
    PVOID port[2];      /* the NDIS half's own */
    struct xenpci_interface xen;
    ULONG driver_version; /* major << 16 | minor */
    UCHAR permanent_address[XENNET_ADDRESS_LENGTH];
    UCHAR current_address[XENNET_ADDRESS_LENGTH];
    struct xennet_config config;
    ULONG oid_count;
    NDIS_OID oids[XENNET_OID_LIMIT]; /* what OID_GEN_SUPPORTED_LIST answers */

    NDIS_SPIN_LOCK lock; /* of all that follows, but for the last part */
    enum xennet_state state; /* changed by xennet_set_state alone */
    enum xennet_state state_before_suspend;
    BOOLEAN running;  /* NDIS sends, and wants to have what is received */
    BOOLEAN removed;  /* surprise removal: only a halt follows */
    BOOLEAN broken;   /* the rings are not to be looked at any more */
    NDIS_MEDIA_STATE media;
    ULONG frame_limit; /* bytes of a frame, tag included */
    ULONG total_size;  /* OID_GEN_MAXIMUM_TOTAL_SIZE: without a tag */
    ULONG buffer_space;
    struct xennet_filter filter;
    ULONG lookahead;
    ULONG protocol_options;
    struct xennet_offload wanted;  /* by NDIS */
    struct xennet_offload offload; /* what of it may be done now */
    ULONG encapsulated;            /* XENNET_SUM_: of the versions of IP whose frames NDIS 6 has described */
    struct xennet_counters sent;
    struct xennet_counters received;
    struct xennet_tx tx;
    struct xennet_rx rx;
    BOOLEAN timer_set;
    BOOLEAN timer_running; /* its routine */
    KTIMER timer;
    KDPC timer_dpc;
    struct xennet_hang hang;

    /* Of the thread that looks after the connection. */
    enum xenbus_state front; /* what was written last */
    BOOLEAN begun;           /* the two ends have been looked at */
    BOOLEAN stopping;
    BOOLEAN refused;         /* the back end has been found to be of no use, and the log has it */
    BOOLEAN telling;         /* NDIS may be told of changes of the link */
    NDIS_MEDIA_STATE told;
    ULONG attempts;          /* to connect, since it last succeeded */
    KEVENT tried;            /* set when the connection has succeeded or failed */
    struct xenpci_watch *watches[2];
    struct xennet_link link;
};

/* xennet.c */

/* PASSIVE_LEVEL, without the lock. The adapter is zeroed memory; xennet_cleanup undoes it. */
VOID xennet_setup(struct xennet_adapter *adapter, NDIS_HANDLE handle, ULONG driver_version);
VOID xennet_cleanup(struct xennet_adapter *adapter);

/*
 * PASSIVE_LEVEL, without the lock, after setup, configuration and xennet_bus_find. Connects, and waits a little for the
 * link to come up; whatever comes later is told once xennet_tell is called. On failure there is nothing to be undone.
 */
NDIS_STATUS xennet_start(struct xennet_adapter *adapter);

/* PASSIVE_LEVEL, without the lock. Returns when the back end has let go, and NDIS has and gets nothing any more. */
VOID xennet_stop(struct xennet_adapter *adapter);

/* PASSIVE_LEVEL, without the lock. xennet_quiesce returns when no packet is with the back end or with a protocol. */
VOID xennet_run(struct xennet_adapter *adapter);
VOID xennet_quiesce(struct xennet_adapter *adapter);

VOID xennet_set_state(struct xennet_adapter *adapter, enum xennet_state state);

/* The back end has broken the protocol: its rings are left alone from here on, and the connection closes. */
VOID xennet_break(struct xennet_adapter *adapter);

/* DISPATCH_LEVEL or below, without the lock. */
VOID xennet_send(struct xennet_adapter *adapter, struct xennet_packet *first);
VOID xennet_event(struct xennet_adapter *adapter);

/* Any IRQL: Windows stops, or has lost the device. Nothing is sent or indicated any more. */
VOID xennet_silence(struct xennet_adapter *adapter, BOOLEAN removed);

/*
 * DISPATCH_LEVEL or below, without the lock. What waits is given back; what the back end has cannot be withdrawn from a
 * ring, and is completed when it is answered. In case that an event was lost, both ends look again.
 */
VOID xennet_reset(struct xennet_adapter *adapter);

/* The same for what waits and has this id. */
VOID xennet_cancel(struct xennet_adapter *adapter, PVOID id);

/* PASSIVE_LEVEL, without the lock: a millisecond passes. */
VOID xennet_sleep(VOID);

/* With and without the lock: takes it, and releases it and completes what has been collected for that. */
VOID xennet_lock(struct xennet_adapter *adapter);
VOID xennet_unlock(struct xennet_adapter *adapter);

/* config.c: PASSIVE_LEVEL, without the lock. */

VOID xennet_configure(struct xennet_adapter *adapter, NDIS_HANDLE configuration);

/* The greatest MTU that the configuration and the back end allow. */
VOID xennet_limit_mtu(struct xennet_adapter *adapter);

/* bus.c: PASSIVE_LEVEL, without the lock. */

/* xenpci's interface, and the address from the store; xennet_bus_leave gives the interface back. */
NDIS_STATUS xennet_bus_find(struct xennet_adapter *adapter);
VOID xennet_bus_leave(struct xennet_adapter *adapter);

ULONG xennet_node(struct xennet_adapter *adapter, enum xenpci_base base, PCSTR node, ULONG otherwise);

/* connect.c: PASSIVE_LEVEL, without the lock, one call at a time. */

/* Either end's state, or what the back end says of itself, may have changed. */
VOID xennet_connection_changed(struct xennet_adapter *adapter);

/* Nothing is known of the two ends yet. */
VOID xennet_connection_start(struct xennet_adapter *adapter);

/* Returns when the back end has let go of everything. */
VOID xennet_connection_stop(struct xennet_adapter *adapter);

/* The one after the other. */
VOID xennet_connection_restart(struct xennet_adapter *adapter);

/* From here on the rings are left alone, until xennet_connection_resume; `lost`: the back end is another one now. */
VOID xennet_connection_suspend(struct xennet_adapter *adapter);
VOID xennet_connection_resume(struct xennet_adapter *adapter, BOOLEAN lost);

/* media.c: as connect.c. Puts together the state of the link, and tells NDIS if that has changed. */
VOID xennet_media_update(struct xennet_adapter *adapter);

/* From here on NDIS may be told; what it has been told, or has found out, is `told`. */
VOID xennet_tell(struct xennet_adapter *adapter, NDIS_MEDIA_STATE told);

/* link.c: as connect.c */

/* An event of netevent.h for Windows' System log. */
VOID xennet_log(struct xennet_adapter *adapter, ULONG code);

VOID xennet_offer_read(struct xennet_adapter *adapter, struct xennet_offer *offer);

/* What no connection can do without. On failure there is nothing. */
NTSTATUS xennet_link_allocate(struct xennet_adapter *adapter);
VOID xennet_link_free(struct xennet_adapter *adapter);
NTSTATUS xennet_link_open(struct xennet_adapter *adapter);

/* No packet may be with the back end, and no frame that it gives comes any more. */
VOID xennet_link_close(struct xennet_adapter *adapter);

/* stack.c */

/* PASSIVE_LEVEL, without the lock, while no back end is connected. On failure what there is stays. */
NTSTATUS xennet_frames_allocate(struct xennet_adapter *adapter, struct xennet_stack *stack, ULONG count);
VOID xennet_frames_free(struct xennet_adapter *adapter, struct xennet_stack *stack);
VOID xennet_refs_allocate(struct xennet_adapter *adapter);
VOID xennet_refs_free(struct xennet_adapter *adapter);

/* All are free, but for references that the back end still has mapped. */
VOID xennet_frames_reclaim(struct xennet_stack *stack);
VOID xennet_refs_reclaim(struct xennet_adapter *adapter);

/* One of those that are available, of which there is one at least. */
USHORT xennet_stack_pop(struct xennet_stack *stack);
VOID xennet_stack_push(struct xennet_stack *stack, USHORT item);

/* tx.c: the queue */

/* Puts into the ring what waits and fits, and notifies the back end if it wants that. */
VOID xennet_tx_pump(struct xennet_adapter *adapter);

/* The packet leaves us with this outcome, when the lock is released. */
VOID xennet_tx_finish(struct xennet_adapter *adapter, struct xennet_packet *packet, enum xennet_outcome outcome);

/* Whatever waits and has not begun to be sent, or with `id` not NULL that which has the id. */
VOID xennet_tx_drop(struct xennet_adapter *adapter, enum xennet_outcome outcome, PVOID id);

/* The rings are gone and the back end with them: what it had is lost. What waits goes on waiting. */
VOID xennet_tx_abandon(struct xennet_adapter *adapter);

/* job.c */

/* Makes the packet that is first in the queue the job. XENNET_PENDING: it can be sent. */
enum xennet_outcome xennet_job_start(struct xennet_adapter *adapter, struct xennet_packet *packet);

/* The next frame of the job. */
VOID xennet_job_piece(struct xennet_adapter *adapter, struct xennet_piece *piece);

/* hang.c */

/* PASSIVE_LEVEL, without the lock. */
VOID xennet_hang_init(struct xennet_adapter *adapter);

/* The back end has a packet: from here on it is looked whether it answers, as long as it has any. */
VOID xennet_hang_watch(struct xennet_adapter *adapter);

/* txring.c */

VOID xennet_txring_init(struct xennet_adapter *adapter);

/* Puts a frame into the ring. XENNET_PENDING: there is no room for it now; else XENNET_SENT, or why it cannot be. */
enum xennet_outcome xennet_txring_put(struct xennet_adapter *adapter, struct xennet_packet *packet,
                                      struct xennet_piece *piece);

/* Takes what the back end has answered. FALSE: it has broken the protocol, and the rings must not be used again. */
BOOLEAN xennet_txring_poll(struct xennet_adapter *adapter);

/* gather.c */

/* Copies bytes out of a frame's MDLs. FALSE: they cannot be mapped. */
BOOLEAN xennet_gather(const struct xennet_send *send, struct xennet_cursor *cursor, ULONG offset, PVOID to,
                      ULONG length);

/* The bytes that lie in one page from `offset` on, `length` at most. */
ULONG xennet_extent(const struct xennet_send *send, struct xennet_cursor *cursor, ULONG offset, ULONG length,
                    ULONG_PTR *frame, ULONG *page_offset);

/* rx.c */

VOID xennet_rx_init(struct xennet_adapter *adapter);

/* Gives the back end the frames that are free, and notifies it if it wants that. */
VOID xennet_rx_post(struct xennet_adapter *adapter);

/* At the next tick of the clock: what comes without an event, and what cannot be done now. */
VOID xennet_rx_look_later(struct xennet_adapter *adapter);

/* DISPATCH_LEVEL or below, without the lock: takes what has come and indicates it. */
VOID xennet_rx_run(struct xennet_adapter *adapter);

/* rxring.c: FALSE: the back end has broken the protocol. `more`: there is more than one batch. */
BOOLEAN xennet_rxring_poll(struct xennet_adapter *adapter, PBOOLEAN more);

/* pace.c */

VOID xennet_pace_init(struct xennet_pace *pace);

/* Responses that the next event may wait for, `most` at most; `position` counts those that have been taken. */
ULONG xennet_pace_ahead(struct xennet_pace *pace, ULONG position, ULONG most);

/* deliver.c: FALSE: there are not enough buffers for the frame, or for the rest of it, now. */
BOOLEAN xennet_deliver(struct xennet_adapter *adapter);

/* buffers.c */

/* PASSIVE_LEVEL, without the lock. */
NDIS_STATUS xennet_buffers_allocate(struct xennet_adapter *adapter);
VOID xennet_buffers_free(struct xennet_adapter *adapter);

struct xennet_buffer *xennet_buffer_take(struct xennet_adapter *adapter);
VOID xennet_buffer_free(struct xennet_adapter *adapter, struct xennet_buffer *buffer);

/* DISPATCH_LEVEL or below, without the lock. */
VOID xennet_buffer_return(struct xennet_adapter *adapter, struct xennet_buffer *first);

/* oid.c */

/* PASSIVE_LEVEL. */
VOID xennet_list_oids(struct xennet_adapter *adapter);

/*
 * DISPATCH_LEVEL or below, without the lock. A query or set of an OID: *done is the number of bytes written or read;
 * *needed the number it takes, when `length` is wrong or too small. Errors are NDIS_STATUS_NOT_SUPPORTED,
 * _BUFFER_TOO_SHORT, _INVALID_LENGTH, _INVALID_DATA and _MULTICAST_FULL.
 */
NDIS_STATUS xennet_query(struct xennet_adapter *adapter, NDIS_OID oid, PVOID buffer, ULONG length, PULONG done,
                         PULONG needed);
NDIS_STATUS xennet_set(struct xennet_adapter *adapter, NDIS_OID oid, const VOID *buffer, ULONG length, PULONG done,
                       PULONG needed);

/* The NDIS half of the core: ndis5*.c, ndis6*.c. Without the lock, at DISPATCH_LEVEL or below, if not said otherwise. */

/* PASSIVE_LEVEL. A frame to be indicated with memory of `size` bytes; on failure there is nothing. */
NDIS_STATUS xennet_port_buffer_make(struct xennet_adapter *adapter, struct xennet_buffer *buffer, ULONG size);
VOID xennet_port_buffer_destroy(struct xennet_adapter *adapter, struct xennet_buffer *buffer);

/* PASSIVE_LEVEL. What the packets of all buffers come from. */
NDIS_STATUS xennet_port_pool_make(struct xennet_adapter *adapter, ULONG count);
VOID xennet_port_pool_destroy(struct xennet_adapter *adapter);

/* As xennet_query and xennet_set, for OIDs of the NDIS version. */
NDIS_STATUS xennet_port_query(struct xennet_adapter *adapter, NDIS_OID oid, PVOID buffer, ULONG length, PULONG done,
                              PULONG needed);
NDIS_STATUS xennet_port_set(struct xennet_adapter *adapter, NDIS_OID oid, const VOID *buffer, ULONG length,
                            PULONG done, PULONG needed);

/* With the lock, at DISPATCH_LEVEL. */
VOID xennet_port_describe(struct xennet_packet *packet, struct xennet_send *send);
PVOID xennet_port_cancel_id(struct xennet_packet *packet);

/* Completes a chain of packets, which are NDIS's again from here on. */
VOID xennet_port_sent(struct xennet_adapter *adapter, struct xennet_packet *first);

/* `lend`: NDIS gives them back, by xennet_buffer_return. Otherwise they are ours again on return. */
VOID xennet_port_indicate(struct xennet_adapter *adapter, struct xennet_buffer *first, ULONG count, BOOLEAN lend);

/* PASSIVE_LEVEL. The link is as adapter->media says. */
VOID xennet_port_tell(struct xennet_adapter *adapter);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenvbd: the disk of one XEN\vbd device as a SCSI adapter with one logical unit, 0:0:0.
 *
 * scsiport.c and storport.c fit the core, which is all the rest, to the port driver of the platform. What the core
 * keeps is in struct xenvbd_adapter, which the adapter's lock guards; README.md says which lock that is. A function
 * here is called with the lock held, at the IRQL at which its owner runs, unless it says otherwise.
 */
#ifndef XENVBD_H
#define XENVBD_H

#include <ntddk.h>
#ifdef XENVBD_STORPORT
#include <storport.h>
#else
#include <srb.h>
#endif
#include <scsi.h>

#include "xen/types.h"
#include "xen/io/blkif.h"
#include "xen/io/ring.h"
#include "xenpci_interface.h"

#define GPLPV_MODULE "xenvbd"
#include "debug.h"

#define XENVBD_MAXIMUM_TRANSFER (1024 * 1024)
#define XENVBD_SERIAL_LENGTH 20

#define XENVBD_RING_ORDER_MAX 2 /* more entries than the port drivers ever keep outstanding gain nothing */
#define XENVBD_RING_PAGES_MAX (1 << XENVBD_RING_ORDER_MAX)
#define XENVBD_SLOTS 128
#define XENVBD_SEGMENTS_MAX BLKIF_SEGMENTS_PER_INDIRECT_PAGE

/*
 * Of each disk. A grant table has 2048 references on the oldest Xen, 16384 on most: a disk starts with as many as sixteen
 * can have, and gets more, until every slot can have its pages granted, when it has had work for them.
 */
#define XENVBD_REFS_FIRST 64
#define XENVBD_REFS (XENVBD_SLOTS * BLKIF_MAX_SEGMENTS_PER_REQUEST)
#define XENVBD_REFS_AT_ONCE 64
#define XENVBD_BOUNCE_FRAMES 32
#define XENVBD_INDIRECT_FRAMES 32
#define XENVBD_PERSISTENT_FRAMES (32 * BLKIF_MAX_SEGMENTS_PER_REQUEST) /* a ring of one page, full */
#define XENVBD_FRAMES_AT_ONCE 32
#define XENVBD_ITEMS_MAX XENVBD_REFS

#define XENVBD_NONE 0xFFFF
#define XENVBD_NO_REF 0xFFFFFFFF

#define XENVBD_VPD_BLOCK_LIMITS 0xB0
#define XENVBD_VPD_PROVISIONING 0xB2
#define XENVBD_VPD_LENGTH 0x3C /* of the longest page */

enum xenvbd_state {
    XENVBD_DISCONNECTED, /* there is no back end, and so no logical unit */
    XENVBD_CONNECTED,    /* the disk is that of the back end */
    XENVBD_CLOSING,      /* the back end leaves: nothing new is taken, what it has is still answered */
    XENVBD_SUSPENDED     /* the back end is being exchanged: SRBs are taken and wait */
};

enum xenvbd_protocol {
    XENVBD_X86_32,
    XENVBD_X86_64,
#ifdef _WIN64
    XENVBD_NATIVE = XENVBD_X86_64
#else
    XENVBD_NATIVE = XENVBD_X86_32
#endif
};

enum xenvbd_flush {
    XENVBD_NO_FLUSH,
    XENVBD_FLUSH_CACHE,
    XENVBD_TRY_BARRIER, /* none has succeeded yet */
    XENVBD_FLUSH_BARRIER
};

struct xenvbd_disk {
    ULONGLONG blocks; /* 0: a drive without a disc */
    ULONG block_size; /* bytes: a power of two from 512 to 4096 */
    UCHAR device_type; /* DIRECT_ACCESS_DEVICE or READ_ONLY_DIRECT_ACCESS_DEVICE */
    BOOLEAN read_only;
    BOOLEAN removable;
    BOOLEAN write_cache; /* the back end offers flushes, so what is written may still be in a cache */
    BOOLEAN discard;
    ULONG discard_granularity; /* bytes */
    ULONG discard_alignment;   /* bytes */
    CHAR serial[XENVBD_SERIAL_LENGTH]; /* padded with blanks */
};

/* What a CDB asks of the medium. */
enum xenvbd_operation {
    XENVBD_NOTHING, /* the command is answered already */
    XENVBD_READ,
    XENVBD_WRITE,
    XENVBD_FLUSH,
    XENVBD_UNMAP
};

struct xenvbd_io {
    enum xenvbd_operation operation;
    BOOLEAN force_unit_access;
    ULONG blocks; /* of UNMAP: descriptors */
    ULONGLONG first_block;
};

/* Beside the BLKIF_RSP_ codes, outside the range of what a back end can answer. */
#define XENVBD_RSP_BUSY 0x10000
#define XENVBD_RSP_GONE 0x10001

enum xenvbd_step {
    XENVBD_STEP_TRANSFER,
    XENVBD_STEP_FLUSH,
    XENVBD_STEP_DONE
};

/* Where the port driver's list of physical extents was left; the port driver's half of the core owns it. */
struct xenvbd_cursor {
    ULONG element;
    ULONG start; /* bytes of the request before the element */
};

/* The SRB extension of an SRB whose command is about the medium. */
struct xenvbd_request {
    LIST_ENTRY link;
    PSCSI_REQUEST_BLOCK srb;
    enum xenvbd_operation operation;
    enum xenvbd_step step;
    BOOLEAN force_unit_access;
    BOOLEAN bounce; /* the data cannot be granted where it lies */
    PVOID address;  /* of the data for the processor; the port driver's half's, set before xenvbd_start_io */
    ULONGLONG sector;
    ULONG length;      /* bytes; of UNMAP: descriptors */
    ULONG offset;      /* how much of length has been put into the ring */
    ULONG outstanding; /* entries that the back end has */
    LONG status;       /* of the first entry that failed */
    struct xenvbd_cursor cursor;
};

/* A frame, which is a page that the back end may access all the time, or a reference alone, its memory NULL. */
struct xenvbd_item {
    PUCHAR memory;
    grant_ref_t ref;
    USHORT next;
    BOOLEAN granted; /* of a reference: to a page of a request */
};

struct xenvbd_stack {
    ULONG count;
    USHORT free;
    struct xenvbd_item items[XENVBD_ITEMS_MAX];
};

/* An entry that the back end has; free while request is NULL. */
struct xenvbd_slot {
    struct xenvbd_request *request;
    PUCHAR data;     /* what the frames are copied from or to */
    ULONG length;    /* bytes */
    ULONG generation;
    BOOLEAN read;
    USHORT next;     /* free slot */
    USHORT refs;     /* chain of those that its pages are granted with, the last one first */
    USHORT frames;   /* chain of those that its data goes through instead */
    USHORT indirect; /* the frame that the segments are in, or XENVBD_NONE */
    USHORT count;    /* segments */
};

struct xenvbd_ring {
    struct xen_front_ring front;
    enum xenvbd_protocol protocol;
    USHORT handle;
};

/* A ring entry in neither layout. */
struct xenvbd_entry {
    UCHAR operation; /* BLKIF_OP_ of what is done, also where the segments are indirect */
    ULONG64 id;
    ULONG64 sector;
    ULONG64 sectors; /* of a discard */
    ULONG segments;
    const struct blkif_request_segment *segment;
    grant_ref_t indirect; /* of the frame that holds the segments, or XENVBD_NO_REF */
};

struct xenvbd_response {
    ULONG64 id;
    SHORT status;
};

struct xenvbd_adapter;

/* What is done with the lock for a thread that has not got it. */
typedef VOID xenvbd_routine(struct xenvbd_adapter *adapter, PVOID context);

/* What is shared with a back end. */
struct xenvbd_link {
    BOOLEAN open;
    PVOID ring_pages; /* XENVBD_RING_PAGES_MAX of them, of which 1 << order are the ring */
    ULONG order;
    grant_ref_t refs[XENVBD_RING_PAGES_MAX];
    evtchn_port_t port; /* 0: none */
};

struct xenvbd_adapter {
    const struct xenpci_interface *xen;
    PVOID extension;         /* the port driver's */
    struct xenvbd_message *volatile message; /* this and the next are the port driver's half's */
    evtchn_port_t doorbell;
    BOOLEAN running;         /* between HwInitialize and ScsiStopAdapter: events get through */
    volatile BOOLEAN reset_wanted; /* the thread that looks after the connection is to call xenvbd_reset */
    BOOLEAN broken;          /* the ring is not to be looked at any more */
    enum xenvbd_state state; /* changed by xenvbd_set_state alone */
    enum xenvbd_state state_before_suspend;
    struct xenvbd_disk disk; /* valid while there is a logical unit */
    UCHAR attention;         /* additional sense code of a UNIT ATTENTION that is due, or 0 */
    UCHAR attention_qualifier;

    LIST_ENTRY waiting;
    LIST_ENTRY flying;
    struct xenvbd_slot slots[XENVBD_SLOTS];
    USHORT free_slot;

    struct xenvbd_ring ring;
    enum xenvbd_flush flush;
    BOOLEAN persistent;
    ULONG indirect_segments; /* most that an entry may have; 0: not offered */
    struct xenvbd_stack refs;
    BOOLEAN refs_wanted;     /* more would have been of use, and the thread below knows or has found none */
    struct xenvbd_stack frames;
    struct xenvbd_stack indirect;
    struct blkif_request_segment segments[XENVBD_SEGMENTS_MAX]; /* of the entry that is being made */

    /* Of the thread that looks after the connection. */
    ULONG number;            /* of the device in the virtual machine */
    enum xenbus_state front; /* what was written last */
    BOOLEAN stopping;
    ULONG attempts;          /* to connect, since it last succeeded */
    KEVENT tried;            /* set when the connection has succeeded or failed */
    struct xenvbd_link link;
};

/* The port driver's extension. The crash dump's copy of the driver uses the adapter of the running one. */
struct xenvbd_extension {
    struct xenvbd_adapter *adapter;
    BOOLEAN dumping;
    struct xenvbd_adapter own; /* not there in the crash dump's copy */
};

/* miniport.c */

/* From DriverEntry. Fills in what is the same for both port drivers; little memory is left when a dump is written. */
VOID xenvbd_describe(PHW_INITIALIZATION_DATA data, BOOLEAN dumping);
struct xenvbd_adapter *xenvbd_adapter_of(PVOID extension);

/* connect.c: PASSIVE_LEVEL, without the lock, one call at a time. */

/* Either end's state, or what the back end says of itself, may have changed. */
VOID xenvbd_connection_changed(struct xenvbd_adapter *adapter);

/* Nothing is known of the two ends yet. */
VOID xenvbd_connection_start(struct xenvbd_adapter *adapter);

/* Returns when the back end has let go of everything; all memory is given back. */
VOID xenvbd_connection_stop(struct xenvbd_adapter *adapter);

/* From here on the ring is left alone, until xenvbd_connection_resume; `lost`: the back end is another one now. */
VOID xenvbd_connection_suspend(struct xenvbd_adapter *adapter);
VOID xenvbd_connection_resume(struct xenvbd_adapter *adapter, BOOLEAN lost);

/* link.c: as connect.c */

/* What no connection can do without. On failure there is nothing. */
NTSTATUS xenvbd_link_allocate(struct xenvbd_adapter *adapter);
VOID xenvbd_link_free(struct xenvbd_adapter *adapter);
NTSTATUS xenvbd_link_open(struct xenvbd_adapter *adapter);

/* No request may be with the back end. */
VOID xenvbd_link_close(struct xenvbd_adapter *adapter);

/* Any IRQL. Lets events through, if the adapter runs by now, and has whatever came before looked at. */
VOID xenvbd_link_unmask(struct xenvbd_adapter *adapter);

/* disk.c */

/* PASSIVE_LEVEL, without the lock. */
NTSTATUS xenvbd_disk_read(struct xenvbd_adapter *adapter, struct xenvbd_disk *disk, enum xenvbd_flush *flush);
VOID xenvbd_disk_resize(struct xenvbd_adapter *adapter, const struct xenvbd_disk *disk);

/* node.c: PASSIVE_LEVEL. `otherwise`: there is no such node, or no such number in it. */
ULONGLONG xenvbd_node_number(struct xenvbd_adapter *adapter, enum xenpci_base base, PCSTR node, ULONGLONG otherwise);
ULONG xenvbd_node_ulong(struct xenvbd_adapter *adapter, enum xenpci_base base, PCSTR node, ULONG otherwise);

/* dump.c: HIGH_LEVEL, nothing else runs. */

/* FALSE: no disk can be written to. */
BOOLEAN xenvbd_dump_take_over(struct xenvbd_adapter *adapter, PVOID extension);

/* Returns when every SRB is completed. */
VOID xenvbd_dump_wait(struct xenvbd_adapter *adapter);

/* xenvbd.c */

VOID xenvbd_set_state(struct xenvbd_adapter *adapter, enum xenvbd_state state);

/* Takes the SRB; it may be completed before this returns. */
VOID xenvbd_start_io(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb);

/* The back end has sent an event, or may have. */
VOID xenvbd_event(struct xenvbd_adapter *adapter);

/*
 * The port driver has lost its patience. What waits is given back; what the back end has cannot be withdrawn from a
 * ring, and is completed when it is answered. In case that an event was lost, both ends look again.
 */
VOID xenvbd_reset(struct xenvbd_adapter *adapter);

/* command.c, inquiry.c, discard.c: these and the next look at nothing but their arguments, and need no lock. */

/*
 * Answers the SRB's command as far as that needs no medium, and returns the SRB status; *io tells what is left to do
 * when that is SRB_STATUS_PENDING.
 */
UCHAR xenvbd_command(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io);

/* Whether it is one of the READ and WRITE commands. */
BOOLEAN xenvbd_command_transfers(UCHAR operation);
UCHAR xenvbd_inquiry(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb);
UCHAR xenvbd_unmap(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io);

/* Writes a vital product data page less its 4 bytes of header, and returns its length; 0: there is no such page. */
ULONG xenvbd_discard_page(const struct xenvbd_disk *disk, UCHAR page, PUCHAR data);

/* Extent `index` of an UNMAP that was accepted. */
VOID xenvbd_discard_extent(const struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb, ULONG index,
                           PULONGLONG sector, PULONGLONG sectors);

/* reply.c */

ULONGLONG xenvbd_get_be(const UCHAR *bytes, ULONG count);
VOID xenvbd_put_be(UCHAR *bytes, ULONG count, ULONGLONG value);

/* Sends at most `allocated` bytes, the limit that the CDB sets; a shorter reply than asked is no error. */
UCHAR xenvbd_reply(PSCSI_REQUEST_BLOCK srb, const UCHAR *data, ULONG length, ULONGLONG allocated);
UCHAR xenvbd_reply_sense(PSCSI_REQUEST_BLOCK srb);

/* Fails the command with fixed-format sense data (SPC-3, 4.5.3) and returns the SRB status. */
UCHAR xenvbd_sense(PSCSI_REQUEST_BLOCK srb, UCHAR key, UCHAR code, UCHAR qualifier);
UCHAR xenvbd_invalid_field(PSCSI_REQUEST_BLOCK srb);

/* request.c */

/* Takes an SRB whose command is about the medium; it may be completed before this returns. */
VOID xenvbd_submit(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb, const struct xenvbd_io *io);

/* Puts into the ring what waits and fits, and notifies the back end if it wants that. */
VOID xenvbd_pump(struct xenvbd_adapter *adapter);

/* Takes what the back end has answered. FALSE: it has broken the protocol, and the ring must not be used again. */
BOOLEAN xenvbd_poll(struct xenvbd_adapter *adapter);

/* The ring is gone and the back end with it: all that it had waits to be sent again, in the order in which it came. */
VOID xenvbd_requests_rewind(struct xenvbd_adapter *adapter);

/* The same, but every request is completed with this status. */
VOID xenvbd_requests_end(struct xenvbd_adapter *adapter, UCHAR srb_status);

/* Completes what the back end has seen nothing of. What it has cannot be withdrawn from a ring. */
VOID xenvbd_requests_end_waiting(struct xenvbd_adapter *adapter, UCHAR srb_status);

/* Nothing more goes into the ring: what still needs that is completed, once the back end has nothing of it. */
VOID xenvbd_requests_close(struct xenvbd_adapter *adapter);

/* FALSE: the SRB is not, or no longer, where it could be taken back. */
BOOLEAN xenvbd_request_abort(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb);

/* segment.c */

/*
 * Makes the next bytes of the request the slot's, as many as an entry holds, and the memory accessible to the back end.
 * FALSE: nothing was done, because there is no room or, if request->status was set, because it cannot be done.
 */
BOOLEAN xenvbd_segments_fill(struct xenvbd_adapter *adapter, struct xenvbd_request *request, struct xenvbd_slot *slot,
                             struct xenvbd_entry *entry);

/* FALSE: the back end still has some of the memory mapped. */
BOOLEAN xenvbd_segments_finish(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot, BOOLEAN succeeded);

/* slot.c */

VOID xenvbd_slots_init(struct xenvbd_adapter *adapter);

/* NULL: none is free, or the ring is full. */
struct xenvbd_slot *xenvbd_slot_take(struct xenvbd_adapter *adapter);
VOID xenvbd_slot_release(struct xenvbd_adapter *adapter, struct xenvbd_slot *slot);
ULONG64 xenvbd_slot_id(const struct xenvbd_adapter *adapter, const struct xenvbd_slot *slot);

/* NULL: no slot in use has this id. */
struct xenvbd_slot *xenvbd_slot_find(struct xenvbd_adapter *adapter, ULONG64 id);

/* stack.c */

/* PASSIVE_LEVEL, without the lock, while no back end is connected. On failure what there is stays. */
NTSTATUS xenvbd_frames_allocate(struct xenvbd_adapter *adapter, struct xenvbd_stack *stack, ULONG count);
VOID xenvbd_frames_free(struct xenvbd_adapter *adapter, struct xenvbd_stack *stack);
VOID xenvbd_refs_allocate(struct xenvbd_adapter *adapter);
VOID xenvbd_refs_free(struct xenvbd_adapter *adapter);

/* PASSIVE_LEVEL, without the lock, by the thread that looks after the connection. */
VOID xenvbd_refs_grow(struct xenvbd_adapter *adapter);

/* Has the above called, if there is hope. */
VOID xenvbd_refs_want(struct xenvbd_adapter *adapter);

/* All are free, but for references that the back end still has mapped. */
VOID xenvbd_frames_reclaim(struct xenvbd_stack *stack);
VOID xenvbd_refs_reclaim(struct xenvbd_adapter *adapter);

/* XENVBD_NONE: none is free. */
USHORT xenvbd_stack_pop(struct xenvbd_stack *stack);
VOID xenvbd_stack_push(struct xenvbd_stack *stack, USHORT item);

/* flush.c */

enum xenvbd_flush xenvbd_flush_choose(BOOLEAN flush_cache, BOOLEAN barrier);

/* FALSE: nothing has to be sent. */
BOOLEAN xenvbd_flush_operation(const struct xenvbd_adapter *adapter, PUCHAR operation);

/* What a back end's answer to that operation means for the request. */
LONG xenvbd_flush_verdict(struct xenvbd_adapter *adapter, LONG status);

/* ring.c */

PCSTR xenvbd_protocol_name(enum xenvbd_protocol protocol);
BOOLEAN xenvbd_protocol_named(PCSTR name, enum xenvbd_protocol *protocol);

/* `pages`: `bytes` that no back end has yet. */
VOID xenvbd_ring_init(struct xenvbd_ring *ring, PVOID pages, ULONG bytes, enum xenvbd_protocol protocol, USHORT handle);
BOOLEAN xenvbd_ring_has_room(const struct xenvbd_ring *ring);
VOID xenvbd_ring_put(struct xenvbd_ring *ring, const struct xenvbd_entry *entry);

/* Shows the back end what was put. TRUE: it asks to be notified. */
BOOLEAN xenvbd_ring_push(struct xenvbd_ring *ring);

/* Responses to take; after 0 there will be an event for the next. XEN_RING_BROKEN: there are more than requests. */
ULONG xenvbd_ring_answers(struct xenvbd_ring *ring);
VOID xenvbd_ring_take(struct xenvbd_ring *ring, struct xenvbd_response *response);

/* scsiport.c, storport.c: the port driver's half of the core */

/* Gives the SRB, its SrbStatus set, back to the port driver. */
VOID xenvbd_port_complete(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb);

/* PASSIVE_LEVEL, without the lock, one call at a time. Runs the routine with it and returns when it has run. */
VOID xenvbd_port_synchronize(struct xenvbd_adapter *adapter, xenvbd_routine *routine, PVOID context);

/* Opens a port to the back end's domain, whose events lead to xenvbd_event while the adapter runs. PASSIVE_LEVEL. */
NTSTATUS xenvbd_port_listen(struct xenvbd_adapter *adapter, evtchn_port_t *port);

/* A logical unit has come or gone: the port driver is to look again. */
VOID xenvbd_port_units_changed(struct xenvbd_adapter *adapter);

/* The page at the miniport's first access range, or NULL. PASSIVE_LEVEL, or from the crash dump. */
PVOID xenvbd_port_map(PVOID extension, PPORT_CONFIGURATION_INFORMATION config);
VOID xenvbd_port_stall(ULONG microseconds);

/* The bytes that lie together from `offset` of the request's data on, and where. 0: there are none. */
ULONG xenvbd_port_extent(struct xenvbd_adapter *adapter, struct xenvbd_request *request, ULONG offset,
                         PULONGLONG physical);

/* The SRB's data for the processor. NULL: it cannot be mapped now. */
PVOID xenvbd_port_address(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb);

#endif

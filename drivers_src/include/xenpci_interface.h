/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What xenpci does for the driver of a device that it enumerates (XEN\vbd, XEN\vif ...).
 *
 * How to get it
 * -------------
 * A driver that can send requests sends IRP_MN_QUERY_INTERFACE down its stack (PASSIVE_LEVEL, status preset to
 * STATUS_NOT_SUPPORTED) with GUID_XENPCI_INTERFACE, Size sizeof(struct xenpci_interface), Version
 * XENPCI_INTERFACE_VERSION.  The answer holds a reference, which `dereference` gives back.
 *
 * A SCSI miniport cannot send requests.  Its device, XEN\vbd, therefore has two resources: a shared, level-triggered
 * interrupt, the line of the Xen platform device, and one page of memory, where a struct xenpci_block lies.  In
 * HwFindAdapter it maps AccessRanges[0] with ScsiPortGetDeviceBase or StorPortGetDeviceBase, checks the block with
 * xenpci_block_is_valid and uses the interface in it, without a reference, until the device is removed.  The address
 * stays mapped in the crash dump environment, where `child` leads the dump's copy of the miniport to what the running
 * one has left there.  (PnP assigns the page as ordinary memory; the bus driver puts the true address into the resource
 * list while the start request is on its way up, before the port driver reads it.)
 *
 * What holds for all of it
 * ------------------------
 * - `context` is the interface's own, and the first argument everywhere.
 * - Routines that return NTSTATUS return STATUS_NO_SUCH_DEVICE once the device has been removed.
 * - PASSIVE_LEVEL routines wait for xenstore.  They give up after XENPCI_STORE_TIMEOUT_MS with STATUS_IO_TIMEOUT.
 * - Xenstore is 8-bit text.  A path is relative to `base`, without a slash before or after it; "" is the base itself.
 * - Whatever a device still has when it is removed (watches, ports, grants, pages) xenpci ends or closes itself.
 * - Callbacks of one device (struct xenpci_child) never overlap; they may call everything but what says otherwise.
 *
 * Suspend, resume and migration
 * -----------------------------
 * `suspend` asks the driver to put nothing more into a ring; what is there may stay unanswered.  After the resume,
 * `resume(argument, TRUE)` means a new domain: event channels are closed, grants are void and the back end is another
 * one, in its first state.  References stay reserved, under the same numbers, for grants to be given again; the pages
 * of pages_allocate have been granted again already; watches are in place, on the new back end's nodes.
 * `resume(argument, FALSE)` means that the suspend was cancelled and nothing has changed.  Neither the resume nor the
 * time between can be noticed by code at DISPATCH_LEVEL and above: it runs wholly before or wholly after.
 */
#ifndef GPLPV_XENPCI_INTERFACE_H
#define GPLPV_XENPCI_INTERFACE_H

#include <ntddk.h>
#include "xen/types.h"
#include "xen/io/xenbus.h"

/* {6E8F2C14-0B5D-4B57-9C3A-41D7A29B50E1}: `static const GUID guid = GUID_XENPCI_INTERFACE;` */
#define GUID_XENPCI_INTERFACE \
    {0x6e8f2c14, 0x0b5d, 0x4b57, {0x9c, 0x3a, 0x41, 0xd7, 0xa2, 0x9b, 0x50, 0xe1}}

#define XENPCI_INTERFACE_VERSION 2

#define XENPCI_STORE_TIMEOUT_MS 30000

/* The longest value in xenstore, and the longest path that `directory` and `read` take, with its 0. */
#define XENPCI_VALUE_SIZE 4097
#define XENPCI_PATH_SIZE 256

enum xenpci_base {
    XENPCI_FRONTEND, /* the device's own nodes, device/vbd/768 */
    XENPCI_BACKEND,  /* those of its back end, wherever that is at the moment */
    XENPCI_DOMAIN    /* the guest's, /local/domain/N; a path that starts with a slash is absolute */
};

typedef ULONG xenpci_transaction; /* 0: outside any */

struct xenpci_watch;

/* PASSIVE_LEVEL, in xenpci's worker thread.  Also called once after watch_add and after a resume. */
typedef VOID NTAPI xenpci_watch_callback(PVOID argument);

/* DISPATCH_LEVEL.  Calls for one port never overlap. */
typedef VOID NTAPI xenpci_event_callback(PVOID argument);

enum xenpci_delivery {
    /* The callback is called in xenpci's DPC. */
    XENPCI_EVENT_DPC,

    /*
     * For a driver with an interrupt service routine on the interrupt that is among its resources: no callback, the line
     * stays asserted until the routine has asked event_claim.  The port is to be opened after the interrupt has been
     * connected and to be closed before it is disconnected.  On Windows Vista and later xenpci may have Xen's events by
     * another interrupt than that line, on this host or on the next: the port is not opened then, STATUS_NOT_SUPPORTED,
     * and the line never comes.  A driver for those takes XENPCI_EVENT_DPC.
     */
    XENPCI_EVENT_INTERRUPT
};

/* What the driver of a device is told.  PASSIVE_LEVEL; any may be NULL. */
struct xenpci_child {
    /* The device's back end may have changed its state, a watch without a callback of its own fired, or `wake`. */
    VOID(NTAPI *changed)(PVOID argument);
    VOID(NTAPI *suspend)(PVOID argument);
    VOID(NTAPI *resume)(PVOID argument, BOOLEAN lost);

    /*
     * The device is about to go: disconnect, and return when the back end has let go.  Before the driver's own stop, and
     * nothing here but `start` is called after it.
     */
    VOID(NTAPI *stop)(PVOID argument);

    /* It stays after all: undoes stop. */
    VOID(NTAPI *start)(PVOID argument);
};

/* What has become of a page that the back end was let give. */
enum xenpci_transfer {
    XENPCI_TRANSFER_NONE,   /* it has not come, and will not any more: there still is a hole */
    XENPCI_TRANSFER_DONE,   /* it is there */
    XENPCI_TRANSFER_PENDING /* Xen is about to put it there: neither frame nor reference may be used, ask again later */
};

struct xenpci_facts {
    USHORT xen_major;
    USHORT xen_minor;
    domid_t backend_domain;
    BOOLEAN active;      /* the PV devices are in charge in this boot */
    UCHAR unplugged;     /* XEN_UNPLUG_ mask of what the device model was told to remove */
    ULONG number;        /* the last part of the path */
    CHAR type[16];       /* the part before that, "vbd" */
    CHAR frontend[XENPCI_PATH_SIZE];
    CHAR backend[XENPCI_PATH_SIZE];
};

struct xenpci_interface {
    /* As in INTERFACE.  Any IRQL up to DISPATCH_LEVEL. */
    USHORT size;
    USHORT version;
    PVOID context;
    VOID(NTAPI *reference)(PVOID context);
    VOID(NTAPI *dereference)(PVOID context);

    /* PASSIVE_LEVEL. */
    VOID(NTAPI *facts)(PVOID context, struct xenpci_facts *facts);

    /* Any IRQL: one line to the debugger and to Xen's log, in debug builds alone.  No wide characters. */
    VOID(__cdecl *print)(PVOID context, PCSTR format, ...);

    /*
     * The device's driver.  PASSIVE_LEVEL; *child has to stay where it is.  One at a time: STATUS_DEVICE_BUSY.
     * `detach`: no callback begins any more.  Up to HIGH_LEVEL; at PASSIVE_LEVEL, and not from a callback, it also waits
     * for one that runs.
     */
    NTSTATUS(NTAPI *attach)(PVOID context, const struct xenpci_child *child, PVOID argument);
    VOID(NTAPI *detach)(PVOID context);

    /* Has `changed` called soon.  Up to HIGH_LEVEL. */
    VOID(NTAPI *wake)(PVOID context);

    /* Between the two no suspend takes place.  PASSIVE_LEVEL; nests. */
    VOID(NTAPI *hold_suspend)(PVOID context);
    VOID(NTAPI *allow_suspend)(PVOID context);

    /*
     * Xenstore, PASSIVE_LEVEL.  `read` terminates the value; `directory` gives names, each terminated, then an empty one.
     * STATUS_BUFFER_TOO_SMALL: nothing was stored.  STATUS_OBJECT_NAME_NOT_FOUND: no such node.  STATUS_RETRY from
     * transaction_end: another's change came between, begin again.  A transaction holds suspends off.
     */
    NTSTATUS(NTAPI *read)(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path, PSTR value,
                          ULONG size);
    NTSTATUS(NTAPI *directory)(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                               PSTR names, ULONG size);
    NTSTATUS(NTAPI *write)(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                           PCSTR value);
    NTSTATUS(__cdecl *printf)(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                              PCSTR format, ...); /* at most 255 characters */
    NTSTATUS(NTAPI *remove)(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path);
    NTSTATUS(NTAPI *transaction_start)(PVOID context, xenpci_transaction *transaction);
    NTSTATUS(NTAPI *transaction_end)(PVOID context, xenpci_transaction transaction, BOOLEAN abort);

    /*
     * A node and what is below it.  callback NULL: `changed` of struct xenpci_child instead.  After watch_remove the
     * callback is not running and will not be called; a callback may remove its own watch.  PASSIVE_LEVEL.
     */
    NTSTATUS(NTAPI *watch_add)(PVOID context, enum xenpci_base base, PCSTR path, xenpci_watch_callback *callback,
                               PVOID argument, struct xenpci_watch **watch);
    VOID(NTAPI *watch_remove)(PVOID context, struct xenpci_watch *watch);

    /*
     * The "state" nodes, PASSIVE_LEVEL.  backend_state: XenbusStateUnknown if there is none.  backend_wait returns when
     * the back end is in one of `states`, a mask of 1 << XenbusState..., or when it is gone (STATUS_NO_SUCH_DEVICE, in
     * *state XenbusStateUnknown), or with STATUS_IO_TIMEOUT; `changed` need not run for it.
     */
    NTSTATUS(NTAPI *frontend_set_state)(PVOID context, enum xenbus_state state);
    enum xenbus_state(NTAPI *backend_state)(PVOID context);
    NTSTATUS(NTAPI *backend_wait)(PVOID context, ULONG states, ULONG timeout_ms, enum xenbus_state *state);

    /*
     * Event channels.  event_open allocates a port that the back end's domain may bind; event_bind binds one of its
     * ports.  Up to DISPATCH_LEVEL; XENPCI_EVENT_INTERRUPT also above.
     */
    NTSTATUS(NTAPI *event_open)(PVOID context, enum xenpci_delivery delivery, xenpci_event_callback *callback,
                                PVOID argument, evtchn_port_t *port);
    NTSTATUS(NTAPI *event_bind)(PVOID context, evtchn_port_t remote, enum xenpci_delivery delivery,
                                xenpci_event_callback *callback, PVOID argument, evtchn_port_t *port);

    /* No callback begins after it.  Up to HIGH_LEVEL; up to APC_LEVEL it also waits for one that runs. */
    VOID(NTAPI *event_close)(PVOID context, evtchn_port_t port);

    /* Up to HIGH_LEVEL. */
    VOID(NTAPI *event_notify)(PVOID context, evtchn_port_t port);
    VOID(NTAPI *event_mask)(PVOID context, evtchn_port_t port, BOOLEAN masked);

    /* Makes the port look as if the back end had notified us.  Up to HIGH_LEVEL. */
    VOID(NTAPI *event_raise)(PVOID context, evtchn_port_t port);

    /*
     * XENPCI_EVENT_INTERRUPT: whether there was an event since the last call; the interrupt service routine returns it.
     * Up to HIGH_LEVEL.
     */
    BOOLEAN(NTAPI *event_claim)(PVOID context, evtchn_port_t port);

    /*
     * Grants to the back end's domain.  A reservation is taken once (up to DISPATCH_LEVEL; the table may grow); giving
     * and taking back a reserved reference is then only a few writes, without a lock, up to HIGH_LEVEL.
     * grant_end FALSE: the back end still has the page mapped, and neither page nor reference may be used again; try
     * later.  grant_release of such a reference is safe: xenpci keeps it until the back end has let go.
     */
    NTSTATUS(NTAPI *grant_reserve)(PVOID context, ULONG count, grant_ref_t *references);
    VOID(NTAPI *grant_release)(PVOID context, ULONG count, const grant_ref_t *references);
    VOID(NTAPI *grant_begin)(PVOID context, grant_ref_t reference, ULONG_PTR frame, BOOLEAN readonly);
    BOOLEAN(NTAPI *grant_end)(PVOID context, grant_ref_t reference);

    /*
     * Physically contiguous, zeroed pages, each granted for reading and writing, one reference a page.  pages_free: the
     * driver has done with them; xenpci keeps them for as long as the back end has them mapped.  PASSIVE_LEVEL.
     */
    NTSTATUS(NTAPI *pages_allocate)(PVOID context, ULONG count, PVOID *pages, grant_ref_t *references);
    VOID(NTAPI *pages_free)(PVOID context, PVOID pages);

    /*
     * Memory that goes back to Xen, and comes again: of `count` guest frames the first so many as are returned.  Behind
     * a frame that was given there is a hole, which nothing may touch until it is filled: by frames_take, with a page of
     * unknown contents, or by a transfer.  Whoever has memory from Windows frees it without a hole in it or never; xenpci
     * fills none by itself, but frames_take does its work even after the device has been removed.  Not every Xen lets a
     * guest do this: frames_give returns 0 then.  Up to DISPATCH_LEVEL; the array is nonpaged.
     */
    ULONG(NTAPI *frames_give)(PVOID context, ULONG count, const ULONG_PTR *frames);
    ULONG(NTAPI *frames_take)(PVOID context, ULONG count, const ULONG_PTR *frames);

    /*
     * Grants, by reserved references, to put a page of the back end's where the guest has a hole.  transfer_end takes
     * one back, unless Xen has committed itself already, and tells what has come of it.  A resume in a new domain voids
     * them, and what came is not known then: they are to be ended before the suspend.  grant_release of one that is
     * pending is safe for the reference, not for the frame.  Up to HIGH_LEVEL.
     */
    VOID(NTAPI *transfer_begin)(PVOID context, grant_ref_t reference, ULONG_PTR frame);
    enum xenpci_transfer(NTAPI *transfer_end)(PVOID context, grant_ref_t reference);
};

/* "XenP" */
#define XENPCI_BLOCK_SIGNATURE 0x506e6558

/* What a miniport finds in its memory resource. */
struct xenpci_block {
    ULONG signature;
    ULONG size; /* bytes, at most a page */
    struct xenpci_interface xen;
    PVOID child; /* the driver's own; NULL when the device starts */
};

/* Any IRQL. */
static __inline BOOLEAN xenpci_block_is_valid(const struct xenpci_block *block)
{
    return block->signature == XENPCI_BLOCK_SIGNATURE && block->size >= sizeof(*block) &&
           block->xen.version == XENPCI_INTERFACE_VERSION &&
           block->xen.size >= sizeof(block->xen);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * There is one Xen below Windows, and so each part of it is one object here, private to its file: started and stopped
 * with the device, in this order and its reverse.  What is neither start nor stop may be called in between, by any
 * thread unless it says otherwise.  `resume` puts a part in order in the domain after a resume.
 */
#ifndef XENPCI_H
#define XENPCI_H

#include <ntddk.h>
#include "pnp_device.h"
#include "pvmode.h"
#include "xenpci_interface.h"
#include "xen/io/xs_wire.h"

/* Of Windows Vista's headers. */
#ifndef CM_RESOURCE_INTERRUPT_MESSAGE
#define CM_RESOURCE_INTERRUPT_MESSAGE 0x0002
#endif

#define GPLPV_MODULE "xenpci"
#include "debug.h"

/* driver.c: the choice for this boot, made once before any device is added. */
extern enum pv_mode xenpci_mode;

/* device.c */
DRIVER_ADD_DEVICE xenpci_add_device;

/* hypercall.c: any IRQL, but start and stop at PASSIVE_LEVEL.  Operations return 0 or more, or a negated XEN_E. */
NTSTATUS hypercall_start(VOID);
VOID hypercall_stop(VOID);
VOID hypercall_resume(VOID);
LONG xen_event_channel_op(ULONG command, PVOID argument);
LONG xen_grant_table_op(ULONG command, PVOID argument, ULONG count);
LONG xen_sched_op(ULONG command, PVOID argument);
LONG xen_version_op(ULONG command, PVOID argument);
NTSTATUS xen_status(LONG result);
NTSTATUS xen_get_param(ULONG index, PULONG64 value);
NTSTATUS xen_set_param(ULONG index, ULONG64 value);
NTSTATUS xen_set_upcall_vector(ULONG vcpu, UCHAR vector);

/* Makes a page of Xen's (XENMAPSPACE_) appear at a frame that has nothing behind it, and disappear there. */
NTSTATUS xen_place(ULONG space, ULONG index, xen_pfn_t frame);
VOID xen_take_away(xen_pfn_t frame);

/* Gives RAM to Xen, leaving holes, and fills holes with RAM again: of the frames the first so many as are returned. */
ULONG xen_give(ULONG count, const ULONG_PTR *frames);
ULONG xen_take(ULONG count, const ULONG_PTR *frames);

/* platform.c: does not change once started. */
struct platform {
    PHYSICAL_ADDRESS memory; /* first page of the address range for Xen's pages */
    ULONG pages;
    CM_PARTIAL_RESOURCE_DESCRIPTOR raw_line; /* the interrupt line, as the bus numbers it */
    CM_PARTIAL_RESOURCE_DESCRIPTOR line;     /* and as Windows does */
    BOOLEAN has_message;
    CM_PARTIAL_RESOURCE_DESCRIPTOR message;  /* the message interrupt, as Windows numbers it */
    ULONG64 callback;                        /* and as Xen does: HVM_PARAM_CALLBACK_IRQ */
};

extern struct platform platform;

NTSTATUS platform_start(PDEVICE_OBJECT physical, PCM_RESOURCE_LIST raw, PCM_RESOURCE_LIST translated);
PHYSICAL_ADDRESS platform_address(ULONG page);
xen_pfn_t platform_frame(ULONG page);

/* requirements.c: PASSIVE_LEVEL.  What the platform device is to get; NULL: what its bus driver says. */
PIO_RESOURCE_REQUIREMENTS_LIST requirements(struct pnp_device *device, const IO_RESOURCE_REQUIREMENTS_LIST *own);

/*
 * interrupt.c: the service routines of the line and of the message interrupt, if there is one; PASSIVE_LEVEL.  A message
 * interrupt that cannot be connected is as good as none.  After interrupts_disconnect neither runs.
 */
NTSTATUS interrupts_connect(PKSERVICE_ROUTINE line, PKSERVICE_ROUTINE message);
VOID interrupts_disconnect(VOID);

/* lock.c: a spin lock for code up to HIGH_LEVEL. */
KIRQL high_lock(PKSPIN_LOCK lock);
VOID high_unlock(PKSPIN_LOCK lock, KIRQL before);

/*
 * events.c: as the interface says.  An owner is any address; only the owner can close a port or claim its event.
 * event_adopt takes a port that is open already, and event_disown leaves it open.
 */
struct event_target {
    xenpci_event_callback *callback;
    PVOID argument;
    PVOID owner;
    enum xenpci_delivery delivery;
};

NTSTATUS events_start(VOID);
VOID events_stop(VOID);
VOID events_resume(VOID);
NTSTATUS event_adopt(evtchn_port_t port, const struct event_target *target);
VOID event_disown(evtchn_port_t port, PVOID owner);
NTSTATUS event_open(domid_t domain, const struct event_target *target, evtchn_port_t *port);
NTSTATUS event_bind(domid_t domain, evtchn_port_t remote, const struct event_target *target, evtchn_port_t *port);
VOID event_close(evtchn_port_t port, PVOID owner);
VOID event_close_all(PVOID owner);
VOID event_notify(evtchn_port_t port);
VOID event_mask(evtchn_port_t port, BOOLEAN masked);
VOID event_raise(evtchn_port_t port);
BOOLEAN event_claim(evtchn_port_t port, PVOID owner);

/* grants.c: up to HIGH_LEVEL.  References are below GRANT_REFERENCES. */
#define GRANT_REFERENCES 32768

NTSTATUS grants_start(VOID);
VOID grants_stop(VOID);
VOID grants_resume(VOID);
NTSTATUS grant_reserve(ULONG count, grant_ref_t *references);
VOID grant_release(ULONG count, const grant_ref_t *references);
VOID grant_begin(grant_ref_t reference, domid_t domain, ULONG_PTR frame, BOOLEAN readonly);
BOOLEAN grant_end(grant_ref_t reference);
VOID transfer_begin(grant_ref_t reference, domid_t domain, ULONG_PTR frame);
enum xenpci_transfer transfer_end(grant_ref_t reference);

/*
 * worker.c: calls at PASSIVE_LEVEL in a thread of their own, one after the other.  Queueing one that is queued already
 * does nothing; up to HIGH_LEVEL.  After worker_cancel it is neither queued nor, but for the caller itself, running.
 */
struct worker_item {
    LIST_ENTRY link;
    VOID (*run)(PVOID argument);
    PVOID argument;
    BOOLEAN queued;
};

NTSTATUS worker_start(VOID);
VOID worker_stop(VOID);
VOID worker_item_init(struct worker_item *item, VOID (*run)(PVOID argument), PVOID argument);
VOID worker_queue(struct worker_item *item);
VOID worker_cancel(struct worker_item *item);
BOOLEAN worker_is_current(VOID);

/* gate.c: holds suspends off.  PASSIVE_LEVEL. */
VOID gate_init(VOID);
VOID gate_enter(VOID);
VOID gate_leave(VOID);
VOID gate_close(VOID);
VOID gate_open(VOID);

/* store_ring.c: of store.c alone. */
struct store_part {
    const VOID *bytes;
    ULONG length;
};

NTSTATUS store_ring_start(VOID);
VOID store_ring_stop(VOID);
NTSTATUS store_ring_resume(VOID);
NTSTATUS store_ring_send(const struct xsd_sockmsg *header, const struct store_part *parts, ULONG count);

/* store.c: PASSIVE_LEVEL; paths are relative to the domain's home, or absolute with a slash before. */
#define STORE_PATH_SIZE (2 * XENPCI_PATH_SIZE)

NTSTATUS store_start(VOID);
VOID store_stop(VOID);

/* While the gate is closed. */
NTSTATUS store_resume(VOID);

NTSTATUS store_talk(ULONG type, ULONG transaction, const struct store_part *parts, ULONG count, PSTR value, ULONG size);
NTSTATUS store_read(ULONG transaction, PCSTR path, PSTR value, ULONG size);
NTSTATUS store_read_number(ULONG transaction, PCSTR path, PULONG number);
NTSTATUS store_directory(ULONG transaction, PCSTR path, PSTR names, ULONG size);
NTSTATUS store_write(ULONG transaction, PCSTR path, PCSTR value);
NTSTATUS store_remove(ULONG transaction, PCSTR path);
NTSTATUS store_watch(ULONG type, PCSTR path, PCSTR token);
NTSTATUS store_transaction_start(PULONG transaction);
NTSTATUS store_transaction_end(ULONG transaction, BOOLEAN abort);

/* DISPATCH_LEVEL, from store_ring.c; the body is terminated. */
VOID store_deliver(const struct xsd_sockmsg *header, const CHAR *body);

/*
 * watch.c: PASSIVE_LEVEL.  The owner sets `event`, or initialises `item` and sets `event` to NULL, before watch_set; the
 * event or item is then used until watch_end returns.
 */
struct watch {
    LIST_ENTRY link;
    ULONG id;
    PKEVENT event;
    struct worker_item item;
    CHAR path[STORE_PATH_SIZE];
};

VOID watches_init(VOID);
VOID watches_resume(VOID);
NTSTATUS watch_set(struct watch *watch, PCSTR path);
NTSTATUS watch_move(struct watch *watch, PCSTR path);
VOID watch_end(struct watch *watch);

/* DISPATCH_LEVEL, from store.c. */
VOID watch_fired(const CHAR *body, ULONG length);

/* takeover.c: which emulated devices the PV ones stand in for; PASSIVE_LEVEL but for the last. */
VOID takeover_decide(VOID);
VOID takeover_refuse(VOID);

/* While the bus is there: what is decided may be withdrawn. */
VOID takeover_start(VOID);
VOID takeover_stop(VOID);

/* This device is about to be in use: the emulated ones go.  An error: it must not be used. */
NTSTATUS takeover_commit(PCSTR type, ULONG number);

/* This device's driver does not work, or has gone. */
VOID takeover_failed(PCSTR type, ULONG number);
BOOLEAN takeover_covers(PCSTR type);
UCHAR unplugged_classes(VOID);

/* HIGH_LEVEL: the device model is a new one. */
VOID unplug_again(VOID);

/* pdo.c: a device that the store names, as the child of ours.  device.type is its own; PASSIVE_LEVEL. */
struct pdo {
    struct pnp_device device;
    LIST_ENTRY link;
    CHAR type[16];
    ULONG number;
    CHAR frontend[XENPCI_PATH_SIZE];
    CHAR backend[XENPCI_PATH_SIZE];
    domid_t backend_domain;
    BOOLEAN present;  /* the store names it */
    BOOLEAN reported; /* Windows knows of it */
    BOOLEAN open;     /* its driver may use the interface */
    BOOLEAN watching; /* backend_watch is set */
    struct watch backend_watch;
    struct xenpci_block *block; /* a page */

    KSPIN_LOCK lock; /* high; for child and argument, and for the bits of references */
    const struct xenpci_child *child;
    PVOID argument;
    KMUTEX calls;    /* held during calls to the child */
    BOOLEAN stopped; /* the child is not to be called, but for start; under calls */
    struct worker_item wake;

    KMUTEX holdings; /* for the lists */
    LIST_ENTRY watches;
    LIST_ENTRY pages;
    PULONG references; /* reserved by the child: a bit each */
};

NTSTATUS pdo_create(PDRIVER_OBJECT driver, PCSTR type, ULONG number, struct pdo **pdo);

/* The device object goes once Windows has done with it. */
VOID pdo_delete(struct pdo *pdo);

/* child.c: the interface and what is behind it.  PASSIVE_LEVEL. */
VOID child_init(struct pdo *pdo);
NTSTATUS child_open(struct pdo *pdo);
VOID child_close(struct pdo *pdo);
VOID child_suspend(struct pdo *pdo);
VOID child_resume(struct pdo *pdo, BOOLEAN lost);
VOID child_stop(struct pdo *pdo);
VOID child_start(struct pdo *pdo);
extern const struct xenpci_interface child_interface; /* but for the context */

/* child_store.c */
NTSTATUS child_find_backend(struct pdo *pdo);
VOID child_end_watches(struct pdo *pdo);
VOID child_disconnect(struct pdo *pdo);
extern NTSTATUS NTAPI child_read(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                                 PSTR value, ULONG size);
extern NTSTATUS NTAPI child_directory(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                                      PSTR names, ULONG size);
extern NTSTATUS NTAPI child_write(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                                  PCSTR value);
extern NTSTATUS __cdecl child_printf(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                                     PCSTR format, ...);
extern NTSTATUS NTAPI child_remove(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path);
extern NTSTATUS NTAPI child_watch_add(PVOID context, enum xenpci_base base, PCSTR path,
                                      xenpci_watch_callback *callback, PVOID argument, struct xenpci_watch **watch);
extern VOID NTAPI child_watch_remove(PVOID context, struct xenpci_watch *watch);
extern NTSTATUS NTAPI child_set_state(PVOID context, enum xenbus_state state);
extern enum xenbus_state NTAPI child_backend_state(PVOID context);
extern NTSTATUS NTAPI child_backend_wait(PVOID context, ULONG states, ULONG timeout_ms, enum xenbus_state *state);
VOID child_move_watches(struct pdo *pdo);

/* child_memory.c */
VOID child_free_memory(struct pdo *pdo);
VOID child_grant_pages(struct pdo *pdo);
extern NTSTATUS NTAPI child_reserve(PVOID context, ULONG count, grant_ref_t *references);
extern VOID NTAPI child_release(PVOID context, ULONG count, const grant_ref_t *references);
extern VOID NTAPI child_grant(PVOID context, grant_ref_t reference, ULONG_PTR frame, BOOLEAN readonly);
extern BOOLEAN NTAPI child_end_grant(PVOID context, grant_ref_t reference);
extern NTSTATUS NTAPI child_pages_allocate(PVOID context, ULONG count, PVOID *pages, grant_ref_t *references);
extern VOID NTAPI child_pages_free(PVOID context, PVOID pages);
extern ULONG NTAPI child_give(PVOID context, ULONG count, const ULONG_PTR *frames);
extern ULONG NTAPI child_take(PVOID context, ULONG count, const ULONG_PTR *frames);
extern VOID NTAPI child_accept(PVOID context, grant_ref_t reference, ULONG_PTR frame);
extern enum xenpci_transfer NTAPI child_end_transfer(PVOID context, grant_ref_t reference);
VOID pages_reap(VOID);
VOID pages_init(VOID);

/* bus.c: the devices that the store names.  PASSIVE_LEVEL. */
NTSTATUS bus_start(struct pnp_device *function);
VOID bus_stop(VOID);
NTSTATUS bus_relations(PDEVICE_RELATIONS *relations);
VOID bus_forget(struct pdo *pdo);

/* Has the store looked at again soon. */
VOID bus_rescan(VOID);

/* Keeps the list as it is between the two. */
VOID bus_suspend(VOID);
VOID bus_resume(BOOLEAN lost);

/* suspend.c: PASSIVE_LEVEL. */
NTSTATUS suspend_start(VOID);
VOID suspend_stop(VOID);

/* user.c: \\.\XenPci.  PASSIVE_LEVEL. */
NTSTATUS user_start(PDRIVER_OBJECT driver);
VOID user_stop(VOID);

/* bugcheck.c: from DriverEntry to unload. */
VOID bugcheck_start(VOID);
VOID bugcheck_stop(VOID);

#endif

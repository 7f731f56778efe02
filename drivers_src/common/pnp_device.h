/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What every WDM device object of ours does alike: it is attached to a stack, follows plug and play and power, keeps
 * requests from outliving it, and goes.  A driver says what is particular in a struct pnp_device_type; the role in it
 * (function driver or filter) says how requests are answered.
 *
 * A request holds the device's remove lock from dispatch until it leaves through exactly one of pnp_pass, pnp_finish,
 * pnp_power_pass, pnp_device_remove or a power completion routine, each of which gives the lock back.
 */
#ifndef GPLPV_PNP_DEVICE_H
#define GPLPV_PNP_DEVICE_H

#include <ntddk.h>

enum pnp_state {
    PNP_NOT_STARTED,
    PNP_STARTED,
    PNP_STOP_PENDING,
    PNP_STOPPED,
    PNP_REMOVE_PENDING,
    PNP_SURPRISE_REMOVED,
    PNP_REMOVED
};

struct pnp_device;

typedef NTSTATUS pnp_request(struct pnp_device *device, PIRP irp);

/* How a minor function of IRP_MJ_PNP is answered.  What a role does not list is passed down untouched. */
struct pnp_handler {
    UCHAR minor;
    pnp_request *handle;
};

struct pnp_role {
    VOID (*attached)(struct pnp_device *device); /* NULL for roles of devices that are attached to nothing */
    const struct pnp_handler *handlers;
    ULONG handler_count;
    pnp_request *power;
    pnp_request *other; /* every major function but PnP and power */
};

extern const struct pnp_role pnp_function_role;
extern const struct pnp_role pnp_filter_role;

/* Callbacks may be NULL.  All at PASSIVE_LEVEL but set_power. */
struct pnp_device_type {
    const char *name;
    DEVICE_TYPE device_type;   /* a filter takes that of the device below */
    ULONG extension_size;      /* of a structure that begins with a struct pnp_device */
    const struct pnp_role *role;

    /* Everything below runs; resource lists as in IRP_MN_START_DEVICE, NULL without any.  Failure fails the start. */
    NTSTATUS (*start)(struct pnp_device *device, PCM_RESOURCE_LIST raw, PCM_RESOURCE_LIST translated);

    /* Undoes start, once for each that succeeded; the hardware may be gone already.  A filter's at removal. */
    VOID (*stop)(struct pnp_device *device);

    /* Function role: before the device loses power or after it has got it back.  Up to DISPATCH_LEVEL. */
    VOID (*set_power)(struct pnp_device *device, DEVICE_POWER_STATE power);

    /* Filter role: may take devices out of the bus relations that the bus below has answered. */
    VOID (*bus_relations)(struct pnp_device *device, PDEVICE_RELATIONS relations);

    /*
     * Function role of a bus: its devices, in paged pool, referenced.  While it is started.  STATUS_NOT_SUPPORTED: it is
     * no bus at the moment.
     */
    NTSTATUS (*children)(struct pnp_device *device, PDEVICE_RELATIONS *relations);

    /* Function role: FALSE refuses to be stopped for other resources, and to sleep or hibernate. */
    BOOLEAN (*may_pause)(struct pnp_device *device);

    /*
     * Function role: the list of what the device needs in place of the bus driver's, in paged pool; NULL leaves that as
     * it is.
     */
    PIO_RESOURCE_REQUIREMENTS_LIST (*requirements)(struct pnp_device *device, const IO_RESOURCE_REQUIREMENTS_LIST *own);
};

/* The device extension of every device object of ours begins with one. */
struct pnp_device {
    const struct pnp_device_type *type;
    PDEVICE_OBJECT object;
    PDEVICE_OBJECT physical; /* bottom of the stack; the bus driver's, or the object itself */
    PDEVICE_OBJECT lower;    /* next below us; NULL at the bottom */
    IO_REMOVE_LOCK remove_lock;
    enum pnp_state state; /* changed by pnp_device_set_state alone; a filter's stays as it is once started */

    /* Of the function role. */
    LONG special_files; /* paging, hibernation and crash dump files that need the device */
    DEVICE_POWER_STATE power;
    DEVICE_POWER_STATE power_for[PowerSystemMaximum]; /* the device's state in each of the system's */
    PIRP system_power_irp;                            /* waits for the device power request that it caused */
};

/* Routes every request of the driver here and lets it be unloaded.  From DriverEntry. */
VOID pnp_driver_setup(PDRIVER_OBJECT driver, PDRIVER_ADD_DEVICE add_device);

/* Makes a device object of this type and attaches it over physical.  From AddDevice. */
NTSTATUS pnp_device_add(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical, const struct pnp_device_type *type);

/*
 * Makes a device object of this type that is attached to nothing: a physical device object, or one that a name alone
 * leads to.  It is DO_DEVICE_INITIALIZING until the caller has set it up.
 */
NTSTATUS pnp_device_create(PDRIVER_OBJECT driver, PUNICODE_STRING name, ULONG characteristics,
                           const struct pnp_device_type *type, struct pnp_device **device);

/* For roles. */
VOID pnp_device_set_state(struct pnp_device *device, enum pnp_state state);
BOOLEAN pnp_device_is_operating(const struct pnp_device *device);
VOID pnp_device_release(struct pnp_device *device, PIRP irp);

/* Ends our part of the request and passes it down, or completes it as it is at the bottom; its status must be set if we
 * succeeded it. */
pnp_request pnp_pass;
NTSTATUS pnp_finish(struct pnp_device *device, PIRP irp, NTSTATUS status);

/* Sends the request down and waits for it to come back; it is then ours to finish.  PASSIVE_LEVEL. */
pnp_request pnp_forward_and_wait;

/* The same for IRP_MN_DEVICE_USAGE_NOTIFICATION, keeping DO_POWER_PAGABLE in order along the stack. */
pnp_request pnp_forward_usage;

pnp_request pnp_device_remove;

/* Whether the device can be taken from under Windows for a while. */
BOOLEAN pnp_device_may_pause(struct pnp_device *device);

/* pnp_pass for power requests.  Up to DISPATCH_LEVEL, as all power requests. */
pnp_request pnp_power_pass;

/* pnp_power.c: of the function role. */
VOID pnp_power_initialize(struct pnp_device *device);
VOID pnp_power_started(struct pnp_device *device);
pnp_request pnp_function_power;

#endif

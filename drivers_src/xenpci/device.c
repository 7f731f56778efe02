/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The function device object over the Xen platform PCI device, and the order in which all else starts and stops.
 */
#include "xenpci.h"

/* The one that runs everything; a second platform device, which no Xen has, would get nothing to do. */
static struct pnp_device *running;

/* What needs Xen alone. */
static NTSTATUS start_xen(VOID)
{
    NTSTATUS status;

    status = hypercall_start();
    if (!NT_SUCCESS(status))
        return status;
    status = events_start();
    if (!NT_SUCCESS(status))
        goto no_events;
    status = grants_start();
    if (!NT_SUCCESS(status))
        goto no_grants;
    pages_init();
    return STATUS_SUCCESS;

no_grants:
    events_stop();
no_events:
    hypercall_stop();
    return status;
}

static VOID stop_xen(VOID)
{
    pages_reap();
    grants_stop();
    events_stop();
    hypercall_stop();
}

static NTSTATUS start_store(VOID)
{
    NTSTATUS status;

    status = worker_start();
    if (!NT_SUCCESS(status))
        return status;
    status = store_start();
    if (!NT_SUCCESS(status))
        worker_stop();
    return status;
}

static VOID stop_store(VOID)
{
    store_stop();
    worker_stop();
}

/* What needs the store.  From takeover_decide on, the emulated devices may be gone. */
static NTSTATUS start_services(struct pnp_device *device)
{
    NTSTATUS status;

    status = suspend_start();
    if (!NT_SUCCESS(status))
        return status;
    status = user_start(device->object->DriverObject);
    if (!NT_SUCCESS(status))
        goto no_user;
    takeover_decide();
    status = bus_start(device);
    if (!NT_SUCCESS(status))
        goto no_bus;
    takeover_start();
    bugcheck_start();
    return STATUS_SUCCESS;

no_bus:
    user_stop();
no_user:
    suspend_stop();
    return status;
}

static VOID stop_services(VOID)
{
    bugcheck_stop();
    takeover_stop();
    bus_stop();
    user_stop();
    suspend_stop();
}

static NTSTATUS start_all(struct pnp_device *device)
{
    NTSTATUS status;

    status = start_xen();
    if (!NT_SUCCESS(status))
        return status;
    status = start_store();
    if (!NT_SUCCESS(status))
        goto no_store;
    status = start_services(device);
    if (!NT_SUCCESS(status))
        goto no_services;
    return STATUS_SUCCESS;

no_services:
    stop_store();
no_store:
    stop_xen();
    return status;
}

/* Succeeds where the PV devices are not wanted: a device that failed to start would only trouble its owner. */
static NTSTATUS start(struct pnp_device *device, PCM_RESOURCE_LIST raw, PCM_RESOURCE_LIST translated)
{
    NTSTATUS status;

    if (xenpci_mode != PV_ACTIVE || running != NULL) {
        GPLPV_DEBUG(("started without Xen's devices, mode %d\n", xenpci_mode));
        return STATUS_SUCCESS;
    }
    status = platform_start(device->physical, raw, translated);
    if (NT_SUCCESS(status))
        status = start_all(device);
    if (NT_SUCCESS(status)) {
        running = device;
    } else {
        GPLPV_DEBUG(("not started: %08x\n", status));
        takeover_refuse();
    }
    return status;
}

static VOID stop(struct pnp_device *device)
{
    if (running != device)
        return;
    stop_services();
    stop_store();
    stop_xen();
    running = NULL;
}

static NTSTATUS children(struct pnp_device *device, PDEVICE_RELATIONS *relations)
{
    return running == device ? bus_relations(relations) : STATUS_NOT_SUPPORTED;
}

/* Neither would other resources be of use, nor does Xen remember anything across a sleep. */
static BOOLEAN may_pause(struct pnp_device *device)
{
    return running != device;
}

static const struct pnp_device_type xenpci_device_type = {"xenpci", FILE_DEVICE_BUS_EXTENDER,
                                                          sizeof(struct pnp_device), &pnp_function_role, start, stop,
                                                          NULL, NULL, children, may_pause, requirements};

NTSTATUS NTAPI xenpci_add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    return pnp_device_add(driver, physical, &xenpci_device_type);
}

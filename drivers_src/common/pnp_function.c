/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The role of a function driver: it owns the device's start and stop, and its power policy.
 */
#include "pnp_device.h"
#include "pool.h"

#define GPLPV_MODULE "pnp"
#include "debug.h"

static VOID attached(struct pnp_device *device)
{
    device->object->Flags |= device->lower->Flags & DO_POWER_PAGABLE;
    pnp_power_initialize(device);
}

static NTSTATUS start_device(struct pnp_device *device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;

    status = pnp_forward_and_wait(device, irp);
    if (NT_SUCCESS(status) && device->type->start != NULL)
        status = device->type->start(device, stack->Parameters.StartDevice.AllocatedResources,
                                     stack->Parameters.StartDevice.AllocatedResourcesTranslated);
    if (NT_SUCCESS(status)) {
        pnp_power_started(device);
        pnp_device_set_state(device, PNP_STARTED);
    }
    return pnp_finish(device, irp, status);
}

/*
 * On the way up, as a function driver has to.  The list in the request is ours to replace, and the one that is replaced
 * ours to free (WDK, IRP_MN_FILTER_RESOURCE_REQUIREMENTS).
 */
static NTSTATUS filter_requirements(struct pnp_device *device, PIRP irp)
{
    PIO_RESOURCE_REQUIREMENTS_LIST own, made;
    NTSTATUS status;

    if (device->type->requirements == NULL)
        return pnp_pass(device, irp);
    status = pnp_forward_and_wait(device, irp);
    own = (PIO_RESOURCE_REQUIREMENTS_LIST)irp->IoStatus.Information;
    if ((!NT_SUCCESS(status) && status != STATUS_NOT_SUPPORTED) || own == NULL)
        return pnp_finish(device, irp, status);
    made = device->type->requirements(device, own);
    if (made == NULL)
        return pnp_finish(device, irp, status);
    ExFreePool(own);
    irp->IoStatus.Information = (ULONG_PTR)made;
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

/* A device that was never started, or is stopped, has nothing that a query would put at risk. */
static NTSTATUS query(struct pnp_device *device, PIRP irp, enum pnp_state pending, BOOLEAN allowed)
{
    if (!allowed)
        return pnp_finish(device, irp, STATUS_UNSUCCESSFUL);
    if (device->state == PNP_STARTED)
        pnp_device_set_state(device, pending);
    irp->IoStatus.Status = STATUS_SUCCESS;
    return pnp_pass(device, irp);
}

/* Also comes without a query that reached us, when someone above has refused it. */
static NTSTATUS cancel(struct pnp_device *device, PIRP irp, enum pnp_state pending)
{
    irp->IoStatus.Status = STATUS_SUCCESS;
    pnp_forward_and_wait(device, irp);
    if (device->state == pending)
        pnp_device_set_state(device, PNP_STARTED);
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS leave(struct pnp_device *device, PIRP irp, enum pnp_state state)
{
    pnp_device_set_state(device, state);
    irp->IoStatus.Status = STATUS_SUCCESS;
    return pnp_pass(device, irp);
}

static NTSTATUS query_stop(struct pnp_device *device, PIRP irp)
{
    return query(device, irp, PNP_STOP_PENDING, device->special_files == 0 && pnp_device_may_pause(device));
}

static NTSTATUS cancel_stop(struct pnp_device *device, PIRP irp)
{
    return cancel(device, irp, PNP_STOP_PENDING);
}

static NTSTATUS stop_device(struct pnp_device *device, PIRP irp)
{
    return leave(device, irp, PNP_STOPPED);
}

static NTSTATUS query_remove(struct pnp_device *device, PIRP irp)
{
    return query(device, irp, PNP_REMOVE_PENDING, device->special_files == 0);
}

static NTSTATUS cancel_remove(struct pnp_device *device, PIRP irp)
{
    return cancel(device, irp, PNP_REMOVE_PENDING);
}

static NTSTATUS surprise_removal(struct pnp_device *device, PIRP irp)
{
    return leave(device, irp, PNP_SURPRISE_REMOVED);
}

/* The bus knows which device power state belongs to which system power state. */
static NTSTATUS query_capabilities(struct pnp_device *device, PIRP irp)
{
    PDEVICE_CAPABILITIES capabilities =
        IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceCapabilities.Capabilities;
    NTSTATUS status;
    ULONG i;

    status = pnp_forward_and_wait(device, irp);
    if (NT_SUCCESS(status))
        for (i = PowerSystemSleeping1; i < PowerSystemMaximum; i++)
            if (capabilities->DeviceState[i] != PowerDeviceUnspecified)
                device->power_for[i] = capabilities->DeviceState[i];
    return pnp_finish(device, irp, status);
}

/* Devices that a filter above has put into the answer stay in it. */
static NTSTATUS add_relations(PIRP irp, PDEVICE_RELATIONS mine)
{
    PDEVICE_RELATIONS others = (PDEVICE_RELATIONS)irp->IoStatus.Information;
    PDEVICE_RELATIONS all;
    ULONG count;

    if (others == NULL) {
        irp->IoStatus.Information = (ULONG_PTR)mine;
        return STATUS_SUCCESS;
    }
    count = mine->Count + others->Count;
    all = ExAllocatePoolWithTag(PagedPool, FIELD_OFFSET(DEVICE_RELATIONS, Objects[count]), GPLPV_POOL_TAG);
    if (all == NULL) {
        while (mine->Count > 0)
            ObDereferenceObject(mine->Objects[--mine->Count]);
        ExFreePool(mine);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    all->Count = count;
    RtlCopyMemory(all->Objects, others->Objects, others->Count * sizeof(all->Objects[0]));
    RtlCopyMemory(all->Objects + others->Count, mine->Objects, mine->Count * sizeof(all->Objects[0]));
    ExFreePool(others);
    ExFreePool(mine);
    irp->IoStatus.Information = (ULONG_PTR)all;
    return STATUS_SUCCESS;
}

static NTSTATUS query_device_relations(struct pnp_device *device, PIRP irp)
{
    PDEVICE_RELATIONS relations;
    NTSTATUS status;

    if (IoGetCurrentIrpStackLocation(irp)->Parameters.QueryDeviceRelations.Type != BusRelations ||
        device->type->children == NULL || !pnp_device_is_operating(device))
        return pnp_pass(device, irp);
    status = device->type->children(device, &relations);
    if (status == STATUS_NOT_SUPPORTED)
        return pnp_pass(device, irp);
    if (NT_SUCCESS(status))
        status = add_relations(irp, relations);
    if (!NT_SUCCESS(status))
        return pnp_finish(device, irp, status);
    irp->IoStatus.Status = STATUS_SUCCESS;
    return pnp_pass(device, irp);
}

static NTSTATUS query_pnp_device_state(struct pnp_device *device, PIRP irp)
{
    NTSTATUS status;

    if (device->special_files == 0)
        return pnp_pass(device, irp);
    status = pnp_forward_and_wait(device, irp);
    if (!NT_SUCCESS(status))
        irp->IoStatus.Information = 0;
    irp->IoStatus.Information |= PNP_DEVICE_NOT_DISABLEABLE;
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS usage_notification(struct pnp_device *device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;

    status = pnp_forward_usage(device, irp);
    if (NT_SUCCESS(status)) {
        IoAdjustPagingPathCount(&device->special_files, stack->Parameters.UsageNotification.InPath);
        IoInvalidateDeviceState(device->physical);
    }
    return pnp_finish(device, irp, status);
}

static const struct pnp_handler handlers[] = {
    {IRP_MN_FILTER_RESOURCE_REQUIREMENTS, filter_requirements},
    {IRP_MN_START_DEVICE, start_device},
    {IRP_MN_QUERY_STOP_DEVICE, query_stop},
    {IRP_MN_CANCEL_STOP_DEVICE, cancel_stop},
    {IRP_MN_STOP_DEVICE, stop_device},
    {IRP_MN_QUERY_REMOVE_DEVICE, query_remove},
    {IRP_MN_CANCEL_REMOVE_DEVICE, cancel_remove},
    {IRP_MN_SURPRISE_REMOVAL, surprise_removal},
    {IRP_MN_REMOVE_DEVICE, pnp_device_remove},
    {IRP_MN_QUERY_CAPABILITIES, query_capabilities},
    {IRP_MN_QUERY_DEVICE_RELATIONS, query_device_relations},
    {IRP_MN_QUERY_PNP_DEVICE_STATE, query_pnp_device_state},
    {IRP_MN_DEVICE_USAGE_NOTIFICATION, usage_notification},
};

/* WMI belongs to whom it is addressed; anything else is for an interface that the device does not offer. */
static NTSTATUS other(struct pnp_device *device, PIRP irp)
{
    if (IoGetCurrentIrpStackLocation(irp)->MajorFunction == IRP_MJ_SYSTEM_CONTROL)
        return pnp_pass(device, irp);
    return pnp_finish(device, irp, STATUS_INVALID_DEVICE_REQUEST);
}

const struct pnp_role pnp_function_role = {attached, handlers, RTL_NUMBER_OF(handlers), pnp_function_power, other};

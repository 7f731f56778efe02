/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The role of a filter: to look like the device below and to change nothing but the bus relations its driver asks for.
 */
#include "pnp_device.h"

#define INHERITED_FLAGS (DO_BUFFERED_IO | DO_DIRECT_IO | DO_POWER_PAGABLE | DO_POWER_INRUSH)

static VOID attached(struct pnp_device *device)
{
    device->object->Flags |= device->lower->Flags & INHERITED_FLAGS;
    device->object->DeviceType = device->lower->DeviceType;
    device->object->Characteristics = device->lower->Characteristics;
}

/* Some drivers know what they drive, removable media for one, only once it is started. */
static NTSTATUS start_device(struct pnp_device *device, PIRP irp)
{
    NTSTATUS status;

    status = pnp_forward_and_wait(device, irp);
    if (NT_SUCCESS(status)) {
        device->object->Characteristics |= device->lower->Characteristics & FILE_REMOVABLE_MEDIA;
        pnp_device_set_state(device, PNP_STARTED);
    }
    return pnp_finish(device, irp, status);
}

static NTSTATUS query_device_relations(struct pnp_device *device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;

    if (stack->Parameters.QueryDeviceRelations.Type != BusRelations || device->type->bus_relations == NULL)
        return pnp_pass(device, irp);
    status = pnp_forward_and_wait(device, irp);
    if (NT_SUCCESS(status) && irp->IoStatus.Information != 0)
        device->type->bus_relations(device, (PDEVICE_RELATIONS)irp->IoStatus.Information);
    return pnp_finish(device, irp, status);
}

static NTSTATUS usage_notification(struct pnp_device *device, PIRP irp)
{
    return pnp_finish(device, irp, pnp_forward_usage(device, irp));
}

static const struct pnp_handler handlers[] = {
    {IRP_MN_START_DEVICE, start_device},
    {IRP_MN_REMOVE_DEVICE, pnp_device_remove},
    {IRP_MN_QUERY_DEVICE_RELATIONS, query_device_relations},
    {IRP_MN_DEVICE_USAGE_NOTIFICATION, usage_notification},
};

const struct pnp_role pnp_filter_role = {attached, handlers, RTL_NUMBER_OF(handlers), pnp_power_pass, pnp_pass};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pnp_device.h"
#include "pool.h"

#define GPLPV_MODULE "pnp"
#include "debug.h"

static NTSTATUS acquire(struct pnp_device *device, PIRP irp)
{
    /* Not the header's macro: that one leaves the source file's path in debug images. */
    return IoAcquireRemoveLockEx(&device->remove_lock, irp, GPLPV_MODULE, __LINE__, sizeof(device->remove_lock));
}

/* The request is gone by now; its address only names the acquisition. */
VOID pnp_device_release(struct pnp_device *device, PIRP irp)
{
    IoReleaseRemoveLockEx(&device->remove_lock, irp, sizeof(device->remove_lock));
}

static BOOLEAN operates_in(enum pnp_state state)
{
    return state == PNP_STARTED || state == PNP_STOP_PENDING || state == PNP_REMOVE_PENDING;
}

BOOLEAN pnp_device_is_operating(const struct pnp_device *device)
{
    return operates_in(device->state);
}

VOID pnp_device_set_state(struct pnp_device *device, enum pnp_state state)
{
    BOOLEAN stops = operates_in(device->state) && !operates_in(state);

    GPLPV_DEBUG(("%s state %d to %d\n", device->type->name, device->state, state));
    device->state = state;
    if (stops && device->type->stop != NULL)
        device->type->stop(device);
}

NTSTATUS pnp_finish(struct pnp_device *device, PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    pnp_device_release(device, irp);
    return status;
}

NTSTATUS pnp_pass(struct pnp_device *device, PIRP irp)
{
    NTSTATUS status;

    if (device->lower == NULL)
        return pnp_finish(device, irp, irp->IoStatus.Status);
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(device->lower, irp);
    pnp_device_release(device, irp);
    return status;
}

NTSTATUS pnp_power_pass(struct pnp_device *device, PIRP irp)
{
    NTSTATUS status;

    PoStartNextPowerIrp(irp);
    if (device->lower == NULL)
        return pnp_finish(device, irp, irp->IoStatus.Status);
    IoSkipCurrentIrpStackLocation(irp);
    status = PoCallDriver(device->lower, irp);
    pnp_device_release(device, irp);
    return status;
}

static NTSTATUS NTAPI wake_forwarder(PDEVICE_OBJECT object, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(object);
    if (irp->PendingReturned)
        KeSetEvent(context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

NTSTATUS pnp_forward_and_wait(struct pnp_device *device, PIRP irp)
{
    KEVENT back;
    NTSTATUS status;

    KeInitializeEvent(&back, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, wake_forwarder, &back, TRUE, TRUE, TRUE);
    status = IoCallDriver(device->lower, irp);
    if (status == STATUS_PENDING) {
        KeWaitForSingleObject(&back, Executive, KernelMode, FALSE, NULL);
        status = irp->IoStatus.Status;
    }
    return status;
}

/*
 * A pagable device never lies below one that is not.  So the flag is set on the way down, when no one above is in the
 * way, and cleared on the way up, when the device below has cleared its own.
 */
NTSTATUS pnp_forward_usage(struct pnp_device *device, PIRP irp)
{
    PDEVICE_OBJECT above = device->object->AttachedDevice;
    NTSTATUS status;

    if (above == NULL || (above->Flags & DO_POWER_PAGABLE) != 0)
        device->object->Flags |= DO_POWER_PAGABLE;
    status = pnp_forward_and_wait(device, irp);
    if ((device->lower->Flags & DO_POWER_PAGABLE) == 0)
        device->object->Flags &= ~DO_POWER_PAGABLE;
    return status;
}

BOOLEAN pnp_device_may_pause(struct pnp_device *device)
{
    return device->type->may_pause == NULL || device->type->may_pause(device);
}

NTSTATUS pnp_device_remove(struct pnp_device *device, PIRP irp)
{
    NTSTATUS status;

    pnp_device_set_state(device, PNP_REMOVED);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(device->lower, irp);
    IoReleaseRemoveLockAndWaitEx(&device->remove_lock, irp, sizeof(device->remove_lock));
    IoDetachDevice(device->lower);
    IoDeleteDevice(device->object);
    return status;
}

static NTSTATUS dispatch_pnp(struct pnp_device *device, PIRP irp)
{
    const struct pnp_role *role = device->type->role;
    UCHAR minor = IoGetCurrentIrpStackLocation(irp)->MinorFunction;
    ULONG i;

    for (i = 0; i < role->handler_count; i++)
        if (role->handlers[i].minor == minor)
            return role->handlers[i].handle(device, irp);
    return pnp_pass(device, irp);
}

/* A request that comes after removal has begun.  No lock is held. */
static NTSTATUS refuse(PIRP irp, UCHAR major, NTSTATUS status)
{
    if (major == IRP_MJ_POWER)
        PoStartNextPowerIrp(irp);
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT object, PIRP irp)
{
    struct pnp_device *device = object->DeviceExtension;
    UCHAR major = IoGetCurrentIrpStackLocation(irp)->MajorFunction;
    NTSTATUS status;

    status = acquire(device, irp);
    if (!NT_SUCCESS(status))
        return refuse(irp, major, status);
    switch (major) {
    case IRP_MJ_PNP:
        return dispatch_pnp(device, irp);
    case IRP_MJ_POWER:
        return device->type->role->power(device, irp);
    default:
        return device->type->role->other(device, irp);
    }
}

NTSTATUS pnp_device_create(PDRIVER_OBJECT driver, PUNICODE_STRING name, ULONG characteristics,
                           const struct pnp_device_type *type, struct pnp_device **device)
{
    PDEVICE_OBJECT object;
    NTSTATUS status;

    status = IoCreateDevice(driver, type->extension_size, name, type->device_type,
                            characteristics | FILE_DEVICE_SECURE_OPEN, FALSE, &object);
    if (!NT_SUCCESS(status))
        return status;
    *device = object->DeviceExtension;
    (*device)->type = type;
    (*device)->object = object;
    (*device)->physical = object;
    (*device)->state = PNP_NOT_STARTED;
    IoInitializeRemoveLockEx(&(*device)->remove_lock, GPLPV_POOL_TAG, 0, 0, sizeof((*device)->remove_lock));
    return STATUS_SUCCESS;
}

NTSTATUS pnp_device_add(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical, const struct pnp_device_type *type)
{
    struct pnp_device *device;
    NTSTATUS status;

    status = pnp_device_create(driver, NULL, 0, type, &device);
    if (!NT_SUCCESS(status))
        return status;
    device->physical = physical;
    device->lower = IoAttachDeviceToDeviceStack(device->object, physical);
    if (device->lower == NULL) {
        IoDeleteDevice(device->object);
        return STATUS_NO_SUCH_DEVICE;
    }
    type->role->attached(device);
    device->object->Flags &= ~DO_DEVICE_INITIALIZING;
    GPLPV_DEBUG(("%s attached over %p\n", type->name, physical));
    return STATUS_SUCCESS;
}

/* Windows unloads a driver only when its devices are gone, and nothing here outlives them. */
static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

VOID pnp_driver_setup(PDRIVER_OBJECT driver, PDRIVER_ADD_DEVICE add_device)
{
    ULONG major;

    for (major = 0; major <= IRP_MJ_MAXIMUM_FUNCTION; major++)
        driver->MajorFunction[major] = dispatch;
    driver->DriverExtension->AddDevice = add_device;
    driver->DriverUnload = unload;
}

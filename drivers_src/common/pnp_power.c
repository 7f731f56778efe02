/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Power requests of a function driver.  It is the power policy owner: a system power request, once the drivers below
 * have agreed, makes it request the device power state that belongs to the system's, and is completed when that
 * request is done.
 *
 * By the rules before Vista, which do no harm from it on, every driver calls PoStartNextPowerIrp once for each
 * request, when it is ready for the next, and passes requests down with PoCallDriver.
 */
#include "pnp_device.h"

#define GPLPV_MODULE "pnp"
#include "debug.h"

VOID pnp_power_initialize(struct pnp_device *device)
{
    ULONG i;

    device->power = PowerDeviceUnspecified;
    for (i = 0; i < PowerSystemMaximum; i++)
        device->power_for[i] = i <= PowerSystemWorking ? PowerDeviceD0 : PowerDeviceD3;
}

static VOID report(struct pnp_device *device, DEVICE_POWER_STATE power)
{
    POWER_STATE state;

    GPLPV_DEBUG(("%s power D%d\n", device->type->name, (int)power - (int)PowerDeviceD0));
    device->power = power;
    state.DeviceState = power;
    PoSetPowerState(device->object, DevicePowerState, state);
}

VOID pnp_power_started(struct pnp_device *device)
{
    report(device, PowerDeviceD0);
}

static VOID set_power(struct pnp_device *device, DEVICE_POWER_STATE power)
{
    if (device->type->set_power != NULL)
        device->type->set_power(device, power);
    report(device, power);
}

/* The routine gets the device as its context, at up to DISPATCH_LEVEL, and gives the remove lock back. */
static NTSTATUS pass_with(struct pnp_device *device, PIRP irp, PIO_COMPLETION_ROUTINE routine)
{
    IoMarkIrpPending(irp);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, routine, device, TRUE, TRUE, TRUE);
    PoCallDriver(device->lower, irp);
    return STATUS_PENDING;
}

/* Our part in a request that is on its way up is over. */
static NTSTATUS let_go(struct pnp_device *device, PIRP irp)
{
    PoStartNextPowerIrp(irp);
    pnp_device_release(device, irp);
    return STATUS_CONTINUE_COMPLETION;
}

/* The device has followed the system.  It may refuse to when asked, but not when told. */
static VOID NTAPI device_followed(PDEVICE_OBJECT object, UCHAR minor, POWER_STATE state, PVOID context,
                                  PIO_STATUS_BLOCK result)
{
    struct pnp_device *device = context;
    PIRP irp = device->system_power_irp;

    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(state);
    device->system_power_irp = NULL;
    PoStartNextPowerIrp(irp);
    pnp_finish(device, irp, minor == IRP_MN_QUERY_POWER ? result->Status : STATUS_SUCCESS);
}

static NTSTATUS NTAPI lower_agreed_to_system_power(PDEVICE_OBJECT object, PIRP irp, PVOID context)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    struct pnp_device *device = context;
    POWER_STATE state;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(object);
    if (!NT_SUCCESS(irp->IoStatus.Status))
        return let_go(device, irp);
    device->system_power_irp = irp;
    state.DeviceState = device->power_for[stack->Parameters.Power.State.SystemState];
    status = PoRequestPowerIrp(device->physical, stack->MinorFunction, state, device_followed, device, NULL);
    if (status == STATUS_PENDING)
        return STATUS_MORE_PROCESSING_REQUIRED;
    device->system_power_irp = NULL;
    irp->IoStatus.Status = status;
    return let_go(device, irp);
}

static NTSTATUS NTAPI lower_is_up(PDEVICE_OBJECT object, PIRP irp, PVOID context)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    struct pnp_device *device = context;

    UNREFERENCED_PARAMETER(object);
    if (NT_SUCCESS(irp->IoStatus.Status))
        set_power(device, stack->Parameters.Power.State.DeviceState);
    return let_go(device, irp);
}

/* Up: the bus first, then we.  Down: we first. */
static NTSTATUS set_device_power(struct pnp_device *device, PIRP irp)
{
    DEVICE_POWER_STATE power = IoGetCurrentIrpStackLocation(irp)->Parameters.Power.State.DeviceState;

    if (power < device->power)
        return pass_with(device, irp, lower_is_up);
    if (power > device->power)
        set_power(device, power);
    irp->IoStatus.Status = STATUS_SUCCESS;
    return pnp_power_pass(device, irp);
}

static BOOLEAN is_unwelcome_sleep(struct pnp_device *device, PIO_STACK_LOCATION stack)
{
    SYSTEM_POWER_STATE state = stack->Parameters.Power.State.SystemState;

    return stack->MinorFunction == IRP_MN_QUERY_POWER && stack->Parameters.Power.Type == SystemPowerState &&
           state > PowerSystemWorking && state < PowerSystemShutdown && !pnp_device_may_pause(device);
}

static NTSTATUS refuse(struct pnp_device *device, PIRP irp)
{
    PoStartNextPowerIrp(irp);
    return pnp_finish(device, irp, STATUS_UNSUCCESSFUL);
}

NTSTATUS pnp_function_power(struct pnp_device *device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);

    if (!pnp_device_is_operating(device))
        return pnp_power_pass(device, irp);
    if (stack->MinorFunction != IRP_MN_SET_POWER && stack->MinorFunction != IRP_MN_QUERY_POWER)
        return pnp_power_pass(device, irp);
    if (is_unwelcome_sleep(device, stack))
        return refuse(device, irp);
    if (stack->Parameters.Power.Type == SystemPowerState)
        return pass_with(device, irp, lower_agreed_to_system_power);
    if (stack->MinorFunction == IRP_MN_SET_POWER)
        return set_device_power(device, irp);
    irp->IoStatus.Status = STATUS_SUCCESS;
    return pnp_power_pass(device, irp);
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Telling QEMU's disk controllers and network cards from real ones that are passed through.
 *
 * The bus driver is asked for identifiers, since the device has not been started and has no properties yet: hardware
 * identifiers name the subsystem, compatible ones the class code (Windows Driver Kit, "Identifiers for PCI Devices").
 */
#include "xenhide.h"

static const struct {
    PCWSTR class_code;
    ULONG hidden;
} classes[] = {
    {L"CC_0101", HIDE_DISKS},    /* IDE */
    {L"CC_0106", HIDE_DISKS},    /* SATA: AHCI */
    {L"CC_0200", HIDE_NETWORKS}, /* Ethernet */
};

/* Device, then vendor: QEMU's default, that of Xen's QEMU, and that of a QEMU which sets none. */
static const PCWSTR subsystems[] = {L"SUBSYS_11001AF4", L"SUBSYS_00015853", L"SUBSYS_00000000"};

static const PCWSTR platform_devices[] = {L"VEN_5853&DEV_0001"};

/* The bus driver's list of identifiers in pool memory for the caller, or NULL. */
static PWSTR query_ids(PDEVICE_OBJECT device, BUS_QUERY_ID_TYPE type)
{
    PIO_STACK_LOCATION stack;
    IO_STATUS_BLOCK result;
    PDEVICE_OBJECT top;
    NTSTATUS status;
    KEVENT done;
    PIRP irp;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    top = IoGetAttachedDeviceReference(device);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_PNP, top, NULL, 0, NULL, &done, &result);
    if (irp == NULL) {
        ObDereferenceObject(top);
        return NULL;
    }
    irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    stack = IoGetNextIrpStackLocation(irp);
    stack->MinorFunction = IRP_MN_QUERY_ID;
    stack->Parameters.QueryId.IdType = type;
    status = IoCallDriver(top, irp);
    if (status == STATUS_PENDING) {
        KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
        status = result.Status;
    }
    ObDereferenceObject(top);
    return NT_SUCCESS(status) ? (PWSTR)result.Information : NULL;
}

static BOOLEAN contains(PCWSTR text, PCWSTR part)
{
    UNICODE_STRING wanted, found;

    RtlInitUnicodeString(&wanted, part);
    for (; *text != 0; text++) {
        RtlInitUnicodeString(&found, text);
        if (found.Length < wanted.Length)
            return FALSE;
        found.Length = wanted.Length;
        if (RtlEqualUnicodeString(&found, &wanted, TRUE))
            return TRUE;
    }
    return FALSE;
}

static BOOLEAN any_contains(PCWSTR ids, const PCWSTR *parts, ULONG count)
{
    ULONG i;

    for (; *ids != 0; ids += wcslen(ids) + 1)
        for (i = 0; i < count; i++)
            if (contains(ids, parts[i]))
                return TRUE;
    return FALSE;
}

static BOOLEAN has_id(PDEVICE_OBJECT device, BUS_QUERY_ID_TYPE type, const PCWSTR *parts, ULONG count)
{
    PWSTR ids = query_ids(device, type);
    BOOLEAN found;

    if (ids == NULL)
        return FALSE;
    found = any_contains(ids, parts, count);
    ExFreePool(ids);
    return found;
}

BOOLEAN is_platform_device(PDEVICE_OBJECT device)
{
    return has_id(device, BusQueryHardwareIDs, platform_devices, RTL_NUMBER_OF(platform_devices));
}

ULONG emulated_class(PDEVICE_OBJECT device)
{
    ULONG i;

    if (!has_id(device, BusQueryHardwareIDs, subsystems, RTL_NUMBER_OF(subsystems)))
        return 0;
    for (i = 0; i < RTL_NUMBER_OF(classes); i++)
        if (has_id(device, BusQueryCompatibleIDs, &classes[i].class_code, 1))
            return classes[i].hidden;
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Telling QEMU's disk controllers and network cards from real ones that are passed through.
 *
 * The bus driver is asked for identifiers, since the device has not been started and has no properties yet: hardware
 * identifiers name the subsystem, compatible ones the class code (Windows Driver Kit, "Identifiers for PCI Devices").
 */
#include "xenhide.h"

static const PCWSTR disk_classes[] = {L"CC_0101", L"CC_0106"}; /* IDE; SATA: AHCI */
static const PCWSTR network_classes[] = {L"CC_0200"};          /* Ethernet */

/* Device, then vendor: QEMU's default, that of Xen's QEMU, and that of a QEMU which sets none. */
static const PCWSTR subsystems[] = {L"SUBSYS_11001AF4", L"SUBSYS_00015853", L"SUBSYS_00000000"};

static const PCWSTR platform_devices[] = {L"VEN_5853&DEV_0001"};

/* The bus driver's list of identifiers in pool memory for the caller; NULL where it has none. */
static NTSTATUS query_ids(PDEVICE_OBJECT device, BUS_QUERY_ID_TYPE type, PWSTR *ids)
{
    PIO_STACK_LOCATION stack;
    IO_STATUS_BLOCK result;
    PDEVICE_OBJECT top;
    NTSTATUS status;
    KEVENT done;
    PIRP irp;

    *ids = NULL;
    KeInitializeEvent(&done, NotificationEvent, FALSE);
    top = IoGetAttachedDeviceReference(device);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_PNP, top, NULL, 0, NULL, &done, &result);
    if (irp == NULL) {
        ObDereferenceObject(top);
        return STATUS_INSUFFICIENT_RESOURCES;
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
    if (NT_SUCCESS(status))
        *ids = (PWSTR)result.Information;
    return status == STATUS_NOT_SUPPORTED ? STATUS_SUCCESS : status;
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

    for (; ids != NULL && *ids != 0; ids += wcslen(ids) + 1)
        for (i = 0; i < count; i++)
            if (contains(ids, parts[i]))
                return TRUE;
    return FALSE;
}

static enum device_kind kind_of_emulated(PDEVICE_OBJECT device)
{
    enum device_kind kind = KIND_OTHER;
    PWSTR ids;

    if (!NT_SUCCESS(query_ids(device, BusQueryCompatibleIDs, &ids)))
        return KIND_UNKNOWN;
    if (any_contains(ids, disk_classes, RTL_NUMBER_OF(disk_classes)))
        kind = KIND_DISKS;
    else if (any_contains(ids, network_classes, RTL_NUMBER_OF(network_classes)))
        kind = KIND_NETWORK;
    if (ids != NULL)
        ExFreePool(ids);
    return kind;
}

enum device_kind kind_of(PDEVICE_OBJECT device)
{
    BOOLEAN platform, emulated;
    PWSTR ids;

    if (!NT_SUCCESS(query_ids(device, BusQueryHardwareIDs, &ids)))
        return KIND_UNKNOWN;
    platform = any_contains(ids, platform_devices, RTL_NUMBER_OF(platform_devices));
    emulated = any_contains(ids, subsystems, RTL_NUMBER_OF(subsystems));
    if (ids != NULL)
        ExFreePool(ids);
    if (platform)
        return KIND_PLATFORM;
    return emulated ? kind_of_emulated(device) : KIND_OTHER;
}

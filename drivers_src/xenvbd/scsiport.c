/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenvbd as a SCSI port miniport: Windows 2000, XP and Server 2003. */
#include "xenvbd.h"
#include "gplpv_version.h"

DRIVER_INITIALIZE DriverEntry;

/* PASSIVE_LEVEL. The port driver calls it for a device of ours alone, so there is nothing to look for. */
static ULONG NTAPI find_adapter(PVOID extension, PVOID context, PVOID bus_information, PCHAR arguments,
                                PPORT_CONFIGURATION_INFORMATION config, PBOOLEAN again)
{
    UNREFERENCED_PARAMETER(extension);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(bus_information);
    UNREFERENCED_PARAMETER(arguments);

    xenvbd_configure(config);
    *again = FALSE;
    return SP_RETURN_FOUND;
}

/* DIRQL. */
static BOOLEAN NTAPI initialize(PVOID extension)
{
    xenvbd_set_state(extension, XENVBD_DISCONNECTED);
    return TRUE;
}

/* DIRQL, or DISPATCH_LEVEL for an adapter without an interrupt. */
static BOOLEAN NTAPI start_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    UCHAR path = srb->PathId;
    UCHAR target = srb->TargetId;
    UCHAR lun = srb->Lun;

    srb->SrbStatus = xenvbd_start_io(extension, srb);
    ScsiPortNotification(RequestComplete, extension, srb);
    ScsiPortNotification(NextLuRequest, extension, path, target, lun);
    return TRUE;
}

/* DIRQL. The line may be shared; without a ring no interrupt is ours. */
static BOOLEAN NTAPI interrupt(PVOID extension)
{
    UNREFERENCED_PARAMETER(extension);
    return FALSE;
}

/* DIRQL. No request is ever outstanding, so none has to be completed. */
static BOOLEAN NTAPI reset_bus(PVOID extension, ULONG path)
{
    UNREFERENCED_PARAMETER(extension);
    UNREFERENCED_PARAMETER(path);
    return TRUE;
}

/* PASSIVE_LEVEL for the query, DIRQL for stop and restart. */
static SCSI_ADAPTER_CONTROL_STATUS NTAPI adapter_control(PVOID extension, SCSI_ADAPTER_CONTROL_TYPE type,
                                                         PVOID parameters)
{
    return xenvbd_adapter_control(extension, type, parameters);
}

/* PASSIVE_LEVEL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    HW_INITIALIZATION_DATA data;

    GPLPV_DEBUG_BANNER();
    RtlZeroMemory(&data, sizeof(data));
    data.HwInitializationDataSize = sizeof(data);
    data.AdapterInterfaceType = Internal;
    data.HwFindAdapter = find_adapter;
    data.HwInitialize = initialize;
    data.HwStartIo = start_io;
    data.HwInterrupt = interrupt;
    data.HwResetBus = reset_bus;
    data.HwAdapterControl = adapter_control;
    data.DeviceExtensionSize = sizeof(struct xenvbd_adapter);
    data.MapBuffers = TRUE;
    data.NeedPhysicalAddresses = TRUE;
    data.TaggedQueuing = TRUE;
    data.AutoRequestSense = TRUE;
    data.MultipleRequestPerLu = TRUE;
    return (NTSTATUS)ScsiPortInitialize(driver, registry_path, &data, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenvbd as a Storport miniport: Windows Vista, Server 2008 and their successors. */
#include "xenvbd.h"
#include "gplpv_version.h"

DRIVER_INITIALIZE DriverEntry;

/* PASSIVE_LEVEL. Comes again, with the extension as the last stop left it, when a stopped adapter starts. */
static ULONG NTAPI find_adapter(PVOID extension, PVOID context, PVOID bus_information, PCHAR arguments,
                                PPORT_CONFIGURATION_INFORMATION config, PBOOLEAN again)
{
    UNREFERENCED_PARAMETER(extension);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(bus_information);
    UNREFERENCED_PARAMETER(arguments);

    xenvbd_configure(config);
    config->SynchronizationModel = StorSynchronizeHalfDuplex;
    *again = FALSE;
    return SP_RETURN_FOUND;
}

/* DIRQL. */
static BOOLEAN NTAPI initialize(PVOID extension)
{
    xenvbd_set_state(extension, XENVBD_DISCONNECTED);
    return TRUE;
}

/* DIRQL, under the interrupt lock: half duplex. */
static BOOLEAN NTAPI start_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    srb->SrbStatus = xenvbd_start_io(extension, srb);
    StorPortNotification(RequestComplete, extension, srb);
    return TRUE;
}

/* DIRQL. The line may be shared; without a ring no interrupt is ours. */
static BOOLEAN NTAPI interrupt(PVOID extension)
{
    UNREFERENCED_PARAMETER(extension);
    return FALSE;
}

/* DISPATCH_LEVEL, under the StartIo lock. No request is ever outstanding, so none has to be completed. */
static BOOLEAN NTAPI reset_bus(PVOID extension, ULONG path)
{
    UNREFERENCED_PARAMETER(extension);
    UNREFERENCED_PARAMETER(path);
    return TRUE;
}

/* PASSIVE_LEVEL for the query, DIRQL under the interrupt lock for stop and restart. */
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
    data.MapBuffers = STOR_MAP_NON_READ_WRITE_BUFFERS;
    data.NeedPhysicalAddresses = TRUE;
    data.TaggedQueuing = TRUE;
    data.AutoRequestSense = TRUE;
    data.MultipleRequestPerLu = TRUE;
    return (NTSTATUS)StorPortInitialize(driver, registry_path, &data, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the adapter is to both port drivers: their callbacks, but for HwStartIo, and its configuration. */
#include "xenvbd.h"

/* PASSIVE_LEVEL. */
static VOID configure(PPORT_CONFIGURATION_INFORMATION config)
{
    config->NumberOfBuses = 1;
    config->MaximumNumberOfTargets = 2;
    config->MaximumNumberOfLogicalUnits = 1;
    config->InitiatorBusId[0] = 1; /* the port driver does not scan this one, so target 0 is the only one it asks */

    /* The port driver starts with "unlimited" or with an administrator's lower limit. */
    config->MaximumTransferLength = min(config->MaximumTransferLength, XENVBD_MAXIMUM_TRANSFER);
    config->NumberOfPhysicalBreaks = min(config->NumberOfPhysicalBreaks, XENVBD_MAXIMUM_TRANSFER / PAGE_SIZE);
    config->ScatterGather = TRUE;
    config->Master = TRUE;
    config->CachesData = FALSE;

    if (config->Dma64BitAddresses & SCSI_DMA64_SYSTEM_SUPPORTED) {
        config->Dma64BitAddresses = SCSI_DMA64_MINIPORT_SUPPORTED;
    } else {
        config->Dma32BitAddresses = TRUE;
    }
}

/*
 * PASSIVE_LEVEL. The port driver calls it for a device of ours alone, so there is nothing to look for. When a stopped
 * adapter starts again, Storport passes the extension as the stop left it.
 */
static ULONG NTAPI find_adapter(PVOID extension, PVOID context, PVOID bus_information, PCHAR arguments,
                                PPORT_CONFIGURATION_INFORMATION config, PBOOLEAN again)
{
    UNREFERENCED_PARAMETER(extension);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(bus_information);
    UNREFERENCED_PARAMETER(arguments);

    configure(config);
    *again = FALSE;
    return SP_RETURN_FOUND;
}

/* DIRQL. */
static BOOLEAN NTAPI initialize(PVOID extension)
{
    xenvbd_set_state(extension, XENVBD_DISCONNECTED);
    return TRUE;
}

/* DIRQL. The line may be shared; without a ring no interrupt is ours. */
static BOOLEAN NTAPI interrupt(PVOID extension)
{
    UNREFERENCED_PARAMETER(extension);
    return FALSE;
}

/* DIRQL (SCSI port) or DISPATCH_LEVEL (Storport). No request is ever outstanding, so none has to be completed. */
static BOOLEAN NTAPI reset_bus(PVOID extension, ULONG path)
{
    UNREFERENCED_PARAMETER(extension);
    UNREFERENCED_PARAMETER(path);
    return TRUE;
}

/* PASSIVE_LEVEL. */
static VOID list_control_types(PSCSI_SUPPORTED_CONTROL_TYPE_LIST list)
{
    static const SCSI_ADAPTER_CONTROL_TYPE supported[] = {
        ScsiQuerySupportedControlTypes, ScsiStopAdapter, ScsiRestartAdapter
    };
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(supported); i++) {
        if ((ULONG)supported[i] < list->MaxControlType) {
            list->SupportedTypeList[supported[i]] = TRUE;
        }
    }
}

/* PASSIVE_LEVEL for the query, DIRQL for stop and restart. */
static SCSI_ADAPTER_CONTROL_STATUS NTAPI adapter_control(PVOID extension, SCSI_ADAPTER_CONTROL_TYPE type,
                                                         PVOID parameters)
{
    switch (type) {
    case ScsiQuerySupportedControlTypes:
        list_control_types(parameters);
        return ScsiAdapterControlSuccess;

    case ScsiStopAdapter:
        xenvbd_set_state(extension, XENVBD_STOPPED);
        return ScsiAdapterControlSuccess;

    case ScsiRestartAdapter:
        xenvbd_set_state(extension, XENVBD_DISCONNECTED);
        return ScsiAdapterControlSuccess;

    default:
        return ScsiAdapterControlUnsuccessful;
    }
}

VOID xenvbd_describe(PHW_INITIALIZATION_DATA data, PHW_STARTIO start_io, UCHAR map_buffers)
{
    RtlZeroMemory(data, sizeof(*data));
    data->HwInitializationDataSize = sizeof(*data);
    data->AdapterInterfaceType = Internal;
    data->HwFindAdapter = find_adapter;
    data->HwInitialize = initialize;
    data->HwStartIo = start_io;
    data->HwInterrupt = interrupt;
    data->HwResetBus = reset_bus;
    data->HwAdapterControl = adapter_control;
    data->DeviceExtensionSize = sizeof(struct xenvbd_adapter);
    data->MapBuffers = map_buffers;
    data->NeedPhysicalAddresses = TRUE;
    data->TaggedQueuing = TRUE;
    data->AutoRequestSense = TRUE;
    data->MultipleRequestPerLu = TRUE;
}

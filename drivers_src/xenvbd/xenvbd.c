/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The adapter: its state and the SRBs that are not SCSI commands. */
#include "xenvbd.h"

VOID xenvbd_configure(PPORT_CONFIGURATION_INFORMATION config)
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
    config->NeedPhysicalAddresses = TRUE;
    config->TaggedQueuing = TRUE;
    config->AutoRequestSense = TRUE;
    config->MultipleRequestPerLu = TRUE;
    config->CachesData = FALSE;
    config->WmiDataProvider = FALSE;

    if (config->Dma64BitAddresses & SCSI_DMA64_SYSTEM_SUPPORTED) {
        config->Dma64BitAddresses = SCSI_DMA64_MINIPORT_SUPPORTED;
    } else {
        config->Dma32BitAddresses = TRUE;
    }
}

VOID xenvbd_set_state(struct xenvbd_adapter *adapter, enum xenvbd_state state)
{
    GPLPV_DEBUG(("adapter %p: state %d -> %d\n", adapter, adapter->state, state));
    adapter->state = state;
}

/* DIRQL or below. No ring carries a request to a back end yet, so the medium cannot be reached. */
static UCHAR submit(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb, const struct xenvbd_io *io)
{
    UNREFERENCED_PARAMETER(adapter);
    UNREFERENCED_PARAMETER(io);
    return xenvbd_sense(srb, SCSI_SENSE_NOT_READY, SCSI_ADSENSE_LUN_NOT_READY, 0);
}

/* DIRQL or below. */
static UCHAR execute_scsi(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    struct xenvbd_io io;
    UCHAR status;

    if (adapter->state != XENVBD_CONNECTED || srb->PathId != 0 || srb->TargetId != 0) {
        return SRB_STATUS_NO_DEVICE;
    }
    if (srb->Lun != 0) {
        return SRB_STATUS_INVALID_LUN;
    }
    status = xenvbd_command(&adapter->disk, srb, &io);
    return status == SRB_STATUS_PENDING ? submit(adapter, srb, &io) : status;
}

UCHAR xenvbd_start_io(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    switch (srb->Function) {
    case SRB_FUNCTION_EXECUTE_SCSI:
        return execute_scsi(adapter, srb);

    case SRB_FUNCTION_RESET_BUS:
    case SRB_FUNCTION_RESET_DEVICE:
    case SRB_FUNCTION_RESET_LOGICAL_UNIT:
    case SRB_FUNCTION_FLUSH:
    case SRB_FUNCTION_SHUTDOWN:
        return SRB_STATUS_SUCCESS; /* every request is complete when it has been started: none is left to wait for */

    default:
        return SRB_STATUS_INVALID_REQUEST;
    }
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

SCSI_ADAPTER_CONTROL_STATUS xenvbd_adapter_control(struct xenvbd_adapter *adapter, SCSI_ADAPTER_CONTROL_TYPE type,
                                                   PVOID parameters)
{
    switch (type) {
    case ScsiQuerySupportedControlTypes:
        list_control_types((PSCSI_SUPPORTED_CONTROL_TYPE_LIST)parameters);
        return ScsiAdapterControlSuccess;

    case ScsiStopAdapter:
        xenvbd_set_state(adapter, XENVBD_STOPPED);
        return ScsiAdapterControlSuccess;

    case ScsiRestartAdapter:
        xenvbd_set_state(adapter, XENVBD_DISCONNECTED);
        return ScsiAdapterControlSuccess;

    default:
        return ScsiAdapterControlUnsuccessful;
    }
}

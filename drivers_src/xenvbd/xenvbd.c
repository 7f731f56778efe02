/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The adapter: its state and the SRBs that are not SCSI commands. */
#include "xenvbd.h"

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

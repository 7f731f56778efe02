/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The adapter: its state, SRBs as they come from the port driver, and events as they come from the back end. */
#include "xenvbd.h"

VOID xenvbd_set_state(struct xenvbd_adapter *adapter, enum xenvbd_state state)
{
    GPLPV_DEBUG(("adapter %p: state %d -> %d\n", adapter, adapter->state, state));
    adapter->state = state;
}

static BOOLEAN has_unit(const struct xenvbd_adapter *adapter)
{
    return adapter->state == XENVBD_CONNECTED || adapter->state == XENVBD_SUSPENDED;
}

/* SAM-3, 5.9.7: these commands neither report a unit attention nor clear it. */
static BOOLEAN reports_attention(UCHAR operation)
{
    return operation != SCSIOP_INQUIRY && operation != SCSIOP_REPORT_LUNS && operation != SCSIOP_REQUEST_SENSE;
}

static UCHAR execute_scsi(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    struct xenvbd_io io;
    UCHAR status;

    if (!has_unit(adapter) || srb->PathId != 0 || srb->TargetId != 0) {
        return SRB_STATUS_NO_DEVICE;
    }
    if (srb->Lun != 0) {
        return SRB_STATUS_INVALID_LUN;
    }
    if (adapter->attention != 0 && reports_attention(srb->Cdb[0])) {
        status = xenvbd_sense(srb, SCSI_SENSE_UNIT_ATTENTION, adapter->attention, adapter->attention_qualifier);
        adapter->attention = 0;
        return status;
    }
    status = xenvbd_command(&adapter->disk, srb, &io);
    if (status == SRB_STATUS_PENDING) {
        xenvbd_submit(adapter, srb, &io);
    }
    return status;
}

static UCHAR flush(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    struct xenvbd_io io;

    if (!has_unit(adapter) || adapter->flush == XENVBD_NO_FLUSH) {
        return SRB_STATUS_SUCCESS;
    }
    RtlZeroMemory(&io, sizeof(io));
    io.operation = XENVBD_FLUSH;
    xenvbd_submit(adapter, srb, &io);
    return SRB_STATUS_PENDING;
}

static UCHAR dispatch(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    switch (srb->Function) {
    case SRB_FUNCTION_EXECUTE_SCSI:
        return execute_scsi(adapter, srb);

    case SRB_FUNCTION_FLUSH:
    case SRB_FUNCTION_SHUTDOWN:
        return flush(adapter, srb);

    case SRB_FUNCTION_RESET_BUS:
    case SRB_FUNCTION_RESET_DEVICE:
    case SRB_FUNCTION_RESET_LOGICAL_UNIT:
        xenvbd_reset(adapter);
        return SRB_STATUS_SUCCESS;

    case SRB_FUNCTION_ABORT_COMMAND:
        return xenvbd_request_abort(adapter, srb->NextSrb) ? SRB_STATUS_SUCCESS : SRB_STATUS_ABORT_FAILED;

    default:
        return SRB_STATUS_INVALID_REQUEST;
    }
}

VOID xenvbd_start_io(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    UCHAR status = dispatch(adapter, srb);

    if (status != SRB_STATUS_PENDING) {
        srb->SrbStatus = status;
        xenvbd_port_complete(adapter, srb);
    }
}

VOID xenvbd_event(struct xenvbd_adapter *adapter)
{
    if (adapter->state != XENVBD_CONNECTED && adapter->state != XENVBD_CLOSING) {
        return;
    }
    if (adapter->broken) {
        return;
    }
    if (!xenvbd_poll(adapter)) {
        GPLPV_DEBUG(("adapter %p: the back end has broken the ring\n", adapter));
        adapter->broken = TRUE;
        xenvbd_set_state(adapter, XENVBD_CLOSING);
        xenvbd_requests_close(adapter);
    }
    xenvbd_pump(adapter);
    if (adapter->state == XENVBD_CLOSING) {
        adapter->xen->wake(adapter->xen->context);
    }
}

VOID xenvbd_reset(struct xenvbd_adapter *adapter)
{
    xenvbd_event(adapter);
    xenvbd_requests_end_waiting(adapter, SRB_STATUS_BUS_RESET);
    if (adapter->state == XENVBD_CONNECTED) {
        adapter->xen->event_notify(adapter->xen->context, adapter->link.port);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SRBs of the medium as ring entries. A request is in adapter->waiting while some of it has still to go into the ring,
 * in adapter->flying while all that is left is to be answered, and its SRB is completed when it leaves the lists, in
 * finish() alone. Nothing is allocated: a request lives in its SRB's extension, an entry in a slot of the adapter.
 */
#include "xenvbd.h"

#define UNRECOVERED_READ_ERROR 0x11
#define INTERNAL_TARGET_FAILURE 0x44

static VOID finish(struct xenvbd_adapter *adapter, struct xenvbd_request *request, UCHAR srb_status)
{
    PSCSI_REQUEST_BLOCK srb = request->srb;

    RemoveEntryList(&request->link);
    request->srb = NULL;
    srb->SrbStatus = srb_status;
    if (SRB_STATUS(srb_status) != SRB_STATUS_SUCCESS) {
        srb->DataTransferLength = 0;
    }
    xenvbd_port_complete(adapter, srb);
}

/* What the back end's verdict is to the class driver. */
static UCHAR verdict(const struct xenvbd_request *request)
{
    PSCSI_REQUEST_BLOCK srb = request->srb;

    switch (request->status) {
    case BLKIF_RSP_OKAY:
        srb->ScsiStatus = SCSISTAT_GOOD;
        if (request->operation == XENVBD_READ || request->operation == XENVBD_WRITE) {
            srb->DataTransferLength = request->length;
        }
        return SRB_STATUS_SUCCESS;

    case BLKIF_RSP_ERROR:
        return xenvbd_sense(srb, SCSI_SENSE_MEDIUM_ERROR,
                            request->operation == XENVBD_READ ? UNRECOVERED_READ_ERROR : SCSI_ADSENSE_WRITE_ERROR, 0);

    case BLKIF_RSP_EOPNOTSUPP:
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_COMMAND, 0);

    case XENVBD_RSP_BUSY:
        return SRB_STATUS_BUSY;

    case XENVBD_RSP_GONE:
        return SRB_STATUS_NO_DEVICE;

    default:
        return xenvbd_sense(srb, SCSI_SENSE_HARDWARE_ERROR, INTERNAL_TARGET_FAILURE, 0);
    }
}

static VOID rewind_request(struct xenvbd_request *request)
{
    request->step = request->operation == XENVBD_FLUSH ? XENVBD_STEP_FLUSH : XENVBD_STEP_TRANSFER;
    request->offset = 0;
    request->outstanding = 0;
    request->status = BLKIF_RSP_OKAY;
    RtlZeroMemory(&request->cursor, sizeof(request->cursor));
}

/* Whether nothing more of the request goes into the ring in this step. */
static BOOLEAN is_sent(const struct xenvbd_request *request)
{
    if (request->status != BLKIF_RSP_OKAY) {
        return TRUE;
    }
    return request->step == XENVBD_STEP_DONE ||
           (request->step == XENVBD_STEP_TRANSFER && request->offset == request->length);
}

static VOID put(struct xenvbd_adapter *adapter, struct xenvbd_request *request, struct xenvbd_slot *slot,
                struct xenvbd_entry *entry)
{
    slot->request = request;
    request->outstanding++;
    entry->id = xenvbd_slot_id(adapter, slot);
    xenvbd_ring_put(&adapter->ring, entry);
}

/* Sends as much of a read or write as one entry holds. FALSE: there is no room for any of it now. */
static BOOLEAN send_transfer(struct xenvbd_adapter *adapter, struct xenvbd_request *request)
{
    struct xenvbd_slot *slot = xenvbd_slot_take(adapter);
    struct xenvbd_entry entry;

    if (slot == NULL) {
        return FALSE;
    }
    entry.operation = request->operation == XENVBD_READ ? BLKIF_OP_READ : BLKIF_OP_WRITE;
    entry.sector = request->sector + request->offset / BLKIF_SECTOR_SIZE;
    if (!xenvbd_segments_fill(adapter, request, slot, &entry)) {
        xenvbd_slot_release(adapter, slot);
        return request->status != BLKIF_RSP_OKAY;
    }
    request->offset += slot->length;
    put(adapter, request, slot, &entry);
    return TRUE;
}

/* Sends an entry without data. */
static BOOLEAN send_plain(struct xenvbd_adapter *adapter, struct xenvbd_request *request, struct xenvbd_entry *entry)
{
    struct xenvbd_slot *slot = xenvbd_slot_take(adapter);

    if (slot == NULL) {
        return FALSE;
    }
    entry->segments = 0;
    entry->segment = NULL;
    entry->indirect = XENVBD_NO_REF;
    put(adapter, request, slot, entry);
    return TRUE;
}

static BOOLEAN send_flush(struct xenvbd_adapter *adapter, struct xenvbd_request *request)
{
    struct xenvbd_entry entry;

    entry.sector = 0;
    if (xenvbd_flush_operation(adapter, &entry.operation) && !send_plain(adapter, request, &entry)) {
        return FALSE;
    }
    request->step = XENVBD_STEP_DONE;
    return TRUE;
}

static BOOLEAN send_discard(struct xenvbd_adapter *adapter, struct xenvbd_request *request)
{
    struct xenvbd_entry entry;

    entry.operation = BLKIF_OP_DISCARD;
    xenvbd_discard_extent(adapter, request->srb, request->offset, &entry.sector, &entry.sectors);
    if (entry.sectors != 0 && !send_plain(adapter, request, &entry)) {
        return FALSE;
    }
    request->offset++;
    return TRUE;
}

static BOOLEAN send_next(struct xenvbd_adapter *adapter, struct xenvbd_request *request)
{
    if (request->step == XENVBD_STEP_FLUSH) {
        return send_flush(adapter, request);
    }
    return request->operation == XENVBD_UNMAP ? send_discard(adapter, request) : send_transfer(adapter, request);
}

/* The request is sent, or has failed: to where it belongs next. */
static VOID settle(struct xenvbd_adapter *adapter, struct xenvbd_request *request)
{
    if (request->outstanding != 0) {
        RemoveEntryList(&request->link);
        InsertTailList(&adapter->flying, &request->link);
    } else if (request->status == BLKIF_RSP_OKAY && request->step == XENVBD_STEP_TRANSFER &&
               request->force_unit_access) {
        request->step = XENVBD_STEP_FLUSH;
        RemoveEntryList(&request->link);
        InsertHeadList(&adapter->waiting, &request->link);
    } else {
        finish(adapter, request, verdict(request));
    }
}

VOID xenvbd_pump(struct xenvbd_adapter *adapter)
{
    if (adapter->state != XENVBD_CONNECTED) {
        return;
    }
    while (!IsListEmpty(&adapter->waiting)) {
        struct xenvbd_request *request = CONTAINING_RECORD(adapter->waiting.Flink, struct xenvbd_request, link);

        if (is_sent(request)) {
            settle(adapter, request);
        } else if (!send_next(adapter, request)) {
            break;
        }
    }
    if (xenvbd_ring_push(&adapter->ring)) {
        adapter->xen->event_notify(adapter->xen->context, adapter->link.port);
    }
}

VOID xenvbd_submit(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb, const struct xenvbd_io *io)
{
    struct xenvbd_request *request = srb->SrbExtension;

    request->srb = srb;
    request->operation = io->operation;
    request->force_unit_access = io->force_unit_access && adapter->flush != XENVBD_NO_FLUSH;
    request->sector = io->first_block * (adapter->disk.block_size / BLKIF_SECTOR_SIZE);
    request->length = io->operation == XENVBD_UNMAP ? io->blocks : io->blocks * adapter->disk.block_size;
    request->bounce = FALSE;
    rewind_request(request);
    InsertTailList(&adapter->waiting, &request->link);
    xenvbd_pump(adapter);
}

/*
 * FALSE: no entry with this id is with the back end, or it has answered and still has the memory mapped. The SRB is not
 * completed then: nobody may have the memory while the back end does.
 */
static BOOLEAN answer(struct xenvbd_adapter *adapter, const struct xenvbd_response *response)
{
    struct xenvbd_slot *slot = xenvbd_slot_find(adapter, response->id);
    struct xenvbd_request *request;
    LONG status = response->status;

    if (slot == NULL) {
        return FALSE;
    }
    request = slot->request;
    if (request->step != XENVBD_STEP_TRANSFER) {
        status = xenvbd_flush_verdict(adapter, status);
    }
    if (!xenvbd_segments_finish(adapter, slot, status == BLKIF_RSP_OKAY)) {
        return FALSE;
    }
    xenvbd_slot_release(adapter, slot);
    if (status != BLKIF_RSP_OKAY && request->status == BLKIF_RSP_OKAY) {
        request->status = status;
    }
    request->outstanding--;
    if (request->outstanding == 0 && is_sent(request)) {
        settle(adapter, request);
    }
    return TRUE;
}

BOOLEAN xenvbd_poll(struct xenvbd_adapter *adapter)
{
    struct xenvbd_response response;
    ULONG count;

    while ((count = xenvbd_ring_answers(&adapter->ring)) != 0) {
        if (count == XEN_RING_BROKEN) {
            return FALSE;
        }
        while (count-- > 0) {
            xenvbd_ring_take(&adapter->ring, &response);
            if (!answer(adapter, &response)) {
                return FALSE;
            }
        }
    }
    return TRUE;
}

/* What the back end should have let go of and has not, xenvbd_refs_reclaim leaves out. */
static VOID reclaim(struct xenvbd_adapter *adapter)
{
    xenvbd_slots_init(adapter);
    xenvbd_frames_reclaim(&adapter->frames);
    xenvbd_frames_reclaim(&adapter->indirect);
    xenvbd_refs_reclaim(adapter);
}

VOID xenvbd_requests_rewind(struct xenvbd_adapter *adapter)
{
    PLIST_ENTRY link;

    reclaim(adapter);
    while (!IsListEmpty(&adapter->flying)) {
        link = RemoveTailList(&adapter->flying);
        InsertHeadList(&adapter->waiting, link);
    }
    for (link = adapter->waiting.Flink; link != &adapter->waiting; link = link->Flink) {
        rewind_request(CONTAINING_RECORD(link, struct xenvbd_request, link));
    }
}

VOID xenvbd_requests_end(struct xenvbd_adapter *adapter, UCHAR srb_status)
{
    xenvbd_requests_rewind(adapter);
    xenvbd_requests_end_waiting(adapter, srb_status);
}

VOID xenvbd_requests_end_waiting(struct xenvbd_adapter *adapter, UCHAR srb_status)
{
    struct xenvbd_request *request;
    PLIST_ENTRY link, next;

    for (link = adapter->waiting.Flink; link != &adapter->waiting; link = next) {
        next = link->Flink;
        request = CONTAINING_RECORD(link, struct xenvbd_request, link);
        if (request->outstanding == 0) {
            finish(adapter, request, srb_status);
        }
    }
}

VOID xenvbd_requests_close(struct xenvbd_adapter *adapter)
{
    PLIST_ENTRY link;

    xenvbd_requests_end_waiting(adapter, SRB_STATUS_NO_DEVICE);
    for (link = adapter->waiting.Flink; link != &adapter->waiting; link = link->Flink) {
        CONTAINING_RECORD(link, struct xenvbd_request, link)->status = XENVBD_RSP_GONE;
    }
    for (link = adapter->flying.Flink; link != &adapter->flying; link = link->Flink) {
        struct xenvbd_request *request = CONTAINING_RECORD(link, struct xenvbd_request, link);

        if (request->force_unit_access && request->step == XENVBD_STEP_TRANSFER) {
            request->status = XENVBD_RSP_GONE;
        }
    }
}

BOOLEAN xenvbd_request_abort(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    struct xenvbd_request *request;
    PLIST_ENTRY link;

    for (link = adapter->waiting.Flink; link != &adapter->waiting; link = link->Flink) {
        request = CONTAINING_RECORD(link, struct xenvbd_request, link);
        if (request->srb == srb && request->outstanding == 0) {
            finish(adapter, request, SRB_STATUS_ABORTED);
            return TRUE;
        }
    }
    return FALSE;
}

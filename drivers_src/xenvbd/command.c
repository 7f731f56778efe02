/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI commands of a disk (SPC-3, SBC-2): those about the unit are answered here, those about the medium are checked
 * and decoded. The few of a CD-ROM drive (MMC-3) that a data disc needs are among them.
 */
#include "xenvbd.h"

#define WRITE_PROTECTED 0x80
#define DPO_AND_FUA 0x10
#define WRITE_CACHE_ENABLED 0x04
#define CACHING_PAGE_LENGTH 20
#define SAVING_PARAMETERS_NOT_SUPPORTED 0x39
#define PROVISIONED 0x80

static UCHAR succeed(PSCSI_REQUEST_BLOCK srb)
{
    return xenvbd_reply(srb, NULL, 0, 0);
}

static UCHAR report_luns(PSCSI_REQUEST_BLOCK srb)
{
    static const UCHAR only_lun_0[16] = { 0, 0, 0, 8 };

    return xenvbd_reply(srb, only_lun_0, sizeof(only_lun_0), xenvbd_get_be(srb->Cdb + 6, 4));
}

static UCHAR read_capacity10(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb)
{
    ULONGLONG last = disk->blocks - 1;
    UCHAR data[8];

    xenvbd_put_be(data, 4, last > 0xFFFFFFFF ? 0xFFFFFFFF : last);
    xenvbd_put_be(data + 4, 4, disk->block_size);
    return xenvbd_reply(srb, data, sizeof(data), sizeof(data));
}

static UCHAR read_capacity16(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb)
{
    UCHAR data[32];

    if ((srb->Cdb[1] & 0x1F) != SERVICE_ACTION_READ_CAPACITY16) {
        return xenvbd_invalid_field(srb);
    }
    RtlZeroMemory(data, sizeof(data));
    xenvbd_put_be(data, 8, disk->blocks - 1);
    xenvbd_put_be(data + 8, 4, disk->block_size);
    data[14] = disk->discard ? PROVISIONED : 0;
    return xenvbd_reply(srb, data, sizeof(data), xenvbd_get_be(srb->Cdb + 10, 4));
}

/* MODE SENSE(6) and (10): a header, no block descriptor, and the caching page if it is asked for. */
static UCHAR mode_sense(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, UCHAR header)
{
    UCHAR page = srb->Cdb[2] & 0x3F;
    UCHAR control = srb->Cdb[2] & 0xC0;
    UCHAR parameter = (disk->read_only ? WRITE_PROTECTED : 0) | DPO_AND_FUA;
    ULONG length = header;
    UCHAR data[8 + CACHING_PAGE_LENGTH];

    if (control == MODE_SENSE_SAVED_VALUES) {
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SAVING_PARAMETERS_NOT_SUPPORTED, 0);
    }
    RtlZeroMemory(data, sizeof(data));
    if (page == MODE_PAGE_CACHING || page == MODE_SENSE_RETURN_ALL) {
        data[header] = MODE_PAGE_CACHING;
        data[header + 1] = CACHING_PAGE_LENGTH - 2;
        if (disk->write_cache && control != MODE_SENSE_CHANGEABLE_VALUES) {
            data[header + 2] = WRITE_CACHE_ENABLED;
        }
        length += CACHING_PAGE_LENGTH;
    } else if (page != 0) {
        return xenvbd_invalid_field(srb);
    }
    if (header == 4) {
        xenvbd_put_be(data, 1, length - 1);
        data[2] = parameter;
        return xenvbd_reply(srb, data, length, srb->Cdb[4]);
    }
    xenvbd_put_be(data, 2, length - 2);
    data[3] = parameter;
    return xenvbd_reply(srb, data, length, xenvbd_get_be(srb->Cdb + 7, 2));
}

/* As a block, or as minute, second and frame of a disc that starts at second 2; MMC-3, 4.1. */
static VOID put_track_address(PUCHAR bytes, ULONGLONG block, BOOLEAN minutes)
{
    ULONG frame = (ULONG)block + 150;

    if (minutes) {
        block = (ULONGLONG)(frame / 4500) << 16 | (frame / 75 % 60) << 8 | frame % 75;
    }
    xenvbd_put_be(bytes, 4, block);
}

/* READ TOC/PMA/ATIP of a disc with one data track, formats 0 (tracks) and 1 (sessions); MMC-3, 5.23. */
static UCHAR read_toc(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb)
{
    static const UCHAR toc[20] = { 0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xAA };
    static const UCHAR sessions[12] = { 0, 10, 1, 1, 0, 0x14, 1 };
    UCHAR format = srb->Cdb[2] & 0x0F ? srb->Cdb[2] & 0x0F : srb->Cdb[9] >> 6;
    BOOLEAN minutes = (srb->Cdb[1] & 0x02) != 0;
    ULONGLONG allocated = xenvbd_get_be(srb->Cdb + 7, 2);
    UCHAR data[20];

    if (disk->device_type != READ_ONLY_DIRECT_ACCESS_DEVICE) {
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_COMMAND, 0);
    }
    if (format > 1) {
        return xenvbd_invalid_field(srb);
    }
    RtlCopyMemory(data, format == 0 ? toc : sessions, format == 0 ? sizeof(toc) : sizeof(sessions));
    put_track_address(data + 8, 0, minutes);
    if (format == 0) {
        put_track_address(data + 16, disk->blocks, minutes);
    }
    return xenvbd_reply(srb, data, format == 0 ? sizeof(toc) : sizeof(sessions), allocated);
}

/* The part of the medium that a READ or WRITE of 6, 10, 12 or 16 bytes names. */
static VOID decode_range(const UCHAR *cdb, struct xenvbd_io *io)
{
    switch (cdb[0] & 0xE0) { /* group code: it tells the length of the CDB */
    case 0x00:
        io->first_block = xenvbd_get_be(cdb + 1, 3) & 0x1FFFFF;
        io->blocks = cdb[4] == 0 ? 256 : cdb[4];
        io->force_unit_access = FALSE;
        return;

    case 0x20:
        io->first_block = xenvbd_get_be(cdb + 2, 4);
        io->blocks = (ULONG)xenvbd_get_be(cdb + 7, 2);
        break;

    case 0xA0:
        io->first_block = xenvbd_get_be(cdb + 2, 4);
        io->blocks = (ULONG)xenvbd_get_be(cdb + 6, 4);
        break;

    default:
        io->first_block = xenvbd_get_be(cdb + 2, 8);
        io->blocks = (ULONG)xenvbd_get_be(cdb + 10, 4);
        break;
    }
    io->force_unit_access = (cdb[1] & CDB_FORCE_MEDIA_ACCESS) != 0;
}

static BOOLEAN is_beyond(const struct xenvbd_disk *disk, const struct xenvbd_io *io)
{
    return io->first_block > disk->blocks || io->blocks > disk->blocks - io->first_block;
}

/* A back end verifies nothing: that the blocks are there is all there is to say. */
static UCHAR verify(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io)
{
    decode_range(srb->Cdb, io);
    if (is_beyond(disk, io)) {
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_BLOCK, 0);
    }
    return succeed(srb);
}

static UCHAR transfer(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io,
                      enum xenvbd_operation operation)
{
    decode_range(srb->Cdb, io);
    if (is_beyond(disk, io)) {
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_BLOCK, 0);
    }
    if (operation == XENVBD_WRITE && disk->read_only) {
        return xenvbd_sense(srb, SCSI_SENSE_DATA_PROTECT, SCSI_ADSENSE_WRITE_PROTECT, 0);
    }
    if ((ULONGLONG)io->blocks * disk->block_size > srb->DataTransferLength) {
        return xenvbd_invalid_field(srb);
    }
    if (io->blocks == 0) {
        return succeed(srb);
    }
    io->operation = operation;
    return SRB_STATUS_PENDING;
}

static UCHAR synchronize_cache(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io)
{
    if (!disk->write_cache) {
        return succeed(srb);
    }
    io->operation = XENVBD_FLUSH;
    return SRB_STATUS_PENDING;
}

BOOLEAN xenvbd_command_transfers(UCHAR operation)
{
    switch (operation) {
    case SCSIOP_READ6:
    case SCSIOP_READ:
    case SCSIOP_READ12:
    case SCSIOP_READ16:
    case SCSIOP_WRITE6:
    case SCSIOP_WRITE:
    case SCSIOP_WRITE12:
    case SCSIOP_WRITE16:
        return TRUE;

    default:
        return FALSE;
    }
}

/* Whether the command fails in a drive without a disc; SPC-3, 5.2 names those that do not. */
static BOOLEAN needs_medium(UCHAR operation)
{
    switch (operation) {
    case SCSIOP_TEST_UNIT_READY:
    case SCSIOP_READ_CAPACITY:
    case SCSIOP_SERVICE_ACTION_IN16:
    case SCSIOP_READ_TOC:
    case SCSIOP_VERIFY:
        return TRUE;

    default:
        return xenvbd_command_transfers(operation);
    }
}

UCHAR xenvbd_command(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io)
{
    RtlZeroMemory(io, sizeof(*io));
    if (disk->blocks == 0 && needs_medium(srb->Cdb[0])) {
        return xenvbd_sense(srb, SCSI_SENSE_NOT_READY, SCSI_ADSENSE_NO_MEDIA_IN_DEVICE, 0);
    }
    switch (srb->Cdb[0]) {
    case SCSIOP_READ6:
    case SCSIOP_READ:
    case SCSIOP_READ12:
    case SCSIOP_READ16:
        return transfer(disk, srb, io, XENVBD_READ);

    case SCSIOP_WRITE6:
    case SCSIOP_WRITE:
    case SCSIOP_WRITE12:
    case SCSIOP_WRITE16:
        return transfer(disk, srb, io, XENVBD_WRITE);

    case SCSIOP_SYNCHRONIZE_CACHE:
    case SCSIOP_SYNCHRONIZE_CACHE16:
        return synchronize_cache(disk, srb, io);

    case SCSIOP_UNMAP:
        return xenvbd_unmap(disk, srb, io);

    case SCSIOP_VERIFY:
        return verify(disk, srb, io);

    case SCSIOP_READ_TOC:
        return read_toc(disk, srb);

    case SCSIOP_INQUIRY:
        return xenvbd_inquiry(disk, srb);

    case SCSIOP_REPORT_LUNS:
        return report_luns(srb);

    case SCSIOP_READ_CAPACITY:
        return read_capacity10(disk, srb);

    case SCSIOP_SERVICE_ACTION_IN16:
        return read_capacity16(disk, srb);

    case SCSIOP_MODE_SENSE:
        return mode_sense(disk, srb, 4);

    case SCSIOP_MODE_SENSE10:
        return mode_sense(disk, srb, 8);

    case SCSIOP_REQUEST_SENSE:
        return xenvbd_reply_sense(srb);

    case SCSIOP_TEST_UNIT_READY:
    case SCSIOP_START_STOP_UNIT:
    case SCSIOP_MEDIUM_REMOVAL:
        return succeed(srb);

    default:
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_COMMAND, 0);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI commands of a disk (SPC-3, SBC-2): those about the unit are answered here, those about the medium are checked
 * and decoded. Multi-byte fields are big-endian in CDBs and in replies.
 */
#include "xenvbd.h"

#define SPC_3 0x05
#define RESPONSE_FORMAT 0x02
#define COMMAND_QUEUING 0x02
#define REMOVABLE_MEDIUM 0x80
#define EVPD 0x01
#define WRITE_PROTECTED 0x80
#define DPO_AND_FUA 0x10
#define WRITE_CACHE_ENABLED 0x04
#define CACHING_PAGE_LENGTH 20
#define SENSE_LENGTH 18
#define FIXED_FORMAT 0x70
#define SAVING_PARAMETERS_NOT_SUPPORTED 0x39

static ULONGLONG get_be(const UCHAR *bytes, ULONG count)
{
    ULONGLONG value = 0;
    ULONG i;

    for (i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static VOID put_be(UCHAR *bytes, ULONG count, ULONGLONG value)
{
    while (count > 0) {
        bytes[--count] = (UCHAR)value;
        value >>= 8;
    }
}

static VOID fill_sense(UCHAR *sense, UCHAR key, UCHAR code, UCHAR qualifier)
{
    RtlZeroMemory(sense, SENSE_LENGTH);
    sense[0] = FIXED_FORMAT;
    sense[2] = key;
    sense[7] = SENSE_LENGTH - 8;
    sense[12] = code;
    sense[13] = qualifier;
}

UCHAR xenvbd_sense(PSCSI_REQUEST_BLOCK srb, UCHAR key, UCHAR code, UCHAR qualifier)
{
    UCHAR sense[SENSE_LENGTH];

    srb->ScsiStatus = SCSISTAT_CHECK_CONDITION;
    srb->DataTransferLength = 0;
    if (srb->SenseInfoBuffer == NULL || (srb->SrbFlags & SRB_FLAGS_DISABLE_AUTOSENSE)) {
        return SRB_STATUS_ERROR;
    }
    fill_sense(sense, key, code, qualifier);
    RtlCopyMemory(srb->SenseInfoBuffer, sense, min(srb->SenseInfoBufferLength, SENSE_LENGTH));
    return SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID;
}

static UCHAR invalid_field(PSCSI_REQUEST_BLOCK srb)
{
    return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_INVALID_CDB, 0);
}

/* Sends at most `allocated` bytes of the reply, the limit that the CDB sets; a shorter reply than asked is no error. */
static UCHAR reply(PSCSI_REQUEST_BLOCK srb, const UCHAR *data, ULONG length, ULONGLONG allocated)
{
    if (length > allocated) {
        length = (ULONG)allocated;
    }
    if (length > srb->DataTransferLength) {
        length = srb->DataTransferLength;
    }
    if (length > 0) {
        RtlCopyMemory(srb->DataBuffer, data, length);
    }
    srb->DataTransferLength = length;
    srb->ScsiStatus = SCSISTAT_GOOD;
    return SRB_STATUS_SUCCESS;
}

static UCHAR succeed(PSCSI_REQUEST_BLOCK srb)
{
    return reply(srb, NULL, 0, 0);
}

static UCHAR request_sense(PSCSI_REQUEST_BLOCK srb)
{
    UCHAR sense[SENSE_LENGTH];

    fill_sense(sense, SCSI_SENSE_NO_SENSE, SCSI_ADSENSE_NO_SENSE, 0);
    return reply(srb, sense, sizeof(sense), srb->Cdb[4]);
}

/* Vital product data: the list of pages, and the serial number. */
static UCHAR inquiry_page(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, UCHAR page, ULONGLONG allocated)
{
    UCHAR data[4 + XENVBD_SERIAL_LENGTH];

    data[0] = disk->device_type;
    data[1] = page;
    data[2] = 0;
    switch (page) {
    case VPD_SUPPORTED_PAGES:
        data[3] = 2;
        data[4] = VPD_SUPPORTED_PAGES;
        data[5] = VPD_SERIAL_NUMBER;
        break;

    case VPD_SERIAL_NUMBER:
        data[3] = XENVBD_SERIAL_LENGTH;
        RtlCopyMemory(data + 4, disk->serial, XENVBD_SERIAL_LENGTH);
        break;

    default:
        return invalid_field(srb);
    }
    return reply(srb, data, 4 + data[3], allocated);
}

static UCHAR inquiry(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb)
{
    static const CHAR identity[] = "XEN     " "PV DISK         " "1.0 "; /* vendor, product, revision */
    ULONGLONG allocated = get_be(srb->Cdb + 3, 2);
    UCHAR data[36];

    if (srb->Cdb[1] & EVPD) {
        return inquiry_page(disk, srb, srb->Cdb[2], allocated);
    }
    if (srb->Cdb[2] != 0) {
        return invalid_field(srb);
    }
    RtlZeroMemory(data, sizeof(data));
    data[0] = disk->device_type;
    data[1] = disk->removable ? REMOVABLE_MEDIUM : 0;
    data[2] = SPC_3;
    data[3] = RESPONSE_FORMAT;
    data[4] = sizeof(data) - 5;
    data[7] = COMMAND_QUEUING;
    RtlCopyMemory(data + 8, identity, sizeof(identity) - 1);
    return reply(srb, data, sizeof(data), allocated);
}

static UCHAR report_luns(PSCSI_REQUEST_BLOCK srb)
{
    static const UCHAR only_lun_0[16] = { 0, 0, 0, 8 };

    return reply(srb, only_lun_0, sizeof(only_lun_0), get_be(srb->Cdb + 6, 4));
}

static UCHAR read_capacity10(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb)
{
    ULONGLONG last = disk->blocks - 1;
    UCHAR data[8];

    put_be(data, 4, last > 0xFFFFFFFF ? 0xFFFFFFFF : last);
    put_be(data + 4, 4, disk->block_size);
    return reply(srb, data, sizeof(data), sizeof(data));
}

static UCHAR read_capacity16(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb)
{
    UCHAR data[32];

    if ((srb->Cdb[1] & 0x1F) != SERVICE_ACTION_READ_CAPACITY16) {
        return invalid_field(srb);
    }
    RtlZeroMemory(data, sizeof(data));
    put_be(data, 8, disk->blocks - 1);
    put_be(data + 8, 4, disk->block_size);
    return reply(srb, data, sizeof(data), get_be(srb->Cdb + 10, 4));
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
        return invalid_field(srb);
    }
    if (header == 4) {
        put_be(data, 1, length - 1);
        data[2] = parameter;
        return reply(srb, data, length, srb->Cdb[4]);
    }
    put_be(data, 2, length - 2);
    data[3] = parameter;
    return reply(srb, data, length, get_be(srb->Cdb + 7, 2));
}

/* The part of the medium that a READ or WRITE of 6, 10, 12 or 16 bytes names. */
static VOID decode_range(const UCHAR *cdb, struct xenvbd_io *io)
{
    switch (cdb[0] & 0xE0) { /* group code: it tells the length of the CDB */
    case 0x00:
        io->first_block = get_be(cdb + 1, 3) & 0x1FFFFF;
        io->blocks = cdb[4] == 0 ? 256 : cdb[4];
        io->force_unit_access = FALSE;
        return;

    case 0x20:
        io->first_block = get_be(cdb + 2, 4);
        io->blocks = (ULONG)get_be(cdb + 7, 2);
        break;

    case 0xA0:
        io->first_block = get_be(cdb + 2, 4);
        io->blocks = (ULONG)get_be(cdb + 6, 4);
        break;

    default:
        io->first_block = get_be(cdb + 2, 8);
        io->blocks = (ULONG)get_be(cdb + 10, 4);
        break;
    }
    io->force_unit_access = (cdb[1] & CDB_FORCE_MEDIA_ACCESS) != 0;
}

static UCHAR transfer(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io,
                      enum xenvbd_operation operation)
{
    decode_range(srb->Cdb, io);
    if (io->first_block > disk->blocks || io->blocks > disk->blocks - io->first_block) {
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_BLOCK, 0);
    }
    if (operation == XENVBD_WRITE && disk->read_only) {
        return xenvbd_sense(srb, SCSI_SENSE_DATA_PROTECT, SCSI_ADSENSE_WRITE_PROTECT, 0);
    }
    if ((ULONGLONG)io->blocks * disk->block_size > srb->DataTransferLength) {
        return invalid_field(srb);
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

UCHAR xenvbd_command(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io)
{
    RtlZeroMemory(io, sizeof(*io));
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

    case SCSIOP_INQUIRY:
        return inquiry(disk, srb);

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
        return request_sense(srb);

    case SCSIOP_TEST_UNIT_READY:
    case SCSIOP_START_STOP_UNIT:
        return succeed(srb);

    default:
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_COMMAND, 0);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What SCSI answers are made of. Multi-byte fields are big-endian in CDBs and in replies. */
#include "xenvbd.h"

#define SENSE_LENGTH 18
#define FIXED_FORMAT 0x70

ULONGLONG xenvbd_get_be(const UCHAR *bytes, ULONG count)
{
    ULONGLONG value = 0;
    ULONG i;

    for (i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

VOID xenvbd_put_be(UCHAR *bytes, ULONG count, ULONGLONG value)
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

UCHAR xenvbd_invalid_field(PSCSI_REQUEST_BLOCK srb)
{
    return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_INVALID_CDB, 0);
}

UCHAR xenvbd_reply(PSCSI_REQUEST_BLOCK srb, const UCHAR *data, ULONG length, ULONGLONG allocated)
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

UCHAR xenvbd_reply_sense(PSCSI_REQUEST_BLOCK srb)
{
    UCHAR sense[SENSE_LENGTH];

    fill_sense(sense, SCSI_SENSE_NO_SENSE, SCSI_ADSENSE_NO_SENSE, 0);
    return xenvbd_reply(srb, sense, sizeof(sense), srb->Cdb[4]);
}

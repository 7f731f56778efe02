/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UNMAP (SBC-3, 5.27) as discards of the back end, one for each block descriptor, and the vital product data pages
 * (6.5.3, 6.5.4) that offer it.
 */
#include "xenvbd.h"

#define LIST_HEADER 8
#define DESCRIPTOR 16
#define DESCRIPTORS_MAX 256
#define BLOCK_LIMITS_LENGTH 0x3C
#define PROVISIONING_LENGTH 4
#define UNMAP_SUPPORTED 0x80
#define ALIGNMENT_VALID 0x80000000

static VOID get_descriptor(PSCSI_REQUEST_BLOCK srb, ULONG index, PULONGLONG block, PULONGLONG blocks)
{
    const UCHAR *bytes = (const UCHAR *)srb->DataBuffer + LIST_HEADER + index * DESCRIPTOR;

    *block = xenvbd_get_be(bytes, 8);
    *blocks = xenvbd_get_be(bytes + 8, 4);
}

VOID xenvbd_discard_extent(const struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb, ULONG index,
                           PULONGLONG sector, PULONGLONG sectors)
{
    ULONG scale = adapter->disk.block_size / BLKIF_SECTOR_SIZE;

    get_descriptor(srb, index, sector, sectors);
    *sector *= scale;
    *sectors *= scale;
}

static UCHAR check_descriptors(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, ULONG count)
{
    ULONGLONG block, blocks;
    ULONG i;

    for (i = 0; i < count; i++) {
        get_descriptor(srb, i, &block, &blocks);
        if (block > disk->blocks || blocks > disk->blocks - block) {
            return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_BLOCK, 0);
        }
    }
    return SRB_STATUS_PENDING;
}

UCHAR xenvbd_unmap(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io)
{
    ULONG listed = (ULONG)xenvbd_get_be(srb->Cdb + 7, 2);
    ULONG count = 0;

    if (!disk->discard) {
        return xenvbd_sense(srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_COMMAND, 0);
    }
    if (disk->read_only) {
        return xenvbd_sense(srb, SCSI_SENSE_DATA_PROTECT, SCSI_ADSENSE_WRITE_PROTECT, 0);
    }
    listed = min(listed, srb->DataTransferLength);
    if (listed > LIST_HEADER) {
        count = (ULONG)xenvbd_get_be((const UCHAR *)srb->DataBuffer + 2, 2);
        count = min(count, listed - LIST_HEADER) / DESCRIPTOR;
    }
    if (count == 0) {
        return xenvbd_reply(srb, NULL, 0, 0);
    }
    if (count > DESCRIPTORS_MAX) {
        return xenvbd_invalid_field(srb);
    }
    io->operation = XENVBD_UNMAP;
    io->blocks = count;
    return check_descriptors(disk, srb, count);
}

ULONG xenvbd_discard_page(const struct xenvbd_disk *disk, UCHAR page, PUCHAR data)
{
    ULONG granularity = disk->discard_granularity / disk->block_size;

    if (!disk->discard) {
        return 0;
    }
    switch (page) {
    case XENVBD_VPD_BLOCK_LIMITS: /* offsets are those of the page less its header */
        xenvbd_put_be(data + 16, 4, 0xFFFFFFFF);
        xenvbd_put_be(data + 20, 4, DESCRIPTORS_MAX);
        xenvbd_put_be(data + 24, 4, granularity);
        xenvbd_put_be(data + 28, 4, ALIGNMENT_VALID | disk->discard_alignment / disk->block_size);
        return BLOCK_LIMITS_LENGTH;

    case XENVBD_VPD_PROVISIONING:
        data[1] = UNMAP_SUPPORTED;
        return PROVISIONING_LENGTH;

    default:
        return 0;
    }
}

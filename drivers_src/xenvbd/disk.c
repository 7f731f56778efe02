/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disk as the back end describes it in xenstore once it is connected. */
#include "xenvbd.h"

#define ASC_PARAMETERS_CHANGED 0x2A
#define ASCQ_CAPACITY_CHANGED 0x09
#define LARGEST_BLOCK 4096
#define SMALLEST_CD_BLOCK 2048

static ULONG back_number(struct xenvbd_adapter *adapter, PCSTR node, ULONG otherwise)
{
    return xenvbd_node_ulong(adapter, XENPCI_BACKEND, node, otherwise);
}

static BOOLEAN back_flag(struct xenvbd_adapter *adapter, PCSTR node)
{
    return back_number(adapter, node, 0) != 0;
}

static VOID read_discard(struct xenvbd_adapter *adapter, struct xenvbd_disk *disk)
{
    disk->discard = back_flag(adapter, "feature-discard") && disk->device_type == DIRECT_ACCESS_DEVICE;
    disk->discard_granularity = back_number(adapter, "discard-granularity", disk->block_size);
    disk->discard_alignment = back_number(adapter, "discard-alignment", 0);
}

/* The device's number in the virtual machine, which stays with the disk. */
static VOID fill_serial(struct xenvbd_adapter *adapter, struct xenvbd_disk *disk)
{
    CHAR text[XENVBD_SERIAL_LENGTH + 1];

    RtlFillMemory(disk->serial, sizeof(disk->serial), ' ');
    _snprintf(text, sizeof(text), "vbd-%u", (unsigned int)adapter->number);
    text[XENVBD_SERIAL_LENGTH] = 0;
    RtlCopyMemory(disk->serial, text, strlen(text));
}

static ULONG shift_of(ULONG block_size)
{
    ULONG shift = 0;

    while ((ULONG)BLKIF_SECTOR_SIZE << shift < block_size) {
        shift++;
    }
    return shift;
}

/*
 * "sectors" counts in 512 bytes whatever "sector-size" says, for we do not write "feature-large-sector-size".
 * A CD-ROM has blocks of 2048 bytes even where the back end, a file behind it, could do less; its drive may be empty.
 */
NTSTATUS xenvbd_disk_read(struct xenvbd_adapter *adapter, struct xenvbd_disk *disk, enum xenvbd_flush *flush)
{
    ULONG info = back_number(adapter, "info", 0);
    ULONGLONG sectors = xenvbd_node_number(adapter, XENPCI_BACKEND, "sectors", 0);

    RtlZeroMemory(disk, sizeof(*disk));
    disk->device_type = info & VDISK_CDROM ? READ_ONLY_DIRECT_ACCESS_DEVICE : DIRECT_ACCESS_DEVICE;
    disk->read_only = (info & (VDISK_READONLY | VDISK_CDROM)) != 0;
    disk->removable = (info & (VDISK_REMOVABLE | VDISK_CDROM)) != 0;
    disk->block_size = back_number(adapter, "sector-size", BLKIF_SECTOR_SIZE);
    if (info & VDISK_CDROM) {
        disk->block_size = max(disk->block_size, SMALLEST_CD_BLOCK);
    }
    if (disk->block_size < BLKIF_SECTOR_SIZE || disk->block_size > LARGEST_BLOCK ||
        (disk->block_size & (disk->block_size - 1)) != 0) {
        GPLPV_DEBUG(("adapter %p: no disk has blocks of %u bytes\n", adapter, disk->block_size));
        return STATUS_INVALID_PARAMETER;
    }
    disk->blocks = sectors >> shift_of(disk->block_size);
    if (disk->blocks == 0 && !(info & VDISK_CDROM)) {
        GPLPV_DEBUG(("adapter %p: the back end has no size\n", adapter));
        return STATUS_INVALID_PARAMETER;
    }
    *flush = xenvbd_flush_choose(back_flag(adapter, "feature-flush-cache"), back_flag(adapter, "feature-barrier"));
    disk->write_cache = *flush != XENVBD_NO_FLUSH && !disk->read_only;
    read_discard(adapter, disk);
    fill_serial(adapter, disk);
    return STATUS_SUCCESS;
}

/* With the lock. The class driver asks for the capacity again when it is told; a CD-ROM drive has another disc then. */
VOID xenvbd_disk_resize(struct xenvbd_adapter *adapter, const struct xenvbd_disk *disk)
{
    if (adapter->disk.blocks == disk->blocks || adapter->disk.block_size != disk->block_size) {
        return;
    }
    adapter->disk.blocks = disk->blocks;
    if (disk->device_type == READ_ONLY_DIRECT_ACCESS_DEVICE) {
        adapter->attention = SCSI_ADSENSE_MEDIUM_CHANGED;
        adapter->attention_qualifier = 0;
    } else {
        adapter->attention = ASC_PARAMETERS_CHANGED;
        adapter->attention_qualifier = ASCQ_CAPACITY_CHANGED;
    }
}

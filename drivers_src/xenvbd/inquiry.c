/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INQUIRY (SPC-3, 6.4): the standard data, and the vital product data pages. */
#include "xenvbd.h"

#define SPC_3 0x05
#define RESPONSE_FORMAT 0x02
#define COMMAND_QUEUING 0x02
#define REMOVABLE_MEDIUM 0x80
#define EVPD 0x01

static const CHAR identity[] = "XEN     " "PV DISK         " "1.0 "; /* vendor, product, revision */
#define VENDOR_LENGTH 8

static ULONG page_list(const struct xenvbd_disk *disk, PUCHAR data)
{
    static const UCHAR pages[] = { VPD_SUPPORTED_PAGES, VPD_SERIAL_NUMBER, VPD_DEVICE_IDENTIFIERS,
                                   XENVBD_VPD_BLOCK_LIMITS, XENVBD_VPD_PROVISIONING };
    ULONG count = disk->discard ? sizeof(pages) : sizeof(pages) - 2;

    RtlCopyMemory(data, pages, count);
    return count;
}

static ULONG serial_number(const struct xenvbd_disk *disk, PUCHAR data)
{
    RtlCopyMemory(data, disk->serial, XENVBD_SERIAL_LENGTH);
    return XENVBD_SERIAL_LENGTH;
}

/* One identifier: in ASCII (2), a T10 vendor and a text of the vendor's choice (1). */
static ULONG identifiers(const struct xenvbd_disk *disk, PUCHAR data)
{
    data[0] = 2;
    data[1] = 1;
    data[3] = VENDOR_LENGTH + XENVBD_SERIAL_LENGTH;
    RtlCopyMemory(data + 4, identity, VENDOR_LENGTH);
    RtlCopyMemory(data + 4 + VENDOR_LENGTH, disk->serial, XENVBD_SERIAL_LENGTH);
    return 4 + VENDOR_LENGTH + XENVBD_SERIAL_LENGTH;
}

static UCHAR vital_product_data(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, ULONGLONG allocated)
{
    UCHAR data[4 + XENVBD_VPD_LENGTH];
    UCHAR page = srb->Cdb[2];
    ULONG length = 0;

    RtlZeroMemory(data, sizeof(data));
    switch (page) {
    case VPD_SUPPORTED_PAGES:
        length = page_list(disk, data + 4);
        break;

    case VPD_SERIAL_NUMBER:
        length = serial_number(disk, data + 4);
        break;

    case VPD_DEVICE_IDENTIFIERS:
        length = identifiers(disk, data + 4);
        break;

    default:
        length = xenvbd_discard_page(disk, page, data + 4);
        break;
    }
    if (length == 0) {
        return xenvbd_invalid_field(srb);
    }
    data[0] = disk->device_type;
    data[1] = page;
    xenvbd_put_be(data + 2, 2, length);
    return xenvbd_reply(srb, data, 4 + length, allocated);
}

UCHAR xenvbd_inquiry(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb)
{
    ULONGLONG allocated = xenvbd_get_be(srb->Cdb + 3, 2);
    UCHAR data[36];

    if (srb->Cdb[1] & EVPD) {
        return vital_product_data(disk, srb, allocated);
    }
    if (srb->Cdb[2] != 0) {
        return xenvbd_invalid_field(srb);
    }
    RtlZeroMemory(data, sizeof(data));
    data[0] = disk->device_type;
    data[1] = disk->removable ? REMOVABLE_MEDIUM : 0;
    data[2] = SPC_3;
    data[3] = RESPONSE_FORMAT;
    data[4] = sizeof(data) - 5;
    data[7] = COMMAND_QUEUING;
    RtlCopyMemory(data + 8, identity, sizeof(identity) - 1);
    return xenvbd_reply(srb, data, sizeof(data), allocated);
}

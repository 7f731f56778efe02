/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenvbd as a Storport miniport, half duplex: Windows Vista, Server 2008 and their successors. */
#include "xenvbd.h"
#include "gplpv_version.h"

DRIVER_INITIALIZE DriverEntry;

/* DIRQL, under the interrupt lock. */
static BOOLEAN NTAPI start_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    srb->SrbStatus = xenvbd_start_io(extension, srb);
    StorPortNotification(RequestComplete, extension, srb);
    return TRUE;
}

/* PASSIVE_LEVEL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    HW_INITIALIZATION_DATA data;

    GPLPV_DEBUG_BANNER();
    xenvbd_describe(&data, start_io, STOR_MAP_NON_READ_WRITE_BUFFERS);
    return (NTSTATUS)StorPortInitialize(driver, registry_path, &data, NULL);
}

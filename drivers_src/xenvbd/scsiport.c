/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenvbd as a SCSI port miniport: Windows 2000, XP and Server 2003. */
#include "xenvbd.h"
#include "gplpv_version.h"

DRIVER_INITIALIZE DriverEntry;

/* DIRQL, or DISPATCH_LEVEL for an adapter without an interrupt. The SRB is the port driver's once it is complete. */
static BOOLEAN NTAPI start_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    UCHAR path = srb->PathId;
    UCHAR target = srb->TargetId;
    UCHAR lun = srb->Lun;

    srb->SrbStatus = xenvbd_start_io(extension, srb);
    ScsiPortNotification(RequestComplete, extension, srb);
    ScsiPortNotification(NextLuRequest, extension, path, target, lun);
    return TRUE;
}

/* PASSIVE_LEVEL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    HW_INITIALIZATION_DATA data;

    GPLPV_DEBUG_BANNER();
    xenvbd_describe(&data, start_io, TRUE);
    return (NTSTATUS)ScsiPortInitialize(driver, registry_path, &data, NULL);
}

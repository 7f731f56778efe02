/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A SCSI miniport without hardware, in the manner of a documentation sample: one target, whose medium is the miniport's
 * own memory; requests end when a timer of the port driver comes.
 */
#include <ntddk.h>
#include <srb.h>
#include <scsi.h>

#define BLOCK_SIZE 512
#define BLOCKS 128

typedef struct _TUB {
    PSCSI_REQUEST_BLOCK Current;
    UCHAR Medium[BLOCKS * BLOCK_SIZE];
} TUB, *PTUB;

ULONG NTAPI DriverEntry(PVOID DriverObject, PVOID Argument);

static ULONG NTAPI FindAdapter(PVOID Extension, PVOID Context, PVOID Bus, PCHAR Arguments,
                               PPORT_CONFIGURATION_INFORMATION Config, PBOOLEAN Again)
{
    (void)Extension, (void)Context, (void)Bus, (void)Arguments;
    *Again = FALSE;
    Config->NumberOfBuses = 1;
    Config->MaximumNumberOfTargets = 2;
    Config->InitiatorBusId[0] = 1;
    Config->MaximumTransferLength = 0x10000;
    Config->NumberOfPhysicalBreaks = 16;
    Config->MapBuffers = TRUE;
    return SP_RETURN_FOUND;
}

static BOOLEAN NTAPI Initialize(PVOID Extension)
{
    (void)Extension;
    return TRUE;
}

static ULONG Number(PUCHAR Bytes, ULONG Count)
{
    ULONG Value = 0;

    while (Count-- > 0)
        Value = Value << 8 | *Bytes++;
    return Value;
}

static VOID PutNumber(PUCHAR Bytes, ULONG Value)
{
    Bytes[0] = (UCHAR)(Value >> 24);
    Bytes[1] = (UCHAR)(Value >> 16);
    Bytes[2] = (UCHAR)(Value >> 8);
    Bytes[3] = (UCHAR)Value;
}

static UCHAR Answer(PSCSI_REQUEST_BLOCK Srb, const VOID *Data, ULONG Length)
{
    if (Length > Srb->DataTransferLength)
        Length = Srb->DataTransferLength;
    ScsiPortMoveMemory(Srb->DataBuffer, (PVOID)Data, Length);
    Srb->DataTransferLength = Length;
    return SRB_STATUS_SUCCESS;
}

static UCHAR Transfer(PTUB Tub, PSCSI_REQUEST_BLOCK Srb)
{
    ULONG Block = Number(&Srb->Cdb[2], 4), Count = Number(&Srb->Cdb[7], 2);

    if (Block >= BLOCKS || Count > BLOCKS - Block || Srb->DataTransferLength < Count * BLOCK_SIZE)
        return SRB_STATUS_INVALID_REQUEST;
    if (Srb->Cdb[0] == SCSIOP_READ)
        return Answer(Srb, Tub->Medium + Block * BLOCK_SIZE, Count * BLOCK_SIZE);
    ScsiPortMoveMemory(Tub->Medium + Block * BLOCK_SIZE, Srb->DataBuffer, Count * BLOCK_SIZE);
    return SRB_STATUS_SUCCESS;
}

static UCHAR Execute(PTUB Tub, PSCSI_REQUEST_BLOCK Srb)
{
    static const UCHAR Inquiry[36] = {0, 0, 2, 2, 31, 0, 0, 0, 'S', 'a', 'm', 'p', 'l', 'e', ' ', ' ', 'T', 'u',
                                      'b', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', '1'};
    UCHAR Capacity[8];

    if (Srb->TargetId != 0 || Srb->Lun != 0)
        return SRB_STATUS_SELECTION_TIMEOUT;
    switch (Srb->Cdb[0]) {
    case SCSIOP_INQUIRY:
        return Srb->Cdb[1] & 1 ? SRB_STATUS_INVALID_REQUEST : Answer(Srb, Inquiry, sizeof(Inquiry));
    case SCSIOP_READ_CAPACITY:
        PutNumber(Capacity, BLOCKS - 1);
        PutNumber(Capacity + 4, BLOCK_SIZE);
        return Answer(Srb, Capacity, sizeof(Capacity));
    case SCSIOP_READ:
    case SCSIOP_WRITE:
        return Transfer(Tub, Srb);
    case SCSIOP_TEST_UNIT_READY:
        return SRB_STATUS_SUCCESS;
    default:
        return SRB_STATUS_INVALID_REQUEST;
    }
}

static VOID NTAPI Finish(PVOID Extension)
{
    PTUB Tub = Extension;
    PSCSI_REQUEST_BLOCK Srb = Tub->Current;

    if (Srb == NULL)
        return;
    Tub->Current = NULL;
    Srb->ScsiStatus = SCSISTAT_GOOD;
    Srb->SrbStatus = Execute(Tub, Srb);
    ScsiPortNotification(RequestComplete, Tub, Srb);
    ScsiPortNotification(NextRequest, Tub);
}

static BOOLEAN NTAPI StartIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb)
{
    PTUB Tub = Extension;

    if (Srb->Function == SRB_FUNCTION_EXECUTE_SCSI) {
        Tub->Current = Srb;
        ScsiPortNotification(RequestTimerCall, Tub, Finish, 100);
        return TRUE;
    }
    Srb->SrbStatus = Srb->Function == SRB_FUNCTION_FLUSH || Srb->Function == SRB_FUNCTION_SHUTDOWN
                         ? SRB_STATUS_SUCCESS
                         : SRB_STATUS_INVALID_REQUEST;
    ScsiPortNotification(RequestComplete, Tub, Srb);
    ScsiPortNotification(NextRequest, Tub);
    return TRUE;
}

static BOOLEAN NTAPI ResetBus(PVOID Extension, ULONG Path)
{
    PTUB Tub = Extension;

    Tub->Current = NULL;
    ScsiPortCompleteRequest(Tub, (UCHAR)Path, SP_UNTAGGED, SP_UNTAGGED, SRB_STATUS_BUS_RESET);
    ScsiPortNotification(NextRequest, Tub);
    return TRUE;
}

ULONG NTAPI DriverEntry(PVOID DriverObject, PVOID Argument)
{
    HW_INITIALIZATION_DATA Data;
    PUCHAR Bytes = (PUCHAR)&Data;
    ULONG Index;

    for (Index = 0; Index < sizeof(Data); Index++)
        Bytes[Index] = 0;
    Data.HwInitializationDataSize = sizeof(Data);
    Data.AdapterInterfaceType = PCIBus;
    Data.HwInitialize = Initialize;
    Data.HwStartIo = StartIo;
    Data.HwFindAdapter = FindAdapter;
    Data.HwResetBus = ResetBus;
    Data.DeviceExtensionSize = sizeof(TUB);
    Data.MapBuffers = TRUE;
    return ScsiPortInitialize(DriverObject, Argument, &Data, NULL);
}

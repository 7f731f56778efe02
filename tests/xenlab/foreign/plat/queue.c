/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads wait in a cancel-safe queue, writes go through StartIo; the driver sends itself both.
 */
#include "plat.h"


#define EXTENSION_OF(csq) CONTAINING_RECORD(csq, PLAT_EXTENSION, Csq)

static VOID NTAPI CsqInsert(PIO_CSQ Csq, PIRP Irp)
{
    InsertTailList(&EXTENSION_OF(Csq)->Parked, &Irp->Tail.Overlay.ListEntry);
}

static VOID NTAPI CsqRemove(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

static PIRP NTAPI CsqPeek(PIO_CSQ Csq, PIRP Irp, PVOID Context)
{
    PLIST_ENTRY Head = &EXTENSION_OF(Csq)->Parked;
    PLIST_ENTRY Next = Irp != NULL ? Irp->Tail.Overlay.ListEntry.Flink : Head->Flink;

    UNREFERENCED_PARAMETER(Context);
    return Next != Head ? CONTAINING_RECORD(Next, IRP, Tail.Overlay.ListEntry) : NULL;
}

static VOID NTAPI CsqAcquire(PIO_CSQ Csq, PKIRQL Irql)
{
    KeAcquireSpinLock(&EXTENSION_OF(Csq)->ParkedLock, Irql);
}

static VOID NTAPI CsqRelease(PIO_CSQ Csq, KIRQL Irql)
{
    KeReleaseSpinLock(&EXTENSION_OF(Csq)->ParkedLock, Irql);
}

static VOID NTAPI CsqCompleteCanceled(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    Irp->IoStatus.Status = STATUS_CANCELLED;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

VOID PlatQueueInitialize(PPLAT_EXTENSION Extension)
{
    InitializeListHead(&Extension->Parked);
    KeInitializeSpinLock(&Extension->ParkedLock);
    IoCsqInitialize(&Extension->Csq, CsqInsert, CsqRemove, CsqPeek, CsqAcquire, CsqRelease, CsqCompleteCanceled);
}

NTSTATUS NTAPI PlatCreateClose(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI PlatRead(PDEVICE_OBJECT Device, PIRP Irp)
{
    PPLAT_EXTENSION Extension = Device->DeviceExtension;

    IoCsqInsertIrp(&Extension->Csq, Irp, NULL);
    return STATUS_PENDING;
}

static VOID NTAPI CancelWrite(PDEVICE_OBJECT Device, PIRP Irp)
{
    BOOLEAN Queued = KeRemoveEntryDeviceQueue(&Device->DeviceQueue, &Irp->Tail.Overlay.DeviceQueueEntry);

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    if (Queued) {
        Irp->IoStatus.Status = STATUS_CANCELLED;
        Irp->IoStatus.Information = 0;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
    }
}

NTSTATUS NTAPI PlatWrite(PDEVICE_OBJECT Device, PIRP Irp)
{
    IoMarkIrpPending(Irp);
    IoStartPacket(Device, Irp, NULL, CancelWrite);
    return STATUS_PENDING;
}

static VOID NTAPI FinishWrite(PKDPC Dpc, PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    PPLAT_EXTENSION Extension = Device->DeviceExtension;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    Irp = Device->CurrentIrp;
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = IoGetCurrentIrpStackLocation(Irp)->Parameters.Write.Length;
    Extension->StartIoCalls++;
    IoStartNextPacket(Device, TRUE);
    IoCompleteRequest(Irp, IO_DISK_INCREMENT);
}

VOID NTAPI PlatStartIo(PDEVICE_OBJECT Device, PIRP Irp)
{
    KIRQL Irql;

    IoAcquireCancelSpinLock(&Irql);
    IoSetCancelRoutine(Irp, NULL);
    IoReleaseCancelSpinLock(Irql);
    IoRequestDpc(Device, Irp, NULL);
}

static NTSTATUS NTAPI Caught(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    KeReleaseSemaphore(Context, IO_NO_INCREMENT, 1, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP Send(PPLAT_EXTENSION Extension, UCHAR Major, PUCHAR Buffer, PKSEMAPHORE Done)
{
    PIRP Irp = IoAllocateIrp(Extension->Self->StackSize, FALSE);
    PIO_STACK_LOCATION Stack;

    if (Irp == NULL)
        return NULL;
    Irp->AssociatedIrp.SystemBuffer = Buffer;
    Stack = IoGetNextIrpStackLocation(Irp);
    Stack->MajorFunction = Major;
    Stack->Parameters.Write.Length = 16;
    IoSetCompletionRoutine(Irp, Caught, Done, TRUE, TRUE, TRUE);
    IoCallDriver(Extension->Self, Irp);
    return Irp;
}

/* Three reads: the first is taken in its turn, the second cancelled, the third taken. Four writes. */
NTSTATUS PlatQueueExercise(PPLAT_EXTENSION Extension)
{
    KSEMAPHORE Done;
    UCHAR Buffer[16];
    PIRP Reads[3], Writes[4], Irp;
    ULONG Index;

    IoInitializeDpcRequest(Extension->Self, FinishWrite);
    KeInitializeSemaphore(&Done, 0, 10);
    for (Index = 0; Index < 3; Index++) {
        Reads[Index] = Send(Extension, IRP_MJ_READ, Buffer, &Done);
        PLAT_REQUIRE(Reads[Index] != NULL);
    }
    PLAT_REQUIRE(IoCancelIrp(Reads[1]));
    PLAT_REQUIRE(KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    PLAT_REQUIRE(Reads[1]->IoStatus.Status == STATUS_CANCELLED);
    for (Index = 0; Index < 3; Index += 2) {
        Irp = IoCsqRemoveNextIrp(&Extension->Csq, NULL);
        PLAT_REQUIRE(Irp == Reads[Index]);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        PLAT_REQUIRE(KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    }
    PLAT_REQUIRE(IoCsqRemoveNextIrp(&Extension->Csq, NULL) == NULL);
    for (Index = 0; Index < 4; Index++) {
        Writes[Index] = Send(Extension, IRP_MJ_WRITE, Buffer, &Done);
        PLAT_REQUIRE(Writes[Index] != NULL);
    }
    for (Index = 0; Index < 4; Index++)
        PLAT_REQUIRE(KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    PLAT_REQUIRE(Extension->StartIoCalls == 4);
    for (Index = 0; Index < 4; Index++) {
        PLAT_REQUIRE(Writes[Index]->IoStatus.Information == 16);
        IoFreeIrp(Writes[Index]);
    }
    for (Index = 0; Index < 3; Index++)
        IoFreeIrp(Reads[Index]);
    return STATUS_SUCCESS;
}

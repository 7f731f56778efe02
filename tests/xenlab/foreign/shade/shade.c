/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An upper filter of a setup class, in the manner of a documentation sample: it counts the requests that pass, keeps
 * what it has seen in a list under a mutex, and hands its notes to a worker thread of its own.
 */
#include <ntifs.h>
#include <ntddk.h>

#define SHADE_TAG 'dahS'

typedef struct _NOTE {
    SLIST_ENTRY Link;
    UCHAR Major;
    UCHAR Minor;
} NOTE, *PNOTE;

typedef struct _SHADE_EXTENSION {
    PDEVICE_OBJECT Self;
    PDEVICE_OBJECT Lower;
    IO_REMOVE_LOCK RemoveLock;
    NPAGED_LOOKASIDE_LIST Notes;
    SLIST_HEADER Fresh;
    KSPIN_LOCK FreshLock;
    KSEMAPHORE Arrivals;
    KMUTEX Mutex;
    PETHREAD Worker;
    LONG Leaving;
    ULONG Seen[IRP_MJ_MAXIMUM_FUNCTION + 1];
} SHADE_EXTENSION, *PSHADE_EXTENSION;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_ADD_DEVICE AddDevice;
static DRIVER_UNLOAD Unload;
static DRIVER_DISPATCH Pass, PassPower, PassPnp;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ULONG Index;

    UNREFERENCED_PARAMETER(RegistryPath);
    for (Index = 0; Index <= IRP_MJ_MAXIMUM_FUNCTION; Index++)
        DriverObject->MajorFunction[Index] = Pass;
    DriverObject->MajorFunction[IRP_MJ_POWER] = PassPower;
    DriverObject->MajorFunction[IRP_MJ_PNP] = PassPnp;
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

static VOID NTAPI Work(PVOID Context)
{
    PSHADE_EXTENSION Extension = Context;
    PNOTE Note;

    for (;;) {
        KeWaitForSingleObject(&Extension->Arrivals, Executive, KernelMode, FALSE, NULL);
        Note = (PNOTE)ExInterlockedPopEntrySList(&Extension->Fresh, &Extension->FreshLock);
        if (Note == NULL)
            break;
        KeWaitForMutexObject(&Extension->Mutex, Executive, KernelMode, FALSE, NULL);
        Extension->Seen[Note->Major]++;
        KeReleaseMutex(&Extension->Mutex, FALSE);
        ExFreeToNPagedLookasideList(&Extension->Notes, Note);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* At DISPATCH_LEVEL or below. */
static VOID TakeNote(PSHADE_EXTENSION Extension, PIO_STACK_LOCATION Stack)
{
    PNOTE Note = ExAllocateFromNPagedLookasideList(&Extension->Notes);

    if (Note == NULL)
        return;
    Note->Major = Stack->MajorFunction;
    Note->Minor = Stack->MinorFunction;
    ExInterlockedPushEntrySList(&Extension->Fresh, &Note->Link, &Extension->FreshLock);
    KeReleaseSemaphore(&Extension->Arrivals, IO_NO_INCREMENT, 1, FALSE);
}

static NTSTATUS NTAPI AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT Physical)
{
    PSHADE_EXTENSION Extension;
    PDEVICE_OBJECT Device;
    HANDLE Thread;
    NTSTATUS Status;

    Status = IoCreateDevice(DriverObject, sizeof(SHADE_EXTENSION), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    if (!NT_SUCCESS(Status))
        return Status;
    Extension = Device->DeviceExtension;
    RtlZeroMemory(Extension, sizeof(*Extension));
    Extension->Self = Device;
    IoInitializeRemoveLock(&Extension->RemoveLock, SHADE_TAG, 0, 0);
    ExInitializeNPagedLookasideList(&Extension->Notes, NULL, NULL, 0, sizeof(NOTE), SHADE_TAG, 0);
    ExInitializeSListHead(&Extension->Fresh);
    KeInitializeSpinLock(&Extension->FreshLock);
    KeInitializeSemaphore(&Extension->Arrivals, 0, MAXLONG);
    KeInitializeMutex(&Extension->Mutex, 0);
    Status = PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Work, Extension);
    if (NT_SUCCESS(Status)) {
        Status = ObReferenceObjectByHandle(Thread, THREAD_ALL_ACCESS, *PsThreadType, KernelMode,
                                           (PVOID *)&Extension->Worker, NULL);
        ZwClose(Thread);
    }
    if (NT_SUCCESS(Status))
        Extension->Lower = IoAttachDeviceToDeviceStack(Device, Physical);
    if (Extension->Lower == NULL) {
        ExDeleteNPagedLookasideList(&Extension->Notes);
        IoDeleteDevice(Device);
        return STATUS_NO_SUCH_DEVICE;
    }
    Device->DeviceType = Extension->Lower->DeviceType;
    Device->Characteristics = Extension->Lower->Characteristics;
    Device->Flags |= Extension->Lower->Flags & (DO_BUFFERED_IO | DO_DIRECT_IO | DO_POWER_PAGABLE);
    Device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI Pass(PDEVICE_OBJECT Device, PIRP Irp)
{
    PSHADE_EXTENSION Extension = Device->DeviceExtension;

    TakeNote(Extension, IoGetCurrentIrpStackLocation(Irp));
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Extension->Lower, Irp);
}

static NTSTATUS NTAPI PassPower(PDEVICE_OBJECT Device, PIRP Irp)
{
    PSHADE_EXTENSION Extension = Device->DeviceExtension;

    PoStartNextPowerIrp(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(Extension->Lower, Irp);
}

static NTSTATUS NTAPI Finished(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    PSHADE_EXTENSION Extension = Context;

    if (Irp->PendingReturned)
        IoMarkIrpPending(Irp);
    if (NT_SUCCESS(Irp->IoStatus.Status) && Extension->Lower->Characteristics & FILE_REMOVABLE_MEDIA)
        Device->Characteristics |= FILE_REMOVABLE_MEDIA;
    IoReleaseRemoveLock(&Extension->RemoveLock, Irp);
    return STATUS_CONTINUE_COMPLETION;
}

static NTSTATUS Remove(PSHADE_EXTENSION Extension, PIRP Irp)
{
    NTSTATUS Status;

    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(Irp);
    Status = IoCallDriver(Extension->Lower, Irp);
    IoReleaseRemoveLockAndWait(&Extension->RemoveLock, Irp);
    KeReleaseSemaphore(&Extension->Arrivals, IO_NO_INCREMENT, 1, FALSE);
    KeWaitForSingleObject(Extension->Worker, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Extension->Worker);
    DbgPrint("shade: %u PnP requests\n", Extension->Seen[IRP_MJ_PNP]);
    IoDetachDevice(Extension->Lower);
    ExDeleteNPagedLookasideList(&Extension->Notes);
    IoDeleteDevice(Extension->Self);
    return Status;
}

static NTSTATUS NTAPI PassPnp(PDEVICE_OBJECT Device, PIRP Irp)
{
    PSHADE_EXTENSION Extension = Device->DeviceExtension;
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS Status = IoAcquireRemoveLock(&Extension->RemoveLock, Irp);

    if (!NT_SUCCESS(Status)) {
        Irp->IoStatus.Status = Status;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return Status;
    }
    if (Stack->MinorFunction == IRP_MN_REMOVE_DEVICE)
        return Remove(Extension, Irp);
    TakeNote(Extension, Stack);
    if (Stack->MinorFunction == IRP_MN_START_DEVICE) {
        IoCopyCurrentIrpStackLocationToNext(Irp);
        IoSetCompletionRoutine(Irp, Finished, Extension, TRUE, TRUE, TRUE);
        return IoCallDriver(Extension->Lower, Irp);
    }
    IoSkipCurrentIrpStackLocation(Irp);
    Status = IoCallDriver(Extension->Lower, Irp);
    IoReleaseRemoveLock(&Extension->RemoveLock, Irp);
    return Status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plat.h"

DRIVER_INITIALIZE DriverEntry;
static DRIVER_ADD_DEVICE PlatAddDevice;
static DRIVER_UNLOAD PlatUnload;
static DRIVER_DISPATCH PlatPnp, PlatPower, PlatSystemControl;
static KSERVICE_ROUTINE PlatInterrupt;

static UNICODE_STRING RegistryPath;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING Path)
{
    RegistryPath.Buffer = ExAllocatePoolWithTag(PagedPool, Path->Length + sizeof(WCHAR), PLAT_TAG);
    if (RegistryPath.Buffer == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RegistryPath.MaximumLength = Path->Length + sizeof(WCHAR);
    RtlCopyUnicodeString(&RegistryPath, Path);
    DriverObject->DriverUnload = PlatUnload;
    DriverObject->DriverExtension->AddDevice = PlatAddDevice;
    DriverObject->DriverStartIo = PlatStartIo;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = PlatCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = PlatCreateClose;
    DriverObject->MajorFunction[IRP_MJ_READ] = PlatRead;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = PlatWrite;
    DriverObject->MajorFunction[IRP_MJ_PNP] = PlatPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = PlatPower;
    DriverObject->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = PlatSystemControl;
    return STATUS_SUCCESS;
}

static VOID NTAPI PlatUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    ExFreePoolWithTag(RegistryPath.Buffer, PLAT_TAG);
}

static NTSTATUS NTAPI PlatAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT Physical)
{
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\Device\\Plat0");
    UNICODE_STRING Link = RTL_CONSTANT_STRING(L"\\DosDevices\\Plat0");
    PPLAT_EXTENSION Extension;
    PDEVICE_OBJECT Device;
    NTSTATUS Status;

    Status = IoCreateDevice(DriverObject, sizeof(PLAT_EXTENSION), &Name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN,
                            FALSE, &Device);
    if (!NT_SUCCESS(Status))
        return Status;
    Extension = Device->DeviceExtension;
    RtlZeroMemory(Extension, sizeof(*Extension));
    Extension->Self = Device;
    Extension->Physical = Physical;
    IoInitializeRemoveLock(&Extension->RemoveLock, PLAT_TAG, 1, 100);
    ExInitializeFastMutex(&Extension->StoreMutex);
    KeInitializeEvent(&Extension->RingEvent, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Extension->StopEvent, NotificationEvent, FALSE);
    KeInitializeEvent(&Extension->TickEvent, SynchronizationEvent, FALSE);
    KeInitializeSemaphore(&Extension->Answers, 0, 64);
    KeInitializeDpc(&Extension->StoreDpc, PlatStoreDpc, Extension);
    KeSetImportanceDpc(&Extension->StoreDpc, HighImportance);
    ExInitializeNPagedLookasideList(&Extension->Entries, NULL, NULL, 0, sizeof(STORE_ENTRY), PLAT_TAG, 0);
    InitializeListHead(&Extension->Arrived);
    KeInitializeSpinLock(&Extension->ArrivedLock);
    PlatQueueInitialize(Extension);
    Extension->Lower = IoAttachDeviceToDeviceStack(Device, Physical);
    if (Extension->Lower == NULL) {
        ExDeleteNPagedLookasideList(&Extension->Entries);
        IoDeleteDevice(Device);
        return STATUS_NO_SUCH_DEVICE;
    }
    IoCreateSymbolicLink(&Link, &Name);
    Device->Flags |= DO_BUFFERED_IO | DO_POWER_PAGABLE;
    Device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static BOOLEAN NTAPI PlatInterrupt(PKINTERRUPT Interrupt, PVOID Context)
{
    UNREFERENCED_PARAMETER(Interrupt);
    return PlatXenClaim(Context);
}

static NTSTATUS PlatConnect(PPLAT_EXTENSION Extension, PCM_RESOURCE_LIST Resources)
{
    PCM_PARTIAL_RESOURCE_LIST List = &Resources->List[0].PartialResourceList;
    PCM_PARTIAL_RESOURCE_DESCRIPTOR Interrupt = NULL;
    ULONG Address, Size, Index;
    NTSTATUS Status;

    for (Index = 0; Index < List->Count; Index++) {
        if (List->PartialDescriptors[Index].Type == CmResourceTypeMemory) {
            Extension->Memory = List->PartialDescriptors[Index].u.Memory.Start;
            Extension->MemoryLength = List->PartialDescriptors[Index].u.Memory.Length;
        } else if (List->PartialDescriptors[Index].Type == CmResourceTypeInterrupt) {
            Interrupt = &List->PartialDescriptors[Index];
        }
    }
    if (Interrupt == NULL || Extension->MemoryLength < PAGE_SIZE)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    Status = IoGetDeviceProperty(Extension->Physical, DevicePropertyAddress, sizeof(Address), &Address, &Size);
    if (!NT_SUCCESS(Status))
        return Status;
    Status = PlatXenStart(Extension, Address);
    if (!NT_SUCCESS(Status))
        return Status;
    return IoConnectInterrupt(&Extension->Interrupt, PlatInterrupt, Extension, NULL, Interrupt->u.Interrupt.Vector,
                              (KIRQL)Interrupt->u.Interrupt.Level, (KIRQL)Interrupt->u.Interrupt.Level, LevelSensitive,
                              TRUE, Interrupt->u.Interrupt.Affinity, FALSE);
}

static NTSTATUS PlatStart(PPLAT_EXTENSION Extension, PCM_RESOURCE_LIST Resources)
{
    CHAR Value[64];
    NTSTATUS Status = PlatConnect(Extension, Resources);

    if (NT_SUCCESS(Status))
        Status = PlatStoreStart(Extension);
    Extension->Started = TRUE;
    if (NT_SUCCESS(Status))
        Status = PlatStoreRead(Extension, "domid", Value, sizeof(Value));
    if (NT_SUCCESS(Status))
        DbgPrint("plat: domain %s\n", Value);
    if (NT_SUCCESS(Status) && PlatStoreRead(Extension, "no/such/node", Value, sizeof(Value)) == STATUS_SUCCESS)
        Status = STATUS_UNSUCCESSFUL;
    if (NT_SUCCESS(Status))
        Status = PlatServicesExercise(Extension, &RegistryPath);
    if (NT_SUCCESS(Status))
        Status = PlatQueueExercise(Extension);
    if (NT_SUCCESS(Status))
        Status = PlatFilesExercise();
    if (NT_SUCCESS(Status))
        Status = PlatTextExercise();
    return Status;
}

static VOID PlatStop(PPLAT_EXTENSION Extension)
{
    if (!Extension->Started)
        return;
    Extension->Started = FALSE;
    PlatStoreStop(Extension);
    if (Extension->Interrupt != NULL)
        IoDisconnectInterrupt(Extension->Interrupt);
    Extension->Interrupt = NULL;
    KeRemoveQueueDpc(&Extension->StoreDpc);
    PlatXenStop(Extension);
}

static NTSTATUS NTAPI PlatWake(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS PlatLowerFirst(PPLAT_EXTENSION Extension, PIRP Irp)
{
    KEVENT Back;
    NTSTATUS Status;

    KeInitializeEvent(&Back, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, PlatWake, &Back, TRUE, TRUE, TRUE);
    Status = IoCallDriver(Extension->Lower, Irp);
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&Back, Executive, KernelMode, FALSE, NULL);
        Status = Irp->IoStatus.Status;
    }
    return Status;
}

static NTSTATUS PlatRemove(PPLAT_EXTENSION Extension, PIRP Irp)
{
    UNICODE_STRING Link = RTL_CONSTANT_STRING(L"\\DosDevices\\Plat0");
    NTSTATUS Status;

    PlatStop(Extension);
    if (Extension->WmiRegistered)
        IoWMIRegistrationControl(Extension->Self, WMIREG_ACTION_DEREGISTER);
    IoReleaseRemoveLockAndWait(&Extension->RemoveLock, Irp);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(Irp);
    Status = IoCallDriver(Extension->Lower, Irp);
    IoDeleteSymbolicLink(&Link);
    IoDetachDevice(Extension->Lower);
    ExDeleteNPagedLookasideList(&Extension->Entries);
    IoDeleteDevice(Extension->Self);
    return Status;
}

static NTSTATUS NTAPI PlatPnp(PDEVICE_OBJECT Device, PIRP Irp)
{
    PPLAT_EXTENSION Extension = Device->DeviceExtension;
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS Status = IoAcquireRemoveLock(&Extension->RemoveLock, Irp);

    if (!NT_SUCCESS(Status)) {
        Irp->IoStatus.Status = Status;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return Status;
    }
    switch (Stack->MinorFunction) {
    case IRP_MN_START_DEVICE:
        Status = PlatLowerFirst(Extension, Irp);
        if (NT_SUCCESS(Status))
            Status = PlatStart(Extension, Stack->Parameters.StartDevice.AllocatedResourcesTranslated);
        if (!NT_SUCCESS(Status))
            PlatStop(Extension);
        Irp->IoStatus.Status = Status;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        break;
    case IRP_MN_REMOVE_DEVICE:
        return PlatRemove(Extension, Irp);
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        PlatStop(Extension);
        /* fall through */
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        /* fall through */
    default:
        IoSkipCurrentIrpStackLocation(Irp);
        Status = IoCallDriver(Extension->Lower, Irp);
        break;
    }
    IoReleaseRemoveLock(&Extension->RemoveLock, Irp);
    return Status;
}

static NTSTATUS NTAPI PlatPower(PDEVICE_OBJECT Device, PIRP Irp)
{
    PPLAT_EXTENSION Extension = Device->DeviceExtension;

    PoStartNextPowerIrp(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(Extension->Lower, Irp);
}

static NTSTATUS NTAPI PlatSystemControl(PDEVICE_OBJECT Device, PIRP Irp)
{
    PPLAT_EXTENSION Extension = Device->DeviceExtension;

    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Extension->Lower, Irp);
}

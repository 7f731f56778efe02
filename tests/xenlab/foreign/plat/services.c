/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each function tries one service of the kernel that the project's drivers do without, and says whether it did what its
 * documentation says.
 */
#include "plat.h"

static NTSTATUS TryRegistry(PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"Parameters");
    UNICODE_STRING ValueName = RTL_CONSTANT_STRING(L"Greeting");
    OBJECT_ATTRIBUTES Attributes;
    UCHAR Buffer[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + 64];
    PKEY_VALUE_PARTIAL_INFORMATION Value = (PKEY_VALUE_PARTIAL_INFORMATION)Buffer;
    HANDLE Service, Parameters;
    ULONG Size;

    InitializeObjectAttributes(&Attributes, RegistryPath, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    PLAT_REQUIRE(NT_SUCCESS(ZwOpenKey(&Service, KEY_READ, &Attributes)));
    InitializeObjectAttributes(&Attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, Service, NULL);
    PLAT_REQUIRE(NT_SUCCESS(ZwOpenKey(&Parameters, KEY_READ, &Attributes)));
    PLAT_REQUIRE(NT_SUCCESS(
        ZwQueryValueKey(Parameters, &ValueName, KeyValuePartialInformation, Value, sizeof(Buffer), &Size)));
    PLAT_REQUIRE(Value->Type == REG_SZ && wcscmp((PCWSTR)Value->Data, L"hello, \"world\"") == 0);
    ZwClose(Parameters);
    ZwClose(Service);
    return STATUS_SUCCESS;
}

typedef struct _JOB {
    WORK_QUEUE_ITEM Item;
    LIST_ENTRY Entry;
    PKQUEUE Queue;
} JOB, *PJOB;

static VOID NTAPI DoJob(PVOID Context)
{
    PJOB Job = Context;

    KeInsertQueue(Job->Queue, &Job->Entry);
}

static NTSTATUS TryQueue(VOID)
{
    KQUEUE Queue;
    JOB Jobs[3];
    LARGE_INTEGER Soon;
    ULONG Index;

    KeInitializeQueue(&Queue, 1);
    Soon.QuadPart = -10000;
    PLAT_REQUIRE((ULONG_PTR)KeRemoveQueue(&Queue, KernelMode, &Soon) == STATUS_TIMEOUT);
    for (Index = 0; Index < 3; Index++) {
        Jobs[Index].Queue = &Queue;
        ExInitializeWorkItem(&Jobs[Index].Item, DoJob, &Jobs[Index]);
        ExQueueWorkItem(&Jobs[Index].Item, CriticalWorkQueue);
    }
    for (Index = 0; Index < 3; Index++) {
        PLIST_ENTRY Entry = KeRemoveQueue(&Queue, KernelMode, NULL);

        PLAT_REQUIRE(CONTAINING_RECORD(Entry, JOB, Entry)->Queue == &Queue);
    }
    PLAT_REQUIRE(KeReadStateQueue(&Queue) == 0);
    PLAT_REQUIRE(KeRundownQueue(&Queue) == NULL);
    return STATUS_SUCCESS;
}

static NTSTATUS TryResource(VOID)
{
    ERESOURCE Resource;

    PLAT_REQUIRE(NT_SUCCESS(ExInitializeResourceLite(&Resource)));
    KeEnterCriticalRegion();
    PLAT_REQUIRE(ExAcquireResourceSharedLite(&Resource, TRUE));
    PLAT_REQUIRE(ExAcquireResourceSharedLite(&Resource, TRUE));
    PLAT_REQUIRE(ExIsResourceAcquiredSharedLite(&Resource) == 2);
    PLAT_REQUIRE(!ExAcquireResourceExclusiveLite(&Resource, FALSE));
    ExReleaseResourceLite(&Resource);
    ExReleaseResourceLite(&Resource);
    PLAT_REQUIRE(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    ExConvertExclusiveToSharedLite(&Resource);
    PLAT_REQUIRE(!ExIsResourceAcquiredExclusiveLite(&Resource));
    ExReleaseResourceLite(&Resource);
    KeLeaveCriticalRegion();
    PLAT_REQUIRE(NT_SUCCESS(ExDeleteResourceLite(&Resource)));
    return STATUS_SUCCESS;
}

static VOID NTAPI Tick(PKDPC Dpc, PVOID Context, PVOID First, PVOID Second)
{
    PPLAT_EXTENSION Extension = Context;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(First);
    UNREFERENCED_PARAMETER(Second);
    if (InterlockedIncrement(&Extension->Ticks) == 5)
        KeSetEvent(&Extension->TickEvent, IO_NO_INCREMENT, FALSE);
}

static VOID NTAPI Beat(PDEVICE_OBJECT Device, PVOID Context)
{
    PPLAT_EXTENSION Extension = Context;

    UNREFERENCED_PARAMETER(Device);
    if (InterlockedIncrement(&Extension->Heartbeats) == 2)
        KeSetEvent(&Extension->TickEvent, IO_NO_INCREMENT, FALSE);
}

static NTSTATUS TryTimers(PPLAT_EXTENSION Extension)
{
    LARGE_INTEGER Due, Before, After;

    KeQuerySystemTime(&Before);
    KeInitializeTimerEx(&Extension->Period, SynchronizationTimer);
    KeInitializeDpc(&Extension->PeriodDpc, Tick, Extension);
    Due.QuadPart = -20 * 10000;
    KeSetTimerEx(&Extension->Period, Due, 50, &Extension->PeriodDpc);
    KeWaitForSingleObject(&Extension->TickEvent, Executive, KernelMode, FALSE, NULL);
    PLAT_REQUIRE(KeCancelTimer(&Extension->Period));
    KeRemoveQueueDpc(&Extension->PeriodDpc);
    KeQuerySystemTime(&After);
    PLAT_REQUIRE(Extension->Ticks == 5);
    PLAT_REQUIRE((After.QuadPart - Before.QuadPart) / 10000 >= 4 * 50);
    PLAT_REQUIRE(NT_SUCCESS(IoInitializeTimer(Extension->Self, Beat, Extension)));
    IoStartTimer(Extension->Self);
    KeWaitForSingleObject(&Extension->TickEvent, Executive, KernelMode, FALSE, NULL);
    IoStopTimer(Extension->Self);
    PLAT_REQUIRE(Extension->Heartbeats == 2);
    return STATUS_SUCCESS;
}

typedef struct _LISTED {
    PSCATTER_GATHER_LIST List;
    ULONG Bytes;
} LISTED;

static VOID NTAPI GotList(PDEVICE_OBJECT Device, PIRP Irp, PSCATTER_GATHER_LIST List, PVOID Context)
{
    LISTED *Listed = Context;
    ULONG Index;

    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    Listed->List = List;
    for (Index = 0; Index < List->NumberOfElements; Index++)
        Listed->Bytes += List->Elements[Index].Length;
}

static NTSTATUS TryDma(PPLAT_EXTENSION Extension)
{
    DEVICE_DESCRIPTION Description;
    PHYSICAL_ADDRESS Logical;
    PDMA_ADAPTER Adapter;
    LISTED Listed;
    ULONG Registers;
    PUCHAR Common, Pages;
    PMDL Mdl;
    KIRQL Irql;
    NTSTATUS Status;

    RtlZeroMemory(&Description, sizeof(Description));
    Description.Version = DEVICE_DESCRIPTION_VERSION;
    Description.Master = Description.ScatterGather = Description.Dma32BitAddresses = TRUE;
    Description.InterfaceType = PCIBus;
    Description.MaximumLength = 0x10000;
    Adapter = IoGetDmaAdapter(Extension->Physical, &Description, &Registers);
    PLAT_REQUIRE(Adapter != NULL && Registers >= 17);
    Common = Adapter->DmaOperations->AllocateCommonBuffer(Adapter, 6000, &Logical, TRUE);
    PLAT_REQUIRE(Common != NULL);
    PLAT_REQUIRE(MmGetPhysicalAddress(Common + 5000).QuadPart == Logical.QuadPart + 5000);
    Adapter->DmaOperations->FreeCommonBuffer(Adapter, 6000, Logical, Common, TRUE);

    Pages = ExAllocatePoolWithTag(NonPagedPool, 3 * PAGE_SIZE, PLAT_TAG);
    PLAT_REQUIRE(Pages != NULL);
    Mdl = IoAllocateMdl(Pages + 100, 2 * PAGE_SIZE, FALSE, FALSE, NULL);
    PLAT_REQUIRE(Mdl != NULL);
    MmBuildMdlForNonPagedPool(Mdl);
    Listed.Bytes = 0;
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    Status = Adapter->DmaOperations->GetScatterGatherList(Adapter, Extension->Self, Mdl, Pages + 100, 2 * PAGE_SIZE,
                                                          GotList, &Listed, TRUE);
    if (NT_SUCCESS(Status))
        Adapter->DmaOperations->PutScatterGatherList(Adapter, Listed.List, TRUE);
    KeLowerIrql(Irql);
    PLAT_REQUIRE(NT_SUCCESS(Status) && Listed.Bytes == 2 * PAGE_SIZE);
    IoFreeMdl(Mdl);
    ExFreePoolWithTag(Pages, PLAT_TAG);
    Adapter->DmaOperations->PutDmaAdapter(Adapter);
    return STATUS_SUCCESS;
}

static NTSTATUS TryNamedEvent(VOID)
{
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\PlatEvent");
    HANDLE First, Second;
    PKEVENT Event = IoCreateNotificationEvent(&Name, &First);
    LARGE_INTEGER Now;

    Now.QuadPart = 0;
    PLAT_REQUIRE(Event != NULL && KeReadStateEvent(Event) == 1);
    PLAT_REQUIRE(IoCreateNotificationEvent(&Name, &Second) == Event);
    KeClearEvent(Event);
    PLAT_REQUIRE(ZwWaitForSingleObject(Second, FALSE, &Now) == STATUS_TIMEOUT);
    PLAT_REQUIRE(NT_SUCCESS(ZwSetEvent(First, NULL)));
    PLAT_REQUIRE(ZwWaitForSingleObject(Second, FALSE, &Now) == STATUS_SUCCESS);
    ZwClose(Second);
    ZwClose(First);
    return STATUS_SUCCESS;
}

static VOID NTAPI RunDown(PVOID Context)
{
    PEX_RUNDOWN_REF Reference = Context;
    LARGE_INTEGER Later;

    Later.QuadPart = -30 * 10000;
    KeDelayExecutionThread(KernelMode, FALSE, &Later);
    ExReleaseRundownProtection(Reference);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS TryRundown(VOID)
{
    EX_RUNDOWN_REF Reference;
    HANDLE Thread;

    ExInitializeRundownProtection(&Reference);
    PLAT_REQUIRE(ExAcquireRundownProtection(&Reference));
    PLAT_REQUIRE(NT_SUCCESS(
        PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, RunDown, &Reference)));
    ExWaitForRundownProtectionRelease(&Reference);
    PLAT_REQUIRE(!ExAcquireRundownProtection(&Reference));
    ZwWaitForSingleObject(Thread, FALSE, NULL);
    ZwClose(Thread);
    return STATUS_SUCCESS;
}

static NTSTATUS TryErrorLog(PPLAT_EXTENSION Extension)
{
    PIO_ERROR_LOG_PACKET Packet = IoAllocateErrorLogEntry(Extension->Self, sizeof(IO_ERROR_LOG_PACKET) + 16);

    PLAT_REQUIRE(Packet != NULL);
    RtlZeroMemory(Packet, sizeof(IO_ERROR_LOG_PACKET) + 16);
    Packet->ErrorCode = (NTSTATUS)0x80040001;
    Packet->NumberOfStrings = 1;
    Packet->StringOffset = sizeof(IO_ERROR_LOG_PACKET);
    RtlCopyMemory(Packet + 1, L"started", sizeof(L"started"));
    IoWriteErrorLogEntry(Packet);
    return STATUS_SUCCESS;
}

static NTSTATUS TryDevicePointer(PPLAT_EXTENSION Extension)
{
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\DosDevices\\Plat0");
    UNICODE_STRING Absent = RTL_CONSTANT_STRING(L"\\Device\\Plat1");
    PFILE_OBJECT File;
    PDEVICE_OBJECT Device;

    PLAT_REQUIRE(IoGetDeviceObjectPointer(&Absent, FILE_READ_DATA, &File, &Device) == STATUS_OBJECT_NAME_NOT_FOUND);
    PLAT_REQUIRE(NT_SUCCESS(IoGetDeviceObjectPointer(&Name, FILE_READ_DATA, &File, &Device)));
    PLAT_REQUIRE(Device == IoGetAttachedDevice(Extension->Self) && IoGetRelatedDeviceObject(File) == Device);
    ObDereferenceObject(File);
    return STATUS_SUCCESS;
}

static NTSTATUS TryVersion(VOID)
{
    RTL_OSVERSIONINFOEXW Wanted;
    ULONGLONG Mask = VerSetConditionMask(0, VER_MAJORVERSION, VER_GREATER_EQUAL);

    RtlZeroMemory(&Wanted, sizeof(Wanted));
    Wanted.dwOSVersionInfoSize = sizeof(Wanted);
    Wanted.dwMajorVersion = 5;
    Wanted.dwMinorVersion = 1;
    Mask = VerSetConditionMask(Mask, VER_MINORVERSION, VER_GREATER_EQUAL);
    PLAT_REQUIRE(NT_SUCCESS(RtlVerifyVersionInfo(&Wanted, VER_MAJORVERSION | VER_MINORVERSION, Mask)));
    Wanted.dwMajorVersion = 7;
    PLAT_REQUIRE(RtlVerifyVersionInfo(&Wanted, VER_MAJORVERSION | VER_MINORVERSION, Mask) != STATUS_SUCCESS);
    return STATUS_SUCCESS;
}

static NTSTATUS TrySecurity(VOID)
{
    SECURITY_DESCRIPTOR Descriptor;
    SID_IDENTIFIER_AUTHORITY World = {{0, 0, 0, 0, 0, 1}};
    UCHAR SidSpace[16], AclSpace[64];
    PACL Acl = (PACL)AclSpace, Found;
    BOOLEAN Present, Defaulted;

    PLAT_REQUIRE(RtlLengthRequiredSid(1) == 12);
    RtlInitializeSid(SidSpace, &World, 1);
    *RtlSubAuthoritySid(SidSpace, 0) = 0;
    PLAT_REQUIRE(RtlValidSid(SidSpace) && RtlLengthSid(SidSpace) == 12);
    PLAT_REQUIRE(NT_SUCCESS(RtlCreateAcl(Acl, sizeof(AclSpace), ACL_REVISION)));
    PLAT_REQUIRE(NT_SUCCESS(RtlAddAccessAllowedAce(Acl, ACL_REVISION, GENERIC_READ, SidSpace)));
    PLAT_REQUIRE(Acl->AceCount == 1);
    PLAT_REQUIRE(NT_SUCCESS(RtlCreateSecurityDescriptor(&Descriptor, SECURITY_DESCRIPTOR_REVISION)));
    PLAT_REQUIRE(NT_SUCCESS(RtlSetDaclSecurityDescriptor(&Descriptor, TRUE, Acl, FALSE)));
    PLAT_REQUIRE(NT_SUCCESS(RtlGetDaclSecurityDescriptor(&Descriptor, &Present, &Found, &Defaulted)));
    PLAT_REQUIRE(Present && Found == Acl && !Defaulted);
    return STATUS_SUCCESS;
}

NTSTATUS PlatServicesExercise(PPLAT_EXTENSION Extension, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status = TryRegistry(RegistryPath);

    if (NT_SUCCESS(Status))
        Status = TryQueue();
    if (NT_SUCCESS(Status))
        Status = TryResource();
    if (NT_SUCCESS(Status))
        Status = TryTimers(Extension);
    if (NT_SUCCESS(Status))
        Status = TryDma(Extension);
    if (NT_SUCCESS(Status))
        Status = TryNamedEvent();
    if (NT_SUCCESS(Status))
        Status = TryRundown();
    if (NT_SUCCESS(Status))
        Status = TryErrorLog(Extension);
    if (NT_SUCCESS(Status))
        Status = TryDevicePointer(Extension);
    if (NT_SUCCESS(Status))
        Status = TryVersion();
    if (NT_SUCCESS(Status))
        Status = TrySecurity();
    if (NT_SUCCESS(Status))
        Status = PlatTryExceptions();
    if (NT_SUCCESS(Status))
        Status = PlatTryArithmetic();
    if (NT_SUCCESS(Status))
        Status = IoWMIRegistrationControl(Extension->Self, WMIREG_ACTION_REGISTER);
    Extension->WmiRegistered = (BOOLEAN)NT_SUCCESS(Status);
    return Status;
}

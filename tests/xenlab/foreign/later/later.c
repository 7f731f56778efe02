/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A function driver of the Xen platform device as a later kit's samples would have it: it tries what came with Windows
 * Vista and Windows 7, and some that older ones use, and says whether each did what its documentation says.
 */
#define KeRegisterProcessorChangeCallback NotStdcallRegister
#define KeDeregisterProcessorChangeCallback NotStdcallDeregister
#include <ntifs.h>
#include <ntddk.h>
#undef KeRegisterProcessorChangeCallback
#undef KeDeregisterProcessorChangeCallback

#define TAG 'retL'
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            DbgPrint("later: %s:%d is not so: %s\n", __FILE__, __LINE__, #condition);                                  \
            return STATUS_UNSUCCESSFUL;                                                                                \
        }                                                                                                              \
    } while (0)

/* What the headers at hand lack, or have with another calling convention. */
NTKERNELAPI PVOID NTAPI KeRegisterProcessorChangeCallback(PPROCESSOR_CALLBACK_FUNCTION Function, PVOID Context,
                                                          ULONG Flags);
NTKERNELAPI VOID NTAPI KeDeregisterProcessorChangeCallback(PVOID Handle);
typedef LONG READ_WRITE_LOCK;
NTKERNELAPI KIRQL NTAPI ExAcquireSpinLockExclusive(READ_WRITE_LOCK *Lock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockExclusive(READ_WRITE_LOCK *Lock, KIRQL OldIrql);
NTKERNELAPI KIRQL NTAPI ExAcquireSpinLockShared(READ_WRITE_LOCK *Lock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockShared(READ_WRITE_LOCK *Lock, KIRQL OldIrql);
NTKERNELAPI VOID NTAPI ExAcquireSpinLockSharedAtDpcLevel(READ_WRITE_LOCK *Lock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockSharedFromDpcLevel(READ_WRITE_LOCK *Lock);
NTKERNELAPI ULONG NTAPI ExTryConvertSharedSpinLockExclusive(READ_WRITE_LOCK *Lock);
NTKERNELAPI NTSTATUS NTAPI RtlUnicodeToUTF8N(PCHAR To, ULONG Room, PULONG Written, PCWSTR From, ULONG Length);
NTKERNELAPI NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR To, ULONG Room, PULONG Written, PCSTR From, ULONG Length);

typedef struct _EXTENSION {
    PDEVICE_OBJECT Physical;
    PDEVICE_OBJECT Lower;
    IO_DISCONNECT_INTERRUPT_PARAMETERS Connected;
    KEVENT Done;
    ULONG Calls;
} EXTENSION, *PEXTENSION;

DRIVER_INITIALIZE DriverEntry;

static NTSTATUS TryLocks(VOID)
{
    READ_WRITE_LOCK Lock = 0;
    KLOCK_QUEUE_HANDLE Handle;
    KSPIN_LOCK Queued;
    KIRQL Irql;

    Irql = ExAcquireSpinLockShared(&Lock);
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    REQUIRE(KeGetCurrentIrql() == DISPATCH_LEVEL && !ExTryConvertSharedSpinLockExclusive(&Lock));
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
    ExReleaseSpinLockShared(&Lock, Irql);
    Irql = ExAcquireSpinLockShared(&Lock);
    REQUIRE(ExTryConvertSharedSpinLockExclusive(&Lock) == 1);
    ExReleaseSpinLockExclusive(&Lock, Irql);
    Irql = ExAcquireSpinLockExclusive(&Lock);
    ExReleaseSpinLockExclusive(&Lock, Irql);
    REQUIRE(KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeInitializeSpinLock(&Queued);
    KeAcquireInStackQueuedSpinLockForDpc(&Queued, &Handle);
    REQUIRE(KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseInStackQueuedSpinLockForDpc(&Handle);
    REQUIRE(KeGetCurrentIrql() == PASSIVE_LEVEL);
    return STATUS_SUCCESS;
}

static ULONG Told[2];

static VOID NTAPI Processor(PVOID Context, PKE_PROCESSOR_CHANGE_NOTIFY_CONTEXT Change, PNTSTATUS Status)
{
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Status);
    if (Change->State <= KeProcessorAddCompleteNotify)
        Told[Change->State]++;
}

static NTSTATUS TryProcessors(VOID)
{
    PROCESSOR_NUMBER Number;
    GROUP_AFFINITY Affinity, Before;
    PVOID Handle;

    REQUIRE(KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS) == 1 && KeQueryActiveProcessorCountEx(1) == 0);
    REQUIRE(KeQueryActiveGroupCount() == 1 && KeGetCurrentProcessorNumberEx(&Number) == 0 && Number.Number == 0);
    REQUIRE(NT_SUCCESS(KeGetProcessorNumberFromIndex(0, &Number)) && KeGetProcessorIndexFromNumber(&Number) == 0);
    REQUIRE(!NT_SUCCESS(KeGetProcessorNumberFromIndex(1, &Number)));
    RtlZeroMemory(&Affinity, sizeof(Affinity));
    Affinity.Mask = KeQueryGroupAffinity(0);
    REQUIRE(Affinity.Mask == 1);
    KeSetSystemGroupAffinityThread(&Affinity, &Before);
    KeRevertToUserGroupAffinityThread(&Before);
    Handle = KeRegisterProcessorChangeCallback(Processor, NULL, KE_PROCESSOR_CHANGE_ADD_EXISTING);
    REQUIRE(Handle != NULL && Told[KeProcessorAddStartNotify] == 1 && Told[KeProcessorAddCompleteNotify] == 1);
    KeDeregisterProcessorChangeCallback(Handle);
    return STATUS_SUCCESS;
}

static ULONG NTAPI Once(PRTL_RUN_ONCE RunOnce, PVOID Parameter, PVOID *Context)
{
    UNREFERENCED_PARAMETER(RunOnce);
    *Context = Parameter;
    return ++*(PULONG)Parameter != 2;
}

static NTSTATUS TryOnce(VOID)
{
    RTL_RUN_ONCE First, Second;
    ULONG Count = 0;
    PVOID Context = NULL;

    RtlRunOnceInitialize(&First);
    REQUIRE(NT_SUCCESS(RtlRunOnceExecuteOnce(&First, Once, &Count, &Context)) && Context == &Count && Count == 1);
    REQUIRE(NT_SUCCESS(RtlRunOnceExecuteOnce(&First, Once, &Count, &Context)) && Context == &Count && Count == 1);
    RtlRunOnceInitialize(&Second);
    REQUIRE(!NT_SUCCESS(RtlRunOnceExecuteOnce(&Second, Once, &Count, NULL)) && Count == 2);
    REQUIRE(RtlRunOnceBeginInitialize(&Second, 0, &Context) == STATUS_PENDING);
    REQUIRE(NT_SUCCESS(RtlRunOnceComplete(&Second, 0, &Count)));
    REQUIRE(NT_SUCCESS(RtlRunOnceBeginInitialize(&Second, RTL_RUN_ONCE_CHECK_ONLY, &Context)) && Context == &Count);
    return STATUS_SUCCESS;
}

static NTSTATUS TryText(VOID)
{
    static const WCHAR Wide[] = {0x47, 0xFC, 0x20AC, 0};
    CHAR Narrow[8];
    WCHAR Back[4];
    ULONG Length;
    LUID One = {1, 2}, Other;

    REQUIRE(NT_SUCCESS(RtlUnicodeToUTF8N(NULL, 0, &Length, Wide, 6)) && Length == 6);
    REQUIRE(RtlUnicodeToUTF8N(Narrow, 5, &Length, Wide, 6) == STATUS_BUFFER_TOO_SMALL && Length == 3);
    REQUIRE(NT_SUCCESS(RtlUnicodeToUTF8N(Narrow, 8, &Length, Wide, 6)) && Length == 6 && Narrow[1] == (CHAR)0xC3);
    REQUIRE(NT_SUCCESS(RtlUTF8ToUnicodeN(Back, 8, &Length, Narrow, 6)) && Length == 6 && Back[2] == 0x20AC);
    RtlCopyLuid(&Other, &One);
    REQUIRE(RtlEqualLuid(&One, &Other));
    return STATUS_SUCCESS;
}

static NTSTATUS TryMemory(VOID)
{
    PHYSICAL_ADDRESS None, All;
    PPHYSICAL_MEMORY_RANGE Ranges;
    PVOID Trace[4];
    PMDL Mdl;
    PVOID Contiguous;

    None.QuadPart = 0;
    All.QuadPart = -1;
    Mdl = MmAllocatePagesForMdlEx(None, All, None, 3 * PAGE_SIZE, MmCached, 0);
    REQUIRE(Mdl != NULL && MmGetMdlByteCount(Mdl) == 3 * PAGE_SIZE);
    MmFreePagesFromMdl(Mdl);
    ExFreePool(Mdl);
    Contiguous = MmAllocateContiguousMemorySpecifyCacheNode(2 * PAGE_SIZE, None, All, None, MmCached, 0x80000000);
    REQUIRE(Contiguous != NULL);
    MmFreeContiguousMemory(Contiguous);
    Ranges = MmGetPhysicalMemoryRanges();
    REQUIRE(Ranges != NULL && Ranges[0].NumberOfBytes.QuadPart != 0);
    ExFreePool(Ranges);
    REQUIRE(RtlCaptureStackBackTrace(0, 4, Trace, NULL) != 0 && Trace[0] > MmSystemRangeStart);
    return STATUS_SUCCESS;
}

static VOID NTAPI Work(PVOID Object, PVOID Context, PIO_WORKITEM Item)
{
    PEXTENSION Extension = Context;

    UNREFERENCED_PARAMETER(Object);
    IoFreeWorkItem(Item);
    KeSetEvent(&Extension->Done, IO_NO_INCREMENT, FALSE);
}

static NTSTATUS TryWorkAndState(PDEVICE_OBJECT Device)
{
    PEXTENSION Extension = Device->DeviceExtension;
    PIO_WORKITEM Item = IoAllocateWorkItem(Device);
    PVOID State;

    REQUIRE(Item != NULL);
    KeInitializeEvent(&Extension->Done, NotificationEvent, FALSE);
    IoQueueWorkItemEx(Item, Work, DelayedWorkQueue, Extension);
    KeWaitForSingleObject(&Extension->Done, Executive, KernelMode, FALSE, NULL);
    State = PoRegisterSystemState(NULL, ES_SYSTEM_REQUIRED | ES_CONTINUOUS);
    REQUIRE(State != NULL && PoRegisterSystemState(State, ES_CONTINUOUS) == State);
    PoUnregisterSystemState(State);
    ObReferenceObjectWithTag(Device, TAG);
    ObDereferenceObjectWithTag(Device, TAG);
    return STATUS_SUCCESS;
}

static NTSTATUS TryConfiguration(PDEVICE_OBJECT Physical)
{
    PCI_SLOT_NUMBER Slot;
    ULONG Address, Size;
    USHORT Vendor = 0;

    REQUIRE(NT_SUCCESS(IoGetDeviceProperty(Physical, DevicePropertyAddress, sizeof(Address), &Address, &Size)));
    Slot.u.AsULONG = 0;
    Slot.u.bits.DeviceNumber = Address >> 16;
    Slot.u.bits.FunctionNumber = Address & 7;
    REQUIRE(HalGetBusDataByOffset(PCIConfiguration, 0, Slot.u.AsULONG, &Vendor, 0, 2) == 2 && Vendor == 0x5853);
    REQUIRE(HalGetBusDataByOffset(PCIConfiguration, 1, Slot.u.AsULONG, &Vendor, 0, 2) == 0);
    return STATUS_SUCCESS;
}

static NTSTATUS TryInterfaces(PDEVICE_OBJECT Physical)
{
    static const GUID Class = {0x6f3b1b26, 0x4a1e, 0x4c7b, {0x9a, 0x3c, 0x11, 0x52, 0x8d, 0x70, 0x44, 0x01}};
    UNICODE_STRING Link;
    PWSTR Links;

    REQUIRE(NT_SUCCESS(IoRegisterDeviceInterface(Physical, &Class, NULL, &Link)));
    REQUIRE(NT_SUCCESS(IoGetDeviceInterfaces(&Class, NULL, 0, &Links)) && Links[0] == 0);
    ExFreePool(Links);
    REQUIRE(NT_SUCCESS(IoSetDeviceInterfaceState(&Link, TRUE)));
    REQUIRE(NT_SUCCESS(IoGetDeviceInterfaces(&Class, Physical, 0, &Links)) && wcscmp(Links, Link.Buffer) == 0);
    REQUIRE(Links[wcslen(Links) + 1] == 0);
    ExFreePool(Links);
    REQUIRE(NT_SUCCESS(IoSetDeviceInterfaceState(&Link, FALSE)));
    RtlFreeUnicodeString(&Link);
    return STATUS_SUCCESS;
}

static BOOLEAN NTAPI Message(PKINTERRUPT Interrupt, PVOID Context, ULONG Number)
{
    UNREFERENCED_PARAMETER(Interrupt);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Number);
    return FALSE;
}

static BOOLEAN NTAPI Line(PKINTERRUPT Interrupt, PVOID Context)
{
    UNREFERENCED_PARAMETER(Interrupt);
    ((PEXTENSION)Context)->Calls++;
    return FALSE;
}

/* The device has no messages, and its line instead. */
static NTSTATUS Connect(PEXTENSION Extension)
{
    IO_CONNECT_INTERRUPT_PARAMETERS Parameters;
    PKINTERRUPT Interrupt = NULL;

    RtlZeroMemory(&Parameters, sizeof(Parameters));
    Parameters.Version = CONNECT_MESSAGE_BASED;
    Parameters.MessageBased.PhysicalDeviceObject = Extension->Physical;
    Parameters.MessageBased.ConnectionContext.InterruptObject = &Interrupt;
    Parameters.MessageBased.MessageServiceRoutine = Message;
    Parameters.MessageBased.ServiceContext = Extension;
    REQUIRE(IoConnectInterruptEx(&Parameters) == STATUS_NOT_FOUND);
    Parameters.MessageBased.FallBackServiceRoutine = Line;
    REQUIRE(NT_SUCCESS(IoConnectInterruptEx(&Parameters)));
    REQUIRE(Parameters.Version == CONNECT_LINE_BASED && Interrupt != NULL);
    Extension->Connected.Version = Parameters.Version;
    Extension->Connected.ConnectionContext.InterruptObject = Interrupt;
    return STATUS_SUCCESS;
}

static NTSTATUS Start(PDEVICE_OBJECT Device)
{
    PEXTENSION Extension = Device->DeviceExtension;
    NTSTATUS Status = Connect(Extension);

    if (NT_SUCCESS(Status))
        Status = TryLocks();
    if (NT_SUCCESS(Status))
        Status = TryProcessors();
    if (NT_SUCCESS(Status))
        Status = TryOnce();
    if (NT_SUCCESS(Status))
        Status = TryText();
    if (NT_SUCCESS(Status))
        Status = TryMemory();
    if (NT_SUCCESS(Status))
        Status = TryWorkAndState(Device);
    if (NT_SUCCESS(Status))
        Status = TryConfiguration(Extension->Physical);
    if (NT_SUCCESS(Status))
        Status = TryInterfaces(Extension->Physical);
    if (NT_SUCCESS(Status))
        DbgPrint("later: all is so\n");
    return Status;
}

static NTSTATUS NTAPI Pass(PDEVICE_OBJECT Device, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(((PEXTENSION)Device->DeviceExtension)->Lower, Irp);
}

static NTSTATUS NTAPI Power(PDEVICE_OBJECT Device, PIRP Irp)
{
    PoStartNextPowerIrp(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(((PEXTENSION)Device->DeviceExtension)->Lower, Irp);
}

static NTSTATUS NTAPI Pnp(PDEVICE_OBJECT Device, PIRP Irp)
{
    PEXTENSION Extension = Device->DeviceExtension;
    PDEVICE_OBJECT Lower = Extension->Lower;
    NTSTATUS Status;

    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        Status = IoForwardIrpSynchronously(Lower, Irp) ? Irp->IoStatus.Status : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(Status))
            Status = Start(Device);
        Irp->IoStatus.Status = Status;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return Status;

    case IRP_MN_REMOVE_DEVICE:
        if (Extension->Connected.Version != 0)
            IoDisconnectInterruptEx(&Extension->Connected);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(Irp);
        Status = IoCallDriver(Lower, Irp);
        IoDetachDevice(Lower);
        IoDeleteDevice(Device);
        return Status;

    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    return Pass(Device, Irp);
}

static NTSTATUS NTAPI AddDevice(PDRIVER_OBJECT Driver, PDEVICE_OBJECT Physical)
{
    PDEVICE_OBJECT Device;
    PEXTENSION Extension;
    NTSTATUS Status;

    Status = IoCreateDevice(Driver, sizeof(EXTENSION), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    if (!NT_SUCCESS(Status))
        return Status;
    Extension = Device->DeviceExtension;
    RtlZeroMemory(Extension, sizeof(*Extension));
    Extension->Physical = Physical;
    Extension->Lower = IoAttachDeviceToDeviceStack(Device, Physical);
    Device->Flags |= DO_POWER_PAGABLE;
    Device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID NTAPI Unload(PDRIVER_OBJECT Driver)
{
    UNREFERENCED_PARAMETER(Driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING Path)
{
    UNREFERENCED_PARAMETER(Path);
    Driver->DriverUnload = Unload;
    Driver->DriverExtension->AddDevice = AddDevice;
    Driver->MajorFunction[IRP_MJ_PNP] = Pnp;
    Driver->MajorFunction[IRP_MJ_POWER] = Power;
    Driver->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = Pass;
    return STATUS_SUCCESS;
}

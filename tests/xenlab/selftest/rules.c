/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver that breaks one rule a case, of those that a whole driver with a device is needed for; cases.c has the rest.
 * A line marked with a comment in capitals is the one that the report must name.
 */
#include <ntifs.h>
#include <ntddk.h>

#define CASE(name) static ULONG_PTR NTAPI name(ULONG_PTR argument)
#define TAG 'eluR'

DRIVER_INITIALIZE DriverEntry;

static PDEVICE_OBJECT device;
static ULONG dispatched;
static KEVENT event;
static KSPIN_LOCK lock;
static KDPC dpc;
static IO_CSQ csq;

enum { COMPLETE_TWICE = 1, TOUCH_COMPLETED, CALL_TOO_DEEP, PENDING_UNMARKED, MARKED_NOT_PENDING, START_UNMARKED };

static NTSTATUS complete(PIRP irp)
{
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT target, PIRP irp)
{
    dispatched = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode >> 2;
    switch (dispatched) {
    case COMPLETE_TWICE:
        complete(irp);
        IoCompleteRequest(irp, IO_NO_INCREMENT); /* COMPLETE TWICE */
        return STATUS_SUCCESS;
    case TOUCH_COMPLETED:
        complete(irp);
        irp->IoStatus.Information = 1; /* TOUCH COMPLETED */
        return STATUS_SUCCESS;
    case CALL_TOO_DEEP:
        IoCallDriver(target, irp); /* CALL TOO DEEP */
        return STATUS_UNSUCCESSFUL;
    case PENDING_UNMARKED:
        complete(irp);
        return STATUS_PENDING;
    case MARKED_NOT_PENDING:
        IoMarkIrpPending(irp);
        return complete(irp);
    case START_UNMARKED:
        IoStartPacket(target, irp, NULL, NULL); /* START UNMARKED */
        return STATUS_PENDING;
    default:
        return complete(irp);
    }
}

static NTSTATUS NTAPI leave_as_it_is(PDEVICE_OBJECT target, PIRP irp)
{
    NTSTATUS status = irp->IoStatus.Status;

    UNREFERENCED_PARAMETER(target);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

CASE(sends)
{
    IO_STATUS_BLOCK result;
    PIRP irp;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildDeviceIoControlRequest((ULONG)argument << 2, device, NULL, 0, NULL, 0, TRUE, &event, &result);
    if (IoCallDriver(device, irp) == STATUS_PENDING) /* SENDS */
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    return (ULONG_PTR)result.Status;
}

CASE(uninitialised_event)
{
    KEVENT local;

    RtlZeroMemory(&local, sizeof(local));
    KeSetEvent(&local, IO_NO_INCREMENT, FALSE); /* UNINITIALISED EVENT */
    return argument;
}

CASE(uninitialised_timer)
{
    KTIMER local;
    LARGE_INTEGER due;

    due.QuadPart = -(LONGLONG)argument;
    RtlZeroMemory(&local, sizeof(local));
    KeSetTimer(&local, due, NULL); /* UNINITIALISED TIMER */
    return 0;
}

CASE(uninitialised_wait)
{
    PKMUTEX mutex = ExAllocatePoolWithTag(NonPagedPool, sizeof(KMUTEX), TAG);

    KeWaitForSingleObject(mutex, Executive, KernelMode, FALSE, NULL); /* UNINITIALISED WAIT */
    return argument;
}

CASE(uninitialised_lock)
{
    PKSPIN_LOCK fresh = ExAllocatePoolWithTag(NonPagedPool, sizeof(KSPIN_LOCK), TAG);
    KIRQL old;

    KeAcquireSpinLock(fresh, &old); /* UNINITIALISED LOCK */
    KeReleaseSpinLock(fresh, old);
    return argument;
}

CASE(uninitialised_dpc)
{
    KDPC local;

    RtlZeroMemory(&local, sizeof(local));
    KeInsertQueueDpc(&local, NULL, NULL); /* UNINITIALISED DPC */
    return argument;
}

CASE(uninitialised_csq)
{
    RtlZeroMemory(&csq, sizeof(csq));
    IoCsqRemoveNextIrp(&csq, (PVOID)argument); /* UNINITIALISED CSQ */
    return 0;
}

CASE(uninitialised_resource)
{
    PERESOURCE resource = ExAllocatePoolWithTag(NonPagedPool, sizeof(ERESOURCE), TAG);

    ExAcquireResourceSharedLite(resource, (BOOLEAN)argument); /* UNINITIALISED RESOURCE */
    return 0;
}

CASE(initialised_twice)
{
    KDPC local;

    UNREFERENCED_PARAMETER(argument);
    KeInitializeDpc(&local, (PKDEFERRED_ROUTINE)(ULONG_PTR)DriverEntry, NULL);
    KeAcquireSpinLockAtDpcLevel(&lock);
    KeInsertQueueDpc(&local, NULL, NULL);
    KeInitializeDpc(&local, (PKDEFERRED_ROUTINE)(ULONG_PTR)DriverEntry, NULL); /* QUEUED DPC */
    return 0;
}

static VOID NTAPI nothing(PKDPC self, PVOID context, PVOID first, PVOID second)
{
    UNREFERENCED_PARAMETER(self);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(first);
    UNREFERENCED_PARAMETER(second);
}

CASE(frees_queued_dpc)
{
    PKDPC queued = ExAllocatePoolWithTag(NonPagedPool, sizeof(KDPC), TAG);
    KIRQL old;

    KeInitializeDpc(queued, nothing, (PVOID)argument);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeInsertQueueDpc(queued, NULL, NULL);
    ExFreePool(queued); /* FREES QUEUED DPC */
    KeLowerIrql(old);
    return 0;
}

CASE(frees_held_lock)
{
    PKSPIN_LOCK fresh = ExAllocatePoolWithTag(NonPagedPool, sizeof(KSPIN_LOCK), TAG);

    KeInitializeSpinLock(fresh);
    KeAcquireSpinLockAtDpcLevel(fresh);
    ExFreePool(fresh); /* FREES HELD LOCK */
    return argument;
}

static VOID NTAPI keeps_lock_dpc(PKDPC self, PVOID context, PVOID first, PVOID second) /* DPC KEEPS LOCK */
{
    UNREFERENCED_PARAMETER(self);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(first);
    UNREFERENCED_PARAMETER(second);
    KeAcquireSpinLockAtDpcLevel(&lock);
}

CASE(dpc_keeps_lock)
{
    LARGE_INTEGER due;

    UNREFERENCED_PARAMETER(argument);
    due.QuadPart = -10000;
    KeInitializeDpc(&dpc, keeps_lock_dpc, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    KeDelayExecutionThread(KernelMode, FALSE, &due);
    return 0;
}

CASE(overruns_by_one)
{
    PUCHAR memory = ExAllocatePoolWithTag(NonPagedPool, argument, TAG); /* OVERRUN BY ONE */

    ((volatile UCHAR *)memory)[argument] = 1;
    ExFreePool(memory); /* OVERRUN FREED */
    return 0;
}

CASE(underruns_by_one)
{
    PUCHAR memory = ExAllocatePoolWithTag(NonPagedPool, argument, TAG); /* UNDERRUN BY ONE */

    ((volatile UCHAR *)memory)[-1] = 1;
    ExFreePool(memory); /* UNDERRUN FREED */
    return 0;
}

CASE(deletes_with_reference)
{
    PDEVICE_OBJECT other;

    IoCreateDevice(device->DriverObject, 8, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &other); /* REFERENCED DEVICE */
    ObReferenceObject(other);
    IoDeleteDevice(other);
    return argument;
}

CASE(uses_deleted_device)
{
    PDEVICE_OBJECT other;

    IoCreateDevice(device->DriverObject, 8, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &other);
    IoDeleteDevice(other);
    *(volatile ULONG_PTR *)other->DeviceExtension = argument; /* DELETED DEVICE */
    return 0;
}

static VOID NTAPI beat(PDEVICE_OBJECT target, PVOID context)
{
    UNREFERENCED_PARAMETER(target);
    UNREFERENCED_PARAMETER(context);
}

CASE(deletes_with_timer)
{
    PDEVICE_OBJECT other;

    IoCreateDevice(device->DriverObject, 8, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &other);
    IoInitializeTimer(other, beat, (PVOID)argument);
    IoStartTimer(other);
    IoDeleteDevice(other); /* STARTED IO TIMER */
    return 0;
}

CASE(deletes_with_wmi)
{
    PDEVICE_OBJECT other;

    IoCreateDevice(device->DriverObject, 8, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &other);
    IoWMIRegistrationControl(other, WMIREG_ACTION_REGISTER);
    IoDeleteDevice(other); /* REGISTERED WITH WMI */
    return argument;
}

static PDMA_ADAPTER adapter_of(BOOLEAN gather, PULONG registers)
{
    DEVICE_DESCRIPTION description;

    RtlZeroMemory(&description, sizeof(description));
    description.Version = DEVICE_DESCRIPTION_VERSION;
    description.Master = description.Dma32BitAddresses = TRUE;
    description.ScatterGather = gather;
    description.InterfaceType = PCIBus;
    description.MaximumLength = PAGE_SIZE;
    return IoGetDmaAdapter(device, &description, registers); /* DMA ADAPTER */
}

CASE(puts_adapter_with_buffer)
{
    PHYSICAL_ADDRESS logical;
    ULONG registers;
    PDMA_ADAPTER adapter = adapter_of(TRUE, &registers);

    adapter->DmaOperations->AllocateCommonBuffer(adapter, (ULONG)argument, &logical, TRUE);
    adapter->DmaOperations->PutDmaAdapter(adapter); /* BUFFER NOT FREED */
    return 0;
}

CASE(frees_buffer_of_another_size)
{
    PHYSICAL_ADDRESS logical;
    ULONG registers;
    PDMA_ADAPTER adapter = adapter_of(TRUE, &registers);
    PVOID buffer = adapter->DmaOperations->AllocateCommonBuffer(adapter, (ULONG)argument, &logical, TRUE);

    adapter->DmaOperations->FreeCommonBuffer(adapter, (ULONG)argument + 1, logical, buffer, TRUE); /* ANOTHER SIZE */
    return 0;
}

static PMDL channel_mdl;
static PDMA_ADAPTER channel_adapter;
static PUCHAR channel_buffer;

static IO_ALLOCATION_ACTION NTAPI channel(PDEVICE_OBJECT target, PIRP irp, PVOID base, PVOID context)
{
    ULONG length = 100;

    UNREFERENCED_PARAMETER(target);
    UNREFERENCED_PARAMETER(irp);
    channel_adapter->DmaOperations->MapTransfer(channel_adapter, channel_mdl, base, channel_buffer, &length, FALSE);
    if (context == NULL)
        channel_adapter->DmaOperations->FlushAdapterBuffers(channel_adapter, channel_mdl, base, channel_buffer, 100,
                                                            FALSE);
    channel_adapter->DmaOperations->FreeMapRegisters(channel_adapter, base, 1); /* NOT FLUSHED */
    return DeallocateObjectKeepRegisters;
}

CASE(frees_map_registers_unflushed)
{
    ULONG registers;
    KIRQL old;

    channel_adapter = adapter_of(FALSE, &registers);
    channel_buffer = ExAllocatePoolWithTag(NonPagedPool, 100, TAG);
    channel_mdl = IoAllocateMdl(channel_buffer, 100, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(channel_mdl);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    channel_adapter->DmaOperations->AllocateAdapterChannel(channel_adapter, device, 1, channel, (PVOID)argument);
    KeLowerIrql(old);
    IoFreeMdl(channel_mdl);
    ExFreePool(channel_buffer);
    channel_adapter->DmaOperations->PutDmaAdapter(channel_adapter);
    return 7;
}

CASE(queues_at_passive)
{
    KDEVICE_QUEUE queue;
    KDEVICE_QUEUE_ENTRY entry;

    KeInitializeDeviceQueue(&queue);
    KeInsertDeviceQueue(&queue, &entry); /* QUEUES AT PASSIVE */
    return argument;
}

CASE(removes_from_idle_queue)
{
    KDEVICE_QUEUE queue;
    KIRQL old;

    KeInitializeDeviceQueue(&queue);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeRemoveDeviceQueue(&queue); /* IDLE QUEUE */
    KeLowerIrql(old);
    return argument;
}

CASE(overfills_log_entry)
{
    PIO_ERROR_LOG_PACKET packet = IoAllocateErrorLogEntry(device, sizeof(IO_ERROR_LOG_PACKET));

    RtlZeroMemory(packet, sizeof(*packet));
    packet->DumpDataSize = (USHORT)argument;
    IoWriteErrorLogEntry(packet); /* OVERFULL ENTRY */
    return 0;
}

CASE(releases_rundown_too_often)
{
    EX_RUNDOWN_REF reference;

    ExInitializeRundownProtection(&reference);
    ExReleaseRundownProtection(&reference); /* RUNDOWN */
    return argument;
}

CASE(converts_foreign_resource)
{
    static ERESOURCE resource;

    ExInitializeResourceLite(&resource);
    ExAcquireResourceSharedLite(&resource, TRUE);
    ExConvertExclusiveToSharedLite(&resource); /* CONVERTS SHARED */
    return argument;
}

CASE(bits_out_of_range)
{
    RTL_BITMAP bitmap;
    ULONG bits[2];

    RtlInitializeBitMap(&bitmap, bits, 50);
    RtlSetBits(&bitmap, (ULONG)argument, 11); /* OUT OF RANGE */
    return 0;
}

CASE(raises_unhandled)
{
    ExRaiseStatus((NTSTATUS)argument); /* RAISES UNHANDLED */
    return 0;
}

CASE(probes_oddly)
{
    ProbeForRead((PVOID)0x10000, 4, (ULONG)argument); /* ODD PROBE */
    return 0;
}

CASE(allocates_page)
{
    return (ULONG_PTR)ExAllocatePoolWithTag(NonPagedPool, argument, TAG);
}

CASE(frees_page)
{
    ExFreePool((PVOID)argument); /* FREES GRANTED */
    return 0;
}

#define ENTRY(name) {#name, (PVOID)(ULONG_PTR)name}

static const struct case_entry {
    const char *name;
    PVOID function;
} cases[] = {
    ENTRY(sends),
    ENTRY(uninitialised_event),
    ENTRY(uninitialised_timer),
    ENTRY(uninitialised_wait),
    ENTRY(uninitialised_lock),
    ENTRY(uninitialised_dpc),
    ENTRY(uninitialised_csq),
    ENTRY(uninitialised_resource),
    ENTRY(initialised_twice),
    ENTRY(frees_queued_dpc),
    ENTRY(frees_held_lock),
    ENTRY(dpc_keeps_lock),
    ENTRY(overruns_by_one),
    ENTRY(underruns_by_one),
    ENTRY(deletes_with_reference),
    ENTRY(uses_deleted_device),
    ENTRY(deletes_with_timer),
    ENTRY(deletes_with_wmi),
    ENTRY(puts_adapter_with_buffer),
    ENTRY(frees_buffer_of_another_size),
    ENTRY(frees_map_registers_unflushed),
    ENTRY(queues_at_passive),
    ENTRY(removes_from_idle_queue),
    ENTRY(overfills_log_entry),
    ENTRY(releases_rundown_too_often),
    ENTRY(converts_foreign_resource),
    ENTRY(bits_out_of_range),
    ENTRY(raises_unhandled),
    ENTRY(probes_oddly),
    ENTRY(allocates_page),
    ENTRY(frees_page),
    {NULL, NULL},
};

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status = IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);

    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_INTERNAL_DEVICE_CONTROL] = dispatch;
    driver->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = leave_as_it_is;
    driver->FastIoDispatch = (PVOID)cases;
    return status;
}

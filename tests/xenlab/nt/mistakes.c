/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A filter driver that makes one mistake, as its service's value "Mistake" says; 0 is none.  Each breaks a rule that
 * Windows or Driver Verifier enforces by stopping the machine.
 */
#include <ntddk.h>

enum mistake {
    NONE,
    COMPLETES_TWICE,
    COMPLETES_WITH_PENDING,
    TOUCHES_AFTER_COMPLETION,
    DOES_NOT_PASS_ON,
    LOSES_THE_REQUEST,
    RETURNS_PENDING_UNMARKED,
    MARKS_PENDING_RETURNS_STATUS,
    RETURNS_ANOTHER_STATUS,
    FORWARDS_UNPREPARED,
    COPIES_THE_ROUTINE,
    DOES_NOT_MARK_IN_ROUTINE,
    LEAKS_THE_REMOVE_LOCK,
    RELEASES_WITH_A_WRONG_TAG,
    DELETES_WHILE_ATTACHED,
    DOES_NOT_DETACH,
    LEAVES_INITIALIZING,
    CHANGES_UNKNOWN_STATUS,
    FAILS_REMOVE,
    CALLS_WITH_CANCEL_ROUTINE,
    FREES_A_FOREIGN_IRP,
    SENDS_AN_UNINITIALIZED_PNP_IRP,
    LETS_ITS_IRP_COME_UP,
    LEAKS_AN_IRP,
    LEAKS_A_HANDLE,
    FORGETS_START_NEXT,
    STARTS_NEXT_TWICE,
    STARTS_NEXT_TOO_LATE,
    SENDS_POWER_BY_IO,
    DEREFERENCES_TOO_OFTEN,
    LEAKS_A_WORK_ITEM,
    ASKS_A_FILTER_FOR_PROPERTIES,
    PRINTS_WIDE_AT_DISPATCH
};

struct filter {
    PDEVICE_OBJECT lower;
    PDEVICE_OBJECT physical;
    IO_REMOVE_LOCK lock;
    KEVENT back;
};

DRIVER_INITIALIZE DriverEntry;

static ULONG mistake;

static NTSTATUS skip(struct filter *filter, PIRP irp)
{
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(filter->lower, irp);
}

static NTSTATUS NTAPI keep(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    KeSetEvent(&((struct filter *)context)->back, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS NTAPI let_go(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(context);
    if (irp->PendingReturned && mistake != DOES_NOT_MARK_IN_ROUTINE)
        IoMarkIrpPending(irp);
    return STATUS_CONTINUE_COMPLETION;
}

static NTSTATUS finish(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS below_first(struct filter *filter, PIRP irp)
{
    KeClearEvent(&filter->back);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, keep, filter, TRUE, TRUE, TRUE);
    IoCallDriver(filter->lower, irp);
    KeWaitForSingleObject(&filter->back, Executive, KernelMode, FALSE, NULL);
    return irp->IoStatus.Status;
}

/* Sends a request of the filter's own down: with its own completion routine, or without. */
static VOID send_own(struct filter *filter, NTSTATUS initial, BOOLEAN caught, BOOLEAN freed)
{
    PIRP irp = IoAllocateIrp(filter->lower->StackSize, FALSE);
    PIO_STACK_LOCATION stack;

    if (irp == NULL)
        return;
    irp->IoStatus.Status = initial;
    stack = IoGetNextIrpStackLocation(irp);
    stack->MajorFunction = IRP_MJ_PNP;
    stack->MinorFunction = IRP_MN_QUERY_LEGACY_BUS_INFORMATION;
    KeClearEvent(&filter->back);
    if (caught)
        IoSetCompletionRoutine(irp, keep, filter, TRUE, TRUE, TRUE);
    IoCallDriver(filter->lower, irp);
    if (caught)
        KeWaitForSingleObject(&filter->back, Executive, KernelMode, FALSE, NULL);
    if (freed)
        IoFreeIrp(irp);
}

static VOID NTAPI work(PDEVICE_OBJECT device, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    IoFreeWorkItem(context);
}

static VOID NTAPI cancel(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    IoReleaseCancelSpinLock(irp->CancelIrql);
}

static VOID leak_a_handle(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Registry\\Machine\\System");
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;

    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwOpenKey(&key, KEY_READ, &attributes);
}

static VOID print_wide_at_dispatch(VOID)
{
    KIRQL old;

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    DbgPrint("%ws\n", L"wide");
    KeLowerIrql(old);
}

/* What goes wrong once, when the device is started.  The device is at PASSIVE_LEVEL. */
static VOID err_at_start(PDEVICE_OBJECT device, struct filter *filter)
{
    PIO_WORKITEM item;
    ULONG size;

    switch (mistake) {
    case NONE:
        item = IoAllocateWorkItem(device);
        if (item != NULL)
            IoQueueWorkItem(item, work, DelayedWorkQueue, item);
        send_own(filter, STATUS_NOT_SUPPORTED, TRUE, TRUE);
        break;
    case SENDS_AN_UNINITIALIZED_PNP_IRP:
        send_own(filter, STATUS_SUCCESS, TRUE, TRUE);
        break;
    case LETS_ITS_IRP_COME_UP:
        send_own(filter, STATUS_NOT_SUPPORTED, FALSE, FALSE);
        break;
    case LEAKS_AN_IRP:
        send_own(filter, STATUS_NOT_SUPPORTED, TRUE, FALSE);
        break;
    case LEAKS_A_HANDLE:
        leak_a_handle();
        break;
    case DEREFERENCES_TOO_OFTEN:
        ObDereferenceObject(device);
        ObDereferenceObject(device);
        break;
    case LEAKS_A_WORK_ITEM:
        IoAllocateWorkItem(device);
        break;
    case ASKS_A_FILTER_FOR_PROPERTIES:
        IoGetDeviceProperty(device, DevicePropertyHardwareID, 0, NULL, &size);
        break;
    case PRINTS_WIDE_AT_DISPATCH:
        print_wide_at_dispatch();
        break;
    default:
        break;
    }
}

static NTSTATUS start(PDEVICE_OBJECT device, struct filter *filter, PIRP irp)
{
    NTSTATUS status;

    if (mistake == DOES_NOT_PASS_ON)
        return finish(irp, STATUS_SUCCESS);
    status = below_first(filter, irp);
    err_at_start(device, filter);
    irp->IoStatus.Status = mistake == COMPLETES_WITH_PENDING ? STATUS_PENDING : status;
    if (mistake == FREES_A_FOREIGN_IRP)
        IoFreeIrp(irp);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    if (mistake == COMPLETES_TWICE)
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    if (mistake == TOUCHES_AFTER_COMPLETION)
        irp->IoStatus.Information = 0;
    return mistake == RETURNS_ANOTHER_STATUS ? STATUS_UNSUCCESSFUL : status;
}

/* Requests that go down with a completion routine which lets them go on. */
static NTSTATUS pass_with_routine(PDEVICE_OBJECT device, struct filter *filter, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);

    switch (device->AttachedDevice == NULL && mistake == COPIES_THE_ROUTINE ? NONE : mistake) {
    case FORWARDS_UNPREPARED:
        return IoCallDriver(filter->lower, irp);
    case COPIES_THE_ROUTINE:
        RtlCopyMemory(IoGetNextIrpStackLocation(irp), stack, sizeof(*stack));
        return IoCallDriver(filter->lower, irp);
    case CALLS_WITH_CANCEL_ROUTINE:
        IoSetCancelRoutine(irp, cancel);
        return skip(filter, irp);
    case RETURNS_PENDING_UNMARKED:
        skip(filter, irp);
        return STATUS_PENDING;
    case MARKS_PENDING_RETURNS_STATUS:
        IoMarkIrpPending(irp);
        return finish(irp, STATUS_UNSUCCESSFUL);
    case LOSES_THE_REQUEST:
        return STATUS_SUCCESS;
    default:
        IoCopyCurrentIrpStackLocationToNext(irp);
        IoSetCompletionRoutine(irp, let_go, filter, TRUE, TRUE, TRUE);
        return IoCallDriver(filter->lower, irp);
    }
}

static NTSTATUS remove(PDEVICE_OBJECT device, struct filter *filter, PIRP irp)
{
    NTSTATUS status;

    if (mistake == FAILS_REMOVE) {
        IoReleaseRemoveLockEx(&filter->lock, irp, sizeof(filter->lock));
        return finish(irp, STATUS_UNSUCCESSFUL);
    }
    irp->IoStatus.Status = STATUS_SUCCESS;
    status = skip(filter, irp);
    IoReleaseRemoveLockAndWaitEx(&filter->lock, irp, sizeof(filter->lock));
    if (mistake == DOES_NOT_DETACH)
        return status;
    if (mistake != DELETES_WHILE_ATTACHED)
        IoDetachDevice(filter->lower);
    IoDeleteDevice(device);
    return status;
}

static NTSTATUS route(PDEVICE_OBJECT device, struct filter *filter, PIRP irp)
{
    switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        return start(device, filter, irp);
    case IRP_MN_QUERY_CAPABILITIES:
        return pass_with_routine(device, filter, irp);
    case IRP_MN_QUERY_LEGACY_BUS_INFORMATION:
        if (mistake == CHANGES_UNKNOWN_STATUS)
            irp->IoStatus.Status = STATUS_SUCCESS;
        return skip(filter, irp);
    default:
        return skip(filter, irp);
    }
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT device, PIRP irp)
{
    struct filter *filter = device->DeviceExtension;
    UCHAR minor = IoGetCurrentIrpStackLocation(irp)->MinorFunction;
    NTSTATUS status;

    status = IoAcquireRemoveLockEx(&filter->lock, irp, "mistakes", __LINE__, sizeof(filter->lock));
    if (!NT_SUCCESS(status))
        return finish(irp, status);
    if (minor == IRP_MN_REMOVE_DEVICE)
        return remove(device, filter, irp);
    status = route(device, filter, irp);
    if (mistake == LEAKS_THE_REMOVE_LOCK && minor == IRP_MN_START_DEVICE)
        return status;
    IoReleaseRemoveLockEx(&filter->lock, mistake == RELEASES_WITH_A_WRONG_TAG ? filter : (PVOID)irp,
                          sizeof(filter->lock));
    return status;
}

static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT device, PIRP irp)
{
    struct filter *filter = device->DeviceExtension;

    if (mistake != FORGETS_START_NEXT && mistake != STARTS_NEXT_TOO_LATE)
        PoStartNextPowerIrp(irp);
    if (mistake == STARTS_NEXT_TWICE)
        PoStartNextPowerIrp(irp);
    IoSkipCurrentIrpStackLocation(irp);
    if (mistake == STARTS_NEXT_TOO_LATE)
        PoStartNextPowerIrp(irp);
    if (mistake == SENDS_POWER_BY_IO)
        return IoCallDriver(filter->lower, irp);
    return PoCallDriver(filter->lower, irp);
}

static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    struct filter *filter;
    PDEVICE_OBJECT device;
    NTSTATUS status;

    status = IoCreateDevice(driver, sizeof(*filter), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    filter = device->DeviceExtension;
    filter->physical = physical;
    KeInitializeEvent(&filter->back, NotificationEvent, FALSE);
    IoInitializeRemoveLockEx(&filter->lock, 0x7473694D, 0, 0, sizeof(filter->lock));
    filter->lower = IoAttachDeviceToDeviceStack(device, physical);
    if (mistake != LEAVES_INITIALIZING)
        device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    RTL_QUERY_REGISTRY_TABLE table[2];

    RtlZeroMemory(table, sizeof(table));
    table[0].Flags = RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_REQUIRED;
    table[0].Name = L"Mistake";
    table[0].EntryContext = &mistake;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    driver->DriverExtension->AddDevice = add_device;
    driver->DriverUnload = unload;
    return RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, path->Buffer, table, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stand-in for xenpci's device \\.\XenPci, for Wine, where there is no Xen: xenpci_ioctl.h over a store in memory.
 *
 * A second device, \\.\XenHost, is the toolstack's side of it. What it writes the guest may write, too; a path that
 * begins with '-' makes a node that the guest may only read. The guest creates nothing, as below a real ~/control.
 * Three paths are commands: "!stop" and "!start", as when xenpci's device is disabled and enabled, and "!resume", after
 * which every watch fires.
 */
#include <ntddk.h>
#include "xenpci_ioctl.h"

#define NODES 32
#define FILES 8
#define TEXT 64

struct node {
    CHAR path[TEXT];
    CHAR value[TEXT];
    BOOLEAN writable;
};

struct file {
    CHAR watched[TEXT]; /* empty: nothing */
    BOOLEAN used;
    BOOLEAN dead;
    BOOLEAN fired;
    PIRP waiting;
};

static KSPIN_LOCK lock; /* of all that follows */
static struct node nodes[NODES];
static struct file files[FILES];

static PDEVICE_OBJECT guest, host;
static UNICODE_STRING guest_name = RTL_CONSTANT_STRING(L"\\Device\\XenPci");
static UNICODE_STRING guest_link = RTL_CONSTANT_STRING(L"\\DosDevices\\XenPci");
static UNICODE_STRING host_name = RTL_CONSTANT_STRING(L"\\Device\\XenHost");
static UNICODE_STRING host_link = RTL_CONSTANT_STRING(L"\\DosDevices\\XenHost");

static BOOLEAN equal(PCSTR a, PCSTR b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static ULONG length_of(PCSTR text)
{
    ULONG length = 0;

    while (text[length] != 0)
        length++;
    return length + 1;
}

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static struct node *find(PCSTR path)
{
    ULONG i;

    for (i = 0; i < NODES; i++)
        if (nodes[i].path[0] != 0 && equal(nodes[i].path, path))
            return &nodes[i];
    return NULL;
}

/* With the lock. */
static PIRP take_waiting(struct file *file)
{
    PIRP irp = file->waiting;

    if (irp == NULL || IoSetCancelRoutine(irp, NULL) == NULL)
        return NULL;
    file->waiting = NULL;
    return irp;
}

static NTSTATUS put(PIRP irp, PCSTR text)
{
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, text, length_of(text));
    return finish(irp, STATUS_SUCCESS, length_of(text));
}

/* path NULL: every watch. */
static VOID fire(PCSTR path)
{
    KIRQL before;
    ULONG i;

    for (i = 0; i < FILES; i++) {
        struct file *file = &files[i];
        PIRP irp = NULL;

        KeAcquireSpinLock(&lock, &before);
        if (file->used && file->watched[0] != 0 && (path == NULL || equal(file->watched, path))) {
            irp = take_waiting(file);
            file->fired = irp == NULL;
        }
        KeReleaseSpinLock(&lock, before);
        if (irp != NULL)
            put(irp, file->watched);
    }
}

static VOID quiet(struct file *file)
{
    KIRQL before;
    PIRP irp;

    KeAcquireSpinLock(&lock, &before);
    irp = take_waiting(file);
    KeReleaseSpinLock(&lock, before);
    if (irp != NULL)
        finish(irp, STATUS_CANCELLED, 0);
}

static VOID NTAPI cancel(PDEVICE_OBJECT device, PIRP irp)
{
    struct file *file = IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;
    KIRQL before;

    UNREFERENCED_PARAMETER(device);
    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&lock, &before);
    if (file->waiting == irp)
        file->waiting = NULL;
    KeReleaseSpinLock(&lock, before);
    finish(irp, STATUS_CANCELLED, 0);
}

static NTSTATUS wait(struct file *file, PIRP irp)
{
    KIRQL before;

    if (IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength < XENPCI_USER_PATH_SIZE)
        return finish(irp, STATUS_BUFFER_TOO_SMALL, 0);
    KeAcquireSpinLock(&lock, &before);
    if (file->fired) {
        file->fired = FALSE;
        KeReleaseSpinLock(&lock, before);
        return put(irp, file->watched);
    }
    if (file->waiting != NULL) {
        KeReleaseSpinLock(&lock, before);
        return finish(irp, STATUS_DEVICE_BUSY, 0);
    }
    IoSetCancelRoutine(irp, cancel);
    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {
        KeReleaseSpinLock(&lock, before);
        return finish(irp, STATUS_CANCELLED, 0);
    }
    IoMarkIrpPending(irp);
    file->waiting = irp;
    KeReleaseSpinLock(&lock, before);
    return STATUS_PENDING;
}

static NTSTATUS watch(struct file *file, PCSTR path)
{
    if (length_of(path) > TEXT || file->watched[0] != 0)
        return STATUS_QUOTA_EXCEEDED;
    RtlCopyMemory(file->watched, path, length_of(path));
    file->fired = TRUE;
    return STATUS_SUCCESS;
}

static NTSTATUS read(PIRP irp, PCSTR path, ULONG room)
{
    struct node *node = find(path);

    if (node == NULL)
        return finish(irp, STATUS_OBJECT_NAME_NOT_FOUND, 0);
    if (length_of(node->value) > room)
        return finish(irp, STATUS_BUFFER_TOO_SMALL, 0);
    return put(irp, node->value);
}

/* The host's disable: open handles find the store gone. */
static VOID stop(VOID)
{
    ULONG i;

    IoDeleteSymbolicLink(&guest_link);
    for (i = 0; i < FILES; i++) {
        files[i].dead = TRUE;
        quiet(&files[i]);
    }
}

static NTSTATUS command(PCSTR path)
{
    if (equal(path, "!stop"))
        stop();
    else if (equal(path, "!start"))
        return IoCreateSymbolicLink(&guest_link, &guest_name);
    else if (equal(path, "!resume"))
        fire(NULL);
    else
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

static struct node *create(PCSTR path)
{
    ULONG i;

    for (i = 0; i < NODES; i++) {
        if (nodes[i].path[0] == 0) {
            RtlCopyMemory(nodes[i].path, path, length_of(path));
            return &nodes[i];
        }
    }
    return NULL;
}

static NTSTATUS write(PCSTR path, PCSTR value, BOOLEAN by_host)
{
    BOOLEAN writable = *path != '-';
    struct node *node;

    if (by_host && *path == '!')
        return command(path);
    path += !writable;
    if (length_of(path) > TEXT || length_of(value) > TEXT)
        return STATUS_INVALID_PARAMETER;
    node = find(path);
    if (node == NULL && by_host)
        node = create(path);
    if (node != NULL && by_host)
        node->writable = writable;
    if (node == NULL || (!by_host && !node->writable))
        return STATUS_ACCESS_DENIED;
    RtlCopyMemory(node->value, value, length_of(value));
    fire(path);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    struct file *file = stack->FileObject->FsContext;
    PCSTR path = irp->AssociatedIrp.SystemBuffer;

    if (file->dead && device == guest)
        return finish(irp, STATUS_NO_SUCH_DEVICE, 0);
    switch (stack->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_XENPCI_READ:
        return read(irp, path, stack->Parameters.DeviceIoControl.OutputBufferLength);
    case IOCTL_XENPCI_WRITE:
        return finish(irp, write(path, path + length_of(path), device == host), 0);
    case IOCTL_XENPCI_WATCH:
        return finish(irp, watch(file, path), 0);
    case IOCTL_XENPCI_WAIT:
        return wait(file, irp);
    default:
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS NTAPI open(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG i;

    UNREFERENCED_PARAMETER(device);
    for (i = 0; i < FILES; i++) {
        if (!files[i].used) {
            RtlZeroMemory(&files[i], sizeof(files[i]));
            files[i].used = TRUE;
            IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext = &files[i];
            return finish(irp, STATUS_SUCCESS, 0);
        }
    }
    return finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
}

static NTSTATUS NTAPI close(PDEVICE_OBJECT device, PIRP irp)
{
    struct file *file = IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;

    UNREFERENCED_PARAMETER(device);
    quiet(file);
    if (IoGetCurrentIrpStackLocation(irp)->MajorFunction == IRP_MJ_CLOSE)
        file->used = FALSE;
    return finish(irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    IoDeleteSymbolicLink(&guest_link);
    IoDeleteSymbolicLink(&host_link);
    IoDeleteDevice(guest);
    IoDeleteDevice(host);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNREFERENCED_PARAMETER(registry_path);
    KeInitializeSpinLock(&lock);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = open;
    driver->MajorFunction[IRP_MJ_CLEANUP] = close;
    driver->MajorFunction[IRP_MJ_CLOSE] = close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = control;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, &guest_name, FILE_DEVICE_UNKNOWN, 0, FALSE, &guest)) ||
        !NT_SUCCESS(IoCreateDevice(driver, 0, &host_name, FILE_DEVICE_UNKNOWN, 0, FALSE, &host)) ||
        !NT_SUCCESS(IoCreateSymbolicLink(&host_link, &host_name)))
        return STATUS_UNSUCCESSFUL;
    return STATUS_SUCCESS;
}

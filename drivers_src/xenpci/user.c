/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * \\.\XenPci: xenstore for user mode (xenpci_ioctl.h).
 *
 * Every start of the platform device makes a device object of its own, which lasts until its last handle is closed, and
 * its store until the stop: `calls` is held during each request, so that the stop can wait for them and keep new ones
 * off.  A wait that is pended holds nothing.
 */
#include <ntifs.h>
#include "xenpci.h"
#include "pool.h"
#include "xenpci_ioctl.h"

#define DEVICE_NAME L"\\Device\\XenPci"
#define LINK_NAME L"\\DosDevices\\XenPci"
#define WATCHES_MAX 16

/* An open handle; goes with the file object. */
struct user_file {
    LIST_ENTRY link; /* among the open ones */
    KSPIN_LOCK lock; /* DISPATCH_LEVEL; for waiting and fired of the watches */
    PIRP waiting;    /* a pended IOCTL_XENPCI_WAIT */
    KMUTEX changing; /* for the list */
    LIST_ENTRY watches;
    ULONG count;
};

struct user_watch {
    LIST_ENTRY link;
    struct user_file *file;
    BOOLEAN fired;
    struct watch watch;
};

/* The device object's extension. */
struct user_device {
    struct pnp_device device;
    IO_REMOVE_LOCK calls;
    KMUTEX lock; /* for the list */
    LIST_ENTRY files;
};

static struct user_device *user; /* NULL: stopped */

static VOID lock_files(struct user_device *device)
{
    KeWaitForSingleObject(&device->lock, Executive, KernelMode, FALSE, NULL);
}

static VOID unlock_files(struct user_device *device)
{
    KeReleaseMutex(&device->lock, FALSE);
}

static struct pnp_device *device_of(PIRP irp)
{
    return IoGetCurrentIrpStackLocation(irp)->DeviceObject->DeviceExtension;
}

static struct user_device *user_of(PIRP irp)
{
    return CONTAINING_RECORD(device_of(irp), struct user_device, device);
}

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Information = information;
    return pnp_finish(device_of(irp), irp, status);
}

/* With the file's lock: the watch to be told of next, no longer fired, or NULL. */
static struct user_watch *take_fired(struct user_file *file)
{
    PLIST_ENTRY link;

    for (link = file->watches.Flink; link != &file->watches; link = link->Flink) {
        struct user_watch *watch = CONTAINING_RECORD(link, struct user_watch, link);

        if (watch->fired) {
            watch->fired = FALSE;
            return watch;
        }
    }
    return NULL;
}

/* There is room for it: see wait. */
static NTSTATUS put_path(PIRP irp, PCSTR path)
{
    ULONG length = (ULONG)strlen(path) + 1;

    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, path, length);
    return finish(irp, STATUS_SUCCESS, length);
}

/* With the lock: the request is the caller's, unless its cancellation has got hold of it. */
static PIRP take_waiting(struct user_file *file)
{
    PIRP irp = file->waiting;

    if (irp == NULL || IoSetCancelRoutine(irp, NULL) == NULL)
        return NULL;
    file->waiting = NULL;
    return irp;
}

/* In the worker thread. */
static VOID fired(PVOID argument)
{
    struct user_watch *watch = argument;
    struct user_file *file = watch->file;
    KIRQL before;
    PIRP irp;

    KeAcquireSpinLock(&file->lock, &before);
    irp = take_waiting(file);
    if (irp == NULL)
        watch->fired = TRUE;
    KeReleaseSpinLock(&file->lock, before);
    if (irp != NULL)
        put_path(irp, watch->watch.path);
}

static VOID NTAPI cancel(PDEVICE_OBJECT object, PIRP irp)
{
    struct user_file *file = IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;
    KIRQL before;

    UNREFERENCED_PARAMETER(object);
    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&file->lock, &before);
    if (file->waiting == irp)
        file->waiting = NULL;
    KeReleaseSpinLock(&file->lock, before);
    finish(irp, STATUS_CANCELLED, 0);
}

/* With the lock.  FALSE: it was cancelled before, and stays the caller's. */
static BOOLEAN pend(struct user_file *file, PIRP irp)
{
    IoSetCancelRoutine(irp, cancel);
    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL)
        return FALSE;
    IoMarkIrpPending(irp);
    file->waiting = irp;
    return TRUE;
}

/* A change is not to be lost because its path does not fit: there must be room for any. */
static NTSTATUS wait(struct user_file *file, PIRP irp)
{
    ULONG size = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength;
    NTSTATUS status = STATUS_PENDING;
    struct user_watch *watch;
    KIRQL before;

    if (size < XENPCI_USER_PATH_SIZE)
        return finish(irp, STATUS_BUFFER_TOO_SMALL, 0);
    KeAcquireSpinLock(&file->lock, &before);
    watch = take_fired(file);
    if (watch == NULL && file->waiting != NULL)
        status = STATUS_DEVICE_BUSY;
    else if (watch == NULL && !pend(file, irp))
        status = STATUS_CANCELLED;
    KeReleaseSpinLock(&file->lock, before);
    if (watch != NULL)
        return put_path(irp, watch->watch.path);
    return status == STATUS_PENDING ? status : finish(irp, status, 0);
}

static NTSTATUS add_watch(struct user_file *file, PCSTR path)
{
    struct user_watch *watch;
    NTSTATUS status;
    KIRQL before;

    if (file->count == WATCHES_MAX)
        return STATUS_QUOTA_EXCEEDED;
    watch = ExAllocatePoolWithTag(NonPagedPool, sizeof(*watch), GPLPV_POOL_TAG);
    if (watch == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    watch->file = file;
    watch->fired = FALSE;
    watch->watch.event = NULL;
    worker_item_init(&watch->watch.item, fired, watch);
    status = watch_set(&watch->watch, path);
    if (!NT_SUCCESS(status)) {
        ExFreePool(watch);
        return status;
    }
    KeAcquireSpinLock(&file->lock, &before);
    InsertTailList(&file->watches, &watch->link);
    KeReleaseSpinLock(&file->lock, before);
    file->count++;
    return STATUS_SUCCESS;
}

static NTSTATUS watch(struct user_file *file, PCSTR path)
{
    NTSTATUS status;

    KeWaitForSingleObject(&file->changing, Executive, KernelMode, FALSE, NULL);
    status = add_watch(file, path);
    KeReleaseMutex(&file->changing, FALSE);
    return status;
}

static VOID end_watch(struct user_file *file, struct user_watch *watch)
{
    KIRQL before;

    watch_end(&watch->watch);
    KeAcquireSpinLock(&file->lock, &before);
    RemoveEntryList(&watch->link);
    KeReleaseSpinLock(&file->lock, before);
    ExFreePool(watch);
}

/* The handle hears of nothing any more. */
static VOID quiet(struct user_file *file)
{
    KIRQL before;
    PIRP irp;

    KeWaitForSingleObject(&file->changing, Executive, KernelMode, FALSE, NULL);
    while (!IsListEmpty(&file->watches))
        end_watch(file, CONTAINING_RECORD(file->watches.Flink, struct user_watch, link));
    KeReleaseMutex(&file->changing, FALSE);
    KeAcquireSpinLock(&file->lock, &before);
    irp = take_waiting(file);
    KeReleaseSpinLock(&file->lock, before);
    if (irp != NULL)
        finish(irp, STATUS_CANCELLED, 0);
}

/* The text at *next of what is left of the input; NULL: it does not end there. */
static PCSTR take_text(PCSTR *next, PULONG left)
{
    PCSTR text = *next;
    ULONG i;

    for (i = 0; i < *left; i++) {
        if (text[i] != 0)
            continue;
        *next += i + 1;
        *left -= i + 1;
        return text;
    }
    return NULL;
}

static ULONG length_of_names(PCSTR names)
{
    PCSTR name = names;

    while (*name != 0)
        name += strlen(name) + 1;
    return (ULONG)(name - names) + 1;
}

/* READ and DIRECTORY answer in the buffer that the path came in. */
static NTSTATUS ask(PIRP irp, ULONG code, PCSTR path)
{
    ULONG size = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength;
    PSTR out = irp->AssociatedIrp.SystemBuffer;
    NTSTATUS status;

    if (code == IOCTL_XENPCI_READ)
        status = store_read(0, path, out, size);
    else
        status = store_directory(0, path, out, size);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    return finish(irp, status, code == IOCTL_XENPCI_READ ? (ULONG)strlen(out) + 1 : length_of_names(out));
}

static NTSTATUS tell(ULONG code, PCSTR path, PCSTR value)
{
    if (code == IOCTL_XENPCI_REMOVE)
        return store_remove(0, path);
    return value != NULL ? store_write(0, path, value) : STATUS_INVALID_PARAMETER;
}

/* With calls held. */
static NTSTATUS serve(struct user_file *file, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    ULONG code = stack->Parameters.DeviceIoControl.IoControlCode;
    ULONG left = stack->Parameters.DeviceIoControl.InputBufferLength;
    PCSTR next = irp->AssociatedIrp.SystemBuffer;
    PCSTR path;

    if (code == IOCTL_XENPCI_WAIT)
        return wait(file, irp);
    if (code < IOCTL_XENPCI_READ || code > IOCTL_XENPCI_WAIT)
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    path = take_text(&next, &left);
    if (path == NULL || strlen(path) >= XENPCI_USER_PATH_SIZE)
        return finish(irp, STATUS_INVALID_PARAMETER, 0);
    switch (code) {
    case IOCTL_XENPCI_READ:
    case IOCTL_XENPCI_DIRECTORY:
        return ask(irp, code, path);
    case IOCTL_XENPCI_WRITE:
    case IOCTL_XENPCI_REMOVE:
        return finish(irp, tell(code, path, take_text(&next, &left)), 0);
    case IOCTL_XENPCI_WATCH:
        return finish(irp, watch(file, path), 0);
    default:
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

/*
 * The program may suspend or end the thread, which must not happen while it has locks or holds suspends of the domain
 * off: a critical region keeps the APCs off by which that is done.  A request that comes without a file object, from
 * another driver, is no one's.
 */
static NTSTATUS control(struct user_file *file, PIRP irp)
{
    struct user_device *device = user_of(irp);
    NTSTATUS status;

    if (file == NULL)
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    KeEnterCriticalRegion();
    status = IoAcquireRemoveLockEx(&device->calls, irp, GPLPV_MODULE, __LINE__, sizeof(device->calls));
    if (NT_SUCCESS(status)) {
        status = serve(file, irp);
        IoReleaseRemoveLockEx(&device->calls, irp, sizeof(device->calls));
    } else {
        status = finish(irp, STATUS_NO_SUCH_DEVICE, 0);
    }
    KeLeaveCriticalRegion();
    return status;
}

static BOOLEAN may_open(PIRP irp)
{
    PACCESS_STATE state;

    if (irp->RequestorMode == KernelMode)
        return TRUE;
    state = IoGetCurrentIrpStackLocation(irp)->Parameters.Create.SecurityContext->AccessState;
    return SeTokenIsAdmin(SeQuerySubjectContextToken(&state->SubjectSecurityContext));
}

static NTSTATUS open(PIRP irp)
{
    struct user_device *device = user_of(irp);
    struct user_file *file;

    if (!may_open(irp))
        return STATUS_ACCESS_DENIED;
    file = ExAllocatePoolWithTag(NonPagedPool, sizeof(*file), GPLPV_POOL_TAG);
    if (file == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(file, sizeof(*file));
    KeInitializeSpinLock(&file->lock);
    KeInitializeMutex(&file->changing, 0);
    InitializeListHead(&file->watches);
    IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext = file;
    lock_files(device);
    InsertTailList(&device->files, &file->link);
    unlock_files(device);
    return STATUS_SUCCESS;
}

/* What a request has begun that came after the cleanup ends here. */
static VOID close(struct user_device *device, struct user_file *file)
{
    quiet(file);
    lock_files(device);
    RemoveEntryList(&file->link);
    unlock_files(device);
    ExFreePool(file);
}

static NTSTATUS other(struct pnp_device *device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    struct user_file *file = stack->FileObject != NULL ? stack->FileObject->FsContext : NULL;

    UNREFERENCED_PARAMETER(device);
    switch (stack->MajorFunction) {
    case IRP_MJ_CREATE:
        return finish(irp, open(irp), 0);
    case IRP_MJ_CLEANUP:
        quiet(file);
        return finish(irp, STATUS_SUCCESS, 0);
    case IRP_MJ_CLOSE:
        close(user_of(irp), file);
        return finish(irp, STATUS_SUCCESS, 0);
    case IRP_MJ_DEVICE_CONTROL:
        return control(file, irp);
    default:
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static const struct pnp_role user_role = {NULL, NULL, 0, pnp_power_pass, other};

static const struct pnp_device_type user_type = {
    "user", FILE_DEVICE_UNKNOWN, sizeof(struct user_device), &user_role, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

NTSTATUS user_start(PDRIVER_OBJECT driver)
{
    struct pnp_device *device;
    UNICODE_STRING name, link;
    NTSTATUS status;

    RtlInitUnicodeString(&name, DEVICE_NAME);
    RtlInitUnicodeString(&link, LINK_NAME);
    status = pnp_device_create(driver, &name, 0, &user_type, &device);
    if (!NT_SUCCESS(status))
        return status;
    user = CONTAINING_RECORD(device, struct user_device, device);
    IoInitializeRemoveLockEx(&user->calls, GPLPV_POOL_TAG, 0, 0, sizeof(user->calls));
    KeInitializeMutex(&user->lock, 0);
    InitializeListHead(&user->files);
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device->object);
        return status;
    }
    device->object->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

/* Handles that are still open find the store gone. */
VOID user_stop(VOID)
{
    UNICODE_STRING link;
    PLIST_ENTRY each;

    RtlInitUnicodeString(&link, LINK_NAME);
    IoDeleteSymbolicLink(&link);
    IoAcquireRemoveLockEx(&user->calls, user, GPLPV_MODULE, __LINE__, sizeof(user->calls));
    IoReleaseRemoveLockAndWaitEx(&user->calls, user, sizeof(user->calls));
    lock_files(user);
    for (each = user->files.Flink; each != &user->files; each = each->Flink)
        quiet(CONTAINING_RECORD(each, struct user_file, link));
    unlock_files(user);
    IoDeleteDevice(user->device.object);
    user = NULL;
}

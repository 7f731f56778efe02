/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xenstore: requests of any number of threads at a time, each woken by the reply that has its number.
 *
 * Whatever is under way holds suspends off (gate.c), since its reply would not come in the new domain; a transaction
 * does so from its start to its end.
 */
#include "xenpci.h"
#include "pool.h"

struct request {
    LIST_ENTRY link;
    ULONG id;
    KEVENT replied;
    ULONG type;   /* of the reply */
    ULONG length; /* of the body */
    CHAR body[XENSTORE_PAYLOAD_MAX + 1];
};

static struct {
    BOOLEAN running;
    KMUTEX writer;
    KSPIN_LOCK lock; /* DISPATCH_LEVEL; for the list and the number */
    LIST_ENTRY waiting;
    ULONG last_id;
    KMUTEX spare_lock;
    struct request spare; /* for whom there is no memory, so that what was begun can be ended */
} store;

static const struct {
    PCSTR name;
    NTSTATUS status;
} errors[] = {
    {"ENOENT", STATUS_OBJECT_NAME_NOT_FOUND},
    {"EAGAIN", STATUS_RETRY},
    {"EEXIST", STATUS_OBJECT_NAME_COLLISION},
    {"EACCES", STATUS_ACCESS_DENIED},
    {"EINVAL", STATUS_INVALID_PARAMETER},
    {"ENOSPC", STATUS_QUOTA_EXCEEDED},
    {"E2BIG", STATUS_QUOTA_EXCEEDED},
    {"EBUSY", STATUS_DEVICE_BUSY},
    {"ENOMEM", STATUS_INSUFFICIENT_RESOURCES},
    {"ENOSYS", STATUS_NOT_SUPPORTED},
};

static NTSTATUS status_of_error(PCSTR name)
{
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(errors); i++)
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].status;
    return STATUS_UNSUCCESSFUL;
}

static struct request *find(ULONG id)
{
    PLIST_ENTRY link;

    for (link = store.waiting.Flink; link != &store.waiting; link = link->Flink) {
        struct request *request = CONTAINING_RECORD(link, struct request, link);

        if (request->id == id)
            return request;
    }
    return NULL;
}

/* DISPATCH_LEVEL.  A reply that no one waits for has come too late. */
static VOID reply(const struct xsd_sockmsg *header, const CHAR *body)
{
    struct request *request;

    KeAcquireSpinLockAtDpcLevel(&store.lock);
    request = find(header->req_id);
    if (request != NULL) {
        RemoveEntryList(&request->link);
        InitializeListHead(&request->link);
        request->type = header->type;
        request->length = header->len;
        RtlCopyMemory(request->body, body, header->len + 1);
        KeSetEvent(&request->replied, IO_NO_INCREMENT, FALSE);
    }
    KeReleaseSpinLockFromDpcLevel(&store.lock);
}

VOID store_deliver(const struct xsd_sockmsg *header, const CHAR *body)
{
    if (header->type == XS_WATCH_EVENT)
        watch_fired(body, header->len);
    else
        reply(header, body);
}

static VOID enlist(struct request *request)
{
    KIRQL before;

    KeInitializeEvent(&request->replied, NotificationEvent, FALSE);
    KeAcquireSpinLock(&store.lock, &before);
    request->id = ++store.last_id;
    InsertTailList(&store.waiting, &request->link);
    KeReleaseSpinLock(&store.lock, before);
}

/* Nobody touches the request after this. */
static VOID withdraw(struct request *request)
{
    KIRQL before;

    KeAcquireSpinLock(&store.lock, &before);
    RemoveEntryList(&request->link);
    KeReleaseSpinLock(&store.lock, before);
}

static NTSTATUS send(struct request *request, ULONG type, ULONG transaction, const struct store_part *parts,
                     ULONG count)
{
    struct xsd_sockmsg header;
    NTSTATUS status;
    ULONG i;

    header.type = type;
    header.req_id = request->id;
    header.tx_id = transaction;
    header.len = 0;
    for (i = 0; i < count; i++)
        header.len += parts[i].length;
    if (header.len > XENSTORE_PAYLOAD_MAX)
        return STATUS_INVALID_PARAMETER;
    KeWaitForSingleObject(&store.writer, Executive, KernelMode, FALSE, NULL);
    status = store_ring_send(&header, parts, count);
    KeReleaseMutex(&store.writer, FALSE);
    return status;
}

static NTSTATUS receive(struct request *request, ULONG type)
{
    LARGE_INTEGER timeout;

    timeout.QuadPart = -(LONGLONG)XENPCI_STORE_TIMEOUT_MS * 10 * 1000;
    if (KeWaitForSingleObject(&request->replied, Executive, KernelMode, FALSE, &timeout) == STATUS_TIMEOUT) {
        GPLPV_DEBUG(("no reply to store request %d of type %d\n", request->id, type));
        return STATUS_IO_TIMEOUT;
    }
    if (request->type == XS_ERROR)
        return status_of_error(request->body);
    return request->type == type ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR;
}

static NTSTATUS exchange(struct request *request, ULONG type, ULONG transaction, const struct store_part *parts,
                         ULONG count)
{
    NTSTATUS status;

    gate_enter();
    if (!store.running) {
        gate_leave();
        return STATUS_NO_SUCH_DEVICE;
    }
    enlist(request);
    status = send(request, type, transaction, parts, count);
    if (NT_SUCCESS(status))
        status = receive(request, type);
    withdraw(request);
    gate_leave();
    return status;
}

static struct request *obtain(VOID)
{
    struct request *request = ExAllocatePoolWithTag(NonPagedPool, sizeof(*request), GPLPV_POOL_TAG);

    if (request != NULL)
        return request;
    KeWaitForSingleObject(&store.spare_lock, Executive, KernelMode, FALSE, NULL);
    return &store.spare;
}

static VOID give_back(struct request *request)
{
    if (request == &store.spare)
        KeReleaseMutex(&store.spare_lock, FALSE);
    else
        ExFreePool(request);
}

NTSTATUS store_talk(ULONG type, ULONG transaction, const struct store_part *parts, ULONG count, PSTR value, ULONG size)
{
    struct request *request;
    NTSTATUS status;

    request = obtain();
    status = exchange(request, type, transaction, parts, count);
    if (NT_SUCCESS(status) && value != NULL) {
        if (request->length < size)
            RtlCopyMemory(value, request->body, request->length + 1);
        else
            status = STATUS_BUFFER_TOO_SMALL;
    }
    give_back(request);
    return status;
}

static struct store_part terminated(PCSTR text)
{
    struct store_part part;

    part.bytes = text;
    part.length = (ULONG)strlen(text) + 1;
    return part;
}

NTSTATUS store_read(ULONG transaction, PCSTR path, PSTR value, ULONG size)
{
    struct store_part part = terminated(path);

    return store_talk(XS_READ, transaction, &part, 1, value, size);
}

/* Decimal digits and nothing else. */
static NTSTATUS parse_number(PCSTR text, PULONG number)
{
    ULONG64 value = 0;
    ULONG i;

    for (i = 0; text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (ULONG)(text[i] - '0');
    if (i == 0 || text[i] != 0 || value > 0xffffffff)
        return STATUS_INVALID_PARAMETER;
    *number = (ULONG)value;
    return STATUS_SUCCESS;
}

NTSTATUS store_read_number(ULONG transaction, PCSTR path, PULONG number)
{
    CHAR text[16];
    NTSTATUS status;

    status = store_read(transaction, path, text, sizeof(text));
    return NT_SUCCESS(status) ? parse_number(text, number) : status;
}

/* The names come terminated, and so the terminator that every reply gets is the empty name at the end. */
NTSTATUS store_directory(ULONG transaction, PCSTR path, PSTR names, ULONG size)
{
    struct store_part part = terminated(path);

    return store_talk(XS_DIRECTORY, transaction, &part, 1, names, size);
}

NTSTATUS store_write(ULONG transaction, PCSTR path, PCSTR value)
{
    struct store_part parts[2];

    parts[0] = terminated(path);
    parts[1].bytes = value;
    parts[1].length = (ULONG)strlen(value);
    return store_talk(XS_WRITE, transaction, parts, 2, NULL, 0);
}

NTSTATUS store_remove(ULONG transaction, PCSTR path)
{
    struct store_part part = terminated(path);

    return store_talk(XS_RM, transaction, &part, 1, NULL, 0);
}

NTSTATUS store_watch(ULONG type, PCSTR path, PCSTR token)
{
    struct store_part parts[2];

    parts[0] = terminated(path);
    parts[1] = terminated(token);
    return store_talk(type, 0, parts, 2, NULL, 0);
}

NTSTATUS store_transaction_start(PULONG transaction)
{
    struct store_part part = terminated("");
    CHAR text[16];
    NTSTATUS status;

    gate_enter();
    status = store_talk(XS_TRANSACTION_START, 0, &part, 1, text, sizeof(text));
    if (NT_SUCCESS(status))
        *transaction = (ULONG)atol(text);
    else
        gate_leave();
    return status;
}

NTSTATUS store_transaction_end(ULONG transaction, BOOLEAN abort)
{
    struct store_part part = terminated(abort ? "F" : "T");
    NTSTATUS status;

    status = store_talk(XS_TRANSACTION_END, transaction, &part, 1, NULL, 0);
    gate_leave();
    return status;
}

NTSTATUS store_start(VOID)
{
    NTSTATUS status;

    RtlZeroMemory(&store, sizeof(store));
    KeInitializeMutex(&store.writer, 0);
    KeInitializeMutex(&store.spare_lock, 0);
    KeInitializeSpinLock(&store.lock);
    InitializeListHead(&store.waiting);
    gate_init();
    watches_init();
    status = store_ring_start();
    store.running = NT_SUCCESS(status);
    return status;
}

/* Waits for what is under way. */
VOID store_stop(VOID)
{
    store.running = FALSE;
    gate_close();
    store_ring_stop();
    gate_open();
}

NTSTATUS store_resume(VOID)
{
    NTSTATUS status = store_ring_resume();

    store.running = NT_SUCCESS(status);
    return status;
}

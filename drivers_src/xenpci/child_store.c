/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device's nodes in xenstore, for its driver.  PASSIVE_LEVEL.
 */
#include "xenpci.h"
#include "pool.h"

#define CLOSE_TIMEOUT_MS 5000

struct xenpci_watch {
    LIST_ENTRY link; /* in the device's, under holdings */
    struct pdo *pdo;
    enum xenpci_base base;
    xenpci_watch_callback *callback;
    PVOID argument;
    struct watch watch;
    CHAR path[XENPCI_PATH_SIZE];
};

static NTSTATUS join(PCSTR base, PCSTR path, PSTR joined)
{
    ULONG length = (ULONG)strlen(base);

    if (length + 1 + strlen(path) >= STORE_PATH_SIZE)
        return STATUS_NAME_TOO_LONG;
    strcpy(joined, base);
    if (length != 0 && path[0] != 0)
        joined[length++] = '/';
    strcpy(joined + length, path);
    return STATUS_SUCCESS;
}

static NTSTATUS resolve(struct pdo *pdo, enum xenpci_base base, PCSTR path, PSTR resolved)
{
    if (!pdo->open)
        return STATUS_NO_SUCH_DEVICE;
    switch (base) {
    case XENPCI_FRONTEND:
        return join(pdo->frontend, path, resolved);
    case XENPCI_BACKEND:
        return join(pdo->backend, path, resolved);
    default:
        return join("", path, resolved);
    }
}

NTSTATUS child_find_backend(struct pdo *pdo)
{
    CHAR path[STORE_PATH_SIZE];
    ULONG domain = 0;
    NTSTATUS status;

    status = join(pdo->frontend, "backend-id", path);
    if (NT_SUCCESS(status))
        status = store_read_number(0, path, &domain);
    if (NT_SUCCESS(status) && domain >= DOMID_FIRST_RESERVED)
        status = STATUS_INVALID_PARAMETER;
    if (NT_SUCCESS(status))
        status = join(pdo->frontend, "backend", path);
    if (NT_SUCCESS(status))
        status = store_read(0, path, pdo->backend, sizeof(pdo->backend));
    if (NT_SUCCESS(status))
        pdo->backend_domain = (domid_t)domain;
    return status;
}

NTSTATUS NTAPI child_read(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path, PSTR value,
                          ULONG size)
{
    CHAR resolved[STORE_PATH_SIZE];
    NTSTATUS status;

    status = resolve(context, base, path, resolved);
    return NT_SUCCESS(status) ? store_read(transaction, resolved, value, size) : status;
}

NTSTATUS NTAPI child_directory(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                               PSTR names, ULONG size)
{
    CHAR resolved[STORE_PATH_SIZE];
    NTSTATUS status;

    status = resolve(context, base, path, resolved);
    return NT_SUCCESS(status) ? store_directory(transaction, resolved, names, size) : status;
}

NTSTATUS NTAPI child_write(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                           PCSTR value)
{
    CHAR resolved[STORE_PATH_SIZE];
    NTSTATUS status;

    status = resolve(context, base, path, resolved);
    return NT_SUCCESS(status) ? store_write(transaction, resolved, value) : status;
}

NTSTATUS __cdecl child_printf(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                              PCSTR format, ...)
{
    CHAR value[256];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = _vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    if (length < 0 || length >= (int)sizeof(value))
        return STATUS_BUFFER_TOO_SMALL;
    return child_write(context, transaction, base, path, value);
}

NTSTATUS NTAPI child_remove(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path)
{
    CHAR resolved[STORE_PATH_SIZE];
    NTSTATUS status;

    status = resolve(context, base, path, resolved);
    return NT_SUCCESS(status) ? store_remove(transaction, resolved) : status;
}

static VOID fired(PVOID argument)
{
    struct xenpci_watch *watch = argument;

    if (watch->callback != NULL)
        watch->callback(watch->argument);
    else if (watch->pdo->open)
        worker_queue(&watch->pdo->wake);
}

static VOID lock_holdings(struct pdo *pdo)
{
    KeWaitForSingleObject(&pdo->holdings, Executive, KernelMode, FALSE, NULL);
}

static VOID unlock_holdings(struct pdo *pdo)
{
    KeReleaseMutex(&pdo->holdings, FALSE);
}

NTSTATUS NTAPI child_watch_add(PVOID context, enum xenpci_base base, PCSTR path, xenpci_watch_callback *callback,
                               PVOID argument, struct xenpci_watch **added)
{
    struct pdo *pdo = context;
    struct xenpci_watch *watch;
    CHAR resolved[STORE_PATH_SIZE];
    NTSTATUS status;

    status = resolve(pdo, base, path, resolved);
    if (!NT_SUCCESS(status))
        return status;
    if (strlen(path) >= sizeof(watch->path))
        return STATUS_NAME_TOO_LONG;
    watch = ExAllocatePoolWithTag(NonPagedPool, sizeof(*watch), GPLPV_POOL_TAG);
    if (watch == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    watch->pdo = pdo;
    watch->base = base;
    watch->callback = callback;
    watch->argument = argument;
    watch->watch.event = NULL;
    worker_item_init(&watch->watch.item, fired, watch);
    strcpy(watch->path, path);
    status = watch_set(&watch->watch, resolved);
    if (!NT_SUCCESS(status)) {
        ExFreePool(watch);
        return status;
    }
    lock_holdings(pdo);
    InsertTailList(&pdo->watches, &watch->link);
    unlock_holdings(pdo);
    *added = watch;
    return STATUS_SUCCESS;
}

VOID NTAPI child_watch_remove(PVOID context, struct xenpci_watch *watch)
{
    struct pdo *pdo = context;

    lock_holdings(pdo);
    RemoveEntryList(&watch->link);
    unlock_holdings(pdo);
    watch_end(&watch->watch);
    ExFreePool(watch);
}

static struct xenpci_watch *any_watch(struct pdo *pdo)
{
    struct xenpci_watch *watch = NULL;

    lock_holdings(pdo);
    if (!IsListEmpty(&pdo->watches))
        watch = CONTAINING_RECORD(pdo->watches.Flink, struct xenpci_watch, link);
    unlock_holdings(pdo);
    return watch;
}

VOID child_end_watches(struct pdo *pdo)
{
    struct xenpci_watch *watch = any_watch(pdo);

    for (; watch != NULL; watch = any_watch(pdo))
        child_watch_remove(pdo, watch);
}

VOID child_move_watches(struct pdo *pdo)
{
    CHAR resolved[STORE_PATH_SIZE];
    PLIST_ENTRY link;

    lock_holdings(pdo);
    for (link = pdo->watches.Flink; link != &pdo->watches; link = link->Flink) {
        struct xenpci_watch *watch = CONTAINING_RECORD(link, struct xenpci_watch, link);

        if (NT_SUCCESS(resolve(pdo, watch->base, watch->path, resolved)))
            watch_move(&watch->watch, resolved);
    }
    unlock_holdings(pdo);
}

static NTSTATUS write_state(struct pdo *pdo, enum xenbus_state state)
{
    CHAR path[STORE_PATH_SIZE], text[2];
    NTSTATUS status;

    text[0] = (CHAR)('0' + state);
    text[1] = 0;
    status = join(pdo->frontend, "state", path);
    return NT_SUCCESS(status) ? store_write(0, path, text) : status;
}

static enum xenbus_state read_state(PCSTR directory)
{
    CHAR path[STORE_PATH_SIZE];
    ULONG state = XenbusStateUnknown;

    if (NT_SUCCESS(join(directory, "state", path)))
        store_read_number(0, path, &state);
    return state <= XenbusStateReconfigured ? (enum xenbus_state)state : XenbusStateUnknown;
}

NTSTATUS NTAPI child_set_state(PVOID context, enum xenbus_state state)
{
    struct pdo *pdo = context;

    NTSTATUS status = STATUS_SUCCESS;

    if (!pdo->open)
        return STATUS_NO_SUCH_DEVICE;
    GPLPV_DEBUG(("%s state %d\n", pdo->frontend, (int)state));
    if (state == XenbusStateConnected)
        status = takeover_commit(pdo->type, pdo->number);
    return NT_SUCCESS(status) ? write_state(pdo, state) : status;
}

enum xenbus_state NTAPI child_backend_state(PVOID context)
{
    struct pdo *pdo = context;

    return pdo->open ? read_state(pdo->backend) : XenbusStateUnknown;
}

static NTSTATUS wait_for(struct pdo *pdo, PKEVENT event, ULONG states, PLARGE_INTEGER deadline,
                         enum xenbus_state *state)
{
    for (;;) {
        KeClearEvent(event);
        *state = read_state(pdo->backend);
        if ((states >> *state & 1) != 0)
            return STATUS_SUCCESS;
        if (*state == XenbusStateUnknown)
            return STATUS_NO_SUCH_DEVICE;
        if (KeWaitForSingleObject(event, Executive, KernelMode, FALSE, deadline) == STATUS_TIMEOUT)
            return STATUS_IO_TIMEOUT;
    }
}

static NTSTATUS backend_wait(struct pdo *pdo, ULONG states, ULONG timeout_ms, enum xenbus_state *state)
{
    LARGE_INTEGER deadline;
    struct watch *watch;
    CHAR path[STORE_PATH_SIZE];
    KEVENT event;
    NTSTATUS status;

    *state = XenbusStateUnknown;
    watch = ExAllocatePoolWithTag(NonPagedPool, sizeof(*watch), GPLPV_POOL_TAG);
    if (watch == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    watch->event = &event;
    KeQuerySystemTime(&deadline);
    deadline.QuadPart += (LONGLONG)timeout_ms * 10 * 1000;
    gate_enter();
    status = join(pdo->backend, "state", path);
    if (NT_SUCCESS(status))
        status = watch_set(watch, path);
    if (NT_SUCCESS(status)) {
        status = wait_for(pdo, &event, states, &deadline, state);
        watch_end(watch);
    }
    gate_leave();
    ExFreePool(watch);
    return status;
}

NTSTATUS NTAPI child_backend_wait(PVOID context, ULONG states, ULONG timeout_ms, enum xenbus_state *state)
{
    struct pdo *pdo = context;

    return pdo->open ? backend_wait(pdo, states, timeout_ms, state) : STATUS_NO_SUCH_DEVICE;
}

/* A front end that has never begun to connect, or has closed already, is left as it is. */
static BOOLEAN is_connected(enum xenbus_state state)
{
    return state != XenbusStateUnknown && state != XenbusStateInitialising && state != XenbusStateClosed;
}

VOID child_disconnect(struct pdo *pdo)
{
    enum xenbus_state backend;

    if (!is_connected(read_state(pdo->frontend)))
        return;
    GPLPV_DEBUG(("%s was left connected\n", pdo->frontend));
    write_state(pdo, XenbusStateClosing);
    backend_wait(pdo, 1 << XenbusStateClosing | 1 << XenbusStateClosed, CLOSE_TIMEOUT_MS, &backend);
    write_state(pdo, XenbusStateClosed);
    backend_wait(pdo, 1 << XenbusStateClosed, CLOSE_TIMEOUT_MS, &backend);
}

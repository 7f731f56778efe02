/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The interface that a device's driver has (xenpci_interface.h), and the driver's calls.
 */
#include "xenpci.h"
#include "pool.h"
#include "xen.h"
#include "xen/io/xenbus.h"

static VOID lock_calls(struct pdo *pdo)
{
    KeWaitForSingleObject(&pdo->calls, Executive, KernelMode, FALSE, NULL);
}

static VOID unlock_calls(struct pdo *pdo)
{
    KeReleaseMutex(&pdo->calls, FALSE);
}

/* The driver's callbacks, all of them NULL while there is none, or it has been stopped.  With the calls locked. */
static struct xenpci_child child_of(struct pdo *pdo, PVOID *argument)
{
    struct xenpci_child child;
    KIRQL before;

    RtlZeroMemory(&child, sizeof(child));
    before = high_lock(&pdo->lock);
    if (pdo->child != NULL && !pdo->stopped)
        child = *pdo->child;
    *argument = pdo->argument;
    high_unlock(&pdo->lock, before);
    return child;
}

static VOID NTAPI reference(PVOID context)
{
    ObReferenceObject(((struct pdo *)context)->device.object);
}

static VOID NTAPI dereference(PVOID context)
{
    ObDereferenceObject(((struct pdo *)context)->device.object);
}

static VOID NTAPI facts(PVOID context, struct xenpci_facts *facts)
{
    struct pdo *pdo = context;
    struct xen_version version = {0, 0};

    RtlZeroMemory(facts, sizeof(*facts));
    xen_detect(&version);
    facts->xen_major = version.major;
    facts->xen_minor = version.minor;
    facts->backend_domain = pdo->backend_domain;
    facts->active = xenpci_mode == PV_ACTIVE;
    facts->unplugged = unplugged_classes();
    facts->number = pdo->number;
    RtlCopyMemory(facts->type, pdo->type, sizeof(facts->type));
    RtlCopyMemory(facts->frontend, pdo->frontend, sizeof(facts->frontend));
    RtlCopyMemory(facts->backend, pdo->backend, sizeof(facts->backend));
}

static VOID __cdecl print(PVOID context, PCSTR format, ...)
{
    const struct pdo *pdo = context;
    CHAR line[160];
    va_list arguments;

    UNREFERENCED_PARAMETER(pdo);
    va_start(arguments, format);
    _vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    line[sizeof(line) - 1] = 0;
    GPLPV_DEBUG(("%s: %s\n", pdo->frontend, line));
}

static NTSTATUS NTAPI attach(PVOID context, const struct xenpci_child *child, PVOID argument)
{
    struct pdo *pdo = context;
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL before;

    before = high_lock(&pdo->lock);
    if (!pdo->open) {
        status = STATUS_NO_SUCH_DEVICE;
    } else if (pdo->child != NULL) {
        status = STATUS_DEVICE_BUSY;
    } else {
        pdo->child = child;
        pdo->argument = argument;
    }
    high_unlock(&pdo->lock, before);
    return status;
}

/* From a callback the mutex is the caller's own already. */
static VOID NTAPI detach(PVOID context)
{
    struct pdo *pdo = context;
    KIRQL before;

    before = high_lock(&pdo->lock);
    pdo->child = NULL;
    high_unlock(&pdo->lock, before);
    if (KeGetCurrentIrql() == PASSIVE_LEVEL) {
        lock_calls(pdo);
        unlock_calls(pdo);
    }
}

static VOID NTAPI wake(PVOID context)
{
    struct pdo *pdo = context;

    if (pdo->open)
        worker_queue(&pdo->wake);
}

static VOID NTAPI hold_suspend(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    gate_enter();
}

static VOID NTAPI allow_suspend(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    gate_leave();
}

static NTSTATUS NTAPI begin(PVOID context, xenpci_transaction *transaction)
{
    struct pdo *pdo = context;

    return pdo->open ? store_transaction_start(transaction) : STATUS_NO_SUCH_DEVICE;
}

static NTSTATUS NTAPI end(PVOID context, xenpci_transaction transaction, BOOLEAN abort)
{
    UNREFERENCED_PARAMETER(context);
    return store_transaction_end(transaction, abort);
}

static VOID describe(struct pdo *pdo, enum xenpci_delivery delivery, xenpci_event_callback *callback, PVOID argument,
                     struct event_target *target)
{
    target->callback = callback;
    target->argument = argument;
    target->owner = pdo;
    target->delivery = delivery;
}

static NTSTATUS NTAPI open_event(PVOID context, enum xenpci_delivery delivery, xenpci_event_callback *callback,
                                 PVOID argument, evtchn_port_t *port)
{
    struct pdo *pdo = context;
    struct event_target target;

    if (!pdo->open)
        return STATUS_NO_SUCH_DEVICE;
    describe(pdo, delivery, callback, argument, &target);
    return event_open(pdo->backend_domain, &target, port);
}

static NTSTATUS NTAPI bind_event(PVOID context, evtchn_port_t remote, enum xenpci_delivery delivery,
                                 xenpci_event_callback *callback, PVOID argument, evtchn_port_t *port)
{
    struct pdo *pdo = context;
    struct event_target target;

    if (!pdo->open)
        return STATUS_NO_SUCH_DEVICE;
    describe(pdo, delivery, callback, argument, &target);
    return event_bind(pdo->backend_domain, remote, &target, port);
}

/* What is called at any IRQL may come once more after everything has been stopped, and then has nothing to be done. */
static VOID NTAPI close_event(PVOID context, evtchn_port_t port)
{
    struct pdo *pdo = context;

    if (pdo->open)
        event_close(port, pdo);
}

static VOID NTAPI notify_event(PVOID context, evtchn_port_t port)
{
    struct pdo *pdo = context;

    if (pdo->open)
        event_notify(port);
}

static VOID NTAPI mask_event(PVOID context, evtchn_port_t port, BOOLEAN masked)
{
    struct pdo *pdo = context;

    if (pdo->open)
        event_mask(port, masked);
}

static VOID NTAPI raise_event(PVOID context, evtchn_port_t port)
{
    struct pdo *pdo = context;

    if (pdo->open)
        event_raise(port);
}

static BOOLEAN NTAPI claim_event(PVOID context, evtchn_port_t port)
{
    struct pdo *pdo = context;

    return pdo->open && event_claim(port, pdo);
}

const struct xenpci_interface child_interface = {
    sizeof(struct xenpci_interface),
    XENPCI_INTERFACE_VERSION,
    NULL,
    reference,
    dereference,
    facts,
    print,
    attach,
    detach,
    wake,
    hold_suspend,
    allow_suspend,
    child_read,
    child_directory,
    child_write,
    child_printf,
    child_remove,
    begin,
    end,
    child_watch_add,
    child_watch_remove,
    child_set_state,
    child_backend_state,
    child_backend_wait,
    open_event,
    bind_event,
    close_event,
    notify_event,
    mask_event,
    raise_event,
    claim_event,
    child_reserve,
    child_release,
    child_grant,
    child_end_grant,
    child_pages_allocate,
    child_pages_free,
    child_give,
    child_take,
    child_accept,
    child_end_transfer,
};

static VOID changed(PVOID argument)
{
    struct pdo *pdo = argument;
    struct xenpci_child child;
    PVOID theirs;

    lock_calls(pdo);
    child = child_of(pdo, &theirs);
    if (child.changed != NULL)
        child.changed(theirs);
    unlock_calls(pdo);
}

static VOID backend_changed(PVOID argument)
{
    wake(argument);
}

VOID child_init(struct pdo *pdo)
{
    KeInitializeSpinLock(&pdo->lock);
    KeInitializeMutex(&pdo->calls, 0);
    KeInitializeMutex(&pdo->holdings, 0);
    InitializeListHead(&pdo->watches);
    InitializeListHead(&pdo->pages);
    worker_item_init(&pdo->wake, changed, pdo);
    worker_item_init(&pdo->backend_watch.item, backend_changed, pdo);
}

static NTSTATUS watch_backend(struct pdo *pdo)
{
    CHAR path[STORE_PATH_SIZE];

    _snprintf(path, sizeof(path) - 1, "%s/state", pdo->backend);
    path[sizeof(path) - 1] = 0;
    return watch_set(&pdo->backend_watch, path);
}

/* Once for each time that the device is started; child_close undoes it. */
NTSTATUS child_open(struct pdo *pdo)
{
    NTSTATUS status;

    status = child_find_backend(pdo);
    if (!NT_SUCCESS(status))
        return status;
    pdo->references = ExAllocatePoolWithTag(NonPagedPool, GRANT_REFERENCES / 8, GPLPV_POOL_TAG);
    if (pdo->references == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(pdo->references, GRANT_REFERENCES / 8);
    pdo->block->child = NULL;
    pdo->stopped = FALSE;
    pdo->open = TRUE;
    status = watch_backend(pdo);
    if (!NT_SUCCESS(status)) {
        pdo->open = FALSE;
        ExFreePool(pdo->references);
    }
    return status;
}

/* The driver has gone or is about to: whatever it has left is ended in an order that the back end survives. */
VOID child_close(struct pdo *pdo)
{
    if (!pdo->open)
        return;
    detach(pdo);
    pdo->open = FALSE;
    watch_end(&pdo->backend_watch);
    child_end_watches(pdo);
    worker_cancel(&pdo->wake);
    child_disconnect(pdo);
    event_close_all(pdo);
    child_free_memory(pdo);
    ExFreePool(pdo->references);
}

VOID child_suspend(struct pdo *pdo)
{
    struct xenpci_child child;
    PVOID argument;

    lock_calls(pdo);
    child = child_of(pdo, &argument);
    if (child.suspend != NULL)
        child.suspend(argument);
    unlock_calls(pdo);
}

static VOID reconnect(struct pdo *pdo)
{
    CHAR path[STORE_PATH_SIZE];

    if (!NT_SUCCESS(child_find_backend(pdo)))
        return;
    _snprintf(path, sizeof(path) - 1, "%s/state", pdo->backend);
    path[sizeof(path) - 1] = 0;
    watch_move(&pdo->backend_watch, path);
    child_move_watches(pdo);
    child_grant_pages(pdo);
}

VOID child_resume(struct pdo *pdo, BOOLEAN lost)
{
    struct xenpci_child child;
    PVOID argument;

    lock_calls(pdo);
    if (lost && pdo->open)
        reconnect(pdo);
    child = child_of(pdo, &argument);
    if (child.resume != NULL)
        child.resume(argument, lost);
    unlock_calls(pdo);
}

VOID child_stop(struct pdo *pdo)
{
    struct xenpci_child child;
    PVOID argument;

    lock_calls(pdo);
    child = child_of(pdo, &argument);
    if (child.stop != NULL)
        child.stop(argument);
    pdo->stopped = TRUE;
    unlock_calls(pdo);
}

VOID child_start(struct pdo *pdo)
{
    struct xenpci_child child;
    PVOID argument;

    lock_calls(pdo);
    pdo->stopped = FALSE;
    child = child_of(pdo, &argument);
    if (child.start != NULL)
        child.start(argument);
    unlock_calls(pdo);
}

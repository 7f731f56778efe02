/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenpci as struct xenpci_interface describes it, over the model store, grant table and back end. */
#include <stdarg.h>
#include "world.h"

struct bus bus;

static void passive(const char *what)
{
    if (bus.locked) {
        die("%s is called with the lock held", what);
    }
}

static enum end end_of(enum xenpci_base base)
{
    return base == XENPCI_FRONTEND ? FRONT : BACK;
}

static VOID NTAPI facts(PVOID context, struct xenpci_facts *facts)
{
    (void)context;
    memset(facts, 0, sizeof(*facts));
    facts->active = TRUE;
    facts->number = backend.handle;
}

static NTSTATUS NTAPI attach(PVOID context, const struct xenpci_child *child, PVOID argument)
{
    (void)context;
    bus.child = child;
    bus.argument = argument;
    return STATUS_SUCCESS;
}

static VOID NTAPI detach(PVOID context)
{
    (void)context;
    bus.child = NULL;
}

static VOID NTAPI wake(PVOID context)
{
    (void)context;
    store_changed = TRUE;
}

static NTSTATUS NTAPI read_node(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                                PSTR value, ULONG size)
{
    const char *found = store_get(end_of(base), path);

    (void)context;
    (void)transaction;
    passive("read");
    if (found == NULL) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    if (strlen(found) >= size) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    strcpy(value, found);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI write_node(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                                 PCSTR value)
{
    (void)context;
    (void)transaction;
    passive("write");
    if (base != XENPCI_FRONTEND) {
        die("the back end's nodes are not ours to write");
    }
    if (bus.write_fail_in > 0 && --bus.write_fail_in == 0) {
        return STATUS_UNSUCCESSFUL;
    }
    store_set(FRONT, path, value);
    return STATUS_SUCCESS;
}

static NTSTATUS __cdecl print_node(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path,
                                   PCSTR format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return write_node(context, transaction, base, path, text);
}

static NTSTATUS NTAPI remove_node(PVOID context, xenpci_transaction transaction, enum xenpci_base base, PCSTR path)
{
    (void)context;
    (void)transaction;
    passive("remove");
    if (store_get(end_of(base), path) == NULL) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    store_set(end_of(base), path, NULL);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI set_state(PVOID context, enum xenbus_state state)
{
    (void)context;
    passive("frontend_set_state");
    store_number(FRONT, "state", state);
    return STATUS_SUCCESS;
}

static enum xenbus_state NTAPI backend_state(PVOID context)
{
    (void)context;
    passive("backend_state");
    return (enum xenbus_state)store_state(BACK);
}

static NTSTATUS NTAPI backend_wait(PVOID context, ULONG states, ULONG timeout_ms, enum xenbus_state *state)
{
    ULONG i;

    (void)context;
    (void)timeout_ms;
    passive("backend_wait");
    for (i = 0; i < 10000; i++) {
        *state = (enum xenbus_state)store_state(BACK);
        if (states & (1u << *state)) {
            return STATUS_SUCCESS;
        }
        backend_take();
        backend_answer();
        otherend_step();
    }
    return STATUS_UNSUCCESSFUL;
}

static NTSTATUS NTAPI event_open(PVOID context, enum xenpci_delivery delivery, xenpci_event_callback *callback,
                                 PVOID argument, evtchn_port_t *port)
{
    (void)context;
    if (delivery != XENPCI_EVENT_DPC || callback == NULL) {
        die("this port driver's half takes its events from a DPC");
    }
    bus.event = callback;
    bus.listener = argument;
    if (bus.port != 0) {
        die("the port is open");
    }
    *port = bus.port = 5 + pick(100);
    bus.masked = FALSE;
    return STATUS_SUCCESS;
}

static void check(evtchn_port_t port)
{
    if (port == 0 || port != bus.port) {
        die("port %u is not open", port);
    }
}

static VOID NTAPI event_close(PVOID context, evtchn_port_t port)
{
    (void)context;
    check(port);
    bus.port = 0;
}

static VOID NTAPI event_notify(PVOID context, evtchn_port_t port)
{
    (void)context;
    check(port);
    backend.awake = TRUE;
    backend.notifications++;
}

static VOID NTAPI event_mask(PVOID context, evtchn_port_t port, BOOLEAN masked)
{
    (void)context;
    check(port);
    bus.masked = masked;
}

static VOID NTAPI event_raise(PVOID context, evtchn_port_t port)
{
    event_mask(context, port, FALSE);
    backend.event = TRUE;
}

static NTSTATUS NTAPI grant_reserve(PVOID context, ULONG count, grant_ref_t *references)
{
    ULONG i;

    (void)context;
    for (i = 0; i < count; i++) {
        references[i] = reserve();
        if (references[i] == XENVBD_NO_REF) {
            while (i-- > 0) {
                unreserve(references[i]);
            }
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    return STATUS_SUCCESS;
}

static VOID NTAPI grant_release(PVOID context, ULONG count, const grant_ref_t *references)
{
    (void)context;
    while (count-- > 0) {
        unreserve(references[count]);
    }
}

static VOID NTAPI grant_begin(PVOID context, grant_ref_t reference, ULONG_PTR frame, BOOLEAN readonly)
{
    (void)context;
    if (bus.dumping) {
        die("a grant is made while a dump is written");
    }
    grant(reference, frame, readonly);
}

static BOOLEAN NTAPI grant_end(PVOID context, grant_ref_t reference)
{
    (void)context;
    return ungrant(reference);
}

static NTSTATUS NTAPI pages_allocate(PVOID context, ULONG count, PVOID *pages, grant_ref_t *references)
{
    ULONG i;

    (void)context;
    passive("pages_allocate");
    if (bus.pages_fail_in > 0 && --bus.pages_fail_in == 0) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (!NT_SUCCESS(grant_reserve(context, count, references))) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    *pages = arena_take(count * PAGE_SIZE);
    for (i = 0; i < count; i++) {
        grant(references[i], (ULONG_PTR)page_of((PUCHAR)*pages + i * PAGE_SIZE), FALSE);
    }
    bus.blocks[bus.block_count].pages = *pages;
    bus.blocks[bus.block_count].count = count;
    memcpy(bus.blocks[bus.block_count++].references, references, count * sizeof(*references));
    return STATUS_SUCCESS;
}

static VOID NTAPI pages_free(PVOID context, PVOID pages)
{
    ULONG i, k;

    (void)context;
    passive("pages_free");
    for (i = 0; i < bus.block_count; i++) {
        if (bus.blocks[i].pages == pages) {
            for (k = 0; k < bus.blocks[i].count; k++) {
                if (!ungrant(bus.blocks[i].references[k])) {
                    die("a page is given back that the back end has mapped");
                }
                unreserve(bus.blocks[i].references[k]);
            }
            bus.blocks[i] = bus.blocks[--bus.block_count];
            return;
        }
    }
    die("pages are given back that are none");
}

struct xenpci_block block = {
    XENPCI_BLOCK_SIGNATURE, sizeof(block),
    { .size = sizeof(struct xenpci_interface), .version = XENPCI_INTERFACE_VERSION, .facts = facts, .attach = attach,
      .detach = detach, .wake = wake, .read = read_node, .write = write_node, .printf = print_node,
      .remove = remove_node, .frontend_set_state = set_state, .backend_state = backend_state,
      .backend_wait = backend_wait, .event_open = event_open, .event_close = event_close,
      .event_notify = event_notify, .event_mask = event_mask, .event_raise = event_raise,
      .grant_reserve = grant_reserve, .grant_release = grant_release, .grant_begin = grant_begin,
      .grant_end = grant_end, .pages_allocate = pages_allocate, .pages_free = pages_free },
    NULL,
};

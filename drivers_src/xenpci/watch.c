/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Watches: xenstored tells of a change below a path, and someone here looks again.  Which node it was, and how often, is
 * of no interest to anyone, so that an event needs no memory and many are as good as one.
 */
#include "xenpci.h"
#include "pool.h"

#define TOKEN_SIZE 12

static struct {
    KMUTEX changing; /* held while the list and xenstored's are made to agree */
    KSPIN_LOCK lock; /* DISPATCH_LEVEL; for the list */
    LIST_ENTRY list;
    ULONG last_id;
} watches;

VOID watches_init(VOID)
{
    RtlZeroMemory(&watches, sizeof(watches));
    KeInitializeMutex(&watches.changing, 0);
    KeInitializeSpinLock(&watches.lock);
    InitializeListHead(&watches.list);
}

static VOID print_token(const struct watch *watch, PSTR token)
{
    _snprintf(token, TOKEN_SIZE, "%u", (unsigned int)watch->id);
}

static NTSTATUS tell(const struct watch *watch, ULONG type)
{
    CHAR token[TOKEN_SIZE];

    print_token(watch, token);
    return store_watch(type, watch->path, token);
}

static VOID fire(struct watch *watch)
{
    if (watch->event != NULL)
        KeSetEvent(watch->event, IO_NO_INCREMENT, FALSE);
    else
        worker_queue(&watch->item);
}

/* DISPATCH_LEVEL; the body is path and token, both terminated. */
VOID watch_fired(const CHAR *body, ULONG length)
{
    ULONG path_size = (ULONG)strlen(body) + 1;
    PLIST_ENTRY link;
    ULONG id;

    if (path_size >= length)
        return;
    id = (ULONG)atol(body + path_size);
    KeAcquireSpinLockAtDpcLevel(&watches.lock);
    for (link = watches.list.Flink; link != &watches.list; link = link->Flink) {
        struct watch *watch = CONTAINING_RECORD(link, struct watch, link);

        if (watch->id == id)
            fire(watch);
    }
    KeReleaseSpinLockFromDpcLevel(&watches.lock);
}

static VOID enlist(struct watch *watch)
{
    KIRQL before;

    KeAcquireSpinLock(&watches.lock, &before);
    watch->id = ++watches.last_id;
    InsertTailList(&watches.list, &watch->link);
    KeReleaseSpinLock(&watches.lock, before);
}

static VOID delist(struct watch *watch)
{
    KIRQL before;

    KeAcquireSpinLock(&watches.lock, &before);
    RemoveEntryList(&watch->link);
    KeReleaseSpinLock(&watches.lock, before);
}

static VOID begin_change(VOID)
{
    KeWaitForSingleObject(&watches.changing, Executive, KernelMode, FALSE, NULL);
}

static VOID end_change(VOID)
{
    KeReleaseMutex(&watches.changing, FALSE);
}

NTSTATUS watch_set(struct watch *watch, PCSTR path)
{
    NTSTATUS status;

    if (strlen(path) >= sizeof(watch->path))
        return STATUS_NAME_TOO_LONG;
    strcpy(watch->path, path);
    begin_change();
    enlist(watch);
    status = tell(watch, XS_WATCH);
    if (!NT_SUCCESS(status))
        delist(watch);
    end_change();
    if (!NT_SUCCESS(status) && watch->event == NULL)
        worker_cancel(&watch->item);
    return status;
}

VOID watch_end(struct watch *watch)
{
    begin_change();
    delist(watch);
    tell(watch, XS_UNWATCH);
    end_change();
    if (watch->event == NULL)
        worker_cancel(&watch->item);
}

/* xenstored has the watch under another path, or none: the old one goes unless it has gone with the domain. */
NTSTATUS watch_move(struct watch *watch, PCSTR path)
{
    NTSTATUS status;

    if (strlen(path) >= sizeof(watch->path))
        return STATUS_NAME_TOO_LONG;
    if (strcmp(watch->path, path) == 0)
        return STATUS_SUCCESS;
    begin_change();
    tell(watch, XS_UNWATCH);
    strcpy(watch->path, path);
    status = tell(watch, XS_WATCH);
    end_change();
    return status;
}

/* One that was set since the resume is there already, which does no harm. */
VOID watches_resume(VOID)
{
    PLIST_ENTRY link;

    begin_change();
    for (link = watches.list.Flink; link != &watches.list; link = link->Flink) {
        struct watch *watch = CONTAINING_RECORD(link, struct watch, link);
        NTSTATUS status = tell(watch, XS_WATCH);

        if (!NT_SUCCESS(status) && status != STATUS_OBJECT_NAME_COLLISION)
            GPLPV_DEBUG(("watch on %s is lost: %08x\n", watch->path, status));
        fire(watch);
    }
    end_change();
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The thread in which everything is done that happens by itself and has to wait: watches, changes of devices, suspends.
 * One at a time, in the order in which it came.
 */
#include "xenpci.h"

#define LOOK_AGAIN_100NS (-20 * 1000 * 10) /* 20 ms */

static struct {
    KSPIN_LOCK lock; /* high; for the list and what is in it */
    LIST_ENTRY items;
    struct worker_item *running;
    BOOLEAN leave;
    KDPC dpc; /* sets the event for callers above DISPATCH_LEVEL */
    KEVENT work;
    KEVENT finished; /* an item has, or the thread has come up */
    PVOID thread;    /* referenced by itself */
} worker;

VOID worker_item_init(struct worker_item *item, VOID (*run)(PVOID argument), PVOID argument)
{
    item->run = run;
    item->argument = argument;
    item->queued = FALSE;
}

static VOID NTAPI awaken(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    KeSetEvent(&worker.work, IO_NO_INCREMENT, FALSE);
}

VOID worker_queue(struct worker_item *item)
{
    KIRQL before;

    before = high_lock(&worker.lock);
    if (!item->queued) {
        item->queued = TRUE;
        InsertTailList(&worker.items, &item->link);
    }
    high_unlock(&worker.lock, before);
    KeInsertQueueDpc(&worker.dpc, NULL, NULL);
}

BOOLEAN worker_is_current(VOID)
{
    return (PVOID)KeGetCurrentThread() == worker.thread;
}

/* TRUE: it is running in the worker thread, which is not this one. */
static BOOLEAN take_back(struct worker_item *item)
{
    BOOLEAN running;
    KIRQL before;

    before = high_lock(&worker.lock);
    if (item->queued) {
        item->queued = FALSE;
        RemoveEntryList(&item->link);
    }
    running = worker.running == item && !worker_is_current();
    high_unlock(&worker.lock, before);
    return running;
}

/* Another canceller may clear the event that this one waits for: so it looks again now and then. */
VOID worker_cancel(struct worker_item *item)
{
    LARGE_INTEGER interval;

    interval.QuadPart = LOOK_AGAIN_100NS;
    KeClearEvent(&worker.finished);
    while (take_back(item)) {
        KeWaitForSingleObject(&worker.finished, Executive, KernelMode, FALSE, &interval);
        KeClearEvent(&worker.finished);
    }
}

static struct worker_item *next(VOID)
{
    struct worker_item *item = NULL;
    KIRQL before;

    before = high_lock(&worker.lock);
    if (!IsListEmpty(&worker.items)) {
        item = CONTAINING_RECORD(RemoveHeadList(&worker.items), struct worker_item, link);
        item->queued = FALSE;
    }
    worker.running = item;
    high_unlock(&worker.lock, before);
    return item;
}

/* The item may be gone when it has run. */
static VOID run_all(VOID)
{
    struct worker_item *item = next();

    while (item != NULL) {
        item->run(item->argument);
        item = next();
        KeSetEvent(&worker.finished, IO_NO_INCREMENT, FALSE);
    }
}

static VOID NTAPI work(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    worker.thread = KeGetCurrentThread();
    ObReferenceObject(worker.thread);
    KeSetEvent(&worker.finished, IO_NO_INCREMENT, FALSE);
    while (!worker.leave) {
        KeWaitForSingleObject(&worker.work, Executive, KernelMode, FALSE, NULL);
        run_all();
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

NTSTATUS worker_start(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    NTSTATUS status;
    HANDLE handle;

    RtlZeroMemory(&worker, sizeof(worker));
    KeInitializeSpinLock(&worker.lock);
    InitializeListHead(&worker.items);
    KeInitializeDpc(&worker.dpc, awaken, NULL);
    KeInitializeEvent(&worker.work, SynchronizationEvent, FALSE);
    KeInitializeEvent(&worker.finished, NotificationEvent, FALSE);
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, work, NULL);
    if (!NT_SUCCESS(status))
        return status;
    ZwClose(handle);
    KeWaitForSingleObject(&worker.finished, Executive, KernelMode, FALSE, NULL);
    return STATUS_SUCCESS;
}

VOID worker_stop(VOID)
{
    worker.leave = TRUE;
    KeSetEvent(&worker.work, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(worker.thread, Executive, KernelMode, FALSE, NULL);
    KeRemoveQueueDpc(&worker.dpc);
    ObDereferenceObject(worker.thread);
}

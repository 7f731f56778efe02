/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Suspend, as the toolstack asks for it to save, migrate or checkpoint the domain: everything of Xen's is let go of or
 * made ready to be lost, all processors but one stand still, and after the hypercall, which returns in what is most
 * often another domain on another host, everything is set up anew.
 *
 * All of it is in the worker thread, so that nothing else that xenpci does by itself comes between.
 */
#include "xenpci.h"
#include "xen/sched.h"

#define REQUEST "control/shutdown"
#define OFFER "control/feature-suspend"
#define PROCESSORS (sizeof(KAFFINITY) * 8)

static struct {
    struct watch watch;
    LONG arrived;
    LONG release;
    KDPC dpcs[PROCESSORS];
} suspend;

/* DISPATCH_LEVEL, on each of the other processors. */
static VOID NTAPI stand_still(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    KIRQL before;

    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    KeRaiseIrql(HIGH_LEVEL, &before);
    InterlockedIncrement(&suspend.arrived);
    while (*(volatile LONG *)&suspend.release == 0)
        KeStallExecutionProcessor(1);
    InterlockedDecrement(&suspend.arrived);
    KeLowerIrql(before);
}

static VOID wait_for_others(LONG count)
{
    while (*(volatile LONG *)&suspend.arrived != count)
        KeStallExecutionProcessor(1);
}

/* DISPATCH_LEVEL on processor 0.  What runs at DISPATCH_LEVEL or above elsewhere finishes first. */
static LONG stop_others(VOID)
{
    KAFFINITY active = KeQueryActiveProcessors();
    LONG others = 0;
    ULONG i;

    suspend.release = 0;
    for (i = 1; i < PROCESSORS; i++) {
        if ((active >> i & 1) == 0)
            continue;
        KeInitializeDpc(&suspend.dpcs[i], stand_still, NULL);
        KeSetTargetProcessorDpc(&suspend.dpcs[i], (CCHAR)i);
        KeSetImportanceDpc(&suspend.dpcs[i], HighImportance);
        KeInsertQueueDpc(&suspend.dpcs[i], NULL, NULL);
        others++;
    }
    wait_for_others(others);
    return others;
}

static VOID let_others_go(VOID)
{
    suspend.release = 1;
    wait_for_others(0);
}

/* HIGH_LEVEL, and nothing else runs.  TRUE: this is a new domain. */
static BOOLEAN cross_over(VOID)
{
    struct sched_shutdown shutdown;
    LONG result;

    shutdown.reason = SHUTDOWN_suspend;
    result = xen_sched_op(SCHEDOP_shutdown, &shutdown);
    if (result != 0)
        return FALSE;
    hypercall_resume();
    events_resume();
    grants_resume();
    unplug_again();
    return TRUE;
}

static BOOLEAN freeze(VOID)
{
    KIRQL passive, dispatch;
    BOOLEAN lost;

    KeSetSystemAffinityThread(1);
    KeRaiseIrql(DISPATCH_LEVEL, &passive);
    stop_others();
    KeRaiseIrql(HIGH_LEVEL, &dispatch);
    lost = cross_over();
    KeLowerIrql(dispatch);
    let_others_go();
    KeLowerIrql(passive);
    KeRevertToUserAffinityThread();
    return lost;
}

static VOID offer(VOID)
{
    NTSTATUS status = store_write(0, OFFER, "1");

    if (!NT_SUCCESS(status))
        GPLPV_DEBUG(("this toolstack does not ask for " OFFER ": %08x\n", status));
}

static VOID rebuild(VOID)
{
    NTSTATUS status;

    status = store_resume();
    if (!NT_SUCCESS(status))
        GPLPV_DEBUG(("no store after the resume: %08x\n", status));
}

static VOID suspend_all(VOID)
{
    BOOLEAN lost;

    bus_suspend();
    gate_close();
    lost = freeze();
    GPLPV_DEBUG(("resumed, %s\n", lost ? "in a new domain" : "in place"));
    if (lost)
        rebuild();
    gate_open();
    if (lost) {
        watches_resume();
        pages_reap();
        offer();
    }
    bus_resume(lost);
}

/* The other requests are for user mode.  To have been heard is to have the request emptied. */
static VOID look(PVOID argument)
{
    CHAR request[16];

    UNREFERENCED_PARAMETER(argument);
    if (!NT_SUCCESS(store_read(0, REQUEST, request, sizeof(request))) || strcmp(request, "suspend") != 0)
        return;
    if (!NT_SUCCESS(store_write(0, REQUEST, "")))
        return;
    suspend_all();
}

NTSTATUS suspend_start(VOID)
{
    suspend.watch.event = NULL;
    worker_item_init(&suspend.watch.item, look, NULL);
    offer();
    return watch_set(&suspend.watch, REQUEST);
}

VOID suspend_stop(VOID)
{
    watch_end(&suspend.watch);
}

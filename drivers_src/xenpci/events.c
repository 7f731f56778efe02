/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Event channels: the page shared with Xen, the table of ports, and the way from an event to whom it concerns.
 *
 * Ports stay bound to virtual processor 0, whose upcall flag makes the interrupt.  The service routine collects what is
 * pending: ports with a callback are left to the DPC, which is bound to processor 0 so that calls never overlap.
 *
 * The line. Ports of other drivers' service routines keep the flag, and with it the line, up until each has claimed
 * its event. Xen raises the line when it sets the flag, and lowers it when the processor next leaves the guest with
 * the flag clear (hvm_maybe_deassert_evtchn_irq). A guest that set the flag would find the line down and, since Xen
 * finds the flag set from then on, down for ever. So the flag is cleared when nothing is unclaimed, and not set while
 * the line is used.
 *
 * The vector (HVMOP_set_evtchn_upcall_vector, Xen 4.6), where Windows has granted a message interrupt: an edge through
 * the local APIC whenever Xen sets the flag and finds it clear. The service routine therefore clears the flag before
 * it looks. Nothing holds such an interrupt up, so there is nothing to claim: XENPCI_EVENT_INTERRUPT is refused.
 *
 * No call takes the vector back, and virtual processor 0's events never come by the line again in this domain, not
 * even when this driver has been unloaded. So that its successor knows, the vector stands in the shared page, which
 * lasts as long as the domain, in a place where Xen has something for PV guests alone (arch.cr2).
 *
 * The vector of HVM_PARAM_CALLBACK_IRQ is not used: it gets to the processor past the local APIC. The EOI by which
 * Windows ends every interrupt would end another one, and no IRQL holds it off.
 */
#include "xenpci.h"
#include "pool.h"
#include "xen/event_channel.h"
#include "xen/memory.h"
#include "xen/shared_info.h"
#include "xen/hvm/params.h"
#include <intrin.h>

#define PORTS 1024 /* what a 32-bit guest can have, and 32 words of 32; ports are given lowest first */
#define SHARED_PAGE 0
#define POLL_100NS (-10 * 1000) /* 1 ms */

struct channel {
    xenpci_event_callback *callback;
    PVOID argument;
    PVOID owner;
    enum xenpci_delivery delivery;
    BOOLEAN open;
    volatile BOOLEAN fired; /* XENPCI_EVENT_INTERRUPT: not yet claimed */
};

static struct {
    struct shared_info *shared;
    KDPC dpc;
    KSPIN_LOCK lock; /* high; for all below */
    struct channel *channels;
    BOOLEAN by_vector; /* Xen uses the message interrupt, and not the line */
    ULONG unclaimed; /* channels that have fired */
    evtchn_port_t latest; /* the one that fired last */
    LONG due[PORTS / 32]; /* ports for the DPC; interlocked, and so is the next */
    LONG due_words;       /* which of these to look at: set after them */
    evtchn_port_t running; /* whose callback the DPC is in; 0 is no port */
} events;

static VOID set_bit(volatile xen_ulong_t *words, evtchn_port_t port)
{
    InterlockedOr((volatile LONG *)words + port / 32, (LONG)1 << port % 32);
}

static VOID clear_bit(volatile xen_ulong_t *words, evtchn_port_t port)
{
    InterlockedAnd((volatile LONG *)words + port / 32, ~((LONG)1 << port % 32));
}

/* Of bits that are not all 0. */
static ULONG lowest_bit(xen_ulong_t bits)
{
    ULONG bit;

#ifdef _WIN64
    _BitScanForward64(&bit, bits);
#else
    _BitScanForward(&bit, bits);
#endif
    return bit;
}

/* With the lock.  TRUE: there is something for the DPC.  A port that is no one's is masked. */
static BOOLEAN note(evtchn_port_t port)
{
    struct channel *channel = &events.channels[port];

    if (port >= PORTS || !channel->open) {
        set_bit(events.shared->evtchn_mask, port);
        return FALSE;
    }
    if (channel->delivery == XENPCI_EVENT_DPC) {
        InterlockedOr(&events.due[port / 32], (LONG)1 << port % 32);
        InterlockedOr(&events.due_words, (LONG)1 << port / 32);
        return TRUE;
    }
    if (!channel->fired) {
        channel->fired = TRUE;
        events.unclaimed++;
        events.latest = port;
    }
    return FALSE;
}

static BOOLEAN note_word(ULONG word)
{
    xen_ulong_t bits = events.shared->evtchn_pending[word] & ~events.shared->evtchn_mask[word];
    BOOLEAN due = FALSE;

    while (bits != 0) {
        evtchn_port_t port = word * XEN_BITS_PER_WORD + lowest_bit(bits);

        clear_bit(events.shared->evtchn_pending, port);
        if (note(port))
            due = TRUE;
        bits &= bits - 1;
    }
    return due;
}

/* With the lock.  TRUE: there is something for the DPC. */
static BOOLEAN note_all(VOID)
{
    struct vcpu_info *vcpu = &events.shared->vcpu_info[0];
    xen_ulong_t words = (xen_ulong_t)InterlockedExchangePointer((PVOID volatile *)&vcpu->evtchn_pending_sel, NULL);
    BOOLEAN due = FALSE;

    for (; words != 0; words &= words - 1)
        if (note_word(lowest_bit(words)))
            due = TRUE;
    return due;
}

/*
 * With the lock.  What comes while the flag is set makes no upcall: once it is clear, all is looked at again.  A port
 * found only then, for another driver to claim, is raised anew, and the line with it.
 */
static VOID collect(VOID)
{
    struct vcpu_info *vcpu = &events.shared->vcpu_info[0];
    BOOLEAN due = note_all();

    while (events.unclaimed == 0 && vcpu->evtchn_upcall_pending != 0) {
        vcpu->evtchn_upcall_pending = 0;
        if (note_all())
            due = TRUE;
    }
    if (due)
        KeInsertQueueDpc(&events.dpc, NULL, NULL);
    if (events.unclaimed != 0 && vcpu->evtchn_upcall_pending == 0)
        event_raise(events.latest);
}

/* The line's IRQL.  The line is shared: those that have something to claim on it are asked after this. */
static BOOLEAN NTAPI service_line(PKINTERRUPT interrupt, PVOID context)
{
    BOOLEAN claimed;
    KIRQL before;

    UNREFERENCED_PARAMETER(interrupt);
    UNREFERENCED_PARAMETER(context);
    if (events.by_vector || events.shared->vcpu_info[0].evtchn_upcall_pending == 0)
        return FALSE;
    before = high_lock(&events.lock);
    collect();
    claimed = events.unclaimed == 0;
    high_unlock(&events.lock, before);
    return claimed;
}

/*
 * The message's IRQL, on processor 0; latched, and nobody else's. An event after the flag is clear makes a new
 * interrupt, one before it is found. Where Xen has come to use the line, what the APIC may still have had says
 * nothing.
 */
static BOOLEAN NTAPI service_message(PKINTERRUPT interrupt, PVOID context)
{
    KIRQL before;

    UNREFERENCED_PARAMETER(interrupt);
    UNREFERENCED_PARAMETER(context);
    before = high_lock(&events.lock);
    if (events.by_vector) {
        events.shared->vcpu_info[0].evtchn_upcall_pending = 0;
        if (note_all())
            KeInsertQueueDpc(&events.dpc, NULL, NULL);
    }
    high_unlock(&events.lock, before);
    return TRUE;
}

static VOID call(evtchn_port_t port)
{
    xenpci_event_callback *callback = NULL;
    PVOID argument = NULL;
    KIRQL before;

    before = high_lock(&events.lock);
    if (events.channels[port].open) {
        callback = events.channels[port].callback;
        argument = events.channels[port].argument;
        events.running = port;
    }
    high_unlock(&events.lock, before);
    if (callback != NULL)
        callback(argument);
    events.running = 0;
}

static VOID NTAPI dispatch(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    ULONG words = (ULONG)InterlockedExchange(&events.due_words, 0);

    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    for (; words != 0; words &= words - 1) {
        ULONG word = lowest_bit(words);
        ULONG bits = (ULONG)InterlockedExchange(&events.due[word], 0);

        for (; bits != 0; bits &= bits - 1)
            call(word * 32 + lowest_bit(bits));
    }
}

/* HIGH_LEVEL after a resume. */
static NTSTATUS show_shared_page(VOID)
{
    NTSTATUS status;

    status = xen_place(XENMAPSPACE_shared_info, 0, platform_frame(SHARED_PAGE));
    if (NT_SUCCESS(status))
        RtlFillMemory((PVOID)events.shared->evtchn_mask, sizeof(events.shared->evtchn_mask), 0xff);
    return status;
}

/* Up to HIGH_LEVEL.  Xen makes the interrupt once at the call, and service_message has to be ready for it. */
static BOOLEAN take_vector(VOID)
{
    UCHAR vector = (UCHAR)platform.message.u.Interrupt.Vector;

    if (!platform.has_message)
        return FALSE;
    events.by_vector = TRUE;
    events.by_vector = NT_SUCCESS(xen_set_upcall_vector(0, vector));
    if (events.by_vector)
        events.shared->vcpu_info[0].arch.cr2 = vector;
    return events.by_vector;
}

/* Up to HIGH_LEVEL, while no port is open. */
static NTSTATUS ask_for_events(VOID)
{
    if (take_vector())
        return STATUS_SUCCESS;
    if (events.shared->vcpu_info[0].arch.cr2 != 0) {
        GPLPV_DEBUG(("events come by a vector that Windows does not grant any more\n"));
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    }
    return xen_set_param(HVM_PARAM_CALLBACK_IRQ, platform.callback);
}

/* All ports are closed or masked.  Xen raises nothing while it finds the flag set, which nobody clears from now on. */
static VOID silence(VOID)
{
    KIRQL before;

    xen_set_param(HVM_PARAM_CALLBACK_IRQ, 0);
    before = high_lock(&events.lock);
    if (events.by_vector) {
        events.by_vector = FALSE;
        events.shared->vcpu_info[0].evtchn_upcall_pending = 1;
    }
    high_unlock(&events.lock, before);
}

static NTSTATUS map_shared_page(VOID)
{
    if (platform.pages <= SHARED_PAGE)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    events.shared = MmMapIoSpace(platform_address(SHARED_PAGE), XEN_PAGE_SIZE, MmCached);
    return events.shared != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS switch_on(VOID)
{
    NTSTATUS status;

    status = show_shared_page();
    if (!NT_SUCCESS(status))
        return status;
    status = interrupts_connect(service_line, service_message);
    if (!NT_SUCCESS(status))
        goto no_interrupt;
    status = ask_for_events();
    if (!NT_SUCCESS(status))
        goto no_events;
    return STATUS_SUCCESS;

no_events:
    interrupts_disconnect();
no_interrupt:
    xen_take_away(platform_frame(SHARED_PAGE));
    return status;
}

NTSTATUS events_start(VOID)
{
    NTSTATUS status;

    RtlZeroMemory(&events, sizeof(events));
    KeInitializeSpinLock(&events.lock);
    KeInitializeDpc(&events.dpc, dispatch, NULL);
    KeSetTargetProcessorDpc(&events.dpc, 0);
    events.channels = ExAllocatePoolWithTag(NonPagedPool, PORTS * sizeof(struct channel), GPLPV_POOL_TAG);
    if (events.channels == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(events.channels, PORTS * sizeof(struct channel));
    status = map_shared_page();
    if (!NT_SUCCESS(status))
        goto no_page;
    status = switch_on();
    if (!NT_SUCCESS(status))
        goto not_on;
    return STATUS_SUCCESS;

not_on:
    MmUnmapIoSpace(events.shared, XEN_PAGE_SIZE);
no_page:
    ExFreePool(events.channels);
    return status;
}

static VOID wait_until_not(evtchn_port_t port)
{
    LARGE_INTEGER interval;

    interval.QuadPart = POLL_100NS;
    while (port != 0 && *(volatile evtchn_port_t *)&events.running == port)
        KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

VOID events_stop(VOID)
{
    silence();
    interrupts_disconnect();
    KeRemoveQueueDpc(&events.dpc);
    wait_until_not(events.running);
    xen_take_away(platform_frame(SHARED_PAGE));
    MmUnmapIoSpace(events.shared, XEN_PAGE_SIZE);
    ExFreePool(events.channels);
}

VOID events_resume(VOID)
{
    NTSTATUS status;

    RtlZeroMemory(events.channels, PORTS * sizeof(struct channel));
    RtlZeroMemory(events.due, sizeof(events.due));
    events.due_words = 0;
    events.unclaimed = 0;
    status = show_shared_page();
    if (NT_SUCCESS(status)) {
        events.shared->vcpu_info[0].arch.cr2 = 0; /* whatever was noted was of the domain before */
        status = ask_for_events();
    }
    if (!NT_SUCCESS(status))
        GPLPV_DEBUG(("no events after the resume: %08x\n", status));
}

static VOID unmask(evtchn_port_t port)
{
    struct evtchn_unmask unmask;

    unmask.port = port;
    xen_event_channel_op(EVTCHNOP_unmask, &unmask);
}

static VOID close_port(evtchn_port_t port)
{
    struct evtchn_close close;

    close.port = port;
    xen_event_channel_op(EVTCHNOP_close, &close);
}

NTSTATUS event_adopt(evtchn_port_t port, const struct event_target *target)
{
    struct channel *channel = &events.channels[port];
    KIRQL before;

    if (port == 0 || port >= PORTS)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (target->delivery == XENPCI_EVENT_INTERRUPT && events.by_vector)
        return STATUS_NOT_SUPPORTED;
    before = high_lock(&events.lock);
    channel->callback = target->callback;
    channel->argument = target->argument;
    channel->owner = target->owner;
    channel->delivery = target->delivery;
    channel->fired = FALSE;
    channel->open = TRUE;
    high_unlock(&events.lock, before);
    unmask(port);
    return STATUS_SUCCESS;
}

/* The port is ours whether or not we can use it. */
static NTSTATUS adopt_or_close(evtchn_port_t port, const struct event_target *target)
{
    NTSTATUS status = event_adopt(port, target);

    if (!NT_SUCCESS(status))
        close_port(port);
    return status;
}

NTSTATUS event_open(domid_t domain, const struct event_target *target, evtchn_port_t *port)
{
    struct evtchn_alloc_unbound allocate;
    NTSTATUS status;

    RtlZeroMemory(&allocate, sizeof(allocate));
    allocate.dom = DOMID_SELF;
    allocate.remote_dom = domain;
    status = xen_status(xen_event_channel_op(EVTCHNOP_alloc_unbound, &allocate));
    if (!NT_SUCCESS(status))
        return status;
    *port = allocate.port;
    return adopt_or_close(allocate.port, target);
}

NTSTATUS event_bind(domid_t domain, evtchn_port_t remote, const struct event_target *target, evtchn_port_t *port)
{
    struct evtchn_bind_interdomain bind;
    NTSTATUS status;

    RtlZeroMemory(&bind, sizeof(bind));
    bind.remote_dom = domain;
    bind.remote_port = remote;
    status = xen_status(xen_event_channel_op(EVTCHNOP_bind_interdomain, &bind));
    if (!NT_SUCCESS(status))
        return status;
    *port = bind.local_port;
    return adopt_or_close(bind.local_port, target);
}

/* FALSE: the port is not the owner's, or not any more. */
static BOOLEAN forget(evtchn_port_t port, PVOID owner)
{
    struct channel *channel = &events.channels[port];
    BOOLEAN ours;
    KIRQL before;

    if (port >= PORTS)
        return FALSE;
    before = high_lock(&events.lock);
    ours = channel->open && channel->owner == owner;
    if (ours) {
        channel->open = FALSE;
        set_bit(events.shared->evtchn_mask, port);
        if (channel->fired)
            events.unclaimed--;
        channel->fired = FALSE;
    }
    high_unlock(&events.lock, before);
    return ours;
}

VOID event_disown(evtchn_port_t port, PVOID owner)
{
    if (forget(port, owner) && KeGetCurrentIrql() <= APC_LEVEL)
        wait_until_not(port);
}

VOID event_close(evtchn_port_t port, PVOID owner)
{
    if (!forget(port, owner))
        return;
    close_port(port);
    if (KeGetCurrentIrql() <= APC_LEVEL)
        wait_until_not(port);
}

VOID event_close_all(PVOID owner)
{
    evtchn_port_t port;

    for (port = 1; port < PORTS; port++)
        event_close(port, owner);
}

VOID event_notify(evtchn_port_t port)
{
    struct evtchn_send send;

    send.port = port;
    xen_event_channel_op(EVTCHNOP_send, &send);
}

/* An event that was not claimed before stays with the port, and does not hold the line so long. */
static VOID mask(evtchn_port_t port)
{
    struct channel *channel = &events.channels[port];
    KIRQL before;

    before = high_lock(&events.lock);
    set_bit(events.shared->evtchn_mask, port);
    if (channel->fired) {
        channel->fired = FALSE;
        events.unclaimed--;
        set_bit(events.shared->evtchn_pending, port);
    }
    high_unlock(&events.lock, before);
}

VOID event_mask(evtchn_port_t port, BOOLEAN masked)
{
    if (port >= PORTS)
        return;
    if (masked)
        mask(port);
    else
        unmask(port);
}

/* Xen looks at the pending bit when it takes the mask off, and makes the upcall. */
VOID event_raise(evtchn_port_t port)
{
    if (port >= PORTS)
        return;
    set_bit(events.shared->evtchn_mask, port);
    set_bit(events.shared->evtchn_pending, port);
    unmask(port);
}

BOOLEAN event_claim(evtchn_port_t port, PVOID owner)
{
    struct channel *channel = &events.channels[port];
    BOOLEAN fired;
    KIRQL before;

    if (port >= PORTS)
        return FALSE;
    /* On a line that many share, most are asked for nothing.  What comes after this look raises the line. */
    if (!channel->fired && events.shared->vcpu_info[0].evtchn_pending_sel == 0)
        return FALSE;
    before = high_lock(&events.lock);
    collect();
    fired = channel->open && channel->owner == owner && channel->fired;
    if (fired) {
        channel->fired = FALSE;
        events.unclaimed--;
        collect();
    }
    high_unlock(&events.lock, before);
    return fired;
}

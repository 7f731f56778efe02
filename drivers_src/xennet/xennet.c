/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The adapter: its life and state, packets as they come from NDIS, and events as they come from the back end. */
#include "xennet.h"

#define LINK_PATIENCE_100NS (-5 * 10 * 1000 * 1000)
#define PAUSE_100NS (-10000)

/* DISPATCH_LEVEL, without the lock. */
static VOID NTAPI timer_due(PKDPC dpc, PVOID context, PVOID unused, PVOID also_unused)
{
    struct xennet_adapter *adapter = context;

    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(unused);
    UNREFERENCED_PARAMETER(also_unused);
    xennet_lock(adapter);
    adapter->timer_set = FALSE;
    adapter->timer_running = TRUE;
    xennet_unlock(adapter);
    xennet_rx_run(adapter); /* which may set it again */
    xennet_lock(adapter);
    adapter->timer_running = FALSE;
    xennet_unlock(adapter);
}

VOID xennet_setup(struct xennet_adapter *adapter, NDIS_HANDLE handle, ULONG driver_version)
{
    adapter->handle = handle;
    adapter->driver_version = driver_version;
    adapter->media = NdisMediaStateDisconnected;
    adapter->rx.ready_end = &adapter->rx.ready;
    adapter->rx.frames = &adapter->rx.pages;
    NdisAllocateSpinLock(&adapter->lock);
    KeInitializeEvent(&adapter->tried, NotificationEvent, FALSE);
    KeInitializeTimer(&adapter->timer);
    KeInitializeDpc(&adapter->timer_dpc, timer_due, adapter);
    xennet_hang_init(adapter);
    xennet_list_oids(adapter);
}

VOID xennet_cleanup(struct xennet_adapter *adapter)
{
    NdisFreeSpinLock(&adapter->lock);
}

VOID xennet_set_state(struct xennet_adapter *adapter, enum xennet_state state)
{
    GPLPV_DEBUG(("adapter %p: state %d -> %d\n", adapter, adapter->state, state));
    adapter->state = state;
}

VOID xennet_lock(struct xennet_adapter *adapter)
{
    NdisAcquireSpinLock(&adapter->lock);
}

VOID xennet_unlock(struct xennet_adapter *adapter)
{
    struct xennet_packet *done = adapter->tx.done;

    adapter->tx.done = NULL;
    NdisReleaseSpinLock(&adapter->lock);
    if (done != NULL) {
        xennet_port_sent(adapter, done);
    }
}

VOID xennet_break(struct xennet_adapter *adapter)
{
    GPLPV_DEBUG(("adapter %p: the back end has broken the rings\n", adapter));
    adapter->broken = TRUE;
    xennet_set_state(adapter, XENNET_CLOSING);
    xennet_tx_drop(adapter, XENNET_NO_LINK, NULL);
    adapter->xen.wake(adapter->xen.context);
}

static BOOLEAN has_rings(const struct xennet_adapter *adapter)
{
    return !adapter->broken && (adapter->state == XENNET_CONNECTED || adapter->state == XENNET_CLOSING);
}

static VOID look_at_tx(struct xennet_adapter *adapter)
{
    if (!has_rings(adapter)) {
        return;
    }
    if (!xennet_txring_poll(adapter)) {
        xennet_break(adapter);
        return;
    }
    xennet_tx_pump(adapter);
    if (adapter->state == XENNET_CLOSING) {
        adapter->xen.wake(adapter->xen.context);
    }
}

static enum xennet_outcome refusal(const struct xennet_adapter *adapter)
{
    if (adapter->removed || !adapter->running) {
        return XENNET_STOPPED;
    }
    return adapter->state == XENNET_CONNECTED || adapter->state == XENNET_SUSPENDED ? XENNET_SENT : XENNET_NO_LINK;
}

static VOID enqueue(struct xennet_tx *tx, struct xennet_packet *packet)
{
    packet->next = NULL;
    if (tx->first == NULL) {
        tx->first = packet;
    } else {
        tx->last->next = packet;
    }
    tx->last = packet;
}

VOID xennet_send(struct xennet_adapter *adapter, struct xennet_packet *first)
{
    enum xennet_outcome refused;
    struct xennet_packet *next;

    xennet_lock(adapter);
    refused = refusal(adapter);
    for (; first != NULL; first = next) {
        next = first->next;
        first->pending = 0;
        first->sent = FALSE;
        first->data = 0;
        first->outcome = XENNET_SENT;
        if (refused != XENNET_SENT) {
            xennet_tx_finish(adapter, first, refused);
        } else {
            enqueue(&adapter->tx, first);
        }
    }
    look_at_tx(adapter);
    xennet_unlock(adapter);
}

VOID xennet_event(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    look_at_tx(adapter);
    xennet_unlock(adapter);
    xennet_rx_run(adapter);
}

VOID xennet_reset(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;

    xennet_event(adapter);
    xennet_lock(adapter);
    xennet_tx_drop(adapter, XENNET_ABORTED, NULL);
    if (has_rings(adapter)) {
        xen->event_notify(xen->context, adapter->link.port);
    }
    xennet_unlock(adapter);
}

VOID xennet_cancel(struct xennet_adapter *adapter, PVOID id)
{
    xennet_lock(adapter);
    xennet_tx_drop(adapter, XENNET_ABORTED, id);
    xennet_unlock(adapter);
}

VOID xennet_silence(struct xennet_adapter *adapter, BOOLEAN removed)
{
    adapter->running = FALSE;
    if (removed) {
        adapter->removed = TRUE;
    }
}

VOID xennet_run(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    adapter->running = !adapter->removed;
    xennet_unlock(adapter);
}

static BOOLEAN is_quiet(struct xennet_adapter *adapter)
{
    const struct xennet_buffers *buffers = &adapter->rx.buffers;
    BOOLEAN quiet;

    xennet_lock(adapter);
    quiet = !adapter->rx.busy && adapter->tx.flying == 0 && adapter->tx.first == NULL &&
            buffers->available == buffers->count;
    xennet_unlock(adapter);
    return quiet;
}

VOID xennet_sleep(VOID)
{
    LARGE_INTEGER interval;

    interval.QuadPart = PAUSE_100NS;
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

VOID xennet_quiesce(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    adapter->running = FALSE;
    xennet_tx_drop(adapter, XENNET_STOPPED, NULL);
    xennet_unlock(adapter);
    while (!is_quiet(adapter)) {
        xennet_sleep();
    }
}

/* xenpci's callbacks: PASSIVE_LEVEL, one at a time. */

static VOID NTAPI changed(PVOID argument)
{
    struct xennet_adapter *adapter = argument;

    if (adapter->stopping) {
        return;
    }
    if (!adapter->begun) {
        xennet_connection_start(adapter);
    } else if (adapter->hang.found) {
        adapter->hang.found = FALSE;
        xennet_connection_restart(adapter);
    } else {
        xennet_connection_changed(adapter);
    }
    if (adapter->state == XENNET_CONNECTED || adapter->front == XenbusStateClosed) {
        KeSetEvent(&adapter->tried, IO_NO_INCREMENT, FALSE);
    }
}

static VOID NTAPI suspend(PVOID argument)
{
    xennet_connection_suspend(argument);
}

static VOID NTAPI resume(PVOID argument, BOOLEAN lost)
{
    xennet_connection_resume(argument, lost);
}

static VOID NTAPI stop(PVOID argument)
{
    xennet_connection_stop(argument);
}

static VOID NTAPI start(PVOID argument)
{
    xennet_connection_start(argument);
}

static const struct xenpci_child callbacks = { changed, suspend, resume, stop, start };

NDIS_STATUS xennet_start(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    LARGE_INTEGER patience;
    NDIS_STATUS status = xennet_buffers_allocate(adapter);

    if (status != NDIS_STATUS_SUCCESS) {
        return status;
    }
    if (!NT_SUCCESS(xennet_link_allocate(adapter))) {
        xennet_buffers_free(adapter);
        return NDIS_STATUS_RESOURCES;
    }
    if (!NT_SUCCESS(xen->attach(xen->context, &callbacks, adapter))) {
        xennet_link_free(adapter);
        xennet_buffers_free(adapter);
        return NDIS_STATUS_FAILURE;
    }
    xen->wake(xen->context);
    patience.QuadPart = LINK_PATIENCE_100NS;
    KeWaitForSingleObject(&adapter->tried, Executive, KernelMode, FALSE, &patience);
    return NDIS_STATUS_SUCCESS;
}

/* The timers' routines may be about to run, or be running. */
static VOID stop_timers(struct xennet_adapter *adapter)
{
    BOOLEAN set;

    if (KeCancelTimer(&adapter->timer)) {
        adapter->timer_set = FALSE;
    }
    if (KeCancelTimer(&adapter->hang.timer)) {
        adapter->hang.set = FALSE;
    }
    do {
        xennet_lock(adapter);
        set = adapter->timer_set || adapter->timer_running || adapter->hang.set;
        xennet_unlock(adapter);
        if (set) {
            xennet_sleep();
        }
    } while (set);
}

VOID xennet_stop(struct xennet_adapter *adapter)
{
    adapter->xen.detach(adapter->xen.context);
    adapter->telling = FALSE;
    if (!adapter->stopping) {
        xennet_connection_stop(adapter);
    }
    xennet_quiesce(adapter);
    stop_timers(adapter);
    xennet_link_free(adapter);
    xennet_buffers_free(adapter);
}

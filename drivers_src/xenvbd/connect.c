/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The front end's half of the connection (blkif.h, state diagrams). xenpci's thread calls it at PASSIVE_LEVEL, one call
 * at a time; it looks at the back end's state afresh, so that it does not matter which change it was called for, nor
 * whether several came at once. What touches requests is a routine of its own, which the port driver's half runs where
 * nothing else touches them: those are the ones with a second parameter.
 */
#include "xenvbd.h"

#define ATTEMPTS_MAX 3
#define CLOSE_TIMEOUT_MS 10000 /* a back end that takes longer to let go is not waited for */

#define STATE(state) (1 << XenbusState##state)

static VOID set_front(struct xenvbd_adapter *adapter, enum xenbus_state state)
{
    GPLPV_DEBUG(("adapter %p: front end %d -> %d\n", adapter, adapter->front, state));
    adapter->front = state;
    adapter->xen->frontend_set_state(adapter->xen->context, state);
}

/* The unit goes: nothing new is taken. What the back end has is answered, or ended by `drop`. */
static VOID retire(struct xenvbd_adapter *adapter, PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    if (adapter->state == XENVBD_CONNECTED) {
        xenvbd_set_state(adapter, XENVBD_CLOSING);
        xenvbd_requests_close(adapter);
    }
}

/* The back end is gone, and touches nothing of ours any more. */
static VOID drop(struct xenvbd_adapter *adapter, PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    adapter->broken = FALSE;
    if (adapter->state != XENVBD_DISCONNECTED) {
        xenvbd_set_state(adapter, XENVBD_DISCONNECTED);
        xenvbd_requests_end(adapter, SRB_STATUS_NO_DEVICE);
        xenvbd_port_units_changed(adapter);
    }
}

/* A ring that is broken is not waited for: what is in it ends when the back end has closed. */
static VOID is_idle(struct xenvbd_adapter *adapter, PVOID context)
{
    PBOOLEAN idle = context;

    *idle = adapter->broken || (IsListEmpty(&adapter->flying) && IsListEmpty(&adapter->waiting));
}

struct description {
    struct xenvbd_disk disk;
    enum xenvbd_flush flush;
};

/* SRBs that waited for an exchanged back end go on, if it has the same disk. */
static VOID bring_up(struct xenvbd_adapter *adapter, PVOID context)
{
    const struct description *new = context;
    BOOLEAN same = adapter->state == XENVBD_SUSPENDED && adapter->disk.block_size == new->disk.block_size &&
                   adapter->disk.device_type == new->disk.device_type;

    if (same) {
        xenvbd_requests_rewind(adapter);
        xenvbd_disk_resize(adapter, &new->disk);
    } else {
        xenvbd_requests_end(adapter, SRB_STATUS_NO_DEVICE);
    }
    adapter->disk = new->disk;
    adapter->flush = new->flush;
    xenvbd_set_state(adapter, XENVBD_CONNECTED);
    xenvbd_pump(adapter);
    if (!same) {
        xenvbd_port_units_changed(adapter);
    }
}

static VOID resize(struct xenvbd_adapter *adapter, PVOID context)
{
    const struct description *new = context;

    xenvbd_disk_resize(adapter, &new->disk);
}

/* A back end that is still being exchanged since the last time goes on being so. */
static VOID suspend(struct xenvbd_adapter *adapter, PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    if (adapter->state != XENVBD_DISCONNECTED) {
        adapter->state_before_suspend = adapter->state;
        xenvbd_set_state(adapter, XENVBD_SUSPENDED);
    }
}

static VOID carry_on(struct xenvbd_adapter *adapter, PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    if (adapter->state == XENVBD_SUSPENDED) {
        xenvbd_set_state(adapter, adapter->state_before_suspend);
        xenvbd_event(adapter);
    }
}

static VOID reset(struct xenvbd_adapter *adapter, PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    xenvbd_reset(adapter);
}

static VOID drop_link(struct xenvbd_adapter *adapter)
{
    xenvbd_port_synchronize(adapter, drop, NULL);
    xenvbd_link_close(adapter);
}

static VOID back_is_gone(struct xenvbd_adapter *adapter)
{
    drop_link(adapter);
    if (adapter->front != XenbusStateClosed) {
        set_front(adapter, XenbusStateClosed);
    }
}

/* The back end has offered what it can. */
static VOID publish(struct xenvbd_adapter *adapter)
{
    if (adapter->attempts++ < ATTEMPTS_MAX && NT_SUCCESS(xenvbd_link_open(adapter))) {
        set_front(adapter, XenbusStateInitialised);
    } else {
        GPLPV_DEBUG(("adapter %p: no connection after %u attempts\n", adapter, adapter->attempts));
        back_is_gone(adapter);
    }
}

/* The back end waits to be told of a ring. If it had one of ours, it has forgotten it. */
static VOID back_is_starting(struct xenvbd_adapter *adapter, enum xenbus_state back)
{
    if (adapter->stopping) {
        back_is_gone(adapter);
        return;
    }
    if (adapter->front != XenbusStateInitialising && adapter->front != XenbusStateInitialised) {
        drop_link(adapter);
        set_front(adapter, XenbusStateInitialising);
    }
    if (adapter->front == XenbusStateInitialising && back != XenbusStateInitialising) {
        publish(adapter);
    }
}

/* The back end has mapped the ring and described the disk, for the first time or again. */
static VOID back_is_connected(struct xenvbd_adapter *adapter)
{
    struct description new;

    if (adapter->front == XenbusStateClosing || adapter->front == XenbusStateClosed) {
        return;
    }
    if (adapter->front == XenbusStateInitialising || adapter->broken || /* it is connected to a predecessor of ours */
        !NT_SUCCESS(xenvbd_disk_read(adapter, &new.disk, &new.flush))) {
        set_front(adapter, XenbusStateClosing);
        return;
    }
    if (adapter->front == XenbusStateInitialised) {
        adapter->attempts = 0;
        xenvbd_port_synchronize(adapter, bring_up, &new);
        set_front(adapter, XenbusStateConnected);
    } else {
        xenvbd_port_synchronize(adapter, resize, &new);
    }
}

/* It may still be using the ring and whatever is in it: that lasts until it has closed. */
static VOID back_is_closing(struct xenvbd_adapter *adapter)
{
    BOOLEAN idle;

    if (adapter->front == XenbusStateClosed) {
        return;
    }
    xenvbd_port_synchronize(adapter, retire, NULL);
    xenvbd_port_synchronize(adapter, is_idle, &idle);
    if (idle) {
        set_front(adapter, XenbusStateClosed);
    } else if (adapter->front != XenbusStateClosing) {
        set_front(adapter, XenbusStateClosing);
    }
}

/* Closed for good, unless the toolstack still has the device. */
static VOID back_is_closed(struct xenvbd_adapter *adapter)
{
    back_is_gone(adapter);
    if (!adapter->stopping && adapter->attempts < ATTEMPTS_MAX &&
        xenvbd_node_ulong(adapter, XENPCI_BACKEND, "online", 0) != 0) {
        set_front(adapter, XenbusStateInitialising);
    }
}

VOID xenvbd_connection_changed(struct xenvbd_adapter *adapter)
{
    enum xenbus_state back = adapter->xen->backend_state(adapter->xen->context);

    if (adapter->reset_wanted) {
        adapter->reset_wanted = FALSE;
        xenvbd_port_synchronize(adapter, reset, NULL);
    }
    xenvbd_refs_grow(adapter);
    GPLPV_DEBUG(("adapter %p: front end %d, back end %d\n", adapter, adapter->front, back));
    switch (back) {
    case XenbusStateInitialising:
    case XenbusStateInitWait:
    case XenbusStateInitialised:
        back_is_starting(adapter, back);
        break;

    case XenbusStateConnected:
        back_is_connected(adapter);
        break;

    case XenbusStateClosing:
        back_is_closing(adapter);
        break;

    case XenbusStateClosed:
        back_is_closed(adapter);
        break;

    case XenbusStateUnknown:
        back_is_gone(adapter);
        break;

    default:
        break;
    }
}

VOID xenvbd_connection_start(struct xenvbd_adapter *adapter)
{
    adapter->stopping = FALSE;
    adapter->attempts = 0;
    adapter->front = (enum xenbus_state)xenvbd_node_ulong(adapter, XENPCI_FRONTEND, "state", XenbusStateUnknown);
    if (adapter->front == XenbusStateInitialised || adapter->front == XenbusStateConnected) {
        set_front(adapter, XenbusStateClosing); /* a predecessor of ours has left it so */
    }
    xenvbd_connection_changed(adapter);
}

VOID xenvbd_connection_stop(struct xenvbd_adapter *adapter)
{
    const struct xenpci_interface *xen = adapter->xen;
    enum xenbus_state back;

    adapter->stopping = TRUE;
    xenvbd_port_synchronize(adapter, retire, NULL);
    if (adapter->link.open) {
        set_front(adapter, XenbusStateClosing);
        xen->backend_wait(xen->context,
                          STATE(Initialising) | STATE(InitWait) | STATE(Closing) | STATE(Closed), CLOSE_TIMEOUT_MS,
                          &back);
        set_front(adapter, XenbusStateClosed);
        xen->backend_wait(xen->context, STATE(Initialising) | STATE(InitWait) | STATE(Closed), CLOSE_TIMEOUT_MS,
                          &back);
    }
    back_is_gone(adapter);
    xenvbd_link_free(adapter);
}

VOID xenvbd_connection_suspend(struct xenvbd_adapter *adapter)
{
    xenvbd_port_synchronize(adapter, suspend, NULL);
}

VOID xenvbd_connection_resume(struct xenvbd_adapter *adapter, BOOLEAN lost)
{
    if (!lost) {
        xenvbd_port_synchronize(adapter, carry_on, NULL);
        return;
    }
    adapter->link.port = 0; /* it is closed */
    adapter->broken = FALSE;
    xenvbd_link_close(adapter);
    xenvbd_connection_start(adapter);
}

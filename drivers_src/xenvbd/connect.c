/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The front end's half of the connection (blkif.h, state diagrams). All of it runs at PASSIVE_LEVEL, one call at a time,
 * and looks at both states in xenstore afresh, so that it does not matter which change it was called for, nor whether
 * several came at once.
 */
#include "xenvbd.h"

#define ATTEMPTS_MAX 3
#define STOP_POLL_MS 10
#define STOP_POLLS 1000 /* a back end that takes longer than 10 s to let go is not waited for */

static enum xenbus_state state_of(struct xenvbd_adapter *adapter, enum xenvbd_end end)
{
    return (enum xenbus_state)xenvbd_bus_number(adapter, end, "state", XenbusStateUnknown);
}

static VOID write_state(struct xenvbd_adapter *adapter, enum xenbus_state state)
{
    CHAR text[2];

    text[0] = (CHAR)('0' + state);
    text[1] = 0;
    GPLPV_DEBUG(("adapter %p: front end %d -> %d\n", adapter, adapter->front, state));
    adapter->front = state;
    xenvbd_bus_write(adapter, "state", text);
}

/* The unit is no more: nothing new is taken. What the back end has is answered, or ended by drop_link. */
static VOID retire_unit(struct xenvbd_adapter *adapter)
{
    xenvbd_port_lock(adapter);
    if (adapter->state == XENVBD_CONNECTED) {
        xenvbd_set_state(adapter, XENVBD_CLOSING);
        xenvbd_requests_close(adapter);
    }
    xenvbd_port_unlock(adapter);
}

/* The back end touches nothing of ours any more. */
static VOID drop_link(struct xenvbd_adapter *adapter)
{
    BOOLEAN had_unit;

    xenvbd_port_lock(adapter);
    had_unit = adapter->state == XENVBD_CONNECTED || adapter->state == XENVBD_CLOSING;
    if (had_unit) {
        xenvbd_set_state(adapter, XENVBD_DISCONNECTED);
        xenvbd_requests_end(adapter, SRB_STATUS_NO_DEVICE);
    }
    xenvbd_port_unlock(adapter);
    xenvbd_link_close(adapter);
    if (had_unit) {
        xenvbd_port_units_changed(adapter);
    }
}

static BOOLEAN is_idle(struct xenvbd_adapter *adapter)
{
    BOOLEAN idle;

    xenvbd_port_lock(adapter);
    idle = adapter->broken || (IsListEmpty(&adapter->flying) && IsListEmpty(&adapter->waiting));
    xenvbd_port_unlock(adapter);
    return idle;
}

static VOID back_is_gone(struct xenvbd_adapter *adapter)
{
    drop_link(adapter);
    if (adapter->front != XenbusStateClosed) {
        write_state(adapter, XenbusStateClosed);
    }
}

/* No link, or none that a back end ever saw. */
static VOID give_up(struct xenvbd_adapter *adapter)
{
    xenvbd_link_close(adapter);
    write_state(adapter, XenbusStateClosed);
}

/* The back end has offered what it can. */
static VOID publish(struct xenvbd_adapter *adapter)
{
    if (adapter->attempts++ >= ATTEMPTS_MAX) {
        GPLPV_DEBUG(("adapter %p: the back end never connects\n", adapter));
        give_up(adapter);
    } else if (NT_SUCCESS(xenvbd_link_open(adapter))) {
        write_state(adapter, XenbusStateInitialised);
    } else {
        give_up(adapter);
    }
}

/* The back end has mapped the ring and described the disk. */
static VOID bring_up(struct xenvbd_adapter *adapter)
{
    struct xenvbd_disk disk;
    enum xenvbd_flush flush;
    BOOLEAN resumed;

    if (!NT_SUCCESS(xenvbd_disk_read(adapter, &disk, &flush))) {
        write_state(adapter, XenbusStateClosing);
        return;
    }
    adapter->attempts = 0;
    xenvbd_port_lock(adapter);
    resumed = adapter->state == XENVBD_SUSPENDED && adapter->disk.block_size == disk.block_size;
    if (resumed) {
        xenvbd_disk_resize(adapter, &disk);
    } else {
        xenvbd_requests_end(adapter, SRB_STATUS_NO_DEVICE);
    }
    adapter->disk = disk;
    adapter->flush = flush;
    adapter->broken = FALSE;
    xenvbd_set_state(adapter, XENVBD_CONNECTED);
    xenvbd_pump(adapter);
    xenvbd_port_unlock(adapter);
    write_state(adapter, XenbusStateConnected);
    if (!resumed) {
        xenvbd_port_units_changed(adapter);
    }
}

static VOID update_unit(struct xenvbd_adapter *adapter)
{
    struct xenvbd_disk disk;
    enum xenvbd_flush flush;

    if (NT_SUCCESS(xenvbd_disk_read(adapter, &disk, &flush))) {
        xenvbd_port_lock(adapter);
        xenvbd_disk_resize(adapter, &disk);
        xenvbd_port_unlock(adapter);
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
        write_state(adapter, XenbusStateInitialising);
    }
    if (adapter->front == XenbusStateInitialising && back != XenbusStateInitialising) {
        publish(adapter);
    }
}

static VOID back_is_connected(struct xenvbd_adapter *adapter)
{
    switch (adapter->front) {
    case XenbusStateInitialised:
        bring_up(adapter);
        break;

    case XenbusStateConnected:
        if (adapter->broken) {
            write_state(adapter, XenbusStateClosing);
        } else {
            update_unit(adapter);
        }
        break;

    case XenbusStateInitialising: /* it is connected to somebody who was here before us */
        write_state(adapter, XenbusStateClosing);
        break;

    default:
        break;
    }
}

/* It may still be using the ring and whatever is in it: that lasts until it has closed. */
static VOID back_is_closing(struct xenvbd_adapter *adapter)
{
    retire_unit(adapter);
    if (adapter->front == XenbusStateClosed) {
        return;
    }
    if (is_idle(adapter)) {
        write_state(adapter, XenbusStateClosed);
    } else if (adapter->front != XenbusStateClosing) {
        write_state(adapter, XenbusStateClosing);
    }
}

/* Closed for good, unless the toolstack still has the device. */
static VOID back_is_closed(struct xenvbd_adapter *adapter)
{
    back_is_gone(adapter);
    if (!adapter->stopping && adapter->attempts < ATTEMPTS_MAX && xenvbd_bus_number(adapter, XENVBD_BACK, "online", 0) != 0) {
        write_state(adapter, XenbusStateInitialising);
    }
}

VOID xenvbd_connection_changed(struct xenvbd_adapter *adapter)
{
    enum xenbus_state back = state_of(adapter, XENVBD_BACK);

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
    adapter->attempts = 0;
    adapter->front = state_of(adapter, XENVBD_FRONT);
    if (adapter->front == XenbusStateInitialised || adapter->front == XenbusStateConnected) {
        write_state(adapter, XenbusStateClosing);
    }
    xenvbd_connection_changed(adapter);
}

VOID xenvbd_connection_suspend(struct xenvbd_adapter *adapter)
{
    if (adapter->state == XENVBD_CONNECTED) {
        xenvbd_set_state(adapter, XENVBD_SUSPENDED);
    }
}

VOID xenvbd_connection_continue(struct xenvbd_adapter *adapter)
{
    if (adapter->state == XENVBD_SUSPENDED) {
        xenvbd_set_state(adapter, XENVBD_CONNECTED);
        xenvbd_event(adapter);
    }
}

VOID xenvbd_connection_resume(struct xenvbd_adapter *adapter)
{
    xenvbd_port_lock(adapter);
    if (adapter->state == XENVBD_SUSPENDED) {
        xenvbd_requests_rewind(adapter);
    }
    xenvbd_port_unlock(adapter);
    if (adapter->state == XENVBD_CLOSING) {
        drop_link(adapter);
    }
    xenvbd_link_close(adapter);
    xenvbd_connection_start(adapter);
}

VOID xenvbd_connection_stop(struct xenvbd_adapter *adapter)
{
    ULONG polls;

    adapter->stopping = TRUE;
    retire_unit(adapter);
    if (adapter->front == XenbusStateInitialised || adapter->front == XenbusStateConnected) {
        write_state(adapter, XenbusStateClosing);
    }
    for (polls = 0; adapter->link.open && polls < STOP_POLLS; polls++) {
        xenvbd_connection_changed(adapter);
        if (adapter->link.open) {
            xenvbd_bus_sleep(STOP_POLL_MS);
        }
    }
    back_is_gone(adapter);
}

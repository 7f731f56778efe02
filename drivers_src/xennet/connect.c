/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The front end's half of the connection. xenpci's thread calls it at PASSIVE_LEVEL, one call at a time; it looks at
 * the back end's state afresh, so that it does not matter which change it was called for, nor whether several came at
 * once. A network front end is Connected as soon as it has told of its rings, before the back end is.
 */
#include "flip.h"

#define ATTEMPTS_MAX 3
#define CLOSE_TIMEOUT_MS 10000 /* a back end that takes longer to let go is not waited for */

#define STATE(state) (1 << XenbusState##state)

static NTSTATUS set_front(struct xennet_adapter *adapter, enum xenbus_state state)
{
    GPLPV_DEBUG(("adapter %p: front end %d -> %d\n", adapter, adapter->front, state));
    adapter->front = state;
    return adapter->xen.frontend_set_state(adapter->xen.context, state);
}

/* Nothing new is sent. What the back end has is answered, or ended by `drop`. */
static VOID retire(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    if (adapter->state == XENNET_CONNECTED) {
        xennet_set_state(adapter, XENNET_CLOSING);
        xennet_tx_drop(adapter, XENNET_NO_LINK, NULL);
    }
    xennet_unlock(adapter);
}

/* The back end is gone, and touches nothing of ours any more. */
static VOID drop(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    adapter->broken = FALSE;
    if (adapter->state != XENNET_DISCONNECTED) {
        xennet_set_state(adapter, XENNET_DISCONNECTED);
        xennet_tx_abandon(adapter);
        xennet_tx_drop(adapter, XENNET_NO_LINK, NULL);
    }
    xennet_unlock(adapter);
}

/* Rings that are broken are not waited for: what is in them ends when the back end has closed. */
static BOOLEAN is_idle(struct xennet_adapter *adapter)
{
    BOOLEAN idle;

    xennet_lock(adapter);
    idle = adapter->broken || (adapter->tx.flying == 0 && adapter->tx.first == NULL);
    xennet_unlock(adapter);
    return idle;
}

/* Packets that waited for an exchanged back end go on. Whatever came before this had nobody to look at it. */
static VOID bring_up(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    xennet_set_state(adapter, XENNET_CONNECTED);
    xennet_unlock(adapter);
    xennet_event(adapter);
}

static VOID drop_link(struct xennet_adapter *adapter)
{
    drop(adapter);
    xennet_link_close(adapter);
}

static VOID back_is_gone(struct xennet_adapter *adapter)
{
    drop_link(adapter);
    if (adapter->front != XenbusStateClosed) {
        set_front(adapter, XenbusStateClosed);
    }
}

/* The back end has offered what it can. xenpci refuses the state if Windows is left with the emulated network. */
static VOID publish(struct xennet_adapter *adapter)
{
    if (adapter->attempts++ >= ATTEMPTS_MAX || !NT_SUCCESS(xennet_link_open(adapter)) ||
        !NT_SUCCESS(set_front(adapter, XenbusStateConnected))) {
        GPLPV_DEBUG(("adapter %p: no connection after %u attempts\n", adapter, adapter->attempts));
        back_is_gone(adapter);
    }
}

/* Whether the back end has had rings of ours, and so has forgotten them if it starts. */
static BOOLEAN was_connected(const struct xennet_adapter *adapter)
{
    return adapter->state == XENNET_CONNECTED || adapter->state == XENNET_CLOSING;
}

/* The back end waits to be told of rings. */
static VOID back_is_starting(struct xennet_adapter *adapter, enum xenbus_state back)
{
    if (adapter->stopping) {
        back_is_gone(adapter);
        return;
    }
    if (adapter->front != XenbusStateInitialising && (!adapter->link.open || was_connected(adapter))) {
        drop_link(adapter);
        set_front(adapter, XenbusStateInitialising);
    }
    if (adapter->front == XenbusStateInitialising && back != XenbusStateInitialising) {
        publish(adapter);
    }
}

/* The back end has mapped the rings. */
static VOID back_is_connected(struct xennet_adapter *adapter)
{
    if (adapter->front == XenbusStateClosing || adapter->front == XenbusStateClosed) {
        return;
    }
    if (!adapter->link.open || adapter->broken) { /* it is connected to a predecessor of ours */
        set_front(adapter, XenbusStateClosing);
        return;
    }
    if (adapter->state != XENNET_CONNECTED) {
        adapter->attempts = 0;
        bring_up(adapter);
    }
}

/* It may still be using the rings and whatever is in them: that lasts until it has closed. */
static VOID back_is_closing(struct xennet_adapter *adapter)
{
    if (adapter->front == XenbusStateClosed) {
        return;
    }
    retire(adapter);
    if (is_idle(adapter)) {
        set_front(adapter, XenbusStateClosed);
    } else if (adapter->front != XenbusStateClosing) {
        set_front(adapter, XenbusStateClosing);
    }
}

/* Closed for good, unless the toolstack still has the device. */
static VOID back_is_closed(struct xennet_adapter *adapter)
{
    back_is_gone(adapter);
    if (!adapter->stopping && adapter->attempts < ATTEMPTS_MAX &&
        xennet_node(adapter, XENPCI_BACKEND, "online", 0) != 0) {
        set_front(adapter, XenbusStateInitialising);
    }
}

static VOID follow(struct xennet_adapter *adapter, enum xenbus_state back)
{
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

VOID xennet_connection_changed(struct xennet_adapter *adapter)
{
    enum xenbus_state back = adapter->xen.backend_state(adapter->xen.context);

    GPLPV_DEBUG(("adapter %p: front end %d, back end %d\n", adapter, adapter->front, back));
    follow(adapter, back);
    xennet_media_update(adapter);
}

/* What else tells of the link; without them it is taken for good. */
static VOID watch(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;

    if (adapter->watches[0] == NULL) {
        xen->watch_add(xen->context, XENPCI_BACKEND, "carrier", NULL, NULL, &adapter->watches[0]);
    }
    if (adapter->watches[1] == NULL) {
        xen->watch_add(xen->context, XENPCI_FRONTEND, "disconnect", NULL, NULL, &adapter->watches[1]);
    }
}

static VOID unwatch(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(adapter->watches); i++) {
        if (adapter->watches[i] != NULL) {
            xen->watch_remove(xen->context, adapter->watches[i]);
            adapter->watches[i] = NULL;
        }
    }
}

VOID xennet_connection_start(struct xennet_adapter *adapter)
{
    adapter->begun = TRUE;
    adapter->stopping = FALSE;
    adapter->attempts = 0;
    watch(adapter);
    adapter->front = (enum xenbus_state)xennet_node(adapter, XENPCI_FRONTEND, "state", XenbusStateUnknown);
    if (adapter->front == XenbusStateInitialised || adapter->front == XenbusStateConnected) {
        set_front(adapter, XenbusStateClosing); /* a predecessor of ours has left it so */
    }
    xennet_connection_changed(adapter);
}

VOID xennet_connection_stop(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    enum xenbus_state back;

    adapter->stopping = TRUE;
    unwatch(adapter);
    retire(adapter);
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
    xennet_media_update(adapter);
}

VOID xennet_connection_restart(struct xennet_adapter *adapter)
{
    xennet_connection_stop(adapter);
    xennet_connection_start(adapter);
}

/* A back end that is still being exchanged since the last time goes on being so. */
VOID xennet_connection_suspend(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    if (adapter->state != XENNET_DISCONNECTED) {
        adapter->state_before_suspend = adapter->state;
        xennet_set_state(adapter, XENNET_SUSPENDED);
    }
    xennet_unlock(adapter);
    xennet_flip_withdraw(adapter); /* what came by a grant could not be told in another domain */
}

static VOID carry_on(struct xennet_adapter *adapter)
{
    BOOLEAN suspended;

    xennet_lock(adapter);
    suspended = adapter->state == XENNET_SUSPENDED;
    if (suspended) {
        xennet_set_state(adapter, adapter->state_before_suspend);
    }
    if (adapter->link.open) {
        xennet_flip_renew(adapter);
    }
    xennet_unlock(adapter);
    if (suspended) {
        xennet_event(adapter);
    }
}

/* The old back end has answered nothing since the suspend, and never will. */
static VOID forget(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    adapter->broken = FALSE;
    xennet_tx_abandon(adapter);
    xennet_unlock(adapter);
    xennet_flip_forget(adapter);
    adapter->link.port = 0; /* it is closed */
    xennet_link_close(adapter);
}

VOID xennet_connection_resume(struct xennet_adapter *adapter, BOOLEAN lost)
{
    if (!lost) {
        carry_on(adapter);
        return;
    }
    forget(adapter);
    xennet_media_update(adapter); /* the link goes down: Windows announces its addresses to the new network */
    xennet_connection_start(adapter);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A back end that has packets and answers none of them for half a minute is not waited for: the connection is closed and
 * made anew, so that the packets come back to NDIS, which cannot pause, unbind or put the adapter to sleep before.
 */
#include "xennet.h"

#define INTERVAL_100NS (-5 * 10 * 1000 * 1000)
#define INTERVALS 6 /* without an answer */

static BOOLEAN is_waiting(const struct xennet_adapter *adapter)
{
    return adapter->tx.flying != 0 && !adapter->broken &&
           (adapter->state == XENNET_CONNECTED || adapter->state == XENNET_CLOSING);
}

VOID xennet_hang_watch(struct xennet_adapter *adapter)
{
    struct xennet_hang *hang = &adapter->hang;
    LARGE_INTEGER interval;

    if (!hang->set) {
        hang->set = TRUE;
        interval.QuadPart = INTERVAL_100NS;
        KeSetTimer(&hang->timer, interval, &hang->dpc);
    }
}

/* DISPATCH_LEVEL, with the lock. */
static VOID look(struct xennet_adapter *adapter)
{
    struct xennet_hang *hang = &adapter->hang;
    BOOLEAN silent = is_waiting(adapter) && adapter->tx.ring.rsp_cons == hang->position;

    hang->position = adapter->tx.ring.rsp_cons;
    hang->intervals = silent ? hang->intervals + 1 : 0;
    if (hang->intervals >= INTERVALS) {
        GPLPV_DEBUG(("adapter %p: the back end answers no more\n", adapter));
        hang->intervals = 0;
        hang->found = TRUE;
        adapter->xen.wake(adapter->xen.context);
    }
    if (adapter->tx.flying != 0) {
        xennet_hang_watch(adapter);
    }
}

/* DISPATCH_LEVEL, without the lock. */
static VOID NTAPI due(PKDPC dpc, PVOID context, PVOID unused, PVOID also_unused)
{
    struct xennet_adapter *adapter = context;

    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(unused);
    UNREFERENCED_PARAMETER(also_unused);
    xennet_lock(adapter);
    adapter->hang.set = FALSE;
    look(adapter);
    xennet_unlock(adapter);
}

VOID xennet_hang_init(struct xennet_adapter *adapter)
{
    KeInitializeTimer(&adapter->hang.timer);
    KeInitializeDpc(&adapter->hang.dpc, due, adapter);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of the link: up while there is a back end that moves frames and has a carrier (netif.h, "Link state"; no
 * such node: it has), and the toolstack has not taken the cable out ("disconnect" of the front end).
 */
#include "xennet.h"

VOID xennet_media_update(struct xennet_adapter *adapter)
{
    BOOLEAN plugged = xennet_node(adapter, XENPCI_BACKEND, "carrier", 1) != 0 &&
                      xennet_node(adapter, XENPCI_FRONTEND, "disconnect", 0) == 0;
    NDIS_MEDIA_STATE media;

    xennet_lock(adapter);
    media = adapter->state == XENNET_CONNECTED && plugged ? NdisMediaStateConnected : NdisMediaStateDisconnected;
    adapter->media = media;
    xennet_unlock(adapter);
    if (adapter->telling && adapter->told != media) {
        GPLPV_DEBUG(("adapter %p: the link is %s\n", adapter, media == NdisMediaStateConnected ? "up" : "down"));
        adapter->told = media;
        xennet_port_tell(adapter);
    }
}

VOID xennet_tell(struct xennet_adapter *adapter, NDIS_MEDIA_STATE told)
{
    const struct xenpci_interface *xen = &adapter->xen;

    adapter->told = told;
    adapter->telling = TRUE;
    xen->wake(xen->context); /* whatever has happened since is told by the one thread that tells */
}

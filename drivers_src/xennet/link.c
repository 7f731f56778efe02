/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is shared with a back end: the rings, the pages, the event channel, and the nodes in xenstore that tell the back
 * end of them. PASSIVE_LEVEL, by the one thread that looks after the connection.
 */
#include "flip.h"
#include <netevent.h>

#ifdef NDIS60_MINIPORT
VOID __cdecl NdisWriteErrorLogEntry(NDIS_HANDLE adapter, ULONG code, ULONG count, ...);
#endif

#define TRIES_MAX 100 /* of a transaction that others come between */

VOID xennet_log(struct xennet_adapter *adapter, ULONG code)
{
    NdisWriteErrorLogEntry(adapter->handle, code, 0);
}

NTSTATUS xennet_link_allocate(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_link *link = &adapter->link;
    NTSTATUS status;

    status = xennet_frames_allocate(adapter, &adapter->tx.frames, XENNET_TX_FRAMES_MIN);
    if (NT_SUCCESS(status)) {
        status = xennet_frames_allocate(adapter, &adapter->rx.pages, XENNET_RX_FRAMES_MIN);
    }
    if (NT_SUCCESS(status)) {
        status = xen->pages_allocate(xen->context, 1, &link->tx_page, &link->tx_ref);
    }
    if (NT_SUCCESS(status)) {
        status = xen->pages_allocate(xen->context, 1, &link->rx_page, &link->rx_ref);
    }
    if (!NT_SUCCESS(status)) {
        xennet_link_free(adapter);
        return status;
    }
    /* With fewer of these it is slower. */
    xennet_frames_allocate(adapter, &adapter->rx.pages, XENNET_RX_FRAMES);
    xennet_frames_allocate(adapter, &adapter->tx.frames, XENNET_TX_FRAMES);
    xennet_refs_allocate(adapter);
    xennet_frames_reclaim(&adapter->tx.frames);
    xennet_refs_reclaim(adapter);
    return STATUS_SUCCESS;
}

static VOID free_page(struct xennet_adapter *adapter, PVOID *page)
{
    if (*page != NULL) {
        adapter->xen.pages_free(adapter->xen.context, *page);
        *page = NULL;
    }
}

VOID xennet_link_free(struct xennet_adapter *adapter)
{
    xennet_flip_stop(adapter);
    xennet_refs_free(adapter);
    free_page(adapter, &adapter->link.rx_page);
    free_page(adapter, &adapter->link.tx_page);
    xennet_frames_free(adapter, &adapter->rx.pages);
    xennet_frames_free(adapter, &adapter->tx.frames);
}

static BOOLEAN offers(struct xennet_adapter *adapter, PCSTR feature)
{
    return xennet_node(adapter, XENPCI_BACKEND, feature, 0) != 0;
}

VOID xennet_offer_read(struct xennet_adapter *adapter, struct xennet_offer *offer)
{
    offer->copy = offers(adapter, "feature-rx-copy");
    offer->flip = xennet_node(adapter, XENPCI_BACKEND, "feature-rx-flip", 1) != 0; /* the oldest say nothing */
    offer->chains = adapter->config.scatter_gather && offers(adapter, "feature-sg");
    offer->sum4 = !offers(adapter, "feature-no-csum-offload");
    offer->sum6 = offers(adapter, "feature-ipv6-csum-offload");
    offer->gso4 = offers(adapter, "feature-gso-tcpv4");
    offer->gso6 = offers(adapter, "feature-gso-tcpv6");
}

struct node {
    PCSTR name;
    ULONG value;
};

static NTSTATUS write_all(struct xennet_adapter *adapter, xenpci_transaction transaction, const struct node *nodes,
                          ULONG count)
{
    const struct xenpci_interface *xen = &adapter->xen;
    NTSTATUS status = STATUS_SUCCESS;

    for (; count > 0 && NT_SUCCESS(status); count--, nodes++) {
        status = xen->printf(xen->context, transaction, XENPCI_FRONTEND, nodes->name, "%u", nodes->value);
    }
    return status;
}

/* What another front end may have left behind: the back end would take it for ours. */
static VOID remove_others(struct xennet_adapter *adapter, xenpci_transaction transaction)
{
    static const PCSTR others[] = {
        "event-channel-tx", "event-channel-rx", "multi-queue-num-queues", "request-multicast-control", "ctrl-ring-ref",
        "event-channel-ctrl"
    };
    const struct xenpci_interface *xen = &adapter->xen;
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(others); i++) {
        xen->remove(xen->context, transaction, XENPCI_FRONTEND, others[i]);
    }
}

/* Blank checksums are always taken, for whatever is blank is filled in. Large packets come in chains alone. */
static NTSTATUS write_nodes(struct xennet_adapter *adapter, xenpci_transaction transaction)
{
    const struct xennet_link *link = &adapter->link;
    ULONG chains = adapter->config.scatter_gather;
    struct node nodes[10];

#define NODE(index, node, what) (nodes[index].name = (node), nodes[index].value = (what))
    NODE(0, "tx-ring-ref", link->tx_ref);
    NODE(1, "rx-ring-ref", link->rx_ref);
    NODE(2, "request-rx-copy", link->offer.copy);
    NODE(3, "feature-rx-notify", 1);
    NODE(4, "feature-sg", chains);
    NODE(5, "feature-gso-tcpv4", chains);
    NODE(6, "feature-gso-tcpv6", chains);
    NODE(7, "feature-no-csum-offload", 0);
    NODE(8, "feature-ipv6-csum-offload", 1);
    NODE(9, "event-channel", link->port);
#undef NODE
    remove_others(adapter, transaction);
    return write_all(adapter, transaction, nodes, RTL_NUMBER_OF(nodes));
}

static NTSTATUS publish_once(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    xenpci_transaction transaction;
    NTSTATUS status = xen->transaction_start(xen->context, &transaction);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = write_nodes(adapter, transaction);
    if (!NT_SUCCESS(status)) {
        xen->transaction_end(xen->context, transaction, TRUE);
        return status;
    }
    return xen->transaction_end(xen->context, transaction, FALSE);
}

static NTSTATUS publish(struct xennet_adapter *adapter)
{
    ULONG tries = 0;
    NTSTATUS status;

    do {
        status = publish_once(adapter);
    } while (status == STATUS_RETRY && ++tries < TRIES_MAX);
    return status == STATUS_RETRY ? STATUS_UNSUCCESSFUL : status;
}

/* DISPATCH_LEVEL. */
static VOID NTAPI event(PVOID argument)
{
    xennet_event(argument);
}

static NTSTATUS open_port(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_link *link = &adapter->link;
    NTSTATUS status = xen->event_open(xen->context, XENPCI_EVENT_DPC, event, adapter, &link->port);

    if (!NT_SUCCESS(status)) {
        link->port = 0;
    }
    return status;
}

static VOID start_rings(struct xennet_adapter *adapter)
{
    xennet_lock(adapter);
    xennet_txring_init(adapter);
    xennet_rx_init(adapter);
    xennet_unlock(adapter);
}

/* Once, however often it offers itself: the user sees no more than a link that is down. */
static VOID refuse(struct xennet_adapter *adapter)
{
    GPLPV_DEBUG(("adapter %p: nothing that the back end offers can be done here\n", adapter));
    if (!adapter->refused) {
        adapter->refused = TRUE;
        xennet_log(adapter, (ULONG)EVENT_NDIS_UNSUPPORTED_CONFIGURATION);
    }
}

/* Copies are preferred. STATUS_NOT_SUPPORTED: there is no way to receive from this back end, on this Xen. */
static NTSTATUS choose(struct xennet_adapter *adapter)
{
    const struct xennet_offer *offer = &adapter->link.offer;
    NTSTATUS status = STATUS_NOT_SUPPORTED;

    if (offer->copy) {
        xennet_flip_stop(adapter);
        return STATUS_SUCCESS;
    }
    if (offer->flip) {
        status = xennet_flip_start(adapter);
    }
    if (status == STATUS_NOT_SUPPORTED) {
        refuse(adapter);
    }
    return status;
}

NTSTATUS xennet_link_open(struct xennet_adapter *adapter)
{
    struct xennet_link *link = &adapter->link;
    NTSTATUS status;

    xennet_offer_read(adapter, &link->offer);
    status = choose(adapter);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    start_rings(adapter);
    status = open_port(adapter);
    if (NT_SUCCESS(status)) {
        link->open = TRUE;
        status = publish(adapter);
    }
    if (!NT_SUCCESS(status)) {
        GPLPV_DEBUG(("adapter %p: no link, status %08x\n", adapter, status));
        xennet_link_close(adapter);
    }
    return status;
}

VOID xennet_link_close(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_link *link = &adapter->link;
    evtchn_port_t port = link->port;

    link->open = FALSE;
    link->port = 0;
    if (port != 0) {
        xen->event_close(xen->context, port);
    }
    xennet_flip_withdraw(adapter);
}

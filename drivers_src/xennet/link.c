/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is shared with a back end: the rings, the pages, the event channels, and the nodes in xenstore that tell the
 * back end of them. PASSIVE_LEVEL, by the one thread that looks after the connection.
 */
#include "xennet.h"

#define TRIES_MAX 100 /* of a transaction that others come between */

NTSTATUS xennet_link_allocate(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_link *link = &adapter->link;
    NTSTATUS status;

    status = xennet_frames_allocate(adapter, &adapter->tx.frames, XENNET_TX_FRAMES_MIN);
    if (NT_SUCCESS(status)) {
        status = xennet_frames_allocate(adapter, &adapter->rx.frames, XENNET_RX_FRAMES_MIN);
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
    xennet_frames_allocate(adapter, &adapter->rx.frames, XENNET_RX_FRAMES);
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
    xennet_refs_free(adapter);
    free_page(adapter, &adapter->link.rx_page);
    free_page(adapter, &adapter->link.tx_page);
    xennet_frames_free(adapter, &adapter->rx.frames);
    xennet_frames_free(adapter, &adapter->tx.frames);
}

static BOOLEAN offers(struct xennet_adapter *adapter, PCSTR feature)
{
    return xennet_node(adapter, XENPCI_BACKEND, feature, 0) != 0;
}

VOID xennet_offer_read(struct xennet_adapter *adapter, struct xennet_offer *offer)
{
    offer->copy = offers(adapter, "feature-rx-copy");
    offer->chains = adapter->config.scatter_gather && offers(adapter, "feature-sg");
    offer->sum4 = !offers(adapter, "feature-no-csum-offload");
    offer->sum6 = offers(adapter, "feature-ipv6-csum-offload");
    offer->gso4 = offers(adapter, "feature-gso-tcpv4");
    offer->gso6 = offers(adapter, "feature-gso-tcpv6");
    offer->split = offers(adapter, "feature-split-event-channels");
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

/* What an earlier connection has left would contradict this one. */
static NTSTATUS write_ports(struct xennet_adapter *adapter, xenpci_transaction transaction)
{
    const struct xenpci_interface *xen = &adapter->xen;
    const struct xennet_link *link = &adapter->link;
    struct node nodes[2];

    if (link->offer.split) {
        xen->remove(xen->context, transaction, XENPCI_FRONTEND, "event-channel");
        nodes[0].name = "event-channel-tx";
        nodes[0].value = link->tx_port;
        nodes[1].name = "event-channel-rx";
        nodes[1].value = link->rx_port;
        return write_all(adapter, transaction, nodes, 2);
    }
    xen->remove(xen->context, transaction, XENPCI_FRONTEND, "event-channel-tx");
    xen->remove(xen->context, transaction, XENPCI_FRONTEND, "event-channel-rx");
    nodes[0].name = "event-channel";
    nodes[0].value = link->tx_port;
    return write_all(adapter, transaction, nodes, 1);
}

/* Blank checksums are always taken, for whatever is blank is filled in. Large packets come in chains alone. */
static NTSTATUS write_nodes(struct xennet_adapter *adapter, xenpci_transaction transaction)
{
    const struct xennet_link *link = &adapter->link;
    ULONG chains = adapter->config.scatter_gather;
    struct node nodes[9];
    NTSTATUS status;

#define NODE(index, node, what) (nodes[index].name = (node), nodes[index].value = (what))
    NODE(0, "tx-ring-ref", link->tx_ref);
    NODE(1, "rx-ring-ref", link->rx_ref);
    NODE(2, "request-rx-copy", 1);
    NODE(3, "feature-rx-notify", 1);
    NODE(4, "feature-sg", chains);
    NODE(5, "feature-gso-tcpv4", chains);
    NODE(6, "feature-gso-tcpv6", chains);
    NODE(7, "feature-no-csum-offload", 0);
    NODE(8, "feature-ipv6-csum-offload", 1);
#undef NODE
    status = write_all(adapter, transaction, nodes, RTL_NUMBER_OF(nodes));
    return NT_SUCCESS(status) ? write_ports(adapter, transaction) : status;
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

static NTSTATUS open_ports(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    struct xennet_link *link = &adapter->link;
    NTSTATUS status = xen->event_open(xen->context, XENPCI_EVENT_DPC, event, adapter, &link->tx_port);

    if (!NT_SUCCESS(status)) {
        link->tx_port = 0;
        return status;
    }
    link->rx_port = link->tx_port;
    if (link->offer.split) {
        status = xen->event_open(xen->context, XENPCI_EVENT_DPC, event, adapter, &link->rx_port);
        if (!NT_SUCCESS(status)) {
            link->rx_port = link->tx_port;
        }
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

NTSTATUS xennet_link_open(struct xennet_adapter *adapter)
{
    struct xennet_link *link = &adapter->link;
    NTSTATUS status;

    xennet_offer_read(adapter, &link->offer);
    if (!link->offer.copy) {
        GPLPV_DEBUG(("adapter %p: the back end exchanges pages instead of copying frames\n", adapter));
        return STATUS_NOT_SUPPORTED;
    }
    start_rings(adapter);
    status = open_ports(adapter);
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
    evtchn_port_t tx_port = link->tx_port;
    evtchn_port_t rx_port = link->rx_port;

    link->open = FALSE;
    link->tx_port = 0;
    link->rx_port = 0;
    if (tx_port != 0) {
        xen->event_close(xen->context, tx_port);
    }
    if (rx_port != 0 && rx_port != tx_port) {
        xen->event_close(xen->context, rx_port);
    }
}

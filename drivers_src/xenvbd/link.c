/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is shared with a back end: the pages of the ring, the frames, the event channel, and the nodes in xenstore that
 * tell the back end of them. PASSIVE_LEVEL, by the one thread that looks after the connection.
 */
#include "xenvbd.h"

NTSTATUS xenvbd_link_allocate(struct xenvbd_adapter *adapter)
{
    const struct xenpci_interface *xen = adapter->xen;
    struct xenvbd_link *link = &adapter->link;
    NTSTATUS status;

    if (link->ring_pages != NULL) {
        return STATUS_SUCCESS;
    }
    status = xenvbd_frames_allocate(adapter, &adapter->frames, XENVBD_BOUNCE_FRAMES);
    if (NT_SUCCESS(status)) {
        status = xen->pages_allocate(xen->context, XENVBD_RING_PAGES_MAX, &link->ring_pages, link->refs);
    }
    if (!NT_SUCCESS(status)) {
        link->ring_pages = NULL;
        xenvbd_link_free(adapter);
    }
    return status;
}

VOID xenvbd_link_free(struct xenvbd_adapter *adapter)
{
    const struct xenpci_interface *xen = adapter->xen;

    xenvbd_refs_free(adapter);
    xenvbd_frames_free(adapter, &adapter->indirect);
    xenvbd_frames_free(adapter, &adapter->frames);
    if (adapter->link.ring_pages != NULL) {
        xen->pages_free(xen->context, adapter->link.ring_pages);
        adapter->link.ring_pages = NULL;
    }
}

static ULONG log2_of(ULONG value)
{
    ULONG order = 0;

    while (value >> order > 1) {
        order++;
    }
    return order;
}

/* The two ways in which back ends offer a ring of several pages (blkif.h, note 3). */
static ULONG negotiate_order(struct xenvbd_adapter *adapter)
{
    ULONG order = xenvbd_node_ulong(adapter, XENPCI_BACKEND, "max-ring-page-order", 0);
    ULONG pages = xenvbd_node_ulong(adapter, XENPCI_BACKEND, "max-ring-pages", 1);

    order = max(order, log2_of(pages));
    return min(order, XENVBD_RING_ORDER_MAX);
}

/* The machine's own layout, unless the toolstack has named one. */
static enum xenvbd_protocol negotiate_protocol(struct xenvbd_adapter *adapter)
{
    enum xenvbd_protocol protocol = XENVBD_NATIVE;
    CHAR name[16];

    if (NT_SUCCESS(adapter->xen->read(adapter->xen->context, 0, XENPCI_FRONTEND, "protocol", name, sizeof(name)))) {
        xenvbd_protocol_named(name, &protocol);
    }
    return protocol;
}

/* What takes memory or grants is done without where there are none. */
static VOID negotiate_memory(struct xenvbd_adapter *adapter)
{
    ULONG segments = xenvbd_node_ulong(adapter, XENPCI_BACKEND, "feature-max-indirect-segments", 0);

    adapter->persistent = xenvbd_node_ulong(adapter, XENPCI_BACKEND, "feature-persistent", 0) != 0 &&
                          NT_SUCCESS(xenvbd_frames_allocate(adapter, &adapter->frames, XENVBD_PERSISTENT_FRAMES));
    if (!adapter->persistent) {
        xenvbd_refs_allocate(adapter);
    }
    adapter->indirect_segments = 0;
    if (segments > BLKIF_MAX_SEGMENTS_PER_REQUEST &&
        NT_SUCCESS(xenvbd_frames_allocate(adapter, &adapter->indirect, XENVBD_INDIRECT_FRAMES))) {
        adapter->indirect_segments = min(segments, XENVBD_SEGMENTS_MAX);
    }
}

static NTSTATUS write_number(struct xenvbd_adapter *adapter, PCSTR node, ULONG value)
{
    return adapter->xen->printf(adapter->xen->context, 0, XENPCI_FRONTEND, node, "%u", value);
}

/* What an earlier connection has left would contradict a ring of one page (blkif.h, note 6). */
static NTSTATUS write_single_ring(struct xenvbd_adapter *adapter)
{
    const struct xenpci_interface *xen = adapter->xen;

    xen->remove(xen->context, 0, XENPCI_FRONTEND, "ring-page-order");
    xen->remove(xen->context, 0, XENPCI_FRONTEND, "num-ring-pages");
    return write_number(adapter, "ring-ref", adapter->link.refs[0]);
}

static NTSTATUS write_ring(struct xenvbd_adapter *adapter)
{
    static const PCSTR nodes[XENVBD_RING_PAGES_MAX] = { "ring-ref0", "ring-ref1", "ring-ref2", "ring-ref3" };
    const struct xenvbd_link *link = &adapter->link;
    NTSTATUS status;
    ULONG i;

    if (link->order == 0) {
        return write_single_ring(adapter);
    }
    status = write_number(adapter, "ring-page-order", link->order);
    if (NT_SUCCESS(status)) {
        status = write_number(adapter, "num-ring-pages", 1 << link->order);
    }
    for (i = 0; i < (ULONG)1 << link->order && NT_SUCCESS(status); i++) {
        status = write_number(adapter, nodes[i], link->refs[i]);
    }
    return status;
}

/* A back end reads these when the state changes, so that is written later, and no transaction is needed. */
static NTSTATUS write_nodes(struct xenvbd_adapter *adapter)
{
    const struct xenpci_interface *xen = adapter->xen;
    NTSTATUS status = write_ring(adapter);

    if (NT_SUCCESS(status)) {
        status = write_number(adapter, "event-channel", adapter->link.port);
    }
    if (NT_SUCCESS(status)) {
        status = xen->write(xen->context, 0, XENPCI_FRONTEND, "protocol",
                            xenvbd_protocol_name(adapter->ring.protocol));
    }
    if (NT_SUCCESS(status)) {
        status = write_number(adapter, "feature-persistent", adapter->persistent);
    }
    return status;
}

/*
 * Until HwInitialize the port driver has no interrupt connected, and with it no lock to take: the port stays masked so
 * long. HwInitialize may run at the same time as this; whichever of the two is last unmasks.
 */
static NTSTATUS open_port(struct xenvbd_adapter *adapter)
{
    const struct xenpci_interface *xen = adapter->xen;
    evtchn_port_t port;
    NTSTATUS status = xenvbd_port_listen(adapter, &port);

    if (NT_SUCCESS(status)) {
        xen->event_mask(xen->context, port, TRUE);
        adapter->link.port = port;
        KeMemoryBarrier();
        xenvbd_link_unmask(adapter);
    }
    return status;
}

VOID xenvbd_link_unmask(struct xenvbd_adapter *adapter)
{
    if (adapter->running && adapter->link.port != 0) {
        adapter->xen->event_raise(adapter->xen->context, adapter->link.port);
    }
}

NTSTATUS xenvbd_link_open(struct xenvbd_adapter *adapter)
{
    struct xenvbd_link *link = &adapter->link;
    NTSTATUS status = xenvbd_link_allocate(adapter);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    negotiate_memory(adapter);
    link->order = negotiate_order(adapter);
    xenvbd_ring_init(&adapter->ring, link->ring_pages, XEN_PAGE_SIZE << link->order, negotiate_protocol(adapter),
                     (USHORT)adapter->number);
    status = open_port(adapter);
    if (NT_SUCCESS(status)) {
        link->open = TRUE;
        status = write_nodes(adapter);
    }
    if (!NT_SUCCESS(status)) {
        GPLPV_DEBUG(("adapter %p: no link, status %08x\n", adapter, status));
        xenvbd_link_close(adapter);
    }
    return status;
}

VOID xenvbd_link_close(struct xenvbd_adapter *adapter)
{
    struct xenvbd_link *link = &adapter->link;
    evtchn_port_t port = link->port;

    link->open = FALSE;
    link->port = 0;
    if (port != 0) {
        adapter->xen->event_close(adapter->xen->context, port);
    }
}

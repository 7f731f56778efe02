/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device's folders in xenstore, and the back end's half of the connection (blkif.h, state diagrams). */
#include "world.h"

#define NODES 48

static struct { char node[40], text[40]; } store[2][NODES];
static ULONG seen; /* the front end's state that the back end has acted on */
BOOLEAN store_changed;

const char *store_get(enum end end, const char *node)
{
    ULONG i;

    for (i = 0; i < NODES; i++) {
        if (strcmp(store[end][i].node, node) == 0) {
            return store[end][i].text;
        }
    }
    return NULL;
}

void store_set(enum end end, const char *node, const char *text)
{
    ULONG i, place = NODES;

    for (i = 0; i < NODES; i++) {
        if (strcmp(store[end][i].node, node) == 0) {
            place = i;
            break;
        }
        if (store[end][i].node[0] == 0 && place == NODES) {
            place = i;
        }
    }
    if (place == NODES) {
        die("the store is full");
    }
    snprintf(store[end][place].node, sizeof(store[end][place].node), "%s", text == NULL ? "" : node);
    snprintf(store[end][place].text, sizeof(store[end][place].text), "%s", text == NULL ? "" : text);
    if (end == BACK) {
        store_changed = TRUE;
    }
}

void store_number(enum end end, const char *node, ULONG value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", value);
    store_set(end, node, text);
}

ULONG store_state(enum end end)
{
    const char *text = store_get(end, "state");

    return text == NULL ? 0 : (ULONG)strtoul(text, NULL, 10);
}

static ULONG front_number(const char *node, ULONG otherwise)
{
    const char *text = store_get(FRONT, node);

    return text == NULL ? otherwise : (ULONG)strtoul(text, NULL, 10);
}

void otherend_reset(void)
{
    backend_vanish();
    store_number(BACK, "state", XenbusStateInitialising);
    store_number(BACK, "online", backend.online);
    seen = ~0u;
}

static void offer(void)
{
    if (backend.order != 0) {
        BOOLEAN as_order = pick(2);

        store_set(BACK, as_order ? "max-ring-pages" : "max-ring-page-order", NULL);
        store_number(BACK, as_order ? "max-ring-page-order" : "max-ring-pages",
                     as_order ? backend.order : 1u << backend.order);
    }
    store_number(BACK, "feature-persistent", backend.persistent);
    if (backend.indirect != 0) {
        store_number(BACK, "feature-max-indirect-segments", backend.indirect);
    }
    store_number(BACK, "state", XenbusStateInitWait);
}

static void describe(void)
{
    store_number(BACK, "sectors", backend.sectors);
    store_number(BACK, "sector-size", backend.block_size);
    store_number(BACK, "info", backend.info);
    store_number(BACK, "feature-flush-cache", backend.can_flush);
    store_number(BACK, "feature-barrier", backend.can_barrier);
    store_number(BACK, "feature-discard", backend.can_discard);
}

/* A ring of several pages has to be mapped as the front end sees it: one page after the other. */
static void attach(void)
{
    ULONG order = front_number("ring-page-order", 0), i;
    UCHAR *ring = NULL;
    char node[16];
    const char *protocol = store_get(FRONT, "protocol");

    if (order > backend.order || front_number("event-channel", 0) == 0 || protocol == NULL) {
        die("the front end's nodes do not do");
    }
    backend.keeps = backend.persistent && front_number("feature-persistent", 0);
    for (i = 0; i < 1u << order; i++) {
        UCHAR *page;

        snprintf(node, sizeof(node), store_get(FRONT, "ring-page-order") ? "ring-ref%u" : "ring-ref", i);
        page = granted(front_number(node, 0), TRUE);
        hold(front_number(node, 0), 1);
        if (i != 0 && page != ring + i * PAGE_SIZE) {
            die("%s is not the next page", node);
        }
        ring = i == 0 ? page : ring;
    }
    backend_attach(ring, PAGE_SIZE << order,
                   strcmp(protocol, XEN_IO_PROTO_ABI_X86_32) == 0 ? XENVBD_X86_32 : XENVBD_X86_64);
    describe();
    store_number(BACK, "state", XenbusStateConnected);
}

void otherend_close(void)
{
    store_number(BACK, "state", XenbusStateClosing);
}

BOOLEAN otherend_step(void)
{
    ULONG front = store_state(FRONT), back = store_state(BACK);

    if (back == XenbusStateInitialising) {
        offer();
        return TRUE;
    }
    if (front == seen) {
        return FALSE;
    }
    if (front == XenbusStateClosing && backend.pending != 0) {
        return FALSE;
    }
    seen = front;
    switch (front) {
    case XenbusStateInitialising:
        if (back == XenbusStateClosed) {
            offer();
        }
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (back == XenbusStateInitWait) {
            attach();
        }
        break;
    case XenbusStateClosing:
        otherend_close();
        break;
    case XenbusStateClosed:
        backend_vanish();
        store_number(BACK, "state", XenbusStateClosed);
        break;
    default:
        break;
    }
    return TRUE;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receive ring. The response to a request comes in the request's own entry (netif.h), so that the entry tells which
 * page it is about; the id, where there is one, has to say the same.
 */
#include "flip.h"

static VOID expect_next(struct xennet_chain *chain, ULONG flags)
{
    chain->expect = flags & NETRXF_more_data ? XENNET_EXPECT_MORE : XENNET_COMPLETE;
}

/* FALSE: the response is about memory that it has not got. */
static BOOLEAN take_part(struct xennet_adapter *adapter, const struct netif_rx_response *response, USHORT item)
{
    struct xennet_chain *chain = &adapter->rx.chain;

    if (response->status > 0 && (ULONG)response->offset + response->status > XEN_PAGE_SIZE) {
        return FALSE;
    }
    if (response->status <= 0 || chain->count == XENNET_CHAIN_MAX) {
        chain->bad = TRUE;
        xennet_stack_push(adapter->rx.frames, item);
        return TRUE;
    }
    chain->parts[chain->count].item = item;
    chain->parts[chain->count].offset = response->offset;
    chain->parts[chain->count].length = (USHORT)response->status;
    chain->length += response->status;
    chain->count++;
    return TRUE;
}

static BOOLEAN take_data(struct xennet_adapter *adapter, const struct netif_rx_response *response, USHORT item)
{
    struct xennet_chain *chain = &adapter->rx.chain;

    if (!take_part(adapter, response, item)) {
        return FALSE;
    }
    if (chain->expect == XENNET_EXPECT_MORE) {
        expect_next(chain, response->flags);
        return TRUE;
    }
    chain->flags = response->flags;
    if (response->flags & NETRXF_gso_prefix) {
        chain->bad = TRUE; /* it was not offered */
    }
    if (response->flags & NETRXF_extra_info) {
        chain->expect = XENNET_EXPECT_EXTRA;
    } else {
        expect_next(chain, response->flags);
    }
    return TRUE;
}

/* Extra infos that were not offered say nothing. */
static VOID take_extra(struct xennet_adapter *adapter, const struct netif_extra_info *extra, USHORT item)
{
    struct xennet_chain *chain = &adapter->rx.chain;

    xennet_stack_push(adapter->rx.frames, item);
    if (extra->type == XEN_NETIF_EXTRA_TYPE_GSO) {
        chain->gso = extra->u.gso.type;
        chain->mss = extra->u.gso.size;
        if (chain->mss == 0 || chain->gso == XEN_NETIF_GSO_TYPE_NONE) {
            chain->bad = TRUE;
        }
    }
    if (!(extra->flags & XEN_NETIF_EXTRA_FLAG_MORE)) {
        expect_next(chain, chain->flags);
    }
}

/* Takes one response, which is read once, for the back end may write to it. */
static BOOLEAN take(struct xennet_adapter *adapter)
{
    struct xennet_rx *rx = &adapter->rx;
    ULONG number = rx->ring.rsp_cons & (rx->ring.slots - 1);
    const volatile ULONG *entry = xen_front_ring_slot(&rx->ring, rx->ring.rsp_cons++);
    USHORT item = rx->posted[number];
    BOOLEAN came = TRUE;
    union {
        ULONG words[2];
        struct netif_rx_response response;
        struct netif_extra_info extra;
    } seen;

    rx->posted[number] = XENNET_NONE;
    seen.words[0] = entry[0];
    seen.words[1] = entry[1];
    if (rx->flip != NULL && !xennet_flip_came(rx->flip, item)) {
        came = FALSE;
    }
    if (rx->chain.expect == XENNET_EXPECT_EXTRA) {
        take_extra(adapter, &seen.extra, item);
        return TRUE;
    }
    if (!came) {
        seen.response.status = NETIF_RSP_ERROR; /* whatever it says */
    }
    return seen.response.id == number && take_data(adapter, &seen.response, item);
}

/* When the back end is to send an event: at the next response, or after some. */
static VOID ask_for_event(struct xennet_adapter *adapter)
{
    struct xennet_rx *rx = &adapter->rx;
    ULONG ahead = 1;

    if (adapter->config.moderation) {
        ahead = xennet_pace_ahead(&rx->pace, rx->ring.rsp_cons, adapter->config.coalesce);
    }
    if (ahead > 1) {
        xennet_rx_look_later(adapter);
    }
    rx->ring.shared->rsp_event = rx->ring.rsp_cons + ahead;
    KeMemoryBarrier();
}

/* Whether the next response can be taken: a page that Xen has not got there yet is waited for. */
static BOOLEAN is_settled(struct xennet_adapter *adapter)
{
    const struct xennet_rx *rx = &adapter->rx;

    if (xennet_flip_settle(adapter, rx->posted[rx->ring.rsp_cons & (rx->ring.slots - 1)])) {
        return TRUE;
    }
    xennet_rx_look_later(adapter);
    return FALSE;
}

static ULONG look(struct xennet_adapter *adapter)
{
    ULONG count = xen_front_ring_unconsumed(&adapter->rx.ring);

    if (count == 0) {
        ask_for_event(adapter);
        count = xen_front_ring_unconsumed(&adapter->rx.ring);
    }
    return count;
}

static VOID end_chain(struct xennet_adapter *adapter)
{
    struct xennet_chain *chain = &adapter->rx.chain;

    while (chain->count > 0) {
        xennet_stack_push(adapter->rx.frames, chain->parts[--chain->count].item);
    }
    RtlZeroMemory(chain, sizeof(*chain));
}

BOOLEAN xennet_rxring_poll(struct xennet_adapter *adapter, PBOOLEAN more)
{
    struct xennet_rx *rx = &adapter->rx;
    ULONG count;

    *more = TRUE;
    while (rx->ready_count < XENNET_BATCH) {
        if (rx->chain.expect == XENNET_COMPLETE) {
            if (!xennet_deliver(adapter)) {
                return TRUE;
            }
            end_chain(adapter);
        }
        count = look(adapter);
        if (count == XEN_RING_BROKEN) {
            return FALSE;
        }
        if (count == 0) {
            *more = FALSE;
            return TRUE;
        }
        while (count-- > 0 && rx->chain.expect != XENNET_COMPLETE) {
            if (rx->flip != NULL && !is_settled(adapter)) {
                *more = FALSE;
                return TRUE;
            }
            if (!take(adapter)) {
                return FALSE;
            }
        }
    }
    return TRUE;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making what is written durable: as a flush of the back end's cache where it offers that, else as a barrier without
 * data, else not at all, for then the back end has no cache that it could flush.
 */
#include "xenvbd.h"

enum xenvbd_flush xenvbd_flush_choose(BOOLEAN flush_cache, BOOLEAN barrier)
{
    if (flush_cache) {
        return XENVBD_FLUSH_CACHE;
    }
    return barrier ? XENVBD_TRY_BARRIER : XENVBD_NO_FLUSH;
}

BOOLEAN xenvbd_flush_operation(const struct xenvbd_adapter *adapter, PUCHAR operation)
{
    *operation = adapter->flush == XENVBD_FLUSH_CACHE ? BLKIF_OP_FLUSH_DISKCACHE : BLKIF_OP_WRITE_BARRIER;
    return adapter->flush != XENVBD_NO_FLUSH;
}

/*
 * A back end may take back its offer at any time, by EOPNOTSUPP (blkif.h). Some say ERROR where they mean that, to a
 * barrier without data first of all, and every one says it when it has failed to flush: it is taken for a refusal until
 * a barrier has succeeded, and for a failure from then on.
 */
static BOOLEAN is_refused(const struct xenvbd_adapter *adapter, LONG status)
{
    if (status == BLKIF_RSP_ERROR) {
        return adapter->flush == XENVBD_TRY_BARRIER || adapter->flush == XENVBD_NO_FLUSH;
    }
    return status == BLKIF_RSP_EOPNOTSUPP;
}

LONG xenvbd_flush_verdict(struct xenvbd_adapter *adapter, LONG status)
{
    if (status == BLKIF_RSP_OKAY && adapter->flush == XENVBD_TRY_BARRIER) {
        adapter->flush = XENVBD_FLUSH_BARRIER;
    }
    if (is_refused(adapter, status)) {
        GPLPV_DEBUG(("adapter %p: the back end cannot flush\n", adapter));
        adapter->flush = XENVBD_NO_FLUSH;
        adapter->disk.write_cache = FALSE;
        return BLKIF_RSP_OKAY;
    }
    return status;
}

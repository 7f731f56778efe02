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
    return barrier ? XENVBD_FLUSH_BARRIER : XENVBD_NO_FLUSH;
}

BOOLEAN xenvbd_flush_operation(const struct xenvbd_adapter *adapter, PUCHAR operation)
{
    *operation = adapter->flush == XENVBD_FLUSH_BARRIER ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_FLUSH_DISKCACHE;
    return adapter->flush != XENVBD_NO_FLUSH;
}

/* A back end may take back its offer at any time, and older ones say ERROR to a barrier because it has no data. */
LONG xenvbd_flush_verdict(struct xenvbd_adapter *adapter, LONG status)
{
    if (status == BLKIF_RSP_EOPNOTSUPP || (status == BLKIF_RSP_ERROR && adapter->flush == XENVBD_FLUSH_BARRIER)) {
        GPLPV_DEBUG(("adapter %p: the back end cannot flush\n", adapter));
        adapter->flush = XENVBD_NO_FLUSH;
        adapter->disk.write_cache = FALSE;
        return BLKIF_RSP_OKAY;
    }
    return status;
}

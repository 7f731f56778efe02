/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of ours that are exchanged for pages of the back end's (flip.c). With the lock, at DISPATCH_LEVEL, unless it is
 * said otherwise.
 */
#ifndef XENNET_FLIP_H
#define XENNET_FLIP_H

#include "xennet.h"

/* What is at the frame number of a page that is exchanged for one of the back end's. */
enum xennet_flip_state {
    XENNET_FLIP_MEMORY,  /* a page of ours */
    XENNET_FLIP_HOLE,    /* nothing: its page is Xen's */
    XENNET_FLIP_OFFERED, /* nothing, or a page that the back end gives by our grant: Xen knows */
    XENNET_FLIP_FILLED,  /* a page that the back end gave, and has not answered for yet */
    XENNET_FLIP_LOST     /* nobody knows: not used any more */
};

/* Changed by flip.c alone. */
struct xennet_flip {
    struct xennet_stack frames;
    ULONG_PTR numbers[XENNET_SLOTS]; /* of the frames, as Xen counts them */
    UCHAR states[XENNET_SLOTS];      /* XENNET_FLIP_ */
};

/*
 * PASSIVE_LEVEL, without the lock, while no back end is connected. Start: pages to be exchanged instead of those that
 * are copied into; STATUS_NOT_SUPPORTED: this Xen does not let us. On failure there is nothing. Stop undoes it.
 */
NTSTATUS xennet_flip_start(struct xennet_adapter *adapter);
VOID xennet_flip_stop(struct xennet_adapter *adapter);

/* Opens the first `count` free frames, of which there are as many, to the back end. Returns how many are. */
ULONG xennet_flip_offer(struct xennet_adapter *adapter, ULONG count);

/* The frame has been answered. FALSE: Xen is not done with it yet. */
BOOLEAN xennet_flip_settle(struct xennet_adapter *adapter, USHORT item);

/* It has been settled. TRUE: a page has come, which is ours from here on. */
BOOLEAN xennet_flip_came(struct xennet_flip *flip, USHORT item);

/*
 * PASSIVE_LEVEL, without the lock; nothing else posts or takes frames meanwhile. No page comes any more, and what was a
 * hole is memory, but for what Xen does not get done or has no memory for. Renew, with the lock: what is in the ring is
 * open to the back end again.
 */
VOID xennet_flip_withdraw(struct xennet_adapter *adapter);
VOID xennet_flip_renew(struct xennet_adapter *adapter);

/* The grants are gone, and with them the knowledge of what came by those that had not been withdrawn. */
VOID xennet_flip_forget(struct xennet_adapter *adapter);

/* All are free but what is lost or pending. */
VOID xennet_flip_reclaim(struct xennet_flip *flip);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SHUTDOWNMON_VERBS_H
#define SHUTDOWNMON_VERBS_H

#include "store.h"

struct verb {
    const char *name;         /* as the host writes it */
    const WCHAR *description; /* for the event log */
    const char *feature;      /* the node that offers it, or NULL */
    BOOL (*possible)(void);
    DWORD (*perform)(void); /* a Windows error code */
};

/* NULL: no such verb, or one that is not ours. */
const struct verb *verb_find(const char *name);

/* A Windows error code. Waits for a Windows that is only starting, two minutes at most. */
DWORD verb_perform(const struct verb *verb, HANDLE stop);

/*
 * Tells the host what it can ask for. A host that does not prepare the nodes does not let the guest write them, and
 * asks all the same. Returns an error that ends the use of the store.
 */
DWORD verbs_offer(struct store *store);

/* Whether the host does not let us write a node. */
BOOL verb_refused(DWORD error);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The test miniport's adapter, and what its two halves have of each other. */
#ifndef ADAPTER_H
#define ADAPTER_H

#include "wire.h"
#include "mutants.h"

#define TAG 0x65726957 /* Wire */
#define ENTRIES 16
#define MTU 1500
#define FRAME (MTU + 18)
#define OFFSET 2 /* of a frame in its buffer: the IP header is aligned */
#define LOW 4 /* with fewer entries left, NDIS has to copy */
#define AT_DISPATCH 1
#define RESOURCES 2

enum state { PAUSED, RUNNING, PAUSING };

typedef struct {
    KSPIN_LOCK SpinLock;
    KIRQL OldIrql;
} NDIS_SPIN_LOCK;

API VOID NTAPI NdisAllocateSpinLock(NDIS_SPIN_LOCK *);
API VOID NTAPI NdisAcquireSpinLock(NDIS_SPIN_LOCK *);
API VOID NTAPI NdisReleaseSpinLock(NDIS_SPIN_LOCK *);

struct entry {
    NET_BUFFER_LIST *list;
    PMDL mdl;
    PUCHAR data;
    BOOLEAN busy; /* indicated, and not returned yet */
};

struct wire {
    NDIS_HANDLE handle;
    NDIS_HANDLE pool;
    NDIS_HANDLE timer;
    NDIS_HANDLE item;
    NDIS_SPIN_LOCK lock; /* of all that follows */
    enum state state;
    NET_BUFFER_LIST *first;
    NET_BUFFER_LIST **last;
    ULONG busy;
    ULONG filter;
    ULONG sent;
    BOOLEAN encapsulated;
    BOOLEAN restarting; /* the next tick completes it */
    BOOLEAN resetting; /* likewise */
    BOOLEAN hung;
    NDIS_OFFLOAD offload;
    NDIS_OID_REQUEST *pending; /* the work item completes it */
    NDIS_OID_REQUEST *waiting; /* to be cancelled */
    struct entry entries[ENTRIES];
};

VOID head(NDIS_OBJECT_HEADER *header, UCHAR type, ULONG size);

/* wire.c: the data path. DISPATCH_LEVEL or below. */
VOID set_timer(struct wire *wire);
VOID NTAPI tick(PVOID unused, struct wire *wire, PVOID first, PVOID second);
VOID NTAPI send_lists(struct wire *wire, NET_BUFFER_LIST *lists, ULONG port, ULONG flags);
VOID NTAPI take_back(struct wire *wire, NET_BUFFER_LIST *lists, ULONG flags);
VOID NTAPI cancel_send(struct wire *wire, PVOID id);
BOOLEAN NTAPI check_for_hang(struct wire *wire);
NDIS_STATUS NTAPI reset(struct wire *wire, PBOOLEAN addressing_reset);

#endif

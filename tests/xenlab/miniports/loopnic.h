/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The looping network adapter: what it consists of, and the mistakes that a build can be given. */
#ifndef LOOPNIC_H
#define LOOPNIC_H

#define NDIS_MINIPORT_DRIVER 1
#include <ndis.h>

/* The mistakes. */
enum loopnic_mutant {
    NO_MUTANT,
    COMPLETES_TWICE,
    COMPLETES_UNKNOWN,
    COMPLETES_PENDING,
    COMPLETES_UNDER_LOCK,
    NEVER_COMPLETES,
    TOUCHES_AFTERWARDS,
    KEEPS_THE_ARRAY,
    CHANGES_THE_DATA,
    USES_USER_ADDRESS,
    WRITES_BEYOND_ITS_PART,
    LEAVES_LARGE_SEND,
    KEEPS_THE_STATUS,
    SETS_RESOURCES,
    INDICATES_AGAIN,
    INDICATES_FOREIGN,
    INDICATES_UNDER_LOCK,
    INDICATES_FAILURE,
    INDICATES_WITHOUT_HEADER,
    INDICATES_IN_RESET,
    INDICATES_AFTER_HALT,
    CHANGES_RECEIVED,
    FREES_LENT,
    HALTS_EARLY,
    LEAVES_TIMER,
    LEAVES_SHUTDOWN_HANDLER,
    LEAVES_MEMORY,
    LEAVES_SHARED_MEMORY,
    FREES_SHARED_MEMORY_WRONGLY,
    LEAVES_PACKET_POOL,
    LEAVES_BUFFER_POOL,
    LEAVES_CONFIGURATION,
    LEAVES_STATUS_OPEN,
    FREES_POOL_FIRST,
    FREES_BUFFER_POOL_FIRST,
    FREES_TO_WRONG_POOL,
    FREES_PACKET_TWICE,
    FREES_WRONG_LENGTH,
    FREES_WITH_FLAGS,
    USES_CLOSED_CONFIGURATION,
    OPENS_CONFIGURATION_LATE,
    ANSWERS_TOO_MUCH,
    OVERRUNS_THE_ANSWER,
    NEEDS_NOTHING,
    LISTS_UNANSWERED,
    LACKS_MANDATORY,
    COMPLETES_QUERY_TWICE,
    COMPLETES_WRONG_KIND,
    COMPLETES_AND_RETURNS,
    NEVER_ANSWERS,
    NEVER_RESETS,
    RELEASES_THE_WRONG_WAY,
    LOCKS_TWICE,
    WAITS_UNDER_LOCK,
    SLEEPS_IN_TIMER,
    SELECTS_TOKEN_RING,
    SETS_NO_ATTRIBUTES,
    SETS_ATTRIBUTES_LATE,
    SCHEDULES_TWICE,
    COMPLETES_STATUS_ONLY,
    FAILS_POWER,
    ALLOCATES_IN_SHUTDOWN,
    TERMINATES_NOTHING
};

/* A test writes the number of a mistake into the image, behind the mark. */
struct loopnic_choice {
    CHAR mark[16];
    ULONG mutant;
};
extern volatile struct loopnic_choice loopnic_choice;
#define MUTANT(name) (loopnic_choice.mutant == (name))

/* Macros of ndis.h; the functions that ndis.sys exports under the same names are what is to be tested. */
#undef NdisAllocateSpinLock
#undef NdisAcquireSpinLock
#undef NdisReleaseSpinLock
#undef NdisDprAcquireSpinLock
#undef NdisFreeBuffer
NDISAPI VOID NTAPI NdisAllocateSpinLock(PNDIS_SPIN_LOCK SpinLock);
NDISAPI VOID NTAPI NdisAcquireSpinLock(PNDIS_SPIN_LOCK SpinLock);
NDISAPI VOID NTAPI NdisReleaseSpinLock(PNDIS_SPIN_LOCK SpinLock);
NDISAPI VOID NTAPI NdisDprAcquireSpinLock(PNDIS_SPIN_LOCK SpinLock);
NDISAPI VOID NTAPI NdisFreeBuffer(PNDIS_BUFFER Buffer);

#define TAG 0x706F6F4C /* "Loop" */
#define ADDRESS_LENGTH 6
#define HEADER_LENGTH 14
#define MTU 1500
#define SLOTS 12
#define SLOT_LENGTH 8192
#define MULTICAST_LIMIT 8

/* A frame on its way back to whoever sent it. */
struct slot {
    LIST_ENTRY entry;
    PNDIS_PACKET packet;
    PNDIS_BUFFER buffer;
    PUCHAR data;
};

struct loopnic {
    NDIS_HANDLE handle;
    NDIS_SPIN_LOCK lock;
    NDIS_MINIPORT_TIMER timer;
    NDIS_WORK_ITEM item;
    BOOLEAN scheduled;
    NDIS_HANDLE packets;
    NDIS_HANDLE buffers;
    struct slot slots[SLOTS];
    LIST_ENTRY free;
    ULONG lent;
    PNDIS_PACKET first; /* sends that wait; each leads to the next */
    PNDIS_PACKET last;
    PNDIS_PACKET *array;
    PVOID query; /* of a query that pends: buffer, and where the length goes */
    PULONG written;
    BOOLEAN resetting;
    ULONG hangs;
    ULONG filter;
    ULONG lookahead;
    ULONG sent;
    ULONG received;
    ULONG dropped;
    ULONG depth;
    ULONG tasks[4];
    ULONG large_send;
    UCHAR address[ADDRESS_LENGTH];
    UCHAR multicast[MULTICAST_LIMIT * ADDRESS_LENGTH];
    ULONG multicast_length;
    PVOID extra;
    PVOID shared;
    NDIS_PHYSICAL_ADDRESS shared_physical;
};

#endif

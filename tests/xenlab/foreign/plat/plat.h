/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A function driver of the Xen platform device that shares no code with the project's own, in the manner of a
 * documentation sample: it talks to xenstore, and tries the kernel's services on its way.
 */
#ifndef PLAT_H
#define PLAT_H

#include <ntifs.h>
#include <ntddk.h>

#define PLAT_TAG 'talP'
#define STORE_ANSWER 256

typedef struct _XENSTORE_RING {
    UCHAR Requests[1024];
    UCHAR Answers[1024];
    volatile ULONG RequestConsumer;
    volatile ULONG RequestProducer;
    volatile ULONG AnswerConsumer;
    volatile ULONG AnswerProducer;
} XENSTORE_RING, *PXENSTORE_RING;

typedef struct _STORE_ENTRY {
    LIST_ENTRY Link;
    ULONG Length;
    CHAR Data[STORE_ANSWER];
} STORE_ENTRY, *PSTORE_ENTRY;

typedef struct _PLAT_EXTENSION {
    PDEVICE_OBJECT Self;
    PDEVICE_OBJECT Physical;
    PDEVICE_OBJECT Lower;
    IO_REMOVE_LOCK RemoveLock;

    PHYSICAL_ADDRESS Memory;
    ULONG MemoryLength;
    PVOID Bar;
    PUCHAR Hypercalls;
    PKINTERRUPT Interrupt;
    KIRQL InterruptIrql;
    KDPC StoreDpc;

    PXENSTORE_RING Ring;
    ULONG StorePort;
    FAST_MUTEX StoreMutex;
    KEVENT RingEvent;
    KEVENT StopEvent;
    KSEMAPHORE Answers;
    NPAGED_LOOKASIDE_LIST Entries;
    LIST_ENTRY Arrived;
    KSPIN_LOCK ArrivedLock;
    PETHREAD Reader;
    STORE_ENTRY Partial;
    BOOLEAN Started;

    IO_CSQ Csq;
    LIST_ENTRY Parked;
    KSPIN_LOCK ParkedLock;
    KTIMER Period;
    KDPC PeriodDpc;
    volatile LONG Ticks;
    volatile LONG Heartbeats;
    KEVENT TickEvent;
    LONG StartIoCalls;
    BOOLEAN WmiRegistered;
} PLAT_EXTENSION, *PPLAT_EXTENSION;

/* xen.c */
NTSTATUS PlatXenStart(PPLAT_EXTENSION Extension, ULONG Address);
VOID PlatXenStop(PPLAT_EXTENSION Extension);
BOOLEAN PlatXenClaim(PPLAT_EXTENSION Extension);
NTSTATUS PlatStoreStart(PPLAT_EXTENSION Extension);
VOID PlatStoreStop(PPLAT_EXTENSION Extension);
NTSTATUS PlatStoreRead(PPLAT_EXTENSION Extension, PCSTR Path, PCHAR Value, ULONG Size);
KDEFERRED_ROUTINE PlatStoreDpc;

/* queue.c */
VOID PlatQueueInitialize(PPLAT_EXTENSION Extension);
DRIVER_DISPATCH PlatRead, PlatWrite, PlatCreateClose;
DRIVER_STARTIO PlatStartIo;
NTSTATUS PlatQueueExercise(PPLAT_EXTENSION Extension);

/* services.c */
NTSTATUS PlatServicesExercise(PPLAT_EXTENSION Extension, PUNICODE_STRING RegistryPath);

/* vendor.c */
NTSTATUS NTAPI PlatTryExceptions(VOID);
NTSTATUS NTAPI PlatTryArithmetic(VOID);

/* files.c */
NTSTATUS PlatFilesExercise(VOID);
NTSTATUS PlatTextExercise(VOID);

#define PLAT_REQUIRE(condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            DbgPrint("plat: %s:%d is not so: %s\n", __FILE__, __LINE__, #condition);                                   \
            return STATUS_UNSUCCESSFUL;                                                                                \
        }                                                                                                              \
    } while (0)

#endif

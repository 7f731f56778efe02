/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plat.h"
#include <intrin.h>

#define HYPERVISOR_MEMORY_OP 12
#define HYPERVISOR_EVENT_CHANNEL_OP 32
#define HYPERVISOR_HVM_OP 34
#define XENMEM_ADD_TO_PHYSMAP 7
#define XENMEM_REMOVE_FROM_PHYSMAP 15
#define EVTCHNOP_SEND 4
#define EVTCHNOP_UNMASK 9
#define HVMOP_SET_PARAM 0
#define HVMOP_GET_PARAM 1
#define PARAM_CALLBACK 0
#define PARAM_STORE_PFN 1
#define PARAM_STORE_PORT 2
#define SELF 0x7FF0
#define CALLBACK_BY_PCI_PIN 1
#define PENDING_WORDS (sizeof(ULONG_PTR) * 8)
#define BITS_OF_WORD (sizeof(ULONG_PTR) * 8)
#define XS_READ 2
#define XS_ERROR 16

typedef struct _ADD_TO_PHYSMAP {
    USHORT Domain;
    ULONG Space;
    ULONG_PTR Index;
    ULONG_PTR Frame;
} ADD_TO_PHYSMAP;

typedef struct _REMOVE_FROM_PHYSMAP {
    USHORT Domain;
    ULONG_PTR Frame;
} REMOVE_FROM_PHYSMAP;

typedef struct _HVM_PARAMETER {
    USHORT Domain;
    ULONG Index;
    ULONGLONG Value;
} HVM_PARAMETER;

typedef struct _SHARED_INFO {
    struct {
        volatile UCHAR Pending;
        UCHAR Mask;
        volatile ULONG_PTR PendingWords;
        UCHAR Rest[64 - 2 * sizeof(ULONG_PTR)];
    } Processors[32];
    volatile ULONG_PTR Pending[PENDING_WORDS];
    volatile ULONG_PTR Masked[PENDING_WORDS];
} SHARED_INFO, *PSHARED_INFO;

typedef struct _STORE_HEADER {
    ULONG Type;
    ULONG Request;
    ULONG Transaction;
    ULONG Length;
} STORE_HEADER;

static LONG Hypercall(PPLAT_EXTENSION Extension, ULONG Number, ULONG_PTR First, PVOID Second)
{
    PUCHAR Entry = Extension->Hypercalls + 32 * Number;
    ULONG_PTR Result;

#ifdef _AMD64_
    __asm__ __volatile__("call *%3"
                         : "=a"(Result), "+D"(First), "+S"(Second)
                         : "r"(Entry)
                         : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory");
#else
    __asm__ __volatile__("call *%3" : "=a"(Result), "+b"(First), "+c"(Second) : "r"(Entry) : "edx", "memory");
#endif
    return (LONG)Result;
}

static LONG Parameter(PPLAT_EXTENSION Extension, ULONG Operation, ULONG Index, PULONGLONG Value)
{
    HVM_PARAMETER Argument;
    LONG Result;

    Argument.Domain = SELF;
    Argument.Index = Index;
    Argument.Value = *Value;
    Result = Hypercall(Extension, HYPERVISOR_HVM_OP, Operation, &Argument);
    *Value = Argument.Value;
    return Result;
}

static NTSTATUS FindXen(PPLAT_EXTENSION Extension)
{
    PHYSICAL_ADDRESS Page;
    int Leaf[4];
    ULONG Base;

    for (Base = 0x40000000; Base < 0x40010000; Base += 0x100) {
        __cpuid(Leaf, (int)Base);
        if (Leaf[1] == 0x566e6558 && Leaf[2] == 0x65584d4d && Leaf[3] == 0x4d4d566e)
            break;
    }
    if (Base == 0x40010000)
        return STATUS_NO_SUCH_DEVICE;
    __cpuid(Leaf, (int)(Base + 2));
    Extension->Hypercalls = ExAllocatePoolWithTag(NonPagedPool, PAGE_SIZE, PLAT_TAG);
    if (Extension->Hypercalls == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    Page = MmGetPhysicalAddress(Extension->Hypercalls);
    __writemsr((ULONG)Leaf[1], (ULONGLONG)Page.QuadPart);
    return STATUS_SUCCESS;
}

NTSTATUS PlatXenStart(PPLAT_EXTENSION Extension, ULONG Address)
{
    ADD_TO_PHYSMAP Place;
    ULONGLONG Value = 0;
    NTSTATUS Status = FindXen(Extension);

    if (!NT_SUCCESS(Status))
        return Status;
    Place.Domain = SELF;
    Place.Space = 0;
    Place.Index = 0;
    Place.Frame = (ULONG_PTR)(Extension->Memory.QuadPart >> PAGE_SHIFT);
    if (Hypercall(Extension, HYPERVISOR_MEMORY_OP, XENMEM_ADD_TO_PHYSMAP, &Place) != 0)
        return STATUS_UNSUCCESSFUL;
    Extension->Bar = MmMapIoSpace(Extension->Memory, PAGE_SIZE, MmNonCached);
    if (Extension->Bar == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (Parameter(Extension, HVMOP_GET_PARAM, PARAM_STORE_PORT, &Value) != 0)
        return STATUS_UNSUCCESSFUL;
    Extension->StorePort = (ULONG)Value;
    Value = (ULONGLONG)CALLBACK_BY_PCI_PIN << 56 | (Address >> 16) << 11 | (Address & 7) << 8;
    return Parameter(Extension, HVMOP_SET_PARAM, PARAM_CALLBACK, &Value) == 0 ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

VOID PlatXenStop(PPLAT_EXTENSION Extension)
{
    REMOVE_FROM_PHYSMAP Place;
    ULONGLONG Nothing = 0;

    if (Extension->Bar != NULL) {
        Parameter(Extension, HVMOP_SET_PARAM, PARAM_CALLBACK, &Nothing);
        MmUnmapIoSpace(Extension->Bar, PAGE_SIZE);
        Extension->Bar = NULL;
        Place.Domain = SELF;
        Place.Frame = (ULONG_PTR)(Extension->Memory.QuadPart >> PAGE_SHIFT);
        Hypercall(Extension, HYPERVISOR_MEMORY_OP, XENMEM_REMOVE_FROM_PHYSMAP, &Place);
    }
    if (Extension->Hypercalls != NULL)
        ExFreePoolWithTag(Extension->Hypercalls, PLAT_TAG);
    Extension->Hypercalls = NULL;
}

/* At the IRQL of the interrupt. */
BOOLEAN PlatXenClaim(PPLAT_EXTENSION Extension)
{
    PSHARED_INFO Shared = Extension->Bar;
    ULONG Word = Extension->StorePort / BITS_OF_WORD, Bit = Extension->StorePort % BITS_OF_WORD;
    ULONG_PTR Mask = (ULONG_PTR)1 << Bit;

    if (!Shared->Processors[0].Pending)
        return FALSE;
    Shared->Processors[0].Pending = 0;
    Shared->Processors[0].PendingWords = 0;
    if (Shared->Pending[Word] & Mask) {
        Shared->Pending[Word] &= ~Mask;
        KeInsertQueueDpc(&Extension->StoreDpc, NULL, NULL);
    }
    return TRUE;
}

VOID NTAPI PlatStoreDpc(PKDPC Dpc, PVOID Context, PVOID First, PVOID Second)
{
    PPLAT_EXTENSION Extension = Context;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(First);
    UNREFERENCED_PARAMETER(Second);
    KeSetEvent(&Extension->RingEvent, IO_NETWORK_INCREMENT, FALSE);
}

static VOID Notify(PPLAT_EXTENSION Extension)
{
    ULONG Port = Extension->StorePort;

    Hypercall(Extension, HYPERVISOR_EVENT_CHANNEL_OP, EVTCHNOP_SEND, &Port);
}

static ULONG Take(PPLAT_EXTENSION Extension, PVOID Buffer, ULONG Length)
{
    PXENSTORE_RING Ring = Extension->Ring;
    PUCHAR Bytes = Buffer;
    ULONG Taken;

    for (Taken = 0; Taken < Length; Taken++) {
        while (Ring->AnswerConsumer == Ring->AnswerProducer) {
            LARGE_INTEGER Soon;

            Soon.QuadPart = -10000;
            Notify(Extension);
            KeDelayExecutionThread(KernelMode, FALSE, &Soon);
        }
        Bytes[Taken] = Ring->Answers[Ring->AnswerConsumer & 1023];
        KeMemoryBarrier();
        Ring->AnswerConsumer++;
    }
    return Taken;
}

/* One answer of the ring goes to the list, and whoever waits is told through the semaphore. */
static VOID Receive(PPLAT_EXTENSION Extension)
{
    PSTORE_ENTRY Entry = ExAllocateFromNPagedLookasideList(&Extension->Entries);
    STORE_HEADER Header;
    ULONG Length;
    UCHAR Lost;

    Take(Extension, &Header, sizeof(Header));
    Length = Header.Length < STORE_ANSWER ? Header.Length : STORE_ANSWER - 1;
    Take(Extension, Entry != NULL ? Entry->Data : Extension->Partial.Data, Length);
    for (; Length < Header.Length; Header.Length--)
        Take(Extension, &Lost, 1);
    Notify(Extension);
    if (Entry == NULL)
        return;
    Entry->Data[Length] = 0;
    Entry->Length = Header.Type == XS_READ ? Length : 0;
    ExInterlockedInsertTailList(&Extension->Arrived, &Entry->Link, &Extension->ArrivedLock);
    KeReleaseSemaphore(&Extension->Answers, IO_NO_INCREMENT, 1, FALSE);
}

static VOID NTAPI Reader(PVOID Context)
{
    PPLAT_EXTENSION Extension = Context;
    PVOID Objects[2];

    Objects[0] = &Extension->StopEvent;
    Objects[1] = &Extension->RingEvent;
    KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY);
    while (KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL) == STATUS_WAIT_1)
        while (Extension->Ring->AnswerConsumer != Extension->Ring->AnswerProducer)
            Receive(Extension);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

NTSTATUS PlatStoreStart(PPLAT_EXTENSION Extension)
{
    PHYSICAL_ADDRESS Page;
    ULONGLONG Value = 0;
    ULONG Port = Extension->StorePort;
    HANDLE Thread;
    NTSTATUS Status;

    if (Parameter(Extension, HVMOP_GET_PARAM, PARAM_STORE_PFN, &Value) != 0)
        return STATUS_UNSUCCESSFUL;
    Page.QuadPart = (LONGLONG)(Value << PAGE_SHIFT);
    Extension->Ring = MmMapIoSpace(Page, PAGE_SIZE, MmCached);
    if (Extension->Ring == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    Status = PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Reader, Extension);
    if (!NT_SUCCESS(Status))
        return Status;
    Status = ObReferenceObjectByHandle(Thread, THREAD_ALL_ACCESS, NULL, KernelMode, (PVOID *)&Extension->Reader, NULL);
    ZwClose(Thread);
    Hypercall(Extension, HYPERVISOR_EVENT_CHANNEL_OP, EVTCHNOP_UNMASK, &Port);
    return Status;
}

VOID PlatStoreStop(PPLAT_EXTENSION Extension)
{
    PSTORE_ENTRY Entry;

    if (Extension->Reader != NULL) {
        KeSetEvent(&Extension->StopEvent, IO_NO_INCREMENT, FALSE);
        KeWaitForSingleObject(Extension->Reader, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(Extension->Reader);
        Extension->Reader = NULL;
    }
    for (;;) {
        Entry = (PSTORE_ENTRY)ExInterlockedRemoveHeadList(&Extension->Arrived, &Extension->ArrivedLock);
        if (Entry == NULL)
            break;
        ExFreeToNPagedLookasideList(&Extension->Entries, Entry);
    }
    if (Extension->Ring != NULL)
        MmUnmapIoSpace(Extension->Ring, PAGE_SIZE);
    Extension->Ring = NULL;
}

static VOID Put(PPLAT_EXTENSION Extension, const VOID *Buffer, ULONG Length)
{
    PXENSTORE_RING Ring = Extension->Ring;
    const UCHAR *Bytes = Buffer;

    while (Length-- > 0) {
        Ring->Requests[Ring->RequestProducer & 1023] = *Bytes++;
        KeMemoryBarrier();
        Ring->RequestProducer++;
    }
}

/* At PASSIVE_LEVEL. One question at a time: the mutex is held until its answer is here. */
NTSTATUS PlatStoreRead(PPLAT_EXTENSION Extension, PCSTR Path, PCHAR Value, ULONG Size)
{
    STORE_HEADER Header;
    LARGE_INTEGER Patience;
    PSTORE_ENTRY Entry = NULL;
    NTSTATUS Status;

    Header.Type = XS_READ;
    Header.Request = 7;
    Header.Transaction = 0;
    Header.Length = (ULONG)strlen(Path) + 1;
    Patience.QuadPart = -5 * 10000000;
    ExAcquireFastMutex(&Extension->StoreMutex);
    Put(Extension, &Header, sizeof(Header));
    Put(Extension, Path, Header.Length);
    Notify(Extension);
    Status = KeWaitForSingleObject(&Extension->Answers, Executive, KernelMode, FALSE, &Patience);
    if (Status == STATUS_SUCCESS)
        Entry = (PSTORE_ENTRY)ExInterlockedRemoveHeadList(&Extension->Arrived, &Extension->ArrivedLock);
    ExReleaseFastMutex(&Extension->StoreMutex);
    if (Entry == NULL)
        return STATUS_IO_TIMEOUT;
    Status = Entry->Length > 0 && Entry->Length < Size ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
    if (NT_SUCCESS(Status))
        RtlCopyMemory(Value, Entry->Data, Entry->Length + 1);
    ExFreeToNPagedLookasideList(&Extension->Entries, Entry);
    return Status;
}

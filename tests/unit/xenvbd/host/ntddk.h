/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of <ntddk.h> as the portable core of xenvbd needs, for a program of the machine that the tests run on. */
#ifndef HOST_NTDDK_H
#define HOST_NTDDK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#undef printf /* struct xenpci_interface has a member of this name */

#if UINTPTR_MAX > 0xFFFFFFFF
#define _WIN64
#define _M_AMD64
#endif

#define IN
#define OUT
#define OPTIONAL
#define NTAPI
#define __cdecl
#define DECLSPEC_IMPORT
#define FORCEINLINE static inline
#define _ANONYMOUS_UNION
#define _ANONYMOUS_STRUCT
#define DUMMYUNIONNAME
#define DUMMYUNIONNAME2
#define DUMMYSTRUCTNAME
#define TRUE 1
#define FALSE 0
#define CONST const
#define VOID void

typedef void *PVOID, *HANDLE;
typedef char CHAR, *PCHAR, *PCCHAR, CCHAR, *PSTR;
typedef const char *PCSTR;
typedef unsigned char UCHAR, *PUCHAR, BOOLEAN, *PBOOLEAN;
typedef int16_t SHORT;
typedef uint16_t USHORT, *PUSHORT, WCHAR, *PWSTR;
typedef int32_t LONG, *PLONG, NTSTATUS;
typedef uint32_t ULONG, *PULONG;
typedef int64_t LONGLONG, LONG64;
typedef uint64_t ULONGLONG, *PULONGLONG, ULONG64;
typedef uintptr_t ULONG_PTR;
typedef size_t SIZE_T;
typedef UCHAR KIRQL;

typedef union {
    struct {
        ULONG LowPart;
        LONG HighPart;
    };
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER, PHYSICAL_ADDRESS;

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink, *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef enum { InterfaceTypeUndefined = -1, Internal } INTERFACE_TYPE;
typedef enum { LevelSensitive, Latched } KINTERRUPT_MODE;
typedef enum { Width8Bits } DMA_WIDTH;
typedef enum { Compatible } DMA_SPEED;
typedef struct { ULONG words[4]; } GUID, *LPGUID;

#define STATUS_SUCCESS ((NTSTATUS)0)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)
#define STATUS_NO_MEMORY ((NTSTATUS)0xC0000017)
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000D)
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_BUFFER_TOO_SMALL ((NTSTATUS)0xC0000023)
#define STATUS_NOT_FOUND ((NTSTATUS)0xC0000225)
#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)

#define PAGE_SIZE 4096
#define FIELD_OFFSET(type, field) ((ULONG)offsetof(type, field))
#define CONTAINING_RECORD(address, type, field) ((type *)((PUCHAR)(address) - offsetof(type, field)))
#define RTL_NUMBER_OF(array) (sizeof(array) / sizeof((array)[0]))
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define RtlZeroMemory(memory, bytes) memset((memory), 0, (bytes))
#define RtlFillMemory(memory, bytes, value) memset((memory), (value), (bytes))
#define RtlCopyMemory(to, from, bytes) memcpy((to), (from), (bytes))
#define KeMemoryBarrier() __sync_synchronize()
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

/* Waiting is up to the program: whoever waits lets the world go on until the event is set. */
typedef struct {
    BOOLEAN set;
} KEVENT, *PKEVENT;
enum { NotificationEvent, Executive, KernelMode };
#define IO_NO_INCREMENT 0
#define KeInitializeEvent(event, type, state) ((event)->set = (state))
#define KeSetEvent(event, increment, wait) ((event)->set = TRUE)
NTSTATUS KeWaitForSingleObject(PKEVENT event, int reason, int mode, BOOLEAN alertable, PLARGE_INTEGER timeout);

static inline VOID InitializeListHead(PLIST_ENTRY head)
{
    head->Flink = head->Blink = head;
}

static inline BOOLEAN IsListEmpty(const LIST_ENTRY *head)
{
    return head->Flink == head;
}

static inline VOID RemoveEntryList(PLIST_ENTRY entry)
{
    entry->Blink->Flink = entry->Flink;
    entry->Flink->Blink = entry->Blink;
    entry->Flink = entry->Blink = NULL;
}

static inline VOID InsertHeadList(PLIST_ENTRY head, PLIST_ENTRY entry)
{
    entry->Flink = head->Flink;
    entry->Blink = head;
    head->Flink->Blink = entry;
    head->Flink = entry;
}

static inline VOID InsertTailList(PLIST_ENTRY head, PLIST_ENTRY entry)
{
    InsertHeadList(head->Blink, entry);
}

static inline PLIST_ENTRY RemoveHeadList(PLIST_ENTRY head)
{
    PLIST_ENTRY entry = head->Flink;

    RemoveEntryList(entry);
    return entry;
}

static inline PLIST_ENTRY RemoveTailList(PLIST_ENTRY head)
{
    PLIST_ENTRY entry = head->Blink;

    RemoveEntryList(entry);
    return entry;
}

VOID DbgPrint(PCSTR format, ...);
VOID xen_log(PCSTR text);
#define _vsnprintf vsnprintf
#define _snprintf snprintf

#endif

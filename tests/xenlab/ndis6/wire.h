/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NDIS 6.0 as the lab's test miniport uses it, written down from the vendor's reference a second time and apart from
 * drivers_src/include/ddk-compat/ndis6.h, so that a slip of the pen there or in the lab's layouts shows.
 */
#ifndef WIRE_H
#define WIRE_H

#include <ntddk.h>
#define NDIS_SUPPORT_NDIS6 1
typedef int NDIS_STATUS;
#include <ntddndis.h>

typedef PVOID NDIS_HANDLE;
typedef unsigned int UINT;

#define NDIS_STATUS_SUCCESS ((NDIS_STATUS)0)
#define NDIS_STATUS_PENDING ((NDIS_STATUS)0x103)
#define NDIS_STATUS_MEDIA_CONNECT ((NDIS_STATUS)0x4001000B)
#define NDIS_STATUS_LINK_STATE ((NDIS_STATUS)0x40010017)
#define NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG ((NDIS_STATUS)0x40020006)
#define NDIS_STATUS_FAILURE ((NDIS_STATUS)0xC0000001)
#define NDIS_STATUS_RESOURCES ((NDIS_STATUS)0xC000009A)
#define NDIS_STATUS_NOT_SUPPORTED ((NDIS_STATUS)0xC00000BB)
#define NDIS_STATUS_REQUEST_ABORTED ((NDIS_STATUS)0xC001000C)
#define NDIS_STATUS_INVALID_LENGTH ((NDIS_STATUS)0xC0010014)
#define NDIS_STATUS_BUFFER_TOO_SHORT ((NDIS_STATUS)0xC0010016)
#define NDIS_STATUS_PAUSED ((NDIS_STATUS)0xC023002A)

typedef struct _NET_BUFFER NET_BUFFER;
typedef struct _NET_BUFFER_LIST NET_BUFFER_LIST;

/* In its header union with an SLIST_HEADER, which gives it its alignment. */
struct _NET_BUFFER {
    union {
        struct {
            NET_BUFFER *Next;
            PMDL CurrentMdl;
            ULONG CurrentMdlOffset;
            union {
                ULONG DataLength;
                SIZE_T stDataLength;
            };
            PMDL MdlChain;
            ULONG DataOffset;
        };
        SLIST_HEADER Link;
    };
    USHORT ChecksumBias;
    USHORT Reserved;
    NDIS_HANDLE NdisPoolHandle;
    DECLSPEC_ALIGN(MEMORY_ALLOCATION_ALIGNMENT) PVOID NdisReserved[2];
    DECLSPEC_ALIGN(MEMORY_ALLOCATION_ALIGNMENT) PVOID ProtocolReserved[6];
    DECLSPEC_ALIGN(MEMORY_ALLOCATION_ALIGNMENT) PVOID MiniportReserved[4];
    PHYSICAL_ADDRESS DataPhysicalAddress;
};

struct _NET_BUFFER_LIST {
    union {
        struct {
            NET_BUFFER_LIST *Next;
            NET_BUFFER *FirstNetBuffer;
        };
        SLIST_HEADER Link;
    };
    PVOID Context;
    NET_BUFFER_LIST *ParentNetBufferList;
    NDIS_HANDLE NdisPoolHandle;
    DECLSPEC_ALIGN(MEMORY_ALLOCATION_ALIGNMENT) PVOID NdisReserved[2];
    DECLSPEC_ALIGN(MEMORY_ALLOCATION_ALIGNMENT) PVOID ProtocolReserved[4];
    DECLSPEC_ALIGN(MEMORY_ALLOCATION_ALIGNMENT) PVOID MiniportReserved[2];
    PVOID Scratch;
    NDIS_HANDLE SourceHandle;
    ULONG NblFlags;
    LONG ChildRefCount;
    ULONG Flags;
    NDIS_STATUS Status;
    PVOID NetBufferListInfo[11];
};

#define CHECKSUM_INFO 0
#define LARGE_SEND_INFO 2
#define TAG_INFO 4
#define CANCEL_ID_INFO 5

typedef struct {
    NDIS_OBJECT_HEADER Header;
    UCHAR ProtocolId;
    BOOLEAN fAllocateNetBuffer;
    USHORT ContextSize;
    ULONG PoolTag;
    ULONG DataSize;
} NET_BUFFER_LIST_POOL_PARAMETERS;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    ULONG PoolTag;
    ULONG DataSize;
} NET_BUFFER_POOL_PARAMETERS;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    NDIS_REQUEST_TYPE RequestType;
    NDIS_PORT_NUMBER PortNumber;
    UINT Timeout;
    PVOID RequestId;
    NDIS_HANDLE RequestHandle;
    union {
        struct {
            NDIS_OID Oid;
            PVOID InformationBuffer;
            UINT InformationBufferLength;
            UINT BytesDone; /* BytesWritten of a query, BytesRead of a set */
            UINT BytesNeeded;
        };
        struct {
            NDIS_OID Oid;
            PVOID InformationBuffer;
            ULONG InputBufferLength;
            ULONG OutputBufferLength;
            ULONG MethodId;
            UINT BytesWritten;
            UINT BytesRead;
            UINT BytesNeeded;
        } METHOD_INFORMATION;
    } DATA;
    UCHAR NdisReserved[16 * sizeof(PVOID)];
    UCHAR MiniportReserved[2 * sizeof(PVOID)];
    UCHAR SourceReserved[2 * sizeof(PVOID)];
    UCHAR SupportedRevision;
    UCHAR Reserved1;
    USHORT Reserved2;
} NDIS_OID_REQUEST;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    NDIS_HANDLE SourceHandle;
    NDIS_PORT_NUMBER PortNumber;
    NDIS_STATUS StatusCode;
    ULONG Flags;
    NDIS_HANDLE DestinationHandle;
    PVOID RequestId;
    PVOID StatusBuffer;
    ULONG StatusBufferSize;
    GUID Guid;
    PVOID NdisReserved[4];
} NDIS_STATUS_INDICATION;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    NDIS_HANDLE MiniportAdapterContext;
    ULONG AttributeFlags;
    UINT CheckForHangTimeInSeconds;
    ULONG InterfaceType;
} NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    ULONG Flags;
    ULONG MediaType;
    ULONG PhysicalMediumType;
    ULONG MtuSize;
    ULONG64 MaxXmitLinkSpeed;
    ULONG64 XmitLinkSpeed;
    ULONG64 MaxRcvLinkSpeed;
    ULONG64 RcvLinkSpeed;
    ULONG MediaConnectState;
    ULONG MediaDuplexState;
    ULONG LookaheadSize;
    PVOID PowerManagementCapabilities;
    ULONG MacOptions;
    ULONG SupportedPacketFilters;
    ULONG MaxMulticastListSize;
    USHORT MacAddressLength;
    UCHAR PermanentMacAddress[32];
    UCHAR CurrentMacAddress[32];
    PVOID RecvScaleCapabilities;
    ULONG AccessType;
    ULONG DirectionType;
    ULONG ConnectionType;
    USHORT IfType;
    BOOLEAN IfConnectorPresent;
    ULONG SupportedStatistics;
    ULONG SupportedPauseFunctions;
    ULONG DataBackFillSize;
    ULONG ContextBackFillSize;
    NDIS_OID *SupportedOidList;
    ULONG SupportedOidListLength;
    ULONG AutoNegotiationFlags;
} NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    NDIS_OFFLOAD *DefaultOffloadConfiguration;
    NDIS_OFFLOAD *HardwareOffloadCapabilities;
    PVOID DefaultTcpConnectionOffloadConfiguration;
    PVOID TcpConnectionOffloadHardwareCapabilities;
} NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    ULONG AllocationTag;
    PVOID TimerFunction;
    PVOID FunctionContext;
} NDIS_TIMER_CHARACTERISTICS;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    ULONG Flags;
    ULONG MaximumPhysicalMapping;
    PVOID ProcessSGListHandler;
    PVOID SharedMemAllocateCompleteHandler;
    ULONG ScatterGatherListSize;
} NDIS_SG_DMA_DESCRIPTION;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    NDIS_HANDLE NdisHandle;
    ULONG Flags;
} NDIS_CONFIGURATION_OBJECT;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    UCHAR MajorNdisVersion;
    UCHAR MinorNdisVersion;
    UCHAR MajorDriverVersion;
    UCHAR MinorDriverVersion;
    ULONG Flags;
    PVOID Handlers[15]; /* in the order of enum wire_handler */
} NDIS_MINIPORT_DRIVER_CHARACTERISTICS;

enum wire_handler {
    SET_OPTIONS,
    INITIALIZE,
    HALT,
    UNLOAD,
    PAUSE,
    RESTART,
    OID_REQUEST,
    SEND_NET_BUFFER_LISTS,
    RETURN_NET_BUFFER_LISTS,
    CANCEL_SEND,
    CHECK_FOR_HANG,
    RESET,
    DEVICE_PNP_EVENT_NOTIFY,
    SHUTDOWN,
    CANCEL_OID_REQUEST
};

typedef struct {
    NDIS_OBJECT_HEADER Header;
    NDIS_PORT_NUMBER PortNumber;
    ULONG DevicePnPEvent;
    PVOID InformationBuffer;
    ULONG InformationBufferLength;
    UCHAR NdisReserved[2 * sizeof(PVOID)];
} NET_DEVICE_PNP_EVENT;

#define API DECLSPEC_IMPORT
API NDIS_STATUS NTAPI NdisMRegisterMiniportDriver(PVOID, PVOID, NDIS_HANDLE, PVOID, NDIS_HANDLE *);
API VOID NTAPI NdisMDeregisterMiniportDriver(NDIS_HANDLE);
API NDIS_STATUS NTAPI NdisMSetMiniportAttributes(NDIS_HANDLE, PVOID);
API VOID NTAPI NdisMSendNetBufferListsComplete(NDIS_HANDLE, NET_BUFFER_LIST *, ULONG);
API VOID NTAPI NdisMIndicateReceiveNetBufferLists(NDIS_HANDLE, NET_BUFFER_LIST *, ULONG, ULONG, ULONG);
API VOID NTAPI NdisMIndicateStatusEx(NDIS_HANDLE, NDIS_STATUS_INDICATION *);
API VOID NTAPI NdisMOidRequestComplete(NDIS_HANDLE, NDIS_OID_REQUEST *, NDIS_STATUS);
API VOID NTAPI NdisMPauseComplete(NDIS_HANDLE);
API VOID NTAPI NdisMRestartComplete(NDIS_HANDLE, NDIS_STATUS);
API VOID NTAPI NdisMResetComplete(NDIS_HANDLE, NDIS_STATUS, BOOLEAN);
API VOID NTAPI NdisMResetMiniport(NDIS_HANDLE);
API NDIS_STATUS NTAPI NdisOpenConfigurationEx(NDIS_CONFIGURATION_OBJECT *, NDIS_HANDLE *);
API VOID NTAPI NdisCloseConfiguration(NDIS_HANDLE);
API PVOID NTAPI NdisAllocateMemoryWithTagPriority(NDIS_HANDLE, UINT, ULONG, ULONG);
API VOID NTAPI NdisFreeMemory(PVOID, UINT, UINT);
API PMDL NTAPI NdisAllocateMdl(NDIS_HANDLE, PVOID, UINT);
API VOID NTAPI NdisFreeMdl(PMDL);
API NDIS_HANDLE NTAPI NdisAllocateNetBufferListPool(NDIS_HANDLE, NET_BUFFER_LIST_POOL_PARAMETERS *);
API VOID NTAPI NdisFreeNetBufferListPool(NDIS_HANDLE);
API NDIS_HANDLE NTAPI NdisAllocateNetBufferPool(NDIS_HANDLE, NET_BUFFER_POOL_PARAMETERS *);
API VOID NTAPI NdisFreeNetBufferPool(NDIS_HANDLE);
API NET_BUFFER *NTAPI NdisAllocateNetBufferMdlAndData(NDIS_HANDLE);
API VOID NTAPI NdisFreeNetBuffer(NET_BUFFER *);
API NET_BUFFER_LIST *NTAPI NdisAllocateNetBufferAndNetBufferList(NDIS_HANDLE, USHORT, USHORT, PMDL, ULONG, SIZE_T);
API VOID NTAPI NdisFreeNetBufferList(NET_BUFFER_LIST *);
API NDIS_STATUS NTAPI NdisRetreatNetBufferDataStart(NET_BUFFER *, ULONG, ULONG, PVOID);
API VOID NTAPI NdisAdvanceNetBufferDataStart(NET_BUFFER *, ULONG, BOOLEAN, PVOID);
API PVOID NTAPI NdisGetDataBuffer(NET_BUFFER *, ULONG, PVOID, UINT, UINT);
API NDIS_STATUS NTAPI NdisAllocateTimerObject(NDIS_HANDLE, NDIS_TIMER_CHARACTERISTICS *, NDIS_HANDLE *);
API BOOLEAN NTAPI NdisSetTimerObject(NDIS_HANDLE, LARGE_INTEGER, LONG, PVOID);
API BOOLEAN NTAPI NdisCancelTimerObject(NDIS_HANDLE);
API VOID NTAPI NdisFreeTimerObject(NDIS_HANDLE);
API NDIS_HANDLE NTAPI NdisAllocateIoWorkItem(NDIS_HANDLE);
API VOID NTAPI NdisQueueIoWorkItem(NDIS_HANDLE, PVOID, PVOID);
API VOID NTAPI NdisFreeIoWorkItem(NDIS_HANDLE);

#endif

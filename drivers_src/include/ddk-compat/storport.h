/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Storport interface of Windows Vista and Server 2008 (NT 6.0), written from the vendor's storport.h reference.
 * SRBs and their constants are those of the SCSI port driver and come from srb.h, whose two configuration structures
 * Storport extends; srb.h's own are renamed out of the way.
 */
#ifndef DDK_COMPAT_STORPORT_H
#define DDK_COMPAT_STORPORT_H

#ifdef _NTSRB_
#error "storport.h takes the place of srb.h: include one of them"
#endif

#define _PORT_CONFIGURATION_INFORMATION _SCSIPORT_CONFIGURATION_INFORMATION
#define PORT_CONFIGURATION_INFORMATION SCSIPORT_CONFIGURATION_INFORMATION
#define PPORT_CONFIGURATION_INFORMATION PSCSIPORT_CONFIGURATION_INFORMATION
#define PHW_FIND_ADAPTER PSCSIPORT_HW_FIND_ADAPTER
#define _HW_INITIALIZATION_DATA _SCSIPORT_HW_INITIALIZATION_DATA
#define HW_INITIALIZATION_DATA SCSIPORT_HW_INITIALIZATION_DATA
#define PHW_INITIALIZATION_DATA PSCSIPORT_HW_INITIALIZATION_DATA
#include <srb.h>
#undef _PORT_CONFIGURATION_INFORMATION
#undef PORT_CONFIGURATION_INFORMATION
#undef PPORT_CONFIGURATION_INFORMATION
#undef PHW_FIND_ADAPTER
#undef _HW_INITIALIZATION_DATA
#undef HW_INITIALIZATION_DATA
#undef PHW_INITIALIZATION_DATA
#undef CONFIG_INFO_VERSION_2
#undef DebugPrint
#include <layout.h>

#define STORPORTAPI DECLSPEC_IMPORT

#define STOR_MAP_NO_BUFFERS 0
#define STOR_MAP_ALL_BUFFERS 1
#define STOR_MAP_NON_READ_WRITE_BUFFERS 2

#define STOR_STATUS_SUCCESS 0x00000000L
#define STOR_STATUS_UNSUCCESSFUL 0xC1000001L
#define STOR_STATUS_NOT_IMPLEMENTED 0xC1000002L
#define STOR_STATUS_INSUFFICIENT_RESOURCES 0xC1000003L
#define STOR_STATUS_BUFFER_TOO_SMALL 0xC1000004L
#define STOR_STATUS_ACCESS_DENIED 0xC1000005L
#define STOR_STATUS_INVALID_PARAMETER 0xC1000006L
#define STOR_STATUS_INVALID_DEVICE_REQUEST 0xC1000007L
#define STOR_STATUS_INVALID_IRQL 0xC1000008L

typedef PHYSICAL_ADDRESS STOR_PHYSICAL_ADDRESS, *PSTOR_PHYSICAL_ADDRESS;

typedef struct _STOR_SCATTER_GATHER_ELEMENT {
    STOR_PHYSICAL_ADDRESS PhysicalAddress;
    ULONG Length;
    ULONG_PTR Reserved;
} STOR_SCATTER_GATHER_ELEMENT, *PSTOR_SCATTER_GATHER_ELEMENT;

typedef struct _STOR_SCATTER_GATHER_LIST {
    ULONG NumberOfElements;
    ULONG_PTR Reserved;
    STOR_SCATTER_GATHER_ELEMENT List[0];
} STOR_SCATTER_GATHER_LIST, *PSTOR_SCATTER_GATHER_LIST;

LAYOUT_SIZE(STOR_SCATTER_GATHER_ELEMENT, 0x18, 0x10);
LAYOUT_OFFSET(STOR_SCATTER_GATHER_LIST, List, 0x10, 0x08);

typedef enum _STOR_SYNCHRONIZATION_MODEL {
    StorSynchronizeHalfDuplex,
    StorSynchronizeFullDuplex
} STOR_SYNCHRONIZATION_MODEL;

typedef enum _INTERRUPT_SYNCHRONIZATION_MODE {
    InterruptSupportNone,
    InterruptSynchronizeAll,
    InterruptSynchronizePerMessage
} INTERRUPT_SYNCHRONIZATION_MODE;

typedef struct _MEMORY_REGION {
    PUCHAR VirtualBase;
    PHYSICAL_ADDRESS PhysicalBase;
    ULONG Length;
} MEMORY_REGION, *PMEMORY_REGION;

LAYOUT_SIZE(MEMORY_REGION, 0x18, 0x18);

typedef BOOLEAN (NTAPI *PHW_MESSAGE_SIGNALED_INTERRUPT_ROUTINE)(PVOID HwDeviceExtension, ULONG MessageId);
typedef BOOLEAN (NTAPI *PHW_BUILDIO)(PVOID DeviceExtension, PSCSI_REQUEST_BLOCK Srb);
typedef BOOLEAN (NTAPI *PHW_PASSIVE_INITIALIZE_ROUTINE)(PVOID DeviceExtension);

/*
 * What the port driver knows of an adapter and what the miniport tells it. The port driver allocates it and sets Length
 * to the size that it knows, so a field past Length does not exist on that system.
 */
typedef struct _PORT_CONFIGURATION_INFORMATION {
    ULONG Length;
    ULONG SystemIoBusNumber;
    INTERFACE_TYPE AdapterInterfaceType;
    ULONG BusInterruptLevel;
    ULONG BusInterruptVector;
    KINTERRUPT_MODE InterruptMode;
    ULONG MaximumTransferLength;
    ULONG NumberOfPhysicalBreaks;
    ULONG DmaChannel;
    ULONG DmaPort;
    DMA_WIDTH DmaWidth;
    DMA_SPEED DmaSpeed;
    ULONG AlignmentMask;
    ULONG NumberOfAccessRanges;
    ACCESS_RANGE (*AccessRanges)[];
    PVOID MiniportDumpData;
    UCHAR NumberOfBuses;
    CCHAR InitiatorBusId[8];
    BOOLEAN ScatterGather;
    BOOLEAN Master;
    BOOLEAN CachesData;
    BOOLEAN AdapterScansDown;
    BOOLEAN AtdiskPrimaryClaimed;
    BOOLEAN AtdiskSecondaryClaimed;
    BOOLEAN Dma32BitAddresses;
    BOOLEAN DemandMode;
    UCHAR MapBuffers;
    BOOLEAN NeedPhysicalAddresses;
    BOOLEAN TaggedQueuing;
    BOOLEAN AutoRequestSense;
    BOOLEAN MultipleRequestPerLu;
    BOOLEAN ReceiveEvent;
    BOOLEAN RealModeInitialized;
    BOOLEAN BufferAccessScsiPortControlled;
    UCHAR MaximumNumberOfTargets;
    UCHAR ReservedUchars[2];
    ULONG SlotNumber;
    ULONG BusInterruptLevel2;
    ULONG BusInterruptVector2;
    KINTERRUPT_MODE InterruptMode2;
    ULONG DmaChannel2;
    ULONG DmaPort2;
    DMA_WIDTH DmaWidth2;
    DMA_SPEED DmaSpeed2;
    ULONG DeviceExtensionSize;
    ULONG SpecificLuExtensionSize;
    ULONG SrbExtensionSize;
    UCHAR Dma64BitAddresses;
    BOOLEAN ResetTargetSupported;
    UCHAR MaximumNumberOfLogicalUnits;
    BOOLEAN WmiDataProvider;
    STOR_SYNCHRONIZATION_MODEL SynchronizationModel;
    PHW_MESSAGE_SIGNALED_INTERRUPT_ROUTINE HwMSInterruptRoutine;
    INTERRUPT_SYNCHRONIZATION_MODE InterruptSynchronizationMode;
    MEMORY_REGION DumpRegion;
    ULONG RequestedDumpBufferSize;
    BOOLEAN VirtualDevice;
} PORT_CONFIGURATION_INFORMATION, *PPORT_CONFIGURATION_INFORMATION;

LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, AccessRanges, 0x38, 0x38);
LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, NumberOfBuses, 0x48, 0x40);
LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, SlotNumber, 0x64, 0x5C);
LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, Dma64BitAddresses, 0x90, 0x88);
LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, SynchronizationModel, 0x94, 0x8C);
LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, HwMSInterruptRoutine, 0x98, 0x90);
LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, DumpRegion, 0xA8, 0x98);
LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, RequestedDumpBufferSize, 0xC0, 0xB0);
LAYOUT_OFFSET(PORT_CONFIGURATION_INFORMATION, VirtualDevice, 0xC4, 0xB4);

typedef ULONG (NTAPI *PHW_FIND_ADAPTER)(PVOID DeviceExtension, PVOID HwContext, PVOID BusInformation,
                                        PCHAR ArgumentString, PPORT_CONFIGURATION_INFORMATION ConfigInfo,
                                        PBOOLEAN Again);
typedef ULONG (NTAPI *PVIRTUAL_HW_FIND_ADAPTER)(PVOID DeviceExtension, PVOID HwContext, PVOID BusInformation,
                                                PVOID LowerDevice, PCHAR ArgumentString,
                                                PPORT_CONFIGURATION_INFORMATION ConfigInfo, PBOOLEAN Again);
typedef VOID (NTAPI *PHW_FREE_ADAPTER_RESOURCES)(PVOID DeviceExtension);
typedef VOID (NTAPI *PHW_PROCESS_SERVICE_REQUEST)(PVOID DeviceExtension, PVOID Irp);
typedef VOID (NTAPI *PHW_COMPLETE_SERVICE_IRP)(PVOID DeviceExtension);
typedef VOID (NTAPI *PHW_INITIALIZE_TRACING)(PVOID Argument1, PVOID Argument2);
typedef VOID (NTAPI *PHW_CLEANUP_TRACING)(PVOID Argument1);

#define STORPORT_INITIALIZATION_FIELDS(FindAdapter) \
    ULONG HwInitializationDataSize; \
    INTERFACE_TYPE AdapterInterfaceType; \
    PHW_INITIALIZE HwInitialize; \
    PHW_STARTIO HwStartIo; \
    PHW_INTERRUPT HwInterrupt; \
    FindAdapter HwFindAdapter; \
    PHW_RESET_BUS HwResetBus; \
    PHW_DMA_STARTED HwDmaStarted; \
    PHW_ADAPTER_STATE HwAdapterState; \
    ULONG DeviceExtensionSize; \
    ULONG SpecificLuExtensionSize; \
    ULONG SrbExtensionSize; \
    ULONG NumberOfAccessRanges; \
    PVOID Reserved; \
    UCHAR MapBuffers; \
    BOOLEAN NeedPhysicalAddresses; \
    BOOLEAN TaggedQueuing; \
    BOOLEAN AutoRequestSense; \
    BOOLEAN MultipleRequestPerLu; \
    BOOLEAN ReceiveEvent; \
    USHORT VendorIdLength; \
    PVOID VendorId; \
    USHORT PortVersionFlags; \
    USHORT DeviceIdLength; \
    PVOID DeviceId; \
    PHW_ADAPTER_CONTROL HwAdapterControl; \
    PHW_BUILDIO HwBuildIo;

typedef struct _HW_INITIALIZATION_DATA {
    STORPORT_INITIALIZATION_FIELDS(PHW_FIND_ADAPTER)
} HW_INITIALIZATION_DATA, *PHW_INITIALIZATION_DATA;

typedef struct _VIRTUAL_HW_INITIALIZATION_DATA {
    STORPORT_INITIALIZATION_FIELDS(PVIRTUAL_HW_FIND_ADAPTER)
    PHW_FREE_ADAPTER_RESOURCES HwFreeAdapterResources;
    PHW_PROCESS_SERVICE_REQUEST HwProcessServiceRequest;
    PHW_COMPLETE_SERVICE_IRP HwCompleteServiceIrp;
    PHW_INITIALIZE_TRACING HwInitializeTracing;
    PHW_CLEANUP_TRACING HwCleanupTracing;
} VIRTUAL_HW_INITIALIZATION_DATA, *PVIRTUAL_HW_INITIALIZATION_DATA;

LAYOUT_SIZE(HW_INITIALIZATION_DATA, 0x88, 0x54);
LAYOUT_OFFSET(HW_INITIALIZATION_DATA, DeviceExtensionSize, 0x40, 0x24);
LAYOUT_OFFSET(HW_INITIALIZATION_DATA, MapBuffers, 0x58, 0x38);
LAYOUT_OFFSET(HW_INITIALIZATION_DATA, VendorId, 0x60, 0x40);
LAYOUT_OFFSET(HW_INITIALIZATION_DATA, HwAdapterControl, 0x78, 0x4C);
LAYOUT_OFFSET(HW_INITIALIZATION_DATA, HwBuildIo, 0x80, 0x50);
LAYOUT_SIZE(VIRTUAL_HW_INITIALIZATION_DATA, 0xB0, 0x68);

/* A DPC and a queued spin lock as the miniport embeds them; the port driver sees a KDPC and a KLOCK_QUEUE_HANDLE. */
typedef struct _STOR_DPC {
    KDPC Dpc;
    ULONG_PTR Lock;
} STOR_DPC, *PSTOR_DPC;

typedef VOID (NTAPI *PHW_DPC_ROUTINE)(PSTOR_DPC Dpc, PVOID HwDeviceExtension, PVOID SystemArgument1,
                                      PVOID SystemArgument2);

typedef enum _STOR_SPINLOCK {
    DpcLock = 1,
    StartIoLock,
    InterruptLock
} STOR_SPINLOCK;

typedef struct _STOR_LOCK_HANDLE {
    STOR_SPINLOCK Lock;
    struct {
        struct {
            PVOID Next;
            PVOID Lock;
        } LockQueue;
        KIRQL OldIrql;
    } Context;
} STOR_LOCK_HANDLE, *PSTOR_LOCK_HANDLE;

LAYOUT_SIZE(STOR_DPC, 0x48, 0x24);
LAYOUT_SIZE(STOR_LOCK_HANDLE, 0x20, 0x10);

/* The notifications that srb.h's SCSI_NOTIFICATION_TYPE does not have. */
enum {
    GetExtendedFunctionTable = 15,
    EnablePassiveInitialization = 0x1000,
    InitializeDpc,
    IssueDpc,
    AcquireSpinLock,
    ReleaseSpinLock
};

typedef enum _STORPORT_FUNCTION_CODE {
    ExtFunctionAllocatePool,
    ExtFunctionFreePool,
    ExtFunctionAllocateMdl,
    ExtFunctionFreeMdl,
    ExtFunctionBuildMdlForNonPagedPool,
    ExtFunctionGetSystemAddress,
    ExtFunctionGetOriginalMdl,
    ExtFunctionCompleteServiceIrp,
    ExtFunctionGetDeviceObjects,
    ExtFunctionBuildScatterGatherList,
    ExtFunctionPutScatterGatherList,
    ExtFunctionAcquireMSISpinLock,
    ExtFunctionReleaseMSISpinLock,
    ExtFunctionGetMessageInterruptInformation,
    ExtFunctionInitializePerformanceOptimizations,
    ExtFunctionGetStartIoPerformanceParameters
} STORPORT_FUNCTION_CODE, *PSTORPORT_FUNCTION_CODE;

typedef BOOLEAN (NTAPI *PSTOR_SYNCHRONIZED_ACCESS)(PVOID HwDeviceExtension, PVOID Context);

STORPORTAPI ULONG NTAPI StorPortInitialize(PVOID Argument1, PVOID Argument2,
                                           PHW_INITIALIZATION_DATA HwInitializationData, PVOID HwContext);
STORPORTAPI VOID __cdecl StorPortNotification(SCSI_NOTIFICATION_TYPE NotificationType, PVOID HwDeviceExtension, ...);
STORPORTAPI ULONG __cdecl StorPortExtendedFunction(STORPORT_FUNCTION_CODE FunctionCode, PVOID HwDeviceExtension, ...);
STORPORTAPI VOID __cdecl StorPortDebugPrint(ULONG DebugPrintLevel, PCCHAR DebugMessage, ...);
STORPORTAPI VOID NTAPI StorPortCompleteRequest(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                               UCHAR SrbStatus);
STORPORTAPI PSTOR_SCATTER_GATHER_LIST NTAPI StorPortGetScatterGatherList(PVOID DeviceExtension,
                                                                         PSCSI_REQUEST_BLOCK Srb);
STORPORTAPI STOR_PHYSICAL_ADDRESS NTAPI StorPortGetPhysicalAddress(PVOID HwDeviceExtension, PSCSI_REQUEST_BLOCK Srb,
                                                                   PVOID VirtualAddress, ULONG *Length);
STORPORTAPI PVOID NTAPI StorPortGetVirtualAddress(PVOID HwDeviceExtension, STOR_PHYSICAL_ADDRESS PhysicalAddress);
STORPORTAPI PVOID NTAPI StorPortGetUncachedExtension(PVOID HwDeviceExtension,
                                                     PPORT_CONFIGURATION_INFORMATION ConfigInfo, ULONG NumberOfBytes);
STORPORTAPI PVOID NTAPI StorPortGetLogicalUnit(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun);
STORPORTAPI PVOID NTAPI StorPortGetDeviceBase(PVOID HwDeviceExtension, INTERFACE_TYPE BusType, ULONG SystemIoBusNumber,
                                              STOR_PHYSICAL_ADDRESS IoAddress, ULONG NumberOfBytes,
                                              BOOLEAN InIoSpace);
STORPORTAPI VOID NTAPI StorPortFreeDeviceBase(PVOID HwDeviceExtension, PVOID MappedAddress);
STORPORTAPI ULONG NTAPI StorPortGetBusData(PVOID DeviceExtension, ULONG BusDataType, ULONG SystemIoBusNumber,
                                           ULONG SlotNumber, PVOID Buffer, ULONG Length);
STORPORTAPI VOID NTAPI StorPortLogError(PVOID HwDeviceExtension, PSCSI_REQUEST_BLOCK Srb, UCHAR PathId, UCHAR TargetId,
                                        UCHAR Lun, ULONG ErrorCode, ULONG UniqueId);
STORPORTAPI BOOLEAN NTAPI StorPortPause(PVOID HwDeviceExtension, ULONG TimeOut);
STORPORTAPI BOOLEAN NTAPI StorPortResume(PVOID HwDeviceExtension);
STORPORTAPI BOOLEAN NTAPI StorPortBusy(PVOID HwDeviceExtension, ULONG RequestsToComplete);
STORPORTAPI BOOLEAN NTAPI StorPortReady(PVOID HwDeviceExtension);
STORPORTAPI BOOLEAN NTAPI StorPortPauseDevice(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                              ULONG TimeOut);
STORPORTAPI BOOLEAN NTAPI StorPortResumeDevice(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun);
STORPORTAPI BOOLEAN NTAPI StorPortDeviceBusy(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                             ULONG RequestsToComplete);
STORPORTAPI BOOLEAN NTAPI StorPortDeviceReady(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun);
STORPORTAPI BOOLEAN NTAPI StorPortSetDeviceQueueDepth(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                                      ULONG Depth);
STORPORTAPI VOID NTAPI StorPortSynchronizeAccess(PVOID HwDeviceExtension,
                                                 PSTOR_SYNCHRONIZED_ACCESS SynchronizedAccessRoutine, PVOID Context);
STORPORTAPI VOID NTAPI StorPortStallExecution(ULONG Delay);
STORPORTAPI VOID NTAPI StorPortQuerySystemTime(PLARGE_INTEGER CurrentTime);

/* PASSIVE_LEVEL, from HwStorInitialize: asks for a call of Routine at PASSIVE_LEVEL. */
FORCEINLINE BOOLEAN StorPortEnablePassiveInitialization(PVOID DeviceExtension, PHW_PASSIVE_INITIALIZE_ROUTINE Routine)
{
    LONG accepted = 0;

    StorPortNotification((SCSI_NOTIFICATION_TYPE)EnablePassiveInitialization, DeviceExtension, Routine, &accepted);
    return (BOOLEAN)accepted;
}

FORCEINLINE VOID StorPortInitializeDpc(PVOID DeviceExtension, PSTOR_DPC Dpc, PHW_DPC_ROUTINE Routine)
{
    StorPortNotification((SCSI_NOTIFICATION_TYPE)InitializeDpc, DeviceExtension, Dpc, Routine);
}

FORCEINLINE BOOLEAN StorPortIssueDpc(PVOID DeviceExtension, PSTOR_DPC Dpc, PVOID Argument1, PVOID Argument2)
{
    LONG queued = 0;

    StorPortNotification((SCSI_NOTIFICATION_TYPE)IssueDpc, DeviceExtension, Dpc, Argument1, Argument2, &queued);
    return (BOOLEAN)queued;
}

FORCEINLINE VOID StorPortAcquireSpinLock(PVOID DeviceExtension, STOR_SPINLOCK Lock, PVOID LockContext,
                                         PSTOR_LOCK_HANDLE Handle)
{
    StorPortNotification((SCSI_NOTIFICATION_TYPE)AcquireSpinLock, DeviceExtension, Lock, LockContext, Handle);
}

FORCEINLINE VOID StorPortReleaseSpinLock(PVOID DeviceExtension, PSTOR_LOCK_HANDLE Handle)
{
    StorPortNotification((SCSI_NOTIFICATION_TYPE)ReleaseSpinLock, DeviceExtension, Handle);
}

FORCEINLINE ULONG StorPortAllocatePool(PVOID DeviceExtension, ULONG Bytes, ULONG Tag, PVOID *Buffer)
{
    return StorPortExtendedFunction(ExtFunctionAllocatePool, DeviceExtension, Bytes, Tag, Buffer);
}

FORCEINLINE ULONG StorPortFreePool(PVOID DeviceExtension, PVOID Buffer)
{
    return StorPortExtendedFunction(ExtFunctionFreePool, DeviceExtension, Buffer);
}

FORCEINLINE ULONG StorPortGetSystemAddress(PVOID DeviceExtension, PSCSI_REQUEST_BLOCK Srb, PVOID *Address)
{
    return StorPortExtendedFunction(ExtFunctionGetSystemAddress, DeviceExtension, Srb, Address);
}

#endif

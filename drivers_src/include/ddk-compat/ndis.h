/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NDIS miniports: 6.0 has a header of its own, ndis6.h; 5.0 and 5.1 take mingw-w64's ndis.h, which needs five repairs.
 * - It defines NDIS_REQUEST_TYPE a second time after ntddndis.h: the second is renamed out of the way.
 * - A comma is missing in the declaration of NdisMWanIndicateReceiveComplete: a macro supplies the parameters.
 * - NdisMSendComplete and its like are macros that reach into NDIS_MINIPORT_BLOCK, whose layout differs between Windows
 *   versions: the functions that ndis.sys exports under the same names are declared instead.
 * - NdisFreeSpinLock expands to nothing at all, so that its argument counts as unused.
 * - Its netpnp.h numbers device events otherwise than Windows: a header of our own repairs them.
 */
#ifndef DDK_COMPAT_NDIS_H
#define DDK_COMPAT_NDIS_H

#if defined(NDIS60_MINIPORT)
#include <ndis6.h>
#else

#include <ntddk.h>
#define NDIS_SUPPORT_NDIS6 0
#include <ntddndis.h>
#undef NDIS_SUPPORT_NDIS6

#define _NDIS_REQUEST_TYPE _NDIS_REQUEST_TYPE_AGAIN
#define NDIS_REQUEST_TYPE NDIS_REQUEST_TYPE_AGAIN
#define PNDIS_REQUEST_TYPE PNDIS_REQUEST_TYPE_AGAIN
#define NdisRequestQueryInformation NdisRequestQueryInformationAgain
#define NdisRequestSetInformation NdisRequestSetInformationAgain
#define NdisRequestQueryStatistics NdisRequestQueryStatisticsAgain
#define NdisRequestOpen NdisRequestOpenAgain
#define NdisRequestClose NdisRequestCloseAgain
#define NdisRequestSend NdisRequestSendAgain
#define NdisRequestTransferData NdisRequestTransferDataAgain
#define NdisRequestReset NdisRequestResetAgain
#define NdisRequestGeneric1 NdisRequestGeneric1Again
#define NdisRequestGeneric2 NdisRequestGeneric2Again
#define NdisRequestGeneric3 NdisRequestGeneric3Again
#define NdisRequestGeneric4 NdisRequestGeneric4Again
#define NdisMWanIndicateReceiveComplete(parameters) \
    NdisMWanIndicateReceiveComplete(NDIS_HANDLE MiniportAdapterHandle, NDIS_HANDLE NdisLinkContext)
#include_next <ndis.h>
#undef _NDIS_REQUEST_TYPE
#undef NDIS_REQUEST_TYPE
#undef PNDIS_REQUEST_TYPE
#undef NdisRequestQueryInformation
#undef NdisRequestSetInformation
#undef NdisRequestQueryStatistics
#undef NdisRequestOpen
#undef NdisRequestClose
#undef NdisRequestSend
#undef NdisRequestTransferData
#undef NdisRequestReset
#undef NdisRequestGeneric1
#undef NdisRequestGeneric2
#undef NdisRequestGeneric3
#undef NdisRequestGeneric4
#undef NdisMWanIndicateReceiveComplete
#include <layout.h>
#include <netpnp.h>

#undef NdisFreeSpinLock
#define NdisFreeSpinLock(SpinLock) ((void)(SpinLock))

#undef NdisMSendComplete
#undef NdisMSendResourcesAvailable
#undef NdisMIndicateStatus
#undef NdisMIndicateStatusComplete
#undef NdisMResetComplete
#undef NdisMQueryInformationComplete
#undef NdisMSetInformationComplete
NDISAPI VOID NTAPI NdisMSendComplete(NDIS_HANDLE MiniportAdapterHandle, PNDIS_PACKET Packet, NDIS_STATUS Status);
NDISAPI VOID NTAPI NdisMSendResourcesAvailable(NDIS_HANDLE MiniportAdapterHandle);
NDISAPI VOID NTAPI NdisMIndicateStatus(NDIS_HANDLE MiniportAdapterHandle, NDIS_STATUS GeneralStatus, PVOID StatusBuffer,
                                       UINT StatusBufferSize);
NDISAPI VOID NTAPI NdisMIndicateStatusComplete(NDIS_HANDLE MiniportAdapterHandle);
NDISAPI VOID NTAPI NdisMResetComplete(NDIS_HANDLE MiniportAdapterHandle, NDIS_STATUS Status, BOOLEAN AddressingReset);
NDISAPI VOID NTAPI NdisMQueryInformationComplete(NDIS_HANDLE MiniportAdapterHandle, NDIS_STATUS Status);
NDISAPI VOID NTAPI NdisMSetInformationComplete(NDIS_HANDLE MiniportAdapterHandle, NDIS_STATUS Status);

LAYOUT_SIZE(NDIS_PACKET, 0x68, 0x3C);
LAYOUT_OFFSET(NDIS_PACKET, ProtocolReserved, 0x60, 0x38);
LAYOUT_SIZE(NDIS_PACKET_PRIVATE, 0x30, 0x20);
LAYOUT_SIZE(NDIS_PACKET_OOB_DATA, 0x28, 0x20);
LAYOUT_SIZE(NDIS50_MINIPORT_CHARACTERISTICS, 0xB8, 0x60);
LAYOUT_SIZE(NDIS51_MINIPORT_CHARACTERISTICS, 0xF0, 0x7C);
LAYOUT_OFFSET(NDIS51_MINIPORT_CHARACTERISTICS, InitializeHandler, 0x30, 0x1C);
LAYOUT_OFFSET(NDIS51_MINIPORT_CHARACTERISTICS, SendPacketsHandler, 0x78, 0x40);
LAYOUT_OFFSET(NDIS51_MINIPORT_CHARACTERISTICS, CancelSendPacketsHandler, 0xB8, 0x60);
LAYOUT_SIZE(NDIS_SPIN_LOCK, 0x10, 0x08);

#endif

#endif

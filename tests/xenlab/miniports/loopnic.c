/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network adapter without hardware that receives every frame it sends, as a deserialized miniport of NDIS 5: what the
 * lab's NDIS is tested with. A checksum that it is asked to compute it vouches for in the frame that comes back.
 */
#include "loopnic.h"

#define IMPLEMENTED_TASKS 0x1F
#define CHECKSUM_TASK_LENGTH (4 * sizeof(ULONG))
#define LARGE_SEND_SIZE 60000

DRIVER_INITIALIZE DriverEntry;

static const NDIS_OID oids[] = {
    OID_GEN_SUPPORTED_LIST, OID_GEN_HARDWARE_STATUS, OID_GEN_MEDIA_SUPPORTED, OID_GEN_MEDIA_IN_USE,
    OID_GEN_MAXIMUM_LOOKAHEAD, OID_GEN_MAXIMUM_FRAME_SIZE, OID_GEN_LINK_SPEED, OID_GEN_TRANSMIT_BUFFER_SPACE,
    OID_GEN_RECEIVE_BUFFER_SPACE, OID_GEN_TRANSMIT_BLOCK_SIZE, OID_GEN_RECEIVE_BLOCK_SIZE, OID_GEN_VENDOR_ID,
    OID_GEN_VENDOR_DESCRIPTION, OID_GEN_CURRENT_PACKET_FILTER, OID_GEN_CURRENT_LOOKAHEAD, OID_GEN_DRIVER_VERSION,
    OID_GEN_MAXIMUM_TOTAL_SIZE, OID_GEN_PROTOCOL_OPTIONS, OID_GEN_MAC_OPTIONS, OID_GEN_MEDIA_CONNECT_STATUS,
    OID_GEN_MAXIMUM_SEND_PACKETS, OID_GEN_VENDOR_DRIVER_VERSION, OID_GEN_XMIT_OK, OID_GEN_RCV_OK, OID_GEN_XMIT_ERROR,
    OID_GEN_RCV_ERROR, OID_GEN_RCV_NO_BUFFER, OID_802_3_PERMANENT_ADDRESS, OID_802_3_CURRENT_ADDRESS, OID_802_3_MULTICAST_LIST, OID_802_3_MAXIMUM_LIST_SIZE,
    OID_802_3_RCV_ERROR_ALIGNMENT, OID_802_3_XMIT_ONE_COLLISION, OID_802_3_XMIT_MORE_COLLISIONS, OID_TCP_TASK_OFFLOAD
#ifdef LOOPNIC_POWER
    , OID_PNP_CAPABILITIES, OID_PNP_SET_POWER
#endif
};

volatile struct loopnic_choice loopnic_choice = {"loopnic makes: ", NO_MUTANT};

static const CHAR description[] = "Looping network adapter";

static PNDIS_PACKET *next_of(PNDIS_PACKET packet)
{
    return (PNDIS_PACKET *)packet->MiniportReserved;
}

static VOID complete(struct loopnic *nic, PNDIS_PACKET packet, NDIS_STATUS status)
{
    if (MUTANT(COMPLETES_UNKNOWN))
        NdisMSendComplete(nic->handle, nic->slots[0].packet, status);
    if (MUTANT(COMPLETES_PENDING))
        status = NDIS_STATUS_PENDING;
    if (MUTANT(COMPLETES_UNDER_LOCK))
        NdisAcquireSpinLock(&nic->lock);
    NdisMSendComplete(nic->handle, packet, status);
    if (MUTANT(COMPLETES_TWICE))
        NdisMSendComplete(nic->handle, packet, status);
    if (MUTANT(TOUCHES_AFTERWARDS))
        nic->sent += ((volatile NDIS_PACKET *)packet)->Private.Count;
}

/* What the miniport computed in a sent packet it has checked in the received one. */
static VOID copy_information(PNDIS_PACKET to, PNDIS_PACKET from)
{
    NDIS_TCP_IP_CHECKSUM_PACKET_INFO asked, told;

    asked.Value = (ULONG)(ULONG_PTR)NDIS_PER_PACKET_INFO_FROM_PACKET(from, TcpIpChecksumPacketInfo);
    told.Value = 0;
    told.Receive.NdisPacketTcpChecksumSucceeded = asked.Transmit.NdisPacketTcpChecksum;
    told.Receive.NdisPacketUdpChecksumSucceeded = asked.Transmit.NdisPacketUdpChecksum;
    told.Receive.NdisPacketIpChecksumSucceeded = asked.Transmit.NdisPacketIpChecksum;
    NDIS_PER_PACKET_INFO_FROM_PACKET(to, TcpIpChecksumPacketInfo) = (PVOID)(ULONG_PTR)told.Value;
    NDIS_PER_PACKET_INFO_FROM_PACKET(to, Ieee8021QInfo) = NDIS_PER_PACKET_INFO_FROM_PACKET(from, Ieee8021QInfo);
}

#ifdef LOOPNIC_DMA
/* Whether the scatter/gather list has as many bytes as the packet. */
static BOOLEAN is_gathered(PNDIS_PACKET packet, UINT length)
{
    PSCATTER_GATHER_LIST list = NDIS_PER_PACKET_INFO_FROM_PACKET(packet, ScatterGatherListPacketInfo);
    ULONG i;

    for (i = 0; list != NULL && i < list->NumberOfElements; i++)
        length -= list->Elements[i].Length;
    return length == 0;
}
#endif

/* DISPATCH_LEVEL. FALSE: a buffer cannot be mapped. */
static BOOLEAN copy(struct slot *slot, PNDIS_PACKET packet)
{
    PNDIS_BUFFER buffer;
    ULONG total = 0;
    UINT length;
    PVOID data;

    NdisQueryPacket(packet, NULL, NULL, &buffer, NULL);
    for (; buffer != NULL; buffer = NDIS_BUFFER_LINKAGE(buffer)) {
        NdisQueryBufferSafe(buffer, &data, &length, NormalPagePriority);
        if (MUTANT(USES_USER_ADDRESS))
            data = (PUCHAR)MmGetMdlVirtualAddress(buffer);
        if (data == NULL)
            return FALSE;
        NdisMoveMemory(slot->data + total, data, length);
        if (MUTANT(CHANGES_THE_DATA) && length != 0)
            *(PUCHAR)data ^= 1;
        total += length;
    }
#ifdef LOOPNIC_DMA
    if (!is_gathered(packet, total))
        return FALSE;
#endif
    NdisAdjustBufferLength(slot->buffer, total);
    slot->packet->Private.ValidCounts = FALSE;
    copy_information(slot->packet, packet);
    return TRUE;
}

/* A large send is answered with how many bytes of data went: those behind the headers of Ethernet, IPv4 and TCP. */
static VOID answer_large_send(PNDIS_PACKET packet, const UCHAR *data)
{
    const ULONG tcp = HEADER_LENGTH + (data[HEADER_LENGTH] & 0x0F) * 4;
    UINT length;

    if (NDIS_PER_PACKET_INFO_FROM_PACKET(packet, TcpLargeSendPacketInfo) == NULL || MUTANT(LEAVES_LARGE_SEND))
        return;
    NdisQueryPacket(packet, NULL, NULL, NULL, &length);
    NDIS_PER_PACKET_INFO_FROM_PACKET(packet, TcpLargeSendPacketInfo) = UlongToPtr(length - tcp - (data[tcp + 12] >> 4) * 4);
}

static struct slot *take_slot(struct loopnic *nic)
{
    struct slot *slot = NULL;

    NdisAcquireSpinLock(&nic->lock);
    if (!IsListEmpty(&nic->free)) {
        slot = CONTAINING_RECORD(RemoveHeadList(&nic->free), struct slot, entry);
        nic->lent++;
    }
    NdisReleaseSpinLock(&nic->lock);
    return slot;
}

static VOID give_slot(struct loopnic *nic, struct slot *slot)
{
    NdisAcquireSpinLock(&nic->lock);
    InsertTailList(&nic->free, &slot->entry);
    nic->lent--;
    NdisReleaseSpinLock(&nic->lock);
}

static struct slot *slot_of(PNDIS_PACKET packet)
{
    return *(struct slot **)packet->MiniportReserved;
}

/* DISPATCH_LEVEL or below. Few slots left: this one must come back at once. */
static VOID indicate(struct loopnic *nic, struct slot *slot)
{
    NDIS_STATUS status = nic->lent > SLOTS / 2 ? NDIS_STATUS_RESOURCES : NDIS_STATUS_SUCCESS;
    PNDIS_PACKET packet = slot->packet;
    PNDIS_PACKET foreign = (PNDIS_PACKET)nic;

    if (MUTANT(INDICATES_FAILURE))
        status = NDIS_STATUS_FAILURE;
    if (!MUTANT(KEEPS_THE_STATUS))
        NDIS_SET_PACKET_STATUS(packet, status);
    NDIS_SET_PACKET_HEADER_SIZE(packet, MUTANT(INDICATES_WITHOUT_HEADER) ? 0 : HEADER_LENGTH);
    nic->received++;
    if (MUTANT(INDICATES_UNDER_LOCK))
        NdisAcquireSpinLock(&nic->lock);
    NdisMIndicateReceivePacket(nic->handle, MUTANT(INDICATES_FOREIGN) ? &foreign : &packet, 1);
    if (MUTANT(INDICATES_AGAIN) && status == NDIS_STATUS_SUCCESS)
        NdisMIndicateReceivePacket(nic->handle, &packet, 1);
    if (MUTANT(CHANGES_RECEIVED))
        slot->data[3]++;
    if (MUTANT(FREES_LENT))
        NdisFreePacket(packet);
    if (status == NDIS_STATUS_RESOURCES)
        give_slot(nic, slot);
}

/* DISPATCH_LEVEL or below. */
static VOID loop(struct loopnic *nic, PNDIS_PACKET packet)
{
    struct slot *slot = take_slot(nic);
    BOOLEAN copied = slot != NULL && copy(slot, packet);

    if (MUTANT(NEVER_COMPLETES) && nic->sent == 3)
        packet = NULL;
    nic->sent++;
    if (packet != NULL && copied)
        answer_large_send(packet, slot->data);
    if (packet != NULL)
        complete(nic, packet, slot != NULL && !copied ? NDIS_STATUS_RESOURCES : NDIS_STATUS_SUCCESS);
    if (copied) {
        indicate(nic, slot);
    } else {
        nic->dropped++;
        if (slot != NULL)
            give_slot(nic, slot);
    }
}

static PNDIS_PACKET take_sends(struct loopnic *nic)
{
    PNDIS_PACKET first;

    NdisAcquireSpinLock(&nic->lock);
    if (MUTANT(LOCKS_TWICE))
        NdisAcquireSpinLock(&nic->lock);
    first = nic->first;
    nic->first = NULL;
    nic->last = NULL;
    NdisReleaseSpinLock(&nic->lock);
    return first;
}

/* DISPATCH_LEVEL: what waits is done, or with a reset under way given back undone. */
static VOID NTAPI tick(PVOID unused1, PVOID context, PVOID unused2, PVOID unused3)
{
    struct loopnic *nic = context;
    PNDIS_PACKET packet = take_sends(nic);
    PNDIS_PACKET next;
    BOOLEAN resetting = nic->resetting;

    UNREFERENCED_PARAMETER(unused1);
    UNREFERENCED_PARAMETER(unused2);
    UNREFERENCED_PARAMETER(unused3);
    if (MUTANT(SLEEPS_IN_TIMER))
        NdisMSleep(1000);
    if (MUTANT(KEEPS_THE_ARRAY) && nic->array != NULL)
        nic->dropped += *(volatile PNDIS_PACKET *)nic->array == NULL;
    for (; packet != NULL; packet = next) {
        next = *next_of(packet);
        if (resetting && !MUTANT(INDICATES_IN_RESET))
            complete(nic, packet, NDIS_STATUS_RESET_IN_PROGRESS);
        else
            loop(nic, packet);
    }
    if (resetting && !MUTANT(NEVER_RESETS)) {
        nic->resetting = FALSE;
        NdisMResetComplete(nic->handle, NDIS_STATUS_SUCCESS, TRUE);
    }
}

static VOID NTAPI send_packets(NDIS_HANDLE context, PPNDIS_PACKET packets, UINT count)
{
    struct loopnic *nic = context;
    UINT i;

    if (MUTANT(RELEASES_THE_WRONG_WAY)) {
        KIRQL old;

        KeRaiseIrql(DISPATCH_LEVEL, &old);
        NdisDprAcquireSpinLock(&nic->lock);
    } else {
        NdisAcquireSpinLock(&nic->lock);
    }
    for (i = 0; i < count; i++) {
        if (MUTANT(SETS_RESOURCES))
            NDIS_SET_PACKET_STATUS(packets[i], NDIS_STATUS_RESOURCES);
        *next_of(packets[i]) = NULL;
        if (MUTANT(WRITES_BEYOND_ITS_PART))
            next_of(packets[i])[3] = NULL;
        if (nic->last != NULL)
            *next_of(nic->last) = packets[i];
        else
            nic->first = packets[i];
        nic->last = packets[i];
    }
    nic->array = packets;
    NdisReleaseSpinLock(&nic->lock);
    NdisMSetTimer(&nic->timer, 1);
}

static VOID NTAPI return_packet(NDIS_HANDLE context, PNDIS_PACKET packet)
{
    give_slot(context, slot_of(packet));
}

/* Objects */

static const VOID *find(struct loopnic *nic, NDIS_OID oid, PULONG number, PULONG length)
{
    *length = sizeof(*number);
    *number = 0;
    switch (oid) {
    case OID_GEN_SUPPORTED_LIST:
        *length = sizeof(oids) - (MUTANT(LACKS_MANDATORY) ? sizeof(oids[0]) : 0);
        return MUTANT(LACKS_MANDATORY) ? oids + 1 : oids;
    case OID_GEN_MAXIMUM_LOOKAHEAD:
    case OID_GEN_MAXIMUM_FRAME_SIZE:
        *number = MTU;
        break;
    case OID_GEN_MAXIMUM_TOTAL_SIZE:
    case OID_GEN_TRANSMIT_BLOCK_SIZE:
    case OID_GEN_RECEIVE_BLOCK_SIZE:
        *number = MTU + HEADER_LENGTH;
        break;
    case OID_GEN_LINK_SPEED:
        *number = 10000000;
        break;
    case OID_GEN_TRANSMIT_BUFFER_SPACE:
    case OID_GEN_RECEIVE_BUFFER_SPACE:
        *number = SLOTS * SLOT_LENGTH;
        break;
    case OID_GEN_VENDOR_ID:
        *number = 0xFFFFFF;
        break;
    case OID_GEN_VENDOR_DESCRIPTION:
        *length = sizeof(description);
        return description;
    case OID_GEN_CURRENT_PACKET_FILTER:
        *number = nic->filter;
        break;
    case OID_GEN_CURRENT_LOOKAHEAD:
        *number = nic->lookahead;
        break;
    case OID_GEN_DRIVER_VERSION:
        *number = NDIS_MINIPORT_MAJOR_VERSION << 8 | NDIS_MINIPORT_MINOR_VERSION;
        break;
    case OID_GEN_MAC_OPTIONS:
        *number = NDIS_MAC_OPTION_NO_LOOPBACK | NDIS_MAC_OPTION_8021P_PRIORITY;
        break;
    case OID_GEN_MAXIMUM_SEND_PACKETS:
        *number = nic->depth;
        break;
    case OID_GEN_XMIT_OK:
        *number = nic->sent;
        break;
    case OID_GEN_RCV_OK:
        *number = nic->received;
        break;
    case OID_GEN_RCV_NO_BUFFER:
        *number = nic->dropped;
        break;
    case OID_802_3_PERMANENT_ADDRESS:
        *length = ADDRESS_LENGTH;
        return "\x02LOOP\0";
    case OID_802_3_CURRENT_ADDRESS:
        *length = ADDRESS_LENGTH;
        return nic->address;
    case OID_802_3_MULTICAST_LIST:
        *length = nic->multicast_length;
        return nic->multicast;
    case OID_802_3_MAXIMUM_LIST_SIZE:
        *number = MULTICAST_LIMIT;
        break;
    case OID_802_3_XMIT_ONE_COLLISION:
        if (MUTANT(LISTS_UNANSWERED))
            return NULL;
        break;
    case OID_GEN_HARDWARE_STATUS:
    case OID_GEN_MEDIA_SUPPORTED:
    case OID_GEN_MEDIA_IN_USE:
    case OID_GEN_MEDIA_CONNECT_STATUS:
    case OID_GEN_VENDOR_DRIVER_VERSION:
    case OID_GEN_XMIT_ERROR:
    case OID_GEN_RCV_ERROR:
    case OID_802_3_RCV_ERROR_ALIGNMENT:
    case OID_802_3_XMIT_MORE_COLLISIONS:
        break;
    default:
        return NULL;
    }
    return number;
}

/* The header is the transport's; behind it come checksums and large sends. */
static NDIS_STATUS query_tasks(PVOID buffer, ULONG length, PULONG written, PULONG needed)
{
    const ULONG head = sizeof(NDIS_TASK_OFFLOAD_HEADER), task = FIELD_OFFSET(NDIS_TASK_OFFLOAD, TaskBuffer);
    NDIS_TASK_OFFLOAD_HEADER *header = buffer;
    NDIS_TASK_OFFLOAD *first, *second;
    NDIS_TASK_TCP_LARGE_SEND *large;
    ULONG i;

    *needed = head + 2 * task + CHECKSUM_TASK_LENGTH + sizeof(*large);
    if (length < *needed)
        return NDIS_STATUS_BUFFER_TOO_SHORT;
    if (header->Version != NDIS_TASK_OFFLOAD_VERSION || header->Size != head ||
        header->EncapsulationFormat.Encapsulation != IEEE_802_3_Encapsulation)
        return NDIS_STATUS_NOT_SUPPORTED;
    header->OffsetFirstTask = head;
    first = (NDIS_TASK_OFFLOAD *)((PUCHAR)buffer + head);
    first->Version = NDIS_TASK_OFFLOAD_VERSION;
    first->Size = sizeof(*first);
    first->Task = TcpIpChecksumNdisTask;
    first->OffsetNextTask = task + CHECKSUM_TASK_LENGTH;
    first->TaskBufferLength = CHECKSUM_TASK_LENGTH;
    for (i = 0; i < 4; i++)
        ((PULONG)first->TaskBuffer)[i] = IMPLEMENTED_TASKS;
    second = (NDIS_TASK_OFFLOAD *)((PUCHAR)first + first->OffsetNextTask);
    second->Version = NDIS_TASK_OFFLOAD_VERSION;
    second->Size = sizeof(*second);
    second->Task = TcpLargeSendNdisTask;
    second->OffsetNextTask = 0;
    second->TaskBufferLength = sizeof(*large);
    large = (NDIS_TASK_TCP_LARGE_SEND *)second->TaskBuffer;
    NdisZeroMemory(large, sizeof(*large));
    large->MaxOffLoadSize = LARGE_SEND_SIZE;
    large->MinSegmentCount = 2;
    large->TcpOptions = TRUE;
    *written = *needed;
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS set_tasks(struct loopnic *nic, const VOID *buffer, ULONG length)
{
    const NDIS_TASK_OFFLOAD_HEADER *header = buffer;
    const NDIS_TASK_OFFLOAD *task;
    ULONG at;

    if (length < sizeof(*header))
        return NDIS_STATUS_INVALID_LENGTH;
    NdisZeroMemory(nic->tasks, sizeof(nic->tasks));
    nic->large_send = 0;
    for (at = header->OffsetFirstTask; at != 0; at = task->OffsetNextTask != 0 ? at + task->OffsetNextTask : 0) {
        task = (const NDIS_TASK_OFFLOAD *)((const UCHAR *)buffer + at);
        if (task->Task == TcpIpChecksumNdisTask)
            NdisMoveMemory(nic->tasks, (PVOID)task->TaskBuffer, CHECKSUM_TASK_LENGTH);
        else if (task->Task == TcpLargeSendNdisTask)
            nic->large_send = ((const NDIS_TASK_TCP_LARGE_SEND *)task->TaskBuffer)->MaxOffLoadSize;
    }
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL: the answer to a query that takes its time. */
static VOID NTAPI answer_late(PNDIS_WORK_ITEM item, PVOID context)
{
    struct loopnic *nic = context;

    UNREFERENCED_PARAMETER(item);
    nic->scheduled = FALSE;
    NdisMSleep(500);
    NdisMoveMemory(nic->query, (PVOID)description, sizeof(description));
    *nic->written = sizeof(description);
    if (MUTANT(NEVER_ANSWERS))
        return;
    if (MUTANT(COMPLETES_WRONG_KIND))
        NdisMSetInformationComplete(nic->handle, NDIS_STATUS_SUCCESS);
    NdisMQueryInformationComplete(nic->handle, NDIS_STATUS_SUCCESS);
    if (MUTANT(COMPLETES_QUERY_TWICE))
        NdisMQueryInformationComplete(nic->handle, NDIS_STATUS_SUCCESS);
}

static NDIS_STATUS pend_query(struct loopnic *nic, PVOID buffer, PULONG written)
{
    nic->query = buffer;
    nic->written = written;
    nic->scheduled = TRUE;
    nic->item.Context = nic;
    nic->item.Routine = (NDIS_PROC)answer_late; /* mingw-w64 declares it without NTAPI */
    NdisScheduleWorkItem(&nic->item);
    if (MUTANT(SCHEDULES_TWICE))
        NdisScheduleWorkItem(&nic->item);
    return NDIS_STATUS_PENDING;
}

static NDIS_STATUS NTAPI query_information(NDIS_HANDLE context, NDIS_OID oid, PVOID buffer, ULONG length,
                                           PULONG written, PULONG needed)
{
    struct loopnic *nic = context;
    const VOID *data;
    ULONG number, size;

    *written = 0;
    *needed = 0;
    if (oid == OID_TCP_TASK_OFFLOAD)
        return query_tasks(buffer, length, written, needed);
#ifdef LOOPNIC_POWER
    if (oid == OID_PNP_CAPABILITIES) {
        *needed = sizeof(NDIS_PNP_CAPABILITIES);
        if (length < *needed)
            return NDIS_STATUS_INVALID_LENGTH;
        NdisZeroMemory(buffer, *needed);
        *written = *needed;
        return NDIS_STATUS_SUCCESS;
    }
#endif
    data = find(nic, oid, &number, &size);
    if (data == NULL)
        return NDIS_STATUS_NOT_SUPPORTED;
    if (length < size) {
        *needed = MUTANT(NEEDS_NOTHING) ? 0 : size;
        return NDIS_STATUS_INVALID_LENGTH;
    }
    if (oid == OID_GEN_VENDOR_DESCRIPTION)
        return pend_query(nic, buffer, written);
    if (MUTANT(COMPLETES_AND_RETURNS)) {
        *written = 0;
        NdisMQueryInformationComplete(nic->handle, NDIS_STATUS_SUCCESS);
    }
    NdisMoveMemory(buffer, (PVOID)data, size);
    if (MUTANT(OVERRUNS_THE_ANSWER))
        ((volatile UCHAR *)buffer)[length] = 0;
    *written = MUTANT(ANSWERS_TOO_MUCH) ? length + 4 : size;
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS NTAPI set_information(NDIS_HANDLE context, NDIS_OID oid, PVOID buffer, ULONG length, PULONG read,
                                         PULONG needed)
{
    struct loopnic *nic = context;

    *read = length;
    *needed = 0;
    switch (oid) {
    case OID_GEN_CURRENT_PACKET_FILTER:
        nic->filter = *(PULONG)buffer;
        return NDIS_STATUS_SUCCESS;
    case OID_GEN_CURRENT_LOOKAHEAD:
        nic->lookahead = *(PULONG)buffer;
        return NDIS_STATUS_SUCCESS;
    case OID_GEN_PROTOCOL_OPTIONS:
        return NDIS_STATUS_SUCCESS;
    case OID_802_3_MULTICAST_LIST:
        if (length > sizeof(nic->multicast))
            return NDIS_STATUS_MULTICAST_FULL;
        NdisMoveMemory(nic->multicast, buffer, length);
        nic->multicast_length = length;
        return NDIS_STATUS_SUCCESS;
    case OID_TCP_TASK_OFFLOAD:
        return set_tasks(nic, buffer, length);
#ifdef LOOPNIC_POWER
    case OID_PNP_SET_POWER:
        return MUTANT(FAILS_POWER) ? NDIS_STATUS_FAILURE : NDIS_STATUS_SUCCESS;
#endif
    default:
        return NDIS_STATUS_NOT_SUPPORTED;
    }
}

/* DISPATCH_LEVEL: it pends until the timer has come. The filter is forgotten, as the hardware would. */
static NDIS_STATUS NTAPI reset(PBOOLEAN addressing_reset, NDIS_HANDLE context)
{
    struct loopnic *nic = context;

    *addressing_reset = TRUE;
    nic->filter = 0;
    nic->multicast_length = 0;
    nic->resetting = TRUE;
    NdisMSetTimer(&nic->timer, 1);
    return NDIS_STATUS_PENDING;
}

static BOOLEAN NTAPI check_for_hang(NDIS_HANDLE context)
{
#ifdef LOOPNIC_HANGS
    struct loopnic *nic = context;

    return nic->hangs++ == 0;
#else
    UNREFERENCED_PARAMETER(context);
    return FALSE;
#endif
}

/* Initialisation and halt */

static VOID free_slots(struct loopnic *nic)
{
    ULONG i;

    for (i = 0; i < SLOTS; i++) {
        if (nic->slots[i].packet != NULL) {
            if (MUTANT(FREES_TO_WRONG_POOL))
                nic->slots[i].packet->Private.Pool = (PNDIS_PACKET_POOL)nic->buffers;
            NdisFreePacket(nic->slots[i].packet);
            if (MUTANT(FREES_PACKET_TWICE))
                NdisFreePacket(nic->slots[i].packet);
        }
        if (nic->slots[i].buffer != NULL) {
            NdisAdjustBufferLength(nic->slots[i].buffer, SLOT_LENGTH);
            NdisFreeBuffer(nic->slots[i].buffer);
        }
        if (nic->slots[i].data != NULL)
            NdisFreeMemory(nic->slots[i].data, SLOT_LENGTH, 0);
    }
}

/* PASSIVE_LEVEL. Whatever is there goes. */
static VOID cleanup(struct loopnic *nic)
{
    if (MUTANT(FREES_POOL_FIRST))
        NdisFreePacketPool(nic->packets);
    if (MUTANT(FREES_BUFFER_POOL_FIRST))
        NdisFreeBufferPool(nic->buffers);
    free_slots(nic);
    if (nic->packets != NULL && !MUTANT(LEAVES_PACKET_POOL))
        NdisFreePacketPool(nic->packets);
    if (nic->buffers != NULL && !MUTANT(LEAVES_BUFFER_POOL))
        NdisFreeBufferPool(nic->buffers);
    if (nic->shared != NULL && !MUTANT(LEAVES_SHARED_MEMORY))
        NdisMFreeSharedMemory(nic->handle, MUTANT(FREES_SHARED_MEMORY_WRONGLY) ? 99 : 100, FALSE, nic->shared,
                              nic->shared_physical);
    NdisFreeSpinLock(&nic->lock);
    if (nic->extra != NULL && !MUTANT(LEAVES_MEMORY))
        NdisFreeMemory(nic->extra, MUTANT(FREES_WRONG_LENGTH) ? 99 : 100, MUTANT(FREES_WITH_FLAGS) ? 1 : 0);
    NdisFreeMemory(nic, sizeof(*nic), 0);
}

static NDIS_STATUS make_slot(struct loopnic *nic, struct slot *slot)
{
    NDIS_STATUS status;
    PVOID data;

    if (NdisAllocateMemoryWithTag(&data, SLOT_LENGTH, TAG) != NDIS_STATUS_SUCCESS)
        return NDIS_STATUS_RESOURCES;
    slot->data = data;
    NdisAllocateBuffer(&status, &slot->buffer, nic->buffers, data, SLOT_LENGTH);
    if (status != NDIS_STATUS_SUCCESS) {
        slot->buffer = NULL;
        return status;
    }
    NdisAllocatePacket(&status, &slot->packet, nic->packets);
    if (status != NDIS_STATUS_SUCCESS) {
        slot->packet = NULL;
        return status;
    }
    NdisChainBufferAtFront(slot->packet, slot->buffer);
    *(struct slot **)slot->packet->MiniportReserved = slot;
    InsertTailList(&nic->free, &slot->entry);
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS allocate(struct loopnic *nic)
{
    NDIS_STATUS status;
    ULONG i;

    if (NdisAllocateMemoryWithTag(&nic->extra, 100, TAG) != NDIS_STATUS_SUCCESS) {
        nic->extra = NULL;
        return NDIS_STATUS_RESOURCES;
    }
    NdisAllocatePacketPool(&status, &nic->packets, SLOTS, 0);
    if (status != NDIS_STATUS_SUCCESS) {
        nic->packets = NULL;
        return status;
    }
    NdisAllocateBufferPool(&status, &nic->buffers, SLOTS);
    if (status != NDIS_STATUS_SUCCESS) {
        nic->buffers = NULL;
        return status;
    }
#ifdef LOOPNIC_DMA
    status = NdisMInitializeScatterGatherDma(nic->handle, FALSE, SLOT_LENGTH);
    if (status != NDIS_STATUS_SUCCESS)
        return status;
    NdisMAllocateSharedMemory(nic->handle, 100, FALSE, &nic->shared, &nic->shared_physical);
    if (nic->shared == NULL)
        return NDIS_STATUS_RESOURCES;
    NdisZeroMemory(nic->shared, 100);
#endif
    for (i = 0; i < SLOTS && status == NDIS_STATUS_SUCCESS; i++)
        status = make_slot(nic, &nic->slots[i]);
    return status;
}

/* PASSIVE_LEVEL. What cannot be read keeps its default. */
static NDIS_STATUS configure(struct loopnic *nic, NDIS_HANDLE context)
{
    PNDIS_CONFIGURATION_PARAMETER parameter;
    NDIS_HANDLE configuration;
    NDIS_STATUS status;
    NDIS_STRING name;
    PVOID address;
    UINT length;

    NdisInitUnicodeString(&name, L"Depth");
    NdisMoveMemory(nic->address, "\x02LOOP\0", ADDRESS_LENGTH);
    nic->depth = 1;
    NdisOpenConfiguration(&status, &configuration, context);
    if (status != NDIS_STATUS_SUCCESS)
        return status;
    NdisReadConfiguration(&status, &parameter, configuration, &name, NdisParameterInteger);
    if (status == NDIS_STATUS_SUCCESS)
        nic->depth = parameter->ParameterData.IntegerData;
    NdisReadNetworkAddress(&status, &address, &length, configuration);
    if (status == NDIS_STATUS_SUCCESS && length == ADDRESS_LENGTH)
        NdisMoveMemory(nic->address, address, ADDRESS_LENGTH);
    if (!MUTANT(LEAVES_CONFIGURATION))
        NdisCloseConfiguration(configuration);
    if (MUTANT(USES_CLOSED_CONFIGURATION))
        nic->depth = *(volatile ULONG *)&parameter->ParameterData.IntegerData;
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL, or HIGH_LEVEL at a bug check. */
static VOID NTAPI shutdown(PVOID context)
{
    PVOID memory;

    ((struct loopnic *)context)->filter = 0;
    if (MUTANT(ALLOCATES_IN_SHUTDOWN))
        NdisAllocateMemoryWithTag(&memory, 1, TAG);
}

static BOOLEAN select_medium(PNDIS_MEDIUM media, UINT count, PUINT selected)
{
    NDIS_MEDIUM wanted = MUTANT(SELECTS_TOKEN_RING) ? NdisMedium802_5 : NdisMedium802_3;

    for (*selected = 0; *selected < count; ++*selected) {
        if (media[*selected] == wanted)
            return TRUE;
    }
    return FALSE;
}

static NDIS_HANDLE late; /* OPENS_CONFIGURATION_LATE: a context that is good for MiniportInitialize only */

/* PASSIVE_LEVEL. */
static NDIS_STATUS NTAPI initialize(PNDIS_STATUS open_error, PUINT selected, PNDIS_MEDIUM media, UINT count,
                                    NDIS_HANDLE handle, NDIS_HANDLE context)
{
    const ULONG attributes =
        NDIS_ATTRIBUTE_DESERIALIZE | NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK | NDIS_ATTRIBUTE_BUS_MASTER;
    struct loopnic *nic;
    NDIS_STATUS status;
    PVOID memory;

    UNREFERENCED_PARAMETER(open_error);
    late = context;
    if (!select_medium(media, count, selected))
        return NDIS_STATUS_UNSUPPORTED_MEDIA;
    if (NdisAllocateMemoryWithTag(&memory, sizeof(*nic), TAG) != NDIS_STATUS_SUCCESS)
        return NDIS_STATUS_RESOURCES;
    nic = memory;
    NdisZeroMemory(nic, sizeof(*nic));
    nic->handle = handle;
    NdisAllocateSpinLock(&nic->lock);
    InitializeListHead(&nic->free);
    if (!MUTANT(SETS_NO_ATTRIBUTES))
        NdisMSetAttributesEx(handle, nic, 0, attributes, NdisInterfaceInternal);
    NdisMInitializeTimer(&nic->timer, handle, tick, nic);
    status = configure(nic, context);
    if (status == NDIS_STATUS_SUCCESS)
        status = allocate(nic);
    if (status != NDIS_STATUS_SUCCESS) {
        cleanup(nic);
        return status;
    }
    NdisMRegisterAdapterShutdownHandler(handle, nic, shutdown);
    NdisMIndicateStatus(handle, NDIS_STATUS_MEDIA_CONNECT, NULL, 0);
    if (!MUTANT(LEAVES_STATUS_OPEN))
        NdisMIndicateStatusComplete(handle);
    if (MUTANT(COMPLETES_STATUS_ONLY))
        NdisMIndicateStatusComplete(handle);
    return NDIS_STATUS_SUCCESS;
}

static NDIS_WORK_ITEM late_item;

/* PASSIVE_LEVEL: INDICATES_AFTER_HALT. */
static VOID NTAPI indicate_late(PNDIS_WORK_ITEM item, PVOID handle)
{
    PNDIS_PACKET none = NULL;

    UNREFERENCED_PARAMETER(item);
    NdisMSleep(1);
    NdisMIndicateReceivePacket(handle, &none, 0);
}

/* PASSIVE_LEVEL. */
static VOID NTAPI halt(NDIS_HANDLE context)
{
    struct loopnic *nic = context;
    NDIS_HANDLE configuration;
    NDIS_STATUS status;
    BOOLEAN cancelled;
    NDIS_EVENT event;

    if (MUTANT(SETS_ATTRIBUTES_LATE))
        NdisMSetAttributesEx(nic->handle, nic, 0, NDIS_ATTRIBUTE_DESERIALIZE, NdisInterfaceInternal);
    if (MUTANT(OPENS_CONFIGURATION_LATE))
        NdisOpenConfiguration(&status, &configuration, late);
    NdisMCancelTimer(&nic->timer, &cancelled);
    if (MUTANT(LEAVES_TIMER))
        NdisMSetTimer(&nic->timer, 1000);
    NdisInitializeEvent(&event);
    while (nic->lent != 0 && !MUTANT(HALTS_EARLY))
        NdisWaitEvent(&event, 1);
    if (MUTANT(WAITS_UNDER_LOCK)) {
        NdisAcquireSpinLock(&nic->lock);
        NdisWaitEvent(&event, 1);
    }
    if (!MUTANT(LEAVES_SHUTDOWN_HANDLER))
        NdisMDeregisterAdapterShutdownHandler(nic->handle);
    if (MUTANT(INDICATES_AFTER_HALT)) {
        late_item.Context = nic->handle;
        late_item.Routine = (NDIS_PROC)indicate_late;
        NdisScheduleWorkItem(&late_item);
    }
    if (!MUTANT(HALTS_EARLY) && !MUTANT(LEAVES_TIMER))
        cleanup(nic);
}

#ifdef NDIS51_MINIPORT
/* PASSIVE_LEVEL. */
static VOID NTAPI pnp_event_notify(NDIS_HANDLE context, NDIS_DEVICE_PNP_EVENT event, PVOID buffer, ULONG length)
{
    struct loopnic *nic = context;

    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(length);
    if (event == NdisDevicePnPEventSurpriseRemoved)
        nic->depth = 0;
}

/* DISPATCH_LEVEL or below. Of what waits, that with the identification is given back undone. */
static VOID NTAPI cancel_send_packets(NDIS_HANDLE context, PVOID id)
{
    struct loopnic *nic = context;
    PNDIS_PACKET packet = take_sends(nic);
    PNDIS_PACKET next;

    for (; packet != NULL; packet = next) {
        next = *next_of(packet);
        if (NDIS_GET_PACKET_CANCEL_ID(packet) == id)
            complete(nic, packet, NDIS_STATUS_REQUEST_ABORTED);
        else
            send_packets(nic, &packet, 1);
    }
}
#endif

/* PASSIVE_LEVEL. */
static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NDIS_MINIPORT_CHARACTERISTICS characteristics;
    NDIS_HANDLE wrapper;
    NDIS_STATUS status;

    NdisMInitializeWrapper(&wrapper, driver, path, NULL);
    if (wrapper == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    NdisZeroMemory(&characteristics, sizeof(characteristics));
    characteristics.MajorNdisVersion = MUTANT(TERMINATES_NOTHING) ? 3 : NDIS_MINIPORT_MAJOR_VERSION;
    characteristics.MinorNdisVersion = NDIS_MINIPORT_MINOR_VERSION;
    characteristics.CheckForHangHandler = check_for_hang;
    characteristics.InitializeHandler = initialize;
    characteristics.HaltHandler = halt;
    characteristics.ResetHandler = reset;
    characteristics.QueryInformationHandler = query_information;
    characteristics.SetInformationHandler = set_information;
    characteristics.SendPacketsHandler = send_packets;
    characteristics.ReturnPacketHandler = return_packet;
#ifdef NDIS51_MINIPORT
    characteristics.PnPEventNotifyHandler = pnp_event_notify;
    characteristics.AdapterShutdownHandler = shutdown;
    characteristics.CancelSendPacketsHandler = cancel_send_packets;
#endif
    status = NdisMRegisterMiniport(wrapper, &characteristics, sizeof(characteristics));
    if (status != NDIS_STATUS_SUCCESS) {
        if (!MUTANT(TERMINATES_NOTHING))
            NdisTerminateWrapper(wrapper, NULL);
        return status;
    }
    NdisMRegisterUnloadHandler(wrapper, unload);
    return status;
}

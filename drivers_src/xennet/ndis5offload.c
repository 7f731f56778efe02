/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OID_TCP_TASK_OFFLOAD of NDIS 5: what the miniport can do for TCP/IP, and what TCP/IP wants done. Whatever the back end
 * lacks is done in the core, so that the answer is the configuration's alone.
 */
#include "miniport5.h"

/* The answer: header, and two tasks behind each other. */
struct checksum_task {
    ULONG Version;
    ULONG Size;
    NDIS_TASK Task;
    ULONG OffsetNextTask;
    ULONG TaskBufferLength;
    NDIS_TASK_TCP_IP_CHECKSUM checksum;
};

struct large_send_task {
    ULONG Version;
    ULONG Size;
    NDIS_TASK Task;
    ULONG OffsetNextTask;
    ULONG TaskBufferLength;
    NDIS_TASK_TCP_LARGE_SEND large;
};

struct tasks {
    NDIS_TASK_OFFLOAD_HEADER header;
    struct checksum_task checksum;
    struct large_send_task large;
};

C_ASSERT(FIELD_OFFSET(struct checksum_task, checksum) == FIELD_OFFSET(NDIS_TASK_OFFLOAD, TaskBuffer));
C_ASSERT(FIELD_OFFSET(struct large_send_task, large) == FIELD_OFFSET(NDIS_TASK_OFFLOAD, TaskBuffer));

/* Frames with an Ethernet header of the usual length are the only ones that there are. */
static BOOLEAN is_understood(const NDIS_TASK_OFFLOAD_HEADER *header)
{
    const NDIS_ENCAPSULATION_FORMAT *format = &header->EncapsulationFormat;

    return header->Version == NDIS_TASK_OFFLOAD_VERSION && header->Size == sizeof(*header) &&
           format->Encapsulation == IEEE_802_3_Encapsulation &&
           (!format->Flags.FixedHeaderSize || format->EncapsulationHeaderSize == XENNET_HEADER_LENGTH);
}

static VOID describe_sums(NDIS_TASK_TCP_IP_CHECKSUM *task, const struct xennet_config *config)
{
    NdisZeroMemory(task, sizeof(*task));
    task->V4Transmit.IpOptionsSupported = (config->tx_sums & (XENNET_SUM_IP4 | XENNET_SUM_TCP4 | XENNET_SUM_UDP4)) != 0;
    task->V4Transmit.TcpOptionsSupported = (config->tx_sums & XENNET_SUM_TCP4) != 0;
    task->V4Transmit.TcpChecksum = (config->tx_sums & XENNET_SUM_TCP4) != 0;
    task->V4Transmit.UdpChecksum = (config->tx_sums & XENNET_SUM_UDP4) != 0;
    task->V4Transmit.IpChecksum = (config->tx_sums & XENNET_SUM_IP4) != 0;
    task->V4Receive.IpOptionsSupported = (config->rx_sums & (XENNET_SUM_IP4 | XENNET_SUM_TCP4 | XENNET_SUM_UDP4)) != 0;
    task->V4Receive.TcpOptionsSupported = (config->rx_sums & XENNET_SUM_TCP4) != 0;
    task->V4Receive.TcpChecksum = (config->rx_sums & XENNET_SUM_TCP4) != 0;
    task->V4Receive.UdpChecksum = (config->rx_sums & XENNET_SUM_UDP4) != 0;
    task->V4Receive.IpChecksum = (config->rx_sums & XENNET_SUM_IP4) != 0;
    task->V6Transmit.IpOptionsSupported = (config->tx_sums & (XENNET_SUM_TCP6 | XENNET_SUM_UDP6)) != 0;
    task->V6Transmit.TcpOptionsSupported = (config->tx_sums & XENNET_SUM_TCP6) != 0;
    task->V6Transmit.TcpChecksum = (config->tx_sums & XENNET_SUM_TCP6) != 0;
    task->V6Transmit.UdpChecksum = (config->tx_sums & XENNET_SUM_UDP6) != 0;
    task->V6Receive.IpOptionsSupported = (config->rx_sums & (XENNET_SUM_TCP6 | XENNET_SUM_UDP6)) != 0;
    task->V6Receive.TcpOptionsSupported = (config->rx_sums & XENNET_SUM_TCP6) != 0;
    task->V6Receive.TcpChecksum = (config->rx_sums & XENNET_SUM_TCP6) != 0;
    task->V6Receive.UdpChecksum = (config->rx_sums & XENNET_SUM_UDP6) != 0;
}

static VOID describe(struct tasks *tasks, const struct xennet_config *config)
{
    tasks->header.OffsetFirstTask = FIELD_OFFSET(struct tasks, checksum);
    tasks->checksum.Version = NDIS_TASK_OFFLOAD_VERSION;
    tasks->checksum.Size = sizeof(NDIS_TASK_OFFLOAD);
    tasks->checksum.Task = TcpIpChecksumNdisTask;
    tasks->checksum.OffsetNextTask = config->lso_v1 ? sizeof(tasks->checksum) : 0;
    tasks->checksum.TaskBufferLength = sizeof(tasks->checksum.checksum);
    describe_sums(&tasks->checksum.checksum, config);
    if (config->lso_v1) {
        tasks->large.Version = NDIS_TASK_OFFLOAD_VERSION;
        tasks->large.Size = sizeof(NDIS_TASK_OFFLOAD);
        tasks->large.Task = TcpLargeSendNdisTask;
        tasks->large.OffsetNextTask = 0;
        tasks->large.TaskBufferLength = sizeof(tasks->large.large);
        tasks->large.large.Version = NDIS_TASK_TCP_LARGE_SEND_V0;
        tasks->large.large.MaxOffLoadSize = XENNET_LARGE_SEND;
        tasks->large.large.MinSegmentCount = XENNET_LARGE_SEND_SEGMENTS_MIN;
        tasks->large.large.TcpOptions = TRUE;
        tasks->large.large.IpOptions = TRUE;
    }
}

NDIS_STATUS xennet_port_query(struct xennet_adapter *adapter, NDIS_OID oid, PVOID buffer, ULONG length, PULONG done,
                              PULONG needed)
{
    const struct xennet_config *config = &adapter->config;
    ULONG size = config->lso_v1 ? sizeof(struct tasks) : FIELD_OFFSET(struct tasks, large);
    struct tasks tasks;

    UNREFERENCED_PARAMETER(oid);
    if (length < sizeof(tasks.header)) {
        *needed = size;
        return NDIS_STATUS_BUFFER_TOO_SHORT;
    }
    NdisZeroMemory(&tasks, sizeof(tasks));
    NdisMoveMemory(&tasks.header, buffer, sizeof(tasks.header));
    if (!is_understood(&tasks.header)) {
        return NDIS_STATUS_NOT_SUPPORTED;
    }
    if (length < size) {
        *needed = size;
        return NDIS_STATUS_BUFFER_TOO_SHORT;
    }
    describe(&tasks, config);
    NdisMoveMemory(buffer, &tasks, size);
    *done = size;
    return NDIS_STATUS_SUCCESS;
}

static ULONG sums_4(ULONG tcp, ULONG udp, ULONG ip)
{
    return (tcp ? XENNET_SUM_TCP4 : 0) | (udp ? XENNET_SUM_UDP4 : 0) | (ip ? XENNET_SUM_IP4 : 0);
}

static ULONG sums_6(ULONG tcp, ULONG udp)
{
    return (tcp ? XENNET_SUM_TCP6 : 0) | (udp ? XENNET_SUM_UDP6 : 0);
}

static VOID take_sums(const NDIS_TASK_TCP_IP_CHECKSUM *task, struct xennet_offload *offload)
{
    offload->tx_sums = sums_4(task->V4Transmit.TcpChecksum, task->V4Transmit.UdpChecksum, task->V4Transmit.IpChecksum) |
                       sums_6(task->V6Transmit.TcpChecksum, task->V6Transmit.UdpChecksum);
    offload->rx_sums = sums_4(task->V4Receive.TcpChecksum, task->V4Receive.UdpChecksum, task->V4Receive.IpChecksum) |
                       sums_6(task->V6Receive.TcpChecksum, task->V6Receive.UdpChecksum);
}

/* What is asked for is within what is offered, and so can be done. */
static NDIS_STATUS take_task(const struct xennet_config *config, const UCHAR *task, ULONG length,
                             struct xennet_offload *offload)
{
    NDIS_TASK_TCP_IP_CHECKSUM checksum;
    struct checksum_task header;

    NdisMoveMemory(&header, task, FIELD_OFFSET(NDIS_TASK_OFFLOAD, TaskBuffer));
    length -= FIELD_OFFSET(NDIS_TASK_OFFLOAD, TaskBuffer);
    if (header.TaskBufferLength > length) {
        return NDIS_STATUS_INVALID_LENGTH;
    }
    if (header.Task == TcpIpChecksumNdisTask && header.TaskBufferLength >= sizeof(checksum)) {
        NdisMoveMemory(&checksum, task + FIELD_OFFSET(NDIS_TASK_OFFLOAD, TaskBuffer), sizeof(checksum));
        take_sums(&checksum, offload);
        return (offload->tx_sums & ~config->tx_sums) == 0 && (offload->rx_sums & ~config->rx_sums) == 0
                   ? NDIS_STATUS_SUCCESS
                   : NDIS_STATUS_NOT_SUPPORTED;
    }
    if (header.Task == TcpLargeSendNdisTask && config->lso_v1) {
        offload->lso_v1 = TRUE;
        return NDIS_STATUS_SUCCESS;
    }
    return NDIS_STATUS_NOT_SUPPORTED;
}

/* Whatever is not in the list is switched off. */
NDIS_STATUS xennet_port_set(struct xennet_adapter *adapter, NDIS_OID oid, const VOID *buffer, ULONG length,
                            PULONG done, PULONG needed)
{
    const ULONG task_header = FIELD_OFFSET(NDIS_TASK_OFFLOAD, TaskBuffer);
    struct xennet_offload offload;
    NDIS_TASK_OFFLOAD_HEADER header;
    NDIS_STATUS status;
    ULONG at, next;

    UNREFERENCED_PARAMETER(oid);
    if (length < sizeof(header)) {
        *needed = sizeof(header);
        return NDIS_STATUS_INVALID_LENGTH;
    }
    NdisMoveMemory(&header, buffer, sizeof(header));
    if (!is_understood(&header)) {
        return NDIS_STATUS_NOT_SUPPORTED;
    }
    NdisZeroMemory(&offload, sizeof(offload));
    for (at = header.OffsetFirstTask; at != 0; at = next) {
        const UCHAR *task = (const UCHAR *)buffer + at;

        if (at < sizeof(header) || at > length || length - at < task_header) {
            return NDIS_STATUS_INVALID_DATA;
        }
        status = take_task(&adapter->config, task, length - at, &offload);
        if (status != NDIS_STATUS_SUCCESS) {
            return status;
        }
        NdisMoveMemory(&next, task + FIELD_OFFSET(NDIS_TASK_OFFLOAD, OffsetNextTask), sizeof(next));
        if (next != 0) {
            if (next < task_header || next > length - at) {
                return NDIS_STATUS_INVALID_DATA;
            }
            next += at;
        }
    }
    xennet_lock(adapter);
    adapter->offload = offload;
    xennet_unlock(adapter);
    *done = length;
    return NDIS_STATUS_SUCCESS;
}

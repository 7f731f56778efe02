/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Task offload of NDIS 6: what the miniport can do, what the user has switched on to begin with, and what NDIS switches.
 * Whatever the back end lacks is done in the core, so that all of it can always be done.
 */
#include "miniport6.h"

#define HAS(set, sum) ((set) & XENNET_SUM_##sum ? NDIS_OFFLOAD_SUPPORTED : NDIS_OFFLOAD_NOT_SUPPORTED)
#define ENCAPSULATION(condition) ((condition) ? NDIS_ENCAPSULATION_IEEE_802_3 : NDIS_ENCAPSULATION_NOT_SUPPORTED)

static const struct xennet_offload everything = {
    XENNET_SUMS_4 | XENNET_SUMS_6, XENNET_SUMS_4 | XENNET_SUMS_6, TRUE, TRUE, TRUE
};

static VOID describe_sums(const struct xennet_offload *from, NDIS_TCP_IP_CHECKSUM_OFFLOAD *to)
{
    to->IPv4Transmit.Encapsulation = ENCAPSULATION(from->tx_sums & XENNET_SUMS_4);
    to->IPv4Transmit.IpOptionsSupported = HAS(from->tx_sums, IP4);
    to->IPv4Transmit.TcpOptionsSupported = HAS(from->tx_sums, TCP4);
    to->IPv4Transmit.TcpChecksum = HAS(from->tx_sums, TCP4);
    to->IPv4Transmit.UdpChecksum = HAS(from->tx_sums, UDP4);
    to->IPv4Transmit.IpChecksum = HAS(from->tx_sums, IP4);
    to->IPv4Receive.Encapsulation = ENCAPSULATION(from->rx_sums & XENNET_SUMS_4);
    to->IPv4Receive.IpOptionsSupported = HAS(from->rx_sums, IP4);
    to->IPv4Receive.TcpOptionsSupported = HAS(from->rx_sums, TCP4);
    to->IPv4Receive.TcpChecksum = HAS(from->rx_sums, TCP4);
    to->IPv4Receive.UdpChecksum = HAS(from->rx_sums, UDP4);
    to->IPv4Receive.IpChecksum = HAS(from->rx_sums, IP4);
    to->IPv6Transmit.Encapsulation = ENCAPSULATION(from->tx_sums & XENNET_SUMS_6);
    to->IPv6Transmit.IpExtensionHeadersSupported = to->IPv6Transmit.Encapsulation != 0;
    to->IPv6Transmit.TcpOptionsSupported = HAS(from->tx_sums, TCP6);
    to->IPv6Transmit.TcpChecksum = HAS(from->tx_sums, TCP6);
    to->IPv6Transmit.UdpChecksum = HAS(from->tx_sums, UDP6);
    to->IPv6Receive.Encapsulation = ENCAPSULATION(from->rx_sums & XENNET_SUMS_6);
    to->IPv6Receive.IpExtensionHeadersSupported = to->IPv6Receive.Encapsulation != 0;
    to->IPv6Receive.TcpOptionsSupported = HAS(from->rx_sums, TCP6);
    to->IPv6Receive.TcpChecksum = HAS(from->rx_sums, TCP6);
    to->IPv6Receive.UdpChecksum = HAS(from->rx_sums, UDP6);
}

static VOID describe(const struct xennet_offload *from, NDIS_OFFLOAD *to)
{
    NdisZeroMemory(to, sizeof(*to));
    to->Header.Type = NDIS_OBJECT_TYPE_OFFLOAD;
    to->Header.Revision = NDIS_OFFLOAD_REVISION_1;
    to->Header.Size = NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_1;
    describe_sums(from, &to->Checksum);
    if (from->lso_v1) {
        to->LsoV1.IPv4.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
        to->LsoV1.IPv4.MaxOffLoadSize = XENNET_LARGE_SEND;
        to->LsoV1.IPv4.MinSegmentCount = XENNET_LARGE_SEND_SEGMENTS_MIN;
        to->LsoV1.IPv4.TcpOptions = NDIS_OFFLOAD_SUPPORTED;
        to->LsoV1.IPv4.IpOptions = NDIS_OFFLOAD_SUPPORTED;
    }
    if (from->lso_v2_ip4) {
        to->LsoV2.IPv4.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
        to->LsoV2.IPv4.MaxOffLoadSize = XENNET_LARGE_SEND;
        to->LsoV2.IPv4.MinSegmentCount = XENNET_LARGE_SEND_SEGMENTS_MIN;
    }
    if (from->lso_v2_ip6) {
        to->LsoV2.IPv6.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
        to->LsoV2.IPv6.MaxOffLoadSize = XENNET_LARGE_SEND;
        to->LsoV2.IPv6.MinSegmentCount = XENNET_LARGE_SEND_SEGMENTS_MIN;
        to->LsoV2.IPv6.IpExtensionHeadersSupported = NDIS_OFFLOAD_SUPPORTED;
        to->LsoV2.IPv6.TcpOptionsSupported = NDIS_OFFLOAD_SUPPORTED;
    }
}

/* With the lock. What is received may be judged once NDIS has described the frames. */
static VOID apply(struct xennet_adapter *adapter)
{
    adapter->offload = adapter->wanted;
    adapter->offload.rx_sums &= adapter->encapsulated;
}

static VOID take_configuration(struct xennet_adapter *adapter)
{
    const struct xennet_config *config = &adapter->config;

    adapter->wanted.tx_sums = config->tx_sums;
    adapter->wanted.rx_sums = config->rx_sums;
    adapter->wanted.lso_v1 = config->lso_v1;
    adapter->wanted.lso_v2_ip4 = config->lso_v2_ip4;
    adapter->wanted.lso_v2_ip6 = config->lso_v2_ip6;
    xennet_lock(adapter);
    apply(adapter);
    xennet_unlock(adapter);
}

NDIS_STATUS xennet_ndis6_offer(struct xennet_adapter *adapter)
{
    NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES attributes;
    NDIS_OFFLOAD able, current;

    take_configuration(adapter);
    describe(&everything, &able);
    describe(&adapter->wanted, &current);
    NdisZeroMemory(&attributes, sizeof(attributes));
    attributes.Header.Type = NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES;
    attributes.Header.Revision = NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES_REVISION_1;
    attributes.Header.Size = NDIS_SIZEOF_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES_REVISION_1;
    attributes.DefaultOffloadConfiguration = &current;
    attributes.HardwareOffloadCapabilities = &able;
    return NdisMSetMiniportAttributes(adapter->handle, (PNDIS_MINIPORT_ADAPTER_ATTRIBUTES)&attributes);
}

static BOOLEAN change_sum(struct xennet_offload *offload, ULONG sum, UCHAR parameter)
{
    if (parameter == NDIS_OFFLOAD_PARAMETERS_NO_CHANGE) {
        return TRUE;
    }
    if (parameter > NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED) {
        return FALSE;
    }
    offload->tx_sums &= ~sum;
    offload->rx_sums &= ~sum;
    if (parameter == NDIS_OFFLOAD_PARAMETERS_TX_ENABLED_RX_DISABLED || parameter == NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED) {
        offload->tx_sums |= sum;
    }
    if (parameter == NDIS_OFFLOAD_PARAMETERS_RX_ENABLED_TX_DISABLED || parameter == NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED) {
        offload->rx_sums |= sum;
    }
    return TRUE;
}

/* The values are the same for both versions of large send. */
static BOOLEAN change_large(PBOOLEAN enabled, UCHAR parameter)
{
    if (parameter != NDIS_OFFLOAD_PARAMETERS_NO_CHANGE) {
        *enabled = parameter == NDIS_OFFLOAD_PARAMETERS_LSOV1_ENABLED;
    }
    return parameter <= NDIS_OFFLOAD_PARAMETERS_LSOV1_ENABLED;
}

/* What nobody has been offered may be said to be off. */
static BOOLEAN is_off(UCHAR parameter)
{
    return parameter <= NDIS_OFFLOAD_PARAMETERS_CONNECTION_OFFLOAD_DISABLED;
}

static BOOLEAN change(struct xennet_offload *offload, const NDIS_OFFLOAD_PARAMETERS *parameters)
{
    return change_sum(offload, XENNET_SUM_IP4, parameters->IPv4Checksum) &&
           change_sum(offload, XENNET_SUM_TCP4, parameters->TCPIPv4Checksum) &&
           change_sum(offload, XENNET_SUM_UDP4, parameters->UDPIPv4Checksum) &&
           change_sum(offload, XENNET_SUM_TCP6, parameters->TCPIPv6Checksum) &&
           change_sum(offload, XENNET_SUM_UDP6, parameters->UDPIPv6Checksum) &&
           change_large(&offload->lso_v1, parameters->LsoV1) &&
           change_large(&offload->lso_v2_ip4, parameters->LsoV2IPv4) &&
           change_large(&offload->lso_v2_ip6, parameters->LsoV2IPv6) && is_off(parameters->IPsecV1) &&
           is_off(parameters->TcpConnectionIPv4) && is_off(parameters->TcpConnectionIPv6);
}

static NDIS_STATUS set_parameters(struct xennet_adapter *adapter, const NDIS_OFFLOAD_PARAMETERS *parameters)
{
    struct xennet_offload offload;
    NDIS_OFFLOAD current;

    xennet_lock(adapter);
    offload = adapter->wanted;
    if (!change(&offload, parameters)) {
        xennet_unlock(adapter);
        return NDIS_STATUS_INVALID_DATA;
    }
    adapter->wanted = offload;
    apply(adapter);
    xennet_unlock(adapter);
    describe(&offload, &current);
    xennet_ndis6_indicate(adapter, NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG, &current, current.Header.Size);
    return NDIS_STATUS_SUCCESS;
}

static BOOLEAN is_ethernet(ULONG enabled, ULONG type, ULONG header)
{
    return enabled != NDIS_OFFLOAD_SET_ON || (type == NDIS_ENCAPSULATION_IEEE_802_3 && header == XENNET_HEADER_LENGTH);
}

static ULONG switched(ULONG before, ULONG enabled, ULONG sums)
{
    if (enabled == NDIS_OFFLOAD_SET_NO_CHANGE) {
        return before & sums;
    }
    return enabled == NDIS_OFFLOAD_SET_ON ? sums : 0;
}

static NDIS_STATUS set_encapsulation(struct xennet_adapter *adapter, const NDIS_OFFLOAD_ENCAPSULATION *encapsulation)
{
    if (!is_ethernet(encapsulation->IPv4.Enabled, encapsulation->IPv4.EncapsulationType,
                     encapsulation->IPv4.HeaderSize) ||
        !is_ethernet(encapsulation->IPv6.Enabled, encapsulation->IPv6.EncapsulationType,
                     encapsulation->IPv6.HeaderSize)) {
        return NDIS_STATUS_NOT_SUPPORTED;
    }
    xennet_lock(adapter);
    adapter->encapsulated = switched(adapter->encapsulated, encapsulation->IPv4.Enabled, XENNET_SUMS_4) |
                            switched(adapter->encapsulated, encapsulation->IPv6.Enabled, XENNET_SUMS_6);
    apply(adapter);
    xennet_unlock(adapter);
    return NDIS_STATUS_SUCCESS;
}

/* Both are for setting alone; NDIS itself answers what is asked about offload. */
NDIS_STATUS xennet_port_query(struct xennet_adapter *adapter, NDIS_OID oid, PVOID buffer, ULONG length, PULONG done,
                              PULONG needed)
{
    UNREFERENCED_PARAMETER(adapter);
    UNREFERENCED_PARAMETER(oid);
    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(length);
    UNREFERENCED_PARAMETER(done);
    UNREFERENCED_PARAMETER(needed);
    return NDIS_STATUS_NOT_SUPPORTED;
}

NDIS_STATUS xennet_port_set(struct xennet_adapter *adapter, NDIS_OID oid, const VOID *buffer, ULONG length,
                            PULONG done, PULONG needed)
{
    ULONG least = oid == OID_TCP_OFFLOAD_PARAMETERS ? NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1
                                                    : NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1;
    NDIS_STATUS status;

    if (length < least) {
        *needed = least;
        return NDIS_STATUS_INVALID_LENGTH;
    }
    status = oid == OID_TCP_OFFLOAD_PARAMETERS ? set_parameters(adapter, buffer) : set_encapsulation(adapter, buffer);
    if (status == NDIS_STATUS_SUCCESS) {
        *done = least;
    }
    return status;
}

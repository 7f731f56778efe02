/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The OIDs of an Ethernet miniport, as data. Mandatory ones are those of the vendor's references "General Objects" and
 * "Ethernet Objects" for the NDIS version; what NDIS 6 answers from the general attributes is listed as well.
 */
#include "xennet.h"

#define VENDOR_ID 0x003E1600 /* bytes 00 16 3E of Xen's address prefix, then the adapter model 0 */
#define LINK_SPEED_UNIT 100 /* bit/s, of OID_GEN_LINK_SPEED */

static const CHAR vendor_description[] = "Xen network interface";

/* Where the answer to a query comes from. */
enum source {
    FROM_CONSTANT, /* value */
    FROM_FIELD,    /* value bytes of the adapter at offset */
    FROM_COUNTERS, /* the sum of value counters of the adapter from offset on */
    FROM_DESCRIPTION,
    FROM_OID_LIST,
    FROM_MULTICAST_LIST,
    FROM_STATISTICS,
    FROM_MODERATION,
    SET_ONLY,
    ELSEWHERE /* the NDIS half's */
};

struct oid {
    NDIS_OID oid;
    enum source source;
    ULONG offset;
    ULONG value;
};

#define AT(field) FIELD_OFFSET(struct xennet_adapter, field)

static const struct oid oids[] = {
    { OID_GEN_SUPPORTED_LIST, FROM_OID_LIST, 0, 0 },
    { OID_GEN_HARDWARE_STATUS, FROM_CONSTANT, 0, NdisHardwareStatusReady },
    { OID_GEN_MEDIA_SUPPORTED, FROM_CONSTANT, 0, NdisMedium802_3 },
    { OID_GEN_MEDIA_IN_USE, FROM_CONSTANT, 0, NdisMedium802_3 },
    { OID_GEN_MAXIMUM_LOOKAHEAD, FROM_FIELD, AT(config.mtu), sizeof(ULONG) },
    { OID_GEN_MAXIMUM_FRAME_SIZE, FROM_FIELD, AT(config.mtu), sizeof(ULONG) },
    { OID_GEN_LINK_SPEED, FROM_CONSTANT, 0, XENNET_LINK_SPEED / LINK_SPEED_UNIT },
    { OID_GEN_TRANSMIT_BUFFER_SPACE, FROM_FIELD, AT(buffer_space), sizeof(ULONG) },
    { OID_GEN_RECEIVE_BUFFER_SPACE, FROM_FIELD, AT(buffer_space), sizeof(ULONG) },
    { OID_GEN_TRANSMIT_BLOCK_SIZE, FROM_FIELD, AT(total_size), sizeof(ULONG) },
    { OID_GEN_RECEIVE_BLOCK_SIZE, FROM_FIELD, AT(total_size), sizeof(ULONG) },
    { OID_GEN_VENDOR_ID, FROM_CONSTANT, 0, VENDOR_ID },
    { OID_GEN_VENDOR_DESCRIPTION, FROM_DESCRIPTION, 0, 0 },
    { OID_GEN_CURRENT_PACKET_FILTER, FROM_FIELD, AT(filter.want), sizeof(ULONG) },
    { OID_GEN_CURRENT_LOOKAHEAD, FROM_FIELD, AT(lookahead), sizeof(ULONG) },
    { OID_GEN_MAXIMUM_TOTAL_SIZE, FROM_FIELD, AT(total_size), sizeof(ULONG) },
    { OID_GEN_MAC_OPTIONS, FROM_CONSTANT, 0, XENNET_MAC_OPTIONS },
    { OID_GEN_MEDIA_CONNECT_STATUS, FROM_FIELD, AT(media), sizeof(ULONG) },
    { OID_GEN_DRIVER_VERSION, FROM_CONSTANT, 0, NDIS_MINIPORT_MAJOR_VERSION << 8 | NDIS_MINIPORT_MINOR_VERSION },
    { OID_GEN_VENDOR_DRIVER_VERSION, FROM_FIELD, AT(driver_version), sizeof(ULONG) },
#ifdef NDIS60_MINIPORT
    { OID_GEN_PHYSICAL_MEDIUM, FROM_CONSTANT, 0, NdisPhysicalMedium802_3 },
    { OID_GEN_STATISTICS, FROM_STATISTICS, 0, 0 },
    { OID_GEN_INTERRUPT_MODERATION, FROM_MODERATION, 0, 0 },
    { OID_GEN_LINK_PARAMETERS, SET_ONLY, 0, 0 },
    { OID_TCP_OFFLOAD_PARAMETERS, ELSEWHERE, 0, 0 },
    { OID_OFFLOAD_ENCAPSULATION, ELSEWHERE, 0, 0 },
#else
    { OID_GEN_MAXIMUM_SEND_PACKETS, FROM_CONSTANT, 0, XENNET_SLOTS },
    { OID_GEN_PROTOCOL_OPTIONS, SET_ONLY, 0, 0 },
    { OID_TCP_TASK_OFFLOAD, ELSEWHERE, 0, 0 },
#endif
    { OID_GEN_XMIT_OK, FROM_COUNTERS, AT(sent.frames), XENNET_CASTS },
    { OID_GEN_RCV_OK, FROM_COUNTERS, AT(received.frames), XENNET_CASTS },
    { OID_GEN_XMIT_ERROR, FROM_COUNTERS, AT(sent.errors), 1 },
    { OID_GEN_RCV_ERROR, FROM_COUNTERS, AT(received.errors), 1 },
    { OID_GEN_RCV_NO_BUFFER, FROM_COUNTERS, AT(received.discards), 1 },
    { OID_802_3_PERMANENT_ADDRESS, FROM_FIELD, AT(permanent_address), XENNET_ADDRESS_LENGTH },
    { OID_802_3_CURRENT_ADDRESS, FROM_FIELD, AT(current_address), XENNET_ADDRESS_LENGTH },
    { OID_802_3_MULTICAST_LIST, FROM_MULTICAST_LIST, 0, 0 },
    { OID_802_3_MAXIMUM_LIST_SIZE, FROM_CONSTANT, 0, XENNET_MULTICAST_LIMIT },
    { OID_802_3_RCV_ERROR_ALIGNMENT, FROM_CONSTANT, 0, 0 },
    { OID_802_3_XMIT_ONE_COLLISION, FROM_CONSTANT, 0, 0 },
    { OID_802_3_XMIT_MORE_COLLISIONS, FROM_CONSTANT, 0, 0 }
};

C_ASSERT(RTL_NUMBER_OF(oids) <= XENNET_OID_LIMIT);
C_ASSERT(sizeof(NDIS_MEDIA_STATE) == sizeof(ULONG));

/* An answer that is made for the query, and what a query is answered with. */
struct answer {
    const VOID *data;
    ULONG length;
    union {
        ULONG number;
        ULONG64 counter;
#ifdef NDIS60_MINIPORT
        NDIS_STATISTICS_INFO statistics;
        NDIS_INTERRUPT_MODERATION_PARAMETERS moderation;
#endif
    } made;
};

VOID xennet_list_oids(struct xennet_adapter *adapter)
{
    for (adapter->oid_count = 0; adapter->oid_count < RTL_NUMBER_OF(oids); adapter->oid_count++) {
        adapter->oids[adapter->oid_count] = oids[adapter->oid_count].oid;
    }
}

static const struct oid *find(NDIS_OID oid)
{
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(oids); i++) {
        if (oids[i].oid == oid) {
            return &oids[i];
        }
    }
    return NULL;
}

static ULONG64 sum(const ULONG64 *counters, ULONG count)
{
    ULONG64 total = 0;

    while (count > 0) {
        total += counters[--count];
    }
    return total;
}

#ifdef NDIS60_MINIPORT
/* DISPATCH_LEVEL: the adapter's lock is held. */
static VOID make_statistics(const struct xennet_adapter *adapter, NDIS_STATISTICS_INFO *info)
{
    const struct xennet_counters *in = &adapter->received;
    const struct xennet_counters *out = &adapter->sent;

    NdisZeroMemory(info, sizeof(*info));
    info->Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
    info->Header.Revision = NDIS_STATISTICS_INFO_REVISION_1;
    info->Header.Size = NDIS_SIZEOF_STATISTICS_INFO_REVISION_1;
    info->SupportedStatistics =
        NDIS_STATISTICS_FLAGS_VALID_DIRECTED_FRAMES_RCV | NDIS_STATISTICS_FLAGS_VALID_MULTICAST_FRAMES_RCV |
        NDIS_STATISTICS_FLAGS_VALID_BROADCAST_FRAMES_RCV | NDIS_STATISTICS_FLAGS_VALID_BYTES_RCV |
        NDIS_STATISTICS_FLAGS_VALID_RCV_DISCARDS | NDIS_STATISTICS_FLAGS_VALID_RCV_ERROR |
        NDIS_STATISTICS_FLAGS_VALID_DIRECTED_FRAMES_XMIT | NDIS_STATISTICS_FLAGS_VALID_MULTICAST_FRAMES_XMIT |
        NDIS_STATISTICS_FLAGS_VALID_BROADCAST_FRAMES_XMIT | NDIS_STATISTICS_FLAGS_VALID_BYTES_XMIT |
        NDIS_STATISTICS_FLAGS_VALID_XMIT_ERROR | NDIS_STATISTICS_FLAGS_VALID_XMIT_DISCARDS |
        NDIS_STATISTICS_FLAGS_VALID_DIRECTED_BYTES_RCV | NDIS_STATISTICS_FLAGS_VALID_MULTICAST_BYTES_RCV |
        NDIS_STATISTICS_FLAGS_VALID_BROADCAST_BYTES_RCV | NDIS_STATISTICS_FLAGS_VALID_DIRECTED_BYTES_XMIT |
        NDIS_STATISTICS_FLAGS_VALID_MULTICAST_BYTES_XMIT | NDIS_STATISTICS_FLAGS_VALID_BROADCAST_BYTES_XMIT;
    info->ifInDiscards = in->discards;
    info->ifInErrors = in->errors;
    info->ifHCInOctets = sum(in->bytes, XENNET_CASTS);
    info->ifHCInUcastPkts = in->frames[XENNET_DIRECTED];
    info->ifHCInMulticastPkts = in->frames[XENNET_MULTICAST];
    info->ifHCInBroadcastPkts = in->frames[XENNET_BROADCAST];
    info->ifHCOutOctets = sum(out->bytes, XENNET_CASTS);
    info->ifHCOutUcastPkts = out->frames[XENNET_DIRECTED];
    info->ifHCOutMulticastPkts = out->frames[XENNET_MULTICAST];
    info->ifHCOutBroadcastPkts = out->frames[XENNET_BROADCAST];
    info->ifOutErrors = out->errors;
    info->ifOutDiscards = out->discards;
    info->ifHCInUcastOctets = in->bytes[XENNET_DIRECTED];
    info->ifHCInMulticastOctets = in->bytes[XENNET_MULTICAST];
    info->ifHCInBroadcastOctets = in->bytes[XENNET_BROADCAST];
    info->ifHCOutUcastOctets = out->bytes[XENNET_DIRECTED];
    info->ifHCOutMulticastOctets = out->bytes[XENNET_MULTICAST];
    info->ifHCOutBroadcastOctets = out->bytes[XENNET_BROADCAST];
}

static VOID make_moderation(const struct xennet_adapter *adapter, NDIS_INTERRUPT_MODERATION_PARAMETERS *parameters)
{
    NdisZeroMemory(parameters, sizeof(*parameters));
    parameters->Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
    parameters->Header.Revision = NDIS_INTERRUPT_MODERATION_PARAMETERS_REVISION_1;
    parameters->Header.Size = NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1;
    parameters->InterruptModeration =
        adapter->config.moderation ? NdisInterruptModerationEnabled : NdisInterruptModerationDisabled;
}
#endif

/* DISPATCH_LEVEL: the adapter's lock is held, and until the answer has been copied. */
static VOID find_answer(const struct xennet_adapter *adapter, const struct oid *entry, struct answer *answer)
{
    const UCHAR *field = (const UCHAR *)adapter + entry->offset;

    answer->data = &answer->made;
    switch (entry->source) {
    case FROM_CONSTANT:
        answer->made.number = entry->value;
        answer->length = sizeof(answer->made.number);
        break;

    case FROM_FIELD:
        answer->data = field;
        answer->length = entry->value;
        break;

    case FROM_COUNTERS:
        answer->made.counter = sum((const ULONG64 *)field, entry->value);
        answer->length = sizeof(answer->made.counter);
        break;

    case FROM_DESCRIPTION:
        answer->data = vendor_description;
        answer->length = sizeof(vendor_description);
        break;

    case FROM_OID_LIST:
        answer->data = adapter->oids;
        answer->length = adapter->oid_count * sizeof(NDIS_OID);
        break;

    case FROM_MULTICAST_LIST:
        answer->data = adapter->filter.multicast;
        answer->length = adapter->filter.multicast_count * XENNET_ADDRESS_LENGTH;
        break;

#ifdef NDIS60_MINIPORT
    case FROM_STATISTICS:
        make_statistics(adapter, &answer->made.statistics);
        answer->length = sizeof(answer->made.statistics);
        break;

    case FROM_MODERATION:
        make_moderation(adapter, &answer->made.moderation);
        answer->length = sizeof(answer->made.moderation);
        break;
#endif

    default:
        answer->length = 0;
        break;
    }
}

NDIS_STATUS xennet_query(struct xennet_adapter *adapter, NDIS_OID oid, PVOID buffer, ULONG length, PULONG done,
                         PULONG needed)
{
    const struct oid *entry = find(oid);
    NDIS_STATUS status = NDIS_STATUS_SUCCESS;
    struct answer answer;

    *done = 0;
    *needed = 0;
    if (entry == NULL || entry->source == SET_ONLY) {
        return NDIS_STATUS_NOT_SUPPORTED;
    }
    if (entry->source == ELSEWHERE) {
        return xennet_port_query(adapter, oid, buffer, length, done, needed);
    }
    NdisAcquireSpinLock(&adapter->lock);
    find_answer(adapter, entry, &answer);
    if (length < answer.length) {
        *needed = answer.length;
    }
    if (length >= answer.length) {
        *done = answer.length;
    } else if (entry->source == FROM_COUNTERS && length >= sizeof(ULONG)) {
        *done = sizeof(ULONG); /* NDIS lets a caller take the low half of a counter */
    } else {
        status = NDIS_STATUS_BUFFER_TOO_SHORT;
    }
    if (*done > 0) {
        NdisMoveMemory(buffer, answer.data, *done);
    }
    NdisReleaseSpinLock(&adapter->lock);
    return status;
}

static ULONG number(const VOID *buffer)
{
    ULONG value;

    NdisMoveMemory(&value, buffer, sizeof(value));
    return value;
}

/* Setters. DISPATCH_LEVEL: the adapter's lock is held; the buffer has the length that the table below asks for. */

static NDIS_STATUS set_packet_filter(struct xennet_adapter *adapter, const VOID *buffer, ULONG length)
{
    ULONG filter = number(buffer);

    UNREFERENCED_PARAMETER(length);
    if (filter & ~(ULONG)XENNET_PACKET_FILTERS) {
        return NDIS_STATUS_NOT_SUPPORTED;
    }
    adapter->filter.want = filter;
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS set_lookahead(struct xennet_adapter *adapter, const VOID *buffer, ULONG length)
{
    ULONG lookahead = number(buffer);

    UNREFERENCED_PARAMETER(length);
    if (lookahead > adapter->config.mtu) {
        return NDIS_STATUS_INVALID_DATA;
    }
    adapter->lookahead = lookahead;
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS set_multicast_list(struct xennet_adapter *adapter, const VOID *buffer, ULONG length)
{
    if (length % XENNET_ADDRESS_LENGTH != 0) {
        return NDIS_STATUS_INVALID_LENGTH;
    }
    if (length > sizeof(adapter->filter.multicast)) {
        return NDIS_STATUS_MULTICAST_FULL;
    }
    if (length > 0) {
        NdisMoveMemory(adapter->filter.multicast, buffer, length);
    }
    adapter->filter.multicast_count = length / XENNET_ADDRESS_LENGTH;
    return NDIS_STATUS_SUCCESS;
}

#ifdef NDIS60_MINIPORT
/* The virtual link has one speed, so leaving every setting to negotiation is the only choice that can be made. */
static NDIS_STATUS set_link_parameters(struct xennet_adapter *adapter, const VOID *buffer, ULONG length)
{
    const ULONG negotiated = NDIS_LINK_STATE_XMIT_LINK_SPEED_AUTO_NEGOTIATED |
                             NDIS_LINK_STATE_RCV_LINK_SPEED_AUTO_NEGOTIATED | NDIS_LINK_STATE_DUPLEX_AUTO_NEGOTIATED;
    const NDIS_LINK_PARAMETERS *parameters = buffer;

    UNREFERENCED_PARAMETER(adapter);
    UNREFERENCED_PARAMETER(length);
    if ((parameters->AutoNegotiationFlags & negotiated) != negotiated) {
        return NDIS_STATUS_INVALID_DATA;
    }
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS set_moderation(struct xennet_adapter *adapter, const VOID *buffer, ULONG length)
{
    const NDIS_INTERRUPT_MODERATION_PARAMETERS *parameters = buffer;

    UNREFERENCED_PARAMETER(length);
    switch (parameters->InterruptModeration) {
    case NdisInterruptModerationEnabled:
        adapter->config.moderation = TRUE;
        return NDIS_STATUS_SUCCESS;

    case NdisInterruptModerationDisabled:
        adapter->config.moderation = FALSE;
        return NDIS_STATUS_SUCCESS;

    default:
        return NDIS_STATUS_INVALID_DATA;
    }
}
#else
static NDIS_STATUS set_protocol_options(struct xennet_adapter *adapter, const VOID *buffer, ULONG length)
{
    UNREFERENCED_PARAMETER(length);
    adapter->protocol_options = number(buffer);
    return NDIS_STATUS_SUCCESS;
}
#endif

static const struct setter {
    NDIS_OID oid;
    ULONG length; /* the least that a set of the OID takes */
    NDIS_STATUS (*set)(struct xennet_adapter *adapter, const VOID *buffer, ULONG length);
} setters[] = {
    { OID_GEN_CURRENT_PACKET_FILTER, sizeof(ULONG), set_packet_filter },
    { OID_GEN_CURRENT_LOOKAHEAD, sizeof(ULONG), set_lookahead },
    { OID_802_3_MULTICAST_LIST, 0, set_multicast_list },
#ifdef NDIS60_MINIPORT
    { OID_GEN_LINK_PARAMETERS, NDIS_SIZEOF_LINK_PARAMETERS_REVISION_1, set_link_parameters },
    { OID_GEN_INTERRUPT_MODERATION, NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1, set_moderation }
#else
    { OID_GEN_PROTOCOL_OPTIONS, sizeof(ULONG), set_protocol_options }
#endif
};

static const struct setter *find_setter(NDIS_OID oid)
{
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(setters); i++) {
        if (setters[i].oid == oid) {
            return &setters[i];
        }
    }
    return NULL;
}

NDIS_STATUS xennet_set(struct xennet_adapter *adapter, NDIS_OID oid, const VOID *buffer, ULONG length, PULONG done,
                       PULONG needed)
{
    const struct setter *setter = find_setter(oid);
    const struct oid *entry = find(oid);
    NDIS_STATUS status;

    *done = 0;
    *needed = 0;
    if (entry != NULL && entry->source == ELSEWHERE) {
        return xennet_port_set(adapter, oid, buffer, length, done, needed);
    }
    if (setter == NULL) {
        return NDIS_STATUS_NOT_SUPPORTED;
    }
    if (length < setter->length) {
        *needed = setter->length;
        return NDIS_STATUS_INVALID_LENGTH;
    }
    NdisAcquireSpinLock(&adapter->lock);
    status = setter->set(adapter, buffer, length);
    NdisReleaseSpinLock(&adapter->lock);
    if (status == NDIS_STATUS_SUCCESS) {
        *done = setter->length > 0 ? setter->length : length;
    } else if (status == NDIS_STATUS_MULTICAST_FULL) {
        *needed = sizeof(adapter->filter.multicast);
    }
    return status;
}

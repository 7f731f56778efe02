/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The test miniport's requests, statuses and states, its beginning and its end. */
#include "adapter.h"

DRIVER_INITIALIZE DriverEntry;
volatile ULONG wire_mutant = NO_MUTANT;
static NDIS_HANDLE driver_handle;
static NDIS_OID oids[] = {
    OID_GEN_CURRENT_PACKET_FILTER, OID_802_3_MULTICAST_LIST, OID_GEN_STATISTICS, OID_GEN_VENDOR_ID, OID_GEN_XMIT_OK,
    OID_TCP_OFFLOAD_PARAMETERS, OID_OFFLOAD_ENCAPSULATION, OID_GEN_RCV_OK
};

VOID head(NDIS_OBJECT_HEADER *header, UCHAR type, ULONG size)
{
    header->Type = type;
    header->Revision = 1;
    header->Size = (USHORT)size;
}

static VOID indicate_status(struct wire *wire, NDIS_STATUS status, PVOID buffer, ULONG size)
{
    NDIS_STATUS_INDICATION indication;

    RtlZeroMemory(&indication, sizeof(indication));
    head(&indication.Header, NDIS_OBJECT_TYPE_STATUS_INDICATION, sizeof(indication));
    indication.SourceHandle = MUTANT(STATUS_WITHOUT_SOURCE) ? NULL : wire->handle;
    indication.StatusCode = status;
    indication.StatusBuffer = buffer;
    indication.StatusBufferSize = size;
    NdisMIndicateStatusEx(wire->handle, &indication);
}

/* All that the miniport can do. */
static VOID fill_offload(NDIS_OFFLOAD *offload)
{
    RtlZeroMemory(offload, sizeof(*offload));
    head(&offload->Header, NDIS_OBJECT_TYPE_OFFLOAD, NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_1);
    offload->Checksum.IPv4Transmit.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
    offload->Checksum.IPv4Transmit.TcpChecksum = NDIS_OFFLOAD_SUPPORTED;
    offload->Checksum.IPv4Transmit.UdpChecksum = NDIS_OFFLOAD_SUPPORTED;
    offload->Checksum.IPv4Transmit.IpChecksum = NDIS_OFFLOAD_SUPPORTED;
    offload->Checksum.IPv4Receive.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
    offload->Checksum.IPv4Receive.TcpChecksum = NDIS_OFFLOAD_SUPPORTED;
    offload->Checksum.IPv6Transmit.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
    offload->Checksum.IPv6Transmit.TcpChecksum = NDIS_OFFLOAD_SUPPORTED;
    offload->LsoV1.IPv4.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
    offload->LsoV1.IPv4.MaxOffLoadSize = MUTANT(OFFLOAD_OF_NO_SIZE) ? 0 : 60000;
    offload->LsoV1.IPv4.MinSegmentCount = 2;
    offload->LsoV2.IPv4.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
    offload->LsoV2.IPv4.MaxOffLoadSize = 60000;
    offload->LsoV2.IPv4.MinSegmentCount = 2;
    offload->LsoV2.IPv6.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3;
    offload->LsoV2.IPv6.MaxOffLoadSize = 60000;
    offload->LsoV2.IPv6.MinSegmentCount = 2;
}

#define CHANGE(wanted, field, direction, off) \
    do { \
        if ((wanted) != NDIS_OFFLOAD_PARAMETERS_NO_CHANGE && ((wanted) == NDIS_OFFLOAD_PARAMETERS_TX_RX_DISABLED || \
                                                              (wanted) == (off))) \
            (field) = 0; \
    } while (0)
#define NO_TX NDIS_OFFLOAD_PARAMETERS_RX_ENABLED_TX_DISABLED
#define NO_RX NDIS_OFFLOAD_PARAMETERS_TX_ENABLED_RX_DISABLED

static VOID configure_offload(struct wire *wire, const NDIS_OFFLOAD_PARAMETERS *wanted)
{
    NDIS_OFFLOAD *offload = &wire->offload;

    fill_offload(offload);
    if (!MUTANT(CONFIGURES_MORE)) {
        CHANGE(wanted->IPv4Checksum, offload->Checksum.IPv4Transmit.IpChecksum, Transmit, NO_TX);
        CHANGE(wanted->TCPIPv4Checksum, offload->Checksum.IPv4Transmit.TcpChecksum, Transmit, NO_TX);
        CHANGE(wanted->UDPIPv4Checksum, offload->Checksum.IPv4Transmit.UdpChecksum, Transmit, NO_TX);
        CHANGE(wanted->TCPIPv6Checksum, offload->Checksum.IPv6Transmit.TcpChecksum, Transmit, NO_TX);
    }
    CHANGE(wanted->TCPIPv4Checksum, offload->Checksum.IPv4Receive.TcpChecksum, Receive, NO_RX);
    if (wanted->LsoV1 == NDIS_OFFLOAD_PARAMETERS_LSOV1_DISABLED)
        offload->LsoV1.IPv4.Encapsulation = 0;
    if (wanted->LsoV2IPv4 == NDIS_OFFLOAD_PARAMETERS_LSOV2_DISABLED)
        offload->LsoV2.IPv4.Encapsulation = 0;
    if (wanted->LsoV2IPv6 == NDIS_OFFLOAD_PARAMETERS_LSOV2_DISABLED)
        offload->LsoV2.IPv6.Encapsulation = 0;
    if (!MUTANT(CONFIGURES_IN_SILENCE))
        indicate_status(wire, NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG, offload, sizeof(*offload));
}

/* Requests */

static NDIS_STATUS answer(NDIS_OID_REQUEST *request, const VOID *data, ULONG size)
{
    if (request->DATA.InformationBufferLength < size) {
        request->DATA.BytesNeeded = MUTANT(NEEDS_NOTHING) ? 0 : size;
        return NDIS_STATUS_BUFFER_TOO_SHORT;
    }
    RtlCopyMemory(request->DATA.InformationBuffer, data, size);
    if (MUTANT(OVERRUNS_THE_BUFFER) && size > 0)
        ((PUCHAR)request->DATA.InformationBuffer)[size] = 0;
    request->DATA.BytesDone = MUTANT(DOES_TOO_MUCH) ? request->DATA.InformationBufferLength + 1 : size;
    return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS query(struct wire *wire, NDIS_OID_REQUEST *request)
{
    NDIS_STATISTICS_INFO statistics;
    ULONG vendor = 0x00163E;

    switch (request->DATA.Oid) {
    case OID_GEN_CURRENT_PACKET_FILTER:
        return answer(request, &wire->filter, sizeof(wire->filter));

    case OID_802_3_MULTICAST_LIST:
        return answer(request, NULL, 0);

    case OID_GEN_STATISTICS:
        RtlZeroMemory(&statistics, sizeof(statistics));
        if (!MUTANT(ANSWERS_WITHOUT_A_HEADER))
            head(&statistics.Header, NDIS_OBJECT_TYPE_DEFAULT, NDIS_SIZEOF_STATISTICS_INFO_REVISION_1);
        return answer(request, &statistics, sizeof(statistics));

    case OID_GEN_VENDOR_ID:
        return answer(request, &vendor, sizeof(vendor));

    case OID_GEN_XMIT_OK:
        return answer(request, &wire->sent, sizeof(wire->sent));

    case OID_GEN_RCV_OK:
        return MUTANT(LISTS_WHAT_IT_LACKS) ? NDIS_STATUS_NOT_SUPPORTED : answer(request, &wire->sent, sizeof(ULONG));

    default:
        return NDIS_STATUS_NOT_SUPPORTED;
    }
}

static NDIS_STATUS set(struct wire *wire, NDIS_OID_REQUEST *request)
{
    request->DATA.BytesDone = request->DATA.InformationBufferLength;
    switch (request->DATA.Oid) {
    case OID_GEN_CURRENT_PACKET_FILTER:
        if (request->DATA.InformationBufferLength != sizeof(wire->filter))
            return NDIS_STATUS_INVALID_LENGTH;
        wire->filter = *(PULONG)request->DATA.InformationBuffer;
        return NDIS_STATUS_SUCCESS;

    case OID_802_3_MULTICAST_LIST:
        return NDIS_STATUS_SUCCESS;

    case OID_TCP_OFFLOAD_PARAMETERS:
        configure_offload(wire, request->DATA.InformationBuffer);
        return NDIS_STATUS_SUCCESS;

    case OID_GEN_MACHINE_NAME:
        wire->hung = TRUE;
        return NDIS_STATUS_SUCCESS;

    case OID_OFFLOAD_ENCAPSULATION:
        wire->encapsulated = TRUE;
        return NDIS_STATUS_SUCCESS;

    default:
        return NDIS_STATUS_NOT_SUPPORTED;
    }
}

/* PASSIVE_LEVEL: the work item's routine. */
static VOID NTAPI complete_request(struct wire *wire, NDIS_HANDLE item)
{
    NDIS_OID_REQUEST *request = wire->pending;
    NDIS_STATUS status = query(wire, request);

    (void)item;
    wire->pending = NULL;
    if (MUTANT(COMPLETES_NO_REQUEST))
        NdisMOidRequestComplete(wire->handle, (NDIS_OID_REQUEST *)wire, status);
    NdisMOidRequestComplete(wire->handle, request,
                            MUTANT(COMPLETES_A_REQUEST_WITH_PENDING) ? NDIS_STATUS_PENDING : status);
    if (MUTANT(ANSWERS_TWICE))
        NdisMOidRequestComplete(wire->handle, request, status);
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS NTAPI oid_request(struct wire *wire, NDIS_OID_REQUEST *request)
{
    static NDIS_OID_REQUEST *last;
    NDIS_STATUS status;

    if (MUTANT(TOUCHES_A_DONE_REQUEST) && last != NULL)
        wire->sent += last->DATA.BytesDone;
    last = request;
    if (request->DATA.Oid == OID_GEN_VENDOR_ID) {
        wire->pending = request;
        NdisQueueIoWorkItem(wire->item, complete_request, wire);
        if (MUTANT(QUEUES_TWICE))
            NdisQueueIoWorkItem(wire->item, complete_request, wire);
        return NDIS_STATUS_PENDING;
    }
    if (request->DATA.Oid == OID_GEN_RCV_NO_BUFFER) {
        wire->waiting = request;
        return NDIS_STATUS_PENDING;
    }
    if (request->DATA.Oid == OID_GEN_RCV_ERROR)
        NdisMResetMiniport(wire->handle);
    status = request->RequestType == NdisRequestSetInformation ? set(wire, request) : query(wire, request);
    if (MUTANT(COMPLETES_AND_RETURNS))
        NdisMOidRequestComplete(wire->handle, request, status);
    return status;
}

/* PASSIVE_LEVEL. One request waits for this alone. */
static VOID NTAPI cancel_oid_request(struct wire *wire, PVOID id)
{
    NDIS_OID_REQUEST *request = wire->waiting;

    if (request == NULL || request->RequestId != id)
        return;
    wire->waiting = NULL;
    NdisMOidRequestComplete(wire->handle, request, NDIS_STATUS_REQUEST_ABORTED);
}

/* States */

static NDIS_STATUS NTAPI restart(struct wire *wire, PVOID parameters)
{
    NDIS_LINK_STATE link;

    (void)parameters;
    if (MUTANT(ATTRIBUTES_LATE))
        NdisMSetMiniportAttributes(wire->handle, &wire->offload);
    RtlZeroMemory(&link, sizeof(link));
    head(&link.Header, NDIS_OBJECT_TYPE_DEFAULT, NDIS_SIZEOF_LINK_STATE_REVISION_1);
    link.MediaConnectState = MediaConnectStateConnected;
    link.XmitLinkSpeed = link.RcvLinkSpeed = 1000000000;
    indicate_status(wire, NDIS_STATUS_LINK_STATE, &link, MUTANT(SHORT_LINK_STATE) ? 8 : sizeof(link));
    if (MUTANT(STATUS_OF_OLD))
        indicate_status(wire, NDIS_STATUS_MEDIA_CONNECT, NULL, 0);
    wire->restarting = TRUE;
    set_timer(wire);
    return MUTANT(RESTARTS_TWICE) ? NDIS_STATUS_SUCCESS : NDIS_STATUS_PENDING;
}

static NDIS_STATUS NTAPI pause(struct wire *wire, PVOID parameters)
{
    BOOLEAN idle;

    (void)parameters;
    if (MUTANT(PAUSE_FAILS))
        return NDIS_STATUS_FAILURE;
    NdisAcquireSpinLock(&wire->lock);
    idle = (wire->busy == 0 && wire->first == NULL) || MUTANT(PAUSES_TOO_EARLY);
    wire->state = idle || MUTANT(PAUSES_FOR_EVER) ? PAUSED : PAUSING;
    NdisReleaseSpinLock(&wire->lock);
    if (MUTANT(PAUSES_FOR_EVER))
        idle = FALSE;
    return idle ? NDIS_STATUS_SUCCESS : NDIS_STATUS_PENDING;
}

static VOID NTAPI notify(struct wire *wire, NET_DEVICE_PNP_EVENT *event)
{
    (void)wire, (void)event;
}

static VOID NTAPI shut_down(struct wire *wire, ULONG action)
{
    (void)action;
    if (MUTANT(LOCKS_AT_THE_END))
        NdisAcquireSpinLock(&wire->lock);
    wire->state = PAUSED;
}

/* Beginning and end */

static NDIS_STATUS make_entry(struct wire *wire, struct entry *entry)
{
    entry->data = NdisAllocateMemoryWithTagPriority(wire->handle, FRAME + OFFSET, TAG, 0);
    if (entry->data == NULL)
        return NDIS_STATUS_RESOURCES;
    entry->mdl = NdisAllocateMdl(wire->handle, entry->data, FRAME + OFFSET);
    if (entry->mdl == NULL)
        return NDIS_STATUS_RESOURCES;
    entry->list = NdisAllocateNetBufferAndNetBufferList(wire->pool, 0, 0, entry->mdl, OFFSET, 0);
    return entry->list == NULL ? NDIS_STATUS_RESOURCES : NDIS_STATUS_SUCCESS;
}

static VOID free_entry(struct entry *entry)
{
    if (MUTANT(FREES_A_BOUND_BUFFER))
        NdisFreeNetBuffer(entry->list->FirstNetBuffer);
    if (entry->list != NULL && !MUTANT(LEAKS_A_LIST))
        NdisFreeNetBufferList(entry->list);
    if (entry->mdl != NULL && !MUTANT(LEAKS_AN_MDL))
        NdisFreeMdl(entry->mdl);
    if (entry->data != NULL)
        NdisFreeMemory(entry->data, FRAME + OFFSET, 0);
}

static VOID release(struct wire *wire)
{
    LARGE_INTEGER due;
    ULONG i;

    if (MUTANT(FREES_POOL_IN_USE))
        NdisFreeNetBufferListPool(wire->pool);
    for (i = 0; i < ENTRIES; ++i)
        free_entry(&wire->entries[i]);
    if (wire->pool != NULL && !MUTANT(LEAKS_A_POOL) && !MUTANT(LEAKS_A_LIST))
        NdisFreeNetBufferListPool(wire->pool);
    if (MUTANT(FREES_A_SET_TIMER))
        set_timer(wire);
    if (wire->timer != NULL && MUTANT(CANCELS_PERIODIC_AT_DISPATCH)) {
        due.QuadPart = -10000000;
        NdisSetTimerObject(wire->timer, due, 1000, NULL);
        NdisAcquireSpinLock(&wire->lock);
        NdisCancelTimerObject(wire->timer);
        NdisReleaseSpinLock(&wire->lock);
    }
    if (wire->timer != NULL && !MUTANT(LEAVES_THE_TIMER)) {
        if (!MUTANT(FREES_A_SET_TIMER))
            NdisCancelTimerObject(wire->timer);
        NdisFreeTimerObject(wire->timer);
    }
    if (wire->item != NULL && !MUTANT(LEAVES_THE_ITEM))
        NdisFreeIoWorkItem(wire->item);
    NdisFreeMemory(wire, sizeof(*wire), 0);
}

static VOID NTAPI halt(struct wire *wire, ULONG action)
{
    (void)action;
    if (MUTANT(INDICATES_WHILE_PAUSED))
        NdisMIndicateReceiveNetBufferLists(wire->handle, wire->entries[0].list, 0, 1, RESOURCES);
    release(wire);
}

static NDIS_STATUS set_registration(struct wire *wire)
{
    NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES attributes;

    RtlZeroMemory(&attributes, sizeof(attributes));
    head(&attributes.Header,
         MUTANT(ATTRIBUTES_OF_NO_TYPE) ? 0x11 : NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
         RTL_SIZEOF_THROUGH_FIELD(NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES, InterfaceType));
    attributes.MiniportAdapterContext = wire;
    attributes.AttributeFlags = 6; /* NDIS_WDM, SURPRISE_REMOVE_OK */
    return NdisMSetMiniportAttributes(wire->handle, &attributes);
}

static NDIS_STATUS set_general(struct wire *wire)
{
    static const UCHAR address[6] = { 0x00, 0x16, 0x3E, 0x01, 0x02, 0x03 };
    NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES attributes;

    RtlZeroMemory(&attributes, sizeof(attributes));
    head(&attributes.Header, NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
         MUTANT(SHORT_GENERAL) ? 0x40 : sizeof(attributes));
    attributes.PhysicalMediumType = 14;
    attributes.MtuSize = MTU;
    attributes.MaxXmitLinkSpeed = attributes.MaxRcvLinkSpeed = 1000000000;
    attributes.MediaConnectState = MediaConnectStateDisconnected;
    attributes.LookaheadSize = MTU;
    attributes.MacOptions = 0x248; /* priority, VLAN, no loopback */
    attributes.SupportedPacketFilters = 0x2F;
    attributes.MaxMulticastListSize = 32;
    attributes.MacAddressLength = 6;
    RtlCopyMemory(attributes.PermanentMacAddress, address, 6);
    RtlCopyMemory(attributes.CurrentMacAddress, address, 6);
    if (MUTANT(GROUP_ADDRESS))
        attributes.CurrentMacAddress[0] = 1;
    attributes.AccessType = MUTANT(NO_ACCESS_TYPE) ? 0 : NET_IF_ACCESS_BROADCAST;
    attributes.ConnectionType = NET_IF_CONNECTION_DEDICATED;
    attributes.IfType = 6;
    if (MUTANT(OID_LISTED_TWICE))
        oids[1] = oids[0];
    attributes.SupportedOidList = oids;
    attributes.SupportedOidListLength = sizeof(oids);
    return NdisMSetMiniportAttributes(wire->handle, &attributes);
}

static NDIS_STATUS set_offload(struct wire *wire)
{
    NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES attributes;
    NDIS_OFFLOAD hardware;

    fill_offload(&hardware);
    wire->offload = hardware;
    if (MUTANT(OFFLOAD_BEYOND_HARDWARE))
        hardware.LsoV1.IPv4.Encapsulation = 0;
    RtlZeroMemory(&attributes, sizeof(attributes));
    head(&attributes.Header, NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES, sizeof(attributes));
    attributes.DefaultOffloadConfiguration = &wire->offload;
    attributes.HardwareOffloadCapabilities = &hardware;
    return NdisMSetMiniportAttributes(wire->handle, &attributes);
}

static NDIS_STATUS set_attributes(struct wire *wire)
{
    NDIS_STATUS status = NDIS_STATUS_SUCCESS;

    if (MUTANT(GENERAL_FIRST))
        status = set_general(wire);
    if (status == NDIS_STATUS_SUCCESS)
        status = set_registration(wire);
    if (status != NDIS_STATUS_SUCCESS || MUTANT(NO_GENERAL))
        return status;
    status = set_general(wire);
    return status == NDIS_STATUS_SUCCESS ? set_offload(wire) : status;
}

/* Opens the configuration and closes it again; what is in it does not matter. */
static NDIS_STATUS read_configuration(struct wire *wire)
{
    NDIS_CONFIGURATION_OBJECT object;
    NDIS_HANDLE configuration;
    NDIS_STATUS status;

    RtlZeroMemory(&object, sizeof(object));
    head(&object.Header, NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT, RTL_SIZEOF_THROUGH_FIELD(NDIS_CONFIGURATION_OBJECT, Flags));
    object.NdisHandle = wire->handle;
    if (MUTANT(OPENS_CONFIGURATION_AT_DISPATCH))
        NdisAcquireSpinLock(&wire->lock);
    status = NdisOpenConfigurationEx(&object, &configuration);
    if (status == NDIS_STATUS_SUCCESS && !MUTANT(LEAVES_CONFIGURATION_OPEN))
        NdisCloseConfiguration(configuration);
    return status;
}

static NDIS_STATUS allocate(struct wire *wire)
{
    NET_BUFFER_LIST_POOL_PARAMETERS pool;
    NDIS_TIMER_CHARACTERISTICS timer;
    NDIS_STATUS status;
    ULONG i;

    RtlZeroMemory(&pool, sizeof(pool));
    head(&pool.Header, NDIS_OBJECT_TYPE_DEFAULT, sizeof(pool));
    pool.fAllocateNetBuffer = TRUE;
    pool.ContextSize = MUTANT(ODD_CONTEXT) ? 3 : 0;
    pool.PoolTag = TAG;
    wire->pool = NdisAllocateNetBufferListPool(wire->handle, &pool);
    wire->item = NdisAllocateIoWorkItem(wire->handle);
    if (wire->pool == NULL || wire->item == NULL)
        return NDIS_STATUS_RESOURCES;
    RtlZeroMemory(&timer, sizeof(timer));
    head(&timer.Header, NDIS_OBJECT_TYPE_TIMER_CHARACTERISTICS, sizeof(timer));
    timer.AllocationTag = TAG;
    timer.TimerFunction = tick;
    timer.FunctionContext = wire;
    status = NdisAllocateTimerObject(wire->handle, &timer, &wire->timer);
    for (i = 0; status == NDIS_STATUS_SUCCESS && i < ENTRIES; ++i)
        status = make_entry(wire, &wire->entries[i]);
    return status;
}

static NDIS_STATUS NTAPI initialize(NDIS_HANDLE handle, PVOID driver_context, PVOID parameters)
{
    struct wire *wire = NdisAllocateMemoryWithTagPriority(handle, sizeof(*wire), TAG, 0);
    NDIS_STATUS status;

    (void)driver_context, (void)parameters;
    if (wire == NULL)
        return NDIS_STATUS_RESOURCES;
    RtlZeroMemory(wire, sizeof(*wire));
    wire->handle = handle;
    wire->last = &wire->first;
    NdisAllocateSpinLock(&wire->lock);
    status = set_attributes(wire);
    if (status == NDIS_STATUS_SUCCESS)
        status = read_configuration(wire);
    if (status == NDIS_STATUS_SUCCESS)
        status = allocate(wire);
    if (status != NDIS_STATUS_SUCCESS)
        release(wire);
    return MUTANT(INITIALIZE_PENDS) ? NDIS_STATUS_PENDING : status;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    (void)driver;
    if (!MUTANT(NEVER_DEREGISTERS))
        NdisMDeregisterMiniportDriver(driver_handle);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NDIS_MINIPORT_DRIVER_CHARACTERISTICS characteristics;

    RtlZeroMemory(&characteristics, sizeof(characteristics));
    head(&characteristics.Header, NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
         MUTANT(SHORT_CHARACTERISTICS) ? 0x30 : sizeof(characteristics));
    characteristics.MajorNdisVersion = 6;
    characteristics.Handlers[INITIALIZE] = initialize;
    characteristics.Handlers[HALT] = halt;
    characteristics.Handlers[UNLOAD] = unload;
    characteristics.Handlers[PAUSE] = MUTANT(NO_PAUSE_HANDLER) ? NULL : pause;
    characteristics.Handlers[RESTART] = restart;
    characteristics.Handlers[OID_REQUEST] = oid_request;
    characteristics.Handlers[SEND_NET_BUFFER_LISTS] = send_lists;
    characteristics.Handlers[RETURN_NET_BUFFER_LISTS] = take_back;
    characteristics.Handlers[CANCEL_SEND] = cancel_send;
    characteristics.Handlers[CHECK_FOR_HANG] = check_for_hang;
    characteristics.Handlers[RESET] = reset;
    characteristics.Handlers[DEVICE_PNP_EVENT_NOTIFY] = notify;
    characteristics.Handlers[SHUTDOWN] = shut_down;
    characteristics.Handlers[CANCEL_OID_REQUEST] = cancel_oid_request;
    return NdisMRegisterMiniportDriver(driver, path, NULL, &characteristics, &driver_handle);
}

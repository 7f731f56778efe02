/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xennet as a miniport of NDIS 6.0: Windows Vista, Server 2008 and their successors. */
#include "miniport6.h"
#include "gplpv_version.h"

#define DRIVER_VERSION (GPLPV_VERSION_MAJOR << 16 | GPLPV_VERSION_MINOR)
#define INTERFACE_TYPE_ETHERNET 6 /* IANA ifType ethernetCsmacd */

#define SUPPORTED_STATISTICS                                                                              \
    (NDIS_STATISTICS_GEN_STATISTICS_SUPPORTED | NDIS_STATISTICS_XMIT_OK_SUPPORTED |                       \
     NDIS_STATISTICS_RCV_OK_SUPPORTED | NDIS_STATISTICS_XMIT_ERROR_SUPPORTED |                            \
     NDIS_STATISTICS_RCV_ERROR_SUPPORTED | NDIS_STATISTICS_RCV_NO_BUFFER_SUPPORTED |                      \
     NDIS_STATISTICS_DIRECTED_BYTES_XMIT_SUPPORTED | NDIS_STATISTICS_DIRECTED_FRAMES_XMIT_SUPPORTED |     \
     NDIS_STATISTICS_MULTICAST_BYTES_XMIT_SUPPORTED | NDIS_STATISTICS_MULTICAST_FRAMES_XMIT_SUPPORTED |   \
     NDIS_STATISTICS_BROADCAST_BYTES_XMIT_SUPPORTED | NDIS_STATISTICS_BROADCAST_FRAMES_XMIT_SUPPORTED |   \
     NDIS_STATISTICS_DIRECTED_BYTES_RCV_SUPPORTED | NDIS_STATISTICS_DIRECTED_FRAMES_RCV_SUPPORTED |       \
     NDIS_STATISTICS_MULTICAST_BYTES_RCV_SUPPORTED | NDIS_STATISTICS_MULTICAST_FRAMES_RCV_SUPPORTED |     \
     NDIS_STATISTICS_BROADCAST_BYTES_RCV_SUPPORTED | NDIS_STATISTICS_BROADCAST_FRAMES_RCV_SUPPORTED |     \
     NDIS_STATISTICS_BYTES_RCV_SUPPORTED | NDIS_STATISTICS_BYTES_XMIT_SUPPORTED |                         \
     NDIS_STATISTICS_RCV_DISCARDS_SUPPORTED | NDIS_STATISTICS_XMIT_DISCARDS_SUPPORTED)

DRIVER_INITIALIZE DriverEntry;

static NDIS_HANDLE driver_handle; /* from DriverEntry to unload */

/* PASSIVE_LEVEL. */
static NDIS_STATUS configure(struct xennet_adapter *adapter)
{
    NDIS_CONFIGURATION_OBJECT object;
    NDIS_HANDLE configuration;
    NDIS_STATUS status;

    NdisZeroMemory(&object, sizeof(object));
    object.Header.Type = NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT;
    object.Header.Revision = NDIS_CONFIGURATION_OBJECT_REVISION_1;
    object.Header.Size = NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1;
    object.NdisHandle = adapter->handle;
    status = NdisOpenConfigurationEx(&object, &configuration);
    if (status != NDIS_STATUS_SUCCESS) {
        GPLPV_DEBUG(("NdisOpenConfigurationEx failed: %08x\n", status));
        return status;
    }
    xennet_configure(adapter, configuration);
    NdisCloseConfiguration(configuration);
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS set_registration_attributes(struct xennet_adapter *adapter)
{
    NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES attributes;

    NdisZeroMemory(&attributes, sizeof(attributes));
    attributes.Header.Type = NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES;
    attributes.Header.Revision = NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1;
    attributes.Header.Size = NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1;
    attributes.MiniportAdapterContext = adapter;
    attributes.AttributeFlags = NDIS_MINIPORT_ATTRIBUTES_NDIS_WDM | NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK;
    attributes.InterfaceType = NdisInterfaceInternal;
    return NdisMSetMiniportAttributes(adapter->handle, (PNDIS_MINIPORT_ADAPTER_ATTRIBUTES)&attributes);
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS set_general_attributes(struct xennet_adapter *adapter, BOOLEAN up)
{
    NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES attributes;

    NdisZeroMemory(&attributes, sizeof(attributes));
    attributes.Header.Type = NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES;
    attributes.Header.Revision = NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_1;
    attributes.Header.Size = NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_1;
    attributes.MediaType = NdisMedium802_3;
    attributes.PhysicalMediumType = NdisPhysicalMedium802_3;
    attributes.MtuSize = adapter->config.mtu;
    attributes.MaxXmitLinkSpeed = XENNET_LINK_SPEED;
    attributes.MaxRcvLinkSpeed = XENNET_LINK_SPEED;
    attributes.XmitLinkSpeed = up ? XENNET_LINK_SPEED : NDIS_LINK_SPEED_UNKNOWN;
    attributes.RcvLinkSpeed = attributes.XmitLinkSpeed;
    attributes.MediaConnectState = up ? MediaConnectStateConnected : MediaConnectStateDisconnected;
    attributes.MediaDuplexState = up ? MediaDuplexStateFull : MediaDuplexStateUnknown;
    attributes.LookaheadSize = adapter->lookahead;
    attributes.MacOptions = XENNET_MAC_OPTIONS;
    attributes.SupportedPacketFilters = XENNET_PACKET_FILTERS;
    attributes.MaxMulticastListSize = XENNET_MULTICAST_LIMIT;
    attributes.MacAddressLength = XENNET_ADDRESS_LENGTH;
    NdisMoveMemory(attributes.PermanentMacAddress, adapter->permanent_address, XENNET_ADDRESS_LENGTH);
    NdisMoveMemory(attributes.CurrentMacAddress, adapter->current_address, XENNET_ADDRESS_LENGTH);
    attributes.AccessType = NET_IF_ACCESS_BROADCAST;
    attributes.DirectionType = NET_IF_DIRECTION_SENDRECEIVE;
    attributes.ConnectionType = NET_IF_CONNECTION_DEDICATED;
    attributes.IfType = INTERFACE_TYPE_ETHERNET;
    attributes.IfConnectorPresent = TRUE;
    attributes.SupportedStatistics = SUPPORTED_STATISTICS;
    attributes.SupportedPauseFunctions = NdisPauseFunctionsUnsupported;
    attributes.SupportedOidList = adapter->oids;
    attributes.SupportedOidListLength = adapter->oid_count * sizeof(NDIS_OID);
    return NdisMSetMiniportAttributes(adapter->handle, (PNDIS_MINIPORT_ADAPTER_ATTRIBUTES)&attributes);
}

/* PASSIVE_LEVEL. */
static struct xennet_adapter *create(NDIS_HANDLE handle)
{
    struct xennet_adapter *adapter;

    adapter = NdisAllocateMemoryWithTagPriority(handle, sizeof(*adapter), GPLPV_POOL_TAG, NormalPoolPriority);
    if (adapter != NULL) {
        NdisZeroMemory(adapter, sizeof(*adapter));
        xennet_setup(adapter, handle, DRIVER_VERSION);
    }
    return adapter;
}

static VOID destroy(struct xennet_adapter *adapter)
{
    xennet_cleanup(adapter);
    NdisFreeMemory(adapter, sizeof(*adapter), 0);
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS start(struct xennet_adapter *adapter)
{
    NDIS_STATUS status = xennet_bus_find(adapter);

    if (status != NDIS_STATUS_SUCCESS) {
        return status;
    }
    status = configure(adapter);
    if (status == NDIS_STATUS_SUCCESS) {
        xennet_limit_mtu(adapter);
        status = xennet_start(adapter);
    }
    if (status != NDIS_STATUS_SUCCESS) {
        xennet_bus_leave(adapter);
    }
    return status;
}

static VOID stop(struct xennet_adapter *adapter)
{
    xennet_stop(adapter);
    xennet_bus_leave(adapter);
}

/* PASSIVE_LEVEL. What is told of the link is what the attributes say; later changes are indicated. */
static NDIS_STATUS describe(struct xennet_adapter *adapter)
{
    NDIS_MEDIA_STATE media = adapter->media;
    NDIS_STATUS status = set_general_attributes(adapter, media == NdisMediaStateConnected);

    if (status == NDIS_STATUS_SUCCESS) {
        status = xennet_ndis6_offer(adapter);
    }
    if (status == NDIS_STATUS_SUCCESS) {
        xennet_tell(adapter, media);
    }
    return status;
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS NTAPI initialize(NDIS_HANDLE handle, NDIS_HANDLE driver_context,
                                    PNDIS_MINIPORT_INIT_PARAMETERS parameters)
{
    struct xennet_adapter *adapter = create(handle);
    NDIS_STATUS status;

    UNREFERENCED_PARAMETER(driver_context);
    UNREFERENCED_PARAMETER(parameters);
    if (adapter == NULL) {
        return NDIS_STATUS_RESOURCES;
    }
    status = set_registration_attributes(adapter);
    if (status == NDIS_STATUS_SUCCESS) {
        status = start(adapter);
    }
    if (status != NDIS_STATUS_SUCCESS) {
        destroy(adapter);
        return status;
    }
    status = describe(adapter);
    if (status != NDIS_STATUS_SUCCESS) {
        GPLPV_DEBUG(("NdisMSetMiniportAttributes failed: %08x\n", status));
        stop(adapter);
        destroy(adapter);
        return status;
    }
    GPLPV_DEBUG(("adapter %p initialized\n", adapter));
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. The adapter is paused, so no send and no receive is outstanding. */
static VOID NTAPI halt(NDIS_HANDLE context, NDIS_HALT_ACTION action)
{
    struct xennet_adapter *adapter = context;

    UNREFERENCED_PARAMETER(action);
    GPLPV_DEBUG(("adapter %p halts, action %d\n", adapter, action));
    stop(adapter);
    destroy(adapter);
}

/* PASSIVE_LEVEL. Returns when everything has come back. */
static NDIS_STATUS NTAPI pause(NDIS_HANDLE context, PNDIS_MINIPORT_PAUSE_PARAMETERS parameters)
{
    UNREFERENCED_PARAMETER(parameters);
    xennet_quiesce(context);
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS NTAPI restart(NDIS_HANDLE context, PNDIS_MINIPORT_RESTART_PARAMETERS parameters)
{
    UNREFERENCED_PARAMETER(parameters);
    xennet_run(context);
    return NDIS_STATUS_SUCCESS;
}

/* DISPATCH_LEVEL or below. */
VOID xennet_ndis6_indicate(struct xennet_adapter *adapter, NDIS_STATUS status, PVOID buffer, ULONG size)
{
    NDIS_STATUS_INDICATION indication;

    NdisZeroMemory(&indication, sizeof(indication));
    indication.Header.Type = NDIS_OBJECT_TYPE_STATUS_INDICATION;
    indication.Header.Revision = NDIS_STATUS_INDICATION_REVISION_1;
    indication.Header.Size = NDIS_SIZEOF_STATUS_INDICATION_REVISION_1;
    indication.SourceHandle = adapter->handle;
    indication.StatusCode = status;
    indication.StatusBuffer = buffer;
    indication.StatusBufferSize = size;
    NdisMIndicateStatusEx(adapter->handle, &indication);
}

VOID xennet_port_tell(struct xennet_adapter *adapter)
{
    BOOLEAN up = adapter->media == NdisMediaStateConnected;
    NDIS_LINK_STATE state;

    NdisZeroMemory(&state, sizeof(state));
    state.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
    state.Header.Revision = NDIS_LINK_STATE_REVISION_1;
    state.Header.Size = NDIS_SIZEOF_LINK_STATE_REVISION_1;
    state.MediaConnectState = up ? MediaConnectStateConnected : MediaConnectStateDisconnected;
    state.MediaDuplexState = up ? MediaDuplexStateFull : MediaDuplexStateUnknown;
    state.XmitLinkSpeed = up ? XENNET_LINK_SPEED : NDIS_LINK_SPEED_UNKNOWN;
    state.RcvLinkSpeed = state.XmitLinkSpeed;
    state.PauseFunctions = NdisPauseFunctionsUnsupported;
    xennet_ndis6_indicate(adapter, NDIS_STATUS_LINK_STATE, &state, sizeof(state));
}

/* DISPATCH_LEVEL or below. */
static NDIS_STATUS NTAPI oid_request(NDIS_HANDLE context, PNDIS_OID_REQUEST request)
{
    NDIS_STATUS status;
    ULONG done;
    ULONG needed;

    switch (request->RequestType) {
    case NdisRequestQueryInformation:
    case NdisRequestQueryStatistics:
        status = xennet_query(context, request->DATA.QUERY_INFORMATION.Oid,
                              request->DATA.QUERY_INFORMATION.InformationBuffer,
                              request->DATA.QUERY_INFORMATION.InformationBufferLength, &done, &needed);
        request->DATA.QUERY_INFORMATION.BytesWritten = done;
        request->DATA.QUERY_INFORMATION.BytesNeeded = needed;
        return status;

    case NdisRequestSetInformation:
        status = xennet_set(context, request->DATA.SET_INFORMATION.Oid,
                            request->DATA.SET_INFORMATION.InformationBuffer,
                            request->DATA.SET_INFORMATION.InformationBufferLength, &done, &needed);
        request->DATA.SET_INFORMATION.BytesRead = done;
        request->DATA.SET_INFORMATION.BytesNeeded = needed;
        return status;

    default:
        return NDIS_STATUS_NOT_SUPPORTED;
    }
}

/* DISPATCH_LEVEL or below. NDIS requires an entry; requests complete in oid_request, so none is left to cancel. */
static VOID NTAPI cancel_oid_request(NDIS_HANDLE context, PVOID request_id)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(request_id);
}

/* DISPATCH_LEVEL or below. */
static VOID NTAPI cancel_send(NDIS_HANDLE context, PVOID cancel_id)
{
    xennet_cancel(context, cancel_id);
}

/* DISPATCH_LEVEL or below. The packet filter and the multicast list stay as they are. */
static NDIS_STATUS NTAPI reset(NDIS_HANDLE context, PBOOLEAN addressing_reset)
{
    xennet_reset(context);
    *addressing_reset = FALSE;
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
static VOID NTAPI device_pnp_event_notify(NDIS_HANDLE context, PNET_DEVICE_PNP_EVENT event)
{
    if (event->DevicePnPEvent == NdisDevicePnPEventSurpriseRemoved) {
        xennet_silence(context, TRUE);
    }
}

/* PASSIVE_LEVEL, or HIGH_LEVEL at a bug check. */
static VOID NTAPI shutdown(NDIS_HANDLE context, NDIS_SHUTDOWN_ACTION action)
{
    UNREFERENCED_PARAMETER(action);
    xennet_silence(context, FALSE);
}

/* PASSIVE_LEVEL. */
static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    NdisMDeregisterMiniportDriver(driver_handle);
}

/* PASSIVE_LEVEL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    NDIS_MINIPORT_DRIVER_CHARACTERISTICS characteristics;

    GPLPV_DEBUG_BANNER();
    NdisZeroMemory(&characteristics, sizeof(characteristics));
    characteristics.Header.Type = NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS;
    characteristics.Header.Revision = NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1;
    characteristics.Header.Size = NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1;
    characteristics.MajorNdisVersion = NDIS_MINIPORT_MAJOR_VERSION;
    characteristics.MinorNdisVersion = NDIS_MINIPORT_MINOR_VERSION;
    characteristics.MajorDriverVersion = GPLPV_VERSION_MAJOR;
    characteristics.MinorDriverVersion = GPLPV_VERSION_MINOR;
    characteristics.InitializeHandlerEx = initialize;
    characteristics.HaltHandlerEx = halt;
    characteristics.UnloadHandler = unload;
    characteristics.PauseHandler = pause;
    characteristics.RestartHandler = restart;
    characteristics.OidRequestHandler = oid_request;
    characteristics.CancelOidRequestHandler = cancel_oid_request;
    characteristics.SendNetBufferListsHandler = xennet_ndis6_send;
    characteristics.ReturnNetBufferListsHandler = xennet_ndis6_return;
    characteristics.CancelSendHandler = cancel_send;
    characteristics.ResetHandlerEx = reset;
    characteristics.DevicePnPEventNotifyHandler = device_pnp_event_notify;
    characteristics.ShutdownHandlerEx = shutdown;
    return NdisMRegisterMiniportDriver(driver, registry_path, NULL, &characteristics, &driver_handle);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xennet as a deserialized miniport of NDIS 5.0 (Windows 2000) and NDIS 5.1 (Windows XP, Server 2003). */
#include "miniport5.h"
#include "gplpv_version.h"

#define DRIVER_VERSION (GPLPV_VERSION_MAJOR << 16 | GPLPV_VERSION_MINOR)

#ifdef NDIS51_MINIPORT
#define ATTRIBUTES \
    (NDIS_ATTRIBUTE_DESERIALIZE | NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK | NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS)
#else
#define ATTRIBUTES (NDIS_ATTRIBUTE_DESERIALIZE | NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK)
#endif

DRIVER_INITIALIZE DriverEntry;

/* PASSIVE_LEVEL, or HIGH_LEVEL at a bug check. */
static VOID NTAPI shutdown(PVOID context)
{
    xennet_silence(context, FALSE);
}

static BOOLEAN select_medium(PNDIS_MEDIUM media, UINT count, PUINT selected)
{
    UINT i;

    for (i = 0; i < count; i++) {
        if (media[i] == NdisMedium802_3) {
            *selected = i;
            return TRUE;
        }
    }
    return FALSE;
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS configure(struct xennet_adapter *adapter, NDIS_HANDLE context)
{
    NDIS_HANDLE configuration;
    NDIS_STATUS status;

    NdisOpenConfiguration(&status, &configuration, context);
    if (status != NDIS_STATUS_SUCCESS) {
        GPLPV_DEBUG(("NdisOpenConfiguration failed: %08x\n", status));
        return status;
    }
    xennet_configure(adapter, configuration);
    NdisCloseConfiguration(configuration);
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS start(struct xennet_adapter *adapter, NDIS_HANDLE configuration_context)
{
    NDIS_STATUS status = xennet_bus_find(adapter);

    if (status != NDIS_STATUS_SUCCESS) {
        return status;
    }
    status = configure(adapter, configuration_context);
    if (status == NDIS_STATUS_SUCCESS) {
        xennet_limit_mtu(adapter);
        status = xennet_start(adapter);
    }
    if (status != NDIS_STATUS_SUCCESS) {
        xennet_bus_leave(adapter);
    }
    return status;
}

/* PASSIVE_LEVEL. */
static struct xennet_adapter *create(NDIS_HANDLE handle)
{
    struct xennet_adapter *adapter;
    PVOID memory;

    if (NdisAllocateMemoryWithTag(&memory, sizeof(*adapter), GPLPV_POOL_TAG) != NDIS_STATUS_SUCCESS) {
        return NULL;
    }
    adapter = memory;
    NdisZeroMemory(adapter, sizeof(*adapter));
    xennet_setup(adapter, handle, DRIVER_VERSION);
    return adapter;
}

static VOID destroy(struct xennet_adapter *adapter)
{
    xennet_cleanup(adapter);
    NdisFreeMemory(adapter, sizeof(*adapter), 0);
}

/* PASSIVE_LEVEL. NDIS asks for the state of the link when it is initialized; later changes it is told. */
static NDIS_STATUS NTAPI initialize(PNDIS_STATUS open_error, PUINT selected_medium, PNDIS_MEDIUM media, UINT count,
                                    NDIS_HANDLE handle, NDIS_HANDLE configuration_context)
{
    struct xennet_adapter *adapter;
    NDIS_STATUS status;

    UNREFERENCED_PARAMETER(open_error);
    if (!select_medium(media, count, selected_medium)) {
        return NDIS_STATUS_UNSUPPORTED_MEDIA;
    }
    adapter = create(handle);
    if (adapter == NULL) {
        return NDIS_STATUS_RESOURCES;
    }
    NdisMSetAttributesEx(handle, adapter, 0, ATTRIBUTES, NdisInterfaceInternal);
    status = start(adapter, configuration_context);
    if (status != NDIS_STATUS_SUCCESS) {
        destroy(adapter);
        return status;
    }
#ifndef NDIS51_MINIPORT
    NdisMRegisterAdapterShutdownHandler(handle, adapter, shutdown);
#endif
    xennet_run(adapter);
    xennet_tell(adapter, adapter->media);
    GPLPV_DEBUG(("adapter %p initialized\n", adapter));
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
static VOID NTAPI halt(NDIS_HANDLE context)
{
    struct xennet_adapter *adapter = context;

    GPLPV_DEBUG(("adapter %p halts\n", adapter));
    xennet_stop(adapter);
#ifndef NDIS51_MINIPORT
    NdisMDeregisterAdapterShutdownHandler(adapter->handle);
#endif
    xennet_bus_leave(adapter);
    destroy(adapter);
}

/* DISPATCH_LEVEL. The packet filter and the multicast list stay as they are. */
static NDIS_STATUS NTAPI reset(PBOOLEAN addressing_reset, NDIS_HANDLE context)
{
    xennet_reset(context);
    *addressing_reset = FALSE;
    return NDIS_STATUS_SUCCESS;
}

/* DISPATCH_LEVEL. */
static NDIS_STATUS NTAPI query_information(NDIS_HANDLE context, NDIS_OID oid, PVOID buffer, ULONG length,
                                           PULONG written, PULONG needed)
{
    return xennet_query(context, oid, buffer, length, written, needed);
}

/* DISPATCH_LEVEL. */
static NDIS_STATUS NTAPI set_information(NDIS_HANDLE context, NDIS_OID oid, PVOID buffer, ULONG length, PULONG read,
                                         PULONG needed)
{
    return xennet_set(context, oid, buffer, length, read, needed);
}

VOID xennet_port_tell(struct xennet_adapter *adapter)
{
    BOOLEAN up = adapter->media == NdisMediaStateConnected;

    NdisMIndicateStatus(adapter->handle, up ? NDIS_STATUS_MEDIA_CONNECT : NDIS_STATUS_MEDIA_DISCONNECT, NULL, 0);
    NdisMIndicateStatusComplete(adapter->handle);
}

#ifdef NDIS51_MINIPORT
/* PASSIVE_LEVEL. */
static VOID NTAPI pnp_event_notify(NDIS_HANDLE context, NDIS_DEVICE_PNP_EVENT event, PVOID buffer, ULONG length)
{
    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(length);
    if (event == NdisDevicePnPEventSurpriseRemoved) {
        xennet_silence(context, TRUE);
    }
}

/* DISPATCH_LEVEL or below. */
static VOID NTAPI cancel_send_packets(NDIS_HANDLE context, PVOID id)
{
    xennet_cancel(context, id);
}
#endif

/* PASSIVE_LEVEL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    NDIS_MINIPORT_CHARACTERISTICS characteristics;
    NDIS_HANDLE wrapper;
    NDIS_STATUS status;

    GPLPV_DEBUG_BANNER();
    NdisMInitializeWrapper(&wrapper, driver, registry_path, NULL);
    if (wrapper == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    NdisZeroMemory(&characteristics, sizeof(characteristics));
    characteristics.MajorNdisVersion = NDIS_MINIPORT_MAJOR_VERSION;
    characteristics.MinorNdisVersion = NDIS_MINIPORT_MINOR_VERSION;
    characteristics.InitializeHandler = initialize;
    characteristics.HaltHandler = halt;
    characteristics.ResetHandler = reset;
    characteristics.QueryInformationHandler = query_information;
    characteristics.SetInformationHandler = set_information;
    characteristics.SendPacketsHandler = xennet_ndis5_send;
    characteristics.ReturnPacketHandler = xennet_ndis5_return;
#ifdef NDIS51_MINIPORT
    characteristics.CancelSendPacketsHandler = cancel_send_packets;
    characteristics.PnPEventNotifyHandler = pnp_event_notify;
    characteristics.AdapterShutdownHandler = shutdown;
#endif
    status = NdisMRegisterMiniport(wrapper, &characteristics, sizeof(characteristics));
    if (status != NDIS_STATUS_SUCCESS) {
        GPLPV_DEBUG(("NdisMRegisterMiniport failed: %08x\n", status));
        NdisTerminateWrapper(wrapper, NULL);
    }
    return status;
}

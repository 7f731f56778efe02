/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xennet as a deserialized miniport of NDIS 5.0 (Windows 2000) and NDIS 5.1 (Windows XP, Server 2003). */
#include "xennet.h"
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
    xennet_set_state(context, XENNET_HALTED);
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

/* PASSIVE_LEVEL. An adapter without a readable configuration keeps the address it has. */
static VOID configure(struct xennet_adapter *adapter, NDIS_HANDLE context)
{
    NDIS_HANDLE configuration;
    NDIS_STATUS status;

    NdisOpenConfiguration(&status, &configuration, context);
    if (status != NDIS_STATUS_SUCCESS) {
        GPLPV_DEBUG(("NdisOpenConfiguration failed: %08x\n", status));
        return;
    }
    xennet_configure_address(adapter, configuration);
    NdisCloseConfiguration(configuration);
}

/* PASSIVE_LEVEL. */
static NDIS_STATUS NTAPI initialize(PNDIS_STATUS open_error, PUINT selected_medium, PNDIS_MEDIUM media, UINT count,
                                    NDIS_HANDLE handle, NDIS_HANDLE configuration_context)
{
    struct xennet_adapter *adapter;
    PVOID memory;

    UNREFERENCED_PARAMETER(open_error);
    if (!select_medium(media, count, selected_medium)) {
        return NDIS_STATUS_UNSUPPORTED_MEDIA;
    }
    if (NdisAllocateMemoryWithTag(&memory, sizeof(*adapter), GPLPV_POOL_TAG) != NDIS_STATUS_SUCCESS) {
        return NDIS_STATUS_RESOURCES;
    }
    adapter = memory;
    NdisZeroMemory(adapter, sizeof(*adapter));
    xennet_setup(adapter, handle, DRIVER_VERSION);

    NdisMSetAttributesEx(handle, adapter, 0, ATTRIBUTES, NdisInterfaceInternal);
    configure(adapter, configuration_context);
#ifndef NDIS51_MINIPORT
    NdisMRegisterAdapterShutdownHandler(handle, adapter, shutdown);
#endif
    xennet_set_state(adapter, XENNET_RUNNING);
    GPLPV_DEBUG(("adapter %p initialized\n", adapter));
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. No send and no receive is outstanding: sends complete when they are made. */
static VOID NTAPI halt(NDIS_HANDLE context)
{
    struct xennet_adapter *adapter = context;

    GPLPV_DEBUG(("adapter %p halts\n", adapter));
    xennet_set_state(adapter, XENNET_HALTED);
#ifndef NDIS51_MINIPORT
    NdisMDeregisterAdapterShutdownHandler(adapter->handle);
#endif
    xennet_cleanup(adapter);
    NdisFreeMemory(adapter, sizeof(*adapter), 0);
}

/* DISPATCH_LEVEL. Nothing is in flight; the packet filter and the multicast list stay as they are. */
static NDIS_STATUS NTAPI reset(PBOOLEAN addressing_reset, NDIS_HANDLE context)
{
    UNREFERENCED_PARAMETER(context);
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

/* DISPATCH_LEVEL or below. Packets go back to NDIS at once; it owns the array and every packet after completion. */
static VOID NTAPI send_packets(NDIS_HANDLE context, PPNDIS_PACKET packets, UINT count)
{
    struct xennet_adapter *adapter = context;
    NDIS_STATUS status = xennet_refuse(adapter, count);
    UINT i;

    for (i = 0; i < count; i++) {
        NdisMSendComplete(adapter->handle, packets[i], status);
    }
}

#ifdef NDIS51_MINIPORT
/* PASSIVE_LEVEL. */
static VOID NTAPI pnp_event_notify(NDIS_HANDLE context, NDIS_DEVICE_PNP_EVENT event, PVOID buffer, ULONG length)
{
    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(length);
    if (event == NdisDevicePnPEventSurpriseRemoved) {
        xennet_set_state(context, XENNET_REMOVED);
    }
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
    characteristics.SendPacketsHandler = send_packets;
#ifdef NDIS51_MINIPORT
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

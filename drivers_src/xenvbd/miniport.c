/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the adapter is to both port drivers, and to xenpci: configuration and callbacks. */
#include "xenvbd.h"

#define CONNECT_TIMEOUT_100NS (-30 * 10 * 1000 * 1000)

struct xenvbd_adapter *xenvbd_adapter_of(PVOID extension)
{
    return ((struct xenvbd_extension *)extension)->adapter;
}

/* xenpci's callbacks: PASSIVE_LEVEL, one at a time. */

static VOID NTAPI changed(PVOID argument)
{
    struct xenvbd_adapter *adapter = argument;

    if (adapter->stopping) {
        return;
    }
    if (adapter->front == XenbusStateUnknown) {
        xenvbd_connection_start(adapter);
    } else {
        xenvbd_connection_changed(adapter);
    }
    if (adapter->state == XENVBD_CONNECTED || adapter->front == XenbusStateClosed) {
        KeSetEvent(&adapter->tried, IO_NO_INCREMENT, FALSE);
    }
}

static VOID NTAPI suspend(PVOID argument)
{
    xenvbd_connection_suspend(argument);
}

static VOID NTAPI resume(PVOID argument, BOOLEAN lost)
{
    xenvbd_connection_resume(argument, lost);
}

static VOID NTAPI stop(PVOID argument)
{
    xenvbd_connection_stop(argument);
}

static VOID NTAPI start(PVOID argument)
{
    xenvbd_connection_start(argument);
}

static const struct xenpci_child callbacks = { changed, suspend, resume, stop, start };

/* PASSIVE_LEVEL. */
static VOID configure(PPORT_CONFIGURATION_INFORMATION config)
{
    config->NumberOfBuses = 1;
    config->MaximumNumberOfTargets = 2;
    config->MaximumNumberOfLogicalUnits = 1;
    config->InitiatorBusId[0] = 1; /* the port driver does not scan this one, so target 0 is the only one it asks */

    /* The port driver starts with "unlimited" or with an administrator's lower limit. */
    config->MaximumTransferLength = min(config->MaximumTransferLength, XENVBD_MAXIMUM_TRANSFER);
    config->NumberOfPhysicalBreaks = min(config->NumberOfPhysicalBreaks, XENVBD_MAXIMUM_TRANSFER / PAGE_SIZE);
    config->ScatterGather = TRUE;
    config->Master = TRUE;
    config->CachesData = FALSE;

    if (config->Dma64BitAddresses & SCSI_DMA64_SYSTEM_SUPPORTED) {
        config->Dma64BitAddresses = SCSI_DMA64_MINIPORT_SUPPORTED;
    } else {
        config->Dma32BitAddresses = TRUE;
    }
}

/*
 * PASSIVE_LEVEL. Returns when the disk is there or will not be: the port driver asks once after HwInitialize, and
 * Windows may have to find its boot disk then.
 */
static ULONG start_device(struct xenvbd_extension *extension, struct xenpci_block *block)
{
    struct xenvbd_adapter *adapter = &extension->own;
    struct xenpci_facts facts;
    LARGE_INTEGER timeout;

    RtlZeroMemory(adapter, sizeof(*adapter));
    adapter->xen = &block->xen;
    adapter->extension = extension;
    InitializeListHead(&adapter->waiting);
    InitializeListHead(&adapter->flying);
    KeInitializeEvent(&adapter->tried, NotificationEvent, FALSE);
    adapter->xen->facts(adapter->xen->context, &facts);
    adapter->number = facts.number;
    if (!NT_SUCCESS(xenvbd_link_allocate(adapter))) {
        return SP_RETURN_ERROR;
    }
    if (!NT_SUCCESS(adapter->xen->attach(adapter->xen->context, &callbacks, adapter))) {
        xenvbd_link_free(adapter);
        return SP_RETURN_ERROR;
    }
    extension->adapter = adapter;
    block->child = adapter;
    adapter->xen->wake(adapter->xen->context);
    timeout.QuadPart = CONNECT_TIMEOUT_100NS;
    KeWaitForSingleObject(&adapter->tried, Executive, KernelMode, FALSE, &timeout);
    return SP_RETURN_FOUND;
}

/* HIGH_LEVEL, in the crash dump environment. */
static ULONG start_dump(struct xenvbd_extension *extension, struct xenpci_block *block)
{
    struct xenvbd_adapter *adapter = block->child;

    if (adapter == NULL || !xenvbd_dump_take_over(adapter, extension)) {
        return SP_RETURN_NOT_FOUND;
    }
    extension->adapter = adapter;
    extension->dumping = TRUE;
    return SP_RETURN_FOUND;
}

/* The port drivers say "dump=1" to the copy of a miniport that is loaded to write a crash dump. */
static BOOLEAN is_dump(PCHAR arguments)
{
    return arguments != NULL && strstr(arguments, "dump=1") != NULL;
}

/*
 * PASSIVE_LEVEL. The port driver calls it for a device of ours alone, so there is nothing to look for. When a stopped
 * adapter starts again, Storport passes the extension as the stop left it.
 */
static ULONG NTAPI find_adapter(PVOID extension, PVOID context, PVOID bus_information, PCHAR arguments,
                                PPORT_CONFIGURATION_INFORMATION config, PBOOLEAN again)
{
    struct xenpci_block *block;

    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(bus_information);

    *again = FALSE;
    configure(config);
    block = xenvbd_port_map(extension, config);
    if (block == NULL || !xenpci_block_is_valid(block)) {
        GPLPV_DEBUG(("this device is not from our xenpci\n"));
        return SP_RETURN_NOT_FOUND;
    }
    return is_dump(arguments) ? start_dump(extension, block) : start_device(extension, block);
}

/* From now on there is an interrupt, and the lock that goes with it. */
static VOID run(struct xenvbd_adapter *adapter)
{
    adapter->running = TRUE;
    KeMemoryBarrier();
    xenvbd_link_unmask(adapter);
}

/* DIRQL. */
static BOOLEAN NTAPI initialize(PVOID extension)
{
    if (!((struct xenvbd_extension *)extension)->dumping) {
        run(xenvbd_adapter_of(extension));
    }
    return TRUE;
}

/* PASSIVE_LEVEL. */
static VOID list_control_types(PSCSI_SUPPORTED_CONTROL_TYPE_LIST list)
{
    static const SCSI_ADAPTER_CONTROL_TYPE supported[] = {
        ScsiQuerySupportedControlTypes, ScsiStopAdapter, ScsiRestartAdapter
    };
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(supported); i++) {
        if ((ULONG)supported[i] < list->MaxControlType) {
            list->SupportedTypeList[supported[i]] = TRUE;
        }
    }
}

/*
 * There is no interrupt any more, nor the lock that goes with it. If the device goes, xenpci has had it stopped before,
 * and the port is closed; if not, it is the power that goes, and the connection outlives that.
 */
static VOID halt(struct xenvbd_adapter *adapter)
{
    adapter->running = FALSE;
    if (adapter->link.port != 0) {
        adapter->xen->event_mask(adapter->xen->context, adapter->link.port, TRUE);
    }
    if (adapter->stopping) {
        adapter->xen->detach(adapter->xen->context);
    }
}

/* PASSIVE_LEVEL for the query, DIRQL for stop and restart. */
static SCSI_ADAPTER_CONTROL_STATUS NTAPI adapter_control(PVOID extension, SCSI_ADAPTER_CONTROL_TYPE type,
                                                         PVOID parameters)
{
    switch (type) {
    case ScsiQuerySupportedControlTypes:
        list_control_types(parameters);
        return ScsiAdapterControlSuccess;

    case ScsiStopAdapter:
        halt(xenvbd_adapter_of(extension));
        return ScsiAdapterControlSuccess;

    case ScsiRestartAdapter:
        run(xenvbd_adapter_of(extension));
        return ScsiAdapterControlSuccess;

    default:
        return ScsiAdapterControlUnsuccessful;
    }
}

VOID xenvbd_describe(PHW_INITIALIZATION_DATA data, BOOLEAN dumping)
{
    RtlZeroMemory(data, sizeof(*data));
    data->HwInitializationDataSize = sizeof(*data);
    data->AdapterInterfaceType = Internal;
    data->HwFindAdapter = find_adapter;
    data->HwInitialize = initialize;
    data->HwAdapterControl = adapter_control;
    data->DeviceExtensionSize = dumping ? FIELD_OFFSET(struct xenvbd_extension, own) : sizeof(struct xenvbd_extension);
    data->SrbExtensionSize = sizeof(struct xenvbd_request);
    data->NumberOfAccessRanges = 1;
    data->NeedPhysicalAddresses = TRUE;
    data->TaggedQueuing = TRUE;
    data->AutoRequestSense = TRUE;
    data->MultipleRequestPerLu = TRUE;
}

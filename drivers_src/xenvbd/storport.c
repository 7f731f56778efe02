/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenvbd as a Storport miniport, half duplex: Windows Vista, Server 2008 and their successors.
 *
 * The lock is the interrupt lock: Storport holds it round HwStartIo, HwInterrupt and HwInitialize, and
 * StorPortSynchronizeAccess takes it for threads and for events. HwBuildIo runs without it, HwResetBus perhaps.
 *
 * Events come by xenpci's DPC, whichever way they get to xenpci. The interrupt that Storport connects is there because
 * Storport wants one; nothing of ours is ever on it.
 */
#include "xenvbd.h"
#include "gplpv_version.h"

#define SECTOR_MASK (BLKIF_SECTOR_SIZE - 1)
#define QUEUE_DEPTH 128

DRIVER_INITIALIZE DriverEntry;

struct xenvbd_message {
    xenvbd_routine *routine;
    PVOID context;
};

static BOOLEAN starts_in_a_sector(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    PSTOR_SCATTER_GATHER_LIST list = StorPortGetScatterGatherList(extension, srb);

    return list != NULL && list->NumberOfElements != 0 && (list->List[0].PhysicalAddress.LowPart & SECTOR_MASK) != 0;
}

/* DISPATCH_LEVEL. Data that may have to be copied is mapped here, for it cannot be where it is found out. */
static BOOLEAN NTAPI build_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    struct xenvbd_request *request = srb->SrbExtension;

    if (((struct xenvbd_extension *)extension)->dumping) {
        return TRUE;
    }
    request->address = NULL;
    if (srb->Function != SRB_FUNCTION_EXECUTE_SCSI || !xenvbd_command_transfers(srb->Cdb[0])) {
        return TRUE;
    }
    if (xenvbd_adapter_of(extension)->persistent || starts_in_a_sector(extension, srb)) {
        if (StorPortGetSystemAddress(extension, srb, &request->address) != STOR_STATUS_SUCCESS) {
            request->address = NULL;
        }
    }
    return TRUE;
}

/* DIRQL. */
static BOOLEAN NTAPI start_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    struct xenvbd_adapter *adapter = xenvbd_adapter_of(extension);

    if (((struct xenvbd_extension *)extension)->dumping) {
        xenvbd_start_io(adapter, srb);
        xenvbd_dump_wait(adapter);
        return TRUE;
    }
    if (srb->Function == SRB_FUNCTION_EXECUTE_SCSI && srb->Cdb[0] == SCSIOP_INQUIRY) {
        StorPortSetDeviceQueueDepth(extension, srb->PathId, srb->TargetId, srb->Lun, QUEUE_DEPTH);
    }
    xenvbd_start_io(adapter, srb);
    return TRUE;
}

VOID xenvbd_port_complete(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    StorPortNotification(RequestComplete, adapter->extension, srb);
}

ULONG xenvbd_port_extent(struct xenvbd_adapter *adapter, struct xenvbd_request *request, ULONG offset,
                         PULONGLONG physical)
{
    PSTOR_SCATTER_GATHER_LIST list = StorPortGetScatterGatherList(adapter->extension, request->srb);
    struct xenvbd_cursor *cursor = &request->cursor;
    const STOR_SCATTER_GATHER_ELEMENT *element;

    if (offset < cursor->start) {
        RtlZeroMemory(cursor, sizeof(*cursor));
    }
    while (list != NULL && cursor->element < list->NumberOfElements) {
        element = &list->List[cursor->element];
        if (offset - cursor->start < element->Length) {
            *physical = (ULONGLONG)element->PhysicalAddress.QuadPart + (offset - cursor->start);
            return element->Length - (offset - cursor->start);
        }
        cursor->start += element->Length;
        cursor->element++;
    }
    return 0;
}

/* While a crash dump is written all data is mapped, and HwBuildIo may not have been called. */
PVOID xenvbd_port_address(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    if (((struct xenvbd_extension *)adapter->extension)->dumping) {
        return srb->DataBuffer;
    }
    return ((struct xenvbd_request *)srb->SrbExtension)->address;
}

VOID xenvbd_port_units_changed(struct xenvbd_adapter *adapter)
{
    if (adapter->running) {
        StorPortNotification(BusChangeDetected, adapter->extension, 0);
    }
}

/* DIRQL, with the lock. */
static BOOLEAN NTAPI take_event(PVOID extension, PVOID context)
{
    struct xenvbd_adapter *adapter = xenvbd_adapter_of(extension);

    UNREFERENCED_PARAMETER(context);
    if (adapter->running) {
        xenvbd_event(adapter);
    }
    return TRUE;
}

/*
 * DISPATCH_LEVEL, from xenpci's DPC; until event_close returns. One that is on its way when the adapter stops is
 * dropped, for there is no lock to take then; when it starts again, xenvbd_link_unmask makes up for it.
 */
static VOID NTAPI event(PVOID argument)
{
    struct xenvbd_adapter *adapter = argument;

    if (adapter->running) {
        StorPortSynchronizeAccess(adapter->extension, take_event, NULL);
    }
}

NTSTATUS xenvbd_port_listen(struct xenvbd_adapter *adapter, evtchn_port_t *port)
{
    const struct xenpci_interface *xen = adapter->xen;

    return xen->event_open(xen->context, XENPCI_EVENT_DPC, event, adapter, port);
}

/* DIRQL. HIGH_LEVEL, and called all the time, while a crash dump is written. */
static BOOLEAN NTAPI interrupt(PVOID extension)
{
    BOOLEAN dumping = ((struct xenvbd_extension *)extension)->dumping;

    if (dumping) {
        xenvbd_event(xenvbd_adapter_of(extension));
    }
    return dumping;
}

static BOOLEAN NTAPI run_message(PVOID extension, PVOID context)
{
    struct xenvbd_message *message = context;

    message->routine(xenvbd_adapter_of(extension), message->context);
    return TRUE;
}

VOID xenvbd_port_synchronize(struct xenvbd_adapter *adapter, xenvbd_routine *routine, PVOID context)
{
    struct xenvbd_message message;

    message.routine = routine;
    message.context = context;
    if (adapter->running) {
        StorPortSynchronizeAccess(adapter->extension, run_message, &message);
    } else {
        routine(adapter, context);
    }
}

/*
 * DISPATCH_LEVEL or, where Storport holds the lock here too, DIRQL, at which the lock must not be taken: so the thread
 * that looks after the connection takes it. HIGH_LEVEL where a crash dump is written.
 */
static BOOLEAN NTAPI reset_bus(PVOID extension, ULONG path)
{
    struct xenvbd_adapter *adapter = xenvbd_adapter_of(extension);

    UNREFERENCED_PARAMETER(path);
    if (((struct xenvbd_extension *)extension)->dumping) {
        xenvbd_reset(adapter);
    } else {
        adapter->reset_wanted = TRUE;
        adapter->xen->wake(adapter->xen->context);
    }
    return TRUE;
}

PVOID xenvbd_port_map(PVOID extension, PPORT_CONFIGURATION_INFORMATION config)
{
    const ACCESS_RANGE *range = &(*config->AccessRanges)[0];

    if (config->NumberOfAccessRanges == 0 || range->RangeLength == 0 || !range->RangeInMemory) {
        return NULL;
    }
    return StorPortGetDeviceBase(extension, config->AdapterInterfaceType, config->SystemIoBusNumber,
                                 range->RangeStart, range->RangeLength, FALSE);
}

VOID xenvbd_port_stall(ULONG microseconds)
{
    StorPortStallExecution(microseconds);
}

/* PASSIVE_LEVEL; in the crash dump environment HIGH_LEVEL, and both arguments are NULL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    HW_INITIALIZATION_DATA data;

    GPLPV_DEBUG_BANNER();
    xenvbd_describe(&data, driver == NULL);
    data.HwBuildIo = build_io;
    data.HwStartIo = start_io;
    data.HwInterrupt = interrupt;
    data.HwResetBus = reset_bus;
    data.MapBuffers = STOR_MAP_NON_READ_WRITE_BUFFERS;
    return (NTSTATUS)StorPortInitialize(driver, registry_path, &data, NULL);
}

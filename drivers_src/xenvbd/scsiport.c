/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenvbd as a SCSI port miniport: Windows 2000, XP and Server 2003.
 *
 * The lock is the port driver's: it calls HwStartIo, HwInterrupt, HwResetBus and HwInitialize one at a time, at DIRQL,
 * and takes notifications from there alone. It has no way in for another thread, so one that needs the lock leaves a
 * message and raises the interrupt.
 */
#include "xenvbd.h"
#include "gplpv_version.h"

#define ONE_MS_100NS (-10 * 1000)

DRIVER_INITIALIZE DriverEntry;

struct xenvbd_message {
    xenvbd_routine *routine;
    PVOID context;
};

/* DIRQL. */
static BOOLEAN NTAPI start_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    struct xenvbd_adapter *adapter = xenvbd_adapter_of(extension);
    UCHAR path = srb->PathId;
    UCHAR target = srb->TargetId;
    UCHAR lun = srb->Lun;

    xenvbd_start_io(adapter, srb);
    if (((struct xenvbd_extension *)extension)->dumping) {
        xenvbd_dump_wait(adapter);
    }
    ScsiPortNotification(NextLuRequest, extension, path, target, lun);
    return TRUE;
}

/* DIRQL. */
static BOOLEAN NTAPI reset_bus(PVOID extension, ULONG path)
{
    UNREFERENCED_PARAMETER(path);
    xenvbd_reset(xenvbd_adapter_of(extension));
    return TRUE;
}

VOID xenvbd_port_complete(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    ScsiPortNotification(RequestComplete, adapter->extension, srb);
}

ULONG xenvbd_port_extent(struct xenvbd_adapter *adapter, struct xenvbd_request *request, ULONG offset,
                         PULONGLONG physical)
{
    PSCSI_REQUEST_BLOCK srb = request->srb;
    ULONG bytes = 0;

    *physical = (ULONGLONG)ScsiPortGetPhysicalAddress(adapter->extension, srb, (PUCHAR)srb->DataBuffer + offset,
                                                      &bytes).QuadPart;
    return bytes;
}

PVOID xenvbd_port_address(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    UNREFERENCED_PARAMETER(adapter);
    return srb->DataBuffer;
}

VOID xenvbd_port_units_changed(struct xenvbd_adapter *adapter)
{
    if (adapter->running) {
        ScsiPortNotification(BusChangeDetected, adapter->extension, 0);
    }
}

NTSTATUS xenvbd_port_listen(struct xenvbd_adapter *adapter, evtchn_port_t *port)
{
    const struct xenpci_interface *xen = adapter->xen;

    return xen->event_open(xen->context, XENPCI_EVENT_INTERRUPT, NULL, NULL, port);
}

static VOID serve(struct xenvbd_adapter *adapter)
{
    struct xenvbd_message *message = adapter->message;

    if (message != NULL) {
        message->routine(adapter, message->context);
        KeMemoryBarrier();
        adapter->message = NULL;
    }
}

/* DIRQL. The line is shared with the platform device and with our likes. */
static BOOLEAN NTAPI interrupt(PVOID extension)
{
    struct xenvbd_adapter *adapter = xenvbd_adapter_of(extension);
    const struct xenpci_interface *xen = adapter->xen;
    BOOLEAN ours = ((struct xenvbd_extension *)extension)->dumping;

    if (adapter->link.port != 0) {
        ours |= xen->event_claim(xen->context, adapter->link.port);
    }
    if (adapter->doorbell != 0) {
        ours |= xen->event_claim(xen->context, adapter->doorbell);
    }
    if (ours) {
        xenvbd_event(adapter);
        serve(adapter);
    }
    return ours;
}

/* TRUE: the message has been served. FALSE: it has been taken back, for no interrupt comes any more. */
static BOOLEAN wait_until_served(struct xenvbd_adapter *adapter, struct xenvbd_message *message)
{
    LARGE_INTEGER delay;

    delay.QuadPart = ONE_MS_100NS;
    while (adapter->message != NULL) {
        if (!adapter->running &&
            InterlockedCompareExchangePointer((PVOID volatile *)&adapter->message, NULL, message) == message) {
            return FALSE;
        }
        KeDelayExecutionThread(KernelMode, FALSE, &delay);
    }
    return TRUE;
}

/* With a port that is there for this alone where the connection has none. FALSE: there is no way to the interrupt. */
static BOOLEAN ring_doorbell(struct xenvbd_adapter *adapter)
{
    const struct xenpci_interface *xen = adapter->xen;
    evtchn_port_t port = adapter->link.port;

    if (port == 0) {
        if (!NT_SUCCESS(xen->event_open(xen->context, XENPCI_EVENT_INTERRUPT, NULL, NULL, &port))) {
            return FALSE;
        }
        adapter->doorbell = port;
        KeMemoryBarrier();
    }
    xen->event_raise(xen->context, port);
    return TRUE;
}

static VOID remove_doorbell(struct xenvbd_adapter *adapter)
{
    evtchn_port_t port = adapter->doorbell;

    adapter->doorbell = 0;
    if (port != 0) {
        adapter->xen->event_close(adapter->xen->context, port);
    }
}

VOID xenvbd_port_synchronize(struct xenvbd_adapter *adapter, xenvbd_routine *routine, PVOID context)
{
    struct xenvbd_message message;

    message.routine = routine;
    message.context = context;
    if (adapter->running) {
        adapter->message = &message;
        KeMemoryBarrier();
        if (ring_doorbell(adapter)) {
            if (wait_until_served(adapter, &message)) {
                routine = NULL;
            }
            remove_doorbell(adapter);
        }
    }
    if (routine != NULL) {
        routine(adapter, context);
    }
}

PVOID xenvbd_port_map(PVOID extension, PPORT_CONFIGURATION_INFORMATION config)
{
    const ACCESS_RANGE *range = &(*config->AccessRanges)[0];

    if (config->NumberOfAccessRanges == 0 || range->RangeLength == 0 || !range->RangeInMemory) {
        return NULL;
    }
    return ScsiPortGetDeviceBase(extension, config->AdapterInterfaceType, config->SystemIoBusNumber,
                                 range->RangeStart, range->RangeLength, FALSE);
}

VOID xenvbd_port_stall(ULONG microseconds)
{
    ScsiPortStallExecution(microseconds);
}

/* PASSIVE_LEVEL; in the crash dump environment HIGH_LEVEL, and both arguments are NULL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    HW_INITIALIZATION_DATA data;

    GPLPV_DEBUG_BANNER();
    xenvbd_describe(&data, driver == NULL);
    data.HwStartIo = start_io;
    data.HwInterrupt = interrupt;
    data.HwResetBus = reset_bus;
    data.MapBuffers = TRUE;
    return (NTSTATUS)ScsiPortInitialize(driver, registry_path, &data, NULL);
}

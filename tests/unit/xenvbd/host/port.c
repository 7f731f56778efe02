/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The port driver's half of the core, on one processor: the lock is a count that shows who forgets it. */
#include "world.h"

uint32_t port_busy_percent;

void xenvbd_port_complete(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    (void)adapter;
    if (!bus.locked) {
        die("an SRB is completed without the lock");
    }
    completed(srb);
}

ULONG xenvbd_port_extent(struct xenvbd_adapter *adapter, struct xenvbd_request *request, ULONG offset,
                         PULONGLONG physical)
{
    (void)adapter;
    if (offset >= request->srb->DataTransferLength) {
        die("extent at %u of %u", offset, request->srb->DataTransferLength);
    }
    return extent_of((UCHAR *)request->srb->DataBuffer + offset, request->srb->DataTransferLength - offset, physical);
}

PVOID xenvbd_port_address(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb)
{
    (void)adapter;
    return pick(100) < port_busy_percent ? NULL : srb->DataBuffer;
}

VOID xenvbd_port_synchronize(struct xenvbd_adapter *adapter, xenvbd_routine *routine, PVOID context)
{
    if (bus.locked++) {
        die("the lock is taken twice");
    }
    routine(adapter, context);
    bus.locked--;
}

static VOID take_event(struct xenvbd_adapter *adapter, PVOID context)
{
    (void)context;
    xenvbd_event(adapter);
}

static VOID NTAPI event(PVOID argument)
{
    xenvbd_port_synchronize(argument, take_event, NULL);
}

NTSTATUS xenvbd_port_listen(struct xenvbd_adapter *adapter, evtchn_port_t *port)
{
    return adapter->xen->event_open(adapter->xen->context, XENPCI_EVENT_DPC, event, adapter, port);
}

VOID xenvbd_port_units_changed(struct xenvbd_adapter *adapter)
{
    (void)adapter;
}

PVOID xenvbd_port_map(PVOID adapter, PPORT_CONFIGURATION_INFORMATION config)
{
    (void)adapter;
    (void)config;
    return &block;
}

VOID xenvbd_port_stall(ULONG microseconds)
{
    (void)microseconds;
    backend_take();
    backend_answer();
}

VOID DbgPrint(PCSTR format, ...)
{
    (void)format;
}

/* Here is no Xen that would keep a log. */
VOID xen_log(PCSTR text)
{
    UNREFERENCED_PARAMETER(text);
}

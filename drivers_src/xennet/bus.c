/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What xenpci, the bus driver below, has for the adapter: its interface, the address, and numbers in xenstore. */
#include "xennet.h"

#define ADDRESS_SIZE 18 /* xx:xx:xx:xx:xx:xx and the end */
#define NUMBER_SIZE 12
#define LOCALLY_ADMINISTERED 0x02 /* IEEE 802: in the first byte of an address */

static NTSTATUS ask(PDEVICE_OBJECT below, struct xenpci_interface *found)
{
    static const GUID guid = GUID_XENPCI_INTERFACE;
    PIO_STACK_LOCATION stack;
    IO_STATUS_BLOCK result;
    NTSTATUS status;
    KEVENT done;
    PIRP irp;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_PNP, below, NULL, 0, NULL, &done, &result);
    if (irp == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    stack = IoGetNextIrpStackLocation(irp);
    stack->MinorFunction = IRP_MN_QUERY_INTERFACE;
    stack->Parameters.QueryInterface.InterfaceType = &guid;
    stack->Parameters.QueryInterface.Size = sizeof(*found);
    stack->Parameters.QueryInterface.Version = XENPCI_INTERFACE_VERSION;
    stack->Parameters.QueryInterface.Interface = (PINTERFACE)found;
    stack->Parameters.QueryInterface.InterfaceSpecificData = NULL;
    status = IoCallDriver(below, irp);
    if (status == STATUS_PENDING) {
        KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
        status = result.Status;
    }
    return status;
}

static ULONG digit(CHAR character)
{
    if (character >= '0' && character <= '9') {
        return (ULONG)(character - '0');
    }
    character |= 0x20;
    return character >= 'a' && character <= 'f' ? (ULONG)(character - 'a' + 10) : 16;
}

static BOOLEAN parse_address(PCSTR text, UCHAR *address)
{
    ULONG i;

    for (i = 0; i < XENNET_ADDRESS_LENGTH; i++, text += 3) {
        ULONG high = digit(text[0]);
        ULONG low = high < 16 ? digit(text[1]) : 16;

        if (low == 16 || text[2] != (i + 1 < XENNET_ADDRESS_LENGTH ? ':' : 0)) {
            return FALSE;
        }
        address[i] = (UCHAR)(high << 4 | low);
    }
    return xennet_is_station(address);
}

static BOOLEAN read_address(struct xennet_adapter *adapter, enum xenpci_base base)
{
    const struct xenpci_interface *xen = &adapter->xen;
    CHAR text[ADDRESS_SIZE];

    return NT_SUCCESS(xen->read(xen->context, 0, base, "mac", text, sizeof(text))) &&
           parse_address(text, adapter->permanent_address);
}

/* A locally administered address below Xen's prefix, another one for each device of the machine. */
static VOID make_address(struct xennet_adapter *adapter)
{
    UCHAR *address = adapter->permanent_address;
    struct xenpci_facts facts;

    adapter->xen.facts(adapter->xen.context, &facts);
    address[0] = LOCALLY_ADMINISTERED;
    address[1] = 0x16;
    address[2] = 0x3E;
    address[3] = (UCHAR)(facts.number >> 16);
    address[4] = (UCHAR)(facts.number >> 8);
    address[5] = (UCHAR)facts.number;
}

NDIS_STATUS xennet_bus_find(struct xennet_adapter *adapter)
{
    PDEVICE_OBJECT physical, own, below;

    NdisMGetDeviceProperty(adapter->handle, &physical, &own, &below, NULL, NULL);
    if (!NT_SUCCESS(ask(below, &adapter->xen))) {
        GPLPV_DEBUG(("this device is not from our xenpci\n"));
        return NDIS_STATUS_FAILURE;
    }
    if (!read_address(adapter, XENPCI_FRONTEND) && !read_address(adapter, XENPCI_BACKEND)) {
        make_address(adapter);
    }
    NdisMoveMemory(adapter->current_address, adapter->permanent_address, XENNET_ADDRESS_LENGTH);
    return NDIS_STATUS_SUCCESS;
}

VOID xennet_bus_leave(struct xennet_adapter *adapter)
{
    adapter->xen.dereference(adapter->xen.context);
}

ULONG xennet_node(struct xennet_adapter *adapter, enum xenpci_base base, PCSTR node, ULONG otherwise)
{
    const struct xenpci_interface *xen = &adapter->xen;
    CHAR text[NUMBER_SIZE];
    ULONG value = 0;
    ULONG i;

    if (!NT_SUCCESS(xen->read(xen->context, 0, base, node, text, sizeof(text))) || text[0] == 0) {
        return otherwise;
    }
    for (i = 0; text[i] != 0; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return otherwise;
        }
        value = value * 10 + (ULONG)(text[i] - '0');
    }
    return value;
}

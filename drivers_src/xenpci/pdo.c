/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The physical device object of a device that the store names: XEN\<type>, instance <number>.
 */
#include "xenpci.h"
#include "pool.h"

#define ID_SIZE 40 /* characters of the longest identifier */

/*
 * Devices whose driver is a SCSI miniport, and so gets the interface through a resource: a page of memory, which PnP may
 * place anywhere for all we care, and the platform device's interrupt line.
 */
static BOOLEAN has_resources(const struct pdo *pdo)
{
    return strcmp(pdo->type, "vbd") == 0;
}

static struct pdo *pdo_of(struct pnp_device *device)
{
    return CONTAINING_RECORD(device, struct pdo, device);
}

/* Puts the page's and the line's true places into a list; both were assigned elsewhere or as a matter of form. */
static VOID correct_resources(struct pdo *pdo, PCM_RESOURCE_LIST resources,
                              const CM_PARTIAL_RESOURCE_DESCRIPTOR *line)
{
    PCM_PARTIAL_RESOURCE_LIST list;
    ULONG i;

    if (resources == NULL || resources->Count == 0)
        return;
    list = &resources->List[0].PartialResourceList;
    for (i = 0; i < list->Count; i++) {
        PCM_PARTIAL_RESOURCE_DESCRIPTOR resource = &list->PartialDescriptors[i];

        if (resource->Type == CmResourceTypeMemory)
            resource->u.Memory.Start = MmGetPhysicalAddress(pdo->block);
        else if (resource->Type == CmResourceTypeInterrupt)
            resource->u.Interrupt = line->u.Interrupt;
    }
}

static NTSTATUS start(struct pnp_device *device, PCM_RESOURCE_LIST raw, PCM_RESOURCE_LIST translated)
{
    struct pdo *pdo = pdo_of(device);
    NTSTATUS status;

    status = child_open(pdo);
    if (NT_SUCCESS(status) && has_resources(pdo)) {
        correct_resources(pdo, raw, &platform.raw_line);
        correct_resources(pdo, translated, &platform.line);
    }
    return status;
}

static VOID stop(struct pnp_device *device)
{
    child_close(pdo_of(device));
}

static NTSTATUS start_device(struct pnp_device *device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;

    status = start(device, stack->Parameters.StartDevice.AllocatedResources,
                   stack->Parameters.StartDevice.AllocatedResourcesTranslated);
    if (NT_SUCCESS(status))
        pnp_device_set_state(device, PNP_STARTED);
    return pnp_finish(device, irp, status);
}

/* There is nothing to be gained by giving a device of ours other resources. */
static NTSTATUS query_stop(struct pnp_device *device, PIRP irp)
{
    return pnp_finish(device, irp, STATUS_UNSUCCESSFUL);
}

static NTSTATUS agree(struct pnp_device *device, PIRP irp)
{
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS stop_device(struct pnp_device *device, PIRP irp)
{
    pnp_device_set_state(device, PNP_STOPPED);
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

/* The driver above has agreed, and is still there to let go of the back end. */
static NTSTATUS query_remove(struct pnp_device *device, PIRP irp)
{
    if (device->special_files != 0)
        return pnp_finish(device, irp, STATUS_UNSUCCESSFUL);
    if (device->state == PNP_STARTED) {
        pnp_device_set_state(device, PNP_REMOVE_PENDING);
        child_stop(pdo_of(device));
    }
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS cancel_remove(struct pnp_device *device, PIRP irp)
{
    if (device->state == PNP_REMOVE_PENDING) {
        pnp_device_set_state(device, PNP_STARTED);
        child_start(pdo_of(device));
    }
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS surprise_removal(struct pnp_device *device, PIRP irp)
{
    if (device->state == PNP_STARTED)
        child_stop(pdo_of(device));
    pnp_device_set_state(device, PNP_SURPRISE_REMOVED);
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

/* A device that is still there may get another driver; its object goes when it is not. */
static NTSTATUS remove_device(struct pnp_device *device, PIRP irp)
{
    struct pdo *pdo = pdo_of(device);

    pnp_device_set_state(device, PNP_REMOVED);
    takeover_failed(pdo->type, pdo->number);
    if (pdo->reported) {
        pnp_device_set_state(device, PNP_NOT_STARTED);
        return pnp_finish(device, irp, STATUS_SUCCESS);
    }
    bus_forget(pdo);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    IoReleaseRemoveLockAndWaitEx(&device->remove_lock, irp, sizeof(device->remove_lock));
    pdo_delete(pdo);
    return STATUS_SUCCESS;
}

static NTSTATUS eject(struct pnp_device *device, PIRP irp)
{
    pdo_of(device)->present = FALSE;
    child_disconnect(pdo_of(device));
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS answer(struct pnp_device *device, PIRP irp, PVOID information)
{
    if (information == NULL)
        return pnp_finish(device, irp, STATUS_INSUFFICIENT_RESOURCES);
    irp->IoStatus.Information = (ULONG_PTR)information;
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

/* In paged pool, with two terminators behind, as lists of identifiers have. */
static PWSTR __cdecl print(PCSTR format, ...)
{
    PWSTR text = ExAllocatePoolWithTag(PagedPool, ID_SIZE * sizeof(WCHAR), GPLPV_POOL_TAG);
    CHAR narrow[ID_SIZE];
    va_list arguments;
    ULONG i;

    if (text == NULL)
        return NULL;
    RtlZeroMemory(text, ID_SIZE * sizeof(WCHAR));
    va_start(arguments, format);
    _vsnprintf(narrow, ID_SIZE - 2, format, arguments);
    va_end(arguments);
    for (i = 0; i < ID_SIZE - 2 && narrow[i] != 0; i++)
        text[i] = (UCHAR)narrow[i];
    return text;
}

static NTSTATUS query_id(struct pnp_device *device, PIRP irp)
{
    const struct pdo *pdo = pdo_of(device);

    switch (IoGetCurrentIrpStackLocation(irp)->Parameters.QueryId.IdType) {
    case BusQueryDeviceID:
    case BusQueryHardwareIDs:
        return answer(device, irp, print("XEN\\%s", pdo->type));
    case BusQueryCompatibleIDs:
        return answer(device, irp, print("XEN\\DEVICE"));
    case BusQueryInstanceID:
        return answer(device, irp, print("%u", (unsigned int)pdo->number));
    default:
        return pnp_pass(device, irp);
    }
}

static NTSTATUS query_text(struct pnp_device *device, PIRP irp)
{
    const struct pdo *pdo = pdo_of(device);

    switch (IoGetCurrentIrpStackLocation(irp)->Parameters.QueryDeviceText.DeviceTextType) {
    case DeviceTextDescription:
        return answer(device, irp, print("Xen %s %u", pdo->type, (unsigned int)pdo->number));
    case DeviceTextLocationInformation:
        return answer(device, irp, print("%s", pdo->frontend));
    default:
        return pnp_pass(device, irp);
    }
}

static NTSTATUS query_capabilities(struct pnp_device *device, PIRP irp)
{
    PDEVICE_CAPABILITIES capabilities =
        IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceCapabilities.Capabilities;
    ULONG i;

    if (capabilities->Version != 1 || capabilities->Size < sizeof(*capabilities))
        return pnp_finish(device, irp, STATUS_UNSUCCESSFUL);
    capabilities->Address = pdo_of(device)->number;
    capabilities->UINumber = pdo_of(device)->number;
    capabilities->UniqueID = FALSE;
    capabilities->Removable = TRUE;
    capabilities->EjectSupported = TRUE;
    capabilities->SurpriseRemovalOK = TRUE;
    capabilities->RawDeviceOK = FALSE;
    capabilities->SystemWake = PowerSystemUnspecified;
    capabilities->DeviceWake = PowerDeviceUnspecified;
    for (i = PowerSystemUnspecified; i < PowerSystemMaximum; i++)
        capabilities->DeviceState[i] = i == PowerSystemWorking ? PowerDeviceD0 : PowerDeviceD3;
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS query_bus_information(struct pnp_device *device, PIRP irp)
{
    static const GUID bus_type_internal = {
        0x1530ea73, 0x086b, 0x11d1, {0xa0, 0x9f, 0x00, 0xc0, 0x4f, 0xc3, 0x40, 0xb1}};
    PPNP_BUS_INFORMATION information;

    information = ExAllocatePoolWithTag(PagedPool, sizeof(*information), GPLPV_POOL_TAG);
    if (information != NULL) {
        information->BusTypeGuid = bus_type_internal;
        information->LegacyBusType = Internal;
        information->BusNumber = 0;
    }
    return answer(device, irp, information);
}

static VOID want_page(PIO_RESOURCE_DESCRIPTOR want)
{
    want->Type = CmResourceTypeMemory;
    want->ShareDisposition = CmResourceShareDeviceExclusive;
    want->Flags = CM_RESOURCE_MEMORY_READ_WRITE;
    want->u.Memory.Length = PAGE_SIZE;
    want->u.Memory.Alignment = PAGE_SIZE;
    want->u.Memory.MaximumAddress.QuadPart = 0xffffffff;
}

static VOID want_line(PIO_RESOURCE_DESCRIPTOR want)
{
    want->Type = CmResourceTypeInterrupt;
    want->ShareDisposition = CmResourceShareShared;
    want->Flags = CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE;
    want->u.Interrupt.MinimumVector = platform.raw_line.u.Interrupt.Vector;
    want->u.Interrupt.MaximumVector = platform.raw_line.u.Interrupt.Vector;
}

static NTSTATUS query_requirements(struct pnp_device *device, PIRP irp)
{
    enum { PAGE, LINE, WANTS };
    ULONG size = FIELD_OFFSET(IO_RESOURCE_REQUIREMENTS_LIST, List[0].Descriptors[WANTS]);
    PIO_RESOURCE_REQUIREMENTS_LIST wants;

    if (!has_resources(pdo_of(device)))
        return pnp_pass(device, irp);
    wants = ExAllocatePoolWithTag(PagedPool, size, GPLPV_POOL_TAG);
    if (wants == NULL)
        return answer(device, irp, NULL);
    RtlZeroMemory(wants, size);
    wants->ListSize = size;
    wants->InterfaceType = Internal;
    wants->AlternativeLists = 1;
    wants->List[0].Version = 1;
    wants->List[0].Revision = 1;
    wants->List[0].Count = WANTS;
    want_page(&wants->List[0].Descriptors[PAGE]);
    want_line(&wants->List[0].Descriptors[LINE]);
    return answer(device, irp, wants);
}

static NTSTATUS query_interface(struct pnp_device *device, PIRP irp)
{
    static const GUID guid = GUID_XENPCI_INTERFACE;
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    struct xenpci_interface *out = (struct xenpci_interface *)stack->Parameters.QueryInterface.Interface;

    if (RtlCompareMemory(stack->Parameters.QueryInterface.InterfaceType, &guid, sizeof(guid)) != sizeof(guid) ||
        stack->Parameters.QueryInterface.Version != XENPCI_INTERFACE_VERSION)
        return pnp_pass(device, irp);
    if (stack->Parameters.QueryInterface.Size < sizeof(*out))
        return pnp_finish(device, irp, STATUS_BUFFER_TOO_SMALL);
    *out = pdo_of(device)->block->xen;
    out->reference(out->context);
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS query_relations(struct pnp_device *device, PIRP irp)
{
    PDEVICE_RELATIONS relations;

    if (IoGetCurrentIrpStackLocation(irp)->Parameters.QueryDeviceRelations.Type != TargetDeviceRelation)
        return pnp_pass(device, irp);
    relations = ExAllocatePoolWithTag(PagedPool, sizeof(*relations), GPLPV_POOL_TAG);
    if (relations != NULL) {
        relations->Count = 1;
        relations->Objects[0] = device->object;
        ObReferenceObject(device->object);
    }
    return answer(device, irp, relations);
}

static NTSTATUS usage_notification(struct pnp_device *device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);

    IoAdjustPagingPathCount(&device->special_files, stack->Parameters.UsageNotification.InPath);
    if (device->special_files != 0)
        device->object->Flags &= ~DO_POWER_PAGABLE;
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static const struct pnp_handler handlers[] = {
    {IRP_MN_START_DEVICE, start_device},
    {IRP_MN_QUERY_STOP_DEVICE, query_stop},
    {IRP_MN_CANCEL_STOP_DEVICE, agree},
    {IRP_MN_STOP_DEVICE, stop_device},
    {IRP_MN_QUERY_REMOVE_DEVICE, query_remove},
    {IRP_MN_CANCEL_REMOVE_DEVICE, cancel_remove},
    {IRP_MN_SURPRISE_REMOVAL, surprise_removal},
    {IRP_MN_REMOVE_DEVICE, remove_device},
    {IRP_MN_EJECT, eject},
    {IRP_MN_QUERY_ID, query_id},
    {IRP_MN_QUERY_DEVICE_TEXT, query_text},
    {IRP_MN_QUERY_CAPABILITIES, query_capabilities},
    {IRP_MN_QUERY_BUS_INFORMATION, query_bus_information},
    {IRP_MN_QUERY_RESOURCE_REQUIREMENTS, query_requirements},
    {IRP_MN_QUERY_INTERFACE, query_interface},
    {IRP_MN_QUERY_DEVICE_RELATIONS, query_relations},
    {IRP_MN_DEVICE_USAGE_NOTIFICATION, usage_notification},
};

/* Up to DISPATCH_LEVEL.  There is nothing to switch. */
static NTSTATUS power(struct pnp_device *device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);

    PoStartNextPowerIrp(irp);
    if (stack->MinorFunction != IRP_MN_SET_POWER && stack->MinorFunction != IRP_MN_QUERY_POWER)
        return pnp_pass(device, irp);
    if (stack->MinorFunction == IRP_MN_SET_POWER && stack->Parameters.Power.Type == DevicePowerState)
        PoSetPowerState(device->object, DevicePowerState, stack->Parameters.Power.State);
    return pnp_finish(device, irp, STATUS_SUCCESS);
}

static NTSTATUS other(struct pnp_device *device, PIRP irp)
{
    if (IoGetCurrentIrpStackLocation(irp)->MajorFunction == IRP_MJ_SYSTEM_CONTROL)
        return pnp_pass(device, irp);
    return pnp_finish(device, irp, STATUS_INVALID_DEVICE_REQUEST);
}

static const struct pnp_role pdo_role = {NULL, handlers, RTL_NUMBER_OF(handlers), power, other};

static const struct pnp_device_type pdo_type = {
    "device", FILE_DEVICE_BUS_EXTENDER, sizeof(struct pdo), &pdo_role, NULL, stop, NULL, NULL, NULL, NULL, NULL};

static NTSTATUS allocate_block(struct pdo *pdo)
{
    pdo->block = ExAllocatePoolWithTag(NonPagedPool, PAGE_SIZE, GPLPV_POOL_TAG);
    if (pdo->block == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(pdo->block, PAGE_SIZE);
    pdo->block->signature = XENPCI_BLOCK_SIGNATURE;
    pdo->block->size = sizeof(*pdo->block);
    pdo->block->xen = child_interface;
    pdo->block->xen.context = pdo;
    return STATUS_SUCCESS;
}

NTSTATUS pdo_create(PDRIVER_OBJECT driver, PCSTR type, ULONG number, struct pdo **created)
{
    struct pnp_device *device;
    struct pdo *pdo;
    NTSTATUS status;

    status = pnp_device_create(driver, NULL, FILE_AUTOGENERATED_DEVICE_NAME, &pdo_type, &device);
    if (!NT_SUCCESS(status))
        return status;
    pdo = pdo_of(device);
    status = allocate_block(pdo);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device->object);
        return status;
    }
    strncpy(pdo->type, type, sizeof(pdo->type) - 1);
    pdo->number = number;
    _snprintf(pdo->frontend, sizeof(pdo->frontend) - 1, "device/%s/%u", pdo->type, (unsigned int)number);
    pdo->present = TRUE;
    child_init(pdo);
    device->object->Flags |= DO_POWER_PAGABLE;
    device->object->Flags &= ~DO_DEVICE_INITIALIZING;
    *created = pdo;
    return STATUS_SUCCESS;
}

/* A driver that still has a reference to the interface finds it closed, and the page gone from its resources. */
VOID pdo_delete(struct pdo *pdo)
{
    ExFreePool(pdo->block);
    pdo->block = NULL;
    IoDeleteDevice(pdo->device.object);
}

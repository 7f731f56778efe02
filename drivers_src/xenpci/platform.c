/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the Xen platform PCI device has: a range of memory addresses with nothing behind them, where Xen's own pages can
 * be made to appear, and an interrupt line; beside it, where Windows grants one, a message interrupt (requirements.c).
 */
#include "xenpci.h"
#include "xen/hvm/params.h"

#define FIRST_VECTOR 0x10
#define LAST_VECTOR 0xff

struct platform platform;

enum wanted { MEMORY, LINE, MESSAGE };

static BOOLEAN is(enum wanted wanted, const CM_PARTIAL_RESOURCE_DESCRIPTOR *resource)
{
    BOOLEAN message = (resource->Flags & CM_RESOURCE_INTERRUPT_MESSAGE) != 0;

    if (wanted == MEMORY)
        return resource->Type == CmResourceTypeMemory;
    return resource->Type == CmResourceTypeInterrupt && message == (wanted == MESSAGE);
}

static const CM_PARTIAL_RESOURCE_DESCRIPTOR *find(PCM_RESOURCE_LIST resources, enum wanted wanted)
{
    const CM_PARTIAL_RESOURCE_LIST *list;
    ULONG i;

    if (resources == NULL || resources->Count == 0)
        return NULL;
    list = &resources->List[0].PartialResourceList;
    for (i = 0; i < list->Count; i++)
        if (is(wanted, &list->PartialDescriptors[i]))
            return &list->PartialDescriptors[i];
    return NULL;
}

/*
 * The line as Xen is told of it.  By PCI slot, since Xen then drives whatever the line is routed to, in APIC and in PIC
 * mode alike; the platform device has pin INTA in every device model.  By number when the slot is not known.
 */
static ULONG64 callback_of(PDEVICE_OBJECT physical, ULONG line)
{
    ULONG bus, address, size;

    if (!NT_SUCCESS(IoGetDeviceProperty(physical, DevicePropertyBusNumber, sizeof(bus), &bus, &size)) ||
        !NT_SUCCESS(IoGetDeviceProperty(physical, DevicePropertyAddress, sizeof(address), &address, &size)))
        return HVM_CALLBACK_GSI(line);
    return HVM_CALLBACK_PCI_INTX(bus, address >> 16, address & 0xffff, 0);
}

/* Xen is told a vector, and events are virtual processor 0's: Windows' processor 0, by which it was started. */
static BOOLEAN is_of_use(const CM_PARTIAL_RESOURCE_DESCRIPTOR *message)
{
    return message != NULL && message->u.Interrupt.Vector >= FIRST_VECTOR &&
           message->u.Interrupt.Vector <= LAST_VECTOR && (message->u.Interrupt.Affinity & 1) != 0;
}

NTSTATUS platform_start(PDEVICE_OBJECT physical, PCM_RESOURCE_LIST raw, PCM_RESOURCE_LIST translated)
{
    const CM_PARTIAL_RESOURCE_DESCRIPTOR *memory = find(translated, MEMORY);
    const CM_PARTIAL_RESOURCE_DESCRIPTOR *raw_line = find(raw, LINE);
    const CM_PARTIAL_RESOURCE_DESCRIPTOR *line = find(translated, LINE);
    const CM_PARTIAL_RESOURCE_DESCRIPTOR *message = find(translated, MESSAGE);

    if (memory == NULL || raw_line == NULL || line == NULL)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    platform.memory = memory->u.Memory.Start;
    platform.pages = memory->u.Memory.Length / XEN_PAGE_SIZE;
    platform.raw_line = *raw_line;
    platform.line = *line;
    platform.has_message = is_of_use(message);
    if (platform.has_message)
        platform.message = *message;
    platform.callback = callback_of(physical, raw_line->u.Interrupt.Vector);
    return STATUS_SUCCESS;
}

PHYSICAL_ADDRESS platform_address(ULONG page)
{
    PHYSICAL_ADDRESS address = platform.memory;

    address.QuadPart += (LONGLONG)page * XEN_PAGE_SIZE;
    return address;
}

xen_pfn_t platform_frame(ULONG page)
{
    return (xen_pfn_t)(platform_address(page).QuadPart >> XEN_PAGE_SHIFT);
}

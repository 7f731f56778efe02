/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the platform device is to be given beyond what the PCI bus driver knows of: a message interrupt, whose vector
 * can be Xen's way to virtual processor 0 (events.c).
 *
 * It has no MSI capability, so Windows may refuse.  So every alternative of the bus driver's is offered twice: first
 * with the message interrupt, and then, for Windows to fall back on, as it was.
 */
#include "xenpci.h"
#include "pool.h"
#include "registry.h"
#include "xen.h"

/* HVMOP_set_evtchn_upcall_vector */
#define OLDEST_MAJOR 4
#define OLDEST_MINOR 6

#define FOR_VISTA (_WIN32_WINNT >= 0x0600)

/* Not 0: events come by the line on every Xen. */
#define POLICY_VALUE L"LineOnly"

/* Of Windows Vista's headers, as the structure below; earlier ones have only its first two members. */
#ifndef CM_RESOURCE_INTERRUPT_POLICY_INCLUDED
#define CM_RESOURCE_INTERRUPT_POLICY_INCLUDED 0x0004
#endif
#ifndef CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN
#define CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN ((ULONG)-2)
#endif
#define POLICY_SPECIFIED_PROCESSORS 4 /* IrqPolicySpecifiedProcessors */

struct message {
    ULONG minimum_vector;
    ULONG maximum_vector;
    ULONG affinity_policy;
    ULONG priority_policy; /* 0: IrqPriorityUndefined */
    KAFFINITY processors;
};

C_ASSERT(sizeof(struct message) <= sizeof(((PIO_RESOURCE_DESCRIPTOR)0)->u));

/* A policy that is there and cannot be read is the strict one. */
static BOOLEAN is_forbidden(VOID)
{
    ULONG line_only = 0;
    NTSTATUS status;

    status = registry_read_number(PV_POLICY_KEY, POLICY_VALUE, &line_only);
    return line_only != 0 || (!NT_SUCCESS(status) && status != STATUS_OBJECT_NAME_NOT_FOUND);
}

static BOOLEAN xen_has_vectors(VOID)
{
    struct xen_version version;

    return NT_SUCCESS(xen_detect(&version)) &&
           (version.major > OLDEST_MAJOR || (version.major == OLDEST_MAJOR && version.minor >= OLDEST_MINOR));
}

/*
 * Windows before Vista has no message interrupts.  The build decides, and not the Windows that it meets: the disks'
 * driver that comes with a build for older ones takes its events from the line.
 */
static BOOLEAN is_wanted(VOID)
{
    return FOR_VISTA && xenpci_mode == PV_ACTIVE && xen_has_vectors() && !is_forbidden();
}

static ULONG size_of(ULONG descriptors)
{
    return FIELD_OFFSET(IO_RESOURCE_LIST, Descriptors[0]) + descriptors * sizeof(IO_RESOURCE_DESCRIPTOR);
}

static const IO_RESOURCE_LIST *next_of(const IO_RESOURCE_LIST *list)
{
    return (const IO_RESOURCE_LIST *)((const UCHAR *)list + size_of(list->Count));
}

static VOID want_message(PIO_RESOURCE_DESCRIPTOR want)
{
    struct message *message = (struct message *)&want->u;

    RtlZeroMemory(want, sizeof(*want));
    want->Type = CmResourceTypeInterrupt;
    want->ShareDisposition = CmResourceShareDeviceExclusive;
    want->Flags = CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE |
                  CM_RESOURCE_INTERRUPT_POLICY_INCLUDED;
    message->minimum_vector = CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN;
    message->maximum_vector = CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN;
    message->affinity_policy = POLICY_SPECIFIED_PROCESSORS;
    message->processors = 1;
}

/* Copies all alternatives, with a message interrupt added to each or not, and returns the place behind them. */
static PUCHAR copy_alternatives(PUCHAR to, const IO_RESOURCE_REQUIREMENTS_LIST *own, BOOLEAN with_message)
{
    const IO_RESOURCE_LIST *list = own->List;
    ULONG i;

    for (i = 0; i < own->AlternativeLists; i++) {
        PIO_RESOURCE_LIST copy = (PIO_RESOURCE_LIST)to;

        RtlCopyMemory(copy, list, size_of(list->Count));
        if (with_message)
            want_message(&copy->Descriptors[copy->Count++]);
        to += size_of(copy->Count);
        list = next_of(list);
    }
    return to;
}

static PIO_RESOURCE_REQUIREMENTS_LIST with_message(const IO_RESOURCE_REQUIREMENTS_LIST *own)
{
    ULONG head = FIELD_OFFSET(IO_RESOURCE_REQUIREMENTS_LIST, List);
    ULONG size = head + own->AlternativeLists * sizeof(IO_RESOURCE_DESCRIPTOR);
    const IO_RESOURCE_LIST *list = own->List;
    PIO_RESOURCE_REQUIREMENTS_LIST made;
    ULONG i;

    for (i = 0; i < own->AlternativeLists; i++, list = next_of(list))
        size += 2 * size_of(list->Count);
    made = ExAllocatePoolWithTag(PagedPool, size, GPLPV_POOL_TAG);
    if (made == NULL)
        return NULL;
    RtlCopyMemory(made, own, head);
    made->ListSize = size;
    made->AlternativeLists = 2 * own->AlternativeLists;
    copy_alternatives(copy_alternatives((PUCHAR)made->List, own, TRUE), own, FALSE);
    return made;
}

PIO_RESOURCE_REQUIREMENTS_LIST requirements(struct pnp_device *device, const IO_RESOURCE_REQUIREMENTS_LIST *own)
{
    UNREFERENCED_PARAMETER(device);
    return is_wanted() ? with_message(own) : NULL;
}

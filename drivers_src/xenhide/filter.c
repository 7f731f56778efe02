/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The filter device object over a PCI root bus.
 *
 * What is on the bus is remembered from one look to the next: a device that has been told apart once is never asked
 * again, so that a look that comes when memory is short cannot bring back what is hidden, or hide what Windows has.
 */
#include "xenhide.h"

#define DEVICES_MAX 256 /* functions on a bus */

struct known {
    PDEVICE_OBJECT device; /* referenced */
    enum device_kind kind;
};

struct root_bus {
    struct pnp_device device;
    BOOLEAN looked_at;
    BOOLEAN ours; /* it has the platform device, and had it when it was first looked at */
    ULONG count;
    struct known known[DEVICES_MAX];
};

static struct root_bus *bus_of(struct pnp_device *device)
{
    return CONTAINING_RECORD(device, struct root_bus, device);
}

static struct known *find(struct root_bus *bus, PDEVICE_OBJECT device)
{
    ULONG i;

    for (i = 0; i < bus->count; i++)
        if (bus->known[i].device == device)
            return &bus->known[i];
    return NULL;
}

static BOOLEAN is_reported(const DEVICE_RELATIONS *relations, PDEVICE_OBJECT device)
{
    ULONG i;

    for (i = 0; i < relations->Count; i++)
        if (relations->Objects[i] == device)
            return TRUE;
    return FALSE;
}

static VOID forget(struct root_bus *bus, ULONG index)
{
    ObDereferenceObject(bus->known[index].device);
    bus->known[index] = bus->known[--bus->count];
}

static VOID forget_missing(struct root_bus *bus, const DEVICE_RELATIONS *relations)
{
    ULONG i = 0;

    while (i < bus->count) {
        if (is_reported(relations, bus->known[i].device))
            i++;
        else
            forget(bus, i);
    }
}

static VOID forget_all(struct root_bus *bus)
{
    while (bus->count > 0)
        forget(bus, bus->count - 1);
}

static VOID learn(struct root_bus *bus, PDEVICE_OBJECT device)
{
    struct known *known = find(bus, device);

    if (known == NULL) {
        if (bus->count == DEVICES_MAX)
            return;
        ObReferenceObject(device);
        known = &bus->known[bus->count++];
        known->device = device;
        known->kind = KIND_UNKNOWN;
    }
    if (known->kind == KIND_UNKNOWN)
        known->kind = kind_of(device);
}

static BOOLEAN has_kind(const struct root_bus *bus, enum device_kind kind)
{
    ULONG i;

    for (i = 0; i < bus->count; i++)
        if (bus->known[i].kind == kind)
            return TRUE;
    return FALSE;
}

/* Whether the device may be of one of the classes.  One that is not known may be anything. */
static BOOLEAN is_of(const struct known *known, ULONG classes)
{
    switch (known->kind) {
    case KIND_DISKS:
        return (classes & HIDE_DISKS) != 0;
    case KIND_NETWORK:
        return (classes & HIDE_NETWORKS) != 0;
    case KIND_UNKNOWN:
        return classes != 0;
    default:
        return FALSE;
    }
}

/* What is shown because it was not known stays with Windows, whatever it turns out to be. */
static VOID settle(struct known *known)
{
    if (known->kind == KIND_UNKNOWN)
        known->kind = KIND_OTHER;
}

/* A relation holds a reference on its device; who takes one out gives it back. */
static VOID take_out(struct root_bus *bus, PDEVICE_RELATIONS relations, ULONG classes)
{
    ULONG i, kept = 0;

    for (i = 0; i < relations->Count; i++) {
        PDEVICE_OBJECT child = relations->Objects[i];
        struct known *known = find(bus, child);

        if (known != NULL && is_of(known, classes)) {
            GPLPV_DEBUG(("hides %p\n", child));
            ObDereferenceObject(child);
        } else {
            if (known != NULL)
                settle(known);
            relations->Objects[kept++] = child;
        }
    }
    relations->Count = kept;
}

static VOID look(struct pnp_device *device, PDEVICE_RELATIONS relations)
{
    struct root_bus *bus = bus_of(device);
    ULONG i;

    if (bus->looked_at && !bus->ours)
        return;
    forget_missing(bus, relations);
    for (i = 0; i < relations->Count; i++)
        learn(bus, relations->Objects[i]);
    if (!bus->looked_at) {
        bus->looked_at = TRUE;
        bus->ours = has_kind(bus, KIND_PLATFORM) && hidden_begin(device->physical);
    }
    if (!bus->ours) {
        forget_all(bus);
        return;
    }
    if (has_kind(bus, KIND_UNKNOWN))
        hidden_give_up(HIDE_DISKS | HIDE_NETWORKS);
    take_out(bus, relations, hidden_classes());
}

static VOID stop(struct pnp_device *device)
{
    struct root_bus *bus = bus_of(device);

    if (bus->ours)
        hidden_end(device->physical);
    forget_all(bus);
}

static const struct pnp_device_type xenhide_device_type = {"xenhide", FILE_DEVICE_UNKNOWN, sizeof(struct root_bus),
                                                           &pnp_filter_role, NULL, stop, NULL, look, NULL, NULL, NULL};

/*
 * Called for every device of the System class.  Never fails: a failure here would take the device, and with the PCI
 * root bus the machine, along.
 */
NTSTATUS NTAPI xenhide_add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    NTSTATUS status;

    if (hidden_classes() == 0 || !is_pci_root(physical))
        return STATUS_SUCCESS;
    status = pnp_device_add(driver, physical, &xenhide_device_type);
    if (!NT_SUCCESS(status))
        GPLPV_DEBUG(("not attached over %p: %08x\n", physical, status));
    return STATUS_SUCCESS;
}

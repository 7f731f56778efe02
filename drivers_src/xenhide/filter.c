/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The filter device object over a PCI root bus.
 */
#include "xenhide.h"

/* Without the platform device there will be no PV devices either. */
static BOOLEAN has_platform_device(const DEVICE_RELATIONS *relations)
{
    ULONG i;

    for (i = 0; i < relations->Count; i++)
        if (is_platform_device(relations->Objects[i]))
            return TRUE;
    return FALSE;
}

/* A relation holds a reference on its device; who takes one out gives it back. */
static VOID take_out_hidden(struct pnp_device *device, PDEVICE_RELATIONS relations)
{
    ULONG hidden = hidden_classes();
    ULONG i, kept = 0;

    UNREFERENCED_PARAMETER(device);
    if (hidden == 0 || !has_platform_device(relations))
        return;
    for (i = 0; i < relations->Count; i++) {
        PDEVICE_OBJECT child = relations->Objects[i];

        if ((emulated_class(child) & hidden) != 0) {
            GPLPV_DEBUG(("hides %p\n", child));
            ObDereferenceObject(child);
        } else {
            relations->Objects[kept++] = child;
        }
    }
    relations->Count = kept;
}

static const struct pnp_device_type xenhide_device_type = {"xenhide", FILE_DEVICE_UNKNOWN, sizeof(struct pnp_device),
                                                           &pnp_filter_role, NULL, NULL, NULL, take_out_hidden,
                                                           NULL, NULL};

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
    if (NT_SUCCESS(status))
        hidden_add_bus(physical);
    else
        GPLPV_DEBUG(("not attached over %p: %08x\n", physical, status));
    return STATUS_SUCCESS;
}

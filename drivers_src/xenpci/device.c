/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The function device object over the Xen platform PCI device.
 */
#include "xenpci.h"

/* Succeeds in every mode: a device that failed to start would only trouble its owner. */
static NTSTATUS start(struct pnp_device *device, PCM_RESOURCE_LIST raw, PCM_RESOURCE_LIST translated)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(raw);
    UNREFERENCED_PARAMETER(translated);
    if (xenpci_mode == XENPCI_ACTIVE)
        GPLPV_DEBUG(("started on Xen; this version enumerates no PV devices\n"));
    else
        GPLPV_DEBUG(("started without Xen's devices, mode %d\n", xenpci_mode));
    return STATUS_SUCCESS;
}

static const struct pnp_device_type xenpci_device_type = {
    "xenpci", FILE_DEVICE_BUS_EXTENDER, sizeof(struct pnp_device), &pnp_function_role, start, NULL, NULL, NULL};

NTSTATUS NTAPI xenpci_add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    return pnp_device_add(driver, physical, &xenpci_device_type);
}

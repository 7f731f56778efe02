/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Holds devices that need no driver of their own, so that Windows does not ask for one.
 */
#include <ntddk.h>
#include "pnp_device.h"
#include "gplpv_version.h"

#define GPLPV_MODULE "xenstub"
#include "debug.h"

static const struct pnp_device_type xenstub_device_type = {
    "xenstub", FILE_DEVICE_UNKNOWN, sizeof(struct pnp_device), &pnp_function_role,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL};

static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    return pnp_device_add(driver, physical, &xenstub_device_type);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNREFERENCED_PARAMETER(registry_path);
    GPLPV_DEBUG_BANNER();
    pnp_driver_setup(driver, add_device);
    return STATUS_SUCCESS;
}

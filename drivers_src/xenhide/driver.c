/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xenhide.h"
#include "gplpv_version.h"

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNREFERENCED_PARAMETER(registry_path);
    GPLPV_DEBUG_BANNER();
    pnp_driver_setup(driver, xenhide_add_device);
    return STATUS_SUCCESS;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xenpci.h"
#include "gplpv_version.h"

enum pv_mode xenpci_mode;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNREFERENCED_PARAMETER(registry_path);
    GPLPV_DEBUG_BANNER();
    xenpci_mode = pv_mode_choose();
    pnp_driver_setup(driver, xenpci_add_device);
    return STATUS_SUCCESS;
}

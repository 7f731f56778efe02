/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xenhide.h"
#include "gplpv_version.h"

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    hidden_stop();
}

/* Succeeds without a way to hear from xenpci too, and then hides nothing. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNREFERENCED_PARAMETER(registry_path);
    GPLPV_DEBUG_BANNER();
    pnp_driver_setup(driver, xenhide_add_device);
    driver->DriverUnload = unload;
    if (!NT_SUCCESS(hidden_start(driver)))
        GPLPV_DEBUG(("hides nothing\n"));
    return STATUS_SUCCESS;
}

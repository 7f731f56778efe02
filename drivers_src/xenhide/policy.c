/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xenhide.h"
#include "pvmode.h"
#include "registry.h"

#define SERVICES L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\"
#define XENPCI SERVICES L"xenpci"
#define XENVBD SERVICES L"xenvbd"
#define XENNET SERVICES L"xennet"

/*
 * Whether a service is installed and started early enough.  Registered is not loaded: what becomes of the drivers after
 * this, xenpci says, and its silence counts as well (hidden.c).
 */
static BOOLEAN starts_by(PCWSTR key, ULONG latest)
{
    ULONG start;

    return NT_SUCCESS(registry_read_number(key, L"Start", &start)) && start <= latest;
}

/* A driver that is not yet up to what it replaces does not say this. */
static BOOLEAN replaces_emulated(PCWSTR parameters)
{
    ULONG replaces = 0;

    registry_read_number(parameters, L"ReplacesEmulated", &replaces);
    return replaces != 0;
}

ULONG choose_hidden(VOID)
{
    ULONG hidden = 0;

    if (pv_mode_choose() != PV_ACTIVE || !starts_by(XENPCI, SERVICE_BOOT_START))
        return 0;
    if (starts_by(XENVBD, SERVICE_BOOT_START))
        hidden |= HIDE_DISKS;
    if (starts_by(XENNET, SERVICE_DEMAND_START) && replaces_emulated(XENNET L"\\Parameters"))
        hidden |= HIDE_NETWORKS;
    return hidden;
}

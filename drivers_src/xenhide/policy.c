/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xenhide.h"
#include "pvmode.h"
#include "registry.h"

#define SYSTEM L"\\Registry\\Machine\\System\\CurrentControlSet\\"
#define SERVICE(name) SYSTEM L"Services\\" name
#define BOOT_DEVICE(id) SYSTEM L"Control\\CriticalDeviceDatabase\\" id

/*
 * The safety rule.  Emulated disks are hidden only where all that a boot from PV disks takes is in place: Xen and a
 * person who wants it (pv_mode_choose), xenpci and xenvbd as boot drivers, and both known to Windows as the drivers of
 * their boot devices.  What cannot be read is not in place.  What becomes of the drivers after this, xenpci says, and
 * its silence counts as well (hidden.c).
 */
static BOOLEAN starts_by(PCWSTR key, ULONG latest)
{
    ULONG start;

    return NT_SUCCESS(registry_read_number(key, L"Start", &start)) && start <= latest;
}

/* Before there is a file system to read INFs from, this is where Windows looks a new device's driver up. */
static BOOLEAN drives(PCWSTR service, PCWSTR boot_device)
{
    UNICODE_STRING wanted, found;
    BOOLEAN same;
    PWSTR text;

    if (!NT_SUCCESS(registry_read_string(boot_device, L"Service", &text)))
        return FALSE;
    RtlInitUnicodeString(&wanted, service);
    RtlInitUnicodeString(&found, text);
    same = RtlEqualUnicodeString(&wanted, &found, TRUE);
    ExFreePool(text);
    return same;
}

static BOOLEAN can_boot(VOID)
{
    return starts_by(SERVICE(L"xenvbd"), SERVICE_BOOT_START) && drives(L"xenvbd", BOOT_DEVICE(L"XEN#vbd"));
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

    if (pv_mode_choose() != PV_ACTIVE || !starts_by(SERVICE(L"xenpci"), SERVICE_BOOT_START) ||
        !drives(L"xenpci", BOOT_DEVICE(L"PCI#VEN_5853&DEV_0001")))
        return 0;
    if (can_boot())
        hidden |= HIDE_DISKS;
    if (starts_by(SERVICE(L"xennet"), SERVICE_DEMAND_START) && replaces_emulated(SERVICE(L"xennet\\Parameters")))
        hidden |= HIDE_NETWORKS;
    return hidden;
}

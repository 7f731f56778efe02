/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xenhide.h"
#include "pool.h"

/* EISA identifiers of a PCI and a PCI Express root bus; they stand behind "ACPI\" or "*", as the enumerator has it. */
static const PCWSTR root_ids[] = {L"PNP0A03", L"PNP0A08"};

/* The device's hardware identifiers one after the other, an empty one at the end; pool memory for the caller. */
static PWSTR read_hardware_ids(PDEVICE_OBJECT physical)
{
    PWSTR ids;
    ULONG size = 0;

    if (IoGetDeviceProperty(physical, DevicePropertyHardwareID, 0, NULL, &size) != STATUS_BUFFER_TOO_SMALL)
        return NULL;
    ids = ExAllocatePoolWithTag(PagedPool, size + 2 * sizeof(WCHAR), GPLPV_POOL_TAG);
    if (ids == NULL)
        return NULL;
    RtlZeroMemory(ids, size + 2 * sizeof(WCHAR));
    if (!NT_SUCCESS(IoGetDeviceProperty(physical, DevicePropertyHardwareID, size, ids, &size))) {
        ExFreePool(ids);
        return NULL;
    }
    return ids;
}

static BOOLEAN is_root_id(PCWSTR id)
{
    UNICODE_STRING name, known;
    PCWSTR tail = id;
    ULONG i;

    for (; *id != 0; id++)
        if (*id == L'\\' || *id == L'*')
            tail = id + 1;
    RtlInitUnicodeString(&name, tail);
    for (i = 0; i < RTL_NUMBER_OF(root_ids); i++) {
        RtlInitUnicodeString(&known, root_ids[i]);
        if (RtlEqualUnicodeString(&name, &known, TRUE))
            return TRUE;
    }
    return FALSE;
}

BOOLEAN is_pci_root(PDEVICE_OBJECT physical)
{
    PWSTR ids = read_hardware_ids(physical);
    PCWSTR id = ids;
    BOOLEAN found = FALSE;

    if (ids == NULL)
        return FALSE;
    while (*id != 0 && !found) {
        found = is_root_id(id);
        while (*id++ != 0)
            continue;
    }
    ExFreePool(ids);
    return found;
}

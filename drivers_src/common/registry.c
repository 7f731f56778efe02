/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "registry.h"
#include "pool.h"

static NTSTATUS open_key(PCWSTR path, HANDLE *key)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;

    RtlInitUnicodeString(&name, path);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwOpenKey(key, KEY_READ, &attributes);
}

/* The value in pool memory, for the caller to free. */
static NTSTATUS read_value(HANDLE key, PUNICODE_STRING name, KEY_VALUE_PARTIAL_INFORMATION **value)
{
    NTSTATUS status;
    ULONG size = 0;

    *value = NULL;
    status = ZwQueryValueKey(key, name, KeyValuePartialInformation, NULL, 0, &size);
    if (status != STATUS_BUFFER_TOO_SMALL && status != STATUS_BUFFER_OVERFLOW)
        return NT_SUCCESS(status) ? STATUS_UNSUCCESSFUL : status;

    *value = ExAllocatePoolWithTag(PagedPool, size, GPLPV_POOL_TAG);
    if (*value == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = ZwQueryValueKey(key, name, KeyValuePartialInformation, *value, size, &size);
    if (!NT_SUCCESS(status)) {
        ExFreePool(*value);
        *value = NULL;
    }
    return status;
}

/* What the registry stores need not be terminated. */
static NTSTATUS copy_string(const KEY_VALUE_PARTIAL_INFORMATION *value, PWSTR *text)
{
    ULONG length = value->DataLength / sizeof(WCHAR);

    if (value->Type != REG_SZ && value->Type != REG_EXPAND_SZ)
        return STATUS_OBJECT_TYPE_MISMATCH;
    *text = ExAllocatePoolWithTag(PagedPool, (length + 1) * sizeof(WCHAR), GPLPV_POOL_TAG);
    if (*text == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlCopyMemory(*text, value->Data, length * sizeof(WCHAR));
    (*text)[length] = 0;
    return STATUS_SUCCESS;
}

NTSTATUS registry_read_string(PCWSTR key_path, PCWSTR value_name, PWSTR *text)
{
    HANDLE key;
    UNICODE_STRING name;
    KEY_VALUE_PARTIAL_INFORMATION *value;
    NTSTATUS status;

    *text = NULL;
    status = open_key(key_path, &key);
    if (!NT_SUCCESS(status))
        return status;
    RtlInitUnicodeString(&name, value_name);
    status = read_value(key, &name, &value);
    if (NT_SUCCESS(status)) {
        status = copy_string(value, text);
        ExFreePool(value);
    }
    ZwClose(key);
    return status;
}

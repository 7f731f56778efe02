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

static NTSTATUS copy_number(const KEY_VALUE_PARTIAL_INFORMATION *value, PULONG number)
{
    if (value->Type != REG_DWORD || value->DataLength != sizeof(*number))
        return STATUS_OBJECT_TYPE_MISMATCH;
    RtlCopyMemory(number, value->Data, sizeof(*number));
    return STATUS_SUCCESS;
}

/* The named value of the key in pool memory, for the caller to free. */
static NTSTATUS read_from(PCWSTR key_path, PCWSTR value_name, KEY_VALUE_PARTIAL_INFORMATION **value)
{
    HANDLE key;
    UNICODE_STRING name;
    NTSTATUS status;

    status = open_key(key_path, &key);
    if (!NT_SUCCESS(status))
        return status;
    RtlInitUnicodeString(&name, value_name);
    status = read_value(key, &name, value);
    ZwClose(key);
    return status;
}

NTSTATUS registry_read_string(PCWSTR key_path, PCWSTR value_name, PWSTR *text)
{
    KEY_VALUE_PARTIAL_INFORMATION *value;
    NTSTATUS status;

    *text = NULL;
    status = read_from(key_path, value_name, &value);
    if (!NT_SUCCESS(status))
        return status;
    status = copy_string(value, text);
    ExFreePool(value);
    return status;
}

NTSTATUS registry_read_number(PCWSTR key_path, PCWSTR value_name, PULONG number)
{
    KEY_VALUE_PARTIAL_INFORMATION *value;
    NTSTATUS status;

    status = read_from(key_path, value_name, &value);
    if (!NT_SUCCESS(status))
        return status;
    status = copy_number(value, number);
    ExFreePool(value);
    return status;
}

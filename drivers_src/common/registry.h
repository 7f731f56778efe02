/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading the registry.
 */
#ifndef GPLPV_REGISTRY_H
#define GPLPV_REGISTRY_H

#include <ntddk.h>

/*
 * Reads a string value of a key given by its full path.  *text is then terminated pool memory that the caller frees
 * with ExFreePool; after an error it is NULL.  STATUS_OBJECT_NAME_NOT_FOUND: no such key or value;
 * STATUS_OBJECT_TYPE_MISMATCH: the value is no string.  PASSIVE_LEVEL.
 */
NTSTATUS registry_read_string(PCWSTR key_path, PCWSTR value_name, PWSTR *text);

/* The same for a number (REG_DWORD).  After an error *number is as it was. */
NTSTATUS registry_read_number(PCWSTR key_path, PCWSTR value_name, PULONG number);

#endif

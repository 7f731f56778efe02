/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading registry text of any length, whoever wrote it: terminated or not, of odd size or not.
 */
#include "pvinstall.h"

/*
 * The value's data with two terminators behind it, and how many characters it has without them. The caller frees it.
 * NULL with GetLastError; ERROR_FILE_NOT_FOUND when there is no such value.
 */
WCHAR *registry_read(HKEY key, const WCHAR *name, DWORD *type, DWORD *length)
{
    WCHAR *data = NULL;
    DWORD bytes = 0;
    DWORD error = RegQueryValueExW(key, name, NULL, type, NULL, &bytes);

    if (!error) {
        data = (WCHAR *)HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, bytes + 3 * sizeof(WCHAR));
        error = data ? (DWORD)RegQueryValueExW(key, name, NULL, type, (BYTE *)data, &bytes) : ERROR_NOT_ENOUGH_MEMORY;
    }
    if (error) {
        registry_free(data);
        SetLastError(error);
        return NULL;
    }
    *length = bytes / sizeof(WCHAR);
    data[*length] = 0;
    return data;
}

void registry_free(WCHAR *data)
{
    if (data)
        HeapFree(GetProcessHeap(), 0, data);
}

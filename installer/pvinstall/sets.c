/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Control sets: the one that Windows runs from, and the others that it may start from, such as the last known good one.
 */
#include "pvinstall.h"

#define SYSTEM_KEY L"SYSTEM"
#define CURRENT_SET L"CurrentControlSet"

/* Open for reading and the caller's, or NULL. */
HKEY set_open_current(void)
{
    HKEY set;

    return RegOpenKeyExW(HKEY_LOCAL_MACHINE, SYSTEM_KEY L"\\" CURRENT_SET, 0, KEY_READ, &set) ? NULL : set;
}

static DWORD visit_named(HKEY system, const WCHAR *name, set_fn *visit, void *context)
{
    HKEY set;
    DWORD error = RegOpenKeyExW(system, name, 0, KEY_READ, &set);

    if (error)
        return error;
    error = visit(context, set, name);
    RegCloseKey(set);
    return error;
}

/*
 * Visits every control set, and goes on after an error; returns the first. CurrentControlSet is a link to one of the
 * numbered ones; seeing it twice does no harm.
 */
DWORD sets_each(set_fn *visit, void *context)
{
    WCHAR name[64];
    HKEY system;
    DWORD i, length, error, first_error;

    error = RegOpenKeyExW(HKEY_LOCAL_MACHINE, SYSTEM_KEY, 0, KEY_READ, &system);
    if (error)
        return error;
    first_error = visit_named(system, CURRENT_SET, visit, context);
    for (i = 0;; i++) {
        length = COUNT_OF(name);
        error = RegEnumKeyExW(system, i, name, &length, NULL, NULL, NULL, NULL);
        if (error == ERROR_MORE_DATA)
            continue;
        if (error)
            break;
        if (!text_starts(name, L"ControlSet"))
            continue;
        error = visit_named(system, name, visit, context);
        if (error && !first_error)
            first_error = error;
    }
    RegCloseKey(system);
    return first_error || error == ERROR_NO_MORE_ITEMS ? first_error : error;
}

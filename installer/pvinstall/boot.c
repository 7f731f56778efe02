/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Boot devices: the keys under Control\CriticalDeviceDatabase, by which Windows finds a device's driver before there is
 * a file system to search for INFs. A key's name is a hardware identifier with # for \ (Microsoft Knowledge Base,
 * article 314082). What ours say comes from the INFs; xenhide hides no disk without them.
 *
 * Entries are made in the current control set alone, but looked for in all: the last known good one must boot too.
 */
#include "pvinstall.h"

#define DATABASE L"Control\\CriticalDeviceDatabase"

enum entry { ENTRY_NONE, ENTRY_OURS, ENTRY_FOREIGN };

typedef BOOL match_fn(HKEY set, const struct driver *driver, const WCHAR *path);

/* A search for the entries of one driver, or of all, in all control sets. */
struct search {
    match_fn *matches;
    const struct driver *driver;
    BOOL remove;
    DWORD found;
};

static BOOL entry_path(const WCHAR *hardware_id, WCHAR *path, DWORD room)
{
    WCHAR *at;

    if (!text_format(path, room, L"%s\\%s", DATABASE, hardware_id))
        return FALSE;
    for (at = path + COUNT_OF(DATABASE); *at; at++)
        if (*at == L'\\')
            *at = L'#';
    return TRUE;
}

static BOOL is_blank(HKEY key)
{
    DWORD keys = 1, values = 1;

    RegQueryInfoKeyW(key, NULL, NULL, NULL, &keys, NULL, NULL, &values, NULL, NULL, NULL, NULL);
    return keys == 0 && values == 0;
}

static BOOL key_names(HKEY key, const struct driver *driver)
{
    DWORD type, length;
    WCHAR *service = registry_read(key, L"Service", &type, &length);
    BOOL same = service && type == REG_SZ && text_equal(service, driver->name);

    registry_free(service);
    return same;
}

/* An entry without any value names nobody: one that was being made when the power failed. It counts as none. */
static enum entry entry_state(HKEY set, const struct driver *driver, const WCHAR *path)
{
    enum entry state = ENTRY_FOREIGN;
    HKEY key;
    DWORD error = RegOpenKeyExW(set, path, 0, KEY_QUERY_VALUE, &key);

    if (error)
        return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ? ENTRY_NONE : ENTRY_FOREIGN;
    if (key_names(key, driver))
        state = service_foreign(set, driver->name) ? ENTRY_FOREIGN : ENTRY_OURS;
    else if (is_blank(key))
        state = ENTRY_NONE;
    RegCloseKey(key);
    return state;
}

static BOOL is_ours(HKEY set, const struct driver *driver, const WCHAR *path)
{
    return entry_state(set, driver, path) == ENTRY_OURS;
}

static BOOL is_dangling(HKEY set, const struct driver *driver, const WCHAR *path)
{
    return is_ours(set, driver, path) && !service_usable(set, driver->name);
}

static DWORD visit_driver(struct search *search, HKEY set, const WCHAR *set_name, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    DWORD i, error, first_error = ERROR_SUCCESS;

    for (i = 0; driver->boot_section && driver->hardware_ids[i]; i++) {
        if (!entry_path(driver->hardware_ids[i], path, COUNT_OF(path)))
            return ERROR_FILENAME_EXCED_RANGE;
        if (!search->matches(set, driver, path))
            continue;
        search->found++;
        if (!search->remove)
            continue;
        log_line(L"%12sentry for %s goes: %s\\%s", L"", driver->name, set_name, path);
        error = RegDeleteKeyW(set, path);
        if (error && !first_error)
            first_error = error;
    }
    return first_error;
}

static DWORD visit_set(void *context, HKEY set, const WCHAR *set_name)
{
    struct search *search = (struct search *)context;
    DWORD i, error, first_error = ERROR_SUCCESS;

    if (search->driver)
        return visit_driver(search, set, set_name, search->driver);
    for (i = 0; i < DRIVER_COUNT; i++) {
        error = visit_driver(search, set, set_name, &drivers[i]);
        if (error && !first_error)
            first_error = error;
    }
    return first_error;
}

/* Before any driver goes in. What another product has there is left to it, and so is the device. */
DWORD boot_check(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    HKEY set = set_open_current();
    DWORD i, error = ERROR_SUCCESS;

    if (set == NULL)
        return ERROR_REGISTRY_IO_FAILED;
    for (i = 0; !error && driver->hardware_ids[i]; i++) {
        enum entry state = ENTRY_FOREIGN;

        if (entry_path(driver->hardware_ids[i], path, COUNT_OF(path)))
            state = entry_state(set, driver, path);
        if (state == ENTRY_NONE)
            error = journal_mark(session, L"");
        else if (state == ENTRY_FOREIGN) {
            step_detail(session, L"%s is another product's: remove that one first", path);
            error = ERROR_ALREADY_EXISTS;
        }
    }
    RegCloseKey(set);
    return error;
}

/* Whether Windows would now find the driver for every device of it that it boots from. */
BOOL boot_ready(const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    HKEY set = set_open_current();
    BOOL ready = set != NULL;
    DWORD i;

    for (i = 0; ready && driver->hardware_ids[i]; i++)
        ready = entry_path(driver->hardware_ids[i], path, COUNT_OF(path)) && is_ours(set, driver, path);
    if (set)
        RegCloseKey(set);
    return ready;
}

/* Whether an entry in any control set names the driver; a search that fails counts as one that found it. */
BOOL boot_names(const struct driver *driver)
{
    struct search search = { is_ours, NULL, FALSE, 0 };

    search.driver = driver;
    return sets_each(visit_set, &search) || search.found;
}

DWORD boot_remove(struct session *session, const struct driver *driver)
{
    struct search search = { is_ours, NULL, TRUE, 0 };
    DWORD error;

    search.driver = driver;
    error = sets_each(visit_set, &search);
    step_detail(session, L"%u removed", search.found);
    return error;
}

/* Removes every entry of ours whose driver Windows could not load, in any control set. */
DWORD boot_sweep(DWORD *removed)
{
    struct search search = { is_dangling, NULL, TRUE, 0 };
    DWORD error = sets_each(visit_set, &search);

    *removed = search.found;
    return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Class filters: the UpperFilters and LowerFilters values (REG_MULTI_SZ) of the keys under Control\Class. The PnP
 * manager starts no device of a class while one of its filters cannot be loaded (Windows Driver Kit, "Installing a
 * Filter Driver"), and class System holds the PCI bus.
 *
 * Entries are added to the current control set alone, but looked for in all: the last known good one must boot too.
 */
#include "pvinstall.h"

#define CLASSES L"Control\\Class"
#define SYSTEM_CLASS L"{4D36E97D-E325-11CE-BFC1-08002BE10318}"
#define SYSTEM_CLASS_KEY L"SYSTEM\\CurrentControlSet\\" CLASSES L"\\" SYSTEM_CLASS
#define UPPER_FILTERS L"UpperFilters"

static const WCHAR *const filter_values[] = { UPPER_FILTERS, L"LowerFilters" };

struct scan;

typedef BOOL match_fn(const struct scan *scan, const WCHAR *entry);

/* A search through all classes of a control set, or of all control sets; where is the path so far, for the log. */
struct scan {
    match_fn *matches;
    const struct driver *driver;
    BOOL remove;
    HKEY control_set;
    const WCHAR *class_name;
    const WCHAR *value;
    WCHAR where[MAX_PATH];
    DWORD found;
};

static BOOL is_driver(const struct scan *scan, const WCHAR *entry)
{
    return text_equal(entry, scan->driver->name);
}

static BOOL is_our_name(const WCHAR *entry)
{
    DWORD i;

    for (i = 0; i < DRIVER_COUNT; i++)
        if (text_equal(entry, drivers[i].name))
            return TRUE;
    return FALSE;
}

static BOOL is_dangling(const struct scan *scan, const WCHAR *entry)
{
    return (is_our_name(entry) || legacy_name(entry)) && !service_usable(scan->control_set, entry);
}

/* Our predecessors': the one entry that ours want is xenhide's in class System. */
static BOOL is_misplaced(const struct scan *scan, const WCHAR *entry)
{
    if (legacy_name(entry))
        return TRUE;
    if (!is_our_name(entry) || service_foreign(scan->control_set, entry))
        return FALSE;
    return !text_equal(entry, drivers[XENHIDE].name) || !text_equal(scan->class_name, SYSTEM_CLASS) ||
           !text_equal(scan->value, UPPER_FILTERS);
}

static DWORD write_list(HKEY key, const WCHAR *name, DWORD type, const WCHAR *list, DWORD length)
{
    if (length == 0)
        return RegDeleteValueW(key, name);
    return RegSetValueExW(key, name, 0, type, (const BYTE *)list, (length + 1) * sizeof(WCHAR));
}

/* Moves the entries to keep together, in their order; returns their length with terminators, without the list's own. */
static DWORD keep_others(struct scan *scan, const WCHAR *value, WCHAR *list, DWORD length)
{
    DWORD at, size, kept = 0;

    for (at = 0; at < length; at += size) {
        size = text_length(list + at) + 1;
        if (size == 1)
            continue;
        if (scan->matches(scan, list + at)) {
            scan->found++;
            if (scan->remove)
                log_line(L"%12sentry %s goes from %s of %s", L"", list + at, value, scan->where);
        } else {
            memmove(list + kept, list + at, size * sizeof(WCHAR));
            kept += size;
        }
    }
    list[kept] = 0;
    return kept;
}

static DWORD scan_value(struct scan *scan, HKEY class_root, const WCHAR *class_name, const WCHAR *value)
{
    HKEY key;
    DWORD type, length, kept, before = scan->found;
    DWORD error = RegOpenKeyExW(class_root, class_name, 0, KEY_QUERY_VALUE, &key);
    WCHAR *list;

    if (error)
        return error;
    list = registry_read(key, value, &type, &length);
    RegCloseKey(key);
    if (list == NULL)
        return GetLastError() == ERROR_FILE_NOT_FOUND ? ERROR_SUCCESS : GetLastError();
    scan->class_name = class_name;
    scan->value = value;
    kept = type == REG_MULTI_SZ || type == REG_SZ || type == REG_EXPAND_SZ ? keep_others(scan, value, list, length) : 0;
    if (scan->remove && scan->found != before) {
        error = RegOpenKeyExW(class_root, class_name, 0, KEY_SET_VALUE, &key);
        if (!error) {
            error = write_list(key, value, type, list, kept);
            if (!error)
                error = RegFlushKey(key);
            RegCloseKey(key);
        }
    }
    registry_free(list);
    return error;
}

static DWORD scan_set(void *context, HKEY set, const WCHAR *set_name)
{
    struct scan *scan = (struct scan *)context;
    WCHAR name[64];
    HKEY root;
    DWORD i, v, length, error = ERROR_SUCCESS, first_error = ERROR_SUCCESS;

    scan->control_set = set;
    if (RegOpenKeyExW(set, CLASSES, 0, KEY_READ, &root))
        return ERROR_SUCCESS;
    for (i = 0;; i++) {
        length = COUNT_OF(name);
        error = RegEnumKeyExW(root, i, name, &length, NULL, NULL, NULL, NULL);
        if (error == ERROR_MORE_DATA)
            continue;
        if (error)
            break;
        text_format(scan->where, COUNT_OF(scan->where), L"%s\\%s\\%s", set_name, CLASSES, name);
        for (v = 0; v < COUNT_OF(filter_values); v++) {
            error = scan_value(scan, root, name, filter_values[v]);
            if (error && !first_error)
                first_error = error;
        }
    }
    RegCloseKey(root);
    return first_error || error == ERROR_NO_MORE_ITEMS ? first_error : error;
}

static void scan_init(struct scan *scan, match_fn *matches, const struct driver *driver)
{
    memset(scan, 0, sizeof(*scan));
    scan->matches = matches;
    scan->driver = driver;
}

/* Whether a filter entry anywhere names the driver; a search that fails counts as one that found it. */
BOOL filter_names(const struct driver *driver)
{
    struct scan scan;

    scan_init(&scan, is_driver, driver);
    return sets_each(scan_set, &scan) || scan.found;
}

DWORD filter_remove(struct session *session, const struct driver *driver)
{
    struct scan scan;
    DWORD error;

    scan_init(&scan, is_driver, driver);
    scan.remove = TRUE;
    error = sets_each(scan_set, &scan);
    step_detail(session, L"%u removed", scan.found);
    return error;
}

DWORD filter_remove_misplaced(struct session *session, const struct driver *driver)
{
    struct scan scan;
    DWORD error;

    scan_init(&scan, is_misplaced, driver);
    scan.remove = TRUE;
    error = sets_each(scan_set, &scan);
    step_detail(session, L"%u removed", scan.found);
    return error;
}

/* Removes every entry that names a driver of ours which Windows could not load, in any class of any control set. */
DWORD filters_sweep(DWORD *removed)
{
    struct scan scan;
    DWORD error;

    scan_init(&scan, is_dangling, NULL);
    scan.remove = TRUE;
    error = sets_each(scan_set, &scan);
    *removed = scan.found;
    return error;
}

/* The list with one entry more; NULL without memory. old may be NULL. The caller frees it. */
static WCHAR *appended(const WCHAR *old, DWORD old_length, const WCHAR *entry, DWORD *length)
{
    DWORD at, size;
    WCHAR *list = (WCHAR *)HeapAlloc(GetProcessHeap(), 0, (old_length + text_length(entry) + 3) * sizeof(WCHAR));

    if (list == NULL)
        return NULL;
    *length = 0;
    for (at = 0; at < old_length; at += size) {
        size = text_length(old + at) + 1;
        if (size > 1) {
            memcpy(list + *length, old + at, size * sizeof(WCHAR));
            *length += size;
        }
    }
    size = text_length(entry) + 1;
    memcpy(list + *length, entry, size * sizeof(WCHAR));
    *length += size;
    list[*length] = 0;
    return list;
}

static BOOL lists(const WCHAR *list, DWORD length, const WCHAR *entry)
{
    DWORD at;

    for (at = 0; at < length; at += text_length(list + at) + 1)
        if (text_equal(list + at, entry))
            return TRUE;
    return FALSE;
}

static DWORD add_entry(struct session *session, HKEY key, const WCHAR *entry)
{
    DWORD type, length = 0, new_length, error;
    WCHAR *old = registry_read(key, UPPER_FILTERS, &type, &length);
    WCHAR *list;

    if (old == NULL && GetLastError() != ERROR_FILE_NOT_FOUND)
        return GetLastError();
    if (old && (type != REG_MULTI_SZ || lists(old, length, entry))) {
        error = type == REG_MULTI_SZ ? ERROR_SUCCESS : ERROR_INVALID_DATATYPE;
        step_detail(session, error ? L"UpperFilters is not a list" : L"it was there");
        registry_free(old);
        return error;
    }
    error = journal_mark(session, L"");
    list = appended(old, length, entry, &new_length);
    registry_free(old);
    if (!error)
        error = list ? write_list(key, UPPER_FILTERS, REG_MULTI_SZ, list, new_length) : ERROR_NOT_ENOUGH_MEMORY;
    registry_free(list);
    session->restart = TRUE;
    return error ? error : (DWORD)RegFlushKey(key);
}

/* Once the service and its file are known to be there, and on the disk. */
DWORD filter_add(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    HKEY key, set = set_open_current();
    DWORD error;
    BOOL known;

    if (set == NULL)
        return ERROR_REGISTRY_IO_FAILED;
    known = service_usable(set, driver->name) && service_image(set, driver->name, path, COUNT_OF(path));
    RegCloseKey(set);
    if (!known) {
        step_detail(session, L"the service or its file is missing");
        return ERROR_SERVICE_NOT_FOUND;
    }
    file_flush(path);
    error = RegOpenKeyExW(HKEY_LOCAL_MACHINE, SYSTEM_CLASS_KEY, 0, KEY_QUERY_VALUE | KEY_SET_VALUE, &key);
    if (error)
        return error;
    error = add_entry(session, key, driver->name);
    RegCloseKey(key);
    return error;
}

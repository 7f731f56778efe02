/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The drivers' services. Whether one could start is read from the registry, because what matters is the next start of
 * Windows, and because every control set has its own.
 */
#include "pvinstall.h"
#include <winsvc.h>

#define STOP_WAIT_MS 5000
#define GONE_WAIT_MS 1000
#define WAIT_STEP_MS 100

/* The file an ImagePath means (Windows Driver Kit, "INF AddService Directive": four spellings in use). */
static BOOL resolve(const WCHAR *image, const WCHAR *name, WCHAR *path, DWORD room)
{
    WCHAR windows[MAX_PATH];
    DWORD length = GetSystemWindowsDirectoryW(windows, MAX_PATH);

    if (length == 0 || length >= MAX_PATH)
        return FALSE;
    if (image[0] == 0)
        return text_format(path, room, L"%s\\system32\\drivers\\%s.sys", windows, name);
    if (text_starts(image, L"\\SystemRoot\\"))
        return text_format(path, room, L"%s\\%s", windows, image + 12);
    if (text_starts(image, L"\\??\\"))
        return text_copy(path, room, image + 4);
    if (image[0] == L'%') {
        length = ExpandEnvironmentStringsW(image, path, room);
        return length && length <= room;
    }
    if (image[0] != L'\\' && image[1] != L':')
        return text_format(path, room, L"%s\\%s", windows, image);
    return text_copy(path, room, image);
}

/* NULL when the control set has no such service. The key is the caller's. */
static HKEY open_service_key(HKEY control_set, const WCHAR *name)
{
    WCHAR path[MAX_PATH];
    HKEY key;

    if (!text_format(path, COUNT_OF(path), L"Services\\%s", name) ||
        RegOpenKeyExW(control_set, path, 0, KEY_QUERY_VALUE, &key))
        return NULL;
    return key;
}

/* The path of the service's file, there or not. FALSE when there is no such service. */
BOOL service_image(HKEY control_set, const WCHAR *name, WCHAR *path, DWORD room)
{
    HKEY key = open_service_key(control_set, name);
    DWORD type, length;
    WCHAR *image;
    BOOL found;

    if (key == NULL)
        return FALSE;
    image = registry_read(key, L"ImagePath", &type, &length);
    found = resolve(image ? image : L"", name, path, room);
    registry_free(image);
    RegCloseKey(key);
    return found;
}

/* A number of the service's; otherwise when there is no such number, or no such service. */
static DWORD service_number(HKEY control_set, const WCHAR *name, const WCHAR *value, DWORD otherwise)
{
    HKEY key = open_service_key(control_set, name);
    DWORD number, bytes = sizeof(number);

    if (key == NULL)
        return otherwise;
    if (RegQueryValueExW(key, value, NULL, NULL, (BYTE *)&number, &bytes) || bytes != sizeof(number))
        number = otherwise;
    RegCloseKey(key);
    return number;
}

static BOOL marked_for_deletion(HKEY control_set, const WCHAR *name)
{
    return service_number(control_set, name, L"DeleteFlag", 0) != 0;
}

/* Whether Windows, started from this control set, would find both the service and its file. */
BOOL service_usable(HKEY control_set, const WCHAR *name)
{
    WCHAR path[MAX_PATH];

    return service_image(control_set, name, path, COUNT_OF(path)) && file_exists(path) &&
           !marked_for_deletion(control_set, name);
}

/* Whether it is another product's, and there. What our predecessors have is ours to replace. */
BOOL service_foreign(HKEY control_set, const WCHAR *name)
{
    WCHAR path[MAX_PATH];

    return service_image(control_set, name, path, COUNT_OF(path)) && file_exists(path) && !file_is_ours(path) && !legacy_file(path);
}

BOOL service_usable_now(const struct driver *driver)
{
    HKEY set = set_open_current();
    BOOL usable = set && service_usable(set, driver->name);

    if (set)
        RegCloseKey(set);
    return usable;
}

DWORD service_check(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    HKEY set = set_open_current();
    DWORD error = ERROR_SUCCESS;

    if (set == NULL)
        return ERROR_REGISTRY_IO_FAILED;
    if (!service_image(set, driver->name, path, COUNT_OF(path)))
        error = journal_mark_new(session, driver);
    else if (marked_for_deletion(set, driver->name)) {
        step_detail(session, L"restart Windows first");
        error = ERROR_SERVICE_MARKED_FOR_DELETE;
    } else if (service_foreign(set, driver->name)) {
        step_detail(session, L"its file %s is another product's: remove that one first", path);
        error = ERROR_SERVICE_EXISTS;
    }
    RegCloseKey(set);
    return error;
}

static BOOL image_now(const struct driver *driver, WCHAR *path, DWORD room)
{
    HKEY set = set_open_current();
    BOOL found = set && service_image(set, driver->name, path, room);

    if (set)
        RegCloseKey(set);
    return found;
}

/* Ours by its file; when that has gone, by our record. */
static BOOL service_is_ours(const WCHAR *image)
{
    return file_exists(image) ? file_is_ours(image) : record_exists();
}

static BOOL starts_in(HKEY set, const struct driver *driver)
{
    WCHAR path[MAX_PATH];

    return service_image(set, driver->name, path, COUNT_OF(path)) && service_is_ours(path) &&
           service_number(set, driver->name, L"Start", SERVICE_DISABLED) != SERVICE_DISABLED;
}

static DWORD refuse_start(void *context, HKEY set, const WCHAR *set_name)
{
    (void)set_name;
    return starts_in(set, (const struct driver *)context) ? ERROR_BUSY : ERROR_SUCCESS;
}

/* Whether Windows would look for the driver's file, started from any control set; also when that cannot be told. */
BOOL service_starts(const struct driver *driver)
{
    return sets_each(refuse_start, (void *)driver) != ERROR_SUCCESS;
}

static DWORD disable(HKEY set, const struct driver *driver)
{
    DWORD error, start = SERVICE_DISABLED;
    WCHAR path[MAX_PATH];
    HKEY key;

    if (!text_format(path, COUNT_OF(path), L"Services\\%s", driver->name))
        return ERROR_FILENAME_EXCED_RANGE;
    error = RegOpenKeyExW(set, path, 0, KEY_SET_VALUE, &key);
    if (error)
        return error;
    error = RegSetValueExW(key, L"Start", 0, REG_DWORD, (const BYTE *)&start, sizeof(start));
    if (!error)
        error = RegFlushKey(key);
    RegCloseKey(key);
    return error;
}

static DWORD disable_ours(void *context, HKEY set, const WCHAR *set_name)
{
    const struct driver *driver = (const struct driver *)context;

    (void)set_name;
    return starts_in(set, driver) ? disable(set, driver) : ERROR_SUCCESS;
}

static DWORD disable_any(void *context, HKEY set, const WCHAR *set_name)
{
    const struct driver *driver = (const struct driver *)context;
    DWORD start = service_number(set, driver->name, L"Start", SERVICE_DISABLED);

    (void)set_name;
    return start != SERVICE_DISABLED ? disable(set, driver) : ERROR_SUCCESS;
}

/* Most drivers do not stop before Windows restarts. */
static void stop(SC_HANDLE service)
{
    SERVICE_STATUS status;
    DWORD waited;

    if (!ControlService(service, SERVICE_CONTROL_STOP, &status))
        return;
    for (waited = 0; waited < STOP_WAIT_MS && status.dwCurrentState != SERVICE_STOPPED; waited += WAIT_STEP_MS) {
        Sleep(WAIT_STEP_MS);
        if (!QueryServiceStatus(service, &status))
            return;
    }
}

static DWORD stop_and_delete(const WCHAR *name)
{
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service;
    DWORD error = ERROR_SUCCESS;

    if (manager == NULL)
        return GetLastError();
    service = OpenServiceW(manager, name, SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE);
    if (service == NULL)
        error = GetLastError();
    else {
        stop(service);
        if (!DeleteService(service))
            error = GetLastError();
        CloseServiceHandle(service);
    }
    CloseServiceHandle(manager);
    return error == ERROR_SERVICE_DOES_NOT_EXIST || error == ERROR_SERVICE_MARKED_FOR_DELETE ? ERROR_SUCCESS : error;
}

/* A service that runs, or that anybody holds a handle to, is only marked, and goes with the last of them. */
static BOOL gone_soon(const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    DWORD waited;

    for (waited = 0; image_now(driver, path, COUNT_OF(path)); waited += WAIT_STEP_MS) {
        if (waited >= GONE_WAIT_MS)
            return FALSE;
        Sleep(WAIT_STEP_MS);
    }
    return TRUE;
}

static DWORD delete_now_or_later(struct session *session, const struct driver *driver)
{
    DWORD error = stop_and_delete(driver->name);

    if (!error && !gone_soon(driver)) {
        session->restart = TRUE;
        step_detail(session, L"in use; goes at the next start");
    }
    return error;
}

/*
 * Disabled first, in all control sets: only the current one's is deleted, and that perhaps not before the next start.
 */
DWORD service_remove(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    BOOL there = image_now(driver, path, COUNT_OF(path));
    DWORD error = ERROR_SUCCESS, disable_error;

    if (there && !service_is_ours(path)) {
        step_detail(session, L"its file %s is another product's: it stays", path);
        return ERROR_SUCCESS;
    }
    if (!there && !service_starts(driver))
        return ERROR_SUCCESS;
    if (filter_names(driver) || boot_names(driver)) {
        step_detail(session, L"a class filter or a boot device still names it");
        return ERROR_BUSY;
    }
    disable_error = sets_each(disable_ours, (void *)driver);
    if (there)
        error = delete_now_or_later(session, driver);
    return error ? error : disable_error;
}

/* Whosever it is. */
DWORD service_delete(struct session *session, const struct driver *driver)
{
    DWORD disable_error = sets_each(disable_any, (void *)driver);
    DWORD error = delete_now_or_later(session, driver);

    return error ? error : disable_error;
}

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
#define CONTROL_SET L"SYSTEM\\CurrentControlSet"

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

static HKEY open_current_set(void)
{
    HKEY set;

    return RegOpenKeyExW(HKEY_LOCAL_MACHINE, CONTROL_SET, 0, KEY_READ, &set) ? NULL : set;
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

static BOOL marked_for_deletion(HKEY control_set, const WCHAR *name)
{
    HKEY key = open_service_key(control_set, name);
    DWORD flag = 0, bytes = sizeof(flag);

    if (key == NULL)
        return FALSE;
    RegQueryValueExW(key, L"DeleteFlag", NULL, NULL, (BYTE *)&flag, &bytes);
    RegCloseKey(key);
    return flag != 0;
}

/* Whether Windows, started from this control set, would find both the service and its file. */
BOOL service_usable(HKEY control_set, const WCHAR *name)
{
    WCHAR path[MAX_PATH];

    return service_image(control_set, name, path, COUNT_OF(path)) && file_exists(path) &&
           !marked_for_deletion(control_set, name);
}

BOOL service_usable_now(const struct driver *driver)
{
    HKEY set = open_current_set();
    BOOL usable = set && service_usable(set, driver->name);

    if (set)
        RegCloseKey(set);
    return usable;
}

DWORD service_check(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    HKEY set = open_current_set();
    DWORD error = ERROR_SUCCESS;

    if (set == NULL)
        return ERROR_REGISTRY_IO_FAILED;
    if (!service_image(set, driver->name, path, COUNT_OF(path)))
        error = journal_mark_new(session, driver);
    else if (marked_for_deletion(set, driver->name)) {
        step_detail(session, L"restart Windows first");
        error = ERROR_SERVICE_MARKED_FOR_DELETE;
    } else if (file_exists(path) && !file_is_ours(path)) {
        step_detail(session, L"its file %s is another product's: remove that one first", path);
        error = ERROR_SERVICE_EXISTS;
    }
    RegCloseKey(set);
    return error;
}

static BOOL image_now(const struct driver *driver, WCHAR *path, DWORD room)
{
    HKEY set = open_current_set();
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

DWORD service_remove(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    DWORD error;

    if (!image_now(driver, path, COUNT_OF(path)))
        return ERROR_SUCCESS;
    if (!service_is_ours(path)) {
        step_detail(session, L"its file %s is another product's: it stays", path);
        return ERROR_SUCCESS;
    }
    if (filter_names(driver)) {
        step_detail(session, L"a class filter entry still names it");
        return ERROR_BUSY;
    }
    error = stop_and_delete(driver->name);
    if (!error && !gone_soon(driver)) {
        session->restart = TRUE;
        step_detail(session, L"in use; goes at the next start");
    }
    return error;
}

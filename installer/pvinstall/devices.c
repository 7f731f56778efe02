/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Devices: giving those that are there our drivers, and taking them away. A machine without the Xen device is no
 * error: the staged INFs wait for it.
 */
#include "pvinstall.h"
#include <cfgmgr32.h>
#include <newdev.h>

#define PENDING_WAIT_MS 30000
#define BUS L"XEN\\"

#ifndef ERROR_NO_SUCH_DEVINST
#define ERROR_NO_SUCH_DEVINST 0xE000020BUL
#endif

/* Devices go when the bus driver's service does. */
DWORD devices_note(struct session *session, const struct driver *driver)
{
    WCHAR prior[MAX_PATH];

    (void)driver;
    if (!journal_get(STEP_SERVICE, &drivers[XENPCI], prior, COUNT_OF(prior)))
        return ERROR_SUCCESS;
    return journal_mark(session, L"");
}

static BOOL is_driver_name(const WCHAR *service)
{
    DWORD i;

    for (i = 0; i < DRIVER_COUNT; i++)
        if (text_equal(service, drivers[i].name))
            return TRUE;
    return FALSE;
}

static BOOL any_starts(const WCHAR *ids, const WCHAR *prefix)
{
    for (; *ids; ids += text_length(ids) + 1)
        if (text_starts(ids, prefix))
            return TRUE;
    return FALSE;
}

static BOOL property(HDEVINFO set, SP_DEVINFO_DATA *device, DWORD which, WCHAR *text, DWORD room)
{
    memset(text, 0, room * sizeof(WCHAR));
    return SetupDiGetDeviceRegistryPropertyW(set, device, which, NULL, (BYTE *)text, (room - 2) * sizeof(WCHAR), NULL);
}

/* With such a hardware identifier and our driver; a child of our bus may also have none yet. */
static BOOL is_ours(HDEVINFO set, SP_DEVINFO_DATA *device, const WCHAR *prefix)
{
    WCHAR ids[1024], service[64];

    if (!property(set, device, SPDRP_HARDWAREID, ids, COUNT_OF(ids)) || !any_starts(ids, prefix))
        return FALSE;
    if (!property(set, device, SPDRP_SERVICE, service, COUNT_OF(service)))
        return text_equal(prefix, BUS);
    return is_driver_name(service);
}

static DWORD remove_device(struct session *session, HDEVINFO set, SP_DEVINFO_DATA *device)
{
    SP_DEVINSTALL_PARAMS_W params;

    if (!SetupDiCallClassInstaller(DIF_REMOVE, set, device))
        return GetLastError();
    memset(&params, 0, sizeof(params));
    params.cbSize = sizeof(params);
    if (SetupDiGetDeviceInstallParamsW(set, device, &params) && (params.Flags & (DI_NEEDREBOOT | DI_NEEDRESTART)))
        session->restart = TRUE;
    return ERROR_SUCCESS;
}

/* Also those not plugged in now: their registry entries would outlive the driver. */
static DWORD remove_matching(struct session *session, const WCHAR *prefix, DWORD *count)
{
    HDEVINFO set = SetupDiGetClassDevsW(NULL, NULL, NULL, DIGCF_ALLCLASSES);
    SP_DEVINFO_DATA device;
    DWORD i, error, first_error = ERROR_SUCCESS;

    if (set == INVALID_HANDLE_VALUE)
        return GetLastError();
    device.cbSize = sizeof(device);
    for (i = 0; SetupDiEnumDeviceInfo(set, i, &device); i++) {
        if (!is_ours(set, &device, prefix))
            continue;
        error = remove_device(session, set, &device);
        if (!error)
            (*count)++;
        else if (!first_error)
            first_error = error;
    }
    SetupDiDestroyDeviceInfoList(set);
    return first_error;
}

DWORD devices_remove(struct session *session, const struct driver *driver)
{
    DWORD count = 0;
    DWORD error = remove_matching(session, BUS, &count);
    DWORD bus_error = remove_matching(session, drivers[XENPCI].hardware_ids[0], &count);

    (void)driver;
    step_detail(session, L"%u removed", count);
    return error ? error : bus_error;
}

/*
 * The children of a bus that has just started are being installed by Windows itself; two at once get in each other's
 * way.
 */
static void wait_for_pending_installs(void)
{
    typedef DWORD (WINAPI *wait_fn)(DWORD milliseconds);
    wait_fn wait = (wait_fn)(void *)GetProcAddress(GetModuleHandleW(L"setupapi.dll"), "CMP_WaitNoPendingInstallEvents");

    if (wait)
        wait(PENDING_WAIT_MS);
}

static BOOL update(const WCHAR *id, const WCHAR *inf, DWORD flags, BOOL *restart)
{
    if (UpdateDriverForPlugAndPlayDevicesW(NULL, id, inf, flags | INSTALLFLAG_NONINTERACTIVE, restart))
        return TRUE;
    return GetLastError() == ERROR_INVALID_FLAGS && UpdateDriverForPlugAndPlayDevicesW(NULL, id, inf, flags, restart);
}

/* Also over a newer driver of ours: the package that is being installed is the one the user wants. */
DWORD devices_bind(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    BOOL restart = FALSE;
    DWORD i, error, bound = 0;

    if (!package_path(session, driver, L".inf", path))
        return ERROR_FILENAME_EXCED_RANGE;
    for (i = 0; driver->hardware_ids[i]; i++) {
        wait_for_pending_installs();
        if (update(driver->hardware_ids[i], path, INSTALLFLAG_FORCE, &restart))
            bound++;
        else {
            error = GetLastError();
            if (error != ERROR_NO_SUCH_DEVINST && error != ERROR_NO_MORE_ITEMS)
                return error;
        }
        if (restart)
            session->restart = TRUE;
    }
    if (!bound)
        step_detail(session, L"no such device, or nothing better for it");
    return ERROR_SUCCESS;
}

/* So that the devices get back the drivers they had without us. */
DWORD devices_rescan(struct session *session, const struct driver *driver)
{
    DEVINST root;
    CONFIGRET result = CM_Locate_DevNodeW(&root, NULL, CM_LOCATE_DEVNODE_NORMAL);

    (void)driver;
    if (result == CR_SUCCESS)
        result = CM_Reenumerate_DevNode(root, 0);
    if (result != CR_SUCCESS)
        step_detail(session, L"not possible now (%x); the next start does it", (DWORD)result);
    return ERROR_SUCCESS;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the host can ask for, and the Windows call for each. Verbs and features: Xen, docs/misc/xenstore-paths,
 * ~/control/shutdown and ~/control/feature-*. "suspend" (save, migrate) is xenpci's own affair.
 */
#include "shutdownmon.h"
#include "verbs.h"
#include <powrprof.h>

#define REASON (SHTDN_REASON_MAJOR_OTHER | SHTDN_REASON_MINOR_OTHER | SHTDN_REASON_FLAG_PLANNED)
#define WINLOGON L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon"
#define RETRY_MS 5000
#define RETRIES 24

/*
 * The privilege is there for LocalSystem and administrators, but disabled. AdjustTokenPrivileges succeeds without it,
 * too; the call that needs it fails then, and is reported.
 */
static DWORD enable_privilege(void)
{
    TOKEN_PRIVILEGES privileges;
    DWORD error = ERROR_SUCCESS;
    HANDLE token;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token))
        return GetLastError();
    privileges.PrivilegeCount = 1;
    privileges.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    if (!LookupPrivilegeValueW(NULL, L"SeShutdownPrivilege", &privileges.Privileges[0].Luid) ||
        !AdjustTokenPrivileges(token, FALSE, &privileges, 0, NULL, NULL))
        error = GetLastError();
    CloseHandle(token);
    return error;
}

static DWORD initiate(BOOL restart)
{
    static WCHAR message[] = L"The Xen host has asked for this.";

    if (InitiateSystemShutdownExW(NULL, message, 0, TRUE, restart, REASON))
        return ERROR_SUCCESS;
    return GetLastError();
}

/* At once, whoever is logged on, whatever they have not saved. One that waits for its time gives way. */
static DWORD shut_down(BOOL restart)
{
    DWORD error = initiate(restart);

    if (error == ERROR_SHUTDOWN_IS_SCHEDULED && AbortSystemShutdownW(NULL))
        error = initiate(restart);
    return error == ERROR_SHUTDOWN_IN_PROGRESS ? ERROR_SUCCESS : error;
}

/* Windows 2000 stops with "it is now safe to turn off your computer" unless Winlogon has been told better. */
static void allow_power_off(void)
{
    static const WCHAR yes[] = L"1";
    HKEY key;

    if (LOBYTE(LOWORD(GetVersion())) > 5 || HIBYTE(LOWORD(GetVersion())) > 0)
        return;
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, WINLOGON, 0, KEY_SET_VALUE, &key) != ERROR_SUCCESS)
        return;
    RegSetValueExW(key, L"PowerdownAfterShutdown", 0, REG_SZ, (const BYTE *)yes, sizeof(yes));
    RegCloseKey(key);
}

static DWORD power_off(void)
{
    allow_power_off();
    return shut_down(FALSE);
}

static DWORD restart(void)
{
    return shut_down(TRUE);
}

/* Both return after the machine has woken up. */
static DWORD standby(void)
{
    return SetSystemPowerState(TRUE, TRUE) ? ERROR_SUCCESS : GetLastError();
}

static DWORD hibernate(void)
{
    return SetSystemPowerState(FALSE, TRUE) ? ERROR_SUCCESS : GetLastError();
}

static BOOL always(void)
{
    return TRUE;
}

static BOOL can_stand_by(void)
{
    SYSTEM_POWER_CAPABILITIES power;

    return GetPwrCapabilities(&power) && power.SystemS3;
}

static BOOL can_hibernate(void)
{
    SYSTEM_POWER_CAPABILITIES power;

    return GetPwrCapabilities(&power) && power.SystemS4 && power.HiberFilePresent;
}

static const struct verb verbs[] = {
    { "poweroff", L"power off", "control/feature-poweroff", always, power_off },
    { "halt", L"power off", "control/feature-halt", always, power_off },
    { "reboot", L"restart", "control/feature-reboot", always, restart },
    { "s3", L"stand by", "control/feature-s3", can_stand_by, standby },
    { "s4", L"hibernate", "control/feature-s4", can_hibernate, hibernate },
    { "hibernate", L"hibernate", NULL, can_hibernate, hibernate }
};

const struct verb *verb_find(const char *name)
{
    DWORD i;

    for (i = 0; i < COUNT_OF(verbs); i++)
        if (lstrcmpA(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

DWORD verbs_offer(struct store *store)
{
    DWORD i, error;

    for (i = 0; i < COUNT_OF(verbs); i++) {
        if (verbs[i].feature == NULL)
            continue;
        error = store_write(store, verbs[i].feature, verbs[i].possible() ? "1" : "0");
        if (error && !verb_refused(error))
            return error;
    }
    return ERROR_SUCCESS;
}

BOOL verb_refused(DWORD error)
{
    return error == ERROR_ACCESS_DENIED || error == ERROR_FILE_NOT_FOUND;
}

/* ERROR_NOT_READY: Windows is still starting and cannot shut down yet. */
DWORD verb_perform(const struct verb *verb, HANDLE stop)
{
    DWORD i, error = enable_privilege();

    if (error)
        return error;
    error = verb->perform();
    for (i = 0; i < RETRIES && error == ERROR_NOT_READY; i++) {
        if (WaitForSingleObject(stop, RETRY_MS) != WAIT_TIMEOUT)
            return ERROR_OPERATION_ABORTED;
        error = verb->perform();
    }
    return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * INFs: what the next boot takes is carried out here and now; those with devices are handed to Windows, which keeps
 * them as oemN.inf and carries them out when a device wants one.
 */
#include "pvinstall.h"

#ifndef SUOI_FORCEDELETE
#define SUOI_FORCEDELETE 1
#endif

/* Functions that Windows 2000 lacks. */
static FARPROC setupapi(const char *name)
{
    return GetProcAddress(GetModuleHandleW(L"setupapi.dll"), name);
}

/* An unattended run must fail where Windows would ask. */
void inf_never_ask(void)
{
    typedef BOOL (WINAPI *set_mode_fn)(BOOL non_interactive);
    set_mode_fn set_mode = (set_mode_fn)(void *)setupapi("SetupSetNonInteractiveMode");

    if (set_mode)
        set_mode(TRUE);
}

/*
 * The file queue's callback (SetupAPI, "Notification Codes"). It never asks: sources are beside the INF or the copy
 * fails. A target in use is replaced at the next start.
 */
static UINT CALLBACK queue_callback(void *context, UINT code, UINT_PTR param1, UINT_PTR param2)
{
    struct session *session = (struct session *)context;

    (void)param1;
    (void)param2;
    switch (code) {
    case SPFILENOTIFY_FILEOPDELAYED:
        session->restart = TRUE;
        return FILEOP_DOIT;
    case SPFILENOTIFY_COPYERROR:
    case SPFILENOTIFY_DELETEERROR:
    case SPFILENOTIFY_RENAMEERROR:
        return FILEOP_ABORT;
    default:
        return FILEOP_DOIT;
    }
}

static DWORD run_section(struct session *session, HINF inf, const WCHAR *section, const WCHAR *folder, UINT what)
{
    if (SetupInstallFromInfSectionW(NULL, inf, section, what, NULL, folder, 0, queue_callback, session, NULL, NULL))
        return ERROR_SUCCESS;
    return GetLastError();
}

static DWORD run_services(struct session *session, HINF inf, const WCHAR *section)
{
    WCHAR services[LINE_LEN];

    if (!text_format(services, COUNT_OF(services), L"%s.Services", section))
        return ERROR_FILENAME_EXCED_RANGE;
    SetLastError(ERROR_SUCCESS);
    if (!SetupInstallServicesFromInfSectionW(inf, services, 0))
        return GetLastError();
    if (GetLastError() == ERROR_SUCCESS_REBOOT_REQUIRED)
        session->restart = TRUE;
    return ERROR_SUCCESS;
}

/* The file first, on the disk before a service names it, and the service before a boot device's entry does. */
static DWORD carry_out(struct session *session, HINF inf, const struct driver *driver, const WCHAR *folder)
{
    WCHAR section[LINE_LEN], path[MAX_PATH];
    DWORD error;

    if (!SetupDiGetActualSectionToInstallW(inf, driver->boot_section, section, COUNT_OF(section), NULL, NULL))
        return GetLastError();
    error = run_section(session, inf, section, folder, SPINST_FILES);
    if (error)
        return error;
    if (!installed_path(driver, path))
        return ERROR_FILENAME_EXCED_RANGE;
    file_flush(path);
    error = run_services(session, inf, section);
    return error ? error : run_section(session, inf, section, folder, SPINST_REGISTRY);
}

DWORD inf_setup(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH], folder[MAX_PATH];
    HINF inf;
    DWORD error;

    if (!package_path(session, driver, L".inf", path) ||
        !text_format(folder, COUNT_OF(folder), L"%s\\%s", session->folder, driver->name))
        return ERROR_FILENAME_EXCED_RANGE;
    inf = SetupOpenInfFileW(path, NULL, INF_STYLE_WIN4, NULL);
    if (inf == INVALID_HANDLE_VALUE)
        return GetLastError();
    error = carry_out(session, inf, driver, folder);
    SetupCloseInfFile(inf);
    if (!error && (!service_usable_now(driver) || !boot_ready(driver))) {
        step_detail(session, L"the INF left no service with a file, or no entry for its boot device");
        error = ERROR_SERVICE_NOT_FOUND;
    }
    return error;
}

BOOL inf_path(const WCHAR *name, WCHAR *path)
{
    WCHAR windows[MAX_PATH];
    DWORD length = GetSystemWindowsDirectoryW(windows, MAX_PATH);

    return length && length < MAX_PATH && text_format(path, MAX_PATH, L"%s\\inf\\%s", windows, name);
}

/* Windows reuses the numbers of its oemN.inf: a recorded name alone proves nothing. */
static BOOL inf_is_ours(const WCHAR *path)
{
    HINF inf = SetupOpenInfFileW(path, NULL, INF_STYLE_WIN4, NULL);
    WCHAR provider[LINE_LEN];
    BOOL ours;

    if (inf == INVALID_HANDLE_VALUE)
        return FALSE;
    ours = SetupGetLineTextW(NULL, inf, L"Version", L"Provider", provider, COUNT_OF(provider), NULL) &&
           text_equal(provider, OWNER);
    SetupCloseInfFile(inf);
    return ours;
}

/* The compiled twin that Windows keeps beside an INF; Windows 2000 and Wine leave it behind. */
static void remove_compiled(const WCHAR *inf)
{
    WCHAR path[MAX_PATH];
    DWORD length = text_length(inf);

    if (length < 4 || !text_equal(inf + length - 4, L".inf") || file_exists(inf))
        return;
    text_copy(path, COUNT_OF(path), inf);
    text_copy(path + length - 4, 5, L".pnf");
    DeleteFileW(path);
}

/* Takes the INF that Windows keeps under name out of it, whosever it is. */
DWORD inf_delete(const WCHAR *name)
{
    typedef BOOL (WINAPI *uninstall_fn)(PCWSTR name, DWORD flags, void *reserved);
    uninstall_fn uninstall = (uninstall_fn)(void *)setupapi("SetupUninstallOEMInfW");
    WCHAR path[MAX_PATH];

    if (!inf_path(name, path))
        return ERROR_INVALID_NAME;
    if (!(uninstall ? uninstall(name, SUOI_FORCEDELETE, NULL) : DeleteFileW(path)))
        return GetLastError();
    remove_compiled(path);
    return ERROR_SUCCESS;
}

/* The same, if it is there and ours. */
static DWORD remove_inf(struct session *session, const WCHAR *name)
{
    WCHAR path[MAX_PATH];

    if (text_after_last(name, L'\\') != name || !inf_path(name, path))
        return ERROR_INVALID_NAME;
    if (!file_exists(path))
        return ERROR_SUCCESS;
    if (!inf_is_ours(path)) {
        step_detail(session, L"%s is another product's and stays", path);
        return ERROR_SUCCESS;
    }
    step_detail(session, L"%s", name);
    return inf_delete(name);
}

DWORD inf_stage(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH], folder[MAX_PATH], kept[MAX_PATH];
    const WCHAR *name;
    DWORD error;

    if (!package_path(session, driver, L".inf", path) ||
        !text_format(folder, COUNT_OF(folder), L"%s\\%s", session->folder, driver->name))
        return ERROR_FILENAME_EXCED_RANGE;
    record_get(driver, kept, COUNT_OF(kept));
    error = journal_mark(session, kept);
    if (error)
        return error;
    step_detail(session, L"%s", path);
    if (!SetupCopyOEMInfW(path, folder, SPOST_PATH, 0, kept, COUNT_OF(kept), NULL, NULL))
        return GetLastError();
    name = text_after_last(kept, L'\\');
    step_detail(session, L"%s", name);
    return record_set(driver, name);
}

/* Leaves the INF that was staged before this install, if there was one, as the one on record. */
DWORD inf_unstage(struct session *session, const struct driver *driver)
{
    WCHAR name[MAX_PATH];
    DWORD error;

    if (!record_get(driver, name, COUNT_OF(name)) || text_equal(name, session->prior))
        return ERROR_SUCCESS;
    error = remove_inf(session, name);
    return error ? error : record_set(driver, session->prior);
}

/*
 * Once all else has succeeded: the INF that this one replaced goes, and with it the way back. An old INF that will not
 * go harms nobody, so that does not fail an install.
 */
DWORD inf_retire(struct session *session, const struct driver *driver)
{
    WCHAR now[MAX_PATH], before[MAX_PATH], text[256];
    DWORD error;

    if (!journal_get(STEP_STAGE, driver, before, COUNT_OF(before)) || !before[0])
        return ERROR_SUCCESS;
    if (record_get(driver, now, COUNT_OF(now)) && !text_equal(now, before)) {
        error = remove_inf(session, before);
        if (error) {
            error_text(error, text, COUNT_OF(text));
            step_detail(session, L"%s stays: %x %s", before, error, text);
        }
    }
    journal_drop(STEP_STAGE, driver);
    return ERROR_SUCCESS;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registering the service and removing it. Both may be repeated: registering again repairs, removing nothing is done.
 */
#include "shutdownmon.h"
#include <winsvc.h>

#define WAIT_MS 30000
#define STEP_MS 100
#define DAY_S 86400

static DWORD fail(DWORD exit_code, const WCHAR *what, DWORD error)
{
    WCHAR text[256];

    error_text(error, text, COUNT_OF(text));
    log_line(L"shutdownmon: %s: error %u: %s", what, error, text);
    return exit_code;
}

static SC_HANDLE open_manager(void)
{
    return OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE);
}

/* Waits until the service has settled in state. Returns a Windows error code. */
static DWORD wait_for(SC_HANDLE service, DWORD state)
{
    SERVICE_STATUS status;
    DWORD waited;

    for (waited = 0; waited <= WAIT_MS; waited += STEP_MS) {
        if (!QueryServiceStatus(service, &status))
            return GetLastError();
        if (status.dwCurrentState == state)
            return ERROR_SUCCESS;
        if (status.dwCurrentState == SERVICE_STOPPED)
            return status.dwWin32ExitCode ? status.dwWin32ExitCode : ERROR_SERVICE_NOT_ACTIVE;
        Sleep(STEP_MS);
    }
    return ERROR_SERVICE_REQUEST_TIMEOUT;
}

/* What CreateService cannot say: the description, and a restart 5, 30 and then 60 seconds after a crash. */
static DWORD describe(SC_HANDLE service)
{
    static WCHAR text[] = SERVICE_DESCRIPTION_TEXT;
    static SC_ACTION actions[] = {
        { SC_ACTION_RESTART, 5000 },
        { SC_ACTION_RESTART, 30000 },
        { SC_ACTION_RESTART, 60000 }
    };
    SERVICE_DESCRIPTIONW description;
    SERVICE_FAILURE_ACTIONSW failure;

    description.lpDescription = text;
    failure.dwResetPeriod = DAY_S;
    failure.lpRebootMsg = NULL;
    failure.lpCommand = NULL;
    failure.cActions = COUNT_OF(actions);
    failure.lpsaActions = actions;
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION, &description) ||
        !ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS, &failure))
        return GetLastError();
    return ERROR_SUCCESS;
}

DWORD service_describe_self(void)
{
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service;
    DWORD error;

    if (manager == NULL)
        return GetLastError();
    service = OpenServiceW(manager, SERVICE_NAME, SERVICE_CHANGE_CONFIG | SERVICE_START);
    error = service ? describe(service) : GetLastError();
    if (service)
        CloseServiceHandle(service);
    CloseServiceHandle(manager);
    return error;
}

/*
 * Creates the service, or points the existing one at this program. The handle is the caller's; NULL with GetLastError.
 */
static SC_HANDLE create_or_change(SC_HANDLE manager, const WCHAR *command, BOOL *created)
{
    SC_HANDLE service = CreateServiceW(manager, SERVICE_NAME, SERVICE_TITLE, SERVICE_ALL_ACCESS,
                                       SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, command,
                                       NULL, NULL, NULL, NULL, NULL);
    DWORD error;

    *created = service != NULL;
    if (service || GetLastError() != ERROR_SERVICE_EXISTS)
        return service;
    service = OpenServiceW(manager, SERVICE_NAME, SERVICE_ALL_ACCESS);
    if (service && !ChangeServiceConfigW(service, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL,
                                         command, NULL, NULL, NULL, NULL, NULL, SERVICE_TITLE)) {
        error = GetLastError();
        CloseServiceHandle(service);
        SetLastError(error);
        service = NULL;
    }
    return service;
}

static DWORD start(SC_HANDLE service)
{
    DWORD error;

    if (!StartServiceW(service, 0, NULL) && GetLastError() != ERROR_SERVICE_ALREADY_RUNNING)
        return fail(EXIT_NOT_STARTED, L"registered, but it could not be started", GetLastError());
    error = wait_for(service, SERVICE_RUNNING);
    if (error)
        return fail(EXIT_NOT_STARTED, L"registered, but it did not stay up", error);
    log_line(L"shutdownmon: registered and started");
    return EXIT_DONE;
}

DWORD service_install(void)
{
    WCHAR program[MAX_PATH], command[MAX_PATH + 2];
    SC_HANDLE manager, service;
    BOOL created;
    DWORD error, length, code = EXIT_NOT_REGISTERED;

    length = GetModuleFileNameW(NULL, program, MAX_PATH);
    if (length == 0 || length >= MAX_PATH || !text_format(command, COUNT_OF(command), L"\"%s\"", program))
        return fail(code, L"the path of this program is too long", ERROR_FILENAME_EXCED_RANGE);
    manager = open_manager();
    if (manager == NULL)
        return fail(EXIT_NO_MANAGER, L"the service manager does not let us in; administrators only", GetLastError());
    service = create_or_change(manager, command, &created);
    if (service == NULL) {
        fail(code, L"the service could not be registered", GetLastError());
        goto close_manager;
    }
    error = describe(service);
    if (!error)
        error = event_source_add(program);
    if (!error) {
        code = start(service);
        goto close_service;
    }
    fail(code, L"the service could not be described", error);
    if (created) {
        event_source_remove();
        DeleteService(service);
    }
close_service:
    CloseServiceHandle(service);
close_manager:
    CloseServiceHandle(manager);
    return code;
}

static DWORD stop_and_delete(SC_HANDLE service)
{
    SERVICE_STATUS status;
    DWORD error;

    if (ControlService(service, SERVICE_CONTROL_STOP, &status))
        error = wait_for(service, SERVICE_STOPPED);
    else
        error = GetLastError() == ERROR_SERVICE_NOT_ACTIVE ? ERROR_SUCCESS : GetLastError();
    if (error)
        return fail(EXIT_NOT_STOPPED, L"the service did not stop and stays registered", error);
    if (!DeleteService(service) && GetLastError() != ERROR_SERVICE_MARKED_FOR_DELETE)
        return fail(EXIT_NOT_REMOVED, L"the service could not be removed", GetLastError());
    error = event_source_remove();
    if (error)
        return fail(EXIT_NOT_REMOVED, L"removed, but its event source is still there", error);
    log_line(L"shutdownmon: removed");
    return EXIT_DONE;
}

DWORD service_remove(void)
{
    SC_HANDLE manager = open_manager();
    SC_HANDLE service;
    DWORD code = EXIT_DONE;

    if (manager == NULL)
        return fail(EXIT_NO_MANAGER, L"the service manager does not let us in; administrators only", GetLastError());
    service = OpenServiceW(manager, SERVICE_NAME, SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE);
    if (service) {
        code = stop_and_delete(service);
        CloseServiceHandle(service);
    } else if (GetLastError() == ERROR_SERVICE_DOES_NOT_EXIST)
        log_line(L"shutdownmon: it was not registered");
    else
        code = fail(EXIT_NOT_REMOVED, L"the service could not be opened", GetLastError());
    CloseServiceHandle(manager);
    return code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The service itself: its state as the service control manager sees it.
 *
 * Two threads meet here: the manager's (control) and the service's (service_main). The state is under lock, changed by
 * set_state alone, and never leaves SERVICE_STOPPED. The stop event is the only other thing they share.
 */
#include "shutdownmon.h"

#define STOP_HINT_MS 5000

static CRITICAL_SECTION lock;
static SERVICE_STATUS_HANDLE manager;
static SERVICE_STATUS status;
static HANDLE stop;

/* Reports the state to the manager; error is what SERVICE_STOPPED leaves behind. In a console there is no manager. */
static void set_state(DWORD state, DWORD error)
{
    EnterCriticalSection(&lock);
    if (manager && status.dwCurrentState != SERVICE_STOPPED) {
        status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
        status.dwCurrentState = state;
        status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN : 0;
        status.dwWin32ExitCode = error;
        status.dwWaitHint = state == SERVICE_STOP_PENDING ? STOP_HINT_MS : 0;
        SetServiceStatus(manager, &status);
    }
    LeaveCriticalSection(&lock);
}

static void ask_to_stop(void)
{
    set_state(SERVICE_STOP_PENDING, ERROR_SUCCESS);
    SetEvent(stop);
}

static DWORD WINAPI control(DWORD code, DWORD type, void *data, void *context)
{
    (void)type;
    (void)data;
    (void)context;
    switch (code) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN:
        ask_to_stop();
        return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
        return NO_ERROR;
    default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

static BOOL WINAPI console_control(DWORD type)
{
    (void)type;
    ask_to_stop();
    return TRUE;
}

static void WINAPI service_main(DWORD argc, WCHAR **argv)
{
    DWORD error;

    (void)argc;
    (void)argv;
    manager = RegisterServiceCtrlHandlerExW(SERVICE_NAME, control, NULL);
    if (manager == NULL) {
        event_report(EVENTLOG_ERROR_TYPE, EVENT_FAILED, L"No control handler: error %u.", GetLastError());
        return;
    }
    set_state(SERVICE_RUNNING, ERROR_SUCCESS);
    error = service_describe_self();
    if (error)
        event_report(EVENTLOG_WARNING_TYPE, EVENT_FAILED, L"No restart after a crash: error %u.", error);
    monitor_run(stop);
    set_state(SERVICE_STOPPED, ERROR_SUCCESS);
}

static DWORD prepare(void)
{
    InitializeCriticalSection(&lock);
    status.dwCurrentState = SERVICE_START_PENDING;
    stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    return stop ? ERROR_SUCCESS : GetLastError();
}

/*
 * EXIT_USAGE when no service control manager is waiting for us: a person typed the name without an option. Windows
 * then says so; Wine returns success without having called service_main.
 */
DWORD service_run(void)
{
    static WCHAR name[] = SERVICE_NAME;
    static const SERVICE_TABLE_ENTRYW table[] = { { name, service_main }, { NULL, NULL } };
    DWORD error = prepare();

    if (!error && !StartServiceCtrlDispatcherW(table))
        error = GetLastError();
    if (error == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT || (!error && manager == NULL))
        return EXIT_USAGE;
    if (error)
        event_report(EVENTLOG_ERROR_TYPE, EVENT_FAILED, L"The service could not run: error %u.", error);
    return error ? EXIT_NOT_RUN : EXIT_DONE;
}

DWORD console_run(void)
{
    event_to_console();
    if (prepare() || !SetConsoleCtrlHandler(console_control, TRUE)) {
        event_report(EVENTLOG_ERROR_TYPE, EVENT_FAILED, L"Could not run in this console: error %u.", GetLastError());
        return EXIT_NOT_RUN;
    }
    monitor_run(stop);
    return EXIT_DONE;
}

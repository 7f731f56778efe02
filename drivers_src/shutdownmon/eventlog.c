/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reports: to the Application event log, or to the console when run with -d. The message texts are in our own
 * resources.
 */
#include "shutdownmon.h"

#define SOURCE_KEY L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" SERVICE_NAME
#define TYPES_SUPPORTED (EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE)

static BOOL console;

/* Tells the event viewer that our messages are in program (a full path). Returns a Windows error code. */
DWORD event_source_add(const WCHAR *program)
{
    HKEY key;
    DWORD types = TYPES_SUPPORTED;
    DWORD error = RegCreateKeyExW(HKEY_LOCAL_MACHINE, SOURCE_KEY, 0, NULL, 0, KEY_SET_VALUE, NULL, &key, NULL);

    if (error)
        return error;
    error = RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ, (const BYTE *)program,
                           (text_length(program) + 1) * sizeof(WCHAR));
    if (!error)
        error = RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD, (const BYTE *)&types, sizeof(types));
    RegCloseKey(key);
    return error;
}

DWORD event_source_remove(void)
{
    DWORD error = RegDeleteKeyW(HKEY_LOCAL_MACHINE, SOURCE_KEY);

    return error == ERROR_FILE_NOT_FOUND ? ERROR_SUCCESS : error;
}

void event_to_console(void)
{
    console = TRUE;
}

/* Reports one event; its text is formatted as text_format does. */
void event_report(WORD type, DWORD event, const WCHAR *format, ...)
{
    WCHAR text[512];
    const WCHAR *insert = text;
    HANDLE source;
    va_list list;

    va_start(list, format);
    text_format_list(text, COUNT_OF(text), format, list);
    va_end(list);
    if (console) {
        log_line(L"%s", text);
        return;
    }
    source = RegisterEventSourceW(NULL, SERVICE_NAME);
    if (source == NULL)
        return;
    ReportEventW(source, type, 0, event, NULL, 1, 0, &insert, NULL);
    DeregisterEventSource(source);
}

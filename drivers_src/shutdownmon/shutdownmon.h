/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * shutdownmon: the service through which the host asks Windows to shut down, restart or suspend.
 */
#ifndef SHUTDOWNMON_H
#define SHUTDOWNMON_H

#include "events.h"

#define SERVICE_NAME L"shutdownmon"
#define SERVICE_TITLE L"Xen shutdown monitor"
#define SERVICE_DESCRIPTION_TEXT L"Shuts down, restarts or suspends Windows when the Xen host asks for it."

/* The device through which xenpci lets a user-mode program read and write the store. */
#define XENPCI_DEVICE L"\\\\.\\XenPci"

/* Exit codes; the README's table says the same. */
#define EXIT_DONE 0
#define EXIT_USAGE 1
#define EXIT_NO_MANAGER 2
#define EXIT_NOT_REGISTERED 3
#define EXIT_NOT_STARTED 4
#define EXIT_NOT_STOPPED 5
#define EXIT_NOT_REMOVED 6
#define EXIT_NOT_RUN 7

#ifndef RC_INVOKED
#include "user.h"

/* install.c: each returns an exit code and logs what it did. */
DWORD service_install(void);
DWORD service_remove(void);

/*
 * For the running service: what an installer may have left out, such as Windows Installer before 5.0 the restarts after
 * a crash. Returns a Windows error code.
 */
DWORD service_describe_self(void);

/* service.c: each runs until told to stop, and returns an exit code. */
DWORD service_run(void);
DWORD console_run(void);

/* monitor.c: returns when the stop event is set. */
void monitor_run(HANDLE stop);

/* eventlog.c: each returns a Windows error code, or reports as far as it can. */
DWORD event_source_add(const WCHAR *program);
DWORD event_source_remove(void);
void event_to_console(void);
void event_report(WORD type, DWORD event, const WCHAR *format, ...);
#endif

#endif

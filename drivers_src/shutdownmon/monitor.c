/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The work of the service: it waits for xenpci's device, and there for what the host asks.
 *
 * The device goes when xenpci is restarted or replaced, and comes back. The store's watch fires once at the start and
 * after every resume of the domain, whose store is then another one: so each time all is offered again.
 */
#include "shutdownmon.h"
#include "verbs.h"

#define REQUEST "control/shutdown"
#define REQUEST_ROOM 32
#define XENPCI_VERB "suspend"

#define POLL_SOON_MS 1000
#define POLL_LATE_MS 60000

/* The request that could not be acknowledged, so that it is not obeyed each time anew; empty: none. */
static char standing[REQUEST_ROOM];

/* What opening the device has last come to. */
static DWORD opened = ERROR_FILE_NOT_FOUND;

/* An empty request is an acknowledged one. Only an error that ends the use of the store is returned. */
static DWORD acknowledge(struct store *store, const char *request)
{
    DWORD error = store_write(store, REQUEST, "");

    standing[0] = 0;
    if (error && verb_refused(error)) {
        lstrcpyA(standing, request);
        event_report(EVENTLOG_WARNING_TYPE, EVENT_FAILED, L"The host's request cannot be acknowledged: error %u.", error);
        return ERROR_SUCCESS;
    }
    return error;
}

/* The acknowledgement comes first: after it there may be no time for one. */
static DWORD obey(struct store *store, const char *request)
{
    const struct verb *verb = verb_find(request);
    DWORD error, lost;

    if (verb == NULL) {
        event_report(EVENTLOG_WARNING_TYPE, EVENT_REFUSED, L"The host asks for something unknown; it is ignored.");
        return acknowledge(store, request);
    }
    event_report(EVENTLOG_INFORMATION_TYPE, EVENT_REQUEST, L"The host asks Windows to %s.", verb->description);
    lost = acknowledge(store, request);
    error = verb_perform(verb, store->stop);
    if (error && error != ERROR_OPERATION_ABORTED)
        event_report(EVENTLOG_ERROR_TYPE, EVENT_FAILED, L"Windows did not %s: error %u.", verb->description, error);
    return lost;
}

/* Looks what is asked. A request is a short word; whatever is longer is none that we know. */
static DWORD look(struct store *store)
{
    static char request[XENPCI_USER_VALUE_SIZE]; /* more than a stack page */
    DWORD error = store_read(store, REQUEST, request, sizeof(request));

    if (error)
        return verb_refused(error) ? ERROR_SUCCESS : error;
    request[REQUEST_ROOM - 1] = 0;
    if (lstrcmpA(request, standing) == 0 || lstrcmpA(request, XENPCI_VERB) == 0)
        return ERROR_SUCCESS;
    return obey(store, request);
}

/* Until the stop, or until the device goes. */
static DWORD serve(struct store *store)
{
    DWORD error = store_watch(store, REQUEST);

    while (!error) {
        error = store_wait(store);
        if (!error)
            error = verbs_offer(store);
        if (!error)
            error = look(store);
    }
    return error;
}

/* Once for each change. A device that is not there is nothing to worry about; one that does not let us in is. */
static void report_device(DWORD error)
{
    if (error == opened)
        return;
    opened = error;
    if (error == ERROR_SUCCESS)
        event_report(EVENTLOG_INFORMATION_TYPE, EVENT_DEVICE, L"%s is there.", XENPCI_DEVICE);
    else if (error != ERROR_FILE_NOT_FOUND)
        event_report(EVENTLOG_WARNING_TYPE, EVENT_FAILED, L"%s cannot be opened: error %u.", XENPCI_DEVICE, error);
}

static DWORD visit(HANDLE stop)
{
    struct store store;
    DWORD error = store_open(&store, stop);

    report_device(error);
    if (error)
        return error;
    error = serve(&store);
    store_close(&store);
    opened = ERROR_FILE_NOT_FOUND;
    if (WaitForSingleObject(stop, 0) == WAIT_TIMEOUT)
        event_report(EVENTLOG_INFORMATION_TYPE, EVENT_DEVICE, L"%s went away: error %u.", XENPCI_DEVICE, error);
    return ERROR_SUCCESS;
}

void monitor_run(HANDLE stop)
{
    DWORD wait = 0;

    event_report(EVENTLOG_INFORMATION_TYPE, EVENT_STARTED, L"Running; waiting for %s.", XENPCI_DEVICE);
    while (WaitForSingleObject(stop, wait) == WAIT_TIMEOUT) {
        if (visit(stop) == ERROR_SUCCESS || wait == 0)
            wait = POLL_SOON_MS;
        else if (wait < POLL_LATE_MS)
            wait *= 2;
    }
    event_report(EVENTLOG_INFORMATION_TYPE, EVENT_STOPPED, L"Stopped.");
}

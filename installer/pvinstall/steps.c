/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What installing consists of, and the engine that runs it forwards and backwards.
 *
 * The order is a matter of life and death: a class filter whose driver is missing keeps Windows from booting, and so
 * does a boot disk that is hidden without a driver for what replaces it. So a driver's file comes before its service,
 * that before the entries for its boot devices, and the filter entry that hides last of all; they go the other way, and
 * the rows that remove service and file refuse to while an entry still names them.
 */
#include "pvinstall.h"

const struct driver drivers[DRIVER_COUNT] = {
    { L"xenhide", L"DefaultInstall", { NULL } },
    { L"xenvbd", L"XenVbd_Boot", { L"XEN\\vbd", NULL } },
    { L"xennet", NULL, { L"XEN\\vif", NULL } },
    { L"xenstub", NULL, { L"XEN\\console", L"XEN\\vfb", L"XEN\\vkbd", NULL } },
    { L"xenpci", L"XenPci_Boot", { L"PCI\\VEN_5853&DEV_0001", NULL } }
};

void step_detail(struct session *session, const WCHAR *format, ...)
{
    va_list list;

    va_start(list, format);
    text_format_list(session->detail, COUNT_OF(session->detail), format, list);
    va_end(list);
}

static DWORD nothing(struct session *session, const struct driver *driver)
{
    (void)session;
    (void)driver;
    return ERROR_SUCCESS;
}

static DWORD rescan_note(struct session *session, const struct driver *driver)
{
    (void)driver;
    return journal_mark_new(session, &drivers[XENPCI]);
}

/*
 * A row's check, where undoing has more to do than applying did: "file", "service" and "boot" only note on the way in
 * what was not there before, because it is INFs that create them, here or when Windows installs one. Devices are
 * rescanned after all INFs have gone, or Windows would find them again.
 */
static const struct step steps[] = {
    { EXIT_PACKAGE, L"package", package_check, nothing, NULL },
    { EXIT_RECORD, L"record", record_create, record_delete, NULL },
    { EXIT_TRUST, L"trust root", trust_add_root, trust_remove_root, NULL },
    { EXIT_TRUST, L"trust publisher", trust_add_publisher, trust_remove_publisher, NULL },
    { EXIT_DEVICE, L"rescan", rescan_note, devices_rescan, NULL },
    { EXIT_FILE, L"file", file_check, file_remove, &drivers[XENHIDE] },
    { EXIT_FILE, L"file", file_check, file_remove, &drivers[XENVBD] },
    { EXIT_FILE, L"file", file_check, file_remove, &drivers[XENNET] },
    { EXIT_FILE, L"file", file_check, file_remove, &drivers[XENSTUB] },
    { EXIT_FILE, L"file", file_check, file_remove, &drivers[XENPCI] },
    { EXIT_SERVICE, STEP_SERVICE, service_check, service_remove, &drivers[XENHIDE] },
    { EXIT_SERVICE, STEP_SERVICE, service_check, service_remove, &drivers[XENVBD] },
    { EXIT_SERVICE, STEP_SERVICE, service_check, service_remove, &drivers[XENNET] },
    { EXIT_SERVICE, STEP_SERVICE, service_check, service_remove, &drivers[XENSTUB] },
    { EXIT_SERVICE, STEP_SERVICE, service_check, service_remove, &drivers[XENPCI] },
    { EXIT_BOOT, L"boot", boot_check, boot_remove, &drivers[XENVBD] },
    { EXIT_BOOT, L"boot", boot_check, boot_remove, &drivers[XENPCI] },
    { EXIT_SETUP, L"setup", inf_setup, nothing, &drivers[XENHIDE] },
    { EXIT_SETUP, L"setup", inf_setup, nothing, &drivers[XENVBD] },
    { EXIT_SETUP, L"setup", inf_setup, nothing, &drivers[XENPCI] },
    { EXIT_STAGE, STEP_STAGE, inf_stage, inf_unstage, &drivers[XENVBD] },
    { EXIT_STAGE, STEP_STAGE, inf_stage, inf_unstage, &drivers[XENNET] },
    { EXIT_STAGE, STEP_STAGE, inf_stage, inf_unstage, &drivers[XENSTUB] },
    { EXIT_STAGE, STEP_STAGE, inf_stage, inf_unstage, &drivers[XENPCI] },
    { EXIT_DEVICE, L"devices", devices_note, devices_remove, NULL },
    { EXIT_DEVICE, L"bind", devices_bind, nothing, &drivers[XENPCI] },
    { EXIT_DEVICE, L"bind", devices_bind, nothing, &drivers[XENVBD] },
    { EXIT_DEVICE, L"bind", devices_bind, nothing, &drivers[XENNET] },
    { EXIT_DEVICE, L"bind", devices_bind, nothing, &drivers[XENSTUB] },
    { EXIT_FILTER, L"filter", filter_add, filter_remove, &drivers[XENHIDE] },
    { EXIT_STAGE, L"retire", inf_retire, nothing, &drivers[XENVBD] },
    { EXIT_STAGE, L"retire", inf_retire, nothing, &drivers[XENNET] },
    { EXIT_STAGE, L"retire", inf_retire, nothing, &drivers[XENSTUB] },
    { EXIT_STAGE, L"retire", inf_retire, nothing, &drivers[XENPCI] },
    { EXIT_FILTER, L"old filters", legacy_filters, nothing, NULL },
    { EXIT_FILE, L"old", legacy_replace, nothing, &drivers[XENNET] },
    { EXIT_FILE, L"old", legacy_replace, nothing, &drivers[XENSTUB] },
    { EXIT_SERVICE, L"old", legacy_remove, nothing, &legacy_drivers[0] },
    { EXIT_SERVICE, L"old", legacy_remove, nothing, &legacy_drivers[1] },
    { EXIT_STAGE, L"old INFs", legacy_retire_infs, nothing, NULL },
    { EXIT_RECORD, L"old entry", legacy_hide_entry, nothing, NULL }
};

static void log_result(const struct session *session, const WCHAR *direction, DWORD error)
{
    const struct step *step = session->step;
    WCHAR text[256], title[40];

    text_format(title, COUNT_OF(title), L"%s%s%s", step->name, step->driver ? L" " : L"",
                step->driver ? step->driver->name : L"");
    if (error)
        error_text(error, text, COUNT_OF(text));
    else
        text_copy(text, COUNT_OF(text), L"done");
    log_line(L"%12s%6s%18s%x %s%s%s", session->verb, direction, title, error, text, session->detail[0] ? L": " : L"",
             session->detail);
}

static DWORD run(struct session *session, const struct step *step, BOOL undo)
{
    DWORD error;

    session->step = step;
    session->detail[0] = 0;
    error = undo ? step->undo(session, step->driver) : step->apply(session, step->driver);
    log_result(session, undo ? L"undo" : L"do", error);
    return error;
}

/*
 * Undoes the rows from the last to the first: all of them, or those in the journal. One that fails does not stop the
 * others. Returns the exit code of the first that failed.
 */
static DWORD unwind(struct session *session, BOOL all)
{
    DWORD i, code = EXIT_DONE;

    for (i = COUNT_OF(steps); i-- > 0;) {
        if (steps[i].undo == nothing)
            continue;
        session->prior[0] = 0;
        if (!all && !journal_get(steps[i].name, steps[i].driver, session->prior, COUNT_OF(session->prior)))
            continue;
        if (run(session, &steps[i], TRUE)) {
            session->failed = TRUE;
            if (code == EXIT_DONE)
                code = steps[i].exit_code;
        } else if (!all)
            journal_drop(steps[i].name, steps[i].driver);
    }
    return code;
}

/* FALSE when entries whose driver is missing may be left. */
static BOOL sweep(const struct session *session, const WCHAR *what, DWORD (*run_sweep)(DWORD *removed))
{
    DWORD removed = 0;
    DWORD error = run_sweep(&removed);
    WCHAR text[256];

    if (error) {
        error_text(error, text, COUNT_OF(text));
        log_line(L"%12s%s entries without their driver may remain: do not restart: %x %s", session->verb, what, error,
                 text);
        return FALSE;
    }
    log_line(L"%12s%s entries without their driver: %u found, none left", session->verb, what, removed);
    return TRUE;
}

/* The end of every verb, whatever came before. */
static DWORD finish(struct session *session, DWORD code)
{
    BOOL filters_clean = sweep(session, L"class filter", filters_sweep);
    BOOL boot_clean = sweep(session, L"boot device", boot_sweep);

    if (!filters_clean || !boot_clean)
        return EXIT_DANGLING;
    return code == EXIT_DONE && session->restart ? EXIT_RESTART : code;
}

DWORD verb_install(struct session *session)
{
    DWORD i;

    journal_begin();
    for (i = 0; i < COUNT_OF(steps); i++) {
        if (run(session, &steps[i], FALSE) == ERROR_SUCCESS)
            continue;
        unwind(session, FALSE);
        return finish(session, steps[i].exit_code);
    }
    journal_complete();
    return finish(session, EXIT_DONE);
}

DWORD verb_uninstall(struct session *session)
{
    return finish(session, unwind(session, TRUE));
}

DWORD verb_rollback(struct session *session)
{
    return finish(session, unwind(session, FALSE));
}

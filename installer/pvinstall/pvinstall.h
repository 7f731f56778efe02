/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pvinstall: puts the Xen drivers into Windows and takes them out again.
 *
 * Everything it changes is a row of one table (steps.c). Installing applies the rows from top to bottom; uninstalling
 * undoes all of them from bottom to top; rolling back undoes those that the journal (record.c) says the last install
 * changed. Functions that return DWORD return a Windows error code.
 */
#ifndef PVINSTALL_H
#define PVINSTALL_H

#include "user.h"
#include <setupapi.h>

/* Exit codes; the README's table says the same. */
#define EXIT_DONE 0
#define EXIT_USAGE 1
#define EXIT_ARCHITECTURE 2
#define EXIT_PACKAGE 3
#define EXIT_RECORD 4
#define EXIT_FILE 5
#define EXIT_SERVICE 6
#define EXIT_SETUP 7
#define EXIT_STAGE 8
#define EXIT_DEVICE 9
#define EXIT_FILTER 10
#define EXIT_DANGLING 11
#define EXIT_BOOT 12
#define EXIT_TRUST 13
#define EXIT_RESTART ERROR_SUCCESS_REBOOT_REQUIRED

/* Whose files these are: CompanyName in a driver's version resource, Provider in its INF. */
#define OWNER L"GPLPV project"

/*
 * A driver's name is that of its folder, its INF, its service and its .sys file. Those that a boot takes have a section
 * in their INF to be carried out at once; the devices of these are boot devices.
 */
struct driver {
    const WCHAR *name;
    const WCHAR *boot_section;
    const WCHAR *hardware_ids[4];
};

enum { XENHIDE, XENVBD, XENNET, XENSTUB, XENPCI, DRIVER_COUNT };

extern const struct driver drivers[DRIVER_COUNT];

#define LEGACY_COUNT 2
extern const struct driver legacy_drivers[LEGACY_COUNT];

struct session;

/* The names of steps that others look up in the journal. */
#define STEP_SERVICE L"service"
#define STEP_STAGE L"stage"

struct step {
    DWORD exit_code;
    const WCHAR *name;
    DWORD (*apply)(struct session *session, const struct driver *driver);
    DWORD (*undo)(struct session *session, const struct driver *driver);
    const struct driver *driver;
};

/* One run; trust is NULL without consent. A step says in detail what the error code cannot, and finds in prior what the journal kept for its undo. */
struct session {
    WCHAR folder[MAX_PATH];
    const WCHAR *trust;
    const WCHAR *verb;
    const struct step *step;
    WCHAR prior[MAX_PATH];
    WCHAR detail[MAX_PATH * 2];
    BOOL restart;
    BOOL failed;
};

/* steps.c: what the current step adds to its line in the log; and the verbs, each of which returns an exit code. */
void step_detail(struct session *session, const WCHAR *format, ...);
DWORD verb_install(struct session *session);
DWORD verb_uninstall(struct session *session);
DWORD verb_rollback(struct session *session);

/* record.c */
DWORD record_create(struct session *session, const struct driver *driver);
DWORD record_delete(struct session *session, const struct driver *driver);
BOOL record_exists(void);
BOOL record_get(const struct driver *driver, WCHAR *inf, DWORD room);
DWORD record_set(const struct driver *driver, const WCHAR *inf);
void journal_begin(void);
DWORD journal_mark(struct session *session, const WCHAR *prior);
DWORD journal_mark_new(struct session *session, const struct driver *driver);
BOOL journal_get(const WCHAR *step, const struct driver *driver, WCHAR *prior, DWORD room);
void journal_drop(const WCHAR *step, const struct driver *driver);
void journal_complete(void);

/* registry.c */
WCHAR *registry_read(HKEY key, const WCHAR *name, DWORD *type, DWORD *length);
void registry_free(WCHAR *data);

/* sets.c: calls visit for every control set; it gets the set opened for reading. */
typedef DWORD set_fn(void *context, HKEY set, const WCHAR *set_name);
HKEY set_open_current(void);
DWORD sets_each(set_fn *visit, void *context);

/* files.c */
BOOL file_exists(const WCHAR *path);
BOOL file_is_ours(const WCHAR *path);
BOOL file_says(const WCHAR *path, const WCHAR *text, DWORD length);
DWORD file_delete(struct session *session, const WCHAR *path);
BOOL file_flush(const WCHAR *path);
BOOL installed_path(const struct driver *driver, WCHAR *path);
BOOL package_path(const struct session *session, const struct driver *driver, const WCHAR *extension, WCHAR *path);
DWORD package_check(struct session *session, const struct driver *driver);
DWORD file_check(struct session *session, const struct driver *driver);
DWORD file_remove(struct session *session, const struct driver *driver);

/* services.c */
BOOL service_image(HKEY control_set, const WCHAR *name, WCHAR *path, DWORD room);
BOOL service_usable(HKEY control_set, const WCHAR *name);
BOOL service_usable_now(const struct driver *driver);
BOOL service_foreign(HKEY control_set, const WCHAR *name);
BOOL service_starts(const struct driver *driver);
DWORD service_check(struct session *session, const struct driver *driver);
DWORD service_remove(struct session *session, const struct driver *driver);
DWORD service_delete(struct session *session, const struct driver *driver);

/* boot.c */
DWORD boot_check(struct session *session, const struct driver *driver);
DWORD boot_remove(struct session *session, const struct driver *driver);
BOOL boot_ready(const struct driver *driver);
BOOL boot_names(const struct driver *driver);
DWORD boot_sweep(DWORD *removed);

/* trust.c */
DWORD trust_add_root(struct session *session, const struct driver *driver);
DWORD trust_remove_root(struct session *session, const struct driver *driver);
DWORD trust_add_publisher(struct session *session, const struct driver *driver);
DWORD trust_remove_publisher(struct session *session, const struct driver *driver);

/* inf.c */
DWORD inf_setup(struct session *session, const struct driver *driver);
DWORD inf_stage(struct session *session, const struct driver *driver);
DWORD inf_unstage(struct session *session, const struct driver *driver);
DWORD inf_retire(struct session *session, const struct driver *driver);
BOOL inf_path(const WCHAR *name, WCHAR *path);
DWORD inf_delete(const WCHAR *name);
void inf_never_ask(void);

/* devices.c */
DWORD devices_note(struct session *session, const struct driver *driver);
DWORD devices_remove(struct session *session, const struct driver *driver);
DWORD devices_bind(struct session *session, const struct driver *driver);
DWORD devices_rescan(struct session *session, const struct driver *driver);

/* filters.c */
DWORD filter_add(struct session *session, const struct driver *driver);
DWORD filter_remove(struct session *session, const struct driver *driver);
BOOL filter_names(const struct driver *driver);
DWORD filter_remove_misplaced(struct session *session, const struct driver *driver);
DWORD filters_sweep(DWORD *removed);

/* legacy.c */
BOOL legacy_file(const WCHAR *path);
BOOL legacy_name(const WCHAR *name);
DWORD legacy_filters(struct session *session, const struct driver *driver);
DWORD legacy_replace(struct session *session, const struct driver *driver);
DWORD legacy_remove(struct session *session, const struct driver *driver);
DWORD legacy_retire_infs(struct session *session, const struct driver *driver);
DWORD legacy_hide_entry(struct session *session, const struct driver *driver);

#endif

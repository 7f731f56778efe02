/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The predecessors: the original GPLPV drivers, 0.9 to 0.11. Their drivers have the names of ours and serve the same
 * devices, so ours replace them where they lie, and Windows never is without a driver for its disk. What is left then
 * goes once all of ours is in: their class filters first, then services that have no successor, their INFs, and the
 * entry by which they could be removed, for that would take our drivers along.
 *
 * None of it is put back when an install is undone, and none of it fails an install: what stays harms nobody, since
 * every verb ends with a search for entries whose driver is missing.
 */
#include "pvinstall.h"

#define UNINSTALL L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
#define DISPLAY_NAME L"GPL PV"
#define INFS_MAX 32

/* Drivers that only they have, in the form of ours. */
const struct driver legacy_drivers[LEGACY_COUNT] = {
    { L"xenscsi", NULL, { NULL } },
    { L"xenusb", NULL, { NULL } }
};

/* In the version resources of their files, and in the Provider of their INFs ("Xen GPL PV Driver Developers"). */
static const WCHAR *const marks[] = { L"GPL PV", L"James Harper" };

static WCHAR infs[INFS_MAX][MAX_PATH]; /* as Windows keeps them, oem12.inf */
static DWORD inf_count;
static BOOL infs_known;

static BOOL mentions(const WCHAR *text, const WCHAR *part)
{
    for (; *text; text++)
        if (text_starts(text, part))
            return TRUE;
    return FALSE;
}

static BOOL inf_is_theirs(HINF inf)
{
    WCHAR provider[LINE_LEN];

    return SetupGetLineTextW(NULL, inf, L"Version", L"Provider", provider, COUNT_OF(provider), NULL) &&
           mentions(provider, marks[0]);
}

static void note_inf(const WCHAR *name)
{
    WCHAR path[MAX_PATH];
    HINF inf;

    if (inf_count == INFS_MAX || !inf_path(name, path))
        return;
    inf = SetupOpenInfFileW(path, NULL, INF_STYLE_WIN4, NULL);
    if (inf == INVALID_HANDLE_VALUE)
        return;
    if (inf_is_theirs(inf))
        text_copy(infs[inf_count++], MAX_PATH, name);
    SetupCloseInfFile(inf);
}

/* Looks through the INFs that Windows keeps, once in a run. */
static void find_infs(void)
{
    WIN32_FIND_DATAW found;
    WCHAR pattern[MAX_PATH];
    HANDLE search;

    if (infs_known || !inf_path(L"oem*.inf", pattern))
        return;
    infs_known = TRUE;
    search = FindFirstFileW(pattern, &found);
    if (search == INVALID_HANDLE_VALUE)
        return;
    do {
        note_inf(found.cFileName);
    } while (FindNextFileW(search, &found));
    FindClose(search);
}

static BOOL inf_brings(const WCHAR *name, const WCHAR *file)
{
    static const WCHAR *const sections[] = { L"SourceDisksFiles", L"SourceDisksFiles.x86", L"SourceDisksFiles.amd64" };
    WCHAR path[MAX_PATH];
    INFCONTEXT line;
    BOOL found = FALSE;
    HINF inf;
    DWORD i;

    if (!inf_path(name, path))
        return FALSE;
    inf = SetupOpenInfFileW(path, NULL, INF_STYLE_WIN4, NULL);
    if (inf == INVALID_HANDLE_VALUE)
        return FALSE;
    for (i = 0; !found && i < COUNT_OF(sections); i++)
        found = SetupFindFirstLineW(inf, sections[i], file, &line);
    SetupCloseInfFile(inf);
    return found;
}

/* By what the file says of itself, or because an INF of theirs brings one of that name and it is not ours. */
BOOL legacy_file(const WCHAR *path)
{
    DWORD i;

    if (file_is_ours(path))
        return FALSE;
    for (i = 0; i < COUNT_OF(marks); i++)
        if (file_says(path, marks[i], text_length(marks[i])))
            return TRUE;
    find_infs();
    for (i = 0; i < inf_count; i++)
        if (inf_brings(infs[i], text_after_last(path, L'\\')))
            return TRUE;
    return FALSE;
}

/* Whether the name is that of a driver of theirs alone. */
BOOL legacy_name(const WCHAR *name)
{
    DWORD i;

    for (i = 0; i < LEGACY_COUNT; i++)
        if (text_equal(name, legacy_drivers[i].name))
            return TRUE;
    return FALSE;
}

static void stays(struct session *session, const WCHAR *what, DWORD error)
{
    WCHAR text[256];

    error_text(error, text, COUNT_OF(text));
    step_detail(session, L"%s stays: %x %s", what, error, text);
}

DWORD legacy_filters(struct session *session, const struct driver *driver)
{
    DWORD error = filter_remove_misplaced(session, driver);

    if (error)
        stays(session, L"some entry", error);
    return ERROR_SUCCESS;
}

/*
 * A file of theirs that no boot takes, and that no device has had replaced: it is ours from now on, like the service
 * that names it, and goes with ours.
 */
DWORD legacy_replace(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH], source[MAX_PATH];
    DWORD error;

    if (!installed_path(driver, path) || !file_exists(path) || !legacy_file(path))
        return ERROR_SUCCESS;
    if (!package_path(session, driver, L".sys", source))
        return ERROR_SUCCESS;
    error = file_delete(session, path);
    if (!error && !CopyFileW(source, path, FALSE))
        error = GetLastError();
    if (error)
        stays(session, path, error);
    return ERROR_SUCCESS;
}

static BOOL is_foreign(const WCHAR *name)
{
    HKEY set = set_open_current();
    BOOL foreign = set == NULL || service_foreign(set, name);

    if (set)
        RegCloseKey(set);
    return foreign;
}

/* A driver that only they have: its service, then its file, once no filter names it. */
DWORD legacy_remove(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];
    DWORD error;

    if (!installed_path(driver, path) || is_foreign(driver->name) || (file_exists(path) && !legacy_file(path)))
        return ERROR_SUCCESS;
    error = filter_names(driver) ? ERROR_BUSY : service_delete(session, driver);
    if (!error && file_exists(path))
        error = file_delete(session, path);
    if (error)
        stays(session, path, error);
    return ERROR_SUCCESS;
}

DWORD legacy_retire_infs(struct session *session, const struct driver *driver)
{
    DWORD i, error, removed = 0;

    (void)driver;
    find_infs();
    for (i = 0; i < inf_count; i++) {
        error = inf_delete(infs[i]);
        if (error)
            stays(session, infs[i], error);
        else
            removed++;
    }
    if (removed == inf_count)
        step_detail(session, L"%u removed", removed);
    inf_count = 0;
    return ERROR_SUCCESS;
}

/* SystemComponent keeps an entry out of Add or Remove Programs (Windows Installer, "ARPSYSTEMCOMPONENT"). */
static DWORD hide_entry(HKEY root, const WCHAR *name, BOOL *hidden)
{
    DWORD type, length, yes = 1, error;
    WCHAR *title;
    HKEY key;

    *hidden = FALSE;
    if (RegOpenKeyExW(root, name, 0, KEY_QUERY_VALUE, &key))
        return ERROR_SUCCESS;
    title = registry_read(key, L"DisplayName", &type, &length);
    RegCloseKey(key);
    *hidden = title && mentions(title, DISPLAY_NAME);
    registry_free(title);
    if (!*hidden)
        return ERROR_SUCCESS;
    error = RegOpenKeyExW(root, name, 0, KEY_SET_VALUE, &key);
    if (error)
        return error;
    error = RegSetValueExW(key, L"SystemComponent", 0, REG_DWORD, (const BYTE *)&yes, sizeof(yes));
    RegCloseKey(key);
    return error;
}

DWORD legacy_hide_entry(struct session *session, const struct driver *driver)
{
    WCHAR name[256];
    DWORD i, length, error;
    BOOL hidden;
    HKEY root;

    (void)driver;
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, UNINSTALL, 0, KEY_READ, &root))
        return ERROR_SUCCESS;
    for (i = 0;; i++) {
        length = COUNT_OF(name);
        error = RegEnumKeyExW(root, i, name, &length, NULL, NULL, NULL, NULL);
        if (error == ERROR_MORE_DATA)
            continue;
        if (error)
            break;
        error = hide_entry(root, name, &hidden);
        if (error)
            stays(session, name, error);
        else if (hidden)
            step_detail(session, L"%s: removing that product would take these drivers along", name);
    }
    RegCloseKey(root);
    return ERROR_SUCCESS;
}

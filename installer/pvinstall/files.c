/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The driver files: those of the package, and those in system32\drivers.
 */
#include "pvinstall.h"

#define SESSION_MANAGER L"SYSTEM\\CurrentControlSet\\Control\\Session Manager"

BOOL file_exists(const WCHAR *path)
{
    DWORD attributes = GetFileAttributesW(path);

    return attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY);
}

/* extension with its dot. FALSE when the path would be too long. */
BOOL package_path(const struct session *session, const struct driver *driver, const WCHAR *extension, WCHAR *path)
{
    return text_format(path, MAX_PATH, L"%s\\%s\\%s%s", session->folder, driver->name, driver->name, extension);
}

BOOL installed_path(const struct driver *driver, WCHAR *path)
{
    WCHAR system[MAX_PATH];
    DWORD length = GetSystemDirectoryW(system, MAX_PATH);

    return length && length < MAX_PATH && text_format(path, MAX_PATH, L"%s\\drivers\\%s.sys", system, driver->name);
}

/* Finds nothing missing, or fails before anything has been changed. */
DWORD package_check(struct session *session, const struct driver *driver)
{
    static const WCHAR *const extensions[] = { L".inf", L".sys", L".cat" };
    WCHAR path[MAX_PATH];
    DWORD i, e;

    (void)driver;
    for (i = 0; i < DRIVER_COUNT; i++)
        for (e = 0; e < COUNT_OF(extensions); e++) {
            if (!package_path(session, &drivers[i], extensions[e], path))
                return ERROR_FILENAME_EXCED_RANGE;
            if (!file_exists(path)) {
                step_detail(session, L"%s", path);
                return ERROR_FILE_NOT_FOUND;
            }
        }
    return ERROR_SUCCESS;
}

static BOOL contains(const BYTE *data, DWORD bytes, const BYTE *part, DWORD part_bytes)
{
    DWORD at, i;

    for (at = 0; at + part_bytes <= bytes; at++) {
        for (i = 0; i < part_bytes && data[at + i] == part[i]; i++)
            ;
        if (i == part_bytes)
            return TRUE;
    }
    return FALSE;
}

/* Whether the version resource of the file has the text; length counts its 0 where that matters. */
BOOL file_says(const WCHAR *path, const WCHAR *text, DWORD length)
{
    HMODULE image = LoadLibraryExW(path, NULL, LOAD_LIBRARY_AS_DATAFILE);
    HRSRC version;
    HGLOBAL loaded;
    const BYTE *data;
    BOOL said = FALSE;

    if (image == NULL)
        return FALSE;
    version = FindResourceW(image, MAKEINTRESOURCEW(VS_VERSION_INFO), (LPCWSTR)RT_VERSION);
    loaded = version ? LoadResource(image, version) : NULL;
    data = loaded ? (const BYTE *)LockResource(loaded) : NULL;
    if (data)
        said = contains(data, SizeofResource(image, version), (const BYTE *)text, length * sizeof(WCHAR));
    FreeLibrary(image);
    return said;
}

/* Other vendors' Xen drivers have files and services of the same names: only the version resource tells them apart. */
BOOL file_is_ours(const WCHAR *path)
{
    static const WCHAR owner[] = OWNER;

    return file_says(path, owner, COUNT_OF(owner));
}

/*
 * Brings the file to the disk. FALSE when it cannot be opened for that, as when it is loaded: then it is there
 * already.
 */
BOOL file_flush(const WCHAR *path)
{
    HANDLE file = CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    BOOL done;

    if (file == INVALID_HANDLE_VALUE)
        return FALSE;
    done = FlushFileBuffers(file);
    CloseHandle(file);
    return done;
}

/*
 * Whether the pairs of one PendingFileRenameOperations value (Windows Resource Kit: source and target, an empty target
 * meaning delete, NT paths, "!" for replace) leave the file gone after the next start.
 */
static BOOL doomed_by(HKEY key, const WCHAR *name, const WCHAR *path)
{
    DWORD type, length, at;
    WCHAR *data = registry_read(key, name, &type, &length);
    WCHAR *source, *target;
    BOOL doomed = FALSE;

    if (data == NULL)
        return FALSE;
    for (at = 0; at < length && data[at];) {
        source = data + at;
        at += text_length(source) + 1;
        target = at < length ? data + at : source + text_length(source);
        at += text_length(target) + 1;
        if (*target == L'!')
            target++;
        if (text_starts(source, L"\\??\\") && text_equal(source + 4, path))
            doomed = TRUE;
        else if (text_starts(target, L"\\??\\") && text_equal(target + 4, path))
            doomed = FALSE;
    }
    registry_free(data);
    return doomed;
}

static BOOL file_is_doomed(const WCHAR *path)
{
    HKEY key;
    BOOL doomed;

    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, SESSION_MANAGER, 0, KEY_QUERY_VALUE, &key))
        return FALSE;
    doomed = doomed_by(key, L"PendingFileRenameOperations", path) ||
             doomed_by(key, L"PendingFileRenameOperations2", path);
    RegCloseKey(key);
    return doomed;
}

DWORD file_check(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];

    if (!installed_path(driver, path))
        return ERROR_FILENAME_EXCED_RANGE;
    if (file_is_doomed(path)) {
        step_detail(session, L"%s goes at the next start: restart Windows first", path);
        return ERROR_FAIL_NOACTION_REBOOT;
    }
    if (!file_exists(path))
        return journal_mark_new(session, driver);
    if (file_is_ours(path))
        return ERROR_SUCCESS;
    if (legacy_file(path)) {
        step_detail(session, L"%s is our predecessors' and will be replaced", path);
        return ERROR_SUCCESS;
    }
    step_detail(session, L"%s is another product's: remove that one first", path);
    return ERROR_FILE_EXISTS;
}

/*
 * A loaded driver's file cannot be deleted, but renamed. It is, so that what waits for the next start has a name that
 * no later install uses: deleting that install's file would be fatal.
 */
static DWORD remove_later(struct session *session, const WCHAR *path)
{
    WCHAR folder[MAX_PATH], aside[MAX_PATH];

    text_copy(folder, COUNT_OF(folder), path);
    folder[text_after_last(folder, L'\\') - folder - 1] = 0;
    if (!GetTempFileNameW(folder, L"xen", 0, aside))
        return GetLastError();
    if (!MoveFileExW(path, aside, MOVEFILE_REPLACE_EXISTING)) {
        DWORD error = GetLastError();

        DeleteFileW(aside);
        return error;
    }
    session->restart = TRUE;
    step_detail(session, L"in use; goes at the next start as %s", aside);
    return MoveFileExW(aside, NULL, MOVEFILE_DELAY_UNTIL_REBOOT) ? ERROR_SUCCESS : GetLastError();
}

DWORD file_delete(struct session *session, const WCHAR *path)
{
    SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL);
    return DeleteFileW(path) ? ERROR_SUCCESS : remove_later(session, path);
}

DWORD file_remove(struct session *session, const struct driver *driver)
{
    WCHAR path[MAX_PATH];

    if (!installed_path(driver, path))
        return ERROR_FILENAME_EXCED_RANGE;
    if (!file_exists(path))
        return ERROR_SUCCESS;
    if (!file_is_ours(path)) {
        step_detail(session, L"%s is another product's and stays", path);
        return ERROR_SUCCESS;
    }
    if (filter_names(driver) || boot_names(driver) || service_starts(driver)) {
        step_detail(session, L"a class filter, a boot device or a service still names it");
        return ERROR_BUSY;
    }
    return file_delete(session, path);
}

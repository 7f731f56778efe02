/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is installed, and the journal of the last install, both in the registry so that another process, or the next
 * start of Windows, can carry on.
 *
 *   HKLM\SOFTWARE\GPLPV\Drivers        <driver> = the name under which Windows keeps its INF (oem12.inf)
 *   HKLM\SOFTWARE\GPLPV\Drivers\Undo   "<step> <driver>" = what its undo needs; written before anything changes
 *
 * An install that was cut short leaves its journal incomplete: the next one adds to it, and so can still undo both.
 */
#include "pvinstall.h"

#define PRODUCT_KEY L"SOFTWARE\\GPLPV"
#define RECORD_KEY PRODUCT_KEY L"\\Drivers"
#define JOURNAL_KEY RECORD_KEY L"\\Undo"
#define COMPLETE L"complete"

static DWORD write_text(const WCHAR *path, const WCHAR *name, const WCHAR *text)
{
    HKEY key;
    DWORD error = RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_SET_VALUE, &key);

    if (error)
        return error;
    error = RegSetValueExW(key, name, 0, REG_SZ, (const BYTE *)text, (text_length(text) + 1) * sizeof(WCHAR));
    RegCloseKey(key);
    return error;
}

static BOOL read_text(const WCHAR *path, const WCHAR *name, WCHAR *text, DWORD room)
{
    HKEY key;
    DWORD type, length;
    WCHAR *data;
    BOOL found;

    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE, &key))
        return FALSE;
    data = registry_read(key, name, &type, &length);
    RegCloseKey(key);
    found = data && type == REG_SZ && text_copy(text, room, data);
    registry_free(data);
    return found;
}

static void delete_value(const WCHAR *path, const WCHAR *name)
{
    HKEY key;

    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_SET_VALUE, &key))
        return;
    RegDeleteValueW(key, name);
    RegCloseKey(key);
}

static BOOL key_is_empty(const WCHAR *path)
{
    HKEY key;
    DWORD keys = 1, values = 1;

    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE, &key))
        return FALSE;
    RegQueryInfoKeyW(key, NULL, NULL, NULL, &keys, NULL, NULL, &values, NULL, NULL, NULL, NULL);
    RegCloseKey(key);
    return keys == 0 && values == 0;
}

static DWORD create_key(const WCHAR *path, DWORD *disposition)
{
    HKEY key;
    DWORD error = RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, 0, KEY_SET_VALUE, NULL, &key, disposition);

    if (!error)
        RegCloseKey(key);
    return error;
}

DWORD record_create(struct session *session, const struct driver *driver)
{
    DWORD created, journal_created;
    DWORD error = create_key(RECORD_KEY, &created);

    (void)driver;
    if (!error)
        error = create_key(JOURNAL_KEY, &journal_created);
    if (!error && created == REG_CREATED_NEW_KEY)
        error = journal_mark(session, L"");
    return error;
}

/* The last thing to go; while a step has failed it stays, for the next attempt needs it. */
DWORD record_delete(struct session *session, const struct driver *driver)
{
    DWORD error;

    (void)driver;
    if (session->failed) {
        step_detail(session, L"kept, for steps above failed");
        return ERROR_SUCCESS;
    }
    RegDeleteKeyW(HKEY_LOCAL_MACHINE, JOURNAL_KEY);
    error = RegDeleteKeyW(HKEY_LOCAL_MACHINE, RECORD_KEY);
    if (key_is_empty(PRODUCT_KEY))
        RegDeleteKeyW(HKEY_LOCAL_MACHINE, PRODUCT_KEY);
    return error == ERROR_FILE_NOT_FOUND ? ERROR_SUCCESS : error;
}

BOOL record_exists(void)
{
    HKEY key;

    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, RECORD_KEY, 0, KEY_QUERY_VALUE, &key))
        return FALSE;
    RegCloseKey(key);
    return TRUE;
}

BOOL record_get(const struct driver *driver, WCHAR *inf, DWORD room)
{
    inf[0] = 0;
    return read_text(RECORD_KEY, driver->name, inf, room);
}

/* An empty inf removes the record. */
DWORD record_set(const struct driver *driver, const WCHAR *inf)
{
    if (inf[0])
        return write_text(RECORD_KEY, driver->name, inf);
    delete_value(RECORD_KEY, driver->name);
    return ERROR_SUCCESS;
}

static void title(const WCHAR *step, const struct driver *driver, WCHAR *name, DWORD room)
{
    text_format(name, room, L"%s %s", step, driver ? driver->name : L"");
}

/* A finished install's journal ends where the next one begins. */
void journal_begin(void)
{
    WCHAR text[8];

    if (read_text(JOURNAL_KEY, COMPLETE, text, COUNT_OF(text)))
        RegDeleteKeyW(HKEY_LOCAL_MACHINE, JOURNAL_KEY);
}

void journal_complete(void)
{
    write_text(JOURNAL_KEY, COMPLETE, L"yes");
}

/* To be called before the current step changes anything. What an earlier, unfinished install wrote goes on counting. */
DWORD journal_mark(struct session *session, const WCHAR *prior)
{
    WCHAR name[40], known[MAX_PATH];

    if (journal_get(session->step->name, session->step->driver, known, COUNT_OF(known)))
        return ERROR_SUCCESS;
    title(session->step->name, session->step->driver, name, COUNT_OF(name));
    return write_text(JOURNAL_KEY, name, prior);
}

/*
 * Marks unless an earlier install put the driver in: Windows may carry that one out at any time, and it is not ours to
 * undo.
 */
DWORD journal_mark_new(struct session *session, const struct driver *driver)
{
    WCHAR inf[MAX_PATH];

    return record_get(driver, inf, COUNT_OF(inf)) ? ERROR_SUCCESS : journal_mark(session, L"");
}

BOOL journal_get(const WCHAR *step, const struct driver *driver, WCHAR *prior, DWORD room)
{
    WCHAR name[40];

    title(step, driver, name, COUNT_OF(name));
    return read_text(JOURNAL_KEY, name, prior, room);
}

void journal_drop(const WCHAR *step, const struct driver *driver)
{
    WCHAR name[40];

    title(step, driver, name, COUNT_OF(name));
    delete_value(JOURNAL_KEY, name);
}

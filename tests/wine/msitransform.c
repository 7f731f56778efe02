/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Applies C:\run\x.mst to C:\run\x.msi with Windows Installer, after it wrote to C:\run\x.txt, a line a row and tabs
 * between fields, what _TransformView says that the transform does: in UTF-8, a tab within a field as "|".  The exit
 * code is that of the function which failed.  Built like our own programs, without a C library. */
#include <windows.h>

#define FIELD 80000
#define FIELDS 5
#define VIEW_TRANSFORM 0x100
#define TRANSACT ((const WCHAR *)1)
#define QUERY L"SELECT `Table`, `Column`, `Row`, `Data`, `Current` FROM `_TransformView`"

typedef UINT(WINAPI *OPEN)(const WCHAR *, const WCHAR *, ULONG *);
typedef UINT(WINAPI *APPLY)(ULONG, const WCHAR *, int);
typedef UINT(WINAPI *QUERY_OPEN)(ULONG, const WCHAR *, ULONG *);
typedef UINT(WINAPI *WITH_HANDLE)(ULONG, ULONG);
typedef UINT(WINAPI *FETCH)(ULONG, ULONG *);
typedef UINT(WINAPI *TEXT_OF)(ULONG, UINT, WCHAR *, DWORD *);
typedef UINT(WINAPI *ALONE)(ULONG);

static HMODULE msi;

static FARPROC function(const char *name)
{
    return GetProcAddress(msi, name);
}

static void write_field(HANDLE output, const WCHAR *text, const char *end)
{
    static char bytes[3 * FIELD];
    int count = WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, sizeof(bytes), NULL, NULL) - 1;
    DWORD written;
    int i;
    for (i = 0; i < count; i++) {
        if (bytes[i] == '\t')
            bytes[i] = '|';
    }
    WriteFile(output, bytes, (DWORD)count, &written, NULL);
    WriteFile(output, end, 1, &written, NULL);
}

static UINT write_rows(ULONG view, HANDLE output)
{
    static WCHAR field[FIELD];
    FETCH fetch = (FETCH)function("MsiViewFetch");
    TEXT_OF text_of = (TEXT_OF)function("MsiRecordGetStringW");
    ULONG record;
    UINT status;
    UINT i;
    while ((status = fetch(view, &record)) == ERROR_SUCCESS) {
        for (i = 1; i <= FIELDS; i++) {
            DWORD size = FIELD;
            status = text_of(record, i, field, &size);
            if (status != ERROR_SUCCESS)
                return status;
            write_field(output, field, i == FIELDS ? "\n" : "\t");
        }
        ((ALONE)function("MsiCloseHandle"))(record);
    }
    return status == ERROR_NO_MORE_ITEMS ? ERROR_SUCCESS : status;
}

static UINT show(ULONG database)
{
    HANDLE output = CreateFileW(L"C:\\run\\x.txt", GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    ULONG view = 0;
    UINT status = ((APPLY)function("MsiDatabaseApplyTransformW"))(database, L"C:\\run\\x.mst", VIEW_TRANSFORM);
    if (status == ERROR_SUCCESS)
        status = ((QUERY_OPEN)function("MsiDatabaseOpenViewW"))(database, QUERY, &view);
    if (status == ERROR_SUCCESS)
        status = ((WITH_HANDLE)function("MsiViewExecute"))(view, 0);
    if (status == ERROR_SUCCESS)
        status = write_rows(view, output);
    ((ALONE)function("MsiCloseHandle"))(view);
    CloseHandle(output);
    return status;
}

static UINT apply(ULONG database)
{
    UINT status = ((APPLY)function("MsiDatabaseApplyTransformW"))(database, L"C:\\run\\x.mst", 0);
    return status == ERROR_SUCCESS ? ((ALONE)function("MsiDatabaseCommit"))(database) : status;
}

static UINT with_database(UINT (*work)(ULONG))
{
    ULONG database = 0;
    UINT status = ((OPEN)function("MsiOpenDatabaseW"))(L"C:\\run\\x.msi", TRANSACT, &database);
    if (status != ERROR_SUCCESS)
        return status;
    status = work(database);
    ((ALONE)function("MsiCloseHandle"))(database);
    return status;
}

void program_entry(void);

void program_entry(void)
{
    UINT status;
    msi = LoadLibraryW(L"msi.dll");
    status = with_database(show);
    ExitProcess(status == ERROR_SUCCESS ? with_database(apply) : status);
}

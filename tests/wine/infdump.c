/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes to C:\run\inf.txt how SetupAPI reads the INF files in C:\run\inf. One line a file, a section, an entry, the
 * fields behind tabs, the key first; what is no visible ASCII is written as \xNN of its UTF-8, so is the backslash.
 * Built like our own programs, without a C library. */
#include <windows.h>
#include <setupapi.h>

#define FIELD 8192
#define FOLDER L"C:\\run\\inf\\"

static HANDLE output;

static void write(const char *text)
{
    DWORD written;
    WriteFile(output, text, (DWORD)lstrlenA(text), &written, NULL);
}

static void write_text(const WCHAR *text)
{
    static const char digits[] = "0123456789abcdef";
    static char bytes[4 * FIELD];
    static char shown[16 * FIELD];
    int count = WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, sizeof(bytes), NULL, NULL);
    char *end = shown;
    int i;
    for (i = 0; i < count - 1; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte < 0x20 || byte > 0x7e || byte == '\\') {
            *end++ = '\\';
            *end++ = 'x';
            *end++ = digits[byte >> 4];
            *end++ = digits[byte & 15];
        } else {
            *end++ = (char)byte;
        }
    }
    *end = 0;
    write(shown);
}

static void write_entry(INFCONTEXT *entry)
{
    static WCHAR field[FIELD];
    DWORD last = SetupGetFieldCount(entry);
    DWORD i;
    write("ENTRY");
    for (i = 0; i <= last; i++) {
        write("\t");
        if (SetupGetStringFieldW(entry, i, field, FIELD, NULL))
            write_text(field);
    }
    write("\n");
}

static void write_sections(HINF inf)
{
    static WCHAR name[FIELD];
    INFCONTEXT entry;
    UINT needed;
    UINT i;
    for (i = 0; SetupEnumInfSectionsW(inf, i, name, FIELD, &needed); i++) {
        write("SECTION\t");
        write_text(name);
        write("\n");
        if (SetupFindFirstLineW(inf, name, NULL, &entry)) {
            do {
                write_entry(&entry);
            } while (SetupFindNextLine(&entry, &entry));
        }
    }
}

static void write_file(const WCHAR *name)
{
    static WCHAR path[2 * MAX_PATH];
    HINF inf;
    lstrcpyW(path, FOLDER);
    lstrcatW(path, name);
    inf = SetupOpenInfFileW(path, NULL, INF_STYLE_WIN4 | INF_STYLE_OLDNT, NULL);
    write("FILE\t");
    write_text(name);
    write(inf == INVALID_HANDLE_VALUE ? "\trefused\n" : "\n");
    if (inf != INVALID_HANDLE_VALUE) {
        write_sections(inf);
        SetupCloseInfFile(inf);
    }
}

void program_entry(void);

void program_entry(void)
{
    static WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(FOLDER L"*.inf", &found);
    output = CreateFileW(L"C:\\run\\inf.txt", GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    if (search == INVALID_HANDLE_VALUE || output == INVALID_HANDLE_VALUE)
        ExitProcess(1);
    do {
        write_file(found.cFileName);
    } while (FindNextFileW(search, &found));
    ExitProcess(CloseHandle(output) ? 0 : 1);
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command line of pvinstall.
 */
#include "pvinstall.h"

struct verb {
    const WCHAR *name;
    DWORD (*run)(struct session *session);
};

static const struct verb verbs[] = {
    { L"install", verb_install },
    { L"uninstall", verb_uninstall },
    { L"rollback", verb_rollback }
};

struct options {
    const struct verb *verb;
    const WCHAR *folder;
    const WCHAR *log;
    const WCHAR *trust;
    BOOL msi;
    BOOL prompt;
};

static DWORD usage(void)
{
    log_line(L"pvinstall: installs the Xen drivers, and removes them");
    log_line(L"  pvinstall install DRIVERSDIR      install or upgrade from DRIVERSDIR\\<driver>\\<driver>.inf");
    log_line(L"  pvinstall uninstall DRIVERSDIR    remove everything that install put in");
    log_line(L"  pvinstall rollback DRIVERSDIR     undo what the last install changed");
    log_line(L"  /log FILE   append the report to FILE        /msi   exit with 0 instead of 3010 (restart needed)");
    log_line(L"  /prompt     let Windows ask (unsigned drivers)   /?     this page");
    log_line(L"  /trust DIR  trust the certificates in DIR: the user has consented");
    return EXIT_USAGE;
}

static const struct verb *find_verb(const WCHAR *name)
{
    DWORD i;

    for (i = 0; i < COUNT_OF(verbs); i++)
        if (text_equal(name, verbs[i].name))
            return &verbs[i];
    return NULL;
}

/* FALSE, having said why, when the line is none of ours. */
static BOOL parse(DWORD argc, WCHAR **argv, struct options *options)
{
    DWORD i;

    for (i = 1; i < argc; i++) {
        if (text_equal(argv[i], L"/msi"))
            options->msi = TRUE;
        else if (text_equal(argv[i], L"/prompt"))
            options->prompt = TRUE;
        else if (text_equal(argv[i], L"/log") && i + 1 < argc)
            options->log = argv[++i];
        else if (text_equal(argv[i], L"/trust") && i + 1 < argc)
            options->trust = argv[++i];
        else if (argv[i][0] == L'/')
            return FALSE;
        else if (options->verb == NULL) {
            options->verb = find_verb(argv[i]);
            if (options->verb == NULL)
                return FALSE;
        } else if (options->folder == NULL)
            options->folder = argv[i];
        else
            return FALSE;
    }
    return options->verb && options->folder;
}

/* IsWow64Process came with Windows XP SP2 and Server 2003 SP1; where it is missing there is nothing to ask. */
static BOOL wrong_architecture(void)
{
    typedef BOOL (WINAPI *is_wow64_fn)(HANDLE process, BOOL *wow64);
    is_wow64_fn is_wow64 = (is_wow64_fn)(void *)GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "IsWow64Process");
    BOOL wow64 = FALSE;

    return is_wow64 && is_wow64(GetCurrentProcess(), &wow64) && wow64;
}

static BOOL absolute_folder(const WCHAR *given, WCHAR *folder)
{
    DWORD length = GetFullPathNameW(given, MAX_PATH, folder, NULL);

    if (length == 0 || length >= MAX_PATH)
        return FALSE;
    if (length > 3 && folder[length - 1] == L'\\')
        folder[length - 1] = 0;
    return TRUE;
}

static void open_log(const WCHAR *path)
{
    WCHAR text[256];
    DWORD error = log_open(path);

    if (!error)
        return;
    error_text(error, text, COUNT_OF(text));
    log_line(L"pvinstall: no log in %s: error %u: %s", path, error, text);
}

static void log_start(const struct session *session)
{
    SYSTEMTIME t;

    GetLocalTime(&t);
    log_line(L"%u-%2u-%2u %2u:%2u:%2u  pvinstall %s %s", (DWORD)t.wYear, (DWORD)t.wMonth, (DWORD)t.wDay, (DWORD)t.wHour,
             (DWORD)t.wMinute, (DWORD)t.wSecond, session->verb, session->folder);
}

DWORD program_main(DWORD argc, WCHAR **argv)
{
    static struct session session;
    struct options options = { NULL, NULL, NULL, NULL, FALSE, FALSE };
    DWORD code;

    if (!parse(argc, argv, &options))
        return usage();
    if (options.log)
        open_log(options.log);
    if (wrong_architecture()) {
        log_line(L"pvinstall: this is the 32-bit package and Windows is 64-bit: use the x64 package");
        return EXIT_ARCHITECTURE;
    }
    if (!absolute_folder(options.folder, session.folder)) {
        log_line(L"pvinstall: %s is no folder name that Windows takes", options.folder);
        return EXIT_USAGE;
    }
    if (!options.prompt)
        inf_never_ask();
    session.trust = options.trust;
    session.verb = options.verb->name;
    log_start(&session);
    code = options.verb->run(&session);
    log_line(L"%12sexit code %u", session.verb, code);
    log_close();
    return code == EXIT_RESTART && options.msi ? EXIT_DONE : code;
}

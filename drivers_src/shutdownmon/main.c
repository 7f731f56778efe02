/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command line: without an argument the service control manager started us.
 */
#include "shutdownmon.h"

static DWORD usage(void)
{
    log_line(L"shutdownmon: the Xen shutdown monitor service");
    log_line(L"  shutdownmon -i    register the service (automatic start) and start it");
    log_line(L"  shutdownmon -u    stop the service and remove it");
    log_line(L"  shutdownmon -d    run in this console until Ctrl-C, reporting here instead of to the event log");
    return EXIT_USAGE;
}

DWORD program_main(DWORD argc, WCHAR **argv)
{
    static const struct {
        const WCHAR *option;
        DWORD (*run)(void);
    } options[] = {
        { L"-i", service_install },
        { L"-u", service_remove },
        { L"-d", console_run }
    };
    DWORD i, code;

    if (argc == 1) {
        code = service_run();
        return code == EXIT_USAGE ? usage() : code;
    }
    for (i = 0; argc == 2 && i < COUNT_OF(options); i++)
        if (text_equal(argv[1], options[i].option))
            return options[i].run();
    return usage();
}

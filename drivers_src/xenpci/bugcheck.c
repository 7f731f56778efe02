/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When Windows bugchecks, Xen is told that whatever shuts the domain down next is a crash.  The domain is left running:
 * Windows still has its crash dump to write.  Xen from 4.0; older ones do not know the command, and see a reboot.
 */
#include "xenpci.h"
#include "xen/sched.h"

static KBUGCHECK_CALLBACK_RECORD record;
static BOOLEAN registered;

/* HIGH_LEVEL. */
static VOID NTAPI name_crash(PVOID buffer, ULONG length)
{
    struct sched_shutdown shutdown;

    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(length);
    shutdown.reason = SHUTDOWN_crash;
    xen_sched_op(SCHEDOP_shutdown_code, &shutdown);
}

VOID bugcheck_start(VOID)
{
    KeInitializeCallbackRecord(&record);
    registered = KeRegisterBugCheckCallback(&record, name_crash, NULL, 0, (PUCHAR)GPLPV_MODULE);
}

VOID bugcheck_stop(VOID)
{
    if (registered)
        KeDeregisterBugCheckCallback(&record);
    registered = FALSE;
}

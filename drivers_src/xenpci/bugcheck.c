/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When Windows bugchecks, a line in Xen's log says so, and Xen is told that whatever shuts the domain down next is a
 * crash: that is what the toolstack sees when Windows restarts the machine.  The domain is left running, because some
 * Windows write their crash dump after these calls.  Xen from 4.0; older ones do not know the command: a reboot for them.
 *
 * All processors but this one stand still, wherever they were, with whatever locks they had: so none is taken here, no
 * memory is allocated and no routine of Windows' is called but those that switch the IRQL.
 */
#include "xenpci.h"
#include "xenlog.h"
#include "xen/sched.h"

#define FACTS 5 /* the code and its parameters */
#define DIGITS (sizeof(ULONG_PTR) * 2)

static KBUGCHECK_CALLBACK_RECORD record;
static BOOLEAN registered;
static const ULONG_PTR *facts; /* NULL: this Windows does not tell them */

static PSTR put_number(PSTR at, ULONG_PTR number)
{
    ULONG digit;

    *at++ = ' ';
    for (digit = DIGITS; digit-- > 0;)
        *at++ = "0123456789abcdef"[number >> 4 * digit & 15];
    return at;
}

/* HIGH_LEVEL. */
static VOID log_facts(VOID)
{
    CHAR line[FACTS * (DIGITS + 1) + 2];
    PSTR end = line;
    ULONG i;

    xen_log(GPLPV_MODULE ": Windows has stopped on a bug check");
    for (i = 0; i < FACTS && facts != NULL; i++)
        end = put_number(end, facts[i]);
    *end++ = '\n';
    *end = 0;
    xen_log(line);
}

/* HIGH_LEVEL. */
static VOID NTAPI name_crash(PVOID buffer, ULONG length)
{
    struct sched_shutdown shutdown;

    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(length);
    log_facts();
    shutdown.reason = SHUTDOWN_crash;
    xen_sched_op(SCHEDOP_shutdown_code, &shutdown);
}

VOID bugcheck_start(VOID)
{
    UNICODE_STRING name;

    RtlInitUnicodeString(&name, L"KiBugCheckData");
    facts = MmGetSystemRoutineAddress(&name);
    KeInitializeCallbackRecord(&record);
    registered = KeRegisterBugCheckCallback(&record, name_crash, NULL, 0, (PUCHAR)GPLPV_MODULE);
}

VOID bugcheck_stop(VOID)
{
    if (registered)
        KeDeregisterBugCheckCallback(&record);
    registered = FALSE;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Windows' side of the way that events take: the platform device's interrupt line, shared and level-triggered, and
 * beside it, where Windows has granted one, a message interrupt on processor 0.  Both stay connected: which of them
 * Xen uses differs from host to host.
 */
#include "xenpci.h"

static PKINTERRUPT line_interrupt;
static PKINTERRUPT message_interrupt; /* NULL: none */

static NTSTATUS connect(PKINTERRUPT *interrupt, PKSERVICE_ROUTINE routine, const CM_PARTIAL_RESOURCE_DESCRIPTOR *given,
                        KINTERRUPT_MODE mode, KAFFINITY affinity)
{
    KIRQL irql = (KIRQL)given->u.Interrupt.Level;

    return IoConnectInterrupt(interrupt, routine, NULL, NULL, given->u.Interrupt.Vector, irql, irql, mode,
                              mode == LevelSensitive, affinity, FALSE);
}

NTSTATUS interrupts_connect(PKSERVICE_ROUTINE line, PKSERVICE_ROUTINE message)
{
    NTSTATUS status;

    message_interrupt = NULL;
    status = connect(&line_interrupt, line, &platform.line, LevelSensitive, platform.line.u.Interrupt.Affinity);
    if (!NT_SUCCESS(status) || !platform.has_message)
        return status;
    if (!NT_SUCCESS(connect(&message_interrupt, message, &platform.message, Latched, 1))) {
        message_interrupt = NULL;
        platform.has_message = FALSE;
    }
    return STATUS_SUCCESS;
}

/*
 * Nothing may arrive at the message's vector once it is disconnected: Windows would stop. The caller has seen to it
 * that Xen raises it no more; what processor 0's APIC has of it already is taken while this thread is on that
 * processor.
 */
VOID interrupts_disconnect(VOID)
{
    IoDisconnectInterrupt(line_interrupt);
    if (message_interrupt == NULL)
        return;
    KeSetSystemAffinityThread(1);
    KeRevertToUserAffinityThread();
    IoDisconnectInterrupt(message_interrupt);
    message_interrupt = NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeps suspends and what must not be cut in two by one apart: any number may be inside, or one suspend alone.  Who is
 * inside may go in again, so a suspend that waits keeps no one out.  PASSIVE_LEVEL.
 */
#include "xenpci.h"

static struct {
    KSPIN_LOCK lock; /* DISPATCH_LEVEL; for the rest */
    LONG inside;
    BOOLEAN closed;
    KEVENT open;  /* notification */
    KEVENT empty; /* notification */
} gate;

VOID gate_init(VOID)
{
    KeInitializeSpinLock(&gate.lock);
    gate.inside = 0;
    gate.closed = FALSE;
    KeInitializeEvent(&gate.open, NotificationEvent, TRUE);
    KeInitializeEvent(&gate.empty, NotificationEvent, TRUE);
}

static BOOLEAN try_enter(VOID)
{
    BOOLEAN entered;
    KIRQL before;

    KeAcquireSpinLock(&gate.lock, &before);
    entered = !gate.closed;
    if (entered && gate.inside++ == 0)
        KeClearEvent(&gate.empty);
    KeReleaseSpinLock(&gate.lock, before);
    return entered;
}

VOID gate_enter(VOID)
{
    while (!try_enter())
        KeWaitForSingleObject(&gate.open, Executive, KernelMode, FALSE, NULL);
}

VOID gate_leave(VOID)
{
    KIRQL before;

    KeAcquireSpinLock(&gate.lock, &before);
    if (--gate.inside == 0)
        KeSetEvent(&gate.empty, IO_NO_INCREMENT, FALSE);
    KeReleaseSpinLock(&gate.lock, before);
}

static BOOLEAN try_close(VOID)
{
    KIRQL before;

    KeAcquireSpinLock(&gate.lock, &before);
    if (gate.inside == 0) {
        gate.closed = TRUE;
        KeClearEvent(&gate.open);
    }
    KeReleaseSpinLock(&gate.lock, before);
    return gate.closed;
}

VOID gate_close(VOID)
{
    while (!try_close())
        KeWaitForSingleObject(&gate.empty, Executive, KernelMode, FALSE, NULL);
}

VOID gate_open(VOID)
{
    KIRQL before;

    KeAcquireSpinLock(&gate.lock, &before);
    gate.closed = FALSE;
    KeSetEvent(&gate.open, IO_NO_INCREMENT, FALSE);
    KeReleaseSpinLock(&gate.lock, before);
}

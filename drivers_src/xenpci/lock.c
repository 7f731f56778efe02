/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Spin locks for what is also touched above DISPATCH_LEVEL, by interrupt service routines of others among them.
 */
#include "xenpci.h"

KIRQL high_lock(PKSPIN_LOCK lock)
{
    KIRQL before;

    KeRaiseIrql(HIGH_LEVEL, &before);
    KeAcquireSpinLockAtDpcLevel(lock);
    return before;
}

VOID high_unlock(PKSPIN_LOCK lock, KIRQL before)
{
    KeReleaseSpinLockFromDpcLevel(lock);
    KeLowerIrql(before);
}

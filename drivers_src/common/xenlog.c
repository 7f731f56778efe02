/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen collects what a domain writes to the port, and puts it into its log line by line, with the domain's number.
 */
#include "xenlog.h"
#include "xen.h"
#include "xen/hypercall.h"
#include <intrin.h>

#define INTERRUPT_FLAG 0x200

/* Nothing else of this processor gets between.  No lock keeps other processors off: a bug check could find it taken. */
VOID xen_log(PCSTR text)
{
    ULONG_PTR flags = __readeflags();

    if (xen_hypercall_msr() == 0)
        return;
    _disable();
    for (; *text != 0; text++)
        __outbyte(XEN_HVM_DEBUGCONS_IOPORT, (UCHAR)*text);
    if ((flags & INTERRUPT_FLAG) != 0)
        _enable();
}

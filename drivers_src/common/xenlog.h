/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen's log, which Dom0 reads (xl dmesg).  Any IRQL.
 */
#ifndef GPLPV_XENLOG_H
#define GPLPV_XENLOG_H

#include <ntddk.h>

/* Whole lines; nothing happens where no Xen is. */
VOID xen_log(PCSTR text);

#endif

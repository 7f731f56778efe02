/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether this boot uses the PV devices, and if not, why.  Every driver that has to know comes to the same answer, for
 * it depends on nothing that changes while Windows runs.
 */
#ifndef GPLPV_PVMODE_H
#define GPLPV_PVMODE_H

#include <ntddk.h>

enum pv_mode {
    PV_ACTIVE,
    PV_NO_XEN,
    PV_XEN_TOO_OLD,
    PV_SAFE_MODE,
    PV_SWITCHED_OFF, /* /NOGPLPV */
    PV_NOT_ASKED_FOR /* the policy wants /GPLPV, and it is not there */
};

/*
 * The policy: with the number OptIn other than 0 in the xenpci service's Parameters key, the PV devices are used only
 * when /GPLPV is among the boot options.
 */
#define PV_POLICY_KEY L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\xenpci\\Parameters"
#define PV_POLICY_VALUE L"OptIn"

/* PASSIVE_LEVEL. */
enum pv_mode pv_mode_choose(VOID);

#endif

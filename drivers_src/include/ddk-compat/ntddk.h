/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * <ntddk.h> of mingw-w64, repaired; what it takes from <wdm.h> is repaired there.
 */
#ifndef DDK_COMPAT_NTDDK_H
#define DDK_COMPAT_NTDDK_H

#include_next <ntddk.h>

#ifdef _WIN64
/* hal.dll exports it on x64, where the header hides it with the other pre-PnP routines. */
NTHALAPI ULONG NTAPI HalGetInterruptVector(INTERFACE_TYPE InterfaceType, ULONG BusNumber, ULONG BusInterruptLevel,
                                           ULONG BusInterruptVector, PKIRQL Irql, PKAFFINITY Affinity);
#endif

#endif

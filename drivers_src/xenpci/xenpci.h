/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XENPCI_H
#define XENPCI_H

#include <ntddk.h>
#include "pnp_device.h"

#define GPLPV_MODULE "xenpci"
#include "debug.h"

/* xen.c: the hypervisor as CPUID shows it. */
struct xen_version {
    USHORT major;
    USHORT minor;
};

/* STATUS_NOT_FOUND: no Xen beneath.  Any IRQL. */
NTSTATUS xen_detect(struct xen_version *version);

/* mode.c: whether this boot uses the PV devices, and if not, why. */
enum xenpci_mode {
    XENPCI_ACTIVE,
    XENPCI_NO_XEN,
    XENPCI_XEN_TOO_OLD,
    XENPCI_SAFE_MODE,
    XENPCI_SWITCHED_OFF
};

/* PASSIVE_LEVEL. */
enum xenpci_mode xenpci_choose_mode(VOID);

/* driver.c: the choice for this boot, made once before any device is added. */
extern enum xenpci_mode xenpci_mode;

/* device.c */
DRIVER_ADD_DEVICE xenpci_add_device;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XENHIDE_H
#define XENHIDE_H

#include <ntddk.h>
#include "hide.h"
#include "pnp_device.h"

#define GPLPV_MODULE "xenhide"
#include "debug.h"

/* pci_root.c: whether this is the physical device object of a PCI root bus.  PASSIVE_LEVEL. */
BOOLEAN is_pci_root(PDEVICE_OBJECT physical);

/* policy.c: HIDE_ classes that this boot has PV devices for, as far as can be known before Xen is talked to. */
ULONG choose_hidden(VOID);

/* emulated.c: HIDE_ class of an emulated device on a PCI bus, or 0.  PASSIVE_LEVEL, before the device is started. */
ULONG emulated_class(PDEVICE_OBJECT device);
BOOLEAN is_platform_device(PDEVICE_OBJECT device);

/*
 * hidden.c: what is hidden now.  It is chosen once, and what has been shown stays shown.  PASSIVE_LEVEL.
 */
NTSTATUS hidden_start(PDRIVER_OBJECT driver);
VOID hidden_stop(VOID);
ULONG hidden_classes(VOID);

/* A PCI root bus that the filter is on, to be looked at again when something is to be shown. */
VOID hidden_add_bus(PDEVICE_OBJECT physical);

/* filter.c */
DRIVER_ADD_DEVICE xenhide_add_device;

#endif

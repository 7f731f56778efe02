/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XENHIDE_H
#define XENHIDE_H

#include <ntddk.h>
#include "pnp_device.h"

#define GPLPV_MODULE "xenhide"
#include "debug.h"

/* pci_root.c: whether this is the physical device object of a PCI root bus.  PASSIVE_LEVEL. */
BOOLEAN is_pci_root(PDEVICE_OBJECT physical);

/* hide.c: the one place that decides whether a device on a PCI root bus is hidden.  PASSIVE_LEVEL. */
BOOLEAN is_hidden(PDEVICE_OBJECT child);

/* filter.c */
DRIVER_ADD_DEVICE xenhide_add_device;

#endif

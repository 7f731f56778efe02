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

/* emulated.c: what a device on a PCI bus is.  PASSIVE_LEVEL. */
enum device_kind {
    KIND_OTHER,
    KIND_DISKS,
    KIND_NETWORK,
    KIND_PLATFORM, /* Xen's */
    KIND_UNKNOWN   /* there was no memory to ask it */
};

enum device_kind kind_of(PDEVICE_OBJECT device);

/*
 * hidden.c: what is hidden.  It is chosen when the driver is loaded, begins with the first look at the bus that has the
 * platform device, before Windows has met anything on it, and what has been shown stays shown.  PASSIVE_LEVEL.
 */
NTSTATUS hidden_start(PDRIVER_OBJECT driver);
VOID hidden_stop(VOID);
ULONG hidden_classes(VOID);

/* TRUE: this is the bus to hide things on, to be looked at again when something is to be shown. */
BOOLEAN hidden_begin(PDEVICE_OBJECT bus);
VOID hidden_end(PDEVICE_OBJECT bus);

/* Shows what may still be shown of these, because nobody can say whether all of it is hidden. */
VOID hidden_give_up(ULONG classes);

/* filter.c */
DRIVER_ADD_DEVICE xenhide_add_device;

#endif
